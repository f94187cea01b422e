//! The Date field, formatted once a second.
//!
//! Owns: the cached text. Must not know: clocks; the worker tells it the time.

use std::time::{Duration, UNIX_EPOCH};

/// Start of the most common response, with the Date field behind it.
const OK_LINE: &[u8] = b"HTTP/1.1 200 OK\r\n";
const DATE_NAME: &[u8] = b"Date: ";
/// IMF-fixdate (RFC 9110 section 5.6.7) has a fixed length.
const DATE_LEN: usize = 29;
const BLOCK_LEN: usize = OK_LINE.len() + DATE_NAME.len() + DATE_LEN + 2;

/// `HTTP/1.1 200 OK` and `Date: ...` as one block of bytes, valid for one second. One per worker.
#[derive(Debug)]
pub struct DateCache {
    unix_s: u64,
    block: [u8; BLOCK_LEN],
}

impl DateCache {
    /// A cache that says `unix_s`, in seconds since 1970.
    pub fn new(unix_s: u64) -> Self {
        let mut cache = DateCache { unix_s, block: [0; BLOCK_LEN] };
        cache.format();
        cache
    }

    /// Follows the clock: call it once a loop turn with a coarse time, in seconds since 1970.
    #[inline]
    pub fn set(&mut self, unix_s: u64) {
        if unix_s != self.unix_s {
            self.unix_s = unix_s;
            self.format();
        }
    }

    /// `Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n`
    pub fn line(&self) -> &[u8] {
        &self.block[OK_LINE.len()..]
    }

    /// The status line of a 200 and the Date line.
    pub(crate) fn ok_and_line(&self) -> &[u8] {
        &self.block
    }

    fn format(&mut self) {
        // The year must have four digits: 253402300799 is the last second of 9999.
        let time = UNIX_EPOCH + Duration::from_secs(self.unix_s.min(253_402_300_799));
        let text = httpdate::fmt_http_date(time);
        self.block[..OK_LINE.len()].copy_from_slice(OK_LINE);
        let line = &mut self.block[OK_LINE.len()..];
        line[..DATE_NAME.len()].copy_from_slice(DATE_NAME);
        line[DATE_NAME.len()..][..DATE_LEN].copy_from_slice(text.as_bytes());
        line[DATE_NAME.len() + DATE_LEN..].copy_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::DateCache;

    #[test]
    fn follows_the_second() {
        let mut cache = DateCache::new(784_111_777);
        assert_eq!(cache.line(), b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        cache.set(784_111_778);
        assert_eq!(cache.line(), b"Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n");
        assert!(cache.ok_and_line().starts_with(b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:38"));
        cache.set(u64::MAX);
        assert_eq!(cache.line(), b"Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n");
    }
}
