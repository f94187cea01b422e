//! jsserve.toml: an app's settings in a file, one key for each flag, under the flag's name.
//!
//! Owns: finding the file, which keys there are, types of values. The keys are the flags that serve
//! (`flags`), so a flag has its key as soon as it is there; values are written as on the command line
//! and become words of it. Must not know: what a value leads to.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory};
use runtime::config::ProxyRule;
use runtime::error::{Error, ErrorKind, Result};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::environment::{Setting, Variables};
use super::flags::{Flags, has_optional_value, is_switch};
use super::mistake;
use super::places::{SettingsText, article};
use super::proxy_flags;
use super::resolve::{self, Tables};
use super::script::ONLY_SCRIPTS;
use super::tls::{self, CertificateTable};

/// The file's name where `--config` gives none.
const NAME: &str = "jsserve.toml";
/// Flags that have no key: what they say is for one run.
const ONLY_FLAGS: [&str; 3] = ["config", "help", "version"];
/// Keys that are no flags, beside the table `env`.
const ONLY_KEYS: [&str; 2] = ["app", "args"];
/// Other names of keys: an array of lines has its own.
const OTHER_NAMES: [(&str, &str); 1] = [("crons", "cron")];

/// Where the file of settings is, or would be.
pub fn place(flags: &Flags) -> PathBuf {
    match (&flags.settings.config, &flags.app) {
        (Some(path), _) => PathBuf::from(path),
        (None, Some(app)) if Path::new(app).join(NAME).is_file() => Path::new(app).join(NAME),
        (None, Some(app)) => Path::new(app).with_file_name(NAME),
        (None, None) => PathBuf::from(NAME),
    }
}

/// What stands in a file of settings.
#[derive(Debug)]
pub struct Project {
    source: SettingsText,
    app: Option<PathBuf>,
    args: Vec<OsString>,
    /// Names, what they are set to, byte offsets of that.
    env: Vec<(String, Setting, usize)>,
    env_files: Vec<PathBuf>,
    /// The tables `[[tls]]`.
    certificates: Vec<CertificateTable>,
    /// The tables `[[proxy]]`.
    proxies: Vec<ProxyRule>,
    /// Keys that became words of the command line.
    words: Vec<(String, OsString)>,
    /// Byte offsets of the values of all keys.
    offsets: BTreeMap<String, usize>,
}

impl Project {
    /// The file that `flags` name; else the one in the site's folder, or beside the app; else, without an app, the one here.
    ///
    /// # Errors
    /// `Usage` for one that cannot be read and for whatever is wrong in it.
    pub fn find(flags: &Flags) -> Result<Option<Project>> {
        let path = place(flags);
        match std::fs::read_to_string(&path) {
            Ok(text) => Project::read(path, text).map(Some),
            Err(error) if flags.settings.config.is_none() && is_none(&error) => Ok(None),
            Err(error) => {
                let text = format!("{}: it cannot be read ({error})", path.display());
                Err(Error::new(ErrorKind::Usage, text).remedy("Settings are a file in TOML: port = 8080"))
            }
        }
    }

    /// Reads the `text` of the file at `path`.
    ///
    /// # Errors
    /// `Usage`, with the place in the file: no TOML, an unknown key, a value that the flag would refuse.
    fn read(path: PathBuf, text: String) -> Result<Project> {
        let source = SettingsText::new(path, text);
        let mut project = Project {
            source,
            app: None,
            args: Vec::new(),
            env: Vec::new(),
            env_files: Vec::new(),
            certificates: Vec::new(),
            proxies: Vec::new(),
            words: Vec::new(),
            offsets: BTreeMap::new(),
        };
        let text = project.source.text().to_owned();
        let table = DeTable::parse(&text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            project.source.error(
                offset,
                error.message(),
                "The file is in TOML: key = value, texts in quotes.",
            )
        })?;
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let command = Flags::command();
        for (key, value) in entries {
            project.add(&command, key.get_ref(), key.span().start, value)?;
        }
        Ok(project)
    }

    fn add(
        &mut self,
        command: &Command,
        key: &str,
        offset: usize,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<()> {
        let key = OTHER_NAMES.iter().find(|(other, _)| *other == key).map_or(key, |(_, name)| name);
        if key == "tls" {
            self.certificates = tls::tables(&self.source, self.folder(), value)?;
            return Ok(());
        }
        if key == "proxy" && is_tables(value.get_ref()) {
            self.proxies = proxy_flags::tables(&self.source, self.folder(), value)?;
            return Ok(());
        }
        let Some(arg) = command.get_arguments().find(|arg| key_of(arg) == Some(key)) else {
            return Err(self.unknown(key, offset, value.get_ref()));
        };
        self.offsets.insert(key.to_owned(), value.span().start);
        match key {
            "env" => return self.add_env(value),
            "app" => self.app = self.texts(arg, key, value)?.pop().map(PathBuf::from),
            "args" => self.args = self.texts(arg, key, value)?,
            "env-file" => self.env_files = self.texts(arg, key, value)?.into_iter().map(Into::into).collect(),
            _ => {
                if let Some((other, _)) = self.words.iter().find(|(other, _)| conflict(command, key, other)) {
                    let text = format!("{key} and {other} exclude each other");
                    return Err(self.source.error(offset, &text, "Give one of the two."));
                }
                for text in self.texts(arg, key, value)? {
                    self.add_word(key, text, value.span().start)?;
                }
            }
        }
        Ok(())
    }

    /// Keeps `--key=value`, if the flag takes that value.
    fn add_word(&mut self, key: &str, value: OsString, offset: usize) -> Result<()> {
        let mut word = OsString::from(format!("--{key}"));
        if !value.is_empty() {
            word.push("=");
            word.push(value);
        }
        if let Err(error) = Flags::command().try_get_matches_from([&"jsserve".into(), &word]) {
            return Err(self.relocate(offset, &mistake::explain(&error)));
        }
        self.words.push((key.to_owned(), word));
        Ok(())
    }

    /// The words that a value stands for; that of `true` is empty, `false` is no word.
    fn texts(&self, arg: &Arg, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<OsString>> {
        let several = matches!(arg.get_action(), ArgAction::Append);
        match value.get_ref() {
            DeValue::Array(values) if several => {
                values.iter().map(|value| self.text(arg, key, value)).collect()
            }
            DeValue::Boolean(is) if has_optional_value(arg) => Ok(Vec::from_iter(is.then(OsString::new))),
            _ => Ok(vec![self.text(arg, key, value)?]),
        }
    }

    fn text(&self, arg: &Arg, key: &str, value: &Spanned<DeValue<'_>>) -> Result<OsString> {
        let kind = Kind::of(arg);
        match (kind, value.get_ref()) {
            (Kind::Flag, _) => {}
            // No files.
            (Kind::File, DeValue::String(name)) if **name == *"-" || name.starts_with("syslog") => {
                return Ok((&**name).into());
            }
            (Kind::File | Kind::Folder, DeValue::String(path)) => {
                return Ok(self.folder().join(&**path).into());
            }
            (_, DeValue::String(text)) => return Ok((&**text).into()),
            (Kind::Number | Kind::Time, DeValue::Integer(number)) => {
                let number = i128::from_str_radix(number.as_str(), number.radix());
                return Ok(number.map_or_else(|_| "-".into(), |number| number.to_string().into()));
            }
            (Kind::Time, DeValue::Float(number)) => return Ok(number.as_str().into()),
            _ => {}
        }
        let several =
            if matches!(arg.get_action(), ArgAction::Append) { ", or an array of such" } else { "" };
        let text = format!("{key} is {}{several}, not {}", kind.name(), article(value.get_ref()));
        Err(self.source.error(value.span().start, &text, kind.remedy(key)))
    }

    fn add_env(&mut self, value: &Spanned<DeValue<'_>>) -> Result<()> {
        const REMEDY: &str =
            "Write NAME = \"value\", or NAME = true for the value that jsserve is started with.";
        let Some(table) = value.get_ref().as_table() else {
            let text = format!("env is a table, not {}", article(value.get_ref()));
            return Err(self.source.error(value.span().start, &text, format!("Write [env]. {REMEDY}")));
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            let setting = match value.get_ref() {
                DeValue::String(text) => Setting::Text(text.to_string()),
                DeValue::Boolean(true) => Setting::Inherited,
                other => {
                    let text = format!("env.{} is a string, not {}", name.get_ref(), article(other));
                    return Err(self.source.error(value.span().start, &text, REMEDY));
                }
            };
            self.env.push((name.get_ref().to_string(), setting, value.span().start));
        }
        Ok(())
    }

    /// The error for a key that is none, with the one that it may stand for.
    fn unknown(&self, key: &str, offset: usize, value: &DeValue<'_>) -> Error {
        let command = Flags::command();
        let near = command.try_get_matches_from(["jsserve", &format!("--{key}")]).err();
        let near = near.as_ref().and_then(mistake::near).map(|flag| flag.trim_start_matches('-').to_owned());
        let known = |near: &String| Flags::command().get_arguments().any(|arg| key_of(arg) == Some(near));
        let remedy = match near.filter(known) {
            Some(near) => format!("Did you mean {near}?"),
            None if value.is_table() => {
                "All keys stand at the top, outside of tables; the tables are [env], [[tls]] and [[proxy]].".into()
            }
            None => {
                "Keys are the flags of an app without their dashes (jsserve --help), app, args, [env], [[tls]] and [[proxy]]."
                    .into()
            }
        };
        let what = if value.is_table() { "unknown table" } else { "unknown key" };
        self.source.error(offset, &format!("{what} {key}"), remedy)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// Its tables `[[tls]]` and `[[proxy]]`.
    pub fn tables(&self) -> Tables {
        Tables { certificates: self.certificates.clone(), proxies: self.proxies.clone() }
    }

    fn folder(&self) -> &Path {
        self.path().parent().unwrap_or(Path::new(""))
    }

    /// Whether it says what to serve.
    pub fn has_app(&self) -> bool {
        let serves = |key: &str| ["static", "cgi", "proxy"].contains(&key);
        self.app.is_some() || !self.proxies.is_empty() || self.words.iter().any(|(key, _)| serves(key))
    }

    /// `words`, program name first, with those of the file that the flags among them leave open; `given`
    /// is what the words are without the file.
    pub fn complete(&mut self, words: &[OsString], given: &ArgMatches) -> Vec<OsString> {
        let command = Flags::command();
        let typed = |arg: &&Arg| given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
        let typed: Vec<&str> = command.get_arguments().filter(typed).filter_map(key_of).collect();
        self.words
            .retain(|(key, _)| typed.iter().all(|typed| typed != key && !conflict(&command, key, typed)));
        let (program, rest) = words.split_at(1.min(words.len()));
        let ours = self.words.iter().map(|(_, word)| word);
        program.iter().chain(ours).chain(rest).cloned().collect()
    }

    /// Fills in the app and its arguments where the command line has none.
    ///
    /// # Errors
    /// The app is not there, or cannot be read.
    pub fn name_app(&self, flags: &mut Flags) -> Result<()> {
        if let (None, Some(app)) = (&flags.app, &self.app) {
            resolve::check_app(app).map_err(|error| self.at("app", &error))?;
            flags.app = Some(app.clone().into());
        }
        if flags.args.is_empty() {
            flags.args = self.args.clone();
        }
        Ok(())
    }

    /// Adds the variables of the files that it names, then its own.
    ///
    /// # Errors
    /// Those of [`Variables`], with the place in the file.
    pub fn add_variables(&self, variables: &mut Variables) -> Result<()> {
        for file in &self.env_files {
            variables.add_file(file).map_err(|error| self.at("env-file", &error))?;
        }
        for (name, setting, offset) in &self.env {
            variables.add(name, setting.clone()).map_err(|error| self.relocate(*offset, &error))?;
        }
        Ok(())
    }

    /// `error` with its place in the file, where it is about a value from there.
    pub fn locate(&self, error: Error) -> Error {
        let key = error.flag().filter(|flag| self.words.iter().any(|(known, _)| known == flag));
        match key {
            Some(key) => self.at(key, &error),
            None => error,
        }
    }

    fn at(&self, key: &str, error: &Error) -> Error {
        self.relocate(self.offsets.get(key).copied().unwrap_or_default(), error)
    }

    fn relocate(&self, offset: usize, error: &Error) -> Error {
        let key = error.flag().map(|flag| format!("{flag} ")).unwrap_or_default();
        self.source.error(offset, &(key + &error.message()), error.way_out().unwrap_or_default())
    }
}

/// What a value is, by what the flag's help calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Flag,
    File,
    Folder,
    Number,
    Time,
    Text,
}

impl Kind {
    fn of(arg: &Arg) -> Kind {
        if is_switch(arg) {
            return Kind::Flag;
        }
        match arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str()) {
            "FILE" | "PATH" | "FILE|-|syslog" => Kind::File,
            "DIR[:/PREFIX]" => Kind::Folder,
            "PORT" | "SECONDS" | "N" | "N|auto" | "SIZE" => Kind::Number,
            "TIME" => Kind::Time,
            _ => Kind::Text,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Flag => "true or false",
            Kind::File | Kind::Folder | Kind::Text => "a string",
            Kind::Number | Kind::Time => "a number or a string",
        }
    }

    fn remedy(self, key: &str) -> String {
        match self {
            Kind::Flag => format!("Write {key} = true"),
            Kind::Folder => "Write the folder's path in quotes; it starts at the folder of this file.".into(),
            Kind::File => "Write the file's path in quotes; it starts at the folder of this file.".into(),
            Kind::Number | Kind::Time => {
                "Values are written as for the flag, with units in quotes: 8080, \"16M\", \"10s\".".into()
            }
            Kind::Text => "Write it in quotes.".into(),
        }
    }
}

/// The key for a flag; none for one that is no setting of an app.
fn key_of(arg: &Arg) -> Option<&str> {
    let id = arg.get_id().as_str();
    if ONLY_FLAGS.contains(&id) || ONLY_SCRIPTS.contains(&id) {
        return None;
    }
    arg.get_long().or(Some(id).filter(|id| ONLY_KEYS.contains(id)))
}

fn conflict(command: &Command, a: &str, b: &str) -> bool {
    let find = |key: &str| command.get_arguments().find(|arg| key_of(arg) == Some(key));
    let (Some(a), Some(b)) = (find(a), find(b)) else { return false };
    let excludes =
        |a: &Arg, b: &Arg| command.get_arg_conflicts_with(a).iter().any(|c| c.get_id() == b.get_id());
    excludes(a, b) || excludes(b, a)
}

/// Whether a value is an array of tables, maybe of none.
fn is_tables(value: &DeValue<'_>) -> bool {
    value.is_table() || value.as_array().is_some_and(|all| all.iter().all(|it| it.get_ref().is_table()))
}

fn is_none(error: &std::io::Error) -> bool {
    // NotADirectory: the app is not there either, and that is told.
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Project> {
        Project::read(PathBuf::from("conf/jsserve.toml"), text.to_owned())
    }

    /// A value that the flag takes, as it is typed and as it stands in the file.
    fn sample(arg: &Arg) -> (String, String) {
        let of = |value: &str| (value.to_owned(), format!("{value:?}"));
        match Kind::of(arg) {
            Kind::Flag => (String::new(), "true".into()),
            Kind::Number => ("123456".into(), "123_456".into()),
            Kind::Time => of("7s"),
            Kind::File | Kind::Folder => ("conf/a/b".into(), "\"a/b\"".into()),
            Kind::Text => match arg.get_possible_values().first() {
                Some(value) => of(value.get_name()),
                None => of("http://[::1]:1"),
            },
        }
    }

    #[test]
    fn every_flag_of_an_app_has_its_key() {
        let mut keys = 0;
        for arg in Flags::command().get_arguments() {
            let id = arg.get_id().as_str();
            let name = arg.get_long().unwrap_or(id);
            let for_one_run = [&ONLY_SCRIPTS[..], &ONLY_FLAGS].concat().contains(&id);
            assert_eq!(key_of(arg).is_none(), for_one_run, "{id}");
            // The table of variables, and values with a range.
            if for_one_run || ["env", "port", "workers", "ring-entries"].contains(&name) {
                continue;
            }
            let (typed, written) = sample(arg);
            let project = read(&format!("{name} = {written}")).expect(name);
            let word = if typed.is_empty() { format!("--{name}") } else { format!("--{name}={typed}") };
            match name {
                "app" => assert_eq!(project.app, Some(typed.into())),
                "args" => assert_eq!(project.args, [&*typed]),
                "env-file" => assert_eq!(project.env_files, [Path::new(&typed)]),
                _ => assert_eq!(project.words, [(name.to_owned(), word.into())]),
            }
            keys += 1;
        }
        assert!(keys > 20, "{keys}");
    }

    #[test]
    fn mistakes_have_their_place_and_a_way_out() {
        for (text, expected) in [
            ("prot = 1", "1:1: unknown key prot\n  Did you mean port?"),
            ("\nbody_max = 1", "2:1: unknown key body_max\n  Did you mean body-max?"),
            ("std = true", "1:1: unknown key std\n  Keys are"),
            ("[limits]\nbody-max = 1", "1:2: unknown table limits\n  All keys stand at the top"),
            ("port = 8080\nport = 1", "2:1: duplicate key"),
            ("port = ", "1:8: string values must be quoted"),
            ("workers = 2\n  port = 70000", "2:10: port 70000: not a port\n  Ports are"),
            ("port = -1", "1:8: port -1: not a port"),
            ("port = true", "1:8: port is a number or a string, not a boolean\n  Values are"),
            ("port = [1]", "1:8: port is a number or a string, not an array"),
            ("port = 1.5", "1:8: port is a number or a string, not a float"),
            ("host = 1", "1:8: host is a string, not an integer\n  Write it in quotes."),
            ("dev = \"yes\"", "1:7: dev is true or false, not a string\n  Write dev = true"),
            (
                "listen = [\"http://[::1]:1\", 2]",
                "1:29: listen is a string, or an array of such, not an integer",
            ),
            ("listen = \"tcp://[::1]:1\"\nport = 1", "2:1: port and listen exclude each other"),
            ("body-max = \"1Q\"", "1:12: body-max 1Q: not a size\n  Write bytes"),
            (
                "io = \"kqueue\"",
                "1:6: io kqueue: not a value of this flag\n  Write one of auto, uring, epoll.",
            ),
            ("env = [\"A\"]", "1:7: env is a table, not an array\n  Write [env]. Write NAME"),
            ("[env]\nA = \"1\"\nB = 2", "3:5: env.B is a string, not an integer\n  Write NAME = \"value\""),
            ("[env]\nA = false", "2:5: env.A is a string, not a boolean"),
            ("tls = 1", "1:7: tls is an array of tables, not an integer\n  Write [[tls]]"),
            ("[[tls]]\ncert = 1", "2:8: tls.cert is a string, not an integer"),
            ("[[tls]]\nkey = \"a\"", "1:1: tls has no cert\n  Write [[tls]]"),
            ("[[tls]]\ncert = \"a\"\ncrt = \"a\"", "3:1: unknown key tls.crt\n  Keys of [[tls]] are cert"),
            (
                "[[tls]]\ncert = \"a\"\nclient-auth = \"no\"",
                "3:15: tls.client-auth is one of none, request, require, not \"no\"",
            ),
            ("app = 1979-05-27", "1:7: app is a string, not a datetime\n  Write the file's path"),
        ] {
            let error = read(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Usage);
            let wanted = format!("conf/jsserve.toml:{expected}");
            assert!(error.to_string().starts_with(&wanted), "{text}: {error}\nwanted {wanted}");
        }
    }

    #[test]
    fn flags_come_before_the_file() {
        let text = "host = \"::1\"\nport = 1\nworkers = 3\nbody-max = \"1M\"\nidle-timeout = 1.5\ndev = true\nquiet = false";
        for (typed, expected) in [
            ("a.js", "--host=::1 --port=1 --workers=3 --body-max=1M --idle-timeout=1.5 --dev a.js"),
            ("--port 2 a.js", "--host=::1 --workers=3 --body-max=1M --idle-timeout=1.5 --dev --port 2 a.js"),
            (
                "--dev=false a.js",
                "--host=::1 --port=1 --workers=3 --body-max=1M --idle-timeout=1.5 --dev=false a.js",
            ),
            (
                "--listen tcp://[::1]:9 a.js --dev",
                "--workers=3 --body-max=1M --idle-timeout=1.5 --listen tcp://[::1]:9 a.js --dev",
            ),
        ] {
            let words: Vec<OsString> = format!("jsserve {typed}").split(' ').map(Into::into).collect();
            let given = Flags::command().try_get_matches_from(&words).expect(typed);
            let all = read(text).expect("settings").complete(&words, &given);
            assert_eq!(all.join(" ".as_ref()), OsString::from(format!("jsserve {expected}")));
        }
    }
}
