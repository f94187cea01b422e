//! Content codings (RFC 9110 8.4.1), decoded as the bytes come: gzip, deflate, br, zstd.
//!
//! Owns: the decoders of one body, in the order in which they must run; what a step may produce is
//! bounded, however small its input. Must not know: connections.

use std::io::{self, BufRead, Read};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress, Status, bufread::GzDecoder};
use http::{HeaderMap, header};

/// What a request asks for.
pub(super) const ACCEPTED: &str = "gzip, deflate, br, zstd";
/// Bytes of one step's output at most.
const STEP_BYTES: usize = 32 << 10;
/// Codings that one body may have on top of each other.
const CODINGS_MAX: usize = 4;
/// The largest zstd window, as a power of two: 8 MiB (RFC 9659).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// What a step of a decoder came to.
enum Step {
    /// Bytes.
    Data(Bytes),
    /// It needs more input.
    Starved,
    /// The coding has ended; what follows is ignored.
    End,
}

/// Decodes one body.
pub(super) struct Decoder {
    /// In the order of decoding: the last coding that was applied comes first.
    stages: Vec<Stage>,
}

struct Stage {
    codec: Codec,
    scratch: Box<[u8]>,
    input: Bytes,
    /// No more input comes.
    complete: bool,
    /// Input has come.
    begun: bool,
    ended: bool,
}

/// What decodes one coding, a piece at a time.
pub(crate) enum Codec {
    /// gzip, x-gzip
    Gzip(Gzip),
    /// deflate
    Deflate(Option<Decompress>),
    /// br
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    /// zstd
    Zstd {
        /// The decoder's state.
        context: zstd_safe::DCtx<'static>,
        /// A frame is over, and no other has begun.
        between_frames: bool,
    },
}

impl Decoder {
    /// The decoder for a response with these headers; `None` when nothing is coded, or in a way that
    /// is not known: then the bytes stay as they are (Fetch standard, "handle content codings").
    pub(super) fn of(headers: &HeaderMap) -> Option<Decoder> {
        let mut stages = Vec::new();
        for value in headers.get_all(header::CONTENT_ENCODING) {
            for coding in value.to_str().ok()?.split(',') {
                let coding = coding.trim().to_ascii_lowercase();
                if coding.is_empty() || coding == "identity" {
                    continue;
                }
                let codec = Codec::of(&coding)?;
                stages.push(Stage::new(codec));
            }
        }
        stages.reverse();
        (1..=CODINGS_MAX).contains(&stages.len()).then_some(Decoder { stages })
    }

    /// Adds input; only after [`next`](Self::next) gave `None`.
    pub(super) fn feed(&mut self, bytes: Bytes) {
        self.stages[0].input = bytes;
    }

    /// There is no more input.
    pub(super) fn finish(&mut self) {
        self.stages[0].complete = true;
    }

    pub(super) fn is_complete(&self) -> bool {
        self.stages[0].complete
    }

    /// The next decoded bytes; `None` when input is needed, or after [`finish`](Self::finish) at the end.
    ///
    /// # Errors
    /// The input is malformed or ends too early, in words.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, String> {
        pull(&mut self.stages)
    }
}

/// The output of the last stage; `None` when the first one starves, or the last one has ended.
fn pull(stages: &mut [Stage]) -> Result<Option<Bytes>, String> {
    let Some((last, before)) = stages.split_last_mut() else { return Ok(None) };
    loop {
        match last.step()? {
            Step::Data(bytes) => return Ok(Some(bytes)),
            Step::End => return Ok(None),
            Step::Starved if before.is_empty() => return Ok(None),
            Step::Starved => {}
        }
        match pull(before)? {
            Some(bytes) => last.input = bytes,
            None if before.last().is_some_and(|stage| stage.ended) => last.complete = true,
            None => return Ok(None),
        }
    }
}

impl Stage {
    fn new(codec: Codec) -> Self {
        let scratch = vec![0; STEP_BYTES].into_boxed_slice();
        Stage { codec, scratch, input: Bytes::new(), complete: false, begun: false, ended: false }
    }

    /// Decodes one piece. Never starves once its input is complete.
    fn step(&mut self) -> Result<Step, String> {
        self.begun |= !self.input.is_empty();
        if self.ended || (self.complete && !self.begun) {
            // No input at all is an empty body, whatever its coding.
            self.ended = true;
            return Ok(Step::End);
        }
        let run = self.codec.run(&mut self.input, self.complete, &mut self.scratch)?;
        if run.produced > 0 {
            self.ended = run.ended;
            return Ok(Step::Data(Bytes::copy_from_slice(&self.scratch[..run.produced])));
        }
        if run.ended {
            self.ended = true;
            return Ok(Step::End);
        }
        if self.complete {
            return Err("it ends too early".into());
        }
        Ok(Step::Starved)
    }
}

/// What a codec made of its input: it stops when the output is full, or the input empty.
pub(crate) struct Run {
    /// Bytes of output.
    pub(crate) produced: usize,
    /// The coding has ended.
    pub(crate) ended: bool,
}

impl Codec {
    /// The decoder of a content coding, in lower case; `None` where it is not known.
    pub(crate) fn of(coding: &str) -> Option<Codec> {
        Some(match coding {
            "gzip" | "x-gzip" => Codec::Gzip(Gzip::Member(Box::new(GzDecoder::new(Feed::default())))),
            "deflate" => Codec::Deflate(None),
            "br" => {
                let alloc = StandardAlloc::default;
                Codec::Brotli(Box::new(BrotliState::new(alloc(), alloc(), alloc())))
            }
            "zstd" => {
                let mut context = zstd_safe::DCtx::try_create()?;
                context.set_parameter(zstd_safe::DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX)).ok()?;
                Codec::Zstd { context, between_frames: true }
            }
            _ => return None,
        })
    }

    /// Decodes until the output is full or the input empty; `complete` where no more input comes.
    ///
    /// # Errors
    /// The input is malformed, in words.
    pub(crate) fn run(
        &mut self,
        input: &mut Bytes,
        complete: bool,
        output: &mut [u8],
    ) -> Result<Run, String> {
        match self {
            Codec::Gzip(gzip) => gzip.run(input, complete, output),
            Codec::Deflate(inflate) => run_deflate(inflate, input, output),
            Codec::Brotli(state) => run_brotli(state, input, output),
            Codec::Zstd { context, between_frames } => {
                let mut taken = zstd_safe::InBuffer::around(input);
                let mut filled = zstd_safe::OutBuffer::around(output);
                let hint = context
                    .decompress_stream(&mut filled, &mut taken)
                    .map_err(|code| zstd_safe::get_error_name(code).to_string())?;
                let (taken, produced) = (taken.pos(), filled.pos());
                // A frame may follow another: it is over only where the input is.
                *between_frames = hint == 0 || (*between_frames && taken == 0);
                input.advance(taken);
                let ended = complete && input.is_empty() && *between_frames && produced == 0;
                Ok(Run { produced, ended })
            }
        }
    }
}

/// "deflate" is the zlib format (RFC 9110 8.4.1.2); some servers send bare deflate.
fn run_deflate(
    inflate: &mut Option<Decompress>,
    input: &mut Bytes,
    output: &mut [u8],
) -> Result<Run, String> {
    let inflate = match (inflate, input.first()) {
        (Some(inflate), _) => inflate,
        (None, None) => return Ok(Run { produced: 0, ended: false }),
        (slot, Some(first)) => slot.insert(Decompress::new(first & 0x0f == 8)),
    };
    let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
    let status =
        inflate.decompress(input, output, FlushDecompress::None).map_err(|error| error.to_string())?;
    input.advance((inflate.total_in() - before_in) as usize);
    let produced = (inflate.total_out() - before_out) as usize;
    Ok(Run { produced, ended: status == Status::StreamEnd })
}

fn run_brotli(
    state: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    input: &mut Bytes,
    output: &mut [u8],
) -> Result<Run, String> {
    let (mut left, mut taken, mut room, mut produced, mut total) = (input.len(), 0, output.len(), 0, 0);
    let result = BrotliDecompressStream(
        &mut left,
        &mut taken,
        input,
        &mut room,
        &mut produced,
        output,
        &mut total,
        state,
    );
    input.advance(taken);
    match result {
        BrotliResult::ResultFailure => Err("it is malformed".into()),
        BrotliResult::ResultSuccess => Ok(Run { produced, ended: true }),
        BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => Ok(Run { produced, ended: false }),
    }
}

/// gzip (RFC 1952): members one after another; what is no further member is ignored.
pub(crate) enum Gzip {
    /// One under way.
    Member(Box<GzDecoder<Feed>>),
    /// One member has ended, and the next byte says whether another one follows.
    Between,
}

/// The input of a gzip decoder.
#[derive(Default)]
pub(crate) struct Feed {
    bytes: Bytes,
    complete: bool,
}

impl BufRead for Feed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.is_empty() && !self.complete {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(&self.bytes)
    }

    fn consume(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

impl Read for Feed {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.len().min(output.len());
        output[..count].copy_from_slice(&self.bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl Gzip {
    fn run(&mut self, input: &mut Bytes, complete: bool, output: &mut [u8]) -> Result<Run, String> {
        loop {
            let Gzip::Member(decoder) = self else {
                match input.first() {
                    // The magic number, ID1.
                    Some(0x1f) => *self = Gzip::Member(Box::new(GzDecoder::new(Feed::default()))),
                    Some(_) => return Ok(Run { produced: 0, ended: true }),
                    None => return Ok(Run { produced: 0, ended: complete }),
                }
                continue;
            };
            let feed = decoder.get_mut();
            feed.complete = complete;
            feed.bytes = std::mem::take(input);
            let result = decoder.read(output);
            *input = std::mem::take(&mut decoder.get_mut().bytes);
            match result {
                Ok(0) => *self = Gzip::Between,
                Ok(produced) => return Ok(Run { produced, ended: false }),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Run { produced: 0, ended: false });
                }
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err("it ends too early".into());
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}
