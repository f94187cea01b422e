//! Network errors as scripts see them: a TypeError, and a `cause` that says what happened.
//!
//! Owns: the words and codes, which are Node's where it has some: libraries compare them. Must not
//! know: how a call goes on.

use std::error::Error as _;
use std::io;

use rquickjs::{Ctx, Error, Exception, Result, Value};

use crate::client::{self, ErrorKind};
use crate::io::errno;
use crate::js::{exception, function, value};

/// What a call that has no response is rejected with.
pub(super) const FAILED: &str = "fetch failed";
/// What a body that breaks off fails with.
pub(super) const TERMINATED: &str = "terminated";

/// Why there is no response, or no more of it.
pub(super) struct Failure {
    /// One sentence, with its causes; it names the host.
    pub(super) message: String,
    code: Option<&'static str>,
    errno: Option<i32>,
}

impl Failure {
    /// A failure of our own making.
    pub(super) fn new(message: impl Into<String>, code: Option<&'static str>) -> Self {
        Failure { message: message.into(), code, errno: None }
    }

    /// What the client reports.
    pub(super) fn of(error: &client::Error) -> Self {
        let errno = error.errno();
        let code = errno.and_then(errno::name).or_else(|| code(error));
        Failure { message: error.chain(), code, errno }
    }

    /// The TypeError with this as its `cause`.
    ///
    /// # Errors
    /// Out of memory.
    pub(super) fn value<'js>(&self, ctx: &Ctx<'js>, message: &str) -> Result<Value<'js>> {
        self.explain(ctx, blank(ctx, message))
    }

    /// `error` with this as its `cause`.
    fn explain<'js>(&self, ctx: &Ctx<'js>, error: Value<'js>) -> Result<Value<'js>> {
        let cause = Exception::from_message(ctx.clone(), "")?.into_object();
        // As `new Error(message)` has it: not enumerable.
        cause.remove("message")?;
        function::define(ctx, &cause, c"message", value::string(ctx, &self.message)?, false)?;
        if let Some(code) = self.code {
            function::define(ctx, &cause, c"code", value::string(ctx, code)?, true)?;
        }
        if let Some(errno) = self.errno {
            function::define(ctx, &cause, c"errno", Value::new_int(ctx.clone(), errno), true)?;
        }
        if let Some(object) = error.as_object() {
            function::define(ctx, object, c"cause", cause.into_value(), false)?;
        }
        Ok(error)
    }

    /// Throws that TypeError.
    pub(super) fn throw(&self, ctx: &Ctx<'_>, message: &str) -> Error {
        self.value(ctx, message).map_or_else(|error| error, |error| ctx.throw(error))
    }

    /// Throws `error`, made before, with this as its `cause`.
    pub(super) fn throw_as<'js>(&self, ctx: &Ctx<'js>, error: Option<Value<'js>>) -> Error {
        let explained = error.map_or_else(|| self.value(ctx, FAILED), |error| self.explain(ctx, error));
        explained.map_or_else(|error| error, |error| ctx.throw(error))
    }
}

/// A TypeError with the stack of whoever is called now, to be thrown later.
pub(super) fn blank<'js>(ctx: &Ctx<'js>, message: &str) -> Value<'js> {
    let _ = exception::type_error(ctx, message);
    ctx.catch()
}

/// The code of what has no error number.
fn code(error: &client::Error) -> Option<&'static str> {
    let io_kind = || Some(error.source()?.downcast_ref::<io::Error>()?.kind());
    Some(match error.kind() {
        ErrorKind::Resolve if io_kind() == Some(io::ErrorKind::WouldBlock) => "EAI_AGAIN",
        ErrorKind::Resolve => "ENOTFOUND",
        ErrorKind::Connect => "ECONNREFUSED",
        ErrorKind::Tls => error.code().unwrap_or("EPROTO"),
        ErrorKind::Timeout => "ETIMEDOUT",
        ErrorKind::Closed => "ECONNRESET",
        ErrorKind::Protocol => "EPROTO",
        ErrorKind::TooManyRedirects => "ERR_TOO_MANY_REDIRECTS",
        ErrorKind::Redirect => "ERR_REDIRECT",
        ErrorKind::Decode => "ERR_CONTENT_DECODING_FAILED",
        ErrorKind::RequestBody => "ERR_REQUEST_BODY",
        ErrorKind::Proxy => "ERR_PROXY",
        ErrorKind::Request | ErrorKind::TooLarge | ErrorKind::System => return None,
    })
}
