//! HTTP for listeners: what turns the bytes of a connection into requests for the app, and back.
//!
//! Owns: one request and its answer, whatever carries them ([`wire`]); HTTP/1.1 ([`h1`]) and HTTP/2 ([`h2`]); the
//! answers of our own. Must not know: the ring, JavaScript values; the app's engine only passes through to the call.

mod access;
mod additions;
mod answer;
mod body;
mod cgi;
mod compress;
mod dev;
mod exchange;
mod failure;
mod files;
mod forwarded;
pub mod gateway;
pub mod h1;
mod h2;
pub mod limit;
mod lists;
mod live;
mod pages;
mod peer;
mod proxy;
mod redirect;
mod rejection;
mod request_id;
mod scheduled;
mod service;
mod site;
mod status;
mod streamed;
mod tally;
mod timeouts;
mod wire;

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use runtime::worker::{Connection, Protocol};

pub use self::compress::shortages;
use self::service::HttpService;
pub(crate) use self::status::reason_phrase;

/// What HTTP/2 is called in ALPN (RFC 9113 section 3.2).
const H2: &[u8] = b"h2";

/// What a browser shows that was sent to the port with http:// in front; nothing more is said on that connection.
const SPEAKS_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 55\r\n\
    Connection: close\r\n\r\nThis port speaks HTTPS: the URL begins with https://.\r\n";

/// HTTP for the app's `fetch`.
pub struct Http {
    /// Whether clients may speak HTTP/2.
    pub http2: bool,
}

impl Protocol for Http {
    fn serve(&self, connection: Connection) -> Pin<Box<dyn Future<Output = ()>>> {
        serve(connection, HttpService::App)
    }

    fn tls_protocols(&self) -> &[&[u8]] {
        if self.http2 { &[H2, b"http/1.1"] } else { &[b"http/1.1"] }
    }

    fn plain_text_answer(&self) -> &[u8] {
        SPEAKS_TLS
    }
}

/// HTTP/1.1 for clients that are to come over HTTPS, on this port.
struct RedirectToHttps(u16);

impl Protocol for RedirectToHttps {
    fn serve(&self, connection: Connection) -> Pin<Box<dyn Future<Output = ()>>> {
        serve(connection, HttpService::HttpsOn(self.0))
    }
}

/// What sends clients to HTTPS on `port`.
pub fn redirect_to_https(port: u16) -> Arc<dyn Protocol> {
    Arc::new(RedirectToHttps(port))
}

/// Serves a connection to its end, in the version that its client speaks.
fn serve(connection: Connection, service: HttpService) -> Pin<Box<dyn Future<Output = ()>>> {
    match connection.speaks(H2) {
        true => Box::pin(h2::serve(connection, Vec::new(), None, service)),
        false => Box::pin(async move {
            if let Some(switch) = h1::serve(connection, service).await {
                let upgraded = switch.request.as_deref().map(upgraded);
                // Boxed: who speaks HTTP/1.1 pays nothing for it.
                Box::pin(h2::serve(switch.connection, switch.received, upgraded, service)).await;
            }
        }),
    }
}

/// A request of HTTP/1.1 as the first of HTTP/2, without what was for the connection.
fn upgraded(head: &h1::RequestHead) -> h2::Upgraded {
    let mut path = Cow::from(head.path_and_query());
    if matches!(path.as_bytes(), [] | [b'?', ..]) {
        path.to_mut().insert(0, '/');
    }
    let mut upgraded = h2::Upgraded::new(head.method(), "http", head.authority(), &path);
    for (name, value) in head.fields() {
        let is_connections =
            ["connection", "host", "http2-settings", "keep-alive", "proxy-connection", "te", "upgrade"]
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        if !is_connections {
            upgraded.add(name, value);
        }
    }
    upgraded
}

#[cfg(test)]
mod in_memory;
