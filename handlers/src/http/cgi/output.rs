//! What a script writes to its standard output: the header of its response, and then the body.
//!
//! Owns: bytes that are read and not used yet, the end of the output, the time that a body may be silent. Must not know:
//! what becomes of the answer. When it is dropped before the end, the script is ended.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{ErrorKind, Result as IoResult};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use runtime::app::fetch::ByteSource;
use runtime::cgi::{ScriptEnd, ScriptHead, ScriptProcess, parse, parse_whole};
use runtime::config::Config;
use runtime::io::{Deadline, JoinHandle, PipeReader, Sleep};
use runtime::log::{self, Kind};

use super::failure::beyond;

/// Bytes that are read at a time at first, and later.
const READ_BYTES_MIN: usize = 8 << 10;
const READ_BYTES_MAX: usize = 64 << 10;
/// How long a response in pieces waits for the end of its script, in milliseconds.
const END_MS: u64 = 50;
/// Bytes of a response that is waited for as a whole.
const WHOLE_BYTES_MAX: usize = 32 << 10;

/// Why there is no header.
pub enum HeadError {
    /// The output ended before it did.
    Ended,
    /// It is none.
    Bad(&'static str),
    /// It is larger than it may be.
    TooLarge,
}

/// The output of one script.
pub struct ScriptOutput {
    state: RefCell<State>,
    /// The script's file, the number of the worker, the request's identifier.
    subject: (String, usize, Rc<str>),
    config: Arc<Config>,
    stalled: Deadline,
    /// Since the end of the output.
    ended: Deadline,
    read_bytes: Cell<usize>,
    /// Writes its input, and counts the pieces of it.
    pump: Option<JoinHandle<()>>,
    written: Rc<Cell<u64>>,
    /// How many those were when it was last asked.
    seen: Cell<u64>,
}

struct State {
    /// The process, until its output has ended.
    process: Option<ScriptProcess>,
    pipe: Option<PipeReader>,
    /// How it ended, once that is known.
    end: Option<ScriptEnd>,
    /// Read, and not used yet.
    begun: Vec<u8>,
    has_begun: bool,
}

impl Drop for ScriptOutput {
    fn drop(&mut self) {
        if let Some(pump) = self.pump.take() {
            pump.abort();
        }
    }
}

impl ScriptOutput {
    /// Of a script that has been told to start; `subject` is for the log.
    pub fn new(
        process: ScriptProcess,
        pipe: PipeReader,
        (pump, written): (Option<JoinHandle<()>>, Rc<Cell<u64>>),
        subject: (String, usize, Rc<str>),
        config: &Arc<Config>,
    ) -> ScriptOutput {
        let state = State {
            process: Some(process),
            pipe: Some(pipe),
            end: None,
            begun: Vec::new(),
            has_begun: false,
        };
        ScriptOutput {
            state: RefCell::new(state),
            subject,
            config: config.clone(),
            stalled: Deadline::new(),
            ended: Deadline::new(),
            read_bytes: Cell::new(READ_BYTES_MIN),
            pump,
            written,
            seen: Cell::new(0),
        }
    }

    /// Whether anything has come.
    pub fn has_begun(&self) -> bool {
        self.state.borrow().has_begun
    }

    /// What is here of the body.
    pub fn begun(&mut self) -> &[u8] {
        &self.state.get_mut().begun
    }

    /// Nobody reads on; the script may go on to its own end.
    pub fn finish(self) {
        self.state.borrow_mut().finish();
    }

    /// Ready when something is here.
    pub fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), HeadError>> {
        let room = self.read_bytes.get();
        self.state.get_mut().poll_fill(room, cx).map(|read| match read {
            Ok(1..) => Ok(()),
            _ => Err(HeadError::Ended),
        })
    }

    /// The header, of a `whole` response or of a script's own.
    pub fn poll_head(&mut self, whole: bool, cx: &mut Context<'_>) -> Poll<Result<ScriptHead, HeadError>> {
        let (room, bytes_max) = (self.read_bytes.get(), self.config.limits.cgi_header_bytes_max);
        let state = self.state.get_mut();
        loop {
            let parsed = if whole { parse_whole(&state.begun) } else { parse(&state.begun) };
            match parsed {
                Ok(Some((_, length))) if length > bytes_max => return Poll::Ready(Err(HeadError::TooLarge)),
                Ok(Some((head, length))) => {
                    state.begun.drain(..length);
                    return Poll::Ready(Ok(head));
                }
                Ok(None) if state.begun.len() > bytes_max => return Poll::Ready(Err(HeadError::TooLarge)),
                Ok(None) => {}
                Err(why) => return Poll::Ready(Err(HeadError::Bad(why))),
            }
            match state.poll_fill(room, cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(Err(HeadError::Ended)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// How the script ended.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<ScriptEnd> {
        let state = self.state.get_mut();
        if let Some(end) = state.end.take() {
            return Poll::Ready(end);
        }
        match &mut state.process {
            Some(process) => process.poll_end(cx),
            None => Poll::Pending,
        }
    }

    /// Whether all of a short body is here; no longer asked once `moment` is over.
    pub fn poll_whole(&mut self, moment: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<bool> {
        let room = self.read_bytes.get();
        let state = self.state.get_mut();
        while state.begun.len() < WHOLE_BYTES_MAX {
            match state.poll_fill(room, cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) => {
                    state.look_at_end(cx);
                    return Poll::Ready(!state.is_cut());
                }
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => return moment.poll(cx).map(|()| false),
            }
        }
        Poll::Ready(false)
    }

    /// Reads to the end what nobody wants.
    pub async fn drop_rest(self) {
        while let Some(Ok(_)) = poll_fn(|cx| self.poll_bytes(cx)).await {}
    }

    fn broken(&self, kind: Kind, text: &str) -> String {
        if let Some(more) = log::admits_limit(kind) {
            let (name, worker, request_id) = &self.subject;
            tracing::error!(worker, request_id = &**request_id, "{name}: {text}: the response is cut{more}");
        }
        text.to_owned()
    }

    /// Ready when it has been silent for too long, and has not read on in the request's body, either.
    fn poll_stalled(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.stalled.expired() && self.seen.replace(self.written.get()) != self.written.get() {
            self.stalled.clear();
        }
        if !self.stalled.is_set() && !self.stalled.expired() {
            self.stalled.set(self.config.limits.cgi_stall_ms_max);
        }
        self.stalled.poll_expired(cx)
    }

    /// The output of a response in pieces is at its end. Whether the script is, and how, is known in a moment: one that was
    /// ended has not written all that it would.
    fn poll_ended(&self, state: &mut State, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        if state.end.is_none()
            && let Some(process) = &mut state.process
        {
            match process.poll_end(cx) {
                Poll::Ready(end) => state.end = Some(end),
                Poll::Pending => {
                    if !self.ended.is_set() && !self.ended.expired() {
                        self.ended.set(END_MS);
                    }
                    if self.ended.poll_expired(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
        state.finish();
        let text = match &state.end {
            Some(ScriptEnd::TimedOut) => {
                let text = format!("it ran for {} ms (--cgi-timeout)", self.config.limits.cgi_run_ms_max);
                self.broken(Kind::CgiRun, &text)
            }
            Some(end @ ScriptEnd::CpuUsed) => self.broken(Kind::Cpu, &beyond(end, &self.config.limits)),
            Some(end @ ScriptEnd::HeapFull) => self.broken(Kind::Heap, &beyond(end, &self.config.limits)),
            Some(ScriptEnd::Killed(signal)) => {
                self.broken(Kind::Broken, &format!("signal {signal} ended it"))
            }
            _ => return Poll::Ready(None),
        };
        Poll::Ready(Some(Err(text)))
    }
}

impl State {
    /// Whether it was ended because it has reached a limit.
    fn is_cut(&self) -> bool {
        matches!(self.end, Some(ScriptEnd::TimedOut | ScriptEnd::CpuUsed | ScriptEnd::HeapFull))
    }

    /// Asks how it ended, where that is known.
    fn look_at_end(&mut self, cx: &mut Context<'_>) {
        if self.end.is_none()
            && let Some(process) = &mut self.process
            && let Poll::Ready(end) = process.poll_end(cx)
        {
            self.end = Some(end);
        }
    }

    /// Nobody wants anything of it: it is ended.
    fn abandon(&mut self) {
        self.pipe = None;
        self.process = None;
    }

    /// Nobody reads on. Where the output has ended, so has the script, or it goes on by itself.
    fn finish(&mut self) {
        self.pipe = None;
        if let Some(process) = self.process.take() {
            process.finish();
        }
    }

    /// Reads what there is, behind what is here; 0 at the end. That is the end of the script, too, where others hold its
    /// output open: what it has written itself is here by then.
    fn poll_fill(&mut self, room: usize, cx: &mut Context<'_>) -> Poll<IoResult<usize>> {
        let Some(pipe) = &self.pipe else { return Poll::Ready(Ok(0)) };
        self.begun.reserve(room);
        let read = match pipe.poll_read(cx, &mut self.begun) {
            Poll::Pending if self.end.is_none() => match self.process.as_mut().map(|p| p.poll_end(cx)) {
                Some(Poll::Ready(end)) => {
                    self.end = Some(end);
                    Poll::Ready(self.read_rest())
                }
                _ => Poll::Pending,
            },
            Poll::Pending => Poll::Ready(self.read_rest()),
            read => read,
        };
        match &read {
            Poll::Ready(Ok(1..)) => self.has_begun = true,
            Poll::Ready(_) => self.pipe = None,
            Poll::Pending => {}
        }
        read
    }

    /// What a script that has ended, or is to end, has written.
    fn read_rest(&mut self) -> IoResult<usize> {
        let Some(pipe) = self.pipe.as_ref().filter(|_| !self.is_cut()) else {
            return Ok(0);
        };
        match pipe.read_now(&mut self.begun) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            read => read,
        }
    }
}

impl ByteSource for ScriptOutput {
    fn poll_bytes(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        let mut state = self.state.borrow_mut();
        let room = self.read_bytes.get();
        if state.begun.is_empty() {
            match state.poll_fill(room, cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) => return self.poll_ended(&mut state, cx),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error.to_string()))),
                Poll::Pending if self.poll_stalled(cx).is_pending() => return Poll::Pending,
                Poll::Pending => {
                    state.abandon();
                    let ms = self.config.limits.cgi_stall_ms_max;
                    let text = format!("its response has sent nothing for {ms} ms (--cgi-stall-timeout)");
                    return Poll::Ready(Some(Err(self.broken(Kind::CgiStall, &text))));
                }
            }
        }
        self.stalled.clear();
        let piece = std::mem::take(&mut state.begun);
        if piece.len() >= room {
            self.read_bytes.set((room * 2).min(READ_BYTES_MAX));
        }
        Poll::Ready(Some(Ok(Bytes::from(piece))))
    }

    fn cancel(&self) {
        self.state.borrow_mut().abandon();
    }

    fn bounds_silence(&self) -> bool {
        true
    }
}
