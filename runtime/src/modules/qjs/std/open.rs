//! What makes a FILE: open, fdopen, tmpfile, popen.
//!
//! Owns: modes, flags of open(2), the shell behind popen, `errorObj`. Must not know: what a FILE does.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rquickjs::{Ctx, Result, Value};
use rustix::fs::{CWD, Mode, OFlags};

use super::file::File;
use super::open_file::{OpenFile, ShellChild};
use super::standard;
use super::stream::{Access, Stream};
use crate::io::Socket;
use crate::io::errno;
use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::function::Functions;
use crate::js::{convert, exception, permit, value};
use crate::modules::qjs::os::table::Descriptors;
use crate::modules::web::host::{CgiHold, Host, Role};
use crate::permissions::{self, open_exactly};

/// The calls.
pub struct OpenCalls;

impl Functions for OpenCalls {
    const LIST: &'static [(&'static CStr, u8, Static)] =
        &[(c"open", 2, open), (c"popen", 2, popen), (c"fdopen", 2, fdopen), (c"tmpfile", 0, tmpfile)];
}

/// A mode as fopen(3) has it.
struct OpenMode {
    access: Access,
    flags: OFlags,
}

/// EINVAL for what does not begin with r, w or a.
fn mode(text: &str) -> io::Result<OpenMode> {
    let plus = text.contains('+');
    let (read, create) = match text.bytes().next() {
        Some(b'r') => (true, OFlags::empty()),
        Some(b'w') => (false, OFlags::CREATE | OFlags::TRUNC),
        Some(b'a') => (false, OFlags::CREATE | OFlags::APPEND),
        _ => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
    };
    let access = Access { read: read || plus, write: !read || plus, append: text.starts_with('a') };
    let direction = match (access.read, access.write) {
        (true, true) => OFlags::RDWR,
        (true, false) => OFlags::RDONLY,
        _ => OFlags::WRONLY,
    };
    let exclusive = if text.contains('x') { OFlags::EXCL } else { OFlags::empty() };
    Ok(OpenMode { access, flags: direction | create | exclusive | OFlags::CLOEXEC })
}

/// Argument `index` as a mode made of the letters in `allowed`.
fn mode_text(scope: &Scope<'_, '_>, index: usize, allowed: &str) -> Result<String> {
    let text = value::to_string(&scope.arg(index))?;
    match text.chars().all(|letter| allowed.contains(letter)) {
        true => Ok(text),
        false => Err(exception::type_error(scope.ctx, "invalid file mode")),
    }
}

fn enter(ctx: &Ctx<'_>, fd: OwnedFd, access: Access, child: Option<ShellChild>) -> io::Result<OpenFile> {
    let descriptors = Descriptors::of(ctx);
    let entered = descriptors.insert(Socket::new(fd))?;
    Ok(OpenFile::new(Stream::new(access), &descriptors, entered, child))
}

/// The FILE, or `null`; `errorObj.errno` (argument `index`) says which.
fn answer<'js>(scope: &Scope<'_, 'js>, index: usize, opened: io::Result<OpenFile>) -> Result<Value<'js>> {
    let failed = opened.as_ref().err().map_or(0, errno::number);
    if scope.has(index) {
        let errors = scope.arg(index);
        let Some(object) = errors.as_object() else {
            return Err(exception::type_error(scope.ctx, "errorObj must be an object"));
        };
        object.set("errno", failed)?;
    }
    match opened {
        Ok(file) => File::opened(scope.ctx, file),
        Err(_) => Ok(Value::new_null(scope.ctx.clone())),
    }
}

/// `open(filename, mode, errorObj)`.
fn open<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let name = value::to_string(&scope.arg(0))?;
    let text = mode_text(scope, 1, "rwa+bxe")?;
    let access: &[permissions::Access] = match (text.contains('+'), text.starts_with('r')) {
        (true, _) => &[permissions::Access::Read, permissions::Access::Write],
        (false, true) => &[permissions::Access::Read],
        (false, false) => &[permissions::Access::Write],
    };
    let path = permit::path(scope.ctx, name.as_ref(), access, true)?;
    let opened = mode(&text).and_then(|mode| {
        let fd = match permit::of(scope.ctx) {
            None => rustix::fs::open(name.as_bytes(), mode.flags, Mode::from_raw_mode(0o666))?,
            Some(_) => open_exactly(&path, mode.flags, Mode::from_raw_mode(0o666))?,
        };
        enter(scope.ctx, fd, mode.access, None)
    });
    answer(scope, 2, opened)
}

/// `fdopen(fd, mode, errorObj)`: on a descriptor of this engine, or a standard one.
fn fdopen<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let number = convert::to_int32(&scope.arg(0))?;
    let text = mode_text(scope, 1, "rwa+")?;
    let descriptors = Descriptors::of(scope.ctx);
    let opened = mode(&text).and_then(|mode| {
        if (0..=2).contains(&number) {
            standard::inherit(State::of(scope.ctx), number);
        }
        let entry = descriptors.get(number)?;
        entry.socket.with_fd(|fd| suits(fd, &mode))?;
        Ok(OpenFile::new(Stream::new(mode.access), &descriptors, (number, entry), None))
    });
    answer(scope, 2, opened)
}

/// Whether a descriptor may be used by `mode`: EINVAL if not; `a` makes it append (fdopen(3)).
fn suits(fd: std::os::fd::BorrowedFd<'_>, mode: &OpenMode) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    let (has, wants) = (flags & OFlags::ACCMODE, mode.flags & OFlags::ACCMODE);
    if has != OFlags::RDWR && has != wants {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    if mode.access.append && !flags.contains(OFlags::APPEND) {
        rustix::fs::fcntl_setfl(fd, flags | OFlags::APPEND)?;
    }
    Ok(())
}

/// `tmpfile(errorObj)`: a file without a name, for reading and writing.
fn tmpfile<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let access = Access { read: true, write: true, append: false };
    permit::path(scope.ctx, &std::env::temp_dir(), &[permissions::Access::Write], true)?;
    answer(scope, 0, nameless().and_then(|fd| enter(scope.ctx, fd, access, None)))
}

fn nameless() -> io::Result<OwnedFd> {
    let folder = std::env::temp_dir();
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::openat(CWD, &folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
        Ok(fd) => return Ok(fd),
        // File systems without O_TMPFILE (open(2)).
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    for _ in 0..100 {
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let path = folder.join(format!("jsserve-{:016x}", u64::from_ne_bytes(random)));
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, mode) {
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
            Ok(fd) => {
                rustix::fs::unlink(&path)?;
                return Ok(fd);
            }
        }
    }
    Err(io::Error::from_raw_os_error(libc::EEXIST))
}

/// `popen(command, mode, errorObj)`: `/bin/sh -c command`; "r" reads what it writes, "w" writes what
/// it reads.
fn popen<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let command = value::to_string(&scope.arg(0))?;
    let reads = match value::to_string(&scope.arg(1))?.as_str() {
        "r" => true,
        "w" => false,
        _ => return Err(exception::type_error(scope.ctx, "invalid file mode")),
    };
    permit::ask(scope.ctx, |all| all.run("/bin/sh".as_ref(), "/bin/sh").map(drop))?;
    standard::flush_all(State::of(scope.ctx));
    answer(scope, 2, start(scope.ctx, &command, reads))
}

fn start(ctx: &Ctx<'_>, command: &str, reads: bool) -> io::Result<OpenFile> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(std::ffi::OsStr::from_bytes(command.as_bytes()));
    shell.env_clear().envs(State::of(ctx).cluster().environment().snapshot());
    if Host::role(ctx) == Role::Cgi {
        // The standard streams are its own, and not the process's.
        let copy = |fd| Descriptors::of(ctx).get(fd)?.socket.with_fd(|fd| fd.try_clone_to_owned());
        shell.stdin(copy(0)?).stdout(copy(1)?).stderr(copy(2)?).process_group(0);
    }
    match reads {
        true => shell.stdout(Stdio::piped()),
        false => shell.stdin(Stdio::piped()),
    };
    let mut child = shell.spawn()?;
    let children = (Host::role(ctx) == Role::Cgi).then(|| CgiHold::of(State::of(ctx)).children().clone());
    children.iter().for_each(|children| children.add(child.id().cast_signed()));
    let ends = (child.stdout.take().map(OwnedFd::from), child.stdin.take().map(OwnedFd::from));
    let ((Some(fd), _) | (None, Some(fd))) = ends else {
        return Err(io::Error::from_raw_os_error(libc::EPIPE));
    };
    enter(ctx, fd, Access { read: reads, write: !reads, append: false }, Some((child, children)))
}
