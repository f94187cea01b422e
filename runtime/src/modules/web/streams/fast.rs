//! Reads and writes of streams without their state machine: while a stream is in its ordinary state, a call of `next()`,
//! `read()` or `write()` is one native call with one promise.
//!
//! Owns: the iterator's class, the functions by which the stream classes open and shut the short way. Must not know:
//! whose bytes they are, when a state is ordinary (readable_default.js, writable_state.js).

use std::cell::RefCell;
use std::ffi::CStr;

use rquickjs::atom::PredefinedAtom;
use rquickjs::{Ctx, FromJs, Object, Result, Value};

use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::engine::State;
use crate::js::held::{self, Held, Slot, Tracer};
use crate::js::promise::Capability;
use crate::js::{promise, value};
use crate::modules::web::webidl::answer::AnswerSlot;

/// Both directions of something whose bytes native code has. A direction is shut at first, and what waits in it when it
/// is shut is its stream's from then on.
pub trait FastDuplex: 'static {
    /// A promise of the next read's result; `None` where the direction is shut, a read waits, or there is no chunk
    /// but the end or an error: then the stream reads.
    ///
    /// # Errors
    /// Out of memory.
    fn read<'js>(&self, ctx: &Ctx<'js>) -> Result<Option<Value<'js>>>;

    /// Opens or shuts the direction of reads; when it is shut, the read that waits. Its bytes come to the stream.
    fn set_reads(&self, ctx: &Ctx<'_>, open: bool) -> Option<Capability>;

    /// A promise of `chunk` being written; `None` where the direction is shut, a write is in flight, not all is taken at
    /// once or the queue would be full: then the stream writes it.
    ///
    /// # Errors
    /// Out of memory.
    fn write<'js>(&self, ctx: &Ctx<'js>, chunk: &Value<'js>) -> Result<Option<Value<'js>>>;

    /// Opens or shuts the direction of writes; when it is shut, the write in flight and its size. The stream hears
    /// when it has ended.
    fn set_writes(&self, ctx: &Ctx<'_>, open: bool) -> Option<(Capability, usize)>;

    /// Reports what it holds to the cycle collector.
    fn trace(&self, tracer: &Tracer);
}

/// A duplex as the stream classes hold it.
pub struct FastPath(Box<dyn FastDuplex>);

impl FastPath {
    /// The object of a duplex.
    ///
    /// # Errors
    /// Out of memory.
    pub fn object<'js>(ctx: &Ctx<'js>, duplex: impl FastDuplex) -> Result<Value<'js>> {
        class::instance(ctx, FastPath(Box::new(duplex)))
    }
}

impl class_id::Of for class_id::StreamFastPath {
    type Class = FastPath;
}

impl Class for FastPath {
    type Id = class_id::StreamFastPath;
    const NAME: &'static CStr = c"StreamFastPath";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[];

    fn trace(&self, tracer: &Tracer) {
        self.0.trace(tracer);
    }
}

/// The asynchronous iterator of a stream.
pub struct StreamIterator {
    /// The record that `readable_iterator.js` has of it.
    record: Held,
    /// Gone once its reader is released.
    fast: Slot,
}

/// What `readable_iterator.js` does where there is no short way.
#[derive(Default)]
struct Steps(RefCell<Option<[Held; 2]>>);

impl class_id::Of for class_id::StreamIterator {
    type Class = StreamIterator;
}

impl Class for StreamIterator {
    type Id = class_id::StreamIterator;
    const NAME: &'static CStr = c"ReadableStream AsyncIterator";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Async(c"next", 0, |it, scope| {
            if let Some(object) = it.fast.get(scope.ctx)
                && let Some(fast) = class::get::<FastPath>(&object)
                && let Some(promise) = fast.0.read(scope.ctx)?
            {
                return Ok(promise);
            }
            it.step(scope, 0)
        }),
        Member::Async(c"return", 1, |it, scope| it.step(scope, 1)),
    ];

    fn trace(&self, tracer: &Tracer) {
        tracer.mark(&self.record);
        self.fast.trace(tracer);
    }
}

impl StreamIterator {
    fn step<'js>(&self, scope: &Scope<'_, 'js>, which: usize) -> Result<Value<'js>> {
        let steps = State::of(scope.ctx).extension::<Steps>();
        let steps = steps.0.borrow();
        let Some(step) = steps.as_ref().map(|steps| &steps[which]) else { return Ok(scope.undefined()) };
        held::call(scope.ctx, step, None, &[self.record.get(scope.ctx), scope.arg(0)])
    }
}

/// `newIterator(record, fast)`: the iterator of a record; `fast` may be undefined.
pub(super) fn new_iterator<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let fast = Slot::default();
    fast.set(scope.has(1).then(|| scope.arg(1)));
    class::instance(scope.ctx, StreamIterator { record: Held::new(scope.arg(0)), fast })
}

/// `endIterator(iterator)`: its reader is released.
pub(super) fn end_iterator<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    if let Some(iterator) = class::get::<StreamIterator>(&scope.arg(0)) {
        iterator.fast.set(None);
    }
    Ok(scope.undefined())
}

/// `asIterators(next, return, someGenerator)`: what iterators do, each with its record; their prototype is below the one
/// that the generator function's objects have (Web IDL section 3.7.10.2).
pub(super) fn as_iterators<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let steps = [scope.arg(0), scope.arg(1)].map(Held::new);
    drop(State::of(ctx).extension::<Steps>().0.replace(Some(steps)));
    let record = Held::new(scope.undefined());
    let some = class::instance(ctx, StreamIterator { record, fast: Slot::default() })?;
    let prototype = Object::from_js(ctx, some)?.get_prototype().ok_or(rquickjs::Error::Unknown)?;
    prototype.remove(PredefinedAtom::Constructor)?;
    let generators = Object::from_js(ctx, scope.arg(2))?.get::<_, Object>("prototype")?;
    let parent = generators.get_prototype().and_then(|generators| generators.get_prototype());
    prototype.set_prototype(parent.as_ref())?;
    Ok(scope.undefined())
}

fn with<'js, R>(scope: &Scope<'_, 'js>, f: impl FnOnce(&dyn FastDuplex) -> R) -> Option<R> {
    class::get::<FastPath>(&scope.arg(0)).map(|fast| f(&*fast.0))
}

fn or_undefined<'js>(scope: &Scope<'_, 'js>, made: Option<Result<Option<Value<'js>>>>) -> Result<Value<'js>> {
    Ok(made.transpose()?.flatten().unwrap_or_else(|| scope.undefined()))
}

/// `fastRead(fast, opens)`: a promise of a read's result; undefined where the stream is to read. It opens the direction
/// first if it may.
pub(super) fn read<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let opens = scope.bool(1) == Some(true);
    let read = with(scope, |fast| {
        if opens {
            drop(fast.set_reads(scope.ctx, true));
        }
        fast.read(scope.ctx)
    });
    or_undefined(scope, read)
}

/// `fastWrite(fast, chunk, opens)`: a promise of the chunk being written; undefined where the stream is to write it.
pub(super) fn write<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let opens = scope.bool(2) == Some(true);
    let written = with(scope, |fast| {
        if opens {
            drop(fast.set_writes(scope.ctx, true));
        }
        let written = fast.write(scope.ctx, &scope.arg(1));
        // The stream writes it: nothing may go past that.
        if opens && !matches!(written, Ok(Some(_))) {
            drop(fast.set_writes(scope.ctx, false));
        }
        written
    });
    or_undefined(scope, written)
}

/// `shutReads(fast)`: an answer with the promise of the read that waits; undefined where none does.
pub(super) fn shut_reads<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    match with(scope, |fast| fast.set_reads(scope.ctx, false)).flatten() {
        Some(capability) => AnswerSlot::object(scope.ctx, capability),
        None => Ok(scope.undefined()),
    }
}

/// `shutWrites(fast)`: the write in flight, as its size and an answer with its promise; undefined where there is none.
pub(super) fn shut_writes<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let Some((capability, size)) = with(scope, |fast| fast.set_writes(scope.ctx, false)).flatten() else {
        return Ok(scope.undefined());
    };
    let flight = Object::new(scope.ctx.clone())?;
    flight.set_prototype(None)?;
    flight.set("size", size as f64)?;
    flight.set("answer", AnswerSlot::object(scope.ctx, capability)?)?;
    Ok(flight.into_value())
}

/// A promise that has been resolved with the result `{ value, done: false }`, as the standard resolves it.
///
/// # Errors
/// Out of memory.
pub fn read_result<'js>(ctx: &Ctx<'js>, chunk: Value<'js>) -> Result<Value<'js>> {
    let (promise, capability) = promise::pending(ctx)?;
    capability.settle(ctx, value::iterator_result(ctx, chunk, false));
    Ok(promise)
}
