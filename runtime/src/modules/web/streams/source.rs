//! Bytes from native code as streams, and the bytes of streams for native code: the objects that cross
//! the border, and the functions by which `body.js` uses them.
//!
//! Owns: [`ByteSource`], sources, sinks, collectors. Must not know: whose bytes they are.

use std::cell::RefCell;
use std::ffi::CStr;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use rquickjs::{Ctx, Object, Result, Value};

use crate::files::FileBody;
use crate::io::{self, budget};
use crate::js::charge::Charge;
use crate::js::class::{self, Class, Member, Scope, Static};
use crate::js::class_id;
use crate::js::exception;
use crate::js::function::Functions;
use crate::js::natives::Natives;
use crate::js::thrown::Thrown;
use crate::js::{buffer, buffer_source, deferred, promise, value};

/// Bytes that come in pieces. One reader at a time.
pub trait ByteSource {
    /// The next bytes, never empty; `None` at the end. After an error, which is for the script's
    /// message, there is nothing more.
    fn poll_bytes(&self, cx: &mut Context<'_>) -> Poll<Option<std::result::Result<Bytes, String>>>;

    /// As [`poll_bytes`](Self::poll_bytes), but first they are lent to `take`, which says how many it has
    /// used: what it has not is given, maybe nothing. So they need not be copied.
    fn poll_lend(
        &self,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(&[u8]) -> usize,
    ) -> Poll<Option<std::result::Result<Bytes, String>>> {
        self.poll_bytes(cx).map(|next| {
            next.map(|result| {
                result.map(|mut bytes| {
                    let used = take(&bytes);
                    bytes.split_off(used)
                })
            })
        })
    }

    /// It will be read now, and to its end.
    fn begin(&self) {}

    /// Nobody wants what is left: who waits gets the end.
    fn cancel(&self);

    /// All of it, taken out, where all of it is here.
    fn whole(&self) -> Option<Bytes> {
        None
    }

    /// The file that it is, where no script has looked at it: whoever sends it may do so without its bytes.
    fn file(&self) -> Option<Rc<FileBody>> {
        None
    }

    /// What scripts get for the error; without it a TypeError with its message.
    fn failure<'js>(&self, _ctx: &Ctx<'js>) -> Option<Value<'js>> {
        None
    }

    /// Whether it sends something whenever it has been silent for a while.
    fn keeps_alive(&self) -> bool {
        false
    }

    /// Whether it ends by itself, with an error, when it has been silent for too long.
    fn bounds_silence(&self) -> bool {
        false
    }

    /// A script has a stream of it now, which [`bridge::fail`](super::bridge::fail) can end.
    ///
    /// # Errors
    /// Out of memory.
    fn has_stream(&self, _stream: &Value<'_>) -> Result<()> {
        Ok(())
    }

    /// What it is decoded from on its way, if it is.
    fn coding(&self) -> Option<Coding> {
        None
    }

    /// Gives the bytes as they come, and not decoded; before the first is taken.
    fn keep_coded(&self) {}
}

/// A body as it came, where it is decoded on its way.
#[derive(Clone, Debug)]
pub struct Coding {
    /// Content-Encoding.
    pub name: Box<str>,
    /// Content-Length, if it came with one.
    pub length: Option<u64>,
}

/// Bytes that are all here.
pub struct Memory(RefCell<Bytes>);

/// What one chunk of [`Memory`] has at most.
const MEMORY_CHUNK_BYTES: usize = 64 << 10;

impl Memory {
    /// A source of them.
    pub fn source(bytes: impl Into<Bytes>) -> Rc<dyn ByteSource> {
        Rc::new(Memory(RefCell::new(bytes.into())))
    }
}

impl ByteSource for Memory {
    fn poll_bytes(&self, _cx: &mut Context<'_>) -> Poll<Option<std::result::Result<Bytes, String>>> {
        let mut left = self.0.borrow_mut();
        let chunk_bytes = left.len().min(MEMORY_CHUNK_BYTES);
        budget::spend(chunk_bytes);
        Poll::Ready((chunk_bytes > 0).then(|| Ok(left.split_to(chunk_bytes))))
    }

    fn cancel(&self) {
        self.0.take();
    }

    fn whole(&self) -> Option<Bytes> {
        Some(self.0.take())
    }
}

/// A source as `body.js` holds it.
pub struct Source(pub(super) Rc<dyn ByteSource>);

impl class_id::Of for class_id::StreamSource {
    type Class = Source;
}

impl Class for Source {
    type Id = class_id::StreamSource;
    const NAME: &'static CStr = c"ByteSource";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[];
}

/// What a read of a stream came to.
pub(super) enum Read {
    Chunk(Bytes),
    End,
    Failed(Thrown),
}

/// Where the chunk of a read arrives.
#[derive(Default)]
pub(super) struct Arrival {
    pub(super) read: RefCell<Option<Read>>,
    pub(super) waker: RefCell<Option<Waker>>,
}

impl Arrival {
    fn set(&self, read: Read) {
        *self.read.borrow_mut() = Some(read);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A sink as `body.js` holds it.
pub struct Sink(pub(super) Rc<Arrival>);

impl class_id::Of for class_id::StreamSink {
    type Class = Sink;
}

impl Class for Sink {
    type Id = class_id::StreamSink;
    const NAME: &'static CStr = c"ByteSink";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[];
}

/// Takes the bytes of a body as they come, and makes something of them.
pub trait Collect {
    /// Takes the next ones. Runs no JavaScript.
    ///
    /// # Errors
    /// Why it wants no more of them.
    fn add(&mut self, bytes: &[u8]) -> std::result::Result<(), Refused>;

    /// What it owns, in bytes.
    fn owned_bytes(&self) -> usize;

    /// What they are, now that all are here.
    ///
    /// # Errors
    /// That they are not what they should be; out of memory.
    fn finish<'js>(self: Box<Self>, ctx: &Ctx<'js>) -> Result<Value<'js>>;
}

/// Why bytes are not what they should be.
#[derive(Debug)]
pub enum Refused {
    /// The message of a TypeError.
    Type(String),
    /// The message of a RangeError.
    Range(String),
}

impl Refused {
    /// Throws it.
    pub fn throw(&self, ctx: &Ctx<'_>) -> rquickjs::Error {
        match self {
            Refused::Type(message) => exception::type_error(ctx, message),
            Refused::Range(message) => exception::range_error(ctx, message),
        }
    }
}

/// A collector as `body.js` holds it.
pub struct Collector {
    collect: RefCell<Option<Box<dyn Collect>>>,
    charge: Charge,
}

impl Collector {
    pub(super) fn new(collect: Box<dyn Collect>) -> Self {
        Collector { collect: RefCell::new(Some(collect)), charge: Charge::default() }
    }
}

impl class_id::Of for class_id::StreamCollector {
    type Class = Collector;
}

impl Class for Collector {
    type Id = class_id::StreamCollector;
    const NAME: &'static CStr = c"ByteCollector";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[];
}

/// `jsserve:internal/streams/sources`.
pub struct SourceFunctions;

impl Natives for SourceFunctions {
    fn prepare(ctx: &Ctx<'_>) -> Result<()> {
        class::register::<Source>(ctx)?;
        class::register::<Sink>(ctx)?;
        class::register::<Collector>(ctx)
    }
}

impl Functions for SourceFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"pullSource", 1, pull),
        (c"cancelSource", 1, |scope| {
            if let Some(source) = class::get::<Source>(&scope.arg(0)) {
                source.0.cancel();
            }
            Ok(scope.undefined())
        }),
        (c"isBuffer", 1, |scope| {
            Ok(Value::new_bool(scope.ctx.clone(), buffer_source::bytes(&scope.arg(0))?.is_some()))
        }),
        (c"putChunk", 2, put),
        (c"endSink", 1, |scope| arrived(scope, |_| Read::End)),
        (c"failSink", 2, |scope| arrived(scope, |reason| Read::Failed(Thrown::from_value(reason)))),
        (c"gather", 2, gather),
        (c"gathered", 1, gathered),
    ];
}

fn chunk_value<'js>(
    ctx: &Ctx<'js>,
    source: &dyn ByteSource,
    next: Option<std::result::Result<Bytes, String>>,
) -> Result<Value<'js>> {
    match next {
        Some(Ok(bytes)) => {
            // A promise looks for a `then` in what it is resolved with, up to Object.prototype.
            let holder = Object::new(ctx.clone())?;
            holder.set_prototype(None)?;
            holder.set("bytes", value::uint8_array(ctx, &bytes)?)?;
            Ok(holder.into_value())
        }
        Some(Err(message)) => Err(failed(ctx, source, &message)),
        None => Ok(Value::new_undefined(ctx.clone())),
    }
}

/// Throws what `source` has failed with.
pub fn failed(ctx: &Ctx<'_>, source: &dyn ByteSource, message: &str) -> rquickjs::Error {
    match source.failure(ctx) {
        Some(reason) => ctx.throw(reason),
        None => exception::type_error(ctx, message),
    }
}

/// A promise of an object with source 0's next `bytes`, or of undefined at its end.
fn pull<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let object = scope.arg(0);
    let Some(source) = class::get::<Source>(&object) else {
        return promise::settled(ctx, Ok(scope.undefined()));
    };
    if let Poll::Ready(next) = source.0.poll_bytes(&mut Context::from_waker(Waker::noop())) {
        return promise::reject_on_error(ctx, chunk_value(ctx, &*source.0, next)).and_then(|value| {
            if promise::state(&value).is_some() { Ok(value) } else { promise::settled(ctx, Ok(value)) }
        });
    }
    let (promise, deferred) = deferred::deferred(ctx)?;
    let source = source.0.clone();
    io::spawn(async move {
        let next = poll_fn(|cx| source.poll_bytes(cx)).await;
        deferred.settle(|ctx| chunk_value(ctx, &*source, next));
    });
    Ok(promise)
}

/// The bytes of a chunk, which the Fetch Standard wants to be a Uint8Array.
fn chunk_bytes<'js, R>(ctx: &Ctx<'js>, chunk: &Value<'js>, f: impl FnOnce(&[u8]) -> R) -> Result<R> {
    let is_chunk = buffer::view(ctx, chunk)?.is_some_and(|view| view.kind == buffer::UINT8);
    match buffer_source::bytes(chunk)? {
        Some(bytes) if is_chunk => Ok(bytes.with(f)),
        _ if chunk.is_string() => Err(exception::type_error(
            ctx,
            "a chunk of the body's stream is a string: pipe it through new TextEncoderStream()",
        )),
        _ => Err(exception::type_error(ctx, "a chunk of the body's stream is no Uint8Array")),
    }
}

/// Puts chunk 1 into sink 0: undefined, or why it cannot.
fn put<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let object = scope.arg(0);
    let Some(sink) = class::get::<Sink>(&object) else { return Ok(scope.undefined()) };
    match chunk_bytes(ctx, &scope.arg(1), Bytes::copy_from_slice) {
        Ok(bytes) => {
            sink.0.set(Read::Chunk(bytes));
            Ok(scope.undefined())
        }
        Err(error) => {
            exception::raise(ctx, &error);
            let reason = ctx.catch();
            sink.0.set(Read::Failed(Thrown::from_value(&reason)));
            Ok(reason)
        }
    }
}

fn arrived<'js>(scope: &Scope<'_, 'js>, read: impl FnOnce(&Value<'js>) -> Read) -> Result<Value<'js>> {
    if let Some(sink) = class::get::<Sink>(&scope.arg(0)) {
        sink.0.set(read(&scope.arg(1)));
    }
    Ok(scope.undefined())
}

/// Adds chunk 1 to collector 0.
fn gather<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let object = scope.arg(0);
    if let Some(collector) = class::get::<Collector>(&object) {
        let added = chunk_bytes(ctx, &scope.arg(1), |bytes| match &mut *collector.collect.borrow_mut() {
            Some(collect) => collect.add(bytes).map(|()| collect.owned_bytes()),
            None => Ok(0),
        })?;
        collector.charge.set(ctx, added.map_err(|refused| refused.throw(ctx))?)?;
    }
    Ok(scope.undefined())
}

/// What collector 0's bytes become.
fn gathered<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let object = scope.arg(0);
    let Some(collector) = class::get::<Collector>(&object) else { return Ok(scope.undefined()) };
    let collect = collector.collect.take();
    // What is made of them has charges of its own.
    collector.charge.set(scope.ctx, 0)?;
    collect.map_or(Ok(scope.undefined()), |collect| collect.finish(scope.ctx))
}
