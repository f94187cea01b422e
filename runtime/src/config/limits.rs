//! Bounds on everything that a client or an app could make grow.
//!
//! Owns: each limit with its unit and its default. Must not know: flags, who holds to them.

/// Bounds of a lingering close: what a peer may still send, unread, after our FIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linger {
    /// Bytes, beside those that had come before; beyond, nothing more is received.
    pub bytes_max: u64,
    /// From when the peer has all that was sent to it; beyond: close.
    pub ms_max: u64,
}

impl Default for Linger {
    fn default() -> Self {
        Linger { bytes_max: 64 << 10, ms_max: 1_000 }
    }
}

/// How messages of WebSockets may be compressed (RFC 7692).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebSocketCompression {
    /// Not at all.
    Off,
    /// Each by itself: connections need no memory for it.
    #[default]
    Shared,
    /// Messages refer to earlier ones: up to 350 KB for each connection that uses it.
    Takeover,
}

/// Bounds on everything that a client or an app could make grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request head, request line included; beyond: 431.
    pub header_bytes_max: usize,
    /// Fields of a request head; beyond: 431.
    pub header_fields_max: usize,
    /// Bytes of a request target; beyond: 414.
    pub target_bytes_max: usize,
    /// Bytes of a request body; beyond: 413.
    pub body_bytes_max: usize,
    /// Bytes of a request body that nobody reads, dropped so that the connection can go on; beyond: close.
    pub unread_bytes_max: u64,
    /// After the last answer of a connection, and of raw TCP after the handler's end.
    pub linger: Linger,
    /// From the first byte of a head to its end; beyond: 408 and close. A header of the PROXY protocol has as long.
    pub header_ms_max: u64,
    /// A TLS handshake; beyond: close.
    pub tls_handshake_ms_max: u64,
    /// Bytes that a client sends in a TLS handshake; beyond: close.
    pub tls_handshake_bytes_max: usize,
    /// Between two pieces of a request body; beyond: 408 and close.
    pub body_stall_ms_max: u64,
    /// A connection without a request, and a response in pieces that sends none; beyond: close.
    pub idle_ms_max: u64,
    /// A send that makes no progress; beyond: close.
    pub write_stall_ms_max: u64,
    /// Bytes that may wait to be sent on a connection of `tcp` hooks; beyond: close.
    pub write_buffer_bytes_max: usize,
    /// Bytes of a WebSocket's message, once it is decompressed; beyond: close with 1009.
    pub websocket_message_bytes_max: usize,
    /// Bytes that may wait to be sent on a WebSocket; beyond: close with 1013. From a quarter on `send` says so.
    pub websocket_queue_bytes_max: usize,
    /// A WebSocket whose peer says nothing; beyond: a Ping. 0 for none.
    pub websocket_ping_ms: u64,
    /// From a Ping to the next word of the peer; beyond: close.
    pub websocket_pong_ms_max: u64,
    /// From our Close frame to the peer's; beyond: close.
    pub websocket_close_ms_max: u64,
    /// How messages of WebSockets may be compressed.
    pub websocket_compression: WebSocketCompression,
    /// From a request's head to that of its response; beyond: 503.
    pub request_ms_max: u64,
    /// A run of the app's `scheduled`, what it gives to `waitUntil` included; beyond: it is no longer waited for.
    pub scheduled_ms_max: u64,
    /// CPU time of one turn of JavaScript, its jobs included; beyond: 503.
    pub turn_cpu_ms_max: u64,
    /// A worker that has not turned for so long is replaced.
    pub stuck_ms_max: u64,
    /// Stuck turns of one route (method and path); from then on it is refused for `refuse_ms`: 503.
    pub stuck_turns_max: u32,
    /// For how long a route is refused.
    pub refuse_ms: u64,
    /// Threads that are stuck at the same time; then the server drains and ends, to be started anew.
    pub stuck_threads_max: usize,
    /// Evaluating the app at start; beyond: a start-up error.
    pub start_ms_max: u64,
    /// JavaScript heap of one worker; beyond: 503 and a fresh context.
    pub heap_bytes_max: usize,
    /// JavaScript stack; beyond: RangeError.
    pub stack_bytes_max: usize,
    /// Pipelined requests answered before their responses must be on the wire.
    pub pipelined_max: usize,
    /// Streams that a client of HTTP/2 has open at a time; beyond: they are refused.
    pub http2_streams_max: usize,
    /// Streams that a client of HTTP/2 takes back in a minute; beyond: close.
    pub http2_resets_max: usize,
    /// Frames of HTTP/2 in a minute that bring nothing (PING, SETTINGS, PRIORITY, empty DATA); beyond: close.
    pub http2_control_frames_max: usize,
    /// Handlers of datagrams that a worker waits for at a time; beyond: further datagrams are dropped.
    pub datagrams_max: usize,
    /// Bytes of datagrams that wait to be sent on one socket of a worker; beyond: further ones are dropped.
    pub datagram_queue_bytes_max: usize,
    /// Bytes of an answer; below, it is not compressed.
    pub compress_bytes_min: usize,
    /// Memory of all that compresses bodies in pieces in one worker; beyond: further ones are not compressed.
    pub compress_memory_bytes_max: usize,
    /// Bytes of messages that wait for one thread in a mailbox; beyond: a message is dropped for that thread.
    pub mailbox_bytes_max: usize,
    /// Bytes of events that wait for the client of an `EventStream`; beyond: the stream is cut.
    pub event_queue_bytes_max: usize,
    /// Topics that one subscriber subscribes to; beyond: an error.
    pub subscriptions_max: usize,
    /// Topics of the app that have subscribers; beyond: an error.
    pub topics_max: usize,
    /// Static files that a worker keeps open or in memory; beyond: the least recently used goes.
    pub static_files_max: usize,
    /// Bytes of static files that a worker keeps in memory; beyond: the least recently used goes.
    pub static_bytes_max: usize,
    /// Files of a site that may be routes; beyond: a start-up error.
    pub site_routes_max: usize,
    /// Rules of a site's `_redirects`, and of its `_headers`; beyond: a start-up error.
    pub site_rules_max: usize,
    /// Connecting to a server that a request is sent on to; beyond: the next one, or 504.
    pub proxy_connect_ms_max: u64,
    /// From a request, or the last of its body, to the head of that server's answer; beyond: the next one, or 504.
    pub proxy_head_ms_max: u64,
    /// An answer of such a server that sends nothing; beyond: it is cut.
    pub proxy_stall_ms_max: u64,
    /// A WebSocket that is sent on, without a byte either way; beyond: it is cut.
    pub proxy_tunnel_ms_max: u64,
    /// Connections of one worker to one such server; beyond: requests wait.
    pub proxy_connections_max: usize,
    /// CGI scripts that run at the same time, over all workers; beyond: requests wait. `None`: 64 for each core.
    pub cgi_scripts_max: Option<usize>,
    /// Requests that wait for a script to end, over all workers; beyond: 503.
    pub cgi_queue_max: usize,
    /// From a request, or the last of its body that came, to the header of the script's response; beyond: 504, of one
    /// that is still waiting for others 503.
    pub cgi_head_ms_max: u64,
    /// A script, from its start to its end; beyond: 504, or the response is cut.
    pub cgi_run_ms_max: u64,
    /// A script's response that sends nothing; beyond: it is cut.
    pub cgi_stall_ms_max: u64,
    /// From SIGTERM, of a script that is to end, to SIGKILL.
    pub cgi_kill_ms: u64,
    /// Bytes of the header of a script's response; beyond: 502.
    pub cgi_header_bytes_max: usize,
    /// Bytes of lines of the access log that wait in one worker; beyond: lines are lost.
    pub access_log_bytes_max: usize,
    /// Connections over all workers; `None`: min(RLIMIT_NOFILE - 64, 65,536).
    pub connections_max: Option<usize>,
    /// Entries of a worker's submission queue; halved while the kernel answers ENOMEM.
    pub ring_entries: u32,
    /// Memory of a worker's provided receive buffers.
    pub recv_buffer_bytes: usize,
    /// Contexts of a worker that stay, after reloads, for what has begun in them; beyond: WebSockets and raw connections
    /// of the oldest are closed.
    pub reload_contexts_max: usize,
    /// After SIGTERM; beyond: what is left is closed.
    pub drain_ms_max: u64,
}

impl Limits {
    /// Whether CGI scripts have the same bounds.
    pub fn same_scripts(&self, other: &Limits) -> bool {
        let of = |limits: &Limits| (limits.cgi_scripts_max, limits.cgi_queue_max, limits.cgi_kill_ms);
        of(self) == of(other)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            header_bytes_max: 16 << 10,
            header_fields_max: 100,
            target_bytes_max: 8 << 10,
            body_bytes_max: 1 << 20,
            unread_bytes_max: 1 << 20,
            linger: Linger::default(),
            header_ms_max: 10_000,
            tls_handshake_ms_max: 10_000,
            tls_handshake_bytes_max: 16 << 10,
            body_stall_ms_max: 10_000,
            idle_ms_max: 10_000,
            write_stall_ms_max: 10_000,
            write_buffer_bytes_max: 16 << 20,
            websocket_message_bytes_max: 1 << 20,
            websocket_queue_bytes_max: 4 << 20,
            websocket_ping_ms: 30_000,
            websocket_pong_ms_max: 10_000,
            websocket_close_ms_max: 10_000,
            websocket_compression: WebSocketCompression::Shared,
            request_ms_max: 30_000,
            scheduled_ms_max: 900_000,
            turn_cpu_ms_max: 1_000,
            stuck_ms_max: 3_000,
            stuck_turns_max: 3,
            refuse_ms: 60_000,
            stuck_threads_max: 32,
            start_ms_max: 30_000,
            heap_bytes_max: 128 << 20,
            stack_bytes_max: 256 << 10,
            pipelined_max: 16,
            http2_streams_max: 128,
            http2_resets_max: 500,
            http2_control_frames_max: 1_000,
            datagrams_max: 1_024,
            datagram_queue_bytes_max: 1 << 20,
            compress_bytes_min: 1 << 10,
            compress_memory_bytes_max: 32 << 20,
            mailbox_bytes_max: 64 << 20,
            event_queue_bytes_max: 1 << 20,
            subscriptions_max: 1_024,
            topics_max: 1_000_000,
            static_files_max: 1_024,
            static_bytes_max: 32 << 20,
            site_routes_max: 10_000,
            site_rules_max: 10_000,
            proxy_connect_ms_max: 5_000,
            proxy_head_ms_max: 60_000,
            proxy_stall_ms_max: 60_000,
            proxy_tunnel_ms_max: 600_000,
            proxy_connections_max: 256,
            cgi_scripts_max: None,
            cgi_queue_max: 1_024,
            cgi_head_ms_max: 30_000,
            cgi_run_ms_max: 30_000,
            cgi_stall_ms_max: 10_000,
            cgi_kill_ms: 2_000,
            cgi_header_bytes_max: 16 << 10,
            access_log_bytes_max: 1 << 20,
            connections_max: None,
            ring_entries: 1024,
            recv_buffer_bytes: 1 << 20,
            reload_contexts_max: 8,
            drain_ms_max: 10_000,
        }
    }
}
