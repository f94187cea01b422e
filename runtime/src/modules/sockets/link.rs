//! One connection behind a Socket: opened, read, written, ended, from whichever task.
//!
//! Owns: the transport and its end. Nothing is received that nobody asked for; a close with unread
//! bytes lingers, so that no reset overtakes what was sent. Must not know: streams, promises, who
//! decides when it ends.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;
use socket2::SockRef;

use super::failure::Failure;
use crate::client::tls::TlsStream;
use crate::io::{End, EndWatch, Socket, Stream, WaitingRecv, now, sleep, spawn};
use crate::js::alive::Hold;

/// Bytes of one receive, where the reader does not say how many it wants.
pub(super) const RECV_BYTES: usize = 64 << 10;
/// Bytes of one send.
const SEND_BYTES: usize = 64 << 10;
/// A peer that takes nothing of what is to be sent before the end.
const STALL: Duration = Duration::from_secs(10);
/// How long the peer may go on sending what nobody reads after the end.
const LINGER: Duration = Duration::from_secs(1);

thread_local! {
    /// What is received goes through it, into a chunk of its own size.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What carries the bytes.
pub(super) enum Transport {
    /// TCP.
    Plain(Socket),
    /// TLS over TCP.
    Tls(TlsStream),
}

/// The two ends of a connection, and what TLS agreed on.
#[derive(Default)]
pub(super) struct Info {
    pub(super) peer: Option<SocketAddr>,
    pub(super) local: Option<SocketAddr>,
    pub(super) alpn: Option<String>,
}

/// How the bytes move: for those who bound how long they may not.
struct Flow {
    received: Cell<u64>,
    sent: Cell<u64>,
    /// When a byte moved last.
    moved: Cell<Instant>,
    reading_since: Cell<Option<Instant>>,
    writing_since: Cell<Option<Instant>>,
}

/// Why an operation did not come to its end.
pub(super) enum Cut {
    /// The socket was closed here.
    Stopped,
    /// The connection failed.
    Failed(Failure),
}

/// The connection.
pub(super) struct Link {
    // Goes before the descriptor.
    watch: RefCell<Option<Rc<EndWatch>>>,
    transport: RefCell<Option<Rc<Transport>>>,
    pub(super) info: OnceCell<Info>,
    stopped: Cell<bool>,
    reading_stopped: Cell<bool>,
    hurried: Cell<bool>,
    /// It failed, and so does everything from now on.
    lost: RefCell<Option<Failure>>,
    /// A send heard of a reset, which a receive no longer does.
    reset: RefCell<Option<Failure>>,
    /// Operations that wait, to hear that it is stopped.
    waiting: RefCell<Slab<Option<Waker>>>,
    /// TLS will begin over it: it belongs to another link.
    claimed: Cell<bool>,
    flow: Flow,
    hold: RefCell<Option<Hold>>,
    /// The descriptor is closed, the lingering over.
    gone: Cell<bool>,
}

impl Transport {
    /// The next bytes, at most `room` of a plain connection; empty at the end.
    fn poll_read(
        &self,
        waiting: &mut Option<WaitingRecv>,
        room: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Vec<u8>>> {
        let socket = match self {
            Transport::Tls(stream) => return stream.poll_recv(cx),
            Transport::Plain(socket) => socket,
        };
        SCRATCH.with_borrow_mut(|scratch| {
            if scratch.len() < room {
                scratch.resize(room, 0);
            }
            let buffer = &mut scratch[..room];
            let tried = if waiting.is_none() { socket.try_recv(buffer) } else { None };
            let result = match tried {
                Some(result) => Poll::Ready(result),
                None => waiting.get_or_insert_with(|| socket.wait_to_recv()).poll(cx, buffer),
            };
            result.map_ok(|got| buffer[..got].to_vec())
        })
    }

    fn unread(&self) -> bool {
        match self {
            Transport::Plain(socket) => {
                socket.with_fd(|fd| Ok(rustix::io::ioctl_fionread(fd)?)).unwrap_or(0) > 0
            }
            Transport::Tls(stream) => stream.stream().has_unread(),
        }
    }

    fn set_linger_zero(&self) {
        // It fails on a socket that is reset already.
        let _ = match self {
            Transport::Plain(socket) => {
                socket.with_fd(|fd| SockRef::from(&fd).set_linger(Some(Duration::ZERO)))
            }
            Transport::Tls(stream) => stream.stream().set_linger_zero(),
        };
    }

    /// Lets go of the descriptor: what waits on it ends.
    fn close(&self) {
        if let Transport::Plain(socket) = self {
            // It fails where the descriptor has gone to TLS.
            let _ = socket.close();
        }
    }
}

impl Link {
    /// One that is not yet open.
    pub(super) fn new() -> Rc<Link> {
        let flow = Flow {
            received: Cell::new(0),
            sent: Cell::new(0),
            moved: Cell::new(now()),
            reading_since: Cell::new(None),
            writing_since: Cell::new(None),
        };
        Rc::new(Link {
            transport: RefCell::default(),
            watch: RefCell::default(),
            info: OnceCell::new(),
            stopped: Cell::new(false),
            reading_stopped: Cell::new(false),
            hurried: Cell::new(false),
            lost: RefCell::default(),
            reset: RefCell::default(),
            waiting: RefCell::default(),
            claimed: Cell::new(false),
            flow,
            hold: RefCell::default(),
            gone: Cell::new(false),
        })
    }

    /// It is open from now on.
    pub(super) fn set_open(&self, transport: Transport, info: Info) -> io::Result<()> {
        let watch = match &transport {
            Transport::Plain(socket) => {
                socket.set_short_is_all();
                socket.with_fd(EndWatch::new)?
            }
            Transport::Tls(stream) => EndWatch::new(stream.stream().fd())?,
        };
        *self.watch.borrow_mut() = Some(Rc::new(watch));
        *self.transport.borrow_mut() = Some(Rc::new(transport));
        self.flow.moved.set(now());
        let _ = self.info.set(info);
        Ok(())
    }

    pub(super) fn transport(&self) -> Option<Rc<Transport>> {
        self.transport.borrow().clone()
    }

    /// Scripts wait for its end from now on.
    pub(super) fn keep(&self, hold: Hold) {
        if !self.stopped.get() {
            *self.hold.borrow_mut() = Some(hold);
        }
    }

    /// They no longer do.
    pub(super) fn let_go(&self) {
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
    pub(super) async fn attend<F: Future>(&self, operation: F) -> Result<F::Output, Cut> {
        let (mut operation, place) = (pin!(operation), Place::new(self));
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

    /// The next bytes if they are there, or the end, which is empty.
    pub(super) fn read_now(&self, room: usize) -> Poll<Result<Vec<u8>, Failure>> {
        if let Some(Cut::Failed(failure)) = self.cut() {
            return Poll::Ready(Err(failure));
        }
        match self.transport() {
            Some(transport) if !self.reading_stopped.get() => {
                let cx = &mut Context::from_waker(Waker::noop());
                transport.poll_read(&mut None, room, cx).map(|result| self.received(result))
            }
            _ => Poll::Ready(Ok(Vec::new())),
        }
    }

    /// Waits for the next bytes.
    pub(super) async fn read(&self, room: usize) -> Result<Vec<u8>, Failure> {
        let Some(transport) = self.transport() else { return Ok(Vec::new()) };
        self.flow.reading_since.set(Some(now()));
        let mut waiting = None;
        let next = poll_fn(|cx| match self.reading_stopped.get() {
            true => Poll::Ready(Ok(Vec::new())),
            false => transport.poll_read(&mut waiting, room, cx).map(|result| self.received(result)),
        });
        let result = self.attend(next).await;
        self.flow.reading_since.set(None);
        match result {
            Ok(result) => result,
            Err(Cut::Stopped) => Ok(Vec::new()),
            Err(Cut::Failed(failure)) => Err(failure),
        }
    }

    fn received(&self, result: io::Result<Vec<u8>>) -> Result<Vec<u8>, Failure> {
        match result {
            Ok(bytes) if bytes.is_empty() => self.reset.borrow().clone().map_or(Ok(bytes), Err),
            Ok(bytes) => {
                self.flow.received.set(self.flow.received.get() + bytes.len() as u64);
                self.flow.moved.set(now());
                Ok(bytes)
            }
            // Taken away while it waited.
            Err(_) if self.stopped.get() => Ok(Vec::new()),
            Err(error) => Err(Failure::of("read", &error)),
        }
    }

    /// No more is read: what waits ends.
    pub(super) fn stop_reading(&self) {
        self.reading_stopped.set(true);
        self.wake();
    }

    /// Sends what goes at once; how many bytes.
    pub(super) fn write_now(&self, bytes: &[u8]) -> Result<usize, Failure> {
        match self.cut() {
            Some(Cut::Failed(failure)) => return Err(failure),
            Some(Cut::Stopped) => return Err(closed()),
            None => {}
        }
        let Some(transport) = self.transport() else { return Err(closed()) };
        let Transport::Plain(socket) = &*transport else { return Ok(0) };
        match socket.try_send(bytes) {
            None => Ok(0),
            Some(Ok(sent)) => {
                self.sent(sent);
                Ok(sent)
            }
            Some(Err(error)) => Err(self.send_failed(&error)),
        }
    }

    fn sent(&self, bytes: usize) {
        self.flow.sent.set(self.flow.sent.get() + bytes as u64);
        self.flow.moved.set(now());
    }

    fn send_failed(&self, error: &io::Error) -> Failure {
        let failure = Failure::of("write", error);
        // After EPIPE what the peer sent before its end is whole.
        if failure.code != "EPIPE" {
            self.reset.borrow_mut().get_or_insert_with(|| failure.clone());
        }
        failure
    }

    /// Sends all of `bytes`.
    pub(super) async fn write(&self, bytes: Vec<u8>) -> Result<(), Failure> {
        let Some(transport) = self.transport() else { return Err(closed()) };
        self.flow.writing_since.set(Some(now()));
        let result = match &*transport {
            Transport::Plain(socket) => self.attend(self.send_all(socket, &bytes)).await,
            Transport::Tls(stream) => {
                let length = bytes.len();
                stream.start_send(bytes);
                let result = self.attend(poll_fn(|cx| stream.poll_sent(cx))).await;
                result.map(|(result, _)| result.inspect(|()| self.sent(length)))
            }
        };
        self.flow.writing_since.set(None);
        match result {
            Ok(result) => result.map_err(|error| self.send_failed(&error)),
            Err(Cut::Stopped) => Err(closed()),
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
            self.sent(sent);
            self.flow.writing_since.set(Some(now()));
            (rest, piece) = (&rest[sent..], back);
        }
        Ok(())
    }

    /// Ends our direction, after all that was written: a FIN, under TLS after a close_notify.
    pub(super) async fn finish(&self) -> Result<(), Failure> {
        let Some(transport) = self.transport() else { return Err(closed()) };
        let result = match &*transport {
            Transport::Plain(socket) => socket.with_fd(|fd| SockRef::from(&fd).shutdown(Shutdown::Write)),
            Transport::Tls(stream) => match self.attend(poll_fn(|cx| stream.poll_shutdown(cx))).await {
                Ok(result) => result,
                Err(Cut::Stopped) => return Err(closed()),
                Err(Cut::Failed(failure)) => return Err(failure),
            },
        };
        result.map_err(|error| Failure::of("close", &error))
    }

    /// Whether bytes have come that nobody has read. Of TLS that is not known before its records are
    /// read: it may be.
    pub(super) fn has_unread(&self) -> bool {
        match self.transport().as_deref() {
            None => false,
            Some(Transport::Tls(_)) => true,
            Some(plain) => plain.unread(),
        }
    }

    /// The peer's FIN, and whether bytes before it are unread; then that the connection broke. `None`
    /// once it is closed here.
    pub(super) async fn ended(&self) -> Option<Result<bool, Failure>> {
        let watch = self.watch.borrow().clone()?;
        match self.attend(poll_fn(|cx| watch.poll(cx))).await {
            Ok(End::Finished) => Some(Ok(self.has_unread())),
            // The error itself is left to the next read.
            Ok(End::Broken) => Some(Err(Failure::new("ECONNRESET", "the connection broke (ECONNRESET)"))),
            Err(Cut::Stopped) => None,
            Err(Cut::Failed(failure)) => Some(Err(failure)),
        }
    }

    /// Waits until all is read, or nothing was for [`LINGER`]; whether the link is still open.
    pub(super) async fn unattended(&self) -> bool {
        loop {
            let before = self.flow.received.get();
            if self.attend(sleep(LINGER)).await.is_err() {
                return false;
            }
            if before == self.flow.received.get() || !self.has_unread() {
                return true;
            }
        }
    }

    /// From now on a peer that takes nothing for [`STALL`] ends the connection.
    pub(super) fn hurry(self: &Rc<Self>) {
        if self.stopped.get() || self.hurried.replace(true) {
            return;
        }
        let link = self.clone();
        drop(spawn(async move {
            loop {
                let before = link.progress();
                if link.attend(sleep(STALL)).await.is_err() {
                    return;
                }
                if link.progress() == before {
                    return link.lose(Failure::new("ETIMEDOUT", "the peer takes nothing of what is sent"));
                }
            }
        }));
    }

    fn progress(&self) -> u64 {
        match self.transport().as_deref() {
            Some(Transport::Tls(stream)) => stream.stream().send_progress(),
            _ => self.flow.sent.get(),
        }
    }

    /// When the peer will have been waited for too long: in milliseconds, to move a byte either way,
    /// and to take some of what is sent. Or the failure, if it has been.
    pub(super) fn overdue(&self, idle_ms: u64, stall_ms: u64) -> Result<Instant, Failure> {
        let (idle, stall) = (Duration::from_millis(idle_ms), Duration::from_millis(stall_ms));
        let time = now();
        let mut next = time + idle.min(stall);
        let waits = [self.flow.reading_since.get(), self.flow.writing_since.get()];
        if let Some(since) = waits.into_iter().flatten().min() {
            let due = since.max(self.flow.moved.get()) + idle;
            if time >= due {
                return Err(Failure::new(
                    "ETIMEDOUT",
                    format!("nothing moved for {idle_ms} ms (--idle-timeout)"),
                ));
            }
            next = next.min(due);
        }
        if let Some(since) = self.flow.writing_since.get() {
            if time >= since + stall {
                let words = format!("the client took nothing for {stall_ms} ms (--write-timeout)");
                return Err(Failure::new("ETIMEDOUT", words));
            }
            next = next.min(since + stall);
        }
        Ok(next)
    }

    /// Everything on it fails from now on. What was sent and the peer has not taken is dropped.
    pub(super) fn lose(&self, failure: Failure) {
        if self.stopped.get() {
            return;
        }
        self.lost.borrow_mut().get_or_insert(failure);
        if let Some(transport) = self.transport()
            && (self.flow.writing_since.get().is_some() || self.hurried.get())
        {
            transport.set_linger_zero();
        }
        self.wake();
    }

    /// Takes the socket out, for TLS over it.
    pub(super) fn hand_over(&self) -> Result<Stream, Failure> {
        let transport = self.stop();
        let socket = match transport.as_deref() {
            Some(Transport::Plain(socket)) => socket.clone(),
            _ => return Err(closed()),
        };
        self.gone.set(true);
        let stream = socket.into_fd().and_then(Stream::new);
        stream.map_err(|error| Failure::of("startTls", &error))
    }

    fn stop(&self) -> Option<Rc<Transport>> {
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
    pub(super) fn abort(&self) {
        if let Some(transport) = self.stop() {
            transport.set_linger_zero();
            transport.close();
            self.set_gone();
        }
    }

    /// Closes. What the peer has sent and nobody will read is thrown away for a moment first: else the
    /// close would be a reset, which overtakes what was sent (RFC 1122 section 4.2.2.13).
    pub(super) fn release(self: &Rc<Self>, hold: Hold) {
        if self.stopped.get() {
            return;
        }
        let is_lost = self.lost.borrow().is_some();
        let Some(transport) = self.stop() else { return self.set_gone() };
        if is_lost || !transport.unread() {
            transport.close();
            return self.set_gone();
        }
        let link = self.clone();
        drop(spawn(async move {
            let _hold = hold;
            discard(&transport).await;
            transport.close();
            link.set_gone();
        }));
    }

    /// Waits until nothing is left of it.
    pub(super) async fn gone(&self) {
        let place = Place::new(self);
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
    pub(super) fn claim(&self) {
        self.claimed.set(true);
    }

    /// Closes at once: nobody is left to use it.
    pub(super) fn forget(&self) {
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
struct Place<'a> {
    link: &'a Link,
    key: usize,
}

impl Place<'_> {
    fn new(link: &Link) -> Place<'_> {
        Place { link, key: link.waiting.borrow_mut().insert(None) }
    }

    fn wait(&self, cx: &Context<'_>) {
        if let Some(slot) = self.link.waiting.borrow_mut().get_mut(self.key)
            && !slot.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *slot = Some(cx.waker().clone());
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.link.waiting.borrow_mut().try_remove(self.key);
    }
}

fn closed() -> Failure {
    Failure::new("ERR_SOCKET_CLOSED", "the socket is closed")
}

/// Reads to the peer's end, for [`LINGER`] at most.
async fn discard(transport: &Transport) {
    let mut limit = sleep(LINGER);
    let mut waiting = None;
    loop {
        let next = poll_fn(|cx| match transport.poll_read(&mut waiting, RECV_BYTES, cx) {
            Poll::Ready(result) => Poll::Ready(result.ok()),
            Poll::Pending => pin!(&mut limit).poll(cx).map(|()| None),
        });
        if next.await.is_none_or(|bytes| bytes.is_empty()) || now() >= limit.deadline() {
            return;
        }
    }
}
