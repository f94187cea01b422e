//! TLS over a [`Stream`], with the stream's own contract: receive chunks, send owned buffers.
//!
//! Owns: the stream and rustls's session over it, of either side. What the session has to say by
//! itself (alerts, key updates) leaves with the next send, or at once if none is in flight. Must
//! not know: HTTP, which certificates are good (the configuration says so).

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

use super::info::TlsInfo;
use crate::io::Stream;

/// A TLS connection. One task at a time receives, and one sends; they may be the same. Dropping it
/// closes the socket without a close_notify.
pub struct TlsStream {
    stream: Stream,
    session: RefCell<Connection>,
    /// Decrypted bytes that nobody has taken yet: at most those of one chunk.
    received: RefCell<Vec<u8>>,
    /// The last plaintext buffer, on its way back to the sender.
    spare: Cell<Vec<u8>>,
    /// The peer's close_notify has arrived.
    ended: Cell<bool>,
    /// Ours has been sent.
    closing: Cell<bool>,
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
        let session = ClientConnection::new(config, name).map_err(refused)?;
        Self::handshake(stream, session.into()).await
    }

    /// Answers a client's handshake. Errors as [`connect`](Self::connect).
    pub async fn accept(stream: Stream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let session = ServerConnection::new(config).map_err(refused)?;
        Self::handshake(stream, session.into()).await
    }

    async fn handshake(stream: Stream, mut session: Connection) -> io::Result<Self> {
        // Else a send would take only what the limit lets it.
        session.set_buffer_limit(None);
        let this = TlsStream {
            stream,
            session: RefCell::new(session),
            received: RefCell::default(),
            spare: Cell::default(),
            ended: Cell::new(false),
            closing: Cell::new(false),
        };
        loop {
            this.push();
            if !this.session.borrow().is_handshaking() {
                break;
            }
            let chunk = this.stream.recv().await?;
            if chunk.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the connection closed during the TLS handshake",
                ));
            }
            let fed = this.feed(&chunk);
            drop(chunk);
            if fed.is_err() {
                // The alert that tells the peer why.
                this.push();
            }
            fed?;
        }
        Ok(this)
    }

    /// The protocol that both sides agreed on (RFC 7301).
    pub fn alpn(&self) -> Option<Vec<u8>> {
        self.session.borrow().alpn_protocol().map(<[u8]>::to_vec)
    }

    /// What both sides agreed on.
    pub fn info(&self) -> TlsInfo {
        TlsInfo::of(&self.session.borrow())
    }

    /// Whether bytes have come that nobody has taken: records that are not read yet may be among them.
    pub fn has_unread(&self) -> bool {
        !self.received.borrow().is_empty() || self.stream.has_unread()
    }

    /// The stream below, for its addresses and options.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The next bytes; empty at the end of the stream, which is the peer's close_notify.
    ///
    /// # Errors
    /// UnexpectedEof when the connection ends without one: what came may be cut off (RFC 8446 6.1).
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        loop {
            let received = std::mem::take(&mut *self.received.borrow_mut());
            if !received.is_empty() || self.ended.get() {
                return Poll::Ready(Ok(received));
            }
            let chunk = ready!(self.stream.poll_recv(cx))?;
            if chunk.is_empty() {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the connection closed without a TLS close_notify",
                )));
            }
            let fed = self.feed(&chunk);
            drop(chunk);
            self.push();
            if let Err(error) = fed {
                self.received.borrow_mut().clear();
                return Poll::Ready(Err(error));
            }
        }
    }

    /// As [`poll_recv`](Self::poll_recv). Dropping the future loses no bytes.
    pub async fn recv(&self) -> io::Result<Vec<u8>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Decrypts what has arrived.
    fn feed(&self, mut bytes: &[u8]) -> io::Result<()> {
        let mut session = self.session.borrow_mut();
        while !bytes.is_empty() {
            if session.read_tls(&mut bytes)? == 0 {
                // Behind a close_notify nothing counts.
                break;
            }
            let state = session.process_new_packets().map_err(refused)?;
            let plain = state.plaintext_bytes_to_read();
            if plain > 0 {
                let mut received = self.received.borrow_mut();
                let start = received.len();
                received.resize(start + plain, 0);
                session.reader().read_exact(&mut received[start..])?;
            }
            if state.peer_has_closed() {
                self.ended.set(true);
            }
        }
        Ok(())
    }

    /// Begins to send all of `buffer` and returns. Wait for the send before with
    /// [`poll_sent`](Self::poll_sent): what is not yet sent grows without a bound.
    pub fn start_send(&self, mut buffer: Vec<u8>) {
        // A vector takes everything; a session that has failed says so to the receiver.
        let _ = self.session.borrow_mut().writer().write_all(&buffer);
        buffer.clear();
        self.spare.set(buffer);
        self.push();
    }

    /// Sends the session's records, unless a send is in flight: then they follow it.
    fn push(&self) {
        if !self.stream.is_sending() {
            self.push_into(Vec::new());
        }
    }

    fn push_into(&self, mut records: Vec<u8>) -> bool {
        let mut session = self.session.borrow_mut();
        records.clear();
        while session.wants_write() {
            if session.write_tls(&mut records).is_err() {
                break;
            }
        }
        let any = !records.is_empty();
        if any {
            self.stream.start_send(records);
        }
        any
    }

    /// Ready when all is sent: the result, once, and the last plaintext buffer, emptied for reuse.
    pub fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<(io::Result<()>, Vec<u8>)> {
        loop {
            let (result, records) = ready!(self.stream.poll_sent(cx));
            if result.is_err() || !self.push_into(records) {
                return Poll::Ready((result, self.spare.take()));
            }
        }
    }

    /// Whether bytes are on their way.
    pub fn is_sending(&self) -> bool {
        self.stream.is_sending() || self.session.borrow().wants_write()
    }

    /// Ends our direction: what was sent before, a close_notify, a FIN.
    pub fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closing.replace(true) {
            self.session.borrow_mut().send_close_notify();
            self.push();
        }
        ready!(self.poll_sent(cx)).0?;
        Poll::Ready(self.stream.shutdown(Shutdown::Write))
    }

    /// Stops new operations, cancels and joins those in flight, closes. What was not sent is lost.
    pub async fn close(self) {
        self.stream.close().await;
    }
}

fn refused(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
