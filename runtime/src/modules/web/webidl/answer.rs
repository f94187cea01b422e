//! A promise after the other that JavaScript of ours gives out and settles: one object for all of them.
//!
//! Owns: that object. Its promises are made by `js/reuse.rs`, which takes those again that nobody has any more:
//! the functions that settle them never reach a script. Must not know: what is answered.

use std::cell::RefCell;
use std::ffi::CStr;

use rquickjs::{Ctx, Result, Value};

use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::held::Tracer;
use crate::js::promise::{self, Capability};

/// What settles the promise that is given out, while there is one.
#[derive(Default)]
pub struct AnswerSlot(RefCell<Option<Capability>>);

impl class_id::Of for class_id::AnswerSlot {
    type Class = AnswerSlot;
}

impl Class for AnswerSlot {
    type Id = class_id::AnswerSlot;
    const NAME: &'static CStr = c"AnswerSlot";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[];

    fn trace(&self, tracer: &Tracer) {
        if let Some(capability) = &*self.0.borrow() {
            capability.trace(tracer);
        }
    }
}

impl AnswerSlot {
    /// One whose promise is given out already.
    ///
    /// # Errors
    /// Out of memory.
    pub fn object<'js>(ctx: &Ctx<'js>, capability: Capability) -> Result<Value<'js>> {
        class::instance(ctx, AnswerSlot(RefCell::new(Some(capability))))
    }
}

/// `promiseOf(answer)`: the promise that is given out and not settled; undefined where there is none.
pub(super) fn promise_of<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let object = scope.arg(0);
    let promise = class::get::<AnswerSlot>(&object)
        .and_then(|answer| answer.0.borrow().as_ref().map(|capability| capability.promise(scope.ctx)));
    Ok(promise.unwrap_or_else(|| scope.undefined()))
}

/// `newAnswer()`: one without a promise.
pub(super) fn new<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    class::instance(scope.ctx, AnswerSlot::default())
}

/// `promised(answer)`: its next promise; the one before is settled.
pub(super) fn promised<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let object = scope.arg(0);
    let (promise, capability) = promise::pending(scope.ctx)?;
    if let Some(answer) = class::get::<AnswerSlot>(&object) {
        drop(answer.0.replace(Some(capability)));
    }
    Ok(promise)
}

/// `fulfil(answer, value)`: resolves its promise.
pub(super) fn fulfil<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    settle(scope, Ok(scope.arg(1)))
}

/// `fail(answer, reason)`: rejects it.
pub(super) fn fail<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    settle(scope, Err(scope.ctx.throw(scope.arg(1))))
}

fn settle<'js>(scope: &Scope<'_, 'js>, result: Result<Value<'js>>) -> Result<Value<'js>> {
    let object = scope.arg(0);
    let capability = class::get::<AnswerSlot>(&object).and_then(|answer| answer.0.take());
    match capability {
        Some(capability) => capability.settle(scope.ctx, result),
        None => drop(scope.ctx.catch()),
    }
    Ok(scope.undefined())
}
