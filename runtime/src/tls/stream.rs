//! TLS over a [`Stream`], with the stream's own contract: receive chunks, send owned buffers.
//!
//! Owns: the stream and the session over it, of either side; the order in which records leave. What the session
//! has to say by itself (tickets, key updates, alerts) leaves with the next send, or before the next wait for
//! bytes. Must not know: HTTP, which certificates are good (the configuration says so).

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::{ClientConfig, ServerConfig};

use super::info::TlsInfo;
use super::names::{self, Chosen, Identities};
use super::session::TlsSession;
use crate::config::Linger;
use crate::io::{Chunk, Stream};

/// Memory that a connection keeps for its next records: those of 16 KiB of plaintext.
const KEPT_BYTES_MAX: usize = 17 << 10;
/// A plaintext buffer of more memory is not kept until its records are sent.
const SPARE_BYTES_MAX: usize = 256 << 10;

/// A TLS connection. One task at a time receives, and one sends; they may be the same. Dropping it
/// closes the socket without a close_notify.
pub struct TlsStream {
    stream: Stream,
    session: RefCell<TlsSession>,
    /// Records that are not with the stream yet; or empty memory for them.
    records: RefCell<Vec<u8>>,
    /// The last plaintext buffer, on its way back to the sender.
    spare: Cell<Vec<u8>>,
    /// A sender's bytes are among them.
    queued: Cell<bool>,
    /// What a send failed with that the receiver saw end.
    lost: Cell<Option<io::Error>>,
    /// Who waits for the sends to end, while the receiver might see it first.
    sender: RefCell<Option<Waker>>,
    /// Our close_notify is written.
    closing: Cell<bool>,
    served: Option<Served>,
}

/// The certificate that a server has shown.
pub(super) struct Served {
    pub(super) identities: Arc<Identities>,
    pub(super) chosen: Chosen,
}

impl TlsStream {
    /// Opens TLS as the client of `name`, whose certificate must please `config`.
    ///
    /// # Errors
    /// Those of the stream; InvalidData with a [`rustls::Error`] inside for all that TLS refuses.
    pub async fn connect(
        stream: Stream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let session = UnbufferedClientConnection::new(config, name).map_err(refused)?;
        let this = TlsStream::new(stream, session.into());
        this.handshake(Chunk::default(), usize::MAX).await?;
        Ok(this)
    }

    /// Answers a client's handshake. Errors as [`connect`](Self::connect).
    pub async fn accept(stream: Stream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let session = UnbufferedServerConnection::new(config).map_err(refused)?;
        let this = TlsStream::new(stream, session.into());
        this.handshake(Chunk::default(), usize::MAX).await?;
        Ok(this)
    }

    pub(super) fn new(stream: Stream, session: TlsSession) -> Self {
        TlsStream {
            stream,
            session: RefCell::new(session),
            records: RefCell::default(),
            spare: Cell::default(),
            queued: Cell::new(false),
            lost: Cell::default(),
            sender: RefCell::default(),
            closing: Cell::new(false),
            served: None,
        }
    }

    /// Goes through the handshake, in which the peer may send `bytes_max`, the `received` ones among them; the
    /// certificate that a server has chosen. After an error the alert that tells the peer why is on its way.
    pub(super) async fn handshake(&self, received: Chunk, bytes_max: usize) -> io::Result<Option<Chosen>> {
        self.session.borrow_mut().begin(&mut self.records.borrow_mut());
        let (mut count, mut next, mut chosen) = (0, Some(received), None);
        while self.session.borrow().state().is_handshaking() {
            if count > bytes_max {
                let text = format!("the TLS handshake takes more than {bytes_max} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            let chunk = match next.take().filter(|chunk| !chunk.is_empty()) {
                Some(chunk) => chunk,
                None => self.recv_handshake().await?,
            };
            count += chunk.len();
            let mut session = self.session.borrow_mut();
            session.receive(chunk, &mut self.records.borrow_mut());
            chosen = names::take_chosen().or(chosen);
            if let Some(failure) = session.failure() {
                self.flush();
                return Err(refused(failure.clone()));
            }
        }
        // An answer to what came with the end of the handshake takes the rest along.
        if !self.session.borrow().has_news() {
            self.flush();
        }
        Ok(chosen)
    }

    async fn recv_handshake(&self) -> io::Result<Chunk> {
        self.flush();
        let chunk = self.stream.recv().await?;
        match chunk.is_empty() {
            true => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection closed during the TLS handshake",
            )),
            false => Ok(chunk),
        }
    }

    pub(super) fn set_served(&mut self, served: Option<Served>) {
        self.served = served;
    }

    /// Whether a request for `authority` (a host, with or without a port) is not to be answered here (421, RFC 9110
    /// sections 7.4 and 15.5.20): the client asked TLS for another name; or for none, and that host asks clients for
    /// other certificates than this connection was let in with.
    pub fn is_misdirected(&self, authority: &str) -> bool {
        let host = match authority.rfind([':', ']']) {
            Some(at) if authority[at..].starts_with(':') => &authority[..at],
            _ => authority,
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        let Some(Served { identities, chosen }) = self.served.as_ref().filter(|_| !host.is_empty()) else {
            return false;
        };
        match &chosen.name {
            Some(name) => !name.eq_ignore_ascii_case(host),
            None => !identities.asks_the_same(chosen.identity, host),
        }
    }

    /// What both sides agreed on.
    pub fn info(&self) -> TlsInfo {
        let name = self.served.as_ref().and_then(|served| served.chosen.name.as_deref());
        TlsInfo::of(self.session.borrow().state(), name)
    }

    /// The protocol that both sides agreed on (RFC 7301).
    pub fn alpn(&self) -> Option<Vec<u8>> {
        self.session.borrow().state().alpn_protocol().map(<[u8]>::to_vec)
    }

    /// The stream below, for its addresses and options.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The next bytes; empty at the end of the stream, which is the peer's close_notify. Errors come after the
    /// bytes that were received before them.
    ///
    /// # Errors
    /// UnexpectedEof when the connection ends without one: what came may be cut off (RFC 8446 6.1).
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        loop {
            let news = self.session.borrow_mut().take();
            if let Some(news) = news {
                return Poll::Ready(news.map_err(refused));
            }
            self.poll_rest(cx);
            let chunk = ready!(self.stream.poll_recv(cx))?;
            if chunk.is_empty() {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the connection closed without a TLS close_notify",
                )));
            }
            let mut session = self.session.borrow_mut();
            session.receive(chunk, &mut self.records.borrow_mut());
            if session.failure().is_some() {
                // The alert.
                self.flush();
            }
        }
    }

    /// As [`poll_recv`](Self::poll_recv). Dropping the future loses no bytes.
    pub async fn recv(&self) -> io::Result<Chunk> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Whether bytes have arrived that no receive has taken: see [`Stream::has_unread`].
    pub fn has_unread(&self) -> bool {
        self.session.borrow().has_news() || self.stream.has_unread()
    }

    /// Begins to send all of `buffer` and returns; the send goes on by itself. Wait for the send before with
    /// [`poll_sent`](Self::poll_sent): what is not yet sent grows without a bound.
    pub fn start_send(&self, mut buffer: Vec<u8>) {
        let mut session = self.session.borrow_mut();
        session.seal(&buffer, &mut self.records.borrow_mut());
        if let Some(failure) = session.failure() {
            self.lost.set(Some(refused(failure.clone())));
        }
        buffer.clear();
        if buffer.capacity() <= SPARE_BYTES_MAX {
            self.spare.set(buffer);
        }
        self.queued.set(true);
        self.flush();
    }

    /// Gives the stream the records that wait, unless it sends.
    fn flush(&self) {
        if !self.stream.is_sending() {
            self.queued.set(false);
            let mut records = self.records.borrow_mut();
            if !records.is_empty() {
                self.stream.start_send(std::mem::take(&mut records));
            }
        }
    }

    /// Sees to it that records that wait leave, though nobody sends.
    fn poll_rest(&self, cx: &mut Context<'_>) {
        if self.records.borrow().is_empty() {
            return;
        }
        if self.stream.is_sending()
            && let Poll::Ready((Err(error), _)) = self.stream.poll_sent(cx)
        {
            self.lost.set(Some(error));
        }
        self.flush();
        if !self.stream.is_sending() || self.records.borrow().is_empty() {
            let sender = self.sender.borrow_mut().take();
            sender.into_iter().for_each(Waker::wake);
        }
    }

    /// Ready when all is sent: the result, once, and the last plaintext buffer, emptied for reuse.
    pub fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<(io::Result<()>, Vec<u8>)> {
        loop {
            let Poll::Ready((result, sent)) = self.stream.poll_sent(cx) else {
                if !self.records.borrow().is_empty() {
                    *self.sender.borrow_mut() = Some(cx.waker().clone());
                }
                return Poll::Pending;
            };
            let result = self.lost.take().map_or(result, Err);
            if result.is_err() {
                return Poll::Ready((result, self.spare.take()));
            }
            self.keep(sent);
            if self.records.borrow().is_empty() {
                return Poll::Ready((Ok(()), self.spare.take()));
            }
            self.flush();
        }
    }

    /// Keeps the memory of records that were sent.
    fn keep(&self, mut sent: Vec<u8>) {
        let mut records = self.records.borrow_mut();
        if records.capacity() < sent.capacity() && sent.capacity() <= KEPT_BYTES_MAX && records.is_empty() {
            sent.clear();
            *records = sent;
        }
    }

    /// Whether bytes are on their way.
    pub fn is_sending(&self) -> bool {
        self.stream.is_sending() || self.queued.get()
    }

    /// Whether our close_notify is written: see [`poll_shutdown`](Self::poll_shutdown).
    pub fn is_ended(&self) -> bool {
        self.closing.get()
    }

    /// Ends our direction: what was sent before, a close_notify, a FIN.
    pub fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closing.replace(true) {
            self.session.borrow_mut().end(&mut self.records.borrow_mut());
            self.flush();
        }
        ready!(self.poll_sent(cx)).0?;
        Poll::Ready(self.stream.shutdown(Shutdown::Write))
    }

    /// Closes after a handshake that failed, once the peer has the alert or its time is over.
    pub(super) async fn close_refused(self, bounds: &Linger) {
        let sent = poll_fn(|cx| self.stream.poll_sent(cx)).await.0;
        if sent.and_then(|()| self.stream.shutdown(Shutdown::Write)).is_ok() {
            let discard = |cx: &mut Context<'_>| self.stream.poll_recv(cx).map_ok(|chunk| chunk.len());
            self.stream.linger(bounds, bounds.ms_max, discard).await;
        }
        self.stream.close().await;
    }

    /// Stops new operations, cancels and joins those in flight, closes. What was not sent is lost.
    pub async fn close(self) {
        self.stream.close().await;
    }
}

/// The error of a stream for what TLS refuses.
pub(super) fn refused(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
