//! JSON.stringify without replacer and indentation.
//!
//! Owns: ECMA-262's SerializeJSONProperty over the engine's objects, several times as fast as the
//! engine's own, which does the rest. Must not know: who wants the text.

use std::ptr;

use rquickjs::{Ctx, Error, Result, Value, qjs};

use super::charge::Charge;
use super::exception;
use super::function::{self, Functions};
use super::native_call::{Scope, Static};
use super::value::{fresh, with_str};

/// Bytes of text, from which on each string is told to the engine's accounts, and not each object only.
const CHARGED_LATER: usize = 1 << 20;
/// Objects inside of each other, beyond which it is a RangeError.
const DEPTH_MAX: usize = 10_000;
/// Classes of the pinned engine (quickjs.c) that hold a primitive; a test compares with the engine.
const NUMBER: u32 = 4;
const STRING: u32 = 5;
const BOOLEAN: u32 = 6;
const BIG_INT: u32 = 35;
const RAW_JSON: u32 = 66;

struct Json;

impl Functions for Json {
    const LIST: &'static [(&'static std::ffi::CStr, u8, Static)] = &[(c"stringify", 3, stringify_function)];
}

/// Puts it in the place of the engine's `JSON.stringify`.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    let json: rquickjs::Object<'_> = ctx.globals().get("JSON")?;
    function::define(ctx, &json, c"stringify", function::make::<Json>(ctx, 0)?, false)
}

fn stringify_function<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let (replacer, space) = (scope.arg(1), scope.arg(2));
    if replacer.is_object() || !(space.is_undefined() || space.is_null()) {
        let raw = ctx.as_raw().as_ptr();
        // SAFETY: live values of this context; what comes back is a new reference.
        return unsafe {
            let text = qjs::JS_JSONStringify(raw, scope.arg(0).as_raw(), replacer.as_raw(), space.as_raw());
            fresh(ctx, text)
        };
    }
    Ok(text(&scope.arg(0))?.unwrap_or_else(|| scope.undefined()))
}

/// The string that `JSON.stringify(value)` gives; nothing where that is undefined.
///
/// # Errors
/// What `toJSON` and getters throw; TypeError for cycles and BigInts, RangeError for what is nested too
/// deep; out of memory.
pub fn text<'js>(value: &Value<'js>) -> Result<Option<Value<'js>>> {
    let Some(text) = utf8(value)? else { return Ok(None) };
    let ctx = value.ctx();
    // SAFETY: pointer and length of a list of bytes.
    unsafe {
        fresh(ctx, qjs::JS_NewStringLen(ctx.as_raw().as_ptr(), text.as_ptr().cast(), text.len() as _))
            .map(Some)
    }
}

fn utf8(value: &Value<'_>) -> Result<Option<Vec<u8>>> {
    let ctx = value.ctx();
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: the value lives as long as the writer; the engine's functions get values and atoms that
    // the writer owns.
    unsafe {
        let to_json = qjs::JS_NewAtom(raw, c"toJSON".as_ptr());
        let mut writer = Writer {
            ctx,
            raw,
            to_json,
            out: Vec::with_capacity(256),
            frames: Vec::new(),
            keys: [(qjs::JS_ATOM_NULL, 0, 0); KEYS],
            charge: Charge::default(),
        };
        let first = Owned { ctx: raw, value: qjs::JS_DupValue(raw, value.as_raw()) };
        let first = writer.prepared(first, Key::Whole)?;
        if !writer.is_written(&first) {
            return Ok(None);
        }
        writer.value(first)?;
        writer.members()?;
        Ok(Some(std::mem::take(&mut writer.out)))
    }
}

/// A reference to a value.
struct Owned {
    ctx: *mut qjs::JSContext,
    value: qjs::JSValue,
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the reference is owned.
        unsafe { qjs::JS_FreeValue(self.ctx, self.value) }
    }
}

/// What an object's member is called.
#[derive(Clone, Copy)]
enum Key {
    Whole,
    Index(i64),
    Name(qjs::JSAtom),
}

/// The members of an object that are still to be written.
enum Members {
    Elements { next: i64, length: i64 },
    Named { names: *mut qjs::JSPropertyEnum, next: u32, length: u32 },
}

struct OpenValue {
    object: Owned,
    members: Members,
    /// Whether a comma comes before the next member.
    begun: bool,
}

impl Drop for OpenValue {
    fn drop(&mut self) {
        if let Members::Named { names, length, .. } = self.members {
            // SAFETY: the list came from JS_GetOwnPropertyNames with this length.
            unsafe { qjs::JS_FreePropertyEnum(self.object.ctx, names, length) }
        }
    }
}

/// Names that were written lately: the atom (a reference), and where its text is.
const KEYS: usize = 16;

struct Writer<'a, 'js> {
    ctx: &'a Ctx<'js>,
    raw: *mut qjs::JSContext,
    to_json: qjs::JSAtom,
    out: Vec<u8>,
    frames: Vec<OpenValue>,
    keys: [(qjs::JSAtom, usize, usize); KEYS],
    charge: Charge,
}

impl Drop for Writer<'_, '_> {
    fn drop(&mut self) {
        // SAFETY: the references are owned; 0 is no atom.
        unsafe {
            qjs::JS_FreeAtom(self.raw, self.to_json);
            for (atom, ..) in self.keys {
                qjs::JS_FreeAtom(self.raw, atom);
            }
        }
    }
}

/// All functions here: the values and atoms are live ones of the writer's context.
impl Writer<'_, '_> {
    unsafe fn owned(&self, value: qjs::JSValue) -> Result<Owned> {
        let value = Owned { ctx: self.raw, value };
        // SAFETY: as said above.
        if unsafe { qjs::JS_IsException(value.value) } { Err(Error::Exception) } else { Ok(value) }
    }

    /// The value after its `toJSON`, if it has one, and out of its wrapper object.
    unsafe fn prepared(&self, value: Owned, key: Key) -> Result<Owned> {
        // SAFETY: as said above; arguments are borrowed by the call.
        unsafe {
            let object = qjs::JS_IsObject(value.value);
            if !object && !qjs::JS_IsBigInt(value.value) {
                return Ok(value);
            }
            let to_json = self.owned(qjs::JS_GetProperty(self.raw, value.value, self.to_json))?;
            let value = match qjs::JS_IsFunction(self.raw, to_json.value) {
                true => {
                    let name = self.owned(match key {
                        Key::Whole => qjs::JS_NewStringLen(self.raw, c"".as_ptr(), 0),
                        Key::Index(index) => {
                            let text = index.to_string();
                            qjs::JS_NewStringLen(self.raw, text.as_ptr().cast(), text.len() as _)
                        }
                        Key::Name(atom) => qjs::JS_AtomToString(self.raw, atom),
                    })?;
                    let mut arguments = [name.value];
                    let call = qjs::JS_Call(self.raw, to_json.value, value.value, 1, arguments.as_mut_ptr());
                    self.owned(call)?
                }
                false => value,
            };
            Ok(value)
        }
    }

    /// Whether a value has a form in JSON.
    unsafe fn is_written(&self, value: &Owned) -> bool {
        // SAFETY: as said above.
        unsafe {
            match qjs::JS_VALUE_GET_NORM_TAG(value.value) {
                qjs::JS_TAG_UNDEFINED | qjs::JS_TAG_SYMBOL => false,
                qjs::JS_TAG_OBJECT => !qjs::JS_IsFunction(self.raw, value.value),
                _ => true,
            }
        }
    }

    /// Writes a value that has a form; of an object only what opens it.
    unsafe fn value(&mut self, value: Owned) -> Result<()> {
        // SAFETY: as said above.
        unsafe {
            match qjs::JS_VALUE_GET_NORM_TAG(value.value) {
                qjs::JS_TAG_STRING | qjs::JS_TAG_STRING_ROPE => return self.string(&value),
                qjs::JS_TAG_INT => self.number(qjs::JS_VALUE_GET_INT(value.value).into()),
                qjs::JS_TAG_FLOAT64 => self.number(qjs::JS_VALUE_GET_FLOAT64(value.value)),
                qjs::JS_TAG_BOOL if qjs::JS_VALUE_GET_BOOL(value.value) => self.out.extend(b"true"),
                qjs::JS_TAG_BOOL => self.out.extend(b"false"),
                qjs::JS_TAG_OBJECT => return self.object(value),
                qjs::JS_TAG_BIG_INT | qjs::JS_TAG_SHORT_BIG_INT => return self.as_the_engine_does(&value),
                _ => self.out.extend(b"null"),
            }
        }
        Ok(())
    }

    unsafe fn object(&mut self, object: Owned) -> Result<()> {
        // SAFETY: as said above.
        unsafe {
            match qjs::JS_GetClassID(object.value) {
                NUMBER => {
                    let mut number = 0.0;
                    if qjs::JS_ToFloat64(self.raw, &mut number, object.value) < 0 {
                        return Err(Error::Exception);
                    }
                    self.number(number);
                    return Ok(());
                }
                STRING => {
                    let text = self.owned(qjs::JS_ToString(self.raw, object.value))?;
                    return self.string(&text);
                }
                BOOLEAN | BIG_INT | RAW_JSON => return self.as_the_engine_does(&object),
                _ => {}
            }
            let same = |frame: &OpenValue| {
                qjs::JS_VALUE_GET_PTR(frame.object.value) == qjs::JS_VALUE_GET_PTR(object.value)
            };
            if self.frames.iter().any(same) {
                return Err(exception::type_error(self.ctx, "circular reference"));
            }
            if self.frames.len() == DEPTH_MAX {
                return Err(exception::range_error(self.ctx, "Maximum call stack size exceeded"));
            }
            let members = match self.is_array(&object)? {
                true => {
                    let mut length = 0;
                    if qjs::JS_GetLength(self.raw, object.value, &mut length) < 0 {
                        return Err(Error::Exception);
                    }
                    self.out.push(b'[');
                    Members::Elements { next: 0, length }
                }
                false => {
                    let (mut names, mut length) = (ptr::null_mut(), 0);
                    let which = (qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_ENUM_ONLY) as i32;
                    if qjs::JS_GetOwnPropertyNames(self.raw, &mut names, &mut length, object.value, which) < 0
                    {
                        return Err(Error::Exception);
                    }
                    self.out.push(b'{');
                    Members::Named { names, next: 0, length }
                }
            };
            self.frames.push(OpenValue { object, members, begun: false });
        }
        self.charge.set(self.ctx, self.out.capacity())
    }

    /// ECMA-262, IsArray: a proxy is what its target is.
    unsafe fn is_array(&self, object: &Owned) -> Result<bool> {
        // SAFETY: as said above; a revoked proxy has no target, which throws.
        unsafe {
            if !qjs::JS_IsProxy(object.value) {
                return Ok(qjs::JS_IsArray(object.value));
            }
            let mut target = self.owned(qjs::JS_GetProxyTarget(self.raw, object.value))?;
            while qjs::JS_IsProxy(target.value) {
                target = self.owned(qjs::JS_GetProxyTarget(self.raw, target.value))?;
            }
            Ok(qjs::JS_IsArray(target.value))
        }
    }

    /// Writes the members of the objects that were opened, until all are closed.
    unsafe fn members(&mut self) -> Result<()> {
        while let Some(frame) = self.frames.last_mut() {
            let object = frame.object.value;
            // SAFETY: as said above; the frame stays, and its object and names with it, while its
            // member is made ready, and `names` has `length` of them.
            unsafe {
                let key = match &mut frame.members {
                    Members::Elements { next, length } if *next < *length => {
                        *next += 1;
                        Key::Index(*next - 1)
                    }
                    Members::Named { names, next, length } if *next < *length => {
                        *next += 1;
                        Key::Name((*names.add(*next as usize - 1)).atom)
                    }
                    members => {
                        let close = if matches!(members, Members::Elements { .. }) { b']' } else { b'}' };
                        self.out.push(close);
                        self.frames.pop();
                        continue;
                    }
                };
                let value = match key {
                    Key::Name(atom) => qjs::JS_GetProperty(self.raw, object, atom),
                    Key::Index(index) => qjs::JS_GetPropertyInt64(self.raw, object, index),
                    Key::Whole => qjs::JS_UNDEFINED,
                };
                let value = self.owned(value)?;
                let value = self.prepared(value, key)?;
                let written = self.is_written(&value);
                if let Key::Name(_) = key
                    && !written
                {
                    continue;
                }
                if self.frames.last_mut().is_some_and(|frame| std::mem::replace(&mut frame.begun, true)) {
                    self.out.push(b',');
                }
                if let Key::Name(atom) = key {
                    self.name(atom)?;
                }
                match written {
                    true => self.value(value)?,
                    false => self.out.extend(b"null"),
                }
            }
        }
        Ok(())
    }

    /// Writes a member's name and the colon.
    unsafe fn name(&mut self, atom: qjs::JSAtom) -> Result<()> {
        let place = atom as usize % KEYS;
        let (known, start, end) = self.keys[place];
        if known == atom {
            self.out.extend_from_within(start..end);
            return Ok(());
        }
        // SAFETY: as said above; the text lives until JS_FreeCString.
        unsafe {
            let mut length = 0;
            let text = qjs::JS_AtomToCStringLen(self.raw, &mut length, atom);
            if text.is_null() {
                return Err(Error::Exception);
            }
            let start = self.out.len();
            quoted(&mut self.out, std::slice::from_raw_parts(text.cast(), length as usize));
            self.out.push(b':');
            qjs::JS_FreeCString(self.raw, text);
            // With a reference: a number that is free again would name something else.
            qjs::JS_FreeAtom(self.raw, known);
            self.keys[place] = (qjs::JS_DupAtom(self.raw, atom), start, self.out.len());
        }
        Ok(())
    }

    unsafe fn string(&mut self, value: &Owned) -> Result<()> {
        // SAFETY: as in `name`.
        unsafe {
            let mut length = 0;
            let text = qjs::JS_ToCStringLen(self.raw, &mut length, value.value);
            if text.is_null() {
                return Err(Error::Exception);
            }
            quoted(&mut self.out, std::slice::from_raw_parts(text.cast(), length));
            qjs::JS_FreeCString(self.raw, text);
        }
        match self.out.capacity() > CHARGED_LATER {
            true => self.charge.set(self.ctx, self.out.capacity()),
            false => Ok(()),
        }
    }

    /// ECMA-262, Number::toString; null for what is not finite.
    fn number(&mut self, number: f64) {
        if !number.is_finite() {
            self.out.extend(b"null");
        } else if number.fract() == 0.0 && number.abs() < 1e15 {
            // Minus zero is 0.
            let _ = std::io::Write::write_fmt(&mut self.out, format_args!("{}", number as i64));
        } else {
            self.out.extend(dragonbox_ecma::Buffer::new().format_finite(number).as_bytes());
        }
    }

    /// For what is rare: the engine's text of a value without members.
    unsafe fn as_the_engine_does(&mut self, value: &Owned) -> Result<()> {
        // SAFETY: as said above; the text is a string of the engine.
        unsafe {
            let text = qjs::JS_JSONStringify(self.raw, value.value, qjs::JS_UNDEFINED, qjs::JS_UNDEFINED);
            let text = Value::from_raw(self.ctx.clone(), qjs::JS_DupValue(self.raw, self.owned(text)?.value));
            with_str(&text, |text| self.out.extend(text.as_bytes()))
        }
    }
}

/// ECMA-262, QuoteJSONString, of the engine's UTF-8: a lone surrogate is three bytes, from ED A0 80 on.
fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut from = 0;
    for (at, byte) in text.iter().enumerate() {
        let special = *byte < 0x20 || matches!(byte, b'"' | b'\\' | 0xed);
        if !special {
            continue;
        }
        let short = match byte {
            b'"' => Some(b'"'),
            b'\\' => Some(b'\\'),
            8 => Some(b'b'),
            9 => Some(b't'),
            10 => Some(b'n'),
            12 => Some(b'f'),
            13 => Some(b'r'),
            _ => None,
        };
        let (code, length) = match text[at..] {
            [0xed, high @ 0xa0..=0xbf, low, ..] => {
                (0xd000 | u32::from(high & 0x3f) << 6 | u32::from(low & 0x3f), 3)
            }
            [0xed, ..] => continue,
            _ => (u32::from(*byte), 1),
        };
        out.extend_from_slice(&text[from..at]);
        from = at + length;
        match short {
            Some(letter) => out.extend([b'\\', letter]),
            None => {
                let _ = std::io::Write::write_fmt(out, format_args!("\\u{code:04x}"));
            }
        }
    }
    out.extend_from_slice(&text[from..]);
    out.push(b'"');
}
