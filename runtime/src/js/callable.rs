//! Function objects of ours that leave no trace: the engine calls them without a frame of their own in a stack, and
//! without asking whether its own stack has room.
//!
//! Owns: their class, the C entry point. Must not know: what they do.

use std::ffi::CStr;

use rquickjs::object::Property;
use rquickjs::{Ctx, Error, Object, Result, Value, qjs};

use super::class_id;
use super::held::{Held, Tracer};

impl class_id::Of for class_id::Callable {
    type Class = Callable;
}

/// The class's number in the engine.
const ID: u32 = <class_id::Callable as class_id::Id>::NUMBER;

/// What runs when one is called: by way of C, so it does not panic.
pub(super) type Run = fn(&Invocation<'_>) -> qjs::JSValue;

/// One function object.
pub struct Callable {
    run: Run,
    /// Tells those apart that run the same.
    which: usize,
    original: Option<Held>,
}

/// One call of one.
pub(super) struct Invocation<'a> {
    callable: &'a Callable,
    pub(super) ctx: *mut qjs::JSContext,
    pub(super) this: qjs::JSValue,
    pub(super) arguments: &'a [qjs::JSValue],
}

impl Invocation<'_> {
    /// What it was made with.
    pub(super) fn which(&self) -> usize {
        self.callable.which
    }

    /// Calls the function in whose place it stands with the same receiver and arguments.
    pub(super) fn forward(&self) -> qjs::JSValue {
        self.forward_with(self.this, self.arguments)
    }

    /// Calls it with others, which are alive.
    pub(super) fn forward_with(&self, this: qjs::JSValue, arguments: &[qjs::JSValue]) -> qjs::JSValue {
        let Some(original) = &self.callable.original else { return qjs::JS_UNDEFINED };
        let count = i32::try_from(arguments.len()).unwrap_or(i32::MAX);
        // SAFETY: all are alive for the call, which changes none of the arguments.
        unsafe { qjs::JS_Call(self.ctx, original.raw(), this, count, arguments.as_ptr().cast_mut()) }
    }
}

unsafe extern "C" fn call(
    ctx: *mut qjs::JSContext,
    function: qjs::JSValue,
    this: qjs::JSValue,
    argc: i32,
    argv: *mut qjs::JSValue,
    _flags: i32,
) -> qjs::JSValue {
    let count = usize::try_from(argc).unwrap_or(0);
    // SAFETY: the engine calls objects of this class with a live context and argc values; their data is the Box
    // from `make`, which lives as long as the function that is called.
    unsafe {
        let Some(callable) = qjs::JS_GetOpaque(function, ID).cast::<Callable>().as_ref() else {
            return qjs::JS_UNDEFINED;
        };
        let arguments = if count == 0 { &[] } else { std::slice::from_raw_parts(argv, count) };
        (callable.run)(&Invocation { callable, ctx, this, arguments })
    }
}

unsafe extern "C" fn finalize(_rt: *mut qjs::JSRuntime, value: qjs::JSValue) {
    // SAFETY: the data is null or the Box from `make`, freed once here.
    unsafe {
        let data = qjs::JS_GetOpaque(value, ID).cast::<Callable>();
        if !data.is_null() {
            drop(Box::from_raw(data));
        }
    }
}

unsafe extern "C" fn mark(rt: *mut qjs::JSRuntime, value: qjs::JSValue, mark: qjs::JS_MarkFunc) {
    // SAFETY: as in `finalize`; the collector visits live objects.
    if let Some(data) = unsafe { qjs::JS_GetOpaque(value, ID).cast::<Callable>().as_ref() }
        && let Some(original) = &data.original
    {
        Tracer { rt, mark }.mark(original);
    }
}

/// A function that runs `run`; in the place of `original` it has its prototype, name and length.
///
/// # Errors
/// Out of memory.
pub(super) fn make<'js>(
    ctx: &Ctx<'js>,
    run: Run,
    which: usize,
    original: Option<&Object<'js>>,
) -> Result<Value<'js>> {
    let raw = ctx.as_raw().as_ptr();
    let prototype = original.and_then(Object::get_prototype);
    // SAFETY: plain registration on a live context; the fresh object takes the Box over.
    let function = unsafe {
        let rt = qjs::JS_GetRuntime(raw);
        if !qjs::JS_IsRegisteredClass(rt, ID) {
            let definition = qjs::JSClassDef {
                class_name: c"Function".as_ptr(),
                finalizer: Some(finalize),
                gc_mark: Some(mark),
                call: Some(call),
                exotic: std::ptr::null_mut(),
            };
            if qjs::JS_NewClass(rt, ID, &definition) != 0 {
                return Err(Error::Allocation);
            }
        }
        let prototype = prototype.map_or(qjs::JS_NULL, |found| found.as_value().as_raw());
        let function = qjs::JS_NewObjectProtoClass(raw, prototype, ID);
        if qjs::JS_IsException(function) {
            return Err(Error::Exception);
        }
        let held = original.map(|original| Held::new(original.as_value().clone()));
        let data = Box::new(Callable { run, which, original: held });
        qjs::JS_SetOpaque(function, Box::into_raw(data).cast());
        Value::from_raw(ctx.clone(), function)
    };
    if let (Some(original), Some(function)) = (original, function.as_object()) {
        for name in ["length", "name"] {
            function.prop(name, Property::from(original.get::<_, Value>(name)?).configurable())?;
        }
    }
    Ok(function)
}

/// Puts a function that runs `run` in the place of the method `name` of `target`, where there is one; what stood
/// there.
///
/// # Errors
/// Out of memory.
pub(super) fn replace<'js>(
    ctx: &Ctx<'js>,
    target: &Object<'js>,
    name: &CStr,
    run: Run,
    which: usize,
) -> Result<Option<Object<'js>>> {
    let name = name.to_str().map_err(|_| Error::Unknown)?;
    let Some(original) = target.get::<_, Value>(name)?.into_object() else { return Ok(None) };
    let ours = make(ctx, run, which, Some(&original))?;
    target.prop(name, Property::from(ours).writable().configurable())?;
    Ok(Some(original))
}
