//! A connection as the crate `h2` reads and writes it.
//!
//! Owns: bytes between its buffers and the connection's; that all that one poll writes goes out at once. Must not
//! know: what they say, but for the look that [`FrameCounts`] takes.

use std::cell::{Cell, RefCell};
use std::io::{IoSlice, Result as IoResult};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use runtime::io::budget;
use runtime::worker::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{Fault, FrameCounts};

/// Bytes that wait for the send in flight at most; as many are in flight.
const WAITING_BYTES_MAX: usize = 64 << 10;
/// Memory that a connection keeps for what it sends next.
const KEPT_BYTES_MAX: usize = 16 << 10;

/// A connection, and what is on its way between it and `h2`.
pub struct SharedSocket {
    /// The connection.
    pub connection: Connection,
    state: RefCell<State>,
    fault: Cell<Option<Fault>>,
}

struct State {
    counts: FrameCounts,
    /// Received, and not read by `h2` from `taken` on.
    rest: Vec<u8>,
    taken: usize,
    /// Where the connection was upgraded: frames for behind the client's first, and what has come of that.
    inserted: Option<(Vec<u8>, Vec<u8>)>,
    /// Written, and not being sent.
    waiting: Vec<u8>,
    /// Memory of what was sent.
    spare: Vec<u8>,
}

impl SharedSocket {
    /// Of a connection on which `received` has come of the client's preface. `inserted` are frames that take effect
    /// behind the client's first.
    pub fn new(connection: Connection, received: &[u8], inserted: Option<Vec<u8>>) -> Rc<SharedSocket> {
        let counts = FrameCounts::new(&connection.worker().config.limits);
        let inserted = inserted.map(|frames| (frames, Vec::new()));
        let mut state =
            State { counts, rest: Vec::new(), taken: 0, inserted, waiting: Vec::new(), spare: Vec::new() };
        let count = state.counts.received(received, runtime::io::now());
        state.keep(&received[..count]);
        let fault = Cell::new(state.counts.fault());
        Rc::new(SharedSocket { connection, state: RefCell::new(state), fault })
    }

    /// What the client has done that ends the connection: nothing more is received.
    pub fn fault(&self) -> Option<Fault> {
        self.fault.get()
    }

    /// Whether fields, or the preface, have begun and not ended.
    pub fn is_mid_head(&self) -> bool {
        self.state.borrow().counts.is_mid_head()
    }

    /// Whether something waits to be sent.
    pub fn is_waiting(&self) -> bool {
        !self.state.borrow().waiting.is_empty()
    }

    /// Sends what waits as soon as nothing is in flight.
    ///
    /// # Errors
    /// The socket failed.
    pub fn poll_push(&self, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        let state = &mut *self.state.borrow_mut();
        if state.waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut sent = ready!(self.connection.poll_sent(cx))?;
        if sent.capacity() > state.spare.capacity() {
            sent.clear();
            sent.shrink_to(KEPT_BYTES_MAX);
            state.spare = sent;
        }
        let spare = std::mem::take(&mut state.spare);
        self.connection.start_send(std::mem::replace(&mut state.waiting, spare));
        Poll::Ready(Ok(()))
    }

    /// The connection, and what waits to be sent on it.
    pub fn into_parts(self) -> (Connection, Vec<u8>) {
        (self.connection, self.state.into_inner().waiting)
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<IoResult<usize>> {
        if self.state.borrow().waiting.len() >= WAITING_BYTES_MAX {
            ready!(self.poll_push(cx))?;
        }
        Poll::Ready(Ok(WAITING_BYTES_MAX - self.state.borrow().waiting.len()))
    }

    fn write(&self, bytes: &[u8]) {
        let state = &mut *self.state.borrow_mut();
        state.counts.sent(bytes);
        self.fault.set(self.fault.get().or_else(|| state.counts.fault()));
        state.waiting.extend_from_slice(bytes);
    }
}

impl State {
    /// Keeps what was received for later reads.
    fn keep(&mut self, bytes: &[u8]) {
        let Some((frames, held)) = &mut self.inserted else { return self.rest.extend_from_slice(bytes) };
        held.extend_from_slice(bytes);
        if let Some(end) = FrameCounts::end_of_first_frame(held) {
            held.splice(end..end, std::mem::take(frames));
            self.rest.append(held);
            self.inserted = None;
        }
    }

    fn read(&mut self, buffer: &mut ReadBuf<'_>) {
        let left = &self.rest[self.taken..];
        let fits = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..fits]);
        self.taken += fits;
        if self.taken == self.rest.len() {
            // A connection that idles holds no memory for this.
            (self.rest, self.taken) = (Vec::new(), 0);
        }
    }
}

/// The side of `h2`.
pub struct SocketAdapter(pub Rc<SharedSocket>);

impl AsyncRead for SocketAdapter {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<IoResult<()>> {
        let socket = &self.0;
        loop {
            // Who sends without a pause lets the others have their turns in between.
            ready!(budget::poll_left(cx));
            if !socket.state.borrow().rest.is_empty() {
                let before = buffer.remaining();
                socket.state.borrow_mut().read(buffer);
                budget::spend(before - buffer.remaining());
                return Poll::Ready(Ok(()));
            }
            if socket.fault.get().is_some() {
                return Poll::Pending;
            }
            let chunk = ready!(socket.connection.poll_recv(cx))?;
            if chunk.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let state = &mut *socket.state.borrow_mut();
            let count = state.counts.received(&chunk, runtime::io::now());
            socket.fault.set(socket.fault.get().or_else(|| state.counts.fault()));
            let chunk = &chunk[..count];
            if state.inserted.is_some() {
                state.keep(chunk);
                continue;
            }
            if chunk.is_empty() {
                continue;
            }
            let fits = chunk.len().min(buffer.remaining());
            budget::spend(fits);
            buffer.put_slice(&chunk[..fits]);
            state.keep(&chunk[fits..]);
            return Poll::Ready(Ok(()));
        }
    }
}

impl AsyncWrite for SocketAdapter {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<IoResult<usize>> {
        let fits = ready!(self.0.poll_room(cx))?.min(bytes.len());
        self.0.write(&bytes[..fits]);
        Poll::Ready(Ok(fits))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<IoResult<usize>> {
        let room = ready!(self.0.poll_room(cx))?;
        let mut written = 0;
        for slice in slices {
            let fits = slice.len().min(room - written);
            self.0.write(&slice[..fits]);
            written += fits;
        }
        Poll::Ready(Ok(written))
    }

    /// The session sends what one poll of it has written, at once.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        Poll::Ready(Ok(()))
    }
}
