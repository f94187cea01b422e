//! The choice of a backend: what was asked for, as far as the kernel allows it.
//!
//! Owns: the fallback, and the error where there is none. Must not know: who asks.

use super::{Backend, probe};
use crate::config::IoChoice;
use crate::error::{Error, ErrorKind, Result};

/// The backend to run on; why it is not io_uring where that was wanted.
///
/// # Errors
/// io_uring is asked for and refused.
pub fn choose(wanted: IoChoice, ring_entries: u32) -> Result<(Backend, Option<String>)> {
    if wanted == IoChoice::Epoll {
        return Ok((Backend::Epoll, None));
    }
    match (wanted, probe(ring_entries)) {
        (_, Ok(())) => Ok((Backend::Uring, None)),
        (IoChoice::Uring, Err(refused)) => {
            let text = format!("io_uring is refused: {}", refused.cause);
            Err(Error::new(ErrorKind::System, text).remedy(format!("{} Or use --io epoll.", refused.remedy)))
        }
        (_, Err(refused)) => Ok((Backend::Epoll, Some(refused.to_string()))),
    }
}
