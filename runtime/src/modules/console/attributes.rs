//! Attributes that objects of this program's own classes show, read without asking their prototypes,
//! which an app may have patched.
//!
//! Owns: which attributes; the getters of classes written in JavaScript, kept when their script is
//! loaded. Must not know: how entries become text.

use std::cell::RefCell;
use std::rc::Rc;

use rquickjs::{Ctx, Object, Result, Value};

use crate::js::class;
use crate::js::engine::State;
use crate::js::held::Held;
use crate::js::reflect::{self, Property, Slot};
use crate::js::{promise, value};
use crate::modules::blob::Blob;
use crate::modules::blob::file::File;
use crate::modules::crypto::CryptoKey;
use crate::modules::encoding::{TextDecoder, TextEncoder};
use crate::modules::fetch::request::Request;
use crate::modules::fetch::response::Response;
use crate::modules::navigator::Navigator;
use crate::modules::performance::Performance;
use crate::modules::url::Url;
use crate::modules::url_pattern::URLPattern;

/// A class's name in the engine, the attributes that it shows, what reads one of them.
type Native = (&'static str, &'static [&'static str], for<'a, 'js> fn(&'a Value<'js>, &str) -> Read<'js>);
type Read<'js> = Option<Result<Value<'js>>>;

const NATIVE: &[Native] = &[
    ("Blob", &["size", "type"], class::attribute::<Blob>),
    ("File", &["size", "type", "name", "lastModified"], |file, name| {
        class::attribute::<File>(file, name).or_else(|| class::attribute::<Blob>(file, name))
    }),
    ("CryptoKey", &["type", "extractable", "algorithm", "usages"], class::attribute::<CryptoKey>),
    ("Navigator", &["userAgent"], class::attribute::<Navigator>),
    ("Performance", &["timeOrigin"], class::attribute::<Performance>),
    ("Request", &["method", "url", "headers", "bodyUsed"], class::attribute::<Request>),
    ("Response", &["status", "statusText", "headers", "bodyUsed", "url"], class::attribute::<Response>),
    ("TextDecoder", &["encoding", "fatal", "ignoreBOM"], class::attribute::<TextDecoder>),
    ("TextEncoder", &["encoding"], class::attribute::<TextEncoder>),
    (
        "URL",
        &[
            "href",
            "origin",
            "protocol",
            "username",
            "password",
            "host",
            "hostname",
            "port",
            "pathname",
            "search",
            "searchParams",
            "hash",
        ],
        class::attribute::<Url>,
    ),
    (
        "URLPattern",
        &["protocol", "username", "password", "hostname", "port", "pathname", "search", "hash"],
        class::attribute::<URLPattern>,
    ),
];

/// The attributes that classes written in JavaScript show, besides those of their parents.
const SCRIPTED: &[(&str, &[&str])] = &[
    ("AbortController", &["signal"]),
    ("AbortSignal", &["aborted"]),
    ("ByteLengthQueuingStrategy", &["highWaterMark"]),
    ("CompressionStream", &["readable", "writable"]),
    ("CountQueuingStrategy", &["highWaterMark"]),
    ("CustomEvent", &["detail"]),
    ("DecompressionStream", &["readable", "writable"]),
    ("ErrorEvent", &["message", "filename", "lineno", "colno", "error"]),
    ("Event", &["type", "defaultPrevented", "cancelable", "timeStamp"]),
    ("MessageChannel", &["port1", "port2"]),
    ("MessageEvent", &["data"]),
    ("PromiseRejectionEvent", &["promise", "reason"]),
    ("ReadableStream", &["locked"]),
    ("TextDecoderStream", &["encoding", "fatal", "ignoreBOM", "readable", "writable"]),
    ("TextEncoderStream", &["encoding", "readable", "writable"]),
    ("TransformStream", &["readable", "writable"]),
    ("WritableStream", &["locked"]),
];

/// A class written in JavaScript.
struct Scripted {
    /// Identity of its prototype, which is held so that no other object gets it.
    prototype: (usize, Held),
    getters: Vec<(&'static str, Held)>,
}

#[derive(Default)]
struct Kept(RefCell<Vec<Rc<Scripted>>>);

/// Keeps the getters of `class`, whose interface is `name`: before an app can patch them.
///
/// # Errors
/// Out of memory.
pub fn keep<'js>(ctx: &Ctx<'js>, class: &Object<'js>, name: &str) -> Result<()> {
    let Some((_, names)) = SCRIPTED.iter().find(|(known, _)| *known == name) else { return Ok(()) };
    let prototype: Object = class.get("prototype")?;
    let mut getters = Vec::new();
    for name in *names {
        if let Some(Property { slot: Slot::Accessor(getter, _), .. }) =
            reflect::own(&prototype, &value::string(ctx, name)?)?
        {
            getters.push((*name, Held::new(getter)));
        }
    }
    let prototype = prototype.into_value();
    let prototype = (reflect::identity(&prototype), Held::new(prototype));
    State::of(ctx).extension::<Kept>().0.borrow_mut().push(Rc::new(Scripted { prototype, getters }));
    Ok(())
}

/// Names and values of the attributes that `object` of the engine's class `class` shows.
pub(super) fn of<'js>(object: &Object<'js>, class: &str) -> Vec<(&'static str, Value<'js>)> {
    let ctx = object.ctx();
    let mut found = Vec::new();
    if class == "Object" {
        scripted(object, &mut found);
    } else if let Some((_, names, read)) = NATIVE.iter().find(|(name, ..)| *name == class) {
        found.extend(names.iter().filter_map(|name| Some((*name, read(object.as_value(), name)?))));
    }
    let fine = |(name, value): (_, Result<Value<'js>>)| match value {
        Ok(value) => Some((name, value)),
        Err(_) => {
            drop(ctx.catch());
            None
        }
    };
    found.into_iter().filter_map(fine).collect()
}

/// What the kept getters say of `object`: those of the parent first. One that throws, because the
/// object only has the prototype, is passed over.
fn scripted<'js>(object: &Object<'js>, found: &mut Vec<(&'static str, Result<Value<'js>>)>) {
    let this = Held::new(object.clone().into_value());
    let classes = classes(object);
    let getters = classes.iter().rev().flat_map(|class| &class.getters);
    found
        .extend(getters.map(|(name, getter)| (*name, promise::call(object.ctx(), getter, Some(&this), &[]))));
}

/// Whether `key` is the accessor that every event has of its own.
pub(super) fn is_trusted<'js>(object: &Object<'js>, key: &Value<'js>) -> bool {
    key.is_string()
        && value::with_str(key, |key| key == "isTrusted").unwrap_or(false)
        && !classes(object).is_empty()
}

/// The classes written in JavaScript whose prototypes `object` has, the nearest first.
fn classes(object: &Object<'_>) -> Vec<Rc<Scripted>> {
    const CHAIN_MAX: usize = 100;
    let kept = State::of(object.ctx()).extension::<Kept>();
    let kept = kept.0.borrow();
    let mut found = Vec::new();
    let mut at = if kept.is_empty() { None } else { object.get_prototype() };
    for _ in 0..CHAIN_MAX {
        let Some(here) = at.filter(|here| reflect::proxy_target(here.as_value()).is_none()) else { break };
        let identity = reflect::identity(here.as_value());
        found.extend(kept.iter().find(|class| class.prototype.0 == identity).cloned());
        at = here.get_prototype();
    }
    found
}
