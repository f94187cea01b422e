//! A WebSocket client of literal frames, and a server of them.
//!
//! Owns: the opening handshake, masks. Must not know: what is right: they send what a test wants.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::way::{ClientStream, Place};
use super::{SOON, Server, accept};

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

    fn head(&self, mask: u8) -> Vec<u8> {
        let (length, mut out) = (self.payload.len(), vec![self.first]);
        match length {
            0..=125 => out.push(mask | length as u8),
            126..=0xffff => {
                out.push(mask | 126);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                out.push(mask | 127);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        out
    }

    /// As a client sends it.
    pub fn masked(&self) -> Vec<u8> {
        let (key, mut out) = ([0x11, 0x22, 0x33, 0x44], self.head(0x80));
        out.extend_from_slice(&key);
        out.extend(self.payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
        out
    }

    /// As a server sends it.
    pub fn plain(&self) -> Vec<u8> {
        let mut out = self.head(0);
        out.extend_from_slice(&self.payload);
        out
    }

    /// The frame at the beginning of `input`, and how many bytes it has; none where it is not whole. One of a client's is
    /// unmasked.
    fn parse(input: &[u8]) -> Option<(Frame, bool, usize)> {
        let (first, second) = (*input.first()?, *input.get(1)?);
        let (length, start) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes(*input[2..].first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*input[2..].first_chunk()?) as usize, 10),
            short => (usize::from(short), 2),
        };
        let is_masked = second & 0x80 != 0;
        let key = if is_masked { *input.get(start..)?.first_chunk()? } else { [0; 4] };
        let start = if is_masked { start + 4 } else { start };
        let payload = input.get(start..start + length)?.iter().enumerate();
        let payload = payload.map(|(at, byte)| byte ^ key[at % 4]).collect();
        Some((Frame { first, payload }, is_masked, start + length))
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
        let (frame, is_masked, end) = Frame::parse(&self.input)?;
        assert!(!is_masked, "a masked frame");
        self.input.drain(..end);
        Some(frame)
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

/// The server's side of one: a client has opened it.
pub struct WebSocketPeer {
    pub stream: TcpStream,
    pub head: String,
    input: Vec<u8>,
}

impl WebSocketPeer {
    /// A listener, and the URL to which clients connect.
    pub fn listen() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let addr: SocketAddr = listener.local_addr().expect("an address");
        (listener, format!("ws://{addr}"))
    }

    /// Answers the next client with 101 and more fields.
    pub fn open(listener: &TcpListener, more: &str) -> WebSocketPeer {
        let mut peer = WebSocketPeer { stream: accept(listener), head: String::new(), input: Vec::new() };
        let end = loop {
            if let Some(at) = peer.input.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(peer.receive(), "no head: {:?}", String::from_utf8_lossy(&peer.input));
        };
        peer.head = String::from_utf8(peer.input.drain(..end).collect()).expect("a head");
        let mut lines = peer.head.lines().filter_map(|line| line.split_once(": "));
        let (_, key) = lines.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key")).expect("a key");
        let key = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes()));
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
        );
        peer.stream.write_all(answer.as_bytes()).expect("send");
        peer
    }

    fn receive(&mut self) -> bool {
        let mut bytes = [0; 64 << 10];
        match self.stream.read(&mut bytes) {
            Ok(count) => {
                self.input.extend_from_slice(&bytes[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("receive: {error}"),
        }
    }

    /// Sends a frame; a client may be gone that has seen enough.
    pub fn send(&mut self, frame: &Frame) {
        let _ = self.stream.write_all(&frame.plain());
    }

    /// The next frame; none at the end of the stream. The client masks all.
    pub fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, is_masked, end)) = Frame::parse(&self.input) {
                assert!(is_masked, "a frame without a mask");
                self.input.drain(..end);
                return Some(frame);
            }
            if !self.receive() {
                assert!(self.input.is_empty(), "a frame is cut: {} bytes", self.input.len());
                return None;
            }
        }
    }
}
