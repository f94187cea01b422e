//! The numbers that `os` exports for files, processes and signals.
//!
//! Owns: names and values, from `libc`; those of sockets are in `constants`. Must not know: their use.

macro_rules! signed {
    ($($name:ident)+) => { &[$((stringify!($name), libc::$name)),+] };
}

macro_rules! modes {
    ($($name:ident)+) => { &[$((stringify!($name), libc::$name.cast_signed())),+] };
}

const SIGNED: &[(&str, i32)] = signed![
    O_RDONLY O_WRONLY O_RDWR O_APPEND O_CREAT O_EXCL O_TRUNC
    SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM
    SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF
    SIGWINCH SIGIO SIGPWR SIGSYS
    WNOHANG
];

const MODES: &[(&str, i32)] =
    modes![S_IFMT S_IFIFO S_IFCHR S_IFDIR S_IFBLK S_IFREG S_IFSOCK S_IFLNK S_ISGID S_ISUID];

/// Every one of them, once.
pub fn all() -> impl Iterator<Item = (&'static str, i32)> {
    SIGNED.iter().chain(MODES).copied()
}
