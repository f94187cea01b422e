//! The table of what is built in: modules and globals, one row each.
//!
//! Owns: the form of the rows, which importer finds which. Must not know: any row.

use rquickjs::module::Declared;
use rquickjs::{Ctx, Module, Result};

/// Makes a native module under the name it was imported by.
pub type Declare = for<'js> fn(&Ctx<'js>, &str) -> Result<Module<'js, Declared>>;
/// Puts something on `globalThis`.
pub type Install = for<'js> fn(&Ctx<'js>) -> Result<()>;

/// What names of modules begin with that only built-in modules can import.
pub const INTERNAL: &str = "jsserve:internal/";

/// What a built-in module is made of.
pub enum Content {
    /// Rust.
    Natives(Declare),
    /// JavaScript: the text of an ECMAScript module without top-level await.
    Source(&'static str),
}

/// A built-in module.
pub struct Builtin {
    /// Its names, matched exactly; the first is the module's own, the others stand for it.
    pub names: &'static [&'static str],
    /// What makes it.
    pub content: Content,
    /// Texts of .d.ts files: what it exports. None for a module that apps cannot import.
    pub types: &'static [&'static str],
}

impl Builtin {
    /// A module for apps, made by Rust.
    pub const fn natives(
        names: &'static [&'static str],
        declare: Declare,
        types: &'static [&'static str],
    ) -> Builtin {
        Builtin { names, content: Content::Natives(declare), types }
    }

    /// A module for other built-in ones.
    pub const fn internal(names: &'static [&'static str], content: Content) -> Builtin {
        Builtin { names, content, types: &[] }
    }

    /// Its own name.
    pub fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    /// Whether apps cannot import it.
    pub fn is_internal(&self) -> bool {
        self.name().starts_with(INTERNAL)
    }
}

/// A part of `globalThis`.
pub struct BuiltinGlobal {
    /// Puts it there.
    pub install: Install,
    /// Texts of .d.ts files that declare it.
    pub types: &'static [&'static str],
}

/// What every engine has, handed in from above.
pub struct Table {
    /// Built-in modules.
    pub modules: &'static [Builtin],
    /// Globals, installed in this order.
    pub globals: &'static [BuiltinGlobal],
    /// Gives the engine of a thread that a script starts what the script's own has beyond these.
    pub thread_of_script: Install,
}

impl Table {
    /// No module and no global.
    pub const EMPTY: Table = Table { modules: &[], globals: &[], thread_of_script: |_| Ok(()) };

    /// A built-in module by any of its names, for an app.
    pub(super) fn find(&self, name: &str) -> Option<&'static Builtin> {
        self.modules.iter().find(|row| row.names.contains(&name) && !row.is_internal())
    }

    /// A built-in module by any of its names, for the module `importer`: an app's has the name of a file, or
    /// one in angle brackets.
    pub(super) fn find_for(&self, importer: &str, name: &str) -> Option<&'static Builtin> {
        match name.starts_with(INTERNAL) {
            true if self.loaded_as(importer).is_some() => self.loaded_as(name),
            true => None,
            false => self.find(name),
        }
    }

    /// The module that an engine has loaded by `name`, as `attempt` makes it.
    pub(super) fn loaded_as(&self, name: &str) -> Option<&'static Builtin> {
        let name = name.split('?').next().unwrap_or_default();
        self.modules.iter().find(|row| row.name() == name)
    }

    /// That name of a built-in module that is a URL; its first name where none is.
    pub(super) fn url(&self, name: &str) -> Option<&'static str> {
        let row = self.find(name)?;
        Some(row.names.iter().find(|name| name.contains(':')).copied().unwrap_or(row.name()))
    }
}

/// The name of the module `name` in an engine where loading it has failed `failures` times: what failed is
/// never used again.
pub(super) fn attempt(name: &str, failures: u32) -> String {
    if failures == 0 { name.to_owned() } else { format!("{name}?{failures}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: Table = Table {
        modules: &[
            Builtin { names: &["a", "x:a"], content: Content::Source(""), types: &[] },
            Builtin::internal(&["jsserve:internal/room/b"], Content::Source("")),
        ],
        globals: &[],
        thread_of_script: |_| Ok(()),
    };

    #[test]
    fn only_built_in_modules_find_internal_ones() {
        let found = |importer: &str, name: &str| TABLE.find_for(importer, name).map(Builtin::name);
        for importer in ["a", "jsserve:internal/room/b", "jsserve:internal/room/b?2"] {
            assert_eq!(found(importer, "jsserve:internal/room/b"), Some("jsserve:internal/room/b"));
        }
        for importer in ["/app.js", "/a", "<stdin>", "", "jsserve:internal/room/c", "jsserve:internal/"] {
            assert_eq!(found(importer, "jsserve:internal/room/b"), None, "{importer}");
            assert_eq!(found(importer, "x:a"), Some("a"));
        }
        assert!(TABLE.find("jsserve:internal/room/b").is_none());
        assert_eq!((TABLE.url("a"), TABLE.url("jsserve:internal/room/b")), (Some("x:a"), None));
    }
}
