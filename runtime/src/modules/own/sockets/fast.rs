//! Reads and writes of a connection without the state machine of its streams, where both are in their ordinary state.
//!
//! Owns: which direction is open, the one read and the one write of each, what a try has come to that the stream is to
//! hear of. Must not know: when a state is ordinary, how bytes move.

use std::cell::{Cell, RefCell};

use rquickjs::{Ctx, Result, Value};

use super::Handle;
use super::failure::ConnectionError;
use crate::js::buffer_source;
use crate::js::class;
use crate::js::held::{self, Held, Tracer};
use crate::js::job::{self, Job};
use crate::js::promise::{self, Capability};
use crate::js::value;
use crate::modules::web::streams::fast::{self, FastDuplex};

/// What waits in the two directions of a handle.
#[derive(Default)]
pub(super) struct Directions {
    reads: FastDirection<()>,
    writes: FastDirection<usize>,
    /// Called when the write has ended that the stream has taken over.
    written: RefCell<Option<Held>>,
    /// The stream has taken it over; its job is still to come.
    taken: Cell<bool>,
    /// The bytes from which `writable` is full.
    full: Cell<usize>,
    /// A write that was tried: what is left of it, for the stream.
    tried: RefCell<Option<Tried>>,
}

/// What is left of a write, or why it failed.
pub(super) type Tried = std::result::Result<Vec<u8>, ConnectionError>;

struct FastDirection<T> {
    open: Cell<bool>,
    waiting: RefCell<Option<(Capability, T)>>,
}

impl<T> Default for FastDirection<T> {
    fn default() -> Self {
        FastDirection { open: Cell::new(false), waiting: RefCell::default() }
    }
}

impl<T> FastDirection<T> {
    fn is_free(&self) -> bool {
        self.open.get() && self.waiting.borrow().is_none()
    }

    fn set(&self, open: bool) -> Option<(Capability, T)> {
        self.open.set(open);
        if open { None } else { self.waiting.take() }
    }

    fn trace(&self, tracer: &Tracer) {
        if let Some((capability, _)) = &*self.waiting.borrow() {
            capability.trace(tracer);
        }
    }
}

impl Directions {
    /// What there is to hear of a write that the stream has taken over; and from how many bytes on it is full.
    pub(super) fn set_up(&self, written: Value<'_>, full: usize) {
        self.full.set(full);
        drop(self.written.replace(Some(Held::new(written))));
    }

    /// Gives the read that waits its chunk; the chunk where none does.
    pub(super) fn give<'js>(&self, ctx: &Ctx<'js>, chunk: Value<'js>) -> Option<Value<'js>> {
        let waiting = self.reads.waiting.take();
        let Some((capability, ())) = waiting else { return Some(chunk) };
        capability.settle(ctx, value::iterator_result(ctx, chunk, false));
        None
    }

    /// What was tried of the chunk that the stream writes now.
    pub(super) fn take_tried(&self) -> Option<Tried> {
        self.tried.take()
    }

    pub(super) fn trace(&self, tracer: &Tracer) {
        self.reads.trace(tracer);
        self.writes.trace(tracer);
        if let Some(written) = &*self.written.borrow() {
            tracer.mark(written);
        }
    }
}

/// A handle as its streams know it.
pub(super) struct SocketDuplex(pub(super) Held);

impl SocketDuplex {
    fn with<'js, R>(&self, ctx: &Ctx<'js>, f: impl FnOnce(&Handle, &Value<'js>) -> R) -> Option<R> {
        let object = self.0.get(ctx);
        class::get::<Handle>(&object).map(|handle| f(handle, &object))
    }
}

impl FastDuplex for SocketDuplex {
    fn read<'js>(&self, ctx: &Ctx<'js>) -> Result<Option<Value<'js>>> {
        self.with(ctx, |handle, object| {
            let reads = &handle.fast.reads;
            if !reads.is_free() {
                return Ok(None);
            }
            if let Some(next) = handle.reads.chunk(ctx, object, &handle.link, handle.may_try()) {
                return next?.map(|chunk| fast::read_result(ctx, chunk)).transpose();
            }
            handle.quick.set(0);
            let (promise, capability) = promise::pending(ctx)?;
            drop(reads.waiting.replace(Some((capability, ()))));
            Ok(Some(promise))
        })
        .unwrap_or(Ok(None))
    }

    fn set_reads(&self, ctx: &Ctx<'_>, open: bool) -> Option<Capability> {
        let waiting = self.with(ctx, |handle, _| handle.fast.reads.set(open));
        waiting.flatten().map(|(capability, ())| capability)
    }

    fn write<'js>(&self, ctx: &Ctx<'js>, chunk: &Value<'js>) -> Result<Option<Value<'js>>> {
        self.with(ctx, |handle, object| {
            let fast = &handle.fast;
            if !fast.writes.is_free() || fast.tried.borrow().is_some() {
                return Ok(None);
            }
            let Some(size) = try_to_write(handle, chunk)? else { return Ok(None) };
            let (promise, capability) = promise::pending(ctx)?;
            job::enqueue_native::<Landing>(ctx, object)?;
            drop(fast.writes.waiting.replace(Some((capability, size))));
            Ok(Some(promise))
        })
        .unwrap_or(Ok(None))
    }

    fn set_writes(&self, ctx: &Ctx<'_>, open: bool) -> Option<(Capability, usize)> {
        self.with(ctx, |handle, _| {
            let flight = handle.fast.writes.set(open);
            if flight.is_some() {
                handle.fast.taken.set(true);
            }
            flight
        })
        .flatten()
    }

    fn trace(&self, tracer: &Tracer) {
        tracer.mark(&self.0);
    }
}

/// Sends the chunk: its size, where all of it is taken. `None` where the stream has to write it, which finds what was
/// tried.
fn try_to_write(handle: &Handle, chunk: &Value<'_>) -> Result<Option<usize>> {
    let attempt = |bytes: &[u8]| {
        // The stream has what to do about an empty one, and about a queue that is full.
        if bytes.is_empty() || bytes.len() >= handle.fast.full.get() {
            return None;
        }
        let rest = handle.send(bytes);
        if rest.as_ref().is_ok_and(Vec::is_empty) {
            return Some(bytes.len());
        }
        drop(handle.fast.tried.replace(Some(rest)));
        None
    };
    if chunk.is_string() {
        // The size of others is not that of their bytes.
        return value::with_str(chunk, |text| if text.is_ascii() { attempt(text.as_bytes()) } else { None });
    }
    Ok(buffer_source::bytes(chunk)?.and_then(|bytes| bytes.with(attempt)))
}

/// The job in which a write ends, as it does of a sink that gives a promise which is fulfilled.
struct Landing;

impl Job for Landing {
    fn run(ctx: &Ctx<'_>, object: &Value<'_>) {
        let Some(handle) = class::get::<Handle>(object) else { return };
        let flight = handle.fast.writes.waiting.take();
        if let Some((capability, _)) = flight {
            capability.settle(ctx, Ok(Value::new_undefined(ctx.clone())));
        } else if handle.fast.taken.take()
            && let Some(written) = &*handle.fast.written.borrow()
            && held::call(ctx, written, None, &[]).is_err()
        {
            drop(ctx.catch());
        }
    }
}
