//! One connection behind a Socket: opened, read, written, ended, from whichever task.
//!
//! Owns: the transport and its end; every operation ends with it. Nothing is received that nobody
//! asked for; a close with unread bytes lingers, so that no reset overtakes what was sent. Must not
//! know: streams, promises, who decides when it ends.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::ops::Deref;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use slab::Slab;

use super::channel::{Channel, QueuedSend};
use super::failure::ConnectionError;
use super::flow::Flow;
use crate::address::Address;
use crate::io::{ConnectionEnd, EndWatch, Socket, Stream, WaitingRecv, now, sleep, spawn};

/// Bytes of one send.
const SEND_BYTES: usize = 64 << 10;
/// A peer that takes nothing of what is to be sent before the end.
const STALL: Duration = Duration::from_secs(10);
/// How long what is unread at the peer's end waits for a reader.
const UNREAD: Duration = Duration::from_secs(1);

/// The two ends of a connection, and what TLS agreed on.
#[derive(Default)]
pub(crate) struct Info {
    pub(crate) peer: Option<Address>,
    pub(crate) local: Option<Address>,
    pub(crate) alpn: Option<String>,
}

/// Why an operation did not come to its end.
pub(crate) enum Cut {
    /// The socket was closed here.
    Stopped,
    /// The connection failed.
    Failed(ConnectionError),
}

/// What is dropped once nobody waits for the connection's end any more.
pub(crate) type KeepAlive = Box<dyn std::any::Any>;

/// The connection.
pub(crate) struct Link {
    // Goes before the descriptor.
    watch: RefCell<Option<Rc<EndWatch>>>,
    transport: RefCell<Option<Rc<Channel>>>,
    pub(crate) info: OnceCell<Info>,
    stopped: Cell<bool>,
    reading_stopped: Cell<bool>,
    hurried: Cell<bool>,
    /// A client connected, not the app.
    accepted: Cell<bool>,
    /// It ends with a reset.
    resets: Cell<bool>,
    /// It failed, and so does everything from now on.
    lost: RefCell<Option<ConnectionError>>,
    /// A send heard of a reset, which a receive no longer does.
    reset: RefCell<Option<ConnectionError>>,
    /// What operations on it failed with: the connection's faults, nobody's here.
    faults: RefCell<Vec<String>>,
    /// Operations that wait, to hear that it is stopped.
    waiting: RefCell<Slab<Option<Waker>>>,
    /// TLS will begin over it: it belongs to another link.
    claimed: Cell<bool>,
    pub(crate) flow: Flow,
    hold: RefCell<Option<KeepAlive>>,
    /// The descriptor is closed, the lingering over.
    gone: Cell<bool>,
}

impl Link {
    /// One that is not yet open.
    pub(crate) fn new() -> Rc<Link> {
        Rc::new(Link {
            transport: RefCell::default(),
            watch: RefCell::default(),
            info: OnceCell::new(),
            stopped: Cell::new(false),
            reading_stopped: Cell::new(false),
            hurried: Cell::new(false),
            accepted: Cell::new(false),
            resets: Cell::new(false),
            lost: RefCell::default(),
            reset: RefCell::default(),
            faults: RefCell::default(),
            waiting: RefCell::default(),
            claimed: Cell::new(false),
            flow: Flow::new(),
            hold: RefCell::default(),
            gone: Cell::new(false),
        })
    }

    /// It is open from now on.
    pub(crate) fn set_open(&self, transport: Channel, info: Info) -> io::Result<()> {
        let watch = match &transport {
            Channel::Plain(socket) => {
                if !matches!(info.local, Some(Address::Unix(_))) {
                    socket.set_short_is_all();
                }
                socket.with_fd(EndWatch::new)?
            }
            Channel::Tls(stream) => EndWatch::new(stream.stream().fd())?,
        };
        *self.watch.borrow_mut() = Some(Rc::new(watch));
        *self.transport.borrow_mut() = Some(Rc::new(transport));
        self.flow.begin();
        let _ = self.info.set(info);
        Ok(())
    }

    /// A client has opened it: how it fails is no fault of the app's.
    pub(crate) fn set_accepted(&self) {
        self.accepted.set(true);
    }

    pub(crate) fn transport(&self) -> Option<Rc<Channel>> {
        self.transport.borrow().clone()
    }

    /// Scripts wait for its end from now on.
    pub(crate) fn keep(&self, hold: KeepAlive) {
        if !self.stopped.get() {
            *self.hold.borrow_mut() = Some(hold);
        }
    }

    /// They no longer do.
    pub(crate) fn let_go(&self) {
        drop(self.hold.take());
    }

    fn wake(&self) {
        let waiting: Vec<Waker> =
            self.waiting.borrow_mut().iter_mut().filter_map(|(_, it)| it.take()).collect();
        waiting.into_iter().for_each(Waker::wake);
    }

    fn cut(&self) -> Option<Cut> {
        if let Some(failure) = &*self.lost.borrow() {
            return Some(Cut::Failed(failure.clone()));
        }
        self.stopped.get().then_some(Cut::Stopped)
    }

    /// `operation`, unless the link comes to its end before.
    pub(crate) async fn attend<F: Future>(&self, operation: F) -> Result<F::Output, Cut> {
        let (mut operation, place) = (pin!(operation), EndWaiter::new(self));
        poll_fn(|cx| {
            if let Some(cut) = self.cut() {
                return Poll::Ready(Err(cut));
            }
            if let Poll::Ready(output) = operation.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            place.wait(cx);
            Poll::Pending
        })
        .await
    }

    /// The next bytes, at most `room` of a plain connection, lent to `take`, which says how many it has used: how
    /// many there were, none at the end, and those it has not used. `place` hears of the link's end while it waits.
    pub(crate) fn poll_lend(
        &self,
        waiting: &mut Option<WaitingRecv>,
        room: usize,
        place: &EndWaiter<impl Deref<Target = Link>>,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(&[u8]) -> usize,
    ) -> Poll<Result<(usize, Bytes), ConnectionError>> {
        if let Some(Cut::Failed(failure)) = self.cut() {
            return Poll::Ready(Err(failure));
        }
        let polled = match self.transport() {
            Some(transport) if !self.reading_stopped.get() => transport.poll_lend(waiting, room, cx, take),
            _ => return Poll::Ready(Ok((0, Bytes::new()))),
        };
        if polled.is_pending() {
            place.wait(cx);
        }
        polled.map(|result| self.received(result))
    }

    fn received<T: Default>(&self, result: io::Result<(usize, T)>) -> Result<(usize, T), ConnectionError> {
        match result {
            Ok((0, rest)) => self.reset.borrow().clone().map_or(Ok((0, rest)), Err),
            Ok((length, rest)) => {
                self.flow.add_received(length);
                Ok((length, rest))
            }
            // Taken away while it waited.
            Err(_) if self.stopped.get() => Ok((0, T::default())),
            Err(error) => Err(self.fault(ConnectionError::of("read", &error))),
        }
    }

    /// No more is read: what waits ends.
    pub(crate) fn stop_reading(&self) {
        self.reading_stopped.set(true);
        self.wake();
    }

    /// Sends what goes at once; how many bytes.
    pub(crate) fn write_now(&self, bytes: &[u8]) -> Result<usize, ConnectionError> {
        match self.cut() {
            Some(Cut::Failed(failure)) => return Err(failure),
            Some(Cut::Stopped) => return Err(self.closed()),
            None => {}
        }
        let Some(transport) = self.transport() else { return Err(self.closed()) };
        let Channel::Plain(socket) = &*transport else { return Ok(0) };
        match socket.try_send(bytes) {
            None => Ok(0),
            Some(Ok(sent)) => {
                self.flow.add_sent(sent);
                Ok(sent)
            }
            Some(Err(error)) => Err(self.send_failed(&error)),
        }
    }

    fn closed(&self) -> ConnectionError {
        let failure = ConnectionError::new("ERR_SOCKET_CLOSED", "the socket is closed");
        ConnectionError { of_client: self.accepted.get(), ..failure }
    }

    fn fault(&self, mut failure: ConnectionError) -> ConnectionError {
        failure.of_client = self.accepted.get();
        self.faults.borrow_mut().push(failure.message.clone());
        failure
    }

    /// Whether an error with these words comes from the connection itself.
    pub(crate) fn has_failed_with(&self, words: &str) -> bool {
        self.faults.borrow().iter().any(|fault| words.ends_with(fault))
    }

    fn send_failed(&self, error: &io::Error) -> ConnectionError {
        let failure = self.fault(ConnectionError::of("write", error));
        // After EPIPE what the peer sent before its end is whole.
        if failure.code != "EPIPE" {
            self.reset.borrow_mut().get_or_insert_with(|| failure.clone());
        }
        failure
    }

    /// Sends some of `bytes`: how many. Where it has to wait, the next call has the same bytes; `place`
    /// hears of the link's end.
    pub(crate) fn poll_send(
        &self,
        waiting: &mut QueuedSend,
        place: &EndWaiter<impl Deref<Target = Link>>,
        bytes: &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, ConnectionError>> {
        let transport = match (self.cut(), self.transport()) {
            (Some(Cut::Failed(failure)), _) => return Poll::Ready(Err(failure)),
            (None, Some(transport)) => transport,
            _ => return Poll::Ready(Err(self.closed())),
        };
        match transport.poll_send(waiting, bytes, cx) {
            Poll::Ready(Ok(sent)) => {
                self.flow.add_sent(sent);
                Poll::Ready(Ok(sent))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.send_failed(&error))),
            Poll::Pending => {
                place.wait(cx);
                Poll::Pending
            }
        }
    }

    /// Sends all of `bytes`.
    pub(crate) async fn write(&self, bytes: Vec<u8>) -> Result<(), ConnectionError> {
        let Some(transport) = self.transport() else { return Err(self.closed()) };
        self.flow.set_writing(true);
        let result = match &*transport {
            Channel::Plain(socket) => self.attend(self.send_all(socket, &bytes)).await,
            Channel::Tls(stream) => {
                let length = bytes.len();
                stream.start_send(bytes);
                let result = self.attend(poll_fn(|cx| stream.poll_sent(cx))).await;
                result.map(|(result, _)| result.inspect(|()| self.flow.add_sent(length)))
            }
        };
        self.flow.set_writing(false);
        match result {
            Ok(result) => result.map_err(|error| self.send_failed(&error)),
            Err(Cut::Stopped) => Err(self.closed()),
            Err(Cut::Failed(failure)) => Err(failure),
        }
    }

    async fn send_all(&self, socket: &Socket, bytes: &[u8]) -> io::Result<()> {
        let (mut rest, mut piece) = (bytes, Vec::new());
        while !rest.is_empty() {
            piece.clear();
            piece.extend_from_slice(&rest[..rest.len().min(SEND_BYTES)]);
            let (result, back) = socket.send(piece, 0).await;
            let sent = result?;
            self.flow.add_sent(sent);
            (rest, piece) = (&rest[sent..], back);
        }
        Ok(())
    }

    /// Ends our direction, after all that was written: a FIN, under TLS after a close_notify.
    pub(crate) async fn finish(&self) -> Result<(), ConnectionError> {
        let Some(transport) = self.transport() else { return Err(self.closed()) };
        match self.attend(poll_fn(|cx| transport.poll_finish(cx))).await {
            Ok(result) => result.map_err(|error| self.fault(ConnectionError::of("close", &error))),
            Err(Cut::Stopped) => Err(self.closed()),
            Err(Cut::Failed(failure)) => Err(failure),
        }
    }

    /// Whether bytes have come that nobody has read. Of TLS that is not known before its records are
    /// read: it may be.
    pub(crate) fn has_unread(&self) -> bool {
        match self.transport().as_deref() {
            None => false,
            Some(Channel::Tls(_)) => true,
            Some(plain) => plain.unread(),
        }
    }

    /// The peer's FIN, and whether bytes before it are unread; then that the connection broke. `None`
    /// once it is closed here.
    pub(crate) async fn ended(&self) -> Option<Result<bool, ConnectionError>> {
        let watch = self.watch.borrow().clone()?;
        match self.attend(poll_fn(|cx| watch.poll(cx))).await {
            Ok(ConnectionEnd::Finished) => Some(Ok(self.has_unread())),
            // The error itself is left to the next read.
            Ok(ConnectionEnd::Broken) => {
                Some(Err(self.fault(ConnectionError::new("ECONNRESET", "the connection broke (ECONNRESET)"))))
            }
            Err(Cut::Stopped) => None,
            Err(Cut::Failed(failure)) => Some(Err(failure)),
        }
    }

    /// Waits until all is read, or nothing was for [`UNREAD`]; whether the link is still open.
    pub(crate) async fn unattended(&self) -> bool {
        loop {
            let before = self.flow.received();
            if self.attend(sleep(UNREAD)).await.is_err() {
                return false;
            }
            if before == self.flow.received() || !self.has_unread() {
                return true;
            }
        }
    }

    /// From now on a peer that takes nothing for [`STALL`] ends the connection.
    pub(crate) fn hurry(self: &Rc<Self>) {
        if self.stopped.get() || self.hurried.replace(true) {
            return;
        }
        let link = self.clone();
        drop(spawn(async move {
            let mut seen = (link.progress(), now());
            while link.attend(sleep(STALL / 10)).await.is_ok() {
                let (progress, time) = (link.progress(), now());
                if progress != seen.0 {
                    seen = (progress, time);
                } else if time - seen.1 >= STALL {
                    return link
                        .lose(ConnectionError::new("ETIMEDOUT", "the peer takes nothing of what is sent"));
                }
            }
        }));
    }

    fn progress(&self) -> u64 {
        match self.transport().as_deref() {
            Some(Channel::Tls(stream)) => stream.stream().send_progress(),
            _ => self.flow.sent(),
        }
    }

    /// Everything on it fails from now on. What was sent and the peer has not taken is dropped.
    pub(crate) fn lose(&self, failure: ConnectionError) {
        if self.stopped.get() {
            return;
        }
        self.lost.borrow_mut().get_or_insert(self.fault(failure));
        if let Some(transport) = self.transport()
            && (self.flow.is_writing() || self.hurried.get())
        {
            transport.set_linger_zero();
            self.resets.set(true);
        }
        self.wake();
    }

    /// Takes the socket out, for TLS over it.
    pub(crate) fn hand_over(&self) -> Result<Stream, ConnectionError> {
        let transport = self.stop();
        let socket = match transport.as_deref() {
            Some(Channel::Plain(socket)) => socket.clone(),
            _ => return Err(self.closed()),
        };
        self.gone.set(true);
        let stream = socket.into_fd().and_then(Stream::new);
        stream.map_err(|error| ConnectionError::of("startTls", &error))
    }

    fn stop(&self) -> Option<Rc<Channel>> {
        self.stopped.set(true);
        if let Some(watch) = self.watch.take() {
            watch.stop();
        }
        self.let_go();
        let transport = self.transport.take();
        self.wake();
        transport
    }

    fn set_gone(&self) {
        self.gone.set(true);
        self.wake();
    }

    /// Closes with a reset.
    pub(crate) fn abort(&self) {
        if let Some(transport) = self.stop() {
            transport.set_linger_zero();
            transport.close();
            self.set_gone();
        }
    }

    /// Closes. What the peer has sent and nobody will read is thrown away for a moment first: else the
    /// close would be a reset, which overtakes what was sent (RFC 1122 section 4.2.2.13). TLS says its end before, or
    /// the peer could not tell it from a cut (RFC 8446 section 6.1).
    pub(crate) fn release(self: &Rc<Self>, hold: KeepAlive) {
        if self.stopped.get() {
            return;
        }
        let is_lost = self.lost.borrow().is_some();
        let Some(transport) = self.stop() else { return self.set_gone() };
        let says_end = !self.resets.get() && transport.has_end_to_say();
        if !says_end && (is_lost || !transport.unread()) {
            transport.close();
            return self.set_gone();
        }
        let link = self.clone();
        drop(spawn(async move {
            let _hold = hold;
            if says_end {
                transport.say_end(STALL).await;
            }
            if !is_lost && transport.unread() {
                transport.discard(STALL).await;
            }
            transport.close();
            link.set_gone();
        }));
    }

    /// Waits until nothing is left of it.
    pub(crate) async fn gone(&self) {
        let place = EndWaiter::new(self);
        poll_fn(|cx| match self.gone.get() {
            true => Poll::Ready(()),
            false => {
                place.wait(cx);
                Poll::Pending
            }
        })
        .await;
    }

    /// TLS will begin over it.
    pub(crate) fn claim(&self) {
        self.claimed.set(true);
    }

    /// Closes at once: nobody is left to use it.
    pub(crate) fn forget(&self) {
        if self.claimed.get() {
            return;
        }
        if let Some(transport) = self.stop() {
            transport.close();
        }
        self.gone.set(true);
    }
}

/// A waiting operation's place among those that are woken at the end.
pub(crate) struct EndWaiter<L: Deref<Target = Link>> {
    link: L,
    key: usize,
}

impl<L: Deref<Target = Link>> EndWaiter<L> {
    pub(crate) fn new(link: L) -> Self {
        let key = link.waiting.borrow_mut().insert(None);
        EndWaiter { link, key }
    }

    pub(crate) fn wait(&self, cx: &Context<'_>) {
        if let Some(slot) = self.link.waiting.borrow_mut().get_mut(self.key)
            && !slot.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *slot = Some(cx.waker().clone());
        }
    }
}

impl<L: Deref<Target = Link>> Drop for EndWaiter<L> {
    fn drop(&mut self) {
        self.link.waiting.borrow_mut().try_remove(self.key);
    }
}
