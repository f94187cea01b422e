//! The cryptography that both sides of TLS use.
//!
//! Owns: the choice of the library. Must not know: who uses it.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::ProducesTickets;

/// The library's suites, groups and kinds of keys.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// What encrypts session tickets: with a key of this process, a new one every six hours; tickets of the key before stay
/// good as long.
///
/// # Errors
/// The system has no random numbers.
pub(super) fn ticketer() -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    rustls::crypto::ring::Ticketer::new()
}
