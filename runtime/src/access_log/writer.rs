//! The thread that writes the access log.
//!
//! Owns: when it looks at the buffers of workers, when it opens its file anew (SIGUSR1), what is said of lines that are lost,
//! the end. Must not know: what a line says.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::format::Format;
use super::sink::LogSink;
use super::{Buffer, WorkerLog};
use crate::config::{AccessForm, AccessLogOptions, AccessTarget};
use crate::error::{Error, Result};

/// How often the writer looks at the buffers by itself.
const LOOK: Duration = Duration::from_millis(200);
/// The same where people look on.
const LOOK_SOON: Duration = Duration::from_millis(40);
/// No more often is said that lines are lost.
const SAY: Duration = Duration::from_secs(10);
/// How long the end of the process waits for a disk.
const END: Duration = Duration::from_secs(2);

/// The access log of a server.
pub struct AccessLog {
    format: Format,
    buffer_bytes_max: usize,
    buffers: Mutex<Vec<Arc<Buffer>>>,
    lost: AtomicU64,
    writer: OnceLock<Thread>,
    ends: AtomicBool,
    /// Told when the writer has ended.
    ended: Mutex<Option<mpsc::Receiver<()>>>,
}

impl AccessLog {
    /// Opens it, and starts its writer. `buffer_bytes_max` bounds the lines of one worker that wait.
    ///
    /// # Errors
    /// `System`: its file cannot be opened, with the remedy.
    pub fn open(options: &AccessLogOptions, buffer_bytes_max: usize) -> Result<Arc<AccessLog>> {
        let (failed, remedy) = match &options.to {
            AccessTarget::Stdout => (String::new(), ""),
            AccessTarget::File(path) => {
                (path.display().to_string(), "Name a file that jsserve's user may write to.")
            }
            AccessTarget::Syslog(_) => ("syslog".to_owned(), "Is a logger running? Its socket is /dev/log."),
        };
        let sink = LogSink::open(&options.to);
        let sink = sink.map_err(|e| Error::system(format!("the access log: {failed}"), e).remedy(remedy))?;
        let format = match &options.form {
            AccessForm::Short { colour } => Format::Short { colour: *colour },
            AccessForm::Combined => Format::combined(),
            AccessForm::Json => Format::Json,
            AccessForm::Text(text) => {
                Format::parse(text).map_err(|unknown| Error::of_flag("access-log", unknown.to_string()))?
            }
        };
        let reopen = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGUSR1, reopen.clone())
            .map_err(|e| Error::system("signal handlers", e))?;
        let (ending, ended) = mpsc::channel();
        let log = Arc::new(AccessLog {
            format,
            buffer_bytes_max,
            buffers: Mutex::default(),
            lost: AtomicU64::new(0),
            writer: OnceLock::new(),
            ends: AtomicBool::new(false),
            ended: Mutex::new(Some(ended)),
        });
        let look = if options.to == AccessTarget::Stdout { LOOK_SOON } else { LOOK };
        let state = Writer {
            log: log.clone(),
            sink,
            spare: Vec::new(),
            is_mid_line: false,
            said: None,
            told: 0,
            look,
        };
        let thread = std::thread::Builder::new().name("access-log".into()).spawn(move || {
            state.run(&reopen);
            // Nobody may wait for it.
            let _ = ending.send(());
        });
        let thread = thread.map_err(|e| Error::system("cannot start a thread", e))?;
        let _ = log.writer.set(thread.thread().clone());
        Ok(log)
    }

    /// The end of it for one more worker.
    pub fn worker(self: &Arc<Self>) -> WorkerLog {
        let buffer = Arc::<Buffer>::default();
        self.buffers().push(buffer.clone());
        WorkerLog::new(self.clone(), buffer)
    }

    pub(super) fn format(&self) -> &Format {
        &self.format
    }

    pub(super) fn buffer_bytes_max(&self) -> usize {
        self.buffer_bytes_max
    }

    pub(super) fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// Lines that were lost so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Has all that was logged written, and waits for that; not for ever.
    pub fn end(&self) {
        self.ends.store(true, Ordering::Relaxed);
        self.wake();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended
            && ended.recv_timeout(END).is_err()
        {
            tracing::error!("the access log is not written to its end within {END:?}");
        }
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Arc<Buffer>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Writer {
    log: Arc<AccessLog>,
    sink: LogSink,
    spare: Vec<u8>,
    /// What was written last broke off in a line.
    is_mid_line: bool,
    said: Option<Instant>,
    /// Lines lost that the log has told of.
    told: u64,
    look: Duration,
}

impl Writer {
    fn run(mut self, reopen: &AtomicBool) {
        loop {
            let is_last = self.log.ends.load(Ordering::Relaxed);
            if reopen.swap(false, Ordering::Relaxed) {
                // What waits belongs to the file that was there.
                self.write_all();
                if let Err(error) = self.sink.reopen() {
                    tracing::error!("the access log cannot be opened anew, and stays where it was: {error}");
                }
            }
            let has_written = self.write_all();
            if is_last {
                return self.tell(None);
            }
            if !has_written {
                std::thread::park_timeout(self.look);
            }
        }
    }

    /// Writes what the buffers have; whether that was much.
    fn write_all(&mut self) -> bool {
        let buffers: Vec<Arc<Buffer>> = self.log.buffers().clone();
        let (mut is_much, mut failed) = (false, None);
        for buffer in &buffers {
            self.spare.clear();
            self.spare.shrink_to(self.log.buffer_bytes_max.min(1 << 20));
            std::mem::swap(
                &mut *buffer.lines.lock().unwrap_or_else(PoisonError::into_inner),
                &mut self.spare,
            );
            self.log.lost.fetch_add(buffer.lost.swap(0, Ordering::Relaxed), Ordering::Relaxed);
            is_much |= self.spare.len() >= super::WAKE_BYTES;
            if !self.spare.is_empty()
                && let Err(error) = self.write()
            {
                failed = Some(error);
            }
        }
        // One of a worker that is gone has nobody else.
        let is_used = |buffer: &Arc<Buffer>| Arc::strong_count(buffer) > 1 || !is_empty(buffer);
        drop(buffers);
        self.log.buffers().retain(is_used);
        if failed.is_some() || self.log.lost() > self.told {
            self.tell(failed);
        }
        is_much
    }

    fn write(&mut self) -> std::io::Result<()> {
        if std::mem::take(&mut self.is_mid_line) {
            self.spare.insert(0, b'\n');
        }
        let (written, result) = self.sink.write(&self.spare);
        if result.is_err() {
            let lost = self.spare[written..].iter().filter(|byte| **byte == b'\n').count();
            self.log.lost.fetch_add(lost as u64, Ordering::Relaxed);
            self.is_mid_line = written > 0 && self.spare[written - 1] != b'\n';
        }
        result
    }

    fn tell(&mut self, failed: Option<std::io::Error>) {
        let is_last = self.log.ends.load(Ordering::Relaxed);
        if !is_last && self.said.is_some_and(|said| said.elapsed() < SAY) {
            return;
        }
        let lost = self.log.lost() - self.told;
        if lost == 0 && failed.is_none() {
            return;
        }
        (self.said, self.told) = (Some(Instant::now()), self.told + lost);
        match failed {
            Some(error) => tracing::error!("the access log: {error}; {lost} lines are lost"),
            None => tracing::error!(
                "the access log: {lost} lines are lost, for what they go to was too slow (--access-log-buffer)"
            ),
        }
    }
}

fn is_empty(buffer: &Buffer) -> bool {
    buffer.lines.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
}
