//! One number as printf(3) of the C library formats it: rounding, `%a` and all.
//!
//! Owns: the call of snprintf(3). Must not know: format strings.

use std::ffi::{c_char, c_int};

/// What is formatted.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// An `int`: for d i o u x X.
    Int(i32),
    /// A `long long`: for the same.
    Long(i64),
    /// A `double`: for e f g a E F G A.
    Double(f64),
}

/// The largest width and precision.
pub const WIDTH_MAX: u32 = 64 << 20;

/// Formats `number` by `%` `flags` `width` `.precision` `conversion`. A negative width is one with the
/// flag `-`, a negative precision is none, as for `*` in printf(3). `None` where flag or conversion
/// are not those of the number, or width or precision are beyond [`WIDTH_MAX`].
pub fn format(flags: &[u8], width: i32, precision: i32, conversion: u8, number: Number) -> Option<Vec<u8>> {
    let (size, conversions): (&[u8], &[u8]) = match number {
        Number::Int(_) => (b"", b"diouxX"),
        Number::Long(_) => (b"ll", b"diouxX"),
        Number::Double(_) => (b"", b"efgaEFGA"),
    };
    if !conversions.contains(&conversion) || !flags.iter().all(|flag| b"0#+- '".contains(flag)) {
        return None;
    }
    if width.unsigned_abs().max(precision.max(0).unsigned_abs()) > WIDTH_MAX {
        return None;
    }
    let spec = [b"%", flags, b"*.*", size, &[conversion, 0]].concat();
    let mut buffer = vec![0_u8; 128];
    loop {
        let (target, room) = (buffer.as_mut_ptr().cast::<c_char>(), buffer.len());
        let (width, precision): (c_int, c_int) = (width, precision);
        let format = spec.as_ptr().cast::<c_char>();
        // SAFETY: the format is NUL-terminated, made above: it takes two ints and the one number whose
        // type its size and conversion name. At most `room` bytes are written.
        let written = unsafe {
            match number {
                Number::Int(value) => libc::snprintf(target, room, format, width, precision, value),
                Number::Long(value) => libc::snprintf(target, room, format, width, precision, value),
                Number::Double(value) => libc::snprintf(target, room, format, width, precision, value),
            }
        };
        let length = usize::try_from(written).ok()?;
        if length < room {
            buffer.truncate(length);
            return Some(buffer);
        }
        buffer.resize(length + 1, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(flags: &str, width: i32, precision: i32, conversion: char, number: Number) -> Option<String> {
        let bytes = format(flags.as_bytes(), width, precision, conversion as u8, number)?;
        String::from_utf8(bytes).ok()
    }

    #[test]
    fn numbers_are_formatted_as_c_does() {
        for (got, wanted) in [
            (text("", 0, -1, 'd', Number::Int(-5)), "-5"),
            (text("0", 6, -1, 'd', Number::Int(-5)), "-00005"),
            (text("", -6, -1, 'd', Number::Int(5)), "5     "),
            (text("#", 0, -1, 'x', Number::Long(-1)), "0xffffffffffffffff"),
            (text("", 0, 2, 'f', Number::Double(2.675)), "2.67"),
            (text("", 0, -1, 'a', Number::Double(1.0)), "0x1p+0"),
            (text("+", 0, 3, 'e', Number::Double(f64::INFINITY)), "+inf"),
        ] {
            assert_eq!(got.as_deref(), Some(wanted));
        }
        assert_eq!(text("", 1000, -1, 'g', Number::Double(0.5)).map(|text| text.len()), Some(1000));
    }

    #[test]
    fn what_does_not_fit_the_number_is_refused() {
        assert_eq!(text("", 0, -1, 's', Number::Int(1)), None);
        assert_eq!(text("", 0, -1, 'n', Number::Long(1)), None);
        assert_eq!(text("", 0, -1, 'f', Number::Int(1)), None);
        assert_eq!(text("%", 0, -1, 'd', Number::Int(1)), None);
        assert_eq!(text("", i32::MAX, -1, 'd', Number::Int(1)), None);
    }
}
