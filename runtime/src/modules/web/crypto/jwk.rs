//! JSON Web Keys (RFC 7517, RFC 7518): the JsonWebKey dictionary.
//!
//! Owns: its members from and to JavaScript and JSON, the checks that all kinds of keys share. Must
//! not know: what the members of a kind mean.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rquickjs::{Ctx, Object, Result, Value};
use zeroize::Zeroizing;

use crate::js::convert::to_bool;
use crate::js::{function, value};
use crate::modules::web::iterate;

use super::dictionary::{member, strings};
use super::failure::{self, CryptoError, Outcome};
use super::key::{KeyData, Usages};

/// A key as its parts: base64url but for `kty`, `use`, `alg`, `crv`.
#[derive(Default)]
#[allow(missing_docs)] // the names are those of the RFC
pub struct Jwk {
    pub alg: Option<String>,
    pub crv: Option<String>,
    pub d: Option<String>,
    pub dp: Option<String>,
    pub dq: Option<String>,
    pub e: Option<String>,
    pub ext: Option<bool>,
    pub k: Option<String>,
    pub key_ops: Option<Vec<String>>,
    pub kty: Option<String>,
    pub n: Option<String>,
    /// Whether there are more than two primes.
    pub oth: bool,
    pub p: Option<String>,
    pub q: Option<String>,
    pub qi: Option<String>,
    pub usage: Option<String>,
    pub x: Option<String>,
    pub y: Option<String>,
}

/// Bytes in base64url.
pub fn encode(bytes: &[u8]) -> Option<String> {
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// The bytes of a base64url member.
///
/// # Errors
/// DataError where it is missing or is none.
pub fn decode(member: &Option<String>) -> Outcome<Zeroizing<Vec<u8>>> {
    let text = member.as_ref().ok_or(failure::data("the JWK lacks a member"))?;
    URL_SAFE_NO_PAD
        .decode(text)
        .map(Zeroizing::new)
        .map_err(|_| failure::data("a member of the JWK is not base64url"))
}

impl Jwk {
    /// What a dictionary object says, its members looked at in the order of Web IDL.
    ///
    /// # Errors
    /// What its getters throw; TypeError.
    pub fn read<'js>(ctx: &Ctx<'js>, object: &Object<'js>) -> Result<Jwk> {
        let text = |name| member(object, name)?.map(|value| value::to_string(&value)).transpose();
        Ok(Jwk {
            alg: text("alg")?,
            crv: text("crv")?,
            d: text("d")?,
            dp: text("dp")?,
            dq: text("dq")?,
            e: text("e")?,
            ext: member(object, "ext")?.map(|value| to_bool(&value)),
            k: text("k")?,
            key_ops: member(object, "key_ops")?.map(|value| strings(ctx, &value)).transpose()?,
            kty: text("kty")?,
            n: text("n")?,
            oth: member(object, "oth")?.is_some(),
            p: text("p")?,
            q: text("q")?,
            qi: text("qi")?,
            usage: text("use")?,
            x: text("x")?,
            y: text("y")?,
        })
    }

    /// The members that are text and are there.
    fn texts(&self) -> impl Iterator<Item = (&'static std::ffi::CStr, &str)> {
        [
            (c"alg", &self.alg),
            (c"crv", &self.crv),
            (c"d", &self.d),
            (c"dp", &self.dp),
            (c"dq", &self.dq),
            (c"e", &self.e),
            (c"k", &self.k),
            (c"kty", &self.kty),
            (c"n", &self.n),
            (c"p", &self.p),
            (c"q", &self.q),
            (c"qi", &self.qi),
            (c"x", &self.x),
            (c"y", &self.y),
        ]
        .into_iter()
        .filter_map(|(name, text)| Some((name, text.as_deref()?)))
    }

    /// As an object.
    ///
    /// # Errors
    /// Out of memory.
    pub fn object<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let object = Object::new(ctx.clone())?;
        for (name, text) in self.texts() {
            function::define(ctx, &object, name, value::string(ctx, text)?, true)?;
        }
        if let Some(ext) = self.ext {
            function::define(ctx, &object, c"ext", Value::new_bool(ctx.clone(), ext), true)?;
        }
        if let Some(all) = &self.key_ops {
            let all = iterate::array(ctx, all.iter().map(|name| value::string(ctx, name)))?;
            function::define(ctx, &object, c"key_ops", all, true)?;
        }
        Ok(object.into_value())
    }

    /// As JSON: no member needs an escape in there.
    pub fn json(&self) -> Zeroizing<Vec<u8>> {
        let mut parts: Vec<String> =
            self.texts().map(|(name, text)| format!("\"{}\":\"{text}\"", name.to_string_lossy())).collect();
        parts.extend(self.ext.map(|ext| format!("\"ext\":{ext}")));
        let quoted =
            |all: &Vec<String>| all.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",");
        parts.extend(self.key_ops.as_ref().map(|all| format!("\"key_ops\":[{}]", quoted(all))));
        Zeroizing::new(format!("{{{}}}", parts.join(",")).into_bytes())
    }

    /// The members that every exported key has.
    pub fn of(key: &KeyData, kty: &str) -> Jwk {
        Jwk {
            kty: Some(kty.into()),
            ext: Some(key.extractable),
            key_ops: Some(key.usages.names().map(str::to_owned).collect()),
            ..Jwk::default()
        }
    }

    /// Checks `kty`.
    ///
    /// # Errors
    /// DataError.
    pub fn is(&self, kty: &str) -> Outcome<()> {
        match self.kty.as_deref() == Some(kty) {
            true => Ok(()),
            false => Err(failure::data("the JWK's 'kty' is another")),
        }
    }

    /// Checks `use`, `key_ops` and `ext` against what is asked for; `purpose` is the right `use`.
    ///
    /// # Errors
    /// DataError.
    pub fn permits(&self, usages: Usages, extractable: bool, purpose: Option<&str>) -> Outcome<()> {
        let wrong = |what| Err::<(), CryptoError>(failure::data(what));
        if !usages.is_empty() && purpose.is_some() && self.usage.is_some() && self.usage.as_deref() != purpose
        {
            return wrong("the JWK's 'use' is another");
        }
        if let Some(all) = &self.key_ops {
            // RFC 7517 section 4.3: none may be there twice.
            let twice = all.iter().enumerate().any(|(at, name)| all[..at].contains(name));
            let missing = usages.names().any(|usage| !all.iter().any(|name| name == usage));
            if twice || missing {
                return wrong("the JWK's 'key_ops' do not allow these usages");
            }
        }
        match self.ext == Some(false) && extractable {
            true => wrong("the JWK's 'ext' forbids an extractable key"),
            false => Ok(()),
        }
    }
}
