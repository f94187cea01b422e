//! Where a connection's two ends are, and what TLS between them agreed on.
//!
//! Owns: [`Ends`], one value for all requests of a connection. Must not know: who asks, how it was learnt.

use crate::address::Address;
use crate::tls::TlsInfo;

/// The two ends of an accepted connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The client's.
    pub peer: Address,
    /// Ours.
    pub local: Address,
    /// What TLS agreed on; `None` on a plain connection.
    pub tls: Option<TlsInfo>,
}
