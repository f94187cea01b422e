//! How a WebSocket ends, in words.
//!
//! Owns: the words. Must not know: who ends it, who hears of it.

use std::io;

use super::state::ForcedClose;

/// How a connection below a WebSocket ended.
#[derive(Debug)]
pub enum SocketEnd {
    /// As both sides wanted, or one of them.
    Asked,
    /// The connection is over, without a Close frame.
    Ended,
    /// It failed.
    Lost(io::Error),
    /// The peer did not answer a Ping in so many milliseconds.
    Silent(u64),
    /// It did not answer our Close frame in so many milliseconds.
    NotClosed(u64),
    /// It took nothing of what was sent for so many milliseconds.
    Stalled(u64),
}

impl SocketEnd {
    /// The sentence; none for an end that needs none.
    pub fn words(&self) -> Option<String> {
        Some(match self {
            SocketEnd::Asked => return None,
            SocketEnd::Ended => "the connection ended without a Close frame".into(),
            SocketEnd::Lost(error) => format!("the connection broke: {error}"),
            SocketEnd::Silent(ms) => format!("no pong within {ms} ms (--websocket-pong-timeout)"),
            SocketEnd::NotClosed(ms) => format!("no Close frame within {ms} ms (--websocket-close-timeout)"),
            SocketEnd::Stalled(ms) => format!("the client took nothing for {ms} ms (--write-timeout)"),
        })
    }
}

impl ForcedClose {
    /// The sentence.
    pub fn words(self) -> String {
        match self {
            ForcedClose::QueueFull(bytes) => format!("{bytes} bytes wait to be sent (--websocket-queue-max)"),
            ForcedClose::NoMemory(bytes) => {
                format!("{bytes} bytes wait, with those of others more than the worker may hold (--heap-max)")
            }
        }
    }
}
