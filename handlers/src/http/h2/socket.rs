//! A connection as the crate `h2` reads and writes it.
//!
//! Owns: the bytes between its buffers and the connection's: reads copy out of what was received, writes into a vector that
//! is sent as a whole; the watch over frames. Must not know: streams.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use runtime::io::budget;
use runtime::worker::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{Flood, FrameWatch};

/// Bytes that wait for the send in flight at most; as many are in flight.
const WRITE_BYTES_MAX: usize = 128 << 10;
/// Memory that is kept for what is written next.
const KEPT_BYTES_MAX: usize = 16 << 10;

/// A connection with what is received and not read yet, and what is written and not sent yet.
pub struct SocketAdapter {
    connection: Rc<Connection>,
    rest: Vec<u8>,
    taken: usize,
    waiting: Vec<u8>,
    /// A frame of ours for behind the client's first, and what has come before that is whole.
    inserted: Option<(Vec<u8>, Vec<u8>)>,
    frames: FrameWatch,
    flood: Rc<Cell<Option<Flood>>>,
}

impl SocketAdapter {
    /// Over `connection`, of which `received` has been read already. `inserted` are frames that take effect behind the
    /// client's first. `flood` is set where it sends too much of a kind.
    pub fn new(
        connection: Rc<Connection>,
        received: Vec<u8>,
        inserted: Option<Vec<u8>>,
        flood: Rc<Cell<Option<Flood>>>,
    ) -> Self {
        let frames = FrameWatch::new(&connection.worker().config.limits, runtime::io::now());
        let inserted = inserted.map(|frames| (frames, Vec::new()));
        let mut socket = SocketAdapter {
            connection,
            rest: Vec::new(),
            taken: 0,
            waiting: Vec::new(),
            inserted,
            frames,
            flood,
        };
        socket.rest = socket.received(&received).unwrap_or(received);
        socket
    }

    /// Follows what has come. What is to be read in its place, where that is not it.
    fn received(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if let Some(flood) = self.frames.follow(bytes, runtime::io::now()) {
            self.flood.set(Some(flood));
        }
        let (frames, mut held) = self.inserted.take()?;
        held.extend_from_slice(bytes);
        let Some(end) = FrameWatch::end_of_first_frame(&held) else {
            self.inserted = Some((frames, held));
            return Some(Vec::new());
        };
        held.splice(end..end, frames);
        Some(held)
    }

    /// Sends what waits as soon as nothing is in flight.
    fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut spare = ready!(self.connection.poll_sent(cx))?;
        spare.clear();
        spare.shrink_to(KEPT_BYTES_MAX);
        self.connection.start_send(std::mem::replace(&mut self.waiting, spare));
        Poll::Ready(Ok(()))
    }

    /// Room for more.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.waiting.len() >= WRITE_BYTES_MAX {
            ready!(self.poll_push(cx))?;
        }
        Poll::Ready(Ok(WRITE_BYTES_MAX - self.waiting.len()))
    }

    /// Reads what is left of what had come.
    fn read_rest(&mut self, buffer: &mut ReadBuf<'_>) {
        let left = &self.rest[self.taken..];
        let fits = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..fits]);
        self.taken += fits;
        if self.taken == self.rest.len() {
            // A connection that idles holds no memory for this.
            self.rest = Vec::new();
            self.taken = 0;
        }
    }
}

impl AsyncRead for SocketAdapter {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            // Who sends without a pause lets the others have their turns in between.
            ready!(budget::poll_left(cx));
            if !this.rest.is_empty() {
                budget::spend(this.rest.len().min(buffer.remaining()));
                this.read_rest(buffer);
                return Poll::Ready(Ok(()));
            }
            let chunk = ready!(this.connection.poll_recv(cx))?;
            if chunk.is_empty() {
                return Poll::Ready(Ok(()));
            }
            match this.received(&chunk) {
                Some(instead) => this.rest = instead,
                None if chunk.len() <= buffer.remaining() => {
                    budget::spend(chunk.len());
                    buffer.put_slice(&chunk);
                    return Poll::Ready(Ok(()));
                }
                None => this.rest.extend_from_slice(&chunk),
            }
        }
    }
}

impl AsyncWrite for SocketAdapter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let room = ready!(self.poll_room(cx))?;
        let fits = bytes.len().min(room);
        self.waiting.extend_from_slice(&bytes[..fits]);
        Poll::Ready(Ok(fits))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut room = ready!(self.poll_room(cx))?;
        let mut written = 0;
        for slice in slices {
            let fits = slice.len().min(room);
            self.waiting.extend_from_slice(&slice[..fits]);
            room -= fits;
            written += fits;
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_push(cx)
    }

    /// The end of our direction is the connection's matter.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_push(cx)
    }
}
