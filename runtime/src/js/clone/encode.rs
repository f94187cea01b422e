//! StructuredSerializeInternal (HTML section 2.7.3): a value to bytes.
//!
//! Owns: the work list, the numbering of objects, the bound on the bytes. Must not know: what the
//! bytes are for. Getters run while it works: every object met is kept alive, every property is
//! looked up when its turn comes, and buffers are copied in one go.

mod object;

use std::collections::HashMap;

use rquickjs::{Ctx, Error, Result, Value, qjs};

use super::format::{self, put_varint, zigzag};
use super::platform::{Interfaces, Serialized};
use super::{DEPTH_MAX, Packed, address, refused};
use crate::js::block::Block;
use crate::js::intrinsics;
use crate::js::value::{self, fresh, to_string};

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

/// The bytes of a string that is all there is, as [`Encoder`] makes them, without what objects need; `None` where it has
/// lone surrogates.
///
/// # Errors
/// Out of memory.
pub(super) fn text_alone(value: &Value<'_>) -> Result<Option<Vec<u8>>> {
    value::with_whole_str(value, |text| {
        let mut out = Vec::with_capacity(text.len() + 11);
        out.extend_from_slice(&[format::VERSION, format::UTF8]);
        put_varint(&mut out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
        out
    })
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
enum WriteFrame<'js> {
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
    frames: Vec<WriteFrame<'js>>,
    /// Places in the transfer list.
    transfer: HashMap<usize, usize>,
    /// Objects of the platform met.
    platform: Vec<Box<dyn Serialized>>,
    interfaces: Interfaces,
    /// The blocks of SharedArrayBuffers; `None` where the bytes are for storage, which refuses them.
    shared: Option<Vec<Block>>,
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
            transfer: transfer.iter().enumerate().map(|(index, item)| (address(item), index)).collect(),
            platform: Vec::new(),
            interfaces: Interfaces::of(ctx),
            shared: None,
        }
    }

    /// As the encoder is, but for a reader in this process, which may share memory.
    pub(super) fn sharing(mut self) -> Self {
        self.shared = Some(Vec::new());
        self
    }

    pub(super) fn run(mut self, value: &Value<'js>) -> Done<Packed> {
        self.begin(value)?;
        while let Some(frame) = self.frames.last_mut() {
            let next = match frame {
                WriteFrame::Items(items) => items.next(),
                WriteFrame::Elements { object, length, next } => {
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
                WriteFrame::Properties { object, names, next } => match names.get(*next) {
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
        Ok(Packed { bytes: self.out, shared: self.shared.unwrap_or_default(), platform: self.platform })
    }

    /// Refuses to grow by `n` bytes beyond the bound.
    fn room(&self, n: usize) -> Done {
        if self.out.len().saturating_add(n) > self.bytes_max { Err(Stop::TooLarge) } else { Ok(()) }
    }

    fn push(&mut self, frame: WriteFrame<'js>) -> Done {
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
            let bytes = std::slice::from_raw_parts(text.cast::<u8>(), len);
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
