//! A plain blocking client: writes literal bytes, reads responses or whatever comes.
//!
//! Owns: one connection with timeouts, bytes there and back on a raw one. Must not know: how a request is built beyond `get`.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::response::{Parsed, Response, parse};
use super::way::{ClientStream, Place};
use super::{SOON, pattern};

/// A connection to a server.
pub struct Connection {
    stream: ClientStream,
    buffer: Vec<u8>,
    ended: bool,
}

impl Connection {
    /// Connects.
    pub fn open(place: impl Into<Place>) -> Connection {
        Connection::try_open(place, SOON).expect("connect")
    }

    /// Connects within `time`.
    pub fn try_open(place: impl Into<Place>, time: Duration) -> std::io::Result<Connection> {
        ClientStream::open(&place.into(), time).map(Connection::of)
    }

    /// Takes a stream.
    pub fn of(stream: ClientStream) -> Connection {
        stream.set_write_timeout(SOON).expect("write timeout");
        Connection { stream, buffer: Vec::new(), ended: false }
    }

    /// The TCP socket below.
    pub fn stream(&self) -> &TcpStream {
        self.stream.tcp().expect("a TCP connection")
    }

    /// The byte stream.
    pub fn bytes(&mut self) -> &mut ClientStream {
        &mut self.stream
    }

    /// Writes all of `bytes`.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).and_then(|()| self.stream.flush()).expect("send");
    }

    /// Writes as much as the server takes; a close in between is no error.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).and_then(|()| self.stream.flush()).is_ok()
    }

    /// Writes all of `bytes`, and reads what comes meanwhile; `look` is called again and again with all that was read.
    pub fn send_while_reading(&mut self, bytes: &[u8], look: &mut dyn FnMut(&mut Vec<u8>)) {
        let Connection { stream, buffer, .. } = self;
        let sent = stream.send_while_reading(bytes, &mut |piece| {
            buffer.extend_from_slice(piece);
            look(buffer);
        });
        sent.expect("send");
    }

    /// Sends a GET for `target` and reads the answer.
    pub fn get(&mut self, target: &str) -> Response {
        self.send(get(target));
        self.response("GET")
    }

    /// Sends a POST with a Content-Length and reads the answer.
    pub fn post(&mut self, target: &str, body: &[u8]) -> Response {
        self.send(format!("POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len()));
        self.send(body);
        self.response("POST")
    }

    /// Reads the response to a `method` request.
    pub fn response(&mut self, method: &str) -> Response {
        self.try_response(method).unwrap_or_else(|why| panic!("no response: {why}"))
    }

    /// The same with the reason why there is none.
    pub fn try_response(&mut self, method: &str) -> Result<Response, String> {
        let deadline = Instant::now() + SOON;
        loop {
            match parse(&self.buffer, method, self.ended) {
                Ok(Parsed::Whole(response, length)) => {
                    self.buffer.drain(..length);
                    return Ok(*response);
                }
                Ok(Parsed::Partial) if self.ended => {
                    return Err(format!(
                        "the connection ended after {:?}",
                        String::from_utf8_lossy(&self.buffer)
                    ));
                }
                Ok(Parsed::Partial) => self.fill(deadline)?,
                Err(why) => return Err(format!("{why}; bytes: {:?}", String::from_utf8_lossy(&self.buffer))),
            }
        }
    }

    /// Reads until `length` bytes are there and takes them.
    pub fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        let deadline = Instant::now() + SOON;
        while self.buffer.len() < length {
            assert!(!self.ended, "the connection ended after {:?}", String::from_utf8_lossy(&self.buffer));
            self.fill(deadline).expect("read");
        }
        self.buffer.drain(..length).collect()
    }

    /// Takes what has been read already.
    pub fn take_buffered(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Reads to the end of the connection and takes everything; a reset is an end too.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let deadline = Instant::now() + SOON;
        while !self.ended {
            self.fill(deadline).expect("the end of the connection");
        }
        std::mem::take(&mut self.buffer)
    }

    /// Takes what comes until nothing does for a while.
    pub fn read_to_silence(&mut self) -> String {
        while !self.ended && self.fill(Instant::now() + Duration::from_millis(300)).is_ok() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }

    /// Whether nothing comes for `time`: no byte, no end.
    pub fn stays_silent(&mut self, time: Duration) -> bool {
        self.buffer.is_empty() && !self.ended && self.fill(Instant::now() + time).is_err()
    }

    /// Sends FIN: no more bytes from this side.
    pub fn finish(&mut self) {
        self.stream.finish().expect("shutdown");
    }

    /// Closes with RST instead of FIN (socket(7), SO_LINGER); on a Unix socket, which has no reset, it only closes.
    pub fn reset(self) {
        self.stream.reset();
    }

    fn fill(&mut self, deadline: Instant) -> Result<(), String> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.stream.set_read_timeout(left).expect("read timeout");
        let mut bytes = [0; 16 << 10];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.ended = true,
            Ok(length) => self.buffer.extend_from_slice(&bytes[..length]),
            // An end without a close_notify, under TLS.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => self.ended = true,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.ended = true,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("{error}; so far {:?}", String::from_utf8_lossy(&self.buffer))),
        }
        Ok(())
    }
}

/// The bytes of a GET request.
pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n")
}

/// Sends `bytes` on a connection of their own and gives all that comes until its end.
pub fn raw(place: impl Into<Place>, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut connection = Connection::open(place);
    connection.try_send(bytes);
    connection.read_to_end()
}

/// A raw connection, whose reads end in time.
pub fn dial(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("connect");
    stream.set_read_timeout(Some(SOON)).expect("timeout");
    stream
}

/// What comes back of `bytes` until the server's end, while they are sent and ended by a FIN.
pub fn there_and_back(mut stream: ClientStream, bytes: &[u8]) -> Vec<u8> {
    let mut back = Vec::new();
    stream.send_while_reading(bytes, &mut |piece| back.extend_from_slice(piece)).expect("send");
    stream.finish().expect("shutdown");
    stream.read_to_end(&mut back).expect("read");
    back
}

/// Sends a pattern until the server takes no more; how many bytes that is. The stream does not block afterwards.
///
/// # Panics
/// It takes everything.
pub fn fill(stream: &mut ClientStream) -> usize {
    stream.set_nonblocking(true).expect("non-blocking");
    let (block, mut taken, mut quiet) = (pattern(64 << 10), 0, Instant::now());
    while quiet.elapsed() < Duration::from_millis(300) {
        match stream.write(&block) {
            Ok(bytes) => {
                (taken, quiet) = (taken + bytes, Instant::now());
                assert!(taken < 64 << 20, "it takes everything");
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    taken
}
