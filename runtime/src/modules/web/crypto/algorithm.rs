//! Algorithms as scripts name them, and their normalisation (Web Cryptography section 18.4).
//!
//! Owns: which operations each has, the dictionaries of parameters. Must not know: how anything is
//! computed.

use std::sync::Arc;

use rquickjs::{Ctx, FromJs, Object, Result, Value};

use crate::js::{exception, value};

use super::dictionary::{big_integer, buffer, integer, key, member, required};
use super::hash::Hash;
use super::key::KeyData;
use super::name::Name;

/// What is asked of an algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// encrypt, decrypt: the same parameters
    Encrypt,
    /// sign, verify: the same parameters
    Sign,
    /// digest
    Digest,
    /// generateKey
    GenerateKey,
    /// deriveBits
    DeriveBits,
    /// importKey
    ImportKey,
    /// get key length
    GetKeyLength,
    /// wrapKey, unwrapKey: the same parameters
    WrapKey,
}

/// The parameters of an operation.
pub enum Params {
    /// Nothing but a name.
    None,
    /// AesKeyGenParams, AesDerivedKeyParams: bits.
    Length(u32),
    /// AesCbcParams.
    Iv(Vec<u8>),
    /// AesCtrParams: the first counter block, and how many of its bits count.
    Counter(Vec<u8>, u32),
    /// AesGcmParams; the tag's length in bits.
    Gcm { iv: Vec<u8>, additional: Vec<u8>, tag_bits: Option<u32> },
    /// HmacKeyGenParams, HmacImportParams, RsaHashedImportParams, EcdsaParams: a length in bits for
    /// the first two.
    Hashed(Hash, Option<u32>),
    /// RsaHashedKeyGenParams: length of the modulus in bits, big-endian exponent.
    RsaKeyGen { hash: Hash, bits: u32, exponent: Vec<u8> },
    /// RsaPssParams: length of the salt in bytes.
    SaltLength(u32),
    /// RsaOaepParams.
    Label(Vec<u8>),
    /// EcKeyGenParams, EcKeyImportParams.
    Curve(String),
    /// EcdhKeyDeriveParams.
    Public(Arc<KeyData>),
    /// HkdfParams.
    Hkdf { hash: Hash, salt: Vec<u8>, info: Vec<u8> },
    /// Pbkdf2Params.
    Pbkdf2 { hash: Hash, salt: Vec<u8>, iterations: u32 },
}

/// A normalised algorithm.
pub struct Algorithm {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub params: Params,
}

/// Which dictionary an operation of an algorithm takes.
enum Shape {
    Empty,
    Length,
    Iv,
    Counter,
    Gcm,
    HashAndLength,
    Hash,
    RsaKeyGen,
    SaltLength,
    Label,
    Curve,
    Public,
    Hkdf,
    Pbkdf2,
}

/// The dictionary of `operation`, if the algorithm `name` has that operation.
fn shape(name: Name, operation: Operation) -> Option<Shape> {
    use Operation as O;
    Some(match (name, operation) {
        (Name::RsaPkcs1, O::Sign) | (Name::Ed25519, O::Sign) | (Name::Hmac, O::Sign) => Shape::Empty,
        (Name::RsaPss, O::Sign) => Shape::SaltLength,
        (Name::Ecdsa, O::Sign) => Shape::Hash,
        (Name::RsaOaep, O::Encrypt) => Shape::Label,
        (Name::AesCtr, O::Encrypt) => Shape::Counter,
        (Name::AesCbc, O::Encrypt) => Shape::Iv,
        (Name::AesGcm, O::Encrypt) => Shape::Gcm,
        (Name::AesKw, O::WrapKey) | (Name::Sha(_), O::Digest) => Shape::Empty,
        (Name::Ecdh | Name::X25519, O::DeriveBits) => Shape::Public,
        (Name::Hkdf, O::DeriveBits) => Shape::Hkdf,
        (Name::Pbkdf2, O::DeriveBits) => Shape::Pbkdf2,
        (Name::Ed25519 | Name::X25519, O::GenerateKey | O::ImportKey) => Shape::Empty,
        (Name::Ecdsa | Name::Ecdh, O::GenerateKey | O::ImportKey) => Shape::Curve,
        (Name::Hmac, O::GenerateKey | O::ImportKey | O::GetKeyLength) => Shape::HashAndLength,
        (Name::Hkdf | Name::Pbkdf2, O::ImportKey | O::GetKeyLength) => Shape::Empty,
        (name, O::GenerateKey | O::GetKeyLength) if name.is_aes() => Shape::Length,
        (name, O::ImportKey) if name.is_aes() => Shape::Empty,
        (name, O::GenerateKey) if name.is_rsa() => Shape::RsaKeyGen,
        (name, O::ImportKey) if name.is_rsa() => Shape::Hash,
        _ => return None,
    })
}

/// An AlgorithmIdentifier: an object or a name, converted but not yet looked at.
pub enum Identifier<'js> {
    /// `{name}` by its name alone.
    Name(String),
    /// A dictionary.
    Object(Object<'js>),
}

impl<'js> Identifier<'js> {
    /// The union `(object or DOMString)`.
    ///
    /// # Errors
    /// What `toString` throws.
    pub fn new(value: &Value<'js>) -> Result<Self> {
        match value.is_object() {
            true => Object::from_js(value.ctx(), value.clone()).map(Identifier::Object),
            false => value::to_string(value).map(Identifier::Name),
        }
    }

    /// The algorithm for `operation`.
    ///
    /// # Errors
    /// NotSupportedError for one that is unknown or has no such operation; TypeError for wrong
    /// parameters; what getters throw.
    pub fn normalize(&self, ctx: &Ctx<'js>, operation: Operation) -> Result<Algorithm> {
        let text = match self {
            Identifier::Name(name) => name.clone(),
            Identifier::Object(object) => value::to_string(&required(object, "name")?)?,
        };
        let found = Name::registered(&text);
        let Some((name, shape)) = found.and_then(|name| Some((name, shape(name, operation)?))) else {
            let text = format!("the algorithm '{text}' is not supported here");
            return Err(exception::dom_exception(ctx, "NotSupportedError", &text));
        };
        let params = match self {
            Identifier::Object(object) => params(object, &shape)?,
            Identifier::Name(_) => params(&Object::new(ctx.clone())?, &shape)?,
        };
        Ok(Algorithm { name, params })
    }
}

/// A HashAlgorithmIdentifier.
fn hash(object: &Object<'_>) -> Result<Hash> {
    let value = required(object, "hash")?;
    match Identifier::new(&value)?.normalize(object.ctx(), Operation::Digest)?.name {
        Name::Sha(hash) => Ok(hash),
        _ => Err(exception::dom_exception(object.ctx(), "NotSupportedError", "not a hash function")),
    }
}

/// The members in the order of Web IDL: inherited ones first, then by name.
fn params(object: &Object<'_>, shape: &Shape) -> Result<Params> {
    let bytes = |name| buffer(&required(object, name)?);
    let number = |name, max| integer(&required(object, name)?, max);
    let optional = |name, max| member(object, name)?.map(|value| integer(&value, max)).transpose();
    let optional_bytes = |name| match member(object, name)? {
        Some(value) => buffer(&value),
        None => Ok(Vec::new()),
    };
    Ok(match shape {
        Shape::Empty => Params::None,
        Shape::Length => Params::Length(number("length", 0xffff)?),
        Shape::Iv => Params::Iv(bytes("iv")?),
        Shape::Counter => Params::Counter(bytes("counter")?, number("length", 0xff)?),
        Shape::Gcm => {
            let additional = optional_bytes("additionalData")?;
            Params::Gcm { additional, iv: bytes("iv")?, tag_bits: optional("tagLength", 0xff)? }
        }
        Shape::HashAndLength => Params::Hashed(hash(object)?, optional("length", u32::MAX)?),
        Shape::Hash => Params::Hashed(hash(object)?, None),
        Shape::RsaKeyGen => {
            let bits = number("modulusLength", u32::MAX)?;
            let exponent = big_integer(&required(object, "publicExponent")?)?;
            Params::RsaKeyGen { bits, exponent, hash: hash(object)? }
        }
        Shape::SaltLength => Params::SaltLength(number("saltLength", u32::MAX)?),
        Shape::Label => Params::Label(optional_bytes("label")?),
        Shape::Curve => Params::Curve(value::to_string(&required(object, "namedCurve")?)?),
        Shape::Public => Params::Public(key(&required(object, "public")?)?),
        Shape::Hkdf => Params::Hkdf { hash: hash(object)?, info: bytes("info")?, salt: bytes("salt")? },
        Shape::Pbkdf2 => Params::Pbkdf2 {
            hash: hash(object)?,
            iterations: number("iterations", u32::MAX)?,
            salt: bytes("salt")?,
        },
    })
}
