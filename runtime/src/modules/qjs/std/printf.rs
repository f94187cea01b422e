//! Format strings of printf and sprintf.
//!
//! Owns: their syntax, which argument is converted how, the errors. Must not know: where the result
//! goes. Numbers are formatted by the C library.

use rquickjs::{Exception, Result};

use crate::js::c_format::{self, Number};
use crate::js::class::Scope;
use crate::js::{convert, exception, value};

/// Bytes of one conversion specification, as QuickJS has it.
const SPEC_BYTES_MAX: usize = 31;
/// Bytes of one result, widths and precisions included.
const OUTPUT_BYTES_MAX: usize = c_format::WIDTH_MAX as usize;

/// A conversion specification; width and precision as `*` of printf(3) takes them.
struct Spec {
    flags: Vec<u8>,
    width: i32,
    precision: i32,
    wide: bool,
    conversion: u8,
}

struct Format<'a, 'b, 'js> {
    scope: &'a Scope<'b, 'js>,
    rest: &'a [u8],
    /// The next argument's index.
    next: usize,
    out: Vec<u8>,
}

/// The bytes that the call's arguments, a format and what it formats, make.
///
/// # Errors
/// TypeError for a bad specification, ReferenceError for a missing argument, what conversions of the
/// arguments throw, RangeError for a result that is too long.
pub fn format(scope: &Scope<'_, '_>) -> Result<Vec<u8>> {
    if scope.is_empty() {
        return Ok(Vec::new());
    }
    let text = value::to_string(&scope.arg(0))?;
    let mut format = Format { scope, rest: text.as_bytes(), next: 1, out: Vec::new() };
    while let Some(start) = format.rest.iter().position(|byte| *byte == b'%') {
        format.out.extend_from_slice(&format.rest[..start]);
        format.rest = &format.rest[start + 1..];
        let spec = format.spec()?;
        format.convert(&spec)?;
        if format.out.len() > OUTPUT_BYTES_MAX {
            return Err(too_long(scope));
        }
    }
    format.out.extend_from_slice(format.rest);
    Ok(format.out)
}

fn invalid(scope: &Scope<'_, '_>) -> rquickjs::Error {
    exception::type_error(scope.ctx, "invalid conversion specifier in format string")
}

fn too_long(scope: &Scope<'_, '_>) -> rquickjs::Error {
    exception::range_error(scope.ctx, "the formatted string is too long")
}

impl<'js> Format<'_, '_, 'js> {
    fn argument(&mut self) -> Result<rquickjs::Value<'js>> {
        if self.next >= self.scope.len() {
            let text = "missing argument for conversion specifier";
            return Err(Exception::throw_reference(self.scope.ctx, text));
        }
        self.next += 1;
        Ok(self.scope.arg(self.next - 1))
    }

    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> &[u8] {
        let end = self.rest.iter().position(|byte| !wanted(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// A width or a precision: digits, or `*`. Digits beyond `int` are more than any limit.
    fn count(&mut self) -> Result<i32> {
        if self.take(|byte| byte == b'*').len() == 1 {
            return convert::to_int32(&self.argument()?);
        }
        let digits = self.take(|byte| byte.is_ascii_digit());
        let add = |sum: i32, digit: &u8| sum.saturating_mul(10).saturating_add(i32::from(digit - b'0'));
        Ok(digits.iter().fold(0, add))
    }

    fn spec(&mut self) -> Result<Spec> {
        let start = self.rest.len();
        let flags = self.take(|byte| b"0#+- '".contains(&byte)).to_vec();
        if self.rest.starts_with(b"**") {
            return Err(invalid(self.scope));
        }
        let width = self.count()?;
        let mut precision = -1;
        if self.rest.first() == Some(&b'.') {
            self.rest = &self.rest[1..];
            if self.rest.starts_with(b"**") {
                return Err(invalid(self.scope));
            }
            precision = self.count()?;
        }
        // QuickJS has but `l`; the others of printf(3) for 64 bits mean the same.
        let size = self.take(|byte| b"lzjt".contains(&byte));
        let wide = match size {
            b"" => false,
            b"l" | b"ll" | b"z" | b"j" | b"t" => true,
            _ => return Err(invalid(self.scope)),
        };
        let Some((conversion, rest)) = self.rest.split_first() else { return Err(invalid(self.scope)) };
        self.rest = rest;
        if start - self.rest.len() > SPEC_BYTES_MAX {
            return Err(invalid(self.scope));
        }
        Ok(Spec { flags, width, precision, wide, conversion: *conversion })
    }

    fn convert(&mut self, spec: &Spec) -> Result<()> {
        match spec.conversion {
            b'%' => self.out.push(b'%'),
            b'c' => self.character()?,
            b's' => self.string(spec)?,
            b'd' | b'i' | b'o' | b'u' | b'x' | b'X' => {
                let number = convert::to_int64(&self.argument()?)?;
                let number = if spec.wide { Number::Long(number) } else { Number::Int(number as i32) };
                self.number(spec, number)?;
            }
            b'e' | b'f' | b'g' | b'a' | b'E' | b'F' | b'G' | b'A' => {
                let number = value::to_number(&self.argument()?)?;
                // JavaScript has one NaN, without a sign; the C library would show the processor's.
                let number = if number.is_nan() { f64::NAN } else { number };
                self.number(spec, Number::Double(number))?;
            }
            _ => return Err(invalid(self.scope)),
        }
        Ok(())
    }

    fn number(&mut self, spec: &Spec, number: Number) -> Result<()> {
        match c_format::format(&spec.flags, spec.width, spec.precision, spec.conversion, number) {
            Some(text) => self.out.extend_from_slice(&text),
            None => return Err(too_long(self.scope)),
        }
        Ok(())
    }

    /// Width and precision count bytes, as in C.
    fn string(&mut self, spec: &Spec) -> Result<()> {
        if spec.width.unsigned_abs() > c_format::WIDTH_MAX {
            return Err(too_long(self.scope));
        }
        let mut bytes = value::to_string(&self.argument()?)?.into_bytes();
        bytes.truncate(usize::try_from(spec.precision).unwrap_or(usize::MAX));
        let padding = (spec.width.unsigned_abs() as usize).saturating_sub(bytes.len());
        let left = spec.width < 0 || spec.flags.contains(&b'-');
        self.out.resize(self.out.len() + if left { 0 } else { padding }, b' ');
        self.out.extend_from_slice(&bytes);
        self.out.resize(self.out.len() + if left { padding } else { 0 }, b' ');
        Ok(())
    }

    /// A code point, or the first one of a string; flags, width and precision do not matter.
    fn character(&mut self) -> Result<()> {
        let given = self.argument()?;
        let code = match given.is_string() {
            true => value::with_str(&given, |text| text.chars().next().map_or(0, u32::from))?,
            false => convert::to_int32(&given)? as u32,
        };
        match char::from_u32(code) {
            Some(c) => self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            // A surrogate, in three bytes, which become what they were in a string of the engine.
            None if code <= 0xDFFF => {
                let tail = |bits: u32| 0x80 | (bits & 0x3F) as u8;
                self.out.extend_from_slice(&[0xE0 | (code >> 12) as u8, tail(code >> 6), tail(code)]);
            }
            None => self.out.extend_from_slice("\u{FFFD}".as_bytes()),
        }
        Ok(())
    }
}
