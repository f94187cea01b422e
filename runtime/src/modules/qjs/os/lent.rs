//! A socket that native code lends to an engine's scripts: a raw connection's.
//!
//! Owns: its place in the engine's table, and its end, whatever the script does with the number.
//! Must not know: connections, handlers.

use std::io;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::rc::{Rc, Weak};
use std::time::Duration;

use socket2::SockRef;

use super::pending::Descriptor;
use super::table::Descriptors;
use crate::config::Linger;
use crate::io::Socket;
use crate::js::engine::Engine;
use crate::js::thrown::Thrown;

/// A socket in an engine's table, taken back and closed when this is dropped.
pub struct Lent {
    sockets: Weak<Descriptors>,
    entry: Rc<Descriptor>,
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

    /// Whether `thrown` is how the client ended the connection: no fault of who threw it.
    pub fn was_broken_by_client(&self, thrown: &Thrown) -> bool {
        let codes = ["(ECONNRESET)", "(EPIPE)", "(ETIMEDOUT)"];
        self.entry.socket.is_broken() && codes.iter().any(|code| thrown.text.ends_with(code))
    }

    /// Closes with a reset instead of a FIN (SO_LINGER with zero time); nothing is left to do where
    /// the script closed it.
    pub fn reset(self) {
        // It fails on a closed socket, and on one that knows no linger.
        let _ = self.entry.socket.with_fd(|fd| SockRef::from(&fd).set_linger(Some(Duration::ZERO)));
    }

    /// Closes so that the peer gets all that was sent: a close with unread bytes would be a reset,
    /// which overtakes them (RFC 1122 section 4.2.2.13). So those are read, within the bounds of `linger`;
    /// a peer that takes nothing of what was sent has `stall_ms`.
    pub async fn finish(self, linger: &Linger, stall_ms: u64) {
        self.take_back();
        let socket = &self.entry.socket;
        let unread = socket.with_fd(|fd| SockRef::from(&fd).peek(&mut [MaybeUninit::uninit()]));
        if !unread.is_ok_and(|bytes| bytes > 0) {
            return;
        }
        if socket.with_fd(|fd| SockRef::from(&fd).shutdown(Shutdown::Write)).is_err() {
            return;
        }
        socket.linger(linger, stall_ms).await;
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
