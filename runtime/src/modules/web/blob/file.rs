//! `File` (File API, section 4): a blob with a name and a time.
//!
//! Owns: the class. Must not know: files on a disk.

use std::ffi::CStr;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rquickjs::{Ctx, Object, Result, Value};

use super::{Blob, Loaded, classes, parts};
use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::clone::platform::Serialized;
use crate::js::display::Display;
use crate::js::engine::State;
use crate::js::value;

/// A `File` object.
pub struct File {
    blob: Blob,
    name: String,
    /// Milliseconds since 1970, whole.
    modified_ms: f64,
}

impl File {
    /// A `File` object with these bytes, modified now.
    ///
    /// # Errors
    /// Out of memory.
    pub fn make<'js>(ctx: &Ctx<'js>, bytes: impl Into<Bytes>, name: &str, kind: &str) -> Result<Value<'js>> {
        File::of_blob(ctx, Blob::new(ctx, bytes, kind)?, name, None)
    }

    /// A `File` object with the bytes of a blob.
    ///
    /// # Errors
    /// Out of memory.
    pub fn of_blob<'js>(
        ctx: &Ctx<'js>,
        blob: Blob,
        name: &str,
        modified_ms: Option<f64>,
    ) -> Result<Value<'js>> {
        classes(ctx)?;
        let modified_ms = modified_ms.unwrap_or_else(now_ms);
        class::instance(ctx, File { blob, name: name.to_owned(), modified_ms })
    }

    /// What it has of a blob.
    pub fn blob(&self) -> &Blob {
        &self.blob
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a copy of it is made of.
    pub(super) fn serialize(&self) -> Box<dyn Serialized> {
        let (name, modified_ms) = (self.name.clone(), self.modified_ms);
        Box::new(Copied { bytes: self.blob.bytes(), kind: self.blob.kind.clone(), name, modified_ms })
    }

    /// When it was modified, in milliseconds since 1970.
    pub fn modified_ms(&self) -> f64 {
        self.modified_ms
    }
}

/// A file on its way into another realm (File API, section 4, "serialization steps").
struct Copied {
    bytes: Bytes,
    kind: String,
    name: String,
    modified_ms: f64,
}

impl Serialized for Copied {
    fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn revive<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let blob = Blob::new(ctx, self.bytes.clone(), &self.kind)?;
        File::of_blob(ctx, blob, &self.name, Some(self.modified_ms))
    }
}

fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as f64
}

impl class_id::Of for class_id::WebFile {
    type Class = File;
}

impl Class for File {
    type Id = class_id::WebFile;
    const NAME: &'static CStr = c"File";
    const LENGTH: u8 = 2;
    const GLOBAL: bool = false;
    const DISPLAY: Option<Display> =
        Some(Display::Attributes(&["size", "type", "name", "lastModified"], |file, name| {
            class::attribute::<File>(file, name).or_else(|| class::attribute::<Blob>(file, name))
        }));
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Get(c"name", |this, s| value::string(s.ctx, &this.name)),
        Member::Get(c"lastModified", |this, s| Ok(Value::new_number(s.ctx.clone(), this.modified_ms))),
    ];

    fn construct(scope: &Scope<'_, '_>) -> Result<Self> {
        let ctx = scope.ctx;
        scope.require(2, "File")?;
        let list = parts::sequence(ctx, &scope.arg(0), "File")?;
        let name = value::to_string(&scope.arg(1))?;
        let bag = parts::bag(ctx, &scope.arg(2), "File")?;
        let modified_ms = match bag.options.map(|options| options.get::<_, Value>("lastModified")) {
            Some(given) => long_long(&given?)?,
            None => None,
        };
        let blob = Blob::new(ctx, parts::joined(ctx, &list, bag.native_endings)?, &bag.kind)?;
        Ok(File { blob, name, modified_ms: modified_ms.unwrap_or_else(now_ms) })
    }

    fn parent<'js>(ctx: &Ctx<'js>) -> Result<Option<Object<'js>>> {
        match State::of(ctx).extension::<Loaded>().blob.get(ctx).as_ref().and_then(Value::as_object) {
            Some(blob) => blob.get("prototype").map(Some),
            None => Ok(None),
        }
    }
}

/// `long long` (Web IDL, section 3.2.4.9): modulo 2^64.
fn long_long(given: &Value<'_>) -> Result<Option<f64>> {
    if given.is_undefined() {
        return Ok(None);
    }
    let number = value::to_number(given)?;
    if !number.is_finite() {
        return Ok(Some(0.0));
    }
    const WRAP: f64 = 18_446_744_073_709_551_616.0;
    let wrapped = number.trunc() % WRAP;
    Ok(Some(match wrapped {
        _ if wrapped >= WRAP / 2.0 => wrapped - WRAP,
        _ if wrapped < -WRAP / 2.0 => wrapped + WRAP,
        _ => wrapped + 0.0,
    }))
}
