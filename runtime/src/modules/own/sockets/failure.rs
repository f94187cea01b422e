//! The SocketError that scripts get for a failure.
//!
//! Owns: how it is made. Must not know: who fails.

use rquickjs::{Ctx, Error};

use crate::js::{internal, value};
pub(super) use crate::net::ConnectionError;

/// A failure, thrown.
pub(super) trait Throw {
    /// Throws it as a SocketError.
    fn throw(&self, ctx: &Ctx<'_>) -> Error;
}

impl Throw for ConnectionError {
    fn throw(&self, ctx: &Ctx<'_>) -> Error {
        let make = || {
            let words = [value::string(ctx, &self.message)?, value::string(ctx, self.code)?];
            internal::call(ctx, super::SOCKET, "failure", &words)
        };
        match make() {
            Ok(error) => ctx.throw(error),
            Err(error) => error,
        }
    }
}
