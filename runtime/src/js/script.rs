//! JavaScript that is part of this program: compiled once per process, run when first needed.
//!
//! Owns: the bytecode of each embedded script, and how it is made. Must not know: any script. The bytecode carries no
//! source, so that its functions print as native code.

use std::ffi::CStr;
use std::sync::OnceLock;

use rquickjs::{Ctx, Error, Result, Value, qjs};

/// An embedded script; its value is that of its last expression.
pub struct Script {
    /// What stack traces call it, NUL-terminated.
    name: &'static CStr,
    source: &'static str,
    bytecode: OnceLock<Box<[u8]>>,
}

impl Script {
    /// A script called `name` in stack traces.
    pub const fn new(name: &'static CStr, source: &'static str) -> Script {
        Script { name, source, bytecode: OnceLock::new() }
    }

    /// Runs it in strict mode; its value.
    ///
    /// # Errors
    /// What it throws.
    pub fn run<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let bytecode = match self.bytecode.get() {
            Some(bytecode) => bytecode,
            None => {
                let fresh = self.compile(ctx)?;
                self.bytecode.get_or_init(|| fresh)
            }
        };
        run(ctx, bytecode)
    }

    fn compile(&self, ctx: &Ctx<'_>) -> Result<Box<[u8]>> {
        compile(ctx, self.source, self.name, qjs::JS_EVAL_FLAG_STRICT, qjs::JS_WRITE_OBJ_STRIP_SOURCE)
    }
}

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

/// Compiles a classic script; `eval` and `write` are flags of JS_Eval and of JS_WriteObject.
pub(super) fn compile(ctx: &Ctx<'_>, source: &str, name: &CStr, eval: u32, write: u32) -> Result<Box<[u8]>> {
    let source = source.to_owned() + "\0";
    let flags = (qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_COMPILE_ONLY | eval) as i32;
    // SAFETY: the source ends in the NUL that the engine wants behind its last byte; the bytes
    // written are copied and given back to the engine's allocator.
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        let length = (source.len() - 1) as _;
        let function = qjs::JS_Eval(raw, source.as_ptr().cast(), length, name.as_ptr(), flags);
        let function = super::value::fresh(ctx, function)?;
        let mut size = 0;
        let flags = (qjs::JS_WRITE_OBJ_BYTECODE | write) as i32;
        let bytes = qjs::JS_WriteObject(raw, &mut size, function.as_raw(), flags);
        if bytes.is_null() {
            return Err(Error::Exception);
        }
        let copy = std::slice::from_raw_parts(bytes, size as usize).into();
        qjs::js_free(raw, bytes.cast());
        Ok(copy)
    }
}
