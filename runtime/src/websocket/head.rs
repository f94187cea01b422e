//! The head of a frame (RFC 6455 section 5.2).
//!
//! Owns: its bits, the encodings of a length. Must not know: what a frame means for a message.

/// Bytes of the longest head: of 64 bits of length, with a mask.
pub const HEAD_BYTES_MAX: usize = 14;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// The next of a message's fragments.
    Continuation = 0,
    /// The first, or all, of a message of text.
    Text = 1,
    /// The first, or all, of a message of bytes.
    Binary = 2,
    /// The end.
    Close = 8,
    /// To be answered by a Pong.
    Ping = 9,
    /// The answer.
    Pong = 10,
}

impl Opcode {
    fn of(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    /// Whether it is a control frame (section 5.5).
    pub fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// It is the last of its message.
    pub is_final: bool,
    /// RSV1: the message is compressed (RFC 7692 section 6).
    pub is_compressed: bool,
    /// What it is.
    pub opcode: Opcode,
    /// The key that the payload is masked with.
    pub mask: Option<[u8; 4]>,
    /// Bytes of the payload.
    pub length: u64,
}

impl FrameHead {
    /// Reads the head at the beginning of `bytes`, and how many bytes it has; none where it goes on.
    ///
    /// # Errors
    /// What is wrong with it: a reserved bit or opcode, a length that is not encoded in the fewest bytes or has its
    /// highest bit set, a control frame that is fragmented or longer than 125.
    pub fn parse(bytes: &[u8]) -> Result<Option<(FrameHead, usize)>, &'static str> {
        let Some(first) = bytes.first() else { return Ok(None) };
        if first & 0x30 != 0 {
            return Err("a reserved bit is set");
        }
        let opcode = Opcode::of(first & 0x0f).ok_or("the opcode is reserved")?;
        let (is_final, is_compressed) = (first & 0x80 != 0, first & 0x40 != 0);
        if opcode.is_control() && !is_final {
            return Err("a control frame is fragmented");
        }
        let Some(second) = bytes.get(1) else { return Ok(None) };
        let (short, is_masked) = (second & 0x7f, second & 0x80 != 0);
        if opcode.is_control() && short > 125 {
            return Err("a control frame is longer than 125 bytes");
        }
        let (length, end) = match short {
            126 => {
                let Some(long) = bytes[2..].first_chunk::<2>() else { return Ok(None) };
                let length = u64::from(u16::from_be_bytes(*long));
                if length < 126 {
                    return Err("a length is not encoded in the fewest bytes");
                }
                (length, 4)
            }
            127 => {
                let Some(long) = bytes[2..].first_chunk::<8>() else { return Ok(None) };
                let length = u64::from_be_bytes(*long);
                if length >> 63 != 0 {
                    return Err("a length has its highest bit set");
                }
                if length <= 0xffff {
                    return Err("a length is not encoded in the fewest bytes");
                }
                (length, 10)
            }
            short => (u64::from(short), 2),
        };
        let (mask, end) = match is_masked {
            true => match bytes[end..].first_chunk::<4>() {
                Some(key) => (Some(*key), end + 4),
                None => return Ok(None),
            },
            false => (None, end),
        };
        Ok(Some((FrameHead { is_final, is_compressed, opcode, mask, length }, end)))
    }

    /// Appends it to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let bit = |set, bit| if set { bit } else { 0 };
        out.push(bit(self.is_final, 0x80) | bit(self.is_compressed, 0x40) | self.opcode as u8);
        let masked = bit(self.mask.is_some(), 0x80);
        match self.length {
            0..=125 => out.push(masked | self.length as u8),
            126..=0xffff => {
                out.push(masked | 126);
                out.extend_from_slice(&(self.length as u16).to_be_bytes());
            }
            _ => {
                out.push(masked | 127);
                out.extend_from_slice(&self.length.to_be_bytes());
            }
        }
        if let Some(key) = self.mask {
            out.extend_from_slice(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: FrameHead =
        FrameHead { is_final: true, is_compressed: false, opcode: Opcode::Text, mask: None, length: 0 };

    #[test]
    fn section_5_2_heads_are_read_as_they_are_written_and_byte_by_byte() {
        for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 1 << 40, (1 << 63) - 1] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let head = FrameHead { length, mask, ..TEXT };
                let mut bytes = Vec::new();
                head.write(&mut bytes);
                for end in 0..bytes.len() {
                    assert_eq!(FrameHead::parse(&bytes[..end]), Ok(None), "{length} {end}");
                }
                assert_eq!(FrameHead::parse(&bytes), Ok(Some((head, bytes.len()))));
            }
        }
    }

    #[test]
    fn section_5_2_a_length_has_the_fewest_bytes_and_63_bits() {
        for bytes in [
            [0x81, 126, 0, 0, 0, 0, 0, 0, 0, 0],
            [0x81, 126, 0, 125, 0, 0, 0, 0, 0, 0],
            [0x81, 127, 0, 0, 0, 0, 0, 0, 0, 5],
            [0x81, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            [0x81, 127, 0x80, 0, 0, 0, 0, 1, 0, 0],
        ] {
            assert!(FrameHead::parse(&bytes).is_err(), "{bytes:x?}");
        }
        assert!(FrameHead::parse(&[0x81, 126, 0, 126]).is_ok());
        assert!(FrameHead::parse(&[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]).is_ok());
    }

    // Autobahn's groups 3 and 4.
    #[test]
    fn section_5_2_reserved_bits_and_opcodes_are_refused_at_the_first_byte() {
        for bits in [0x10, 0x20, 0x30, 0x50, 0x70] {
            assert!(FrameHead::parse(&[0x81 | bits]).is_err(), "{bits:x}");
        }
        for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
            assert!(FrameHead::parse(&[0x80 | opcode]).is_err(), "{opcode}");
        }
    }

    #[test]
    fn section_5_5_control_frames_are_short_and_whole() {
        for opcode in [8, 9, 10] {
            assert!(FrameHead::parse(&[opcode, 0]).is_err());
            assert!(FrameHead::parse(&[0x80 | opcode, 126]).is_err());
            assert!(FrameHead::parse(&[0x80 | opcode, 127]).is_err());
            assert!(FrameHead::parse(&[0x80 | opcode, 125]).is_ok_and(|head| head.is_some()));
        }
    }
}
