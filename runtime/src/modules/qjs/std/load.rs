//! Whole files and scripts: loadFile, writeFile, loadScript, evalScript; and exit, gc, strerror.
//!
//! Owns: their arguments and answers, as QuickJS has them. Must not know: FILE.

use std::borrow::Cow;
use std::ffi::CStr;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use rquickjs::{Error, Exception, Result, Value};
use rustix::fs::{Mode, OFlags};

use super::file::{self, File};
use super::printf;
use super::standard::Number;
use crate::io::errno;
use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::function::Functions;
use crate::js::{buffer_source, convert, eval, exception, permit, value};
use crate::modules::web::host::{self, Host, Role};
use crate::permissions::{Access, open_exactly};

/// The calls.
pub struct LoadCalls;

impl Functions for LoadCalls {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"exit", 1, exit),
        (c"gc", 0, gc),
        (c"evalScript", 1, eval_script),
        (c"loadScript", 1, load_script),
        (c"loadFile", 1, load_file),
        (c"writeFile", 2, write_file),
        (c"strerror", 1, strerror),
        (c"puts", 1, |scope| file::puts(&File::Standard(Number::Out), scope)),
        (c"printf", 1, |scope| file::print_formatted(&File::Standard(Number::Out), scope)),
        (c"sprintf", 1, |scope| convert::text(scope.ctx, &printf::format(scope)?)),
    ];
}

/// `exit(status)`: ends the process, from any thread of a script; of a CGI script only that.
fn exit<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    if Host::role(scope.ctx) == Role::App {
        let text = "std.exit would end the server: it works in scripts only";
        return Err(Exception::throw_message(scope.ctx, text));
    }
    let status = convert::to_int32(&scope.arg(0)).unwrap_or_else(|_| {
        drop(scope.ctx.catch());
        -1
    });
    if Host::role(scope.ctx) == Role::Cgi {
        return Err(host::end_cgi(scope.ctx, status));
    }
    host::exit(State::of(scope.ctx), status)
}

/// `gc()`: collects cyclic garbage.
fn gc<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.ctx.run_gc();
    Ok(scope.undefined())
}

/// Option `name` of argument 1.
pub(super) fn option(scope: &Scope<'_, '_>, name: &str) -> Result<bool> {
    let options = scope.arg(1);
    match options.as_object() {
        Some(object) => Ok(convert::to_bool(&object.get::<_, Value>(name)?)),
        None if options.is_null() => Err(exception::type_error(scope.ctx, "options must be an object")),
        None => Ok(false),
    }
}

/// `evalScript(source, {backtrace_barrier, async})`.
fn eval_script<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let options = eval::Options {
        strict: false,
        backtrace_barrier: option(scope, "backtrace_barrier")?,
        r#async: option(scope, "async")?,
    };
    for name in ["eval_function", "eval_module", "compile_only", "compile_module"] {
        if option(scope, name)? {
            let text = format!("evalScript: the option {name} is not supported: it handles bytecode");
            return Err(exception::type_error(scope.ctx, &text));
        }
    }
    let source = value::to_string(&scope.arg(0))?;
    eval::script(scope.ctx, source.as_bytes(), "<evalScript>", options)
}

/// A file's bytes, read at where it may be; by what it is called in [`readable`].
///
/// # Errors
/// What the system says; `OutOfMemory` for one that the heap could not hold.
fn contents(scope: &Scope<'_, '_>, path: &Path) -> io::Result<Vec<u8>> {
    let bytes_max = State::of(scope.ctx).heap_bytes_max();
    let mut all = Vec::new();
    let file = match permit::of(scope.ctx) {
        None => fs::File::open(path)?,
        Some(_) => open_exactly(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?.into(),
    };
    file.take(bytes_max as u64 + 1).read_to_end(&mut all)?;
    match all.len() > bytes_max {
        true => Err(io::ErrorKind::OutOfMemory.into()),
        false => Ok(all),
    }
}

/// Where the file `name` is to be read.
///
/// # Errors
/// It may not be.
fn readable<'n>(scope: &Scope<'_, '_>, name: &'n str) -> Result<Cow<'n, Path>> {
    permit::path(scope.ctx, name.as_ref(), &[Access::Read], true)
}

/// `loadScript(filename)`: runs it in the global scope; the value of its last expression.
fn load_script<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let name = value::to_string(&scope.arg(0))?;
    let source = contents(scope, &readable(scope, &name)?).map_err(|_| {
        let text = format!("could not load '{name}'");
        Exception::throw_reference(scope.ctx, &text)
    })?;
    eval::script(scope.ctx, &source, &name, eval::Options::default())
}

/// `loadFile(filename, {binary})`: its text, or a Uint8Array; `null` when it cannot be read.
fn load_file<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let binary = option(scope, "binary")?;
    let name = value::to_string(&scope.arg(0))?;
    match contents(scope, &readable(scope, &name)?) {
        Ok(bytes) if binary => value::uint8_array(scope.ctx, &bytes),
        Ok(bytes) => convert::text(scope.ctx, &bytes),
        Err(error) if error.kind() == io::ErrorKind::OutOfMemory => Err(Error::Allocation),
        Err(_) => Ok(Value::new_null(scope.ctx.clone())),
    }
}

/// `writeFile(filename, data)`: a buffer, or what becomes a string; an Error when it fails.
fn write_file<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let name = value::to_string(&scope.arg(0))?;
    let given = scope.arg(1);
    let bytes = match buffer_source::bytes(&given)? {
        Some(bytes) => bytes.to_vec(),
        None if given.is_undefined() => Vec::new(),
        None => value::to_string(&given)?.into_bytes(),
    };
    let path = permit::path(scope.ctx, name.as_ref(), &[Access::Write], true)?;
    let failed = |what: &str| Exception::throw_message(scope.ctx, what);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let made = match permit::of(scope.ctx) {
        None => fs::File::create(&path),
        Some(_) => open_exactly(&path, flags, Mode::from_raw_mode(0o666)).map(Into::into).map_err(Into::into),
    };
    let mut target = made.map_err(|_| failed(&format!("error opening {name} for writing")))?;
    io::Write::write_all(&mut target, &bytes).map_err(|_| failed(&format!("error writing to {name}")))?;
    Ok(scope.undefined())
}

/// `strerror(errno)`.
fn strerror<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    value::string(scope.ctx, &errno::text(convert::to_int32(&scope.arg(0))?))
}
