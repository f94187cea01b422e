//! Tests of what flags and a file of settings become.
//!
//! Owns: nothing. Must not know: how a flag is read.

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
         --cgi-stall-timeout 43ms --cgi-kill-timeout 44ms --cgi-header-max 45 --access-log-buffer 53 --reload-contexts-max 54 --scheduled-timeout 55ms";

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
        reload_contexts_max: 54,
        scheduled_ms_max: 55,
        // No flags: bounds on what is read only to be dropped.
        linger: Limits::default().linger,
        unread_bytes_max: Limits::default().unread_bytes_max,
    };
    assert_eq!(format!("{limits:?}"), format!("{expected:?}"));
}

#[test]
fn listen_replaces_host_and_port() {
    let urls = ["--listen", "http://127.0.0.1:1", "--listen", "tcp://[::1]:2", "--listen", "udp://[::1]:2"];
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
        &["--group", "root", APP],
        &["--user", "no-such-user-here", APP],
        &["--listen", "fd:", APP],
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
