//! From an accepted socket to a connection: what a proxy says of it, then the TLS handshake.
//!
//! Owns: the order of these, and the time that each may take. Must not know: what is spoken behind them, how a
//! handshake goes.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use rustls::ServerConfig;

use super::connection::Connection;
use super::protocol::Protocol;
use super::state::{Seat, Worker};
use crate::address::Address;
use crate::io::{Deadline, Stream};
use crate::log::{self, Kind};
use crate::net::Transport;
use crate::tls::TlsStream;

/// What stands between the sockets of one listener and what is spoken there.
pub(super) struct Admission {
    protocol: Arc<dyn Protocol>,
    /// The server's side of TLS, where the listener speaks it.
    tls: Option<Arc<ServerConfig>>,
}

impl Admission {
    pub(super) fn new(protocol: Arc<dyn Protocol>, tls: Option<Arc<ServerConfig>>) -> Rc<Admission> {
        Rc::new(Admission { protocol, tls })
    }

    /// Serves an accepted socket to its end.
    pub(super) fn serve(
        self: &Rc<Self>,
        stream: Stream,
        worker: Rc<Worker>,
        seat: Seat,
    ) -> Pin<Box<dyn Future<Output = ()>>> {
        if self.tls.is_none() {
            return self.protocol.serve(Connection::new(Transport::Plain(stream), None, worker, seat));
        }
        Box::pin(admit(self.clone(), stream, worker, seat))
    }
}

async fn admit(admission: Rc<Admission>, stream: Stream, worker: Rc<Worker>, seat: Seat) {
    let transport = match &admission.tls {
        None => Transport::Plain(stream),
        Some(config) => match handshake(stream, config.clone(), &worker).await {
            Some(stream) => Transport::Tls(Box::new(stream)),
            None => return,
        },
    };
    admission.protocol.serve(Connection::new(transport, None, worker, seat)).await;
}

/// The server's side of a handshake; none where it came to nothing: then the socket is closed.
async fn handshake(stream: Stream, config: Arc<ServerConfig>, worker: &Worker) -> Option<TlsStream> {
    let peer = stream.peer().cloned().unwrap_or(Address::UNKNOWN);
    let ms = worker.config.limits.tls_handshake_ms_max;
    match in_time(ms, worker, TlsStream::accept(stream, config)).await {
        Some(Ok(stream)) => return Some(stream),
        Some(Err(error)) if log::admits(Kind::Handshake) => {
            tracing::debug!(worker = worker.number, %peer, "no TLS: {error}");
        }
        None if log::admits(Kind::Handshake) => {
            tracing::debug!(worker = worker.number, %peer, "no TLS within {ms} ms (--tls-handshake-timeout)");
        }
        _ => {}
    }
    None
}

/// `future`, or none after `ms`.
async fn in_time<F: Future>(ms: u64, worker: &Worker, future: F) -> Option<F::Output> {
    let (mut future, deadline) = (pin!(future), Deadline::new());
    deadline.set(ms);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        // What has not begun to ask for anything does not hold up the end of the server.
        if worker.is_draining() {
            return Poll::Ready(None);
        }
        deadline.poll_expired(cx).map(|()| None)
    })
    .await
}
