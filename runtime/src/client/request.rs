//! What is asked for: method, URL, headers, body, and how redirects are taken.
//!
//! Owns: [`Request`] and the ways to give it a body, independent of JavaScript. Must not know:
//! connections.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body::{Body, Frame, SizeHint};
use url::Url;

use crate::io::{Deadline, budget};
use crate::permissions::Permissions;

use super::error::{BodyFailed, BoxError, Error, ErrorKind};

/// What to do with a redirect (Fetch standard, "redirect mode").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redirect {
    /// Go where it leads, at most [`redirects_max`](super::ClientOptions::redirects_max) times.
    #[default]
    Follow,
    /// Give it to the caller as the response.
    Manual,
    /// Fail.
    Error,
}

/// Produces a request's body piece by piece; asked for the next one when the connection has room.
pub trait BodySource {
    /// The next bytes, which may be empty; `None` at the end.
    fn poll_chunk(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>>;
}

/// The body of a request.
#[derive(Default)]
pub enum RequestBody {
    /// None. POST and PUT then announce a length of zero.
    #[default]
    Empty,
    /// In memory, one after another, none of them empty: can be sent again, after a redirect or on a
    /// fresh connection.
    Bytes(Rc<[Bytes]>),
    /// From a source, once. Without a length HTTP/1.1 sends it chunked.
    Stream {
        /// Where it comes from.
        source: Pin<Box<dyn BodySource>>,
        /// Its bytes in all; a source that yields more or fewer fails the request.
        bytes: Option<u64>,
    },
}

impl RequestBody {
    /// One that is in memory in one place.
    pub fn of(bytes: Bytes) -> RequestBody {
        RequestBody::Bytes((!bytes.is_empty()).then_some(bytes).into_iter().collect())
    }

    /// A copy, if it can be sent twice.
    pub(super) fn again(&self) -> Option<RequestBody> {
        match self {
            RequestBody::Empty => Some(RequestBody::Empty),
            RequestBody::Bytes(bytes) => Some(RequestBody::Bytes(bytes.clone())),
            RequestBody::Stream { .. } => None,
        }
    }
}

/// A request. Headers that belong to the connection (Content-Length, Transfer-Encoding, Connection,
/// ...) are the client's own; Host, User-Agent, Accept and Accept-Encoding are set when absent.
pub struct Request {
    /// The method, sent as it is.
    pub method: Method,
    /// http: or https:. Its user and password become an Authorization header.
    pub url: Url,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: RequestBody,
    /// What to do with redirects.
    pub redirect: Redirect,
    /// Ask for a compressed body, and decode it.
    pub decode: bool,
    /// Keep from what the Fetch standard forbids beyond HTTP: the ports of other protocols, and
    /// a redirect to another origin whose URL has a user or password.
    pub guarded: bool,
    /// Fail where a redirect leads to another origin.
    pub same_origin: bool,
    /// Path and query as they are sent, instead of the URL's.
    pub target: Option<String>,
    /// It is passed on for somebody else: no fields are added that it has not.
    pub bare: bool,
    /// What it may reach, redirects included; none: everything.
    pub permissions: Option<Arc<Permissions>>,
}

impl Request {
    /// A request without headers and body that follows redirects and decodes.
    pub fn new(method: Method, url: Url) -> Self {
        Request {
            method,
            url,
            headers: HeaderMap::new(),
            body: RequestBody::Empty,
            redirect: Redirect::Follow,
            decode: true,
            guarded: false,
            same_origin: false,
            target: None,
            bare: false,
            permissions: None,
        }
    }
}

/// A request's body as hyper takes it.
pub(super) struct Outgoing {
    body: RequestBody,
    sent_bytes: u64,
    /// Of a body in memory.
    sent_pieces: usize,
    /// A source has ended.
    ended: bool,
    /// Put off with each piece that the connection takes: a slow upload is not a silent server.
    patience: Rc<Patience>,
}

/// What both halves of an exchange know: how long the server may say nothing, and what the request's
/// body has failed with.
pub(super) struct Patience {
    deadline: Deadline,
    ms_max: Cell<u64>,
    /// HTTP/2 tells of a stream that was reset, and not why.
    body_failed: RefCell<Option<String>>,
}

impl Patience {
    pub(super) fn new(ms_max: u64) -> Rc<Self> {
        let (deadline, ms_max) = (Deadline::new(), Cell::new(ms_max));
        let patience = Rc::new(Patience { deadline, ms_max, body_failed: RefCell::default() });
        patience.renew();
        patience
    }

    pub(super) fn renew(&self) {
        self.deadline.set(self.ms_max.get());
    }

    /// From now on `ms_max`.
    pub(super) fn change(&self, ms_max: u64) {
        self.ms_max.set(ms_max);
        self.renew();
    }

    pub(super) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.deadline.poll_expired(cx)
    }

    /// What hyper reports while it speaks with `host`.
    pub(super) fn explain(&self, error: hyper::Error, host: &str) -> Error {
        match self.body_failed.take() {
            Some(text) => Error::new(ErrorKind::RequestBody, text),
            None => Error::of_hyper(error, host),
        }
    }

    pub(super) fn ms_max(&self) -> u64 {
        self.ms_max.get()
    }
}

impl Outgoing {
    pub(super) fn new(body: RequestBody, patience: Rc<Patience>) -> Self {
        Outgoing { body, sent_bytes: 0, sent_pieces: 0, ended: false, patience }
    }

    pub(super) fn into_body(self) -> RequestBody {
        self.body
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFailed>>> {
        let RequestBody::Stream { source, bytes } = &mut self.body else { return Poll::Ready(None) };
        loop {
            ready!(budget::poll_left(cx));
            let chunk = match ready!(source.as_mut().poll_chunk(cx)) {
                Some(Ok(chunk)) if chunk.is_empty() => {
                    budget::spend(0);
                    continue;
                }
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => return Poll::Ready(Some(Err(BodyFailed(error.to_string())))),
                None => {
                    self.ended = true;
                    let short = bytes.is_some_and(|bytes| self.sent_bytes < bytes);
                    let error = "the request's body ended before its announced length";
                    return Poll::Ready(short.then(|| Err(BodyFailed(error.into()))));
                }
            };
            self.sent_bytes += chunk.len() as u64;
            if bytes.is_some_and(|bytes| self.sent_bytes > bytes) {
                let error = "the request's body is longer than its announced length";
                return Poll::Ready(Some(Err(BodyFailed(error.into()))));
            }
            return Poll::Ready(Some(Ok(chunk)));
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyFailed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        let this = &mut *self;
        match &mut this.body {
            RequestBody::Bytes(pieces) => {
                this.patience.renew();
                let piece = pieces.get(this.sent_pieces).cloned();
                this.sent_pieces += 1;
                Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
            }
            _ => this.poll_source(cx).map(|chunk| {
                this.patience.renew();
                if let Some(Err(failed)) = &chunk {
                    *this.patience.body_failed.borrow_mut() = Some(failed.0.clone());
                }
                chunk.map(|chunk| chunk.map(Frame::data))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            RequestBody::Empty => true,
            RequestBody::Bytes(pieces) => self.sent_pieces >= pieces.len(),
            RequestBody::Stream { .. } => self.ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            RequestBody::Empty => SizeHint::with_exact(0),
            RequestBody::Bytes(pieces) => {
                let left = pieces.iter().skip(self.sent_pieces);
                SizeHint::with_exact(left.map(|piece| piece.len() as u64).sum())
            }
            RequestBody::Stream { bytes: Some(bytes), .. } => {
                SizeHint::with_exact(bytes - self.sent_bytes.min(*bytes))
            }
            RequestBody::Stream { bytes: None, .. } => SizeHint::default(),
        }
    }
}
