//! The formats of the Compression Standard, each as a coder that works a piece at a time.
//!
//! Owns: which crate has which format, and how much one step may put out. Must not know: JavaScript.

use std::io::{self, Write};

use brotli::CompressorWriter;
use bytes::{Buf, Bytes};
use flate2::write::{DeflateEncoder, GzDecoder, GzEncoder, ZlibEncoder};
use flate2::{Compression, Decompress, FlushDecompress, Status};
use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, InBuffer, OutBuffer};

use crate::client::Codec;

/// All of them, for people.
pub(super) const FORMATS: &str = "gzip, deflate, deflate-raw, brotli and zstd";

/// Bytes that one step reads of what it compresses, or puts out of what it decompresses.
const STEP_BYTES: usize = 64 << 10;
/// brotli: as good as gzip's best at gzip's speed; 11, its default, is a hundred times slower.
const BROTLI_QUALITY: u32 = 5;
/// brotli: the window is so many bits wide, 512 KiB.
const BROTLI_WINDOW_BITS: u32 = 19;
/// What a compressor of the deflate family owns (miniz_oxide).
const DEFLATE_BYTES: usize = 320 << 10;
/// What a decompressor of it owns, with the room for its output.
const INFLATE_BYTES: usize = 48 << 10;
/// What a compressor of brotli owns: its window twice, its hashes, its commands.
const BROTLI_BYTES: usize = 4 << 20;

/// One stream of data through one format.
pub(super) trait Coder {
    /// Reads from `input` and puts out to `output`, a bounded amount of either; `last`: nothing comes behind
    /// the input. Whether the format has ended.
    ///
    /// # Errors
    /// The data is not valid, in words.
    fn step(&mut self, input: &mut Bytes, last: bool, output: &mut Vec<u8>) -> Result<bool, String>;

    /// Whether there may be output without more input.
    fn has_more(&self) -> bool {
        false
    }

    /// Bytes of native memory that it owns.
    fn bytes(&self) -> usize;
}

/// A compressor for `format`; `None` for one that is not known.
pub(super) fn encoder(format: &str) -> Option<Box<dyn Coder>> {
    let level = Compression::default();
    Some(match format {
        "gzip" => Box::new(Deflating(GzEncoder::new(Vec::new(), level))),
        "deflate" => Box::new(Deflating(ZlibEncoder::new(Vec::new(), level))),
        "deflate-raw" => Box::new(Deflating(DeflateEncoder::new(Vec::new(), level))),
        "brotli" => {
            let writer = CompressorWriter::new(Vec::new(), 4096, BROTLI_QUALITY, BROTLI_WINDOW_BITS);
            Box::new(Brotli(Some(Box::new(writer))))
        }
        "zstd" => Box::new(Zstd(CCtx::try_create()?)),
        _ => return None,
    })
}

/// A decompressor for `format`; `None` for one that is not known.
pub(super) fn decoder(format: &str) -> Option<Box<dyn Coder>> {
    let inflate = |zlib| Box::new(Inflating { state: Decompress::new(zlib), full: false });
    Some(match format {
        "gzip" => Box::new(Gunzip(GzDecoder::new(Vec::new()))),
        "deflate" => inflate(true),
        "deflate-raw" => inflate(false),
        "brotli" => Box::new(Coded { codec: Codec::of("br")?, full: false, begun: None }),
        "zstd" => Box::new(Coded { codec: Codec::of("zstd")?, full: false, begun: None }),
        _ => return None,
    })
}

/// The three compressors of flate2 have no trait in common that lets one take what they have written.
trait Deflate: Write {
    fn finish(&mut self) -> io::Result<()>;
    fn written(&mut self) -> &mut Vec<u8>;
}

macro_rules! deflate {
    ($($encoder:ident),*) => {$(
        impl Deflate for $encoder<Vec<u8>> {
            fn finish(&mut self) -> io::Result<()> {
                self.try_finish()
            }
            fn written(&mut self) -> &mut Vec<u8> {
                self.get_mut()
            }
        }
    )*};
}
deflate!(GzEncoder, ZlibEncoder, DeflateEncoder);

struct Deflating<E>(E);

impl<E: Deflate> Coder for Deflating<E> {
    fn step(&mut self, input: &mut Bytes, last: bool, output: &mut Vec<u8>) -> Result<bool, String> {
        let taken = self.0.write(&input[..input.len().min(STEP_BYTES)]).map_err(|error| error.to_string())?;
        input.advance(taken);
        let ends = last && input.is_empty();
        if ends {
            self.0.finish().map_err(|error| error.to_string())?;
        }
        *output = std::mem::take(self.0.written());
        Ok(ends)
    }

    fn bytes(&self) -> usize {
        DEFLATE_BYTES
    }
}

/// `None` once it has ended.
struct Brotli(Option<Box<CompressorWriter<Vec<u8>>>>);

impl Coder for Brotli {
    fn step(&mut self, input: &mut Bytes, last: bool, output: &mut Vec<u8>) -> Result<bool, String> {
        let Some(writer) = &mut self.0 else { return Ok(true) };
        let taken = writer.write(&input[..input.len().min(STEP_BYTES)]).map_err(|error| error.to_string())?;
        input.advance(taken);
        *output = std::mem::take(writer.get_mut());
        let ends = last && input.is_empty();
        if ends && let Some(writer) = self.0.take() {
            output.extend(writer.into_inner());
        }
        Ok(ends)
    }

    fn bytes(&self) -> usize {
        if self.0.is_some() { BROTLI_BYTES } else { 0 }
    }
}

struct Zstd(CCtx<'static>);

impl Coder for Zstd {
    fn step(&mut self, input: &mut Bytes, last: bool, output: &mut Vec<u8>) -> Result<bool, String> {
        output.resize(STEP_BYTES, 0);
        let end = match last {
            true => ZSTD_EndDirective::ZSTD_e_end,
            false => ZSTD_EndDirective::ZSTD_e_continue,
        };
        let mut from = InBuffer::around(input);
        let mut to = OutBuffer::around(&mut output[..]);
        let left = self
            .0
            .compress_stream2(&mut to, &mut from, end)
            .map_err(|code| zstd_safe::get_error_name(code).to_string())?;
        let (taken, produced) = (from.pos(), to.pos());
        output.truncate(produced);
        input.advance(taken);
        Ok(last && left == 0 && input.is_empty())
    }

    fn bytes(&self) -> usize {
        self.0.sizeof()
    }
}

struct Inflating {
    state: Decompress,
    full: bool,
}

impl Coder for Inflating {
    fn step(&mut self, input: &mut Bytes, _last: bool, output: &mut Vec<u8>) -> Result<bool, String> {
        output.reserve_exact(STEP_BYTES);
        let before = self.state.total_in();
        let status = self
            .state
            .decompress_vec(input, output, FlushDecompress::None)
            .map_err(|error| error.to_string())?;
        input.advance((self.state.total_in() - before) as usize);
        self.full = output.len() == output.capacity();
        Ok(status == Status::StreamEnd)
    }

    fn has_more(&self) -> bool {
        self.full
    }

    fn bytes(&self) -> usize {
        INFLATE_BYTES
    }
}

struct Gunzip(GzDecoder<Vec<u8>>);

impl Coder for Gunzip {
    fn step(&mut self, input: &mut Bytes, last: bool, output: &mut Vec<u8>) -> Result<bool, String> {
        let mut run = || {
            if input.is_empty() {
                // Nothing comes any more: whether it is whole.
                return self.0.try_finish().map(|()| last);
            }
            // One call puts out 32 KiB at most; none, behind its end.
            let taken = self.0.write(input)?;
            input.advance(taken);
            if input.is_empty() {
                // What its window holds comes out with the chunk that gave it.
                self.0.flush()?;
            }
            Ok(taken == 0)
        };
        let ended = run().map_err(|error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => "it ends too early".into(),
            _ => error.to_string(),
        })?;
        *output = std::mem::take(self.0.get_mut());
        Ok(ended)
    }

    fn bytes(&self) -> usize {
        INFLATE_BYTES
    }
}

/// A format that the client decodes, too.
struct Coded {
    codec: Codec,
    full: bool,
    /// The first byte.
    begun: Option<u8>,
}

impl Coder for Coded {
    fn step(&mut self, input: &mut Bytes, last: bool, output: &mut Vec<u8>) -> Result<bool, String> {
        self.begun = self.begun.or_else(|| input.first().copied());
        if last && self.begun.is_none() {
            return Err("it ends too early".into());
        }
        output.resize(STEP_BYTES, 0);
        let run = self.codec.run(input, last, output)?;
        output.truncate(run.produced);
        self.full = run.produced == STEP_BYTES;
        Ok(run.ended)
    }

    fn has_more(&self) -> bool {
        self.full
    }

    fn bytes(&self) -> usize {
        match (&self.codec, self.begun) {
            (Codec::Zstd { context, .. }, _) => context.sizeof(),
            (_, Some(first)) => 1 << window_bits(first),
            (_, None) => 0,
        }
    }
}

/// The size of brotli's window that its first byte gives (RFC 7932, section 9.1).
fn window_bits(first: u8) -> u32 {
    let (high, low) = (u32::from(first >> 1 & 7), u32::from(first >> 4 & 7));
    match (first & 1, high, low) {
        (0, ..) => 16,
        (_, 1.., _) => 17 + high,
        (_, _, 2..) => 8 + low,
        _ => 17,
    }
}
