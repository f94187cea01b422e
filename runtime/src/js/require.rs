//! `require` in the engine: what commonjs.js runs CommonJS modules with, when they are first required.
//!
//! Owns: the natives behind commonjs.js. Must not know: how names of exports are found, what a package is.

use std::ffi::CStr;

use rquickjs::{Ctx, Error, Module, Object, Result, Value};

use super::function::Functions;
use super::held::{self, Held};
use super::native_call::Static;
use super::state::State;
use super::{compile, exception, loader, natives, promise, script, value};
use crate::source::names;
use crate::source::paths;
use crate::source::resolve::{self, By};

/// The text of `jsserve:internal/js/commonjs`.
pub const SOURCE: &str = include_str!("commonjs.js");

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
            match compile::function(State::of(scope.ctx).code(), scope.ctx, &name)? {
                Some(bytecode) => script::run(scope.ctx, &bytecode),
                None => undefined(),
            }
        }),
        (c"json", 1, |scope| {
            let name = value::to_string(&scope.arg(0))?;
            let text = String::from_utf8(compile::source(State::of(scope.ctx).code(), scope.ctx, &name)?)
                .map_err(|_| exception::type_error(scope.ctx, &format!("'{name}' is not UTF-8")))?;
            value::parse_json(scope.ctx, &text, &name)
        }),
        (c"call", 2, |scope| {
            let arguments: Vec<Value> = (2..scope.len()).map(|i| scope.arg(i)).collect();
            held::call(scope.ctx, &Held::new(scope.arg(0)), Some(&Held::new(scope.arg(1))), &arguments)
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
