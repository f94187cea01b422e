//! The hash functions: SHA-1 and SHA-2 (FIPS 180-4).
//!
//! Owns: [`Hash`], its names and sizes, the dispatch to the crates' types. Must not know: keys.

use sha2::Digest;

use super::steps::{PIECE_BYTES, Steps};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// Evaluates an expression with `$D` as the type of a hash function.
macro_rules! with_hash {
    ($hash:expr, $D:ident => $body:expr) => {
        match $hash {
            $crate::modules::web::crypto::hash::Hash::Sha1 => {
                type $D = sha1::Sha1;
                $body
            }
            $crate::modules::web::crypto::hash::Hash::Sha256 => {
                type $D = sha2::Sha256;
                $body
            }
            $crate::modules::web::crypto::hash::Hash::Sha384 => {
                type $D = sha2::Sha384;
                $body
            }
            $crate::modules::web::crypto::hash::Hash::Sha512 => {
                type $D = sha2::Sha512;
                $body
            }
        }
    };
}
pub(super) use with_hash;

impl Hash {
    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Hash::Sha1 => "SHA-1",
            Hash::Sha256 => "SHA-256",
            Hash::Sha384 => "SHA-384",
            Hash::Sha512 => "SHA-512",
        }
    }

    /// The number that JWK algorithm names end in (RFC 7518 section 3.1).
    pub fn number(self) -> &'static str {
        match self {
            Hash::Sha1 => "1",
            Hash::Sha256 => "256",
            Hash::Sha384 => "384",
            Hash::Sha512 => "512",
        }
    }

    /// Length of what it puts out, in bytes.
    pub fn bytes(self) -> usize {
        with_hash!(self, D => <D as Digest>::output_size())
    }

    /// Length of a block, in bits: what an HMAC key has by default.
    pub fn block_bits(self) -> u32 {
        match self {
            Hash::Sha1 | Hash::Sha256 => 512,
            Hash::Sha384 | Hash::Sha512 => 1024,
        }
    }

    /// The hash of `data`.
    pub fn digest(self, data: &[u8]) -> Vec<u8> {
        with_hash!(self, D => D::digest(data).to_vec())
    }

    /// The same in steps.
    pub fn digest_steps(self, data: Vec<u8>) -> Steps<Vec<u8>> {
        with_hash!(self, D => pieces::<D>(data))
    }
}

fn pieces<D: Digest + Send + 'static>(data: Vec<u8>) -> Steps<Vec<u8>> {
    let (mut state, mut at) = (Some(D::new()), 0);
    Box::new(move || {
        let end = data.len().min(at + PIECE_BYTES);
        state.as_mut()?.update(&data[at..end]);
        at = end;
        if at < data.len() {
            return None;
        }
        state.take().map(|hasher| Ok(hasher.finalize().to_vec()))
    })
}
