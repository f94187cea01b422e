//! `print` and `gc`, which scripts have beyond the globals of an app, and the standard streams as
//! scripts write to them.
//!
//! Owns: the two globals, whole writes. Must not know: formats. A reader of standard output that is
//! gone ends the process as other programs of a pipeline end: by SIGPIPE.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use rquickjs::{Ctx, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::console::{Level, Output};
use crate::js::class::Static;
use crate::js::engine::State;
use crate::js::function::{self, Functions};
use crate::js::value;

struct Globals;

impl Functions for Globals {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"print", 1, |scope| {
            let mut line = String::new();
            for index in 0..scope.len() {
                line.push_str(if index > 0 { " " } else { "" });
                value::with_str(&scope.arg(index), |text| line.push_str(text))?;
            }
            line.push('\n');
            write_out(line.as_bytes());
            Ok(scope.undefined())
        }),
        (c"gc", 0, |scope| {
            scope.ctx.run_gc();
            Ok(scope.undefined())
        }),
    ];
}

/// Installs both, and sends the console to the process's own streams, whole and in order.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    State::of(ctx).extension::<Output>().redirect(Rc::new(|level, text| match level {
        Level::Debug | Level::Info => write_out(text.as_bytes()),
        Level::Warn | Level::Error => write_error(text.as_bytes()),
    }));
    function::install::<Globals>(ctx, &ctx.globals())
}

/// Writes all of `bytes` to standard output, however long its reader takes.
pub fn write_out(bytes: &[u8]) {
    if write_all(std::io::stdout().as_fd(), bytes) == Err(Errno::PIPE) {
        // It fails for no signal whose default is to end the process.
        let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGPIPE);
    }
}

/// Writes all of `bytes` to standard error. What cannot be written there cannot be told either.
pub fn write_error(bytes: &[u8]) {
    let _ = write_all(std::io::stderr().as_fd(), bytes);
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> std::result::Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // Whoever shares the stream with us has made it non-blocking.
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&fd, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
