//! What a stream of HTTP/2 has of its connection.
//!
//! Owns: who asks, by the connection or by trusted proxies; limits that a stream needs. Must not know: frames.

use std::rc::Rc;

use runtime::app::fetch::Head;
use runtime::config::Linger;
use runtime::worker::{Connection, Ends};

use super::super::forwarded::ForwardedRequest;
use super::super::h1::is_authority;
use super::head::RequestHead;

/// What a stream has of its connection.
pub struct StreamOrigin {
    /// Who speaks, and with whom.
    pub ends: Rc<Ends>,
    /// RFC 9110 section 4.2.
    pub scheme: &'static str,
    /// The request as its client made it, where trusted proxies say so.
    pub forwarded: Option<Box<ForwardedRequest>>,
    /// The connection is for another host.
    pub is_misdirected: bool,
    /// How long its client may take nothing.
    pub write_stall_ms: u64,
    /// What is dropped behind an answer.
    pub linger: Linger,
}

impl StreamOrigin {
    /// Of a stream that begins with `head`.
    pub fn of(connection: &Connection, head: &Rc<RequestHead>) -> StreamOrigin {
        let (ends, is_tls) = (connection.ends().clone(), connection.tls().is_some());
        let scheme = if is_tls { "https" } else { "http" };
        let config = &connection.worker().config;
        let forwarded = match config.trusted_proxies.is_empty() {
            true => None,
            false => {
                let request = (head.clone() as Rc<dyn Head>, scheme, &ends);
                ForwardedRequest::of(config, request, is_authority).map(Box::new)
            }
        };
        // A trusted proxy may name itself to TLS as it likes.
        let is_misdirected = forwarded.is_none() && is_tls && connection.is_misdirected(head.authority());
        let limits = &config.limits;
        let linger = Linger { bytes_max: limits.unread_bytes_max, ..limits.linger };
        let write_stall_ms = limits.write_stall_ms_max;
        StreamOrigin { ends, scheme, forwarded, is_misdirected, write_stall_ms, linger }
    }
}
