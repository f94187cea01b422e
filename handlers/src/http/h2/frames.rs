//! A look at the headers of frames on their way in and out: the crate `h2` hides who floods it, and says of some faults
//! less than it could.
//!
//! Owns: where frames begin and end (RFC 9113 section 4.1), what of them is counted, for how long, which of them end the
//! connection by themselves. Must not know: what becomes of a connection then.

use std::time::{Duration, Instant};

use runtime::config::Limits;

use super::begin::PREFACE;

const PREFACE_BYTES: usize = PREFACE.len();
/// The longest payload of a frame that we take (RFC 9113 section 4.2).
const FRAME_BYTES_MAX: usize = 16 << 10;
/// The header of a frame.
const HEADER_BYTES: usize = 9;
/// With the error code of RST_STREAM.
const RESET_BYTES: usize = HEADER_BYTES + 4;
/// One of SETTINGS: its identifier and its value.
const SETTING_BYTES: usize = 6;
/// SETTINGS_INITIAL_WINDOW_SIZE (section 6.5.2).
const INITIAL_WINDOW_SIZE: u16 = 4;
/// The largest window (section 6.9.1).
const WINDOW_MAX: u32 = (1 << 31) - 1;
/// Counts begin anew after so long.
const SPAN: Duration = Duration::from_secs(60);
/// Updates of windows that a client may send for each frame of DATA: one of the stream's, one of the connection's,
/// twice.
const UPDATES_PER_DATA: usize = 4;
/// Streams whose end is remembered.
const ENDED_STREAMS: usize = 16;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// One direction of a connection: where its frames begin.
#[derive(Default)]
struct Cursor {
    /// Bytes of the preface that are still to come.
    preface: usize,
    bytes: [u8; RESET_BYTES],
    /// Bytes of `bytes` that are here.
    have: usize,
    /// Bytes of the frame's payload that are still to come.
    left: usize,
    /// They are settings, each of which is looked at.
    is_settings: bool,
}

/// What was come upon.
enum Seen {
    Frame(FrameHead),
    Setting(u16, u32),
}

/// A frame, once its header is here.
struct FrameHead {
    kind: u8,
    flags: u8,
    stream: u32,
    len: usize,
    /// The error code of RST_STREAM.
    code: u32,
}

impl FrameHead {
    /// Bytes of it that have been looked at.
    fn bytes(&self) -> usize {
        if self.kind == RST_STREAM && self.len >= 4 { RESET_BYTES } else { HEADER_BYTES }
    }

    fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

impl Cursor {
    /// The next frame or setting that begins in `bytes`, which are moved on behind what is looked at.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<Seen> {
        let mut skip = |left: &mut usize| {
            let count = (*left).min(bytes.len());
            *bytes = &bytes[count..];
            *left -= count;
        };
        skip(&mut self.preface);
        let is_setting = self.is_settings && self.left >= SETTING_BYTES;
        if !is_setting {
            skip(&mut self.left);
        }
        loop {
            let want = if is_setting { SETTING_BYTES } else { self.want() };
            if self.have == want {
                break;
            }
            let count = (want - self.have).min(bytes.len());
            if count == 0 {
                return None;
            }
            self.bytes[self.have..][..count].copy_from_slice(&bytes[..count]);
            self.have += count;
            *bytes = &bytes[count..];
        }
        let have = std::mem::take(&mut self.have);
        let number = |at: usize| u32::from_be_bytes(std::array::from_fn(|n| self.bytes[at + n]));
        if is_setting {
            self.left -= SETTING_BYTES;
            return Some(Seen::Setting(u16::from_be_bytes([self.bytes[0], self.bytes[1]]), number(2)));
        }
        let (kind, flags, len) = (self.bytes[3], self.bytes[4], self.len());
        // The first bit is reserved.
        let (stream, code) = (number(5) & WINDOW_MAX, number(HEADER_BYTES));
        self.left = len - (have - HEADER_BYTES);
        self.is_settings = kind == SETTINGS && stream == 0 && len.is_multiple_of(SETTING_BYTES);
        Some(Seen::Frame(FrameHead { kind, flags, stream, len, code }))
    }

    fn len(&self) -> usize {
        let [a, b, c, ..] = self.bytes;
        u32::from_be_bytes([0, a, b, c]) as usize
    }

    /// Bytes that say all that is asked.
    fn want(&self) -> usize {
        let is_reset = self.have >= HEADER_BYTES && self.bytes[3] == RST_STREAM && self.len() >= 4;
        if is_reset { RESET_BYTES } else { HEADER_BYTES }
    }
}

/// What of a client's frames ends its connection, and the crate `h2` does not tell, or tells as another fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A frame of a fixed length with another (RFC 9113 sections 6.3 to 6.9).
    FrameSize,
    /// The first is not SETTINGS (section 3.4).
    NoSettings,
    /// DATA or HEADERS of a stream that the client has ended (section 5.1).
    StreamClosed,
    /// An initial window that is too large (section 6.5.2).
    Window,
    /// Streams that it takes back, or has us reset.
    Resets,
    /// PING, SETTINGS, PRIORITY, CONTINUATION, empty DATA, updates of windows, unknown frames.
    Control,
}

/// Both directions of a connection, and what its client has sent too much of.
pub struct FrameCounts {
    input: Cursor,
    output: Cursor,
    /// The frame that is being received.
    kind: u8,
    /// A list of fields has begun, and not ended.
    in_fields: bool,
    /// SETTINGS has come.
    has_begun: bool,
    /// The last streams that the client has ended, and where the next is noted.
    ended: [u32; ENDED_STREAMS],
    next_ended: usize,
    broken: Option<Fault>,
    resets: usize,
    control: usize,
    /// Frames of DATA sent, and requests: for each of them some frames are allowed for.
    data: usize,
    requests: usize,
    updates: usize,
    since: Option<Instant>,
    resets_max: usize,
    control_max: usize,
}

impl FrameCounts {
    /// Of a connection that begins.
    pub fn new(limits: &Limits) -> Self {
        FrameCounts {
            input: Cursor { preface: PREFACE_BYTES, ..Cursor::default() },
            output: Cursor::default(),
            kind: DATA,
            in_fields: false,
            has_begun: false,
            ended: Default::default(),
            next_ended: 0,
            broken: None,
            resets: 0,
            control: 0,
            data: 0,
            requests: 0,
            updates: 0,
            since: None,
            resets_max: limits.http2_resets_max,
            control_max: limits.http2_control_frames_max,
        }
    }

    /// Takes note of what is received. How much of it is to be read: not the frame that breaks a rule.
    pub fn received(&mut self, bytes: &[u8], now: Instant) -> usize {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= SPAN) {
            (self.resets, self.control, self.data, self.requests, self.updates) = (0, 0, 0, 0, 0);
            self.since = Some(now);
        }
        let mut rest = bytes;
        while let Some(seen) = self.input.next(&mut rest) {
            let (broken, looked_at) = match &seen {
                Seen::Frame(frame) => (self.breaks(frame), frame.bytes()),
                Seen::Setting(INITIAL_WINDOW_SIZE, value) if *value > WINDOW_MAX => {
                    (Some(Fault::Window), SETTING_BYTES)
                }
                Seen::Setting(..) => (None, 0),
            };
            if broken.is_some() {
                self.broken = broken;
                return (bytes.len() - rest.len()).saturating_sub(looked_at);
            }
            match seen {
                Seen::Frame(frame) => self.count(&frame),
                Seen::Setting(..) => {}
            }
        }
        bytes.len()
    }

    fn count(&mut self, frame: &FrameHead) {
        self.kind = frame.kind;
        self.has_begun = true;
        match frame.kind {
            HEADERS => {
                self.requests += 1;
                self.in_fields = frame.flags & END_HEADERS == 0;
            }
            CONTINUATION => {
                self.control += 1;
                self.in_fields = frame.flags & END_HEADERS == 0;
            }
            DATA if frame.len > 0 || frame.ends_stream() => {}
            RST_STREAM => self.resets += 1,
            WINDOW_UPDATE => self.updates += 1,
            // PING, SETTINGS, PRIORITY, empty DATA, and what nobody knows.
            _ => self.control += 1,
        }
        if frame.kind == RST_STREAM || frame.ends_stream() {
            self.ended[self.next_ended] = frame.stream;
            self.next_ended = (self.next_ended + 1) % ENDED_STREAMS;
        }
    }

    /// The rule that a frame breaks by its header alone.
    fn breaks(&self, frame: &FrameHead) -> Option<Fault> {
        let is_ack = frame.flags & ACK != 0;
        let fits = match frame.kind {
            SETTINGS if is_ack => frame.len == 0,
            SETTINGS => frame.len.is_multiple_of(SETTING_BYTES),
            PING => frame.len == 8,
            PRIORITY => frame.len == 5 || frame.stream == 0 || self.in_fields,
            RST_STREAM | WINDOW_UPDATE => frame.len == 4,
            _ => true,
        };
        let is_content = matches!(frame.kind, DATA | HEADERS);
        match () {
            () if !self.has_begun && (frame.kind != SETTINGS || is_ack) => Some(Fault::NoSettings),
            () if !fits => Some(Fault::FrameSize),
            () if is_content
                && !self.in_fields
                && self.ended.contains(&frame.stream)
                && frame.stream != 0 =>
            {
                Some(Fault::StreamClosed)
            }
            () => None,
        }
    }

    /// Takes note of what is sent.
    pub fn sent(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(seen) = self.output.next(&mut rest) {
            match seen {
                Seen::Frame(frame) if frame.kind == DATA => self.data += 1,
                // Streams that a client has us reset are as dear as those that it resets. NO_ERROR is for the rest of
                // bodies that nobody reads.
                Seen::Frame(frame) if frame.kind == RST_STREAM && frame.code != 0 => self.resets += 1,
                _ => {}
            }
        }
    }

    /// What the client has sent too much of, that costs it nothing.
    pub fn fault(&self) -> Option<Fault> {
        let updates = self.updates.saturating_sub(self.data * UPDATES_PER_DATA);
        // Clients of RFC 7540 give each request a PRIORITY.
        let control = (self.control + updates).saturating_sub(self.requests);
        match () {
            () if self.broken.is_some() => self.broken,
            () if self.resets > self.resets_max => Some(Fault::Resets),
            () if control > self.control_max => Some(Fault::Control),
            () => None,
        }
    }

    /// How many of `received`, from the preface on, are that and the first frame; `None` where that is not all there.
    pub fn end_of_first_frame(received: &[u8]) -> Option<usize> {
        let [a, b, c, ..] = received.get(PREFACE_BYTES..)? else { return None };
        // A longer one is refused by who reads it, whatever comes behind.
        let len = (u32::from_be_bytes([0, *a, *b, *c]) as usize).min(FRAME_BYTES_MAX);
        let end = PREFACE_BYTES + HEADER_BYTES + len;
        (received.len() >= end).then_some(end)
    }

    /// Whether a list of fields, or a frame that has no content, has begun and not ended; so is the preface.
    pub fn is_mid_head(&self) -> bool {
        let is_mid_frame = self.input.left > 0 && self.kind != DATA;
        self.input.preface > 0 || self.input.have > 0 || self.in_fields || is_mid_frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let len = payload.len() as u32;
        let mut frame = len.to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
        frame.extend_from_slice(payload);
        frame
    }

    /// The same frame on another stream than 1.
    fn on(stream: u8, mut frame: Vec<u8>) -> Vec<u8> {
        frame[8] = stream;
        frame
    }

    fn counts(resets_max: usize, control_max: usize) -> FrameCounts {
        let limits = Limits {
            http2_resets_max: resets_max,
            http2_control_frames_max: control_max,
            ..Limits::default()
        };
        FrameCounts { has_begun: true, ..FrameCounts::new(&limits) }
    }

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        let mut all = vec![b'p'; PREFACE_BYTES];
        for stream in [1, 3, 5] {
            all.extend(on(stream, frame(HEADERS, END_HEADERS, &[0; 20])));
            all.extend(on(stream, frame(DATA, 0, &[1; 300])));
            all.extend(on(stream, frame(RST_STREAM, 0, &[0, 0, 0, 8])));
            all.extend(frame(PING, 0, &[0; 8]));
        }
        for size in 1..=all.len() {
            let mut counts = counts(2, 0);
            let now = Instant::now();
            for piece in all.chunks(size) {
                assert_eq!(counts.received(piece, now), piece.len());
            }
            assert_eq!((counts.resets, counts.control, counts.requests), (3, 3, 3), "{size}");
            assert!(counts.fault().is_some() && !counts.is_mid_head());
        }
    }

    #[test]
    fn what_brings_nothing_is_control() {
        for (kind, flags, payload, is_counted) in [
            (6, 0, &[0; 8][..], true),
            (4, 0, &[], true),
            (2, 0, &[0; 5], true),
            (CONTINUATION, END_HEADERS, &[], true),
            (DATA, 0, &[], true),
            (0xee, 0, &[], true),
            (WINDOW_UPDATE, 0, &[0; 4], true),
            (DATA, END_STREAM, &[], false),
            (DATA, 0, b"data", false),
            (HEADERS, END_HEADERS, &[0; 9], false),
        ] {
            let mut counts = counts(0, 0);
            counts.received(PREFACE, Instant::now());
            counts.received(&frame(kind, flags, payload), Instant::now());
            assert_eq!(counts.fault(), is_counted.then_some(Fault::Control), "{kind}");
        }
    }

    #[test]
    fn a_stream_that_its_client_has_ended_carries_nothing_more() {
        let now = Instant::now();
        let ends = [frame(HEADERS, END_HEADERS | END_STREAM, b"x"), frame(RST_STREAM, 0, &[0; 4])];
        for end in ends {
            for (more, fault) in [
                (frame(DATA, 0, b"x"), Some(Fault::StreamClosed)),
                (frame(HEADERS, END_HEADERS | END_STREAM, b"x"), Some(Fault::StreamClosed)),
                (frame(WINDOW_UPDATE, 0, &[0, 0, 0, 1]), None),
                (frame(PRIORITY, 0, &[0; 5]), None),
            ] {
                let mut counts = counts(9, 9);
                counts.received(PREFACE, now);
                let all = [end.clone(), more].concat();
                let read = counts.received(&all, now);
                assert_eq!(
                    (read, counts.fault()),
                    (if fault.is_some() { end.len() } else { all.len() }, fault)
                );
            }
        }
    }

    #[test]
    fn a_window_beyond_the_largest_is_seen() {
        let now = Instant::now();
        let window = |value: u32| {
            let payload = [&[0, 3, 0, 0, 0, 9, 0, 4][..], &value.to_be_bytes()].concat();
            on(0, frame(SETTINGS, 0, &payload))
        };
        let good = [PREFACE.to_vec(), window(WINDOW_MAX), window(7)].concat();
        for size in 1..40 {
            let mut counts = counts(9, 9);
            good.chunks(size).for_each(|piece| assert_eq!(counts.received(piece, now), piece.len()));
            assert_eq!(counts.fault(), None);
            for piece in window(WINDOW_MAX + 1).chunks(size) {
                counts.received(piece, now);
            }
            assert_eq!(counts.fault(), Some(Fault::Window));
        }
    }

    #[test]
    fn a_minute_later_all_is_forgotten() {
        let mut counts = counts(1, 1);
        let now = Instant::now();
        let mut bytes = vec![b'p'; PREFACE_BYTES];
        bytes.extend([frame(RST_STREAM, 0, &[0; 4]), frame(RST_STREAM, 0, &[0; 4])].concat());
        counts.received(&bytes, now);
        assert_eq!(counts.fault(), Some(Fault::Resets));
        counts.received(&on(3, frame(DATA, 0, b"x")), now + SPAN);
        assert_eq!(counts.fault(), None);
    }

    #[test]
    fn resets_of_ours_count_but_for_bodies_that_nobody_reads() {
        let mut counts = counts(0, 0);
        counts.sent(&frame(RST_STREAM, 0, &[0, 0, 0, 0]));
        assert_eq!(counts.fault(), None);
        counts.sent(&frame(RST_STREAM, 0, &[0, 0, 0, 7]));
        assert_eq!(counts.fault(), Some(Fault::Resets));
    }

    #[test]
    fn updates_of_windows_are_allowed_for_what_is_sent() {
        let mut counts = counts(0, 0);
        counts.input.preface = 0;
        counts.sent(&frame(DATA, 0, &[0; 100]));
        let update = frame(WINDOW_UPDATE, 0, &[0; 4]);
        for _ in 0..UPDATES_PER_DATA {
            counts.since = Some(Instant::now());
            counts.received(&update, Instant::now());
        }
        assert_eq!(counts.fault(), None);
        counts.received(&update, Instant::now());
        assert_eq!(counts.fault(), Some(Fault::Control));
    }

    #[test]
    fn fields_that_go_on_and_frames_that_are_cut_are_the_middle_of_a_head() {
        let mut counts = counts(9, 9);
        let now = Instant::now();
        assert!(counts.is_mid_head());
        counts.received(&[b'p'; PREFACE_BYTES], now);
        assert!(!counts.is_mid_head());
        counts.received(&frame(HEADERS, 0, b"abc"), now);
        assert!(counts.is_mid_head());
        counts.received(&frame(CONTINUATION, END_HEADERS, b"abc"), now);
        assert!(!counts.is_mid_head());
        counts.received(&frame(HEADERS, END_HEADERS, b"abc")[..11], now);
        assert!(counts.is_mid_head());
        counts.received(b"c", now);
        assert!(!counts.is_mid_head());
        counts.received(&frame(DATA, 0, b"abc")[..11], now);
        assert!(!counts.is_mid_head());
    }
}
