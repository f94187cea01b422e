//! The cryptography that both sides of TLS use.
//!
//! Owns: the choice of the library. Must not know: who uses it.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The library's suites, groups and kinds of keys.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
