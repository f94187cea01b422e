//! `Blob` and `File` (File API, W3C, sections 3 and 4): bytes that never change, with a type.
//!
//! Owns: both classes, their bytes, which slices share. Must not know: forms, bodies, files on a
//! disk. The classes are made when a script first names one, or native code first makes one.
#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::rc::Rc;

use bytes::Bytes;
use rquickjs::{Ctx, Error, FromJs, Object, Result, Value};

use super::embed;
use super::streams::bridge;
use super::streams::source::Memory;
use crate::js::charge::Charge;
use crate::js::class::{self, Class, Instance, Member, Scope};
use crate::js::class_id;
use crate::js::clone::platform::{self, Serialized};
use crate::js::display::Display;
use crate::js::engine::State;
use crate::js::held::Slot;
use crate::js::{promise, value};

pub mod file;
mod parts;
pub mod rope;
pub mod urls;

use file::File;

/// The constructors, once made.
#[derive(Default)]
struct Loaded {
    blob: Slot,
    file: Slot,
}

/// Puts the lazy globals in place.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    embed::lazy_globals(ctx, &["Blob", "File"], |ctx, name| {
        let loaded = classes(ctx)?;
        let slot = if name == "Blob" { &loaded.blob } else { &loaded.file };
        slot.get(ctx).ok_or(Error::Unknown)
    })
}

/// Sees to it that both classes exist.
fn classes(ctx: &Ctx<'_>) -> Result<Rc<Loaded>> {
    let loaded = State::of(ctx).extension::<Loaded>();
    if !loaded.file.is_some() {
        let blob = loaded.blob.get_or(ctx, || class::register_unlisted::<Blob>(ctx))?;
        let file = Object::from_js(ctx, class::register_unlisted::<File>(ctx)?)?;
        file.set_prototype(blob.as_object())?;
        platform::serializable::<Blob>(ctx, |blob| Box::new(Copied(blob.bytes(), blob.kind.clone())));
        platform::serializable::<File>(ctx, File::serialize);
        loaded.file.set(Some(file.into_value()));
    }
    Ok(loaded)
}

/// A `Blob` object.
pub struct Blob {
    bytes: Bytes,
    /// Of the bytes that it shares with its slices.
    charge: Rc<Charge>,
    kind: String,
}

impl Blob {
    /// Data of a blob with these bytes; `kind`, a MIME type, is normalised.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(ctx: &Ctx<'_>, bytes: impl Into<Bytes>, kind: &str) -> Result<Blob> {
        let (bytes, charge) = (bytes.into(), Charge::default());
        charge.set(ctx, bytes.len())?;
        Ok(Blob { bytes, charge: Rc::new(charge), kind: normalised(kind) })
    }

    /// A `Blob` object with these bytes.
    ///
    /// # Errors
    /// Out of memory.
    pub fn make<'js>(ctx: &Ctx<'js>, bytes: impl Into<Bytes>, kind: &str) -> Result<Value<'js>> {
        classes(ctx)?;
        class::instance(ctx, Blob::new(ctx, bytes, kind)?)
    }

    /// Its bytes; they are shared, not copied.
    pub fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// Its type: a MIME type in lower case, or empty.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// A blob with the bytes `range` of this one.
    pub(super) fn slice(&self, range: std::ops::Range<usize>, kind: &str) -> Blob {
        Blob { bytes: self.bytes.slice(range), charge: self.charge.clone(), kind: normalised(kind) }
    }

    /// A blob with the same bytes and type.
    pub(super) fn same(&self) -> Blob {
        self.slice(0..self.bytes.len(), &self.kind)
    }
}

/// A blob on its way into another realm (File API, section 3, "serialization steps").
struct Copied(Bytes, String);

impl Serialized for Copied {
    fn bytes(&self) -> usize {
        self.0.len()
    }

    fn revive<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        Blob::make(ctx, self.0.clone(), &self.1)
    }
}

/// A type as blobs have it (section 3.1): nothing where it has a character outside of U+0020 to U+007E.
fn normalised(kind: &str) -> String {
    match kind.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        true => kind.to_ascii_lowercase(),
        false => String::new(),
    }
}

impl class_id::Of for class_id::Blob {
    type Class = Blob;
}

impl Class for Blob {
    type Id = class_id::Blob;
    const NAME: &'static CStr = c"Blob";
    const GLOBAL: bool = false;
    const DISPLAY: Option<Display> = Some(Display::Attributes(&["size", "type"], class::attribute::<Self>));
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Get(c"size", |this, s| Ok(Value::new_number(s.ctx.clone(), this.bytes.len() as f64))),
        Member::Get(c"type", |this, s| value::string(s.ctx, &this.kind)),
        Member::Method(c"slice", 0, slice),
        Member::Method(c"stream", 0, |this, s| bridge::of_source(s.ctx, Memory::source(this.bytes()))),
        Member::Async(c"text", 0, |this, s| {
            let bytes: &[u8] = &this.bytes;
            // "UTF-8 decode" takes a byte order mark away and replaces what is no UTF-8.
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            promise::resolved(s.ctx, value::string(s.ctx, &String::from_utf8_lossy(bytes))?)
        }),
        Member::Async(c"arrayBuffer", 0, |this, s| {
            promise::resolved(s.ctx, value::array_buffer(s.ctx, &this.bytes)?)
        }),
        Member::Async(c"bytes", 0, |this, s| {
            promise::resolved(s.ctx, value::uint8_array(s.ctx, &this.bytes)?)
        }),
    ];

    fn construct(scope: &Scope<'_, '_>) -> Result<Self> {
        let list = match scope.has(0) {
            true => parts::sequence(scope.ctx, &scope.arg(0), "Blob")?,
            false => Vec::new(),
        };
        let bag = parts::bag(scope.ctx, &scope.arg(1), "Blob")?;
        Blob::new(scope.ctx, parts::joined(scope.ctx, &list, bag.native_endings)?, &bag.kind)
    }

    fn inside<'a>(instance: Instance<'a>) -> Option<&'a Self> {
        instance.data::<File>().map(File::blob)
    }
}

/// `slice(start, end, contentType)` (section 3.3.1).
fn slice<'js>(this: &Blob, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let size = this.bytes.len();
    let offset = |i: usize, absent: usize| -> Result<usize> {
        if !scope.has(i) {
            return Ok(absent);
        }
        let given = value::to_number(&scope.arg(i))?;
        // [Clamp]: to the nearest integer, of two the even one; NaN is 0.
        let given = if given.is_nan() { 0.0 } else { given.round_ties_even() };
        let from_start = if given < 0.0 { size as f64 + given } else { given };
        Ok(from_start.clamp(0.0, size as f64) as usize)
    };
    let (start, end) = (offset(0, 0)?, offset(1, size)?);
    let kind = if scope.has(2) { value::to_string(&scope.arg(2))? } else { String::new() };
    class::instance(scope.ctx, this.slice(start..end.max(start), &kind))
}
