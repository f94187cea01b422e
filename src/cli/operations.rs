//! The flags for who operates a server, as typed, and what they come to: the access log, the admin listener.
//!
//! Owns: their names, help and defaults, when a terminal has an access log by itself. Must not know: how lines are written,
//! what the listener answers.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use runtime::access_log::Format;
use runtime::address::Address;
use runtime::config::{AccessForm, AccessLogOptions, AccessTarget, AdminOptions, Limits, LogFormat, Scheme};
use runtime::error::{Error, Result};

use super::address;
use super::values::Size;

/// The socket of the machine's logger (syslog(3)).
const LOGGER: &str = "/dev/log";
/// The shortest token: with 16 characters nobody tries them all.
const TOKEN_CHARS_MIN: usize = 16;

/// What operators see.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Operations")]
pub struct OperationsFlags {
    /// A line for each request: combined, json, short, off, or a text with variables as nginx has them ("$remote_addr $status").
    /// Without a value: combined [default: short on a terminal, else off]
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "combined")]
    pub access_log: Option<String>,

    /// Where these lines go: a file, which is opened anew on SIGUSR1; - for standard output; syslog [default: -]
    #[arg(long, value_name = "FILE|-|syslog")]
    pub access_log_file: Option<OsString>,

    /// Lines of one worker that wait to be written; beyond: they are lost, and counted
    #[arg(long, value_name = "SIZE", default_value_t = Size(Limits::default().access_log_bytes_max))]
    pub access_log_buffer: Size,

    /// Health, metrics, profiles and a dashboard, on this address of this machine: 127.0.0.1:9090, or unix:PATH
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<String>,

    /// Who asks there has to know this, as a Bearer token or a password; @FILE: it stands in a file. With it --admin may be an
    /// address that others reach
    #[arg(long, value_name = "TOKEN")]
    pub admin_token: Option<String>,
}

/// The access log that the flags come to.
///
/// # Errors
/// `Usage`: a form that is none, a file that nothing is written to.
pub fn access_log(
    flags: &OperationsFlags,
    is_quiet: bool,
    log: LogFormat,
) -> Result<Option<AccessLogOptions>> {
    let is_terminal = std::io::stdout().is_terminal();
    let OperationsFlags { access_log, access_log_file, .. } = flags;
    let to = match access_log_file.as_ref().map(|file| (file, file.to_str())) {
        None | Some((_, Some("-"))) => AccessTarget::Stdout,
        Some((_, Some("syslog"))) => AccessTarget::Syslog(LOGGER.into()),
        Some((file, text)) => match text.and_then(|text| text.strip_prefix("syslog:")) {
            Some(socket) => AccessTarget::Syslog(socket.into()),
            None => AccessTarget::File(PathBuf::from(file)),
        },
    };
    let colour = to == AccessTarget::Stdout && is_terminal && is_coloured();
    let form = match access_log.as_deref() {
        Some("off") if access_log_file.is_some() => {
            return Err(Error::of_flag("access-log-file", "there is no access log, for --access-log is off")
                .remedy("Leave one of the two out."));
        }
        Some("off") => return Ok(None),
        None if access_log_file.is_some() => AccessForm::Combined,
        None if is_on_by_itself(is_quiet, log, is_terminal) => AccessForm::Short { colour },
        None => return Ok(None),
        Some("combined") => AccessForm::Combined,
        Some("json") => AccessForm::Json,
        Some("short") => AccessForm::Short { colour },
        Some(text) => AccessForm::Text(format(text)?),
    };
    Ok(Some(AccessLogOptions { form, to }))
}

/// Who develops sees what is asked for.
fn is_on_by_itself(is_quiet: bool, log: LogFormat, is_terminal: bool) -> bool {
    is_terminal && !is_quiet && log == LogFormat::Text
}

/// https://no-color.org
fn is_coloured() -> bool {
    let is = |name: &str, is: fn(&str) -> bool| std::env::var(name).is_ok_and(|value| is(&value));
    !is("NO_COLOR", |value| !value.is_empty()) && !is("TERM", |value| value == "dumb")
}

fn format(text: &str) -> Result<String> {
    const REMEDY: &str = "Write combined, json, short, off, or a text with variables: --access-log='$remote_addr \"$request\" $status'";
    if !text.contains('$') {
        return Err(Error::of_flag("access-log", format!("{text:?} is no form of a line")).remedy(REMEDY));
    }
    match Format::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(unknown) => {
            let remedy = match unknown.near {
                Some(near) => {
                    format!("Did you mean ${near}? All variables: docs/operations.md. $$ is a dollar sign.")
                }
                None => "All variables: docs/operations.md. $$ is a dollar sign.".to_owned(),
            };
            Err(Error::of_flag("access-log", unknown.to_string()).remedy(remedy))
        }
    }
}

/// The admin listener that the flags come to.
///
/// # Errors
/// `Usage`: an address that is none, or that others reach without a token; a token that is too short.
pub fn admin(flags: &OperationsFlags) -> Result<Option<AdminOptions>> {
    let token = flags.admin_token.as_deref().map(token).transpose()?;
    let Some(given) = &flags.admin else {
        return match token {
            None => Ok(None),
            Some(_) => Err(Error::of_flag("admin-token", "there is no listener that would ask for it")
                .remedy("Name its address: --admin 127.0.0.1:9090")),
        };
    };
    let address = place(given)?;
    if let (Some(addr), None) = (address.ip(), &token)
        && !addr.ip().is_loopback()
    {
        let text = format!("{given}: others than this machine could ask, and it would tell them everything");
        return Err(Error::of_flag("admin", text).remedy(
            "Give it 127.0.0.1:PORT or unix:PATH; or a token that who asks has to know: --admin-token.",
        ));
    }
    Ok(Some(AdminOptions { address, token }))
}

/// `PORT`, `HOST:PORT`, `unix:PATH`.
fn place(given: &str) -> Result<Address> {
    let refuse = |what: &str| {
        Error::of_flag("admin", format!("{given}: {what}"))
            .remedy("Write 127.0.0.1:9090, [::1]:9090 or unix:PATH.")
    };
    if given.starts_with("unix:") {
        return address::unix_address(given.trim_start_matches("unix:")).map_err(refuse);
    }
    let text = given.strip_prefix("http://").unwrap_or(given);
    let (host, port) = match text.parse::<u16>() {
        Ok(port) => ("127.0.0.1", port),
        Err(_) => address::host_and_port(text).map_err(|what| refuse(&what))?,
    };
    let found = address::from_host("admin", host, port, Scheme::Http)?;
    found.into_iter().next().map(|listen| listen.address).ok_or_else(|| refuse("the name has no address"))
}

fn token(given: &str) -> Result<String> {
    let refuse = |what: String| {
        Error::of_flag("admin-token", what)
            .remedy("Make one, for example: openssl rand -hex 32 > FILE; --admin-token @FILE")
    };
    let token = match given.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| refuse(format!("{file}: it cannot be read ({error})")))?,
        None => given.to_owned(),
    };
    let token = token.trim().to_owned();
    match token.chars().count() {
        TOKEN_CHARS_MIN.. => Ok(token),
        _ => Err(refuse(format!("it is shorter than {TOKEN_CHARS_MIN} characters"))),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        flags: OperationsFlags,
    }

    fn flags(words: &[&str]) -> OperationsFlags {
        Only::try_parse_from(std::iter::once("jsserve").chain(words.iter().copied()))
            .expect("flags parse")
            .flags
    }

    fn options(words: &[&str]) -> Result<Option<AccessLogOptions>> {
        access_log(&flags(words), false, LogFormat::Text)
    }

    #[test]
    fn the_access_log_is_what_flags_say() {
        let file = || AccessTarget::File("/x".into());
        for (words, form, to) in [
            (&["--access-log"][..], AccessForm::Combined, AccessTarget::Stdout),
            (&["--access-log=json", "--access-log-file", "/x"], AccessForm::Json, file()),
            (&["--access-log-file", "/x"], AccessForm::Combined, file()),
            (&["--access-log=short", "--access-log-file", "/x"], AccessForm::Short { colour: false }, file()),
            (
                &["--access-log=$status", "--access-log-file=syslog"],
                AccessForm::Text("$status".into()),
                AccessTarget::Syslog(LOGGER.into()),
            ),
            (&["--access-log", "--access-log-file", "-"], AccessForm::Combined, AccessTarget::Stdout),
        ] {
            assert_eq!(options(words).expect("options"), Some(AccessLogOptions { form, to }), "{words:?}");
        }
        assert_eq!(options(&["--access-log=off"]).expect("options"), None);
        for words in [
            &["--access-log=common"][..],
            &["--access-log=$nothing"],
            &["--access-log=off", "--access-log-file=/x"],
        ] {
            let error = options(words).expect_err("refused");
            assert!(error.flag().is_some_and(|flag| flag.starts_with("access-log")), "{error}");
        }
    }

    #[test]
    fn a_terminal_has_one_unless_it_is_to_be_quiet() {
        let is = is_on_by_itself;
        assert!(is(false, LogFormat::Text, true));
        assert!(
            !is(false, LogFormat::Text, false)
                && !is(true, LogFormat::Text, true)
                && !is(false, LogFormat::Json, true)
        );
    }

    #[test]
    fn an_admin_listener_that_others_reach_wants_a_token() {
        let is = |words: &[&str]| admin(&flags(words));
        for (given, shown) in [
            ("127.0.0.1:9090", "127.0.0.1:9090"),
            ("9090", "127.0.0.1:9090"),
            ("[::1]:1", "[::1]:1"),
            ("unix:/a", "unix:/a"),
        ] {
            let options = is(&["--admin", given]).expect("options").expect("a listener");
            assert_eq!(options.address.to_string(), shown);
        }
        let token = "0123456789abcdef";
        let open =
            is(&["--admin", "0.0.0.0:1", "--admin-token", token]).expect("options").expect("a listener");
        assert_eq!(open.token.as_deref(), Some(token));
        assert!(!format!("{open:?}").contains(token), "it stands in no log");
        for words in [
            &["--admin", "0.0.0.0:9090"][..],
            &["--admin", "192.0.2.1:9090"],
            &["--admin", "nowhere"],
            &["--admin", "unix:"],
            &["--admin-token", token],
            &["--admin", "0.0.0.0:1", "--admin-token", "short"],
            &["--admin", "0.0.0.0:1", "--admin-token", "@/nowhere/token"],
        ] {
            let error = is(words).expect_err("refused");
            assert!(error.flag().is_some_and(|flag| flag.starts_with("admin")), "{error}");
            assert!(error.to_string().contains("\n  "), "no remedy: {error}");
        }
    }
}
