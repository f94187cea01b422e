//! The descriptors of an engine: which numbers its scripts may use, sockets, files and pipes alike.
//!
//! Owns: the table, the bounds on pending operations, buffers of operations in flight. A number
//! that is not in the table is EBADF whatever the process has open under it. All close with the
//! engine, but for those it inherited; the garbage collector closes none, for scripts hold numbers.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::time::Instant;

use rquickjs::{Ctx, Value};
use slab::Slab;
use socket2::SockRef;

use crate::io::{Socket, inherited, now};
use crate::js::Held;
use crate::js::engine::State;

/// Operations that may be pending on one descriptor; more are ENOBUFS.
pub const PENDING_MAX: usize = 1_024;
/// Bytes that the pending operations of one engine may hold together; what goes beyond is ENOBUFS.
pub const IN_FLIGHT_BYTES_MAX: usize = 256 << 20;
/// Operations that may end inside the call that began them, in one turn of the worker's loop. More
/// would let a fast peer keep a script in one endless chain of jobs.
const IMMEDIATE_MAX: u32 = 32;

/// Receive buffers kept for reuse, 64 KiB each at most: filling new ones with zeros costs more than
/// the rest of a receive.
const SPARE_MAX: usize = 8;

/// One descriptor in the table.
pub struct Entry {
    /// The socket, or another descriptor: a file, a pipe, a terminal.
    pub socket: Socket,
    /// Its address family (AF_INET, ...); AF_UNSPEC for what is no socket.
    pub family: i32,
    /// Whether it is a byte stream.
    pub stream: bool,
    /// Whether it is the process's, and stays open when the engine ends.
    inherited: bool,
    pending: Cell<usize>,
}

/// All of an engine.
#[derive(Default)]
pub struct Descriptors {
    table: RefCell<HashMap<i32, Rc<Entry>>>,
    buffers: RefCell<Slab<Held>>,
    bytes: Cell<usize>,
    spare: RefCell<Vec<Vec<u8>>>,
    immediate: Cell<Option<(Instant, u32)>>,
}

fn error(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

impl Descriptors {
    /// Those of the context's engine.
    pub fn of(ctx: &Ctx<'_>) -> Rc<Descriptors> {
        State::of(ctx).extension::<Descriptors>()
    }

    /// Takes `socket`, or any other descriptor, in; its number, and the entry.
    ///
    /// # Errors
    /// EBADF when it is closed.
    pub fn insert(&self, socket: Socket) -> io::Result<(i32, Rc<Entry>)> {
        self.enter(socket, false)
    }

    /// Lets scripts use `fd`, which the process had open before (standard input, ...). It is EBADF
    /// for them where it is not open. It stays open when the engine ends.
    ///
    /// # Errors
    /// EBADF when it is not open.
    pub fn inherit(&self, fd: i32) -> io::Result<()> {
        self.enter(Socket::new(inherited(fd)?), true).map(drop)
    }

    fn enter(&self, socket: Socket, inherited: bool) -> io::Result<(i32, Rc<Entry>)> {
        let fd = socket.raw_fd().ok_or_else(|| error(libc::EBADF))?;
        let kind = socket.with_fd(|fd| {
            let socket = SockRef::from(&fd);
            Ok((socket.domain()?.into(), socket.r#type()? == socket2::Type::STREAM))
        });
        let (family, stream) = kind.unwrap_or((libc::AF_UNSPEC, false));
        let entry = Rc::new(Entry { socket, family, stream, inherited, pending: Cell::new(0) });
        self.table.borrow_mut().insert(fd, entry.clone());
        Ok((fd, entry))
    }

    /// The socket with this number.
    ///
    /// # Errors
    /// EBADF when it is none of this engine's.
    pub fn get(&self, fd: i32) -> io::Result<Rc<Entry>> {
        self.table.borrow().get(&fd).cloned().ok_or_else(|| error(libc::EBADF))
    }

    /// Closes the socket with this number; what is pending on it ends with EBADF.
    ///
    /// # Errors
    /// EBADF when it is none of this engine's.
    pub fn close(&self, fd: i32) -> io::Result<()> {
        let entry = self.table.borrow_mut().remove(&fd).ok_or_else(|| error(libc::EBADF))?;
        entry.socket.close()
    }

    /// Has the number `fd` mean what `change` makes of its descriptor, which keeps its number (dup2(2)).
    /// What is pending on it ends with EBADF.
    ///
    /// # Errors
    /// EBADF when it is none of this engine's, and what `change` says.
    pub fn redirect(&self, fd: i32, change: impl FnOnce(&mut OwnedFd) -> io::Result<()>) -> io::Result<()> {
        let old = self.table.borrow_mut().remove(&fd).ok_or_else(|| error(libc::EBADF))?;
        let mut owned = old.socket.clone().into_fd()?;
        let changed = change(&mut owned);
        self.enter(Socket::new(owned), old.inherited)?;
        changed
    }

    /// Takes `entry` out, if the number is still its.
    pub fn forget(&self, fd: i32, entry: &Rc<Entry>) {
        let mut table = self.table.borrow_mut();
        if table.get(&fd).is_some_and(|known| Rc::ptr_eq(known, entry)) {
            table.remove(&fd);
        }
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.table.borrow().len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts one more pending operation of `entry` that holds `bytes`.
    ///
    /// # Errors
    /// ENOBUFS beyond [`PENDING_MAX`] or [`IN_FLIGHT_BYTES_MAX`].
    pub fn admit(self: &Rc<Self>, entry: &Rc<Entry>, bytes: usize) -> io::Result<Pending> {
        let total = self.bytes.get();
        let crowded = total > 0 && total.saturating_add(bytes) > IN_FLIGHT_BYTES_MAX;
        if crowded || entry.pending.get() >= PENDING_MAX {
            return Err(error(libc::ENOBUFS));
        }
        self.bytes.set(total + bytes);
        entry.pending.set(entry.pending.get() + 1);
        Ok(Pending { sockets: Rc::downgrade(self), entry: entry.clone(), bytes })
    }

    /// Whether the next operation may end inside its call.
    pub fn may_end_at_once(&self) -> bool {
        let now = now();
        let used = match self.immediate.get() {
            Some((turn, used)) if turn == now => used,
            _ => 0,
        };
        self.immediate.set(Some((now, used + 1)));
        used < IMMEDIATE_MAX
    }

    /// A buffer of `size` bytes to receive into; what is in it is old.
    pub fn take_buffer(&self, size: usize) -> Vec<u8> {
        match self.spare.borrow_mut().pop() {
            Some(mut spare) => {
                spare.resize(size, 0);
                spare
            }
            None => vec![0; size],
        }
    }

    /// Gives a buffer back for reuse.
    pub fn give_back(&self, buffer: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_MAX && (1..=64 << 10).contains(&buffer.capacity()) {
            spare.push(buffer);
        }
    }

    /// Keeps `buffer` alive until [`Descriptors::release`].
    pub fn hold(&self, buffer: Value<'_>) -> usize {
        self.buffers.borrow_mut().insert(Held::new(buffer))
    }

    /// The buffer kept under `key`, no longer kept.
    pub fn release<'js>(&self, ctx: &Ctx<'js>, key: usize) -> Option<Value<'js>> {
        let held = self.buffers.borrow_mut().try_remove(key)?;
        Some(held.get(ctx))
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        for (_, entry) in self.table.take() {
            // Its task may outlive the engine by a turn of the loop; the descriptor must not. Both
            // fail only when it is closed already.
            match entry.inherited {
                true => drop(entry.socket.clone().into_fd().map(OwnedFd::into_raw_fd)),
                false => drop(entry.socket.close()),
            }
        }
    }
}

/// A pending operation, counted until dropped. Its task may outlive the engine, whose values and
/// sockets must not: hence no more than a weak reference.
pub struct Pending {
    sockets: Weak<Descriptors>,
    entry: Rc<Entry>,
    bytes: usize,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(sockets) = self.sockets.upgrade() {
            sockets.bytes.set(sockets.bytes.get().saturating_sub(self.bytes));
        }
        self.entry.pending.set(self.entry.pending.get().saturating_sub(1));
    }
}
