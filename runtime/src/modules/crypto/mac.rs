//! HMAC (RFC 2104), HKDF (RFC 5869), PBKDF2 (RFC 8018): what hash functions are keyed for.
//!
//! Owns: the calls of the crates. Must not know: keys' usages.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};

use super::failure::{self, Outcome};
use super::hash::{Hash, with_hash};

/// Most bytes that PBKDF2 puts out: far from what the hash allows, near what makes sense.
const PBKDF2_BYTES_MAX: usize = 1 << 20;

/// The tag of `data`.
///
/// # Errors
/// None: any key will do.
pub fn sign(hash: Hash, key: &[u8], data: &[u8]) -> Outcome<Vec<u8>> {
    with_hash!(hash, D => {
        let mut mac = Hmac::<D>::new_from_slice(key).map_err(|_| failure::operation("the key is too long"))?;
        mac.update(data);
        Ok(mac.finalize().into_bytes().to_vec())
    })
}

/// Whether `tag` is that of `data`, compared in constant time.
///
/// # Errors
/// None: any key will do.
pub fn verify(hash: Hash, key: &[u8], tag: &[u8], data: &[u8]) -> Outcome<bool> {
    with_hash!(hash, D => {
        let mut mac = Hmac::<D>::new_from_slice(key).map_err(|_| failure::operation("the key is too long"))?;
        mac.update(data);
        Ok(mac.verify_slice(tag).is_ok())
    })
}

/// Whole bytes of a derivation.
fn whole(bits: Option<u32>) -> Outcome<usize> {
    match bits {
        Some(bits) if bits.is_multiple_of(8) => Ok(bits as usize / 8),
        _ => Err(failure::operation("the length must be a multiple of 8 bits")),
    }
}

/// HKDF, both steps.
///
/// # Errors
/// OperationError for a length that is missing, broken or beyond 255 blocks.
pub fn hkdf(hash: Hash, key: &[u8], salt: &[u8], info: &[u8], bits: Option<u32>) -> Outcome<Vec<u8>> {
    let length = whole(bits)?;
    if length > 255 * hash.bytes() {
        return Err(failure::operation("HKDF derives at most 255 blocks"));
    }
    let mut out = vec![0; length];
    let done = with_hash!(hash, D => Hkdf::<D>::new(Some(salt), key).expand(info, &mut out).is_ok());
    if done { Ok(out) } else { Err(failure::operation("HKDF derives at most 255 blocks")) }
}

/// PBKDF2.
///
/// # Errors
/// OperationError for a length that is missing or broken, and for no iterations.
pub fn pbkdf2(hash: Hash, key: &[u8], salt: &[u8], iterations: u32, bits: Option<u32>) -> Outcome<Vec<u8>> {
    let length = whole(bits)?;
    if iterations == 0 {
        return Err(failure::operation("PBKDF2 needs at least one iteration"));
    }
    if length > PBKDF2_BYTES_MAX {
        return Err(failure::operation("PBKDF2 derives at most 1 MiB"));
    }
    let mut out = vec![0; length];
    with_hash!(hash, D => pbkdf2::pbkdf2_hmac::<D>(key, salt, iterations, &mut out));
    Ok(out)
}
