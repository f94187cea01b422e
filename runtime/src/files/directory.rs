//! The files of a site's folder that visitors may see, and its pages for what is missing or has failed.
//!
//! Owns: that no source of a route is one, whatever it is called by; pages without their `.html`. Must not know: routes
//! beyond that, requests beyond their path.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use super::cache::CachedFile;
use super::entry::{AllFacts, Rules};
use super::folder::{Folder, Found};
use super::path::FilePath;
use crate::config::StaticFiles;
use crate::io::file;
use crate::site::{self, Site};

/// Scripts of which is remembered whether they are routes; then all are forgotten.
const SCRIPTS_MAX: usize = 4_096;

/// The files of a site, for one thread.
pub struct Directory {
    site: Arc<Site>,
    folder: Folder,
    /// Whether the script at a path is a route, and the facts of the file that said so.
    scripts: RefCell<HashMap<String, (AllFacts, bool)>>,
}

impl Directory {
    /// Those of `site`, served as `config` says.
    pub fn new(site: &Arc<Site>, config: &StaticFiles) -> Directory {
        let rules = Rules { max_age_s: config.max_age_s, ..Rules::default() };
        let folder = Folder::new(Some(site.folder.clone()), rules);
        Directory { site: site.clone(), folder, scripts: RefCell::default() }
    }

    /// The site.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// Has the files read that tell which route `path` leads to, where that is not known yet.
    ///
    /// # Errors
    /// The machine is at a limit.
    pub async fn prepare(&self, path: &str) -> io::Result<()> {
        loop {
            let unknown = self.site.routes.unknown(path);
            if unknown.is_empty() {
                return Ok(());
            }
            let site = self.site.clone();
            file::blocking(move || {
                for number in unknown {
                    site.route(number).is_route();
                }
            })
            .await?;
        }
    }

    /// What there is at exactly `path` of a request: a file, or a folder that is to be asked for with a slash.
    ///
    /// # Errors
    /// The machine is at a limit, or fails.
    pub async fn find(&self, path: &[u8]) -> io::Result<Found> {
        match file_path(path) {
            Some(file) => self.look(file).await,
            None => Ok(Found::Missing),
        }
    }

    /// The page of that name: `/about` for about.html.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub async fn find_page(&self, path: &[u8]) -> io::Result<Found> {
        match file_path(path) {
            Some(mut file) if !file.is_folder() => {
                file.bytes.extend_from_slice(b".html");
                self.look(file).await
            }
            _ => Ok(Found::Missing),
        }
    }

    /// The nearest 404.html above `path`.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub async fn missing_page(&self, path: &str) -> io::Result<Found> {
        for folder in site::folders_above(path) {
            if let found @ Found::File(_) = self.page_of(&folder, "404.html").await? {
                return Ok(found);
            }
        }
        Ok(Found::Missing)
    }

    /// 500.html of `folder`, from the site's.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub async fn failed_page(&self, folder: &str) -> io::Result<Found> {
        self.page_of(folder, "500.html").await
    }

    async fn page_of(&self, folder: &str, name: &str) -> io::Result<Found> {
        let rel = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        match FilePath::of(format!("/{rel}").replace('%', "%25").as_bytes(), "", false) {
            Some(file) if !site::is_private(&rel) => self.look(file).await,
            _ => Ok(Found::Missing),
        }
    }

    async fn look(&self, path: FilePath) -> io::Result<Found> {
        let rel = String::from_utf8_lossy(path.relative()).into_owned();
        match self.folder.look(path, b"").found().await? {
            Found::File(kept) if site::is_script(&rel) && self.is_route(&rel, &kept).await? => {
                Ok(Found::Missing)
            }
            found => Ok(found),
        }
    }

    /// Whether the script at `rel` is a route: what it is now, and not when the server started.
    async fn is_route(&self, rel: &str, kept: &Rc<CachedFile>) -> io::Result<bool> {
        let facts = kept.entry.facts();
        let known = self.scripts.borrow().get(rel).copied();
        if let (Some(facts), Some((known, is_route))) = (facts, known)
            && facts == known
        {
            return Ok(is_route);
        }
        let (site, name) = (self.site.clone(), rel.to_owned());
        let is_route = file::blocking(move || site.is_route(&name)).await?;
        if let Some(facts) = facts {
            let mut scripts = self.scripts.borrow_mut();
            if scripts.len() >= SCRIPTS_MAX {
                scripts.clear();
            }
            scripts.insert(rel.to_owned(), (facts, is_route));
        }
        Ok(is_route)
    }
}

/// The file that a path names, if anybody may see it.
fn file_path(path: &[u8]) -> Option<FilePath> {
    let file = FilePath::of(path, "", false)?;
    let is_private = site::is_private(&String::from_utf8_lossy(file.relative()));
    (!is_private).then_some(file)
}
