//! AES in its modes: CTR, CBC, GCM (NIST SP 800-38A, -38D), KW (RFC 3394).
//!
//! Owns: the parameters' checks, GCM of `ghash` and `ctr` (the crate `aes-gcm` has the lengths of
//! nonce and tag in its types; here they are the caller's). Must not know: keys' usages.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{
    BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit, KeyIvInit, StreamCipher,
};
use aes::{Aes128, Aes192, Aes256};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;

use super::algorithm::Params;
use super::failure::{self, CryptoError, Outcome};
use super::name::Name;

/// Evaluates an expression with `$A` as the type of the cipher for a key of that length.
macro_rules! with_aes {
    ($key:expr, $A:ident => $body:expr) => {
        match $key.len() {
            16 => {
                type $A = Aes128;
                $body
            }
            24 => {
                type $A = Aes192;
                $body
            }
            _ => {
                type $A = Aes256;
                $body
            }
        }
    };
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Encrypts, or wraps.
    Seal,
    /// Decrypts, or unwraps.
    Open,
}

/// Keys have been checked when they were made.
const WRONG_KEY: CryptoError = failure::operation("the key does not fit the algorithm");

/// Encrypts or decrypts `data`.
///
/// # Errors
/// OperationError for parameters, and for what does not decrypt.
pub fn cipher(name: Name, params: &Params, key: &[u8], way: Way, data: Vec<u8>) -> Outcome<Vec<u8>> {
    match params {
        Params::Iv(iv) => cbc(iv, key, way, &data),
        Params::Counter(counter, bits) => ctr(counter, *bits, key, data),
        Params::Gcm { iv, additional, tag_bits } => {
            gcm(iv, additional, tag_bits.unwrap_or(128), key, way, data)
        }
        _ if name == Name::AesKw => wrap(key, way, &data),
        _ => Err(WRONG_KEY),
    }
}

fn cbc(iv: &[u8], key: &[u8], way: Way, data: &[u8]) -> Outcome<Vec<u8>> {
    let iv: &[u8; 16] = iv.try_into().map_err(|_| failure::operation("the iv must have 16 bytes"))?;
    let wrong = failure::operation("the data cannot be decrypted");
    with_aes!(key, A => match way {
        Way::Seal => {
            let mode = cbc::Encryptor::<A>::new_from_slices(key, iv).map_err(|_| WRONG_KEY)?;
            Ok(mode.encrypt_padded_vec::<Pkcs7>(data))
        }
        Way::Open if data.is_empty() || !data.len().is_multiple_of(16) => Err(wrong),
        Way::Open => {
            let mode = cbc::Decryptor::<A>::new_from_slices(key, iv).map_err(|_| WRONG_KEY)?;
            mode.decrypt_padded_vec::<Pkcs7>(data).map_err(|_| wrong)
        }
    })
}

/// The last `bits` bits of the block are the counter; it wraps without a carry into the others.
fn ctr(counter: &[u8], bits: u32, key: &[u8], mut data: Vec<u8>) -> Outcome<Vec<u8>> {
    let counter: [u8; 16] =
        counter.try_into().map_err(|_| failure::operation("the counter must have 16 bytes"))?;
    if !(1..=128).contains(&bits) {
        return Err(failure::operation("the counter's length must be 1 to 128 bits"));
    }
    let counted = u128::MAX >> (128 - bits);
    let start = u128::from_be_bytes(counter);
    let blocks = data.len().div_ceil(16) as u128;
    if blocks > 0 && blocks - 1 > counted {
        return Err(failure::operation("the data is too long for the counter"));
    }
    // Blocks until the counter wraps, less one: that many and one cannot overflow.
    let before_wrap = counted - (start & counted);
    let first = match usize::try_from(before_wrap) {
        Ok(more) => more.saturating_add(1).saturating_mul(16).min(data.len()),
        Err(_) => data.len(),
    };
    let (head, tail) = data.split_at_mut(first);
    let wrapped = (start & !counted).to_be_bytes();
    with_aes!(key, A => {
        for (from, part) in [(counter, head), (wrapped, tail)] {
            let mut mode = ctr::Ctr128BE::<A>::new_from_slices(key, &from).map_err(|_| WRONG_KEY)?;
            mode.apply_keystream(part);
        }
    });
    Ok(data)
}

/// NIST SP 800-38D, sections 7.1 and 7.2.
fn gcm(
    iv: &[u8],
    additional: &[u8],
    tag_bits: u32,
    key: &[u8],
    way: Way,
    mut data: Vec<u8>,
) -> Outcome<Vec<u8>> {
    if !matches!(tag_bits, 32 | 64 | 96 | 104 | 112 | 120 | 128) {
        return Err(failure::operation("the tag cannot have that length"));
    }
    let tag_bytes = tag_bits as usize / 8;
    let wrong = failure::operation("the data cannot be decrypted");
    let given = match way {
        Way::Seal => Vec::new(),
        Way::Open => data.split_off(data.len().checked_sub(tag_bytes).ok_or(wrong)?),
    };
    // Section 5.2.1.1: 2^32 - 2 blocks are one counter's.
    if data.len() as u64 > ((1 << 32) - 2) * 16 {
        return Err(failure::operation("the data is too long"));
    }
    with_aes!(key, A => {
        let cipher = A::new_from_slice(key).map_err(|_| WRONG_KEY)?;
        let mut subkey = ghash::Key::default();
        cipher.encrypt_block(&mut subkey);
        let hash = GHash::new(&subkey);
        let first = first_block(&hash, iv);
        let mut mode = ctr::Ctr32BE::<A>::from_core(ctr::CtrCore::inner_iv_init(cipher, &first.into()));
        let mut cover = [0; 16];
        mode.apply_keystream(&mut cover);
        if way == Way::Seal {
            mode.apply_keystream(&mut data);
        }
        let tag = authenticate(hash, additional, &data, cover);
        match way {
            Way::Seal => data.extend_from_slice(&tag[..tag_bytes]),
            Way::Open if !equal(&tag[..tag_bytes], &given) => return Err(wrong),
            Way::Open => mode.apply_keystream(&mut data),
        }
    });
    Ok(data)
}

/// J0 of section 7.1.
fn first_block(hash: &GHash, iv: &[u8]) -> [u8; 16] {
    let mut block = [0; 16];
    if iv.len() == 12 {
        block[..12].copy_from_slice(iv);
        block[15] = 1;
        return block;
    }
    let mut hash = hash.clone();
    hash.update_padded(iv);
    block[8..].copy_from_slice(&(iv.len() as u64 * 8).to_be_bytes());
    hash.update(&[block.into()]);
    hash.finalize().into()
}

fn authenticate(mut hash: GHash, additional: &[u8], data: &[u8], cover: [u8; 16]) -> [u8; 16] {
    hash.update_padded(additional);
    hash.update_padded(data);
    let mut lengths = [0; 16];
    lengths[..8].copy_from_slice(&(additional.len() as u64 * 8).to_be_bytes());
    lengths[8..].copy_from_slice(&(data.len() as u64 * 8).to_be_bytes());
    hash.update(&[lengths.into()]);
    let mut tag: [u8; 16] = hash.finalize().into();
    tag.iter_mut().zip(cover).for_each(|(byte, cover)| *byte ^= cover);
    tag
}

/// Equality in a time that does not tell where they differ.
fn equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && std::hint::black_box(one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b))) == 0
}

fn wrap(key: &[u8], way: Way, data: &[u8]) -> Outcome<Vec<u8>> {
    let least = if way == Way::Seal { 16 } else { 24 };
    if !data.len().is_multiple_of(8) || data.len() < least {
        return Err(failure::operation("AES-KW takes at least two blocks of 8 bytes"));
    }
    let mut out = vec![0; data.len() + 8];
    let wrong = failure::operation("the key cannot be unwrapped");
    with_aes!(key, A => {
        let mode = aes_kw::AesKw::<A>::new_from_slice(key).map_err(|_| WRONG_KEY)?;
        let done = match way {
            Way::Seal => mode.wrap_key(data, &mut out).map(<[u8]>::len),
            Way::Open => mode.unwrap_key(data, &mut out).map(<[u8]>::len),
        };
        out.truncate(done.map_err(|_| wrong)?);
    });
    Ok(out)
}
