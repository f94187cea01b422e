//! What holds for all sources of one app.
//!
//! Owns: its import map, its packages, its cache, each made when first asked for. Must not know: any source.

use std::path::Path;

use super::cache::Cache;
use super::import_map::ImportMap;
use super::packages::Packages;
use crate::config::SourceOptions;
use crate::error::{Error, Result};

/// Where the sources of one app come from, beside their files. Two apps have two of these, and what one of them
/// has looked up is not seen by the other.
#[derive(Default)]
pub struct Sources {
    import_map: Option<ImportMap>,
    packages: Packages,
    cache: Cache,
}

impl Sources {
    /// Those that `options` say; reads the import map.
    ///
    /// # Errors
    /// `Usage`: an import map that cannot be read, or is none.
    pub fn read(options: &SourceOptions) -> Result<Sources> {
        let read = |path: &Path| {
            ImportMap::read(path).map_err(|reason| {
                Error::of_flag("import-map", reason)
                    .remedy(r#"An import map is JSON: { "imports": { "name": "./file.js" } }"#)
            })
        };
        let import_map = options.import_map.as_deref().map(read).transpose()?;
        Ok(Sources { import_map, packages: Packages::default(), cache: Cache::new(options.no_cache) })
    }

    /// What the import map has for `specifier` in the file `base`.
    pub(super) fn mapped(&self, base: &str, specifier: &str) -> Option<String> {
        self.import_map.as_ref()?.resolve(base, specifier)
    }

    /// Packages, and tsconfig.json.
    pub(super) fn packages(&self) -> &Packages {
        &self.packages
    }

    /// What was made of sources before.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}
