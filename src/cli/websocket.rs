//! The flags of WebSockets.
//!
//! Owns: their names, help and defaults, and which limit each sets. Must not know: the other flags.

use clap::ValueEnum;
use runtime::config::{Limits, WebSocketCompression};

use super::values::{Size, Span};

/// What a WebSocket may take.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "WebSocket")]
pub struct WebSocketFlags {
    /// Message of a WebSocket, once it is decompressed; beyond: close with 1009
    #[arg(long, value_name = "SIZE", default_value_t = Size(Limits::default().websocket_message_bytes_max))]
    pub websocket_message_max: Size,

    /// Bytes that wait to be sent on a WebSocket; beyond: close with 1013. `send` says so from a quarter on
    #[arg(long, value_name = "SIZE", default_value_t = Size(Limits::default().websocket_queue_bytes_max))]
    pub websocket_queue_max: Size,

    /// WebSocket whose other side says nothing; beyond: a ping
    #[arg(long, value_name = "TIME", default_value_t = Span(Limits::default().websocket_ping_ms))]
    pub websocket_ping: Span,

    /// From a ping to the next word of the other side; beyond: close
    #[arg(long, value_name = "TIME", default_value_t = Span(Limits::default().websocket_pong_ms_max))]
    pub websocket_pong_timeout: Span,

    /// From our close of a WebSocket to that of the other side; beyond: reset
    #[arg(long, value_name = "TIME", default_value_t = Span(Limits::default().websocket_close_ms_max))]
    pub websocket_close_timeout: Span,

    /// Compressed messages of WebSockets (permessage-deflate): shared: each by itself, with compressors that all share;
    /// takeover: they refer to earlier ones, for up to 350 KB a connection
    #[arg(long, value_name = "HOW", default_value = "shared")]
    pub websocket_compression: CompressionKind,
}

/// Values of `--websocket-compression`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompressionKind {
    Off,
    Shared,
    Takeover,
}

impl WebSocketFlags {
    /// `limits` with what the flags say.
    pub fn limit(&self, limits: Limits) -> Limits {
        Limits {
            websocket_message_bytes_max: self.websocket_message_max.0,
            websocket_queue_bytes_max: self.websocket_queue_max.0,
            websocket_ping_ms: self.websocket_ping.0,
            websocket_pong_ms_max: self.websocket_pong_timeout.0,
            websocket_close_ms_max: self.websocket_close_timeout.0,
            websocket_compression: match self.websocket_compression {
                CompressionKind::Off => WebSocketCompression::Off,
                CompressionKind::Shared => WebSocketCompression::Shared,
                CompressionKind::Takeover => WebSocketCompression::Takeover,
            },
            ..limits
        }
    }
}
