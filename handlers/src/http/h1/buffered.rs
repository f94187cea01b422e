//! A connection with what is received and not used yet, and what is written and not sent yet.
//!
//! Owns: both buffers and how much of them is kept, when the socket gets what is written. Must not know: what
//! the bytes say.

use std::io::Result as IoResult;

use runtime::files::FileWindow;
use runtime::worker::{Connection, Stopped};

use super::super::wire::NextProtocol;

/// Memory that a connection keeps for the next answer, and for the next head.
pub const KEPT_BYTES_MAX: usize = 16 << 10;
/// Memory that a streamed body keeps for its next pieces.
const SPARE_BYTES_MAX: usize = 160 << 10;

/// A connection with its buffers.
pub struct BufferedConnection {
    /// The connection.
    pub connection: Connection,
    /// Received, and not used yet.
    pub input: InputBuffer,
    /// Answers not yet given to the socket.
    pub out: Vec<u8>,
    /// How many those are.
    pub unsent: usize,
    /// Bytes that the socket was given so far.
    given: u64,
    /// Memory of a streamed body, for its next pieces.
    spare: Vec<u8>,
    /// What the connection becomes behind the last answer.
    pub next: Option<NextProtocol>,
}

impl BufferedConnection {
    /// With empty buffers.
    pub fn new(connection: Connection) -> Self {
        BufferedConnection {
            connection,
            input: InputBuffer::default(),
            out: Vec::new(),
            unsent: 0,
            given: 0,
            spare: Vec::new(),
            next: None,
        }
    }

    /// Bytes that were written so far, those that wait for the socket included.
    pub fn written(&self) -> u64 {
        self.given + self.out.len() as u64
    }

    /// Gives the socket what is written. Not while it sends.
    pub fn start_send(&mut self) {
        self.unsent = 0;
        self.given += self.out.len() as u64;
        let spare = std::mem::take(&mut self.spare);
        self.connection.start_send(std::mem::replace(&mut self.out, spare));
    }

    /// Gives the socket what is written, and what it takes at once of a file behind it: how much of that.
    ///
    /// # Errors
    /// It takes nothing of the file for now, or never does, or the peer is gone.
    pub fn send_file(&mut self, window: &FileWindow<'_>) -> IoResult<usize> {
        let before = self.out.len();
        let result = self.connection.send_file(&mut self.out, window);
        // The head keeps what did not get out.
        self.given += (before - self.out.len()) as u64;
        let sent = result?;
        self.given += sent as u64;
        self.unsent = 0;
        Ok(sent)
    }

    /// Keeps what a send gave back.
    pub fn keep_spare(&mut self, mut spare: Vec<u8>) {
        spare.clear();
        spare.shrink_to(SPARE_BYTES_MAX);
        self.spare = spare;
    }

    /// A streamed body is sent: its memory goes.
    pub fn drop_spare(&mut self) {
        self.spare = Vec::new();
        self.out.shrink_to(KEPT_BYTES_MAX);
    }

    /// Gives the answers so far to the socket, once it has sent what came before.
    ///
    /// # Errors
    /// The peer does not read, or is gone.
    pub async fn flush(&mut self) -> Result<(), Stopped> {
        self.unsent = 0;
        if self.out.is_empty() {
            return Ok(());
        }
        self.connection.set_busy(true);
        let stall_ms = self.connection.worker().config.limits.write_stall_ms_max;
        let mut free = self.connection.sent(stall_ms).await?;
        free.clear();
        free.shrink_to(KEPT_BYTES_MAX);
        let full = std::mem::replace(&mut self.out, free);
        self.given += full.len() as u64;
        let large = full.len() > KEPT_BYTES_MAX;
        self.connection.start_send(full);
        if large {
            // It may be long on its way: the client has to take it before we wait for a request.
            self.out = self.connection.sent(stall_ms).await?;
            self.out.clear();
            self.out.shrink_to(KEPT_BYTES_MAX);
        }
        Ok(())
    }
}

/// Received bytes, in order, until a message has used them.
#[derive(Default)]
pub struct InputBuffer {
    bytes: Vec<u8>,
    used: usize,
}

impl InputBuffer {
    /// What is not used yet.
    pub fn unused(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    /// Marks the next `count` bytes as used.
    pub fn consume(&mut self, count: usize) {
        self.used += count;
        if self.used >= self.bytes.len() {
            self.used = 0;
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES_MAX);
        }
    }

    /// Takes out what is not used yet.
    pub fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.drain(..std::mem::take(&mut self.used));
        bytes
    }

    /// Adds what was received and belongs to later messages.
    pub fn keep(&mut self, rest: &[u8]) {
        // Who always sends one request more than is answered would have it grow for ever.
        if self.used > KEPT_BYTES_MAX {
            self.bytes.drain(..self.used);
            self.used = 0;
        }
        self.bytes.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_does_not_stay_though_more_comes_each_time() {
        let mut input = InputBuffer::default();
        input.keep(b"GET /0 HTTP/1.1\r\n\r\nG");
        let request = [b"ET / HTTP/1.1\r\n\r\nG".as_slice(), &[b' '; 1000]].concat();
        for _ in 0..1000 {
            let unused = input.unused().len();
            input.keep(&request);
            input.consume(unused);
            assert_eq!(input.unused(), request);
            assert!(input.bytes.len() <= KEPT_BYTES_MAX + 3 * request.len(), "{}", input.bytes.len());
        }
    }
}
