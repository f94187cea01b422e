//! UTF-8 checked as it comes (RFC 6455 section 8.1, RFC 3629).
//!
//! Owns: the bytes of a character that is not whole yet. Must not know: messages.

/// The state between two pieces of a text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8 {
    /// What has come of a character, and how much that is: three bytes at most.
    begun: [u8; 4],
    count: u8,
}

impl Utf8 {
    /// Whether `bytes` may follow what came before: what cannot become UTF-8 is refused at its first wrong byte.
    pub fn accepts(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while self.count > 0 && !rest.is_empty() {
            let count = usize::from(self.count);
            self.begun[count] = rest[0];
            rest = &rest[1..];
            match std::str::from_utf8(&self.begun[..=count]) {
                Ok(_) => self.count = 0,
                Err(error) if error.error_len().is_none() => self.count += 1,
                Err(_) => return false,
            }
        }
        match std::str::from_utf8(rest) {
            Ok(_) => true,
            Err(error) if error.error_len().is_none() => {
                let begun = &rest[error.valid_up_to()..];
                self.begun[..begun.len()].copy_from_slice(begun);
                self.count = begun.len() as u8;
                true
            }
            Err(_) => false,
        }
    }

    /// Whether the text may end here.
    pub fn is_whole(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_refused(text: &[u8]) -> Option<usize> {
        let mut state = Utf8::default();
        text.iter().position(|byte| !state.accepts(&[*byte]))
    }

    // Autobahn's group 6: what is wrong is seen at its first byte that cannot follow.
    #[test]
    fn section_8_1_a_wrong_byte_is_refused_at_once() {
        for (text, at) in [
            (&b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"[..], 12),
            (b"\xf4\x90\x80\x80", 1),
            (b"\xff", 0),
            (b"\xc0\xaf", 0),
            (b"\xe0\x80\xaf", 1),
            (b"\xf0\x80\x80\xaf", 1),
            (b"\xf5", 0),
            (b"a\x80", 1),
            (b"\xe2\x28\xa1", 1),
            (b"\xed\xbf\xbf", 1),
        ] {
            assert_eq!(first_refused(text), Some(at), "{text:x?}");
            assert!(!Utf8::default().accepts(text), "{text:x?}");
        }
    }

    #[test]
    fn section_8_1_text_is_the_same_however_it_is_cut() {
        let text = "κόσμε \u{0} \u{7ff} \u{800} \u{d7ff} \u{e000} \u{fffd} \u{10ffff} 🎉".as_bytes();
        for (one, two) in (0..=text.len()).flat_map(|one| (one..=text.len()).map(move |two| (one, two))) {
            let mut state = Utf8::default();
            assert!([&text[..one], &text[one..two], &text[two..]].iter().all(|piece| state.accepts(piece)));
            assert!(state.is_whole());
        }
        let mut state = Utf8::default();
        assert!(state.accepts(b"\xf0\x9f\x8e") && !state.is_whole());
    }
}
