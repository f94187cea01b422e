//! The class FILE: C's stdio for scripts.
//!
//! Owns: its methods, which argument is converted how, what they answer. Must not know: buffering,
//! how a FILE is opened. Method by method it does what QuickJS does, quickjs-ng where they differ.

use std::cell::RefCell;
use std::ffi::CStr;
use std::io::SeekFrom;
use std::rc::Rc;

use rquickjs::{Ctx, Error, Result, Value};

use super::open_file::OpenFile;
use super::printf;
use super::standard::{Number, Standard};
use super::stream::{Device, Stream, TooLong};
use crate::io::errno;
use crate::js::buffer_source::{self, Bytes};
use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::engine::State;
use crate::js::{convert, exception, value};
use crate::modules::web::host::{Host, Role};

/// Bytes that are read at once for a buffer of JavaScript.
const PART_BYTES: usize = 256 << 10;

/// A FILE object.
pub enum File {
    /// A standard stream.
    Standard(Number),
    /// Another one, until it is closed.
    Opened(RefCell<Option<Rc<OpenFile>>>),
}

impl class_id::Of for class_id::StdFile {
    type Class = File;
}

impl Class for File {
    type Id = class_id::StdFile;
    const NAME: &'static CStr = c"FILE";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Method(c"close", 0, close),
        Member::Method(c"puts", 1, puts),
        Member::Method(c"printf", 1, print_formatted),
        Member::Method(c"flush", 0, flush),
        Member::Method(c"tell", 0, |file, scope| {
            Ok(convert::number(scope.ctx, file.position(scope.ctx)? as f64))
        }),
        Member::Method(c"tello", 0, |file, scope| convert::big_int(scope.ctx, file.position(scope.ctx)?)),
        Member::Method(c"seek", 2, seek),
        Member::Method(c"eof", 0, |file, scope| file.flag(scope, |stream| stream.eof())),
        Member::Method(c"fileno", 0, fileno),
        Member::Method(c"error", 0, |file, scope| file.flag(scope, |stream| stream.error())),
        Member::Method(c"clearerr", 0, clearerr),
        Member::Method(c"read", 1, read),
        Member::Method(c"write", 1, write),
        Member::Method(c"getline", 0, getline),
        Member::Method(c"readAsArrayBuffer", 0, |file, scope| {
            value::array_buffer(scope.ctx, &file.read_all(scope)?)
        }),
        Member::Method(c"readAsString", 0, |file, scope| convert::text(scope.ctx, &file.read_all(scope)?)),
        Member::Method(c"getByte", 0, get_byte),
        Member::Method(c"putByte", 1, put_byte),
    ];
}

impl File {
    /// The object of a FILE just opened.
    ///
    /// # Errors
    /// Out of memory.
    pub fn opened<'js>(ctx: &Ctx<'js>, file: OpenFile) -> Result<Value<'js>> {
        let file = Rc::new(file);
        Standard::of(State::of(ctx)).opened(&file);
        class::instance(ctx, File::Opened(RefCell::new(Some(file))))
    }

    fn open(&self, ctx: &Ctx<'_>) -> Result<Option<Rc<OpenFile>>> {
        match self {
            File::Standard(_) => Ok(None),
            File::Opened(slot) => match slot.borrow().as_ref() {
                Some(file) => Ok(Some(file.clone())),
                None => Err(exception::type_error(ctx, "invalid file handle")),
            },
        }
    }

    /// Calls `f`, which runs no JavaScript, with the stream; TypeError once it is closed.
    fn with<R>(&self, ctx: &Ctx<'_>, f: impl FnOnce(&mut Stream, &dyn Device) -> R) -> Result<R> {
        match (self, self.open(ctx)?) {
            (_, Some(file)) => Ok(f(&mut file.stream.borrow_mut(), &*file.entry)),
            (File::Standard(number), None) => Ok(Standard::of(State::of(ctx)).with(*number, f)),
            (File::Opened(_), None) => Err(exception::type_error(ctx, "invalid file handle")),
        }
    }

    fn flag<'js>(&self, scope: &Scope<'_, 'js>, f: impl FnOnce(&Stream) -> bool) -> Result<Value<'js>> {
        let flag = self.with(scope.ctx, |stream, _| f(stream))?;
        Ok(Value::new_bool(scope.ctx.clone(), flag))
    }

    fn position(&self, ctx: &Ctx<'_>) -> Result<i64> {
        self.with(ctx, |stream, device| stream.tell(device).unwrap_or(-1))
    }

    /// What is read to the end, or up to the size that argument 0 says.
    fn read_all(&self, scope: &Scope<'_, '_>) -> Result<Vec<u8>> {
        self.open(scope.ctx)?;
        let count = if scope.has(0) { convert::to_index(&scope.arg(0))? } else { u64::MAX };
        let bytes_max = State::of(scope.ctx).heap_bytes_max();
        let all = self.with(scope.ctx, |stream, device| stream.read_to_end(device, count, bytes_max))?;
        all.map_err(|TooLong| Error::Allocation)
    }

    /// In a server the standard streams are not one script's to close or move.
    fn refuse_served(&self, ctx: &Ctx<'_>, what: &str) -> Result<()> {
        let standard = match self {
            File::Standard(_) => true,
            File::Opened(slot) => slot.borrow().as_ref().is_some_and(|file| file.number <= 2),
        };
        match standard && Host::role(ctx) == Role::App {
            true => Err(exception::type_error(ctx, &format!("cannot {what} stdio in a served app"))),
            false => Ok(()),
        }
    }
}

fn integer<'js>(scope: &Scope<'_, 'js>, number: i32) -> Value<'js> {
    Value::new_int(scope.ctx.clone(), number)
}

/// `close()`: 0, the status of popen's process, or `-errno`.
fn close<'js>(file: &File, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let Some(open) = file.open(scope.ctx)? else {
        return Err(exception::type_error(scope.ctx, "cannot close stdio"));
    };
    file.refuse_served(scope.ctx, "close")?;
    if let File::Opened(slot) = file {
        drop(slot.take());
    }
    Ok(integer(scope, open.close()))
}

/// `puts(...strings)`.
pub(super) fn puts<'js>(file: &File, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    file.open(scope.ctx)?;
    for index in 0..scope.len() {
        let text = value::to_string(&scope.arg(index))?;
        file.with(scope.ctx, |stream, device| stream.write(device, text.as_bytes()))?;
    }
    Ok(scope.undefined())
}

/// `printf(format, ...values)`: the bytes written.
pub(super) fn print_formatted<'js>(file: &File, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    file.open(scope.ctx)?;
    let text = printf::format(scope)?;
    let written = file.with(scope.ctx, |stream, device| stream.write(device, &text))?;
    Ok(integer(scope, written as i32))
}

/// `flush()`.
fn flush<'js>(file: &File, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    // What fails shows in `error()`.
    drop(file.with(scope.ctx, |stream, device| stream.flush(device))?);
    Ok(scope.undefined())
}

/// `seek(offset, whence)`: 0 or `-errno`.
fn seek<'js>(file: &File, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    file.open(scope.ctx)?;
    file.refuse_served(scope.ctx, "seek")?;
    let offset = convert::to_int64(&scope.arg(0))?;
    let to = match convert::to_int32(&scope.arg(1))? {
        libc::SEEK_SET => u64::try_from(offset).ok().map(SeekFrom::Start),
        libc::SEEK_CUR => Some(SeekFrom::Current(offset)),
        libc::SEEK_END => Some(SeekFrom::End(offset)),
        _ => None,
    };
    let Some(to) = to else { return Ok(integer(scope, -libc::EINVAL)) };
    let done = file.with(scope.ctx, |stream, device| stream.seek(device, to))?;
    Ok(integer(scope, done.map_or_else(|error| -errno::number(&error), |()| 0)))
}

/// `fileno()`.
fn fileno<'js>(file: &File, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let number = match (file, file.open(scope.ctx)?) {
        (File::Standard(number), _) => {
            // So that `os` knows the number, too.
            Standard::of(State::of(scope.ctx)).with(*number, |_, _| ());
            *number as i32
        }
        (_, open) => open.map_or(-1, |open| open.number),
    };
    Ok(integer(scope, number))
}

/// `clearerr()`.
fn clearerr<'js>(file: &File, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    file.with(scope.ctx, |stream, _| stream.clear())?;
    Ok(scope.undefined())
}

/// The part of `size` bytes that the arguments 1 and 2, position and length, name: all of the rest
/// where there is no length, and never more.
fn part(position: u64, length: Option<u64>, size: usize) -> std::ops::Range<usize> {
    let start = usize::try_from(position).unwrap_or(usize::MAX).min(size);
    let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(usize::MAX));
    start..start + length.min(size - start)
}

fn bounds(scope: &Scope<'_, '_>) -> Result<(u64, Option<u64>)> {
    let position = convert::to_index(&scope.arg(1))?;
    let length = if scope.len() > 2 { Some(convert::to_index(&scope.arg(2))?) } else { None };
    Ok((position, length))
}

fn buffer<'a>(ctx: &Ctx<'_>, given: &'a Value<'_>) -> Result<Bytes<'a>> {
    let wrong = || exception::type_error(ctx, "buffer must be an ArrayBuffer, a typed array or a DataView");
    buffer_source::bytes(given)?.ok_or_else(wrong)
}

/// `read(buffer, position = 0, length = all)`: the bytes read; 0 at the end.
fn read<'js>(file: &File, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    file.open(scope.ctx)?;
    let (position, length) = bounds(scope)?;
    let given = scope.arg(0);
    let target = buffer(scope.ctx, &given)?;
    if target.is_immutable() {
        return Err(exception::type_error(scope.ctx, "the buffer is immutable"));
    }
    let range = part(position, length, target.len());
    let mut space = vec![0; range.len().min(PART_BYTES)];
    let mut done = 0;
    while done < range.len() {
        let wanted = space.len().min(range.len() - done);
        let count = file.with(scope.ctx, |stream, device| stream.read(device, &mut space[..wanted]))?;
        target.write_at(range.start + done, &space[..count]);
        done += count;
        if count < wanted {
            break;
        }
    }
    Ok(convert::number(scope.ctx, done as f64))
}

/// `write(buffer, position = 0, length = all)`, or a string instead of the buffer: the bytes written.
fn write<'js>(file: &File, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    file.open(scope.ctx)?;
    let (position, length) = bounds(scope)?;
    let given = scope.arg(0);
    let bytes = match given.is_string() {
        true => value::to_string(&given)?.into_bytes(),
        false => buffer(scope.ctx, &given)?.to_vec(),
    };
    let bytes = &bytes[part(position, length, bytes.len())];
    let written = file.with(scope.ctx, |stream, device| stream.write(device, bytes))?;
    Ok(convert::number(scope.ctx, written as f64))
}

/// `getline()`: the next line without its newline, `null` at the end.
fn getline<'js>(file: &File, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let bytes_max = State::of(scope.ctx).heap_bytes_max();
    match file.with(scope.ctx, |stream, device| stream.line(device, bytes_max))? {
        Ok(Some(line)) => convert::text(scope.ctx, &line),
        Ok(None) => Ok(Value::new_null(scope.ctx.clone())),
        Err(TooLong) => Err(Error::Allocation),
    }
}

/// `getByte()`: -1 at the end.
fn get_byte<'js>(file: &File, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let byte = file.with(scope.ctx, |stream, device| stream.get(device))?;
    Ok(integer(scope, byte.map_or(-1, i32::from)))
}

/// `putByte(byte)`: the byte, or -1.
fn put_byte<'js>(file: &File, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    file.open(scope.ctx)?;
    let byte = convert::to_int32(&scope.arg(0))? as u8;
    let written = file.with(scope.ctx, |stream, device| stream.write(device, &[byte]))?;
    Ok(integer(scope, if written == 1 { i32::from(byte) } else { -1 }))
}
