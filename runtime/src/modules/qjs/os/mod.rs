//! `os`: sockets, files and processes for scripts, and what a raw connection's handler is called with.
//!
//! Owns: the module's exports. Descriptors are numbers that only their engine knows ([`table`]); a
//! socket stays open until `close`, or until the engine ends: nothing else closes it. Must not
//! know: HTTP, the server's workers. The interface is described in `os.d.ts`.

pub(crate) mod address;
pub(crate) mod arguments;
pub mod coerce;
mod constants;
mod control;
mod descriptors;
mod directories;
pub mod errno;
mod files;
mod hints;
pub mod lent;
mod numbers;
mod paths;
pub mod pending;
mod process;
mod receives;
mod resolve;
mod results;
mod service;
mod signals;
mod stat;
pub mod table;
mod terminal;
mod time;
mod transfer;
mod watch;
mod worker;

pub use resolve::set_resolver;

use std::ffi::CStr;

use rquickjs::module::{Declarations, Declared, Exports, ModuleDef};
use rquickjs::{Ctx, Module, Result, Value};

use crate::js::class::Static;
use crate::js::function::{self, Functions};
use crate::js::value;
use crate::modules::web::timers;

/// Makes the native module.
///
/// # Errors
/// Out of memory.
pub fn declare<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    Module::declare_def::<Os, _>(ctx.clone(), name)
}

/// The functions of one topic.
struct Group {
    list: &'static [(&'static CStr, u8, Static)],
    make: for<'js> fn(&Ctx<'js>, usize) -> Result<Value<'js>>,
}

const fn group<F: Functions>() -> Group {
    Group { list: F::LIST, make: function::make::<F> }
}

/// All functions of the module.
const GROUPS: &[Group] = &[
    group::<control::SocketControlCalls>(),
    group::<transfer::TransferCalls>(),
    group::<resolve::ResolveCalls>(),
    group::<watch::WatchCalls>(),
    group::<files::FileCalls>(),
    group::<descriptors::DescriptorCalls>(),
    group::<paths::PathCalls>(),
    group::<stat::StatCalls>(),
    group::<directories::DirectoryCalls>(),
    group::<process::ProcessCalls>(),
    group::<signals::SignalCalls>(),
    group::<terminal::TerminalCalls>(),
    group::<time::TimeCalls>(),
    group::<timers::Globals>(),
];

fn constants() -> impl Iterator<Item = (&'static str, i32)> {
    constants::all().chain(numbers::all())
}

struct Os;

impl ModuleDef for Os {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        for (name, _, _) in GROUPS.iter().flat_map(|group| group.list) {
            declarations.declare(name.to_bytes())?;
        }
        for (name, _) in constants() {
            declarations.declare(name)?;
        }
        declarations.declare("platform")?;
        declarations.declare("Worker")?;
        Ok(())
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        for group in GROUPS {
            for (index, (name, _, _)) in group.list.iter().enumerate() {
                exports.export(name.to_bytes(), (group.make)(ctx, index)?)?;
            }
        }
        for (name, number) in constants() {
            exports.export(name, Value::new_int(ctx.clone(), number))?;
        }
        exports.export("platform", value::string(ctx, "linux")?)?;
        exports.export("Worker", worker::constructor(ctx)?)?;
        Ok(())
    }
}
