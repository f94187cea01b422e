//! From an accepted socket to a connection: what a proxy says of it, then the TLS handshake.
//!
//! Owns: the order of these, and the time that each may take. Must not know: what is spoken behind them, how a
//! handshake goes.

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::connection::Connection;
use super::protocol::Protocol;
use super::proxy::{self, ProxyHeader};
use super::state::{Seat, Worker};
use crate::address::Address;
use crate::config::Listen;
use crate::io::{Deadline, Socket, Stream};
use crate::log::{self, Kind};
use crate::net::{Ends, Transport};
use crate::tls::{TlsAcceptor, TlsStream, Unaccepted};

/// What stands between the sockets of one listener and what is spoken there.
pub(super) struct Admission {
    protocol: Arc<dyn Protocol>,
    /// A header of the PROXY protocol comes first.
    proxied: bool,
    /// The server's side of TLS, where the listener speaks it.
    tls: Option<TlsAcceptor>,
}

impl Admission {
    pub(super) fn new(
        protocol: Arc<dyn Protocol>,
        listen: &Listen,
        tls: Option<TlsAcceptor>,
    ) -> Rc<Admission> {
        Rc::new(Admission { protocol, proxied: listen.proxy_protocol, tls })
    }

    /// Serves an accepted socket to its end.
    pub(super) fn serve(
        self: &Rc<Self>,
        stream: Stream,
        worker: Rc<Worker>,
        seat: Seat,
    ) -> Pin<Box<dyn Future<Output = ()>>> {
        if self.tls.is_none() && !self.proxied {
            return self.protocol.serve(Connection::new(Transport::Plain(stream), None, worker, seat));
        }
        Box::pin(admit(self.clone(), stream, worker, seat))
    }
}

async fn admit(admission: Rc<Admission>, mut stream: Stream, worker: Rc<Worker>, seat: Seat) {
    let mut header = ProxyHeader::Local;
    if admission.proxied {
        match proxy_header(stream, &worker).await {
            Some(found) => (stream, header) = found,
            None => return,
        }
    }
    let transport = match &admission.tls {
        None => Transport::Plain(stream),
        Some(tls) => match admission.handshake(stream, tls, &header, &worker).await {
            Some(stream) => Transport::Tls(Box::new(stream)),
            None => return,
        },
    };
    let ends = match header {
        ProxyHeader::Local => None,
        ProxyHeader::Proxied { peer, local } => Some(Ends { peer, local, ..transport.ends() }),
    };
    admission.protocol.serve(Connection::new(transport, ends, worker, seat)).await;
}

/// The header of the PROXY protocol, and the stream behind it; none for who may not send one, or has not: then the
/// connection is reset.
async fn proxy_header(stream: Stream, worker: &Worker) -> Option<(Stream, ProxyHeader)> {
    let peer = stream.peer().cloned().unwrap_or(Address::UNKNOWN);
    let refused = |why: &dyn Display| {
        if log::admits(Kind::Proxy) {
            tracing::warn!(worker = worker.number, %peer, "refused: {why}");
        }
    };
    if !worker.config.trusted_proxies.has(&peer) {
        refused(&"no trusted proxy (--trusted-proxies)");
        stream.abort();
        return None;
    }
    // It does not fail before the first receive.
    let socket = stream.into_socket().ok()?;
    let ms = worker.config.limits.header_ms_max;
    let found = in_time(ms, worker, proxy::read(&socket), || has_unread(&socket)).await;
    match found {
        Some(Ok(header)) => return Some((Stream::new(socket.into_fd().ok()?).ok()?, header)),
        // One that only looks whether somebody listens.
        Some(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => {}
        None if worker.is_draining() => {}
        Some(Err(error)) => refused(&error),
        None => refused(&format!("no PROXY header within {ms} ms (--header-timeout)")),
    }
    // It fails on a socket that is reset already, or knows no reset.
    let _ = socket.with_fd(|fd| socket2::SockRef::from(&fd).set_linger(Some(Duration::ZERO)));
    None
}

fn has_unread(socket: &Socket) -> bool {
    socket.with_fd(|fd| Ok(rustix::io::ioctl_fionread(fd)?)).is_ok_and(|bytes| bytes > 0)
}

impl Admission {
    /// The server's side of a handshake; none where it came to nothing: then the socket is closed.
    async fn handshake(
        &self,
        stream: Stream,
        tls: &TlsAcceptor,
        header: &ProxyHeader,
        worker: &Worker,
    ) -> Option<TlsStream> {
        let peer = match header {
            ProxyHeader::Proxied { peer, .. } => peer.clone(),
            ProxyHeader::Local => stream.peer().cloned().unwrap_or(Address::UNKNOWN),
        };
        let ms = worker.config.limits.tls_handshake_ms_max;
        let failed = |why: &dyn Display| {
            if log::admits(Kind::Handshake) {
                tracing::debug!(worker = worker.number, %peer, "no TLS: {why}");
            }
        };
        match in_time(ms, worker, tls.accept(stream), || false).await {
            Some(Ok(stream)) => {
                if let Some(observer) = &worker.observer {
                    observer.metrics.handshakes.add(1);
                }
                return Some(stream);
            }
            Some(Err(Unaccepted::PlainText(stream, _))) => {
                failed(&"plain text");
                in_time(ms, worker, self.answer_plain_text(stream, worker), || false).await;
            }
            Some(Err(Unaccepted::Failed(error))) => failed(&error),
            None => failed(&format!("no handshake within {ms} ms (--tls-handshake-timeout)")),
        }
        None
    }

    async fn answer_plain_text(&self, stream: Stream, worker: &Worker) {
        let sent = stream.send(self.protocol.plain_text_answer().to_vec()).await.0;
        let transport = Transport::Plain(stream);
        if sent.is_ok() && poll_fn(|cx| transport.poll_shutdown(cx)).await.is_ok() {
            let limits = &worker.config.limits;
            transport.linger(&limits.linger, limits.write_stall_ms_max).await;
        }
        transport.close().await;
    }
}

/// `future`, or none after `ms`. The end of the server does not wait for it, unless it `is_busy`: what has not begun
/// to ask for anything holds nothing up.
async fn in_time<F: Future>(
    ms: u64,
    worker: &Worker,
    future: F,
    is_busy: impl Fn() -> bool,
) -> Option<F::Output> {
    let (mut future, deadline) = (pin!(future), Deadline::new());
    deadline.set(ms);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        if worker.is_draining() && !is_busy() {
            return Poll::Ready(None);
        }
        deadline.poll_expired(cx).map(|()| None)
    })
    .await
}
