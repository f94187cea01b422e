//! `os` on names of files: remove, rename, realpath, symlink, readlink, utimes.
//!
//! Owns: the calls; a number of them is a status, 0 or `-errno`, the others are `[path, errno]`. Must
//! not know: descriptors.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rquickjs::{Result, Value};
use rustix::fs::{AtFlags, CWD, Timestamps};
use rustix::io::Errno;
use rustix::time::Timespec;

use super::coerce;
use crate::js::class::{Scope, Static};
use crate::js::function::Functions;
use crate::js::permit;
use crate::permissions::Access;

/// The calls.
pub struct PathCalls;

impl Functions for PathCalls {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"remove", 1, remove),
        (c"rename", 2, rename),
        (c"realpath", 1, realpath),
        (c"symlink", 2, symlink),
        (c"readlink", 1, readlink),
        (c"utimes", 3, utimes),
    ];
}

/// `remove(path)`: a file, or an empty folder (remove(3)).
fn remove<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let path = coerce::text(scope.ctx, &scope.arg(0), "path")?;
    let path = coerce::permitted(scope.ctx, &path, &[Access::Write], false)?;
    let removed = match rustix::fs::unlink(&*path) {
        Err(Errno::ISDIR) => rustix::fs::rmdir(&*path),
        removed => removed,
    };
    coerce::status(scope.ctx, removed.map_err(io::Error::from))
}

/// `rename(oldPath, newPath)`.
fn rename<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let old = coerce::text(scope.ctx, &scope.arg(0), "oldPath")?;
    let new = coerce::text(scope.ctx, &scope.arg(1), "newPath")?;
    let old = coerce::permitted(scope.ctx, &old, &[Access::Read, Access::Write], false)?;
    let new = coerce::permitted(scope.ctx, &new, &[Access::Write], false)?;
    coerce::status(scope.ctx, rustix::fs::rename(&*old, &*new).map_err(io::Error::from))
}

/// `realpath(path)`: the absolute path without links.
fn realpath<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let path = coerce::text(scope.ctx, &scope.arg(0), "path")?;
    coerce::permitted(scope.ctx, &path, &[Access::Read], true)?;
    let real = std::fs::canonicalize(OsStr::from_bytes(path.as_bytes()));
    coerce::text_pair(scope.ctx, real.map(|path| path.into_os_string().into_vec()))
}

/// `symlink(target, linkPath)`. With permissions all files have to be granted: a link that takes the place of a folder
/// while another thread asks for what is in it could lead out of what was granted.
fn symlink<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let target = coerce::text(scope.ctx, &scope.arg(0), "target")?;
    let link = coerce::text(scope.ctx, &scope.arg(1), "linkPath")?;
    coerce::permitted(scope.ctx, &link, &[Access::Write], false)?;
    permit::all(scope.ctx, Access::Read)?;
    permit::all(scope.ctx, Access::Write)?;
    coerce::status(scope.ctx, rustix::fs::symlink(&target, &link).map_err(io::Error::from))
}

/// `readlink(path)`: what a symbolic link says.
fn readlink<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let path = coerce::text(scope.ctx, &scope.arg(0), "path")?;
    let path = coerce::permitted(scope.ctx, &path, &[Access::Read], false)?;
    let target = rustix::fs::readlink(&*path, Vec::new()).map_err(io::Error::from);
    coerce::text_pair(scope.ctx, target.map(|target| target.into_bytes()))
}

/// `utimes(path, atime, mtime)`: milliseconds since 1970, or Dates.
fn utimes<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let path = coerce::text(ctx, &scope.arg(0), "path")?;
    let last_access = time(coerce::milliseconds(ctx, &scope.arg(1), "atime")?);
    let last_modification = time(coerce::milliseconds(ctx, &scope.arg(2), "mtime")?);
    let times = Timestamps { last_access, last_modification };
    let path = coerce::permitted(ctx, &path, &[Access::Write], true)?;
    let set = rustix::fs::utimensat(CWD, &*path, &times, AtFlags::empty());
    coerce::status(ctx, set.map_err(io::Error::from))
}

/// `ms` milliseconds, before 1970 where it is negative.
fn time(ms: i64) -> Timespec {
    Timespec { tv_sec: ms.div_euclid(1_000), tv_nsec: ms.rem_euclid(1_000) * 1_000_000 }
}
