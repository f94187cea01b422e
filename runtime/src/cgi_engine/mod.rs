//! CGI scripts in JavaScript: an engine of its own for each request, in a thread of its own, with what a process has.
//!
//! Owns: the engines that are ready before they are asked for, what was compiled of the scripts, their threads. Must not
//! know: HTTP, the worker's loop. A worker is never held up by them: they read and write pipes.

mod thread;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use tokio::sync::oneshot;

use crate::cgi::{
    AskedOfScript, Cgi, CgiScript, Prepared, ScriptEnd, ScriptInput, ScriptLines, ScriptProcess, ScriptSlot,
    Started,
};
use crate::config::{Config, NATIVE_STACK_BYTES};
use crate::io::Notifier;
use crate::io::process::Children;
use crate::js::compiled::Compiled;

/// Engines of one worker that wait for a request.
const READY_MAX: usize = 4;
/// For how long they wait.
const READY: Duration = Duration::from_secs(30);
/// Scripts whose compiled form is kept; beyond, all are compiled anew.
const SCRIPTS_MAX: usize = 1_000;
/// How much later than the script's own thread the worker says that its time is over: the thread may be blocked.
const GRACE: Duration = Duration::from_millis(250);

/// The scripts in JavaScript of one worker.
pub struct CgiEngines {
    config: Arc<Config>,
    worker: usize,
    /// There is none before the first request for such a script.
    pool: OnceCell<(Sender<ScriptJob>, Arc<EnginePool>)>,
}

/// What the threads of one worker share.
struct EnginePool {
    config: Arc<Config>,
    worker: usize,
    jobs: Receiver<ScriptJob>,
    /// Threads that wait for a job, or will soon.
    ready: AtomicUsize,
    /// What was compiled, by the script's file.
    compiled: Mutex<HashMap<String, Arc<Compiled>>>,
}

/// One request for a script.
struct ScriptJob {
    /// Its file.
    file: String,
    folder: CString,
    stdin: OwnedFd,
    stdout: OwnedFd,
    environment: Vec<CString>,
    words: Vec<CString>,
    lines: ScriptLines,
    until: Instant,
    leash: Arc<Leash>,
    slot: ScriptSlot,
    told: oneshot::Sender<ScriptEnd>,
}

/// Ends a script that nobody wants any more, whatever it does.
#[derive(Default)]
struct Leash {
    gone: AtomicBool,
    bell: Notifier,
    /// What interrupts its engine, and its children, once there is one.
    held: OnceLock<(Arc<AtomicBool>, Arc<Children>)>,
}

impl Leash {
    fn cut(&self) {
        self.gone.store(true, Ordering::SeqCst);
        if let Some((halt, children)) = self.held.get() {
            halt.store(true, Ordering::SeqCst);
            // Its thread may wait for them.
            children.signal(libc::SIGTERM);
        }
        self.bell.notify();
    }

    fn hold(&self, halt: Arc<AtomicBool>, children: Arc<Children>) {
        let _ = self.held.set((halt.clone(), children));
        // Cut in between: it found nothing.
        if self.gone.load(Ordering::SeqCst) {
            halt.store(true, Ordering::SeqCst);
        }
    }
}

impl CgiEngines {
    /// Those of the worker of that number. Nothing is made before it is asked for.
    pub fn new(config: &Arc<Config>, worker: usize) -> CgiEngines {
        CgiEngines { config: config.clone(), worker, pool: OnceCell::new() }
    }

    /// Starts `script` in `slot`. What fails from here on is told by [`ScriptProcess::poll_end`].
    ///
    /// # Errors
    /// There are no descriptors for its pipes, or there is no thread for it.
    pub fn start(
        &self,
        cgi: &Cgi,
        script: &CgiScript,
        asked: &AskedOfScript<'_>,
        input: ScriptInput,
        slot: ScriptSlot,
    ) -> io::Result<Started> {
        let Prepared { stdin, stdout, output, writer, environment, words } =
            cgi.prepare(script, asked, input)?;
        let until = Instant::now() + Duration::from_millis(self.config.limits.cgi_run_ms_max);
        let (told, end) = oneshot::channel();
        let leash = Arc::new(Leash::default());
        let job = ScriptJob {
            file: script.shown(),
            folder: script.folder.clone(),
            stdin,
            stdout,
            environment,
            words,
            lines: ScriptLines::of(script.shown(), asked.id.to_owned()),
            until,
            leash: leash.clone(),
            slot,
            told,
        };
        self.dispatch(job)?;
        let process = ScriptProcess::new(end, Box::new(move || leash.cut()), Some(until + GRACE));
        Ok((process, output, writer))
    }

    fn dispatch(&self, job: ScriptJob) -> io::Result<()> {
        let (jobs, pool) = self.pool.get_or_init(|| {
            let (sender, jobs) = unbounded();
            let pool = EnginePool {
                config: self.config.clone(),
                worker: self.worker,
                jobs,
                ready: AtomicUsize::new(0),
                compiled: Mutex::default(),
            };
            (sender, Arc::new(pool))
        });
        if pool.take_ready() {
            // Its receiver is ours, too.
            let _ = jobs.send(job);
            return Ok(());
        }
        pool.spawn(Some(job))
    }
}

impl EnginePool {
    /// Whether a thread waits; it is the caller's then.
    fn take_ready(&self) -> bool {
        let fewer = |ready: usize| ready.checked_sub(1);
        self.ready.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok()
    }

    /// Starts a thread: for a job, or for one that is to come.
    fn spawn(self: &Arc<Self>, job: Option<ScriptJob>) -> io::Result<()> {
        let stack_bytes = NATIVE_STACK_BYTES + self.config.limits.stack_bytes_max;
        let thread = std::thread::Builder::new().name(format!("cgi-{}", self.worker)).stack_size(stack_bytes);
        let pool = self.clone();
        thread.spawn(move || thread::run(pool, job)).map(drop)
    }

    /// Has one more thread get ready, where few are.
    fn top_up(self: &Arc<Self>) {
        let more = |ready: usize| (ready < READY_MAX).then_some(ready + 1);
        if self.ready.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
            && self.spawn(None).is_err()
        {
            // Who was promised it has its job in the channel: the next one takes it.
            self.take_ready();
        }
    }

    /// What a thread that cannot run has been promised to, if it has been.
    fn take_back(&self) -> Option<ScriptJob> {
        if self.take_ready() { None } else { self.jobs.recv_timeout(GRACE).ok() }
    }

    /// Waits for a job; `None`: there is none for long, or the worker has ended.
    fn wait(&self) -> Option<ScriptJob> {
        loop {
            match self.jobs.recv_timeout(READY) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Timeout) if self.take_ready() => return None,
                // Somebody has been promised this thread.
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// What is compiled of the script in `file`, and of what it imports; nothing yet where one of them has changed.
    fn compiled(&self, file: &str) -> Arc<Compiled> {
        let mut all = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(file).filter(|known| known.is_current()) {
            return known.clone();
        }
        if all.len() >= SCRIPTS_MAX {
            all.clear();
        }
        let fresh = Arc::new(Compiled::stamped());
        all.insert(file.to_owned(), fresh.clone());
        fresh
    }
}
