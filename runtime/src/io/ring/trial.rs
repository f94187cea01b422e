//! A trial of the ring for the start-up probe: what the worker uses, once, on a socket pair.
//!
//! Owns: nothing that stays. Must not know: what a refusal means.

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};

use super::super::buffers::{Buffers, GROUP};

/// Registers buffers and receives a byte by multishot; EINVAL when the kernel cannot.
pub(crate) fn trial(mut uring: IoUring, buffer_bytes: usize) -> io::Result<()> {
    let buffers = Buffers::new(buffer_bytes)?;
    buffers.register(&uring)?;
    let (receiver, mut sender) = UnixStream::pair()?;
    sender.write_all(b"!")?;
    let entry = opcode::RecvMulti::new(Fd(receiver.as_raw_fd()), GROUP).build();
    // SAFETY: the entry points at no memory but the buffer group, which outlives `uring` below.
    let pushed = unsafe { uring.submission().push(&entry) };
    pushed.map_err(|_| io::ErrorKind::OutOfMemory)?;
    let limit = Timespec::new().sec(1);
    let submitted = uring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&limit));
    let completion = uring.completion().next();
    // The ring goes before the memory that it points at.
    drop(uring);
    drop(buffers);
    submitted?;
    let completion = completion.ok_or(io::ErrorKind::TimedOut)?;
    match completion.result() {
        1 if cqueue::more(completion.flags()) => Ok(()),
        result @ ..=-1 => Err(io::Error::from_raw_os_error(-result)),
        _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
    }
}
