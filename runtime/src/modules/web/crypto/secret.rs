//! Secret keys: those of AES and HMAC (sections 27 to 31), and what HKDF and PBKDF2 start from.
//!
//! Owns: making, importing and exporting them. Must not know: what is done with them.

use getrandom::SysRng;
use getrandom::rand_core::TryRng;
use zeroize::Zeroizing;

use super::algorithm::Params;
use super::failure::{self, Outcome};
use super::form::{Form, KeyFormat, Made, Wanted};
use super::hash::Hash;
use super::jwk::{self, Jwk};
use super::key::{Detail, KeyData, Kind, Material, Usages};
use super::name::Name;

/// Bits of a generated HMAC key: no more can be of any use.
const HMAC_BITS_MAX: u32 = 1 << 20;

/// Random bytes from the kernel.
///
/// # Errors
/// OperationError where there are none.
pub fn random(length: usize) -> Outcome<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    SysRng.try_fill_bytes(&mut bytes).map_err(|_| failure::operation("the kernel gives no random bytes"))?;
    Ok(bytes)
}

fn allowed(name: Name) -> Usages {
    match name {
        Name::Hmac => Usages::SIGN.and(Usages::VERIFY),
        Name::AesKw => Usages::WRAP_KEY.and(Usages::UNWRAP_KEY),
        Name::Hkdf | Name::Pbkdf2 => Usages::DERIVE,
        _ => Usages::ENCRYPT.and(Usages::DECRYPT).and(Usages::WRAP_KEY).and(Usages::UNWRAP_KEY),
    }
}

/// The bytes of a secret key.
///
/// # Errors
/// InvalidAccessError for another kind.
pub fn bytes(key: &KeyData) -> Outcome<&[u8]> {
    match &key.material {
        Material::Secret(bytes) => Ok(bytes),
        _ => Err(failure::access("the key is no secret key")),
    }
}

/// Makes a key.
///
/// # Errors
/// SyntaxError for usages, OperationError for lengths.
pub fn generate(params: &Params, wanted: Wanted) -> Outcome<Made> {
    wanted.within(allowed(wanted.name))?;
    let (bits, detail) = match params {
        Params::Length(bits) if is_aes_length(*bits) => (*bits, Detail::Aes(*bits)),
        Params::Hashed(hash, length) => {
            let bits = length.unwrap_or(hash.block_bits());
            if bits == 0 || bits > HMAC_BITS_MAX {
                return Err(failure::operation("no length for a key of HMAC"));
            }
            (bits, Detail::Hmac(*hash, bits))
        }
        _ => return Err(failure::operation("a key of AES has 128, 192 or 256 bits")),
    };
    let mut key = random(bits.div_ceil(8) as usize)?;
    mask(&mut key, bits);
    Ok(Made::One(Box::new(wanted.key(Kind::Secret, detail, Material::Secret(key)))))
}

fn is_aes_length(bits: u32) -> bool {
    matches!(bits, 128 | 192 | 256)
}

/// Clears the bits of the last byte that are beyond `bits`.
pub fn mask(bytes: &mut [u8], bits: u32) {
    if let (Some(last), rest @ 1..) = (bytes.last_mut(), bits % 8) {
        *last &= 0xff << (8 - rest);
    }
}

/// "get key length": of the key that `deriveKey` makes, in bits; `None` is any.
///
/// # Errors
/// OperationError, TypeError for a length that is none.
pub fn length(params: &Params) -> Outcome<Option<u32>> {
    match params {
        Params::Length(bits) if is_aes_length(*bits) => Ok(Some(*bits)),
        Params::Length(_) => Err(failure::operation("a key of AES has 128, 192 or 256 bits")),
        Params::Hashed(_, Some(0)) => Err(failure::type_error("a key of HMAC has at least one bit")),
        Params::Hashed(hash, length) => Ok(Some(length.unwrap_or(hash.block_bits()))),
        _ => Ok(None),
    }
}

/// `alg` of a JWK.
fn alg(name: Name, bits: usize, detail: Option<Hash>) -> String {
    match (name, detail) {
        (Name::AesCtr, _) => format!("A{bits}CTR"),
        (Name::AesCbc, _) => format!("A{bits}CBC"),
        (Name::AesGcm, _) => format!("A{bits}GCM"),
        (Name::AesKw, _) => format!("A{bits}KW"),
        (_, hash) => format!("HS{}", hash.map_or("", Hash::number)),
    }
}

/// Imports a key.
///
/// # Errors
/// SyntaxError for usages, NotSupportedError for the format, DataError for what is no key.
pub fn import(format: KeyFormat, form: &Form, params: &Params, wanted: Wanted) -> Outcome<KeyData> {
    let derives = matches!(wanted.name, Name::Hkdf | Name::Pbkdf2);
    if derives && format != KeyFormat::Raw {
        return Err(failure::unsupported("keys to derive from are imported as raw"));
    }
    wanted.within(allowed(wanted.name))?;
    if derives {
        if wanted.extractable {
            return Err(failure::usages("a key to derive from cannot be extractable"));
        }
        let bytes = form.bytes()?.to_vec().into();
        return Ok(wanted.key(Kind::Secret, Detail::None, Material::Secret(bytes)));
    }
    let mut bytes: Zeroizing<Vec<u8>> = match format {
        KeyFormat::Raw => form.bytes()?.to_vec().into(),
        KeyFormat::Jwk => {
            let jwk = form.jwk()?;
            jwk.is("oct")?;
            jwk::decode(&jwk.k)?
        }
        _ => return Err(failure::unsupported("secret keys are imported as raw or jwk")),
    };
    let bits = u32::try_from(bytes.len() * 8).map_err(|_| failure::data("the key is too long"))?;
    let hash = match params {
        Params::Hashed(hash, _) => Some(*hash),
        _ => None,
    };
    if hash.is_none() && !is_aes_length(bits) {
        return Err(failure::data("a key of AES has 128, 192 or 256 bits"));
    }
    if let Form::Jwk(jwk) = form {
        if jwk.alg.as_ref().is_some_and(|named| *named != alg(wanted.name, bytes.len() * 8, hash)) {
            return Err(failure::data("the JWK's 'alg' is another"));
        }
        let purpose = if wanted.name == Name::Hmac { "sig" } else { "enc" };
        jwk.permits(wanted.usages, wanted.extractable, Some(purpose))?;
    }
    let detail = match params {
        Params::Hashed(hash, length) => {
            let bits = hmac_bits(bits, *length)?;
            mask(&mut bytes, bits);
            Detail::Hmac(*hash, bits)
        }
        _ => Detail::Aes(bits),
    };
    Ok(wanted.key(Kind::Secret, detail, Material::Secret(bytes)))
}

/// The length of an imported HMAC key: what is asked for may cut off some bits of the last byte.
fn hmac_bits(bits: u32, wanted: Option<u32>) -> Outcome<u32> {
    match wanted.unwrap_or(bits) {
        _ if bits == 0 => Err(failure::data("a key of HMAC has at least one bit")),
        wanted if wanted > bits || wanted + 8 <= bits => Err(failure::data("the key has another length")),
        wanted => Ok(wanted),
    }
}

/// Exports a key.
///
/// # Errors
/// NotSupportedError for the format.
pub fn export(key: &KeyData, format: KeyFormat) -> Outcome<Form> {
    let bytes = bytes(key)?;
    match format {
        KeyFormat::Raw => Ok(Form::Bytes(bytes.to_vec().into())),
        KeyFormat::Jwk => {
            let hash = if let Detail::Hmac(hash, _) = key.detail { Some(hash) } else { None };
            let alg = Some(alg(key.name, bytes.len() * 8, hash));
            Ok(Form::Jwk(Box::new(Jwk { k: jwk::encode(bytes), alg, ..Jwk::of(key, "oct") })))
        }
        _ => Err(failure::unsupported("secret keys are exported as raw or jwk")),
    }
}
