//! A WebSocket client of literal frames.
//!
//! Owns: the opening request, masks. Must not know: what is right: it sends what a test wants.

use std::io::{ErrorKind, Read, Write};

use super::way::{ClientStream, Place};
use super::{SOON, Server};

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// FIN, the reserved bits, the opcode.
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    /// A whole message of text.
    pub fn text(text: &str) -> Frame {
        Frame { first: 0x81, payload: text.into() }
    }

    /// A whole message of bytes.
    pub fn binary(bytes: &[u8]) -> Frame {
        Frame { first: 0x82, payload: bytes.into() }
    }

    /// A Close frame.
    pub fn close(code: u16, reason: &str) -> Frame {
        Frame { first: 0x88, payload: [&code.to_be_bytes(), reason.as_bytes()].concat() }
    }

    /// As a client sends it.
    pub fn masked(&self) -> Vec<u8> {
        let (key, length) = ([0x11, 0x22, 0x33, 0x44], self.payload.len());
        let mut out = vec![self.first];
        match length {
            0..=125 => out.push(0x80 | length as u8),
            126..=0xffff => {
                out.push(0x80 | 126);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                out.push(0x80 | 127);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(&key);
        out.extend(self.payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
        out
    }
}

/// The request that opens one.
pub fn opening(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// A client.
pub struct WebSocketClient {
    pub stream: ClientStream,
    pub head: String,
    input: Vec<u8>,
}

impl WebSocketClient {
    /// Opens one; the answer has to be 101.
    pub fn open(server: &Server, path: &str) -> WebSocketClient {
        WebSocketClient::ask(server, &opening(path, ""))
    }

    /// The same with a request of the test's.
    pub fn ask(server: &Server, request: &str) -> WebSocketClient {
        let client = WebSocketClient::request(server.place(), request.as_bytes());
        assert!(client.head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{}", client.head);
        client
    }

    /// Sends bytes, and reads the head of an answer.
    pub fn request(place: Place, bytes: &[u8]) -> WebSocketClient {
        let mut stream = ClientStream::open(&place, SOON).expect("connect");
        stream.set_read_timeout(SOON).expect("a time-out");
        stream.write_all(bytes).expect("send");
        stream.flush().expect("send");
        let mut client = WebSocketClient { stream, head: String::new(), input: Vec::new() };
        let end = loop {
            if let Some(at) = client.input.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(client.receive(), "no head: {:?}", String::from_utf8_lossy(&client.input));
        };
        client.head = String::from_utf8(client.input.drain(..end).collect()).expect("a head");
        client
    }

    /// A field of the answer.
    pub fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// Receives something; false at the end of the stream.
    fn receive(&mut self) -> bool {
        let mut bytes = [0; 16 << 10];
        match self.stream.read(&mut bytes) {
            Ok(count) => {
                self.input.extend_from_slice(&bytes[..count]);
                count > 0
            }
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => {
                false
            }
            Err(error) => panic!("receive: {error}"),
        }
    }

    pub fn send(&mut self, frame: &Frame) {
        self.send_bytes(&frame.masked());
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("send");
        self.stream.flush().expect("send");
    }

    /// The next frame; none at the end of the stream. The server masks nothing.
    pub fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.parse() {
                return Some(frame);
            }
            if !self.receive() {
                assert!(self.input.is_empty(), "a frame is cut: {} bytes", self.input.len());
                return None;
            }
        }
    }

    /// The next frame as text.
    pub fn next_text(&mut self) -> String {
        let frame = self.next().expect("a frame");
        assert_eq!(frame.first, 0x81, "{frame:?}");
        String::from_utf8(frame.payload).expect("UTF-8")
    }

    fn parse(&mut self) -> Option<Frame> {
        let (first, second) = (*self.input.first()?, *self.input.get(1)?);
        assert_eq!(second & 0x80, 0, "a masked frame");
        let (length, start) = match second {
            126 => (usize::from(u16::from_be_bytes(*self.input[2..].first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*self.input[2..].first_chunk()?) as usize, 10),
            short => (usize::from(short), 2),
        };
        self.input.get(start..start + length)?;
        let payload = self.input.drain(..start + length).skip(start).collect();
        Some(Frame { first, payload })
    }

    /// Drops the body of an answer, and reads the head of the next.
    pub fn skip_answer(&mut self, body: &str) {
        let end = loop {
            let rest = self.input.get(body.len()..).unwrap_or_default();
            if let Some(at) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
                break body.len() + at + 4;
            }
            assert!(self.receive(), "no second head");
        };
        let text = String::from_utf8(self.input.drain(..end).collect()).expect("a head");
        self.head = text.strip_prefix(body).expect("the body").to_owned();
    }

    /// Answers a Close frame: the server ends the connection.
    pub fn answer_close(mut self, code: u16) {
        self.send(&Frame::close(code, ""));
        assert_eq!(self.next(), None);
    }

    /// Closes in order: the answer, and that the server ends the connection.
    pub fn close(mut self, code: u16) -> Frame {
        self.send(&Frame::close(code, ""));
        let answer = self.next().expect("a Close frame");
        assert_eq!(self.next(), None);
        answer
    }
}

/// Head and body, of a Content-Length, of the answer to literal bytes.
pub fn ask_at(server: &Server, request: &str) -> String {
    let mut client = WebSocketClient::request(server.place(), request.as_bytes());
    let length = client.field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while client.input.len() < length {
        assert!(client.receive(), "the body is cut");
    }
    client.head + &String::from_utf8_lossy(&client.input[..length])
}
