//! The content codings by which answers are compressed, a slice at a time.
//!
//! Owns: which crate has which coding, the sizes of their windows, what is put out for what was put in. Must not
//! know: answers, who takes which coding.

use std::io::Write;

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;
use runtime::config::{Coding, CodingLevel};
use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};

/// zstd: the window of a body that comes in pieces is so many bits wide, 128 KiB; browsers take up to 8 MiB (RFC 9659).
const ZSTD_WINDOW_BITS: u32 = 17;
/// The same for its tables.
const ZSTD_TABLE_BITS: u32 = 16;
/// brotli: the window is so many bits wide, 256 KiB.
const BROTLI_WINDOW_BITS: i32 = 18;
/// brotli: so many bytes are coded at a time, 64 KiB. Left to itself it takes 256 KiB from level 9 on, all in one call;
/// texts get no shorter by that.
const BROTLI_BLOCK_BITS: i32 = 16;
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
    /// A compressor of a body in pieces; `length`: its bytes in all, where that is known.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(level: CodingLevel, length: Option<usize>) -> Result<Coder, CodingFailed> {
        Coder::made(level, length, true)
    }

    /// A compressor of a short body that is here, of so many bytes.
    ///
    /// # Errors
    /// Out of memory.
    pub fn of_whole(level: CodingLevel, length: usize) -> Result<Coder, CodingFailed> {
        Coder::made(level, Some(length), false)
    }

    fn made(level: CodingLevel, length: Option<usize>, in_pieces: bool) -> Result<Coder, CodingFailed> {
        let CodingLevel { coding, level } = level;
        Ok(match coding {
            Coding::Zstd => Coder::Zstd(Box::new(zstd(level, length, in_pieces)?)),
            Coding::Brotli => {
                let params = BrotliEncoderParams {
                    quality: level.cast_signed(),
                    lgwin: BROTLI_WINDOW_BITS,
                    lgblock: BROTLI_BLOCK_BITS,
                    ..BrotliEncoderParams::default()
                };
                Coder::Brotli(Box::new(CompressorWriter::with_params(Vec::new(), 4096, &params)))
            }
            Coding::Gzip => Coder::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::new(level)))),
        })
    }

    /// Bytes that a compressor of a body in pieces owns from one slice to the next, as measured with these windows: of
    /// brotli its window twice, its commands, and its hashes, which grow with the level up to 9.
    pub fn bytes(level: CodingLevel) -> usize {
        let kibibytes = match (level.coding, level.level) {
            (Coding::Gzip, _) => 416,
            (Coding::Zstd, ..=13) => 1600,
            (Coding::Zstd, _) => 2200,
            (Coding::Brotli, ..=1) => 256,
            (Coding::Brotli, 2..=3) => 1200,
            (Coding::Brotli, 4) => 3400,
            (Coding::Brotli, 5) => 4000,
            (Coding::Brotli, 6) => 5000,
            (Coding::Brotli, 7) => 11_200,
            (Coding::Brotli, 8) => 19_400,
            (Coding::Brotli, 9) => 35_800,
            (Coding::Brotli, _) => 5500,
        };
        kibibytes << 10
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

fn zstd(level: u32, length: Option<usize>, in_pieces: bool) -> Result<CCtx<'static>, CodingFailed> {
    let mut context = CCtx::try_create().ok_or(CodingFailed)?;
    let mut set = |parameter| context.set_parameter(parameter).map(drop).map_err(|_| CodingFailed);
    set(CParameter::CompressionLevel(level.cast_signed()))?;
    // What is shorter gets a smaller window by itself.
    set(CParameter::WindowLog(ZSTD_WINDOW_BITS))?;
    if in_pieces {
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

#[cfg(test)]
mod tests {
    use super::*;

    // The other two do not tell what they own.
    #[test]
    fn zstd_owns_no_more_than_is_counted() {
        let input: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        for level in 1..=19 {
            let level = CodingLevel { coding: Coding::Zstd, level };
            for length in [None, Some(input.len()), Some(1 << 30)] {
                let (mut coder, mut out) = (Coder::new(level, length).expect("a coder"), Vec::new());
                coder.run(&input, true, &mut out).expect("coded");
                let Coder::Zstd(context) = &coder else { panic!("zstd") };
                assert!(
                    context.sizeof() <= Coder::bytes(level),
                    "{level:?} {length:?}: {}",
                    context.sizeof()
                );
            }
        }
    }
}
