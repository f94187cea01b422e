//! Child processes, signals sent, and what the process has used.
//!
//! Owns: what a child is between fork and exec: its descriptors, folder, ids, image. A step that
//! fails there ends the child with status 127, as `sh` has it; its process id is the caller's all
//! the same. Must not know: who waits for the child.

use std::ffi::{CStr, CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

/// The status of a child that never became its program.
pub const NOT_FOUND: i32 = 127;

/// What to run, and as what.
#[derive(Debug, Default)]
pub struct SpawnOptions {
    /// Paths to try in this order, as execvp(3) does: the first that can be executed is.
    pub files: Vec<CString>,
    /// Its arguments, the name that it is called by first.
    pub arguments: Vec<CString>,
    /// `NAME=value` each: the whole environment.
    pub environment: Vec<CString>,
    /// The folder that it starts in; this process's where there is none.
    pub folder: Option<CString>,
    /// Standard input, output and error, numbers above 2 (fcntl(2), F_DUPFD gives such); this process's
    /// where there is none.
    pub stdio: [Option<OwnedFd>; 3],
    /// Supplementary groups, set before the ids.
    pub groups: Option<Vec<u32>>,
    /// Group id.
    pub gid: Option<u32>,
    /// User id, set last: it may take away the right to set the others.
    pub uid: Option<u32>,
}

/// What the child needs, laid out before fork: nothing is allocated between fork and exec.
struct Image {
    program: SpawnOptions,
    /// Pointers into the strings of `program`, and null.
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// Starts `program`; its process id, which is the caller's to wait for. The child has default signal
/// handling where this process has handlers, SIGPIPE at its default, no signal blocked, and no
/// descriptor but 0, 1 and 2. As in QuickJS it may not be its program yet when this returns:
/// `std::process` would wait until it is, and a `kill` that follows would come later than there.
///
/// # Errors
/// EAGAIN, ENOMEM (fork(2)). What fails later is status [`NOT_FOUND`].
pub fn spawn(program: SpawnOptions) -> io::Result<i32> {
    let (argv, envp) = (pointers(&program.arguments), pointers(&program.environment));
    let image = Image { program, argv, envp };
    // SAFETY: the child calls only what signal-safety(7) lists, or plain system calls, until it ends.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => image.become_program(),
        pid => Ok(pid),
    }
}

impl Image {
    /// Runs in the child, which is alone with a copy of this process: never returns.
    fn become_program(&self) -> ! {
        // SAFETY: all strings end in NUL, all lists of pointers in null, and they live in `self`; the
        // set of signals is a local, made by sigemptyset(3).
        unsafe {
            let mut none = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
            // Ignored in a Rust program, which a child would inherit.
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            let redirected = self.redirected();
            // What the process was started with is no child's. Kernels before 5.11 know no such call:
            // there, only what this process opened itself is closed.
            libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
            if redirected && self.prepared() {
                for file in &self.program.files {
                    libc::execve(file.as_ptr(), self.argv.as_ptr(), self.envp.as_ptr());
                    let errno = *libc::__errno_location();
                    if ![libc::EACCES, libc::ENOENT, libc::ENOTDIR].contains(&errno) {
                        break;
                    }
                }
            }
            libc::_exit(NOT_FOUND)
        }
    }

    /// Puts the standard streams in their places. Each source is a number above those.
    ///
    /// # Safety
    /// Only in a child: it replaces 0, 1 and 2.
    unsafe fn redirected(&self) -> bool {
        let mut streams = (0..).zip(&self.program.stdio);
        streams.all(|(number, from)| match from {
            // SAFETY: both are numbers; the child owns all of its descriptors.
            Some(from) => unsafe { libc::dup2(from.as_raw_fd(), number) == number },
            None => true,
        })
    }

    /// Sets folder and ids.
    ///
    /// # Safety
    /// Only in a child that is alone with its memory: the ids are the whole process's.
    unsafe fn prepared(&self) -> bool {
        let SpawnOptions { folder, groups, gid, uid, .. } = &self.program;
        // SAFETY: as above; pointer and length are those of one list.
        unsafe {
            folder.as_ref().is_none_or(|folder| libc::chdir(folder.as_ptr()) == 0)
                && groups.as_ref().is_none_or(|all| libc::setgroups(all.len(), all.as_ptr()) == 0)
                && gid.is_none_or(|gid| libc::setgid(gid) == 0)
                && uid.is_none_or(|uid| libc::setuid(uid) == 0)
        }
    }
}

/// waitpid(2): the process id (0: none yet, with WNOHANG) and its wait status.
///
/// # Errors
/// ECHILD, EINTR, EINVAL.
pub fn wait(pid: i32, options: i32) -> io::Result<(i32, i32)> {
    let mut status = 0;
    // SAFETY: the status goes to a local.
    match unsafe { libc::waitpid(pid, &raw mut status, options) } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok((pid, status)),
    }
}

/// Waits until child `pid` has ended; its exit status, or the negative number of the signal that
/// ended it.
///
/// # Errors
/// ECHILD.
pub fn wait_for(pid: i32) -> io::Result<i32> {
    loop {
        match wait(pid, 0) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok((_, status)) if libc::WIFEXITED(status) => return Ok(libc::WEXITSTATUS(status)),
            Ok((_, status)) if libc::WIFSIGNALED(status) => return Ok(-libc::WTERMSIG(status)),
            Ok(_) => {}
        }
    }
}

/// Ends the process now, whatever its threads do (_exit(2)): nothing is flushed, no handler of atexit(3) runs.
pub fn end(code: i32) -> ! {
    // SAFETY: it does not return.
    unsafe { libc::_exit(code) }
}

/// kill(2): sends `signal` to a process, or (0, -1, -group) to several.
///
/// # Errors
/// ESRCH, EPERM, EINVAL.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: takes and gives numbers only.
    match unsafe { libc::kill(pid, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The CPU time that the process has spent outside of the kernel (getrusage(2), RUSAGE_SELF).
pub fn user_cpu() -> Duration {
    // SAFETY: zeros are a valid rusage; the call writes to a local.
    let time = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage.ru_utime
    };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_usec as u32 * 1_000)
}

/// The paths at which `file` may be found: itself if it has a slash, else in each folder of `path`
/// (environ(7), PATH; an empty one is the current folder).
pub fn candidates(file: &CStr, path: &[u8]) -> Vec<CString> {
    let name = file.to_bytes();
    if name.is_empty() || name.contains(&b'/') {
        return vec![file.to_owned()];
    }
    let folders = path.split(|byte| *byte == b':');
    let joined = folders.map(|folder| match folder {
        b"" => [b"./", name].concat(),
        folder => [folder, b"/", name].concat(),
    });
    joined.filter_map(|path| CString::new(path).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_for_in_each_folder_of_the_path_but_a_path_is_not() {
        let found = |file: &CStr, path: &str| {
            let all = candidates(file, path.as_bytes());
            all.iter().map(|path| path.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found(c"ls", "/bin::/usr/bin"), ["/bin/ls", "./ls", "/usr/bin/ls"]);
        assert_eq!(found(c"./ls", "/bin"), ["./ls"]);
        assert_eq!(found(c"", "/bin"), [""]);
    }

    #[test]
    fn a_child_that_cannot_become_its_program_ends_with_127() {
        let program = |file: &CStr| SpawnOptions { files: vec![file.to_owned()], ..SpawnOptions::default() };
        let status = |program| wait_for(spawn(program).unwrap()).unwrap();
        assert_eq!(status(program(c"/does/not/exist")), NOT_FOUND);
        assert_eq!(status(program(c"/proc")), NOT_FOUND);
        let folder = Some(c"/does/not/exist".to_owned());
        assert_eq!(status(SpawnOptions { folder, ..program(c"/bin/true") }), NOT_FOUND);
        assert_eq!(wait(1, 0).unwrap_err().raw_os_error(), Some(libc::ECHILD));
    }
}
