//! Where lines of the access log go: a file, standard output, syslog.
//!
//! Owns: opening and writing. Must not know: lines, workers.

use std::fs::{File, OpenOptions};
use std::io::{Error as IoError, ErrorKind, Result as IoResult, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::config::AccessTarget;

/// daemon.info (syslog(3)).
const PRIORITY: u32 = 3 << 3 | 6;
/// How long a datagram may wait for a logger that is slow.
const STALL: Duration = Duration::from_secs(1);

/// Where lines go.
pub(super) enum LogSink {
    File(File, PathBuf),
    Stdout(File),
    Syslog(UnixDatagram, PathBuf),
}

impl LogSink {
    /// # Errors
    /// The file cannot be opened, or nobody is there to log to.
    pub(super) fn open(target: &AccessTarget) -> IoResult<LogSink> {
        Ok(match target {
            // A copy: the handle of the standard library has a lock, which who ends the process waits for.
            AccessTarget::Stdout => LogSink::Stdout(std::io::stdout().as_fd().try_clone_to_owned()?.into()),
            AccessTarget::File(path) => LogSink::File(open(path)?, path.clone()),
            AccessTarget::Syslog(path) => LogSink::Syslog(connect(path)?, path.clone()),
        })
    }

    /// Opens the file anew: what had its name was moved away. One that cannot be opened stays what it was.
    pub(super) fn reopen(&mut self) -> IoResult<()> {
        match self {
            LogSink::File(file, path) => *file = open(path)?,
            LogSink::Stdout(_) => {}
            LogSink::Syslog(socket, path) => *socket = connect(path)?,
        }
        Ok(())
    }

    /// Writes whole lines: how many bytes, and why not all.
    pub(super) fn write(&mut self, lines: &[u8]) -> (usize, IoResult<()>) {
        match self {
            LogSink::File(file, _) | LogSink::Stdout(file) => write_all(file, lines),
            LogSink::Syslog(socket, path) => {
                let mut written = 0;
                for line in lines.split_inclusive(|byte| *byte == b'\n') {
                    let message = message(line);
                    let sent = socket.send(&message).or_else(|_| {
                        // The logger has been started anew.
                        *socket = connect(path)?;
                        socket.send(&message)
                    });
                    if let Err(error) = sent {
                        return (written, Err(error));
                    }
                    written += line.len();
                }
                (written, Ok(()))
            }
        }
    }
}

fn write_all(to: &mut impl Write, bytes: &[u8]) -> (usize, IoResult<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match to.write(&bytes[written..]) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

fn open(path: &Path) -> IoResult<File> {
    use std::os::unix::fs::OpenOptionsExt;
    // What clients ask for is not everybody's to read.
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

fn connect(path: &Path) -> IoResult<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket
        .connect(path)
        .map_err(|error| IoError::new(error.kind(), format!("{}: {error}", path.display())))?;
    socket.set_write_timeout(Some(STALL))?;
    Ok(socket)
}

/// A line as local loggers take it (RFC 3164 section 4.1): `<30>Nov 29 13:28:00 jsserve[1]: line`.
fn message(line: &[u8]) -> Vec<u8> {
    let date = httpdate::fmt_http_date(SystemTime::now());
    let (day, month, clock) = (date[5..7].trim_start_matches('0'), &date[8..11], &date[17..25]);
    let mut message =
        format!("<{PRIORITY}>{month} {day:>2} {clock} jsserve[{}]: ", std::process::id()).into_bytes();
    message.extend_from_slice(line.trim_ascii_end());
    message
}
