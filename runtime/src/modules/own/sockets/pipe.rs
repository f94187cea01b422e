//! A connection as an end of a pipe: its bytes go to native sinks, and come from native sources, without
//! JavaScript.
//!
//! Owns: the waiting of either end, which the limits on time count as they count a read's and a write's.
//! Must not know: what is at the pipe's other end, what follows from an end.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use rquickjs::{Ctx, Value};

use super::failure::{ConnectionError, Throw};
use crate::io::WaitingRecv;
use crate::js::exception;
use crate::modules::web::streams::pipe::ByteSink;
use crate::modules::web::streams::source::ByteSource;
use crate::net::link::{EndWaiter, Link};
use crate::net::{QueuedSend, RECV_BYTES};

/// What both ends have.
struct PipeEnd {
    link: Rc<Link>,
    place: EndWaiter<Rc<Link>>,
    failure: RefCell<Option<ConnectionError>>,
    waits: Cell<bool>,
}

impl PipeEnd {
    fn new(link: Rc<Link>) -> PipeEnd {
        let place = EndWaiter::new(link.clone());
        PipeEnd { link, place, failure: RefCell::default(), waits: Cell::new(false) }
    }

    /// Keeps why it failed, for scripts.
    fn failed(&self, failure: ConnectionError) -> String {
        let words = failure.message.clone();
        self.failure.replace(Some(failure));
        words
    }

    fn reason<'js>(&self, ctx: &Ctx<'js>) -> Option<Value<'js>> {
        let failure = self.failure.borrow().clone()?;
        exception::raise(ctx, &failure.throw(ctx));
        Some(ctx.catch())
    }
}

/// What a connection receives.
pub(super) struct Feed {
    end: PipeEnd,
    waiting: RefCell<Option<WaitingRecv>>,
}

impl Feed {
    pub(super) fn new(link: Rc<Link>) -> Feed {
        Feed { end: PipeEnd::new(link), waiting: RefCell::default() }
    }

    fn set_waits(&self, waits: bool) {
        if self.end.waits.replace(waits) != waits {
            self.end.link.flow.set_reading(waits);
        }
    }
}

impl ByteSource for Feed {
    fn poll_bytes(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        self.poll_lend(cx, &mut |_| 0)
    }

    fn poll_lend(
        &self,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(&[u8]) -> usize,
    ) -> Poll<Option<Result<Bytes, String>>> {
        let polled =
            self.end.link.poll_lend(&mut self.waiting.borrow_mut(), RECV_BYTES, &self.end.place, cx, take);
        self.set_waits(polled.is_pending());
        polled.map(|result| match result {
            Ok((0, _)) => None,
            Ok((_, rest)) => Some(Ok(rest)),
            Err(failure) => Some(Err(self.end.failed(failure))),
        })
    }

    fn cancel(&self) {
        self.end.link.stop_reading();
    }

    fn failure<'js>(&self, ctx: &Ctx<'js>) -> Option<Value<'js>> {
        self.end.reason(ctx)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.set_waits(false);
    }
}

/// What a connection sends.
pub(super) struct Drain {
    end: PipeEnd,
    waiting: RefCell<QueuedSend>,
}

impl Drain {
    pub(super) fn new(link: Rc<Link>) -> Drain {
        Drain { end: PipeEnd::new(link), waiting: RefCell::default() }
    }

    fn set_waits(&self, waits: bool) {
        if self.end.waits.replace(waits) != waits {
            self.end.link.flow.set_writing(waits);
        }
    }
}

impl ByteSink for Drain {
    fn send_now(&self, bytes: &[u8]) -> Result<usize, String> {
        self.end.link.write_now(bytes).map_err(|failure| self.end.failed(failure))
    }

    fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, String>> {
        let polled = self.end.link.poll_send(&mut self.waiting.borrow_mut(), &self.end.place, bytes, cx);
        // What is taken in part waits on, from now.
        let waits = !matches!(&polled, Poll::Ready(Ok(sent)) if *sent == bytes.len());
        if polled.is_pending() || self.end.waits.get() {
            self.set_waits(waits);
        }
        polled.map_err(|failure| self.end.failed(failure))
    }

    fn failure<'js>(&self, ctx: &Ctx<'js>) -> Option<Value<'js>> {
        self.end.reason(ctx)
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.set_waits(false);
    }
}
