//! A listening Unix socket, one for all workers, and its file.
//!
//! Owns: its file's owner and mode; the look whether somebody serves a file that is there; that no file but our own
//! is removed. Must not know: who accepts, what is spoken.

use std::io::ErrorKind as IoKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::address::{Address, UnixName};
use crate::config::{Listen, SocketFile};
use crate::error::{Error, Result};
use crate::io::{self, Backend};

/// How often a socket is tried that somebody serves: a process that was killed a moment ago can keep it for some
/// milliseconds, while the kernel takes its rings down.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(50);

/// The socket that all workers accept from. SO_REUSEPORT does nothing for AF_UNIX, so they have copies of it.
pub(super) struct UnixSocket {
    socket: Socket,
    addr: SockAddr,
    shown: String,
    /// Goes with it.
    file: Option<BoundFile>,
}

/// The file that a socket of ours is bound to; removed when dropped, unless another one is there by then.
struct BoundFile {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

impl UnixSocket {
    /// Binds the address of `listen`, for workers on `backend`. A file that is a socket which nobody serves is
    /// replaced.
    pub(super) fn bind(listen: &Listen, backend: Backend) -> Result<UnixSocket> {
        let name = match &listen.address {
            Address::Unix(unix) => unix.name.clone(),
            Address::Ip(_) => UnixName::Unnamed,
        };
        let shown = listen.address.to_string();
        let failed = |error| explain(&shown, &name, error);
        let addr = io::unix_sock_addr(&name).map_err(|error| {
            Error::system(format!("cannot listen on {shown}"), error)
                .remedy("The path of a Unix socket has at most 107 bytes (unix(7)): choose a shorter one.")
        })?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
        let mut file = None;
        if let UnixName::Path(path) = &name {
            clear(path, &addr, &shown)?;
            socket.bind(&addr).map_err(failed)?;
            file = Some(BoundFile::own(path, &listen.file).map_err(|error| explain_file(&shown, error))?);
        } else {
            socket.bind(&addr).map_err(failed)?;
        }
        io::set_shared_modes(socket.as_fd(), backend).map_err(failed)?;
        Ok(UnixSocket { socket, addr, shown, file })
    }

    /// Takes over one that is bound to `address`; with its file, if that `is_ours` to remove.
    pub(super) fn adopt(socket: OwnedFd, address: &Address, is_ours: bool) -> std::io::Result<UnixSocket> {
        let socket = Socket::from(socket);
        let (addr, shown) = (socket.local_addr()?, address.to_string());
        let found = address.path().filter(|_| is_ours);
        let file = found.and_then(|path| {
            let found = std::fs::symlink_metadata(path).ok()?;
            Some(BoundFile { path: path.to_path_buf(), id: (found.dev(), found.ino()) })
        });
        Ok(UnixSocket { socket, addr, shown, file })
    }

    /// Leaves its file to another process.
    pub(super) fn give_up(mut self) {
        if let Some(file) = &mut self.file {
            file.path = PathBuf::new();
        }
    }

    /// A copy for one worker.
    pub(super) fn copy(&self) -> Result<OwnedFd> {
        let copy = self.socket.try_clone().map(OwnedFd::from);
        copy.map_err(|error| Error::system(format!("cannot listen on {}", self.shown), error))
    }

    pub(super) fn set_backend(&self, backend: Backend) -> Result<()> {
        let set = io::set_shared_modes(self.socket.as_fd(), backend);
        set.map_err(|error| Error::system(format!("cannot listen on {}", self.shown), error))
    }

    /// Whether a connection waits that nobody has accepted.
    pub(super) fn has_waiting(&self) -> bool {
        let mut polled = [PollFd::new(&self.socket, PollFlags::IN)];
        poll(&mut polled, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// Connects `count` times, and closes: each wakes one that waits.
    pub(super) fn wake_all(&self, count: usize) {
        for _ in 0..count {
            if let Ok(socket) = Socket::new(Domain::UNIX, Type::STREAM, None)
                && socket.set_nonblocking(true).is_ok()
            {
                // It fails where the queue is full: then nobody needs to be woken.
                let _ = socket.connect(&self.addr);
            }
        }
    }
}

impl BoundFile {
    /// The file of a socket that was bound just now, with owner and mode as `wanted`. Nobody can connect before
    /// the socket listens.
    fn own(path: &Path, wanted: &SocketFile) -> std::io::Result<BoundFile> {
        let found = std::fs::symlink_metadata(path)?;
        let file = BoundFile { path: path.to_path_buf(), id: (found.dev(), found.ino()) };
        if wanted.owner.is_some() || wanted.group.is_some() {
            std::os::unix::fs::lchown(path, wanted.owner, wanted.group)?;
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(wanted.mode))?;
        Ok(file)
    }
}

impl Drop for BoundFile {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|found| found.file_type().is_socket() && (found.dev(), found.ino()) == self.id);
        if ours {
            // It fails where somebody was faster.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Removes the file at `path` if it is a socket that nobody serves.
fn clear(path: &Path, addr: &SockAddr, shown: &str) -> Result<()> {
    let in_use = |kind, what: &str, remedy: &str| {
        Err(Error::system(format!("cannot listen on {shown}"), std::io::Error::new(kind, what))
            .remedy(remedy))
    };
    for tries_left in (0..TRIES).rev() {
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == IoKind::NotFound => return Ok(()),
            Err(error) => return Err(explain_file(shown, error)),
            Ok(found) if !found.file_type().is_socket() => {
                return in_use(
                    IoKind::AlreadyExists,
                    "there is a file that is no socket",
                    "It is not removed: choose another path, or remove it yourself.",
                );
            }
            Ok(_) => {}
        }
        let probe = Socket::new(Domain::UNIX, Type::STREAM, None)
            .and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        let probe = probe.map_err(|error| Error::system("cannot open a socket", error))?;
        match probe.connect(addr) {
            Err(error) if error.kind() == IoKind::ConnectionRefused => {
                return std::fs::remove_file(path).map_err(|error| explain_file(shown, error));
            }
            Err(error) if error.kind() == IoKind::NotFound => return Ok(()),
            Err(error) if error.kind() == IoKind::PermissionDenied => return Err(explain_file(shown, error)),
            _ if tries_left > 0 => std::thread::sleep(PAUSE),
            _ => break,
        }
    }
    in_use(IoKind::AddrInUse, "another program serves it", "Stop it, or choose another path.")
}

fn explain(shown: &str, name: &UnixName, error: std::io::Error) -> Error {
    match (name, error.kind()) {
        (UnixName::Abstract(_), IoKind::AddrInUse) => {
            Error::system(format!("cannot listen on {shown}"), error)
                .remedy("Another program has that name: stop it, or choose another.")
        }
        _ => explain_file(shown, error),
    }
}

fn explain_file(shown: &str, error: std::io::Error) -> Error {
    let remedy = match error.kind() {
        IoKind::NotFound => "Its folder is not there: make it (mkdir -p), or choose another path.",
        IoKind::PermissionDenied => {
            "Choose a path in a folder that you may write to. Only root gives a socket to another user, or to a \
             group that it is not in."
        }
        IoKind::AddrInUse => "Another program was faster: stop it, or choose another path.",
        _ => return Error::system(format!("cannot listen on {shown}"), error),
    };
    Error::system(format!("cannot listen on {shown}"), error).remedy(remedy)
}
