//! TLS as a listener's: what the app sees of it, whom the connection is for, what handshakes may take.
//!
//! Owns: what a listener adds to TLS. Must not know: certificates, versions, ciphers.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::support::server::run_to_end;
use crate::support::way::{ClientStream, certificate};
use crate::support::{App, Connection, Over, Place, SOON, Server, Way, dial};
use rustix::process::Signal;
use rustls::pki_types::ServerName;

const APP: &str = r#"
export default {
  async fetch(request, env, ctx) {
    const { protocol, cipher, sni, alpn, peerCertificate } = ctx.tls;
    return Response.json([request.url, protocol, cipher.startsWith("TLS_"), sni, alpn, peerCertificate]);
  },
  async connect(socket, env, ctx) {
    const writer = socket.writable.getWriter();
    await writer.write(new TextEncoder().encode(`${socket.secureTransport} ${ctx.tls.sni}\n`));
    for await (const chunk of socket.readable) await writer.write(chunk);
  },
};"#;

fn serve(io: &str, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(Way { over: Over::Tls, ..Way::tcp(io) }, flags, app.path());
    (app, server)
}

fn connect(server: &Server, name: &'static str) -> Connection {
    let Place::Tls(addr) = server.place() else { panic!("no TLS in {}", server.start_line()) };
    let name = ServerName::try_from(name).expect("a name");
    Connection::of(ClientStream::open_tls(addr, name, SOON).expect("a handshake"))
}

fn tls_addr(server: &Server) -> std::net::SocketAddr {
    match server.place() {
        Place::Tls(addr) => addr,
        other => panic!("{other:?}"),
    }
}

both_backends! {
    fn an_app_sees_what_tls_agreed_on(io) {
        let (_app, server) = serve(io, &["--workers", "1"]);
        let mut client = connect(&server, "a.example");
        for _ in 0..2 {
            client.send("GET /x HTTP/1.1\r\nHost: A.example:8443\r\n\r\n");
            let text = client.response("GET");
            let expected = r#"["https://a.example:8443/x","TLSv1.3",true,"a.example",null,null]"#;
            assert_eq!(text.text(), expected);
        }
    }

    // RFC 9110 section 15.5.20.
    fn a_request_for_another_host_than_tls_was_asked_for_is_421(io) {
        let (_app, server) = serve(io, &["--workers", "1"]);
        for (host, status) in [("a.example", 200), ("b.example", 421), ("a.example.evil", 421), ("127.0.0.1", 421)] {
            let mut client = connect(&server, "a.example");
            client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            let response = client.response("GET");
            assert_eq!((response.status, response.says_close()), (status, status == 421), "{host}");
        }
        // Without a name in TLS the request's own is taken.
        let mut client = Connection::open(server.place());
        client.send("GET / HTTP/1.1\r\nHost: whatever\r\n\r\n");
        assert!(client.response("GET").text().starts_with(r#"["https://whatever/""#));
    }

    // The same over HTTP/2, whose clients share connections among hosts (RFC 9113 section 9.1.1).
    fn over_http2_that_is_421_as_well_and_the_connection_goes_on(io) {
        let (_app, server) = serve(io, &["--workers", "1"]);
        let port = tls_addr(&server).port();
        let url = format!("https://a.example:{port}/");
        let mut args = vec!["-sk".to_owned(), "--http2".into(), "--resolve".into(), format!("a.example:{port}:127.0.0.1")];
        let hosts = [("a.example", 200), ("b.example", 421), ("A.Example", 200), ("a.example.evil", 421)];
        for (n, (host, _)) in hosts.iter().enumerate() {
            let next = if n > 0 { vec!["--next".to_owned(), "-sk".into(), "--http2".into()] } else { Vec::new() };
            args.extend(next);
            let format = "%{http_version} %{http_code} %{num_connects}\n";
            args.extend(["-o", "/dev/null", "-w", format, "-H", &format!("Host: {host}"), &url].map(str::to_owned));
        }
        let Ok(output) = std::process::Command::new("curl").args(&args).output() else {
            return eprintln!("skipped: there is no curl");
        };
        let lines: Vec<String> =
            hosts.iter().enumerate().map(|(n, (_, status))| format!("2 {status} {}", u8::from(n == 0))).collect();
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().collect::<Vec<_>>(), lines);
    }

    fn raw_connections_are_echoed_over_tls(io) {
        let app = app!(APP);
        let certificate = certificate().flags();
        let mut flags = vec!["--io", io, "--workers", "1", "--listen", "tls://127.0.0.1:0"];
        flags.extend(certificate.iter().map(String::as_str));
        let server = Server::spawn(&flags, app.path());
        assert!(server.start_line().contains(" tls://127.0.0.1:"), "{}", server.start_line());
        let mut client = connect(&server, "localhost");
        assert_eq!(client.read_exactly(13), b"on localhost\n");
        let bytes = crate::support::pattern(100_000);
        client.send(&bytes);
        assert!(client.read_exactly(bytes.len()) == bytes);
        client.finish();
        // The end is a close_notify: without one a read fails.
        client.bytes().set_read_timeout(SOON).expect("timeout");
        assert_eq!(client.bytes().read(&mut [0; 16]).expect("a close_notify"), 0);
    }

    fn a_handshake_has_its_time(io) {
        let (_app, server) = serve(io, &["--workers", "1", "--tls-handshake-timeout", "300ms"]);
        let start = Instant::now();
        // A ClientHello that has only begun, and nothing at all.
        for begin in [&b"\x16\x03\x01\x02\x00\x01"[..], b""] {
            let mut stream = dial(tls_addr(&server));
            stream.write_all(begin).expect("send");
            assert!(stream.read(&mut [0; 16]).is_ok_and(|got| got == 0) , "no end");
        }
        assert!(start.elapsed() >= Duration::from_millis(500) && start.elapsed() < SOON, "{:?}", start.elapsed());
        connect(&server, "localhost");
    }

    fn what_is_no_tls_is_told_so_and_hurts_nobody(io) {
        let (_app, server) = serve(io, &["--workers", "1"]);
        let mut good = connect(&server, "localhost");
        let alert = b"\x15\x03\x01\x00\x02\x02\x28"; // fatal, handshake_failure
        let hello = b"\x16\x03\x01\x00\x05\x01\0\0\x01\0";
        for bytes in [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], hello, &[0xff; 64], alert] {
            let mut stream = dial(tls_addr(&server));
            stream.write_all(bytes).expect("send");
            let mut got = Vec::new();
            // An alert, which may be lost to a reset; or in plain text that this is HTTPS.
            let _ = stream.read_to_end(&mut got);
            let told = got.is_empty() || got[0] == 21 || got.starts_with(b"HTTP/1.1 400 ");
            assert!(told, "{got:?}");
        }
        good.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(good.response("GET").status, 200);
        let log = server.log();
        assert!(!log.contains("ERROR") && !log.contains("WARN"), "clients fill the log: {log}");
    }

    fn a_handshake_holds_up_no_drain(io) {
        let (_app, mut server) = serve(io, &["--workers", "1"]);
        let mut silent = dial(tls_addr(&server));
        connect(&server, "localhost");
        server.signal(Signal::TERM);
        assert_eq!(server.await_exit(SOON).code(), Some(0), "{}", server.log());
        assert!(silent.read(&mut [0; 16]).is_ok_and(|got| got == 0));
    }
}

#[test]
fn tls_without_a_certificate_is_refused_with_the_flags() {
    let app = app!(APP);
    let app = app.path().to_str().expect("a path");
    let ended = run_to_end(&["--listen", "https://127.0.0.1:0", app]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for part in ["https://127.0.0.1:0", "--tls-cert", "--tls-key", "--tls-self-signed"] {
        assert!(ended.stderr.contains(part), "{part}: {ended:?}");
    }
}

#[test]
fn accept_is_refused_where_a_listener_speaks_tls() {
    let app = app!("export default { accept() {} };");
    let [cert, cert_file, key, key_file] = certificate().flags();
    let words = [
        &cert,
        &cert_file,
        &key,
        &key_file,
        "--listen",
        "tls://127.0.0.1:0",
        app.path().to_str().expect("a path"),
    ];
    let ended = run_to_end(&words);
    assert!(ended.code == Some(1) && ended.stderr.contains("connect(socket)"), "{ended:?}");
}
