//! A folder that is a site: which of its files are routes, middleware or pages for errors, which are nobody's to see,
//! and what its `_redirects` and `_headers` say.
//!
//! Owns: the table of all that, made once at start from names alone. Must not know: JavaScript, connections, how a file
//! is served.

mod headers;
mod lines;
mod names;
mod pattern;
mod redirects;
mod routes;
mod scan;
mod template;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use self::headers::{FieldChange, HeaderRules};
pub use self::names::{is_private, is_script};
pub use self::redirects::{Destination, Redirect, Redirects};
pub use self::routes::{Matched, Param, RouteFile, Routes};

use crate::error::{Error, ErrorKind, Result};

/// What handlers a module has, told by what it exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundHandlers {
    /// Handlers by their names.
    Named,
    /// A default export that may be one: a function, an object with `fetch`, or what only running it would tell.
    Default,
    /// None.
    None,
    /// It does not parse.
    Unknown,
}

/// Tells what handlers a module has, by the name of its file and its text.
pub type FindHandlers = fn(&str, &[u8]) -> FoundHandlers;

/// Bounds on what is read at start.
#[derive(Clone, Copy, Debug)]
pub struct SiteLimits {
    /// Files that may be routes; beyond: a start-up error.
    pub routes_max: usize,
    /// Rules of `_redirects`, and of `_headers`; beyond: a start-up error.
    pub rules_max: usize,
}

/// A site, as it was found at start.
#[derive(Debug)]
pub struct Site {
    /// Its folder, from the root of the file system.
    pub folder: PathBuf,
    /// The files that may be routes.
    pub routes: Routes,
    /// What `_redirects` says.
    pub redirects: Redirects,
    /// What `_headers` says.
    pub headers: HeaderRules,
    /// What was left out, each with its reason.
    pub warnings: Vec<String>,
    /// Folders with a file of their own for something, by their path from the site's: empty for the site itself.
    folders: BTreeMap<String, FolderFiles>,
    has_middleware: bool,
}

/// What a folder has beside files and routes. Numbers are those of [`Site::script`].
#[derive(Clone, Copy, Debug, Default)]
struct FolderFiles {
    middleware: Option<usize>,
    error: Option<usize>,
    /// There is a page 500.html.
    failed_page: bool,
}

/// What there is for a path.
#[derive(Debug, Default)]
pub struct SitePlan {
    /// The route, and what its path says.
    pub route: Option<Matched>,
    /// Middleware, the outermost first: numbers of scripts.
    pub middleware: Vec<usize>,
    /// Who answers for errors, the innermost first: numbers of scripts.
    pub errors: Vec<usize>,
    /// The folder, from the site's, of the nearest 500.html.
    pub failed_page: Option<String>,
}

/// Each reading is another one: what it found then is part of it.
impl PartialEq for Site {
    fn eq(&self, other: &Site) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Site {}

impl Site {
    /// Reads the site in `folder`; `find` is what tells routes from other modules.
    ///
    /// # Errors
    /// `System`: it cannot be read. `Usage`, with file and line: a rule that is none, two files for one route, more than
    /// the limits allow.
    pub fn read(folder: &Path, limits: &SiteLimits, find: FindHandlers) -> Result<Site> {
        let folder = std::fs::canonicalize(folder)
            .map_err(|error| Error::system(format!("cannot read {}", folder.display()), error))?;
        let found = scan::scan(&folder, limits.routes_max)?;
        let mut warnings = found.warnings;
        let routes = Routes::new(&folder, found.sources, found.scripts, find, &mut warnings)?;
        let mut folders: BTreeMap<String, FolderFiles> = BTreeMap::new();
        for (number, script) in routes.scripts().iter().enumerate() {
            let files = folders.entry(script.folder.clone()).or_default();
            match script.is_error {
                true => files.error = Some(number),
                false => files.middleware = Some(number),
            }
        }
        for folder in found.failed_pages {
            folders.entry(folder).or_default().failed_page = true;
        }
        warnings.extend(meant_as_app(&folder, &routes));
        let redirects = lines::read(&folder.join("_redirects"))?;
        let headers = lines::read(&folder.join("_headers"))?;
        Ok(Site {
            redirects: Redirects::parse(redirects.as_ref(), limits.rules_max)?,
            headers: HeaderRules::parse(headers.as_ref(), limits.rules_max)?,
            has_middleware: folders.values().any(|files| files.middleware.is_some()),
            folder,
            routes,
            warnings,
            folders,
        })
    }

    /// Whether something of it is JavaScript for the server.
    pub fn has_scripts(&self) -> bool {
        !self.routes.is_empty() || self.has_middleware
    }

    /// What there is for the path of a request, as it was sent and without its query. Whether a file may be a route is
    /// looked up where it was not before, which reads the file.
    pub fn plan(&self, path: &str) -> SitePlan {
        let route = self.routes.find(path);
        let mut plan = SitePlan { route, ..SitePlan::default() };
        if self.folders.is_empty() {
            return plan;
        }
        let mut chain = names::folders_of(path);
        if let Some(found) = &plan.route {
            let own = names::chain(&self.routes.file(found.number).folder);
            chain.extend(own.into_iter().filter(|folder| !chain.contains(folder)).collect::<Vec<_>>());
        }
        for folder in chain {
            let Some(files) = self.folders.get(&folder) else { continue };
            plan.middleware.extend(files.middleware);
            if let Some(error) = files.error {
                plan.errors.insert(0, error);
            }
            if files.failed_page {
                plan.failed_page = Some(folder);
            }
        }
        plan
    }

    /// Whether middleware has a say in requests for `path`.
    pub fn has_middleware(&self, path: &str) -> bool {
        self.has_middleware && !self.plan(path).middleware.is_empty()
    }

    /// Whether the source at `rel`, from the site's folder, answers requests as it is now.
    pub fn is_route(&self, rel: &str) -> bool {
        self.routes.is_source_of_route(&self.folder.join(rel), rel)
    }

    /// The file of a route, by its number.
    pub fn route(&self, number: usize) -> &RouteFile {
        self.routes.file(number)
    }

    /// The file of middleware, or of who answers for errors, by its number.
    pub fn script(&self, number: usize) -> &Path {
        &self.routes.scripts()[number].path
    }
}

/// A warning for a folder whose one module is an app of its own, and that has no page to begin with.
fn meant_as_app(folder: &Path, routes: &Routes) -> Option<String> {
    if folder.join("index.html").is_file()
        || routes.iter().any(|file| file.folder.is_empty() && file.is_index())
    {
        return None;
    }
    let app = ["app", "main", "server"].iter().find_map(|name| {
        routes.iter().find(|file| file.folder.is_empty() && file.rel.split('.').next() == Some(name))
    })?;
    let (name, path) = (app.rel.split('.').next().unwrap_or_default(), app.path.display());
    Some(format!("{path} is the route /{name} of a site; to have it answer all requests: jsserve {path}"))
}

/// The folders that a path of a request leads through, from the site's folder, the innermost first.
pub fn folders_above(path: &str) -> Vec<String> {
    let mut folders = names::folders_of(path);
    folders.reverse();
    folders
}

/// A usage error about a line of a file.
fn wrong(file: &Path, line: usize, message: &str, remedy: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, format!("{}:{line}: {message}", file.display())).remedy(remedy)
}

#[cfg(test)]
#[path = "site_tests.rs"]
mod tests;
