//! Objects to bytes, by the class that the engine gave them.
//!
//! Owns: what of each class is kept, and what is refused. Must not know: the work list's order.

use rquickjs::{Error, Value, qjs};

use super::super::format::{self, put_varint};
use super::super::view::View;
use super::super::{address, platform, refused};
use super::{Done, Encoder, Names, Stop, WriteFrame, data};
use crate::js::block::Block;
use crate::js::buffer_source::bytes;
use crate::js::frames;
use crate::js::intrinsics::{self, class};
use crate::js::value::{fresh, to_string};

impl<'js> Encoder<'js> {
    pub(super) fn object(&mut self, value: &Value<'js>) -> Done {
        // SAFETY: reads the class of a live object.
        let id = unsafe { qjs::JS_GetClassID(value.as_raw()) };
        let ctx = self.ctx.clone();
        if let Some(index) = self.transfer.get(&address(value)).copied() {
            self.keep(value);
            self.out.push(format::TRANSFERRED);
            put_varint(&mut self.out, index as u64);
            return Ok(());
        }
        match id {
            class::ARRAY_BUFFER => return self.buffer(value),
            class::SHARED_ARRAY_BUFFER => return self.shared_buffer(value),
            class::TYPED_ARRAY_FIRST..=class::TYPED_ARRAY_LAST | class::DATA_VIEW => {
                return self.view(value, id);
            }
            _ => self.keep(value),
        }
        match id {
            class::OBJECT | class::ARGUMENTS => {
                if let Some(name) = self.interfaces.name(value)? {
                    return Err(refused(&ctx, &format!("A {name} could not be cloned")).into());
                }
                self.out.push(format::OBJECT);
                let names = Names::of(value)?;
                self.push(WriteFrame::Properties { object: value.clone(), names, next: 0 })
            }
            class::ARRAY => self.array(value),
            class::MAP | class::SET => {
                let (tag, for_each, parts) = match id {
                    class::MAP => (format::MAP, intrinsics::MAP_FOR_EACH, 2),
                    _ => (format::SET, intrinsics::SET_FOR_EACH, 1),
                };
                let items = intrinsics::items(&ctx, for_each, value)?;
                self.out.push(tag);
                put_varint(&mut self.out, (items.len() / parts) as u64);
                self.push(WriteFrame::Items(items.into_iter()))
            }
            class::DATE => {
                let time = intrinsics::call(&ctx, intrinsics::DATE_GET_TIME, value, &[])?;
                self.out.push(format::DATE);
                self.out.extend_from_slice(&time.as_number().unwrap_or(f64::NAN).to_le_bytes());
                Ok(())
            }
            class::REGEXP => self.reg_exp(value),
            class::NUMBER | class::STRING | class::BOOLEAN | class::BIG_INT => {
                let value_of = match id {
                    class::NUMBER => intrinsics::NUMBER_VALUE_OF,
                    class::STRING => intrinsics::STRING_VALUE_OF,
                    class::BOOLEAN => intrinsics::BOOLEAN_VALUE_OF,
                    _ => intrinsics::BIG_INT_VALUE_OF,
                };
                let inner = intrinsics::call(&ctx, value_of, value, &[])?;
                self.out.push(format::BOXED);
                self.begin(&inner)
            }
            class::ERROR => self.error(value),
            class::DOM_EXCEPTION => {
                let message = intrinsics::call(&ctx, intrinsics::DOM_EXCEPTION_MESSAGE, value, &[])?;
                let name = intrinsics::call(&ctx, intrinsics::DOM_EXCEPTION_NAME, value, &[])?;
                self.out.push(format::DOM_EXCEPTION);
                self.string(&message)?;
                self.string(&name)
            }
            _ => self.platform(value, id),
        }
    }

    fn reg_exp(&mut self, value: &Value<'js>) -> Done {
        let ctx = self.ctx.clone();
        let source = intrinsics::call(&ctx, intrinsics::REG_EXP_SOURCE, value, &[])?;
        let mut flags = String::new();
        for (getter, letter) in intrinsics::FLAGS {
            if intrinsics::call(&ctx, getter, value, &[])?.as_bool() == Some(true) {
                flags.push(letter);
            }
        }
        self.out.push(format::REGEXP);
        self.string(&source)?;
        self.text(&flags)
    }

    /// An object of the platform. Storage, which refuses shared memory, takes none: it keeps bytes.
    fn platform(&mut self, value: &Value<'js>, id: u32) -> Done {
        let data = self.shared.is_some().then(|| platform::serialize(&self.ctx, id, value)).flatten();
        let Some(data) = data else { return Err(self.unsupported(value, id)) };
        self.room(data.bytes().saturating_add(10))?;
        self.out.push(format::PLATFORM);
        put_varint(&mut self.out, self.platform.len() as u64);
        self.platform.push(data);
        Ok(())
    }

    pub(super) fn unsupported(&self, value: &Value<'js>, id: u32) -> Stop {
        let raw = self.ctx.as_raw().as_ptr();
        // SAFETY: a live object and its class; the name's references are given back.
        let name = unsafe {
            if qjs::JS_IsFunction(raw, value.as_raw()) {
                "function".to_owned()
            } else {
                let atom = qjs::JS_GetClassName(qjs::JS_GetRuntime(raw), id);
                let name =
                    fresh(&self.ctx, qjs::JS_AtomToString(raw, atom)).and_then(|name| to_string(&name));
                qjs::JS_FreeAtom(raw, atom);
                name.unwrap_or_else(|_| "object".into())
            }
        };
        refused(&self.ctx, &format!("A {name} could not be cloned")).into()
    }

    pub(super) fn array(&mut self, value: &Value<'js>) -> Done {
        let mut length = 0;
        // SAFETY: an array's length is a data property of its own: no JavaScript runs.
        if unsafe { qjs::JS_GetLength(self.ctx.as_raw().as_ptr(), value.as_raw(), &mut length) } < 0 {
            return Err(Error::Exception.into());
        }
        let length = u32::try_from(length).map_err(|_| Error::Unknown)?;
        let names = Names::of(value)?;
        let object = value.clone();
        let (tag, frame) = match names.are_indices(length) {
            true => (format::DENSE, WriteFrame::Elements { object, length, next: 0 }),
            false => (format::SPARSE, WriteFrame::Properties { object, names, next: 0 }),
        };
        self.out.push(tag);
        put_varint(&mut self.out, u64::from(length));
        self.push(frame)
    }

    pub(super) fn error(&mut self, value: &Value<'js>) -> Done {
        let object = value.as_object().ok_or(Error::Unknown)?;
        let name: Value = object.get("name")?;
        let name = if name.is_undefined() { "Error".into() } else { to_string(&name)? };
        let index = format::ERROR_NAMES.iter().position(|known| *known == name).unwrap_or(0);
        let message = match data(value, c"message")? {
            // SAFETY: ToString of a live value: a string, or an exception.
            Some(text) => Some(unsafe {
                fresh(&self.ctx, qjs::JS_ToString(self.ctx.as_raw().as_ptr(), text.as_raw()))?
            }),
            None => None,
        };
        // The engine keeps it behind an accessor, unless something defined a property.
        let stack = match data(value, c"stack")? {
            Some(stack) => stack,
            None => frames::mapped(intrinsics::call(&self.ctx, intrinsics::ERROR_STACK, value, &[])?)?,
        };
        let stack = Some(stack).filter(Value::is_string);
        let cause = data(value, c"cause")?;
        let flag = |has: bool, flag: u8| if has { flag } else { 0 };
        let flags = flag(message.is_some(), format::HAS_MESSAGE)
            | flag(stack.is_some(), format::HAS_STACK)
            | flag(cause.is_some(), format::HAS_CAUSE);
        self.out.extend_from_slice(&[format::ERROR, index as u8, flags]);
        for text in message.iter().chain(&stack) {
            self.string(text)?;
        }
        match cause {
            Some(cause) => self.push(WriteFrame::Items(vec![cause].into_iter())),
            None => Ok(()),
        }
    }

    pub(super) fn buffer(&mut self, value: &Value<'js>) -> Done {
        let ctx = self.ctx.clone();
        let flag = |index| Ok::<_, Error>(intrinsics::call(&ctx, index, value, &[])?.as_bool() == Some(true));
        if flag(intrinsics::BUFFER_DETACHED)? {
            return Err(refused(&ctx, "An ArrayBuffer is detached and could not be cloned").into());
        }
        let content = bytes(value)?.ok_or(Error::Unknown)?;
        self.room(content.len().saturating_add(20))?;
        self.keep(value);
        if flag(intrinsics::BUFFER_RESIZABLE)? {
            let max = intrinsics::call(&ctx, intrinsics::BUFFER_LENGTH_MAX, value, &[])?;
            self.out.push(format::RESIZABLE);
            put_varint(&mut self.out, content.len() as u64);
            put_varint(&mut self.out, max.as_number().unwrap_or(0.0) as u64);
        } else {
            self.out.push(format::BUFFER);
            put_varint(&mut self.out, content.len() as u64);
        }
        content.with(|content| self.out.extend_from_slice(content));
        Ok(())
    }

    pub(super) fn shared_buffer(&mut self, value: &Value<'js>) -> Done {
        let ctx = self.ctx.clone();
        let growable = intrinsics::call(&ctx, intrinsics::SHARED_GROWABLE, value, &[])?;
        let max = match growable.as_bool() {
            Some(true) => intrinsics::call(&ctx, intrinsics::SHARED_LENGTH_MAX, value, &[])?.as_number(),
            _ => None,
        };
        let Some(shared) = &mut self.shared else {
            return Err(refused(&ctx, "A SharedArrayBuffer could not be cloned").into());
        };
        let mut length = 0;
        // SAFETY: a live SharedArrayBuffer, whose bytes are a block's: nothing else makes one.
        let block = unsafe {
            let data = qjs::JS_GetArrayBuffer(ctx.as_raw().as_ptr(), &mut length, value.as_raw());
            if data.is_null() {
                return Err(Error::Exception.into());
            }
            Block::of(data)
        };
        let index = shared.len();
        shared.push(block);
        self.keep(value);
        self.out.push(format::SHARED);
        put_varint(&mut self.out, index as u64);
        put_varint(&mut self.out, length);
        put_varint(&mut self.out, max.map_or(0, |max| max as u64 + 1));
        self.room(0)
    }

    pub(super) fn view(&mut self, value: &Value<'js>, id: u32) -> Done {
        let ctx = self.ctx.clone();
        let view = View::of(&ctx, value, id).map_err(|_| {
            drop(ctx.catch());
            refused(&ctx, "A view of a detached or shrunken ArrayBuffer could not be cloned")
        })?;
        self.room(30)?;
        let tracks = view.tracks_length(&ctx, value, id)?;
        let kind =
            if id == class::DATA_VIEW { format::DATA_VIEW } else { (id - class::TYPED_ARRAY_FIRST) as u8 };
        self.out.extend_from_slice(&[format::VIEW, kind, u8::from(tracks)]);
        put_varint(&mut self.out, view.offset as u64);
        put_varint(&mut self.out, view.length as u64);
        self.begin(&view.buffer)?;
        self.keep(value);
        Ok(())
    }
}
