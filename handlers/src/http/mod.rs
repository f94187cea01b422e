//! HTTP for listeners: what turns the bytes of a connection into requests for the app, and back.
//!
//! Owns: one request and its answer, whatever carries them ([`wire`]); HTTP/1.1 ([`h1`]); the answers of our
//! own. Must not know: the ring, JavaScript values; the app's engine only passes through to the call.

mod body;
mod dev;
mod exchange;
mod failure;
mod forwarded;
pub mod h1;
pub mod limit;
mod peer;
mod rejection;
mod status;
mod streamed;
mod timeouts;
mod wire;

use std::future::Future;
use std::pin::Pin;

use runtime::worker::{Connection, Protocol};

/// HTTP/1.1 for the app's `fetch`.
pub struct Http;

impl Protocol for Http {
    fn serve(&self, connection: Connection) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(h1::serve(connection))
    }
}

#[cfg(test)]
mod in_memory;
