//! `os` on terminals: isatty, ttyGetWinSize, ttySetRaw.
//!
//! Owns: the calls. Must not know: what raw mode is.

use std::ffi::CStr;

use rquickjs::{Result, Value};

use super::coerce;
use super::table::Descriptors;
use crate::io::terminal;
use crate::js::class::{Scope, Static};
use crate::js::function::Functions;
use crate::modules::web::iterate;

/// The least size that is one: less is what a terminal says that does not know its own.
const SIZE_MIN: u16 = 4;

/// The calls.
pub struct TerminalCalls;

impl Functions for TerminalCalls {
    const LIST: &'static [(&'static CStr, u8, Static)] =
        &[(c"isatty", 1, isatty), (c"ttyGetWinSize", 1, size), (c"ttySetRaw", 1, set_raw)];
}

/// `isatty(fd)`: whether it is a terminal.
fn isatty<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let fd = coerce::int32(scope.ctx, &scope.arg(0), "fd")?;
    let entry = Descriptors::of(scope.ctx).get(fd);
    let is = entry.and_then(|entry| entry.socket.with_fd(|fd| Ok(rustix::termios::isatty(fd))));
    Ok(Value::new_bool(scope.ctx.clone(), is.unwrap_or(false)))
}

/// `ttyGetWinSize(fd)`: `[columns, rows]`, or null.
fn size<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let fd = coerce::int32(ctx, &scope.arg(0), "fd")?;
    let entry = Descriptors::of(ctx).get(fd);
    let size = entry.and_then(|entry| entry.socket.with_fd(|fd| Ok(rustix::termios::tcgetwinsize(fd)?)));
    match size {
        Ok(size) if size.ws_col >= SIZE_MIN && size.ws_row >= SIZE_MIN => {
            let both = [size.ws_col, size.ws_row];
            iterate::array(ctx, both.into_iter().map(|n| Ok(Value::new_int(ctx.clone(), n.into()))))
        }
        _ => Ok(Value::new_null(ctx.clone())),
    }
}

/// `ttySetRaw(fd)`: bytes as they are typed, without echo, until the process ends; 0, or `-errno`.
fn set_raw<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let fd = coerce::int32(scope.ctx, &scope.arg(0), "fd")?;
    let entry = Descriptors::of(scope.ctx).get(fd);
    coerce::status(scope.ctx, entry.and_then(|entry| entry.socket.with_fd(terminal::set_raw)))
}
