//! Modules of an app from their files: what was compiled before, by this start or an earlier one through the
//! cache on disk, or else compiled now.
//!
//! Owns: the compiling, the load of bytecode. Must not know: workers, TypeScript. Bytecode is only ever what this
//! very program compiled itself: the cache gives nothing else.

use std::sync::Arc;

use rquickjs::module::{Declared, WriteOptions};
use rquickjs::{Ctx, Error, Module, Result};

use super::code::{Code, key};
use super::compiled::CompiledModule;
use super::isolated::{self, SourceNames};
use super::{commonjs, data_module, exception, import_meta, permit};
use crate::source::names::{self, Kind};
use crate::source::prepare::{self, ModuleFormat, Prepared};
use crate::source::resolve;

/// What bundlers put in the place of a module that a package does without: an empty object.
const NOTHING: &str = "const nothing = {}; export { nothing as default, nothing as 'module.exports' };";

/// The module `name`, which is a file: from what was compiled before, else read and compiled now.
///
/// # Errors
/// SyntaxError, or TypeError for a file that cannot be read.
pub fn module<'js>(code: &Arc<Code>, ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    match names::kind(name) {
        Kind::Script => script(code, ctx, name),
        kind => data_module::module(ctx, name, kind, || data(code, ctx, &names::path(name))),
    }
}

/// The module `name` as JavaScript, whatever its file is called.
///
/// # Errors
/// As [`module`].
pub fn script<'js>(code: &Arc<Code>, ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    let (module, commonjs) = match code.known().module(name) {
        // SAFETY: the bytes come from `JS_WriteObject` of this very build, below.
        Some(CompiledModule::Module(bytecode)) => unsafe { (Module::load(ctx.clone(), &bytecode)?, false) },
        // SAFETY: as above.
        Some(CompiledModule::Face(bytecode)) => unsafe { (Module::load(ctx.clone(), &bytecode)?, true) },
        Some(CompiledModule::Source(source)) => (Module::declare(ctx.clone(), name, &*source)?, false),
        None => compile(code, ctx, name)?,
    };
    match commonjs {
        true => commonjs::set_meta(&module)?,
        false => import_meta::set(&module, name, code)?,
    }
    Ok(module)
}

/// The source of the module in the file `path`, if it may be loaded.
///
/// # Errors
/// TypeError for a file that cannot be read, NotCapable for one that may not be.
pub(super) fn source(code: &Code, ctx: &Ctx<'_>, path: &str) -> Result<Vec<u8>> {
    permit::load(ctx, path, code.main(), true)?;
    code.read(ctx, path)
}

/// The bytes of a file that is no code, in the same way.
fn data(code: &Code, ctx: &Ctx<'_>, path: &str) -> Result<Arc<[u8]>> {
    permit::load(ctx, path, code.main(), false)?;
    code.file(ctx, path)
}

fn compile<'js>(code: &Code, ctx: &Ctx<'js>, name: &str) -> Result<(Module<'js, Declared>, bool)> {
    let source = match name {
        resolve::NOTHING => NOTHING.into(),
        _ => source(code, ctx, &names::path(name))?,
    };
    let prepared = prepared(code, ctx, name, source)?;
    let (source, commonjs) = match &prepared.format {
        ModuleFormat::Module => (prepared.text, false),
        ModuleFormat::CommonJs(exports) => {
            (commonjs::face(ctx, code.sources(), &names::path(name), exports)?, true)
        }
    };
    if !commonjs {
        code.note_text(name, &source);
    }
    let (module, compiled) = declare(code, ctx, name, source, commonjs)?;
    code.known().keep(name, compiled);
    Ok((module, commonjs))
}

/// The module `name` of `source`, and what is kept of it.
fn declare<'js>(
    code: &Code,
    ctx: &Ctx<'js>,
    name: &str,
    source: Vec<u8>,
    commonjs: bool,
) -> Result<(Module<'js, Declared>, CompiledModule)> {
    let keep = if commonjs { CompiledModule::Face } else { CompiledModule::Module };
    let key = key("module", name, &source);
    if let Some(bytecode) = key.as_ref().and_then(|key| code.sources().cache().load(key)) {
        // SAFETY: the cache gives only what this very program stored for a module of this source: bytes
        // of `JS_WriteObject`, below.
        match unsafe { Module::load(ctx.clone(), &bytecode) } {
            Ok(module) => return Ok((module, keep(bytecode.into()))),
            // No memory, or a module that it imports: compiling tells it.
            Err(_) => drop(ctx.catch()),
        }
    }
    let names = SourceNames::of(&source, true);
    let apart = (!names.is_empty()).then(|| isolated::module(ctx, name, &source, &names)).flatten();
    let (module, bytecode) = match apart {
        // SAFETY: bytes of `JS_WriteObject` of this very program.
        Some(bytecode) => (unsafe { Module::load(ctx.clone(), &bytecode)? }, bytecode),
        None => {
            let _hidden = names.hide_keys(ctx)?;
            let module = Module::declare(ctx.clone(), name, &*source)?;
            if code.known().has_attributes(name) {
                return Ok((module, CompiledModule::Source(source.into())));
            }
            let bytecode = module.write(WriteOptions::default())?;
            (module, bytecode)
        }
    };
    if let Some(key) = key {
        code.sources().cache().store(&key, &bytecode);
    }
    Ok((module, keep(bytecode.into())))
}

/// The source of the file `name` as plain JavaScript.
///
/// # Errors
/// SyntaxError with its place.
fn prepared(code: &Code, ctx: &Ctx<'_>, name: &str, source: Vec<u8>) -> Result<Prepared> {
    let prepared = prepare::prepare(code.sources(), name, source).map_err(|refusal| {
        exception::syntax_error(ctx, &refusal.message, (name, refusal.line, refusal.column))
    })?;
    if let Some(positions) = &prepared.positions {
        code.note_positions(name, positions);
    }
    Ok(prepared)
}

/// The body of the CommonJS module `name` in bytecode; none for an ECMAScript module.
///
/// # Errors
/// SyntaxError, or TypeError for a file that cannot be read.
pub(super) fn function(code: &Code, ctx: &Ctx<'_>, name: &str) -> Result<Option<Arc<[u8]>>> {
    let known = code.known().function(name);
    if known.is_some() {
        return Ok(known);
    }
    let prepared = prepared(code, ctx, name, source(code, ctx, name)?)?;
    if prepared.format == ModuleFormat::Module {
        return Ok(None);
    }
    let bytecode: Arc<[u8]> = commonjs::compile(ctx, code, name, &prepared)?.into();
    code.known().keep_function(name, bytecode.clone());
    Ok(Some(bytecode))
}

/// The main module from `source`, linked to all that it imports, without running it. It stands
/// under its own name, so that an import of it finds it.
///
/// # Errors
/// What any of the modules throws while it is read, compiled or linked.
pub fn main_module<'js>(code: &Arc<Code>, ctx: &Ctx<'js>, source: &[u8]) -> Result<Module<'js, Declared>> {
    code.note_text(code.main(), source);
    let _hidden = SourceNames::of(source, true).hide_keys(ctx)?;
    let module = Module::declare(ctx.clone(), code.main(), source)?;
    import_meta::set(&module, code.main(), code)?;
    Ok(module)
}

/// Loads the main module with all that it imports, without running it: a module whose only
/// export, `app`, is the main module's namespace.
///
/// # Errors
/// What any of the modules throws while it is read, compiled or linked.
pub fn load_main<'js>(code: &Code, ctx: &Ctx<'js>) -> Result<Module<'js, Declared>> {
    let main = names::specifier(code.main());
    let main = ctx.json_stringify(&*main)?.ok_or(Error::Unknown)?.to_string()?;
    Module::declare(ctx.clone(), "jsserve:main", format!("export * as app from {main};"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::builtins::Table;
    use super::super::compiled::MODULES_MAX;
    use super::super::engine::{Engine, EngineLimits, Pulse};
    use super::*;

    #[test]
    fn modules_are_remembered_up_to_a_bound_and_beyond_it_compiled_each_time() {
        let file = std::env::temp_dir().join(format!("jsserve-modules-{}.mjs", std::process::id()));
        std::fs::write(&file, "export const n = 1;").expect("a module");
        let code = Arc::new(Code::new("/main.js".into()));
        let empty: Arc<[u8]> = Arc::from([]);
        for number in 0..MODULES_MAX {
            code.known().keep(&format!("/{number}.js"), CompiledModule::Source(empty.clone()));
        }
        let limits = EngineLimits {
            heap_bytes_max: 64 << 20,
            stack_bytes_max: 256 << 10,
            turn_cpu_max: Duration::from_secs(60),
        };
        let engine = Engine::new(&limits, &Table::EMPTY, code.clone(), Pulse::default(), Box::new(|_, _| {}));
        let engine = engine.expect("an engine");
        let name = file.to_str().expect("a path");
        for _ in 0..2 {
            assert!(engine.turn(|ctx| module(&code, ctx, name).and_then(|module| module.eval()).is_ok()));
        }
        assert_eq!(code.len(), MODULES_MAX);
        assert!(code.known().module(name).is_none());
        std::fs::remove_file(file).expect("remove");
    }
}
