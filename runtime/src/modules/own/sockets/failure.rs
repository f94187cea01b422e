//! The SocketError that scripts get for a failure.
//!
//! Owns: how it is made, and which of them are no fault of the app's. Must not know: who fails.

use rquickjs::{Ctx, Error, Value};

use crate::js::{internal, value};
pub(super) use crate::net::ConnectionError;

/// Whether `reason` is how a client's connection ended: that an app did not wait for a write to who has gone away is
/// nothing to tell of.
pub(super) fn is_of_client<'js>(ctx: &Ctx<'js>, reason: &Value<'js>) -> bool {
    let Some(reason) = reason.as_object() else { return false };
    let reason = reason.clone().into_value();
    match internal::call(ctx, super::SOCKET, "isOfClient", &[reason]) {
        Ok(answer) => answer.as_bool() == Some(true),
        Err(_) => {
            drop(ctx.catch());
            false
        }
    }
}

/// A failure, thrown.
pub(super) trait Throw {
    /// Throws it as a SocketError.
    fn throw(&self, ctx: &Ctx<'_>) -> Error;
}

impl Throw for ConnectionError {
    fn throw(&self, ctx: &Ctx<'_>) -> Error {
        let make = || {
            let (message, code) = (value::string(ctx, &self.message)?, value::string(ctx, self.code)?);
            let of_client = Value::new_bool(ctx.clone(), self.of_client);
            internal::call(ctx, super::SOCKET, "failure", &[message, code, of_client])
        };
        match make() {
            Ok(error) => ctx.throw(error),
            Err(error) => error,
        }
    }
}
