//! The `jsserve` binary: flags, then configuration, then the server or the script, then an exit code.
#![forbid(unsafe_code)]

mod cgi_mode;
mod cli;
mod descriptors;
mod failure;
mod logging;
mod reload;
mod repl;
mod serve;
mod types;

use std::io::Write;
use std::process::ExitCode;

use cli::Invocation;
use runtime::config::{LogFormat, ScriptConfig};

#[global_allocator]
static ALLOCATOR: runtime::io::Allocator = runtime::io::Allocator;

fn main() -> ExitCode {
    let descriptors = descriptors::open();
    failure::catch_panics();
    let words: Vec<_> = std::env::args_os().collect();
    if cli::wants_json(&words) {
        logging::start(false, LogFormat::Json);
    }
    match cli::read(words.iter().cloned()) {
        Ok(Invocation::Serve(config)) => {
            logging::start(config.quiet, config.log);
            serve::serve(*config, words).unwrap_or_else(|error| failure::report(&error))
        }
        Ok(Invocation::AnswerOnce(config)) => {
            logging::start(config.quiet, config.log);
            cgi_mode::answer(*config).unwrap_or_else(|error| failure::report(&error))
        }
        Ok(Invocation::Script(config, warning)) => {
            if let Some(warning) = warning {
                failure::complain(&warning);
            }
            run(ScriptConfig { descriptors, ..*config })
        }
        Ok(Invocation::Repl(config)) => {
            logging::start(true, config.log);
            let ended = repl::run(ScriptConfig { descriptors, ..*config });
            ended.unwrap_or_else(|error| failure::report(&error))
        }
        Ok(Invocation::Check(config)) => {
            logging::start(config.quiet, config.log);
            serve::check(*config).unwrap_or_else(|error| failure::report(&error))
        }
        Ok(Invocation::Types) => print(&types::text()),
        Ok(Invocation::Print(text)) => print(&text),
        Err(error) => failure::report(&error),
    }
}

/// Prints what was asked for.
fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Runs a script; its exit code.
fn run(config: ScriptConfig) -> ExitCode {
    // Its standard error is its own: of ours only what is wrong with the machine, or with us.
    logging::start(true, config.log);
    match runtime::script::run(config) {
        // Exit codes have eight bits (exit(3)).
        Ok(code) => ExitCode::from(code as u8),
        Err(error) => failure::report(&error),
    }
}
