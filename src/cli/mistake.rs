//! Mistakes on the command line, told in this program's words.
//!
//! Owns: the mapping from clap's error kinds to one message with its remedy. Must not know: how
//! messages are printed, exit codes.

use clap::error::{ContextKind, ContextValue, ErrorKind as Kind};
use runtime::error::{Error, ErrorKind};

use super::values::ValueError;

const HELP: &str = "All flags: jsserve --help";

/// The usage error that `error` stands for.
pub fn explain(error: &clap::Error) -> Error {
    let flag = context(error, ContextKind::InvalidArg).map(|text| name(&text)).unwrap_or_default();
    let value = context(error, ContextKind::InvalidValue).unwrap_or_default();
    let (message, remedy) = match error.kind() {
        Kind::UnknownArgument => (format!("unknown flag {flag}"), near_flag(error)),
        Kind::InvalidValue if value.is_empty() => {
            let remedy = match context(error, ContextKind::ValidValue) {
                Some(values) => format!("Write one of {values}."),
                None => HELP.to_string(),
            };
            return of_flag(&flag, "needs a value".to_owned(), remedy);
        }
        Kind::InvalidValue => {
            let values = context(error, ContextKind::ValidValue).unwrap_or_default();
            return of_flag(
                &flag,
                format!("{value}: not a value of this flag"),
                format!("Write one of {values}."),
            );
        }
        Kind::ValueValidation => {
            let cause = std::error::Error::source(error);
            let refusal = cause.and_then(|cause| cause.downcast_ref::<ValueError>());
            let other = || (cause.map(ToString::to_string).unwrap_or_default(), HELP.to_string());
            let (why, how) = refusal.map_or_else(other, |one| (one.why.to_owned(), one.how.clone()));
            return of_flag(&flag, format!("{value}: {why}"), how);
        }
        Kind::ArgumentConflict => {
            let other = context(error, ContextKind::PriorArg).map(|text| name(&text)).unwrap_or_default();
            if other == flag || other.is_empty() {
                (format!("{flag} is given twice"), "Give it once.".to_string())
            } else {
                (format!("{flag} and {other} exclude each other"), format!("Give one of the two. {HELP}"))
            }
        }
        Kind::TooManyValues | Kind::NoEquals | Kind::WrongNumberOfValues => {
            (format!("{flag} has the wrong number of values"), HELP.to_string())
        }
        Kind::InvalidUtf8 => ("a flag's value is not UTF-8".to_string(), HELP.to_string()),
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            (first.trim_start_matches("error: ").to_string(), HELP.to_string())
        }
    };
    Error::new(ErrorKind::Usage, message).remedy(remedy)
}

/// The error of a flag, named as it is typed.
fn of_flag(flag: &str, message: String, remedy: String) -> Error {
    Error::of_flag(flag.trim_start_matches('-'), message).remedy(remedy)
}

/// The nearest flag there is; a word after the app may also be meant for the app.
fn near_flag(error: &clap::Error) -> String {
    match near(error) {
        Some(near) => format!("Did you mean {near}? {HELP}"),
        None => format!("{HELP}. Arguments of the app stand after --"),
    }
}

/// The flag that an unknown one is most like.
pub fn near(error: &clap::Error) -> Option<String> {
    Some(name(&context(error, ContextKind::SuggestedArg)?))
}

/// `--port <PORT>` and `--dev[=<BOOL>]` name the flag and its value; messages want the flag.
fn name(text: &str) -> String {
    text.split([' ', '=', '[']).next().unwrap_or_default().to_string()
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    let text = match error.get(kind)? {
        ContextValue::String(text) => text.clone(),
        ContextValue::Strings(texts) => texts.join(", "),
        ContextValue::StyledStr(text) => text.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::super::flags::Flags;
    use super::*;
    use clap::Parser;

    #[test]
    fn each_mistake_names_the_flag_and_the_remedy() {
        for (words, expected) in [
            ("--prot 1 a.js", "unknown flag --prot\n  Did you mean --port? All flags: jsserve --help"),
            (
                "--frobnicate a.js",
                "unknown flag --frobnicate\n  All flags: jsserve --help. Arguments of the app stand after --",
            ),
            (
                "--port 70000 a.js",
                "--port 70000: not a port\n  Ports are whole numbers from 0 to 65535; 0 lets the kernel choose one.",
            ),
            (
                "--port -1 a.js",
                "--port -1: not a port\n  Ports are whole numbers from 0 to 65535; 0 lets the kernel choose one.",
            ),
            (
                "--body-max 1Q a.js",
                "--body-max 1Q: not a size\n  Write bytes as a whole number, or with a unit: 16K, 1M, 2G.",
            ),
            (
                "--workers 0 a.js",
                "--workers 0: not a number of workers\n  Write a whole number from 1 to 1024, or auto for one per core.",
            ),
            ("--io kqueue a.js", "--io kqueue: not a value of this flag\n  Write one of auto, uring, epoll."),
            ("a.js --port", "--port needs a value\n  All flags: jsserve --help"),
            ("--dev=no a.js", "--dev no: not a value of this flag\n  Write one of true, false."),
            ("--quiet --quiet a.js", "--quiet is given twice\n  Give it once."),
            (
                "--listen tcp://[::1]:1 --port 2 a.js",
                "--listen and --port exclude each other\n  Give one of the two. All flags: jsserve --help",
            ),
        ] {
            let error =
                Flags::try_parse_from(std::iter::once("jsserve").chain(words.split(' '))).expect_err(words);
            assert_eq!(explain(&error).to_string(), expected, "{words}");
        }
    }
}
