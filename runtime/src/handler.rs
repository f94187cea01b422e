//! What a worker does with an accepted connection, as a trait: `handlers/` has the protocols.
//!
//! Owns: [`Protocol`]. Must not know: any protocol.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::connection::Connection;

/// A protocol that connections speak. One value serves all workers; what a worker keeps for it is
/// thread-local.
pub trait Protocol: Send + Sync {
    /// Serves one connection to its end, its close included.
    fn serve(&self, connection: Connection) -> Pin<Box<dyn Future<Output = ()>>>;
}

/// The protocols of a server.
#[derive(Clone)]
pub struct Protocols {
    /// Speaks on `http://` listeners.
    pub http: Arc<dyn Protocol>,
    /// Speaks on `tcp://` listeners.
    pub tcp: Arc<dyn Protocol>,
}
