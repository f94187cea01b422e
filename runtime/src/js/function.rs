//! Native functions and properties: what puts them on an object.
//!
//! Owns: the C entry point of plain functions, the signatures of all, property flags. Must not know: any function,
//! classes.

use std::ffi::CStr;
use std::mem::transmute;

use rquickjs::object::Property;
use rquickjs::{Ctx, Error, Object, Result, Value, qjs};

use super::native_call::{self, Static};

pub(super) type RawMagic =
    unsafe extern "C" fn(*mut qjs::JSContext, qjs::JSValue, i32, *mut qjs::JSValue, i32) -> qjs::JSValue;
pub(super) type RawGetter = unsafe extern "C" fn(*mut qjs::JSContext, qjs::JSValue, i32) -> qjs::JSValue;
pub(super) type RawSetter =
    unsafe extern "C" fn(*mut qjs::JSContext, qjs::JSValue, qjs::JSValue, i32) -> qjs::JSValue;
pub(super) type RawFunction =
    unsafe extern "C" fn(*mut qjs::JSContext, qjs::JSValue, i32, *mut qjs::JSValue) -> qjs::JSValue;

/// A list of native functions with names and lengths.
pub trait Functions: 'static {
    /// Name, `length`, function.
    const LIST: &'static [(&'static CStr, u8, Static)];
}

unsafe extern "C" fn call<F: Functions>(
    ctx: *mut qjs::JSContext,
    this: qjs::JSValue,
    argc: i32,
    argv: *mut qjs::JSValue,
    magic: i32,
) -> qjs::JSValue {
    // SAFETY: the engine calls with a live context and argc values.
    unsafe {
        let cx = native_call::context(ctx);
        let scope = native_call::scope(&cx, this, native_call::arguments(argc, argv));
        native_call::enter(&cx, || (F::LIST[magic as usize].2)(&scope))
    }
}

/// Function `index` of the list, as a JavaScript function.
///
/// # Errors
/// Out of memory.
pub fn make<'js, F: Functions>(ctx: &Ctx<'js>, index: usize) -> Result<Value<'js>> {
    let (name, length, _) = F::LIST[index];
    magic(ctx, call::<F>, name, length, index)
}

/// Puts every function of the list on `target`.
///
/// # Errors
/// Out of memory.
pub fn install<'js, F: Functions>(ctx: &Ctx<'js>, target: &Object<'js>) -> Result<()> {
    for (index, (name, _, _)) in F::LIST.iter().enumerate() {
        define(ctx, target, name, make::<F>(ctx, index)?, true)?;
    }
    Ok(())
}

/// Defines a writable, configurable property.
///
/// # Errors
/// Out of memory.
pub fn define<'js>(
    _ctx: &Ctx<'js>,
    target: &Object<'js>,
    name: &CStr,
    value: Value<'js>,
    enumerable: bool,
) -> Result<()> {
    let property = Property::from(value).writable().configurable();
    let name = name.to_str().map_err(|_| Error::Unknown)?;
    match enumerable {
        true => target.prop(name, property.enumerable()),
        false => target.prop(name, property),
    }
}

pub(super) fn magic<'js>(
    ctx: &Ctx<'js>,
    f: RawMagic,
    name: &CStr,
    length: u8,
    index: usize,
) -> Result<Value<'js>> {
    // SAFETY: the engine calls a generic_magic function with the five arguments of RawMagic.
    let f = unsafe { transmute::<RawMagic, RawFunction>(f) };
    raw(ctx, f, name, length, qjs::JSCFunctionEnum_JS_CFUNC_generic_magic, index)
}

pub(super) fn raw<'js>(
    ctx: &Ctx<'js>,
    f: RawFunction,
    name: &CStr,
    length: u8,
    kind: qjs::JSCFunctionEnum,
    index: usize,
) -> Result<Value<'js>> {
    // SAFETY: `f` has the signature that `kind` stands for.
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        let value = qjs::JS_NewCFunction2(raw, Some(f), name.as_ptr(), length.into(), kind, index as i32);
        match qjs::JS_IsException(value) {
            true => Err(Error::Exception),
            false => Ok(Value::from_raw(ctx.clone(), value)),
        }
    }
}

pub(super) fn accessor<'js>(
    ctx: &Ctx<'js>,
    target: &Object<'js>,
    name: &CStr,
    get: Value<'js>,
    set: Option<Value<'js>>,
    flags: u32,
) -> Result<()> {
    // SAFETY: JS_DefinePropertyGetSet takes one reference of getter and setter each, given here.
    let done = unsafe {
        let raw = ctx.as_raw().as_ptr();
        let atom = qjs::JS_NewAtom(raw, name.as_ptr());
        let set = set.map_or(qjs::JS_UNDEFINED, native_call::leak);
        let done = qjs::JS_DefinePropertyGetSet(
            raw,
            target.as_value().as_raw(),
            atom,
            native_call::leak(get),
            set,
            flags as i32,
        );
        qjs::JS_FreeAtom(raw, atom);
        done
    };
    if done < 0 { Err(Error::Exception) } else { Ok(()) }
}

/// Gives `target` a configurable accessor; without a setter it is read-only.
///
/// # Errors
/// Out of memory.
pub fn attribute<'js>(
    ctx: &Ctx<'js>,
    target: &Object<'js>,
    name: &CStr,
    get: Value<'js>,
    set: Option<Value<'js>>,
    enumerable: bool,
) -> Result<()> {
    let flags = if enumerable { CHANGEABLE } else { qjs::JS_PROP_CONFIGURABLE };
    accessor(ctx, target, name, get, set, flags)
}

pub(super) const CHANGEABLE: u32 = qjs::JS_PROP_CONFIGURABLE | qjs::JS_PROP_ENUMERABLE;

/// Gives `target` an attribute of its own that nothing can take away or replace (Web IDL,
/// `LegacyUnforgeable`).
///
/// # Errors
/// Out of memory.
pub fn unforgeable<'js>(ctx: &Ctx<'js>, target: &Object<'js>, name: &CStr, getter: Value<'js>) -> Result<()> {
    accessor(ctx, target, name, getter, None, qjs::JS_PROP_ENUMERABLE)
}
