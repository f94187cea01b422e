//! `SubtleCrypto` (Web Cryptography section 14): the methods of `crypto.subtle`.
//!
//! Owns: their arguments in the order of Web IDL, their promises. Must not know: algorithms. What
//! takes long runs on the threads of `pool`, the rest at once.

use std::ffi::CStr;

use rquickjs::{Ctx, FromJs, Object, Result, Value};
use zeroize::Zeroizing;

use crate::io;
use crate::js::charge::Charge;
use crate::js::class::{Class, Member, Scope};
use crate::js::class_id;
use crate::js::convert::{to_bool, to_int32};
use crate::js::engine::State;
use crate::js::{buffer_source, deferred, exception, function, promise, value};

use super::aes::Way;
use super::algorithm::{Algorithm, Identifier, Operation};
use super::dictionary::{buffer, dictionary, key, source, usages};
use super::failure::{self, Outcome};
use super::form::{Form, KeyFormat, Made, Wanted};
use super::jwk::Jwk;
use super::key::{self as keys, KeyData, Usages};
use super::name::Name;
use super::steps::{self, Steps, once};
use super::{operations, pool, secret};

/// The object: it has no state.
pub struct SubtleCrypto;

impl class_id::Of for class_id::SubtleCrypto {
    type Class = SubtleCrypto;
}

impl Class for SubtleCrypto {
    type Id = class_id::SubtleCrypto;
    const NAME: &'static CStr = c"SubtleCrypto";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Async(c"encrypt", 3, |_, scope| cipher(scope, Way::Seal, Usages::ENCRYPT)),
        Member::Async(c"decrypt", 3, |_, scope| cipher(scope, Way::Open, Usages::DECRYPT)),
        Member::Async(c"sign", 3, sign),
        Member::Async(c"verify", 4, verify),
        Member::Async(c"digest", 2, digest),
        Member::Async(c"generateKey", 3, generate_key),
        Member::Async(c"deriveKey", 5, derive_key),
        Member::Async(c"deriveBits", 2, derive_bits),
        Member::Async(c"importKey", 5, import_key),
        Member::Async(c"exportKey", 2, export_key),
        Member::Async(c"wrapKey", 4, wrap_key),
        Member::Async(c"unwrapKey", 7, unwrap_key),
    ];
}

/// Where work is done.
enum RunsOn {
    /// At once, on the worker itself.
    Here,
    /// On a thread: it takes long, and owns so many bytes until it is done.
    Thread(usize),
}

impl RunsOn {
    fn of(long: bool, data: &[u8]) -> RunsOn {
        if long { RunsOn::Thread(data.len()) } else { RunsOn::Here }
    }
}

/// A promise for what `steps` come to, made a value by `finish`.
fn answer<'js, T: Send + 'static>(
    ctx: &Ctx<'js>,
    place: RunsOn,
    steps: Outcome<Steps<T>>,
    finish: impl for<'a> FnOnce(&Ctx<'a>, T) -> Result<Value<'a>> + 'static,
) -> Result<Value<'js>> {
    let steps = checked(ctx, steps)?;
    let RunsOn::Thread(bytes) = place else {
        let value = finish(ctx, checked(ctx, steps::finish(steps))?)?;
        return promise::settled(ctx, Ok(value));
    };
    let charge = Charge::default();
    charge.set(ctx, bytes)?;
    let (promise, deferred) = deferred::deferred(ctx)?;
    let result = pool::run_steps(State::of(ctx), steps);
    drop(io::spawn(async move {
        let result = result.await;
        drop(charge);
        deferred.settle(|ctx| finish(ctx, result.map_err(|failure| failure.raise(ctx))?));
    }));
    Ok(promise)
}

fn buffer_of<'js>(ctx: &Ctx<'js>, bytes: Vec<u8>) -> Result<Value<'js>> {
    value::array_buffer(ctx, &Zeroizing::new(bytes))
}

fn checked<T>(ctx: &Ctx<'_>, outcome: Outcome<T>) -> Result<T> {
    outcome.map_err(|failure| failure.raise(ctx))
}

fn format(scope: &Scope<'_, '_>, at: usize) -> Result<KeyFormat> {
    let name = value::to_string(&scope.arg(at))?;
    KeyFormat::named(&name)
        .ok_or_else(|| exception::type_error(scope.ctx, &format!("'{name}' is not a key format")))
}

fn cipher<'js>(scope: &Scope<'_, 'js>, way: Way, usage: Usages) -> Result<Value<'js>> {
    scope.require(3, "SubtleCrypto")?;
    let identifier = Identifier::new(&scope.arg(0))?;
    let key = key(&scope.arg(1))?;
    let data = source(scope.arg(2))?;
    let algorithm = identifier.normalize(scope.ctx, Operation::Encrypt)?;
    let data = buffer(&data)?;
    checked(scope.ctx, operations::permit(&key, &algorithm, usage))?;
    let place = RunsOn::of(operations::is_long_with(&key, &data), &data);
    let steps = once(move || operations::cipher(&algorithm, &key, way, data));
    answer(scope.ctx, place, Ok(steps), buffer_of)
}

fn sign<'js>(_this: &SubtleCrypto, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(3, "SubtleCrypto.sign")?;
    let identifier = Identifier::new(&scope.arg(0))?;
    let key = key(&scope.arg(1))?;
    let data = source(scope.arg(2))?;
    let algorithm = identifier.normalize(scope.ctx, Operation::Sign)?;
    let data = buffer(&data)?;
    checked(scope.ctx, operations::permit(&key, &algorithm, Usages::SIGN))?;
    let place = RunsOn::of(operations::is_long_with(&key, &data), &data);
    answer(scope.ctx, place, operations::sign(algorithm, key, data), buffer_of)
}

fn verify<'js>(_this: &SubtleCrypto, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(4, "SubtleCrypto.verify")?;
    let identifier = Identifier::new(&scope.arg(0))?;
    let key = key(&scope.arg(1))?;
    let (signature, data) = (source(scope.arg(2))?, source(scope.arg(3))?);
    let algorithm = identifier.normalize(scope.ctx, Operation::Sign)?;
    let (signature, data) = (buffer(&signature)?, buffer(&data)?);
    checked(scope.ctx, operations::permit(&key, &algorithm, Usages::VERIFY))?;
    let place = RunsOn::of(operations::is_long(&data), &data);
    let steps = operations::verify(algorithm, key, signature, data);
    answer(scope.ctx, place, steps, |ctx, right| Ok(Value::new_bool(ctx.clone(), right)))
}

fn digest<'js>(_this: &SubtleCrypto, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(2, "SubtleCrypto.digest")?;
    let identifier = Identifier::new(&scope.arg(0))?;
    let data = source(scope.arg(1))?;
    let Name::Sha(hash) = identifier.normalize(scope.ctx, Operation::Digest)?.name else {
        return Err(failure::unsupported("not a hash function").raise(scope.ctx));
    };
    let data = buffer(&data)?;
    let place = RunsOn::of(operations::is_long(&data), &data);
    answer(scope.ctx, place, Ok(hash.digest_steps(data)), buffer_of)
}

fn made<'js>(ctx: &Ctx<'js>, made: Made) -> Result<Value<'js>> {
    match made {
        Made::One(key) => keys::object(ctx, *key),
        Made::Pair(public, private) => {
            let pair = Object::new(ctx.clone())?;
            function::define(ctx, &pair, c"privateKey", keys::object(ctx, *private)?, true)?;
            function::define(ctx, &pair, c"publicKey", keys::object(ctx, *public)?, true)?;
            Ok(pair.into_value())
        }
    }
}

fn generate_key<'js>(_this: &SubtleCrypto, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(3, "SubtleCrypto.generateKey")?;
    let identifier = Identifier::new(&scope.arg(0))?;
    let extractable = to_bool(&scope.arg(1));
    let usages = usages(scope.ctx, &scope.arg(2))?;
    let algorithm = identifier.normalize(scope.ctx, Operation::GenerateKey)?;
    let wanted = Wanted { name: algorithm.name, extractable, usages };
    let place = RunsOn::of(algorithm.name.is_rsa(), &[]);
    answer(scope.ctx, place, operations::generate(&algorithm, wanted), made)
}

fn derive_bits<'js>(_this: &SubtleCrypto, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(2, "SubtleCrypto.deriveBits")?;
    let identifier = Identifier::new(&scope.arg(0))?;
    let key = key(&scope.arg(1))?;
    let length = scope.arg(2);
    let bits = match length.is_null() || length.is_undefined() {
        true => None,
        false => Some(to_int32(&length)?.cast_unsigned()),
    };
    let algorithm = identifier.normalize(scope.ctx, Operation::DeriveBits)?;
    checked(scope.ctx, operations::permit(&key, &algorithm, Usages::DERIVE_BITS))?;
    let place = RunsOn::of(operations::is_long_derivation(&algorithm, bits), &[]);
    answer(scope.ctx, place, operations::derive(&algorithm, &key, bits), buffer_of)
}

fn derive_key<'js>(_this: &SubtleCrypto, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(5, "SubtleCrypto.deriveKey")?;
    let ctx = scope.ctx;
    let identifier = Identifier::new(&scope.arg(0))?;
    let base = key(&scope.arg(1))?;
    let derived = Identifier::new(&scope.arg(2))?;
    let extractable = to_bool(&scope.arg(3));
    let usages = usages(ctx, &scope.arg(4))?;
    let algorithm = identifier.normalize(ctx, Operation::DeriveBits)?;
    let import = derived.normalize(ctx, Operation::ImportKey)?;
    let length = derived.normalize(ctx, Operation::GetKeyLength)?;
    checked(ctx, operations::permit(&base, &algorithm, Usages::DERIVE_KEY))?;
    let bits = checked(ctx, secret::length(&length.params))?;
    let wanted = Wanted { name: import.name, extractable, usages };
    let place = RunsOn::of(operations::is_long_derivation(&algorithm, bits), &[]);
    let steps = operations::derive(&algorithm, &base, bits).map(|secret| {
        steps::then(secret, move |secret| {
            operations::import(&import, KeyFormat::Raw, &Form::Bytes(secret.into()), wanted)
        })
    });
    answer(ctx, place, steps, keys::object)
}

fn import_key<'js>(_this: &SubtleCrypto, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(5, "SubtleCrypto.importKey")?;
    let ctx = scope.ctx;
    let format = format(scope, 0)?;
    let data = scope.arg(1);
    let jwk = match buffer_source::bytes(&data)? {
        Some(_) => None,
        None => Some(match dictionary(&data)? {
            Some(object) => Jwk::read(ctx, &object)?,
            None => Jwk::default(),
        }),
    };
    let identifier = Identifier::new(&scope.arg(2))?;
    let extractable = to_bool(&scope.arg(3));
    let usages = usages(ctx, &scope.arg(4))?;
    let algorithm = identifier.normalize(ctx, Operation::ImportKey)?;
    if jwk.is_some() != (format == KeyFormat::Jwk) {
        return Err(exception::type_error(ctx, "the key data is not in that format"));
    }
    let form = match jwk {
        Some(jwk) => Form::Jwk(Box::new(jwk)),
        None => Form::Bytes(buffer(&data)?.into()),
    };
    let wanted = Wanted { name: algorithm.name, extractable, usages };
    let key = checked(ctx, operations::import(&algorithm, format, &form, wanted))?;
    promise::settled(ctx, Ok(keys::object(ctx, key)?))
}

fn export_key<'js>(_this: &SubtleCrypto, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(2, "SubtleCrypto.exportKey")?;
    let format = format(scope, 0)?;
    let key = key(&scope.arg(1))?;
    let exported = match checked(scope.ctx, operations::export(&key, format))? {
        Form::Bytes(bytes) => value::array_buffer(scope.ctx, &bytes)?,
        Form::Jwk(jwk) => jwk.object(scope.ctx)?,
    };
    promise::settled(scope.ctx, Ok(exported))
}

/// The algorithm for wrapping: its own operation, else the one for any data.
fn wrapping<'js>(ctx: &Ctx<'js>, identifier: &Identifier<'js>) -> Result<Algorithm> {
    match identifier.normalize(ctx, Operation::WrapKey) {
        Ok(algorithm) => Ok(algorithm),
        Err(_) => {
            drop(ctx.catch());
            identifier.normalize(ctx, Operation::Encrypt)
        }
    }
}

fn wrap_key<'js>(_this: &SubtleCrypto, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(4, "SubtleCrypto.wrapKey")?;
    let ctx = scope.ctx;
    let format = format(scope, 0)?;
    let wrapped = key(&scope.arg(1))?;
    let by = key(&scope.arg(2))?;
    let algorithm = wrapping(ctx, &Identifier::new(&scope.arg(3))?)?;
    checked(ctx, operations::permit(&by, &algorithm, Usages::WRAP_KEY))?;
    let bytes = match checked(ctx, operations::export(&wrapped, format))? {
        Form::Bytes(bytes) => bytes,
        Form::Jwk(jwk) => jwk.json(),
    };
    let place = RunsOn::of(operations::is_long_with(&by, &bytes), &bytes);
    let steps = once(move || operations::cipher(&algorithm, &by, Way::Seal, bytes.to_vec()));
    answer(ctx, place, Ok(steps), buffer_of)
}

fn unwrap_key<'js>(_this: &SubtleCrypto, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(7, "SubtleCrypto.unwrapKey")?;
    let ctx = scope.ctx;
    let format = format(scope, 0)?;
    let data = source(scope.arg(1))?;
    let by = key(&scope.arg(2))?;
    let identifier = Identifier::new(&scope.arg(3))?;
    let unwrapped = Identifier::new(&scope.arg(4))?;
    let extractable = to_bool(&scope.arg(5));
    let usages = usages(ctx, &scope.arg(6))?;
    let algorithm = wrapping(ctx, &identifier)?;
    let import = unwrapped.normalize(ctx, Operation::ImportKey)?;
    let data = buffer(&data)?;
    checked(ctx, operations::permit(&by, &algorithm, Usages::UNWRAP_KEY))?;
    let wanted = Wanted { name: import.name, extractable, usages };
    let place = RunsOn::of(operations::is_long_with(&by, &data), &data);
    let steps = once(move || operations::cipher(&algorithm, &by, Way::Open, data).map(Zeroizing::new));
    answer(ctx, place, Ok(steps), move |ctx, bytes| {
        let form = match format {
            KeyFormat::Jwk => Form::Jwk(Box::new(parse(ctx, &bytes)?)),
            _ => Form::Bytes(bytes),
        };
        let key: KeyData = checked(ctx, operations::import(&import, format, &form, wanted))?;
        keys::object(ctx, key)
    })
}

/// "Parse a JWK" (section 8).
fn parse(ctx: &Ctx<'_>, bytes: &[u8]) -> Result<Jwk> {
    let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
    let broken = || failure::data("what was wrapped is no JWK").raise(ctx);
    let object = value::parse_json(ctx, text.trim_start_matches('\u{feff}'), "<jwk>").map_err(|_| {
        drop(ctx.catch());
        broken()
    })?;
    if !object.is_object() {
        return Err(broken());
    }
    let jwk = Jwk::read(ctx, &Object::from_js(ctx, object)?)?;
    if jwk.kty.is_none() { Err(broken()) } else { Ok(jwk) }
}
