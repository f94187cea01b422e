//! The elliptic curves P-256, P-384, P-521 (FIPS 186-5).
//!
//! Owns: [`Curve`], its names and sizes, its points, the dispatch to the crates. Must not know: keys.

use p256::elliptic_curve::sec1::ToSec1Point;

use super::failure::{self, CryptoError, Outcome};

/// A curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// P-256
    P256,
    /// P-384
    P384,
    /// P-521
    P521,
}

/// Evaluates an expression with `$c` as the crate of a curve.
macro_rules! on_curve {
    ($curve:expr, $c:ident => $body:expr) => {
        match $curve {
            $crate::modules::web::crypto::curve::Curve::P256 => {
                use p256 as $c;
                $body
            }
            $crate::modules::web::crypto::curve::Curve::P384 => {
                use p384 as $c;
                $body
            }
            $crate::modules::web::crypto::curve::Curve::P521 => {
                use p521 as $c;
                $body
            }
        }
    };
}

pub(super) use on_curve;

/// The bytes stand for no key.
pub(super) const NO_KEY: CryptoError = failure::data("the data is no key of this curve");

impl Curve {
    /// The curve so registered.
    ///
    /// # Errors
    /// NotSupportedError for another.
    pub(super) fn named(name: &str) -> Outcome<Curve> {
        match name {
            "P-256" => Ok(Curve::P256),
            "P-384" => Ok(Curve::P384),
            "P-521" => Ok(Curve::P521),
            _ => Err(failure::unsupported("the curve is not supported")),
        }
    }

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Curve::P256 => "P-256",
            Curve::P384 => "P-384",
            Curve::P521 => "P-521",
        }
    }

    /// Bytes of a coordinate.
    pub(super) fn bytes(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }

    /// The point in either form, uncompressed.
    ///
    /// # Errors
    /// DataError for what is no point of the curve.
    pub(super) fn point(self, bytes: &[u8]) -> Outcome<Vec<u8>> {
        // The point at infinity, and hybrid forms, are no keys.
        if !matches!(bytes.first(), Some(2..=4)) {
            return Err(NO_KEY);
        }
        on_curve!(self, c => {
            let key = c::PublicKey::from_sec1_bytes(bytes).map_err(|_| NO_KEY)?;
            Ok(key.to_sec1_point(false).as_bytes().to_vec())
        })
    }

    /// The public point of a scalar.
    ///
    /// # Errors
    /// DataError for what is no scalar of the curve.
    pub(super) fn public(self, scalar: &[u8]) -> Outcome<Vec<u8>> {
        on_curve!(self, c => {
            let key = c::SecretKey::from_slice(scalar).map_err(|_| NO_KEY)?;
            Ok(key.public_key().to_sec1_point(false).as_bytes().to_vec())
        })
    }
}
