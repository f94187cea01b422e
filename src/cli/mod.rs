//! The command line: flags as typed (`flags`, low), jsserve.toml (`project`), and what both come to
//! (`resolve`, high).
//!
//! Owns: parsing, help, mistakes told in this program's words, and whether the file named is an app
//! or a script: it is read for that, nothing of it runs. Must not know: the server.

mod accounts;
mod address;
mod answers;
mod cgi_flags;
mod cgroup;
mod commands;
mod dotenv;
mod environment;
mod file_flags;
mod files;
mod flags;
mod limit_flags;
mod mistake;
mod operations;
mod permission_flags;
mod places;
mod project;
mod proxy_flags;
mod reload_flags;
mod resolve;
mod schedule_flags;
mod script;
mod tls;
mod values;
mod websocket;
mod words;

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind as Kind;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};
use runtime::config::{Config, Goal, Program, ScriptConfig};
use runtime::error::{Error, Result};
use runtime::js::goal::{exports, is_app};
use runtime::source::Sources;
use runtime::source::prepare::exported_names;

use environment::Variables;
use flags::Flags;
use project::Project;
use words::Words;

/// What the command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// Serve with this configuration.
    Serve(Box<Config>),
    /// Answer one request with this configuration, as a CGI program.
    AnswerOnce(Box<Config>),
    /// Run this script; the second is a warning to print before.
    Script(Box<ScriptConfig>, Option<String>),
    /// Start the interactive prompt.
    Repl(Box<ScriptConfig>),
    /// Load this app and report, without serving it.
    Check(Box<Config>),
    /// Print the TypeScript declarations.
    Types,
    /// Print this text (help, version) and end.
    Print(String),
}

/// Reads the command line, program name first.
///
/// # Errors
/// `Usage` for mistakes in flags, `App` when the file cannot be read.
pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Invocation> {
    let words: Vec<OsString> = words.into_iter().collect();
    match understand(&words) {
        Ok(request) => Ok(request),
        Err(CliError::Ours(error)) => Err(error),
        Err(CliError::Flags(error)) if matches!(error.kind(), Kind::DisplayHelp | Kind::DisplayVersion) => {
            Ok(Invocation::Print(error.to_string()))
        }
        Err(CliError::Flags(error)) => Err(mistake::explain(&error)),
    }
}

/// Why there is nothing to do.
enum CliError {
    Flags(clap::Error),
    Ours(Error),
}

impl From<clap::Error> for CliError {
    fn from(error: clap::Error) -> Self {
        CliError::Flags(error)
    }
}

impl From<Error> for CliError {
    fn from(error: Error) -> Self {
        CliError::Ours(error)
    }
}

/// Whether the log's lines are to be JSON: told before anything else is understood.
pub fn wants_json(words: &[OsString]) -> bool {
    let ours = words.iter().skip(1).take_while(|word| *word != "--");
    let ours: Vec<&OsString> = ours.collect();
    ours.iter().any(|word| *word == "--log=json")
        || ours.windows(2).any(|pair| pair[0] == "--log" && pair[1] == "json")
}

/// What `words` say by `command`, that of [`Flags`]: to make it takes longer than to parse.
fn parse(command: &mut Command, words: &[OsString]) -> std::result::Result<(Flags, ArgMatches), clap::Error> {
    let matches = command.try_get_matches_from_mut(words)?;
    Ok((Flags::from_arg_matches(&matches)?, matches))
}

fn understand(words: &[OsString]) -> std::result::Result<Invocation, CliError> {
    let mut command = Flags::command();
    let cut = Words::cut(&command, words);
    let head = cut.as_ref().map(|cut| parse(&mut command, &cut.head)).transpose()?;
    let mut serve = || Ok(Invocation::Serve(Box::new(served(&mut command, words)?)));
    let (Some(Words { file, rest, .. }), Some((flags, given))) = (cut, head) else {
        // An unknown flag: the error says which.
        return serve();
    };
    // A map that is none is told before anything else.
    let sources = Sources::read(&resolve::source_options(&flags))?;
    let config = |program, name: Option<OsString>| {
        script::resolve(&flags, &given, program, name.into_iter().chain(rest.clone()), words).map(Box::new)
    };
    let warn = |what: &str| in_vain(&given, what);
    if let Some(text) = flags.script.eval.clone().or_else(|| flags.script.print.clone()) {
        // The first word that is no flag is an argument like the others.
        let flag = if flags.script.print.is_some() { "-p" } else { "-e" };
        return Ok(Invocation::Script(config(Program::Text(text), file)?, warn(flag)));
    }
    if flags.script.interactive {
        let mut prompt = config(Program::Prompt, file.clone())?;
        prompt.includes.extend(file.map(PathBuf::from));
        return Ok(Invocation::Repl(prompt));
    }
    let file = match file {
        Some(file) => file,
        None if !script::is_meant(&given) && is_project(&flags)? => return serve(),
        None if !script::is_meant(&given) && serves_folders(&flags) => return serve(),
        None if std::io::stdin().is_terminal() => {
            return Ok(Invocation::Repl(config(Program::Prompt, None)?));
        }
        None => "-".into(),
    };
    if let Some(text) = file.to_str().and_then(|word| commands::answer(word, &rest)) {
        return text.map(Invocation::Print).map_err(CliError::from);
    }
    match file.to_str() {
        Some("-") => {
            Ok(Invocation::Script(config(Program::Stdin, Some(file))?, warn("the program on standard input")))
        }
        Some("repl") => Ok(Invocation::Repl(config(Program::Prompt, None)?)),
        Some("types") if rest.is_empty() => Ok(Invocation::Types),
        Some("check") if !rest.is_empty() || is_project(&flags)? => {
            let at = words.len() - rest.len() - 1;
            let serving = [&words[..at], &words[at + 1..]].concat();
            Ok(Invocation::Check(Box::new(served(&mut command, &serving)?)))
        }
        _ if flags.serving.cgi_mode => answer_once(&mut command, words, &rest),
        _ if resolve::is_stream(Path::new(&file)) => {
            let program = Program::Stream(PathBuf::from(&file));
            Ok(Invocation::Script(config(program, Some(file.clone()))?, warn(&name(&file))))
        }
        _ => {
            let path = Path::new(&file);
            resolve::check_app(path)?;
            let goal = script::goal(&flags);
            let source = resolve::javascript(&sources, path);
            if path.is_dir() || goal != Some(Goal::Script) && is_app(&sources, &source) {
                script::refuse_for_app(&given, &file)?;
                return serve();
            }
            let warning = warn(&name(&file)).or_else(|| forgotten(&sources, &name(&file), &source.text));
            let program = Program::File(path.to_owned());
            Ok(Invocation::Script(config(program, Some(file.clone()))?, warning))
        }
    }
}

/// A warning for flags of servers, where `what` is a script.
fn in_vain(given: &ArgMatches, what: &str) -> Option<String> {
    let flags = script::in_vain(given).join(", ");
    let text = format!("nothing is served: {what} is a script (no default export); ignored: {flags}");
    (!flags.is_empty()).then_some(text)
}

/// One answer of the app that `words` name. What is behind the file, `rest`, may be the words of a query (RFC 3875
/// section 4.4): none of them is a flag.
fn answer_once(
    command: &mut Command,
    words: &[OsString],
    rest: &[OsString],
) -> std::result::Result<Invocation, CliError> {
    let (own, separator) = (&words[..words.len() - rest.len()], OsString::from("--"));
    let words = [own, &[separator], rest].concat();
    Ok(Invocation::AnswerOnce(Box::new(served(command, &words)?)))
}

/// What is to be served by the same command line now: its file of settings is read again.
///
/// # Errors
/// Those of [`read`].
pub fn read_again(words: &[OsString]) -> Result<Config> {
    match served(&mut Flags::command(), words) {
        Ok(config) => Ok(config),
        Err(CliError::Ours(error)) => Err(error),
        Err(CliError::Flags(error)) => Err(mistake::explain(&error)),
    }
}

/// What is to be served, as words and a file of settings say together.
fn served(command: &mut Command, words: &[OsString]) -> std::result::Result<Config, CliError> {
    let (flags, given) = parse(command, words)?;
    let Some(mut project) = Project::find(&flags)? else { return Ok(complete(flags, None)?) };
    let mut merged = parse(command, &project.complete(words, &given))?.0;
    project.name_app(&mut merged)?;
    complete(merged, Some(&project)).map_err(|error| project.locate(error).into())
}

/// Whether a file of settings says what to serve, or is to do so.
fn is_project(flags: &Flags) -> Result<bool> {
    let found = Project::find(flags)?;
    Ok(flags.settings.config.is_some() || found.is_some_and(|project| project.has_app()))
}

fn complete(flags: Flags, project: Option<&Project>) -> Result<Config> {
    // A map that is none is told as the command line is read, and at its place in the file.
    Sources::read(&resolve::source_options(&flags))?;
    let mut variables = Variables::default();
    if let Some(project) = project {
        project.add_variables(&mut variables)?;
    }
    let tables = project.map(Project::tables).unwrap_or_default();
    let file = project.map(|project| project.path().to_owned());
    // Where there is none yet, too: it may come.
    let settings = project::place(&flags);
    let mut config = resolve::resolve(flags, file, variables, &tables)?;
    config.reload.files.push(std::path::absolute(&settings).unwrap_or(settings));
    Ok(config)
}

/// A warning for a handler that is exported under its own name only, and for one that listens to events as
/// service workers do: the usual slips in a first app.
fn forgotten(sources: &Sources, file: &str, source: &[u8]) -> Option<String> {
    if listens(source) {
        return Some(format!(
            "nothing is served: {file} listens for the event fetch\n  \
             An app has: export default {{ fetch(request) {{ return new Response(\"hello\") }} }}"
        ));
    }
    let handler = ["fetch", "accept"].into_iter().find(|handler| exports(sources, source, handler))?;
    // What exports more than handlers is imported elsewhere, and has them for its own.
    if !exported_names(source).iter().all(|name| HANDLERS.contains(&name.as_str())) {
        return None;
    }
    Some(format!(
        "nothing is served: {file} exports {handler}, but not in a default export\n  \
         An app has: export default {{ {handler} }}"
    ))
}

/// What the methods of an app are called.
const HANDLERS: [&str; 3] = ["fetch", "accept", "connect"];

/// Whether `source` calls `addEventListener("fetch", ...)`.
fn listens(source: &[u8]) -> bool {
    let text = String::from_utf8_lossy(source);
    text.match_indices("addEventListener").any(|(at, word)| {
        let call = text[at + word.len()..].trim_start().strip_prefix('(').map(str::trim_start);
        call.is_some_and(|call| ["'fetch'", "\"fetch\"", "`fetch`"].iter().any(|name| call.starts_with(name)))
    })
}

fn name(file: &OsStr) -> String {
    file.display().to_string()
}

/// Whether there is something to serve without an app.
fn serves_folders(flags: &Flags) -> bool {
    !flags.files.folders.is_empty() || !flags.cgi.folders.is_empty() || !flags.proxy.rules.is_empty()
}
