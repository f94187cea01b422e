//! Ed25519 (RFC 8032) and X25519 (RFC 7748), in the forms of RFC 8410 and RFC 8037.
//!
//! Owns: making, importing and exporting the keys, the operations. Must not know: other curves.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use p256::pkcs8::der::asn1::OctetStringRef;
use p256::pkcs8::der::{Decode, Encode};
use p256::pkcs8::{ObjectIdentifier, PrivateKeyInfoRef, SubjectPublicKeyInfoRef};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::ec::shorten;
use super::failure::{self, CryptoError, Outcome};
use super::form::{Form, KeyFormat, Made, Wanted, expect};
use super::jwk::{self, Jwk};
use super::key::{Detail, KeyData, Kind, Material, Usages};
use super::name::Name;
use super::secret::random;

const NO_KEY: CryptoError = failure::data("the data is no key of this curve");

/// id-X25519, id-Ed25519 (RFC 8410 section 3).
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

fn allowed(name: Name) -> (Usages, Usages) {
    match name {
        Name::X25519 => (Usages::NONE, Usages::DERIVE),
        _ => (Usages::VERIFY, Usages::SIGN),
    }
}

fn oid(name: Name) -> ObjectIdentifier {
    if name == Name::X25519 { X25519 } else { ED25519 }
}

fn public_of(name: Name, private: &[u8; 32]) -> [u8; 32] {
    match name {
        Name::X25519 => PublicKey::from(&StaticSecret::from(*private)).to_bytes(),
        _ => SigningKey::from_bytes(private).verifying_key().to_bytes(),
    }
}

fn parts(key: &KeyData) -> Outcome<(&[u8; 32], Option<&[u8; 32]>)> {
    match &key.material {
        Material::Okp { public, private } => Ok((public, private.as_deref())),
        _ => Err(failure::access("the key is of another algorithm")),
    }
}

fn private(key: &KeyData) -> Outcome<&[u8; 32]> {
    parts(key)?.1.ok_or(failure::access("the key is not private"))
}

fn array(bytes: &[u8]) -> Outcome<[u8; 32]> {
    bytes.try_into().map_err(|_| NO_KEY)
}

/// Makes a key pair.
///
/// # Errors
/// SyntaxError for usages.
pub fn generate(wanted: Wanted) -> Outcome<Made> {
    let (of_public, of_private) = allowed(wanted.name);
    wanted.within(of_public.and(of_private))?;
    let private = Zeroizing::new(array(&random(32)?)?);
    let public = public_of(wanted.name, &private);
    let material = Material::Okp { public, private: None };
    Ok(wanted.pair(
        Detail::None,
        (material, of_public),
        (Material::Okp { public, private: Some(private) }, of_private),
    ))
}

/// Imports a key.
///
/// # Errors
/// SyntaxError for usages, DataError for what is no key.
pub fn import(format: KeyFormat, form: &Form, wanted: Wanted) -> Outcome<KeyData> {
    let (of_public, of_private) = allowed(wanted.name);
    let is_private = match format {
        KeyFormat::Spki | KeyFormat::Raw => false,
        KeyFormat::Pkcs8 => true,
        KeyFormat::Jwk => form.jwk()?.d.is_some(),
    };
    wanted.within(if is_private { of_private } else { of_public })?;
    let (public, private) = match format {
        KeyFormat::Raw => (array(form.bytes()?)?, None),
        KeyFormat::Spki => {
            let info = SubjectPublicKeyInfoRef::from_der(form.bytes()?).map_err(|_| NO_KEY)?;
            if info.algorithm.oid != oid(wanted.name) || info.algorithm.parameters.is_some() {
                return Err(NO_KEY);
            }
            (array(info.subject_public_key.as_bytes().ok_or(NO_KEY)?)?, None)
        }
        KeyFormat::Pkcs8 => {
            let info = PrivateKeyInfoRef::from_der(form.bytes()?).map_err(|_| NO_KEY)?;
            if info.algorithm.oid != oid(wanted.name) || info.algorithm.parameters.is_some() {
                return Err(NO_KEY);
            }
            // CurvePrivateKey is an OCTET STRING in the OCTET STRING.
            let inner = <&OctetStringRef>::from_der(info.private_key.as_bytes()).map_err(|_| NO_KEY)?;
            let private = Zeroizing::new(array(inner.as_bytes())?);
            (public_of(wanted.name, &private), Some(private))
        }
        KeyFormat::Jwk => from_jwk(form.jwk()?, wanted)?,
    };
    let kind = if is_private { Kind::Private } else { Kind::Public };
    Ok(wanted.key(kind, Detail::None, Material::Okp { public, private }))
}

type KeyParts = ([u8; 32], Option<Zeroizing<[u8; 32]>>);

fn from_jwk(jwk: &Jwk, wanted: Wanted) -> Outcome<KeyParts> {
    jwk.is("OKP")?;
    if jwk.crv.as_deref() != Some(wanted.name.text()) {
        return Err(failure::data("the JWK's 'crv' is another"));
    }
    let signs = wanted.name == Name::Ed25519;
    if signs && jwk.alg.as_deref().is_some_and(|alg| !matches!(alg, "Ed25519" | "EdDSA")) {
        return Err(failure::data("the JWK's 'alg' is another"));
    }
    jwk.permits(wanted.usages, wanted.extractable, Some(if signs { "sig" } else { "enc" }))?;
    let public = array(&jwk::decode(&jwk.x)?)?;
    if jwk.d.is_none() {
        return Ok((public, None));
    }
    let private = Zeroizing::new(array(&jwk::decode(&jwk.d)?)?);
    match public_of(wanted.name, &private) == public {
        true => Ok((public, Some(private))),
        false => Err(failure::data("private and public key are not a pair")),
    }
}

/// Exports a key.
///
/// # Errors
/// InvalidAccessError for the other type of key.
pub fn export(key: &KeyData, format: KeyFormat) -> Outcome<Form> {
    let (public, private) = parts(key)?;
    let id = oid(key.name).to_der().map_err(|_| failure::operation("the key cannot be written"))?;
    let algorithm = [&[0x30, id.len() as u8], id.as_slice()].concat();
    let sequence = |parts: &[&[u8]]| {
        let body = parts.concat();
        [&[0x30, body.len() as u8], body.as_slice()].concat()
    };
    let bytes = match format {
        KeyFormat::Raw => {
            expect(key, Kind::Public)?;
            public.to_vec()
        }
        KeyFormat::Spki => {
            expect(key, Kind::Public)?;
            // A BIT STRING of 33 bytes, none of whose bits is unused.
            sequence(&[&algorithm, &[0x03, 33, 0], public])
        }
        KeyFormat::Pkcs8 => {
            expect(key, Kind::Private)?;
            // Version 0; an OCTET STRING of 32 bytes in one of 34.
            sequence(&[&[0x02, 1, 0], &algorithm, &[0x04, 34, 0x04, 32], self::private(key)?])
        }
        KeyFormat::Jwk => {
            let mut jwk = Jwk { crv: Some(key.name.text().into()), ..Jwk::of(key, "OKP") };
            if key.name == Name::Ed25519 {
                jwk.alg = Some("Ed25519".into());
            }
            (jwk.x, jwk.d) = (jwk::encode(public), private.and_then(|bytes| jwk::encode(bytes)));
            return Ok(Form::Jwk(Box::new(jwk)));
        }
    };
    Ok(Form::Bytes(bytes.into()))
}

/// Signs (Ed25519).
///
/// # Errors
/// InvalidAccessError for a public key.
pub fn sign(key: &KeyData, data: &[u8]) -> Outcome<Vec<u8>> {
    expect(key, Kind::Private)?;
    Ok(SigningKey::from_bytes(private(key)?).sign(data).to_vec())
}

/// Verifies (Ed25519); points of small order are refused.
///
/// # Errors
/// InvalidAccessError for a private key.
pub fn verify(key: &KeyData, signature: &[u8], data: &[u8]) -> Outcome<bool> {
    expect(key, Kind::Public)?;
    let Ok(public) = VerifyingKey::from_bytes(parts(key)?.0) else { return Ok(false) };
    let signature = Signature::from_slice(signature);
    Ok(signature.is_ok_and(|signature| public.verify_strict(data, &signature).is_ok()))
}

/// The shared secret (X25519).
///
/// # Errors
/// InvalidAccessError for keys that do not go together, OperationError for too many bits and for a
/// public key of small order (RFC 7748 section 6.1).
pub fn derive(key: &KeyData, other: &KeyData, bits: Option<u32>) -> Outcome<Vec<u8>> {
    expect(key, Kind::Private)?;
    expect(other, Kind::Public)?;
    if other.name != key.name {
        return Err(failure::access("the public key is of another algorithm"));
    }
    let theirs = PublicKey::from(*parts(other)?.0);
    let secret = StaticSecret::from(*private(key)?).diffie_hellman(&theirs);
    match secret.was_contributory() {
        true => shorten(secret.as_bytes().to_vec(), bits),
        false => Err(failure::operation("the public key is of small order")),
    }
}
