//! The client over TLS: whom it trusts, and HTTP/2 where the server speaks it.
//!
//! Owns: nothing. Must not know: how the client works inside.

use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::client_server::{self, Server, fetch, get};
use crate::client_tls_server::{Answer, Authority, Terms, TlsServer, next};
use bytes::Bytes;
use http::{Method, Version};
use runtime::client::{BodySource, BoxError, ErrorKind, Request, RequestBody};
use runtime::io::{Listener, Stream, sleep, spawn};
use runtime::tls::{TlsStream, client_config};
use rustls::pki_types::ServerName;

on_both!(
    a_trusted_server_is_spoken_to,
    a_server_for_another_host_is_not,
    an_untrusted_server_is_not,
    an_expired_certificate_is_not,
    what_is_no_tls_fails,
    http1_is_spoken_where_h2_is_not,
    one_h2_connection_serves_many_requests,
    requests_that_begin_together_share_a_connection,
    h2_bodies_go_both_ways,
    a_dropped_h2_body_resets_its_stream_only,
    a_large_h2_body_is_read_whole,
    an_idle_h2_connection_is_closed_in_time,
    a_body_cut_off_without_close_notify_fails,
    the_stream_alone_is_a_stream,
);

async fn a_trusted_server_is_spoken_to() {
    let authority = Authority::new();
    let server = TlsServer::echo(authority.server_config(&Terms::default()));
    for host in ["localhost", "127.0.0.1"] {
        let mut response = authority.client().send(get(server.url(host, "/x?y"))).await.expect("answer");
        assert_eq!((response.status.as_u16(), response.version), (200, Version::HTTP_2));
        let body = response.body.collect(1 << 20).await.expect("a body");
        let line = format!("GET HTTP/2.0 {}\n", server.url(host, "/x?y"));
        assert_eq!(String::from_utf8_lossy(&body), line);
    }
}

/// The words of the TLS failure that `terms` lead to.
async fn refusal(terms: Terms, trusted: bool) -> String {
    let authority = Authority::new();
    let server = TlsServer::echo(authority.server_config(&terms));
    let client = if trusted { authority.client() } else { Authority::new().client() };
    let error = fetch(&client, get(server.url("127.0.0.1", "/"))).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Tls, "{}", error.chain());
    // The server learns it, and nothing stays open.
    server.closed(1).await;
    error.to_string()
}

async fn a_server_for_another_host_is_not() {
    let terms = Terms { names: &["localhost", "127.0.0.2"], ..Terms::default() };
    assert_eq!(refusal(terms, true).await, "TLS with 127.0.0.1: the certificate is not for this host");
}

async fn an_untrusted_server_is_not() {
    let words = refusal(Terms::default(), false).await;
    assert_eq!(words, "TLS with 127.0.0.1: the certificate's issuer is not trusted");
}

async fn an_expired_certificate_is_not() {
    let terms = Terms { expired: true, ..Terms::default() };
    assert_eq!(refusal(terms, true).await, "TLS with 127.0.0.1: the certificate has expired");
}

async fn what_is_no_tls_fails() {
    for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
        let server = Server::start(move |conn| {
            conn.send(answer.as_bytes());
            if !answer.is_empty() {
                conn.drain();
            }
        });
        let mut url = server.url("/");
        url.set_scheme("https").expect("a scheme");
        let error = fetch(&Authority::new().client(), get(url)).await.expect_err("no TLS");
        assert_eq!(error.kind(), ErrorKind::Tls, "{}", error.chain());
        server.closed(1).await;
    }
}

async fn http1_is_spoken_where_h2_is_not() {
    for alpn in [["http/1.1"].as_slice(), &[]] {
        let authority = Authority::new();
        let server = TlsServer::echo(authority.server_config(&Terms { alpn, ..Terms::default() }));
        let client = authority.client();
        for _ in 0..3 {
            let (_, body) = fetch(&client, get(server.url("localhost", "/"))).await.expect("answer");
            assert_eq!(body, "GET HTTP/1.1 /\n");
        }
        assert_eq!((server.accepts(), client.idle_connections()), (1, 1));
    }
}

async fn one_h2_connection_serves_many_requests() {
    let authority = Authority::new();
    let server = TlsServer::echo(authority.server_config(&Terms::default()));
    let client = authority.client();
    for n in 0..50 {
        let (_, body) = fetch(&client, get(server.url("localhost", &format!("/{n}")))).await.expect("answer");
        assert!(body.ends_with(&format!("/{n}\n")), "{body}");
    }
    assert_eq!((server.accepts(), client.idle_connections()), (1, 1));
}

async fn requests_that_begin_together_share_a_connection() {
    for (alpn, connections) in [(["h2"].as_slice(), 1), (["http/1.1"].as_slice(), 8)] {
        let authority = Authority::new();
        let server = TlsServer::echo(authority.server_config(&Terms { alpn, ..Terms::default() }));
        let client = authority.client();
        let tasks: Vec<_> = (0..8)
            .map(|n| {
                let (client, url) = (client.clone(), server.url("localhost", &format!("/{n}")));
                spawn(async move { fetch(&client, get(url)).await.expect("answer").1 })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert!(task.await.expect("no panic").ends_with(&format!("/{n}\n")));
        }
        assert!(
            server.accepts() <= connections && server.accepts() >= connections.min(2),
            "{}",
            server.accepts()
        );
    }
}

/// A hundred pieces.
struct Hundred(usize);

impl BodySource for Hundred {
    fn poll_chunk(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        self.0 += 1;
        Poll::Ready((self.0 <= 100).then(|| Ok(Bytes::from(vec![b'x'; 10_000]))))
    }
}

async fn h2_bodies_go_both_ways() {
    let authority = Authority::new();
    let server = TlsServer::echo(authority.server_config(&Terms::default()));
    for bytes in [None, Some(1_000_000)] {
        let body = RequestBody::Stream { source: Box::pin(Hundred(0)), bytes };
        let request = Request { body, ..Request::new(Method::POST, server.url("localhost", "/")) };
        let (_, body) = fetch(&authority.client(), request).await.expect("answer");
        assert!(body.starts_with("POST HTTP/2.0 "));
        assert_eq!(body.split_once('\n').expect("a line").1.len(), 1_000_000);
    }
}

async fn a_dropped_h2_body_resets_its_stream_only() {
    let authority = Authority::new();
    let alive = Rc::new(());
    let handle = alive.clone();
    let server = TlsServer::start(authority.server_config(&Terms::default()), move |mut request| {
        let handle = handle.clone();
        async move {
            while let Some(Ok(_)) = next(request.body_mut()).await {}
            http::Response::new(match request.uri().path() {
                "/endless" => Answer::Endless(Bytes::from_static(b"begin"), handle),
                _ => Answer::Whole(Bytes::from_static(b"whole")),
            })
        }
    });
    let client = authority.client();
    let mut response = client.send(get(server.url("localhost", "/endless"))).await.expect("answer");
    assert_eq!(response.body.chunk().await.expect("a piece").as_deref(), Some(b"begin".as_slice()));
    // The service holds one, the body of the answer another one.
    assert_eq!(Rc::strong_count(&alive), 3);
    drop(response);
    while Rc::strong_count(&alive) > 2 {
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(fetch(&client, get(server.url("localhost", "/"))).await.expect("answer").1, "whole");
    assert_eq!(server.accepts(), 1);
}

async fn a_large_h2_body_is_read_whole() {
    let authority = Authority::new();
    let large = 8 << 20;
    let config = authority.server_config(&Terms::default());
    let server = TlsServer::start(config, move |_| async move { http::Response::new(Answer::Large(large)) });
    let mut response = authority.client().send(get(server.url("localhost", "/"))).await.expect("answer");
    let mut total = 0;
    while let Some(chunk) = response.body.chunk().await.expect("a piece") {
        total += chunk.len();
    }
    assert_eq!(total, large);
}

async fn an_idle_h2_connection_is_closed_in_time() {
    let authority = Authority::new();
    let server = TlsServer::echo(authority.server_config(&Terms::default()));
    let mut options = client_server::options();
    options.roots = authority.roots();
    options.idle_ms_max = 50;
    let client = runtime::client::Client::new(options);
    fetch(&client, get(server.url("localhost", "/"))).await.expect("answer");
    assert_eq!(client.idle_connections(), 1);
    server.closed(1).await;
    assert_eq!(client.idle_connections(), 0);
}

/// A connected pair, of which the first is the client's side.
async fn pair() -> (Stream, Stream) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("bind");
    let addr = socket.local_addr().expect("address");
    let listener = Listener::new(socket).expect("listener");
    let client = Stream::new(TcpStream::connect(addr).expect("connect")).expect("a stream");
    (client, listener.accept().await.expect("accept"))
}

/// TLS over such a pair.
async fn tls_pair() -> (TlsStream, TlsStream) {
    let authority = Authority::new();
    let (client, server) = pair().await;
    let config = authority.server_config(&Terms { alpn: &[], ..Terms::default() });
    let accepted = spawn(TlsStream::accept(server, config));
    let config = client_config(&authority.roots(), &[]).expect("roots");
    let name = ServerName::try_from("localhost").expect("a name");
    let client = TlsStream::connect(client, config, name).await.expect("a handshake");
    (client, accepted.await.expect("no panic").expect("a handshake"))
}

async fn a_body_cut_off_without_close_notify_fails() {
    let authority = Authority::new();
    let socket = TcpListener::bind("127.0.0.1:0").expect("bind");
    let addr = socket.local_addr().expect("address");
    let listener = Listener::new(socket).expect("listener");
    let config = authority.server_config(&Terms { alpn: &["http/1.1"], ..Terms::default() });
    drop(spawn(async move {
        for polite in [true, false] {
            let stream = listener.accept().await.expect("accept");
            let stream = TlsStream::accept(stream, config.clone()).await.expect("a handshake");
            stream.recv().await.expect("a request");
            stream.start_send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end".to_vec());
            match polite {
                true => std::future::poll_fn(|cx| stream.poll_shutdown(cx)).await.expect("close_notify"),
                false => std::future::poll_fn(|cx| stream.poll_sent(cx)).await.0.expect("sent"),
            }
            stream.close().await;
        }
    }));
    let url = url::Url::parse(&format!("https://{addr}/")).expect("a URL");
    let client = authority.client();
    assert_eq!(fetch(&client, get(url.clone())).await.expect("a whole body").1, "until the end");
    let error = fetch(&client, get(url)).await.expect_err("cut off");
    assert_eq!(error.kind(), ErrorKind::Closed, "{}", error.chain());
}

async fn the_stream_alone_is_a_stream() {
    let (client, server) = tls_pair().await;
    assert_eq!((client.alpn(), server.alpn()), (None, None));
    // Larger than any record and than the buffers of the kernel, both ways at once.
    let message: Vec<u8> = (0..1_000_000usize).map(|i| (i ^ i >> 8) as u8).collect();
    let read = |stream: Rc<TlsStream>, size: usize| async move {
        let mut all = Vec::new();
        while all.len() < size {
            let bytes = stream.recv().await.expect("bytes");
            assert!(!bytes.is_empty(), "the stream ended after {}", all.len());
            all.extend_from_slice(&bytes);
        }
        all
    };
    let (client, server) = (Rc::new(client), Rc::new(server));
    let readers = [spawn(read(client.clone(), message.len())), spawn(read(server.clone(), message.len()))];
    client.start_send(message.clone());
    server.start_send(message.clone());
    for stream in [&client, &server] {
        std::future::poll_fn(|cx| stream.poll_sent(cx)).await.0.expect("sent");
        assert!(!stream.is_sending());
    }
    for reader in readers {
        assert!(reader.await.expect("no panic") == message);
    }
    // Each direction ends by itself, with a close_notify.
    std::future::poll_fn(|cx| client.poll_shutdown(cx)).await.expect("a close_notify");
    assert!(server.recv().await.expect("the end").is_empty());
    server.start_send(b"still open".to_vec());
    assert_eq!(*client.recv().await.expect("bytes"), *b"still open");
    drop(server);
    let error = client.recv().await.expect_err("no close_notify");
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{error}");
}
