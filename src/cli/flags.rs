//! The command line as typed: one field per flag, its help text and its default.
//!
//! Owns: names, grouping and help of flags; defaults of limits come from `runtime::config` and stand
//! nowhere else. Must not know: what a value leads to (that is `resolve`).

use std::ffi::OsString;

use clap::{Arg, ArgAction, Args, Command, CommandFactory, Parser, ValueEnum};
use runtime::config::Limits;

use super::answers;
use super::cgi_flags::CgiFlags;
use super::file_flags::FileFlags;
use super::limit_flags::LimitFlags;
use super::operations::OperationsFlags;
use super::permission_flags::PermissionFlags;
use super::proxy_flags::ProxyFlags;
use super::reload_flags::ReloadFlags;
use super::schedule_flags::ScheduleFlags;
use super::values::{Size, Span, Workers, count, port};
use super::websocket::WebSocketFlags;

const USAGE: &str = "jsserve [flags] app.js [-- app arguments]
       jsserve [flags] script.js [script arguments]
       jsserve [flags] -e EXPR | -p EXPR [script arguments]
       jsserve [flags] FOLDER
       jsserve check [flags] app.js
       jsserve repl | types | ca | version | help [COMMAND]";

const EXAMPLES: &str =
    "A module with a default export is an app: it is served. A folder is a site: its files are served, and its modules are
routes. Everything else is a script: it runs once, and
all words behind it are its own. Without a file the script is read from standard input, as with -; on a
terminal the interactive prompt starts, as with repl. types prints the declarations for TypeScript. Each
command has its own --help.

A text that is not in a file (-e, -p, standard input, the prompt) is JavaScript; one that does not parse as that
is read as TypeScript. Files are TypeScript by their name: .ts, .tsx, .mts, .cts.

Examples:
  jsserve app.js --port 8080
  jsserve --workers 2 --body-max 16M app.js -- --app-flag
  jsserve --listen http://127.0.0.1:8080 --listen tcp://[::1]:9000 app.js
  jsserve --static dist --static-fallback index.html app.js
  jsserve --static site --cgi cgi-bin:/cgi-bin
  jsserve ./site --dev
  jsserve --static dist --proxy /api=http://127.0.0.1:3000
  jsserve tool.js --its-own-flag input.txt
  jsserve --std -e 'print(os.platform, std.getenv(\"HOME\"))'

Sizes: 4096, 16K, 1M, 2G. Durations: 250ms, 10s, 2m; a plain number is seconds.

jsserve.toml has every flag of an app by its name without the dashes: port = 8080, body-max = \"16M\"; app and
args; and a table [env]. Its paths start at its folder. Flags of the command line come before it, --dev=false
before dev = true.";

/// Serves a JavaScript app on every core of this machine, or runs a script.
#[derive(Args, Debug)]
pub struct Flags {
    /// The app: a module whose default export has `fetch`, `connect`, `accept`, `datagram` or `scheduled`, or a folder, which is a site.
    /// Or a script; `-` for standard input
    #[arg(value_name = "FILE")]
    pub app: Option<OsString>,

    /// An app's: all from the first word that is no flag, or after `--`. A script's: all behind its file
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true)]
    pub args: Vec<OsString>,

    #[command(flatten)]
    pub settings: Settings,

    #[command(flatten)]
    pub script: ScriptFlags,

    #[command(flatten)]
    pub serving: Serving,

    #[command(flatten)]
    pub files: FileFlags,

    #[command(flatten)]
    pub cgi: CgiFlags,

    #[command(flatten)]
    pub schedule: ScheduleFlags,

    #[command(flatten)]
    pub proxy: ProxyFlags,

    #[command(flatten)]
    pub reload: ReloadFlags,

    #[command(flatten)]
    pub tls: TlsFlags,

    #[command(flatten)]
    pub answers: Answers,

    #[command(flatten)]
    pub limits: LimitFlags,

    #[command(flatten)]
    pub websocket: WebSocketFlags,

    #[command(flatten)]
    pub permissions: PermissionFlags,

    #[command(flatten)]
    pub javascript: JavaScript,

    #[command(flatten)]
    pub operations: OperationsFlags,

    #[command(flatten)]
    pub logging: Logging,
}

impl CommandFactory for Flags {
    fn command() -> Command {
        Flags::augment_args(Command::new("jsserve"))
            .version(env!("CARGO_PKG_VERSION"))
            .override_usage(USAGE)
            .after_help(EXAMPLES)
            .disable_help_flag(true)
            .disable_version_flag(true)
            .max_term_width(110)
            .mut_args(switch)
    }

    fn command_for_update() -> Command {
        Flags::command()
    }
}

impl Parser for Flags {}

/// A flag that is on or off takes `=false`, too: by that the command line takes back what a file says.
fn switch(arg: Arg) -> Arg {
    if !matches!(arg.get_action(), ArgAction::SetTrue) {
        return arg;
    }
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_value("false")
        .default_missing_value("true")
        .value_name("BOOL")
        .hide_default_value(true)
        .hide_possible_values(true)
}

/// Whether a flag is on or off.
pub fn is_switch(arg: &Arg) -> bool {
    has_optional_value(arg) && arg.get_value_names().is_some_and(|names| names[0] == "BOOL")
}

/// Whether a flag may stand without a value: if it has one, that stands behind `=`.
pub fn has_optional_value(arg: &Arg) -> bool {
    arg.is_require_equals_set()
}

/// What an app is given, and where that is written down.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// Read settings from this file [default: jsserve.toml beside the app; without an app, in this folder]
    #[arg(long, value_name = "FILE")]
    pub config: Option<OsString>,

    /// Show the app this variable of the environment, or this value of it, in `env`; may be repeated
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<OsString>,

    /// Show the app the variables of this file of lines NAME=VALUE, in `env`; may be repeated
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<OsString>,
}

/// How a script is run. These stand before the file.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Scripts")]
pub struct ScriptFlags {
    /// Run this text instead of a file
    #[arg(long, short = 'e', value_name = "EXPR", allow_hyphen_values = true)]
    pub eval: Option<String>,

    /// Run this text and print the value of its last expression; a top-level await is waited for
    #[arg(long, short = 'p', value_name = "EXPR", allow_hyphen_values = true, conflicts_with_all = ["eval", "interactive", "module"])]
    pub print: Option<String>,

    /// Evaluate this file first; may be repeated
    #[arg(long, short = 'I', value_name = "FILE")]
    pub include: Vec<OsString>,

    /// Start the prompt behind the file, or without one
    #[arg(long, short = 'i', conflicts_with = "eval")]
    pub interactive: bool,

    /// Have the modules std and os as globals
    #[arg(long)]
    pub std: bool,

    /// Load as a module, whatever the text looks like
    #[arg(long, short = 'm', conflicts_with = "script")]
    pub module: bool,

    /// Load as a classic script: sloppy mode, its variables are globals
    #[arg(long)]
    pub script: bool,
}

/// Where and how to serve.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Serving")]
pub struct Serving {
    /// Port to listen on; 0 lets the kernel choose one
    #[arg(long, value_name = "PORT", default_value = "8080", value_parser = port, allow_hyphen_values = true)]
    pub port: u16,

    /// Address or name to listen on; 0.0.0.0 or :: for all of this machine's
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub host: String,

    /// Address with its protocol, http, https, tcp, tls, udp, fastcgi or scgi://HOST:PORT, unix:PATH, or fd:NAME for a socket
    /// that systemd hands over; may be repeated
    #[arg(long, value_name = "URL", conflicts_with_all = ["port", "host"])]
    pub listen: Vec<String>,

    /// Port or HOST:PORT for raw TCP beside HTTP, to the app's `connect` or `accept`; may be repeated. An app
    /// without `fetch` has its raw TCP on --port
    #[arg(long, value_name = "PORT|HOST:PORT", conflicts_with = "listen")]
    pub tcp: Vec<String>,

    /// Each connection begins with a header of the PROXY protocol, version 1 or 2, of a trusted proxy; ?proxy
    /// behind the address of --listen says so of one listener
    #[arg(long)]
    pub proxy_protocol: bool,

    /// Proxies whose word on the client's address is taken (PROXY protocol, --forwarded-fields): addresses,
    /// networks (10.0.0.0/8), unix for who connects to Unix sockets; with commas, or repeated
    #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
    pub trusted_proxies: Vec<String>,

    /// Fields in which trusted proxies say who asks: X-Forwarded-For, -Proto and -Host, or Forwarded (RFC 7239)
    #[arg(long, value_name = "FIELDS", default_value = "x-forwarded")]
    pub forwarded_fields: ForwardedKind,

    /// HTTP/2 beside HTTP/1.1: offered over TLS, taken up on other listeners from who begins with it or asks for h2c
    #[arg(
        long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set
    )]
    pub http2: bool,

    /// Port or HOST:PORT for plain HTTP that sends clients to HTTPS (308), and answers challenges of ACME; may be repeated.
    /// ?to=PORT behind it: where clients find HTTPS, if that is not the first https listener's port
    #[arg(long, value_name = "PORT|HOST:PORT")]
    pub redirect_https: Vec<String>,

    /// Listen nowhere: answer one request as a CGI program, from variables and standard input to standard output, and end
    #[arg(long)]
    pub cgi_mode: bool,

    /// User to become once the sockets are bound and the keys are read; by name or number. Only root can
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// Group to become with --user [default: the user's own]
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,

    /// Worker threads, each pinned to a core; auto: one per core
    #[arg(long, value_name = "N|auto", default_value_t = Workers::Auto, allow_hyphen_values = true)]
    pub workers: Workers,

    /// I/O backend; auto: io_uring where it works, else epoll
    #[arg(long, value_name = "BACKEND", default_value = "auto")]
    pub io: Io,

    /// After SIGTERM or SIGINT, time for what is in flight
    #[arg(long, value_name = "TIME", default_value_t = Span(defaults().drain_ms_max))]
    pub drain_timeout: Span,

    /// Submission entries of a worker's ring
    #[arg(long, value_name = "N", default_value_t = defaults().ring_entries as usize, value_parser = count)]
    pub ring_entries: usize,

    /// Memory of a worker's receive buffers
    #[arg(long, value_name = "SIZE", default_value_t = Size(defaults().recv_buffer_bytes))]
    pub recv_buffers: Size,
}

/// Certificates of listeners with TLS.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "TLS")]
pub struct TlsFlags {
    /// Certificate in PEM, the server's own first, then those that sign it; read anew when it changes. May be repeated:
    /// clients get the one for the name that they ask for, else the first
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Vec<OsString>,

    /// Key of the certificate, in PEM, in the order of the certificates [default: in the certificate's file]
    #[arg(long, value_name = "FILE")]
    pub tls_key: Vec<OsString>,

    /// A certificate for development: an authority in ~/.cache/jsserve/ca signs it, which `jsserve ca` tells of
    #[arg(long)]
    pub tls_self_signed: bool,

    /// Order a certificate for these hosts by ACME (RFC 8555), and renew it; with commas, or repeated
    #[arg(long, value_name = "DOMAIN", value_delimiter = ',')]
    pub acme: Vec<String>,

    /// Agree to the terms of service of the authority, on behalf of whom the hosts belong to
    #[arg(long)]
    pub acme_agree: bool,

    /// Whom the authority writes to
    #[arg(long, value_name = "ADDRESS")]
    pub acme_email: Option<String>,

    /// Identifier of the key of an account elsewhere, for authorities that bind theirs to one (RFC 8555 section 7.3.4)
    #[arg(long, value_name = "ID")]
    pub acme_eab_kid: Option<String>,

    /// That key in base64url (HMAC with SHA-256), in a file that only the server's user reads
    #[arg(long, value_name = "FILE")]
    pub acme_eab_key: Option<OsString>,

    /// Directory of the authority; to try things out, Let's Encrypt has
    /// https://acme-staging-v02.api.letsencrypt.org/directory
    #[arg(long, value_name = "URL", default_value = "https://acme-v02.api.letsencrypt.org/directory")]
    pub acme_directory: String,

    /// Who has signed the certificate of the directory's own host, in PEM [default: whom the system trusts]
    #[arg(long, value_name = "FILE")]
    pub acme_ca: Option<OsString>,

    /// From an order that fails to the next try; twice as long with each further one, up to 6 hours
    #[arg(long, value_name = "TIME", default_value = "1m")]
    pub acme_retry: Span,

    /// OCSP response in DER to send with the certificate, in the order of the certificates
    #[arg(long, value_name = "FILE")]
    pub tls_ocsp: Vec<OsString>,

    /// Whether clients show a certificate: request takes those without one [default: require with --tls-client-ca]
    #[arg(long, value_name = "RULE")]
    pub tls_client_auth: Option<ClientAuth>,

    /// Who has signed the certificates of clients, in PEM
    #[arg(long, value_name = "FILE")]
    pub tls_client_ca: Option<OsString>,
}

/// What is added to answers.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Answers")]
pub struct Answers {
    /// Compress answers, by the coding that the client likes best, then the first of these; each may have a level, as
    /// zstd:3,br:4,gzip:6. Without a value: zstd,br,gzip
    #[arg(long, value_name = "off|CODINGS", num_args = 0..=1, require_equals = true, default_value = "off", default_missing_value = answers::CODINGS)]
    pub compress: String,

    /// Types of answers that are compressed: text/*, application/json, +json; with commas, or repeated. Replaces the
    /// usual ones: texts, JSON, JavaScript, XML, SVG, WebAssembly, fonts that are not compressed, and their like
    #[arg(long, value_name = "TYPES", value_delimiter = ',', default_value = answers::TYPES, hide_default_value = true)]
    pub compress_types: Vec<String>,

    /// Answers shorter than this are not compressed
    #[arg(long, value_name = "SIZE", default_value_t = Size(defaults().compress_bytes_min))]
    pub compress_min: Size,

    /// Have browsers come by HTTPS alone from now on (Strict-Transport-Security, over TLS only). Without a value:
    /// max-age=31536000, a year; or "max-age=31536000; includeSubDomains; preload"
    #[arg(long, value_name = "off|DIRECTIVES", num_args = 0..=1, require_equals = true, default_value = "off", default_missing_value = answers::HSTS)]
    pub hsts: String,

    /// Give each request an identifier, or take over a trusted proxy's: `ctx.requestId`, X-Request-Id of the answer,
    /// request_id in the log
    #[arg(long)]
    pub request_id: bool,
}

/// What the app may take.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "JavaScript")]
pub struct JavaScript {
    /// Develop: show clients the error and stack of a failed request, reload the app and the pages that show it when a
    /// file changes
    #[arg(long)]
    pub dev: bool,

    /// JavaScript heap of one worker; beyond: 503 and a fresh context. Scripts: no limit unless given
    /// [default: 128M, or a worker's share of half of the control group's memory, if that is less]
    #[arg(long, value_name = "SIZE")]
    pub heap_max: Option<Size>,

    /// JavaScript stack; beyond: RangeError. Scripts: 4M unless given
    #[arg(long, value_name = "SIZE", default_value_t = Size(defaults().stack_bytes_max))]
    pub stack_max: Size,

    /// CPU time of one turn of JavaScript; beyond: 503
    #[arg(long, value_name = "TIME", default_value_t = Span(defaults().turn_cpu_ms_max))]
    pub cpu_max: Span,

    /// Worker that no longer turns; beyond: it is replaced
    #[arg(long, value_name = "TIME", default_value_t = Span(defaults().stuck_ms_max))]
    pub stuck_timeout: Span,

    /// Stuck turns of one route (method and path); then it is refused with 503 for --refuse-time
    #[arg(long, value_name = "N", default_value_t = defaults().stuck_turns_max as usize, value_parser = count)]
    pub stuck_turns_max: usize,

    /// How long a route whose turns got stuck too often is refused
    #[arg(long, value_name = "TIME", default_value_t = Span(defaults().refuse_ms))]
    pub refuse_time: Span,

    /// Threads stuck at the same time; then jsserve drains and ends with 1, to be started anew
    #[arg(long, value_name = "N", default_value_t = defaults().stuck_threads_max, value_parser = count)]
    pub stuck_threads_max: usize,

    /// Loading the app; beyond: jsserve ends with an error
    #[arg(long, value_name = "TIME", default_value_t = Span(defaults().start_ms_max))]
    pub start_timeout: Span,

    /// Import map: what specifiers mean, as JSON with "imports" and "scopes"
    #[arg(long, value_name = "FILE")]
    pub import_map: Option<OsString>,

    /// Transform and compile sources anew, without the cache in ~/.cache/jsserve
    #[arg(long)]
    pub no_cache: bool,
}

/// What is printed.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Logging")]
pub struct Logging {
    /// Form of log lines on standard error
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub log: Log,

    /// No start line, and of the log only errors
    #[arg(long, short = 'q')]
    pub quiet: bool,

    /// Print this help
    #[arg(long, short = 'h', action = ArgAction::HelpLong)]
    pub help: Option<bool>,

    /// Print name and version
    #[arg(long, short = 'V', action = ArgAction::Version)]
    pub version: Option<bool>,
}

/// Values of `--io`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Io {
    Auto,
    Uring,
    Epoll,
}

/// Values of `--forwarded-fields`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ForwardedKind {
    XForwarded,
    Forwarded,
}

/// Values of `--tls-client-auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClientAuth {
    None,
    Request,
    Require,
}

/// Values of `--log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Log {
    Json,
    Text,
}

fn defaults() -> Limits {
    Limits::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Flags {
        Flags::try_parse_from(std::iter::once("jsserve").chain(words.iter().copied())).expect("flags parse")
    }

    #[test]
    fn clap_finds_no_fault_in_the_table() {
        Flags::command().debug_assert();
    }

    #[test]
    fn flags_stand_on_both_sides_of_the_app() {
        let flags = parse(&["--workers", "3", "app.js", "--port", "9000"]);
        assert_eq!(flags.app.as_deref(), Some("app.js".as_ref()));
        assert_eq!((flags.serving.port, flags.serving.workers.count()), (9000, 3));
        assert!(flags.args.is_empty());
    }

    #[test]
    fn the_first_word_after_the_app_begins_its_arguments() {
        let flags = parse(&["app.js", "--port", "9000", "word", "--port", "1", "-x"]);
        assert_eq!(flags.serving.port, 9000);
        assert_eq!(flags.args, ["word", "--port", "1", "-x"]);
    }

    #[test]
    fn a_double_dash_begins_the_apps_arguments() {
        assert_eq!(parse(&["app.js", "--", "--port", "1"]).args, ["--port", "1"]);
    }

    #[test]
    fn a_switch_is_on_off_or_not_given() {
        let quiet = |words: &[&str]| parse(words).logging.quiet;
        for on in
            [&["-q"][..], &["--quiet"], &["--quiet=true"], &["-q=true"], &["-mq"], &["--quiet", "false"]]
        {
            assert!(quiet(on), "{on:?}");
        }
        for off in [&[][..], &["--quiet=false"], &["-q=false"], &["-mq=false"]] {
            assert!(!quiet(off), "{off:?}");
        }
        assert_eq!(parse(&["--dev", "app.js"]).app.as_deref(), Some("app.js".as_ref()));
        let switches: Vec<_> =
            Flags::command().get_arguments().filter(|arg| is_switch(arg)).cloned().collect();
        assert_eq!(switches.len(), 17);
        for arg in switches {
            let (id, long) = (arg.get_id().as_str(), arg.get_long().expect("a long name"));
            for (value, on) in [("", true), ("=true", true), ("=false", false)] {
                let words = ["jsserve".to_owned(), format!("--{long}{value}")];
                let matches = Flags::command().try_get_matches_from(words).expect(long);
                assert_eq!(matches.get_one::<bool>(id), Some(&on), "--{long}{value}");
            }
        }
    }

    #[test]
    fn help_has_every_group_and_the_defaults() {
        let help = Flags::command().render_long_help().to_string();
        for part in [
            "Settings:",
            "Scripts:",
            "Serving:",
            "Limits:",
            "JavaScript:",
            "Logging:",
            "[default: 8080]",
            "[default: 16K]",
            "[default: 10s]",
        ] {
            assert!(help.contains(part), "{part} is missing in:\n{help}");
        }
    }
}
