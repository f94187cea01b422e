//! Bytes from a native source to a native sink, without JavaScript: what `pipe.js` has done where both
//! ends of a pipe are native.
//!
//! Owns: [`ByteSink`], the task that moves the bytes and what it holds of them; it reads nothing while
//! the sink takes nothing. Must not know: streams, whose bytes they are, what follows from their end.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use rquickjs::{Ctx, Error, Object, Result, Value};

use super::source::{self, ByteSource, Source};
use crate::io::{self, budget};
use crate::js::charge::Charge;
use crate::js::class::{self, Class, Member, Scope, Static};
use crate::js::class_id;
use crate::js::deferred;
use crate::js::engine::{Engine, State};
use crate::js::exception;
use crate::js::function::Functions;
use crate::js::natives::Natives;

/// Where bytes go. One writer at a time. After an error, which is for the script's message, it takes no more.
pub trait ByteSink {
    /// Sends what goes at once: how many bytes, maybe none.
    ///
    /// # Errors
    /// It is broken.
    fn send_now(&self, bytes: &[u8]) -> std::result::Result<usize, String>;

    /// Sends some of `bytes`: how many. Where it has to wait, the next call has the same bytes.
    fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::result::Result<usize, String>>;

    /// What scripts get for the error; without it a TypeError with its message.
    fn failure<'js>(&self, _ctx: &Ctx<'js>) -> Option<Value<'js>> {
        None
    }
}

/// A sink as `pipe.js` holds it.
pub struct Drain(pub(super) Rc<dyn ByteSink>);

impl class_id::Of for class_id::StreamDrain {
    type Class = Drain;
}

impl Class for Drain {
    type Id = class_id::StreamDrain;
    const NAME: &'static CStr = c"ByteDrain";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[];
}

/// How a passage ended; who has failed knows why.
enum End {
    /// The source had no more, and all of it is sent.
    Ended,
    /// It was stopped, and what it held is sent.
    Stopped,
    SourceFailed(Rc<dyn ByteSource>, String),
    SinkFailed(Rc<dyn ByteSink>, String),
    /// The heap's limit leaves no room for what the sink does not take.
    NoRoom,
}

/// By what `pipe.js` stops a passage.
#[derive(Default)]
struct Brake {
    is_set: Cell<bool>,
    /// Something has been read and not been taken.
    holds: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Brake {
    /// Nothing more is read. Whether something is held, which still goes out.
    fn set(&self) -> bool {
        self.is_set.set(true);
        let waker = self.waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
        self.holds.get()
    }

    fn wait(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }
}

/// Bytes on their way.
struct Moving {
    source: Rc<dyn ByteSource>,
    sink: Rc<dyn ByteSink>,
    brake: Rc<Brake>,
    held: Bytes,
    charge: Charge,
    engine: Weak<Engine>,
}

impl Moving {
    async fn run(mut self) -> End {
        poll_fn(|cx| {
            let polled = self.poll(cx);
            if polled.is_pending() {
                self.brake.wait(cx);
            }
            polled
        })
        .await
    }

    /// Moves what goes within the task's budget.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            ready!(budget::poll_left(cx));
            if let Err(message) = ready!(self.poll_held(cx)) {
                return Poll::Ready(End::SinkFailed(self.sink.clone(), message));
            }
            if self.brake.is_set.get() {
                return Poll::Ready(End::Stopped);
            }
            let mut broken = None;
            let next = self.source.poll_lend(cx, &mut |bytes| {
                self.sink.send_now(bytes).unwrap_or_else(|message| {
                    broken = Some(message);
                    bytes.len()
                })
            });
            let next = ready!(next);
            if let Some(message) = broken {
                return Poll::Ready(End::SinkFailed(self.sink.clone(), message));
            }
            match next {
                None => return Poll::Ready(End::Ended),
                Some(Err(message)) => return Poll::Ready(End::SourceFailed(self.source.clone(), message)),
                Some(Ok(rest)) => {
                    if !self.hold(rest) {
                        return Poll::Ready(End::NoRoom);
                    }
                }
            }
        }
    }

    /// Sends what was not taken before.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<std::result::Result<(), String>> {
        while !self.held.is_empty() {
            match ready!(self.sink.poll_send(cx, &self.held)) {
                Ok(sent) => self.held.advance(sent),
                Err(message) => return Poll::Ready(Err(message)),
            }
            if self.held.is_empty() {
                self.hold(Bytes::new());
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Keeps what the sink does not take yet, if there is room.
    fn hold(&mut self, rest: Bytes) -> bool {
        if rest.is_empty() && !self.brake.holds.get() {
            return true;
        }
        let Some(engine) = self.engine.upgrade() else { return false };
        let size = rest.len();
        // Garbage is collected inside of a turn only.
        let has_room = self.charge.try_set(engine.state(), size)
            || engine.turn(|ctx| self.charge.set(ctx, size).is_ok());
        if has_room {
            self.brake.holds.set(size > 0);
            self.held = rest;
        }
        has_room
    }
}

impl End {
    /// What `pipe.js` hears of it; it knows the numbers.
    fn outcome<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let (how, error) = match self {
            End::Ended => (0, None),
            End::Stopped => (1, None),
            End::SourceFailed(source, message) => (2, Some(source::failed(ctx, &**source, message))),
            End::SinkFailed(sink, message) => (3, Some(sink_failed(ctx, &**sink, message))),
            End::NoRoom => return Err(Error::Allocation),
        };
        let reason = error.map(|error| {
            exception::raise(ctx, &error);
            ctx.catch()
        });
        let object = Object::new(ctx.clone())?;
        object.set_prototype(None)?;
        object.set("how", how)?;
        object.set("error", reason)?;
        Ok(object.into_value())
    }
}

fn sink_failed(ctx: &Ctx<'_>, sink: &dyn ByteSink, message: &str) -> Error {
    match sink.failure(ctx) {
        Some(reason) => ctx.throw(reason),
        None => exception::type_error(ctx, message),
    }
}

/// A passage as `pipe.js` holds it.
pub struct Passage(Rc<Brake>);

impl class_id::Of for class_id::StreamPassage {
    type Class = Passage;
}

impl Class for Passage {
    type Id = class_id::StreamPassage;
    const NAME: &'static CStr = c"BytePassage";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[];
}

/// `jsserve:internal/streams/passages`.
pub struct PassageFunctions;

impl Natives for PassageFunctions {
    fn prepare(ctx: &Ctx<'_>) -> Result<()> {
        class::register::<Drain>(ctx)?;
        class::register::<Passage>(ctx)
    }
}

impl Functions for PassageFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"beginPassage", 2, pass),
        (c"stopPassage", 1, |scope| {
            let held = class::get::<Passage>(&scope.arg(0)).is_some_and(|passage| passage.0.set());
            Ok(Value::new_bool(scope.ctx.clone(), held))
        }),
    ];
}

/// `beginPassage(source, sink)`: an object with the `passage` that begins, and a promise of its `outcome`.
fn pass<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let (ctx, from, to) = (scope.ctx, scope.arg(0), scope.arg(1));
    let (Some(source), Some(sink)) = (class::get::<Source>(&from), class::get::<Drain>(&to)) else {
        return Ok(scope.undefined());
    };
    let brake = Rc::new(Brake::default());
    let object = Object::new(ctx.clone())?;
    object.set_prototype(None)?;
    object.set("passage", class::instance(ctx, Passage(brake.clone()))?)?;
    let (outcome, deferred) = deferred::deferred(ctx)?;
    object.set("outcome", outcome)?;
    let moving = Moving {
        source: source.0.clone(),
        sink: sink.0.clone(),
        brake,
        held: Bytes::new(),
        charge: Charge::default(),
        engine: State::of(ctx).engine(),
    };
    drop(io::spawn(async move {
        // Nobody reads or writes any more when the scripts hear of the end.
        let end = moving.run().await;
        deferred.settle(|ctx| end.outcome(ctx));
    }));
    Ok(object.into_value())
}
