//! A request as the connection hands it in: head, body, where it came from.
//!
//! Owns: [`Incoming`], the body's meeting point between connection and script. Must not know: the
//! protocol that carried it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::modules::web::streams::source::ByteSource;
use crate::net::Ends;
use crate::websocket::handshake::AskedProtocol;

/// A request head that some protocol parsed; shared, so that the parser can use its memory again.
pub trait Head {
    /// The method as sent.
    fn method(&self) -> &str;
    /// `host[:port]`, valid; empty when the client named none.
    fn authority(&self) -> &str;
    /// Path and query; ASCII.
    fn path_and_query(&self) -> &str;
    /// Calls `f` with name and value of each field, in order.
    fn fields(&self, f: &mut dyn FnMut(&[u8], &[u8]));
    /// Which other protocol the client asks for; none where a body follows.
    fn asked_protocol(&self) -> Option<AskedProtocol<'_>> {
        None
    }
}

/// What of an answer a client takes beside its head and its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Takes {
    /// Informational responses before the head (RFC 9110 section 15.2): none of HTTP/1.0.
    pub informational: bool,
    /// Trailers behind the body (RFC 9110 section 6.5.1).
    pub trailers: bool,
}

/// One request.
pub struct Incoming {
    /// Its head.
    pub head: Rc<dyn Head>,
    /// The scheme of its URL (RFC 9110 section 7.1): `https` where the connection is secured, else `http`.
    pub scheme: &'static str,
    /// The version of HTTP that it came by: `1.0`, `1.1` or `2`.
    pub version: &'static str,
    /// Its body; `None` where the framing says that there is none.
    pub body: Option<IncomingBody>,
    /// The client's address, and ours.
    pub ends: Rc<Ends>,
    /// The number of the worker that serves it.
    pub worker: usize,
    /// What its client takes beside the answer's head and body.
    pub takes: Takes,
    /// Its identifier, where requests have one (`--request-id`).
    pub id: Option<Rc<str>>,
}

/// Why a body never came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The connection closed in the middle of it.
    Aborted,
    /// It is longer than the limit.
    TooLarge,
    /// Its framing is broken.
    Malformed,
    /// It stalled for longer than the limit.
    TimedOut,
    /// It was not read when the response was sent.
    Unread,
}

impl BodyError {
    /// What the script reads in the error's message.
    pub fn message(self) -> &'static str {
        match self {
            BodyError::Aborted => "The client closed the connection before the request body ended",
            BodyError::TooLarge => "The request body is larger than the limit (--body-max)",
            BodyError::Malformed => "The request body is malformed",
            BodyError::TimedOut => {
                "The request body stalled for too long (--body-timeout, --request-timeout)"
            }
            BodyError::Unread => "The request body was not read before the response was sent",
        }
    }
}

/// How far a body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More is to come.
    Open,
    /// All of it is here.
    Complete,
    /// It will never be complete.
    Failed(BodyError),
}

type Listener = Box<dyn FnOnce()>;

/// What is received ahead of a script that reads a body piece by piece, in bytes.
const WINDOW_BYTES: usize = 64 << 10;

struct Shared {
    /// What came, from `start` on.
    bytes: RefCell<Vec<u8>>,
    /// Bytes that a reader has taken away.
    start: Cell<usize>,
    progress: Cell<Progress>,
    /// All of it is asked for.
    wanted: Cell<bool>,
    /// It is read piece by piece.
    streamed: Cell<bool>,
    /// The script has a stream of it.
    opened: Cell<bool>,
    /// Nobody reads on.
    cancelled: Cell<bool>,
    /// Clones read it, too: nothing is taken away.
    kept: Cell<bool>,
    connection: RefCell<Option<Waker>>,
    listeners: RefCell<Vec<Listener>>,
    readers: RefCell<Vec<Waker>>,
}

/// A request body, fed by the connection and read by the script; clones are the same body.
#[derive(Clone)]
pub struct IncomingBody(Rc<Shared>);

impl IncomingBody {
    /// A body of which `bytes` are here already.
    pub fn new(bytes: Vec<u8>, progress: Progress) -> Self {
        IncomingBody(Rc::new(Shared {
            bytes: RefCell::new(bytes),
            start: Cell::new(0),
            progress: Cell::new(progress),
            wanted: Cell::new(false),
            streamed: Cell::new(false),
            opened: Cell::new(false),
            cancelled: Cell::new(false),
            kept: Cell::new(false),
            connection: RefCell::default(),
            listeners: RefCell::default(),
            readers: RefCell::default(),
        }))
    }

    /// Adds what the connection received.
    pub fn push(&self, bytes: &[u8]) {
        if !self.0.cancelled.get() {
            self.0.bytes.borrow_mut().extend_from_slice(bytes);
            self.wake_readers();
        }
    }

    /// Ends the body and tells those who wait for it. Enters JavaScript: not from inside a turn.
    pub fn end(&self, progress: Progress) {
        self.0.progress.set(progress);
        self.wake_readers();
        for listener in self.0.listeners.take() {
            listener();
        }
    }

    fn wake_readers(&self) {
        self.0.readers.take().into_iter().for_each(Waker::wake);
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        self.0.progress.get()
    }

    /// Whether the script reads it, or has taken its stream to do so.
    pub fn is_wanted(&self) -> bool {
        self.0.wanted.get() || self.0.opened.get()
    }

    /// Whether the script waits for more of it at this moment: for all, or for a piece.
    pub fn is_read(&self) -> bool {
        self.is_open() && (self.0.wanted.get() || !self.0.readers.borrow().is_empty())
    }

    /// Whether somebody beside the connection has it, and may read on.
    pub fn is_open(&self) -> bool {
        Rc::strong_count(&self.0) > 1 && !self.0.cancelled.get()
    }

    /// Whether what has come may wait for a script that does not read it yet, and may never do so.
    pub fn can_wait(&self) -> bool {
        self.is_open() && self.0.bytes.borrow().len() < WINDOW_BYTES
    }

    /// Ready while the script waits for more of it.
    pub fn poll_wanted(&self, cx: &mut Context<'_>) -> Poll<()> {
        let shared = &self.0;
        let room = shared.kept.get() || shared.bytes.borrow().len() < WINDOW_BYTES;
        if shared.wanted.get() || shared.streamed.get() && room && !shared.cancelled.get() {
            return Poll::Ready(());
        }
        let mut waker = shared.connection.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn wake_connection(&self) {
        let waker = self.0.connection.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Asks the connection for the body; `then` is called at its end, outside of any turn.
    pub fn want(&self, then: impl FnOnce() + 'static) {
        self.0.listeners.borrow_mut().push(Box::new(then));
        self.0.wanted.set(true);
        self.wake_connection();
    }

    /// Lends what is here to `f`.
    pub fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        f(&self.0.bytes.borrow())
    }

    /// The same body for a second reader, before the first has begun: all of it stays here.
    pub fn duplicate(&self) -> IncomingBody {
        self.0.kept.set(true);
        self.clone()
    }

    /// Says that it will be read piece by piece.
    pub fn begin(&self) {
        self.0.streamed.set(true);
        self.wake_connection();
    }
}

impl Drop for IncomingBody {
    /// The connection hears when nobody else has it any more.
    fn drop(&mut self) {
        if Rc::strong_count(&self.0) == 2 {
            self.wake_connection();
        }
    }
}

/// One reader of a body, piece by piece.
pub struct Pieces {
    body: IncomingBody,
    position: Cell<usize>,
}

impl Pieces {
    /// A reader from the body's start.
    pub fn of(body: IncomingBody) -> Self {
        body.0.opened.set(true);
        Pieces { body, position: Cell::new(0) }
    }
}

impl ByteSource for Pieces {
    fn poll_bytes(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        let shared = &*self.body.0;
        if shared.cancelled.get() && !shared.kept.get() {
            return Poll::Ready(None);
        }
        let from = self.position.get() - shared.start.get();
        if from < shared.bytes.borrow().len() {
            let piece = match shared.kept.get() {
                true => Bytes::copy_from_slice(&shared.bytes.borrow()[from..]),
                false => {
                    let taken = shared.bytes.take();
                    shared.start.set(shared.start.get() + taken.len());
                    self.body.wake_connection();
                    Bytes::from(taken)
                }
            };
            self.position.set(self.position.get() + piece.len());
            return Poll::Ready(Some(Ok(piece)));
        }
        match shared.progress.get() {
            Progress::Complete => Poll::Ready(None),
            Progress::Failed(error) => Poll::Ready(Some(Err(error.message().to_owned()))),
            Progress::Open => {
                self.body.begin();
                let mut readers = shared.readers.borrow_mut();
                if !readers.iter().any(|known| known.will_wake(cx.waker())) {
                    readers.push(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    fn begin(&self) {
        self.body.begin();
    }

    fn cancel(&self) {
        if !self.body.0.kept.get() {
            self.body.0.cancelled.set(true);
            self.body.0.bytes.take();
            self.body.wake_connection();
        }
        self.body.wake_readers();
    }
}
