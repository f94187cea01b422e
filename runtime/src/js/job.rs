//! A function of ours as a job of the engine's: called behind the jobs that wait, without a promise.
//!
//! Owns: how it gets there. Must not know: the function.

use rquickjs::{Ctx, Error, Result, Value, qjs};

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
