//! One UDP socket of a worker: datagrams come and go in batches, on readiness from either backend.
//!
//! Owns: the descriptor, the batch that is being taken, the queue of what is to be sent. Nothing is ever cut: a slot
//! of the batch holds the largest datagram there is. Must not know: who takes the datagrams, what is in them.

mod outbox;
mod slots;
mod wire;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, Waker};

use socket2::SockRef;

use super::budget;
use super::socket::{READ, Socket, WRITE, Waiter};
use outbox::{Outbox, Sent};
use slots::{SLOT_COUNT, Slots};

pub use outbox::Lost;
pub use wire::Route;

/// What SO_RCVBUF is asked for; the kernel grants as much as net.core.rmem_max allows (socket(7)).
const KERNEL_BUFFER_BYTES: usize = 1 << 20;
/// Calls of sendmmsg(2) in one go; what is left then waits for the next poll.
const BATCHES_MAX: usize = 4;
/// The most that UDP carries over IPv4 (RFC 768, RFC 791): 65,535 less both headers.
const BYTES_MAX_V4: usize = 65_507;
/// Over IPv6 (RFC 8200: the length of the payload does not count the IPv6 header).
const BYTES_MAX_V6: usize = 65_527;

/// A bound UDP socket. One task at a time receives and flushes; anyone on the worker's thread sends.
pub struct DatagramSocket {
    socket: Socket,
    reader: Waiter,
    writer: Waiter,
    local: SocketAddr,
    slots: RefCell<Slots>,
    outbox: RefCell<Outbox>,
    /// Bytes that may wait to be sent.
    queue_bytes_max: usize,
    /// The kernel took no more, and has not said since that it does.
    full: Cell<bool>,
    /// The task that flushes, while it does not run.
    waker: RefCell<Option<Waker>>,
}

impl DatagramSocket {
    /// Takes a bound socket. Of what waits to be sent, at most `queue_bytes_max` bytes are kept.
    ///
    /// # Errors
    /// It is no bound IP socket, or there is no memory.
    pub fn new(socket: impl Into<OwnedFd>, queue_bytes_max: usize) -> io::Result<Self> {
        let fd = socket.into();
        let local = SockRef::from(&fd).local_addr()?.as_socket();
        let local = local.ok_or(io::ErrorKind::Unsupported)?;
        // Less than the default is never asked for, and a refusal leaves the default.
        let _ = SockRef::from(&fd).set_recv_buffer_size(KERNEL_BUFFER_BYTES);
        if local.ip().is_unspecified() {
            wire::tell_destinations(&fd, local.is_ipv6())?;
        }
        let socket = Socket::new(fd);
        // A batch that is not full has taken all there was.
        socket.set_short_is_all();
        Ok(DatagramSocket {
            reader: socket.queue(READ),
            writer: socket.queue(WRITE),
            socket,
            local,
            slots: RefCell::new(Slots::new()?),
            outbox: RefCell::default(),
            queue_bytes_max,
            full: Cell::new(false),
            waker: RefCell::new(None),
        })
    }

    /// The address that it is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The most bytes of one datagram.
    pub fn bytes_max(&self) -> usize {
        if self.local.is_ipv4() { BYTES_MAX_V4 } else { BYTES_MAX_V6 }
    }

    /// Ready once datagrams are there for [`take`](Self::take). An error is the socket's, of no datagram.
    pub fn poll_recv(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut slots = self.slots.borrow_mut();
        if slots.is_taken() {
            let received = self.reader.poll(cx, &mut |fd| slots.receive(fd));
            match std::task::ready!(received) {
                Ok(count) if count < SLOT_COUNT => self.socket.received_short(),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Lends the next datagram of the batch to `f`; none when the batch is taken. It counts towards the budget
    /// of the running task.
    pub fn take<R>(&self, f: impl FnOnce(&[u8], &Route) -> R) -> Option<R> {
        let mut slots = self.slots.borrow_mut();
        let (bytes, route) = slots.next()?;
        budget::spend(bytes.len());
        Some(f(bytes, &route))
    }

    /// Queues a datagram to `to.peer`, from `to.local` where that is known. Those of one poll of the task leave
    /// together. False where it was dropped: the queue is full, or the socket closed.
    pub fn send(&self, bytes: &[u8], to: &Route) -> bool {
        if self.socket.raw_fd().is_none() {
            return false;
        }
        let fits = |outbox: &Outbox| outbox.cost() + outbox::cost(bytes.len()) <= self.queue_bytes_max;
        if !fits(&self.outbox.borrow()) {
            self.flush_now();
        }
        let mut outbox = self.outbox.borrow_mut();
        // One alone is always taken, whatever the bound.
        if !outbox.is_empty() && !fits(&outbox) {
            outbox.drop_one();
            return false;
        }
        outbox.push(bytes, to);
        drop(outbox);
        // Where the task runs, it flushes before it rests.
        let waker = self.waker.borrow_mut().take();
        waker.into_iter().for_each(Waker::wake);
        true
    }

    /// Begins a poll of the task: it flushes by itself from here on.
    pub fn attend(&self) {
        self.waker.borrow_mut().take();
    }

    /// Sends what is queued; pending while some of it waits, and the task is woken for it. To be the last of a
    /// poll: what is queued after it wakes the task.
    pub fn poll_flush(&self, cx: &Context<'_>) -> Poll<()> {
        self.flush_now();
        let mut waits = false;
        while !waits && !self.outbox.borrow().is_empty() {
            let sent = self.writer.poll(cx, &mut |fd| match self.outbox.borrow_mut().send(fd) {
                Sent::Some => Ok(()),
                Sent::Full => Err(io::ErrorKind::WouldBlock.into()),
            });
            waits = match sent {
                Poll::Ready(Ok(())) => {
                    self.full.set(false);
                    false
                }
                // Closed: nothing is sent any more.
                Poll::Ready(Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                    self.outbox.borrow_mut().clear();
                    false
                }
                _ => true,
            };
        }
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        if waits { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Sends of what is queued as much as the kernel takes at once.
    fn flush_now(&self) {
        for _ in 0..BATCHES_MAX {
            let mut outbox = self.outbox.borrow_mut();
            if self.full.get() || outbox.is_empty() {
                return;
            }
            match self.socket.with_fd(|fd| Ok(outbox.send(fd))) {
                Ok(Sent::Some) => {}
                Ok(Sent::Full) => self.full.set(true),
                Err(_) => return,
            }
        }
    }

    /// What was lost on its way out since the last call, if anything.
    pub fn take_lost(&self) -> Option<Lost> {
        self.outbox.borrow_mut().take_lost()
    }

    /// Closes it: what is queued is lost, and sending is in vain from here on.
    pub fn close(&self) {
        self.outbox.borrow_mut().clear();
        // It fails where it is closed already.
        let _ = self.socket.close();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::super::{Backend, IoOptions, probe, run};
    use super::*;

    /// On both backends, with a socket of that queue and a peer of it.
    fn with_socket<F: Future<Output = ()> + 'static>(
        queue_bytes_max: usize,
        test: impl Fn(DatagramSocket, UdpSocket) -> F,
    ) {
        for backend in [Backend::Epoll, Backend::Uring] {
            if backend == Backend::Uring && probe(64).is_err() {
                eprintln!("SKIPPED: io_uring is refused here");
                continue;
            }
            let ran = run(backend, &IoOptions::default(), || {
                let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
                let peer = UdpSocket::bind("127.0.0.1:0").expect("bind");
                peer.connect(socket.local_addr().expect("address")).expect("connect");
                peer.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
                test(DatagramSocket::new(socket, queue_bytes_max).expect("a socket"), peer)
            });
            ran.expect("the worker ends well");
        }
    }

    fn received(peer: &UdpSocket) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let length = peer.recv(&mut buffer).expect("a datagram");
        buffer[..length].to_vec()
    }

    #[test]
    fn what_waits_to_be_sent_is_bounded_and_what_is_dropped_is_counted() {
        with_socket(4096, |socket, peer| async move {
            let to = Route { peer: peer.local_addr().expect("address"), local: None };
            // As if the kernel had said so: on loopback it takes all.
            socket.full.set(true);
            let taken = (0..100u8).filter(|number| socket.send(&[*number; 300], &to)).count();
            assert!((5..=13).contains(&taken), "{taken} of 300 bytes each in 4 KiB");
            let lost = socket.take_lost().expect("some were dropped");
            assert_eq!((lost.dropped, lost.refused), (100 - taken as u64, 0));
            assert!(socket.take_lost().is_none(), "told once");
            poll_fn(|cx| socket.poll_flush(cx)).await;
            for number in 0..taken {
                assert_eq!(received(&peer), [number as u8; 300], "in order");
            }
            assert!(!socket.full.get() && socket.send(b"room again", &to));
            poll_fn(|cx| socket.poll_flush(cx)).await;
            assert_eq!(received(&peer), b"room again");
            socket.close();
            assert!(!socket.send(b"closed", &to));
        });
    }

    #[test]
    fn one_that_the_kernel_refuses_does_not_hold_up_the_others() {
        with_socket(1 << 20, |socket, peer| async move {
            let to = Route { peer: peer.local_addr().expect("address"), local: None };
            let nobody = Route { peer: "255.255.255.255:9".parse().expect("address"), local: None };
            for (text, to) in [("one", &to), ("refused", &nobody), ("two", &to), ("refused", &nobody)] {
                assert!(socket.send(text.as_bytes(), to));
            }
            poll_fn(|cx| socket.poll_flush(cx)).await;
            assert_eq!((received(&peer), received(&peer)), (b"one".to_vec(), b"two".to_vec()));
            let lost = socket.take_lost().expect("two were refused");
            assert_eq!((lost.refused, lost.reason), (2, Some((libc::EACCES, nobody.peer))));
        });
    }

    #[test]
    fn more_than_a_batch_is_received_whole_and_in_order() {
        with_socket(1 << 20, |socket, peer| async move {
            for number in 0..100u8 {
                peer.send(&vec![number; usize::from(number) * 20]).expect("send");
            }
            let mut next = 0u8;
            while next < 100 {
                poll_fn(|cx| socket.poll_recv(cx)).await.expect("a batch");
                while let Some(same) = socket.take(|bytes, route| {
                    route.peer == peer.local_addr().expect("address")
                        && bytes == vec![next; usize::from(next) * 20]
                }) {
                    assert!(same, "the {next}th");
                    next += 1;
                }
            }
        });
    }
}
