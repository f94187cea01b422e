//! A response and its body, pulled piece by piece.
//!
//! Owns: the connection for as long as its body is not read to the end: then it goes back to the
//! pool; a body that is dropped before ends its connection (HTTP/1.1) or its stream (HTTP/2: RST_STREAM).
//! Must not know: who reads.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use url::Url;

use super::decode::Decoder;
use super::error::{Error, ErrorKind, Result};
use super::pool::Lease;
use super::request::Patience;

/// A response, as soon as its head is here.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The reason phrase; HTTP/2 has none.
    pub reason: Bytes,
    /// The headers as the server sent them: Content-Encoding and Content-Length speak of the body on
    /// the wire.
    pub headers: HeaderMap,
    /// HTTP/1.0, HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// Where it comes from: the request's URL, or the last one that a redirect led to.
    pub url: Url,
    /// Whether a redirect was followed.
    pub redirected: bool,
    /// The body.
    pub body: ResponseBody,
}

/// The body of a response.
pub struct ResponseBody {
    incoming: Option<Incoming>,
    lease: Option<Lease>,
    decoder: Option<Decoder>,
    patience: Rc<Patience>,
    /// Somebody waits: only then does time count. A slow reader is not a silent server.
    waiting: bool,
    host: Rc<str>,
}

impl ResponseBody {
    pub(super) fn new(
        incoming: Incoming,
        lease: Lease,
        decoder: Option<Decoder>,
        patience: Rc<Patience>,
        host: Rc<str>,
    ) -> Self {
        let (incoming, lease) = (Some(incoming), Some(lease));
        let mut body = ResponseBody { incoming, lease, decoder, patience, waiting: false, host };
        if body.incoming.as_ref().is_some_and(Incoming::is_end_stream) {
            body.ended();
        }
        body
    }

    /// The body is on this side: the connection is free.
    fn ended(&mut self) {
        self.incoming = None;
        if let Some(lease) = self.lease.take() {
            lease.release();
        }
    }

    /// Whether it is decoded on the way: then Content-Encoding and Content-Length are not its own.
    pub fn is_decoded(&self) -> bool {
        self.decoder.is_some()
    }

    /// Leaves the body coded as it is on the wire, to be passed on with the headers that came with it.
    /// To be called before the first piece is taken.
    pub fn keep_coded(&mut self) {
        self.decoder = None;
    }

    /// Bytes that are still to come, if the server said so and they are not decoded.
    pub fn bytes_left(&self) -> Option<u64> {
        match (&self.decoder, &self.incoming) {
            (Some(_), _) => None,
            (None, None) => Some(0),
            (None, Some(incoming)) => incoming.size_hint().exact(),
        }
    }

    /// The next bytes, never empty; `None` at the end. Nothing is read ahead of the caller beyond
    /// the connection's buffers.
    ///
    /// # Errors
    /// The connection ended before the body, nothing came for too long, or it cannot be decoded.
    /// After an error there is nothing more.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let next = ready!(self.poll_next(cx));
        if matches!(next, Some(Err(_))) {
            self.incoming = None;
            self.decoder = None;
            self.lease = None;
        }
        Poll::Ready(next)
    }

    /// As [`poll_chunk`](Self::poll_chunk). Dropping the future loses nothing.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await.transpose()
    }

    /// All that is left, in one piece of at most `bytes_max`.
    ///
    /// # Errors
    /// As [`poll_chunk`](Self::poll_chunk), and [`ErrorKind::TooLarge`].
    pub async fn collect(&mut self, bytes_max: usize) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if chunk.len() > bytes_max - all.len() {
                self.incoming = None;
                self.lease = None;
                let message = format!("the response's body has more than {bytes_max} bytes");
                return Err(Error::new(ErrorKind::TooLarge, message));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            if let Some(decoder) = &mut self.decoder {
                match decoder.next() {
                    Ok(Some(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                    Ok(None) => {}
                    Err(words) => {
                        let message = format!("the response of {} cannot be decoded: {words}", self.host);
                        return Poll::Ready(Some(Err(Error::new(ErrorKind::Decode, message))));
                    }
                }
            }
            match (&mut self.decoder, &self.incoming) {
                (Some(decoder), None) if !decoder.is_complete() => {
                    decoder.finish();
                    continue;
                }
                (_, None) => return Poll::Ready(None),
                _ => {}
            }
            let wire = ready!(self.poll_wire(cx));
            match (wire, &mut self.decoder) {
                (Some(Ok(bytes)), Some(decoder)) => decoder.feed(bytes),
                (None, Some(_)) => {}
                (wire, _) => return Poll::Ready(wire),
            }
        }
    }

    /// The next bytes as they are on the wire.
    fn poll_wire(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        while let Some(incoming) = &mut self.incoming {
            let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) else {
                if !std::mem::replace(&mut self.waiting, true) {
                    self.patience.renew();
                }
                ready!(self.patience.poll_over(cx));
                let message = format!("{} sent nothing for {} ms", self.host, self.patience.ms_max());
                return Poll::Ready(Some(Err(Error::new(ErrorKind::Timeout, message))));
            };
            self.waiting = false;
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => {
                        if self.incoming.as_ref().is_some_and(Incoming::is_end_stream) {
                            self.ended();
                        }
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                    // Trailers, which nobody has asked for; empty frames.
                    _ => {}
                },
                Some(Err(error)) => {
                    return Poll::Ready(Some(Err(self.patience.explain(error, &self.host))));
                }
                None => self.ended(),
            }
        }
        Poll::Ready(None)
    }
}
