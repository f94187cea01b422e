//! Standard input, output and error, and what happens to all FILEs when a script ends.
//!
//! Owns: the three streams (one each for the whole process, as in C, so that threads keep their order; a CGI script has
//! its own), the list of an engine's open FILEs. Must not know: JavaScript objects, who prints.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::{self, SeekFrom};
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::open_file::OpenFile;
use super::stream::{Access, Device, Stream};
use crate::js::engine::State;
use crate::modules::qjs::os::pending::Descriptor;
use crate::modules::qjs::os::table::Descriptors;
use crate::modules::web::host::{self, Host, Role};

const READ: Access = Access { read: true, write: false, append: false };
const WRITE: Access = Access { read: false, write: true, append: false };

static STREAMS: [Mutex<Stream>; 3] =
    [Mutex::new(Stream::new(READ)), Mutex::new(Stream::new(WRITE)), Mutex::new(Stream::unbuffered(WRITE))];

/// A standard stream, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// `std.in`
    In = 0,
    /// `std.out`
    Out = 1,
    /// `std.err`
    Err = 2,
}

/// Takes what a stream writes, in place of its descriptor.
pub type Sink = Rc<dyn Fn(&[u8])>;

/// An engine's part in it.
#[derive(Default)]
pub struct Standard {
    /// Whether the class FILE is registered.
    pub(super) registered: Cell<bool>,
    inherited: Cell<[bool; 3]>,
    /// Keeps the table until the FILEs are flushed.
    descriptors: OnceCell<Rc<Descriptors>>,
    served: Cell<bool>,
    /// The streams of a CGI script, and what ends it.
    own: OnceCell<([Mutex<Stream>; 3], Arc<AtomicBool>)>,
    /// What a prompt shows of the streams, by number.
    diverted: RefCell<[Option<Sink>; 3]>,
    open: RefCell<Vec<Weak<OpenFile>>>,
    prune_at: Cell<usize>,
}

/// What stands under a standard number in the engine's table now; a redirection replaces it.
struct StandardDevice {
    entry: io::Result<Rc<Descriptor>>,
    served: bool,
    sink: Option<Sink>,
}

impl StandardDevice {
    fn entry(&self) -> io::Result<&Descriptor> {
        match &self.entry {
            Ok(entry) => Ok(entry),
            Err(_) => Err(io::Error::from_raw_os_error(libc::EBADF)),
        }
    }
}

impl Device for StandardDevice {
    fn read(&self, target: &mut [u8]) -> io::Result<usize> {
        self.entry()?.read(target)
    }
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(sink) = &self.sink {
            sink(bytes);
            return Ok(bytes.len());
        }
        self.entry()?.write(bytes)
    }
    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        self.entry()?.seek(to)
    }
    /// A server runs on: its lines do not wait for a full buffer.
    fn is_interactive(&self) -> bool {
        self.served || self.entry().is_ok_and(Device::is_interactive)
    }
}

impl Standard {
    /// That of an engine.
    pub fn of(state: &State) -> Rc<Standard> {
        let standard = state.extension::<Standard>();
        standard.descriptors.get_or_init(|| {
            let ending = Rc::downgrade(&standard);
            host::at_exit(state, move || ending.upgrade().iter().for_each(|standard| standard.flush()));
            state.extension::<Descriptors>()
        });
        standard.served.set(Host::of(state) == Role::App);
        standard
    }

    fn device(&self, number: Number) -> StandardDevice {
        let fd = number as i32;
        let table = self.descriptors.get();
        let mut inherited = self.inherited.get();
        if let Some(table) = table
            && !std::mem::replace(&mut inherited[number as usize], true)
        {
            self.inherited.set(inherited);
            if table.get(fd).is_err() {
                // Where it is not open, using it is EBADF.
                drop(table.inherit(fd));
            }
        }
        let missing = || io::Error::from_raw_os_error(libc::EBADF);
        StandardDevice {
            entry: table.ok_or_else(missing).and_then(|table| table.get(fd)),
            served: self.served.get(),
            sink: self.diverted.borrow()[number as usize].clone(),
        }
    }

    /// Has `sink` take what the engine writes to a standard stream: a prompt shares the terminal.
    pub fn divert(&self, number: Number, sink: Sink) {
        self.diverted.borrow_mut()[number as usize] = Some(sink);
    }

    fn lock(&self, number: Number) -> MutexGuard<'_, Stream> {
        let streams = self.own.get().map_or(&STREAMS, |(own, _)| own);
        streams[number as usize].lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Gives a CGI script streams of its own: what its engine's table has as 0 to 2, and `errors` for what it writes to
    /// standard error. Where nobody reads its output any more, `halt` is set.
    pub fn make_own(&self, errors: Sink, halt: Arc<AtomicBool>) {
        let streams = [Stream::new(READ), Stream::new(WRITE), Stream::unbuffered(WRITE)];
        // Once for an engine.
        let _ = self.own.set((streams.map(Mutex::new), halt));
        self.inherited.set([true; 3]);
        self.divert(Number::Err, errors);
    }

    /// Calls `f` with a standard stream. Where a script's output goes to a pipe that nobody reads any
    /// more, the process ends by SIGPIPE, which this program ignores otherwise; a CGI
    /// script ends alone.
    pub fn with<R>(&self, number: Number, f: impl FnOnce(&mut Stream, &dyn Device) -> R) -> R {
        let device = self.device(number);
        let mut stream = self.lock(number);
        if number == Number::In && stream.unread() == 0 {
            // A prompt is seen before its answer is waited for.
            let mut out = self.lock(Number::Out);
            if out.by_line() {
                drop(out.flush(&self.device(Number::Out)));
            }
        }
        let result = f(&mut stream, &device);
        if stream.last_errno() != libc::EPIPE || self.served.get() || number == Number::In {
            return result;
        }
        if let Some((_, halt)) = self.own.get() {
            halt.store(true, Ordering::SeqCst);
        } else {
            // It fails for no signal whose default is to end the process.
            let _ = signal_hook::low_level::emulate_default_handler(libc::SIGPIPE);
        }
        result
    }

    /// Has `file` flushed when the script ends.
    pub(super) fn opened(&self, file: &Rc<OpenFile>) {
        let mut open = self.open.borrow_mut();
        if open.len() >= self.prune_at.get() {
            open.retain(|file| file.strong_count() > 0);
            self.prune_at.set((open.len() * 2).max(32));
        }
        open.push(Rc::downgrade(file));
    }

    /// fflush(NULL): standard output and error, and all open FILEs of the engine. Where it cannot be
    /// written, it is lost, as in C.
    pub fn flush(&self) {
        for number in [Number::Out, Number::Err] {
            let mut stream = self.lock(number);
            // Only an engine that has met the descriptor looks at it.
            if stream.has_output() && self.inherited.get()[number as usize] {
                drop(stream.flush(&self.device(number)));
            }
        }
        let open = self.open.borrow().iter().filter_map(Weak::upgrade).collect::<Vec<_>>();
        open.iter().for_each(|file| drop(file.flush()));
    }
}

impl Drop for Standard {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Writes `bytes` to standard output or error now, in order with `std.out` and `std.err`. What cannot
/// be written is lost.
pub fn print(state: &State, number: Number, bytes: &[u8]) {
    Standard::of(state).with(number, |stream, device| {
        stream.write(device, bytes);
        drop(stream.flush(device));
    });
}

/// Flushes standard output and error and all FILEs of the engine.
pub fn flush_all(state: &State) {
    Standard::of(state).flush();
}

/// Lets the engine use standard descriptor `fd`, 0 to 2, where it is open.
pub fn inherit(state: &State, fd: i32) {
    let standard = Standard::of(state);
    for number in [Number::In, Number::Out, Number::Err] {
        if number as i32 == fd {
            drop(standard.device(number));
        }
    }
}
