//! `urlGet`: a download that blocks.
//!
//! Owns: its options and answers, as QuickJS has them. Must not know: how a request is made.

use std::ffi::CStr;

use rquickjs::{Exception, Result, Value};

use crate::js::class::{Scope, Static};
use crate::js::function::Functions;
use crate::modules::host::{Host, Role};

/// The call.
pub struct Calls;

impl Functions for Calls {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[(c"urlGet", 1, url_get)];
}

/// `urlGet(url, {binary, full})`.
fn url_get<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    if Host::role(scope.ctx) == Role::App {
        let text = "std.urlGet would block the worker that serves: use fetch";
        return Err(Exception::throw_message(scope.ctx, text));
    }
    Err(Exception::throw_message(scope.ctx, "std.urlGet: no HTTP client"))
}
