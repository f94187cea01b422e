//! `FormData` (XMLHttpRequest standard, section 4.3): names with strings or files.
//!
//! Owns: the class, its list of entries. Must not know: requests and responses, whose bodies
//! [`Reading`] reads and [`serialise`] makes.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ffi::CStr;

use data_url::mime::Mime;
use rquickjs::{Ctx, Error, Result, Value};

use super::blob::Blob;
use super::blob::file::File;
use super::blob::rope::Rope;
use super::streams::source::Collect;
use super::{embed, iterate};
use crate::js::charge::Charge;
use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::display::Display;
use crate::js::engine::State;
use crate::js::held::{Held, Slot, Tracer};
use crate::js::{exception, value};

mod multipart;
mod part_head;
mod parts;
mod reading;

pub use reading::Reading;

/// Entries of one list.
const ENTRIES_MAX: usize = 100_000;
const TOO_MANY: &str = "FormData: more than 100,000 entries";
/// What an entry costs beside its text, in bytes.
const ENTRY_BYTES: usize = 64;

/// What a name stands for.
enum Entry {
    Text(String),
    /// A `File` object.
    File(Held),
}

/// A `FormData` object.
#[derive(Default)]
pub struct FormData {
    entries: RefCell<Vec<(String, Entry)>>,
    /// What the entries own.
    bytes: Cell<usize>,
    charge: Charge,
}

fn bytes_of(name: &str, entry: &Entry) -> usize {
    let text = if let Entry::Text(text) = entry { text.len() } else { 0 };
    name.len() + text + ENTRY_BYTES
}

/// The constructor, once made.
#[derive(Default)]
struct Loaded(Slot);

/// Puts the lazy global in place.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    embed::lazy_globals(ctx, &["FormData"], |ctx, _| constructor(ctx))
}

fn constructor<'js>(ctx: &Ctx<'js>) -> Result<Value<'js>> {
    State::of(ctx).extension::<Loaded>().0.get_or(ctx, || {
        let made = class::register_unlisted::<FormData>(ctx)?;
        iterate::register::<FormData>(ctx)?;
        Ok(made)
    })
}

/// The `FormData` object that a body of this content type stands for (Fetch, section 5.3).
///
/// # Errors
/// TypeError for a content type that is no form's, and for a body that is not of its type;
/// RangeError for too many entries; out of memory.
pub fn parse<'js>(ctx: &Ctx<'js>, kind: Option<&Mime>, body: &[u8]) -> Result<Value<'js>> {
    let mut reading = Reading::new(kind);
    reading.add(body).map_err(|refused| refused.throw(ctx))?;
    Box::new(reading).finish(ctx)
}

/// A form as the bytes of a body, and their content type (HTML, section 4.10.21.8). Files are not
/// copied.
///
/// # Errors
/// Out of memory, also where the bytes would not fit into the heap; OperationError where the kernel
/// gives no random bytes.
pub fn serialise(ctx: &Ctx<'_>, form: &FormData) -> Result<(Rope, String)> {
    let boundary = multipart::boundary(ctx)?;
    let bytes_max = State::of(ctx).heap_bytes_max();
    // All but the files, and what each file follows.
    let (mut text, mut files, mut files_bytes) = (Vec::new(), Vec::new(), 0);
    for (name, entry) in form.entries.borrow().iter() {
        match entry {
            Entry::Text(value) => multipart::text(&mut text, &boundary, name, value),
            Entry::File(file) => {
                let file = file.get(ctx);
                if let Some(file) = class::get::<File>(&file) {
                    multipart::file_head(&mut text, &boundary, name, file);
                    files_bytes += file.blob().bytes().len();
                    files.push((text.len(), file.blob().same()));
                    text.extend_from_slice(b"\r\n");
                }
            }
        }
        // The same file may be in a form many times, and a script may want all of it in one place.
        if bytes_max != 0 && text.len() + files_bytes > bytes_max {
            return Err(Error::Allocation);
        }
    }
    multipart::end(&mut text, &boundary);
    let text = Blob::new(ctx, text, "")?;
    let (mut parts, mut from) = (Vec::with_capacity(2 * files.len() + 1), 0);
    for (end, file) in files {
        parts.extend([text.slice(from..end, ""), file]);
        from = end;
    }
    parts.push(text.slice(from..text.bytes().len(), ""));
    Ok((Rope::new(parts), format!("multipart/form-data; boundary={boundary}")))
}

/// "UTF-8 decode without BOM".
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

impl FormData {
    /// How many entries it has.
    pub fn count(&self) -> usize {
        self.entries.borrow().len()
    }

    fn push(&self, ctx: &Ctx<'_>, name: String, entry: Entry) -> Result<()> {
        if self.entries.borrow().len() == ENTRIES_MAX {
            return Err(exception::range_error(ctx, TOO_MANY));
        }
        self.bytes.set(self.bytes.get() + bytes_of(&name, &entry));
        self.entries.borrow_mut().push((name, entry));
        self.account(ctx)
    }

    fn account(&self, ctx: &Ctx<'_>) -> Result<()> {
        self.charge.set(ctx, self.bytes.get())
    }

    /// Takes out the entries called `name`; they are dropped by the caller, outside of a borrow.
    fn take(&self, name: &str) -> Vec<(String, Entry)> {
        let taken: Vec<_> = self.entries.borrow_mut().extract_if(.., |(other, _)| other == name).collect();
        let bytes: usize = taken.iter().map(|(name, entry)| bytes_of(name, entry)).sum();
        self.bytes.set(self.bytes.get() - bytes);
        taken
    }
}

impl Entry {
    fn value<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        match self {
            Entry::Text(text) => value::string(ctx, text),
            Entry::File(file) => Ok(file.get(ctx)),
        }
    }
}

impl class_id::Of for class_id::FormDataIterator {
    type Class = iterate::PairIterator<FormData>;
}

impl iterate::PairSource for FormData {
    type IteratorId = class_id::FormDataIterator;
    const ITERATOR_NAME: &'static CStr = c"FormData Iterator";

    fn pair(&self, index: usize) -> Option<(String, String)> {
        self.entries.borrow().get(index).map(|(name, entry)| match entry {
            Entry::Text(text) => (name.clone(), text.clone()),
            Entry::File(_) => (name.clone(), "[File]".into()),
        })
    }

    fn item<'js>(&self, ctx: &Ctx<'js>, index: usize) -> Result<Option<[Value<'js>; 2]>> {
        match self.entries.borrow().get(index) {
            Some((name, entry)) => Ok(Some([value::string(ctx, name)?, entry.value(ctx)?])),
            None => Ok(None),
        }
    }
}

impl class_id::Of for class_id::FormData {
    type Class = FormData;
}

impl Class for FormData {
    type Id = class_id::FormData;
    const NAME: &'static CStr = c"FormData";
    const GLOBAL: bool = false;
    const DISPLAY: Option<Display> = Some(Display::Entries(
        |form| class::get::<FormData>(form).map_or(0, FormData::count),
        |form, index| iterate::PairSource::item(class::get::<FormData>(form)?, form.ctx(), index).ok()?,
    ));
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Method(c"append", 2, append),
        Member::Method(c"delete", 1, |this, s| {
            s.require(1, "FormData.delete")?;
            drop(this.take(&value::to_string(&s.arg(0))?));
            this.account(s.ctx)?;
            Ok(s.undefined())
        }),
        Member::Method(c"get", 1, get),
        Member::Method(c"getAll", 1, get_all),
        Member::Method(c"has", 1, |this, s| {
            s.require(1, "FormData.has")?;
            let name = value::to_string(&s.arg(0))?;
            let has = this.entries.borrow().iter().any(|(other, _)| *other == name);
            Ok(Value::new_bool(s.ctx.clone(), has))
        }),
        Member::Method(c"set", 2, set),
        Member::Method(c"entries", 0, iterate::entries::<FormData>),
        Member::Method(c"keys", 0, iterate::keys::<FormData>),
        Member::Method(c"values", 0, iterate::values::<FormData>),
        Member::Method(c"forEach", 1, iterate::for_each::<FormData>),
        Member::IteratorIs(c"entries"),
    ];

    fn construct(scope: &Scope<'_, '_>) -> Result<Self> {
        match scope.has(0) {
            true => Err(exception::type_error(scope.ctx, "FormData: there are no form elements here")),
            false => Ok(FormData::default()),
        }
    }

    fn trace(&self, tracer: &Tracer) {
        for (_, entry) in self.entries.borrow().iter() {
            if let Entry::File(file) = entry {
                tracer.mark(file);
            }
        }
    }
}

/// "Create an entry" of a call's arguments: a name, then a string, or a blob and perhaps a file name.
fn entry(scope: &Scope<'_, '_>, what: &str) -> Result<(String, Entry)> {
    let ctx = scope.ctx;
    scope.require(2, what)?;
    let name = value::to_string(&scope.arg(0))?;
    let given = scope.arg(1);
    let Some(blob) = class::get::<Blob>(&given) else {
        if scope.len() > 2 {
            return Err(exception::type_error(ctx, &format!("{what}: argument 2 is not a Blob")));
        }
        return Ok((name, Entry::Text(value::to_string(&given)?)));
    };
    let filename = if scope.has(2) { Some(value::to_string(&scope.arg(2))?) } else { None };
    let file = match (class::get::<File>(&given), filename) {
        (Some(_), None) => given,
        (Some(file), Some(name)) => File::of_blob(ctx, blob.same(), &name, Some(file.modified_ms()))?,
        (None, name) => File::of_blob(ctx, blob.same(), name.as_deref().unwrap_or("blob"), None)?,
    };
    Ok((name, Entry::File(Held::new(file))))
}

fn append<'js>(this: &FormData, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let (name, entry) = entry(scope, "FormData.append")?;
    this.push(scope.ctx, name, entry)?;
    Ok(scope.undefined())
}

/// `set`: the first entry of that name is replaced, the others go.
fn set<'js>(this: &FormData, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let (name, entry) = entry(scope, "FormData.set")?;
    let place = this.entries.borrow().iter().position(|(other, _)| *other == name);
    let Some(place) = place else {
        this.push(scope.ctx, name, entry)?;
        return Ok(scope.undefined());
    };
    drop(this.take(&name));
    this.bytes.set(this.bytes.get() + bytes_of(&name, &entry));
    this.entries.borrow_mut().insert(place, (name, entry));
    this.account(scope.ctx)?;
    Ok(scope.undefined())
}

fn get<'js>(this: &FormData, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(1, "FormData.get")?;
    let name = value::to_string(&scope.arg(0))?;
    match this.entries.borrow().iter().find(|(other, _)| *other == name) {
        Some((_, entry)) => entry.value(scope.ctx),
        None => Ok(Value::new_null(scope.ctx.clone())),
    }
}

fn get_all<'js>(this: &FormData, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(1, "FormData.getAll")?;
    let name = value::to_string(&scope.arg(0))?;
    let entries = this.entries.borrow();
    let all = entries.iter().filter(|(other, _)| *other == name);
    iterate::array(scope.ctx, all.map(|(_, entry)| entry.value(scope.ctx)))
}
