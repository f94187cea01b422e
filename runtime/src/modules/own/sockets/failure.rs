//! The SocketError that scripts get for a failure.
//!
//! Owns: how it is made. Must not know: who fails.

use rquickjs::{Ctx, Error, Object};

use crate::js::held::Held;
use crate::js::{promise, value};
pub(super) use crate::net::ConnectionError;

/// A failure, thrown.
pub(super) trait Throw {
    /// Throws it as a SocketError.
    fn throw(&self, ctx: &Ctx<'_>) -> Error;
}

impl Throw for ConnectionError {
    fn throw(&self, ctx: &Ctx<'_>) -> Error {
        let make = || {
            let kit: Object = super::kit(ctx)?;
            let make = Held::new(kit.get("failure")?);
            let words = [value::string(ctx, &self.message)?, value::string(ctx, self.code)?];
            promise::call(ctx, &make, None, &words)
        };
        match make() {
            Ok(error) => ctx.throw(error),
            Err(error) => error,
        }
    }
}
