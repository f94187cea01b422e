//! Keys on their way in and out.
//!
//! Owns: the formats, what is imported and exported in them. Must not know: algorithms.

use zeroize::Zeroizing;

use super::failure::{self, Outcome};
use super::jwk::Jwk;
use super::key::{Detail, KeyData, Kind, Material, Usages};
use super::name::Name;

/// KeyFormat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFormat {
    /// The bytes; of an EC key, the point.
    Raw,
    /// SubjectPublicKeyInfo (RFC 5280).
    Spki,
    /// PrivateKeyInfo (RFC 5208).
    Pkcs8,
    /// JSON Web Key.
    Jwk,
}

impl KeyFormat {
    /// The format so called.
    pub fn named(name: &str) -> Option<KeyFormat> {
        Some(match name {
            "raw" => KeyFormat::Raw,
            "spki" => KeyFormat::Spki,
            "pkcs8" => KeyFormat::Pkcs8,
            "jwk" => KeyFormat::Jwk,
            _ => return None,
        })
    }
}

/// A key in a format.
pub enum Form {
    /// raw, spki, pkcs8
    Bytes(Zeroizing<Vec<u8>>),
    /// jwk
    Jwk(Box<Jwk>),
}

impl Form {
    /// The bytes.
    ///
    /// # Errors
    /// DataError for a JWK: the caller has checked before.
    pub fn bytes(&self) -> Outcome<&[u8]> {
        match self {
            Form::Bytes(bytes) => Ok(bytes),
            Form::Jwk(_) => Err(failure::data("the key is a JWK")),
        }
    }

    /// The JWK.
    ///
    /// # Errors
    /// DataError for bytes: the caller has checked before.
    pub fn jwk(&self) -> Outcome<&Jwk> {
        match self {
            Form::Jwk(jwk) => Ok(jwk),
            Form::Bytes(_) => Err(failure::data("the key is no JWK")),
        }
    }
}

/// What `generateKey` makes.
pub enum Made {
    /// A secret key.
    One(Box<KeyData>),
    /// Public and private key.
    Pair(Box<KeyData>, Box<KeyData>),
}

/// What is asked for when a key is made or imported.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// The algorithm.
    pub name: Name,
    /// `extractable`
    pub extractable: bool,
    /// `usages`
    pub usages: Usages,
}

impl Wanted {
    /// Checks that no usage is outside of `allowed`.
    ///
    /// # Errors
    /// SyntaxError.
    pub fn within(&self, allowed: Usages) -> Outcome<()> {
        match allowed.has(self.usages) {
            true => Ok(()),
            false => Err(failure::usages("a usage is not one of this kind of key")),
        }
    }

    /// The key with what was asked for.
    pub fn key(&self, kind: Kind, detail: Detail, material: Material) -> KeyData {
        KeyData {
            kind,
            extractable: self.extractable,
            name: self.name,
            detail,
            usages: self.usages,
            material,
        }
    }

    /// A pair: the public one is always extractable, the usages go to the one that they are for.
    pub fn pair(&self, detail: Detail, public: (Material, Usages), private: (Material, Usages)) -> Made {
        let of_public = Wanted { extractable: true, usages: self.usages.only(public.1), ..*self };
        let of_private = Wanted { usages: self.usages.only(private.1), ..*self };
        Made::Pair(
            Box::new(of_public.key(Kind::Public, detail.clone(), public.0)),
            Box::new(of_private.key(Kind::Private, detail, private.0)),
        )
    }
}

/// Checks the type of a key.
///
/// # Errors
/// InvalidAccessError for another.
pub fn expect(key: &KeyData, kind: Kind) -> Outcome<()> {
    match key.kind == kind {
        true => Ok(()),
        false => Err(failure::access("the key is of another type")),
    }
}
