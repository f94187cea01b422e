//! `navigator` and `self`.
//!
//! Owns: the name that this program gives itself in JavaScript. Must not know: HTTP clients.

use std::ffi::CStr;

use rquickjs::{Ctx, Result};

use crate::js::class::{self, Class, Member};
use crate::js::{function, value};

/// What `navigator.userAgent` says.
pub const USER_AGENT: &str = concat!("jsserve/", env!("CARGO_PKG_VERSION"));

/// The `navigator` object: it has no state.
pub struct Navigator;

impl Class for Navigator {
    const ID: u32 = 132;
    const NAME: &'static CStr = c"Navigator";
    const MEMBERS: &'static [Member<Self>] =
        &[Member::Get(c"userAgent", |_, scope| value::string(scope.ctx, USER_AGENT))];
}

/// Installs both.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    class::register::<Navigator>(ctx)?;
    let object = class::instance(ctx, Navigator)?;
    let globals = ctx.globals();
    function::define(ctx, &globals, c"navigator", object, true)?;
    function::define(ctx, &globals, c"self", globals.clone().into_value(), true)
}
