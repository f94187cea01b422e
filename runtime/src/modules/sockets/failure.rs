//! Why a socket failed: a code and a sentence, and the SocketError that scripts get.
//!
//! Owns: the words. Must not know: who fails.

use std::error::Error as _;
use std::io;

use rquickjs::{Ctx, Error, Object};

use crate::client::{self, ErrorKind, tls};
use crate::io::dns;
use crate::io::errno;
use crate::js::held::Held;
use crate::js::{promise, value};

/// A failure, to become an error of whichever turn hears of it.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// Name of the errno(3), or as Node's documentation calls the others.
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into() }
    }

    /// Of an operation on an open connection.
    pub(super) fn of(what: &str, error: &io::Error) -> Failure {
        if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Failure::new("EPROTO", format!("{what}: {}", tls::words(inner)));
        }
        match error.raw_os_error() {
            Some(number) => {
                let code = errno::name(number).unwrap_or("EIO");
                Failure::new(code, format!("{what}: {} ({code})", errno::text(number)))
            }
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Failure::new("ECONNRESET", format!("{what}: {error}"))
            }
            None => Failure::new("EIO", format!("{what}: {error}")),
        }
    }

    /// Of an attempt to connect.
    pub(super) fn of_dial(error: &client::Error) -> Failure {
        let source = error.source();
        let unknown = source.and_then(|source| {
            let failure = source.downcast_ref::<dns::Failure>();
            failure.or_else(|| source.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<dns::Failure>())
        });
        let code = match (unknown, error.errno().and_then(errno::name)) {
            (Some(dns::Failure::NotFound | dns::Failure::NoData), _) => "ENOTFOUND",
            (Some(_), _) => "EAI_AGAIN",
            (None, Some(name)) => name,
            (None, None) if error.kind() == ErrorKind::Resolve => "ENOTFOUND",
            (None, None) => "EIO",
        };
        let chain = error.chain();
        Failure::new(code, chain.split(" (os error").next().unwrap_or_default())
    }

    /// Throws it as a SocketError.
    pub(super) fn throw(&self, ctx: &Ctx<'_>) -> Error {
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
