//! Redirects, by the rules of the Fetch standard ("HTTP-redirect fetch"), and the blocking entry.
//!
//! Owns: nothing. Must not know: how the client works inside.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::client_server::{Server, client, fetch, get, options, response};
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use runtime::client::{BodySource, BoxError, Client, ErrorKind, Redirect, Request, RequestBody, blocking};
use url::Url;

on_both!(
    location_is_relative_to_the_url,
    methods_change_as_the_standard_says,
    a_body_is_sent_again_or_not_at_all,
    a_streamed_body_survives_a_303_only,
    a_loop_ends_after_twenty,
    the_other_modes_do_not_follow,
    credentials_stay_with_their_origin,
    fragments_are_inherited,
    a_location_that_leads_nowhere_fails,
    a_redirect_without_location_is_a_response,
    the_connection_is_kept_across_redirects,
    blocking_works_inside_of_a_worker,
);

/// Redirects `/STATUS?LOCATION` as it says, and answers all else with the request.
fn server() -> Server {
    Server::start(|conn| {
        while let Some(request) = conn.request() {
            let path = request.line().split(' ').nth(1).expect("a target").to_string();
            let order = path.trim_start_matches('/').split_once('?');
            let sent = match order.and_then(|(status, to)| Some((status.parse::<u16>().ok()?, to))) {
                Some((status, to)) => conn.send(
                    format!("HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 4\r\n\r\nbody")
                        .as_bytes(),
                ),
                None => conn.send(&response("", &[request.head.as_bytes(), &request.body].concat())),
            };
            if !sent {
                break;
            }
        }
    })
}

async fn location_is_relative_to_the_url() {
    let server = server();
    let client = client();
    for (location, line) in [
        ("/x/y", "GET /x/y HTTP/1.1"),
        ("z", "GET /a/z HTTP/1.1"),
        ("../up", "GET /up HTTP/1.1"),
        ("?query", "GET /a/302?query HTTP/1.1"),
        ("/%7Esmith", "GET /%7Esmith HTTP/1.1"),
    ] {
        let server = Server::start({
            let location = location.to_string();
            move |conn| {
                conn.request();
                conn.send(
                    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\ncontent-length: 0\r\n\r\n")
                        .as_bytes(),
                );
                let request = conn.request().expect("the second request");
                conn.send(&response("", request.line().as_bytes()));
            }
        });
        assert_eq!(fetch(&client, get(server.url("/a/302"))).await.expect("answer").1, line);
    }
    let absolute = server.url("/there").to_string();
    let mut response = client.send(get(server.url(&format!("/301?{absolute}")))).await.expect("answer");
    assert_eq!((response.url.as_str(), response.redirected), (absolute.as_str(), true));
    response.body.collect(1 << 20).await.expect("a body");
    let response = client.send(get(server.url("/direct"))).await.expect("answer");
    assert!(!response.redirected);
}

async fn methods_change_as_the_standard_says() {
    let server = server();
    let client = client();
    for (method, status, then) in [
        ("GET", 301, "GET"),
        ("POST", 301, "GET"),
        ("PUT", 301, "PUT"),
        ("POST", 302, "GET"),
        ("DELETE", 302, "DELETE"),
        ("POST", 303, "GET"),
        ("PUT", 303, "GET"),
        ("GET", 303, "GET"),
        ("POST", 307, "POST"),
        ("PUT", 308, "PUT"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let (_, seen) = fetch(&client, Request::new(method.clone(), server.url(&format!("/{status}?/to"))))
            .await
            .expect("answer");
        assert!(seen.starts_with(&format!("{then} /to ")), "{method} {status}: {seen}");
    }
    let redirected = Server::start(|conn| {
        conn.request();
        conn.send(b"HTTP/1.1 303 See Other\r\nlocation: /to\r\n\r\n");
        let second = conn.request().expect("the second request");
        assert_eq!(second.line(), "HEAD /to HTTP/1.1");
        conn.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n");
    });
    let head = Request::new(Method::HEAD, redirected.url("/"));
    assert_eq!(fetch(&client, head).await.expect("answer"), (200, String::new()));
}

fn upload(server: &Server, status: u16, body: RequestBody) -> Request {
    let mut request = Request { body, ..Request::new(Method::POST, server.url(&format!("/{status}?/to"))) };
    request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    request
}

async fn a_body_is_sent_again_or_not_at_all() {
    let server = server();
    let client = client();
    for (status, again) in [(301, false), (302, false), (303, false), (307, true), (308, true)] {
        let request = upload(&server, status, RequestBody::of(Bytes::from_static(b"payload")));
        let (_, seen) = fetch(&client, request).await.expect("answer");
        assert_eq!(seen.contains("payload"), again, "{status}: {seen}");
        assert_eq!(seen.contains("content-type: text/plain"), again, "{status}: {seen}");
        assert_eq!(seen.contains("content-length"), again, "{status}: {seen}");
    }
}

/// One piece.
struct Once(bool);

impl BodySource for Once {
    fn poll_chunk(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        let done = std::mem::replace(&mut self.0, true);
        Poll::Ready((!done).then(|| Ok(Bytes::from_static(b"once"))))
    }
}

async fn a_streamed_body_survives_a_303_only() {
    let server = server();
    let client = client();
    let stream = || RequestBody::Stream { source: Box::pin(Once(false)), bytes: None };
    let (_, seen) = fetch(&client, upload(&server, 303, stream())).await.expect("answer");
    assert!(seen.starts_with("GET /to "), "{seen}");
    let error = fetch(&client, upload(&server, 307, stream())).await.expect_err("no second body");
    assert_eq!(error.kind(), ErrorKind::Redirect, "{}", error.chain());
}

async fn a_loop_ends_after_twenty() {
    let server = Server::canned("HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n");
    let client = client();
    let error = fetch(&client, get(server.url("/"))).await.expect_err("a loop");
    assert_eq!(error.kind(), ErrorKind::TooManyRedirects, "{}", error.chain());
    assert!(error.to_string().contains("20 redirects"), "{}", error.chain());
    let mut few = options();
    few.redirects_max = 0;
    let error = fetch(&Client::new(few), get(server.url("/"))).await.expect_err("none allowed");
    assert_eq!(error.kind(), ErrorKind::TooManyRedirects);
}

async fn the_other_modes_do_not_follow() {
    let server = server();
    let client = client();
    let manual = Request { redirect: Redirect::Manual, ..get(server.url("/302?/to")) };
    let response = client.send(manual).await.expect("the redirect itself");
    assert_eq!((response.status.as_u16(), response.redirected), (302, false));
    assert_eq!(response.headers[header::LOCATION], "/to");
    let strict = Request { redirect: Redirect::Error, ..get(server.url("/302?/to")) };
    let error = client.send(strict).await.map(drop).expect_err("a redirect");
    assert_eq!(error.kind(), ErrorKind::Redirect, "{}", error.chain());
}

async fn credentials_stay_with_their_origin() {
    let (server, other) = (server(), Server::echo());
    let client = client();
    for (target, kept) in [(server.url("/to"), true), (other.url("/to"), false)] {
        let mut request = get(server.url(&format!("/307?{target}")));
        for name in [header::AUTHORIZATION, header::COOKIE] {
            request.headers.insert(name, HeaderValue::from_static("secret"));
        }
        request.headers.insert("x-kept", HeaderValue::from_static("open"));
        let (_, seen) = fetch(&client, request).await.expect("answer");
        assert!(seen.contains("x-kept: open"), "{seen}");
        assert_eq!(seen.contains("authorization: secret"), kept, "{seen}");
        assert_eq!(seen.contains("cookie: secret"), kept, "{seen}");
    }
}

async fn fragments_are_inherited() {
    let server = server();
    let answer = client().send(get(server.url("/302?/to#mine"))).await.expect("answer");
    assert_eq!(answer.url.fragment(), Some("mine"));
    let theirs = Server::start(|conn| {
        conn.request();
        conn.send(b"HTTP/1.1 302 Found\r\nlocation: /to#theirs\r\ncontent-length: 0\r\n\r\n");
        conn.request();
        conn.send(&response("", b""));
    });
    let answer = client().send(get(theirs.url("/#mine"))).await.expect("answer");
    assert_eq!(answer.url.fragment(), Some("theirs"));
}

async fn a_location_that_leads_nowhere_fails() {
    let server = server();
    for location in ["ftp://127.0.0.1/", "javascript:alert(1)", "http://:80/", "http://[::1"] {
        let request = get(server.url(&format!("/302?{location}")));
        let error = fetch(&client(), request).await.expect_err(location);
        assert_eq!(error.kind(), ErrorKind::Redirect, "{location}: {}", error.chain());
    }
}

async fn a_redirect_without_location_is_a_response() {
    let server = Server::canned("HTTP/1.1 302 Found\r\ncontent-length: 3\r\n\r\nout");
    assert_eq!(fetch(&client(), get(server.url("/"))).await.expect("answer"), (302, "out".into()));
    let server = Server::canned("HTTP/1.1 300 Choices\r\nlocation: /to\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(fetch(&client(), get(server.url("/"))).await.expect("answer"), (300, String::new()));
}

async fn the_connection_is_kept_across_redirects() {
    let server = server();
    fetch(&client(), get(server.url("/302?/307?/to"))).await.expect("answer");
    assert_eq!(server.accepts(), 1);
}

async fn blocking_works_inside_of_a_worker() {
    let server = server();
    let request = || get(server.url("/302?/to"));
    let fetched = blocking(options(), 1 << 20, request).expect("answer");
    assert_eq!((fetched.status.as_u16(), fetched.url), (200, server.url("/to")));
    assert!(fetched.body.starts_with(b"GET /to "));
    assert!(fetched.headers.contains_key(header::CONTENT_LENGTH));
    let error = blocking(options(), 10, request).expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{}", error.chain());
    let nowhere = || get(Url::parse("http://127.0.0.1:1/").expect("a URL"));
    let error = blocking(options(), 10, nowhere).expect_err("nobody listens there");
    assert_eq!((error.kind(), error.errno()), (ErrorKind::Connect, Some(111)), "{}", error.chain());
}
