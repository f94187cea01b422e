//! Where the readiness of a descriptor comes from: a poll in the ring (for reading one that stays, and tells
//! of edges), or tokio's AsyncFd.
//!
//! Owns: asking for it, and what a drained stream means to each. Must not know: the operations that wait.

use std::cell::RefCell;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

use super::direction::Direction;
use super::ring::Ring;

/// ioctl(2) of sockets, which libc does not name.
const SIOCATMARK: libc::Ioctl = 0x8905;

/// Where readiness comes from.
pub(super) enum ReadinessSource {
    Ring(Rc<Ring>),
    Epoll(Registration),
}

/// A descriptor's place in tokio's epoll, taken when something first waits.
pub(super) struct Registration {
    async_fd: RefCell<Option<AsyncFd<i32>>>,
    /// Those of both directions, which ask anew when it is taken again.
    wakers: [Waker; 2],
}

impl Registration {
    pub(super) fn new(directions: &[Rc<Direction>; 2]) -> Self {
        Registration { async_fd: RefCell::new(None), wakers: [0, 1].map(|i| directions[i].waker().clone()) }
    }

    /// Gives the place up, for as long as the number is still the descriptor's.
    pub(super) fn end(&self) {
        self.async_fd.borrow_mut().take();
    }
}

impl ReadinessSource {
    /// The stream `fd` gave less than was asked for in `direction`: nothing is left, and what comes next is an edge.
    pub(super) fn drained(&self, direction: &Direction, fd: BorrowedFd<'_>) {
        match self {
            ReadinessSource::Ring(_) if direction.is_unusual() => {}
            ReadinessSource::Ring(_) if direction.may_be_urgent() && is_at_mark(fd) => {}
            ReadinessSource::Ring(_) => direction.set_ready(false),
            ReadinessSource::Epoll(registration) => {
                if let Some(async_fd) = registration.async_fd.borrow().as_ref() {
                    if async_fd.try_io(Interest::PRIORITY, |_| Ok(())).is_ok() {
                        return;
                    }
                    let mut cx = Context::from_waker(Waker::noop());
                    // At once: tokio may hear of the next edge before the next wait. The end of the
                    // stream stays set there.
                    if let Poll::Ready(Some(mut guard)) = poll_async_fd(direction, async_fd, &mut cx) {
                        guard.clear_ready();
                    }
                }
                direction.set_ready(false);
            }
        }
    }

    /// Ready when a try in `direction` of `fd` is worth it.
    pub(super) fn poll_ready(&self, direction: &Rc<Direction>, fd: i32, cx: &Context<'_>) -> Poll<()> {
        if direction.is_ready() {
            return Poll::Ready(());
        }
        direction.wait(cx);
        match self {
            ReadinessSource::Ring(ring) => {
                if direction.armed().is_none() {
                    direction.arm(ring.poll(fd, direction));
                }
                Poll::Pending
            }
            ReadinessSource::Epoll(registration) => registration.poll(direction, fd),
        }
    }
}

/// Whether the next byte is urgent (sockatmark(3)): the last read ended before it. A fifth of a receive in vain.
fn is_at_mark(fd: BorrowedFd<'_>) -> bool {
    let mut at_mark: libc::c_int = 0;
    // SAFETY: SIOCATMARK writes one int, alive across the call.
    unsafe { libc::ioctl(fd.as_raw_fd(), SIOCATMARK, &raw mut at_mark) == 0 && at_mark != 0 }
}

impl Registration {
    fn poll(&self, direction: &Direction, fd: i32) -> Poll<()> {
        let found_ready = || {
            direction.set_ready(true);
            Poll::Ready(())
        };
        let mut async_fd = self.async_fd.borrow_mut();
        let mut cx = Context::from_waker(direction.waker());
        let mut cleared = false;
        loop {
            if async_fd.is_none() {
                let interest = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
                // EPERM: a descriptor that epoll cannot watch is always ready.
                // SAFETY: the socket drops the AsyncFd before it closes or gives away the descriptor.
                *async_fd = unsafe { AsyncFd::register_with_interest(fd, interest) }.ok();
            }
            let Some(known) = async_fd.as_ref() else { return found_ready() };
            match poll_async_fd(direction, known, &mut cx) {
                Poll::Ready(Some(mut guard)) if direction.take_stale() => {
                    guard.clear_ready();
                    cleared = true;
                }
                // tokio never forgets an end of the stream. One that a try does not meet has passed: a
                // socket that is neither connected nor listens has it (POLLHUP), and loses it then.
                Poll::Ready(Some(_)) if std::mem::take(&mut cleared) => {
                    async_fd.take();
                    let others = self.wakers.iter().filter(|waker| !waker.will_wake(direction.waker()));
                    others.for_each(Waker::wake_by_ref);
                }
                Poll::Ready(_) => return found_ready(),
                Poll::Pending => {
                    direction.take_stale();
                    return Poll::Pending;
                }
            }
        }
    }
}

fn poll_async_fd<'a>(
    direction: &Direction,
    async_fd: &'a AsyncFd<i32>,
    cx: &mut Context<'_>,
) -> Poll<Option<AsyncFdReadyGuard<'a, i32>>> {
    let poll = match direction.is_for_reads() {
        true => async_fd.poll_read_ready(cx),
        false => async_fd.poll_write_ready(cx),
    };
    poll.map(Result::ok)
}
