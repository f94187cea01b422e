//! Raw mode of a terminal, undone when the process ends.
//!
//! Owns: the modes that terminals had before. Must not know: what is read from them. A process that
//! is killed leaves its terminal raw, as any program does.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, tcgetattr,
    tcsetattr,
};

/// Each terminal's mode before it was made raw, with a descriptor of it, in order.
static BEFORE: Mutex<Vec<(OwnedFd, Termios)>> = Mutex::new(Vec::new());
/// Whether the process's end is seen to.
static AT_EXIT: AtomicBool = AtomicBool::new(false);

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
    let same = |a: &Termios, b: &Termios| {
        let codes = [SpecialCodeIndex::VMIN, SpecialCodeIndex::VTIME];
        a.input_modes == b.input_modes
            && a.output_modes == b.output_modes
            && a.local_modes == b.local_modes
            && a.control_modes == b.control_modes
            && codes.iter().all(|code| a.special_codes[*code] == b.special_codes[*code])
    };
    if same(&before, &raw) {
        return Ok(());
    }
    remember(fd, before)?;
    Ok(tcsetattr(fd, OptionalActions::Now, &raw)?)
}

fn remember(fd: BorrowedFd<'_>, mode: Termios) -> io::Result<()> {
    let copy = fd.try_clone_to_owned()?;
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    if !AT_EXIT.swap(true, Ordering::Relaxed) {
        // SAFETY: `at_exit` takes nothing and does not unwind. It fails only for want of memory.
        unsafe { libc::atexit(at_exit) };
    }
    before.push((copy, mode));
    Ok(())
}

extern "C" fn at_exit() {
    restore();
}

/// Gives every terminal the mode back that it had before [`set_raw`].
pub fn restore() {
    // A thread that is about to set a mode while the process ends comes too late.
    let Ok(mut before) = BEFORE.try_lock() else { return };
    for (fd, mode) in before.drain(..).rev() {
        // A terminal that is gone has no mode.
        let _ = tcsetattr(&fd, OptionalActions::Now, &mode);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, OFlags};
    use std::os::fd::AsFd;

    #[test]
    fn a_terminal_gets_its_first_mode_back() {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let Ok(terminal) = rustix::fs::open("/dev/ptmx", flags, Mode::empty()) else {
            eprintln!("SKIPPED: no pseudo-terminals here");
            return;
        };
        let echoes = || tcgetattr(&terminal).unwrap().local_modes.contains(LocalModes::ECHO);
        assert!(echoes());
        set_raw(terminal.as_fd()).unwrap();
        set_raw(terminal.as_fd()).unwrap();
        assert!(!echoes());
        restore();
        assert!(echoes());
        assert_eq!(
            set_raw(std::fs::File::open("/dev/null").unwrap().as_fd()).unwrap_err().raw_os_error(),
            Some(libc::ENOTTY)
        );
    }
}
