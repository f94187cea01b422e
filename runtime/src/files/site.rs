//! The folders that a server serves files from, and how they stand to the app.
//!
//! Owns: which folder is asked, and when; the page that stands for what is missing. Must not know: connections.

use std::io;

use percent_encoding::percent_decode;

use super::entry::Rules;
use super::folder::{Folder, Found};
use super::http::asked::FileRequest;
use super::path::FilePath;
use crate::config::{StaticFiles, StaticOrder};

/// When files are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before the app is asked.
    Before,
    /// The app has answered that there is nothing.
    After,
    /// There is no app to be asked.
    Alone,
}

/// The folders of one worker.
pub struct Site {
    /// What their paths begin with, and the folders, in the order in which they are asked.
    folders: Vec<(String, Folder)>,
    order: StaticOrder,
    /// The file in each that stands for pages that are missing.
    fallback: Option<String>,
}

impl Site {
    /// Those of the configuration; `None` where there are none.
    pub fn of(config: &StaticFiles) -> Option<Site> {
        let rules = Rules {
            listing: config.listing,
            dotfiles: config.dotfiles,
            max_age_s: config.max_age_s,
            ..Rules::default()
        };
        let folder = |it: &crate::config::StaticFolder| {
            (it.prefix.clone(), Folder::new(Some(it.folder.clone()), rules.clone()))
        };
        let folders: Vec<_> = config.folders.iter().map(folder).collect();
        let (order, fallback) = (config.order, config.fallback.clone());
        (!folders.is_empty()).then_some(Site { folders, order, fallback })
    }

    /// Whether a 404 of the app's is a question to it.
    pub fn is_behind(&self) -> bool {
        self.order == StaticOrder::After || self.fallback.is_some()
    }

    /// What there is under `path` of a request at that stage.
    ///
    /// # Errors
    /// The machine is at a limit, or fails.
    pub async fn find(&self, path: &[u8], asked: &FileRequest, stage: Stage) -> io::Result<Found> {
        let is_looked_for = match stage {
            Stage::Before => self.order == StaticOrder::Before,
            Stage::After => self.order == StaticOrder::After,
            Stage::Alone => true,
        };
        for (prefix, folder) in self.folders.iter().filter(|_| is_looked_for) {
            let Some(file) = FilePath::of(path, prefix, folder.rules().dotfiles) else { continue };
            let shown: Vec<u8> = match folder.rules().listing {
                true => percent_decode(path).collect(),
                false => Vec::new(),
            };
            match folder.look(file, &shown).found().await? {
                Found::Missing => {}
                found => return Ok(found),
            }
        }
        if stage == Stage::Before || !asked.wants_page {
            return Ok(Found::Missing);
        }
        self.fallback(path).await
    }

    async fn fallback(&self, path: &[u8]) -> io::Result<Found> {
        let Some(name) = &self.fallback else { return Ok(Found::Missing) };
        for (prefix, folder) in &self.folders {
            let is_below =
                path.strip_prefix(prefix.as_bytes()).is_some_and(|rest| matches!(rest, [] | [b'/', ..]));
            if !is_below {
                continue;
            }
            let file = FilePath { bytes: name.clone().into_bytes() };
            if let found @ Found::File(_) = folder.look(file, b"").found().await? {
                return Ok(found);
            }
        }
        Ok(Found::Missing)
    }
}
