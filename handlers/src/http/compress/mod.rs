//! Content codings of the app's answers (RFC 9110 section 8.4): whether one is compressed, by which coding, and what
//! its head says then.
//!
//! Owns: that decision, the fields that go with it, a small body as a whole ([`whole`]), a body in pieces
//! ([`Encoder`]). Must not know: the wire.

mod coder;
mod encoder;
mod rules;

pub use coder::CodingFailed;
pub use encoder::Encoder;
pub use rules::{Decision, change_fields, decide, say_vary, weaken};

use coder::Coder;
use runtime::config::{CodingLevel, Config};

/// A longer body is compressed in slices, between which other requests of the worker have their turn.
pub const WHOLE_BYTES_MAX: usize = 64 << 10;

/// A body, coded; none where it would be no shorter, unless it `must` be coded.
pub fn whole(body: &[u8], level: CodingLevel, must: bool) -> Option<Vec<u8>> {
    let mut coded = Vec::with_capacity(body.len() / 2);
    let mut coder = Coder::of_whole(level, body.len()).ok()?;
    coder.run(body, false, &mut coded).ok()?;
    coder.finish(&mut coded).ok()?;
    (must || coded.len() < body.len()).then_some(coded)
}

/// What codings cannot do with the memory that they may have: a sentence for each.
pub fn shortages(config: &Config) -> Vec<String> {
    let max = config.limits.compress_memory_bytes_max;
    let wanting = config.answers.compression.codings.iter().map(|level| (level, Coder::bytes(*level)));
    let sentence = |(level, bytes): (&CodingLevel, usize)| {
        let (name, level) = (level.coding.name(), level.level);
        format!(
            "--compress={name}:{level} takes {} KiB of memory for a body in pieces, more than --compress-memory \
             ({} KiB): bodies over {} KiB and streams go uncompressed. Give more, or a lower level.",
            bytes >> 10,
            max >> 10,
            WHOLE_BYTES_MAX >> 10
        )
    };
    wanting.filter(|(_, bytes)| *bytes > max).map(sentence).collect()
}
