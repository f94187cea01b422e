//! The client over HTTP/1.1: what it sends, how it frames, how connections are reused.
//!
//! Owns: nothing. Must not know: how the client works inside.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::client_server::{Server, client, fetch, get, options, response, text};
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use runtime::client::{BodySource, BoxError, Client, ErrorKind, Request, RequestBody};

on_both!(
    a_request_says_what_it_must,
    headers_of_the_caller_stay,
    headers_of_the_connection_do_not,
    a_body_in_memory_has_its_length,
    a_post_without_body_says_so,
    a_streamed_body_is_chunked_or_counted,
    a_streamed_body_of_the_wrong_length_fails,
    a_failing_source_fails_the_request,
    chunked_and_closed_bodies_are_read,
    one_connection_serves_many_requests,
    parallel_requests_have_connections_of_their_own,
    bodies_that_are_none_free_the_connection,
    a_stale_connection_is_worth_one_retry,
    a_stale_connection_repeats_no_post_that_was_sent,
    a_connection_that_was_closed_is_not_used,
    connection_close_is_kept,
    an_early_answer_comes_before_the_upload_ends,
    informational_responses_are_skipped,
    user_and_password_of_the_url_authorise,
    ipv6_literals_work,
    idle_connections_are_closed_in_time,
    idle_connections_are_bounded,
    connections_are_bounded,
);

/// A source that yields these pieces, then fails if it must.
struct Pieces(Vec<Result<&'static str, &'static str>>);

impl BodySource for Pieces {
    fn poll_chunk(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(self.0.remove(0).map(Bytes::from).map_err(BoxError::from)))
    }
}

fn stream(pieces: &[Result<&'static str, &'static str>], bytes: Option<u64>) -> RequestBody {
    RequestBody::Stream { source: Box::pin(Pieces(pieces.to_vec())), bytes }
}

fn post(server: &Server, body: RequestBody) -> Request {
    Request { body, ..Request::new(Method::POST, server.url("/post")) }
}

async fn a_request_says_what_it_must() {
    let server = Server::echo();
    let (status, seen) =
        fetch(&client(), get(server.url("/a%20b?q=1&r=%C3%A4#fragment"))).await.expect("answer");
    assert_eq!(status, 200);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        seen,
        format!(
            "GET /a%20b?q=1&r=%C3%A4 HTTP/1.1\r\nhost: {}\r\nuser-agent: jsserve/{version}\r\naccept: */*\r\n\
             accept-encoding: gzip, deflate, br, zstd\r\n\r\n",
            server.addr
        )
    );
}

async fn headers_of_the_caller_stay() {
    let server = Server::echo();
    let mut request = get(server.url("/"));
    for (name, value) in [
        (header::HOST, "example.org"),
        (header::USER_AGENT, "me"),
        (header::ACCEPT, "text/html"),
        (header::ACCEPT_ENCODING, "gzip"),
    ] {
        request.headers.insert(name, HeaderValue::from_static(value));
    }
    request.headers.append("x-twice", HeaderValue::from_static("1"));
    request.headers.append("x-twice", HeaderValue::from_static("2"));
    let (_, seen) = fetch(&client(), request).await.expect("answer");
    let expected = "host: example.org\r\nuser-agent: me\r\naccept: text/html\r\naccept-encoding: gzip\r\n\
                    x-twice: 1\r\nx-twice: 2\r\n\r\n";
    assert!(seen.ends_with(expected), "{seen}");
    let mut request = get(server.url("/"));
    request.headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-1"));
    let (_, seen) = fetch(&client(), request).await.expect("answer");
    assert!(seen.contains("accept-encoding: identity\r\n"), "{seen}");
    let request = Request { decode: false, ..get(server.url("/")) };
    let (_, seen) = fetch(&client(), request).await.expect("answer");
    assert!(!seen.contains("accept-encoding"), "{seen}");
}

async fn headers_of_the_connection_do_not() {
    let server = Server::echo();
    let mut request = post(&server, RequestBody::of(Bytes::from_static(b"abc")));
    for (name, value) in [
        ("content-length", "100"),
        ("transfer-encoding", "gzip"),
        ("connection", "close"),
        ("keep-alive", "1"),
        ("upgrade", "websocket"),
        ("expect", "100-continue"),
        ("te", "trailers"),
        ("proxy-connection", "close"),
    ] {
        request.headers.insert(name, HeaderValue::from_static(value));
    }
    let (_, seen) = fetch(&client(), request).await.expect("answer");
    let names: Vec<&str> = seen.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0)).collect();
    assert_eq!(names, ["host", "user-agent", "accept", "accept-encoding", "content-length"]);
    assert!(seen.ends_with("content-length: 3\r\n\r\nabc"), "{seen}");
}

async fn a_body_in_memory_has_its_length() {
    let server = Server::echo();
    let body = "x".repeat(300_000);
    let request = post(&server, RequestBody::of(body.clone().into()));
    let (_, seen) = fetch(&client(), request).await.expect("answer");
    assert!(seen.starts_with("POST /post HTTP/1.1\r\n"));
    assert!(seen.contains("content-length: 300000\r\n"));
    assert!(seen.ends_with(&format!("\r\n\r\n{body}")));
}

async fn a_post_without_body_says_so() {
    let server = Server::echo();
    for method in [Method::POST, Method::PUT, Method::PATCH] {
        let (_, seen) = fetch(&client(), Request::new(method, server.url("/"))).await.expect("answer");
        assert!(seen.contains("content-length: 0\r\n"), "{seen}");
    }
    for method in [Method::GET, Method::DELETE, Method::OPTIONS] {
        let (_, seen) = fetch(&client(), Request::new(method, server.url("/"))).await.expect("answer");
        assert!(!seen.contains("content-length"), "{seen}");
    }
}

async fn a_streamed_body_is_chunked_or_counted() {
    let server = Server::echo();
    let pieces = [Ok("one, "), Ok(""), Ok("two, "), Ok("three")];
    let (_, seen) = fetch(&client(), post(&server, stream(&pieces, None))).await.expect("answer");
    assert!(
        seen.contains("transfer-encoding: chunked\r\n") && seen.ends_with("\r\n\r\none, two, three"),
        "{seen}"
    );
    let (_, seen) = fetch(&client(), post(&server, stream(&pieces, Some(15)))).await.expect("answer");
    assert!(seen.contains("content-length: 15\r\n") && seen.ends_with("\r\n\r\none, two, three"), "{seen}");
}

async fn a_streamed_body_of_the_wrong_length_fails() {
    let server = Server::echo();
    for (bytes, words) in [(4, "longer"), (6, "ended before")] {
        let request = post(&server, stream(&[Ok("12345")], Some(bytes)));
        let error = fetch(&client(), request).await.expect_err("a wrong length");
        assert_eq!(error.kind(), ErrorKind::RequestBody, "{}", error.chain());
        assert!(error.to_string().contains(words), "{}", error.chain());
    }
}

async fn a_failing_source_fails_the_request() {
    let server = Server::echo();
    let request = post(&server, stream(&[Ok("begin"), Err("the disk is gone")], None));
    let error = fetch(&client(), request).await.expect_err("a failed source");
    assert_eq!(error.kind(), ErrorKind::RequestBody, "{}", error.chain());
    assert_eq!(error.to_string(), "the disk is gone");
    // Nothing that was half sent stays open.
    server.closed(1).await;
}

async fn chunked_and_closed_bodies_are_read() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                   5;x=y\r\nhello\r\n7\r\n, world\r\n0\r\ntrailer: 1\r\n\r\n";
    let server = Server::canned(chunked);
    let client = client();
    for _ in 0..2 {
        assert_eq!(fetch(&client, get(server.url("/"))).await.expect("answer"), (200, "hello, world".into()));
    }
    assert_eq!(server.accepts(), 1);
    let server = Server::once("HTTP/1.1 200 OK\r\n\r\nuntil the end");
    assert_eq!(fetch(&client, get(server.url("/"))).await.expect("answer"), (200, "until the end".into()));
    let server = Server::once("HTTP/1.0 404 Not Found\r\ncontent-length: 3\r\n\r\nold");
    assert_eq!(fetch(&client, get(server.url("/"))).await.expect("answer"), (404, "old".into()));
}

async fn one_connection_serves_many_requests() {
    let server = Server::echo();
    let client = client();
    for round in 0..100 {
        let (_, seen) = fetch(&client, get(server.url(&format!("/{round}")))).await.expect("answer");
        assert!(seen.starts_with(&format!("GET /{round} ")), "{seen}");
    }
    assert_eq!((server.accepts(), client.idle_connections()), (1, 1));
}

async fn parallel_requests_have_connections_of_their_own() {
    let server = Server::echo();
    let client = client();
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let (client, url) = (client.clone(), server.url(&format!("/{n}")));
            runtime::io::spawn(async move { fetch(&client, get(url)).await.expect("answer") })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        let (_, seen) = task.await.expect("no panic");
        assert!(seen.starts_with(&format!("GET /{n} ")), "{seen}");
    }
    assert_eq!(server.accepts(), 8);
    assert_eq!(client.idle_connections(), 8);
}

async fn bodies_that_are_none_free_the_connection() {
    let server = Server::start(|conn| {
        while let Some(request) = conn.request() {
            match request.line().split(' ').next() {
                Some("HEAD") => conn.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"),
                Some("PUT") => conn.send(b"HTTP/1.1 204 No Content\r\n\r\n"),
                Some("OPTIONS") => conn.send(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 1000\r\n\r\n"),
                _ => conn.send(&response("content-encoding: gzip\r\n", b"")),
            };
        }
    });
    let client = client();
    for (method, status) in [
        (Method::HEAD, 200),
        (Method::PUT, 204),
        (Method::OPTIONS, 304),
        (Method::GET, 200),
        (Method::GET, 200),
    ] {
        let mut response = client.send(Request::new(method, server.url("/"))).await.expect("answer");
        assert_eq!(response.status, status);
        assert_eq!(text(&mut response).await, "");
    }
    assert_eq!(server.accepts(), 1);
}

/// Closes each connection after its first response, without having said so.
fn forgetful() -> Server {
    Server::start(|conn| {
        conn.request();
        conn.send(&response("", format!("{}", conn.number).as_bytes()));
        // The second request is read, so that the client cannot know by a reset: it is lost.
        if conn.number == 0 {
            conn.head();
        }
    })
}

async fn a_stale_connection_is_worth_one_retry() {
    let server = forgetful();
    let client = client();
    for number in ["0", "1"] {
        let (_, body) = fetch(&client, get(server.url("/"))).await.expect("answer");
        assert_eq!(body, number);
    }
    assert_eq!(server.accepts(), 2);
}

async fn a_stale_connection_repeats_no_post_that_was_sent() {
    let server = forgetful();
    let client = client();
    fetch(&client, get(server.url("/"))).await.expect("answer");
    let error = fetch(&client, Request::new(Method::POST, server.url("/"))).await.expect_err("lost");
    assert_eq!(error.kind(), ErrorKind::Closed, "{}", error.chain());
    assert_eq!(server.accepts(), 1);
}

async fn a_connection_that_was_closed_is_not_used() {
    let server = Server::once(response("", b"once"));
    let client = client();
    for round in 1..=5 {
        // A POST is never repeated: each must see by itself that the connection is gone.
        let (_, body) = fetch(&client, post(&server, RequestBody::Empty)).await.expect("answer");
        assert_eq!((body.as_str(), server.accepts()), ("once", round));
        // On purpose without a turn of the worker's loop: the FIN lies unread in the kernel.
        server.wait_closed(round);
    }
}

async fn connection_close_is_kept() {
    let server = Server::canned(response("connection: close\r\n", b"bye"));
    let client = client();
    for _ in 0..2 {
        assert_eq!(fetch(&client, get(server.url("/"))).await.expect("answer").1, "bye");
    }
    assert_eq!((server.accepts(), client.idle_connections()), (2, 0));
}

/// A source without an end, which stalls after its first piece.
struct Endless(bool);

impl BodySource for Endless {
    fn poll_chunk(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Bytes::from_static(b"begin"))))
    }
}

async fn an_early_answer_comes_before_the_upload_ends() {
    let server = Server::start(|conn| {
        conn.head();
        conn.send(&response("", b"enough"));
        conn.drain();
    });
    let client = client();
    let body = RequestBody::Stream { source: Box::pin(Endless(false)), bytes: None };
    assert_eq!(fetch(&client, post(&server, body)).await.expect("answer").1, "enough");
    assert_eq!(client.idle_connections(), 0);
}

async fn informational_responses_are_skipped() {
    let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let server = Server::canned([early.as_bytes(), &response("", b"final")].concat());
    assert_eq!(fetch(&client(), get(server.url("/"))).await.expect("answer"), (200, "final".into()));
}

async fn user_and_password_of_the_url_authorise() {
    let server = Server::echo();
    let mut url = server.url("/");
    url.set_username("Aladdin").expect("a user");
    url.set_password(Some("open sesame")).expect("a password");
    let (_, seen) = fetch(&client(), get(url.clone())).await.expect("answer");
    // The example of RFC 7617 section 2.
    assert!(seen.contains("authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), "{seen}");
    assert!(seen.contains(&format!("host: {}\r\n", server.addr)), "{seen}");
}

async fn ipv6_literals_work() {
    let server = Server::on("[::1]:0", |conn| {
        let request = conn.request().expect("a request");
        conn.send(&response("", request.header("host").expect("a host").as_bytes()));
    });
    let (_, host) = fetch(&client(), get(server.url("/"))).await.expect("answer");
    assert_eq!(host, server.addr.to_string());
}

async fn idle_connections_are_closed_in_time() {
    let server = Server::echo();
    let mut options = options();
    options.idle_ms_max = 50;
    let client = Client::new(options);
    fetch(&client, get(server.url("/"))).await.expect("answer");
    assert_eq!(client.idle_connections(), 1);
    server.closed(1).await;
    assert_eq!(client.idle_connections(), 0);
}

async fn idle_connections_are_bounded() {
    let server = Server::echo();
    let mut options = options();
    options.idle_per_origin_max = 1;
    let client = Client::new(options);
    let (a, b) = (get(server.url("/a")), get(server.url("/b")));
    let mut first = client.send(a).await.expect("answer");
    let mut second = client.send(b).await.expect("answer");
    text(&mut first).await;
    text(&mut second).await;
    server.closed(1).await;
    assert_eq!((server.accepts(), client.idle_connections()), (2, 1));
}

async fn connections_are_bounded() {
    let (server, other) = (Server::echo(), Server::echo());
    let mut options = options();
    options.connections_max = 1;
    options.connect_ms_max = 200;
    let client = Client::new(options);
    let mut first = client.send(get(server.url("/first"))).await.expect("answer");
    // The only one is in use.
    let error = fetch(&client, get(other.url("/"))).await.expect_err("no room");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{}", error.chain());
    assert_eq!((server.accepts(), other.accepts()), (1, 0));
    text(&mut first).await;
    // It idles, and makes way for another origin.
    fetch(&client, get(other.url("/"))).await.expect("answer");
    assert_eq!((other.accepts(), client.idle_connections()), (1, 1));
    server.closed(1).await;
}
