//! Looking at values without running any script: no getter, no proxy trap, no patched method.
//!
//! Owns: class names, own properties, typed array kinds, embedded scripts' attributes. Must not
//! know: who looks (the console, binary modules).

use rquickjs::{Ctx, Object, Result, Value, qjs};

/// A property as its descriptor has it.
pub struct Property<'js> {
    /// Its key: a string or a symbol.
    pub key: Value<'js>,
    /// Whether `for in` and spread see it.
    pub enumerable: bool,
    /// What it holds.
    pub slot: Slot<'js>,
}

/// What a property holds.
pub enum Slot<'js> {
    /// A value.
    Data(Value<'js>),
    /// Getter and setter, `undefined` where there is none.
    Accessor(Value<'js>, Value<'js>),
}

/// The name of the object's class in the engine ("Object", "Map", "Uint8Array", ...), whatever its
/// prototypes and tags say; empty for primitives.
pub fn class_name(value: &Value<'_>) -> String {
    if !value.is_object() {
        return String::new();
    }
    let ctx = value.ctx();
    // SAFETY: the id is that of a live object; the atom is ours to free.
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        let atom = qjs::JS_GetClassName(qjs::JS_GetRuntime(raw), qjs::JS_GetClassID(value.as_raw()));
        let name = super::value::fresh(ctx, qjs::JS_AtomToString(raw, atom));
        qjs::JS_FreeAtom(raw, atom);
        name.and_then(|name| super::value::to_string(&name)).unwrap_or_default()
    }
}

/// A number that tells two live objects apart.
pub fn identity(value: &Value<'_>) -> usize {
    // SAFETY: reads the pointer of a live value.
    unsafe { qjs::JS_VALUE_GET_PTR(value.as_raw()) as usize }
}

/// What a proxy stands for; none for anything else, `null` for a revoked one.
pub fn proxy_target<'js>(value: &Value<'js>) -> Option<Value<'js>> {
    let ctx = value.ctx();
    // SAFETY: the target is a new reference.
    unsafe {
        if !value.is_object() || !qjs::JS_IsProxy(value.as_raw()) {
            return None;
        }
        let target = super::value::fresh(ctx, qjs::JS_GetProxyTarget(ctx.as_raw().as_ptr(), value.as_raw()));
        Some(target.unwrap_or_else(|_| {
            drop(ctx.catch());
            Value::new_null(ctx.clone())
        }))
    }
}

/// The name of a typed array's class; none for anything else.
pub fn typed_array(value: &Value<'_>) -> Option<&'static str> {
    const NAMES: [&str; 12] = [
        "Uint8ClampedArray",
        "Int8Array",
        "Uint8Array",
        "Int16Array",
        "Uint16Array",
        "Int32Array",
        "Uint32Array",
        "BigInt64Array",
        "BigUint64Array",
        "Float16Array",
        "Float32Array",
        "Float64Array",
    ];
    // SAFETY: reads the class of a live value.
    let index = unsafe { qjs::JS_GetTypedArrayType(value.as_raw()) };
    NAMES.get(usize::try_from(index).ok()?).copied()
}

/// The object's own property `key`. A proxy is asked through its traps: unwrap it first.
///
/// # Errors
/// Out of memory.
pub fn own<'js>(object: &Object<'js>, key: &Value<'js>) -> Result<Option<Property<'js>>> {
    let ctx = object.ctx();
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: an all-zero descriptor is a valid one; the engine fills it with owned references.
    unsafe {
        let atom = qjs::JS_ValueToAtom(raw, key.as_raw());
        let mut found: qjs::JSPropertyDescriptor = std::mem::zeroed();
        let there = qjs::JS_GetOwnProperty(raw, &mut found, object.as_value().as_raw(), atom);
        qjs::JS_FreeAtom(raw, atom);
        if there <= 0 {
            return if there < 0 { Err(rquickjs::Error::Exception) } else { Ok(None) };
        }
        let [value, getter, setter] = [found.value, found.getter, found.setter]
            .map(|raw| super::value::fresh(ctx, raw).unwrap_or_else(|_| Value::new_undefined(ctx.clone())));
        let has = |flag: u32| found.flags & flag as i32 != 0;
        let slot = match has(qjs::JS_PROP_GETSET) {
            true => Slot::Accessor(getter, setter),
            false => Slot::Data(value),
        };
        Ok(Some(Property { key: key.clone(), enumerable: has(qjs::JS_PROP_ENUMERABLE), slot }))
    }
}

/// The object's own keys, strings before symbols. A proxy's traps run: unwrap it first.
///
/// # Errors
/// Out of memory.
pub fn own_keys<'js>(object: &Object<'js>) -> Result<Vec<Value<'js>>> {
    let ctx = object.ctx();
    let raw = ctx.as_raw().as_ptr();
    let (mut table, mut count) = (std::ptr::null_mut(), 0);
    let flags = (qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_SYMBOL_MASK) as i32;
    // SAFETY: the engine hands out a table of `count` atoms, freed below.
    unsafe {
        let done =
            qjs::JS_GetOwnPropertyNames(raw, &mut table, &mut count, object.as_value().as_raw(), flags);
        if done < 0 {
            return Err(rquickjs::Error::Exception);
        }
        let all = match count {
            0 => &[],
            _ => std::slice::from_raw_parts(table, count as usize),
        };
        let keys = all.iter().map(|entry| super::value::fresh(ctx, qjs::JS_AtomToValue(raw, entry.atom)));
        let keys = keys.collect::<Result<Vec<_>>>();
        qjs::JS_FreePropertyEnum(raw, table, count);
        keys
    }
}

/// The data property `name` on the object or its prototypes; none where a getter or a proxy is.
pub fn data<'js>(object: &Object<'js>, name: &str) -> Option<Value<'js>> {
    let ctx = object.ctx();
    let key = super::value::string(ctx, name).ok()?;
    data_at(object, &key)
}

/// As [`data`], by key.
pub fn data_at<'js>(object: &Object<'js>, key: &Value<'js>) -> Option<Value<'js>> {
    let mut at = object.clone();
    for _ in 0..100 {
        if proxy_target(at.as_value()).is_some() {
            return None;
        }
        match own(&at, key) {
            Ok(Some(Property { slot: Slot::Data(value), .. })) => return Some(value),
            Ok(Some(_)) => return None,
            Ok(None) => at = at.get_prototype()?,
            Err(_) => {
                drop(object.ctx().catch());
                return None;
            }
        }
    }
    None
}

/// Freezes an object.
///
/// # Errors
/// Out of memory.
pub fn freeze(object: &Value<'_>) -> Result<()> {
    // SAFETY: changes flags of a live object.
    match unsafe { qjs::JS_FreezeObject(object.ctx().as_raw().as_ptr(), object.as_raw()) } {
        done if done < 0 => Err(rquickjs::Error::Exception),
        _ => Ok(()),
    }
}

/// Makes the members of a class written in JavaScript enumerable, as Web IDL's are, and tags its
/// prototype.
///
/// # Errors
/// Out of memory.
pub fn as_interface<'js>(ctx: &Ctx<'js>, class: &Object<'js>, name: &str) -> Result<()> {
    use rquickjs::atom::PredefinedAtom;
    let prototype: Object = class.get("prototype")?;
    for (object, hidden) in [(class, &["prototype", "length", "name"][..]), (&prototype, &["constructor"])] {
        for key in own_keys(object)? {
            if !key.is_symbol() && !super::value::with_str(&key, |key| hidden.contains(&key))? {
                enumerable(ctx, object, &key)?;
            }
        }
    }
    let tag = rquickjs::object::Property::from(name).configurable();
    prototype.prop(PredefinedAtom::SymbolToStringTag, tag)
}

fn enumerable<'js>(ctx: &Ctx<'js>, object: &Object<'js>, key: &Value<'js>) -> Result<()> {
    let flags = (qjs::JS_PROP_HAS_ENUMERABLE | qjs::JS_PROP_ENUMERABLE | qjs::JS_PROP_THROW) as i32;
    // SAFETY: changes one flag of a property that is there; no value is handed over.
    let done = unsafe {
        let raw = ctx.as_raw().as_ptr();
        let atom = qjs::JS_ValueToAtom(raw, key.as_raw());
        let none = qjs::JS_UNDEFINED;
        let done = qjs::JS_DefineProperty(raw, object.as_value().as_raw(), atom, none, none, none, flags);
        qjs::JS_FreeAtom(raw, atom);
        done
    };
    if done < 0 { Err(rquickjs::Error::Exception) } else { Ok(()) }
}

/// The object's own names, symbols and what a trap throws left out.
pub fn own_names(object: &Object<'_>) -> Vec<String> {
    let Ok(keys) = own_keys(object) else {
        drop(object.ctx().catch());
        return Vec::new();
    };
    keys.iter().filter(|key| key.is_string()).filter_map(|key| super::value::to_string(key).ok()).collect()
}
