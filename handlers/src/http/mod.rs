//! HTTP for listeners: what turns the bytes of a connection into requests for the app, and back.
//!
//! Owns: one request and its answer, whatever carries them ([`wire`]); HTTP/1.1 ([`h1`]); the answers of our
//! own. Must not know: the ring, JavaScript values; the app's engine only passes through to the call.

mod answer;
mod body;
mod dev;
mod exchange;
mod failure;
mod forwarded;
pub mod h1;
pub mod limit;
mod lists;
mod peer;
mod rejection;
mod status;
mod streamed;
mod timeouts;
mod wire;

use std::future::Future;
use std::pin::Pin;

use runtime::worker::{Connection, Protocol};

/// What a browser shows that was sent to the port with http:// in front; nothing more is said on that connection.
const SPEAKS_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 55\r\n\
    Connection: close\r\n\r\nThis port speaks HTTPS: the URL begins with https://.\r\n";

/// HTTP/1.1 for the app's `fetch`.
pub struct Http;

impl Protocol for Http {
    fn serve(&self, connection: Connection) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(h1::serve(connection))
    }

    fn tls_protocols(&self) -> &[&[u8]] {
        &[b"http/1.1"]
    }

    fn plain_text_answer(&self) -> &[u8] {
        SPEAKS_TLS
    }
}

#[cfg(test)]
mod in_memory;
