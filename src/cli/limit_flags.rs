//! The flags of what clients may take.
//!
//! Owns: their help, their defaults. Must not know: what holds to them.

use runtime::config::Limits;

use super::values::{Size, Span, count};

/// What a client may take.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitFlags {
    /// Connections over all workers [default: open files (ulimit -n) less 64, at most 65536]
    #[arg(long, value_name = "N", value_parser = count)]
    pub connections_max: Option<usize>,

    /// Request line and header fields together; beyond: 431
    #[arg(long, value_name = "SIZE", default_value_t = Size(defaults().header_bytes_max))]
    pub header_max: Size,

    /// Header fields of a request; beyond: 431
    #[arg(long, value_name = "N", default_value_t = defaults().header_fields_max, value_parser = count)]
    pub header_fields_max: usize,

    /// Request target; beyond: 414
    #[arg(long, value_name = "SIZE", default_value_t = Size(defaults().target_bytes_max))]
    pub target_max: Size,

    /// Request body; beyond: 413
    #[arg(long, value_name = "SIZE", default_value_t = Size(defaults().body_bytes_max))]
    pub body_max: Size,

    /// Pipelined requests in flight on a connection; beyond: reading pauses
    #[arg(long, value_name = "N", default_value_t = defaults().pipelined_max, value_parser = count)]
    pub pipelined_max: usize,

    /// Streams that a client of HTTP/2 has open at a time; beyond: they are refused
    #[arg(long, value_name = "N", default_value_t = defaults().http2_streams_max, value_parser = count)]
    pub http2_streams_max: usize,

    /// Streams that a client of HTTP/2 takes back in a minute; beyond: close
    #[arg(long, value_name = "N", default_value_t = defaults().http2_resets_max, value_parser = count)]
    pub http2_resets_max: usize,

    /// Frames of HTTP/2 in a minute that bring nothing (PING, SETTINGS, PRIORITY, empty DATA); beyond: close
    #[arg(long, value_name = "N", default_value_t = defaults().http2_control_frames_max, value_parser = count)]
    pub http2_control_frames_max: usize,

    /// Handlers of datagrams that a worker waits for at a time; beyond: further datagrams are dropped
    #[arg(long, value_name = "N", default_value_t = defaults().datagrams_max, value_parser = count)]
    pub datagrams_max: usize,

    /// Datagrams that wait to be sent on one socket of a worker; beyond: further ones are dropped
    #[arg(long, value_name = "SIZE", default_value_t = Size(defaults().datagram_queue_bytes_max))]
    pub datagram_queue: Size,

    /// Messages that wait for a worker in its mailbox (topics, BroadcastChannel); beyond: one is dropped for that worker
    #[arg(long, value_name = "SIZE", default_value_t = Size(defaults().mailbox_bytes_max))]
    pub mailbox_max: Size,

    /// Events that wait for the client of an EventStream; beyond: the stream is cut
    #[arg(long, value_name = "SIZE", default_value_t = Size(defaults().event_queue_bytes_max))]
    pub event_queue: Size,

    /// Topics that one WebSocket or EventStream subscribes to; beyond: an error
    #[arg(long, value_name = "N", default_value_t = defaults().subscriptions_max, value_parser = count)]
    pub subscriptions_max: usize,

    /// Topics of the app that have subscribers; beyond: an error
    #[arg(long, value_name = "N", default_value_t = defaults().topics_max, value_parser = count)]
    pub topics_max: usize,

    /// Connection without a request, or response whose stream sends nothing and has no keep-alive; beyond: close
    #[arg(long, value_name = "TIME", default_value_t = Span(defaults().idle_ms_max))]
    pub idle_timeout: Span,

    /// From the first byte of a request to the end of its header; beyond: 408
    #[arg(long, value_name = "TIME", default_value_t = Span(defaults().header_ms_max))]
    pub header_timeout: Span,

    /// A TLS handshake; beyond: close
    #[arg(long, value_name = "TIME", default_value_t = Span(defaults().tls_handshake_ms_max))]
    pub tls_handshake_timeout: Span,

    /// What a client sends in a TLS handshake; beyond: close
    #[arg(long, value_name = "SIZE", default_value_t = Size(defaults().tls_handshake_bytes_max))]
    pub tls_handshake_max: Size,

    /// Between two pieces of a request body; beyond: 408
    #[arg(long, value_name = "TIME", default_value_t = Span(defaults().body_stall_ms_max))]
    pub body_timeout: Span,

    /// Response that the client does not read on; beyond: close
    #[arg(long, value_name = "TIME", default_value_t = Span(defaults().write_stall_ms_max))]
    pub write_timeout: Span,

    /// Bytes that wait to be sent on a connection of `tcp` hooks; beyond: close
    #[arg(long, value_name = "SIZE", default_value_t = Size(defaults().write_buffer_bytes_max))]
    pub write_buffer_max: Size,

    /// Memory of all that compresses answers in pieces in one worker; beyond: further ones are not compressed
    #[arg(long, value_name = "SIZE", default_value_t = Size(defaults().compress_memory_bytes_max))]
    pub compress_memory: Size,

    /// From a request's header to the head of its response; beyond: 503. A response that has begun goes on for as long
    /// as it sends something (--idle-timeout) and its client reads on (--write-timeout)
    #[arg(long, value_name = "TIME", default_value_t = Span(defaults().request_ms_max))]
    pub request_timeout: Span,
}

fn defaults() -> Limits {
    Limits::default()
}
