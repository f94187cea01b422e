//! `navigator` and `self`.
//!
//! Owns: the name that this program gives itself in JavaScript. Must not know: HTTP clients.

use std::ffi::CStr;

use rquickjs::{Ctx, Result};

use crate::js::class::{self, Class, Member, Static};
use crate::js::display::Display;
use crate::js::engine::State;
use crate::js::function::Functions;
use crate::js::held::Slot;
use crate::js::value;

use super::embed;

/// What `navigator.userAgent` says.
pub const USER_AGENT: &str = concat!("jsserve/", env!("CARGO_PKG_VERSION"));

/// The `navigator` object: it has no state.
pub struct Navigator;

impl Class for Navigator {
    const ID: u32 = 132;
    const NAME: &'static CStr = c"Navigator";
    const DISPLAY: Option<Display> = Some(Display::Attributes(&["userAgent"], class::attribute::<Self>));
    const MEMBERS: &'static [Member<Self>] =
        &[Member::Get(c"userAgent", |_, scope| value::string(scope.ctx, USER_AGENT))];
}

/// The one `Navigator`.
#[derive(Default)]
struct Object(Slot);

/// The attributes: `navigator` is read-only, `self` as in a window `[Replaceable]` (HTML, sections
/// 8.10 and 7.2.2), so that what assigns to it in strict mode goes on.
struct Global;

impl Functions for Global {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"get navigator", 0, |scope| {
            embed::of_global(scope)?;
            let object = State::of(scope.ctx).extension::<Object>().0.get(scope.ctx);
            Ok(object.unwrap_or_else(|| scope.undefined()))
        }),
        (c"get self", 0, |scope| embed::of_global(scope).map(|()| scope.ctx.globals().into_value())),
        (c"set self", 1, |scope| embed::replaceable(scope, c"self")),
    ];
}

/// Installs both.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    class::register::<Navigator>(ctx)?;
    State::of(ctx).extension::<Object>().0.set(Some(class::instance(ctx, Navigator)?));
    embed::attribute::<Global>(ctx, c"navigator", 0, None)?;
    embed::attribute::<Global>(ctx, c"self", 1, Some(2))
}
