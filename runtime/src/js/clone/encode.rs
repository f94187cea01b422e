//! StructuredSerializeInternal (HTML section 2.7.3): a value to bytes.
//!
//! Owns: the work list, the numbering of objects, the bound on the bytes. Must not know: what the
//! bytes are for. Getters run while it works: every object met is kept alive, every property is
//! looked up when its turn comes, and buffers are copied in one go.

use std::collections::HashMap;

use rquickjs::{Ctx, Error, Result, Value, qjs};

use super::format::{self, put_varint, zigzag};
use super::intrinsics::{self, class};
use super::{DEPTH_MAX, address, refused};
use crate::js::value::{bytes, fresh, to_string};

/// Why there are no bytes.
pub(super) enum Stop {
    /// There would be too many.
    TooLarge,
    /// An exception is pending.
    Thrown(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Thrown(error)
    }
}

type Done<T = ()> = std::result::Result<T, Stop>;

/// The own enumerable string keys of an object, taken when it began.
pub(super) struct Names<'js> {
    ctx: Ctx<'js>,
    first: *mut qjs::JSPropertyEnum,
    len: u32,
}

/// Set in the atoms that are integers (quickjs.c, JS_ATOM_TAG_INT).
const ATOM_INT: u32 = 1 << 31;

impl<'js> Names<'js> {
    fn of(object: &Value<'js>) -> Result<Self> {
        let ctx = object.ctx().clone();
        let (mut first, mut len) = (std::ptr::null_mut(), 0);
        let flags = (qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_ENUM_ONLY) as i32;
        // SAFETY: a live object; the list belongs to `Names`, which frees it.
        let done = unsafe {
            let raw = ctx.as_raw().as_ptr();
            qjs::JS_GetOwnPropertyNames(raw, &mut first, &mut len, object.as_raw(), flags)
        };
        if done < 0 { Err(Error::Exception) } else { Ok(Names { ctx, first, len }) }
    }

    fn get(&self, index: u32) -> Option<qjs::JSAtom> {
        // SAFETY: within the list of `len` entries.
        (index < self.len).then(|| unsafe { (*self.first.add(index as usize)).atom })
    }

    /// Whether they are 0, 1, 2 ... up to `length`, all of them.
    fn are_indices(&self, length: u32) -> bool {
        self.len == length && (0..length).all(|i| self.get(i) == Some(i | ATOM_INT))
    }
}

impl Drop for Names<'_> {
    fn drop(&mut self) {
        // SAFETY: the list that `of` got.
        unsafe { qjs::JS_FreePropertyEnum(self.ctx.as_raw().as_ptr(), self.first, self.len) }
    }
}

/// A value whose parts are being written.
enum Frame<'js> {
    Properties { object: Value<'js>, names: Names<'js>, next: u32 },
    Elements { object: Value<'js>, length: u32, next: u32 },
    Items(std::vec::IntoIter<Value<'js>>),
}

pub(super) struct Encoder<'js> {
    ctx: Ctx<'js>,
    out: Vec<u8>,
    bytes_max: usize,
    numbers: HashMap<usize, u32>,
    /// The objects numbered: none dies and gives its address to another.
    kept: Vec<Value<'js>>,
    frames: Vec<Frame<'js>>,
    transfer: Vec<Value<'js>>,
}

impl<'js> Encoder<'js> {
    pub(super) fn new(ctx: &Ctx<'js>, bytes_max: usize, transfer: &[Value<'js>]) -> Self {
        Encoder {
            ctx: ctx.clone(),
            out: vec![format::VERSION],
            bytes_max,
            numbers: HashMap::new(),
            kept: Vec::new(),
            frames: Vec::new(),
            transfer: transfer.to_vec(),
        }
    }

    pub(super) fn run(mut self, value: &Value<'js>) -> Done<Vec<u8>> {
        self.begin(value)?;
        while let Some(frame) = self.frames.last_mut() {
            let next = match frame {
                Frame::Items(items) => items.next(),
                Frame::Elements { object, length, next } => {
                    if next == length {
                        None
                    } else {
                        let atom = *next | ATOM_INT;
                        *next += 1;
                        match own(object, atom)? {
                            Some(value) => Some(value),
                            None => {
                                self.room(1)?;
                                self.out.push(format::HOLE);
                                continue;
                            }
                        }
                    }
                }
                Frame::Properties { object, names, next } => match names.get(*next) {
                    None => {
                        self.out.push(format::END);
                        None
                    }
                    Some(atom) => {
                        *next += 1;
                        let Some(value) = own(object, atom)? else { continue };
                        self.key(atom)?;
                        Some(value)
                    }
                },
            };
            match next {
                Some(value) => self.begin(&value)?,
                None => drop(self.frames.pop()),
            }
        }
        self.room(0)?;
        Ok(self.out)
    }

    /// Refuses to grow by `n` bytes beyond the bound.
    fn room(&self, n: usize) -> Done {
        if self.out.len().saturating_add(n) > self.bytes_max { Err(Stop::TooLarge) } else { Ok(()) }
    }

    fn push(&mut self, frame: Frame<'js>) -> Done {
        if self.frames.len() >= DEPTH_MAX {
            return Err(refused(&self.ctx, "The value is nested too deeply to be cloned").into());
        }
        self.frames.push(frame);
        Ok(())
    }

    /// Writes a value, or its head, leaving a frame for the rest.
    fn begin(&mut self, value: &Value<'js>) -> Done {
        self.room(10)?;
        if self.primitive(value)? {
            return Ok(());
        }
        if value.is_symbol() {
            return Err(refused(&self.ctx, "A symbol could not be cloned").into());
        }
        if let Some(number) = self.numbers.get(&address(value)) {
            self.out.push(format::REF);
            put_varint(&mut self.out, u64::from(*number));
            return Ok(());
        }
        self.object(value)
    }

    fn keep(&mut self, value: &Value<'js>) {
        self.numbers.insert(address(value), self.kept.len() as u32);
        self.kept.push(value.clone());
    }

    fn primitive(&mut self, value: &Value<'js>) -> Done<bool> {
        // SAFETY: reads the tag of a live value.
        match unsafe { qjs::JS_VALUE_GET_NORM_TAG(value.as_raw()) } {
            qjs::JS_TAG_UNDEFINED => self.out.push(format::UNDEFINED),
            qjs::JS_TAG_NULL => self.out.push(format::NULL),
            qjs::JS_TAG_BOOL => {
                self.out.push(if value.as_bool() == Some(true) { format::TRUE } else { format::FALSE });
            }
            qjs::JS_TAG_INT => {
                self.out.push(format::INT);
                put_varint(&mut self.out, zigzag(value.as_int().unwrap_or(0)));
            }
            qjs::JS_TAG_FLOAT64 => {
                self.out.push(format::DOUBLE);
                self.out.extend_from_slice(&value.as_float().unwrap_or(f64::NAN).to_le_bytes());
            }
            qjs::JS_TAG_STRING | qjs::JS_TAG_STRING_ROPE => self.string(value)?,
            qjs::JS_TAG_BIG_INT | qjs::JS_TAG_SHORT_BIG_INT => self.big_int(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn string(&mut self, value: &Value<'js>) -> Done {
        let raw = self.ctx.as_raw().as_ptr();
        let mut len = 0;
        // SAFETY: the engine lends `len` bytes until JS_FreeCString; nothing in between runs
        // JavaScript.
        unsafe {
            let text = qjs::JS_ToCStringLen(raw, &mut len, value.as_raw());
            if text.is_null() {
                return Err(Error::Exception.into());
            }
            let bytes = std::slice::from_raw_parts(text.cast::<u8>(), len as usize);
            let whole = std::str::from_utf8(bytes).is_ok();
            let fits = self.room(bytes.len() + 10);
            if whole && fits.is_ok() {
                self.out.push(format::UTF8);
                put_varint(&mut self.out, bytes.len() as u64);
                self.out.extend_from_slice(bytes);
            }
            qjs::JS_FreeCString(raw, text);
            fits?;
            if whole {
                return Ok(());
            }
            let mut count = 0;
            let units = qjs::JS_ToCStringLenUTF16(raw, &mut count, value.as_raw());
            if units.is_null() {
                return Err(Error::Exception.into());
            }
            self.out.push(format::UTF16);
            put_varint(&mut self.out, count);
            for unit in std::slice::from_raw_parts(units, count as usize) {
                self.out.extend_from_slice(&unit.to_le_bytes());
            }
            qjs::JS_FreeCStringUTF16(raw, units);
        }
        self.room(0)
    }

    fn text(&mut self, text: &str) -> Done {
        self.room(text.len() + 10)?;
        self.out.push(format::UTF8);
        put_varint(&mut self.out, text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn key(&mut self, atom: qjs::JSAtom) -> Done {
        let index = atom & !ATOM_INT;
        if atom & ATOM_INT != 0 && i32::try_from(index).is_ok() {
            self.room(10)?;
            self.out.push(format::INT);
            put_varint(&mut self.out, zigzag(index as i32));
            return Ok(());
        }
        // SAFETY: a live atom; the string is a new reference.
        let name = unsafe { fresh(&self.ctx, qjs::JS_AtomToString(self.ctx.as_raw().as_ptr(), atom))? };
        self.string(&name)
    }

    fn big_int(&mut self, value: &Value<'js>) -> Done {
        let radix = Value::new_int(self.ctx.clone(), 16);
        let digits =
            to_string(&intrinsics::call(&self.ctx, intrinsics::BIG_INT_TO_STRING, value, &[radix])?)?;
        let (negative, digits) = match digits.strip_prefix('-') {
            Some(digits) => (1, digits),
            None => (0, digits.as_str()),
        };
        self.room(digits.len() / 2 + 12)?;
        self.out.extend_from_slice(&[format::BIGINT, negative]);
        put_varint(&mut self.out, digits.len().div_ceil(2) as u64);
        let nibble = |digit: u8| (digit as char).to_digit(16).unwrap_or(0) as u8;
        for pair in digits.as_bytes().rchunks(2) {
            self.out.push(pair.iter().fold(0, |byte, digit| byte << 4 | nibble(*digit)));
        }
        Ok(())
    }

    fn object(&mut self, value: &Value<'js>) -> Done {
        // SAFETY: reads the class of a live object.
        let id = unsafe { qjs::JS_GetClassID(value.as_raw()) };
        let ctx = self.ctx.clone();
        match id {
            class::ARRAY_BUFFER => return self.buffer(value),
            class::TYPED_ARRAY_FIRST..=class::TYPED_ARRAY_LAST | class::DATA_VIEW => {
                return self.view(value, id);
            }
            _ => self.keep(value),
        }
        match id {
            class::OBJECT | class::ARGUMENTS => {
                self.out.push(format::OBJECT);
                let names = Names::of(value)?;
                self.push(Frame::Properties { object: value.clone(), names, next: 0 })
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
                self.push(Frame::Items(items.into_iter()))
            }
            class::DATE => {
                let time = intrinsics::call(&ctx, intrinsics::DATE_GET_TIME, value, &[])?;
                self.out.push(format::DATE);
                self.out.extend_from_slice(&time.as_number().unwrap_or(f64::NAN).to_le_bytes());
                Ok(())
            }
            class::REGEXP => {
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
            _ => Err(self.unsupported(value, id)),
        }
    }

    fn unsupported(&self, value: &Value<'js>, id: u32) -> Stop {
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

    fn array(&mut self, value: &Value<'js>) -> Done {
        let mut length = 0;
        // SAFETY: an array's length is a data property of its own: no JavaScript runs.
        if unsafe { qjs::JS_GetLength(self.ctx.as_raw().as_ptr(), value.as_raw(), &mut length) } < 0 {
            return Err(Error::Exception.into());
        }
        let length = u32::try_from(length).map_err(|_| Error::Unknown)?;
        let names = Names::of(value)?;
        let object = value.clone();
        let (tag, frame) = match names.are_indices(length) {
            true => (format::DENSE, Frame::Elements { object, length, next: 0 }),
            false => (format::SPARSE, Frame::Properties { object, names, next: 0 }),
        };
        self.out.push(tag);
        put_varint(&mut self.out, u64::from(length));
        self.push(frame)
    }

    fn error(&mut self, value: &Value<'js>) -> Done {
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
            None => intrinsics::call(&self.ctx, intrinsics::ERROR_STACK, value, &[])?,
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
            Some(cause) => self.push(Frame::Items(vec![cause].into_iter())),
            None => Ok(()),
        }
    }

    fn buffer(&mut self, value: &Value<'js>) -> Done {
        let ctx = self.ctx.clone();
        if let Some(index) = self.transfer.iter().position(|item| address(item) == address(value)) {
            self.keep(value);
            self.out.push(format::TRANSFERRED);
            put_varint(&mut self.out, index as u64);
            return Ok(());
        }
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

    fn view(&mut self, value: &Value<'js>, id: u32) -> Done {
        let ctx = self.ctx.clone();
        let view = View::of(&ctx, value, id).map_err(|_| {
            drop(ctx.catch());
            refused(&ctx, "A view of a detached or shrunken ArrayBuffer could not be cloned")
        })?;
        self.room(30)?;
        // SAFETY: type check of a live value.
        if !unsafe { qjs::JS_IsArrayBuffer(view.buffer.as_raw()) } {
            return Err(refused(&ctx, "A SharedArrayBuffer could not be cloned").into());
        }
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

/// What a typed array or DataView covers.
struct View<'js> {
    buffer: Value<'js>,
    /// In bytes.
    offset: usize,
    /// In elements.
    length: usize,
    /// Bytes of an element.
    unit: usize,
}

impl<'js> View<'js> {
    /// Throws if the view is out of bounds, or its buffer detached.
    fn of(ctx: &Ctx<'js>, value: &Value<'js>, id: u32) -> Result<Self> {
        let number = |index| {
            let n = intrinsics::call(ctx, index, value, &[])?.as_number();
            n.map(|n| n as usize).ok_or(Error::Unknown)
        };
        if id == class::DATA_VIEW {
            let length = number(intrinsics::DATA_VIEW_LENGTH)?;
            let offset = number(intrinsics::DATA_VIEW_OFFSET)?;
            let buffer = intrinsics::call(ctx, intrinsics::DATA_VIEW_BUFFER, value, &[])?;
            return Ok(View { buffer, offset, length, unit: 1 });
        }
        let (mut offset, mut stale, mut unit) = (0, 0, 0);
        // SAFETY: a live typed array; its buffer comes as a new reference. The byte length given is
        // not updated for views that track a resizable buffer: the `length` getter is right.
        let buffer = unsafe {
            let raw = ctx.as_raw().as_ptr();
            let buffer = qjs::JS_GetTypedArrayBuffer(raw, value.as_raw(), &mut offset, &mut stale, &mut unit);
            fresh(ctx, buffer)?
        };
        let length = number(intrinsics::TYPED_ARRAY_LENGTH)?;
        Ok(View { buffer, offset: offset as usize, length, unit: unit as usize })
    }

    /// Whether the view's length follows its buffer's. Nothing in the engine tells; so the buffer
    /// is resized by one element and back, with its bytes as they were.
    fn tracks_length(&self, ctx: &Ctx<'js>, value: &Value<'js>, id: u32) -> Result<bool> {
        let get = |index| intrinsics::call(ctx, index, &self.buffer, &[]);
        if get(intrinsics::BUFFER_RESIZABLE)?.as_bool() != Some(true) {
            return Ok(false);
        }
        let max = get(intrinsics::BUFFER_LENGTH_MAX)?.as_number().unwrap_or(0.0) as usize;
        let content = bytes(&self.buffer)?.ok_or(Error::Unknown)?.to_vec();
        let len = content.len();
        if self.offset + (self.length + 1) * self.unit <= len {
            return Ok(false);
        }
        let probe = if len + self.unit <= max { len + self.unit } else { len.saturating_sub(self.unit) };
        let resize = |n: usize| {
            let n = Value::new_number(ctx.clone(), n as f64);
            intrinsics::call(ctx, intrinsics::BUFFER_RESIZE, &self.buffer, &[n])
        };
        resize(probe)?;
        let during = View::of(ctx, value, id);
        if during.is_err() {
            drop(ctx.catch());
        }
        resize(len)?;
        bytes(&self.buffer)?.ok_or(Error::Unknown)?.write(&content);
        Ok(match during {
            Ok(view) => view.length != self.length,
            // Shrunk below the view's start: only an empty view at the very end, fixed or not.
            Err(_) => self.length == 0,
        })
    }
}

/// The value of own property `atom`, read through its getter; `None` if it is not there (any more).
fn own<'js>(object: &Value<'js>, atom: qjs::JSAtom) -> Result<Option<Value<'js>>> {
    let ctx = object.ctx();
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: a live object and atom; the descriptor is filled in when the call says so, each of
    // its three references becomes a Value's.
    unsafe {
        let mut found = std::mem::zeroed::<qjs::JSPropertyDescriptor>();
        match qjs::JS_GetOwnProperty(raw, &mut found, object.as_raw(), atom) {
            0 => return Ok(None),
            n if n < 0 => return Err(Error::Exception),
            _ => {}
        }
        let value = Value::from_raw(ctx.clone(), found.value);
        drop(Value::from_raw(ctx.clone(), found.getter));
        drop(Value::from_raw(ctx.clone(), found.setter));
        if found.flags & qjs::JS_PROP_GETSET as i32 == 0 {
            return Ok(Some(value));
        }
        fresh(ctx, qjs::JS_GetProperty(raw, object.as_raw(), atom)).map(Some)
    }
}

/// The value of own data property `name`, without running a getter.
fn data<'js>(object: &Value<'js>, name: &std::ffi::CStr) -> Result<Option<Value<'js>>> {
    let ctx = object.ctx();
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: as in `own`.
    unsafe {
        let atom = qjs::JS_NewAtom(raw, name.as_ptr());
        let mut found = std::mem::zeroed::<qjs::JSPropertyDescriptor>();
        let present = qjs::JS_GetOwnProperty(raw, &mut found, object.as_raw(), atom);
        qjs::JS_FreeAtom(raw, atom);
        if present <= 0 {
            return if present < 0 { Err(Error::Exception) } else { Ok(None) };
        }
        let value = Value::from_raw(ctx.clone(), found.value);
        drop(Value::from_raw(ctx.clone(), found.getter));
        drop(Value::from_raw(ctx.clone(), found.setter));
        Ok((found.flags & qjs::JS_PROP_GETSET as i32 == 0).then_some(value))
    }
}
