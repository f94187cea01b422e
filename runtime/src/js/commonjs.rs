//! CommonJS modules in the engine: a function each, run when first required, and a face for `import`.
//!
//! Owns: the natives behind commonjs.js, the face's text. Must not know: how names of exports are
//! found, what a package is.

use std::ffi::{CStr, CString};

use rquickjs::module::Declared;
use rquickjs::{Ctx, Error, Module, Object, Result, Value};

use super::class::{Scope, Static};
use super::compile::{self, Code};
use super::engine::State;
use super::function::{self, Functions};
use super::held::Held;
use super::natives;
use super::{exception, internal, isolated, loader, promise, script, value};
use crate::source::Sources;
use crate::source::commonjs_names;
use crate::source::names;
use crate::source::paths;
use crate::source::positions::Positions;
use crate::source::prepare::{Exports, Prepared};
use crate::source::resolve::{self, By};
use crate::source::running::{self, COMMONJS_BEFORE};

/// The text of `jsserve:internal/js/commonjs`.
pub const SOURCE: &str = include_str!("commonjs.js");

/// The body of the module `name`, as a script whose value is its function.
pub(super) fn compile(ctx: &Ctx<'_>, code: &Code, name: &str, prepared: &Prepared) -> Result<Box<[u8]>> {
    if !prepared.is_transformed() {
        code.note_positions(name, &Positions::Before(COMMONJS_BEFORE.len() as u32));
    }
    let source = running::commonjs(&prepared.text);
    code.note_text(name, source.as_bytes());
    let cache = code.cluster().sources().cache();
    let key = compile::key("function", name, source.as_bytes());
    if let Some(bytecode) = key.as_ref().and_then(|key| cache.load(key)) {
        return Ok(bytecode.into());
    }
    let name = CString::new(name).map_err(|_| exception::type_error(ctx, "a file's name has no NUL"))?;
    let apart = isolated::is_needed(source.as_bytes(), false)
        .then(|| isolated::script(ctx, &source, &name))
        .flatten();
    let bytecode = match apart {
        Some(bytecode) => bytecode,
        None => script::compile(ctx, &source, &name)?,
    };
    if let Some(key) = key {
        cache.store(&key, &bytecode);
    }
    Ok(bytecode)
}

/// The text of the module that `import` of `name` gives: `module.exports` is the default export, and
/// those of its properties that its text tells have names (Node.js, "CommonJS Namespaces").
pub(super) fn face(ctx: &Ctx<'_>, sources: &Sources, name: &str, exports: &Exports) -> Result<Vec<u8>> {
    let quoted = |text: &str| {
        let text = ctx.json_stringify(value::string(ctx, text)?)?.ok_or(Error::Unknown)?;
        text.to_string()
    };
    let mut text = format!("const all = import.meta.load({});\nexport default all;\n", quoted(name)?);
    for (number, name) in commonjs_names::names(sources, name, exports)
        .into_iter()
        .filter(|name| name != "module.exports")
        .enumerate()
    {
        let name = quoted(&name)?;
        text.push_str(&format!("const e{number} = all?.[{name}]; export {{ e{number} as {name} }};\n"));
    }
    text.push_str("export { all as 'module.exports' };\n");
    Ok(text.into_bytes())
}

/// Gives a face what it loads its module with.
pub(super) fn set_meta(module: &Module<'_, Declared>) -> Result<()> {
    let meta = module.meta()?;
    function::install::<Face>(meta.ctx(), &meta)
}

struct Face;

impl Functions for Face {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[(c"load", 1, load)];
}

/// `load(path)`: the module's `module.exports`; it runs now, where it has not before.
fn load<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    internal::call(scope.ctx, "jsserve:internal/js/commonjs", "load", &[scope.arg(0)])
}

/// `jsserve:internal/js/commonjs_natives`.
pub struct CommonJsFunctions;

impl natives::Natives for CommonJsFunctions {}

impl Functions for CommonJsFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"resolve", 2, |scope| {
            let (base, name) = (value::to_string(&scope.arg(0))?, value::to_string(&scope.arg(1))?);
            if let Some(builtin) = State::of(scope.ctx).table.find(&name) {
                return value::string(scope.ctx, builtin.name());
            }
            let found = resolve::resolve(State::of(scope.ctx).cluster().sources(), &base, &name, By::Require)
                .map_err(|message| loader::not_found(scope.ctx, &message, &base, &name))?;
            value::string(scope.ctx, &found)
        }),
        (c"folder", 1, |scope| {
            let folder = paths::folder(&value::to_string(&scope.arg(0))?);
            value::string(scope.ctx, &folder.to_string_lossy())
        }),
        (c"isJson", 1, |scope| {
            let json = value::to_string(&scope.arg(0))?.ends_with(".json");
            Ok(Value::new_bool(scope.ctx.clone(), json))
        }),
        (c"body", 1, |scope| {
            let name = value::to_string(&scope.arg(0))?;
            let undefined = || Ok(Value::new_undefined(scope.ctx.clone()));
            if !name.starts_with('/') {
                return undefined();
            }
            match State::of(scope.ctx).code().function(scope.ctx, &name)? {
                Some(bytecode) => script::run(scope.ctx, &bytecode),
                None => undefined(),
            }
        }),
        (c"json", 1, |scope| {
            let name = value::to_string(&scope.arg(0))?;
            let text = String::from_utf8(compile::read(scope.ctx, &name)?)
                .map_err(|_| exception::type_error(scope.ctx, &format!("'{name}' is not UTF-8")))?;
            value::parse_json(scope.ctx, &text, &name)
        }),
        (c"call", 2, |scope| {
            let arguments: Vec<Value> = (2..scope.len()).map(|i| scope.arg(i)).collect();
            promise::call(scope.ctx, &Held::new(scope.arg(0)), Some(&Held::new(scope.arg(1))), &arguments)
        }),
        (c"namespace", 1, |scope| namespace(scope.ctx, &value::to_string(&scope.arg(0))?)),
    ];
}

/// The namespace of the ECMAScript or built-in module `name`, evaluated now (Node.js, "Loading
/// ECMAScript modules using require()").
fn namespace<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Value<'js>> {
    let name = match State::of(ctx).table.find(name) {
        Some(_) => name.into(),
        None => names::specifier(name),
    };
    let quoted = ctx.json_stringify(&*name)?.ok_or(Error::Unknown)?.to_string()?;
    let all = evaluated(ctx, &name, format!("export * as all from {quoted};"))?.get::<_, Object>("all")?;
    let has = |key: &str| all.contains_key(key);
    if !has("default")? || has("__esModule")? || has("module.exports")? {
        return Ok(all.into_value());
    }
    // What compilers ask for before they take `default`.
    let marked = format!(
        "export * from {quoted}; export {{ default }} from {quoted}; export const __esModule = true;"
    );
    Ok(evaluated(ctx, &name, marked)?.into_value())
}

/// The namespace of a module of `source`, which takes over what the module `name` exports.
fn evaluated<'js>(ctx: &Ctx<'js>, name: &str, source: String) -> Result<Object<'js>> {
    let (module, evaluated) = Module::declare(ctx.clone(), "jsserve:require", source)?.eval()?;
    let evaluated = evaluated.into_value();
    match promise::state(&evaluated) {
        Some(promise::State::Rejected(reason)) => {
            promise::mark_handled(&evaluated);
            Err(ctx.throw(reason))
        }
        Some(promise::State::Pending) => {
            let text = format!("cannot require '{name}': it has a top-level await; import it instead");
            Err(exception::type_error(ctx, &text))
        }
        _ => module.namespace(),
    }
}
