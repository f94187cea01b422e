//! A client of HTTP/2 that keeps to the windows of both sides and checks each byte of what it gets.
//!
//! Owns: windows, a pattern of bytes by stream and position. Must not know: what the server is to do.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::frames::*;

/// What we take of a stream, and of all, before windows open again.
const WINDOW: u32 = 1 << 20;
/// The pattern repeats after so many bytes.
pub const PERIOD: usize = 251;

/// A client, and what has come on its streams.
pub struct Flow {
    frames: Frames,
    pattern: Vec<u8>,
    /// What may be sent: on all streams, on each, on a new one.
    room: i64,
    rooms: HashMap<u32, i64>,
    initial: i64,
    /// Received, and not yet allowed for again.
    taken: u32,
    takens: HashMap<u32, u32>,
    /// Bytes received on each stream.
    pub received: HashMap<u32, u64>,
    /// Streams whose answers have ended.
    pub ended: usize,
}

impl Flow {
    /// A connection, whose settings both sides know.
    pub fn open(addr: SocketAddr) -> Flow {
        let mut frames = Frames::silent(addr);
        frames.stream.set_read_timeout(Some(Duration::from_secs(60))).expect("read timeout");
        frames.stream.set_write_timeout(Some(Duration::from_secs(60))).expect("write timeout");
        let window = [&[0, 4][..], &WINDOW.to_be_bytes()].concat();
        let more = (WINDOW - 65_535).to_be_bytes();
        frames.send(&[PREFACE, &frame(SETTINGS, 0, 0, &window), &frame(WINDOW_UPDATE, 0, 0, &more)].concat());
        let pattern = (0..PERIOD + (64 << 10)).map(|n| (n * 7 % PERIOD) as u8).collect();
        let mut flow = Flow {
            frames,
            pattern,
            room: 65_535,
            rooms: HashMap::new(),
            initial: 0,
            taken: 0,
            takens: HashMap::new(),
            received: HashMap::new(),
            ended: 0,
        };
        while flow.initial == 0 {
            flow.step();
        }
        flow.frames.send(&frame(SETTINGS, ACK, 0, &[]));
        flow
    }

    /// Begins a request.
    pub fn ask(&mut self, stream: u32, method: &str, path: &str) {
        let end = if method == "GET" { END_STREAM } else { 0 };
        self.rooms.insert(stream, self.initial);
        self.frames.send(&frame(HEADERS, END_HEADERS | end, stream, &request(method, path, &[])));
    }

    /// `length` bytes of a stream's pattern from `position` on.
    fn pattern(&self, stream: u32, position: u64, length: usize) -> &[u8] {
        let at = ((u64::from(stream) + position) % PERIOD as u64) as usize;
        &self.pattern[at..at + length]
    }

    /// Sends `length` bytes of the stream's pattern from `position` on, as the windows let it.
    pub fn send(&mut self, stream: u32, position: u64, length: usize, ends: bool) {
        let mut sent = 0;
        while sent < length {
            let room = self.room.min(self.rooms[&stream]).clamp(0, 16_384) as usize;
            if room == 0 {
                self.step();
                continue;
            }
            let count = room.min(length - sent);
            let end = if ends && sent + count == length { END_STREAM } else { 0 };
            let bytes = frame(DATA, end, stream, self.pattern(stream, position + sent as u64, count));
            self.frames.send(&bytes);
            self.room -= count as i64;
            *self.rooms.get_mut(&stream).expect("a stream") -= count as i64;
            sent += count;
        }
    }

    /// Receives the next frame.
    pub fn step(&mut self) {
        let frame = self.frames.next().expect("a frame");
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => {
                let window = frame.payload.chunks(6).find(|setting| setting[..2] == [0, 4]);
                self.initial = window.map_or(65_535, |setting| i64::from(number(&setting[2..])));
            }
            WINDOW_UPDATE if frame.stream == 0 => self.room += i64::from(number(&frame.payload)),
            WINDOW_UPDATE => {
                *self.rooms.entry(frame.stream).or_default() += i64::from(number(&frame.payload))
            }
            DATA => self.take(frame.stream, &frame.payload),
            HEADERS => assert_eq!(frame.status(), 200),
            RST_STREAM | GOAWAY => panic!("{frame:?}"),
            _ => {}
        }
        self.ended += usize::from(frame.ends_stream());
    }

    fn take(&mut self, stream: u32, bytes: &[u8]) {
        let position = self.received.get(&stream).copied().unwrap_or(0);
        assert!(self.pattern(stream, position, bytes.len()) == bytes, "stream {stream}, at {position}");
        self.received.insert(stream, position + bytes.len() as u64);
        self.taken += bytes.len() as u32;
        let taken = self.takens.entry(stream).or_default();
        *taken += bytes.len() as u32;
        if *taken >= WINDOW / 2 {
            let update = frame(WINDOW_UPDATE, 0, stream, &std::mem::take(taken).to_be_bytes());
            self.frames.send(&update);
        }
        if self.taken >= WINDOW / 2 {
            let update = frame(WINDOW_UPDATE, 0, 0, &std::mem::take(&mut self.taken).to_be_bytes());
            self.frames.send(&update);
        }
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("four bytes"))
}
