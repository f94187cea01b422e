//! HTTP for listeners: what turns the bytes of a connection into requests for the app, and back.
//!
//! Owns: the HTTP/1.1 codec ([`h1`]), the life of an HTTP connection, the answers of our own. Must
//! not know: the ring, JavaScript values; the app's engine only passes through to the call.

mod body;
mod clock;
mod dev;
mod exchange;
mod failure;
pub mod h1;
pub mod limit;
mod reply;
mod session;
mod streamed;

use std::future::Future;
use std::pin::Pin;

use runtime::connection::Connection;
use runtime::handler::Protocol;

/// HTTP/1.1 for the app's `fetch`.
pub struct Http;

impl Protocol for Http {
    fn serve(&self, connection: Connection) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(session::serve(connection))
    }
}
