//! What WebSockets of an engine may take, and the compressors that they share.
//!
//! Owns: both. Must not know: any socket.

use std::cell::{Cell, RefCell};
use std::sync::OnceLock;

use crate::config::{Limits, WebSocketCompression};
use crate::js::engine::State;
use crate::websocket::Deflater;

/// Bytes of a message, and that may wait to be sent, in a program that serves nothing: there are no flags for it.
const SCRIPT_BYTES_MAX: usize = 64 << 20;

/// What a WebSocket may take.
#[derive(Clone, Copy, Debug)]
pub struct SocketRules {
    /// Bytes of a message that is received.
    pub message_bytes_max: usize,
    /// Waiting bytes beyond which it is closed.
    pub queue_bytes_max: usize,
    /// Milliseconds without a word of the peer until it is pinged.
    pub ping_ms: u64,
    /// Milliseconds that a Pong, or anything else, may take from then on.
    pub pong_ms_max: u64,
    /// Milliseconds from our Close frame to the peer's.
    pub close_ms_max: u64,
    /// How messages may be compressed.
    pub compression: WebSocketCompression,
}

impl SocketRules {
    /// As limits say.
    pub fn of(limits: &Limits) -> SocketRules {
        SocketRules {
            message_bytes_max: limits.websocket_message_bytes_max,
            queue_bytes_max: limits.websocket_queue_bytes_max,
            ping_ms: limits.websocket_ping_ms,
            pong_ms_max: limits.websocket_pong_ms_max,
            close_ms_max: limits.websocket_close_ms_max,
            compression: limits.websocket_compression,
        }
    }

    /// Waiting bytes from which `send` says so: its app had better wait for `drain`.
    pub fn full_bytes(&self) -> usize {
        (self.queue_bytes_max / 4).max(1)
    }
}

/// The rules of an engine's sockets, once they are known.
#[derive(Default)]
struct EngineRules(Cell<Option<SocketRules>>);

/// Those of a served app, for the threads that it starts.
#[derive(Default)]
struct AppRules(OnceLock<SocketRules>);

/// The rules of sockets of an engine.
pub fn of(engine: &State) -> SocketRules {
    let known = engine.extension::<EngineRules>();
    known.0.get().unwrap_or_else(|| {
        let of_script = || SocketRules {
            message_bytes_max: SCRIPT_BYTES_MAX,
            queue_bytes_max: SCRIPT_BYTES_MAX,
            ..SocketRules::of(&Limits::default())
        };
        let rules = engine.cluster().shared::<AppRules>().0.get().copied().unwrap_or_else(of_script);
        known.0.set(Some(rules));
        rules
    })
}

/// Sets them for sockets that come, as `limits` say.
pub fn set(engine: &State, limits: &Limits) {
    let rules = SocketRules::of(limits);
    // All workers of an app have the same limits.
    let _ = engine.cluster().shared::<AppRules>().0.set(rules);
    engine.extension::<EngineRules>().0.set(Some(rules));
}

/// The compressors of all sockets of an engine that take no context over: one for each window that clients ask for.
#[derive(Default)]
pub struct SharedDeflaters(RefCell<Vec<Deflater>>);

impl SharedDeflaters {
    /// Lends the one with a window of `bits`.
    pub fn with<R>(&self, bits: u8, f: impl FnOnce(&mut Deflater) -> R) -> R {
        let mut all = self.0.borrow_mut();
        let at = all.iter().position(|deflater| deflater.window_bits() == bits).unwrap_or_else(|| {
            all.push(Deflater::new(bits, false));
            all.len() - 1
        });
        f(&mut all[at])
    }
}
