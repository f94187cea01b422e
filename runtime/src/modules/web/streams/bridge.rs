//! What native code does with streams: makes them of its own bytes, takes the bytes of an app's.
//!
//! Owns: the calls of `body.js`, the reader of a stream outside of JavaScript. Must not know: bodies.

use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rquickjs::{Ctx, Object, Result, Value};

use super::INDEX;
use super::pipe::{ByteSink, Drain};
use super::source::{Arrival, ByteSource, Collect, Collector, Read, Sink, Source};
use crate::io::budget;
use crate::js::class;
use crate::js::engine::Engine;
use crate::js::held::Held;
use crate::js::internal;
use crate::js::thrown::{Cause, Thrown};

fn call<'js>(ctx: &Ctx<'js>, name: &str, args: &[Value<'js>]) -> Result<Value<'js>> {
    internal::call(ctx, INDEX, name, args)
}

fn ask<'js>(stream: &Value<'js>, name: &str) -> Result<Value<'js>> {
    call(stream.ctx(), name, std::slice::from_ref(stream))
}

/// Whether `value` is a ReadableStream.
///
/// # Errors
/// Out of memory.
pub fn is_stream(value: &Value<'_>) -> Result<bool> {
    Ok(value.is_object()
        && internal::is_loaded(value.ctx(), INDEX)
        && ask(value, "isReadableStream")?.as_bool() == Some(true))
}

/// Whether somebody has read from `stream`, or cancelled it.
///
/// # Errors
/// Out of memory.
pub fn is_disturbed(stream: &Value<'_>) -> Result<bool> {
    Ok(ask(stream, "isDisturbed")?.as_bool() == Some(true))
}

/// Whether `stream` is neither disturbed nor locked.
///
/// # Errors
/// Out of memory.
pub fn is_usable(stream: &Value<'_>) -> Result<bool> {
    Ok(ask(stream, "isUsable")?.as_bool() == Some(true))
}

/// A byte stream of what `source` has; read only as fast as somebody reads it.
///
/// # Errors
/// Out of memory.
pub fn of_source<'js>(ctx: &Ctx<'js>, source: Rc<dyn ByteSource>) -> Result<Value<'js>> {
    // The class is registered with the others.
    internal::exports(ctx, INDEX)?;
    let stream = call(ctx, "ofSource", &[class::instance(ctx, Source(source.clone()))?])?;
    source.has_stream(&stream)?;
    Ok(stream)
}

/// A source as `pipe.js` takes it from a stream.
///
/// # Errors
/// Out of memory.
pub fn feed<'js>(ctx: &Ctx<'js>, source: Rc<dyn ByteSource>) -> Result<Value<'js>> {
    class::instance(ctx, Source(source))
}

/// A sink as `pipe.js` takes it from a stream.
///
/// # Errors
/// Out of memory.
pub fn drain<'js>(ctx: &Ctx<'js>, sink: Rc<dyn ByteSink>) -> Result<Value<'js>> {
    class::instance(ctx, Drain(sink))
}

/// Ends a stream that [`of_source`] made: its readers get `reason`, unless it has ended.
///
/// # Errors
/// Out of memory.
pub fn fail<'js>(stream: &Value<'js>, reason: Value<'js>) -> Result<()> {
    call(stream.ctx(), "fail", &[stream.clone(), reason]).map(drop)
}

/// Cancels the stream of a reader that [`seize`] gave.
///
/// # Errors
/// Out of memory.
pub fn give_up<'js>(reader: &Value<'js>, reason: Value<'js>) -> Result<()> {
    call(reader.ctx(), "giveUp", &[reader.clone(), reason]).map(drop)
}

/// A stream of the chunks of an iterable, asynchronous or not.
///
/// # Errors
/// What the iterable throws when it is asked for its iterator.
pub fn of_iterable<'js>(iterable: &Value<'js>) -> Result<Value<'js>> {
    ask(iterable, "ofIterable")
}

/// A stream that is read to its end, and locked.
///
/// # Errors
/// Out of memory.
pub fn spent<'js>(ctx: &Ctx<'js>) -> Result<Value<'js>> {
    call(ctx, "spent", &[])
}

/// Two streams with the chunks of a usable one, which is locked from now on.
///
/// # Errors
/// TypeError where it is locked.
pub fn fork<'js>(stream: &Value<'js>) -> Result<(Value<'js>, Value<'js>)> {
    let pair = ask(stream, "fork")?;
    let pair: Object = pair.get()?;
    Ok((pair.get("one")?, pair.get("two")?))
}

/// A stream that takes the place of a usable one, which is locked from now on.
///
/// # Errors
/// TypeError where it is locked.
pub fn proxy<'js>(stream: &Value<'js>) -> Result<Value<'js>> {
    ask(stream, "proxy")
}

/// What [`seize`] found.
pub enum Seized<'js> {
    /// Somebody has begun to read it.
    Unusable,
    /// Native bytes that have not entered JavaScript.
    Source(Rc<dyn ByteSource>),
    /// A reader, for [`collect`] and [`StreamReader`].
    Reader(Value<'js>),
}

/// Takes what is in `stream`; for scripts it is locked and disturbed from now on.
///
/// # Errors
/// Out of memory.
pub fn seize<'js>(stream: &Value<'js>) -> Result<Seized<'js>> {
    let taken = ask(stream, "seize")?;
    if taken.is_undefined() {
        return Ok(Seized::Unusable);
    }
    let source = class::get::<Source>(&taken).map(|source| source.0.clone());
    Ok(source.map_or(Seized::Reader(taken), Seized::Source))
}

/// Reads all that `reader` gives: a promise of what `collect` makes of the bytes. What it refuses is
/// why the stream is cancelled.
///
/// # Errors
/// Out of memory.
pub fn collect<'js>(reader: Value<'js>, collect: Box<dyn Collect>) -> Result<Value<'js>> {
    let ctx = reader.ctx().clone();
    let collector = class::instance(&ctx, Collector::new(collect))?;
    call(&ctx, "collect", &[reader, collector])
}

/// An app's stream, read from outside of JavaScript one chunk at a time.
pub struct StreamReader {
    reader: Held,
    sink: Held,
    arrival: Rc<Arrival>,
    asked: bool,
    // After what lives in it.
    engine: Rc<Engine>,
}

impl StreamReader {
    /// Reads by a reader that [`seize`] gave.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(engine: Rc<Engine>, reader: Value<'_>) -> Result<Self> {
        let arrival = Rc::new(Arrival::default());
        let sink = Held::new(class::instance(reader.ctx(), Sink(arrival.clone()))?);
        Ok(StreamReader { reader: Held::new(reader), sink, arrival, asked: false, engine })
    }

    /// The next chunk, which may be empty; `None` at the end. The app is asked for a chunk only
    /// here. Enters JavaScript: not from inside a turn.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<std::result::Result<Bytes, Thrown>>> {
        if !self.asked {
            // An app can have chunks ready for ever, empty ones among them.
            ready!(budget::poll_left(cx));
            self.asked = true;
            self.ask();
        }
        match self.arrival.read.borrow_mut().take() {
            Some(Read::Chunk(bytes)) => {
                self.asked = false;
                budget::spend(bytes.len());
                return Poll::Ready(Some(Ok(bytes)));
            }
            Some(Read::End) => return Poll::Ready(None),
            Some(Read::Failed(thrown)) => return Poll::Ready(Some(Err(thrown))),
            None => {}
        }
        let mut waker = self.arrival.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn ask(&self) {
        let failed = self.engine.turn(|ctx| {
            let result = call(ctx, "readInto", &[self.reader.get(ctx), self.sink.get(ctx)]);
            result.err().map(|error| Thrown::of(ctx, &error))
        });
        let nothing = self.arrival.read.borrow().is_none();
        // A turn that used up its time leaves nothing behind that would answer.
        let failed = failed.or_else(|| {
            (nothing && self.engine.state().interrupted()).then(|| Thrown {
                cause: Cause::Interrupted,
                text: "the stream used more CPU time than a turn may (--cpu-max)".into(),
                stack: String::new(),
            })
        });
        if let Some(thrown) = failed {
            self.arrival.read.replace(Some(Read::Failed(thrown)));
        }
    }

    /// Cancels the stream for the reason that `make` makes. Enters JavaScript: not from inside a
    /// turn.
    pub fn cancel(&self, make: impl for<'js> FnOnce(&Ctx<'js>) -> Value<'js>) {
        self.engine.turn(|ctx| {
            let reason = make(ctx);
            if call(ctx, "giveUp", &[self.reader.get(ctx), reason]).is_err() {
                drop(ctx.catch());
            }
        });
    }
}
