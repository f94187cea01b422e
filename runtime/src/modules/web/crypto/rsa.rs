//! RSA: RSASSA-PKCS1-v1_5, RSA-PSS, RSA-OAEP (RFC 8017; Web Cryptography sections 20 to 22).
//!
//! Owns: making, importing and exporting the keys, the operations. Must not know: where it runs; a
//! private key's operations and making one take milliseconds to seconds.

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{BoxedUint, Oaep, Pkcs1v15Sign, Pss, RsaPrivateKey, RsaPublicKey};

use super::aes::Way;
use super::algorithm::Params;
use super::failure::{self, CryptoError, Outcome};
use super::form::{Form, KeyFormat, Made, Wanted, expect};
use super::hash::{Hash, with_hash};
use super::jwk::{self, Jwk};
use super::key::{Detail, KeyData, Kind, Material, Usages};
use super::name::Name;
use super::primes;
use super::steps::{self, Steps};

/// Bits of a modulus that is made here: fewer are unsafe, more take minutes.
const MODULUS_BITS: std::ops::RangeInclusive<u32> = 1024..=8192;

/// Usages of a public and of a private key.
fn allowed(name: Name) -> (Usages, Usages) {
    match name {
        Name::RsaOaep => (Usages::ENCRYPT.and(Usages::WRAP_KEY), Usages::DECRYPT.and(Usages::UNWRAP_KEY)),
        _ => (Usages::VERIFY, Usages::SIGN),
    }
}

fn hash(key: &KeyData) -> Outcome<Hash> {
    match key.detail {
        Detail::Rsa(hash, ..) => Ok(hash),
        _ => Err(failure::access("the key is not one of RSA")),
    }
}

fn public(key: &KeyData) -> Outcome<&RsaPublicKey> {
    match &key.material {
        Material::RsaPublic(key) => Ok(key),
        _ => Err(failure::access("the key is no public key of RSA")),
    }
}

fn private(key: &KeyData) -> Outcome<&RsaPrivateKey> {
    match &key.material {
        Material::RsaPrivate(key) => Ok(key),
        _ => Err(failure::access("the key is no private key of RSA")),
    }
}

/// The parameters of a key pair: hash, bits of the modulus, exponent.
fn check(params: &Params, wanted: Wanted) -> Outcome<(Hash, u32, u64)> {
    let (of_public, of_private) = allowed(wanted.name);
    wanted.within(of_public.and(of_private))?;
    let Params::RsaKeyGen { hash, bits, exponent } = params else {
        return Err(failure::operation("no parameters of an RSA key"));
    };
    let exponent =
        exponent.iter().try_fold(0_u64, |all, byte| (all >> 56 == 0).then_some(all << 8 | u64::from(*byte)));
    match exponent {
        _ if !MODULUS_BITS.contains(bits) => {
            Err(failure::operation("the modulus must have 1024 to 8192 bits"))
        }
        Some(e) if e >= 3 && e % 2 == 1 && e <= RsaPublicKey::MAX_PUB_EXPONENT => Ok((*hash, *bits, e)),
        _ => Err(failure::operation("no public exponent of RSA")),
    }
}

/// Makes a key pair.
///
/// # Errors
/// SyntaxError for usages, OperationError for a length or exponent that no key has.
pub fn generate(params: &Params, wanted: Wanted) -> Outcome<Steps<Made>> {
    let (hash, bits, exponent) = check(params, wanted)?;
    // What would be refused afterwards is not worth a second of work.
    if wanted.usages.only(allowed(wanted.name).1).is_empty() {
        return Err(failure::usages("the private key would have no usages"));
    }
    Ok(steps::then(primes::key(bits, exponent), move |private| {
        let public = private.to_public_key();
        let (of_public, of_private) = allowed(wanted.name);
        let detail = detail(hash, &public);
        let public = (Material::RsaPublic(Box::new(public)), of_public);
        Ok(wanted.pair(detail, public, (Material::RsaPrivate(Box::new(private)), of_private)))
    }))
}

fn detail(hash: Hash, key: &RsaPublicKey) -> Detail {
    Detail::Rsa(hash, key.n().bits(), trim(&key.e().to_be_bytes()).to_vec())
}

/// Without leading zeros.
fn trim(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len())..]
}

fn integer(bytes: &[u8], bits: u32) -> Outcome<BoxedUint> {
    BoxedUint::from_be_slice(trim(bytes), bits).map_err(|_| failure::data("a number of the key is too large"))
}

const NO_KEY: CryptoError = failure::data("the data is no key of RSA");

/// Imports a key.
///
/// # Errors
/// SyntaxError for usages, NotSupportedError for the format, DataError for what is no key.
pub fn import(format: KeyFormat, form: &Form, params: &Params, wanted: Wanted) -> Outcome<KeyData> {
    let Params::Hashed(hash, _) = params else { return Err(NO_KEY) };
    let (of_public, of_private) = allowed(wanted.name);
    let is_private = match format {
        KeyFormat::Spki => false,
        KeyFormat::Pkcs8 => true,
        KeyFormat::Jwk => form.jwk()?.d.is_some(),
        KeyFormat::Raw => return Err(failure::unsupported("keys of RSA have no raw form")),
    };
    wanted.within(if is_private { of_private } else { of_public })?;
    if let Form::Jwk(jwk) = form {
        jwk.is("RSA")?;
        let purpose = if wanted.name == Name::RsaOaep { "enc" } else { "sig" };
        jwk.permits(wanted.usages, wanted.extractable, Some(purpose))?;
        if jwk.alg.as_ref().is_some_and(|named| *named != alg(wanted.name, *hash)) {
            return Err(failure::data("the JWK's 'alg' is another"));
        }
    }
    match is_private {
        true => {
            let key = match format {
                KeyFormat::Jwk => private_of(form.jwk()?)?,
                _ => RsaPrivateKey::from_pkcs8_der(form.bytes()?).map_err(|_| NO_KEY)?,
            };
            let detail = detail(*hash, key.as_public_key());
            Ok(wanted.key(Kind::Private, detail, Material::RsaPrivate(Box::new(key))))
        }
        false => {
            let key = match format {
                KeyFormat::Jwk => public_of(form.jwk()?)?,
                _ => RsaPublicKey::from_public_key_der(form.bytes()?).map_err(|_| NO_KEY)?,
            };
            Ok(wanted.key(Kind::Public, detail(*hash, &key), Material::RsaPublic(Box::new(key))))
        }
    }
}

fn alg(name: Name, hash: Hash) -> String {
    match (name, hash) {
        (Name::RsaPkcs1, _) => format!("RS{}", hash.number()),
        (Name::RsaPss, _) => format!("PS{}", hash.number()),
        (_, Hash::Sha1) => "RSA-OAEP".into(),
        _ => format!("RSA-OAEP-{}", hash.number()),
    }
}

/// n and e, and how many bits the numbers of the key have at most.
fn modulus(jwk: &Jwk) -> Outcome<(BoxedUint, BoxedUint, u32)> {
    let (n, e) = (jwk::decode(&jwk.n)?, jwk::decode(&jwk.e)?);
    let bits = u32::try_from(trim(&n).len() * 8).map_err(|_| NO_KEY)?;
    if bits > *MODULUS_BITS.end() {
        return Err(NO_KEY);
    }
    Ok((integer(&n, bits)?, integer(&e, 64)?, bits))
}

fn public_of(jwk: &Jwk) -> Outcome<RsaPublicKey> {
    let (n, e, _) = modulus(jwk)?;
    RsaPublicKey::new(n, e).map_err(|_| NO_KEY)
}

/// RFC 7518 section 6.3.2: all parts of the Chinese remainder theorem, or none.
fn private_of(jwk: &Jwk) -> Outcome<RsaPrivateKey> {
    if jwk.oth {
        return Err(failure::unsupported("keys of more than two primes are not supported"));
    }
    let (n, e, bits) = modulus(jwk)?;
    let d = integer(&jwk::decode(&jwk.d)?, bits)?;
    let parts = [&jwk.p, &jwk.q, &jwk.dp, &jwk.dq, &jwk.qi];
    if parts.iter().all(|part| part.is_none()) {
        return RsaPrivateKey::from_components(n, e, d, Vec::new()).map_err(|_| NO_KEY);
    }
    let mut numbers = Vec::new();
    for part in parts {
        numbers.push(integer(&jwk::decode(part)?, bits)?);
    }
    let key = RsaPrivateKey::from_components(n, e, d, numbers[..2].to_vec()).map_err(|_| NO_KEY)?;
    let same = |ours: Option<Vec<u8>>, given: &BoxedUint| {
        ours.is_some_and(|ours| ours == trim(&given.to_be_bytes()))
    };
    let [dp, dq, qi] = remainders(&key);
    match same(dp, &numbers[2]) && same(dq, &numbers[3]) && same(qi, &numbers[4]) {
        true => Ok(key),
        false => Err(NO_KEY),
    }
}

/// dp, dq, qi of RFC 7518.
fn remainders(key: &RsaPrivateKey) -> [Option<Vec<u8>>; 3] {
    let bytes = |number: Option<BoxedUint>| number.map(|number| trim(&number.to_be_bytes()).to_vec());
    [bytes(key.dp().cloned()), bytes(key.dq().cloned()), bytes(key.crt_coefficient())]
}

/// Exports a key.
///
/// # Errors
/// InvalidAccessError for the other type of key, NotSupportedError for the format.
pub fn export(key: &KeyData, format: KeyFormat) -> Outcome<Form> {
    let broken = failure::operation("the key cannot be written");
    match format {
        KeyFormat::Spki => {
            expect(key, Kind::Public)?;
            let der = public(key)?.to_public_key_der().map_err(|_| broken)?;
            Ok(Form::Bytes(der.as_bytes().to_vec().into()))
        }
        KeyFormat::Pkcs8 => {
            expect(key, Kind::Private)?;
            let der = private(key)?.to_pkcs8_der().map_err(|_| broken)?;
            Ok(Form::Bytes(der.as_bytes().to_vec().into()))
        }
        KeyFormat::Jwk => {
            let mut jwk = Jwk { alg: Some(alg(key.name, hash(key)?)), ..Jwk::of(key, "RSA") };
            let text = |number: &BoxedUint| jwk::encode(trim(&number.to_be_bytes()));
            let public = match &key.material {
                Material::RsaPrivate(private) => {
                    jwk.d = text(private.d());
                    let primes = private.primes();
                    (jwk.p, jwk.q) = (text(&primes[0]), text(&primes[1]));
                    let [dp, dq, qi] =
                        remainders(private).map(|part| part.and_then(|part| jwk::encode(&part)));
                    (jwk.dp, jwk.dq, jwk.qi) = (dp, dq, qi);
                    private.as_public_key()
                }
                _ => self::public(key)?,
            };
            (jwk.n, jwk.e) = (text(public.n()), text(public.e()));
            Ok(Form::Jwk(Box::new(jwk)))
        }
        KeyFormat::Raw => Err(failure::unsupported("keys of RSA have no raw form")),
    }
}

/// Length of the salt, where the modulus has room for it (RFC 8017 section 9.1.1).
fn salt(params: &Params, hash: Hash, key: &RsaPublicKey) -> Option<usize> {
    let Params::SaltLength(salt) = params else { return None };
    let room = (key.n().bits() as usize - 1).div_ceil(8).checked_sub(hash.bytes() + 2)?;
    usize::try_from(*salt).ok().filter(|salt| *salt <= room)
}

/// Signs.
///
/// # Errors
/// InvalidAccessError for a public key, OperationError for a salt that does not fit.
pub fn sign(key: &KeyData, params: &Params, data: &[u8]) -> Outcome<Vec<u8>> {
    expect(key, Kind::Private)?;
    let (private, hash) = (private(key)?, hash(key)?);
    let (hashed, rng) = (hash.digest(data), &mut UnwrapErr(SysRng));
    let wrong = failure::operation("the data cannot be signed with this key");
    let signed = with_hash!(hash, D => match key.name {
        Name::RsaPss => {
            let salt = salt(params, hash, private.as_public_key()).ok_or(wrong)?;
            private.sign_with_rng(rng, Pss::<D>::new_blinded_with_salt(salt), &hashed)
        }
        _ => private.sign_with_rng(rng, Pkcs1v15Sign::new::<D>(), &hashed),
    });
    signed.map_err(|_| wrong)
}

/// Verifies.
///
/// # Errors
/// InvalidAccessError for a private key.
pub fn verify(key: &KeyData, params: &Params, signature: &[u8], data: &[u8]) -> Outcome<bool> {
    expect(key, Kind::Public)?;
    let (public, hash) = (public(key)?, hash(key)?);
    let hashed = hash.digest(data);
    Ok(with_hash!(hash, D => match key.name {
        Name::RsaPss => {
            let salt = salt(params, hash, public);
            salt.is_some_and(|salt| public.verify(Pss::<D>::new_with_salt(salt), &hashed, signature).is_ok())
        }
        _ => public.verify(Pkcs1v15Sign::new::<D>(), &hashed, signature).is_ok(),
    }))
}

/// Encrypts or decrypts (RSA-OAEP).
///
/// # Errors
/// InvalidAccessError for the other key of the pair, OperationError for data that is too long or
/// does not decrypt.
pub fn cipher(key: &KeyData, params: &Params, way: Way, data: &[u8]) -> Outcome<Vec<u8>> {
    let hash = hash(key)?;
    let label = match params {
        Params::Label(label) => label.clone(),
        _ => Vec::new(),
    };
    let rng = &mut UnwrapErr(SysRng);
    let done = with_hash!(hash, D => {
        let padding = Oaep::<D>::new_with_label(label);
        match way {
            Way::Seal => {
                expect(key, Kind::Public)?;
                public(key)?.encrypt(rng, padding, data)
            }
            Way::Open => {
                expect(key, Kind::Private)?;
                private(key)?.decrypt_blinded(rng, padding, data)
            }
        }
    });
    done.map_err(|_| failure::operation("the data cannot be encrypted or decrypted with this key"))
}
