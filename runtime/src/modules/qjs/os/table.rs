//! The descriptors of an engine: which numbers its scripts may use, sockets, files and pipes alike.
//!
//! Owns: the table, buffers of operations in flight. A number
//! that is not in the table is EBADF whatever the process has open under it. All close with the
//! engine, but for those it inherited; the garbage collector closes none, for scripts hold numbers.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::rc::Rc;

use rquickjs::{Ctx, Value};
use slab::Slab;
use socket2::{Protocol, SockRef};

use crate::io::{Socket, inherited};
use crate::js::Held;
use crate::js::engine::State;

use super::pending::{Descriptor, Pending};
use super::receives::Receives;

/// Operations that may end inside the call that began them, in one turn of the engine. More would
/// let a fast peer keep a script in one endless chain of jobs.
const IMMEDIATE_MAX: u32 = 32;

/// All of an engine.
#[derive(Default)]
pub struct Descriptors {
    /// By number: the kernel gives the lowest that is free, so there are few holes.
    table: RefCell<Vec<Option<Rc<Descriptor>>>>,
    buffers: RefCell<Slab<Held>>,
    /// What the pending operations hold.
    bytes: Rc<Cell<usize>>,
    /// The turn, and how many operations ended inside of their call in it.
    immediate: Cell<(u64, u32)>,
    /// The receives that wait.
    pub(super) receives: Rc<Receives>,
}

/// Where a number stands in the table; a negative one stands nowhere.
fn place(fd: i32) -> usize {
    usize::try_from(fd).unwrap_or(usize::MAX)
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
    pub fn insert(&self, socket: Socket) -> io::Result<(i32, Rc<Descriptor>)> {
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

    /// Has the number `number` mean `fd`, whatever its own is: a CGI script's standard streams are no descriptors of the
    /// process's with that number.
    ///
    /// # Errors
    /// EBADF when it is closed.
    pub fn assign(&self, number: i32, fd: OwnedFd) -> io::Result<()> {
        self.enter_as(number, Socket::new(fd), false).map(drop)
    }

    fn enter(&self, socket: Socket, inherited: bool) -> io::Result<(i32, Rc<Descriptor>)> {
        let fd = socket.raw_fd().ok_or_else(|| error(libc::EBADF))?;
        self.enter_as(fd, socket, inherited)
    }

    fn enter_as(&self, fd: i32, socket: Socket, inherited: bool) -> io::Result<(i32, Rc<Descriptor>)> {
        let kind = socket.with_fd(|fd| {
            let socket = SockRef::from(&fd);
            let stream = socket.r#type()? == socket2::Type::STREAM;
            Ok((socket.domain()?.into(), stream, stream && socket.protocol()? == Some(Protocol::TCP)))
        });
        let (family, stream, tcp) = kind.unwrap_or((libc::AF_UNSPEC, false, false));
        if tcp {
            socket.set_short_is_all();
        }
        let entry = Rc::new(Descriptor::new(socket, family, stream, inherited));
        let (mut table, at) = (self.table.borrow_mut(), place(fd));
        if table.len() <= at {
            table.resize(at + 1, None);
        }
        let old = table[at].replace(entry.clone());
        drop((table, old));
        Ok((fd, entry))
    }

    /// The socket with this number.
    ///
    /// # Errors
    /// EBADF when it is none of this engine's.
    pub fn get(&self, fd: i32) -> io::Result<Rc<Descriptor>> {
        self.table.borrow().get(place(fd)).cloned().flatten().ok_or_else(|| error(libc::EBADF))
    }

    /// Closes the socket with this number; what is pending on it ends with EBADF.
    ///
    /// # Errors
    /// EBADF when it is none of this engine's.
    pub fn close(&self, fd: i32) -> io::Result<()> {
        self.take(fd)?.socket.close()
    }

    fn take(&self, fd: i32) -> io::Result<Rc<Descriptor>> {
        let entry = self.table.borrow_mut().get_mut(place(fd)).and_then(Option::take);
        entry.ok_or_else(|| error(libc::EBADF))
    }

    /// Has the number `fd` mean what `change` makes of its descriptor, which keeps its number (dup2(2)).
    /// What is pending on it ends with EBADF.
    ///
    /// # Errors
    /// EBADF when it is none of this engine's, and what `change` says.
    pub fn redirect(&self, fd: i32, change: impl FnOnce(&mut OwnedFd) -> io::Result<()>) -> io::Result<()> {
        let old = self.take(fd)?;
        let mut owned = old.socket.clone().into_fd()?;
        let changed = change(&mut owned);
        self.enter_as(fd, Socket::new(owned), old.inherited)?;
        changed
    }

    /// Takes `entry` out, if the number is still its.
    pub fn forget(&self, fd: i32, entry: &Rc<Descriptor>) {
        let mut table = self.table.borrow_mut();
        if let Some(slot) = table.get_mut(place(fd))
            && slot.as_ref().is_some_and(|known| Rc::ptr_eq(known, entry))
        {
            *slot = None;
        }
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.table.borrow().iter().flatten().count()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts one more pending operation of `entry` that holds `bytes`.
    ///
    /// # Errors
    /// ENOBUFS beyond [`PENDING_MAX`](super::pending::PENDING_MAX) and
    /// [`IN_FLIGHT_BYTES_MAX`](super::pending::IN_FLIGHT_BYTES_MAX).
    pub fn admit(&self, entry: &Rc<Descriptor>, bytes: usize) -> io::Result<Pending> {
        Pending::admit(&self.bytes, entry, bytes)
    }

    /// Whether the next operation may end inside its call.
    pub fn may_end_at_once(&self, ctx: &Ctx<'_>) -> bool {
        let turn = State::of(ctx).turn_number();
        let used = match self.immediate.get() {
            (known, used) if known == turn => used,
            _ => 0,
        };
        self.immediate.set((turn, used.saturating_add(1)));
        used < IMMEDIATE_MAX
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
        for entry in self.table.take().into_iter().flatten() {
            // Its task may outlive the engine by a turn of the loop; the descriptor must not. Both
            // fail only when it is closed already.
            match entry.inherited {
                true => drop(entry.socket.clone().into_fd().map(OwnedFd::into_raw_fd)),
                false => drop(entry.socket.close()),
            }
        }
    }
}
