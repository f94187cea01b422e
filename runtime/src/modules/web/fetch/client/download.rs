//! The body of a response on its way to whoever reads it: a script, or a server's answer.
//!
//! Owns: the client's body and how it ends; of a body that a script has as a stream one chunk is taken
//! ahead, so that the stream fails when the network does and not when it is read. Must not know:
//! responses otherwise, who reads. Dropping it unread ends its connection, or its HTTP/2 stream.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use rquickjs::{Ctx, Result, Value};

use super::errors::{Failure, TERMINATED};
use super::rooted::Rooted;
use super::signals::Follow;
use crate::client::ResponseBody;
use crate::io;
use crate::js::engine::{Engine, State};
use crate::js::thrown::Thrown;
use crate::modules::web::abort;
use crate::modules::web::streams::bridge;
use crate::modules::web::streams::source::{ByteSource, Coding};

/// Why there is no more of it.
enum Broken {
    /// The call was aborted for this reason.
    Aborted(Rooted),
    Network(Failure),
}

/// A response's body.
pub(super) struct Download {
    /// Until its end.
    body: RefCell<Option<ResponseBody>>,
    /// Until its end: the signal that may abort it.
    follow: RefCell<Option<Follow>>,
    broken: RefCell<Option<(String, Broken)>>,
    /// Who waits for the next bytes.
    reader: Cell<Option<Waker>>,
    /// A task takes chunks, one ahead of the reader: only it asks the client.
    is_watched: Cell<bool>,
    /// That task.
    watcher: Cell<Option<Waker>>,
    ahead: RefCell<Option<Bytes>>,
    /// Bytes were taken from the client.
    begun: Cell<bool>,
    this: Weak<Download>,
    /// A WeakRef of the stream that a script has of it.
    stream: RefCell<Option<Rooted>>,
    coding: Option<Coding>,
}

impl Download {
    /// `coding`: what `body` is decoded from on its way, if it is.
    pub(super) fn new(body: ResponseBody, coding: Option<Coding>, follow: Option<Follow>) -> Rc<Self> {
        Rc::new_cyclic(|this| Download {
            body: RefCell::new(Some(body)),
            follow: RefCell::new(follow),
            broken: RefCell::default(),
            reader: Cell::default(),
            is_watched: Cell::new(false),
            watcher: Cell::default(),
            ahead: RefCell::default(),
            begun: Cell::new(false),
            this: this.clone(),
            stream: RefCell::default(),
            coding,
        })
    }

    /// The client has no more of it.
    fn end(&self) {
        self.body.take();
        self.follow.take();
    }

    fn is_over(&self) -> bool {
        self.body.borrow().is_none() && self.ahead.borrow().is_none()
    }

    /// The next bytes of the client.
    fn poll_client(&self, cx: &mut Context<'_>) -> Poll<Option<std::result::Result<Bytes, String>>> {
        let mut slot = self.body.borrow_mut();
        let Some(body) = &mut *slot else { return Poll::Ready(None) };
        let next = ready!(body.poll_chunk(cx));
        let over = match &next {
            Some(Ok(_)) => body.bytes_left() == Some(0),
            _ => true,
        };
        drop(slot);
        self.begun.set(true);
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

    /// Takes a chunk as soon as the one before is read; ready at the end, with whether it is a failure.
    fn poll_watch(&self, cx: &mut Context<'_>) -> Poll<bool> {
        if !self.is_watched.get() {
            return Poll::Ready(false);
        }
        self.watcher.set(Some(cx.waker().clone()));
        if self.ahead.borrow().is_some() {
            return Poll::Pending;
        }
        let next = ready!(self.poll_client(cx));
        let (more, failed) = (matches!(next, Some(Ok(_))), matches!(next, Some(Err(_))));
        if let Some(Ok(bytes)) = next {
            *self.ahead.borrow_mut() = Some(bytes);
        }
        if !more {
            self.is_watched.set(false);
        }
        wake(&self.reader);
        if more { Poll::Pending } else { Poll::Ready(failed) }
    }

    /// Ends the stream that a script has of it with what it failed with.
    fn fail_stream(&self, ctx: &Ctx<'_>) -> Result<()> {
        let weak = self.stream.borrow().as_ref().and_then(|weak| weak.get(ctx));
        let Some(weak) = weak else { return Ok(()) };
        match (abort::deref(&weak)?, self.failure(ctx)) {
            (Some(stream), Some(reason)) => bridge::fail(&stream, reason),
            _ => Ok(()),
        }
    }

    /// Whoever reads it gets `reason` (Fetch, "abort a fetch() call"), unless all of it has been read.
    pub(super) fn abort<'js>(&self, ctx: &Ctx<'js>, reason: &Value<'js>) -> Result<()> {
        if self.is_over() {
            return Ok(());
        }
        self.end();
        self.ahead.take();
        let text = Thrown::from_value(reason).text;
        *self.broken.borrow_mut() = Some((text, Broken::Aborted(Rooted::new(reason.clone()))));
        self.unwatch();
        wake(&self.reader);
        self.fail_stream(ctx)
    }

    fn unwatch(&self) {
        self.is_watched.set(false);
        wake(&self.watcher);
    }
}

fn wake(waker: &Cell<Option<Waker>>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.unwatch();
    }
}

/// Watches a body for as long as somebody has it.
async fn watch(body: Weak<Download>, engine: Weak<Engine>) {
    let failed = poll_fn(|cx| match body.upgrade() {
        Some(body) => body.poll_watch(cx),
        None => Poll::Ready(false),
    });
    if failed.await
        && let (Some(body), Some(engine)) = (body.upgrade(), engine.upgrade())
    {
        engine.turn(|ctx| {
            if body.fail_stream(ctx).is_err() {
                drop(ctx.catch());
            }
        });
    }
}

impl ByteSource for Download {
    fn poll_bytes(&self, cx: &mut Context<'_>) -> Poll<Option<std::result::Result<Bytes, String>>> {
        let ahead = self.ahead.borrow_mut().take();
        if let Some(bytes) = ahead {
            wake(&self.watcher);
            return Poll::Ready(Some(Ok(bytes)));
        }
        if let Some((text, _)) = &*self.broken.borrow() {
            return Poll::Ready(Some(Err(text.clone())));
        }
        let next = match self.is_watched.get() {
            true => Poll::Pending,
            false => self.poll_client(cx),
        };
        if next.is_pending() {
            self.reader.set(Some(cx.waker().clone()));
        }
        next
    }

    fn begin(&self) {
        self.unwatch();
    }

    fn cancel(&self) {
        self.end();
        self.ahead.take();
        self.unwatch();
        wake(&self.reader);
    }

    fn whole(&self) -> Option<Bytes> {
        let ended = self.body.borrow().as_ref().is_none_or(|body| body.bytes_left() == Some(0));
        (ended && self.ahead.borrow().is_none() && self.broken.borrow().is_none()).then(|| {
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
        if self.body.borrow().is_some() && !self.is_watched.replace(true) {
            drop(io::spawn(watch(self.this.clone(), State::of(stream.ctx()).engine())));
        }
        Ok(())
    }

    fn coding(&self) -> Option<Coding> {
        let is_decoded = || self.body.borrow().as_ref().is_some_and(ResponseBody::is_decoded);
        self.coding.clone().filter(|_| !self.begun.get() && is_decoded())
    }

    fn keep_coded(&self) {
        if let Some(body) = &mut *self.body.borrow_mut() {
            body.keep_coded();
        }
    }
}
