//! Child processes, signals sent, and what the process has used.
//!
//! Owns: what a child is between fork and exec: its descriptors, folder, ids, image. A step that
//! fails there ends a child of [`spawn`] with status 127, as `sh` has it, while [`start`] tells of it.
//! Must not know: who waits for the child.

use std::collections::HashSet;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::time::Timespec;

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
    /// Descriptors that it has from number 3 on, in this order, each a number above those that it gets.
    pub inherited: Vec<OwnedFd>,
    /// Supplementary groups, set before the ids.
    pub groups: Option<Vec<u32>>,
    /// Group id.
    pub gid: Option<u32>,
    /// User id, set last: it may take away the right to set the others.
    pub uid: Option<u32>,
    /// It leads a session, and with that a process group, of its own; no terminal is its.
    pub session: bool,
    /// How many descriptors it may have before it asks for more (RLIMIT_NOFILE); as many as this process where there
    /// is none.
    pub descriptors_max: Option<u64>,
}

/// Children that end with who has started them: each leads a session, and with that a process group, of its own.
#[derive(Debug, Default)]
pub struct Children(Mutex<HashSet<i32>>);

impl Children {
    fn lock(&self) -> MutexGuard<'_, HashSet<i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `pid` is one of them.
    pub fn add(&self, pid: i32) {
        self.lock().insert(pid);
    }

    /// `pid` has been waited for; it is none of them any more.
    pub fn forget(&self, pid: i32) {
        self.lock().remove(&pid);
    }

    /// Sends `signal` to the groups of all of them.
    pub fn signal(&self, signal: i32) {
        // Who has ended and is not waited for gets it, too, and nobody else has its number.
        self.lock().iter().for_each(|pid| drop(kill(-pid, signal)));
    }

    /// Ends them, those that do not obey within `time` by force, and waits for them.
    pub fn end(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut is_told = false;
        loop {
            self.lock().retain(|pid| matches!(wait(*pid, libc::WNOHANG), Ok((0, _))));
            if self.lock().is_empty() {
                return;
            }
            if !is_told {
                self.signal(libc::SIGTERM);
                is_told = true;
            }
            if Instant::now() >= until {
                self.signal(libc::SIGKILL);
                self.lock().drain().for_each(|pid| drop(wait_for(pid)));
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// What the child needs, laid out before fork: nothing is allocated between fork and exec.
struct Image {
    program: SpawnOptions,
    /// Pointers into the strings of `program`, and null.
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    /// What has failed before exec, of a child that shares this memory.
    errno: AtomicI32,
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
    let image = Image::of(program);
    // SAFETY: the child calls only what signal-safety(7) lists, or plain system calls, until it ends.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => image.become_program(),
        pid => Ok(pid),
    }
}

/// Stack of a child before it is its program, in bytes.
const STACK_BYTES: usize = 64 << 10;

/// Starts `program` and waits until it is: its process id, which is the caller's to wait for. As vfork(2), it copies no
/// memory, so it costs the same however much of that there is; only this thread stands still meanwhile. All signals
/// have their default action in the child, and none is blocked.
///
/// # Errors
/// Those of fork(2), chdir(2) and execve(2): there is no child, then.
pub fn start(program: SpawnOptions) -> io::Result<i32> {
    let image = Image::of(program);
    let mut stack: Vec<u128> = Vec::with_capacity(STACK_BYTES / size_of::<u128>());
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the sets are locals. The child runs on a stack of its own, whose end is aligned, while this thread stands
    // still, and calls only plain system calls; no handler of a signal can run in it before they are at their default.
    let (pid, error) = unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let top = stack.as_mut_ptr().add(stack.capacity());
        let pid = libc::clone(enter, top.cast(), flags, (&raw const image).cast_mut().cast());
        let error = io::Error::last_os_error();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut());
        (pid, error)
    };
    if pid == -1 {
        return Err(error);
    }
    match image.errno.load(Ordering::SeqCst) {
        0 => Ok(pid),
        errno => {
            // It has ended already.
            let _ = wait_for(pid);
            Err(io::Error::from_raw_os_error(errno))
        }
    }
}

/// Where a child of [`start`] begins.
extern "C" fn enter(image: *mut c_void) -> c_int {
    // SAFETY: it is the image that `start` has on its stack, and waits with; handlers of signals are this child's own.
    unsafe {
        // The kernel's own call: libc's leaves two signals out that it has for itself, and that cargo(1) ignores.
        let default = [0_u64; 4];
        for signal in 1..=libc::SIGRTMAX() {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                ptr::null::<u64>(),
                size_of::<u64>(),
            );
        }
        (*image.cast::<Image>()).become_program()
    }
}

/// Sends `signal` (0: only asks) to all of the process group that `leader`, a child with the descriptor `pidfd`, leads or
/// has led: that descriptor means no other group, whatever becomes of the number (pidfd_send_signal(2), Linux 6.9).
///
/// # Errors
/// ESRCH: nobody is left in it. EPERM.
pub fn signal_group(pidfd: Option<BorrowedFd<'_>>, leader: i32, signal: i32) -> io::Result<()> {
    const PROCESS_GROUP: libc::c_uint = 1 << 2;
    if let Some(pidfd) = pidfd {
        let (fd, info) = (pidfd.as_raw_fd(), ptr::null::<c_void>());
        // SAFETY: takes numbers and a null pointer only.
        let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, info, PROCESS_GROUP) };
        let error = io::Error::last_os_error();
        if result == 0 {
            return Ok(());
        }
        // Any other: the kernel does not know of groups.
        if error.raw_os_error() == Some(libc::ESRCH) {
            return Err(error);
        }
    }
    kill(-leader, signal)
}

impl Image {
    fn of(program: SpawnOptions) -> Image {
        let (argv, envp) = (pointers(&program.arguments), pointers(&program.environment));
        Image { program, argv, envp, errno: AtomicI32::new(0) }
    }

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
            let mut inherited = (3..).zip(&self.program.inherited);
            let inherited = inherited.all(|(number, fd)| libc::dup2(fd.as_raw_fd(), number) == number);
            if redirected && inherited && self.prepared() {
                for file in &self.program.files {
                    libc::execve(file.as_ptr(), self.argv.as_ptr(), self.envp.as_ptr());
                    let errno = *libc::__errno_location();
                    if ![libc::EACCES, libc::ENOENT, libc::ENOTDIR].contains(&errno) {
                        break;
                    }
                }
            }
            self.errno.store(*libc::__errno_location(), Ordering::SeqCst);
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
        let SpawnOptions { folder, groups, gid, uid, session, descriptors_max, .. } = &self.program;
        // SAFETY: as above; pointer and length are those of one list.
        unsafe {
            if let Some(current) = descriptors_max {
                let mut limit = std::mem::zeroed::<libc::rlimit>();
                libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
                limit.rlim_cur = (*current).min(limit.rlim_max);
                libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
            }
            (!session || libc::setsid() != -1)
                && folder.as_ref().is_none_or(|folder| libc::chdir(folder.as_ptr()) == 0)
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

/// As [`wait_for`], but for `time` at most; `None`: it runs on.
///
/// # Errors
/// ECHILD.
pub fn wait_within(pid: i32, time: Duration) -> io::Result<Option<i32>> {
    let pidfd = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    match (&pidfd, Timespec::try_from(time)) {
        (Some(pidfd), Ok(time)) => {
            // What it says is asked of waitpid(2).
            let _ = rustix::event::poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&time));
        }
        _ => std::thread::sleep(time.min(Duration::from_millis(2))),
    }
    match wait(pid, libc::WNOHANG)? {
        (0, _) => Ok(None),
        (_, status) if libc::WIFSIGNALED(status) => Ok(Some(-libc::WTERMSIG(status))),
        (_, status) => Ok(Some(libc::WEXITSTATUS(status))),
    }
}

/// Gives this thread a working directory of its own, which is that of the process at first (unshare(2), CLONE_FS); whether
/// that works.
pub fn make_own_folder() -> bool {
    // SAFETY: takes and gives numbers only; no memory and no descriptor is concerned.
    unsafe { libc::unshare(libc::CLONE_FS) == 0 }
}

/// Has the whole process be another user's from now on: with that group, without supplementary groups, and without any
/// capability that root has.
///
/// # Errors
/// EPERM: only root can. What root could take back is an error as well.
pub fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: take and give numbers, and an empty list; the C library has all threads change (nptl(7)).
    let result = unsafe {
        libc::setgroups(0, ptr::null()) == 0
            && libc::setresgid(gid, gid, gid) == 0
            && libc::setresuid(uid, uid, uid) == 0
    };
    if !result {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: takes and gives numbers.
    if uid != 0 && unsafe { libc::setuid(0) } == 0 {
        return Err(io::Error::other("the process could become root again"));
    }
    Ok(())
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

    fn program(words: &[&CStr]) -> SpawnOptions {
        let arguments = words.iter().map(|word| (*word).to_owned()).collect();
        SpawnOptions { files: vec![words[0].to_owned()], arguments, ..SpawnOptions::default() }
    }

    #[test]
    fn a_child_that_is_started_is_its_program_or_there_is_none() {
        for (file, errno) in [(c"/does/not/exist", libc::ENOENT), (c"/proc", libc::EACCES)] {
            assert_eq!(start(program(&[file])).unwrap_err().raw_os_error(), Some(errno));
        }
        let folder = Some(c"/does/not/exist".to_owned());
        let error = start(SpawnOptions { folder, ..program(&[c"/bin/true"]) }).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        let pid = start(program(&[c"/bin/sh", c"-c", c"exit 7"])).unwrap();
        assert_eq!(wait_for(pid).unwrap(), 7);
    }

    #[test]
    fn a_started_child_has_no_signal_blocked_or_ignored_and_a_group_of_its_own() {
        let script =
            c"test $(grep -c '^Sig[BI].*:\t0*$' /proc/self/status) = 2 || exit 2; test $(ulimit -Sn) = 77 || exit 3; \
            set -- $(cat /proc/$$/stat); test $5 = $$ || exit 4; test $6 = $$ || exit 5";
        let options = SpawnOptions {
            session: true,
            descriptors_max: Some(77),
            environment: vec![c"PATH=/bin:/usr/bin".to_owned()],
            ..program(&[c"/bin/sh", c"-c", script])
        };
        assert_eq!(wait_for(start(options).unwrap()).unwrap(), 0);
    }

    #[test]
    fn a_group_is_signalled_also_when_its_leader_is_gone() {
        let script = c"sleep 60 & exit 0";
        let options = SpawnOptions { session: true, ..program(&[c"/bin/sh", c"-c", script]) };
        let pid = start(options).unwrap();
        let pidfd = rustix::process::pidfd_open(
            rustix::process::Pid::from_raw(pid).unwrap(),
            rustix::process::PidfdFlags::empty(),
        );
        let pidfd = pidfd.ok();
        let signal = |signal| signal_group(pidfd.as_ref().map(std::os::fd::AsFd::as_fd), pid, signal);
        assert_eq!(wait_for(pid).unwrap(), 0);
        signal(0).expect("somebody is left");
        signal(libc::SIGKILL).expect("somebody is left");
        while signal(0).is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
