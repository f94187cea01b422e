//! The walk over a site's folder, once, by names.
//!
//! Owns: which files and folders are looked at. Must not know: what is in a file.

use std::fs;
use std::path::{Path, PathBuf};

use super::names;
use crate::error::{Error, ErrorKind, Result};

/// Folders within folders that are looked into.
const DEPTH_MAX: usize = 32;

/// Folders that are looked into; beyond: a start-up error.
const FOLDERS_MAX: usize = 50_000;

/// A source that may be a route.
pub(super) struct SourceFile {
    pub(super) path: PathBuf,
    /// From the site's folder.
    pub(super) rel: String,
}

/// A script that is none: middleware, or who answers for errors.
#[derive(Debug)]
pub struct SiteScript {
    pub(super) path: PathBuf,
    /// The folder that it is in, from the site's.
    pub(super) folder: String,
    pub(super) is_error: bool,
}

/// What there is.
#[derive(Default)]
pub(super) struct Scanned {
    pub(super) sources: Vec<SourceFile>,
    pub(super) scripts: Vec<SiteScript>,
    /// Folders with a page 500.html.
    pub(super) failed_pages: Vec<String>,
    pub(super) warnings: Vec<String>,
}

/// Looks at all names below `root`.
///
/// # Errors
/// A folder cannot be read; more than `routes_max` sources; two middlewares in one folder.
pub(super) fn scan(root: &Path, routes_max: usize) -> Result<Scanned> {
    let mut found = Scanned::default();
    let (mut folders, mut looked_into) = (vec![(String::new(), 0)], 0);
    while let Some((folder, depth)) = folders.pop() {
        looked_into += 1;
        if looked_into > FOLDERS_MAX {
            let text = format!("{}: more than {FOLDERS_MAX} folders", root.display());
            return Err(Error::new(ErrorKind::Usage, text).remedy("Name the folder of the site alone."));
        }
        let place = root.join(&folder);
        let failed = |error| Error::system(format!("cannot read {}", place.display()), error);
        let entries = match fs::read_dir(&place) {
            // One that nobody may read has nothing for visitors, either.
            Err(error) if !folder.is_empty() => {
                found.warnings.push(format!("{}: no routes are looked for ({error})", place.display()));
                continue;
            }
            entries => entries.map_err(failed)?,
        };
        let mut entries: Vec<_> = entries.filter_map(|it| it.ok()).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Some(is_folder) = is_folder(&entry) else { continue };
            let rel = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if is_folder {
                if !names::has_routes(&name) {
                    continue;
                }
                match depth < DEPTH_MAX {
                    true => folders.push((rel, depth + 1)),
                    false => found
                        .warnings
                        .push(format!("{}: no routes are looked for so deep", root.join(&rel).display())),
                }
            } else {
                add(&mut found, entry.path(), &folder, &name, rel)?;
            }
        }
        if found.sources.len() > routes_max {
            let text = format!("more than {routes_max} files may be routes");
            return Err(Error::of_flag("site-routes-max", text).remedy("Allow more: --site-routes-max 20000"));
        }
    }
    found.sources.sort_by(|a, b| a.rel.cmp(&b.rel));
    Ok(found)
}

fn add(found: &mut Scanned, path: PathBuf, folder: &str, name: &str, rel: String) -> Result<()> {
    if name == "500.html" {
        found.failed_pages.push(folder.to_owned());
    }
    let Some((stem, _)) = names::source(name) else { return Ok(()) };
    if stem == "_middleware" || stem == "_error" {
        let is_error = stem == "_error";
        let twin = found.scripts.iter().find(|known| known.folder == folder && known.is_error == is_error);
        if let Some(twin) = twin {
            let text = format!("{} and {} are for one folder", twin.path.display(), path.display());
            return Err(Error::new(ErrorKind::Usage, text).remedy("Remove one of the two."));
        }
        found.scripts.push(SiteScript { path, folder: folder.to_owned(), is_error });
    } else if !name.starts_with(['.', '_']) {
        found.sources.push(SourceFile { path, rel });
    }
    Ok(())
}

/// Whether an entry is a folder; none for what is neither folder nor file. A link counts as the file that it leads to:
/// one to a folder could lead back.
fn is_folder(entry: &fs::DirEntry) -> Option<bool> {
    let kind = entry.file_type().ok()?;
    if kind.is_symlink() {
        return fs::metadata(entry.path()).ok()?.is_file().then_some(false);
    }
    (kind.is_dir() || kind.is_file()).then_some(kind.is_dir())
}
