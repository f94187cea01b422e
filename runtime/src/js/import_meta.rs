//! `import.meta` of a module that is a file (HTML, section 8.1.6.7.3).
//!
//! Owns: what it has. Must not know: how modules are found and compiled.

use std::sync::Arc;

use rquickjs::function::Opt;
use rquickjs::module::Declared;
use rquickjs::{Ctx, Function, Module, Result, Value};

use super::code::Code;
use super::{exception, value};
use crate::source::{names, paths, resolve};

/// Fills in `import.meta` of a file module.
pub(super) fn set(module: &Module<'_, Declared>, name: &str, code: &Arc<Code>) -> Result<()> {
    let meta = module.meta()?;
    let main = name == code.main();
    // What is no file counts as one of the current folder.
    let place = paths::folder(name).join(name).to_string_lossy().into_owned();
    let name = if name.starts_with('<') { place } else { name.to_owned() };
    let path = names::path(&name);
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    meta.set("url", names::url(&name))?;
    meta.set("filename", &*path)?;
    meta.set("dirname", if folder.is_empty() { "/" } else { folder })?;
    meta.set("main", main)?;
    meta.set("resolve", resolver(meta.ctx(), name.clone(), code.clone())?)
}

/// `import.meta.resolve` of the module `base` (HTML, section 8.1.3.6).
fn resolver<'js>(ctx: &Ctx<'js>, base: String, code: Arc<Code>) -> Result<Function<'js>> {
    let resolve = move |ctx: Ctx<'js>, specifier: Opt<Value<'js>>| {
        let specifier = specifier.0.unwrap_or_else(|| Value::new_undefined(ctx.clone()));
        let specifier = value::to_string(&specifier)?;
        if let Some(name) = code.table().and_then(|table| table.url(&specifier)) {
            return Ok(name.to_owned());
        }
        resolve::resolve_url(code.cluster().sources(), &base, &specifier)
            .map_err(|message| exception::type_error(&ctx, &message))
    };
    Function::new(ctx.clone(), resolve)?.with_name("resolve")?.with_length(1)
}
