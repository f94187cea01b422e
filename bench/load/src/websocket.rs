//! What a client of WebSocket sends and hears (RFC 6455): the handshake, one binary frame for each message.
//!
//! Owns: the bytes of both. Must not know: connections beyond the handshake, compression.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// The longest header of a frame from a server.
pub const HEADER_BYTES_MAX: usize = 10;
/// Any key does, but for zeros, which a server might pass over.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The opening handshake (section 4). Reads to the end of the answer's head, and no byte more.
///
/// # Errors
/// Those of the connection; the server does not switch.
pub fn shake_hands(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(REQUEST)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    match head.starts_with("HTTP/1.1 101 ") {
        true => Ok(()),
        false => Err(io::Error::other(format!("no upgrade: {}", head.lines().next().unwrap_or_default()))),
    }
}

/// A frame as clients send it (section 5.3).
pub fn masked(payload: &[u8]) -> Vec<u8> {
    let mut frame = header(payload.len(), 0x80);
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A frame as servers send it.
pub fn unmasked(payload: &[u8]) -> Vec<u8> {
    let mut frame = header(payload.len(), 0);
    frame.extend(payload);
    frame
}

/// A binary message of one frame (section 5.2).
fn header(length: usize, mask: u8) -> Vec<u8> {
    match length {
        0..126 => vec![0x82, mask | length as u8],
        126..65_536 => [&[0x82, mask | 126][..], &(length as u16).to_be_bytes()].concat(),
        _ => [&[0x82, mask | 127][..], &(length as u64).to_be_bytes()].concat(),
    }
}

/// Puts `stamp` where the payloads of a masked and an unmasked frame begin.
pub fn stamp(masked: &mut [u8], unmasked: &mut [u8], stamp: [u8; 8]) {
    let header = payload_at(unmasked);
    let length = stamp.len().min(unmasked.len() - header);
    unmasked[header..header + length].copy_from_slice(&stamp[..length]);
    for (at, byte) in stamp[..length].iter().enumerate() {
        masked[header + KEY.len() + at] = byte ^ KEY[at % KEY.len()];
    }
}

/// Where the payload of an unmasked frame begins.
fn payload_at(frame: &[u8]) -> usize {
    match frame[1] & 0x7f {
        126 => 4,
        127 => 10,
        _ => 2,
    }
}
