//! Raw mode of a terminal, undone when the process ends.
//!
//! Owns: the modes that terminals had before. Must not know: what is read from them. A process that
//! is killed leaves its terminal raw, as any program does.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Mutex;

use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, tcgetattr,
    tcsetattr,
};

/// Each terminal's mode before it was first made raw, with a descriptor of it.
static BEFORE: Mutex<Vec<(OwnedFd, Termios)>> = Mutex::new(Vec::new());

/// Makes the terminal `fd` raw: each byte is read as it is typed, without echo; keys that send
/// signals still do, and output is translated as before.
///
/// # Errors
/// ENOTTY.
pub fn set_raw(fd: BorrowedFd<'_>) -> io::Result<()> {
    let before = tcgetattr(fd)?;
    let mut raw = before.clone();
    raw.input_modes -= InputModes::IGNBRK
        | InputModes::BRKINT
        | InputModes::PARMRK
        | InputModes::ISTRIP
        | InputModes::INLCR
        | InputModes::IGNCR
        | InputModes::ICRNL
        | InputModes::IXON;
    raw.output_modes |= OutputModes::OPOST;
    raw.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::IEXTEN;
    raw.control_modes -= ControlModes::CSIZE | ControlModes::PARENB;
    raw.control_modes |= ControlModes::CS8;
    raw.special_codes[SpecialCodeIndex::VMIN] = 1;
    raw.special_codes[SpecialCodeIndex::VTIME] = 0;
    remember(fd, before)?;
    Ok(tcsetattr(fd, OptionalActions::Now, &raw)?)
}

fn remember(fd: BorrowedFd<'_>, mode: Termios) -> io::Result<()> {
    let device = rustix::fs::fstat(fd)?.st_rdev;
    let mut before = BEFORE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let known = |(fd, _): &(OwnedFd, Termios)| rustix::fs::fstat(fd).is_ok_and(|stat| stat.st_rdev == device);
    if before.iter().any(known) {
        return Ok(());
    }
    if before.is_empty() {
        // SAFETY: `restore` is a function of no arguments that unwinds nowhere. It fails only for want
        // of memory.
        unsafe { libc::atexit(at_exit) };
    }
    before.push((fd.try_clone_to_owned()?, mode));
    Ok(())
}

extern "C" fn at_exit() {
    restore();
}

/// Gives every terminal the mode back that it had before [`set_raw`].
pub fn restore() {
    // A thread that is about to set a mode while the process ends comes too late.
    let Ok(mut before) = BEFORE.try_lock() else { return };
    for (fd, mode) in before.drain(..) {
        // A terminal that is gone has no mode.
        let _ = tcsetattr(&fd, OptionalActions::Now, &mode);
    }
}
