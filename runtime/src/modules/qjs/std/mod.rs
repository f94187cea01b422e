//! `std`: C's stdio and more for scripts, as QuickJS has it.
//!
//! Owns: the module's exports. Must not know: sockets, how HTTP works. Errors: FILE functions answer
//! `null`, numbers are `-errno`, wrong arguments throw. The interface is described in QuickJS's manual;
//! where quickjs-ng differs, it is followed.

mod environment;
mod ext_json;
mod file;
mod load;
mod open;
mod open_file;
mod printf;
pub mod standard;
mod stream;
mod text;
mod url_get;

use rquickjs::module::{Declarations, Declared, Exports, ModuleDef};
use rquickjs::object::Property;
use rquickjs::{Ctx, Module, Object, Result, Value};

use self::file::File;
use self::standard::{Number, Standard};
use crate::io::errno;
use crate::js::class::{self, Scope, Static};
use crate::js::engine::State;
use crate::js::function::{self, Functions};
use crate::js::value;

/// Makes the native module.
///
/// # Errors
/// Out of memory.
pub fn declare<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    Module::declare_def::<Std, _>(ctx.clone(), name)
}

struct Parse;

impl Functions for Parse {
    const LIST: &'static [(&'static std::ffi::CStr, u8, Static)] = &[(c"parseExtJSON", 1, parse_ext_json)];
}

/// `parseExtJSON(text)`.
fn parse_ext_json<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    ext_json::parse(scope.ctx, &value::to_string(&scope.arg(0))?)
}

const NUMBERS: [(&str, i32); 3] =
    [("SEEK_SET", libc::SEEK_SET), ("SEEK_CUR", libc::SEEK_CUR), ("SEEK_END", libc::SEEK_END)];

const STREAMS: [(&str, Number); 3] = [("in", Number::In), ("out", Number::Out), ("err", Number::Err)];

/// Second names of error numbers (errno(3)).
const ALIASES: [(&str, i32); 3] =
    [("EWOULDBLOCK", libc::EWOULDBLOCK), ("EDEADLOCK", libc::EDEADLOCK), ("ENOTSUP", libc::ENOTSUP)];

struct Std;

impl ModuleDef for Std {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        for list in [
            load::LoadCalls::LIST,
            open::OpenCalls::LIST,
            environment::EnvironmentCalls::LIST,
            url_get::UrlGetCalls::LIST,
            Parse::LIST,
            text::TextCalls::LIST,
        ] {
            for (name, _, _) in list {
                declarations.declare(name.to_str().unwrap_or_default())?;
            }
        }
        for name in NUMBERS.map(|(name, _)| name).into_iter().chain(STREAMS.map(|(name, _)| name)) {
            declarations.declare(name)?;
        }
        declarations.declare("Error").map(drop)
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let standard = Standard::of(State::of(ctx));
        if !standard.registered.replace(true) {
            class::register::<File>(ctx)?;
        }
        export::<load::LoadCalls>(ctx, exports)?;
        export::<open::OpenCalls>(ctx, exports)?;
        export::<environment::EnvironmentCalls>(ctx, exports)?;
        export::<url_get::UrlGetCalls>(ctx, exports)?;
        export::<Parse>(ctx, exports)?;
        export::<text::TextCalls>(ctx, exports)?;
        for (name, number) in NUMBERS {
            exports.export(name, Value::new_int(ctx.clone(), number))?;
        }
        for (name, number) in STREAMS {
            exports.export(name, class::instance(ctx, File::Standard(number))?)?;
        }
        let errors = Object::new(ctx.clone())?;
        for (name, number) in errno::NAMES.iter().chain(&ALIASES) {
            errors.prop(*name, Property::from(*number).configurable().enumerable())?;
        }
        exports.export("Error", errors).map(drop)
    }
}

fn export<'js, F: Functions>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
    for (index, (name, _, _)) in F::LIST.iter().enumerate() {
        exports.export(name.to_str().unwrap_or_default(), function::make::<F>(ctx, index)?)?;
    }
    Ok(())
}
