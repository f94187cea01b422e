//! The client through proxies, and its races to connect.
//!
//! Owns: a small proxy. Must not know: how the client works inside.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::client_server::{Conn, Server, fetch, get, options, response};
use crate::client_tls_server::{Authority, Terms, TlsServer};
use runtime::client::{Client, ClientOptions, ErrorKind, Proxy};
use url::Url;

on_both!(
    plain_requests_are_forwarded,
    secure_requests_have_a_tunnel,
    a_refused_tunnel_is_a_proxy_error,
    a_proxy_that_is_away_is_a_proxy_error,
    other_kinds_of_proxies_are_refused,
    a_name_has_several_addresses,
    failures_to_connect_have_their_kind,
);

/// Answers plain requests itself, with what it saw, and opens tunnels.
fn proxy(tunnels: Arc<Mutex<Vec<String>>>) -> Server {
    Server::start(move |conn| {
        while let Some(request) = conn.request() {
            let Some(authority) = request.line().strip_prefix("CONNECT ") else {
                conn.send(&response("", request.head.as_bytes()));
                continue;
            };
            tunnels.lock().expect("no panic").push(request.head.clone());
            let authority = authority.trim_end_matches(" HTTP/1.1").to_string();
            let target = TcpStream::connect(authority).expect("the target");
            conn.send(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n");
            return relay(conn, target);
        }
    })
}

fn relay(conn: &mut Conn, mut target: TcpStream) {
    let mut client = conn.reader.get_ref().try_clone().expect("a copy");
    let mut upstream = target.try_clone().expect("a copy");
    let up = std::thread::spawn(move || {
        let _ = std::io::copy(&mut client, &mut upstream);
        let _ = upstream.shutdown(Shutdown::Write);
    });
    let mut buffer = [0; 4096];
    while let Ok(size @ 1..) = target.read(&mut buffer) {
        if conn.reader.get_mut().write_all(&buffer[..size]).is_err() {
            break;
        }
    }
    let _ = conn.reader.get_ref().shutdown(Shutdown::Both);
    up.join().expect("no panic");
}

fn through(proxy: &Server, user: &str) -> ClientOptions {
    ClientOptions {
        proxy: Proxy::Through(format!("http://{user}{}", proxy.addr)),
        ..ClientOptions::default()
    }
}

async fn plain_requests_are_forwarded() {
    let proxy = proxy(Arc::default());
    let client = Client::new(through(&proxy, "user:pass@"));
    for path in ["/a?b", "/c"] {
        let url = Url::parse(&format!("http://example.test:8080{path}")).expect("a URL");
        let (_, seen) = fetch(&client, get(url)).await.expect("answer");
        assert!(seen.starts_with(&format!("GET http://example.test:8080{path} HTTP/1.1\r\n")), "{seen}");
        assert!(seen.contains("host: example.test:8080\r\n"), "{seen}");
        assert!(seen.contains("proxy-authorization: Basic dXNlcjpwYXNz\r\n"), "{seen}");
    }
    assert_eq!(proxy.accepts(), 1);
}

async fn secure_requests_have_a_tunnel() {
    let tunnels = Arc::default();
    let proxy = proxy(Arc::clone(&tunnels));
    let authority = Authority::new();
    for alpn in [["h2"].as_slice(), &["http/1.1"]] {
        let server = TlsServer::echo(authority.server_config(&Terms { alpn, ..Terms::default() }));
        let client = Client::new(ClientOptions { roots: authority.roots(), ..through(&proxy, "user:pass@") });
        for _ in 0..2 {
            let url = server.url("127.0.0.1", "/secret");
            let (_, body) = fetch(&client, get(url)).await.expect("answer");
            assert!(body.ends_with("/secret\n"), "{body}");
        }
        assert_eq!(server.accepts(), 1);
        let heads: Vec<String> = std::mem::take(&mut *tunnels.lock().expect("no panic"));
        let target = server.addr;
        let expected = format!(
            "CONNECT {target} HTTP/1.1\r\nhost: {target}\r\nproxy-authorization: Basic dXNlcjpwYXNz\r\n"
        );
        assert_eq!(heads, [expected]);
    }
}

async fn a_refused_tunnel_is_a_proxy_error() {
    for (answer, words) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
            "407 Proxy Authentication Required",
        ),
        ("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 4\r\n\r\nsad\n", "502 Bad Gateway"),
        ("", "gives no tunnel"),
        ("SSH-2.0-x\r\n", "gives no tunnel"),
    ] {
        let proxy = Server::once(answer);
        let client = Client::new(through(&proxy, ""));
        let url = Url::parse("https://example.test/").expect("a URL");
        let error = fetch(&client, get(url)).await.expect_err("no tunnel");
        assert_eq!(error.kind(), ErrorKind::Proxy, "{}", error.chain());
        assert!(error.to_string().contains(words), "{}", error.chain());
        proxy.closed(1).await;
    }
}

/// A port of 127.0.0.1 where nobody listens.
fn nobody() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("an address").port()
}

async fn a_proxy_that_is_away_is_a_proxy_error() {
    let proxy = Proxy::Through(format!("http://127.0.0.1:{}", nobody()));
    let client = Client::new(ClientOptions { proxy, ..ClientOptions::default() });
    for url in ["http://example.test/", "https://example.test/"] {
        let error = fetch(&client, get(Url::parse(url).expect("a URL"))).await.expect_err("no proxy");
        assert_eq!(error.kind(), ErrorKind::Proxy, "{}", error.chain());
        assert!(error.chain().contains("Connection refused"), "{}", error.chain());
    }
}

async fn other_kinds_of_proxies_are_refused() {
    for proxy in ["socks5://127.0.0.1:1", "https://127.0.0.1:1"] {
        let proxy = Proxy::Through(proxy.into());
        let client = Client::new(ClientOptions { proxy, ..ClientOptions::default() });
        let error = fetch(&client, get(Url::parse("http://example.test/").expect("a URL"))).await;
        let error = error.expect_err("not supported");
        assert_eq!(error.kind(), ErrorKind::Proxy, "{}", error.chain());
        assert!(error.to_string().contains("is not supported, http is"), "{error}");
    }
}

async fn a_name_has_several_addresses() {
    // localhost is ::1 and 127.0.0.1 in whatever order: one of them refuses.
    let server = Server::canned(response("", b"here"));
    let url = Url::parse(&format!("http://localhost:{}/", server.addr.port())).expect("a URL");
    let begun = Instant::now();
    let client = Client::new(options());
    assert_eq!(fetch(&client, get(url)).await.expect("answer").1, "here");
    // A refusal begins the next attempt at once; so does none need its head start of 250 ms.
    assert!(begun.elapsed().as_secs() < 5);
}

async fn failures_to_connect_have_their_kind() {
    let client = Client::new(options());
    for (url, kind) in [
        (format!("http://127.0.0.1:{}/", nobody()), ErrorKind::Connect),
        ("http://no-such-name.invalid/".into(), ErrorKind::Resolve),
        ("ftp://127.0.0.1/".into(), ErrorKind::Request),
        ("data:,x".into(), ErrorKind::Request),
    ] {
        let error = fetch(&client, get(Url::parse(&url).expect("a URL"))).await.expect_err(&url);
        assert_eq!(error.kind(), kind, "{url}: {}", error.chain());
    }
}
