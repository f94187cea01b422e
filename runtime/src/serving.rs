//! What a worker is serving, readable by another thread while the worker is stuck in it.
//!
//! Owns: a few words of text in atomics, written on every request without a lock. Must not know:
//! protocols; a torn read shows a torn text, nothing worse.

use std::sync::atomic::{AtomicU64, Ordering};

const WORDS: usize = 16;

/// The start of a request line, or of what stands for one.
#[derive(Default)]
pub struct Serving([AtomicU64; WORDS]);

impl Serving {
    /// Notes `verb object`, cut to what fits.
    pub fn note(&self, verb: &[u8], object: &[u8]) {
        let mut bytes = [0; WORDS * 8];
        let verb = &verb[..verb.len().min(24)];
        bytes[..verb.len()].copy_from_slice(verb);
        bytes[verb.len()] = b' ';
        let start = verb.len() + 1;
        let length = object.len().min(bytes.len() - start);
        bytes[start..start + length].copy_from_slice(&object[..length]);
        // One word more than is used ends what an earlier, longer note left.
        let used = (start + length).div_ceil(8) + 1;
        for (word, chunk) in self.0.iter().zip(bytes.as_chunks::<8>().0).take(used) {
            word.store(u64::from_le_bytes(*chunk), Ordering::Relaxed);
        }
    }

    /// What was noted last.
    pub fn read(&self) -> String {
        let words = self.0.iter().map(|word| word.load(Ordering::Relaxed).to_le_bytes());
        let bytes: Vec<u8> = words.flatten().take_while(|b| *b != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_note_is_read_and_a_long_one_is_cut() {
        let serving = Serving::default();
        serving.note(b"GET", b"/a-long-target-that-leaves-no-trace");
        serving.note(b"PUT", b"/b");
        assert_eq!(serving.read(), "PUT /b");
        serving.note(b"GET", &[b'x'; 1000]);
        assert_eq!(serving.read().len(), 128);
    }
}
