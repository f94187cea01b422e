//! The `jsserve` binary: flags, then configuration, then the server, then an exit code.
#![forbid(unsafe_code)]

mod cli;
mod failure;
mod logging;
mod serve;

use std::io::Write;
use std::process::ExitCode;

use cli::Request;

fn main() -> ExitCode {
    failure::catch_panics();
    match cli::read(std::env::args_os()) {
        Ok(Request::Serve(config)) => {
            logging::start(&config);
            serve::serve(*config).unwrap_or_else(|error| failure::report(&error))
        }
        Ok(Request::Print(text)) => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => failure::report(&error),
    }
}
