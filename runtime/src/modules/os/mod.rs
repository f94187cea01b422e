//! `os`: sockets for scripts, and what a raw connection's handler is called with.
//!
//! Owns: the module's exports. Descriptors are numbers that only their engine knows ([`table`]); a
//! socket stays open until `close`, or until the engine ends: nothing else closes it. Must not
//! know: HTTP, workers. The interface is described in `os.d.ts`.

mod address;
mod arguments;
mod constants;
mod control;
pub mod errno;
pub mod handler;
pub mod lent;
mod receives;
pub mod table;
mod transfer;

use rquickjs::module::{Declarations, Declared, Exports, ModuleDef};
use rquickjs::{Ctx, Module, Result, Value};

use crate::js::function::{self, Functions};

/// Makes the native module.
///
/// # Errors
/// Out of memory.
pub fn declare<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    Module::declare_def::<Os, _>(ctx.clone(), name)
}

struct Os;

impl ModuleDef for Os {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        for name in names::<control::Calls>().chain(names::<transfer::Calls>()) {
            declarations.declare(name)?;
        }
        for (name, _) in constants::all() {
            declarations.declare(name)?;
        }
        Ok(())
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        export::<control::Calls>(ctx, exports)?;
        export::<transfer::Calls>(ctx, exports)?;
        for (name, number) in constants::all() {
            exports.export(name, Value::new_int(ctx.clone(), number))?;
        }
        Ok(())
    }
}

fn names<F: Functions>() -> impl Iterator<Item = &'static str> {
    F::LIST.iter().filter_map(|(name, _, _)| name.to_str().ok())
}

fn export<'js, F: Functions>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
    for (index, name) in names::<F>().enumerate() {
        exports.export(name, function::make::<F>(ctx, index)?)?;
    }
    Ok(())
}
