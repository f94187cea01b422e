//! What a client's frames are, counted as they come: floods of those that cost work and bring nothing.
//!
//! Owns: where each frame begins (RFC 9113 section 4.1), the counts of a minute. Must not know: what frames mean to a stream.

use std::time::{Duration, Instant};

use runtime::config::Limits;

use super::begin::PREFACE;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const HEADER_BYTES: usize = 9;
const MINUTE: Duration = Duration::from_secs(60);

/// Follows the frames of a client.
pub struct FrameWatch {
    /// Bytes of the preface that are still to come.
    preface_left: usize,
    header: [u8; HEADER_BYTES],
    header_length: usize,
    payload_left: usize,
    /// Frames that have begun.
    begun: u64,
    since: Instant,
    resets: usize,
    control: usize,
    resets_max: usize,
    control_max: usize,
}

/// A client sends too much of what is not for anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// Requests that it takes back.
    Resets,
    /// PING, SETTINGS, PRIORITY, empty DATA, unknown frames.
    Control,
}

impl FrameWatch {
    /// At the beginning of a connection.
    pub fn new(limits: &Limits, now: Instant) -> Self {
        FrameWatch {
            preface_left: PREFACE.len(),
            header: [0; HEADER_BYTES],
            header_length: 0,
            payload_left: 0,
            begun: 0,
            since: now,
            resets: 0,
            control: 0,
            resets_max: limits.http2_resets_max,
            control_max: limits.http2_control_frames_max,
        }
    }

    /// Follows what has come; whether it is too much of a kind.
    pub fn follow(&mut self, mut bytes: &[u8], now: Instant) -> Option<Flood> {
        let skipped = self.preface_left.min(bytes.len());
        self.preface_left -= skipped;
        bytes = &bytes[skipped..];
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let skipped = self.payload_left.min(bytes.len());
                self.payload_left -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (HEADER_BYTES - self.header_length).min(bytes.len());
            self.header[self.header_length..][..taken].copy_from_slice(&bytes[..taken]);
            self.header_length += taken;
            bytes = &bytes[taken..];
            if self.header_length == HEADER_BYTES {
                self.header_length = 0;
                self.count(now);
            }
        }
        match () {
            () if self.resets > self.resets_max => Some(Flood::Resets),
            () if self.control > self.control_max => Some(Flood::Control),
            () => None,
        }
    }

    /// How many of `bytes` belong to the preface and to the first frame of what has not been followed yet; `None` where that
    /// does not end in them.
    pub fn end_of_first_frame(received: &[u8]) -> Option<usize> {
        let header = received.get(PREFACE.len()..PREFACE.len() + HEADER_BYTES)?;
        let end = PREFACE.len() + HEADER_BYTES + length_of(header);
        (received.len() >= end).then_some(end)
    }

    fn count(&mut self, now: Instant) {
        self.begun += 1;
        self.payload_left = length_of(&self.header);
        let (kind, flags) = (self.header[3], self.header[4]);
        let counted = match kind {
            RST_STREAM => &mut self.resets,
            DATA if self.payload_left > 0 || flags & END_STREAM != 0 => return,
            // Those of a block have a bound of their own, and windows have to be opened.
            HEADERS | CONTINUATION | WINDOW_UPDATE => return,
            _ => &mut self.control,
        };
        *counted += 1;
        if now.saturating_duration_since(self.since) >= MINUTE {
            (self.since, self.resets, self.control) = (now, 0, 0);
        }
    }
}

fn length_of(header: &[u8]) -> usize {
    usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        [&(payload.len() as u32).to_be_bytes()[1..], &[kind, flags, 0, 0, 0, 0], payload].concat()
    }

    fn watch(resets_max: usize, control_max: usize, now: Instant) -> FrameWatch {
        let limits = Limits {
            http2_resets_max: resets_max,
            http2_control_frames_max: control_max,
            ..Limits::default()
        };
        FrameWatch::new(&limits, now)
    }

    #[test]
    fn frames_are_told_apart_however_they_are_cut() {
        let now = Instant::now();
        let bytes = [
            PREFACE,
            &frame(4, 0, &[0; 6]),
            &frame(1, 4, &[3; 20]),
            &frame(0, 0, b"x"),
            &frame(6, 0, &[6; 8]),
        ]
        .concat();
        for step in 1..bytes.len() {
            let mut watch = watch(0, 2, now);
            assert!(bytes.chunks(step).all(|piece| watch.follow(piece, now).is_none()), "{step}");
            assert_eq!((watch.begun, watch.control), (4, 2));
        }
    }

    #[test]
    fn floods_are_counted_by_the_minute() {
        let now = Instant::now();
        for (sent, expected) in [
            (frame(3, 0, &[0; 4]), Some(Flood::Resets)),
            (frame(6, 0, &[0; 8]), Some(Flood::Control)),
            (frame(4, 0, &[]), Some(Flood::Control)),
            (frame(2, 0, &[0; 5]), Some(Flood::Control)),
            (frame(0, 0, &[]), Some(Flood::Control)),
            (frame(0xee, 0, &[]), Some(Flood::Control)),
            (frame(0, 1, &[]), None),
            (frame(0, 0, b"data"), None),
            (frame(8, 0, &[0; 4]), None),
        ] {
            let mut watch = watch(9, 9, now);
            assert_eq!(watch.follow(PREFACE, now), None);
            let floods: Vec<_> = (0..10).map(|_| watch.follow(&sent, now)).collect();
            assert_eq!((floods[8], floods[9]), (None, expected), "{sent:?}");
        }
        let mut watch = watch(9, 9, now);
        watch.follow(PREFACE, now);
        for second in 0..200 {
            let then = now + Duration::from_secs(second * 7);
            assert_eq!(watch.follow(&frame(6, 0, &[0; 8]), then), None);
        }
    }
}
