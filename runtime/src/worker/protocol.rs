//! What a worker does with an accepted connection, as a trait: `handlers/` has the protocols.
//!
//! Owns: [`Protocol`], and which of them calls which method of the app. Must not know: any protocol.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::connection::Connection;
use crate::app::methods::{METHODS, Method};

/// A protocol that connections speak. One value serves all workers; what a worker keeps for it is
/// thread-local.
pub trait Protocol: Send + Sync {
    /// Serves one connection to its end, its close included.
    fn serve(&self, connection: Connection) -> Pin<Box<dyn Future<Output = ()>>>;

    /// What it is called in ALPN (RFC 7301), where clients of TLS are to be offered it.
    fn tls_protocols(&self) -> &[&[u8]] {
        &[]
    }

    /// What a client is told that speaks plain text where TLS is spoken.
    fn plain_text_answer(&self) -> &[u8] {
        &[]
    }
}

/// The protocols of a server, each by the method of the app that it calls.
#[derive(Clone, Default)]
pub struct Protocols([Option<Arc<dyn Protocol>>; METHODS]);

impl Protocols {
    /// With `protocol` for connections that `method` serves.
    pub fn with(mut self, method: Method, protocol: impl Protocol + 'static) -> Self {
        self.0[method as usize] = Some(Arc::new(protocol));
        self
    }

    /// The one that calls `method`.
    pub fn of(&self, method: Method) -> Option<&Arc<dyn Protocol>> {
        self.0[method as usize].as_ref()
    }
}
