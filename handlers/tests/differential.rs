//! Our codec beside hyper's: the same bytes to both. Whatever we accept, hyper accepts with the same
//! method, target, fields and body; the differences are listed here, each with its reason.
//!
//! Must not know: how either of them parses.

use handlers::http::h1::{BodyDecoder, HeadLimits, HeadParser, HeadProgress, RequestHead};
use hyper::body::{Body, Frame, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What a server makes of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    method: String,
    target: hyper::Uri,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// A client that has sent all of `input` and reads nothing.
struct Memory {
    input: Vec<u8>,
    at: usize,
}

impl Read for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let len = buf.remaining().min(self.input.len() - self.at);
        buf.put_slice(&self.input[self.at..][..len]);
        self.at += len;
        Poll::Ready(Ok(()))
    }
}

impl Write for Memory {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The body's content, `None` when its framing is broken.
async fn collect(mut body: Incoming) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame.map(Frame::into_data).ok()? {
            content.extend_from_slice(&data);
        }
    }
    Some(content)
}

/// The requests that reach a handler of hyper's complete with their bodies.
fn hyper_sees(input: &[u8]) -> Vec<Seen> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let service = hyper::service::service_fn(|request: hyper::Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            if let Some(body) = collect(body).await {
                let fields = head
                    .headers
                    .iter()
                    .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
                    .collect();
                seen.borrow_mut().push(Seen {
                    method: head.method.to_string(),
                    target: head.uri,
                    fields,
                    body,
                });
            }
            Ok::<_, Infallible>(hyper::Response::new(String::new()))
        }
    });
    let memory = Memory { input: input.to_vec(), at: 0 };
    let mut builder = hyper::server::conn::http1::Builder::new();
    // The end of the input is no reason to drop the requests before it.
    builder.half_close(true);
    let mut connection = pin!(builder.serve_connection(memory, service));
    let mut cx = Context::from_waker(Waker::noop());
    let ended = (0..10_000).any(|_| connection.as_mut().poll(&mut cx).is_ready());
    assert!(ended, "hyper waits for more than all input");
    seen.take()
}

/// The requests that our codec accepts complete with their bodies, and the status that ended it.
fn we_see(input: &[u8]) -> (Vec<Seen>, Option<u16>) {
    let mut seen = Vec::new();
    let mut rest = input;
    let status = loop {
        match next_request(&mut rest) {
            Ok(Some((request, keep_alive))) => {
                seen.push(request);
                if !keep_alive {
                    break None;
                }
            }
            Ok(None) => break None,
            Err(status) => break Some(status),
        }
    };
    (seen, status)
}

fn next_request(rest: &mut &[u8]) -> Result<Option<(Seen, bool)>, u16> {
    let limits = HeadLimits::new(16 << 10, 100, 8 << 10);
    let mut head = RequestHead::default();
    let progress = HeadParser::new(limits).parse(rest, &mut head).map_err(|rejection| rejection.status)?;
    let HeadProgress::Complete { consumed } = progress else { return Ok(None) };
    *rest = &rest[consumed..];
    let mut decoder =
        BodyDecoder::new(head.framing(), 1 << 20, &limits).map_err(|rejection| rejection.status)?;
    let mut body = Vec::new();
    loop {
        let step = decoder.decode(rest).map_err(|rejection| rejection.status)?;
        body.extend_from_slice(step.data);
        *rest = &rest[step.consumed..];
        if step.end {
            break;
        }
        if rest.is_empty() {
            return Ok(None);
        }
    }
    let fields = head
        .fields()
        .map(|(name, value)| (String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()))
        .collect();
    // Targets that hyper's `Uri` cannot hold end the comparison: see `we_accept_what_hyper_refuses`.
    let target = head.target().parse().map_err(|_| 0u16)?;
    Ok(Some((Seen { method: head.method().to_owned(), target, fields, body }, head.keep_alive())))
}

/// hyper keeps fields by name, we keep them by line.
fn sorted(mut requests: Vec<Seen>) -> Vec<Seen> {
    requests.iter_mut().for_each(|request| request.fields.sort_by(|a, b| a.0.cmp(&b.0)));
    requests
}

fn assert_agreement(input: &[u8]) -> usize {
    let ours = sorted(we_see(input).0);
    let mut theirs = sorted(hyper_sees(input));
    theirs.truncate(ours.len());
    assert_eq!(ours, theirs, "for {:?}", String::from_utf8_lossy(input));
    ours.len()
}

const VALID: [&str; 10] = [
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "\r\nGET /p\"{}?q=|^{}` HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\nGET /3 HTTP/1.0\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: h:1\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\nhello\r\n\r\nxyGET /n HTTP/1.1\r\nHost:h\r\n\r\n",
    "PUT http://a.example/ HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
     5;a=\"b\" ; c\r\nhello\r\n1\r\n!\r\n0\r\nT: v\r\nU:\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nA:\r\nB: c d \r\nHost: [::1]:80\r\nA: \t2\r\n\r\nOPTIONS / HTTP/1.1\r\nHost: h\r\n\r\n",
    "M-SEARCH / HTTP/1.1\r\nHost: h\r\nX: \u{e9}\r\n\r\n",
    "GET https://[::1]:8443/?a HTTP/1.1\r\nHost: x\r\n\r\nGET HTTP://a.example?q HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n000A\r\n0123456789\r\n0\r\n\r\nDELETE / HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcHEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
];

#[test]
fn valid_messages_mean_the_same_to_both() {
    for message in VALID {
        let (ours, status) = we_see(message.as_bytes());
        assert!(!ours.is_empty() && status.is_none(), "{status:?} for {message:?}");
        assert_agreement(message.as_bytes());
    }
}

#[test]
fn whatever_we_accept_of_mutated_messages_means_the_same_to_hyper() {
    let mut state = 0x6a73_7365_7276_6533_u64;
    let mut below = move |n: usize| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    };
    let pieces: [&[u8]; 14] = [
        b"\r\n",
        b"\n",
        b" ",
        b"\t",
        b":",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 3\r\n",
        b"0\r\n\r\n",
        b";a",
        b"Host: h\r\n",
        b",",
        b"Connection: close\r\n",
        b"\xe9",
        b"0",
    ];
    let mut accepted = 0;
    for _ in 0..30_000 {
        let mut message = VALID[below(VALID.len())].as_bytes().to_vec();
        for _ in 0..=below(3) {
            let at = below(message.len());
            match below(3) {
                0 => message[at] = below(256) as u8,
                1 => drop(message.remove(at)),
                _ => drop(message.splice(at..at, pieces[below(pieces.len())].iter().copied())),
            }
        }
        if !message.windows(7).any(|w| w == b"HTTP/1.") || has_later_minor(&message) {
            continue;
        }
        accepted += assert_agreement(&message);
    }
    assert!(accepted > 5_000, "too few survive to say anything: {accepted}");
}

fn has_later_minor(message: &[u8]) -> bool {
    message.windows(8).any(|w| w.starts_with(b"HTTP/1.") && matches!(w[7], b'2'..=b'9'))
}

#[test]
fn we_refuse_what_hyper_takes() {
    let get = |lines: &str| format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
    let line = |line: &str| format!("{line}\r\nHost: h\r\n\r\n");
    let chunks =
        |chunks: &str| format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    for (status, why, bytes) in [
        (400, "no Host", "GET / HTTP/1.1\r\n\r\n".to_owned()),
        (400, "two Hosts", get("Host: i\r\n")),
        (400, "invalid Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned()),
        (400, "asterisk without OPTIONS", line("GET * HTTP/1.1")),
        (400, "fragment", line("GET /a#b HTTP/1.1")),
        (400, "raw UTF-8 in the target", line("GET /\u{e9} HTTP/1.1")),
        (400, "user information", line("GET http://u@h/ HTTP/1.1")),
        (400, "a scheme for proxies", line("GET ftp://h/ HTTP/1.1")),
        (400, "authority without CONNECT", line("GET h:80 HTTP/1.1")),
        (501, "CONNECT", line("CONNECT h:80 HTTP/1.1")),
        (400, "bare LF", "GET / HTTP/1.1\nHost: h\n\n".to_owned()),
        (400, "many empty lines", format!("{}{}", "\r\n".repeat(5), get(""))),
        (
            400,
            "Content-Length with Transfer-Encoding",
            get("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
        ),
        (400, "Content-Length twice", get("Content-Length: 1\r\nContent-Length: 1\r\n") + "x"),
        (501, "a coding before chunked", get("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n"),
        (400, "chunked twice", get("Transfer-Encoding: chunked, chunked\r\n") + "0\r\n\r\n"),
        (417, "an unknown expectation", get("Expect: x\r\n")),
        (501, "a long method", line(&format!("{} / HTTP/1.1", "M".repeat(65)))),
        (414, "a long target", line(&format!("GET /{} HTTP/1.1", "x".repeat(8 << 10)))),
        (431, "a long head", get(&format!("A: {}\r\n", "x".repeat(16 << 10)))),
        (400, "bare ; in a chunk", chunks("1;\r\nx\r\n0\r\n\r\n")),
        (400, "NUL in a chunk extension", chunks("1;a\0\r\nx\r\n0\r\n\r\n")),
        (400, "whitespace after a chunk size", chunks("1 \r\nx\r\n0\r\n\r\n")),
    ] {
        assert_eq!(we_see(bytes.as_bytes()), (vec![], Some(status)), "{why}");
        assert_eq!(hyper_sees(bytes.as_bytes()).len(), 1, "hyper no longer takes: {why}");
    }
}

#[test]
fn we_accept_what_hyper_refuses() {
    let later = b"GET / HTTP/1.2\r\nHost: h\r\n\r\n";
    assert_eq!(we_see(later).0.len(), 1, "a later minor version is 1.1 (RFC 9110 section 2.5)");
    assert!(hyper_sees(later).is_empty());
    for target in ["/<", "/>", "/`", "/?\""] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        let mut head = RequestHead::default();
        let parsed = HeadParser::new(HeadLimits::new(1000, 10, 1000)).parse(bytes.as_bytes(), &mut head);
        assert!(
            matches!(parsed, Ok(HeadProgress::Complete { .. })),
            "the app's URL parser escapes them: {target}"
        );
        assert!(hyper_sees(bytes.as_bytes()).is_empty());
    }
}
