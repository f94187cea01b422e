//! Why a connection of `tcp` hooks ended otherwise than in order.
//!
//! Owns: the words for the log, the error that `close(conn, error)` is given. Must not know: when it is closed.

use rquickjs::object::Property;
use rquickjs::{Ctx, Exception, Result, Value};

use super::hook::Hook;
use crate::js::Held;
use crate::js::held::Tracer;
use crate::js::thrown::{Cause, Thrown};
use crate::log::Kind;
use crate::net::ConnectionError;

/// Why.
pub(super) enum TcpFailure {
    /// A hook threw, or its promise was rejected.
    Thrown(Hook, Box<Thrown>, Option<Held>),
    /// The connection is over; and the limit that ended it, where there is one to be told of.
    Lost(ConnectionError, Option<Kind>),
}

impl TcpFailure {
    /// What `hook` threw, or was rejected with.
    pub(super) fn of(hook: Hook, value: &Value<'_>) -> TcpFailure {
        let thrown = Thrown::from_value(value);
        // What no script can catch must not get back to one.
        let value = (thrown.cause == Cause::Exception).then(|| Held::new(value.clone()));
        TcpFailure::Thrown(hook, Box::new(thrown), value)
    }

    /// More waits to be sent than may.
    pub(super) fn buffer_is_full(bytes: usize) -> TcpFailure {
        let words = format!("{bytes} bytes wait to be sent (--write-buffer-max)");
        TcpFailure::Lost(ConnectionError::new("ENOBUFS", words), Some(Kind::WriteBuffer))
    }

    /// All that waits to be sent is more than the engine's native memory may be.
    pub(super) fn no_memory(bytes: usize) -> TcpFailure {
        let words = format!(
            "{bytes} bytes wait to be sent, with those of others more than the worker may hold (--heap-max)"
        );
        TcpFailure::Lost(ConnectionError::new("ENOMEM", words), Some(Kind::WriteBuffer))
    }

    /// It ended without a fault of the app's or of a limit's.
    pub(super) fn lost(error: ConnectionError) -> TcpFailure {
        TcpFailure::Lost(error, None)
    }

    /// The log's line and what it is about, if it is worth one.
    pub(super) fn report(&self) -> Option<(Kind, String)> {
        match self {
            TcpFailure::Thrown(hook, thrown, _) => {
                Some((Kind::Raw, format!("tcp.{} failed: {thrown}", hook.name())))
            }
            TcpFailure::Lost(error, kind) => kind.map(|kind| (kind, error.message.clone())),
        }
    }

    /// As an error of JavaScript, with a `code` where the hook has not thrown it.
    ///
    /// # Errors
    /// Out of memory.
    pub(super) fn error<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let (code, message) = match self {
            TcpFailure::Thrown(_, _, Some(value)) => return Ok(value.get(ctx)),
            TcpFailure::Thrown(_, thrown, None) => ("ECANCELED", thrown.text.as_str()),
            TcpFailure::Lost(error, _) => (error.code, error.message.as_str()),
        };
        let error = Exception::from_message(ctx.clone(), message)?.into_object();
        error.prop("code", Property::from(code).writable().configurable().enumerable())?;
        Ok(error.into_value())
    }

    pub(super) fn trace(&self, tracer: &Tracer) {
        if let TcpFailure::Thrown(_, _, Some(value)) = self {
            tracer.mark(value);
        }
    }
}
