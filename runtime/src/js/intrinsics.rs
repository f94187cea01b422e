//! The engine's own methods and constructors, taken before any script ran.
//!
//! Owns: the list of what cloning, buffers and RegExps need, one set per engine; the engine's class numbers.
//! Must not know: what is made of them.

use std::cell::{OnceCell, RefCell};
use std::ffi::{CStr, c_void};
use std::rc::Rc;

use rquickjs::{Ctx, Error, Result, Value, qjs};

use super::exception;
use super::held::Held;
use super::state::State;
use super::value::fresh;

/// Class numbers of the pinned quickjs-ng 0.16 (`enum` at the top of quickjs.c); a test compares
/// them with live objects.
pub(super) mod class {
    pub(in crate::js) const OBJECT: u32 = 1;
    pub(in crate::js) const ARRAY: u32 = 2;
    pub(in crate::js) const ERROR: u32 = 3;
    pub(in crate::js) const NUMBER: u32 = 4;
    pub(in crate::js) const STRING: u32 = 5;
    pub(in crate::js) const BOOLEAN: u32 = 6;
    pub(in crate::js) const ARGUMENTS: u32 = 8;
    pub(in crate::js) const DATE: u32 = 10;
    pub(in crate::js) const REGEXP: u32 = 19;
    pub(in crate::js) const ARRAY_BUFFER: u32 = 20;
    pub(in crate::js) const SHARED_ARRAY_BUFFER: u32 = 21;
    pub(in crate::js) const TYPED_ARRAY_FIRST: u32 = 22;
    pub(in crate::js) const TYPED_ARRAY_LAST: u32 = 33;
    pub(in crate::js) const DATA_VIEW: u32 = 34;
    pub(in crate::js) const BIG_INT: u32 = 35;
    pub(in crate::js) const MAP: u32 = 36;
    pub(in crate::js) const SET: u32 = 37;
    pub(in crate::js) const DOM_EXCEPTION: u32 = 64;
}

enum Kind {
    Constructor,
    Prototype,
    Method(&'static CStr),
    Getter(&'static CStr),
    /// A getter of the constructor's prototype's prototype.
    ParentGetter(&'static CStr),
}
use Kind::{Constructor, Getter, Method, ParentGetter, Prototype};

macro_rules! list {
    ($($name:ident: $global:literal, $kind:expr;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Index { $($name,)* COUNT }
        $(pub(in crate::js) const $name: usize = Index::$name as usize;)*
        const LIST: [(&CStr, Kind); Index::COUNT as usize] = [$(($global, $kind)),*];
    };
}

list! {
    MAP: c"Map", Constructor;
    MAP_FOR_EACH: c"Map", Method(c"forEach");
    MAP_SET: c"Map", Method(c"set");
    SET: c"Set", Constructor;
    SET_FOR_EACH: c"Set", Method(c"forEach");
    SET_ADD: c"Set", Method(c"add");
    DATE_GET_TIME: c"Date", Method(c"getTime");
    NUMBER_VALUE_OF: c"Number", Method(c"valueOf");
    STRING_VALUE_OF: c"String", Method(c"valueOf");
    BOOLEAN_VALUE_OF: c"Boolean", Method(c"valueOf");
    BIG_INT_VALUE_OF: c"BigInt", Method(c"valueOf");
    BIG_INT_TO_STRING: c"BigInt", Method(c"toString");
    BIG_INT: c"BigInt", Constructor;
    REG_EXP: c"RegExp", Constructor;
    REG_EXP_EXEC: c"RegExp", Method(c"exec");
    REG_EXP_SOURCE: c"RegExp", Getter(c"source");
    REG_EXP_D: c"RegExp", Getter(c"hasIndices");
    REG_EXP_G: c"RegExp", Getter(c"global");
    REG_EXP_I: c"RegExp", Getter(c"ignoreCase");
    REG_EXP_M: c"RegExp", Getter(c"multiline");
    REG_EXP_S: c"RegExp", Getter(c"dotAll");
    REG_EXP_U: c"RegExp", Getter(c"unicode");
    REG_EXP_V: c"RegExp", Getter(c"unicodeSets");
    REG_EXP_Y: c"RegExp", Getter(c"sticky");
    BUFFER: c"ArrayBuffer", Constructor;
    BUFFER_RESIZABLE: c"ArrayBuffer", Getter(c"resizable");
    BUFFER_LENGTH_MAX: c"ArrayBuffer", Getter(c"maxByteLength");
    BUFFER_DETACHED: c"ArrayBuffer", Getter(c"detached");
    BUFFER_RESIZE: c"ArrayBuffer", Method(c"resize");
    BUFFER_TRANSFER: c"ArrayBuffer", Method(c"transfer");
    SHARED_GROWABLE: c"SharedArrayBuffer", Getter(c"growable");
    SHARED_LENGTH_MAX: c"SharedArrayBuffer", Getter(c"maxByteLength");
    DATA_VIEW: c"DataView", Constructor;
    DATA_VIEW_BUFFER: c"DataView", Getter(c"buffer");
    DATA_VIEW_OFFSET: c"DataView", Getter(c"byteOffset");
    DATA_VIEW_LENGTH: c"DataView", Getter(c"byteLength");
    TYPED_ARRAY_LENGTH: c"Uint8Array", ParentGetter(c"length");
    DOM_EXCEPTION: c"DOMException", Constructor;
    DOM_EXCEPTION_NAME: c"DOMException", Getter(c"name");
    DOM_EXCEPTION_MESSAGE: c"DOMException", Getter(c"message");
    ERROR_STACK: c"Error", Getter(c"stack");
    ERROR: c"Error", Prototype;
    EVAL_ERROR: c"EvalError", Prototype;
    RANGE_ERROR: c"RangeError", Prototype;
    REFERENCE_ERROR: c"ReferenceError", Prototype;
    SYNTAX_ERROR: c"SyntaxError", Prototype;
    TYPE_ERROR: c"TypeError", Prototype;
    URI_ERROR: c"URIError", Prototype;
}

/// The prototypes of errors, in the order of `format::ERROR_NAMES`.
pub(super) const ERROR_PROTOTYPES: [usize; 7] =
    [ERROR, EVAL_ERROR, RANGE_ERROR, REFERENCE_ERROR, SYNTAX_ERROR, TYPE_ERROR, URI_ERROR];

/// The flag getters of regular expressions with their letters, in the order of `flags`.
pub(super) const FLAGS: [(usize, char); 8] = [
    (REG_EXP_D, 'd'),
    (REG_EXP_G, 'g'),
    (REG_EXP_I, 'i'),
    (REG_EXP_M, 'm'),
    (REG_EXP_S, 's'),
    (REG_EXP_U, 'u'),
    (REG_EXP_V, 'v'),
    (REG_EXP_Y, 'y'),
];

/// One engine's set.
#[derive(Default)]
struct Intrinsics {
    all: OnceCell<Vec<Held>>,
    negate: OnceCell<Held>,
}

/// Takes the intrinsics of a fresh engine; to be called before scripts run.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    of(ctx).map(drop)
}

fn of(ctx: &Ctx<'_>) -> Result<Rc<Intrinsics>> {
    let set = State::of(ctx).extension::<Intrinsics>();
    if set.all.get().is_none() {
        let all = LIST.iter().map(|(global, kind)| capture(ctx, global, kind)).collect::<Result<Vec<_>>>()?;
        let _ = set.all.set(all);
    }
    Ok(set)
}

fn property<'js>(of: &Value<'js>, name: &CStr) -> Result<Value<'js>> {
    // SAFETY: a live object and a NUL-terminated name; the result is a new reference.
    unsafe { fresh(of.ctx(), qjs::JS_GetPropertyStr(of.ctx().as_raw().as_ptr(), of.as_raw(), name.as_ptr())) }
}

fn capture(ctx: &Ctx<'_>, global: &CStr, kind: &Kind) -> Result<Held> {
    let constructor = property(ctx.globals().as_value(), global)?;
    let prototype = || property(&constructor, c"prototype");
    let found = match kind {
        Constructor => constructor,
        Prototype => prototype()?,
        Method(name) => property(&prototype()?, name)?,
        Getter(name) => getter(&prototype()?, name)?,
        ParentGetter(name) => {
            let parent = prototype()?.as_object().and_then(rquickjs::Object::get_prototype);
            getter(&parent.ok_or(Error::Unknown)?.into_value(), name)?
        }
    };
    Ok(Held::new(found))
}

fn getter<'js>(of: &Value<'js>, name: &CStr) -> Result<Value<'js>> {
    let ctx = of.ctx();
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: the descriptor is filled in when the call says so; each of its three references
    // becomes a Value's.
    unsafe {
        let atom = qjs::JS_NewAtom(raw, name.as_ptr());
        let mut found = std::mem::zeroed::<qjs::JSPropertyDescriptor>();
        let present = qjs::JS_GetOwnProperty(raw, &mut found, of.as_raw(), atom);
        qjs::JS_FreeAtom(raw, atom);
        if present <= 0 {
            return Err(exception::internal_error(ctx, "an intrinsic getter is missing"));
        }
        drop(Value::from_raw(ctx.clone(), found.value));
        drop(Value::from_raw(ctx.clone(), found.setter));
        Ok(Value::from_raw(ctx.clone(), found.getter))
    }
}

fn with<R>(ctx: &Ctx<'_>, index: usize, f: impl FnOnce(&Held) -> Result<R>) -> Result<R> {
    let set = of(ctx)?;
    f(set.all.get().and_then(|all| all.get(index)).ok_or(Error::Unknown)?)
}

/// Intrinsic `index` itself.
pub(super) fn get<'js>(ctx: &Ctx<'js>, index: usize) -> Result<Value<'js>> {
    with(ctx, index, |held| Ok(held.get(ctx)))
}

/// Calls method or getter `index` on `this`.
pub(in crate::js) fn call<'js>(
    ctx: &Ctx<'js>,
    index: usize,
    this: &Value<'js>,
    args: &[Value<'js>],
) -> Result<Value<'js>> {
    with(ctx, index, |held| invoke(ctx, held, this.as_raw(), args))
}

pub(super) fn invoke<'js>(
    ctx: &Ctx<'js>,
    function: &Held,
    this: qjs::JSValue,
    args: &[Value<'js>],
) -> Result<Value<'js>> {
    let mut raw = [qjs::JS_UNDEFINED; 3];
    for (slot, arg) in raw.iter_mut().zip(args) {
        *slot = arg.as_raw();
    }
    let count = args.len().min(raw.len()) as i32;
    // SAFETY: function, receiver and arguments are alive for the call.
    unsafe { fresh(ctx, qjs::JS_Call(ctx.as_raw().as_ptr(), function.raw(), this, count, raw.as_mut_ptr())) }
}

/// `new` with constructor `index`.
pub(in crate::js) fn construct<'js>(ctx: &Ctx<'js>, index: usize, args: &[Value<'js>]) -> Result<Value<'js>> {
    let mut raw = [qjs::JS_UNDEFINED; 3];
    for (slot, arg) in raw.iter_mut().zip(args) {
        *slot = arg.as_raw();
    }
    let count = args.len().min(raw.len()) as i32;
    with(ctx, index, |held| {
        // SAFETY: constructor and arguments are alive for the call.
        unsafe {
            let made = qjs::JS_CallConstructor(ctx.as_raw().as_ptr(), held.raw(), count, raw.as_mut_ptr());
            fresh(ctx, made)
        }
    })
}

/// The BigInt whose magnitude is `digits` (`0x...`).
pub(super) fn big_int<'js>(ctx: &Ctx<'js>, negative: bool, digits: Value<'js>) -> Result<Value<'js>> {
    let magnitude = with(ctx, BIG_INT, |held| invoke(ctx, held, qjs::JS_UNDEFINED, &[digits]))?;
    if !negative {
        return Ok(magnitude);
    }
    let set = of(ctx)?;
    if set.negate.get().is_none() {
        let _ = set.negate.set(Held::new(ctx.eval::<Value, _>("(n => -n)")?));
    }
    invoke(ctx, set.negate.get().ok_or(Error::Unknown)?, qjs::JS_UNDEFINED, &[magnitude])
}

/// The items of a Map (key, value, key, value) or Set: method `index` is its `forEach`.
pub(super) fn items<'js>(ctx: &Ctx<'js>, index: usize, of: &Value<'js>) -> Result<Vec<Value<'js>>> {
    let items = RefCell::new(Vec::new());
    let opaque = std::ptr::from_ref(&items).cast_mut().cast::<c_void>();
    let with_key = i32::from(index == MAP_FOR_EACH);
    // SAFETY: only `forEach` gets the closure and keeps no reference: it is gone before `items`.
    let collect = unsafe {
        let raw = ctx.as_raw().as_ptr();
        fresh(ctx, qjs::JS_NewCClosure(raw, Some(collect), c"".as_ptr(), None, 0, with_key, opaque))?
    };
    call(ctx, index, of, &[collect])?;
    Ok(items.take())
}

unsafe extern "C" fn collect(
    ctx: *mut qjs::JSContext,
    _this: qjs::JSValue,
    argc: i32,
    argv: *mut qjs::JSValue,
    with_key: i32,
    opaque: *mut c_void,
) -> qjs::JSValue {
    // SAFETY: `opaque` is the list that `items` waits with; the engine calls with a live context
    // and argc values, three from `forEach`.
    unsafe {
        let cx = super::native_call::context(ctx);
        let args = super::native_call::arguments(argc, argv);
        let scope = super::native_call::scope(&cx, qjs::JS_UNDEFINED, args);
        let mut items = (*opaque.cast::<RefCell<Vec<Value<'_>>>>()).borrow_mut();
        if with_key == 1 {
            items.push(scope.arg(1));
        }
        items.push(scope.arg(0));
    }
    qjs::JS_UNDEFINED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_numbers_are_those_of_this_engine() {
        let runtime = rquickjs::Runtime::new().expect("a runtime");
        rquickjs::Context::full(&runtime).expect("a context").with(|ctx| {
            for (id, source) in [
                (class::OBJECT, "({})"),
                (class::ARRAY, "[]"),
                (class::ERROR, "new RangeError"),
                (class::NUMBER, "Object(1)"),
                (class::STRING, "Object('')"),
                (class::BOOLEAN, "Object(true)"),
                (class::ARGUMENTS, "(function () { 'use strict'; return arguments })()"),
                (class::DATE, "new Date"),
                (class::REGEXP, "/a/"),
                (class::ARRAY_BUFFER, "new ArrayBuffer(1)"),
                (class::TYPED_ARRAY_FIRST, "new Uint8ClampedArray(1)"),
                (class::TYPED_ARRAY_LAST, "new Float64Array(1)"),
                (class::DATA_VIEW, "new DataView(new ArrayBuffer(1))"),
                (class::BIG_INT, "Object(1n)"),
                (class::MAP, "new Map"),
                (class::SET, "new Set"),
                (class::DOM_EXCEPTION, "new DOMException"),
            ] {
                let value: Value = ctx.eval(source).expect("a sample");
                // SAFETY: reads the class of a live object.
                assert_eq!(unsafe { qjs::JS_GetClassID(value.as_raw()) }, id, "{source}");
            }
        });
    }
}
