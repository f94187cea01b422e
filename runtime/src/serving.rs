//! What a worker is serving, readable by another thread while the worker is stuck in it.
//!
//! Owns: a few words of text and a number in atomics, written on every request without a lock. Must not know:
//! protocols; a torn read shows a torn text, nothing worse.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const WORDS: usize = 16;
/// Connections more than the average that are no reason to leave one to others.
const AHEAD: usize = 4;

/// The start of a request line, or of what stands for one; and the number of connections.
#[derive(Default)]
pub struct Serving {
    words: [AtomicU64; WORDS],
    connections: AtomicUsize,
    /// Those of all workers, where somebody wants to know.
    of_all: Option<Arc<AtomicUsize>>,
}

/// `verb object`, cut to what fits, and its length.
fn text(verb: &[u8], object: &[u8]) -> ([u8; WORDS * 8], usize) {
    let mut bytes = [0; WORDS * 8];
    let verb = &verb[..verb.len().min(24)];
    bytes[..verb.len()].copy_from_slice(verb);
    bytes[verb.len()] = b' ';
    let start = verb.len() + 1;
    let length = object.len().min(bytes.len() - start);
    bytes[start..start + length].copy_from_slice(&object[..length]);
    (bytes, start + length)
}

/// The route of a text that was noted: method and path of a request, without the query. What serves raw
/// connections has none.
pub fn route(text: &str) -> Option<&str> {
    let (_, object) = text.split_once(' ')?;
    let is_target = object.starts_with('/') || object.contains("://") || object == "*";
    is_target.then(|| text.split('?').next().unwrap_or(text))
}

/// The route of a request, as [`route`] gives it of the note.
pub fn route_of(method: &[u8], target: &[u8]) -> Option<String> {
    let (bytes, length) = text(method, target);
    route(&String::from_utf8_lossy(&bytes[..length])).map(str::to_owned)
}

impl Serving {
    /// Notes `verb object`, cut to what fits.
    pub fn note(&self, verb: &[u8], object: &[u8]) {
        let (bytes, length) = text(verb, object);
        // One word more than is used ends what an earlier, longer note left.
        let used = length.div_ceil(8) + 1;
        for (word, chunk) in self.words.iter().zip(bytes.as_chunks::<8>().0).take(used) {
            word.store(u64::from_le_bytes(*chunk), Ordering::Relaxed);
        }
    }

    /// Of a worker whose connections count among those `of_all`.
    pub fn among(of_all: Option<Arc<AtomicUsize>>) -> Serving {
        Serving { of_all, ..Serving::default() }
    }

    /// Notes how many connections are open.
    pub fn set_connections(&self, count: usize) {
        match &self.of_all {
            None => self.connections.store(count, Ordering::Relaxed),
            Some(all) => {
                let before = self.connections.swap(count, Ordering::Relaxed);
                all.fetch_add(count.wrapping_sub(before), Ordering::Relaxed);
            }
        }
    }

    /// Whether it has some connections more than one of `workers` on the average.
    pub fn is_ahead(&self, workers: usize) -> bool {
        let all = self.of_all.as_ref().map(|all| all.load(Ordering::Relaxed));
        all.is_some_and(|all| self.connections() > all / workers.max(1) + AHEAD)
    }

    /// How many are open.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// What was noted last.
    pub fn read(&self) -> String {
        let words = self.words.iter().map(|word| word.load(Ordering::Relaxed).to_le_bytes());
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

    #[test]
    fn a_route_is_method_and_path() {
        let serving = Serving::default();
        let long = [b"/".as_slice(), &[b'x'; 1000]].concat();
        for target in [b"/a?b=c".as_slice(), b"/a", &long] {
            serving.note(b"GET", target);
            assert_eq!(route(&serving.read()).map(str::to_owned), route_of(b"GET", target));
        }
        assert_eq!(route("GET /a?b=c"), Some("GET /a"));
        assert_eq!(route("connect 127.0.0.1:80"), None);
    }
}
