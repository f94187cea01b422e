//! `std.getenv` and its kin.
//!
//! Owns: the calls. Must not know: how variables are kept (`environment` of the crate does, for each app).

use std::ffi::{CStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rquickjs::{Atom, Object, Result, Value};

use crate::environment::Environment;
use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::function::Functions;
use crate::js::{convert, permit, value};
use crate::permissions::Access;
use rquickjs::object::Property;

/// The calls.
pub struct EnvironmentCalls;

impl Functions for EnvironmentCalls {
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

/// Variable 0, if it may be seen and set.
fn name(scope: &Scope<'_, '_>) -> Result<OsString> {
    let name = text(scope, 0)?;
    permit::ask(scope.ctx, |all| all.env(&name.to_string_lossy()))?;
    Ok(name)
}

/// The variables of the app.
fn variables<'a>(scope: &'a Scope<'_, '_>) -> &'a Environment {
    State::of(scope.ctx).cluster().environment()
}

/// `getenv(name)`: the value, or `undefined`.
fn getenv<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    match variables(scope).get(&name(scope)?) {
        Some(found) => convert::text(scope.ctx, found.as_bytes()),
        None => Ok(scope.undefined()),
    }
}

/// `setenv(name, value)`.
fn setenv<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let (name, value) = (name(scope)?, text(scope, 1)?);
    if name.as_bytes().starts_with(b"LD_") {
        // It would say what programs load that may be run.
        permit::all(scope.ctx, Access::Run)?;
    }
    variables(scope).set(&name, Some(&value));
    Ok(scope.undefined())
}

/// `unsetenv(name)`.
fn unsetenv<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    variables(scope).set(&name(scope)?, None);
    Ok(scope.undefined())
}

/// `getenviron()`: an object of all variables.
fn all<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    permit::all(scope.ctx, Access::Env)?;
    let object = Object::new(scope.ctx.clone())?;
    for (name, value) in variables(scope).snapshot() {
        let name = Atom::from_value(scope.ctx.clone(), &convert::text(scope.ctx, name.as_bytes())?)?;
        let value = convert::text(scope.ctx, value.as_bytes())?;
        object.prop(name, Property::from(value).writable().configurable().enumerable())?;
    }
    Ok(object.into_value())
}
