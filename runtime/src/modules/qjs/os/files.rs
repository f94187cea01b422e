//! `os` on open files: open, read, write, seek. They are synchronous, on any descriptor.
//!
//! Owns: the calls. In a served app none of them waits for a peer: a pipe, a terminal or a socket
//! that is not ready is EAGAIN there, whatever its mode. Must not know: what else uses the table.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rquickjs::{Ctx, Error, Result, Value};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, Mode, OFlags, SeekFrom};
use rustix::net::SendFlags;
use rustix::time::Timespec;

use super::pending::Descriptor;
use super::table::Descriptors;
use super::{arguments, coerce};
use crate::io::Socket;
use crate::js::buffer_source::{self, Bytes};
use crate::js::class::{Scope, Static};
use crate::js::function::Functions;
use crate::js::{exception, permit};
use crate::modules::web::host::{Host, Role};
use crate::permissions::{Access, open_exactly};

/// Bytes that a pipe takes without waiting when it is ready at all (pipe(7), PIPE_BUF).
const READY_WRITE_BYTES: usize = 4_096;

/// The calls.
pub struct FileCalls;

impl Functions for FileCalls {
    const LIST: &'static [(&'static CStr, u8, Static)] =
        &[(c"open", 2, open), (c"read", 4, read), (c"write", 4, write), (c"seek", 3, seek)];
}

/// `open(path, flags = O_RDONLY, mode = 0o666)`: a descriptor, or `-errno`.
fn open<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let path = coerce::text(ctx, &scope.arg(0), "path")?;
    let flags = coerce::int32_or(ctx, &scope.arg(1), "flags", libc::O_RDONLY)?;
    let mode = coerce::int32_or(ctx, &scope.arg(2), "mode", 0o666)?;
    let mut flags = OFlags::from_bits_retain(flags.cast_unsigned()) | OFlags::CLOEXEC;
    if Host::role(ctx) == Role::App {
        // A FIFO without a peer would hold the worker up. To files this flag means nothing.
        flags |= OFlags::NONBLOCK;
    }
    let asked = Path::new(OsStr::from_bytes(path.as_bytes()));
    let real = permit::path(ctx, asked, needed(flags), !flags.contains(OFlags::NOFOLLOW))?;
    let mode = Mode::from_raw_mode(mode.cast_unsigned());
    let opened = || {
        let fd = match permit::of(ctx) {
            None => rustix::fs::open(&path, flags, mode)?,
            Some(_) => open_exactly(&real, flags, mode)?,
        };
        Ok(i64::from(Descriptors::of(ctx).insert(Socket::new(fd))?.0))
    };
    coerce::number(ctx, opened())
}

/// What a permission is needed for to open with `flags`.
fn needed(flags: OFlags) -> &'static [Access] {
    let makes = flags.intersects(OFlags::CREATE | OFlags::TRUNC) || flags.contains(OFlags::TMPFILE);
    match flags.bits().cast_signed() & libc::O_ACCMODE {
        libc::O_RDONLY if !makes => &[Access::Read],
        libc::O_WRONLY => &[Access::Write],
        _ => &[Access::Read, Access::Write],
    }
}

/// The part of the buffer, arguments 1 to 3, that a transfer is about: offset and length in bytes.
/// What is not given is the start, and all that follows.
fn part(scope: &Scope<'_, '_>) -> Result<(usize, usize)> {
    let ctx = scope.ctx;
    let offset = if scope.has(2) { coerce::index(ctx, &scope.arg(2), "offset")? } else { 0 };
    let length = scope.has(3).then(|| coerce::index(ctx, &scope.arg(3), "length")).transpose()?;
    let size = lent(ctx, &scope.arg(1))?.len();
    let rest = size.checked_sub(offset);
    match (rest, length) {
        (Some(rest), None) => Ok((offset, rest)),
        (Some(rest), Some(length)) if length <= rest => Ok((offset, length)),
        _ => Err(exception::range_error(ctx, "offset and length reach beyond the buffer")),
    }
}

/// The memory of a buffer, of any kind.
fn lent<'a>(ctx: &Ctx<'_>, buffer: &'a Value<'_>) -> Result<Bytes<'a>> {
    if let Some(shared) = buffer_source::shared_bytes(buffer) {
        return Ok(shared);
    }
    match buffer_source::bytes(buffer)? {
        Some(bytes) if bytes.is_immutable() || !bytes.is_empty() => Ok(bytes),
        bytes => {
            arguments::buffer_size(ctx, buffer)?;
            bytes.ok_or(Error::Unknown)
        }
    }
}

/// Whether a call on `fd` may wait for somebody else: it is no file of a disk.
fn may_wait(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let kind = FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode);
    Ok(!matches!(kind, FileType::RegularFile | FileType::Directory | FileType::BlockDevice))
}

/// EAGAIN in a served app where `fd` is not ready for `events`.
fn ready(role: Role, fd: BorrowedFd<'_>, events: PollFlags) -> io::Result<()> {
    if role != Role::App || !may_wait(fd)? {
        return Ok(());
    }
    match rustix::event::poll(&mut [PollFd::from_borrowed_fd(fd, events)], Some(&Timespec::default()))? {
        0 => Err(io::Error::from_raw_os_error(libc::EAGAIN)),
        _ => Ok(()),
    }
}

/// `read(fd, buffer, offset = 0, length = all that follows)`: bytes, 0 at the end, or `-errno`.
fn read<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let fd = coerce::int32(ctx, &scope.arg(0), "fd")?;
    let (offset, length) = part(scope)?;
    let buffer = scope.arg(1);
    let bytes = lent(ctx, &buffer)?;
    if bytes.is_immutable() {
        return Err(exception::type_error(ctx, "the buffer is immutable"));
    }
    let entry = Descriptors::of(ctx).get(fd);
    let role = Host::role(ctx);
    let count = entry.and_then(|entry| {
        entry.socket.with_fd(|fd| {
            ready(role, fd, PollFlags::IN)?;
            Ok(bytes.part(offset, length).with_mut(|part| rustix::io::read(fd, part))? as i64)
        })
    });
    coerce::number(ctx, count)
}

/// `write(fd, buffer, offset = 0, length = all that follows)`: bytes, or `-errno`. A peer that is
/// gone is `-EPIPE`, never a signal.
fn write<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let fd = coerce::int32(ctx, &scope.arg(0), "fd")?;
    let (offset, length) = part(scope)?;
    let buffer = scope.arg(1);
    let bytes = lent(ctx, &buffer)?;
    let role = Host::role(ctx);
    let written = Descriptors::of(ctx)
        .get(fd)
        .and_then(|entry| bytes.part(offset, length).with(|part| put(&entry, role, part)));
    coerce::number(ctx, written.map(|count| count as i64))
}

fn put(entry: &Descriptor, role: Role, bytes: &[u8]) -> io::Result<usize> {
    entry.socket.with_fd(|fd| {
        ready(role, fd, PollFlags::OUT)?;
        if entry.family != libc::AF_UNSPEC {
            let wait = if role == Role::App { SendFlags::DONTWAIT } else { SendFlags::empty() };
            return Ok(rustix::net::send(fd, bytes, SendFlags::NOSIGNAL | wait)?);
        }
        let short = role == Role::App && may_wait(fd)?;
        let bytes = if short { &bytes[..bytes.len().min(READY_WRITE_BYTES)] } else { bytes };
        Ok(rustix::io::write(fd, bytes)?)
    })
}

/// `seek(fd, offset, whence)`: the new offset, or `-errno`; a BigInt if `offset` is one.
fn seek<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let fd = coerce::int32(ctx, &scope.arg(0), "fd")?;
    let (offset, big) = coerce::offset(ctx, &scope.arg(1), "offset")?;
    let whence = coerce::int32(ctx, &scope.arg(2), "whence")?;
    let sought =
        Descriptors::of(ctx).get(fd).and_then(|entry| entry.socket.with_fd(|fd| to(fd, offset, whence)));
    if big { coerce::big(ctx, sought) } else { coerce::number(ctx, sought) }
}

fn to(fd: BorrowedFd<'_>, offset: i64, whence: i32) -> io::Result<i64> {
    let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
    let unsigned = || u64::try_from(offset).map_err(|_| invalid());
    let position = match whence {
        libc::SEEK_SET => SeekFrom::Start(unsigned()?),
        libc::SEEK_CUR => SeekFrom::Current(offset),
        libc::SEEK_END => SeekFrom::End(offset),
        libc::SEEK_DATA => SeekFrom::Data(unsigned()?),
        libc::SEEK_HOLE => SeekFrom::Hole(unsigned()?),
        _ => return Err(invalid()),
    };
    i64::try_from(rustix::fs::seek(fd, position)?).map_err(|_| invalid())
}
