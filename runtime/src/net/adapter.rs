//! hyper's runtime traits over ours: the one place where they meet.
//!
//! Owns: the bytes between hyper's buffers and the connection's. Reads copy out of the provided
//! buffer and give it back at once; writes copy into an owned buffer, `poll_flush` only bounds what
//! is in flight, errors surface on the next call, shutdown waits. Must not know: HTTP.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Executor, Read, ReadBufCursor, Sleep, Timer, Write};

use crate::io as worker_io;

use super::transport::Transport;

/// Bytes that wait for the send in flight at most; as many are in flight.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// A [`Transport`] as hyper sees it.
pub(crate) struct Adapter {
    transport: Rc<Transport>,
    /// Bytes that were received and did not fit hyper's buffer, from `taken` on.
    rest: Vec<u8>,
    taken: usize,
    /// Bytes of hyper's that follow the send in flight.
    waiting: Vec<u8>,
}

impl Adapter {
    pub(crate) fn new(transport: Transport) -> Self {
        Adapter { transport: Rc::new(transport), rest: Vec::new(), taken: 0, waiting: Vec::new() }
    }

    /// The connection, when hyper is done with it, and the bytes that came and hyper has not taken; `None` where not all
    /// of hyper's bytes are sent.
    pub(crate) fn into_parts(mut self) -> Option<(Transport, Vec<u8>)> {
        let rest = self.rest.split_off(self.taken);
        let transport = self.waiting.is_empty().then_some(self.transport).and_then(Rc::into_inner)?;
        Some((transport, rest))
    }

    /// A look at the connection from outside, for as long as it is open.
    pub(crate) fn watch(&self) -> TransportWatch {
        TransportWatch(Rc::downgrade(&self.transport))
    }

    /// Sends what waits as soon as nothing is in flight.
    fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let (result, mut spare) = ready!(self.transport.poll_sent(cx));
        result?;
        spare.clear();
        self.transport.start_send(std::mem::replace(&mut self.waiting, spare));
        Poll::Ready(Ok(()))
    }

    /// Room for more bytes of hyper's.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.waiting.len() >= WRITE_BYTES_MAX {
            ready!(self.poll_push(cx))?;
        }
        Poll::Ready(Ok(WRITE_BYTES_MAX - self.waiting.len()))
    }
}

impl Read for Adapter {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            let chunk = ready!(this.transport.poll_recv(cx))?;
            let fits = chunk.len().min(buffer.remaining());
            buffer.put_slice(&chunk[..fits]);
            this.rest.extend_from_slice(&chunk[fits..]);
            return Poll::Ready(Ok(()));
        }
        let left = &this.rest[this.taken..];
        let fits = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..fits]);
        this.taken += fits;
        if this.taken == this.rest.len() {
            // A connection that idles holds no memory for this.
            this.rest = Vec::new();
            this.taken = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Adapter {
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

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_push(cx))?;
        self.transport.poll_shutdown(cx)
    }
}

/// Tells whether a connection can still be used.
pub(crate) struct TransportWatch(Weak<Transport>);

impl TransportWatch {
    /// Whether it is open on both sides, as far as this machine knows.
    pub(crate) fn is_open(&self) -> bool {
        self.0.upgrade().is_some_and(|transport| !transport.is_hung_up())
    }
}

/// Spawns hyper's tasks on this worker.
#[derive(Clone, Copy)]
pub(crate) struct WorkerExecutor;

impl<F: Future<Output = ()> + 'static> Executor<F> for WorkerExecutor {
    fn execute(&self, future: F) {
        drop(worker_io::spawn(future));
    }
}

/// This worker's timers.
#[derive(Clone, Copy)]
pub(crate) struct WorkerTimer;

impl Timer for WorkerTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(HyperSleep(worker_io::sleep(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(HyperSleep(worker_io::sleep_until(deadline)))
    }
}

struct HyperSleep(worker_io::Sleep);

impl Sleep for HyperSleep {}

impl Future for HyperSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}
