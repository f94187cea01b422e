//! The resolved configuration of a server, or of a script: what `src/` makes of flags, and the defaults.
//!
//! Owns: what can be chosen, and its default; limits have a file of their own. Must not know: flags,
//! sockets, JavaScript.

mod answers;
mod limits;
mod operations;
mod reload;

use std::path::PathBuf;
use std::sync::Arc;

use crate::address::{Address, Network};
use crate::cron::CronLine;
use crate::permissions::Permissions;
use crate::site::Site;

pub use self::answers::{AnswerOptions, Coding, CodingLevel, Compression, TypePattern};
pub use self::limits::{Limits, Linger, WebSocketCompression};
pub use self::operations::{AccessForm, AccessLogOptions, AccessTarget, AdminOptions};
pub use self::reload::ReloadOptions;

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Decided by what the app exports: `fetch` makes it HTTP, else a raw handler makes it TCP.
    Auto,
    /// HTTP/1.1, answered by the app's `fetch`.
    Http,
    /// FastCGI of a web server in front, answered by the app's `fetch`.
    FastCgi,
    /// SCGI of a web server in front, answered by the app's `fetch`.
    Scgi,
    /// Raw streams (TCP, Unix, TLS over them), answered by the app's `connect` or `accept`.
    Tcp,
    /// Datagrams, answered by the app's `datagram`.
    Udp,
}

/// One address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// What is spoken there.
    pub scheme: Scheme,
    /// Whether it is spoken over TLS.
    pub tls: bool,
    /// Where; port 0 lets the kernel choose one port for all workers.
    pub address: Address,
    /// Whether each connection begins with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Who may connect, where it is the path of a Unix socket.
    pub file: SocketFile,
    /// Requests are not for the app: their clients are sent to HTTPS, on this port.
    pub https_port: Option<HttpsPort>,
    /// A socket of this name, or number, that the process was started with; its address is not known before.
    pub handed: Option<String>,
}

impl Listen {
    /// Without TLS, without the PROXY protocol.
    pub fn new(scheme: Scheme, address: impl Into<Address>) -> Listen {
        let (address, file) = (address.into(), SocketFile::default());
        Listen { scheme, tls: false, address, proxy_protocol: false, file, https_port: None, handed: None }
    }

    /// What is spoken there, as its URL begins.
    pub fn scheme_name(&self) -> &'static str {
        match (self.scheme, self.tls) {
            (Scheme::Auto | Scheme::Http, false) => "http",
            (Scheme::Auto | Scheme::Http, true) => "https",
            (Scheme::FastCgi, _) => "fastcgi",
            (Scheme::Scgi, _) => "scgi",
            (Scheme::Tcp, false) => "tcp",
            (Scheme::Tcp, true) => "tls",
            (Scheme::Udp, _) => "udp",
        }
    }

    /// `http://127.0.0.1:8080`, `https+unix:/run/app.sock`; plain HTTP on a Unix socket is `unix:/run/app.sock`.
    pub fn url(&self) -> String {
        match (&self.address, self.scheme_name()) {
            (Address::Ip(addr), name) => format!("{name}://{addr}"),
            (Address::Unix(_), "http") => self.address.to_string(),
            (Address::Unix(_), name) => format!("{name}+{}", self.address),
        }
    }
}

/// The file of a Unix socket: to connect one needs the right to write to it (unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketFile {
    /// Its mode, as chmod(1) has it.
    pub mode: u32,
    /// Its user; `None`: who started the server.
    pub owner: Option<u32>,
    /// Its group; `None`: as files that the server makes there have it.
    pub group: Option<u32>,
}

impl Default for SocketFile {
    fn default() -> Self {
        SocketFile { mode: 0o660, owner: None, group: None }
    }
}

/// Whose word on where a client is, and what it asked for, is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Those with an address in one of these.
    pub networks: Vec<Network>,
    /// Those that connect to a Unix socket.
    pub unix: bool,
}

impl TrustedProxies {
    /// Whether nobody's is.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Whether the word of who is at `address` is.
    pub fn has(&self, address: &Address) -> bool {
        match address {
            Address::Ip(addr) => self.networks.iter().any(|network| network.has(addr.ip())),
            Address::Unix(_) => self.unix,
        }
    }
}

/// In which fields trusted proxies say who asks, and for what; the others are the client's own words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedFields {
    /// X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host.
    #[default]
    XForwarded,
    /// Forwarded (RFC 7239).
    Forwarded,
}

/// A certificate of a server, by its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate in PEM, and behind it those that sign it.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// An OCSP response in DER that says it is good (RFC 6066 section 8).
    pub ocsp: Option<PathBuf>,
    /// Whether clients that ask for its names show a certificate of their own.
    pub client_auth: ClientAuth,
    /// Who has signed the certificates of clients, in PEM.
    pub client_ca: Option<PathBuf>,
}

/// A certificate for development, signed by an authority of this user's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelfSigned {
    /// Whom it is for, host names and addresses, beside localhost.
    pub names: Vec<String>,
    /// Whether clients show a certificate of their own.
    pub client_auth: ClientAuth,
    /// Who has signed the certificates of clients, in PEM.
    pub client_ca: Option<PathBuf>,
}

/// A certificate that is ordered by ACME (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// The hosts that it is for, at least one, in lower case.
    pub names: Vec<String>,
    /// Whom the authority writes to.
    pub email: Option<String>,
    /// The URL of the authority's directory.
    pub directory: String,
    /// The account elsewhere that the one of ACME is bound to, where the authority wants one (RFC 8555 section 7.3.4).
    pub external_account: Option<ExternalAccount>,
    /// Whom TLS to the authority trusts, in PEM; the system's roots where there is none.
    pub directory_ca: Option<PathBuf>,
    /// From a failure to the next try, in milliseconds; twice as long with each further one.
    pub retry_ms: u64,
    /// Whether clients show a certificate of their own.
    pub client_auth: ClientAuth,
    /// Who has signed the certificates of clients, in PEM.
    pub client_ca: Option<PathBuf>,
}

/// An account that an authority knows already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalAccount {
    /// How the authority calls its key.
    pub key_id: String,
    /// The file of that key, for HMAC with SHA-256, in base64url.
    pub key: PathBuf,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked for one.
    #[default]
    None,
    /// They are asked for one, and may have none.
    Request,
    /// Who has none is refused.
    Require,
}

/// The port that clients are sent to which come over plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpsPort {
    /// That of the first listener for HTTPS.
    OfListener,
    /// This one: where clients reach it through something in front.
    Given(u16),
}

/// Files that are served beside the app, or without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticFiles {
    /// Where they are; none: no files are served.
    pub folders: Vec<StaticFolder>,
    /// Who is asked first.
    pub order: StaticOrder,
    /// A folder without an index file shows what it has.
    pub listing: bool,
    /// Names that begin with a dot are served.
    pub dotfiles: bool,
    /// The file of a folder that stands for pages which neither the app nor the folder has.
    pub fallback: Option<String>,
    /// For how many seconds clients use a file without asking, pages and hashed names aside.
    pub max_age_s: u64,
}

/// A folder whose files are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticFolder {
    /// The folder.
    pub folder: PathBuf,
    /// What the paths of its files begin with: empty, or `/a/b`.
    pub prefix: String,
}

/// Programs that answer requests by CGI/1.1 (RFC 3875).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgiOptions {
    /// Where they are; none: there are none.
    pub folders: Vec<CgiFolder>,
    /// DOCUMENT_ROOT, below which PATH_TRANSLATED is; `None`: the script's own folder of these.
    pub document_root: Option<PathBuf>,
    /// What their environment has beside PATH and what the request says: names and values.
    pub environment: Vec<(String, String)>,
    /// Whether they see the client's Authorization.
    pub authorization: bool,
}

/// A folder of such programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgiFolder {
    /// The folder, from the root of the file system.
    pub folder: PathBuf,
    /// What the paths of its programs begin with: empty, or `/a/b`.
    pub prefix: String,
}

/// Requests that other servers answer: all below a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyRule {
    /// What their paths begin with: empty, or `/a/b`.
    pub path: String,
    /// Who is asked, in turn; at least one.
    pub upstreams: Vec<UpstreamAddress>,
    /// What stands before the path as it is sent on: empty, or `/a/b`.
    pub base: String,
    /// `path` is taken away before it is sent on.
    pub strip: bool,
    /// What Host says; `None`: what it said, to servers over TLS their own.
    pub host: Option<ProxyHost>,
    /// Failures within `fail_ms` after which a server is passed over for as long; 0: never.
    pub max_fails: u32,
    /// That time, in milliseconds.
    pub fail_ms: u64,
    /// Who has signed the certificates of servers, in PEM; whom the system trusts where there is none.
    pub ca: Option<PathBuf>,
}

impl Default for ProxyRule {
    fn default() -> Self {
        ProxyRule {
            path: String::new(),
            upstreams: Vec::new(),
            base: String::new(),
            strip: false,
            host: None,
            max_fails: 1,
            fail_ms: 10_000,
            ca: None,
        }
    }
}

/// Where a server is that requests are sent on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamAddress {
    /// A host, with its port where that is not the usual one.
    Host {
        /// Whether it is asked over TLS.
        tls: bool,
        /// `a.test:8080`
        authority: String,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// What Host says of a request that is sent on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxyHost {
    /// What it said.
    #[default]
    Keep,
    /// The server's own.
    Upstream,
    /// This.
    Named(String),
}

/// Who is asked first, files or app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StaticOrder {
    /// Files; what is none goes to the app.
    #[default]
    Before,
    /// The app; files where it answers 404.
    After,
}

/// Which I/O backend `--io` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoChoice {
    /// io_uring where it works, epoll elsewhere.
    Auto,
    /// io_uring or a start-up error.
    Uring,
    /// epoll.
    Epoll,
}

/// The form of log lines on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text an event.
    Text,
    /// One JSON object a line.
    Json,
}

/// How a source text is parsed (ECMA-262 section 16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// A classic script: sloppy, its `var`s are globals.
    Script,
    /// A module.
    Module,
}

/// Where sources come from, beside their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceOptions {
    /// A file that is looked into before anything else; read when the app or the script is loaded.
    pub import_map: Option<PathBuf>,
    /// Transformed sources and bytecode are neither read from the cache folder nor written there.
    pub no_cache: bool,
}

/// What a script run is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A file.
    File(PathBuf),
    /// A text from the command line.
    Text(String),
    /// What standard input has until its end.
    Stdin,
    /// What this file that can be read but once, such as a pipe, has until its end.
    Stream(PathBuf),
    /// Nothing but what is included: the interactive prompt.
    Prompt,
}

/// Everything that a script, run once, needs to know before it starts.
#[derive(Clone, Debug)]
pub struct ScriptConfig {
    /// The script.
    pub program: Program,
    /// Where it and its modules come from.
    pub sources: SourceOptions,
    /// How it is parsed; `None`: as its text says.
    pub goal: Option<Goal>,
    /// Whether the value of its last expression is printed.
    pub print: bool,
    /// `scriptArgs`: the script's name, then its arguments.
    pub args: Vec<String>,
    /// The command line as it was typed, `execArgv`.
    pub exec_args: Vec<String>,
    /// Whether `std` and `os` are globals.
    pub std: bool,
    /// Files that are evaluated before it.
    pub includes: Vec<PathBuf>,
    /// Numbers of the descriptors that the process was started with.
    pub descriptors: Vec<i32>,
    /// The I/O backend.
    pub io: IoChoice,
    /// JavaScript heap; `None`: as much as there is.
    pub heap_bytes_max: Option<usize>,
    /// JavaScript stack; beyond: RangeError.
    pub stack_bytes_max: usize,
    /// What it may reach; none: everything.
    pub permissions: Option<Arc<Permissions>>,
    /// No log below errors.
    pub quiet: bool,
    /// The form of log lines.
    pub log: LogFormat,
}

/// JavaScript stack of a script in bytes: what a main thread of 8 MiB can well spare.
pub const SCRIPT_STACK_BYTES: usize = 4 << 20;

/// Stack in bytes of a thread that runs JavaScript, beyond what JavaScript itself may use.
pub const NATIVE_STACK_BYTES: usize = 2 << 20;

/// Everything a server needs to know before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The app's main module, or the folder of a site, as named on the command line; empty where only files are served.
    pub app: PathBuf,
    /// Where it and its modules come from.
    pub sources: SourceOptions,
    /// Arguments after the app.
    pub args: Vec<String>,
    /// The file of settings that was read, if any.
    pub file: Option<PathBuf>,
    /// What the app sees as its environment, names once each: nothing else of the process's.
    pub env: Vec<(String, String)>,
    /// Addresses; each is opened by every worker.
    pub listen: Vec<Listen>,
    /// No address was asked for: sockets that the process was started with are served instead, where there are some.
    pub listens_by_default: bool,
    /// Who the process is once it has its sockets and keys: user and group.
    pub account: Option<(u32, u32)>,
    /// What the app may reach; none: everything.
    pub permissions: Option<Arc<Permissions>>,
    /// When the app's `scheduled` is called.
    pub crons: Vec<CronLine>,
    /// Files that are served.
    pub files: StaticFiles,
    /// What is in the folder that is served as a site, which `app` is, then.
    pub site: Option<Arc<Site>>,
    /// Requests that other servers answer.
    pub proxies: Vec<ProxyRule>,
    /// Programs that answer requests.
    pub cgi: CgiOptions,
    /// Whose word on the client is taken, in headers of the PROXY protocol and in fields of requests.
    pub trusted_proxies: TrustedProxies,
    /// In which fields.
    pub forwarded_fields: ForwardedFields,
    /// What is added to answers.
    pub answers: AnswerOptions,
    /// Files of certificates, each with its key's.
    pub tls: Vec<CertificateFiles>,
    /// Instead of files: a certificate for development.
    pub self_signed: Option<SelfSigned>,
    /// Beside files: a certificate that is ordered.
    pub acme: Option<Acme>,
    /// Number of workers, one thread each; at least 1.
    pub workers: usize,
    /// The I/O backend.
    pub io: IoChoice,
    /// Whether clients may speak HTTP/2.
    pub http2: bool,
    /// Development mode: errors of the app reach the client, with their stack.
    pub dev: bool,
    /// No start line, no log below errors.
    pub quiet: bool,
    /// The form of log lines.
    pub log: LogFormat,
    /// The access log, where there is one.
    pub access_log: Option<AccessLogOptions>,
    /// The listener for who operates the server, where there is one.
    pub admin: Option<AdminOptions>,
    /// The heap's limit is less than usual, for the memory of the control group.
    pub heap_from_cgroup: bool,
    /// What is read again, and when.
    pub reload: ReloadOptions,
    /// Bounds.
    pub limits: Limits,
}

impl Config {
    /// Whether there is JavaScript to be run for requests: an app, or a site with routes or middleware.
    pub fn has_app(&self) -> bool {
        !self.app.as_os_str().is_empty() && self.site.as_ref().is_none_or(|site| site.has_scripts())
    }
}
