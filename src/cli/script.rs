//! What a script run is told: from flags and words to a `ScriptConfig`.
//!
//! Owns: which program runs and what its `scriptArgs` are, flags that mean nothing without a server.
//! Must not know: how a script runs.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;
use runtime::config::{Goal, Program, SCRIPT_STACK_BYTES, ScriptConfig};
use runtime::error::{Error, ErrorKind, Result};

use super::flags::Flags;
use super::resolve;

/// Flags that scripts and the prompt follow; all others are about serving.
const FOLLOWED: [&str; 19] = [
    "eval",
    "print",
    "interactive",
    "std",
    "module",
    "script",
    "include",
    "io",
    "heap_max",
    "stack_max",
    "import_map",
    "no_cache",
    "allow_read",
    "allow_write",
    "allow_net",
    "allow_run",
    "allow_env",
    "log",
    "quiet",
];

/// Flags that mean nothing where something is served.
pub const ONLY_SCRIPTS: [&str; 7] = ["eval", "print", "interactive", "std", "module", "script", "include"];

/// The configuration for `program` with `args`, its name among them.
///
/// # Errors
/// `Usage` for values that cannot be.
pub fn resolve(
    flags: &Flags,
    given: &ArgMatches,
    program: Program,
    args: impl IntoIterator<Item = OsString>,
    words: &[OsString],
) -> Result<ScriptConfig> {
    let bytes_max = |id: &str, bytes: usize| is_given(given, id).then_some(bytes);
    let stack = resolve::stack_bytes(flags)?;
    Ok(ScriptConfig {
        program,
        sources: resolve::source_options(flags),
        goal: goal(flags),
        print: flags.script.print.is_some(),
        args: args.into_iter().map(resolve::argument).collect::<Result<_>>()?,
        exec_args: words.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        std: flags.script.std,
        includes: flags.script.include.iter().map(PathBuf::from).collect(),
        descriptors: Vec::new(),
        permissions: flags.permissions.permissions(std::iter::empty())?,
        io: resolve::io(flags),
        heap_bytes_max: resolve::heap_bytes(flags)?,
        stack_bytes_max: bytes_max("stack_max", stack).unwrap_or(SCRIPT_STACK_BYTES),
        quiet: flags.logging.quiet,
        log: resolve::log(flags),
    })
}

/// The goal that a flag forces.
pub fn goal(flags: &Flags) -> Option<Goal> {
    match (flags.script.module, flags.script.script) {
        (true, _) => Some(Goal::Module),
        (_, true) => Some(Goal::Script),
        _ => None,
    }
}

/// Those of the flags that were typed and mean nothing, because nothing is served.
pub fn in_vain(given: &ArgMatches) -> Vec<String> {
    let ids = given.ids().map(clap::Id::as_str);
    ids.filter(|id| is_given(given, id) && !FOLLOWED.contains(id))
        .filter(|id| given.try_contains_id(id).is_ok_and(|is| is) && *id != "file" && !is_group(id))
        .map(|id| format!("--{}", id.replace('_', "-")))
        .collect()
}

/// clap lists the structs of flags, too.
fn is_group(id: &str) -> bool {
    id.starts_with(char::is_uppercase)
}

fn is_given(given: &ArgMatches, id: &str) -> bool {
    given.value_source(id) == Some(ValueSource::CommandLine)
}

/// Whether flags say that a script is to run.
pub fn is_meant(given: &ArgMatches) -> bool {
    ONLY_SCRIPTS.iter().any(|id| is_given(given, id))
}

/// Refuses flags of scripts for what is served.
///
/// # Errors
/// `Usage`, with the name of the first such flag.
pub fn refuse_for_app(given: &ArgMatches, app: &OsStr) -> Result<()> {
    for (id, flag) in [("std", "--std"), ("include", "--include")] {
        if is_given(given, id) {
            let text =
                format!("{flag} is for scripts, and {} is an app: it has a default export", app.display());
            return Err(Error::new(ErrorKind::Usage, text).remedy("An app imports what it needs."));
        }
    }
    Ok(())
}
