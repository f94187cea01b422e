//! The stream classes (Streams Standard) and those built on them: written in JavaScript, loaded when
//! an app first names one.
//!
//! Owns: their names, the functions they call. Must not know: requests and responses, sockets.

pub mod bridge;
mod coders;
mod compression;
pub mod fast;
mod natives;
pub mod pipe;
pub mod source;

use rquickjs::{Ctx, Result};

pub use natives::StreamFunctions;
pub use pipe::PassageFunctions;
pub use source::SourceFunctions;

use super::embed;

/// The module that has all of the classes, and what native code calls.
const INDEX: &str = "jsserve:internal/streams/index";

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

/// Puts the lazy globals in place.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    embed::lazy_exports(ctx, INDEX, NAMES)
}
