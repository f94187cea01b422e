//! Programs that answer requests by CGI/1.1 (RFC 3875): found, given their environment, started, watched and ended.
//!
//! Owns: what is a script (`place`), its meta-variables (`variables`), how its response is read (`response`), its process
//! (`scripts`, `supervisor`). Must not know: connections, JavaScript, how the answer goes out.

mod place;
mod response;
mod script_log;
mod scripts;
mod spool;
mod supervisor;
mod variables;

use std::cell::{Cell, OnceCell};
use std::ffi::CString;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

pub use self::place::{CgiScript, Place};
pub use self::response::{ScriptHead, ScriptResponse, parse, parse_whole};
pub use self::script_log::ScriptLines;
pub use self::scripts::{ScriptSlot, Scripts};
pub use self::spool::spool_file;
pub use self::supervisor::ScriptEnd;
pub use self::variables::AskedOfScript;

use self::place::ScriptFolder;
use self::supervisor::{Order, Start, Supervisor};
use crate::config::Config;
use crate::files::OpenError;
use crate::io::process::SpawnOptions;
use crate::io::{PipeReader, PipeWriter, Sleep, file, pipe, sleep_until};

/// The scripts of one worker.
pub struct Cgi {
    folders: Vec<Arc<ScriptFolder>>,
    config: Arc<Config>,
    scripts: Arc<Scripts>,
    worker: usize,
    /// The thread that starts them and sees their end; there is none before the first.
    supervisor: OnceCell<Supervisor>,
    /// The number of the next one.
    next: Cell<u64>,
}

/// What a script reads on its standard input.
pub enum ScriptInput {
    /// Nothing.
    Null,
    /// What is written to a pipe.
    Pipe,
    /// A file, from where it stands.
    File(OwnedFd),
}

/// A script that has been told to start. When it is dropped the script is ended, with all of its process group, unless
/// it has been [finished](ScriptProcess::finish).
pub struct ScriptProcess {
    end: oneshot::Receiver<ScriptEnd>,
    /// Ends it.
    abandon: Option<Box<dyn FnOnce()>>,
    /// When it has to have ended, where nobody else sees to that.
    until: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    is_over: bool,
}

/// The ends of a script's pipes, and what it is told.
pub struct Prepared {
    /// What it reads.
    pub stdin: OwnedFd,
    /// What it writes.
    pub stdout: OwnedFd,
    /// Our end of what it writes.
    pub output: PipeReader,
    /// Our end of what it reads, where that is a pipe.
    pub writer: Option<PipeWriter>,
    /// Its environment, `NAME=value` each.
    pub environment: Vec<CString>,
    /// The words of a search, its arguments.
    pub words: Vec<CString>,
}

/// A script's process, its standard output, and its standard input where that is a pipe.
pub type Started = (ScriptProcess, PipeReader, Option<PipeWriter>);

impl Cgi {
    /// Those of the configuration, where it has some.
    pub fn new(config: &Arc<Config>, scripts: Arc<Scripts>, worker: usize) -> Cgi {
        let folders = config.cgi.folders.iter().map(|folder| Arc::new(ScriptFolder::of(folder)));
        Cgi {
            folders: folders.collect(),
            config: config.clone(),
            scripts,
            worker,
            supervisor: OnceCell::new(),
            next: Cell::new(0),
        }
    }

    /// Whether its scripts are counted among those of `scripts`.
    pub fn is_of(&self, scripts: &Arc<Scripts>) -> bool {
        Arc::ptr_eq(&self.scripts, scripts)
    }

    /// What there is for `path` of a request.
    ///
    /// # Errors
    /// The machine is at a limit, or fails.
    pub async fn find(&self, path: &[u8]) -> io::Result<Place> {
        let mut found = Place::Missing;
        for folder in self.folders.iter().filter(|folder| folder.has(path)) {
            let place = match folder.locate(path, true) {
                Err(OpenError::WouldBlock) => {
                    let (folder, path) = (folder.clone(), path.to_vec());
                    file::blocking(move || folder.locate(&path, false)).await?
                }
                located => located,
            };
            match place {
                Ok(Place::Missing) | Err(OpenError::Missing | OpenError::WouldBlock) => {}
                Ok(Place::Folder) => found = Place::Folder,
                Ok(place) => return Ok(place),
                Err(OpenError::Failed(error)) => return Err(error),
            }
        }
        Ok(found)
    }

    /// A place among those that run; it is waited for in the order of the calls. `None`: too many wait.
    pub fn slot(&self) -> Option<impl Future<Output = Option<ScriptSlot>> + use<>> {
        self.scripts.slot()
    }

    /// Starts `script` in `slot`. What fails from here on is told by [`ScriptProcess::poll_end`].
    ///
    /// # Errors
    /// There are no descriptors for its pipes, or no thread that could start it.
    pub fn start(
        &self,
        script: &CgiScript,
        asked: &AskedOfScript<'_>,
        input: ScriptInput,
        slot: ScriptSlot,
    ) -> io::Result<Started> {
        let orders = self.supervisor()?.clone();
        let Prepared { stdin, stdout, output, writer, environment, words } =
            self.prepare(script, asked, input)?;
        let (errors, stderr) = pipe()?;
        let mut arguments = vec![script.file.clone()];
        arguments.extend(words);
        let program = SpawnOptions {
            files: vec![script.file.clone()],
            arguments,
            environment,
            folder: Some(script.folder.clone()),
            stdio: [Some(stdin), Some(stdout), Some(stderr)],
            session: true,
            descriptors_max: self.scripts.descriptors_max(),
            ..SpawnOptions::default()
        };
        let number = self.next.get();
        self.next.set(number + 1);
        let (told, end) = oneshot::channel();
        let run_max = Duration::from_millis(self.config.limits.cgi_run_ms_max);
        orders.send(Order::Start(Box::new(Start {
            number,
            program,
            errors,
            name: script.shown(),
            request_id: asked.id.to_owned(),
            until: Instant::now() + run_max,
            slot,
            told,
        })));
        let abandon = Box::new(move || orders.send(Order::End(number)));
        Ok((ScriptProcess::new(end, abandon, None), output, writer))
    }

    /// Makes what `script` needs to answer.
    ///
    /// # Errors
    /// There are no descriptors for its pipes.
    pub fn prepare(
        &self,
        script: &CgiScript,
        asked: &AskedOfScript<'_>,
        input: ScriptInput,
    ) -> io::Result<Prepared> {
        let (output, stdout) = pipe()?;
        let (stdin, writer) = match input {
            ScriptInput::Null => (OwnedFd::from(std::fs::File::open("/dev/null")?), None),
            ScriptInput::File(file) => (file, None),
            ScriptInput::Pipe => {
                let (stdin, writer) = pipe()?;
                (stdin, Some(PipeWriter::new(writer)?))
            }
        };
        let output = PipeReader::new(output)?;
        let environment = variables::environment(asked, script, &self.config.cgi);
        Ok(Prepared { stdin, stdout, output, writer, environment, words: variables::words(asked) })
    }

    fn supervisor(&self) -> io::Result<&Supervisor> {
        if let Some(supervisor) = self.supervisor.get() {
            return Ok(supervisor);
        }
        let limits = &self.config.limits;
        let (run_ms, kill_ms) = (limits.cgi_run_ms_max, limits.cgi_kill_ms);
        let supervisor = Supervisor::start(self.scripts.clone(), self.worker, run_ms, kill_ms)?;
        Ok(self.supervisor.get_or_init(|| supervisor))
    }
}

impl ScriptProcess {
    /// One whose end is told by `end`, and that `abandon` ends. Who tells does not do so, maybe, by `until`.
    pub fn new(
        end: oneshot::Receiver<ScriptEnd>,
        abandon: Box<dyn FnOnce()>,
        until: Option<Instant>,
    ) -> ScriptProcess {
        ScriptProcess { end, abandon: Some(abandon), until, sleep: None, is_over: false }
    }

    /// How it ended, once; or that it did not start.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<ScriptEnd> {
        if self.is_over {
            return Poll::Pending;
        }
        let end = match Pin::new(&mut self.end).poll(cx) {
            // Its supervisor is gone: all have been killed.
            Poll::Ready(end) => end.unwrap_or(ScriptEnd::Killed(libc::SIGKILL)),
            Poll::Pending => {
                let Some(until) = self.until else { return Poll::Pending };
                let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.abandon.take().into_iter().for_each(|abandon| abandon());
                ScriptEnd::TimedOut
            }
        };
        self.is_over = true;
        Poll::Ready(end)
    }

    /// It may go on to its own end, for as long as scripts may run.
    pub fn finish(mut self) {
        self.is_over = true;
    }
}

impl Drop for ScriptProcess {
    fn drop(&mut self) {
        if !self.is_over
            && let Some(abandon) = self.abandon.take()
        {
            abandon();
        }
    }
}

/// A path as system calls take it; a NUL cannot be in it.
fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}
