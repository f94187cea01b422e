//! The command line: flags as typed (`flags`, low) and what they come to (`resolve`, high).
//!
//! Owns: parsing, help, and mistakes told in this program's words. Must not know: the server.

mod address;
mod flags;
mod mistake;
mod resolve;
mod values;

use std::ffi::OsString;

use clap::Parser;
use clap::error::ErrorKind as Kind;
use runtime::config::Config;
use runtime::error::Result;

/// What the command line asks for.
#[derive(Debug)]
pub enum Request {
    /// Serve with this configuration.
    Serve(Box<Config>),
    /// Print this text (help, version) and end.
    Print(String),
}

/// Reads the command line, program name first.
///
/// # Errors
/// `Usage` for mistakes in flags, `App` when the app's file cannot be read.
pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Request> {
    match flags::Flags::try_parse_from(words) {
        Ok(flags) => Ok(Request::Serve(Box::new(resolve::resolve(flags)?))),
        Err(error) if matches!(error.kind(), Kind::DisplayHelp | Kind::DisplayVersion) => {
            Ok(Request::Print(error.to_string()))
        }
        Err(error) => Err(mistake::explain(&error)),
    }
}
