//! `crypto` (Web Cryptography, W3C): `getRandomValues`, `randomUUID` (section 10), `subtle`.
//!
//! Owns: the `Crypto` class, a store of random bytes for UUIDs, loading the rest when it is first
//! named. Must not know: keys, digests. Randomness is the kernel's (getrandom(2)).

mod aes;
mod algorithm;
mod curve;
mod dictionary;
mod ec;
mod failure;
mod form;
mod hash;
mod jwk;
mod key;
mod mac;
mod name;
mod okp;
mod operations;
mod pool;
mod primes;
mod queue;
mod rsa;
mod secret;
mod steps;
mod subtle;

use std::cell::RefCell;
use std::ffi::CStr;
use std::rc::Rc;

use rquickjs::{Ctx, Result, Value};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::js::class::{self, Class, Member, Scope, Static};
use crate::js::class_id;
use crate::js::clone::platform;
use crate::js::engine::State;
use crate::js::function::Functions;
use crate::js::held::Slot;
use crate::js::{buffer_source, exception, reflect, value};

use super::{embed, errors};
pub(super) use key::CryptoKey;
pub use pool::set_time_max;
use subtle::SubtleCrypto;

/// Most bytes of one `getRandomValues` (section 10.1.1).
const RANDOM_BYTES_MAX: usize = 65_536;
/// Bytes fetched from the kernel at once for UUIDs: 64 of them.
const STORE_BYTES: usize = 1024;

/// Random bytes not yet used.
#[derive(Default)]
struct Store(RefCell<Vec<u8>>);

/// The `crypto` object: it has no state.
pub struct Crypto;

impl class_id::Of for class_id::Crypto {
    type Class = Crypto;
}

impl Class for Crypto {
    type Id = class_id::Crypto;
    const NAME: &'static CStr = c"Crypto";
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Method(c"getRandomValues", 1, get_random_values),
        Member::Method(c"randomUUID", 0, random_uuid),
        Member::Get(c"subtle", subtle),
    ];
}

/// Registers the class and its one object.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    class::register::<Crypto>(ctx)?;
    State::of(ctx).extension::<Object>().0.set(Some(class::instance(ctx, Crypto)?));
    embed::attribute::<CryptoAttribute>(ctx, c"crypto", 0, None)?;
    embed::lazy_globals(ctx, &["CryptoKey", "SubtleCrypto"], |ctx, name| {
        let loaded = loaded(ctx)?;
        let class = if name == "CryptoKey" { &loaded.key } else { &loaded.subtle };
        Ok(class.get(ctx).unwrap_or_else(|| Value::new_undefined(ctx.clone())))
    })
}

/// The one `Crypto`.
#[derive(Default)]
struct Object(Slot);

/// `readonly attribute Crypto crypto` of WindowOrWorkerGlobalScope (section 10).
struct CryptoAttribute;

impl Functions for CryptoAttribute {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[(c"get crypto", 0, |scope| {
        embed::of_global(scope)?;
        let object = State::of(scope.ctx).extension::<Object>().0.get(scope.ctx);
        Ok(object.unwrap_or_else(|| scope.undefined()))
    })];
}

/// The classes of `crypto.subtle`, and that object: one per engine, made when first named.
#[derive(Default)]
struct SubtleExports {
    key: Slot,
    subtle: Slot,
    object: Slot,
}

fn loaded(ctx: &Ctx<'_>) -> Result<Rc<SubtleExports>> {
    let loaded = State::of(ctx).extension::<SubtleExports>();
    if !loaded.object.is_some() {
        loaded.key.set(Some(class::register_unlisted::<CryptoKey>(ctx)?));
        loaded.subtle.set(Some(class::register_unlisted::<SubtleCrypto>(ctx)?));
        loaded.object.set(Some(class::instance(ctx, SubtleCrypto)?));
        platform::serializable::<CryptoKey>(ctx, CryptoKey::serialize);
    }
    Ok(loaded)
}

/// Sees to it that the classes exist.
fn load(ctx: &Ctx<'_>) -> Result<()> {
    loaded(ctx).map(drop)
}

fn subtle<'js>(_this: &Crypto, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    Ok(loaded(scope.ctx)?.object.get(scope.ctx).unwrap_or_else(|| scope.undefined()))
}

/// Fills `bytes` with random ones.
///
/// # Errors
/// OperationError where the kernel gives none.
pub fn fill(ctx: &Ctx<'_>, mut bytes: &mut [u8]) -> Result<()> {
    while !bytes.is_empty() {
        match getrandom(&mut *bytes, GetRandomFlags::empty()) {
            Ok(n) => bytes = &mut bytes[n..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                let text = format!("the kernel gives no random bytes: {error}");
                return Err(exception::dom_exception(ctx, "OperationError", &text));
            }
        }
    }
    Ok(())
}

fn get_random_values<'js>(_this: &Crypto, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(1, "Crypto.getRandomValues")?;
    let array = scope.arg(0);
    let Some(bytes) = buffer_source::bytes(&array)? else {
        return Err(exception::type_error(
            scope.ctx,
            "getRandomValues: argument 1 is not an ArrayBufferView",
        ));
    };
    match reflect::typed_array(&array) {
        Some(kind) if !kind.starts_with("Float") => {}
        None if reflect::class_name(&array).ends_with("Buffer") => {
            let text = "getRandomValues: argument 1 is not an ArrayBufferView";
            return Err(exception::type_error(scope.ctx, text));
        }
        _ => {
            let text = "getRandomValues: the array is not one of integers";
            return Err(exception::dom_exception(scope.ctx, "TypeMismatchError", text));
        }
    }
    if bytes.is_immutable() {
        return Err(exception::type_error(scope.ctx, "getRandomValues: the array is immutable"));
    }
    if bytes.len() > RANDOM_BYTES_MAX {
        let text = format!("getRandomValues: {} bytes asked for, at most 65536 at once", bytes.len());
        return Err(errors::quota_exceeded(scope.ctx, &text, RANDOM_BYTES_MAX, bytes.len()));
    }
    let mut random = vec![0; bytes.len()];
    fill(scope.ctx, &mut random)?;
    bytes.write(&random);
    Ok(array)
}

fn random_uuid<'js>(_this: &Crypto, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    value::string(scope.ctx, &uuid(scope.ctx)?)
}

/// A UUID of version 4 (RFC 9562, section 5.4).
///
/// # Errors
/// OperationError where the kernel gives no random bytes.
pub fn uuid(ctx: &Ctx<'_>) -> Result<String> {
    let store = State::of(ctx).extension::<Store>();
    let mut store = store.0.borrow_mut();
    if store.is_empty() {
        store.resize(STORE_BYTES, 0);
        if let Err(error) = fill(ctx, &mut store) {
            store.clear();
            return Err(error);
        }
    }
    let mut uuid = [0u8; 16];
    let rest = store.len() - uuid.len();
    uuid.copy_from_slice(&store[rest..]);
    // Used bytes do not stay behind in the store's memory.
    store[rest..].fill(0);
    store.truncate(rest);
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (index, byte) in uuid.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 15)];
        at += 2;
    }
    Ok(text.into_iter().map(char::from).collect())
}
