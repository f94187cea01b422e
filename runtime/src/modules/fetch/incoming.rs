//! A request as the connection hands it in: head, body, where it came from.
//!
//! Owns: [`Incoming`], the body's meeting point between connection and script. Must not know: the
//! protocol that carried it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

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
}

/// One request.
pub struct Incoming {
    /// Its head.
    pub head: Rc<dyn Head>,
    /// Its body; `None` where the framing says that there is none.
    pub body: Option<IncomingBody>,
    /// The client's address.
    pub peer: SocketAddr,
    /// Ours.
    pub local: SocketAddr,
    /// The number of the worker that serves it.
    pub worker: usize,
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
}

impl BodyError {
    /// What the script reads in the error's message.
    pub fn message(self) -> &'static str {
        match self {
            BodyError::Aborted => "The client closed the connection before the request body ended",
            BodyError::TooLarge => "The request body is larger than the limit (--body-max)",
            BodyError::Malformed => "The request body is malformed",
            BodyError::TimedOut => "The request body stalled for too long",
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

struct Shared {
    bytes: RefCell<Vec<u8>>,
    progress: Cell<Progress>,
    wanted: Cell<bool>,
    connection: RefCell<Option<Waker>>,
    listeners: RefCell<Vec<Listener>>,
}

/// A request body, fed by the connection and read by the script; clones are the same body.
#[derive(Clone)]
pub struct IncomingBody(Rc<Shared>);

impl IncomingBody {
    /// A body of which `bytes` are here already.
    pub fn new(bytes: Vec<u8>, progress: Progress) -> Self {
        IncomingBody(Rc::new(Shared {
            bytes: RefCell::new(bytes),
            progress: Cell::new(progress),
            wanted: Cell::new(false),
            connection: RefCell::default(),
            listeners: RefCell::default(),
        }))
    }

    /// Adds what the connection received.
    pub fn push(&self, bytes: &[u8]) {
        self.0.bytes.borrow_mut().extend_from_slice(bytes);
    }

    /// Ends the body and tells those who wait for it. Enters JavaScript: not from inside a turn.
    pub fn end(&self, progress: Progress) {
        self.0.progress.set(progress);
        for listener in self.0.listeners.take() {
            listener();
        }
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        self.0.progress.get()
    }

    /// Whether the script asked for it.
    pub fn is_wanted(&self) -> bool {
        self.0.wanted.get()
    }

    /// Ready once the script asks for it.
    pub fn poll_wanted(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.wanted.get() {
            return Poll::Ready(());
        }
        let mut waker = self.0.connection.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Asks the connection for the body; `then` is called at its end, outside of any turn.
    pub fn want(&self, then: impl FnOnce() + 'static) {
        self.0.listeners.borrow_mut().push(Box::new(then));
        self.0.wanted.set(true);
        if let Some(waker) = self.0.connection.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Lends what is here to `f`.
    pub fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        f(&self.0.bytes.borrow())
    }
}
