//! Compression of messages (RFC 7692 section 7.2.1).
//!
//! Owns: the state of the compressor. Must not know: frames, who is sent what.

use flate2::{Compress, Compression, FlushCompress};

/// How much is made room for at a time.
const STEP_BYTES: usize = 4 << 10;
/// Messages are small, and wait: the first level with Huffman codes of its own.
const LEVEL: u32 = 3;

/// Compresses messages; has memory, some 300 KB, once the first is compressed.
#[derive(Debug)]
pub struct Deflater {
    state: Option<Box<Compress>>,
    window_bits: u8,
    takes_over: bool,
}

impl Deflater {
    /// With a window of so many bits, from 9 to 15; `takes_over`: messages refer to earlier ones.
    pub fn new(window_bits: u8, takes_over: bool) -> Deflater {
        Deflater { state: None, window_bits, takes_over }
    }

    /// The bits of its window.
    pub fn window_bits(&self) -> u8 {
        self.window_bits
    }

    /// Appends what `message` becomes to `out`; false where that failed, and `out` is to be thrown away.
    pub fn compress(&mut self, message: &[u8], out: &mut Vec<u8>) -> bool {
        if message.is_empty() {
            // One empty block (section 7.2.3.6).
            out.push(0);
            return true;
        }
        let bits = self.window_bits.clamp(9, 15);
        let state = self.state.get_or_insert_with(|| {
            Box::new(Compress::new_with_window_bits(Compression::new(LEVEL), false, bits))
        });
        let (start, mut rest) = (out.len(), message);
        loop {
            out.reserve(STEP_BYTES);
            let before = state.total_in();
            if state.compress_vec(rest, out, FlushCompress::Sync).is_err() {
                self.state = None;
                return false;
            }
            rest = &rest[(state.total_in() - before) as usize..];
            // With room left all has been written.
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
        }
        // An empty block ends a flush, of which the last four bytes are left out (section 7.2.1).
        let is_flushed = out[start..].ends_with(&[0, 0, 0xff, 0xff]);
        if is_flushed {
            out.truncate(out.len() - 4);
        }
        if !self.takes_over {
            state.reset();
        }
        is_flushed
    }

    /// What was sent meanwhile is not known here: the next message refers to nothing before it.
    pub fn forget(&mut self) {
        if let Some(state) = &mut self.state {
            state.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::inflate::{Inflater, Unfit};
    use super::*;

    fn round(deflater: &mut Deflater, inflater: &mut Inflater, message: &[u8]) -> usize {
        let (mut compressed, mut out) = (Vec::new(), Vec::new());
        assert!(deflater.compress(message, &mut compressed));
        for piece in compressed.chunks(7) {
            inflater.add(piece, &mut out, 1 << 20).expect("a piece");
        }
        inflater.finish(&mut out, 1 << 20).expect("an end");
        assert_eq!(out, message);
        compressed.len()
    }

    #[test]
    fn section_7_2_3_messages_come_back_with_each_window_and_context() {
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(40);
        for bits in 9..=15 {
            for takes_over in [false, true] {
                let (mut deflater, mut inflater) =
                    (Deflater::new(bits, takes_over), Inflater::new(takes_over));
                let first = round(&mut deflater, &mut inflater, text.as_bytes());
                round(&mut deflater, &mut inflater, b"");
                let noise: Vec<u8> =
                    (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
                round(&mut deflater, &mut inflater, &noise);
                round(&mut deflater, &mut inflater, b"x");
                let mut other = Deflater::new(bits, false);
                // What another has compressed is read by the same, and the first goes on anew.
                round(&mut other, &mut inflater, text.as_bytes());
                deflater.forget();
                let again = round(&mut deflater, &mut inflater, text.as_bytes());
                assert!(first < 300 && again < 300, "{bits} {takes_over}: {first} {again}");
            }
        }
    }

    #[test]
    fn section_7_1_1_a_context_that_is_taken_over_makes_later_messages_smaller() {
        let (mut deflater, mut inflater) = (Deflater::new(15, true), Inflater::new(true));
        let first = round(&mut deflater, &mut inflater, b"Hello, this is a message of some length");
        let second = round(&mut deflater, &mut inflater, b"Hello, this is a message of some length");
        assert!(second < first / 2, "{first} {second}");
    }

    // The examples of section 7.2.3.
    #[test]
    fn section_7_2_3_the_examples_of_hello() {
        for (message, text) in [
            (&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..], "Hello"),
            (&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00], "Hello"),
            // A block that is final.
            (&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], "Hello"),
            // Two blocks.
            (&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00], "Hello"),
            (&[0x00], ""),
        ] {
            let (mut inflater, mut out) = (Inflater::new(false), Vec::new());
            for round in 0..2 {
                out.clear();
                inflater.add(message, &mut out, 100).expect("a message");
                inflater.finish(&mut out, 100).expect("an end");
                assert_eq!(out, text.as_bytes(), "{round}");
            }
        }
        // Two messages, with the context: the second refers to the first.
        let (mut inflater, mut out) = (Inflater::new(true), Vec::new());
        for message in [&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..], &[0xf2, 0x00, 0x11, 0x00, 0x00]] {
            out.clear();
            inflater.add(message, &mut out, 100).expect("a message");
            inflater.finish(&mut out, 100).expect("an end");
            assert_eq!(out, b"Hello");
        }
    }

    #[test]
    fn a_message_that_becomes_too_large_is_refused_before_it_is() {
        let (mut deflater, mut compressed) = (Deflater::new(15, false), Vec::new());
        assert!(deflater.compress(&vec![0; 10 << 20], &mut compressed));
        assert!(compressed.len() < 128 << 10, "{}", compressed.len());
        let (mut inflater, mut out) = (Inflater::new(false), Vec::new());
        assert_eq!(inflater.add(&compressed, &mut out, 1 << 20), Err(Unfit::TooLarge));
        assert!(out.capacity() <= 3 << 20, "{}", out.capacity());
        let (mut inflater, mut out) = (Inflater::new(false), Vec::new());
        assert_eq!(inflater.add(&[0xff; 10], &mut out, 1 << 20), Err(Unfit::Broken));
    }
}
