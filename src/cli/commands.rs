//! Commands that only print: help, version, the authority's file, and the help of each command.
//!
//! Owns: their texts. Must not know: what the commands do.

use std::ffi::OsString;
use std::path::Path;

use clap::CommandFactory;
use runtime::error::{Error, ErrorKind, Result};
use runtime::tls::Authority;

use super::flags::Flags;

/// The commands, and what each has to say of itself.
const COMMANDS: [(&str, &str); 6] = [
    (
        "check",
        "Loads an app as a worker would, without serving it, and says what it has: its handlers, its modules, how long \
         it took. Ends with 1 where it does not load.

Usage: jsserve check [flags] app.js

Without app.js it takes what jsserve.toml names. Flags are those of an app: jsserve --help
",
    ),
    (
        "repl",
        "Starts the interactive prompt. What does not parse as JavaScript is read as TypeScript.

Usage: jsserve [flags] repl [arguments]
       jsserve [flags] -i [FILE] [arguments]

At the prompt: .help tells its commands, .load FILE evaluates a file, Ctrl-D leaves.
",
    ),
    (
        "types",
        "Prints the declarations of all that jsserve has, for the TypeScript compiler.

Usage: jsserve types > jsserve.d.ts
",
    ),
    (
        "ca",
        "Prints the file of the certificate authority for development, which --tls-self-signed uses, and makes it where
there is none yet.

Usage: jsserve ca
       curl --cacert $(jsserve ca) https://localhost:8443/
",
    ),
    ("version", "Prints name and version.\n\nUsage: jsserve version\n"),
    ("help", "Prints all flags, or what a command does.\n\nUsage: jsserve help [COMMAND]\n"),
];

/// What is to be printed for `word`, if it is a command that asks for no more; `rest` stands behind it.
pub fn answer(word: &str, rest: &[OsString]) -> Option<Result<String>> {
    let (_, help) = COMMANDS.iter().find(|(name, _)| *name == word)?;
    if Path::new(word).is_file() && word != "repl" && word != "check" {
        return None;
    }
    let ours = rest.iter().take_while(|word| *word != "--");
    if ours.clone().any(|word| word == "--help" || word == "-h") {
        return Some(Ok((*help).to_owned()));
    }
    match (word, rest) {
        ("help", []) => Some(Ok(Flags::command().render_long_help().to_string())),
        ("help", [command]) => Some(help_of(&command.to_string_lossy())),
        ("version", []) => Some(Ok(Flags::command().render_version())),
        ("ca", []) => {
            Some(Authority::open().map(|authority| format!("{}\n", authority.certificate.display())))
        }
        ("help" | "version" | "types" | "ca", [other, ..]) => {
            let text = format!("{word}: it has no argument {}", other.display());
            Some(Err(
                Error::new(ErrorKind::Usage, text).remedy(format!("What it does: jsserve {word} --help"))
            ))
        }
        _ => None,
    }
}

fn help_of(command: &str) -> Result<String> {
    let known = COMMANDS.iter().find(|(name, _)| *name == command);
    known.map(|(_, help)| (*help).to_owned()).ok_or_else(|| {
        let names: Vec<&str> = COMMANDS.iter().map(|(name, _)| *name).collect();
        Error::new(ErrorKind::Usage, format!("help: there is no command {command}"))
            .remedy(format!("Commands are {}; all flags: jsserve --help", names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Option<Result<String>> {
        let mut words = line.split(' ').map(OsString::from);
        let word = words.next().unwrap_or_default();
        answer(&word.to_string_lossy(), &words.collect::<Vec<_>>())
    }

    #[test]
    fn every_command_has_its_help() {
        for (name, help) in COMMANDS {
            for line in [format!("{name} --help"), format!("{name} -h"), format!("help {name}")] {
                assert_eq!(told(&line).expect("an answer").expect("help"), help, "{line}");
            }
            assert!(help.contains("Usage: jsserve") && help.ends_with('\n'), "{name}");
        }
        assert!(told("help").expect("an answer").expect("help").contains("--port"));
        let version = told("version").expect("an answer").expect("a version");
        assert_eq!(version, format!("jsserve {}\n", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn what_a_command_does_not_take_is_told_with_a_remedy() {
        for line in ["version x", "ca x", "types --frob", "help serve", "help a b"] {
            let error = told(line).expect("an answer").expect_err(line);
            assert!(error.kind() == ErrorKind::Usage && error.way_out().is_some(), "{line}: {error}");
        }
        for line in ["repl", "repl x", "types", "check app.js", "app.js --help", "check -- --help"] {
            assert!(told(line).is_none(), "{line}");
        }
    }
}
