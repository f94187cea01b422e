//! `os` on descriptors as such: dup, dup2, pipe.
//!
//! Owns: the calls. All that they make closes on exec, but for what takes the place of 0, 1 or 2.
//! Must not know: what is behind a descriptor.

use std::ffi::CStr;
use std::io;

use rquickjs::{Result, Value};
use rustix::io::{DupFlags, FdFlags};
use rustix::pipe::PipeFlags;

use super::coerce;
use super::table::Descriptors;
use crate::io::Socket;
use crate::js::class::{Scope, Static};
use crate::js::function::Functions;
use crate::modules::web::host::Host;
use crate::modules::web::iterate;

/// The calls.
pub struct DescriptorCalls;

impl Functions for DescriptorCalls {
    const LIST: &'static [(&'static CStr, u8, Static)] =
        &[(c"dup", 1, dup), (c"dup2", 2, dup2), (c"pipe", 0, pipe)];
}

fn bad() -> io::Error {
    io::Error::from_raw_os_error(libc::EBADF)
}

/// `dup(fd)`: a new descriptor of the same file, or `-errno`.
fn dup<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let fd = coerce::int32(ctx, &scope.arg(0), "fd")?;
    let descriptors = Descriptors::of(ctx);
    let made = descriptors.get(fd).and_then(|entry| {
        let copy = entry.socket.with_fd(|fd| fd.try_clone_to_owned())?;
        Ok(i64::from(descriptors.insert(Socket::new(copy))?.0))
    });
    coerce::number(ctx, made)
}

/// `dup2(fd, to)`: has `to` mean the same file as `fd`; `to`, or `-errno`. What `to` was is closed,
/// and what is pending on it ends with EBADF. A number that is open but not the script's is EBADF.
fn dup2<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let fd = coerce::int32(ctx, &scope.arg(0), "fd")?;
    let to = coerce::int32(ctx, &scope.arg(1), "fd2")?;
    if Host::is_foreign(ctx, to) && fd != to {
        return coerce::number(ctx, Err(bad()));
    }
    coerce::number(ctx, copy(&Descriptors::of(ctx), fd, to).map(|()| i64::from(to)))
}

fn copy(descriptors: &Descriptors, fd: i32, to: i32) -> io::Result<()> {
    let from = descriptors.get(fd)?;
    if fd == to {
        return Ok(());
    }
    let standard = (0..3).contains(&to);
    if descriptors.get(to).is_ok() {
        let flags = if standard { DupFlags::empty() } else { DupFlags::CLOEXEC };
        return descriptors.redirect(to, |to| from.socket.with_fd(|fd| Ok(rustix::io::dup3(fd, to, flags)?)));
    }
    if to < 0 {
        return Err(bad());
    }
    // The lowest free number from `to` on; `to` itself unless it is taken. Beyond the limit of
    // descriptors this is EINVAL, where dup2(2) has EBADF.
    let made = from.socket.with_fd(|fd| match rustix::io::fcntl_dupfd_cloexec(fd, to) {
        Err(rustix::io::Errno::INVAL) => Err(bad()),
        made => Ok(made?),
    })?;
    if std::os::fd::AsRawFd::as_raw_fd(&made) != to {
        return Err(bad());
    }
    if standard {
        rustix::io::fcntl_setfd(&made, FdFlags::empty())?;
    }
    descriptors.insert(Socket::new(made)).map(drop)
}

/// `pipe()`: `[readEnd, writeEnd]`, or null.
fn pipe<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let Ok((read, write)) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC) else {
        return Ok(Value::new_null(ctx.clone()));
    };
    let descriptors = Descriptors::of(ctx);
    let ends = [read, write].map(|end| descriptors.insert(Socket::new(end)).map(|(fd, _)| fd));
    match ends {
        [Ok(read), Ok(write)] => {
            iterate::array(ctx, [read, write].map(|fd| Ok(Value::new_int(ctx.clone(), fd))).into_iter())
        }
        _ => Ok(Value::new_null(ctx.clone())),
    }
}
