//! Stream and listener on tokio's epoll: what runs where io_uring is refused.
//!
//! Owns: one AsyncFd a socket. The same contract as the ring: a send goes on by itself, its
//! completion wakes only a task that waits for it. Must not know: the ring.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::budget;
use super::chunk::{Chunk, Segments};
use super::executor::{self, JoinHandle};
use super::modes::set_linger_zero;
use super::pool;

/// A connected stream socket on epoll.
pub(crate) struct EpollStream {
    shared: Rc<SharedSocket>,
    /// Finishes a send that the socket did not take at once.
    pump: RefCell<Option<JoinHandle<()>>>,
    /// Something is in the middle: a drop is a reset.
    resets: Cell<bool>,
}

struct SharedSocket {
    fd: AsyncFd<OwnedFd>,
    send: RefCell<SendSide>,
}

#[derive(Default)]
struct SendSide {
    buffer: Vec<u8>,
    sent: usize,
    in_flight: bool,
    error: Option<io::Error>,
    waker: Option<Waker>,
    total: u64,
}

/// Whether the socket has ever told of urgent data (EPOLLPRI).
fn has_seen_urgent(fd: &AsyncFd<OwnedFd>) -> bool {
    fd.try_io(Interest::PRIORITY, |_| Ok(())).is_ok()
}

/// recv(2) into the spare capacity of `buffer`, which becomes initialised as far as it was filled.
fn recv_into(fd: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let spare = buffer.spare_capacity_mut();
    let (data, len) = (spare.as_mut_ptr(), spare.len());
    // SAFETY: the kernel writes at most `len` bytes to spare capacity that we borrow exclusively.
    let got = unsafe { libc::recv(fd.as_raw_fd(), data.cast(), len, libc::MSG_DONTWAIT) };
    let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: recv(2) has initialised `got` bytes behind the vector's length.
    unsafe { buffer.set_len(buffer.len() + got) };
    Ok(got)
}

/// send(2), as much as the socket takes at once.
pub(super) fn send_some(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let flags = rustix::net::SendFlags::NOSIGNAL | rustix::net::SendFlags::DONTWAIT;
    Ok(rustix::net::send(fd, bytes, flags)?)
}

/// The same for what is followed by more at once: it may share a segment with that (MSG_MORE).
pub(super) fn send_some_more(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    use rustix::net::SendFlags;
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT | SendFlags::MORE;
    Ok(rustix::net::send(fd, bytes, flags)?)
}

impl EpollStream {
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        let interest = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
        // SAFETY: the AsyncFd owns the descriptor, which stays the same and open.
        let fd = unsafe { AsyncFd::register_with_interest(fd, interest) }?;
        let shared = SharedSocket { fd, send: RefCell::default() };
        Ok(EpollStream { shared: Rc::new(shared), pump: RefCell::default(), resets: Cell::new(false) })
    }

    pub(crate) fn set_resets(&self, resets: bool) {
        self.resets.set(resets);
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.shared.fd.get_ref().as_fd()
    }

    pub(crate) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        self.poll_some(cx, pool::take)
    }

    pub(crate) fn poll_segments(&self, cx: &mut Context<'_>) -> Poll<io::Result<Segments>> {
        // Who takes pieces is done with them when he returns: the one large buffer serves all connections.
        self.poll_some(cx, pool::take_large).map_ok(Segments)
    }

    fn poll_some(&self, cx: &mut Context<'_>, buffer: fn() -> Vec<u8>) -> Poll<io::Result<Chunk>> {
        loop {
            let mut guard = ready!(self.shared.fd.poll_read_ready(cx))?;
            ready!(budget::poll_left(cx));
            let mut buffer = buffer();
            let room = buffer.capacity();
            match recv_into(self.fd(), &mut buffer) {
                Ok(0) => {
                    pool::put(buffer);
                    return Poll::Ready(Ok(Chunk::end()));
                }
                Ok(got) => {
                    // A short read has emptied the socket: the next edge says when there is more. But one that
                    // stopped before urgent data (tcp(7)) has what is behind it still to come, without an edge.
                    if got < room && !has_seen_urgent(&self.shared.fd) {
                        guard.clear_ready();
                    }
                    budget::spend(got);
                    return Poll::Ready(Ok(Chunk::pooled(buffer)));
                }
                Err(error) => {
                    pool::put(buffer);
                    match error.kind() {
                        io::ErrorKind::WouldBlock => guard.clear_ready(),
                        io::ErrorKind::Interrupted => {}
                        _ => return Poll::Ready(Err(error)),
                    }
                }
            }
        }
    }

    pub(crate) fn start_send(&self, buffer: Vec<u8>) {
        {
            let mut send = self.shared.send.borrow_mut();
            assert!(!send.in_flight, "start_send while a send is in flight: poll_sent first");
            send.buffer = buffer;
            send.sent = 0;
            send.in_flight = send.error.is_none() && !send.buffer.is_empty();
        }
        if let Tried::Done = self.shared.try_send() {
            return;
        }
        let shared = self.shared.clone();
        let pump = executor::spawn(async move { std::future::poll_fn(|cx| shared.poll_pump(cx)).await });
        *self.pump.borrow_mut() = Some(pump);
    }

    pub(crate) fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<(io::Result<()>, Vec<u8>)> {
        let mut send = self.shared.send.borrow_mut();
        if send.in_flight {
            send.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let result = send.error.take().map_or(Ok(()), Err);
        Poll::Ready((result, std::mem::take(&mut send.buffer)))
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.shared.send.borrow().in_flight
    }

    pub(crate) fn bytes_sent(&self) -> u64 {
        self.shared.send.borrow().total
    }

    fn stop_pump(&self) {
        if let Some(pump) = self.pump.borrow_mut().take() {
            pump.abort();
        }
    }

    /// Waits until nothing but the stream itself holds the descriptor.
    pub(crate) async fn join(&self) {
        self.stop_pump();
        while Rc::strong_count(&self.shared) > 1 {
            executor::yield_now().await;
        }
    }

    pub(crate) fn into_fd(self) -> io::Result<OwnedFd> {
        self.fd().try_clone_to_owned()
    }
}

impl Drop for EpollStream {
    fn drop(&mut self) {
        if self.resets.get() {
            set_linger_zero(self.fd());
        }
        self.stop_pump();
    }
}

/// Bytes of one send(2) at most.
const PIECE_BYTES: usize = 256 << 10;

/// What a try to send came to.
enum Tried {
    /// Nothing is left to send.
    Done,
    /// The socket takes no more for now.
    Full,
    /// The task's budget is used up.
    GaveWay,
}

impl SharedSocket {
    /// Sends what the socket and the task's budget take.
    fn try_send(&self) -> Tried {
        let mut send = self.send.borrow_mut();
        while send.in_flight {
            if !budget::is_left() {
                return Tried::GaveWay;
            }
            let rest = &send.buffer[send.sent..];
            match send_some(self.fd.get_ref().as_fd(), &rest[..rest.len().min(PIECE_BYTES)]) {
                Ok(sent) => {
                    send.sent += sent;
                    send.total += sent as u64;
                    send.in_flight = send.sent < send.buffer.len();
                    budget::spend(sent);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Tried::Full,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    send.error = Some(error);
                    send.in_flight = false;
                }
            }
        }
        let waker = send.waker.take();
        drop(send);
        waker.into_iter().for_each(Waker::wake);
        Tried::Done
    }

    fn poll_pump(&self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(budget::poll_left(cx));
            match self.try_send() {
                Tried::Done => return Poll::Ready(()),
                Tried::GaveWay => continue,
                Tried::Full => {}
            }
            // The try came first: whatever readiness is cached is older than its EAGAIN.
            match ready!(self.fd.poll_write_ready(cx)) {
                Ok(mut guard) => match self.try_send() {
                    Tried::Done => return Poll::Ready(()),
                    Tried::GaveWay => {}
                    Tried::Full => guard.clear_ready(),
                },
                Err(error) => {
                    let mut send = self.send.borrow_mut();
                    send.error = Some(error);
                    send.in_flight = false;
                }
            }
        }
    }
}

/// A listening socket on epoll.
pub(crate) struct EpollListener {
    fd: AsyncFd<OwnedFd>,
    paused: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl EpollListener {
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        // SAFETY: the AsyncFd owns the descriptor, which stays the same and open.
        let fd = unsafe { AsyncFd::register(fd) }?;
        Ok(EpollListener { fd, paused: Cell::new(false), waker: RefCell::new(None) })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.get_ref().as_fd()
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<OwnedFd>> {
        if self.paused.get() {
            *self.waker.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        // Also while tokio waits: `pause` and `resume` must reach the task.
        loop {
            let mut guard = ready!(self.fd.poll_read_ready(cx))?;
            ready!(budget::poll_left(cx));
            match accept_now(self.fd()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                accepted => {
                    budget::spend(0);
                    return Poll::Ready(accepted);
                }
            }
        }
    }

    pub(crate) fn pause(&self) {
        self.paused.set(true);
    }

    pub(crate) fn resume(&self) {
        self.paused.set(false);
        let waker = self.waker.borrow_mut().take();
        waker.into_iter().for_each(Waker::wake);
    }
}

/// accept4(2) on a listener with O_NONBLOCK.
pub(super) fn accept_now(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let (addr, len, flags) =
        (std::ptr::null_mut(), std::ptr::null_mut(), libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK);
    // SAFETY: accept4(2) takes null for an address that nobody wants.
    let accepted = unsafe { libc::accept4(fd.as_raw_fd(), addr, len, flags) };
    if accepted < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(accepted) })
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::super::{Backend, IoOptions, run};
    use super::*;

    /// Whether tokio would have it that there may be more to receive.
    fn may_have_more(stream: &EpollStream) -> bool {
        stream.shared.fd.try_io(Interest::READABLE, |_| Ok(())).is_ok()
    }

    #[test]
    fn a_message_of_the_size_of_a_power_of_two_takes_one_receive() {
        let ran = run(Backend::Epoll, &IoOptions::default(), async || {
            let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
            let mut client = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
            let (accepted, _) = listener.accept().expect("accept");
            accepted.set_nonblocking(true).expect("nonblocking");
            let stream = EpollStream::new(accepted.into()).expect("a stream");
            for length in [64, 4 << 10, 16 << 10] {
                client.write_all(&vec![7; length]).expect("write");
                while rustix::io::ioctl_fionread(stream.fd()).expect("FIONREAD") < length as u64 {
                    executor::yield_now().await;
                }
                let chunk = poll_fn(|cx| stream.poll_recv(cx)).await.expect("recv");
                assert_eq!((chunk.len(), may_have_more(&stream)), (length, false));
                drop(chunk);
                client.write_all(&vec![7; length]).expect("write");
                while rustix::io::ioctl_fionread(stream.fd()).expect("FIONREAD") < length as u64 {
                    executor::yield_now().await;
                }
                let pieces = poll_fn(|cx| stream.poll_segments(cx)).await.expect("recv");
                assert_eq!((pieces.len(), may_have_more(&stream)), (length, false));
            }
        });
        ran.expect("the worker ends well");
    }
}
