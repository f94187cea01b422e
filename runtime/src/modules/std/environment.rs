//! The environment as scripts see and change it.
//!
//! Owns: a copy of the process's environment, one for all engines; in a server only what its app is
//! given. setenv(3) itself is not called: other threads read the environment while it would change. What
//! a script changes is seen by `getenv`, `getenviron` and the processes that scripts start.

use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::{Mutex, MutexGuard};

use rquickjs::{Atom, Object, Result, Value};

use crate::js::class::{Scope, Static};
use crate::js::function::Functions;
use crate::js::{convert, value};
use rquickjs::object::Property;

type Variables = Vec<(OsString, OsString)>;

static CHANGED: Mutex<Option<Variables>> = Mutex::new(None);

fn lock() -> MutexGuard<'static, Option<Variables>> {
    CHANGED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The variables now, for a process to be started.
pub fn snapshot() -> Vec<(OsString, OsString)> {
    lock().clone().unwrap_or_else(|| std::env::vars_os().collect())
}

/// Has JavaScript see these variables and no others.
pub fn replace(variables: &[(String, String)]) {
    let pair = |(name, value): &(String, String)| (name.into(), value.into());
    *lock() = Some(variables.iter().map(pair).collect());
}

/// A variable's value.
pub fn get(name: &OsStr) -> Option<OsString> {
    match &*lock() {
        Some(all) => all.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()),
        // `var_os` panics on none of these, it finds nothing.
        None => std::env::var_os(name),
    }
}

/// Sets a variable, or removes it. A name that is none (empty, with `=` or NUL) changes nothing, as
/// in setenv(3).
pub fn set(name: &OsStr, value: Option<&OsStr>) {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.contains(&b'=') || bytes.contains(&0) {
        return;
    }
    if value.is_some_and(|value| value.as_bytes().contains(&0)) {
        return;
    }
    let mut changed = lock();
    let all = changed.get_or_insert_with(|| std::env::vars_os().collect());
    let place = all.iter().position(|(known, _)| known == name);
    match (place, value) {
        (Some(place), Some(value)) => all[place].1 = value.to_owned(),
        (None, Some(value)) => all.push((name.to_owned(), value.to_owned())),
        (Some(place), None) => drop(all.remove(place)),
        (None, None) => {}
    }
}

/// The calls.
pub struct Calls;

impl Functions for Calls {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"getenv", 1, getenv),
        (c"setenv", 1, setenv),
        (c"unsetenv", 1, unsetenv),
        (c"getenviron", 1, all),
    ];
}

fn text(scope: &Scope<'_, '_>, index: usize) -> Result<OsString> {
    Ok(OsString::from_vec(value::to_string(&scope.arg(index))?.into_bytes()))
}

/// `getenv(name)`: the value, or `undefined`.
fn getenv<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    match get(&text(scope, 0)?) {
        Some(found) => convert::text(scope.ctx, found.as_bytes()),
        None => Ok(scope.undefined()),
    }
}

/// `setenv(name, value)`.
fn setenv<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let (name, value) = (text(scope, 0)?, text(scope, 1)?);
    set(&name, Some(&value));
    Ok(scope.undefined())
}

/// `unsetenv(name)`.
fn unsetenv<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    set(&text(scope, 0)?, None);
    Ok(scope.undefined())
}

/// `getenviron()`: an object of all variables.
fn all<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let object = Object::new(scope.ctx.clone())?;
    for (name, value) in snapshot() {
        let name = Atom::from_value(scope.ctx.clone(), &convert::text(scope.ctx, name.as_bytes())?)?;
        let value = convert::text(scope.ctx, value.as_bytes())?;
        object.prop(name, Property::from(value).writable().configurable().enumerable())?;
    }
    Ok(object.into_value())
}
