//! HMAC (RFC 2104), HKDF (RFC 5869), PBKDF2 (RFC 8018): what hash functions are keyed for.
//!
//! Owns: the calls of the crates, the loops of what is done in steps. Must not know: keys' usages.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};

use super::failure::{self, Outcome};
use super::hash::{Hash, with_hash};
use super::steps::{PIECE_BYTES, Steps};

/// Most bytes that PBKDF2 puts out: far from what the hash allows, near what makes sense.
const PBKDF2_BYTES_MAX: usize = 1 << 20;
/// Iterations of PBKDF2 in one step: half a millisecond.
const ITERATIONS: u32 = 1000;

/// What `finish` makes of `mac` once all of `data` has gone through it.
fn pieces<M: Mac + Send + 'static, T: 'static>(
    mac: M,
    data: Vec<u8>,
    finish: impl FnOnce(M) -> T + Send + 'static,
) -> Steps<T> {
    let (mut state, mut at) = (Some((mac, finish)), 0);
    Box::new(move || {
        let (mac, _) = state.as_mut()?;
        let end = data.len().min(at + PIECE_BYTES);
        mac.update(&data[at..end]);
        at = end;
        if at < data.len() {
            return None;
        }
        state.take().map(|(mac, finish)| Ok(finish(mac)))
    })
}

/// The tag of `data`.
///
/// # Errors
/// None: any key will do.
pub fn sign(hash: Hash, key: &[u8], data: Vec<u8>) -> Outcome<Steps<Vec<u8>>> {
    with_hash!(hash, D => {
        let mac = Hmac::<D>::new_from_slice(key).map_err(|_| failure::operation("the key is too long"))?;
        Ok(pieces(mac, data, |mac| mac.finalize().into_bytes().to_vec()))
    })
}

/// Whether `tag` is that of `data`, compared in constant time.
///
/// # Errors
/// None: any key will do.
pub fn verify(hash: Hash, key: &[u8], tag: Vec<u8>, data: Vec<u8>) -> Outcome<Steps<bool>> {
    with_hash!(hash, D => {
        let mac = Hmac::<D>::new_from_slice(key).map_err(|_| failure::operation("the key is too long"))?;
        Ok(pieces(mac, data, move |mac| mac.verify_slice(&tag).is_ok()))
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

/// PBKDF2 (RFC 8018, section 5.2). The crate `pbkdf2` does all iterations at once: here others have their
/// turn in between.
///
/// # Errors
/// OperationError for a length that is missing or broken, and for no iterations.
pub fn pbkdf2(
    hash: Hash,
    key: &[u8],
    salt: &[u8],
    iterations: u32,
    bits: Option<u32>,
) -> Outcome<Steps<Vec<u8>>> {
    let length = whole(bits)?;
    if iterations == 0 {
        return Err(failure::operation("PBKDF2 needs at least one iteration"));
    }
    if length > PBKDF2_BYTES_MAX {
        return Err(failure::operation("PBKDF2 derives at most 1 MiB"));
    }
    with_hash!(hash, D => {
        let prf = Hmac::<D>::new_from_slice(key).map_err(|_| failure::operation("the key is too long"))?;
        Ok(stretch(prf, salt.to_vec(), iterations, length))
    })
}

fn stretch<P: Mac + Clone + Send + 'static>(
    prf: P,
    salt: Vec<u8>,
    iterations: u32,
    length: usize,
) -> Steps<Vec<u8>> {
    let keyed = move |parts: [&[u8]; 2]| {
        let mut prf = prf.clone();
        parts.iter().for_each(|part| prf.update(part));
        prf.finalize().into_bytes()
    };
    let mut out = Vec::with_capacity(length);
    // The last U, the sum T of all, and how many there have been, of the block under way.
    let mut block = None;
    Box::new(move || {
        if out.len() == length {
            return Some(Ok(std::mem::take(&mut out)));
        }
        let (mut u, mut t, done) = block.take().unwrap_or_else(|| {
            let size = P::output_size();
            let number = (out.len() / size + 1) as u32;
            let first = keyed([&salt, &number.to_be_bytes()]);
            (first.clone(), first, 1_u32)
        });
        let count = ITERATIONS.min(iterations - done);
        for _ in 0..count {
            u = keyed([&u, b""]);
            t.iter_mut().zip(&u).for_each(|(sum, byte)| *sum ^= byte);
        }
        match done + count == iterations {
            true => {
                let left = length - out.len();
                out.extend_from_slice(&t[..left.min(t.len())]);
                (out.len() == length).then(|| Ok(std::mem::take(&mut out)))
            }
            false => {
                block = Some((u, t, done + count));
                None
            }
        }
    })
}
