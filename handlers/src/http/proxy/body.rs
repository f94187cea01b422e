//! Bodies on their way through: a request's to a server, an answer's to the client.
//!
//! Owns: that a request's body which was begun is not sent twice. Must not know: fields, who is asked.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll};

use bytes::Bytes;
use runtime::app::fetch::{ByteSource, Head, IncomingBody, Pieces};
use runtime::log::{self, Kind};
use runtime::upstream::{UpstreamBody, UpstreamSource};

/// The body of a request.
pub struct RequestSource {
    pieces: Pieces,
    /// Its bytes, where the client has said how many.
    pub length: Option<u64>,
    is_taken: Cell<bool>,
}

impl RequestSource {
    /// That of the request with `head`.
    pub fn new(body: IncomingBody, head: &dyn Head) -> RequestSource {
        let mut length = None;
        head.fields(&mut |name, value| {
            if name.eq_ignore_ascii_case(b"content-length") {
                length = length.or_else(|| std::str::from_utf8(value).ok()?.trim().parse().ok());
            }
        });
        RequestSource { pieces: Pieces::of(body), length, is_taken: Cell::new(false) }
    }

    /// Whether some of it has gone.
    pub fn is_taken(&self) -> bool {
        self.is_taken.get()
    }
}

impl UpstreamSource for RequestSource {
    fn poll_chunk(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        let next = self.pieces.poll_bytes(cx);
        if next.is_ready() {
            self.is_taken.set(true);
        }
        next
    }
}

/// The body of an answer.
pub struct AnswerSource {
    body: RefCell<Option<Box<dyn UpstreamBody>>>,
    /// Whose it is.
    name: String,
}

impl AnswerSource {
    /// That of the server `name`.
    pub fn new(body: Box<dyn UpstreamBody>, name: &str) -> AnswerSource {
        AnswerSource { body: RefCell::new(Some(body)), name: name.to_owned() }
    }
}

impl ByteSource for AnswerSource {
    fn poll_bytes(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        let mut body = self.body.borrow_mut();
        let Some(open) = body.as_mut() else { return Poll::Ready(None) };
        let next = open.poll_chunk(cx);
        match &next {
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
            Poll::Ready(None) => *body = None,
            Poll::Ready(Some(Err(text))) => {
                if let Some(more) = log::admits_limit(Kind::Upstream) {
                    tracing::error!("{}: its answer broke off: {text}{more}", self.name);
                }
                *body = None;
            }
        }
        next
    }

    fn cancel(&self) {
        *self.body.borrow_mut() = None;
    }

    fn bounds_silence(&self) -> bool {
        true
    }
}
