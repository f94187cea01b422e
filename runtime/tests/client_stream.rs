//! Streaming in both directions in flat memory, back-pressure, and aborts.
//!
//! Owns: nothing. Must not know: how the client works inside.

mod client_server;
mod io_harness;

use std::cell::Cell;
use std::io::Read;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use client_server::{Server, client, get, response, text};
use http::Method;
use runtime::client::{BodySource, BoxError, Request, RequestBody};
use runtime::io::sleep;

on_both!(
    a_large_body_comes_down_in_flat_memory,
    a_large_body_goes_up_in_flat_memory,
    a_reader_that_waits_holds_the_server,
    a_server_that_waits_holds_the_source,
    a_dropped_request_closes_the_connection,
    a_dropped_body_closes_the_connection,
    a_dropped_upload_drops_its_source,
);

const LARGE: usize = 64 << 20;
const PIECE: usize = 64 << 10;
/// What both backends' tests together may add to the process, buffers of the kernel aside.
const GROWTH_MAX: usize = 24 << 20;

/// Resident memory of this process, in bytes (proc_pid_statm(5)).
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("proc");
    let pages: usize = statm.split(' ').nth(1).expect("resident").parse().expect("a number");
    pages * rustix::param::page_size()
}

/// A source of `left` bytes; counts what it gave, and says when it is dropped.
struct Counted {
    left: usize,
    given: Rc<Cell<usize>>,
    _dropped: Rc<()>,
}

impl BodySource for Counted {
    fn poll_chunk(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        let size = self.left.min(PIECE);
        self.left -= size;
        self.given.set(self.given.get() + size);
        Poll::Ready((size > 0).then(|| Ok(Bytes::from(vec![b'x'; size]))))
    }
}

fn source(bytes: usize) -> (RequestBody, Rc<Cell<usize>>, Rc<()>) {
    let (given, alive) = (Rc::new(Cell::new(0)), Rc::new(()));
    let counted = Counted { left: bytes, given: given.clone(), _dropped: alive.clone() };
    (RequestBody::Stream { source: Box::pin(counted), bytes: None }, given, alive)
}

async fn a_large_body_comes_down_in_flat_memory() {
    let server = Server::start(|conn| {
        conn.request();
        conn.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n").as_bytes());
        let piece = vec![b'x'; PIECE];
        (0..LARGE / PIECE).all(|_| conn.send(&piece));
    });
    let before = resident();
    let mut response = client().send(get(server.url("/"))).await.expect("answer");
    let (mut total, mut most) = (0, 0);
    while let Some(chunk) = response.body.chunk().await.expect("a piece") {
        total += chunk.len();
        most = most.max(resident());
    }
    assert_eq!(total, LARGE);
    let growth = most.saturating_sub(before);
    assert!(growth < GROWTH_MAX, "{growth} bytes more than before");
}

async fn a_large_body_goes_up_in_flat_memory() {
    let server = Server::start(|conn| {
        conn.head();
        // Chunked: the sizes and line ends come on top.
        let (mut total, mut buffer) = (0, vec![0; PIECE]);
        while total < LARGE {
            total += conn.reader.read(&mut buffer).expect("bytes").max(1);
        }
        conn.send(&response("connection: close\r\n", b"enough"));
        conn.drain();
    });
    let (body, given, _alive) = source(LARGE);
    let before = resident();
    let most = Rc::new(Cell::new(0));
    let watch = most.clone();
    let watcher = runtime::io::spawn(async move {
        loop {
            watch.set(watch.get().max(resident()));
            sleep(Duration::from_millis(1)).await;
        }
    });
    let request = Request { body, ..Request::new(Method::POST, server.url("/")) };
    let mut answer = client().send(request).await.expect("answer");
    assert_eq!(text(&mut answer).await, "enough");
    watcher.abort();
    assert!(given.get() >= LARGE - (1 << 20), "{} bytes given", given.get());
    let growth = most.get().saturating_sub(before);
    assert!(growth < GROWTH_MAX, "{growth} bytes more than before");
}

/// Waits until `count` has not changed for a while.
async fn settled(count: impl Fn() -> usize) -> usize {
    let mut last = count();
    for _ in 0..100 {
        sleep(Duration::from_millis(50)).await;
        let now = count();
        if now == last && now > 0 {
            return now;
        }
        last = now;
    }
    panic!("it never settles: {last}");
}

async fn a_reader_that_waits_holds_the_server() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let server = Server::start(move |conn| {
        conn.request();
        conn.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n").as_bytes());
        let piece = vec![b'x'; PIECE];
        while conn.send(&piece) && count.fetch_add(PIECE, Ordering::SeqCst) + PIECE < LARGE {}
    });
    let mut response = client().send(get(server.url("/"))).await.expect("answer");
    let held = settled(|| sent.load(Ordering::SeqCst)).await;
    // The kernel's buffers of both ends hold some megabytes; the client a fraction of one.
    assert!(held < LARGE / 2, "{held} bytes left the server");
    let mut total = 0;
    while let Some(chunk) = response.body.chunk().await.expect("a piece") {
        total += chunk.len();
    }
    assert_eq!(total, LARGE);
}

async fn a_server_that_waits_holds_the_source() {
    let go = Arc::new(AtomicBool::new(false));
    let gate = go.clone();
    let server = Server::start(move |conn| {
        conn.head();
        while !gate.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        conn.send(&response("connection: close\r\n", b"enough"));
        conn.drain();
    });
    let (body, given, _alive) = source(LARGE);
    let request = Request { body, ..Request::new(Method::POST, server.url("/")) };
    let client = client();
    let answer =
        runtime::io::spawn(async move { text(&mut client.send(request).await.expect("answer")).await });
    let held = settled(|| given.get()).await;
    assert!(held < LARGE / 2, "{held} bytes left the source");
    go.store(true, Ordering::SeqCst);
    assert_eq!(answer.await.as_deref(), Some("enough"));
}

/// Polls `future` until `done`, then drops it.
async fn drop_when(future: impl Future, done: impl Fn() -> bool) {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending(), "it ended before it was dropped");
        match done() {
            true => Poll::Ready(()),
            false => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    })
    .await;
}

async fn a_dropped_request_closes_the_connection() {
    let seen = Arc::new(AtomicBool::new(false));
    let flag = seen.clone();
    let server = Server::start(move |conn| {
        conn.request();
        flag.store(true, Ordering::SeqCst);
        conn.drain();
    });
    drop_when(client().send(get(server.url("/"))), || seen.load(Ordering::SeqCst)).await;
    server.closed(1).await;
}

async fn a_dropped_body_closes_the_connection() {
    let server = Server::start(|conn| {
        conn.request();
        conn.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        conn.drain();
    });
    let client = client();
    let mut response = client.send(get(server.url("/"))).await.expect("answer");
    response.body.chunk().await.expect("the first half");
    drop(response);
    server.closed(1).await;
    assert_eq!(client.idle_connections(), 0);
}

async fn a_dropped_upload_drops_its_source() {
    let server = Server::start(|conn| {
        conn.head();
        conn.drain();
    });
    let (body, given, alive) = source(usize::MAX);
    let request = Request { body, ..Request::new(Method::POST, server.url("/")) };
    drop_when(client().send(request), || given.get() > PIECE).await;
    server.closed(1).await;
    while Rc::strong_count(&alive) > 1 {
        sleep(Duration::from_millis(1)).await;
    }
}
