//! The body of a response on its way to whoever reads it: a script, or a server's answer.
//!
//! Owns: the client's body and how it ends. Must not know: responses otherwise, who reads. Dropping it
//! unread ends its connection (HTTP/1.1) or its stream (HTTP/2).

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use rquickjs::{Ctx, Result, Value};

use super::errors::{Failure, TERMINATED};
use super::rooted::Rooted;
use super::signals::Follow;
use crate::client::Body;
use crate::js::exception::Thrown;
use crate::modules::abort;
use crate::modules::streams::bridge;
use crate::modules::streams::source::{ByteSource, Coding};

/// Why there is no more of it.
enum Broken {
    /// The call was aborted for this reason.
    Aborted(Rooted),
    Network(Failure),
}

/// A response's body.
pub(super) struct Download {
    /// Until its end.
    body: RefCell<Option<Body>>,
    /// Until its end: the signal that may abort it.
    follow: RefCell<Option<Follow>>,
    broken: RefCell<Option<(String, Broken)>>,
    /// Who waits for the next bytes.
    reader: Cell<Option<Waker>>,
    /// A WeakRef of the stream that a script has of it.
    stream: RefCell<Option<Rooted>>,
    coding: Option<Coding>,
}

impl Download {
    /// `coding`: what `body` is decoded from on its way, if it is.
    pub(super) fn new(body: Body, coding: Option<Coding>, follow: Option<Follow>) -> Self {
        Download {
            body: RefCell::new(Some(body)),
            follow: RefCell::new(follow),
            broken: RefCell::default(),
            reader: Cell::default(),
            stream: RefCell::default(),
            coding,
        }
    }

    fn end(&self) {
        self.body.take();
        self.follow.take();
    }

    /// Whoever reads it gets `reason` (Fetch, "abort a fetch() call"), unless all of it has been read.
    pub(super) fn abort<'js>(&self, ctx: &Ctx<'js>, reason: &Value<'js>) -> Result<()> {
        if self.body.borrow().is_none() {
            return Ok(());
        }
        self.end();
        let text = Thrown::from_value(reason).text;
        *self.broken.borrow_mut() = Some((text, Broken::Aborted(Rooted::new(reason.clone()))));
        self.wake();
        let weak = self.stream.borrow().as_ref().and_then(|weak| weak.get(ctx));
        if let Some(weak) = weak
            && let Some(stream) = abort::deref(&weak)?
        {
            bridge::fail(&stream, reason.clone())?;
        }
        Ok(())
    }

    fn wake(&self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl ByteSource for Download {
    fn poll_bytes(&self, cx: &mut Context<'_>) -> Poll<Option<std::result::Result<Bytes, String>>> {
        if let Some((text, _)) = &*self.broken.borrow() {
            return Poll::Ready(Some(Err(text.clone())));
        }
        let mut slot = self.body.borrow_mut();
        let Some(body) = &mut *slot else { return Poll::Ready(None) };
        let next = match body.poll_chunk(cx) {
            Poll::Ready(next) => next,
            Poll::Pending => {
                self.reader.set(Some(cx.waker().clone()));
                return Poll::Pending;
            }
        };
        let over = match &next {
            Some(Ok(_)) => body.bytes_left() == Some(0),
            _ => true,
        };
        drop(slot);
        if over {
            self.end();
        }
        Poll::Ready(next.map(|next| {
            next.map_err(|error| {
                let failure = Failure::of(&error);
                let text = format!("{TERMINATED}: {}", failure.message);
                *self.broken.borrow_mut() = Some((text.clone(), Broken::Network(failure)));
                text
            })
        }))
    }

    fn cancel(&self) {
        self.end();
        self.wake();
    }

    fn whole(&self) -> Option<Bytes> {
        let ended = self.body.borrow().as_ref().is_none_or(|body| body.bytes_left() == Some(0));
        (ended && self.broken.borrow().is_none()).then(|| {
            self.end();
            Bytes::new()
        })
    }

    fn failure<'js>(&self, ctx: &Ctx<'js>) -> Option<Value<'js>> {
        match self.broken.borrow().as_ref().map(|(_, broken)| broken)? {
            Broken::Aborted(reason) => reason.get(ctx),
            Broken::Network(failure) => failure.value(ctx, TERMINATED).ok(),
        }
    }

    fn has_stream(&self, stream: &Value<'_>) -> Result<()> {
        // Weakly: a stream that nobody has any more is not kept by a signal.
        let weak = abort::weak(stream)?;
        *self.stream.borrow_mut() = Some(Rooted::new(weak));
        Ok(())
    }

    fn coding(&self) -> Option<Coding> {
        self.coding.clone().filter(|_| self.body.borrow().as_ref().is_some_and(Body::is_decoded))
    }

    fn keep_coded(&self) {
        if let Some(body) = &mut *self.body.borrow_mut() {
            body.keep_coded();
        }
    }
}
