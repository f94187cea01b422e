//! `os.stat` and `os.lstat`.
//!
//! Owns: the object that they give, times in milliseconds. Must not know: how modes are told apart;
//! the S_IF constants are for that.

use std::ffi::CStr;

use rquickjs::{Object, Result, Value};
use rustix::fs::Stat;

use super::coerce;
use crate::js::class::{Scope, Static};
use crate::js::function::{Functions, define};
use crate::permissions::Access;

/// The calls.
pub struct StatCalls;

impl Functions for StatCalls {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"stat", 1, |scope| status(scope, true, |path| rustix::fs::stat(path))),
        (c"lstat", 1, |scope| status(scope, false, |path| rustix::fs::lstat(path))),
    ];
}

/// `[object, 0]`, or `[null, errno]`.
fn status<'js>(
    scope: &Scope<'_, 'js>,
    follows: bool,
    call: fn(&CStr) -> rustix::io::Result<Stat>,
) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let path = coerce::text(ctx, &scope.arg(0), "path")?;
    let path = coerce::permitted(ctx, &path, &[Access::Read], follows)?;
    let stat = match call(&path) {
        Ok(stat) => stat,
        Err(errno) => return coerce::pair(ctx, Value::new_null(ctx.clone()), errno.raw_os_error()),
    };
    let object = Object::new(ctx.clone())?;
    for (name, number) in fields(&stat) {
        define(ctx, &object, name, coerce::number(ctx, Ok(number))?, true)?;
    }
    coerce::pair(ctx, object.into_value(), 0)
}

fn fields(stat: &Stat) -> [(&'static CStr, i64); 12] {
    [
        (c"dev", stat.st_dev.cast_signed()),
        (c"ino", stat.st_ino.cast_signed()),
        (c"mode", i64::from(stat.st_mode)),
        (c"nlink", stat.st_nlink as i64),
        (c"uid", i64::from(stat.st_uid)),
        (c"gid", i64::from(stat.st_gid)),
        (c"rdev", stat.st_rdev.cast_signed()),
        (c"size", stat.st_size),
        (c"blocks", stat.st_blocks),
        (c"atime", milliseconds(stat.st_atime, stat.st_atime_nsec)),
        (c"mtime", milliseconds(stat.st_mtime, stat.st_mtime_nsec)),
        (c"ctime", milliseconds(stat.st_ctime, stat.st_ctime_nsec)),
    ]
}

fn milliseconds(seconds: i64, nanoseconds: u64) -> i64 {
    seconds.saturating_mul(1_000).saturating_add((nanoseconds / 1_000_000).cast_signed())
}
