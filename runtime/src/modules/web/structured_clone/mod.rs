//! The global `structuredClone` (HTML section 2.7.10).
//!
//! Owns: its options. Must not know: how a value is cloned.
#![forbid(unsafe_code)]

use std::ffi::CStr;

use rquickjs::atom::PredefinedAtom;
use rquickjs::function::This;
use rquickjs::{Ctx, Function, Object, Result, Value};

use crate::js::class::{Scope, Static};
use crate::js::{clone, exception, function};

/// Entries of a transfer list.
const TRANSFER_MAX: usize = 65_536;

struct CloneGlobals;

impl function::Functions for CloneGlobals {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[(c"structuredClone", 1, structured_clone)];
}

/// Puts `structuredClone` on `globalThis`, and takes the intrinsics that cloning needs: it must come
/// before any script.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    clone::install(ctx)?;
    function::install::<CloneGlobals>(ctx, &ctx.globals())
}

/// `structuredClone(value, options)`.
///
/// # Errors
/// As `structuredClone` throws.
fn structured_clone<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(1, "structuredClone")?;
    let transfer = transfer_list(scope.ctx, &scope.arg(1))?;
    clone::structured_clone(scope.ctx, &scope.arg(0), &transfer)
}

/// The `transfer` member of the options: `sequence<object>` in Web IDL's terms.
fn transfer_list<'js>(ctx: &Ctx<'js>, options: &Value<'js>) -> Result<Vec<Value<'js>>> {
    if options.is_undefined() || options.is_null() {
        return Ok(Vec::new());
    }
    let refuse = |what: &str| Err(exception::type_error(ctx, &format!("structuredClone: {what}")));
    let Some(options) = options.as_object() else { return refuse("the options are not an object") };
    let list: Value = options.get("transfer")?;
    if list.is_undefined() {
        return Ok(Vec::new());
    }
    let Some(list) = list.as_object() else { return refuse("transfer is not iterable") };
    let Some(method) = list.get::<_, Value>(PredefinedAtom::SymbolIterator)?.into_function() else {
        return refuse("transfer is not iterable");
    };
    let iterator: Object = method.call((This(list.clone()),))?;
    let next: Function = iterator.get("next")?;
    let mut items = Vec::new();
    loop {
        let step: Object = next.call((This(iterator.clone()),))?;
        if step.get::<_, Value>("done")?.as_bool() == Some(true) {
            return Ok(items);
        }
        let item: Value = step.get("value")?;
        if !item.is_object() {
            return refuse("an entry of transfer is not an object");
        }
        if items.len() == TRANSFER_MAX {
            return refuse("transfer is too long");
        }
        items.push(item);
    }
}
