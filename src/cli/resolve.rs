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
    Ok(Config {
        access_log: operations::access_log(&flags.operations, flags.logging.quiet, log)?,
        admin: operations::admin(&flags.operations)?,
        heap_from_cgroup,
        app,
        sources,
        args: flags.args.into_iter().map(argument).collect::<Result<_>>()?,
        file,
        env: variables.into_pairs(),
        acme: tls::acme(&flags.tls)?,
        self_signed: tls::self_signed(&flags.tls, &flags.serving, &listen)?,
        listen,
        files,
        site,
        proxies,
        cgi,
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
    Ok(flags.proxy.limit(
        flags.cgi.limit(
            flags.websocket.limit(Limits {
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
                access_log_bytes_max: flags.operations.access_log_buffer.0,
                connections_max: limits.connections_max,
                ring_entries: serving.ring_entries as u32,
                recv_buffer_bytes: at_least("recv-buffers", serving.recv_buffers, RECV_BUFFER_BYTES_MIN)?,
                drain_ms_max: serving.drain_timeout.0,
                ..Limits::default()
            }),
        ),
    ))
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
mod tests {
    use super::*;
    use std::net::SocketAddr;

    use clap::Parser;

    /// A file that is surely there: the check wants one that can be read, not one that runs.
    const APP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

    fn config(words: &[&str]) -> Result<Config> {
        let words = std::iter::once("jsserve").chain(words.iter().copied());
        resolve(
            Flags::try_parse_from(words).expect("flags parse"),
            None,
            Variables::default(),
            &Tables::default(),
        )
    }

    #[test]
    fn no_flags_give_the_documented_defaults() {
        let config = config(&[APP]).expect("config");
        let expected = Listen::new(Scheme::Auto, SocketAddr::from(([127, 0, 0, 1], 8080)));
        assert_eq!(config.listen, [expected]);
        assert_eq!(config.workers, std::thread::available_parallelism().expect("cores").get());
        assert_eq!(
            (config.io, config.log, config.http2, config.dev, config.quiet),
            (IoChoice::Auto, LogFormat::Text, true, false, false)
        );
        let heap_bytes_max = heap_share(cgroup::memory_bytes_max(), config.workers);
        let expected = Limits { heap_bytes_max, ..Limits::default() };
        assert_eq!(format!("{:?}", config.limits), format!("{expected:?}"));
    }

    #[test]
    fn the_default_heap_is_a_share_of_half_of_the_control_groups_memory() {
        assert_eq!(heap_share(None, 8), 128 << 20);
        assert_eq!(heap_share(Some(4 << 30), 2), 128 << 20);
        assert_eq!(heap_share(Some(192 << 20), 2), 48 << 20);
        assert_eq!(heap_share(Some(100_000_000), 2), 23 << 20);
        assert_eq!(heap_share(Some(1), 2), HEAP_BYTES_MIN);
    }

    const EVERY_LIMIT: &str = "--header-max 1K --header-fields-max 2 --target-max 3 --body-max 4 --header-timeout 5ms \
             --body-timeout 6ms --idle-timeout 7ms --write-timeout 8ms --request-timeout 9ms --cpu-max 10ms \
             --stuck-timeout 11ms --start-timeout 12ms --heap-max 13M --stack-max 140K --pipelined-max 15 \
             --connections-max 16 --ring-entries 17 --recv-buffers 180K --drain-timeout 19ms \
             --stuck-turns-max 20 --refuse-time 21ms --stuck-threads-max 22 --tls-handshake-timeout 23ms \
             --tls-handshake-max 24K --datagrams-max 24 --datagram-queue 25 \
             --write-buffer-max 26 --http2-streams-max 27 --http2-resets-max 28 --http2-control-frames-max 29 \
             --compress-min 30 --compress-memory 31 --mailbox-max 27 --event-queue 30 --subscriptions-max 28 --topics-max 29 \
             --websocket-message-max 32 --websocket-queue-max 33 \
             --websocket-ping 34ms --websocket-pong-timeout 35ms --websocket-close-timeout 36ms \
             --websocket-compression off --static-files-max 37 --static-cache-max 38 \
             --site-routes-max 46 --site-rules-max 47 --proxy-connect-timeout 48ms --proxy-head-timeout 49ms \
             --proxy-stall-timeout 50ms --proxy-tunnel-timeout 51ms --proxy-connections-max 52 --cgi-scripts-max 39 --cgi-queue-max 40 --cgi-head-timeout 41ms --cgi-timeout 42ms \
             --cgi-stall-timeout 43ms --cgi-kill-timeout 44ms --cgi-header-max 45 --access-log-buffer 53";

    #[test]
    fn every_limit_has_a_flag_that_reaches_it() {
        let words: Vec<&str> = EVERY_LIMIT.split_whitespace().chain([APP]).collect();
        let limits = config(&words).expect("config").limits;
        let expected = Limits {
            header_bytes_max: 1 << 10,
            header_fields_max: 2,
            target_bytes_max: 3,
            body_bytes_max: 4,
            header_ms_max: 5,
            body_stall_ms_max: 6,
            idle_ms_max: 7,
            write_stall_ms_max: 8,
            request_ms_max: 9,
            turn_cpu_ms_max: 10,
            stuck_ms_max: 11,
            start_ms_max: 12,
            heap_bytes_max: 13 << 20,
            stack_bytes_max: 140 << 10,
            pipelined_max: 15,
            http2_streams_max: 27,
            http2_resets_max: 28,
            http2_control_frames_max: 29,
            datagrams_max: 24,
            datagram_queue_bytes_max: 25,
            connections_max: Some(16),
            ring_entries: 17,
            recv_buffer_bytes: 180 << 10,
            drain_ms_max: 19,
            stuck_turns_max: 20,
            refuse_ms: 21,
            stuck_threads_max: 22,
            tls_handshake_ms_max: 23,
            tls_handshake_bytes_max: 24 << 10,
            write_buffer_bytes_max: 26,
            compress_bytes_min: 30,
            compress_memory_bytes_max: 31,
            mailbox_bytes_max: 27,
            event_queue_bytes_max: 30,
            subscriptions_max: 28,
            topics_max: 29,
            websocket_message_bytes_max: 32,
            websocket_queue_bytes_max: 33,
            websocket_ping_ms: 34,
            websocket_pong_ms_max: 35,
            websocket_close_ms_max: 36,
            websocket_compression: runtime::config::WebSocketCompression::Off,
            static_files_max: 37,
            static_bytes_max: 38,
            proxy_connect_ms_max: 48,
            proxy_head_ms_max: 49,
            proxy_stall_ms_max: 50,
            proxy_tunnel_ms_max: 51,
            proxy_connections_max: 52,
            site_routes_max: 46,
            site_rules_max: 47,
            cgi_scripts_max: Some(39),
            cgi_queue_max: 40,
            cgi_head_ms_max: 41,
            cgi_run_ms_max: 42,
            cgi_stall_ms_max: 43,
            cgi_kill_ms: 44,
            cgi_header_bytes_max: 45,
            access_log_bytes_max: 53,
            // No flags: bounds on what is read only to be dropped.
            linger: Limits::default().linger,
            unread_bytes_max: Limits::default().unread_bytes_max,
        };
        assert_eq!(format!("{limits:?}"), format!("{expected:?}"));
    }

    #[test]
    fn listen_replaces_host_and_port() {
        let urls =
            ["--listen", "http://127.0.0.1:1", "--listen", "tcp://[::1]:2", "--listen", "udp://[::1]:2"];
        let words = [&urls[..], &[APP, "--", "a", "--b"]].concat();
        let config = config(&words).expect("config");
        let schemes: Vec<_> = config.listen.iter().map(|l| l.scheme).collect();
        assert_eq!(schemes, [Scheme::Http, Scheme::Tcp, Scheme::Udp]);
        assert_eq!(config.args, ["a", "--b"]);
    }

    #[test]
    fn raw_tcp_stands_beside_http() {
        let config = config(&["--host", "::1", "--port", "1", "--tcp", "2", "--tcp", "127.0.0.1:3", APP]);
        let listen = config.expect("config").listen.into_iter().map(|l| (l.scheme, l.address.to_string()));
        let expected = [(Scheme::Auto, "[::1]:1"), (Scheme::Tcp, "[::1]:2"), (Scheme::Tcp, "127.0.0.1:3")];
        assert_eq!(listen.collect::<Vec<_>>(), expected.map(|(scheme, addr)| (scheme, addr.to_owned())));
    }

    #[test]
    fn the_proxy_protocol_is_for_named_proxies_only() {
        let all = ["--proxy-protocol", "--listen", "unix:/x", "--listen", "http://127.0.0.1:1", APP];
        for named in ["127.0.0.1", "unix"] {
            let error = config(&[&["--trusted-proxies", named], &all[..]].concat()).expect_err(named);
            assert_eq!(error.flag(), Some("trusted-proxies"), "{error}");
        }
        let config =
            config(&[&["--trusted-proxies", "10.0.0.0/8,unix", "--trusted-proxies=::1"], &all[..]].concat());
        let config = config.expect("config");
        assert!(config.listen.iter().all(|listen| listen.proxy_protocol));
        assert!(config.trusted_proxies.unix && config.trusted_proxies.networks.len() == 2);
        assert_eq!(config.forwarded_fields, ForwardedFields::XForwarded);
    }

    #[test]
    fn what_cannot_serve_is_refused_with_a_remedy() {
        for words in [
            &["--heap-max", "1K", APP][..],
            &["--stack-max", "1K", APP],
            &["--header-max", "1", APP],
            &["--recv-buffers", "1K", APP],
            &["--tls-handshake-max", "1K", APP],
            &["--tls-cert", "a", "--tls-cert", "b", "--tls-key", "k", APP],
            &["--tls-key", "k", APP],
            &["--tls-self-signed", "--tls-cert", "a", APP],
            &["--acme", "a.test", APP],
            &["--acme-agree", APP],
            &["--acme", "*.a.test", "--acme-agree", APP],
            &["--acme", "127.0.0.1", "--acme-agree", APP],
            &["--acme", "a.test", "--acme-agree", "--acme-directory", "x", APP],
            &["--acme", "a.test", "--acme-agree", "--acme-eab-kid", "x", APP],
            &["--acme", "a.test", "--acme-agree", "--acme-eab-key", "x", APP],
            &["--acme-eab-kid", "x", APP],
            &["--acme", "a.test", "--acme-agree", "--tls-self-signed", APP],
            &["--tls-cert", "a", "--tls-client-auth", "request", APP],
            &["--ring-entries", "1", APP],
            &["--listen", "tcp://[::1]:2", "--listen", "http://[::1]:2", APP],
            &["--port", "2", "--tcp", "2", APP],
            &["--listen", "udp://[::1]:2", "--listen", "udp://[::1]:2", APP],
            &["--listen", "udp://[::1]:2?proxy", APP],
            &["--tcp", "x", APP],
            &["--redirect-https", "2", APP],
            &["--listen", "https://[::1]:2", "--redirect-https", "x", APP],
            &["--listen", "https://[::1]:2", "--redirect-https", "3?to=x", APP],
            &["--listen", "https://[::1]:2", "--redirect-https", "[::1]:2", APP],
            &["--compress=deflate", APP],
            &["--compress-types", "text", APP],
            &["--hsts=on", APP],
            &["--proxy-protocol", APP],
            &["--trusted-proxies", "localhost", APP],
            &[],
        ] {
            let error = config(words).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
            assert!(error.to_string().contains("\n  "), "no remedy: {error}");
        }
    }

    #[test]
    fn the_app_must_be_a_file_that_can_be_read() {
        let error = config(&["/nowhere/app.js"]).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::App, "{error}");
        assert!(error.to_string().contains("no such file"), "{error}");
    }
}
