//! Classic scripts in bytecode.
//!
//! Owns: how they are compiled and run. Must not know: any script.

use std::ffi::CStr;

use rquickjs::{Ctx, Error, Result, Value, qjs};

/// Runs what [`compile`] made; its value.
pub(super) fn run<'js>(ctx: &Ctx<'js>, bytecode: &[u8]) -> Result<Value<'js>> {
    let flags = qjs::JS_READ_OBJ_BYTECODE as i32;
    // SAFETY: the bytes come from `JS_WriteObject` of this very program; the function read is
    // handed over to JS_EvalFunction.
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        let function = qjs::JS_ReadObject(raw, bytecode.as_ptr(), bytecode.len() as _, flags);
        if qjs::JS_IsException(function) {
            return Err(Error::Exception);
        }
        super::value::fresh(ctx, qjs::JS_EvalFunction(raw, function))
    }
}

/// Compiles a classic script called `name` in stack traces.
pub(super) fn compile(ctx: &Ctx<'_>, source: &str, name: &CStr) -> Result<Box<[u8]>> {
    let source = source.to_owned() + "\0";
    let flags = (qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_COMPILE_ONLY) as i32;
    // SAFETY: the source ends in the NUL that the engine wants behind its last byte; the bytes
    // written are copied and given back to the engine's allocator.
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        let length = (source.len() - 1) as _;
        let function = qjs::JS_Eval(raw, source.as_ptr().cast(), length, name.as_ptr(), flags);
        let function = super::value::fresh(ctx, function)?;
        let mut size = 0;
        let flags = qjs::JS_WRITE_OBJ_BYTECODE as i32;
        let bytes = qjs::JS_WriteObject(raw, &mut size, function.as_raw(), flags);
        if bytes.is_null() {
            return Err(Error::Exception);
        }
        let copy = std::slice::from_raw_parts(bytes, size as usize).into();
        qjs::js_free(raw, bytes.cast());
        Ok(copy)
    }
}
