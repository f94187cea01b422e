//! App and settings, read again while the server serves.
//!
//! Owns: the order of a reload: read and compiled beside the workers, evaluated in each of them, in use in all or none; and
//! when it begins. Must not know: where they are read from, how a worker changes.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::certificate::Certificates;
use super::changes::{FileChange, FilesWatch, WatchedFiles};
use super::schemes::{is_unasked, settle_schemes};
use super::{Handle, KeptSocket, Server};
use crate::app::Blueprint;
use crate::app::methods::Methods;
use crate::cgi::Scripts;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::listeners::HandedSockets;
use crate::tls::ServerTls;
use crate::worker::{Control, NewPlace, Protocols, Renewal};

/// Where app and settings are read from, and who is told what came of it.
pub trait ReloadSource: Send + Sync {
    /// Reads the settings as they are now.
    ///
    /// # Errors
    /// Whatever is wrong with them.
    fn read(&self) -> Result<(Config, Protocols)>;

    /// Hears what came of it. On the thread of the server.
    fn tell(&self, news: &ReloadNews<'_>);
}

/// What came of a reload.
pub enum ReloadNews<'a> {
    /// All workers serve what was read.
    Reloaded {
        /// The configuration.
        config: &'a Config,
        /// From its begin.
        took: Duration,
        /// The flags whose new values need a restart.
        fixed: &'a [&'static str],
    },
    /// What was there before goes on.
    Failed(&'a Error),
}

/// What was read, and what it was made of; of one that failed as far as it came.
pub(super) struct ReadAgain {
    outcome: Result<Candidate>,
    files: HashSet<PathBuf>,
}

/// What may come to be served.
struct Candidate {
    config: Arc<Config>,
    fixed: Vec<&'static str>,
    blueprint: Arc<Blueprint>,
    protocols: Protocols,
    tls: Option<Arc<ServerTls>>,
    scripts: Option<Arc<Scripts>>,
}

#[derive(Default)]
enum ReloadStep {
    #[default]
    Idle,
    /// A thread reads and compiles.
    Reading,
    /// Workers evaluate it.
    Preparing(Box<Preparing>),
    /// These change to it.
    Changing(HashSet<u64>, Vec<&'static str>),
}

/// What workers, by their lives, evaluate.
struct Preparing {
    candidate: Candidate,
    /// All that take part, and those that are waited for.
    lives: HashSet<u64>,
    waiting: HashSet<u64>,
    methods: Option<Methods>,
}

/// The reloads of a server.
pub(super) struct Reloads {
    source: Option<Arc<dyn ReloadSource>>,
    read: (Sender<ReadAgain>, Receiver<ReadAgain>),
    step: ReloadStep,
    begun: Instant,
    /// It is to be read once more, after what is under way.
    again: bool,
    /// Of what is served, and of what was read last.
    version: u64,
    last: u64,
    /// Of what pages show, and why the app that was read last cannot be served.
    pages: u64,
    failure: Option<Arc<str>>,
    changes: (Sender<FileChange>, Receiver<FileChange>),
    watch: Option<FilesWatch>,
    /// Modules that were watched when it was looked last.
    modules: usize,
}

impl Default for Reloads {
    fn default() -> Self {
        let (source, step, begun) = (None, ReloadStep::Idle, Instant::now());
        let (changes, watch, modules, failure) = (unbounded(), None, 0, None);
        // Greater than that of any server which was here before.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let pages = since.as_millis() as u64;
        let (read, again, version, last) = (unbounded(), false, 0, 0);
        Reloads { source, read, step, begun, again, version, last, pages, failure, changes, watch, modules }
    }
}

impl Reloads {
    pub(super) fn set_source(&mut self, source: Arc<dyn ReloadSource>) {
        self.source = Some(source);
    }

    /// What was read.
    pub(super) fn read(&self) -> &Receiver<ReadAgain> {
        &self.read.1
    }

    /// Files that have changed.
    pub(super) fn changes(&self) -> &Receiver<FileChange> {
        &self.changes.1
    }

    /// The version of what pages show.
    pub(super) fn pages(&self) -> u64 {
        self.pages
    }

    /// The version of what is served.
    pub(super) fn version(&self) -> u64 {
        self.version
    }
}

impl Handle {
    /// Whether it can change to another app.
    fn can_change(&self) -> bool {
        self.listening && !self.ended && !self.replaced && !self.stuck
    }
}

impl Server {
    /// Reads app and settings again, because of `why`.
    pub(super) fn reload(&mut self, why: &str) {
        let Some(source) = self.reloads.source.clone().filter(|_| !self.hand_over.is_done()) else { return };
        if !matches!(self.reloads.step, ReloadStep::Idle) {
            self.reloads.again = true;
            return;
        }
        tracing::debug!("{why}: app and settings are read again");
        let (config, blueprint) = (self.config.clone(), self.blueprint.clone());
        let (tls, scripts) = (self.certificates.tls.clone(), self.scripts.clone());
        let (descriptors_max, sender) = (self.descriptors_max, self.reloads.read.0.clone());
        let read = move || {
            let mut files = HashSet::new();
            let before = (&*config, &*blueprint);
            let outcome = read(&*source, before, tls.as_ref(), scripts, descriptors_max, &mut files);
            // The receiver is gone only when the server is.
            let _ = sender.send(ReadAgain { outcome, files });
        };
        self.reloads.begun = Instant::now();
        if let Some(watch) = &self.reloads.watch {
            watch.expect_more();
        }
        match std::thread::Builder::new().name("reload".into()).spawn(read) {
            Ok(_) => self.reloads.step = ReloadStep::Reading,
            Err(error) => self.reload_failed(&Error::system("cannot start a thread", error)),
        }
    }

    /// Has the workers evaluate what was read.
    pub(super) fn has_read(&mut self, read: ReadAgain) {
        self.watch_more(read.files);
        let candidate = match read.outcome {
            Ok(candidate) => candidate,
            Err(error) => return self.reload_failed(&error),
        };
        self.reloads.last += 1;
        let version = self.reloads.last;
        // One that is behind the others changes to what they serve first.
        let able = self.workers.iter().filter(|worker| worker.can_change() && !worker.is_catching_up);
        let lives: HashSet<u64> = able.map(|worker| worker.life).collect();
        for worker in self.workers.iter().filter(|worker| lives.contains(&worker.life)) {
            worker.tell(Control::Prepare(Box::new(candidate.renewal(version))));
        }
        let waiting = lives.clone();
        self.reloads.step =
            ReloadStep::Preparing(Box::new(Preparing { candidate, lives, waiting, methods: None }));
        self.look_at_reload();
    }

    /// A worker has evaluated what was read, or cannot.
    pub(super) fn prepared(&mut self, life: u64, version: u64, outcome: Result<Methods>) {
        if version == self.reloads.version {
            return self.prepared_late(life, version, outcome);
        }
        let ReloadStep::Preparing(preparing) = &mut self.reloads.step else { return };
        if version != self.reloads.last || !preparing.waiting.remove(&life) {
            return;
        }
        match outcome {
            Ok(can) => {
                preparing.methods = Some(can);
                self.look_at_reload();
            }
            Err(error) => self.reload_failed(&error),
        }
    }

    /// A worker has evaluated what the others serve already.
    fn prepared_late(&mut self, life: u64, version: u64, outcome: Result<Methods>) {
        let Some(index) = self.workers.iter().position(|worker| worker.life == life) else { return };
        match outcome {
            Ok(_) if self.workers[index].version != version => self.change(index),
            Ok(_) => self.workers[index].is_catching_up = false,
            Err(error) => {
                tracing::error!(worker = self.workers[index].number, "reload: the old app stays: {error}");
                self.workers[index].version = version;
                self.workers[index].is_catching_up = false;
            }
        }
    }

    /// Goes on where nobody is waited for any more.
    pub(super) fn look_at_reload(&mut self) {
        let able: HashSet<u64> =
            self.workers.iter().filter(|worker| worker.can_change()).map(|worker| worker.life).collect();
        match &mut self.reloads.step {
            ReloadStep::Idle | ReloadStep::Reading => {}
            ReloadStep::Preparing(preparing) => {
                preparing.waiting.retain(|life| able.contains(life));
                if preparing.waiting.is_empty() {
                    self.change_all();
                }
            }
            ReloadStep::Changing(waiting, _) => {
                waiting.retain(|life| able.contains(life));
                if waiting.is_empty() {
                    self.reloaded();
                }
            }
        }
        self.catch_up();
        // import() has loaded more.
        if let Some(watch) = &self.reloads.watch
            && self.reloads.modules != self.blueprint.modules()
        {
            let fails = watch.watched().fails;
            self.watch_again_files(fails);
        }
    }

    /// Has all workers serve what they have evaluated.
    fn change_all(&mut self) {
        let ReloadStep::Preparing(preparing) = std::mem::take(&mut self.reloads.step) else { return };
        let Preparing { mut candidate, lives, methods, .. } = *preparing;
        if is_unasked(&candidate.config) && methods.is_some_and(Methods::is_for_clocks_only) {
            // A listener that was not asked for.
            Arc::make_mut(&mut candidate.config).listen.clear();
        }
        let none = &mut HandedSockets::default();
        let planned = self.listeners.plan(&candidate.config, self.backend, none).and_then(|mut plan| {
            if let Some(methods) = methods {
                super::schedule::check(&candidate.config, methods)?;
                settle_schemes(&candidate.config, plan.listens(), methods)?;
            }
            Ok(plan)
        });
        let plan = match planned {
            Ok(plan) => plan,
            Err(error) => return self.reload_failed(&error),
        };
        self.listeners.change(plan);
        let Candidate { config, fixed, blueprint, protocols, tls, scripts } = candidate;
        (self.config, self.blueprint, self.protocols) = (config, blueprint, protocols);
        self.certificates.tls = tls;
        let before = std::mem::replace(&mut self.scripts, scripts);
        let is_same = |before: &Arc<Scripts>| self.scripts.as_ref().is_some_and(|it| Arc::ptr_eq(it, before));
        self.scripts_before.extend(before.filter(|before| !is_same(before)));
        self.reloads.version = self.reloads.last;
        let takes_part = |worker: &Handle| worker.can_change() && lives.contains(&worker.life);
        let able: Vec<usize> =
            (0..self.workers.len()).filter(|index| takes_part(&self.workers[*index])).collect();
        let lives = able.iter().map(|index| self.workers[*index].life).collect();
        able.into_iter().for_each(|index| self.change(index));
        self.reloads.step = ReloadStep::Changing(lives, fixed);
    }

    /// Has one worker serve what it has evaluated, at the places of now.
    fn change(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        let mut before: Vec<Option<KeptSocket>> = worker.sockets.drain(..).map(Some).collect();
        let old = std::mem::take(&mut worker.places);
        let mut new = Vec::new();
        for place in self.listeners.places() {
            let id = place.id;
            let (place, socket) = match old.iter().position(|id| *id == place.id) {
                Some(at) => (NewPlace::Kept(place.listen.clone(), at), before[at].take()),
                None => match place.open() {
                    Ok(opened) => {
                        let kept = KeptSocket::of(&opened);
                        (NewPlace::Opened(opened), Some(kept))
                    }
                    Err(error) => {
                        tracing::error!(worker = worker.number, "reload: {error}");
                        continue;
                    }
                },
            };
            new.push(place);
            worker.places.push(id);
            worker.sockets.push(socket.unwrap_or(KeptSocket::Shared));
        }
        (worker.version, worker.is_catching_up) = (self.reloads.version, false);
        worker.tell(Control::Change(self.reloads.version, new));
    }

    /// A worker serves what was read.
    pub(super) fn has_changed(&mut self, life: u64, version: u64) {
        if let ReloadStep::Changing(waiting, _) = &mut self.reloads.step
            && version == self.reloads.version
        {
            waiting.remove(&life);
        }
        self.look_at_reload();
    }

    /// Workers that could not change with the others do it now.
    fn catch_up(&mut self) {
        let version = self.reloads.version;
        if matches!(self.reloads.step, ReloadStep::Preparing(..)) {
            return;
        }
        let late =
            |worker: &&mut Handle| worker.can_change() && worker.version < version && !worker.is_catching_up;
        for worker in self.workers.iter_mut().filter(late) {
            worker.is_catching_up = true;
            let candidate = Candidate {
                config: self.config.clone(),
                fixed: Vec::new(),
                blueprint: self.blueprint.clone(),
                protocols: self.protocols.clone(),
                tls: self.certificates.tls.clone(),
                scripts: self.scripts.clone(),
            };
            worker.tell(Control::Prepare(Box::new(candidate.renewal(version))));
        }
    }

    fn reloaded(&mut self) {
        let ReloadStep::Changing(_, fixed) = std::mem::take(&mut self.reloads.step) else { return };
        let took = self.reloads.begun.elapsed();
        self.watch_again_files(false);
        if let Some(source) = &self.reloads.source {
            source.tell(&ReloadNews::Reloaded { config: &self.config, took, fixed: &fixed });
        }
        self.tell_pages(None);
        self.next_reload();
    }

    fn reload_failed(&mut self, error: &Error) {
        let version = self.reloads.last;
        if version != self.reloads.version {
            self.workers.iter().for_each(|worker| worker.tell(Control::Forget(version)));
        }
        self.reloads.step = ReloadStep::Idle;
        self.watch_again_files(true);
        if let Some(source) = &self.reloads.source {
            source.tell(&ReloadNews::Failed(error));
        }
        self.tell_pages(Some(error));
        self.next_reload();
    }

    /// Begins to watch files, where that is asked for.
    pub(super) fn watch_files(&mut self) {
        if !self.config.reload.watch || self.reloads.source.is_none() {
            return;
        }
        match FilesWatch::begin(self.reloads.changes.0.clone()) {
            Ok(watch) => {
                self.reloads.watch = Some(watch);
                self.watch_again_files(false);
                self.look_for_early_changes();
            }
            Err(error) => tracing::error!("--watch: {error}"),
        }
    }

    /// What has changed since the server began to start is seen by nobody else.
    fn look_for_early_changes(&mut self) {
        let since = SystemTime::UNIX_EPOCH + Duration::from_millis(self.reloads.pages);
        let is_newer = |file: &PathBuf| {
            std::fs::metadata(file).and_then(|found| found.modified()).is_ok_and(|modified| modified > since)
        };
        let watched = self.reloads.watch.as_ref().map(FilesWatch::watched).unwrap_or_default();
        if watched.files.iter().any(is_newer) {
            // The receiver is in this server.
            let _ = self.reloads.changes.0.send(FileChange::App);
        }
    }

    /// Watches what a reload was made of, as far as it came, beside what is watched.
    fn watch_more(&mut self, files: HashSet<PathBuf>) {
        let Some(watch) = &mut self.reloads.watch else { return };
        let mut watched = watch.watched();
        watched.files.extend(files);
        if let Err(error) = watch.set(watched) {
            tracing::error!("--watch: {error}");
        }
    }

    /// Watches what is served now; while something newer `fails`, that as well.
    fn watch_again_files(&mut self, fails: bool) {
        let Some(watch) = &mut self.reloads.watch else { return };
        self.reloads.modules = self.blueprint.modules();
        let site = self.config.site.as_ref().map(|site| site.folder.clone());
        let mut new = WatchedFiles { files: self.blueprint.files(), served: Vec::new(), site, fails };
        new.files.extend(self.config.reload.files.iter().cloned());
        new.files.extend(std::path::absolute(&self.config.app).ok().filter(|app| app.is_file()));
        if let Some(site) = &new.site {
            // The folder itself is no file: what is in it counts.
            new.files.remove(site);
            new.files.extend(["_redirects", "_headers"].map(|name| site.join(name)));
        }
        if self.config.has_live_pages() {
            new.served.extend(new.site.clone());
            let folders = self.config.files.folders.iter();
            new.served.extend(folders.filter_map(|folder| std::fs::canonicalize(&folder.folder).ok()));
        }
        if fails {
            new.files.extend(watch.watched().files);
        }
        if let Err(error) = watch.set(new) {
            tracing::error!("--watch: {error}");
        }
    }

    /// Files that are watched have changed.
    pub(super) fn files_changed(&mut self, change: FileChange) {
        match change {
            FileChange::App => self.reload("a file has changed"),
            FileChange::Pages => {
                let failure = self.reloads.failure.clone();
                self.tell_pages_that(failure);
            }
        }
    }

    /// Tells pages, in development, that there is something new, or why the app cannot be served.
    fn tell_pages(&mut self, error: Option<&Error>) {
        self.tell_pages_that(error.map(|error| error.to_string().into()));
    }

    fn tell_pages_that(&mut self, failure: Option<Arc<str>>) {
        if !self.config.has_live_pages() {
            return;
        }
        self.reloads.failure.clone_from(&failure);
        self.reloads.pages += 1;
        for worker in &self.workers {
            worker.tell(Control::Pages(self.reloads.pages, failure.clone()));
        }
    }

    fn next_reload(&mut self) {
        self.manager.ready(&self.addresses().join(" "));
        if std::mem::take(&mut self.reloads.again) {
            self.reload("once more");
        }
    }
}

impl Candidate {
    fn renewal(&self, version: u64) -> Renewal {
        Renewal {
            version,
            config: self.config.clone(),
            blueprint: self.blueprint.clone(),
            protocols: self.protocols.clone(),
            tls: self.tls.clone(),
            scripts: self.scripts.clone(),
        }
    }
}

/// Reads settings and app, and compiles it; what it was made of, as far as that came, is added to `files`.
fn read(
    source: &dyn ReloadSource,
    (before, blueprint): (&Config, &Blueprint),
    tls: Option<&Arc<ServerTls>>,
    scripts: Option<Arc<Scripts>>,
    descriptors_max: Option<u64>,
    files: &mut HashSet<PathBuf>,
) -> Result<Candidate> {
    let (mut config, protocols) = source.read()?;
    let fixed = config.keep_fixed(before);
    let config = Arc::new(config);
    files.extend(config.reload.files.iter().cloned());
    let fresh = Blueprint::of(config.clone(), Some(blueprint))?;
    let compiled = fresh.clone().compiled();
    files.extend(fresh.files());
    let blueprint = Arc::new(compiled?);
    let tls = Certificates::renewed(tls, &config, before)?;
    let scripts = match config.cgi == before.cgi && config.limits.same_scripts(&before.limits) {
        true => scripts,
        false => Scripts::of(&config, descriptors_max),
    };
    Ok(Candidate { config, fixed, blueprint, protocols, tls, scripts })
}
