//! The loop of a worker thread, on either backend.
//!
//! Owns: start, turn and end of a worker. tokio hosts it: the loop is the poll of tokio's root
//! future, which goes back to tokio only when tokio has something to do. On the ring an idle
//! worker sleeps in io_uring_enter itself, with no eventfd or epoll between it and its sockets.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::unix::AsyncFd;

use crate::error::{Error, ErrorKind, Result};

use super::executor::{self, Bell, JoinHandle};
use super::ring::Ring;
use super::{Backend, IoOptions, budget, deadline, pool, pulse, timer};

/// Batches of ready tasks between two looks at epoll.
const BATCHES_MAX: usize = 32;
/// How long the ring sleeps at most while tokio may have timers or unsent operations, or when its
/// epoll descriptor is not known.
const BLIND_SLEEP: Duration = Duration::from_millis(4);
/// Submission entries of tokio-uring's own ring, which carries files only.
const FILE_RING_ENTRIES: u32 = 32;

thread_local! {
    static RING: RefCell<Option<Rc<Ring>>> = const { RefCell::new(None) };
}

/// This worker's ring; `None` on epoll.
///
/// # Panics
/// Outside of [`run`].
pub(super) fn ring() -> Option<Rc<Ring>> {
    assert!(executor::entered(), "sockets of runtime::io live inside of io::run");
    RING.with(|ring| ring.borrow().clone())
}

/// The backend that this thread's worker runs on; `None` outside of [`run`].
pub fn backend() -> Option<Backend> {
    executor::entered().then(|| match RING.with(|ring| ring.borrow().is_some()) {
        true => Backend::Uring,
        false => Backend::Epoll,
    })
}

/// Receive buffers of this thread's ring that the kernel may fill, and how many there are; none on epoll.
pub fn receive_buffers() -> (usize, usize) {
    RING.with(|ring| ring.borrow().as_ref().map_or((0, 0), |ring| ring.buffers()))
}

/// Makes this thread a worker on `backend`, runs the future that `main` returns to its end, then
/// drops all other tasks and closes all that is in flight.
///
/// Inside, tokio and tokio-uring work: `tokio::task::spawn_local`, AsyncFd, `tokio_uring::fs`. But
/// on the ring tokio is only served when one of its descriptors is ready: use [`super::sleep`] in
/// place of `tokio::time`, and wrap file operations in [`super::with_tokio`].
///
/// # Errors
/// Set-up refused (see [`super::probe`]), the ring broken, or `main` panicked.
pub fn run<F, M>(backend: Backend, options: &IoOptions, main: F) -> Result<M::Output>
where
    F: FnOnce() -> M,
    M: Future + 'static,
    M::Output: 'static,
{
    #[cfg(test)]
    super::fault::take(super::fault::At::Start).map_err(|e| Error::system("a start that is to fail", e))?;
    let bell = match backend {
        Backend::Uring => Bell::Eventfd(eventfd().map_err(|e| Error::system("eventfd", e))?),
        Backend::Epoll => Bell::Root(Default::default()),
    };
    if !executor::enter(bell) {
        return Err(Error::new(ErrorKind::Internal, "io::run inside of io::run"));
    }
    let output = match backend {
        Backend::Uring => run_uring(options, main),
        Backend::Epoll => run_epoll(main),
    };
    executor::drop_tasks();
    executor::leave();
    pulse::detach();
    timer::reset();
    pool::clear();
    output
}

fn eventfd() -> io::Result<OwnedFd> {
    use rustix::event::EventfdFlags;
    Ok(rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

fn run_uring<F, M>(options: &IoOptions, main: F) -> Result<M::Output>
where
    F: FnOnce() -> M,
    M: Future + 'static,
    M::Output: 'static,
{
    let runtime = tokio_uring::Runtime::new(tokio_uring::builder().entries(FILE_RING_ENTRIES))
        .map_err(|e| setup_failed("io_uring (files)", e))?;
    runtime.block_on(tokio::task::unconstrained(async {
        let (kick, tokio_fd) = (Kick::new(), find_tokio_epoll());
        let kick = kick.map_err(|e| Error::system("eventfd", e))?;
        let ring = Rc::new(Ring::new(options, tokio_fd).map_err(|e| setup_failed("io_uring", e))?);
        RING.with(|slot| *slot.borrow_mut() = Some(ring.clone()));
        let mut main = executor::spawn(main());
        let turned = poll_fn(|cx| uring_turns(&ring, &kick, &main, cx)).await;
        let output = poll_fn(|cx| Poll::Ready(Pin::new(&mut main).poll(cx))).await;
        executor::drop_tasks();
        let quiet = ring.shut_down();
        RING.with(|slot| slot.borrow_mut().take());
        if !quiet {
            tracing::error!("io_uring did not end all operations; their memory is left to the kernel");
            match Rc::try_unwrap(ring) {
                Ok(ring) => ring.abandon(),
                Err(ring) => std::mem::forget(ring),
            }
        }
        turned.map_err(|e| Error::system("io_uring_enter", e))?;
        finished(output)
    }))
}

fn setup_failed(what: &str, error: io::Error) -> Error {
    let remedy = error.raw_os_error().map(|errno| super::refusal(errno).remedy);
    Error::system(what, error).remedy(remedy.unwrap_or_default())
}

/// The worker's loop on the ring. Returns to tokio (Pending) only to let it run a pass.
fn uring_turns<T>(
    ring: &Ring,
    kick: &Kick,
    main: &JoinHandle<T>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    executor::set_root(cx.waker());
    pulse::set_awake(true);
    loop {
        let now = timer::refresh_now();
        executor::take_inbox();
        fire(now);
        executor::run_ready();
        if main.is_finished() {
            return Poll::Ready(Ok(()));
        }
        if executor::take_tokio_pass() {
            pulse::set_awake(false);
            return match ring.turn(None).and_then(|()| kick.arm(cx)) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            };
        }
        // Armed only now: the kicks of the passes above are events too.
        let blind = !ring.watch_tokio() || executor::waits_for_tokio();
        let wait = (!executor::has_ready()).then(|| {
            let limit = next().map(|at| at.saturating_duration_since(Instant::now()));
            if blind { Some(limit.map_or(BLIND_SLEEP, |limit| limit.min(BLIND_SLEEP))) } else { limit }
        });
        pulse::set_awake(wait.is_none());
        if let Err(error) = ring.turn(wait) {
            return Poll::Ready(Err(error));
        }
        pulse::set_awake(true);
        if blind && wait.is_some() {
            executor::serve_tokio();
        }
    }
}

fn run_epoll<F, M>(main: F) -> Result<M::Output>
where
    F: FnOnce() -> M,
    M: Future + 'static,
    M::Output: 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::system("epoll", e))?;
    // Unconstrained: one poll of the root runs many tasks, and tokio's budget is per poll.
    tokio::task::LocalSet::new().block_on(
        &runtime,
        tokio::task::unconstrained(async {
            let mut main = executor::spawn(main());
            let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
            poll_fn(|cx| epoll_turns(alarm.as_mut(), &main, cx)).await;
            let output = poll_fn(|cx| Poll::Ready(Pin::new(&mut main).poll(cx))).await;
            executor::drop_tasks();
            finished(output)
        }),
    )
}

/// The worker's loop on epoll. Returns to tokio (Pending) when no task is ready.
fn epoll_turns<T>(
    mut alarm: Pin<&mut tokio::time::Sleep>,
    main: &JoinHandle<T>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    executor::set_root(cx.waker());
    pulse::set_awake(true);
    let entered = timer::refresh_now();
    for _ in 0..BATCHES_MAX {
        let now = timer::refresh_now();
        if now - entered > timer::LONG_TURN {
            // tokio looks at the sockets first: no deadline may pass over what has arrived meanwhile.
            break;
        }
        executor::take_inbox();
        fire(now);
        executor::run_ready();
        if main.is_finished() {
            return Poll::Ready(());
        }
        // Who gave way waits for those whose sockets are ready, too: those tokio knows.
        if executor::take_tokio_pass() || budget::take_gave_way() {
            break;
        }
        if executor::has_ready() {
            continue;
        }
        if let Some(at) = next() {
            if alarm.deadline().into_std() != at {
                alarm.as_mut().reset(at.into());
            }
            if alarm.as_mut().poll(cx).is_ready() {
                continue;
            }
        }
        executor::fall_asleep();
        pulse::set_awake(false);
        return Poll::Pending;
    }
    pulse::set_awake(false);
    cx.waker().wake_by_ref();
    Poll::Pending
}

fn fire(now: Instant) {
    timer::fire(now);
    deadline::fire(now);
}

fn next() -> Option<Instant> {
    match (timer::next(), deadline::next()) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn finished<T>(output: Poll<Option<T>>) -> Result<T> {
    match output {
        Poll::Ready(Some(output)) => Ok(output),
        _ => Err(Error::new(ErrorKind::Internal, "the worker's main task panicked")),
    }
}

/// Brings the root future back from tokio by an event. A plain wake would do that too, but then
/// tokio does not park, and only when it parks does tokio-uring submit its operations.
struct Kick {
    fd: AsyncFd<OwnedFd>,
}

impl Kick {
    fn new() -> io::Result<Self> {
        // SAFETY: the AsyncFd owns the descriptor, which stays the same and open.
        Ok(Kick { fd: unsafe { AsyncFd::register(eventfd()?) }? })
    }

    /// The task of `cx` is woken by tokio's next look at its events.
    fn arm(&self, cx: &mut Context<'_>) -> io::Result<()> {
        while let Poll::Ready(guard) = self.fd.poll_read_ready(cx) {
            guard?.clear_ready();
        }
        // Nobody reads the counter: each write is an edge of its own.
        rustix::io::write(self.fd.get_ref(), &1u64.to_ne_bytes())?;
        Ok(())
    }
}

/// tokio's epoll descriptor, which it keeps to itself: the one that knows a descriptor that we
/// have registered with it. EPOLL_CTL_MOD fails, without effect, on every other.
fn find_tokio_epoll() -> Option<i32> {
    // SAFETY: the AsyncFd owns the descriptor, which stays the same and open.
    let known = unsafe { AsyncFd::register(eventfd().ok()?) }.ok()?;
    let fd = known.as_raw_fd();
    // It was opened shortly before `known`: look downwards first.
    (0..fd).rev().chain(fd + 1..fd + 1024).find(|candidate| {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: any number is allowed; EBADF, EINVAL and ENOENT say that it is another file.
        unsafe { libc::epoll_ctl(*candidate, libc::EPOLL_CTL_MOD, fd, &raw mut event) == 0 }
    })
}
