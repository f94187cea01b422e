//! The watch over the files that the app was made of.
//!
//! Owns: which folders the kernel watches (inotify(7)), which changes count, how long a burst of them is waited for. Must
//! not know: what is done about a change.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use crate::error::{Error, Result};

/// A burst of changes is over once nothing has changed for so long; while a file is being written it may take longer.
const QUIET: Duration = Duration::from_millis(15);
const WRITING: Duration = Duration::from_millis(60);
/// A burst is not waited for any longer than this.
const BURST_MAX: Duration = Duration::from_millis(500);

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileChange {
    /// A file that is served as it is.
    Pages,
    /// What the app or its settings are made of.
    App,
}

/// What is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WatchedFiles {
    /// By their paths from the root.
    pub(super) files: HashSet<PathBuf>,
    /// Folders whose files are served.
    pub(super) served: Vec<PathBuf>,
    /// A folder that is served as a site: which files there are is part of the app.
    pub(super) site: Option<PathBuf>,
    /// The app does not load: a file that was not there may be what it lacks.
    pub(super) fails: bool,
}

impl WatchedFiles {
    fn folders(&self) -> HashSet<&Path> {
        let parent = |file: &'_ PathBuf| file.parent().map(Path::to_owned);
        let all: HashSet<PathBuf> = self.files.iter().filter_map(parent).collect();
        // A folder that is removed and made again is seen by the one above it.
        let above = self.files.iter().filter_map(|file| {
            let folder = file.parent()?;
            folder.parent().filter(|above| all.contains(*above))
        });
        self.files.iter().filter_map(|file| file.parent()).chain(above).collect()
    }

    /// What a change of `path` is; `is_other` where it came or went, and was not only written to, as logs are.
    fn of(&self, path: &Path, is_other: bool) -> Option<FileChange> {
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if self.files.contains(path) || self.files.iter().any(|file| file.starts_with(path)) {
            return Some(FileChange::App);
        }
        // What editors write beside a file.
        let is_passing =
            name.starts_with('.') || name.ends_with('~') || name.ends_with(".swp") || name == "4913";
        if is_passing {
            return None;
        }
        let is_near = || {
            path.parent().is_some_and(|folder| self.files.iter().any(|file| file.parent() == Some(folder)))
        };
        let is_of_site = || self.site.as_ref().is_some_and(|folder| path.starts_with(folder));
        if is_other && (is_of_site() || self.fails && is_near()) {
            return Some(FileChange::App);
        }
        self.served.iter().any(|folder| path.starts_with(folder)).then_some(FileChange::Pages)
    }
}

/// A watch that goes on.
pub(super) struct FilesWatch {
    watcher: RecommendedWatcher,
    watched: Arc<Mutex<WatchedFiles>>,
}

fn lock(watched: &Mutex<WatchedFiles>) -> MutexGuard<'_, WatchedFiles> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FilesWatch {
    /// Tells `changes` of what changes from now on.
    ///
    /// # Errors
    /// The kernel has no more inotify instances for this user, or there is no thread to be had.
    pub(super) fn begin(changes: Sender<FileChange>) -> Result<FilesWatch> {
        let (sender, events) = unbounded();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if let Ok(event) = event {
                // The receiver is gone only when the server is.
                let _ = sender.send(event);
            }
        });
        let watcher = watcher.map_err(|error| refused(&error))?;
        let watched = Arc::new(Mutex::new(WatchedFiles::default()));
        let known = watched.clone();
        std::thread::Builder::new()
            .name("files".into())
            .spawn(move || follow(&events, &known, &changes))
            .map_err(|e| Error::system("cannot start a thread", e))?;
        Ok(FilesWatch { watcher, watched })
    }

    /// Watches these files from now on.
    ///
    /// # Errors
    /// The kernel watches no more folders for this user.
    pub(super) fn set(&mut self, new: WatchedFiles) -> Result<()> {
        let mut outcome = Ok(());
        // One that is watched already is so once.
        for (folder, mode) in new
            .folders()
            .into_iter()
            .map(|folder| (folder, RecursiveMode::NonRecursive))
            .chain(new.served.iter().chain(&new.site).map(|folder| (&**folder, RecursiveMode::Recursive)))
        {
            if let Err(error) = self.watcher.watch(folder, mode)
                && folder.exists()
            {
                outcome = Err(refused(&error));
            }
        }
        *lock(&self.watched) = new;
        outcome
    }

    /// What lies beside the watched files counts as well: it is not known yet what is needed.
    pub(super) fn expect_more(&self) {
        lock(&self.watched).fails = true;
    }

    /// What is watched now.
    pub(super) fn watched(&self) -> WatchedFiles {
        lock(&self.watched).clone()
    }
}

fn refused(error: &notify::Error) -> Error {
    let error = std::io::Error::other(error.to_string());
    Error::system("cannot watch files", error)
        .remedy("The kernel has bounds for each user: sysctl fs.inotify.max_user_watches fs.inotify.max_user_instances")
}

/// Whether an event says that a file is another one, and whether it is still being written.
fn meaning(kind: EventKind) -> Option<bool> {
    match kind {
        EventKind::Modify(ModifyKind::Data(_)) => Some(true),
        EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) => Some(false),
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(false),
        _ => None,
    }
}

/// Gathers events into changes.
fn follow(events: &Receiver<Event>, watched: &Mutex<WatchedFiles>, changes: &Sender<FileChange>) {
    while let Ok(first) = events.recv() {
        let begun = Instant::now();
        let (mut change, mut writing) = (None, HashSet::new());
        let mut next = Some(first);
        while let Some(event) = next {
            if let Some(is_writing) = meaning(event.kind) {
                let is_other = matches!(
                    event.kind,
                    EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
                );
                let watched = lock(watched);
                for path in event.paths {
                    change = change.max(watched.of(&path, is_other));
                    if is_writing {
                        writing.insert(path);
                    } else {
                        writing.remove(&path);
                    }
                }
            }
            let wait = if writing.is_empty() { QUIET } else { WRITING };
            next = match events.recv_timeout(wait.min(BURST_MAX.saturating_sub(begun.elapsed()))) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if change.is_none() && next.is_none() {
                break;
            }
        }
        if let Some(change) = change
            && changes.send(change).is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(files: &[&str], fails: bool) -> WatchedFiles {
        WatchedFiles {
            files: files.iter().map(PathBuf::from).collect(),
            served: vec!["/site/pub".into()],
            site: None,
            fails,
        }
    }

    #[test]
    fn what_the_app_is_made_of_counts_and_what_is_beside_it_only_while_it_fails() {
        let all = ["/site/app.js", "/site/lib/a.js"];
        for (path, change, failing) in [
            ("/site/app.js", Some(FileChange::App), Some(FileChange::App)),
            ("/site/lib", Some(FileChange::App), Some(FileChange::App)),
            ("/site/lib/b.js", None, Some(FileChange::App)),
            ("/site/lib/.b.js.swp", None, None),
            ("/site/lib/b.js~", None, None),
            ("/site/other/b.js", None, None),
            ("/site/pub/a/index.html", Some(FileChange::Pages), Some(FileChange::Pages)),
        ] {
            assert_eq!(watched(&all, false).of(Path::new(path), true), change, "{path}");
            assert_eq!(watched(&all, true).of(Path::new(path), true), failing, "{path}");
        }
        let log = Path::new("/site/server.log");
        assert_eq!(watched(&all, true).of(log, false), None, "a log beside the app is written to");
        let site = WatchedFiles { site: Some("/www".into()), ..WatchedFiles::default() };
        assert_eq!(site.of(Path::new("/www/a/new.js"), true), Some(FileChange::App), "a new route");
        assert_eq!(site.of(Path::new("/www/a/page.html"), false), None);
    }

    #[test]
    fn a_burst_is_one_change() {
        let (events, receiver) = unbounded();
        let (sender, changes) = unbounded();
        let known = Arc::new(Mutex::new(watched(&["/a"], false)));
        let thread = std::thread::spawn(move || follow(&receiver, &known, &sender));
        for _ in 0..50 {
            let event = Event::new(EventKind::Modify(ModifyKind::Any)).add_path("/a".into());
            events.send(event).expect("sent");
        }
        assert_eq!(changes.recv(), Ok(FileChange::App));
        drop(events);
        thread.join().expect("no panic");
        assert!(changes.recv().is_err(), "no other change");
    }
}
