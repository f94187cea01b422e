//! The byte format of a clone: one tag a value, numbers as LEB128, in the order of serialisation.
//!
//! Owns: tags, the reader. Must not know: JavaScript. Objects are numbered in the order they begin
//! (a view after its buffer); `REF n` is the n-th again. The first byte is the format's version.

pub(super) const VERSION: u8 = 1;

pub(super) const END: u8 = 0;
pub(super) const UNDEFINED: u8 = 1;
pub(super) const NULL: u8 = 2;
pub(super) const TRUE: u8 = 3;
pub(super) const FALSE: u8 = 4;
/// Zigzag LEB128.
pub(super) const INT: u8 = 5;
/// Eight bytes, little endian.
pub(super) const DOUBLE: u8 = 6;
/// Sign byte, length, magnitude little endian.
pub(super) const BIGINT: u8 = 7;
/// Length in bytes, UTF-8.
pub(super) const UTF8: u8 = 8;
/// Length in code units, little endian: strings with lone surrogates.
pub(super) const UTF16: u8 = 9;
pub(super) const REF: u8 = 10;
/// Key, value, key, value, END.
pub(super) const OBJECT: u8 = 11;
/// Length, that many values or holes.
pub(super) const DENSE: u8 = 12;
/// Length, then as an object.
pub(super) const SPARSE: u8 = 13;
pub(super) const HOLE: u8 = 14;
/// Eight bytes of a double: milliseconds.
pub(super) const DATE: u8 = 15;
/// Two strings: source, flags.
pub(super) const REGEXP: u8 = 16;
/// Count of entries, key and value each.
pub(super) const MAP: u8 = 17;
pub(super) const SET: u8 = 18;
/// Index of the name, flags, then message, stack, cause as the flags say.
pub(super) const ERROR: u8 = 19;
/// Two strings: message, name.
pub(super) const DOM_EXCEPTION: u8 = 20;
/// A primitive.
pub(super) const BOXED: u8 = 21;
/// Length, bytes.
pub(super) const BUFFER: u8 = 22;
/// Length, maximal length, bytes.
pub(super) const RESIZABLE: u8 = 23;
/// Index in the transfer list.
pub(super) const TRANSFERRED: u8 = 24;
/// Kind, whether it tracks its buffer's length, offset, length in elements, buffer.
pub(super) const VIEW: u8 = 25;

/// Index of the shared block, length, growable up to that plus one or 0, nothing else: the bytes stay
/// where they are.
pub(super) const SHARED: u8 = 26;

/// Index of the object of the platform.
pub(super) const PLATFORM: u8 = 27;

/// The kind of a view that is a DataView; the others are the engine's typed array types.
pub(super) const DATA_VIEW: u8 = 12;

pub(super) const HAS_MESSAGE: u8 = 1;
pub(super) const HAS_STACK: u8 = 2;
pub(super) const HAS_CAUSE: u8 = 4;

/// Names that an Error may keep (HTML section 2.7.3, step 17); the first stands for all others.
pub(super) const ERROR_NAMES: [&str; 7] =
    ["Error", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"];

pub(super) fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

pub(super) fn zigzag(n: i32) -> u64 {
    u64::from(((n << 1) ^ (n >> 31)) as u32)
}

/// The bytes end too early or say what no encoder writes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A cursor over untrusted bytes.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn take(&mut self, n: u64) -> Result<&'a [u8], Malformed> {
        let n = usize::try_from(n).map_err(|_| Malformed)?;
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut n = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(Malformed)
    }

    pub(super) fn length(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.varint()?).map_err(|_| Malformed)
    }

    pub(super) fn int(&mut self) -> Result<i32, Malformed> {
        let n = self.length()?;
        Ok((n >> 1) as i32 ^ -((n & 1) as i32))
    }

    pub(super) fn double(&mut self) -> Result<f64, Malformed> {
        let bytes = self.take(8)?.try_into().map_err(|_| Malformed)?;
        Ok(f64::from_le_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_round_trip_and_overlong_ones_are_refused() {
        for n in [0, 1, -1, 63, -64, 64, 1 << 20, i32::MAX, i32::MIN] {
            let mut out = Vec::new();
            put_varint(&mut out, zigzag(n));
            let mut reader = Reader::new(&out);
            assert_eq!(reader.int(), Ok(n));
            assert!(reader.is_empty());
        }
        assert_eq!(Reader::new(&[0xff; 12]).varint(), Err(Malformed));
        assert_eq!(Reader::new(&[0xff]).varint(), Err(Malformed));
        assert_eq!(Reader::new(&[1, 2]).take(u64::MAX), Err(Malformed));
    }
}
