//! CommonJS modules compiled: a function each, and a face for `import`.
//!
//! Owns: the function's bytecode, the face's text and its `import.meta`. Must not know: how names of exports are
//! found, who requires (`require.rs`), what a package is.

use std::ffi::{CStr, CString};

use rquickjs::module::Declared;
use rquickjs::{Ctx, Error, Module, Result, Value};

use super::code::{self, Code};
use super::function::{self, Functions};
use super::isolated::{self, SourceNames};
use super::native_call::{Scope, Static};
use super::{exception, internal, script, value};
use crate::source::Sources;
use crate::source::commonjs_names;
use crate::source::positions::Positions;
use crate::source::prepare::{Exports, Prepared};
use crate::source::running::{self, COMMONJS_BEFORE};

/// The body of the module `name`, as a script whose value is its function.
pub(super) fn compile(ctx: &Ctx<'_>, code: &Code, name: &str, prepared: &Prepared) -> Result<Box<[u8]>> {
    if !prepared.is_transformed() {
        code.note_positions(name, &Positions::Before(COMMONJS_BEFORE.len() as u32));
    }
    let source = running::commonjs(&prepared.text);
    code.note_text(name, source.as_bytes());
    let cache = code.cluster().sources().cache();
    let key = code::key("function", name, source.as_bytes());
    if let Some(bytecode) = key.as_ref().and_then(|key| cache.load(key)) {
        return Ok(bytecode.into());
    }
    let name = CString::new(name).map_err(|_| exception::type_error(ctx, "a file's name has no NUL"))?;
    let names = SourceNames::of(source.as_bytes(), false);
    let apart = (!names.is_empty()).then(|| isolated::script(ctx, &source, &name, &names)).flatten();
    let bytecode = match apart {
        Some(bytecode) => bytecode,
        None => {
            let _hidden = names.hide_keys(ctx)?;
            script::compile(ctx, &source, &name)?
        }
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
