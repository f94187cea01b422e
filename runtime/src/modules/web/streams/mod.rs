//! The stream classes (Streams Standard) and those built on them: written in JavaScript, loaded when
//! an app first names one.
//!
//! Owns: loading them, the functions they call. Must not know: requests and responses, sockets.

pub mod bridge;
mod coders;
mod compression;
mod host;
pub mod pipe;
pub mod source;

use rquickjs::atom::PredefinedAtom;
use rquickjs::object::Property;
use rquickjs::{Ctx, FromJs, Object, Result, Value};

use crate::js::class;
use crate::js::clone::platform;
use crate::js::engine::State;
use crate::js::function;
use crate::js::held::{Held, Slot};
use crate::js::script::Script;
use crate::js::{promise, reflect};

use super::{console, embed};

static SCRIPTS: [Script; 10] = [
    Script::new(c"jsserve:streams/core", include_str!("core.js")),
    Script::new(c"jsserve:streams/readable", include_str!("readable.js")),
    Script::new(c"jsserve:streams/readable_default", include_str!("readable_default.js")),
    Script::new(c"jsserve:streams/readable_byte", include_str!("readable_byte.js")),
    Script::new(c"jsserve:streams/readable_byob", include_str!("readable_byob.js")),
    Script::new(c"jsserve:streams/writable", include_str!("writable.js")),
    Script::new(c"jsserve:streams/pipe", include_str!("pipe.js")),
    Script::new(c"jsserve:streams/transform", include_str!("transform.js")),
    Script::new(c"jsserve:streams/body", include_str!("body.js")),
    Script::new(c"jsserve:streams/transfer", include_str!("transfer.js")),
];

const NAMES: &[&str] = &[
    "ReadableStream",
    "ReadableStreamDefaultReader",
    "ReadableStreamBYOBReader",
    "ReadableStreamDefaultController",
    "ReadableByteStreamController",
    "ReadableStreamBYOBRequest",
    "WritableStream",
    "WritableStreamDefaultWriter",
    "WritableStreamDefaultController",
    "TransformStream",
    "TransformStreamDefaultController",
    "ByteLengthQueuingStrategy",
    "CountQueuingStrategy",
    "TextEncoderStream",
    "TextDecoderStream",
    "CompressionStream",
    "DecompressionStream",
];

/// What people see of the classes.
const DISPLAYED: console::Displayed = &[
    ("ByteLengthQueuingStrategy", &["highWaterMark"]),
    ("CompressionStream", &["readable", "writable"]),
    ("CountQueuingStrategy", &["highWaterMark"]),
    ("DecompressionStream", &["readable", "writable"]),
    ("ReadableStream", &["locked"]),
    ("TextDecoderStream", &["encoding", "fatal", "ignoreBOM", "readable", "writable"]),
    ("TextEncoderStream", &["encoding", "readable", "writable"]),
    ("TransformStream", &["readable", "writable"]),
    ("WritableStream", &["locked"]),
];

/// What the scripts share, once they are loaded.
#[derive(Default)]
struct Loaded(Slot);

/// Puts the lazy globals in place.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    embed::lazy_globals(ctx, NAMES, |ctx, name| shared(ctx)?.get(name))
}

/// The object that the scripts share: their classes and algorithms; loaded the first time.
fn shared<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let made = State::of(ctx).extension::<Loaded>().0.get_or(ctx, || {
        class::register::<compression::Native>(ctx)?;
        class::register::<source::Source>(ctx)?;
        class::register::<source::Sink>(ctx)?;
        class::register::<source::Collector>(ctx)?;
        class::register::<pipe::Drain>(ctx)?;
        class::register::<pipe::Passage>(ctx)?;
        let shared = Object::new(ctx.clone())?;
        shared.set_prototype(None)?;
        let host = Object::new(ctx.clone())?;
        function::install::<host::Host>(ctx, &host)?;
        function::install::<source::Host>(ctx, &host)?;
        function::install::<pipe::Host>(ctx, &host)?;
        host::constants(ctx, &host)?;
        let args = [host.into_value(), shared.clone().into_value()];
        for script in &SCRIPTS {
            let main = Held::new(script.run(ctx)?);
            promise::call(ctx, &main, None, &args)?;
        }
        dress(ctx, &shared)?;
        platform::script(ctx, &shared)?;
        Ok(shared.into_value())
    })?;
    Object::from_js(ctx, made)
}

/// Runs a script that builds on the streams, and calls it with `host`, which gets the functions of
/// theirs, and with what they share.
///
/// # Errors
/// What the script throws.
pub fn build_upon<'js>(ctx: &Ctx<'js>, script: &Script, host: Object<'js>) -> Result<Value<'js>> {
    let shared = shared(ctx)?;
    function::install::<host::Host>(ctx, &host)?;
    let main = Held::new(script.run(ctx)?);
    promise::call(ctx, &main, None, &[host.into_value(), shared.into_value()])
}

/// Gives the classes what Web IDL has and a class body has not.
fn dress<'js>(ctx: &Ctx<'js>, shared: &Object<'js>) -> Result<()> {
    for name in NAMES {
        let class = shared.get(*name)?;
        reflect::as_interface(ctx, &class, name)?;
        console::keep(ctx, &class, name, DISPLAYED)?;
    }
    let stream: Object = shared.get::<_, Object>("ReadableStream")?.get("prototype")?;
    let values: Value = stream.get("values")?;
    stream.prop(PredefinedAtom::SymbolAsyncIterator, Property::from(values).writable().configurable())?;

    // Web IDL section 3.7.10.2: the asynchronous iterator's prototype.
    let iterator: Object = shared.get::<_, Object>("iteratorClass")?.get("prototype")?;
    iterator.remove("constructor")?;
    let methods: Object = shared.get("iteratorMethods")?;
    for name in ["next", "return"] {
        let method: Value = methods.get(name)?;
        iterator.prop(name, Property::from(method).writable().enumerable().configurable())?;
    }
    let tag = Property::from("ReadableStream AsyncIterator").configurable();
    iterator.prop(PredefinedAtom::SymbolToStringTag, tag)?;
    let generator: Object = shared.get::<_, Object>("someGenerator")?.get("prototype")?;
    let parent = generator.get_prototype().and_then(|generators| generators.get_prototype());
    iterator.set_prototype(parent.as_ref())
}
