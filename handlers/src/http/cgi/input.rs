//! A request's body on its way to the standard input of a script.
//!
//! Owns: its length, which a script wants to know before (RFC 3875 section 4.2): a body that comes without one is
//! received first, to memory and then to a file. Must not know: the script's answer.

use std::cell::Cell;
use std::fs::File;
use std::future::{pending, poll_fn};
use std::io::{Result as IoResult, Seek, Write};
use std::rc::Rc;

use bytes::Bytes;
use runtime::app::fetch::{ByteSource, Pieces};
use runtime::cgi::{ScriptInput, spool_file};
use runtime::io::{self, JoinHandle, PipeWriter, file};

use super::super::peer::Peer;
use super::super::wire::{Ending, Wire};
use super::waiting::{Stop, wait};

/// Bytes of a body without a length that are kept in memory.
const MEMORY_BYTES_MAX: usize = 64 << 10;

/// A request's body, as a script is to have it.
pub enum ScriptBody {
    /// There is none.
    Null,
    /// It is still coming, and has so many bytes.
    Coming(Pieces, u64),
    /// All of it is here.
    Memory(Vec<u8>),
    /// All of it is in a file.
    File(File, u64),
}

/// What is written to a script.
pub enum ScriptBytes {
    None,
    Memory(Vec<u8>),
    Coming(Pieces),
}

impl ScriptBody {
    /// Its length, what the script reads, and what has to be written for that.
    pub fn split(self) -> (Option<u64>, ScriptInput, ScriptBytes) {
        match self {
            ScriptBody::Null => (None, ScriptInput::Null, ScriptBytes::None),
            ScriptBody::Memory(bytes) => {
                (Some(bytes.len() as u64), ScriptInput::Pipe, ScriptBytes::Memory(bytes))
            }
            ScriptBody::Coming(pieces, length) => {
                (Some(length), ScriptInput::Pipe, ScriptBytes::Coming(pieces))
            }
            ScriptBody::File(file, length) => {
                (Some(length), ScriptInput::File(file.into()), ScriptBytes::None)
            }
        }
    }
}

/// The body of the request: as it comes, where its length is known; else once all of it has come, within `ms` for each
/// part of it.
///
/// # Errors
/// How the exchange ends; inside: there is no place for it.
pub async fn receive<W: Wire>(peer: &mut Peer<'_, W>, ms: u64) -> Result<IoResult<ScriptBody>, Ending> {
    let head = peer.head();
    let mut length = None;
    head.fields(&mut |name, value| {
        if name.eq_ignore_ascii_case(b"content-length") {
            length = length.or_else(|| number(value));
        }
    });
    let Some(body) = peer.body.as_ref().filter(|_| peer.redirected.is_none()) else {
        // An empty one may have a length, too.
        let is_empty = peer.redirected.is_none() && length == Some(0);
        return Ok(Ok(if is_empty { ScriptBody::Memory(Vec::new()) } else { ScriptBody::Null }));
    };
    let pieces = Pieces::of(body.script.clone());
    if let Some(length) = length {
        return Ok(Ok(ScriptBody::Coming(pieces, length)));
    }
    let mut memory: Vec<u8> = Vec::new();
    let mut spooled: Option<(File, u64)> = None;
    loop {
        let piece: Bytes = match wait(peer, ms, |cx| pieces.poll_bytes(cx)).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(None) => break,
            // It has been answered for where that is told.
            Ok(Some(Err(_))) => return Err(Ending::Lost),
            Err(Stop::TimedOut) => return Err(Ending::Lost),
            Err(Stop::Ended(ending)) => return Err(ending),
        };
        memory.extend_from_slice(&piece);
        if memory.len() > MEMORY_BYTES_MAX {
            let bytes = std::mem::take(&mut memory);
            spooled = match spool(spooled, bytes).await {
                Ok(spooled) => Some(spooled),
                Err(error) => return Ok(Err(error)),
            };
        }
    }
    if spooled.is_none() {
        return Ok(Ok(ScriptBody::Memory(memory)));
    }
    let finished = spool(spooled, memory).await.and_then(|(mut file, length)| {
        file.rewind()?;
        Ok(ScriptBody::File(file, length))
    });
    Ok(finished)
}

/// Writes `bytes` to the file, in a thread that may wait for a disk.
async fn spool(spooled: Option<(File, u64)>, bytes: Vec<u8>) -> IoResult<(File, u64)> {
    file::blocking(move || {
        let (mut file, length) = match spooled {
            Some(spooled) => spooled,
            None => (spool_file()?, 0),
        };
        file.write_all(&bytes)?;
        Ok((file, length + bytes.len() as u64))
    })
    .await?
}

/// Writes a body to a script, no faster than that reads it, in a task of its own; how many pieces have been written.
pub fn pump(writer: Option<PipeWriter>, bytes: ScriptBytes) -> (Option<JoinHandle<()>>, Rc<Cell<u64>>) {
    let written = Rc::new(Cell::new(0));
    let Some(writer) = writer else { return (None, written) };
    let count = written.clone();
    let task = io::spawn(async move {
        match bytes {
            ScriptBytes::None => {}
            ScriptBytes::Memory(bytes) => {
                write_all(&writer, &bytes).await;
            }
            ScriptBytes::Coming(pieces) => loop {
                match poll_fn(|cx| pieces.poll_bytes(cx)).await {
                    None => return,
                    Some(Ok(piece)) => {
                        if !write_all(&writer, &piece).await {
                            pieces.cancel();
                            return;
                        }
                        count.set(count.get() + 1);
                    }
                    // The script is not to take what has come for all there is: it is ended before it sees an end.
                    Some(Err(_)) => pending::<()>().await,
                }
            },
        }
    });
    (Some(task), written)
}

/// Whether all of it went; else nobody reads.
async fn write_all(writer: &PipeWriter, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match poll_fn(|cx| writer.poll_write(cx, bytes)).await {
            Ok(written) => bytes = &bytes[written..],
            Err(_) => return false,
        }
    }
    true
}

/// The value of a Content-Length.
pub fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
