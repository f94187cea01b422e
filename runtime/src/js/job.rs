//! A function of ours as a job of the engine's: called behind the jobs that wait, without a promise.
//!
//! Owns: how it gets there. Must not know: the function.

use rquickjs::{Ctx, Error, Result, Value, qjs};

use super::native_call;

/// The function and three arguments.
const VALUES_MAX: usize = 4;

/// Has `values[0]` called with the values behind it, at most three, in a job. It must not throw: that would
/// be reported, and nothing more.
///
/// # Errors
/// Out of memory.
pub fn enqueue(ctx: &Ctx<'_>, values: &[Value<'_>]) -> Result<()> {
    let mut raw = [qjs::JS_UNDEFINED; VALUES_MAX];
    let raw = raw.get_mut(..values.len()).ok_or(Error::Unknown)?;
    for (slot, value) in raw.iter_mut().zip(values) {
        *slot = value.as_raw();
    }
    // SAFETY: the values are alive; the engine takes its own references.
    let done =
        unsafe { qjs::JS_EnqueueJob(ctx.as_raw().as_ptr(), Some(run), raw.len() as i32, raw.as_mut_ptr()) };
    if done < 0 { Err(Error::Exception) } else { Ok(()) }
}

/// What a job of Rust does.
pub trait Job: 'static {
    /// Does it, with the object that it was enqueued with.
    fn run(ctx: &Ctx<'_>, object: &Value<'_>);
}

/// Has `J` run with `object` in a job.
///
/// # Errors
/// Out of memory.
pub fn enqueue_native<J: Job>(ctx: &Ctx<'_>, object: &Value<'_>) -> Result<()> {
    let mut raw = [object.as_raw()];
    // SAFETY: the value is alive; the engine takes its own reference.
    let done =
        unsafe { qjs::JS_EnqueueJob(ctx.as_raw().as_ptr(), Some(run_native::<J>), 1, raw.as_mut_ptr()) };
    if done < 0 { Err(Error::Exception) } else { Ok(()) }
}

unsafe extern "C" fn run_native<J: Job>(
    ctx: *mut qjs::JSContext,
    argc: i32,
    argv: *mut qjs::JSValue,
) -> qjs::JSValue {
    // SAFETY: the engine calls with a live context and the value given to JS_EnqueueJob.
    unsafe {
        let cx = native_call::context(ctx);
        let scope = native_call::scope(&cx, qjs::JS_UNDEFINED, native_call::arguments(argc, argv));
        native_call::enter(&cx, || {
            J::run(&cx, &scope.arg(0));
            Ok(scope.undefined())
        })
    }
}

unsafe extern "C" fn run(ctx: *mut qjs::JSContext, argc: i32, argv: *mut qjs::JSValue) -> qjs::JSValue {
    // SAFETY: the engine calls with the values given to JS_EnqueueJob, of which there is one at least where
    // `argc` says so.
    unsafe {
        match argc {
            0 => qjs::JS_UNDEFINED,
            _ => qjs::JS_Call(ctx, *argv, qjs::JS_UNDEFINED, argc - 1, argv.add(1)),
        }
    }
}
