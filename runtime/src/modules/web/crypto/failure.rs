//! Why an operation fails, as data that may cross threads.
//!
//! Owns: [`CryptoError`], what the standard names it. Must not know: algorithms.

use rquickjs::{Ctx, Error};

use crate::js::exception;

/// The error of a promise: a DOMException's name (Web IDL section 2.8.1), or "TypeError".
#[derive(Clone, Copy, Debug)]
pub struct CryptoError {
    /// The name.
    pub name: &'static str,
    message: &'static str,
}

/// What an operation comes to.
pub type Outcome<T> = Result<T, CryptoError>;

impl CryptoError {
    /// Throws it.
    pub fn raise(self, ctx: &Ctx<'_>) -> Error {
        match self.name {
            "TypeError" => exception::type_error(ctx, self.message),
            name => exception::dom_exception(ctx, name, self.message),
        }
    }
}

/// A DataError: a key that is none.
pub const fn data(message: &'static str) -> CryptoError {
    CryptoError { name: "DataError", message }
}

/// An OperationError: what the algorithm itself refuses.
pub const fn operation(message: &'static str) -> CryptoError {
    CryptoError { name: "OperationError", message }
}

/// An InvalidAccessError: the key is not for that.
pub const fn access(message: &'static str) -> CryptoError {
    CryptoError { name: "InvalidAccessError", message }
}

/// A NotSupportedError.
pub const fn unsupported(message: &'static str) -> CryptoError {
    CryptoError { name: "NotSupportedError", message }
}

/// A SyntaxError (the DOMException): usages that the key cannot have.
pub const fn usages(message: &'static str) -> CryptoError {
    CryptoError { name: "SyntaxError", message }
}

/// A TypeError.
pub const fn type_error(message: &'static str) -> CryptoError {
    CryptoError { name: "TypeError", message }
}
