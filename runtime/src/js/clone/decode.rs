//! StructuredDeserialize (HTML section 2.7.6): bytes to a value.
//!
//! Owns: the work list, the objects by number. Must not know: where the bytes come from: any bytes
//! end in a value or in an exception. Properties are defined, never set: no setter of the app runs.

mod object;

use rquickjs::{Ctx, Error, Result, Value, qjs};

use super::format::{self, Malformed, Reader};
use super::platform::Serialized;
use super::{DEPTH_MAX, Packed, refused};
use crate::js::block::Block;
use crate::js::intrinsics;
use crate::js::value::{fresh, string};

/// An object whose parts are being read.
enum ReadFrame<'js> {
    Properties { target: Value<'js>, key: qjs::JSAtom },
    Elements { target: Value<'js>, length: u32, next: u32 },
    Map { target: Value<'js>, left: u64, key: Option<Value<'js>> },
    Set { target: Value<'js>, left: u64 },
    Cause { target: Value<'js>, done: bool },
}

/// What a frame wants next.
enum Want<'js> {
    Value,
    /// Nothing: this object is complete.
    Done(Value<'js>),
}

pub(super) struct Decoder<'a, 'js> {
    ctx: Ctx<'js>,
    reader: Reader<'a>,
    objects: Vec<Value<'js>>,
    frames: Vec<ReadFrame<'js>>,
    moved: &'a [Value<'js>],
    shared: &'a [Block],
    platform: &'a [Box<dyn Serialized>],
}

impl<'a, 'js> Decoder<'a, 'js> {
    pub(super) fn new(ctx: &Ctx<'js>, bytes: &'a [u8]) -> Self {
        Decoder {
            ctx: ctx.clone(),
            reader: Reader::new(bytes),
            objects: Vec::new(),
            frames: Vec::new(),
            moved: &[],
            shared: &[],
            platform: &[],
        }
    }

    /// With what came beside the bytes.
    pub(super) fn of(mut self, packed: &'a Packed) -> Self {
        (self.shared, self.platform) = (&packed.shared, &packed.platform);
        self
    }

    /// With what was transferred.
    pub(super) fn moved(mut self, moved: &'a [Value<'js>]) -> Self {
        self.moved = moved;
        self
    }

    pub(super) fn run(mut self) -> Result<Value<'js>> {
        let version = self.reader.byte();
        if self.check(version)? != format::VERSION {
            return Err(self.malformed());
        }
        let mut complete = self.value()?;
        loop {
            if let Some(value) = complete {
                if self.frames.is_empty() {
                    return if self.reader.is_empty() { Ok(value) } else { Err(self.malformed()) };
                }
                self.give(value)?;
            }
            complete = match self.want()? {
                Want::Value => self.value()?,
                Want::Done(target) => {
                    self.frames.pop();
                    Some(target)
                }
            };
        }
    }

    fn malformed(&self) -> Error {
        refused(&self.ctx, "The bytes are not a structured clone")
    }

    fn check<T>(&self, result: std::result::Result<T, Malformed>) -> Result<T> {
        result.map_err(|Malformed| self.malformed())
    }

    fn length(&mut self) -> Result<u32> {
        let length = self.reader.length();
        self.check(length)
    }

    fn varint(&mut self) -> Result<u64> {
        let n = self.reader.varint();
        self.check(n)
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = self.reader.byte();
        self.check(byte)
    }

    /// Puts a finished value where the innermost frame wants it.
    fn give(&mut self, value: Value<'js>) -> Result<()> {
        let ctx = self.ctx.clone();
        match self.frames.last_mut() {
            Some(ReadFrame::Properties { target, key }) => {
                let atom = std::mem::replace(key, 0);
                let done = define(&ctx, target, atom, value, qjs::JS_PROP_C_W_E);
                // SAFETY: the reference that `want` made.
                unsafe { qjs::JS_FreeAtom(ctx.as_raw().as_ptr(), atom) };
                done
            }
            Some(ReadFrame::Elements { target, next, .. }) => {
                *next += 1;
                element(&ctx, target, *next - 1, value)
            }
            Some(ReadFrame::Map { target, left, key }) => match key.take() {
                None => {
                    *key = Some(value);
                    Ok(())
                }
                Some(name) => {
                    *left -= 1;
                    intrinsics::call(&ctx, intrinsics::MAP_SET, target, &[name, value]).map(drop)
                }
            },
            Some(ReadFrame::Set { target, left }) => {
                *left -= 1;
                intrinsics::call(&ctx, intrinsics::SET_ADD, target, &[value]).map(drop)
            }
            Some(ReadFrame::Cause { target, done }) => {
                *done = true;
                hidden(&ctx, target, c"cause", value)
            }
            None => Err(Error::Unknown),
        }
    }

    fn want(&mut self) -> Result<Want<'js>> {
        let ctx = self.ctx.clone();
        let target = match self.frames.last_mut() {
            Some(ReadFrame::Properties { target, key }) => {
                let target = target.clone();
                debug_assert_eq!(*key, 0);
                if let Some(atom) = self.key()? {
                    if let Some(ReadFrame::Properties { key, .. }) = self.frames.last_mut() {
                        *key = atom;
                    }
                    return Ok(Want::Value);
                }
                target
            }
            Some(ReadFrame::Elements { target, length, next }) => {
                while *next < *length && self.reader.peek() == Some(format::HOLE) {
                    let _ = self.reader.byte();
                    *next += 1;
                }
                if *next < *length {
                    return Ok(Want::Value);
                }
                set_length(&ctx, target, *length)?;
                target.clone()
            }
            Some(ReadFrame::Map { target, left: 0, .. } | ReadFrame::Set { target, left: 0 }) => {
                target.clone()
            }
            Some(ReadFrame::Cause { target, done: true }) => target.clone(),
            Some(_) => return Ok(Want::Value),
            None => return Err(Error::Unknown),
        };
        Ok(Want::Done(target))
    }

    /// The next property key as an owned atom, `None` at the end.
    fn key(&mut self) -> Result<Option<qjs::JSAtom>> {
        let raw = self.ctx.as_raw().as_ptr();
        let atom = match self.byte()? {
            format::END => return Ok(None),
            format::INT => {
                let index = self.reader.int();
                let index = u32::try_from(self.check(index)?).map_err(|_| self.malformed())?;
                // SAFETY: a live context.
                unsafe { qjs::JS_NewAtomUInt32(raw, index) }
            }
            format::UTF8 => {
                let text = self.utf8()?;
                match text.is_ascii() {
                    // SAFETY: pointer and length of a valid string.
                    true => unsafe { qjs::JS_NewAtomLen(raw, text.as_ptr().cast(), text.len() as _) },
                    // The engine would take these bytes for Latin-1 where it knows such a key: see
                    // `value::key`.
                    false => {
                        let text = string(&self.ctx, text)?;
                        // SAFETY: a live string.
                        unsafe { qjs::JS_ValueToAtom(raw, text.as_raw()) }
                    }
                }
            }
            format::UTF16 => {
                let text = self.utf16()?;
                // SAFETY: a live string.
                unsafe { qjs::JS_ValueToAtom(raw, text.as_raw()) }
            }
            _ => return Err(self.malformed()),
        };
        // JS_ATOM_NULL: an exception is pending.
        if atom == 0 { Err(Error::Exception) } else { Ok(Some(atom)) }
    }

    fn utf8(&mut self) -> Result<&'a str> {
        let length = self.varint()?;
        let text = self.reader.take(length);
        std::str::from_utf8(self.check(text)?).map_err(|_| self.malformed())
    }

    fn utf16(&mut self) -> Result<Value<'js>> {
        let length = self.length()?;
        let text = self.reader.take(u64::from(length) * 2);
        let text = self.check(text)?;
        let units: Vec<u16> =
            text.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        // SAFETY: pointer and length of a live Vec.
        unsafe {
            let raw = self.ctx.as_raw().as_ptr();
            fresh(&self.ctx, qjs::JS_NewStringUTF16(raw, units.as_ptr(), units.len() as _))
        }
    }

    fn text(&mut self) -> Result<Value<'js>> {
        match self.byte()? {
            format::UTF8 => {
                let text = self.utf8()?;
                string(&self.ctx, text)
            }
            format::UTF16 => self.utf16(),
            _ => Err(self.malformed()),
        }
    }

    fn primitive(&mut self, tag: u8) -> Result<Option<Value<'js>>> {
        let ctx = self.ctx.clone();
        Ok(Some(match tag {
            format::UNDEFINED => Value::new_undefined(ctx),
            format::NULL => Value::new_null(ctx),
            format::TRUE => Value::new_bool(ctx, true),
            format::FALSE => Value::new_bool(ctx, false),
            format::INT => {
                let n = self.reader.int();
                Value::new_int(ctx, self.check(n)?)
            }
            format::DOUBLE => Value::new_float(ctx, self.double()?),
            format::UTF8 => {
                let text = self.utf8()?;
                string(&ctx, text)?
            }
            format::UTF16 => self.utf16()?,
            format::BIGINT => {
                let negative = self.byte()? != 0;
                let length = self.varint()?;
                let magnitude = self.reader.take(length);
                let magnitude = self.check(magnitude)?;
                let mut digits = String::with_capacity(magnitude.len() * 2 + 3);
                digits.push_str("0x0");
                for byte in magnitude.iter().rev() {
                    digits.extend(
                        [byte >> 4, byte & 15].map(|n| char::from(b"0123456789abcdef"[usize::from(n)])),
                    );
                }
                intrinsics::big_int(&ctx, negative, string(&ctx, &digits)?)?
            }
            _ => return Ok(None),
        }))
    }

    fn double(&mut self) -> Result<f64> {
        let n = self.reader.double();
        self.check(n)
    }

    /// Reads a value: a complete one, or `None` and a frame that wants its parts.
    fn value(&mut self) -> Result<Option<Value<'js>>> {
        let tag = self.byte()?;
        if let Some(value) = self.primitive(tag)? {
            return Ok(Some(value));
        }
        if tag == format::REF {
            let number = self.varint()?;
            let known = usize::try_from(number).ok().and_then(|n| self.objects.get(n));
            return known.cloned().map(Some).ok_or_else(|| self.malformed());
        }
        if tag == format::VIEW {
            return self.view().map(Some);
        }
        self.object(tag)
    }

    /// Numbers an object.
    fn keep(&mut self, object: Value<'js>) -> Value<'js> {
        self.objects.push(object.clone());
        object
    }

    fn push(&mut self, frame: ReadFrame<'js>) -> Result<Option<Value<'js>>> {
        if self.frames.len() >= DEPTH_MAX {
            return Err(self.malformed());
        }
        self.frames.push(frame);
        Ok(None)
    }
}

impl Drop for Decoder<'_, '_> {
    fn drop(&mut self) {
        for frame in &self.frames {
            if let ReadFrame::Properties { key, .. } = frame
                && *key != 0
            {
                // SAFETY: the reference that `want` made and `give` did not get to.
                unsafe { qjs::JS_FreeAtom(self.ctx.as_raw().as_ptr(), *key) };
            }
        }
    }
}

fn define<'js>(
    ctx: &Ctx<'js>,
    target: &Value<'js>,
    atom: qjs::JSAtom,
    value: Value<'js>,
    flags: u32,
) -> Result<()> {
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: a live object and atom; the engine takes over one reference of the value.
    let done = unsafe {
        let value = qjs::JS_DupValue(raw, value.as_raw());
        qjs::JS_DefinePropertyValue(raw, target.as_raw(), atom, value, (flags | qjs::JS_PROP_THROW) as i32)
    };
    if done < 0 { Err(Error::Exception) } else { Ok(()) }
}

fn element<'js>(ctx: &Ctx<'js>, target: &Value<'js>, index: u32, value: Value<'js>) -> Result<()> {
    let raw = ctx.as_raw().as_ptr();
    let flags = (qjs::JS_PROP_C_W_E | qjs::JS_PROP_THROW) as i32;
    // SAFETY: as in `define`.
    let done = unsafe {
        let value = qjs::JS_DupValue(raw, value.as_raw());
        qjs::JS_DefinePropertyValueUint32(raw, target.as_raw(), index, value, flags)
    };
    if done < 0 { Err(Error::Exception) } else { Ok(()) }
}

/// Defines a property that is not enumerable.
fn hidden<'js>(ctx: &Ctx<'js>, target: &Value<'js>, name: &std::ffi::CStr, value: Value<'js>) -> Result<()> {
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: a NUL-terminated name; the atom's reference is given back.
    unsafe {
        let atom = qjs::JS_NewAtom(raw, name.as_ptr());
        let done = define(ctx, target, atom, value, qjs::JS_PROP_CONFIGURABLE | qjs::JS_PROP_WRITABLE);
        qjs::JS_FreeAtom(raw, atom);
        done
    }
}

/// Sets an array's length, which runs no JavaScript.
fn set_length<'js>(ctx: &Ctx<'js>, target: &Value<'js>, length: u32) -> Result<()> {
    // SAFETY: a live array.
    let done = unsafe { qjs::JS_SetLength(ctx.as_raw().as_ptr(), target.as_raw(), i64::from(length)) };
    if done < 0 { Err(Error::Exception) } else { Ok(()) }
}
