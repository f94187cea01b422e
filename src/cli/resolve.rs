//! From flags as typed to the resolved `Config`.
//!
//! Owns: checks that need more than one value or the machine (app file, host names, least sizes).
//! Must not know: the words of the command line beyond the names it puts into messages.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runtime::address::Address;
use runtime::config::{
    AnswerOptions, CgiFolder, CgiOptions, Config, ForwardedFields, IoChoice, Limits, Listen, LogFormat,
    ProxyRule, Scheme, SourceOptions, TrustedProxies,
};
use runtime::error::{Error, ErrorKind, Result};
use runtime::site::{Site, SiteLimits};
use runtime::source::prepare::{self, Prepared};
use runtime::source::{Sources, exports};

use super::accounts;
use super::address;
use super::answers;
use super::cgroup;
use super::environment::Variables;
use super::files;
use super::flags::{Answers, Flags, ForwardedKind, Io, Log, Serving};
use super::operations;
use super::tls::{self, CertificateTable};
use super::values::Size;

/// The tables of a file of settings.
#[derive(Debug, Default)]
pub struct Tables {
    /// `[[tls]]`
    pub certificates: Vec<CertificateTable>,
    /// `[[proxy]]`
    pub proxies: Vec<ProxyRule>,
}

/// What a server is told to do; `file` is the file of settings, `variables` what it says of the app's `env` (what flags
/// say comes after), `tables` its tables.
///
/// # Errors
/// `Usage` for values that cannot be, `App` when the app's file cannot be read.
pub fn resolve(
    flags: Flags,
    file: Option<PathBuf>,
    mut variables: Variables,
    tables: &Tables,
) -> Result<Config> {
    let listens_by_default = listens_by_default(&flags.serving);
    let (limits, io, log, sources) = (limits(&flags)?, io(&flags), log(&flags), source_options(&flags));
    variables.add_flags(&flags.settings.env_file, &flags.settings.env)?;
    let files = files::files(&flags.files)?;
    let mut cgi = flags.cgi.options(&files)?;
    let mut site = None;
    let proxies = [flags.proxy.rules()?, tables.proxies.clone()].concat();
    let app = match flags.app.as_ref().map(PathBuf::from) {
        Some(app) => {
            check_app(&app)?;
            if app.is_dir() {
                site = Some(Arc::new(folder_site(&app, &limits, &mut cgi)?));
            }
            app
        }
        None if !files.folders.is_empty() || !cgi.folders.is_empty() || !proxies.is_empty() => PathBuf::new(),
        None => {
            return Err(Error::new(ErrorKind::Usage, "no app given")
                .remedy("Name a JavaScript file: jsserve app.js --port 8080. All flags: jsserve --help"));
        }
    };
    let heap_from_cgroup =
        flags.javascript.heap_max.is_none() && limits.heap_bytes_max < Limits::default().heap_bytes_max;
    let listen = listen(&flags.serving)?;
    let read = variables.files().iter().cloned().chain(sources.import_map.clone());
    let reload = flags.reload.options(flags.javascript.dev, read.collect());
    Ok(Config {
        access_log: operations::access_log(&flags.operations, flags.logging.quiet, log)?,
        admin: operations::admin(&flags.operations)?,
        reload,
        account: account(&flags.serving)?,
        listens_by_default,
        heap_from_cgroup,
        app,
        sources,
        args: flags.args.into_iter().map(argument).collect::<Result<_>>()?,
        file,
        permissions: flags.permissions.permissions(variables.names())?,
        env: variables.into_pairs(),
        acme: tls::acme(&flags.tls)?,
        self_signed: tls::self_signed(&flags.tls, &flags.serving, &listen)?,
        listen,
        files,
        site,
        proxies,
        cgi,
        crons: flags.schedule.lines()?,
        trusted_proxies: trusted_proxies(&flags.serving)?,
        forwarded_fields: match flags.serving.forwarded_fields {
            ForwardedKind::XForwarded => ForwardedFields::XForwarded,
            ForwardedKind::Forwarded => ForwardedFields::Forwarded,
        },
        answers: answer_options(&flags.answers)?,
        tls: tls::certificates(&flags.tls, &tables.certificates)?,
        workers: flags.serving.workers.count(),
        io,
        http2: flags.serving.http2,
        dev: flags.javascript.dev,
        quiet: flags.logging.quiet,
        log,
        limits,
    })
}

/// The user and group to become.
fn account(serving: &Serving) -> Result<Option<(u32, u32)>> {
    match (&serving.user, &serving.group) {
        (None, Some(group)) => Err(Error::of_flag("group", format!("{group}: there is no --user"))
            .remedy("Name the user to become as well: --user NAME.")),
        (None, None) => Ok(None),
        (Some(user), group) => accounts::account(user, group.as_deref()).map(Some).map_err(|why| {
            Error::of_flag("user", format!("{user}: {why}")).remedy("Write a user's name, or its number.")
        }),
    }
}

/// The site in `folder`; its cgi-bin has scripts, as `--cgi` has.
fn folder_site(folder: &Path, limits: &Limits, cgi: &mut CgiOptions) -> Result<Site> {
    let (routes_max, rules_max) = (limits.site_routes_max, limits.site_rules_max);
    let site = Site::read(folder, &SiteLimits { routes_max, rules_max }, exports::find)?;
    let scripts = site.folder.join("cgi-bin");
    if scripts.is_dir() {
        cgi.folders.push(CgiFolder { folder: scripts, prefix: "/cgi-bin".to_owned() });
        cgi.document_root.get_or_insert_with(|| site.folder.clone());
    }
    Ok(site)
}

fn answer_options(flags: &Answers) -> Result<AnswerOptions> {
    answers::options(&flags.compress, &flags.compress_types, &flags.hsts, flags.request_id)
}

/// The backend asked for.
pub fn io(flags: &Flags) -> IoChoice {
    match flags.serving.io {
        Io::Auto => IoChoice::Auto,
        Io::Uring => IoChoice::Uring,
        Io::Epoll => IoChoice::Epoll,
    }
}

/// The form of log lines asked for.
pub fn log(flags: &Flags) -> LogFormat {
    match flags.logging.log {
        Log::Json => LogFormat::Json,
        Log::Text => LogFormat::Text,
    }
}

/// The heap limit, if one is given.
///
/// # Errors
/// `Usage` where nothing could run in it.
pub fn heap_bytes(flags: &Flags) -> Result<Option<usize>> {
    flags.javascript.heap_max.map(|size| at_least("heap-max", size, HEAP_BYTES_MIN)).transpose()
}

/// The heap limit of one of `workers` where none is given, in a control group that may have `bytes_max`: half
/// of it is for the heaps. While a context is replaced there are two of them, and there is native memory.
fn heap_share(bytes_max: Option<u64>, workers: usize) -> usize {
    let share = bytes_max.map_or(u64::MAX, |bytes| bytes / 2 / workers.max(1) as u64);
    let share = usize::try_from(share).unwrap_or(usize::MAX);
    // Whole MiB, as a flag would have it.
    (share & !(HEAP_BYTES_MIN - 1)).clamp(HEAP_BYTES_MIN, Limits::default().heap_bytes_max)
}

/// The stack limit.
///
/// # Errors
/// `Usage` where nothing could run in it.
pub fn stack_bytes(flags: &Flags) -> Result<usize> {
    at_least("stack-max", flags.javascript.stack_max, STACK_BYTES_MIN)
}

fn listen(serving: &Serving) -> Result<Vec<Listen>> {
    let mut all: Vec<Listen> = Vec::new();
    let mut add = |flag: &str, given: &str, found: Vec<Listen>| {
        for listen in found {
            let chosen = listen.address.ip().is_some_and(|addr| addr.port() == 0);
            // A port of UDP is none of TCP.
            let same = |known: &Listen| {
                known.address == listen.address
                    && known.handed == listen.handed
                    && (known.scheme == Scheme::Udp) == (listen.scheme == Scheme::Udp)
            };
            if !chosen && all.iter().any(same) {
                let text = format!("{given}: {} is given twice", listen.address);
                return Err(
                    Error::of_flag(flag, text).remedy("Give each listener an address or a port of its own.")
                );
            }
            all.push(listen);
        }
        Ok(())
    };
    if serving.listen.is_empty() {
        let host = address::from_host("host", &serving.host, serving.port, Scheme::Auto)?;
        add("host", &serving.host, host)?;
    }
    for url in &serving.listen {
        add("listen", url, address::from_url(url)?)?;
    }
    for tcp in &serving.tcp {
        add("tcp", tcp, address::from_tcp(tcp, &serving.host)?)?;
    }
    for text in &serving.redirect_https {
        add("redirect-https", text, address::from_redirect(text, &serving.host)?)?;
    }
    let is_https = |listen: &Listen| listen.tls && listen.scheme == Scheme::Http;
    if !serving.redirect_https.is_empty() && !all.iter().any(is_https) {
        return Err(Error::of_flag("redirect-https", "there is no listener for HTTPS")
            .remedy("Name one: --listen https://HOST:443."));
    }
    if serving.proxy_protocol {
        let streams = all.iter_mut().filter(|listen| listen.scheme != Scheme::Udp);
        streams.for_each(|listen| listen.proxy_protocol = true);
    }
    Ok(all)
}

/// Whether no address is asked for.
fn listens_by_default(serving: &Serving) -> bool {
    let Serving { listen, tcp, redirect_https, host, port, .. } = serving;
    let is_none = listen.is_empty() && tcp.is_empty() && redirect_https.is_empty();
    is_none && host == "127.0.0.1" && *port == 8080
}

/// Whom `--trusted-proxies` names: somebody for each listener with the PROXY protocol, which else would refuse all.
fn trusted_proxies(serving: &Serving) -> Result<TrustedProxies> {
    let mut trusted = TrustedProxies::default();
    for text in &serving.trusted_proxies {
        match text.trim() {
            "unix" => trusted.unix = true,
            text => trusted.networks.push(text.parse().map_err(|_| {
                Error::of_flag("trusted-proxies", format!("{text:?} is no network"))
                    .remedy("Write addresses and networks, as 127.0.0.1,10.0.0.0/8,2001:db8::/32; or unix.")
            })?),
        }
    }
    let nobody = |listen: &&Listen| {
        listen.proxy_protocol
            && match listen.address {
                Address::Ip(_) => trusted.networks.is_empty(),
                Address::Unix(_) => !trusted.unix,
            }
    };
    let listeners = listen(serving)?;
    let Some(listen) = listeners.iter().find(nobody) else { return Ok(trusted) };
    let name = if listen.address.ip().is_some() { "127.0.0.1" } else { "unix" };
    let text = format!("names nobody who may connect to {} (PROXY protocol)", listen.url());
    Err(Error::of_flag("trusted-proxies", text).remedy(format!(
        "Name the proxies in front: --trusted-proxies {name}. Who connects from elsewhere could say anything."
    )))
}

/// The least that works at all; below it a server would start and fail every request.
const HEAP_BYTES_MIN: usize = 1 << 20;
const STACK_BYTES_MIN: usize = 32 << 10;
const HEADER_BYTES_MIN: usize = 256;
/// A hello with the keys that browsers offer has 2 KiB.
const HANDSHAKE_BYTES_MIN: usize = 4 << 10;
const RECV_BUFFER_BYTES_MIN: usize = 64 << 10;
const RING_ENTRIES_RANGE: std::ops::RangeInclusive<usize> = 8..=32_768;

fn limits(flags: &Flags) -> Result<Limits> {
    let (serving, limits, javascript) = (&flags.serving, &flags.limits, &flags.javascript);
    if !RING_ENTRIES_RANGE.contains(&serving.ring_entries) {
        let message = format!("{}: out of range", serving.ring_entries);
        return Err(Error::of_flag("ring-entries", message).remedy("io_uring takes 8 to 32768 entries."));
    }
    let own = Limits {
        header_bytes_max: at_least("header-max", limits.header_max, HEADER_BYTES_MIN)?,
        header_fields_max: limits.header_fields_max,
        target_bytes_max: limits.target_max.0,
        body_bytes_max: limits.body_max.0,
        header_ms_max: limits.header_timeout.0,
        tls_handshake_ms_max: limits.tls_handshake_timeout.0,
        tls_handshake_bytes_max: at_least(
            "tls-handshake-max",
            limits.tls_handshake_max,
            HANDSHAKE_BYTES_MIN,
        )?,
        body_stall_ms_max: limits.body_timeout.0,
        idle_ms_max: limits.idle_timeout.0,
        write_stall_ms_max: limits.write_timeout.0,
        write_buffer_bytes_max: limits.write_buffer_max.0,
        request_ms_max: limits.request_timeout.0,
        turn_cpu_ms_max: javascript.cpu_max.0,
        stuck_ms_max: javascript.stuck_timeout.0,
        stuck_turns_max: u32::try_from(javascript.stuck_turns_max).unwrap_or(u32::MAX),
        refuse_ms: javascript.refuse_time.0,
        stuck_threads_max: javascript.stuck_threads_max,
        start_ms_max: javascript.start_timeout.0,
        heap_bytes_max: heap_bytes(flags)?
            .unwrap_or_else(|| heap_share(cgroup::memory_bytes_max(), serving.workers.count())),
        stack_bytes_max: stack_bytes(flags)?,
        pipelined_max: limits.pipelined_max,
        http2_streams_max: limits.http2_streams_max,
        http2_resets_max: limits.http2_resets_max,
        http2_control_frames_max: limits.http2_control_frames_max,
        datagrams_max: limits.datagrams_max,
        datagram_queue_bytes_max: limits.datagram_queue.0,
        compress_bytes_min: flags.answers.compress_min.0,
        compress_memory_bytes_max: limits.compress_memory.0,
        mailbox_bytes_max: limits.mailbox_max.0,
        event_queue_bytes_max: limits.event_queue.0,
        subscriptions_max: limits.subscriptions_max,
        topics_max: limits.topics_max,
        site_routes_max: flags.files.site_routes_max,
        site_rules_max: flags.files.site_rules_max,
        static_files_max: flags.files.static_files_max,
        static_bytes_max: flags.files.static_cache_max.0,
        reload_contexts_max: flags.reload.reload_contexts_max,
        access_log_bytes_max: flags.operations.access_log_buffer.0,
        connections_max: limits.connections_max,
        ring_entries: serving.ring_entries as u32,
        recv_buffer_bytes: at_least("recv-buffers", serving.recv_buffers, RECV_BUFFER_BYTES_MIN)?,
        drain_ms_max: serving.drain_timeout.0,
        ..Limits::default()
    };
    Ok(flags.schedule.limit(flags.proxy.limit(flags.cgi.limit(flags.websocket.limit(own)))))
}

fn at_least(flag: &str, size: Size, bytes_min: usize) -> Result<usize> {
    if size.0 >= bytes_min {
        return Ok(size.0);
    }
    Err(Error::of_flag(flag, format!("{size}: too small to serve anything"))
        .remedy(format!("Give it at least {}.", Size(bytes_min))))
}

/// An argument of an app or script.
///
/// # Errors
/// `Usage` when it is not UTF-8.
pub fn argument(word: OsString) -> Result<String> {
    word.into_string().map_err(|word| {
        Error::new(ErrorKind::Usage, format!("the argument {word:?} is not UTF-8"))
            .remedy("JavaScript strings cannot hold it; pass it in a file.")
    })
}

/// Where sources come from.
pub fn source_options(flags: &Flags) -> SourceOptions {
    SourceOptions {
        import_map: flags.javascript.import_map.as_ref().map(PathBuf::from),
        no_cache: flags.javascript.no_cache,
    }
}

/// The file's text as JavaScript; what cannot be read, or does not parse, is told later.
pub fn javascript(sources: &Sources, path: &Path) -> Prepared {
    let name = std::fs::canonicalize(path).unwrap_or_default();
    let source = std::fs::read(path).unwrap_or_default();
    prepare::prepare(sources, &name.to_string_lossy(), source).unwrap_or_default()
}

/// Whether the file can be read but once: a pipe, a terminal.
pub fn is_stream(path: &Path) -> bool {
    let kind = std::fs::metadata(path).map(|found| found.file_type());
    kind.is_ok_and(|kind| !kind.is_file() && !kind.is_dir())
}

/// Opens the app or script once, so that the usual mistakes are told before anything starts.
///
/// # Errors
/// `App`: there is none, or it cannot be read.
pub fn check_app(app: &Path) -> Result<()> {
    let refuse = |what: &str| Error::new(ErrorKind::App, format!("{}: {what}", app.display()));
    match std::fs::File::open(app) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(refuse("no such file").remedy(where_it_may_be(app)))
        }
        Err(error) => Err(refuse(&format!("it cannot be read ({error})"))
            .remedy(format!("Look at its permissions: ls -l {}", app.display()))),
    }
}

fn where_it_may_be(app: &Path) -> String {
    if ["serve", "start", "run", "dev", "exec", "eval"].iter().any(|word| app == Path::new(word)) {
        return "There is no such command: an app or script is named by itself, jsserve app.js. All commands: \
                jsserve help"
            .to_owned();
    }
    for extension in ["js", "mjs", "ts", "tsx"] {
        let near = app.with_extension(extension);
        if near != app && near.is_file() {
            return format!("Did you mean {}?", near.display());
        }
    }
    match std::env::current_dir() {
        Ok(here) if app.is_relative() => {
            format!("Paths start at {}; name a file that is there.", here.display())
        }
        _ => "Name a file that is there.".to_string(),
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
