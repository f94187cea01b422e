//! The reads of a connection: at once where bytes are there, else by one task for all of them.
//!
//! Owns: what waits, and keeps the socket's object and the script alive meanwhile; the call of `socket.js` when it
//! ends. Bytes go from the socket into the chunk itself. Must not know: streams, what becomes of a chunk.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};

use rquickjs::{Ctx, Error, Result, Value};
use slab::Slab;

use super::Handle;
use super::failure::{ConnectionError, Throw};
use crate::io::{WaitingRecv, budget, spawn};
use crate::js::alive::Hold;
use crate::js::engine::{Engine, State};
use crate::js::held::{self, Held, Tracer};
use crate::js::{class, exception, promise, value};
use crate::net::RECV_BYTES;
use crate::net::link::{EndWaiter, Link};

/// The handles that reads wait on, kept in the engine so that none outlives it.
#[derive(Default)]
struct Waiting(RefCell<Slab<Held>>);

/// The two functions of `socket.js` that hear how a read that waited has ended.
struct Heard {
    arrived: Held,
    failed: Held,
}

/// The reads of one handle.
#[derive(Default)]
pub(super) struct Reads {
    heard: RefCell<Option<Heard>>,
    reader: RefCell<Option<Rc<LinkReader>>>,
    /// Why a read for which nobody waits has failed: the next one hears of it.
    failure: RefCell<Option<ConnectionError>>,
}

/// One link's reader.
struct LinkReader {
    link: Rc<Link>,
    place: EndWaiter<Rc<Link>>,
    receive: RefCell<Option<WaitingRecv>>,
    engine: Weak<Engine>,
    /// The read that waits.
    wait: RefCell<Option<Wait>>,
    /// Its task's; none before that first ran.
    waker: RefCell<Option<Waker>>,
    /// Nobody is left to read.
    ended: Cell<bool>,
}

/// A read that waits.
struct Wait {
    room: usize,
    /// Its handle in [`Waiting`].
    key: usize,
    _hold: Hold,
}

impl Reads {
    /// From now on `arrived` is called with what a read that waited has got, null at the end, or `failed` with why
    /// there is nothing.
    pub(super) fn set_heard(&self, arrived: Value<'_>, failed: Value<'_>) {
        let heard = Heard { arrived: Held::new(arrived), failed: Held::new(failed) };
        drop(self.heard.replace(Some(heard)));
    }

    pub(super) fn trace(&self, tracer: &Tracer) {
        if let Some(heard) = &*self.heard.borrow() {
            tracer.mark(&heard.arrived);
            tracer.mark(&heard.failed);
        }
    }

    /// The next bytes if they are there and `quick`, null at the end; `undefined`: who [`set_heard`] named hears
    /// of them. `object` is the handle. One read at a time.
    ///
    /// [`set_heard`]: Reads::set_heard
    ///
    /// # Errors
    /// Why the connection has failed; out of memory.
    pub(super) fn read<'js>(
        &self,
        ctx: &Ctx<'js>,
        object: &Value<'js>,
        link: &Rc<Link>,
        room: usize,
        quick: bool,
    ) -> Result<Value<'js>> {
        let failure = self.failure.take();
        if let Some(failure) = failure {
            return Err(failure.throw(ctx));
        }
        match self.poll(ctx, object, link, room, quick) {
            Poll::Ready(Ok(chunk)) => chunk,
            Poll::Ready(Err(failure)) => Err(failure.throw(ctx)),
            Poll::Pending => Ok(Value::new_undefined(ctx.clone())),
        }
    }

    /// The next bytes if they are there and `quick`; `Some(None)` at the end and where there are none for ever, of which
    /// the next [`read`](Reads::read) hears; `None` where they are told of as there.
    pub(super) fn chunk<'js>(
        &self,
        ctx: &Ctx<'js>,
        object: &Value<'js>,
        link: &Rc<Link>,
        quick: bool,
    ) -> Option<Result<Option<Value<'js>>>> {
        match self.poll(ctx, object, link, RECV_BYTES, quick) {
            Poll::Ready(Ok(chunk)) => Some(chunk.map(|chunk| (!chunk.is_null()).then_some(chunk))),
            Poll::Ready(Err(failure)) => {
                drop(self.failure.replace(Some(failure)));
                Some(Ok(None))
            }
            Poll::Pending => None,
        }
    }

    fn poll<'js>(
        &self,
        ctx: &Ctx<'js>,
        object: &Value<'js>,
        link: &Rc<Link>,
        room: usize,
        quick: bool,
    ) -> Poll<std::result::Result<Result<Value<'js>>, ConnectionError>> {
        let reader = self.reader.borrow_mut().get_or_insert_with(|| LinkReader::new(ctx, link)).clone();
        let waker = reader.waker.borrow().clone();
        if quick && let Poll::Ready(next) = reader.poll(ctx, room, waker.as_ref().unwrap_or(Waker::noop())) {
            return Poll::Ready(next);
        }
        reader.begin(ctx, object, room);
        match waker {
            None => drop(spawn(attend(reader))),
            Some(waker) if !quick => waker.wake(),
            Some(_) => {}
        }
        Poll::Pending
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.ended.set(true);
            let waker = reader.waker.take();
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl LinkReader {
    fn new(ctx: &Ctx<'_>, link: &Rc<Link>) -> Rc<LinkReader> {
        Rc::new(LinkReader {
            link: link.clone(),
            place: EndWaiter::new(link.clone()),
            receive: RefCell::default(),
            engine: State::of(ctx).engine(),
            wait: RefCell::default(),
            waker: RefCell::default(),
            ended: Cell::new(false),
        })
    }

    /// The next bytes as a Uint8Array, null at the end.
    fn poll<'js>(
        &self,
        ctx: &Ctx<'js>,
        room: usize,
        waker: &Waker,
    ) -> Poll<std::result::Result<Result<Value<'js>>, ConnectionError>> {
        let mut chunk = Ok(Value::new_null(ctx.clone()));
        let cx = &mut Context::from_waker(waker);
        let ended = ready!(self.link.poll_lend(
            &mut self.receive.borrow_mut(),
            room,
            &self.place,
            cx,
            &mut |bytes| {
                chunk = value::uint8_array(ctx, bytes);
                bytes.len()
            },
        ));
        // It gives its place up, for who reads otherwise.
        drop(self.receive.take());
        Poll::Ready(ended.map(|_| chunk))
    }

    fn begin<'js>(&self, ctx: &Ctx<'js>, object: &Value<'js>, room: usize) {
        let state = State::of(ctx);
        let key = state.extension::<Waiting>().0.borrow_mut().insert(Held::new(object.clone()));
        self.link.flow.set_reading(true);
        drop(self.wait.replace(Some(Wait { room, key, _hold: state.alive().hold() })));
    }

    /// Tries the read that waits, and tells of it if that ends it.
    fn attempt(&self, ctx: &Ctx<'_>, waker: &Waker) {
        let Some(room) = self.wait.borrow().as_ref().map(|wait| wait.room) else { return };
        let Poll::Ready(next) = self.poll(ctx, room, waker) else { return };
        let Some(wait) = self.wait.take() else { return };
        self.link.flow.set_reading(false);
        let kept = State::of(ctx).extension::<Waiting>().0.borrow_mut().try_remove(wait.key);
        let Some(object) = kept.map(|held| held.get(ctx)) else { return };
        let Some(handle) = class::get::<Handle>(&object) else { return };
        let result = match next {
            Ok(Ok(chunk)) if !chunk.is_null() => match handle.fast.give(ctx, chunk) {
                Some(chunk) => Ok(chunk),
                None => return,
            },
            Ok(result) => result,
            Err(failure) => Err(failure.throw(ctx)),
        };
        if let Some(heard) = &*handle.reads.heard.borrow() {
            heard.tell(ctx, result);
        }
    }
}

impl Heard {
    fn tell<'js>(&self, ctx: &Ctx<'js>, result: Result<Value<'js>>) {
        let (function, value) = match result {
            Ok(value) => (&self.arrived, value),
            Err(error) => {
                exception::raise(ctx, &error);
                (&self.failed, ctx.catch())
            }
        };
        if let Err(error) = held::call(ctx, function, None, &[value]) {
            // Nobody handles it: it is reported.
            drop(promise::reject_on_error(ctx, Err::<Value, Error>(error)));
        }
    }
}

/// Tries the read that waits whenever it may be, a turn of the engine each, until nobody is left to read.
async fn attend(reader: Rc<LinkReader>) {
    poll_fn(|cx| {
        if reader.ended.get() {
            return Poll::Ready(());
        }
        if !reader.waker.borrow().as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            drop(reader.waker.replace(Some(cx.waker().clone())));
        }
        if reader.wait.borrow().is_none() {
            return Poll::Pending;
        }
        ready!(budget::poll_left(cx));
        let Some(engine) = reader.engine.upgrade() else { return Poll::Ready(()) };
        engine.turn(|ctx| reader.attempt(ctx, cx.waker()));
        Poll::Pending
    })
    .await
}
