//! A stream of HTTP/2 that carries a WebSocket (RFC 8441).
//!
//! Owns: both directions of the stream once its request is answered, and their windows; whom a drain wakes. Must not know:
//! frames of WebSocket.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, Result as IoResult};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use runtime::io::{Chunk, Deadline};
use runtime::worker::{Ends, Worker};

use crate::websocket::Duplex;

/// How long a client has to end its side of the stream once ours is ended.
const END_MS: u64 = 1_000;

/// Where one who waits keeps its waker.
pub type KeptWaker = Rc<RefCell<Option<Waker>>>;

/// Whom a drain wakes.
#[derive(Default)]
pub struct Tunnels(RefCell<Vec<Weak<RefCell<Option<Waker>>>>>);

impl Tunnels {
    /// Adds one, for as long as it is kept.
    pub fn add(&self, waker: &KeptWaker) {
        let mut all = self.0.borrow_mut();
        // Those that are gone leave in bulk, before the list would grow.
        if all.len() == all.capacity() {
            all.retain(|waker| waker.strong_count() > 0);
        }
        all.push(Rc::downgrade(waker));
    }

    /// Wakes all.
    pub fn wake(&self) {
        for waker in self.0.borrow().iter().filter_map(Weak::upgrade) {
            let waker = waker.borrow_mut().take();
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

/// Both directions of a stream.
pub struct Tunnel {
    incoming: RefCell<RecvStream>,
    outgoing: RefCell<SendStream<Bytes>>,
    flight: RefCell<Bytes>,
    is_sending: Cell<bool>,
    progress: Cell<u64>,
    is_broken: Cell<bool>,
    worker: Rc<Worker>,
    ends: Rc<Ends>,
    deadline: Deadline,
    waker: KeptWaker,
}

impl Tunnel {
    /// Of a stream whose request was answered, among `tunnels`.
    pub fn new(
        incoming: RecvStream,
        outgoing: SendStream<Bytes>,
        worker: Rc<Worker>,
        ends: Rc<Ends>,
        tunnels: &Tunnels,
    ) -> Tunnel {
        let waker = Rc::default();
        tunnels.add(&waker);
        Tunnel {
            incoming: RefCell::new(incoming),
            outgoing: RefCell::new(outgoing),
            flight: RefCell::default(),
            is_sending: Cell::new(false),
            progress: Cell::new(0),
            is_broken: Cell::new(false),
            worker,
            ends,
            deadline: Deadline::new(),
            waker,
        }
    }

    /// Gives the stream as much as its windows take.
    fn poll_out(&self, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        let broken = || {
            self.is_broken.set(true);
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        };
        let (mut flight, mut stream) = (self.flight.borrow_mut(), self.outgoing.borrow_mut());
        while !flight.is_empty() {
            stream.reserve_capacity(flight.len());
            let Some(Ok(room)) = ready!(stream.poll_capacity(cx)) else { return broken() };
            let count = room.min(flight.len());
            let piece = flight.split_to(count);
            self.progress.set(self.progress.get() + count as u64);
            if stream.send_data(piece, false).is_err() {
                return broken();
            }
        }
        self.is_sending.set(false);
        Poll::Ready(Ok(()))
    }
}

impl Duplex for Tunnel {
    const SENDS_BY_ITSELF: bool = false;

    fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    fn ends(&self) -> &Rc<Ends> {
        &self.ends
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<IoResult<Chunk>> {
        let mut incoming = self.incoming.borrow_mut();
        loop {
            match ready!(incoming.poll_data(cx)) {
                Some(Ok(data)) => {
                    // Not more than came: it does not fail.
                    let _ = incoming.flow_control().release_capacity(data.len());
                    if !data.is_empty() {
                        return Poll::Ready(Ok(Chunk::from(data.to_vec())));
                    }
                }
                Some(Err(error)) => {
                    self.is_broken.set(true);
                    return Poll::Ready(Err(io::Error::other(error)));
                }
                None => return Poll::Ready(Ok(Chunk::default())),
            }
        }
    }

    fn start_send(&self, buffer: Vec<u8>) {
        *self.flight.borrow_mut() = Bytes::from(buffer);
        self.is_sending.set(true);
    }

    fn is_sending(&self) -> bool {
        self.is_sending.get()
    }

    fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<IoResult<Vec<u8>>> {
        self.poll_out(cx).map_ok(|()| Vec::new())
    }

    fn send_progress(&self) -> u64 {
        self.progress.get()
    }

    fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    fn keep_waker(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// An end of the connection is an END_STREAM, a reset a RST_STREAM with CANCEL (RFC 8441 section 5).
    async fn end(self, in_order: bool) {
        let is_over = in_order
            && !self.is_broken.get()
            && self.outgoing.borrow_mut().send_data(Bytes::new(), true).is_ok();
        if !is_over {
            return self.outgoing.borrow_mut().send_reset(Reason::CANCEL);
        }
        self.deadline.set(END_MS);
        poll_fn(|cx| {
            while let Poll::Ready(received) = self.poll_recv(cx) {
                if received.is_err() || received.is_ok_and(|bytes| bytes.is_empty()) {
                    return Poll::Ready(());
                }
            }
            self.deadline.poll_expired(cx)
        })
        .await;
    }
}
