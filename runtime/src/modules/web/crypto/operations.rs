//! The operations of all algorithms: which of them does what with which key.
//!
//! Owns: the dispatch, the checks of section 14 that come before an algorithm's own, what is worth a
//! thread. Must not know: JavaScript.

use std::sync::Arc;

use super::aes::{self, Way};
use super::algorithm::{Algorithm, Params};
use super::failure::{self, Outcome};
use super::form::{Form, KeyFormat, Made, Wanted};
use super::hash::Hash;
use super::key::{Detail, KeyData, Kind, Usages};
use super::name::Name;
use super::steps::{self, Steps, once};
use super::{ec, mac, okp, rsa, secret};

/// Bytes that are hashed or encrypted at once on the worker itself: a millisecond's worth.
const INLINE_BYTES_MAX: usize = 1 << 20;
/// Hashes of PBKDF2 that are computed at once on the worker itself.
const INLINE_HASHES_MAX: u64 = 2_000;

/// Whether an operation on so many bytes takes long.
pub fn is_long(data: &[u8]) -> bool {
    data.len() > INLINE_BYTES_MAX
}

/// Whether signing or decrypting with `key` takes long.
pub fn is_long_with(key: &KeyData, data: &[u8]) -> bool {
    key.kind == Kind::Private && key.name.is_rsa() || is_long(data)
}

/// Whether a derivation takes long.
pub fn is_long_derivation(algorithm: &Algorithm, bits: Option<u32>) -> bool {
    match &algorithm.params {
        Params::Pbkdf2 { hash, iterations, .. } => {
            let blocks = (u64::from(bits.unwrap_or(0)) / 8).div_ceil(hash.bytes() as u64);
            blocks * u64::from(*iterations) > INLINE_HASHES_MAX
        }
        _ => false,
    }
}

/// The checks of section 14: the key is of this algorithm, and for this use.
///
/// # Errors
/// InvalidAccessError.
pub fn permit(key: &KeyData, algorithm: &Algorithm, usage: Usages) -> Outcome<()> {
    match key.name == algorithm.name && key.usages.has(usage) {
        true => Ok(()),
        false if key.name != algorithm.name => Err(failure::access("the key is of another algorithm")),
        false => Err(failure::access("the key's usages do not allow this")),
    }
}

/// encrypt, decrypt, and those of AES-KW.
///
/// # Errors
/// What the algorithm refuses.
pub fn cipher(algorithm: &Algorithm, key: &KeyData, way: Way, data: Vec<u8>) -> Outcome<Vec<u8>> {
    match algorithm.name {
        Name::RsaOaep => rsa::cipher(key, &algorithm.params, way, &data),
        name => aes::cipher(name, &algorithm.params, secret::bytes(key)?, way, data),
    }
}

fn hmac(key: &KeyData) -> Outcome<Hash> {
    match key.detail {
        Detail::Hmac(hash, _) => Ok(hash),
        _ => Err(failure::access("the key is not one of HMAC")),
    }
}

/// sign
///
/// # Errors
/// What the algorithm refuses.
pub fn sign(algorithm: Algorithm, key: Arc<KeyData>, data: Vec<u8>) -> Outcome<Steps<Vec<u8>>> {
    Ok(match algorithm.name {
        Name::Hmac => mac::sign(hmac(&key)?, secret::bytes(&key)?, data)?,
        Name::Ecdsa => once(move || ec::sign(&key, &algorithm.params, &data)),
        Name::Ed25519 => once(move || okp::sign(&key, &data)),
        _ => once(move || rsa::sign(&key, &algorithm.params, &data)),
    })
}

/// verify
///
/// # Errors
/// What the algorithm refuses; a wrong signature is no error.
pub fn verify(
    algorithm: Algorithm,
    key: Arc<KeyData>,
    signature: Vec<u8>,
    data: Vec<u8>,
) -> Outcome<Steps<bool>> {
    Ok(match algorithm.name {
        Name::Hmac => mac::verify(hmac(&key)?, secret::bytes(&key)?, signature, data)?,
        Name::Ecdsa => once(move || ec::verify(&key, &algorithm.params, &signature, &data)),
        Name::Ed25519 => once(move || okp::verify(&key, &signature, &data)),
        _ => once(move || rsa::verify(&key, &algorithm.params, &signature, &data)),
    })
}

/// generateKey
///
/// # Errors
/// What the algorithm refuses; SyntaxError where a secret or private key would have no usages.
pub fn generate(algorithm: &Algorithm, wanted: Wanted) -> Outcome<Steps<Made>> {
    let params = &algorithm.params;
    let made = match algorithm.name {
        name if name.is_rsa() => rsa::generate(params, wanted)?,
        name => {
            let made = match name {
                Name::Ecdsa | Name::Ecdh => ec::generate(params, wanted)?,
                Name::Ed25519 | Name::X25519 => okp::generate(wanted)?,
                _ => secret::generate(params, wanted)?,
            };
            once(move || Ok(made))
        }
    };
    Ok(steps::then(made, |made| {
        let (Made::One(key) | Made::Pair(_, key)) = &made;
        useful(key)?;
        Ok(made)
    }))
}

/// A secret or private key has to be good for something.
fn useful(key: &KeyData) -> Outcome<()> {
    match key.kind != Kind::Public && key.usages.is_empty() {
        true => Err(failure::usages("a secret or private key needs a usage")),
        false => Ok(()),
    }
}

/// importKey
///
/// # Errors
/// What the algorithm refuses; SyntaxError where a secret or private key would have no usages.
pub fn import(algorithm: &Algorithm, format: KeyFormat, form: &Form, wanted: Wanted) -> Outcome<KeyData> {
    let params = &algorithm.params;
    let key = match algorithm.name {
        name if name.is_rsa() => rsa::import(format, form, params, wanted)?,
        Name::Ecdsa | Name::Ecdh => ec::import(format, form, params, wanted)?,
        Name::Ed25519 | Name::X25519 => okp::import(format, form, wanted)?,
        _ => secret::import(format, form, params, wanted)?,
    };
    useful(&key)?;
    Ok(key)
}

/// exportKey
///
/// # Errors
/// NotSupportedError where the algorithm has no export or not this format; InvalidAccessError for a
/// key that is not extractable or of the other type.
pub fn export(key: &KeyData, format: KeyFormat) -> Outcome<Form> {
    if matches!(key.name, Name::Hkdf | Name::Pbkdf2) {
        return Err(failure::unsupported("keys of this algorithm cannot be exported"));
    }
    if !key.extractable {
        return Err(failure::access("the key is not extractable"));
    }
    match key.name {
        name if name.is_rsa() => rsa::export(key, format),
        Name::Ecdsa | Name::Ecdh => ec::export(key, format),
        Name::Ed25519 | Name::X25519 => okp::export(key, format),
        _ => secret::export(key, format),
    }
}

/// deriveBits
///
/// # Errors
/// What the algorithm refuses.
pub fn derive(algorithm: &Algorithm, key: &KeyData, bits: Option<u32>) -> Outcome<Steps<Vec<u8>>> {
    let secret = match &algorithm.params {
        Params::Public(other) if algorithm.name == Name::Ecdh => ec::derive(key, other, bits)?,
        Params::Public(other) => okp::derive(key, other, bits)?,
        Params::Hkdf { hash, salt, info } => mac::hkdf(*hash, secret::bytes(key)?, salt, info, bits)?,
        Params::Pbkdf2 { hash, salt, iterations } => {
            return mac::pbkdf2(*hash, secret::bytes(key)?, salt, *iterations, bits);
        }
        _ => return Err(failure::unsupported("the algorithm derives nothing")),
    };
    Ok(once(move || Ok(secret)))
}
