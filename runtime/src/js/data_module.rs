//! Modules that are no code: their default export is the file's JSON value, its text, or its bytes.
//!
//! Owns: that an engine has one module of each name, though some import it with attributes and some, from
//! bytecode, without. Must not know: where the bytes come from.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr::NonNull;
use std::sync::Arc;

use rquickjs::module::Declared;
use rquickjs::{Ctx, Error, Module, Result, Value, qjs};

use super::state::State;
use super::{buffer, exception, native_call, value};
use crate::source::names::Kind;

/// The whole of such a module.
const SOURCE: &CStr = c"export default import.meta.value;";

/// The modules of one engine. None of them is ever freed before their context: the engine frees only modules
/// whose imports were not found, and these import nothing.
#[derive(Default)]
struct Known(RefCell<HashMap<CString, NonNull<qjs::JSModuleDef>>>);

/// The module `name`, which is a `kind` made of `bytes`.
///
/// # Errors
/// SyntaxError for what is no JSON, TypeError for text that is not UTF-8, what `bytes` throws.
pub(super) fn module<'js>(
    ctx: &Ctx<'js>,
    name: &str,
    kind: Kind,
    bytes: impl FnOnce() -> Result<Arc<[u8]>>,
) -> Result<Module<'js, Declared>> {
    let known = State::of(ctx).extension::<Known>();
    let key = CString::new(name)?;
    let is_known = known.0.borrow().contains_key(&key);
    if !is_known {
        let value = content(ctx, name, kind, &bytes()?)?;
        let module = declare(ctx, &key)?;
        known.0.borrow_mut().insert(key.clone(), module);
        // SAFETY: `find` gives a module of this very context.
        let module = unsafe { Module::from_load_fn(ctx.clone(), name, find)? };
        module.meta()?.set("value", value)?;
        return Ok(module);
    }
    // SAFETY: as above.
    unsafe { Module::from_load_fn(ctx.clone(), name, find) }
}

fn declare(ctx: &Ctx<'_>, name: &CStr) -> Result<NonNull<qjs::JSModuleDef>> {
    let flags = (qjs::JS_EVAL_TYPE_MODULE | qjs::JS_EVAL_FLAG_COMPILE_ONLY) as i32;
    // SAFETY: source and name end in NUL; what is compiled as a module is one, whose reference stays with the
    // context.
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        let length = SOURCE.count_bytes() as _;
        let module = qjs::JS_Eval(raw, SOURCE.as_ptr(), length, name.as_ptr(), flags);
        if qjs::JS_IsException(module) {
            return Err(Error::Exception);
        }
        NonNull::new(qjs::JS_VALUE_GET_PTR(module).cast()).ok_or(Error::Unknown)
    }
}

/// The module that is known by `name`; null where none is.
unsafe extern "C" fn find(ctx: *mut qjs::JSContext, name: *const c_char) -> *mut qjs::JSModuleDef {
    // SAFETY: called by `Module::from_load_fn` alone, with a live context and a name that ends in NUL.
    let (ctx, name) = unsafe { (native_call::context(ctx), CStr::from_ptr(name)) };
    let known = State::of(&ctx).extension::<Known>();
    let found = known.0.borrow().get(name).copied();
    found.map_or(std::ptr::null_mut(), NonNull::as_ptr)
}

fn content<'js>(ctx: &Ctx<'js>, name: &str, kind: Kind, bytes: &[u8]) -> Result<Value<'js>> {
    if kind == Kind::Bytes {
        let made = value::array_buffer(ctx, bytes)?;
        // SAFETY: marks a live ArrayBuffer.
        if unsafe { qjs::JS_SetImmutableArrayBuffer(made.as_raw(), true) } < 0 {
            return Err(Error::Exception);
        }
        return buffer::make(buffer::UINT8, made, 0.0, bytes.len() as f64);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|_| exception::type_error(ctx, &format!("module '{name}' is not UTF-8")))?;
    match kind {
        Kind::Json => value::parse_json(ctx, text, &crate::source::names::path(name)),
        _ => value::string(ctx, text),
    }
}
