//! The listener for who operates the server: health, metrics, profiles, a dashboard. It has threads of its own, so that it
//! answers when all workers are stuck.
//!
//! Owns: its connections, one request each, and their bounds. Must not know: where the numbers come from, workers.

mod flame;
mod guard;
mod pages;

use std::io::{ErrorKind, Read, Result as IoResult, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use runtime::board::Board;

use crate::http::h1::{BodyFraming, HeadLimits, HeadParser, HeadProgress, RequestHead};
use crate::http::reason_phrase;

/// Connections at a time; beyond: 503.
const CONNECTIONS_MAX: usize = 32;
/// Bytes, fields and bytes of the target of a head; beyond: 431 and 414.
const HEAD: (usize, usize, usize) = (16 << 10, 100, 2 << 10);
/// A head, and an answer that is not taken; beyond: close.
const TIME_MAX: Duration = Duration::from_secs(5);
/// After a failed accept.
const PAUSE: Duration = Duration::from_millis(100);

/// An answer.
pub(crate) struct Page {
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
    /// Further fields, each a whole line.
    fields: &'static str,
}

impl Page {
    fn new(status: u16, kind: &'static str, body: impl Into<Vec<u8>>) -> Page {
        Page { status, kind, body: body.into(), fields: "" }
    }

    fn text(status: u16, text: impl Into<String>) -> Page {
        Page::new(status, "text/plain; charset=utf-8", text.into())
    }

    fn with(self, fields: &'static str) -> Page {
        Page { fields, ..self }
    }
}

/// A connection of either kind.
enum AdminClient {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AdminClient {
    fn set_times(&self, read: Duration) -> IoResult<()> {
        match self {
            AdminClient::Tcp(stream) => {
                stream.set_read_timeout(Some(read))?;
                stream.set_write_timeout(Some(TIME_MAX))
            }
            AdminClient::Unix(stream) => {
                stream.set_read_timeout(Some(read))?;
                stream.set_write_timeout(Some(TIME_MAX))
            }
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> IoResult<usize> {
        match self {
            AdminClient::Tcp(stream) => stream.read(bytes),
            AdminClient::Unix(stream) => stream.read(bytes),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> IoResult<()> {
        match self {
            AdminClient::Tcp(stream) => stream.write_all(bytes),
            AdminClient::Unix(stream) => stream.write_all(bytes),
        }
    }

    /// Ends our direction, and waits a moment for the client's: a close with unread bytes would be a reset.
    fn finish(&mut self) {
        let ended = match self {
            AdminClient::Tcp(stream) => stream.shutdown(Shutdown::Write),
            AdminClient::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
        let mut rest = [0; 1024];
        let mut left = 64;
        while ended.is_ok() && left > 0 && self.read(&mut rest).is_ok_and(|count| count > 0) {
            left -= 1;
        }
    }
}

enum Entrance {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Entrance {
    fn accept(&self) -> IoResult<AdminClient> {
        match self {
            Entrance::Tcp(listener) => listener.accept().map(|(stream, _)| AdminClient::Tcp(stream)),
            Entrance::Unix(listener) => listener.accept().map(|(stream, _)| AdminClient::Unix(stream)),
        }
    }
}

/// Serves a listening socket on threads of its own, to the end of the process.
///
/// # Errors
/// There is no thread for it.
pub fn serve(socket: OwnedFd, is_unix: bool, board: Arc<Board>) -> IoResult<()> {
    let entrance = match is_unix {
        true => Entrance::Unix(UnixListener::from(socket)),
        false => Entrance::Tcp(TcpListener::from(socket)),
    };
    match &entrance {
        Entrance::Tcp(listener) => listener.set_nonblocking(false)?,
        Entrance::Unix(listener) => listener.set_nonblocking(false)?,
    }
    let accept = move || {
        let busy = Arc::new(AtomicUsize::new(0));
        loop {
            match entrance.accept() {
                Ok(client) => begin(client, &board, &busy),
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
    };
    std::thread::Builder::new().name("admin".into()).spawn(accept).map(drop)
}

/// One of the connections; it makes room when it is dropped.
struct Busy(Arc<AtomicUsize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn begin(mut client: AdminClient, board: &Arc<Board>, busy: &Arc<AtomicUsize>) {
    let place = Busy(busy.clone());
    if busy.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
        // A short answer fits into the socket's buffer.
        if client.set_times(PAUSE).is_ok() {
            answer(&mut client, &Page::text(503, "too many connections\n"), false);
        }
        return;
    }
    let board = board.clone();
    let run = move || {
        let _place = place;
        serve_one(client, &board);
    };
    // Without a thread the connection is closed.
    let _ = std::thread::Builder::new().name("admin-client".into()).spawn(run);
}

fn serve_one(mut client: AdminClient, board: &Board) {
    let mut head = RequestHead::default();
    let (page, is_head) = match receive(&mut client, &mut head) {
        Ok(true) => (page_for(&head, board, matches!(client, AdminClient::Unix(_))), head.is_head()),
        Ok(false) => return,
        // A head that is refused can be asked nothing.
        Err(page) => (page, false),
    };
    answer(&mut client, &page, is_head);
    client.finish();
}

/// Receives a head; false where the client says nothing.
fn receive(client: &mut AdminClient, head: &mut RequestHead) -> Result<bool, Page> {
    let until = Instant::now() + TIME_MAX;
    let (bytes_max, fields_max, target_max) = HEAD;
    let mut parser = HeadParser::new(HeadLimits::new(bytes_max, fields_max, target_max));
    let mut bytes = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || client.set_times(left).is_err() {
            return Err(Page::text(408, "too slow\n"));
        }
        match client.read(&mut bytes) {
            Ok(0) => return Ok(false),
            Ok(count) => match parser.parse(&bytes[..count], head) {
                Ok(HeadProgress::Complete { .. }) => return Ok(true),
                Ok(HeadProgress::NeedMore) => {}
                Err(rejection) => return Err(Page::text(rejection.status, format!("{}\n", rejection.why))),
            },
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return Ok(false),
        }
    }
}

fn page_for(head: &RequestHead, board: &Board, is_unix: bool) -> Page {
    if let Some(refusal) = guard::refusal(head, board, is_unix) {
        return refusal;
    }
    if !matches!(head.method(), "GET" | "HEAD") || head.framing() != BodyFraming::None {
        return Page::text(405, "GET and HEAD are what there is here\n").with("Allow: GET, HEAD\r\n");
    }
    let target = head.path_and_query();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    pages::page(board, path, query, head)
}

fn answer(client: &mut AdminClient, page: &Page, is_head: bool) {
    let head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\nReferrer-Policy: no-referrer\r\n{}\r\n",
        page.status,
        reason_phrase(page.status),
        page.kind,
        page.body.len(),
        page.fields
    );
    let mut bytes = head.into_bytes();
    if !is_head {
        bytes.extend_from_slice(&page.body);
    }
    // Who does not take it is gone.
    let _ = client.write_all(&bytes);
}
