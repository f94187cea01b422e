//! `os` on folders: getcwd, chdir, mkdir, readdir, mkdtemp; and mkstemp, which is alike.
//!
//! Owns: the calls, names of temporary files. The current folder is the whole process's: a served app
//! does not change it (`-EPERM`), a CGI script where it has one of its own. Must not know: what is in files.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStringExt;

use rquickjs::{Result, Value};
use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;
use rustix::rand::GetRandomFlags;

use super::coerce;
use super::table::Descriptors;
use crate::io::{Socket, errno};
use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::function::Functions;
use crate::js::{exception, value};
use crate::modules::web::host::{CgiHold, Host, Role};
use crate::modules::web::iterate;
use crate::permissions::Access;

/// What a pattern of a temporary name ends in, six of them; replaced by as many random letters.
const BLANKS: [u8; 6] = [b'X'; 6];
/// How many names are tried where others exist.
const NAMES_MAX: usize = 100;

/// The calls.
pub struct DirectoryCalls;

impl Functions for DirectoryCalls {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"getcwd", 0, getcwd),
        (c"chdir", 1, chdir),
        (c"mkdir", 1, mkdir),
        (c"readdir", 1, readdir),
        (c"mkdtemp", 0, mkdtemp),
        (c"mkstemp", 0, mkstemp),
    ];
}

/// `getcwd()`: `[path, errno]`.
fn getcwd<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    coerce::permitted(scope.ctx, c".", &[Access::Read], true)?;
    let folder = std::env::current_dir();
    coerce::text_pair(scope.ctx, folder.map(|path| path.into_os_string().into_vec()))
}

/// `chdir(path)`: 0, or `-errno`.
fn chdir<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let path = coerce::text(scope.ctx, &scope.arg(0), "path")?;
    let path = coerce::permitted(scope.ctx, &path, &[Access::Read], true)?;
    let changed = match Host::role(scope.ctx) {
        Role::App => Err(Errno::PERM),
        Role::Cgi if !CgiHold::of(State::of(scope.ctx)).has_folder() => Err(Errno::PERM),
        Role::Script | Role::Worker | Role::Cgi => rustix::process::chdir(&*path),
    };
    coerce::status(scope.ctx, changed.map_err(io::Error::from))
}

/// `mkdir(path, mode = 0o777)`: 0, or `-errno`.
fn mkdir<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let path = coerce::text(scope.ctx, &scope.arg(0), "path")?;
    let mode = coerce::int32_or(scope.ctx, &scope.arg(1), "mode", 0o777)?;
    let path = coerce::permitted(scope.ctx, &path, &[Access::Write], false)?;
    let made = rustix::fs::mkdir(&*path, Mode::from_raw_mode(mode.cast_unsigned()));
    coerce::status(scope.ctx, made.map_err(io::Error::from))
}

/// `readdir(path)`: `[names, errno]`, `.` and `..` among them; those read before an error are there.
fn readdir<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let path = coerce::text(ctx, &scope.arg(0), "path")?;
    let path = coerce::permitted(ctx, &path, &[Access::Read], true)?;
    let mut names = Vec::new();
    let listed = list(&path, &mut names);
    let names = names.iter().map(|name| value::string(ctx, &name.to_string_lossy()));
    coerce::pair(ctx, iterate::array(ctx, names)?, listed.map_or_else(Errno::raw_os_error, |()| 0))
}

fn list(path: &CStr, names: &mut Vec<CString>) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = Dir::new(rustix::fs::open(path, flags, Mode::empty())?)?;
    while let Some(entry) = folder.read() {
        names.push(entry?.file_name().to_owned());
    }
    Ok(())
}

/// Makes something under a name that did not exist, from the pattern in argument 0 ("tmp"): the
/// name, and what `make` says. Where it fails, the name is the pattern.
fn temporary<T>(
    scope: &Scope<'_, '_>,
    mut make: impl FnMut(&CStr) -> rustix::io::Result<T>,
) -> Result<(String, io::Result<T>)> {
    let ctx = scope.ctx;
    let mut name = match scope.has(0) {
        true => coerce::text(ctx, &scope.arg(0), "pattern")?.into_bytes(),
        false => b"tmp".to_vec(),
    };
    if !name.ends_with(&BLANKS) {
        name.extend_from_slice(&BLANKS);
    }
    let pattern = String::from_utf8_lossy(&name).into_owned();
    let asked = CString::new(name.clone()).map_err(|_| exception::type_error(ctx, "NUL in a pattern"))?;
    coerce::permitted(ctx, &asked, &[Access::Write], false).map(drop)?;
    let start = name.len() - BLANKS.len();
    for _ in 0..NAMES_MAX {
        if let Err(errno) = letters(&mut name[start..]) {
            return Ok((pattern, Err(errno.into())));
        }
        let path = CString::new(name.clone()).map_err(|_| exception::type_error(ctx, "NUL in a pattern"))?;
        match make(&path) {
            Err(Errno::EXIST) => {}
            Err(errno) => return Ok((pattern, Err(errno.into()))),
            Ok(made) => return Ok((path.to_string_lossy().into_owned(), Ok(made))),
        }
    }
    Ok((pattern, Err(Errno::EXIST.into())))
}

/// Fills `blanks` with random letters and digits.
fn letters(blanks: &mut [u8]) -> rustix::io::Result<()> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = [0; 8];
    rustix::rand::getrandom(&mut random, GetRandomFlags::empty())?;
    let mut random = u64::from_ne_bytes(random);
    for blank in blanks {
        *blank = LETTERS[(random % 62) as usize];
        random /= 62;
    }
    Ok(())
}

/// `mkdtemp(pattern = "tmp")`: `[path, 0]`, or `[pattern, -errno]`.
fn mkdtemp<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let (name, made) = temporary(scope, |path| rustix::fs::mkdir(path, Mode::RWXU))?;
    let status = made.map_or_else(|error| -errno::number(&error), |()| 0);
    coerce::pair(ctx, value::string(ctx, &name)?, status)
}

/// `mkstemp(pattern = "tmp")`: `[path, fd]`, or `[pattern, -errno]`.
fn mkstemp<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let (name, made) = temporary(scope, |path| rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR))?;
    let fd = made.and_then(|fd| Ok(Descriptors::of(ctx).insert(Socket::new(fd))?.0));
    coerce::pair(ctx, value::string(ctx, &name)?, fd.unwrap_or_else(|error| -errno::number(&error)))
}
