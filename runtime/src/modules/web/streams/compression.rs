//! The coders behind `CompressionStream` and `DecompressionStream` (Compression Standard).
//!
//! Owns: what goes through one between two pieces of output, and the account of it: nothing is coded before
//! the reader wants it. Must not know: streams; the formats are in `coders`.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;

use bytes::{Buf, Bytes};
use rquickjs::{Ctx, Result, Value};

use crate::js::charge::Charge;
use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::{buffer, buffer_source, exception, value};

use super::coders::{self, Coder, FORMATS};

/// Most bytes of one piece of output.
const PIECE_BYTES: usize = 64 << 10;

/// A coder as the stream classes hold it; no script sees one.
pub struct Native {
    state: RefCell<State>,
    /// What the coder itself owns, and the input that it has not read.
    charge: Charge,
    /// Output may be had only by a coder that was not dropped for an error.
    failed: Cell<bool>,
}

struct State {
    coder: Box<dyn Coder>,
    input: Bytes,
    last: bool,
    ended: bool,
    /// Output that is too much for one piece.
    output: Bytes,
}

impl class_id::Of for class_id::StreamCoder {
    type Class = Native;
}

impl Class for Native {
    type Id = class_id::StreamCoder;
    const NAME: &'static CStr = c"Coder";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[];
}

fn wrap<'js>(scope: &Scope<'_, 'js>, coder: Option<Box<dyn Coder>>) -> Result<Value<'js>> {
    let Some(coder) = coder else {
        let format: String = value::to_string(&scope.arg(0))?.chars().take(40).collect();
        let text = format!("'{format}' is not a compression format: {FORMATS} are");
        return Err(exception::type_error(scope.ctx, &text));
    };
    let charge = Charge::default();
    charge.set(scope.ctx, coder.bytes())?;
    let (input, output) = (Bytes::new(), Bytes::new());
    let state = RefCell::new(State { coder, input, last: false, ended: false, output });
    class::instance(scope.ctx, Native { state, charge, failed: Cell::new(false) })
}

/// A compressor for the format that argument 0 names.
pub(super) fn compressor<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    wrap(scope, coders::encoder(&value::to_string(&scope.arg(0))?))
}

/// A decompressor for the format that argument 0 names.
pub(super) fn decompressor<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    wrap(scope, coders::decoder(&value::to_string(&scope.arg(0))?))
}

/// Gives coder 0 the chunk 1, or says that there is none any more where that is undefined. Only after
/// [`code`] gave undefined.
pub(super) fn feed<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let (coder, chunk) = (scope.arg(0), scope.arg(1));
    let Some(native) = class::get::<Native>(&coder) else { return Ok(scope.undefined()) };
    if scope.arg(2).as_bool() == Some(true) {
        native.state.borrow_mut().last = true;
        return Ok(scope.undefined());
    }
    // A view of shared memory is none that Web IDL lets in here.
    match buffer_source::bytes(&chunk)? {
        Some(bytes) if !buffer::is_view(&chunk) || buffer::view(ctx, &chunk)?.is_some() => {
            let owned = native.state.borrow().coder.bytes();
            native.charge.set(ctx, owned + bytes.len())?;
            native.state.borrow_mut().input = bytes.to_vec().into();
            Ok(scope.undefined())
        }
        _ => Err(exception::type_error(ctx, "chunks are ArrayBuffers or views of one")),
    }
}

/// The next piece of coder 0: a Uint8Array, or undefined where it needs more input or has ended.
pub(super) fn code<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let coder = scope.arg(0);
    let Some(native) = class::get::<Native>(&coder) else { return Ok(scope.undefined()) };
    if native.failed.get() {
        return Ok(scope.undefined());
    }
    let piece = native.state.borrow_mut().next();
    let owned = {
        let state = native.state.borrow();
        state.coder.bytes() + state.input.len() + state.output.len()
    };
    native.charge.set(scope.ctx, owned)?;
    match piece {
        Ok(None) => Ok(scope.undefined()),
        Ok(Some(piece)) => value::uint8_array(scope.ctx, &piece),
        Err(error) => {
            native.failed.set(true);
            Err(invalid(scope.ctx, &error))
        }
    }
}

fn invalid(ctx: &Ctx<'_>, error: &str) -> rquickjs::Error {
    exception::type_error(ctx, &format!("the compressed data is not valid: {error}"))
}

impl State {
    fn next(&mut self) -> std::result::Result<Option<Bytes>, String> {
        while self.output.is_empty() {
            if self.ended {
                return match self.input.is_empty() {
                    true => Ok(None),
                    false => Err("there is data behind its end".into()),
                };
            }
            if self.input.is_empty() && !self.last && !self.coder.has_more() {
                return Ok(None);
            }
            let before = self.input.len();
            let mut output = Vec::new();
            self.ended = self.coder.step(&mut self.input, self.last, &mut output)?;
            let idle = output.is_empty() && self.input.len() == before && !self.ended;
            self.output = output.into();
            match idle {
                true if self.last => return Err("it ends too early".into()),
                true if before > 0 => return Err("it makes no progress".into()),
                true => return Ok(None),
                false => {}
            }
        }
        let length = self.output.len().min(PIECE_BYTES);
        let piece = self.output.slice(..length);
        self.output.advance(length);
        Ok(Some(piece))
    }
}
