//! The certificates of a server's TLS listeners.
//!
//! Owns: that none is served without one; reading them at start. Must not know: handshakes.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};

/// The server's side of TLS; none where nobody listens for it.
///
/// # Errors
/// A listener speaks TLS and there is no certificate, or it cannot be read.
pub(super) fn read(config: &Config) -> Result<Option<Arc<ServerConfig>>> {
    let Some(listen) = config.listen.iter().find(|listen| listen.tls) else { return Ok(None) };
    let Some(files) = config.tls.first() else {
        return Err(Error::new(ErrorKind::Usage, format!("{} needs a certificate", listen.url())).remedy(
            "Name its files with --tls-cert and --tls-key; for development --tls-self-signed makes one.",
        ));
    };
    let failed = |what: &std::path::Path, error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Usage, format!("{}: {error}", what.display()))
            .remedy("Certificates and keys are files in PEM.")
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|error| failed(&files.certificate, &error))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| failed(&files.key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let made = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    made.map(|made| Some(Arc::new(made))).map_err(|error| failed(&files.certificate, &error))
}
