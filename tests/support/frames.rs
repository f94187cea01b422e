//! A client of HTTP/2 by hand: frames of literal bytes (RFC 9113 section 4.1), heads in HPACK without tables.
//!
//! Owns: writing frames, reading them, the status of a head. Must not know: what an answer should be.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// What a client sends first (RFC 9113 section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 0x1;
pub const ACK: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;
pub const PADDED: u8 = 0x8;
pub const PRIORITISED: u8 = 0x20;

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error code of RST_STREAM or GOAWAY.
    pub fn error(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("a code"))
    }

    pub fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// The status that a head begins with: indexed, or with a value of Huffman's digits (RFC 7541 appendices A and B).
    pub fn status(&self) -> u16 {
        let skipped = self.payload.iter().take_while(|byte| **byte & 0xe0 == 0x20).count();
        let block = &self.payload[skipped..];
        match block[0] {
            indexed @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
            0x08 | 0x18 | 0x48 => {
                let value = &block[2..][..usize::from(block[1] & 0x7f)];
                match block[1] & 0x80 {
                    0 => String::from_utf8_lossy(value).parse().expect("a status"),
                    _ => digits(value),
                }
            }
            other => panic!("a head begins with {other:#x}: {self:?}"),
        }
    }
}

fn digits(huffman: &[u8]) -> u16 {
    let bits: Vec<u8> = huffman.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let (mut at, mut number) = (0, 0);
    let take = |at: usize, count: usize| {
        bits[at..at + count].iter().fold(0_u16, |sum, bit| sum << 1 | u16::from(*bit))
    };
    for _ in 0..3 {
        let short = take(at, 5);
        let digit = if short <= 2 { short } else { take(at, 6) - 0x19 + 3 };
        at += if short <= 2 { 5 } else { 6 };
        number = number * 10 + digit;
    }
    number
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block: each field as it is, in no table (RFC 7541 section 6.2.2).
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            match text.len() {
                short @ 0..127 => block.push(short as u8),
                long => {
                    block.push(127);
                    let mut rest = long - 127;
                    while rest >= 128 {
                        block.push((rest & 127) as u8 | 128);
                        rest >>= 7;
                    }
                    block.push(rest as u8);
                }
            }
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// The fields of a request.
pub fn request<'a>(method: &'a str, path: &'a str, more: &[(&'a str, &'a str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":authority", "test"), (":path", path)];
    block(&[&pseudo[..], more].concat())
}

/// A connection, its preface sent.
pub struct Frames {
    pub stream: TcpStream,
}

impl Frames {
    pub fn open(addr: SocketAddr) -> Frames {
        let mut frames = Frames::silent(addr);
        frames.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
        frames
    }

    /// Nothing is sent yet.
    pub fn silent(addr: SocketAddr) -> Frames {
        let stream = TcpStream::connect(addr).expect("connect");
        stream.set_read_timeout(Some(super::SOON)).expect("read timeout");
        stream.set_write_timeout(Some(super::SOON)).expect("write timeout");
        Frames { stream }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        // The server may have ended the connection before it has all: what it said about that is read next.
        let _ = self.stream.write_all(bytes);
    }

    /// A request without a body.
    pub fn get(&mut self, stream: u32, path: &str) {
        self.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &request("GET", path, &[])));
    }

    /// The next frame; none where the connection has ended.
    pub fn next(&mut self) -> Option<Frame> {
        let mut header = [0; 9];
        self.stream.read_exact(&mut header).ok()?;
        let length = usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes(header[5..9].try_into().expect("four bytes"));
        Some(Frame { kind: header[3], flags: header[4], stream, payload })
    }

    /// The first frame that is looked for; what comes before is dropped.
    pub fn find(&mut self, mut wanted: impl FnMut(&Frame) -> bool) -> Option<Frame> {
        std::iter::from_fn(|| self.next()).find(|frame| wanted(frame))
    }

    /// The answer on a stream: status, body, the code of a reset that ends it.
    pub fn answer(&mut self, stream: u32) -> (u16, Vec<u8>, Option<u32>) {
        let (mut status, mut body) = (0, Vec::new());
        while let Some(frame) = self.next() {
            if frame.kind == GOAWAY && frame.error() != 0 {
                panic!("GOAWAY {}: {}", frame.error(), String::from_utf8_lossy(&frame.payload[8..]));
            }
            if frame.stream != stream {
                continue;
            }
            match frame.kind {
                HEADERS if status < 200 => status = frame.status(),
                DATA => body.extend_from_slice(&frame.payload),
                RST_STREAM => return (status, body, Some(frame.error())),
                _ => {}
            }
            if frame.ends_stream() {
                return (status, body, None);
            }
        }
        panic!("the connection ended: {status}, {} bytes", body.len());
    }

    /// Opens the windows of the connection and of a stream.
    pub fn open_windows(&mut self, stream: u32, bytes: u32) {
        for of in [0, stream] {
            self.send(&frame(WINDOW_UPDATE, 0, of, &bytes.to_be_bytes()));
        }
    }
}
