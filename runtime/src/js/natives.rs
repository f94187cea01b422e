//! Native modules: functions and values of Rust for the JavaScript of this program.
//!
//! Owns: how such a module is declared and filled. Must not know: any module.

use std::ffi::CStr;
use std::marker::PhantomData;

use rquickjs::module::{Declarations, Declared, Exports, ModuleDef};
use rquickjs::{Ctx, Module, Result, Value};

use super::function::{self, Functions};

/// Makes a value.
pub type Make = for<'js> fn(&Ctx<'js>) -> Result<Value<'js>>;

/// The functions of a native module, and what else it exports.
pub trait Natives: Functions {
    /// Name and value.
    const VALUES: &'static [(&'static CStr, Make)] = &[];

    /// Registers the classes whose objects it gives.
    ///
    /// # Errors
    /// Out of memory.
    fn prepare(_ctx: &Ctx<'_>) -> Result<()> {
        Ok(())
    }
}

/// Makes the native module of `N`.
///
/// # Errors
/// Out of memory.
pub fn declare<'js, N: Natives>(ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    Module::declare_def::<Definition<N>, _>(ctx.clone(), name)
}

struct Definition<N>(PhantomData<N>);

impl<N: Natives> ModuleDef for Definition<N> {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        let functions = N::LIST.iter().map(|(name, ..)| *name);
        for name in functions.chain(N::VALUES.iter().map(|(name, _)| *name)) {
            declarations.declare_c_str(name)?;
        }
        Ok(())
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        N::prepare(ctx)?;
        for (index, (name, ..)) in N::LIST.iter().enumerate() {
            exports.export_c_str(name, function::make::<N>(ctx, index)?)?;
        }
        for (name, make) in N::VALUES {
            exports.export_c_str(name, make(ctx)?)?;
        }
        Ok(())
    }
}
