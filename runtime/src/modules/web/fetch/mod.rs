//! Fetch: Headers, Request, Response and the function `fetch`.
//!
//! Owns: what stands between a parsed request and the app. Must not know: HTTP on the wire.

pub mod body;
pub mod client;
pub mod consume;
pub mod content_type;
pub mod extras;
pub mod headers;
pub mod incoming;
pub mod mixin;
pub mod outgoing;
pub(crate) mod passing;
pub mod referrer;
pub mod request;
pub mod response;
pub mod settings;

use rquickjs::{Ctx, Result};

pub use crate::header_list;
use crate::js::class;
use crate::modules::web::iterate;

/// Installs the globals.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    class::register::<headers::Headers>(ctx)?;
    headers::keep_iterator(ctx)?;
    iterate::register::<headers::Headers>(ctx)?;
    class::register::<response::Response>(ctx)?;
    class::register::<request::Request>(ctx)?;
    client::install(ctx)
}
