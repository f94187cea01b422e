//! What carries the frames of a WebSocket: a connection that was upgraded, or a stream of HTTP/2.
//!
//! Owns: the words between a session and its carrier. Must not know: frames.

use std::future::Future;
use std::io::Result as IoResult;
use std::rc::Rc;
use std::task::{Context, Poll};

use runtime::io::{Chunk, Deadline};
use runtime::worker::{Connection, Ends, Worker};

/// Bytes in both directions.
pub trait Duplex: 'static {
    /// Whether what a send has begun goes out without being polled.
    const SENDS_BY_ITSELF: bool;

    /// The worker that serves it.
    fn worker(&self) -> &Rc<Worker>;

    /// The client's address and ours, and what TLS agreed on.
    fn ends(&self) -> &Rc<Ends>;

    /// The next bytes; none at the end.
    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<IoResult<Chunk>>;

    /// Begins to send all of `buffer`. Not while [`Duplex::is_sending`].
    fn start_send(&self, buffer: Vec<u8>);

    /// Whether a send is in flight.
    fn is_sending(&self) -> bool;

    /// The end of the last send, once, and its buffer.
    fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<IoResult<Vec<u8>>>;

    /// A number that grows while the client takes what is sent.
    fn send_progress(&self) -> u64;

    /// A deadline for the session alone.
    fn deadline(&self) -> &Deadline;

    /// The task of `cx` is woken when a drain begins.
    fn keep_waker(&self, cx: &Context<'_>);

    /// Ends it: in order, so that what was sent reaches the client, or at once.
    fn end(self, in_order: bool) -> impl Future<Output = ()>;
}

impl Duplex for Connection {
    const SENDS_BY_ITSELF: bool = true;

    fn worker(&self) -> &Rc<Worker> {
        Connection::worker(self)
    }

    fn ends(&self) -> &Rc<Ends> {
        Connection::ends(self)
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<IoResult<Chunk>> {
        Connection::poll_recv(self, cx)
    }

    fn start_send(&self, buffer: Vec<u8>) {
        Connection::start_send(self, buffer);
    }

    fn is_sending(&self) -> bool {
        Connection::is_sending(self)
    }

    fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<IoResult<Vec<u8>>> {
        Connection::poll_sent(self, cx)
    }

    fn send_progress(&self) -> u64 {
        Connection::send_progress(self)
    }

    fn deadline(&self) -> &Deadline {
        Connection::deadline(self)
    }

    fn keep_waker(&self, cx: &Context<'_>) {
        Connection::keep_waker(self, cx);
    }

    async fn end(self, in_order: bool) {
        match in_order {
            true => self.close_gently().await,
            false => self.abort().await,
        }
    }
}
