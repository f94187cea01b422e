//! The beginning of a connection: with the preface (RFC 9113 section 3.4), or with a request of HTTP/1.1 that asks for
//! `h2c` (RFC 7540 section 3.2).
//!
//! Owns: the preface; the request that an upgrade makes of stream 1, as the frame that the client did not have to send.
//! Must not know: sessions.

/// What a client of HTTP/2 sends first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a header block before it is cut: what every receiver takes in one frame (RFC 9113 section 4.2).
const FRAME_BYTES_MAX: usize = 16_384;

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// A request of HTTP/1.1 whose answer goes out on stream 1.
pub struct Upgraded {
    block: Vec<u8>,
}

impl Upgraded {
    /// A request without a body; its fields follow by [`Upgraded::add`].
    pub fn new(method: &str, scheme: &str, authority: &str, path: &str) -> Self {
        let mut upgraded = Upgraded { block: Vec::new() };
        let pseudo = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)];
        for (name, value) in pseudo {
            upgraded.add(name.as_bytes(), value.as_bytes());
        }
        upgraded
    }

    /// Adds a field, as HPACK writes one that is in no table and goes into none (RFC 7541 section 6.2.2).
    pub fn add(&mut self, name: &[u8], value: &[u8]) {
        self.block.push(0);
        self.string(&name.to_ascii_lowercase());
        self.string(value);
    }

    /// A string as it is (section 5.2).
    fn string(&mut self, bytes: &[u8]) {
        integer(&mut self.block, bytes.len());
        self.block.extend_from_slice(bytes);
    }

    /// The frames of stream 1, whose client has ended it.
    pub fn frames(&self) -> Vec<u8> {
        let mut frames = Vec::with_capacity(self.block.len() + 9);
        let pieces = self.block.chunks(FRAME_BYTES_MAX);
        let last = pieces.len() - 1;
        for (at, piece) in pieces.enumerate() {
            let (kind, flags) = if at == 0 { (HEADERS, END_STREAM) } else { (CONTINUATION, 0) };
            let end = if at == last { END_HEADERS } else { 0 };
            frames.extend_from_slice(&(piece.len() as u32).to_be_bytes()[1..]);
            frames.extend_from_slice(&[kind, flags | end, 0, 0, 0, 1]);
            frames.extend_from_slice(piece);
        }
        frames
    }
}

/// An integer with a prefix of seven bits (RFC 7541 section 5.1).
fn integer(out: &mut Vec<u8>, value: usize) {
    if value < 127 {
        return out.push(value as u8);
    }
    out.push(127);
    let mut rest = value - 127;
    while rest >= 128 {
        out.push((rest & 127) as u8 | 128);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_those_of_rfc_7541_section_5_1() {
        for (value, expected) in
            [(10, vec![10]), (126, vec![126]), (127, vec![127, 0]), (1337, vec![127, 0xba, 9])]
        {
            let mut out = Vec::new();
            integer(&mut out, value);
            assert_eq!(out, expected, "{value}");
        }
    }

    #[test]
    fn a_long_request_is_cut_into_frames() {
        let mut upgraded = Upgraded::new("GET", "http", "a", "/");
        upgraded.add(b"X-Long", &[b'x'; 20_000]);
        let frames = upgraded.frames();
        assert_eq!(frames[..9], [0, 0x40, 0, HEADERS, END_STREAM, 0, 0, 0, 1]);
        let second = &frames[9 + FRAME_BYTES_MAX..];
        assert_eq!((second[3], second[4]), (CONTINUATION, END_HEADERS));
        let length = usize::from(second[1]) << 8 | usize::from(second[2]);
        assert_eq!(second.len(), 9 + length);
    }
}
