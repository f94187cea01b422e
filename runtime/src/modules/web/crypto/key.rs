//! `CryptoKey` (Web Cryptography section 13) and what it stands for.
//!
//! Owns: the class, the kinds of key material, usages. Must not know: how keys are made or used.

use std::ffi::CStr;
use std::sync::Arc;

use rquickjs::{Ctx, Object, Result, Value};
use rsa::{RsaPrivateKey, RsaPublicKey};
use zeroize::Zeroizing;

use crate::js::charge::Charge;
use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::clone::platform::Serialized;
use crate::js::display::Display;
use crate::js::function;
use crate::js::held::{Slot, Tracer};
use crate::js::value;
use crate::modules::web::iterate;

use super::curve::Curve;
use super::hash::Hash;
use super::name::Name;

/// What a key may be used for: a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usages(u8);

const USAGES: [&str; 8] =
    ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"];

impl Usages {
    /// encrypt
    pub const ENCRYPT: Usages = Usages(1);
    /// decrypt
    pub const DECRYPT: Usages = Usages(2);
    /// sign
    pub const SIGN: Usages = Usages(4);
    /// verify
    pub const VERIFY: Usages = Usages(8);
    /// deriveKey
    pub const DERIVE_KEY: Usages = Usages(16);
    /// deriveBits
    pub const DERIVE_BITS: Usages = Usages(32);
    /// wrapKey
    pub const WRAP_KEY: Usages = Usages(64);
    /// unwrapKey
    pub const UNWRAP_KEY: Usages = Usages(128);
    /// deriveKey and deriveBits
    pub const DERIVE: Usages = Usages(16 | 32);
    /// None.
    pub const NONE: Usages = Usages(0);

    /// The usage so called.
    pub fn named(name: &str) -> Option<Usages> {
        USAGES.iter().position(|known| *known == name).map(|bit| Usages(1 << bit))
    }

    /// Both.
    pub const fn and(self, other: Usages) -> Usages {
        Usages(self.0 | other.0)
    }

    /// Those in both.
    pub fn only(self, other: Usages) -> Usages {
        Usages(self.0 & other.0)
    }

    /// Whether all of `other` are among them.
    pub fn has(self, other: Usages) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Their names, in the standard's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        USAGES.into_iter().enumerate().filter(move |(bit, _)| self.0 & 1 << bit != 0).map(|(_, name)| name)
    }
}

/// `type` of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A key of a symmetric algorithm, or a password.
    Secret,
    /// The public one of a pair.
    Public,
    /// The private one of a pair.
    Private,
}

/// `algorithm` of a key: its name and the parameters it was made with.
#[derive(Clone, Debug)]
pub enum Detail {
    /// Nothing but the name.
    None,
    /// AesKeyAlgorithm: length in bits.
    Aes(u32),
    /// HmacKeyAlgorithm: hash, length in bits.
    Hmac(Hash, u32),
    /// RsaHashedKeyAlgorithm: hash, length of the modulus in bits, exponent (big-endian).
    Rsa(Hash, u32, Vec<u8>),
    /// EcKeyAlgorithm.
    Ec(Curve),
}

/// The key itself.
pub enum Material {
    /// The bytes of a secret key.
    Secret(Zeroizing<Vec<u8>>),
    /// RSA.
    RsaPublic(Box<RsaPublicKey>),
    /// RSA.
    RsaPrivate(Box<RsaPrivateKey>),
    /// The public point, uncompressed (SEC 1 section 2.3.3); the private scalar, big-endian.
    Ec { public: Vec<u8>, private: Option<Zeroizing<Vec<u8>>> },
    /// Ed25519 and X25519 (RFC 8032, RFC 7748).
    Okp { public: [u8; 32], private: Option<Zeroizing<[u8; 32]>> },
}

impl Material {
    /// Bytes that it owns, about.
    fn bytes(&self) -> usize {
        match self {
            Material::Secret(bytes) => bytes.len(),
            Material::RsaPublic(_) => 2 << 10,
            Material::RsaPrivate(_) => 8 << 10,
            Material::Ec { .. } | Material::Okp { .. } => 256,
        }
    }
}

/// What a `CryptoKey` stands for.
pub struct KeyData {
    /// Its type.
    pub kind: Kind,
    /// Whether it may be exported.
    pub extractable: bool,
    /// Its algorithm.
    pub name: Name,
    /// Its parameters.
    pub detail: Detail,
    /// What it may be used for.
    pub usages: Usages,
    /// The key.
    pub material: Material,
}

/// The object.
pub struct CryptoKey {
    /// What it stands for.
    pub key: Arc<KeyData>,
    algorithm: Slot,
    usages: Slot,
    _charge: Charge,
}

impl class_id::Of for class_id::CryptoKey {
    type Class = CryptoKey;
}

impl Class for CryptoKey {
    type Id = class_id::CryptoKey;
    const NAME: &'static CStr = c"CryptoKey";
    const GLOBAL: bool = false;
    const DISPLAY: Option<Display> =
        Some(Display::Attributes(&["type", "extractable", "algorithm", "usages"], class::attribute::<Self>));
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Get(c"type", |this, scope| {
            let kind = match this.key.kind {
                Kind::Secret => "secret",
                Kind::Public => "public",
                Kind::Private => "private",
            };
            value::string(scope.ctx, kind)
        }),
        Member::Get(c"extractable", |this, scope| {
            Ok(Value::new_bool(scope.ctx.clone(), this.key.extractable))
        }),
        Member::Get(c"algorithm", |this, scope| {
            this.algorithm.get_or(scope.ctx, || describe(scope.ctx, &this.key))
        }),
        Member::Get(c"usages", usages),
    ];

    fn trace(&self, tracer: &Tracer) {
        self.algorithm.trace(tracer);
        self.usages.trace(tracer);
    }
}

fn usages<'js>(this: &CryptoKey, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    this.usages.get_or(scope.ctx, || {
        iterate::array(scope.ctx, this.key.usages.names().map(|name| value::string(scope.ctx, name)))
    })
}

/// The object of the `algorithm` attribute.
fn describe<'js>(ctx: &Ctx<'js>, key: &KeyData) -> Result<Value<'js>> {
    let named = |name: &str| {
        let object = Object::new(ctx.clone())?;
        function::define(ctx, &object, c"name", value::string(ctx, name)?, true)?;
        Ok::<_, rquickjs::Error>(object)
    };
    let object = named(key.name.text())?;
    let put = |name: &CStr, value: Value<'js>| function::define(ctx, &object, name, value, true);
    let number = |n: u32| Value::new_number(ctx.clone(), f64::from(n));
    match &key.detail {
        Detail::None => {}
        Detail::Aes(length) => put(c"length", number(*length))?,
        Detail::Hmac(hash, length) => {
            put(c"hash", named(hash.name())?.into_value())?;
            put(c"length", number(*length))?;
        }
        Detail::Rsa(hash, bits, exponent) => {
            put(c"modulusLength", number(*bits))?;
            put(c"publicExponent", value::uint8_array(ctx, exponent)?)?;
            put(c"hash", named(hash.name())?.into_value())?;
        }
        Detail::Ec(curve) => put(c"namedCurve", value::string(ctx, curve.name())?)?,
    }
    Ok(object.into_value())
}

/// A `CryptoKey` object.
///
/// # Errors
/// Out of memory.
pub fn object<'js>(ctx: &Ctx<'js>, key: KeyData) -> Result<Value<'js>> {
    shared(ctx, Arc::new(key))
}

fn shared<'js>(ctx: &Ctx<'js>, key: Arc<KeyData>) -> Result<Value<'js>> {
    let charge = Charge::default();
    charge.set(ctx, key.material.bytes())?;
    let (algorithm, usages) = Default::default();
    class::instance(ctx, CryptoKey { key, algorithm, usages, _charge: charge })
}

/// A key on its way into another realm (section 13.5, "serialization steps"): both share it.
struct SharedKey(Arc<KeyData>);

impl Serialized for SharedKey {
    fn revive<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        super::load(ctx)?;
        shared(ctx, self.0.clone())
    }
}

impl CryptoKey {
    /// What a copy of it is made of.
    pub fn serialize(&self) -> Box<dyn Serialized> {
        Box::new(SharedKey(self.key.clone()))
    }
}
