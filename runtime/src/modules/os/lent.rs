//! A socket that native code lends to an engine's scripts: a raw connection's.
//!
//! Owns: its place in the engine's table, and its end, whatever the script does with the number.
//! Must not know: connections, handlers.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::Duration;

use socket2::SockRef;

use super::table::{Descriptors, Entry};
use crate::io::{Socket, now, sleep};
use crate::js::engine::Engine;

/// How long the peer may go on sending what nobody reads after the end.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes of one receive that are thrown away.
const DISCARD_BYTES: usize = 16 << 10;

/// A socket in an engine's table, taken back and closed when this is dropped.
pub struct Lent {
    sockets: Weak<Descriptors>,
    entry: Rc<Entry>,
    fd: i32,
}

impl Lent {
    /// Puts `socket` into the table of `engine`.
    ///
    /// # Errors
    /// EBADF when it is closed.
    pub fn new(engine: &Engine, socket: Socket) -> io::Result<Lent> {
        let sockets = engine.state().extension::<Descriptors>();
        let (fd, entry) = sockets.insert(socket)?;
        Ok(Lent { sockets: Rc::downgrade(&sockets), entry, fd })
    }

    /// The number that scripts know it by.
    pub fn fd(&self) -> i32 {
        self.fd
    }

    /// Closes with a reset instead of a FIN (SO_LINGER with zero time); nothing is left to do where
    /// the script closed it.
    pub fn reset(self) {
        // It fails on a closed socket, and on one that knows no linger.
        let _ = self.entry.socket.with_fd(|fd| SockRef::from(&fd).set_linger(Some(Duration::ZERO)));
    }

    /// Closes so that the peer gets all that was sent: a close with unread bytes would be a reset,
    /// which overtakes them (RFC 1122 section 4.2.2.13). So those are read, for at most a second.
    pub async fn finish(self) {
        self.take_back();
        let socket = &self.entry.socket;
        let unread = socket.with_fd(|fd| SockRef::from(&fd).peek(&mut [MaybeUninit::uninit()]));
        if !unread.is_ok_and(|bytes| bytes > 0) {
            return;
        }
        if socket.with_fd(|fd| SockRef::from(&fd).shutdown(Shutdown::Write)).is_err() {
            return;
        }
        let mut limit = pin!(sleep(LINGER));
        let mut buffer = vec![0; DISCARD_BYTES];
        loop {
            let mut next = pin!(socket.recv(buffer, 0));
            let received = poll_fn(|cx| match next.as_mut().poll(cx) {
                Poll::Ready(received) => Poll::Ready(Some(received)),
                Poll::Pending => limit.as_mut().poll(cx).map(|()| None),
            });
            match received.await {
                Some((Ok(1..), back)) if now() < limit.deadline() => buffer = back,
                _ => return,
            }
        }
    }

    fn take_back(&self) {
        if let Some(sockets) = self.sockets.upgrade() {
            sockets.forget(self.fd, &self.entry);
        }
    }
}

impl Drop for Lent {
    /// Closes the socket unless the script did.
    fn drop(&mut self) {
        self.take_back();
        // It fails when the script closed it.
        let _ = self.entry.socket.close();
    }
}
