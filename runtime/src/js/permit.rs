//! The permissions of an app, asked by native code: a refusal is an exception.
//!
//! Owns: that exception, and when modules are loaded that nobody has to permit. Must not know: what is done with what
//! was permitted.

use std::borrow::Cow;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rquickjs::object::Property;
use rquickjs::{Ctx, Error, Exception, Result};

use super::state::State;
use crate::permissions::{Access, NotGranted, Permissions};

/// Those of the app of `ctx`; none where it may do everything.
pub fn of<'a>(ctx: &'a Ctx<'_>) -> Option<&'a Permissions> {
    State::of(ctx).cluster().permissions().map(|all| &**all)
}

/// Throws a refusal: an Error whose name is NotCapable, as Deno's.
pub fn refuse(ctx: &Ctx<'_>, refused: &NotGranted) -> Error {
    let thrown = Exception::throw_message(ctx, &refused.to_string());
    let error = ctx.catch();
    let name = Property::from("NotCapable").writable().configurable();
    match error.as_object() {
        Some(object) if object.prop("name", name).is_ok() => ctx.throw(error),
        _ => thrown,
    }
}

fn checked<T>(ctx: &Ctx<'_>, answer: std::result::Result<T, NotGranted>) -> Result<T> {
    answer.map_err(|refused| refuse(ctx, &refused))
}

/// Has `ask` permit something, where there is somebody to ask.
///
/// # Errors
/// It was refused.
pub fn ask(
    ctx: &Ctx<'_>,
    ask: impl FnOnce(&Permissions) -> std::result::Result<(), NotGranted>,
) -> Result<()> {
    of(ctx).map_or(Ok(()), |all| checked(ctx, ask(all)))
}

/// Everything of a kind.
///
/// # Errors
/// It was not granted.
pub fn all(ctx: &Ctx<'_>, access: Access) -> Result<()> {
    ask(ctx, |permissions| permissions.all(access))
}

/// The path at which what is done to `path` is to be done, if that may be read, written, or both. `follows`: whether a
/// link at its end is followed.
///
/// # Errors
/// It was not granted.
pub fn path<'p>(ctx: &Ctx<'_>, path: &'p Path, access: &[Access], follows: bool) -> Result<Cow<'p, Path>> {
    let Some(permissions) = of(ctx) else { return Ok(Cow::Borrowed(path)) };
    let mut real: Option<PathBuf> = None;
    for access in access {
        real = Some(checked(
            ctx,
            match access {
                Access::Write => permissions.write(path, follows),
                _ => permissions.read(path, follows),
            },
        )?);
    }
    Ok(real.map_or(Cow::Borrowed(path), Cow::Owned))
}

/// Modules that are loaded now are named by code that is loaded already: no permission is needed.
#[derive(Default)]
struct Linking(Cell<usize>);

/// Static imports are being loaded for as long as this is there.
pub struct LinkingHold(Rc<Linking>);

impl Drop for LinkingHold {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get() - 1);
    }
}

/// Has the files of modules be read that are named statically by the main module, whatever they are.
pub fn linking(state: &State) -> LinkingHold {
    let linking = state.extension::<Linking>();
    linking.0.set(linking.0.get() + 1);
    LinkingHold(linking)
}

/// Permits to load the file `path`: code of the app whose main module is `main`, or what is no code.
///
/// # Errors
/// It is neither the app's own nor granted.
pub(super) fn load(ctx: &Ctx<'_>, path: &str, main: &str, is_code: bool) -> Result<()> {
    let Some(permissions) = of(ctx) else { return Ok(()) };
    if State::of(ctx).extension::<Linking>().0.get() > 0 {
        return Ok(());
    }
    checked(
        ctx,
        match is_code {
            true => permissions.load(path.as_ref(), main.as_ref()),
            false => permissions.read(path.as_ref(), true).map(drop),
        },
    )
}
