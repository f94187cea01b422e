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
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

pub use self::place::{CgiScript, Place};
pub use self::response::{ScriptHead, ScriptResponse, parse, parse_whole};
pub use self::scripts::{ScriptSlot, Scripts};
pub use self::spool::spool_file;
pub use self::supervisor::ScriptEnd;
pub use self::variables::AskedOfScript;

use self::place::ScriptFolder;
use self::supervisor::{Order, Start, Supervisor};
use crate::config::Config;
use crate::files::OpenError;
use crate::io::process::SpawnOptions;
use crate::io::{PipeReader, PipeWriter, file, pipe};

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
    orders: Supervisor,
    number: u64,
    end: oneshot::Receiver<ScriptEnd>,
    is_over: bool,
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
        let (output, stdout) = pipe()?;
        let (errors, stderr) = pipe()?;
        let (stdin, writer) = match input {
            ScriptInput::Null => (OwnedFd::from(std::fs::File::open("/dev/null")?), None),
            ScriptInput::File(file) => (file, None),
            ScriptInput::Pipe => {
                let (stdin, writer) = pipe()?;
                (stdin, Some(PipeWriter::new(writer)?))
            }
        };
        let output = PipeReader::new(output)?;
        let options = &self.config.cgi;
        let mut arguments = vec![script.file.clone()];
        arguments.extend(variables::words(asked));
        let program = SpawnOptions {
            files: vec![script.file.clone()],
            arguments,
            environment: variables::environment(asked, script, options),
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
        Ok((ScriptProcess { orders, number, end, is_over: false }, output, writer))
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
    /// How it ended, once; or that it did not start.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<ScriptEnd> {
        if self.is_over {
            return Poll::Pending;
        }
        std::pin::Pin::new(&mut self.end).poll(cx).map(|end| {
            self.is_over = true;
            // Its supervisor is gone: all have been killed.
            end.unwrap_or(ScriptEnd::Killed(libc::SIGKILL))
        })
    }

    /// It may go on to its own end, for as long as scripts may run.
    pub fn finish(mut self) {
        self.is_over = true;
    }
}

impl Drop for ScriptProcess {
    fn drop(&mut self) {
        if !self.is_over {
            self.orders.send(Order::End(self.number));
        }
    }
}

/// A path as system calls take it; a NUL cannot be in it.
fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}
