//! The coders behind `CompressionStream` and `DecompressionStream` (Compression Standard).
//!
//! Owns: the state of a format between two chunks. Must not know: streams.

use std::cell::RefCell;
use std::ffi::CStr;
use std::io::{self, Write};

use flate2::write::{DeflateEncoder, GzDecoder, GzEncoder, ZlibEncoder};
use flate2::{Compression, Decompress, FlushDecompress, Status};
use rquickjs::{Ctx, Result, Value};

use crate::js::class::{self, Class, Member, Scope};
use crate::js::{buffer, exception, value};

/// Bytes that one step of decompression makes room for.
const STEP_BYTES: usize = 64 << 10;

enum Coder {
    Gzip(GzEncoder<Vec<u8>>),
    Zlib(ZlibEncoder<Vec<u8>>),
    Deflate(DeflateEncoder<Vec<u8>>),
    GzipDecoder(Box<GzDecoder<Vec<u8>>>),
    Inflate { state: Decompress, ended: bool },
}

/// A coder as the stream classes hold it; no script sees one.
pub struct Native(RefCell<Coder>);

impl Class for Native {
    const ID: u32 = 156;
    const NAME: &'static CStr = c"Coder";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[];
}

fn wrap<'js>(scope: &Scope<'_, 'js>, coder: Coder) -> Result<Value<'js>> {
    class::instance(scope.ctx, Native(RefCell::new(coder)))
}

fn unknown(ctx: &Ctx<'_>, format: &str) -> rquickjs::Error {
    let text = format!("'{format}' is not a compression format: gzip, deflate and deflate-raw are");
    exception::type_error(ctx, &text)
}

/// A compressor for the format that argument 0 names.
pub(super) fn compressor<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let (format, level) = (value::to_string(&scope.arg(0))?, Compression::default());
    let coder = match format.as_str() {
        "gzip" => Coder::Gzip(GzEncoder::new(Vec::new(), level)),
        "deflate" => Coder::Zlib(ZlibEncoder::new(Vec::new(), level)),
        "deflate-raw" => Coder::Deflate(DeflateEncoder::new(Vec::new(), level)),
        other => return Err(unknown(scope.ctx, other)),
    };
    wrap(scope, coder)
}

/// A decompressor for the format that argument 0 names.
pub(super) fn decompressor<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let format = value::to_string(&scope.arg(0))?;
    let coder = match format.as_str() {
        "gzip" => Coder::GzipDecoder(Box::new(GzDecoder::new(Vec::new()))),
        "deflate" => Coder::Inflate { state: Decompress::new(true), ended: false },
        "deflate-raw" => Coder::Inflate { state: Decompress::new(false), ended: false },
        other => return Err(unknown(scope.ctx, other)),
    };
    wrap(scope, coder)
}

/// Puts chunk 1 through coder 0, or ends it (argument 2): a Uint8Array, or undefined where nothing
/// has come out.
pub(super) fn code<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let coder = scope.arg(0);
    let Some(native) = class::get::<Native>(&coder) else { return Ok(scope.undefined()) };
    let last = scope.arg(2).as_bool() == Some(true);
    let input = match last {
        true => Vec::new(),
        // A view of shared memory is none that Web IDL lets in here.
        false => match value::bytes(&scope.arg(1))? {
            Some(bytes) if !buffer::is_view(&scope.arg(1)) || buffer::view(ctx, &scope.arg(1))?.is_some() => {
                bytes.to_vec()
            }
            _ => return Err(exception::type_error(ctx, "chunks are ArrayBuffers or views of one")),
        },
    };
    let output = native.0.borrow_mut().run(&input, last);
    match output {
        Ok(output) if output.is_empty() => Ok(scope.undefined()),
        Ok(output) => value::uint8_array(ctx, &output),
        Err(error) => Err(exception::type_error(ctx, &format!("the compressed data is not valid: {error}"))),
    }
}

impl Coder {
    fn run(&mut self, input: &[u8], last: bool) -> io::Result<Vec<u8>> {
        match self {
            Coder::Gzip(coder) => {
                coder.write_all(input)?;
                if last {
                    coder.try_finish()?;
                }
                Ok(std::mem::take(coder.get_mut()))
            }
            Coder::Zlib(coder) => {
                coder.write_all(input)?;
                if last {
                    coder.try_finish()?;
                }
                Ok(std::mem::take(coder.get_mut()))
            }
            Coder::Deflate(coder) => {
                coder.write_all(input)?;
                if last {
                    coder.try_finish()?;
                }
                Ok(std::mem::take(coder.get_mut()))
            }
            Coder::GzipDecoder(coder) => {
                let mut rest = input;
                while !rest.is_empty() {
                    match coder.write(rest)? {
                        0 => return Err(io::Error::other("there is data behind its end")),
                        n => rest = &rest[n..],
                    }
                }
                match last {
                    true => coder.try_finish()?,
                    // What its window holds comes out with the chunk that gave it.
                    false => coder.flush()?,
                }
                Ok(std::mem::take(coder.get_mut()))
            }
            Coder::Inflate { state, ended } => inflate(state, ended, input, last),
        }
    }
}

fn inflate(state: &mut Decompress, ended: &mut bool, mut input: &[u8], last: bool) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    while !*ended && (!input.is_empty() || last) {
        output.reserve(STEP_BYTES);
        let (before_in, before_out) = (state.total_in(), state.total_out());
        let status = state.decompress_vec(input, &mut output, FlushDecompress::None)?;
        let taken = usize::try_from(state.total_in() - before_in).unwrap_or(input.len());
        input = &input[taken..];
        *ended = matches!(status, Status::StreamEnd);
        if taken == 0 && state.total_out() == before_out {
            break;
        }
    }
    // What is left in the window comes out without any input.
    while !*ended {
        output.reserve(STEP_BYTES);
        let before = state.total_out();
        *ended =
            matches!(state.decompress_vec(&[], &mut output, FlushDecompress::None), Ok(Status::StreamEnd));
        if state.total_out() == before {
            break;
        }
    }
    if !input.is_empty() {
        return Err(io::Error::other("there is data behind its end"));
    }
    if last && !*ended {
        return Err(io::Error::other("it ends too early"));
    }
    Ok(output)
}
