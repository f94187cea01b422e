//! ECDSA and ECDH (FIPS 186-5, SP 800-56A; sections 23 and 24).
//!
//! Owns: making, importing and exporting the keys, the operations. Must not know: usages of others.

use ecdsa::hazmat;
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use zeroize::Zeroizing;

use super::algorithm::Params;
use super::curve::{Curve, NO_KEY, on_curve};
use super::failure::{self, Outcome};
use super::form::{Form, KeyFormat, Made, Wanted, expect};
use super::hash::Hash;
use super::jwk::{self, Jwk};
use super::key::{Detail, KeyData, Kind, Material, Usages};
use super::name::Name;
use super::secret::{mask, random};

/// The curve that the parameters name.
fn curve_of(params: &Params) -> Outcome<Curve> {
    match params {
        Params::Curve(name) => Curve::named(name),
        _ => Err(failure::unsupported("no curve is named")),
    }
}

/// Usages of a public and of a private key.
fn allowed(name: Name) -> (Usages, Usages) {
    match name {
        Name::Ecdh => (Usages::NONE, Usages::DERIVE),
        _ => (Usages::VERIFY, Usages::SIGN),
    }
}

/// Curve, point, scalar.
type Numbers<'a> = (Curve, &'a [u8], Option<&'a [u8]>);

fn parts(key: &KeyData) -> Outcome<Numbers<'_>> {
    match (&key.detail, &key.material) {
        (Detail::Ec(curve), Material::Ec { public, private }) => {
            Ok((*curve, public, private.as_ref().map(|scalar| scalar.as_slice())))
        }
        _ => Err(failure::access("the key is not one of an elliptic curve")),
    }
}

fn scalar(key: &KeyData) -> Outcome<(Curve, &[u8])> {
    match parts(key)? {
        (curve, _, Some(scalar)) => Ok((curve, scalar)),
        _ => Err(failure::access("the key is not private")),
    }
}

/// Makes a key pair.
///
/// # Errors
/// SyntaxError for usages, NotSupportedError for the curve.
pub fn generate(params: &Params, wanted: Wanted) -> Outcome<Made> {
    let (of_public, of_private) = allowed(wanted.name);
    wanted.within(of_public.and(of_private))?;
    let curve = curve_of(params)?;
    // A random string that is no scalar of the curve is rare, but for P-521's seven spare bits.
    for _ in 0..100 {
        let mut scalar = random(curve.bytes())?;
        if curve == Curve::P521 {
            scalar[0] &= 1;
        }
        if let Ok(point) = curve.public(&scalar) {
            let public = (Material::Ec { public: point.clone(), private: None }, of_public);
            let private = Material::Ec { public: point, private: Some(scalar) };
            return Ok(wanted.pair(Detail::Ec(curve), public, (private, of_private)));
        }
    }
    Err(failure::operation("no key can be made"))
}

/// Imports a key.
///
/// # Errors
/// SyntaxError for usages, NotSupportedError for the curve, DataError for what is no key.
pub fn import(format: KeyFormat, form: &Form, params: &Params, wanted: Wanted) -> Outcome<KeyData> {
    let (of_public, of_private) = allowed(wanted.name);
    let is_private = match format {
        KeyFormat::Spki | KeyFormat::Raw => false,
        KeyFormat::Pkcs8 => true,
        KeyFormat::Jwk => form.jwk()?.d.is_some(),
    };
    wanted.within(if is_private { of_private } else { of_public })?;
    let curve = curve_of(params)?;
    let (public, private) = match format {
        KeyFormat::Raw => (curve.point(form.bytes()?)?, None),
        KeyFormat::Spki => on_curve!(curve, c => {
            let key = c::PublicKey::from_public_key_der(form.bytes()?).map_err(|_| NO_KEY)?;
            (key.to_sec1_point(false).as_bytes().to_vec(), None)
        }),
        KeyFormat::Pkcs8 => on_curve!(curve, c => {
            let key = c::SecretKey::from_pkcs8_der(form.bytes()?).map_err(|_| NO_KEY)?;
            let scalar = Zeroizing::new(key.to_bytes().to_vec());
            (curve.public(&scalar)?, Some(scalar))
        }),
        KeyFormat::Jwk => from_jwk(form.jwk()?, curve, wanted)?,
    };
    let kind = if is_private { Kind::Private } else { Kind::Public };
    Ok(wanted.key(kind, Detail::Ec(curve), Material::Ec { public, private }))
}

type KeyParts = (Vec<u8>, Option<Zeroizing<Vec<u8>>>);

fn from_jwk(jwk: &Jwk, curve: Curve, wanted: Wanted) -> Outcome<KeyParts> {
    jwk.is("EC")?;
    let ecdsa = wanted.name == Name::Ecdsa;
    jwk.permits(wanted.usages, wanted.extractable, Some(if ecdsa { "sig" } else { "enc" }))?;
    if jwk.crv.as_deref() != Some(curve.name()) {
        return Err(failure::data("the JWK's 'crv' is another"));
    }
    let alg = match curve {
        Curve::P256 => "ES256",
        Curve::P384 => "ES384",
        Curve::P521 => "ES512",
    };
    if ecdsa && jwk.alg.as_deref().is_some_and(|named| named != alg) {
        return Err(failure::data("the JWK's 'alg' is another"));
    }
    let (x, y) = (jwk::decode(&jwk.x)?, jwk::decode(&jwk.y)?);
    if x.len() != curve.bytes() || y.len() != curve.bytes() {
        return Err(NO_KEY);
    }
    let public = curve.point(&[&[4], x.as_slice(), y.as_slice()].concat())?;
    if jwk.d.is_none() {
        return Ok((public, None));
    }
    let scalar = jwk::decode(&jwk.d)?;
    match scalar.len() == curve.bytes() && curve.public(&scalar)? == public {
        true => Ok((public, Some(scalar))),
        false => Err(failure::data("private and public key are not a pair")),
    }
}

/// Exports a key.
///
/// # Errors
/// InvalidAccessError for the other type of key.
pub fn export(key: &KeyData, format: KeyFormat) -> Outcome<Form> {
    let (curve, point, private) = parts(key)?;
    let broken = failure::operation("the key cannot be written");
    let bytes = match format {
        KeyFormat::Raw => {
            expect(key, Kind::Public)?;
            point.to_vec()
        }
        KeyFormat::Spki => {
            expect(key, Kind::Public)?;
            on_curve!(curve, c => {
                let key = c::PublicKey::from_sec1_bytes(point).map_err(|_| broken)?;
                key.to_public_key_der().map_err(|_| broken)?.as_bytes().to_vec()
            })
        }
        KeyFormat::Pkcs8 => {
            expect(key, Kind::Private)?;
            let (curve, scalar) = scalar(key)?;
            on_curve!(curve, c => {
                let key = c::SecretKey::from_slice(scalar).map_err(|_| broken)?;
                key.to_pkcs8_der().map_err(|_| broken)?.as_bytes().to_vec()
            })
        }
        KeyFormat::Jwk => {
            let mut jwk = Jwk { crv: Some(curve.name().into()), ..Jwk::of(key, "EC") };
            let (x, y) = point[1..].split_at(curve.bytes());
            (jwk.x, jwk.y, jwk.d) = (jwk::encode(x), jwk::encode(y), private.and_then(jwk::encode));
            return Ok(Form::Jwk(Box::new(jwk)));
        }
    };
    Ok(Form::Bytes(bytes.into()))
}

/// The hash as the algorithm wants it: at least as long as a number of the curve, which changes no
/// number (FIPS 186-5 section 6.4.1 takes the leftmost bits of a longer one).
fn hashed(hash: Hash, data: &[u8], curve: Curve) -> Vec<u8> {
    let hashed = hash.digest(data);
    let mut padded = vec![0; curve.bytes().saturating_sub(hashed.len())];
    padded.extend_from_slice(&hashed);
    padded
}

/// Signs: r and s side by side (IEEE P1363).
///
/// # Errors
/// InvalidAccessError for a public key.
pub fn sign(key: &KeyData, params: &Params, data: &[u8]) -> Outcome<Vec<u8>> {
    expect(key, Kind::Private)?;
    let (curve, scalar) = scalar(key)?;
    let Params::Hashed(hash, _) = params else { return Err(failure::operation("no hash is named")) };
    let hashed = hashed(*hash, data, curve);
    on_curve!(curve, c => {
        let key = c::SecretKey::from_slice(scalar).map_err(|_| NO_KEY)?;
        let (signature, _) = hazmat::sign_prehashed_rfc6979::<_, sha2::Sha512>(&key.to_nonzero_scalar(), &hashed, &[]);
        let signature: c::ecdsa::Signature = signature;
        Ok(signature.to_bytes().to_vec())
    })
}

/// Verifies.
///
/// # Errors
/// InvalidAccessError for a private key.
pub fn verify(key: &KeyData, params: &Params, signature: &[u8], data: &[u8]) -> Outcome<bool> {
    expect(key, Kind::Public)?;
    let (curve, point, _) = parts(key)?;
    let Params::Hashed(hash, _) = params else { return Err(failure::operation("no hash is named")) };
    let hashed = hashed(*hash, data, curve);
    on_curve!(curve, c => {
        let key = c::PublicKey::from_sec1_bytes(point).map_err(|_| NO_KEY)?;
        let Ok(signature) = c::ecdsa::Signature::from_slice(signature) else { return Ok(false) };
        Ok(hazmat::verify_prehashed(&key.to_projective(), &hashed, &signature).is_ok())
    })
}

/// The secret that both sides share: `bits` of it, all by default.
///
/// # Errors
/// InvalidAccessError for keys that do not go together, OperationError for too many bits.
pub fn derive(key: &KeyData, other: &KeyData, bits: Option<u32>) -> Outcome<Vec<u8>> {
    expect(key, Kind::Private)?;
    expect(other, Kind::Public)?;
    let (curve, scalar) = scalar(key)?;
    let (theirs, point, _) = parts(other)?;
    if other.name != key.name || theirs != curve {
        return Err(failure::access("the public key is of another algorithm or curve"));
    }
    let secret = on_curve!(curve, c => {
        let key = c::SecretKey::from_slice(scalar).map_err(|_| NO_KEY)?;
        let other = c::PublicKey::from_sec1_bytes(point).map_err(|_| NO_KEY)?;
        key.diffie_hellman(&other).raw_secret_bytes().to_vec()
    });
    shorten(secret, bits)
}

/// The first `bits` of a secret.
///
/// # Errors
/// OperationError where it has fewer.
pub fn shorten(mut secret: Vec<u8>, bits: Option<u32>) -> Outcome<Vec<u8>> {
    let Some(bits) = bits else { return Ok(secret) };
    if bits as usize > secret.len() * 8 {
        return Err(failure::operation("the shared secret has fewer bits"));
    }
    secret.truncate(bits.div_ceil(8) as usize);
    mask(&mut secret, bits);
    Ok(secret)
}
