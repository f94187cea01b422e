//! The content codings by which answers are compressed, a slice at a time.
//!
//! Owns: which crate has which coding, the sizes of their windows, what is put out for what was put in. Must not
//! know: answers, who takes which coding.

use std::io::Write;

use brotli::CompressorWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use runtime::config::{Coding, CodingLevel};
use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};

/// zstd: the window of a body that comes in pieces is so many bits wide, 128 KiB; browsers take up to 8 MiB (RFC 9659).
const ZSTD_WINDOW_BITS: u32 = 17;
/// The same for its tables.
const ZSTD_TABLE_BITS: u32 = 16;
/// zstd: what a compressor of such a window owns, at its default level.
const ZSTD_BYTES: usize = 1 << 20;
/// brotli: the window is so many bits wide, 256 KiB.
const BROTLI_WINDOW_BITS: u32 = 18;
/// brotli: what a compressor owns: its window twice, its hashes, its commands.
const BROTLI_BYTES: usize = 3 << 20;
/// gzip: what a compressor owns.
const GZIP_BYTES: usize = 320 << 10;
/// Room for what one call puts out.
const ROOM_BYTES: usize = 32 << 10;

/// A compressor of one body.
pub enum Coder {
    /// zstd (RFC 8878).
    Zstd(Box<CCtx<'static>>),
    /// br (RFC 7932).
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    /// gzip (RFC 1952).
    Gzip(Box<GzEncoder<Vec<u8>>>),
}

/// The compressor failed: for zstd, out of memory.
#[derive(Clone, Copy, Debug)]
pub struct CodingFailed;

impl Coder {
    /// A compressor; `length`: the bytes of all of the body, where it is here.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(level: CodingLevel, length: Option<usize>) -> Result<Coder, CodingFailed> {
        let CodingLevel { coding, level } = level;
        Ok(match coding {
            Coding::Zstd => Coder::Zstd(Box::new(zstd(level, length)?)),
            Coding::Brotli => {
                Coder::Brotli(Box::new(CompressorWriter::new(Vec::new(), 4096, level, BROTLI_WINDOW_BITS)))
            }
            Coding::Gzip => Coder::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::new(level)))),
        })
    }

    /// Bytes that a compressor of `coding` owns.
    pub fn bytes(coding: Coding) -> usize {
        match coding {
            Coding::Zstd => ZSTD_BYTES,
            Coding::Brotli => BROTLI_BYTES,
            Coding::Gzip => GZIP_BYTES,
        }
    }

    /// Takes `input`, and appends what there is of the coded body to `out`; with `flush` enough of it that all that
    /// came so far can be decoded.
    ///
    /// # Errors
    /// The coding failed; the body cannot go on.
    pub fn run(&mut self, input: &[u8], flush: bool, out: &mut Vec<u8>) -> Result<(), CodingFailed> {
        match self {
            Coder::Zstd(context) => {
                let then = match flush {
                    true => ZSTD_EndDirective::ZSTD_e_flush,
                    false => ZSTD_EndDirective::ZSTD_e_continue,
                };
                run_zstd(context, input, then, out)
            }
            Coder::Brotli(writer) => {
                run_writer(&mut **writer, input, flush)?;
                out.append(writer.get_mut());
                Ok(())
            }
            Coder::Gzip(writer) => {
                run_writer(&mut **writer, input, flush)?;
                out.append(writer.get_mut());
                Ok(())
            }
        }
    }

    /// Appends the end of the coded body to `out`.
    ///
    /// # Errors
    /// As above.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), CodingFailed> {
        match self {
            Coder::Zstd(mut context) => run_zstd(&mut context, &[], ZSTD_EndDirective::ZSTD_e_end, out),
            Coder::Brotli(writer) => {
                out.append(&mut writer.into_inner());
                Ok(())
            }
            Coder::Gzip(writer) => {
                out.append(&mut writer.finish().map_err(|_| CodingFailed)?);
                Ok(())
            }
        }
    }
}

fn zstd(level: u32, length: Option<usize>) -> Result<CCtx<'static>, CodingFailed> {
    let mut context = CCtx::try_create().ok_or(CodingFailed)?;
    let mut set = |parameter| context.set_parameter(parameter).map(drop).map_err(|_| CodingFailed);
    set(CParameter::CompressionLevel(level.cast_signed()))?;
    // What is shorter gets a smaller window by itself.
    set(CParameter::WindowLog(ZSTD_WINDOW_BITS))?;
    if length.is_none() {
        set(CParameter::HashLog(ZSTD_TABLE_BITS))?;
        set(CParameter::ChainLog(ZSTD_TABLE_BITS))?;
    }
    context.set_pledged_src_size(length.map(|length| length as u64)).map_err(|_| CodingFailed)?;
    Ok(context)
}

fn run_zstd(
    context: &mut CCtx<'static>,
    input: &[u8],
    then: ZSTD_EndDirective,
    out: &mut Vec<u8>,
) -> Result<(), CodingFailed> {
    let mut from = InBuffer::around(input);
    loop {
        let before = out.len();
        out.resize(before + ROOM_BYTES, 0);
        let mut to = OutBuffer::around(&mut out[before..]);
        let left = context.compress_stream2(&mut to, &mut from, then);
        let produced = to.pos();
        out.truncate(before + produced);
        let left = left.map_err(|_| CodingFailed)?;
        if from.pos() == input.len() && (left == 0 || then == ZSTD_EndDirective::ZSTD_e_continue) {
            return Ok(());
        }
    }
}

fn run_writer(writer: &mut impl Write, input: &[u8], flush: bool) -> Result<(), CodingFailed> {
    // Writing to a Vec cannot fail.
    writer.write_all(input).map_err(|_| CodingFailed)?;
    if flush { writer.flush().map_err(|_| CodingFailed) } else { Ok(()) }
}
