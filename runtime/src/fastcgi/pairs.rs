//! Name-value pairs (section 3.4).
//!
//! Owns: their form. Must not know: any name.

/// The pairs in some bytes: an error where what is left is none.
pub struct Pairs<'a>(&'a [u8]);

impl<'a> Pairs<'a> {
    /// Those of `bytes`.
    pub fn of(bytes: &'a [u8]) -> Pairs<'a> {
        Pairs(bytes)
    }

    fn length(&mut self) -> Option<usize> {
        match *self.0 {
            [short, ref rest @ ..] if short < 0x80 => {
                self.0 = rest;
                Some(usize::from(short))
            }
            [a, b, c, d, ref rest @ ..] => {
                self.0 = rest;
                usize::try_from(u32::from_be_bytes([a & 0x7f, b, c, d])).ok()
            }
            _ => None,
        }
    }

    fn pair(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let (name, value) = (self.length()?, self.length()?);
        let (name, rest) = self.0.split_at_checked(name)?;
        let (value, rest) = rest.split_at_checked(value)?;
        self.0 = rest;
        Some((name, value))
    }
}

impl<'a> Iterator for Pairs<'a> {
    /// A name and its value, or the bytes are none.
    type Item = Result<(&'a [u8], &'a [u8]), ()>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let pair = self.pair().ok_or(());
        if pair.is_err() {
            self.0 = &[];
        }
        Some(pair)
    }
}

/// Appends a pair. Neither is longer than 2 GiB; one that is, is left out.
pub fn write_pair(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let (Ok(name_length), Ok(value_length)) = (i32::try_from(name.len()), i32::try_from(value.len())) else {
        return;
    };
    for length in [name_length, value_length] {
        match u8::try_from(length) {
            Ok(short @ 0..0x80) => out.push(short),
            _ => out.extend_from_slice(&(length as u32 | 1 << 31).to_be_bytes()),
        }
    }
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_below_128_have_one_byte_and_others_four() {
        let long = vec![b'v'; 128];
        let mut out = Vec::new();
        write_pair(&mut out, b"A", b"");
        write_pair(&mut out, b"BC", &long);
        assert_eq!(&out[..10], b"\x01\0A\x02\x80\0\0\x80BC");
        let all: Vec<_> = Pairs::of(&out).collect();
        assert_eq!(all, [Ok((&b"A"[..], &b""[..])), Ok((&b"BC"[..], &long[..]))]);
        for end in 4..out.len() {
            assert_eq!(Pairs::of(&out[..end]).last(), Some(Err(())), "{end} bytes");
        }
        assert_eq!(Pairs::of(b"\xff\xff\xff\xff\x01a").collect::<Vec<_>>(), [Err(())]);
    }
}
