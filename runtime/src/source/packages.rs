//! Packages: Node's resolution from node_modules, and tsconfig.json (crate oxc_resolver).
//!
//! Owns: the conditions, an app's resolvers, made when a package is first asked for. Must not know:
//! messages, relative files that are there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, RwLock};

use oxc_resolver::{ResolveError, ResolveOptions, Resolver, TsConfig, TsconfigDiscovery};

use super::names;
use super::paths::{MODULES, is_in_package};

/// How a module is asked for: it decides which conditions of a package hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// `import`, or `import()`.
    Import,
    /// `require` of a CommonJS module.
    Require,
}

/// Why a specifier names no file.
pub enum PackageError {
    /// There is nothing of that name.
    Missing,
    /// A reason in words.
    Other(String),
}

struct Resolvers {
    /// For files of the app: TypeScript goes first where the extension is left out.
    app: Resolver,
    /// For files of packages.
    package: Resolver,
    /// For `require`.
    require: Resolver,
}

/// What a specifier stands for that a package does without; no file has that name.
pub const NOTHING: &str = "<nothing>";

/// What runs outside of browsers and of Node.js. `browser` is what a package has for those without
/// Node's modules; `esbuild` and `wrangler` take it for workers, too. The package's order decides.
const CONDITIONS: [&str; 3] = ["workerd", "worker", "browser"];

/// The packages of one app, as far as it has asked for them.
#[derive(Default)]
pub struct Packages {
    resolvers: OnceLock<Resolvers>,
    /// Whether a package has the field `browser`, by its folder.
    replacing: RwLock<HashMap<PathBuf, bool>>,
}

impl Resolvers {
    fn new() -> Resolvers {
        let list = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let options = |by: &str, extensions: &[&str]| ResolveOptions {
            condition_names: list(&[&CONDITIONS[..], &[by, "default"]].concat()),
            extensions: list(extensions),
            main_fields: list(&["module", "browser", "main"]),
            alias_fields: vec![list(&["browser"])],
            tsconfig: Some(TsconfigDiscovery::Auto),
            node_path: false,
            ..ResolveOptions::default()
        };
        let built = [".js", ".mjs", ".cjs", ".json", ".ts", ".tsx", ".mts", ".cts", ".jsx"];
        let written = [".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".json"];
        let mut app = options("import", &written);
        let alias = |from: &str, to: &[&str]| (from.to_owned(), list(to));
        app.extension_alias = vec![
            alias(".js", &[".js", ".ts", ".tsx"]),
            alias(".jsx", &[".jsx", ".tsx"]),
            alias(".mjs", &[".mjs", ".mts"]),
            alias(".cjs", &[".cjs", ".cts"]),
        ];
        let app = Resolver::new(app);
        let package = app.clone_with_options(options("import", &built));
        let mut require = options("require", &built);
        require.main_fields = list(&["browser", "main"]);
        let require = app.clone_with_options(require);
        Resolvers { app, package, require }
    }
}

impl Packages {
    fn resolvers(&self) -> &Resolvers {
        self.resolvers.get_or_init(Resolvers::new)
    }

    /// The module that `specifier` names for `file`.
    pub fn resolve(&self, file: &Path, specifier: &str, by: By) -> Result<String, PackageError> {
        if by == By::Require || specifier.starts_with('/') {
            return self.find(file, specifier, by);
        }
        // A package's name and what is behind it become a URL (Node.js, PACKAGE_RESOLVE).
        let end = specifier.char_indices().skip(1).find(|(_, c)| matches!(c, '?' | '#'));
        let (path, rest) = specifier.split_at(end.map_or(specifier.len(), |(at, _)| at));
        let hidden = || PackageError::Other("it has an encoded '/', '\\' or NUL".into());
        let path =
            if path.contains('%') { names::decoded(path).ok_or_else(hidden)? } else { path.to_owned() };
        let found = self.find(file, &path, by)?;
        Ok(if found == NOTHING { found } else { names::file(&found, rest) })
    }

    /// The file that `specifier` names for `file`.
    fn find(&self, file: &Path, specifier: &str, by: By) -> Result<String, PackageError> {
        let all = self.resolvers();
        let resolver = match by {
            By::Require => &all.require,
            By::Import if is_in_package(&file.to_string_lossy()) => &all.package,
            By::Import => &all.app,
        };
        let error = match resolver.resolve_file(file, specifier) {
            Ok(found) => return Ok(found.path().to_string_lossy().into_owned()),
            // `"browser": { "fs": false }`: there is nothing in its place.
            Err(ResolveError::Ignored(_)) => return Ok(NOTHING.to_owned()),
            Err(error) => error,
        };
        // Who tries again may have installed it by then.
        resolver.clear_cache();
        Err(match error {
            ResolveError::NotFound(_) | ResolveError::MatchedAliasNotFound(..) => PackageError::Missing,
            ResolveError::ExtensionAlias(..) => PackageError::Missing,
            ResolveError::PackageImportNotDefined(..) => PackageError::Missing,
            ResolveError::PackagePathNotExported { subpath, package_json_path, .. } => {
                PackageError::Other(format!(
                    "\"exports\" in {} has no '{subpath}' for the conditions {}, {} and default",
                    package_json_path.display(),
                    CONDITIONS.join(", "),
                    if by == By::Require { "require" } else { "import" },
                ))
            }
            ResolveError::Json(error) => {
                PackageError::Other(format!("{}: {}", error.path.display(), error.message))
            }
            other => PackageError::Other(other.to_string()),
        })
    }

    /// Whether the package of `file` may name other files for its own in places without Node's modules (the field
    /// `browser`, <https://github.com/defunctzombie/package-browser-field-spec>).
    pub fn replaces(&self, file: &str) -> bool {
        let Some(inside) = file.rfind(MODULES).map(|at| at + MODULES.len()) else { return false };
        let root = Path::new(&file[..inside]).join(name(&file[inside..]));
        let known = self.replacing.read().ok().and_then(|all| all.get(&root).copied());
        known.unwrap_or_else(|| {
            let text = std::fs::read(root.join("package.json")).unwrap_or_default();
            let replaces = memchr::memmem::find(&text, b"\"browser\"").is_some();
            if let Ok(mut all) = self.replacing.write() {
                all.insert(root, replaces);
            }
            replaces
        })
    }

    /// The tsconfig.json that `file` belongs to, those that it extends included.
    ///
    /// # Errors
    /// Which file is not as it should be.
    pub fn tsconfig(&self, file: &Path) -> Result<Option<Arc<TsConfig>>, String> {
        self.resolvers().app.find_tsconfig(file).map_err(|error| {
            self.resolvers().app.clear_cache();
            match error {
                ResolveError::TsconfigLoadFailed { path, source } => format!("{}: {source}", path.display()),
                other => other.to_string(),
            }
        })
    }
}

/// The package that `specifier` names, without the path inside of it.
pub fn name(specifier: &str) -> &str {
    let parts = if specifier.starts_with('@') { 2 } else { 1 };
    let end = specifier.match_indices('/').nth(parts - 1).map_or(specifier.len(), |(at, _)| at);
    &specifier[..end]
}

/// Where a package called `name` is installed for files in `from`.
pub fn folder(from: &Path, name: &str) -> Option<PathBuf> {
    from.ancestors().map(|folder| folder.join("node_modules").join(name)).find(|folder| folder.is_dir())
}

/// Whether Node.js has a module of that name.
pub fn is_node(specifier: &str) -> bool {
    let names = [
        "assert",
        "async_hooks",
        "buffer",
        "child_process",
        "cluster",
        "console",
        "constants",
        "crypto",
        "dgram",
        "diagnostics_channel",
        "dns",
        "domain",
        "events",
        "fs",
        "http",
        "http2",
        "https",
        "inspector",
        "module",
        "net",
        "path",
        "perf_hooks",
        "process",
        "punycode",
        "querystring",
        "readline",
        "repl",
        "stream",
        "string_decoder",
        "timers",
        "tls",
        "trace_events",
        "tty",
        "url",
        "util",
        "v8",
        "vm",
        "worker_threads",
        "zlib",
    ];
    names.contains(&specifier.split('/').next().unwrap_or_default())
}
