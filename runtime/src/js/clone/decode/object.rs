//! Objects from bytes, by their tags.
//!
//! Owns: how each class is made. Must not know: the work list's order.

use rquickjs::{Error, Result, Value, qjs};

use super::super::format;
use super::{Decoder, ReadFrame, hidden, set_length};
use crate::js::buffer_source::{bytes, is_shared};
use crate::js::charge;
use crate::js::intrinsics;
use crate::js::state::State;
use crate::js::value::{array_buffer, fresh};

impl<'js> Decoder<'_, 'js> {
    pub(super) fn object(&mut self, tag: u8) -> Result<Option<Value<'js>>> {
        let ctx = self.ctx.clone();
        let raw = ctx.as_raw().as_ptr();
        match tag {
            format::OBJECT => {
                // SAFETY: a live context.
                let target = self.keep(unsafe { fresh(&ctx, qjs::JS_NewObject(raw))? });
                self.push(ReadFrame::Properties { target, key: 0 })
            }
            format::DENSE | format::SPARSE => {
                // SAFETY: a live context.
                let target = self.keep(unsafe { fresh(&ctx, qjs::JS_NewArray(raw))? });
                let length = self.length()?;
                if tag == format::DENSE {
                    return self.push(ReadFrame::Elements { target, length, next: 0 });
                }
                set_length(&ctx, &target, length)?;
                self.push(ReadFrame::Properties { target, key: 0 })
            }
            format::MAP | format::SET => {
                let left = self.varint()?;
                let constructor = if tag == format::MAP { intrinsics::MAP } else { intrinsics::SET };
                let target = intrinsics::construct(&ctx, constructor, &[])?;
                let target = self.keep(target);
                self.push(match tag {
                    format::MAP => ReadFrame::Map { target, left, key: None },
                    _ => ReadFrame::Set { target, left },
                })
            }
            format::ERROR => self.error(),
            _ => {
                let value = self.leaf(tag)?;
                Ok(Some(self.keep(value)))
            }
        }
    }

    /// Objects without parts.
    pub(super) fn leaf(&mut self, tag: u8) -> Result<Value<'js>> {
        let ctx = self.ctx.clone();
        let raw = ctx.as_raw().as_ptr();
        match tag {
            format::DATE => {
                let time = self.double()?;
                // SAFETY: a live context.
                unsafe { fresh(&ctx, qjs::JS_NewDate(raw, time)) }
            }
            format::REGEXP => {
                let (source, flags) = (self.text()?, self.text()?);
                intrinsics::construct(&ctx, intrinsics::REG_EXP, &[source, flags])
            }
            format::DOM_EXCEPTION => {
                let (message, name) = (self.text()?, self.text()?);
                intrinsics::construct(&ctx, intrinsics::DOM_EXCEPTION, &[message, name])
            }
            format::BOXED => {
                let tag = self.byte()?;
                let inner = self.primitive(tag)?.filter(|v| !v.is_undefined() && !v.is_null());
                let inner = inner.ok_or_else(|| self.malformed())?;
                // SAFETY: a live primitive.
                unsafe { fresh(&ctx, qjs::JS_ToObject(raw, inner.as_raw())) }
            }
            format::BUFFER => {
                let length = self.varint()?;
                let content = self.reader.take(length);
                array_buffer(&ctx, self.check(content)?)
            }
            format::RESIZABLE => {
                let (length, max) = (self.varint()?, self.varint()?);
                let content = self.reader.take(length);
                let content = self.check(content)?;
                // SAFETY: a live context.
                let options = unsafe { fresh(&ctx, qjs::JS_NewObject(raw))? };
                hidden(&ctx, &options, c"maxByteLength", Value::new_number(ctx.clone(), max as f64))?;
                let length = Value::new_number(ctx.clone(), content.len() as f64);
                let buffer = intrinsics::construct(&ctx, intrinsics::BUFFER, &[length, options])?;
                bytes(&buffer)?.ok_or(Error::Unknown)?.write(content);
                Ok(buffer)
            }
            format::SHARED => self.shared_buffer(),
            format::PLATFORM => {
                let index = self.varint()?;
                let data = usize::try_from(index).ok().and_then(|n| self.platform.get(n));
                data.ok_or_else(|| self.malformed())?.revive(&ctx)
            }
            format::TRANSFERRED => {
                let index = self.varint()?;
                let moved = usize::try_from(index).ok().and_then(|n| self.moved.get(n));
                moved.cloned().ok_or_else(|| self.malformed())
            }
            _ => Err(self.malformed()),
        }
    }

    /// A buffer over memory that it shares with others.
    fn shared_buffer(&mut self) -> Result<Value<'js>> {
        let (index, length, max) = (self.varint()?, self.varint()?, self.varint()?);
        let block = usize::try_from(index).ok().and_then(|n| self.shared.get(n));
        let block = block.ok_or_else(|| self.malformed())?;
        let fits = |n: u64| n <= block.len() as u64;
        if !fits(length) || !fits(max.saturating_sub(1)) || (max > 0 && max - 1 < length) {
            return Err(self.malformed());
        }
        if !charge::make_room(State::of(&self.ctx), block.len()) {
            return Err(Error::Allocation);
        }
        // The engine takes 0 for "cannot grow".
        let max = max.saturating_sub(1);
        // SAFETY: the block is alive and as long as said; the engine counts its own reference, by
        // the hooks that every engine has.
        unsafe {
            let raw = self.ctx.as_raw().as_ptr();
            let none = std::ptr::null_mut();
            let buffer = qjs::JS_NewArrayBuffer(raw, block.data(), length as _, max as _, None, none, true);
            fresh(&self.ctx, buffer)
        }
    }

    pub(super) fn view(&mut self) -> Result<Value<'js>> {
        let ctx = self.ctx.clone();
        let (kind, tracks) = (self.byte()?, self.byte()? != 0);
        let (offset, length) = (self.varint()?, self.varint()?);
        // The buffer is written whole: nothing is left on the work list.
        let buffer = match self.reader.peek() {
            Some(format::REF | format::BUFFER | format::RESIZABLE | format::TRANSFERRED | format::SHARED) => {
                self.value()?
            }
            _ => None,
        };
        // SAFETY: type check of a live value.
        let whole = |raw| is_shared(raw) || unsafe { qjs::JS_IsArrayBuffer(raw) };
        let buffer = buffer.filter(|buffer| whole(buffer.as_raw()));
        let buffer = buffer.ok_or_else(|| self.malformed())?;
        let offset = Value::new_number(ctx.clone(), offset as f64);
        let length = match tracks {
            true => Value::new_undefined(ctx.clone()),
            false => Value::new_number(ctx.clone(), length as f64),
        };
        let view = if kind == format::DATA_VIEW {
            intrinsics::construct(&ctx, intrinsics::DATA_VIEW, &[buffer, offset, length])?
        } else {
            let mut args = [buffer.as_raw(), offset.as_raw(), length.as_raw()];
            // SAFETY: three live arguments; the engine checks the kind.
            unsafe {
                let raw = ctx.as_raw().as_ptr();
                fresh(&ctx, qjs::JS_NewTypedArray(raw, 3, args.as_mut_ptr(), u32::from(kind)))?
            }
        };
        Ok(self.keep(view))
    }

    pub(super) fn error(&mut self) -> Result<Option<Value<'js>>> {
        let ctx = self.ctx.clone();
        let (name, flags) = (usize::from(self.byte()?), self.byte()?);
        let Some(prototype) = intrinsics::ERROR_PROTOTYPES.get(name) else { return Err(self.malformed()) };
        let prototype = intrinsics::get(&ctx, *prototype)?;
        // SAFETY: a live prototype; the class has no native data.
        let target = unsafe {
            let raw = ctx.as_raw().as_ptr();
            fresh(&ctx, qjs::JS_NewObjectProtoClass(raw, prototype.as_raw(), intrinsics::class::ERROR))?
        };
        let target = self.keep(target);
        for (flag, name) in [(format::HAS_MESSAGE, c"message"), (format::HAS_STACK, c"stack")] {
            if flags & flag != 0 {
                let text = self.text()?;
                hidden(&ctx, &target, name, text)?;
            }
        }
        match flags & format::HAS_CAUSE != 0 {
            true => self.push(ReadFrame::Cause { target, done: false }),
            false => Ok(Some(target)),
        }
    }
}
