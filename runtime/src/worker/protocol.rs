//! What a worker does with an accepted connection, and with a socket of datagrams, as traits: `handlers/` has the
//! protocols.
//!
//! Owns: [`Protocol`], [`DatagramProtocol`], and which of them calls which method of the app. Must not know: any
//! protocol.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use super::connection::Connection;
use super::state::Worker;
use crate::app::methods::{METHODS, Method};
use crate::board::AdminProtocol;
use crate::config::Scheme;
use crate::io::DatagramSocket;

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

/// What serves datagrams: all of a socket, which is no connection.
pub trait DatagramProtocol: Send + Sync {
    /// Serves a bound socket until the worker has drained, its close included.
    fn serve(&self, socket: DatagramSocket, worker: Rc<Worker>) -> Pin<Box<dyn Future<Output = ()>>>;
}

/// The protocols of a server: for connections each by the method of the app that it calls, the one for datagrams, the one
/// that sends clients to an HTTPS port, and those of web servers in front.
#[derive(Clone, Default)]
pub struct Protocols(
    [Option<Arc<dyn Protocol>>; METHODS],
    Option<Arc<dyn DatagramProtocol>>,
    Option<fn(u16) -> Arc<dyn Protocol>>,
    /// Those for FastCGI and SCGI.
    [Option<Arc<dyn Protocol>>; 2],
    Option<AdminProtocol>,
);

impl Protocols {
    /// With `protocol` for connections that `method` serves.
    pub fn with(mut self, method: Method, protocol: impl Protocol + 'static) -> Self {
        self.0[method as usize] = Some(Arc::new(protocol));
        self
    }

    /// With `protocol` for datagrams.
    pub fn with_datagrams(mut self, protocol: impl DatagramProtocol + 'static) -> Self {
        self.1 = Some(Arc::new(protocol));
        self
    }

    /// With what `protocol` gives for connections whose clients are sent to a port for HTTPS.
    pub fn with_https_redirect(mut self, protocol: fn(u16) -> Arc<dyn Protocol>) -> Self {
        self.2 = Some(protocol);
        self
    }

    /// With `fastcgi` and `scgi` for connections of web servers in front.
    pub fn with_gateways(mut self, fastcgi: impl Protocol + 'static, scgi: impl Protocol + 'static) -> Self {
        self.3 = [Some(Arc::new(fastcgi)), Some(Arc::new(scgi))];
        self
    }

    /// What is spoken on listeners of `scheme`, where `method` serves them.
    pub fn on(&self, scheme: Scheme, method: Method) -> Option<&Arc<dyn Protocol>> {
        match scheme {
            Scheme::FastCgi => self.3[0].as_ref(),
            Scheme::Scgi => self.3[1].as_ref(),
            _ => self.of(method),
        }
    }

    /// With what serves who operates the server.
    pub fn with_admin(mut self, protocol: AdminProtocol) -> Self {
        self.4 = Some(protocol);
        self
    }

    /// What serves who operates the server.
    pub fn admin(&self) -> Option<AdminProtocol> {
        self.4
    }

    /// The one that sends clients to `port`.
    pub fn https_redirect(&self, port: u16) -> Option<Arc<dyn Protocol>> {
        self.2.map(|protocol| protocol(port))
    }

    /// The one for datagrams.
    pub fn datagrams(&self) -> Option<&Arc<dyn DatagramProtocol>> {
        self.1.as_ref()
    }

    /// The one for connections that calls `method`.
    pub fn of(&self, method: Method) -> Option<&Arc<dyn Protocol>> {
        self.0[method as usize].as_ref()
    }
}
