//! TLS on both sides of a connection: whom to trust, what to offer, and what went wrong in words.
//!
//! Owns: the roots, read once a process, rustls's configuration, and its session over a stream. Must not
//! know: what is spoken over it.

mod authority;
mod challenges;
mod files;
mod info;
mod names;
mod provider;
mod server;
mod session;
mod stream;
mod tickets;
mod watched;
mod x509;

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, ClientConfig, RootCertStore};

pub use authority::{Authority, SelfSignedFiles};
pub use challenges::Challenges;
pub use files::certificates;
pub use info::TlsInfo;
pub use server::{ServerTls, TlsAcceptor, Unaccepted};
pub use stream::TlsStream;
pub use tickets::TicketSecrets;
pub(crate) use x509::renewal_identifier;
pub use x509::{CertificateFacts, SubjectName, date, fingerprint};

use crate::causes::BoxError;

/// Why TLS cannot be set up. It reads as a sentence without the cause, which is its `source`.
#[derive(Debug)]
pub struct Error {
    message: &'static str,
    source: Option<BoxError>,
}

impl Error {
    /// The cause, where there is one.
    pub(crate) fn into_source(self) -> Option<BoxError> {
        self.source
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

fn because(message: &'static str, source: impl Into<BoxError>) -> Error {
    Error { message, source: Some(source.into()) }
}

/// Whose signature makes a certificate good.
#[derive(Clone, Debug, Default)]
pub enum Roots {
    /// The system's roots, or those of SSL_CERT_FILE and SSL_CERT_DIR.
    #[default]
    System,
    /// These certificates and no others.
    These(Vec<CertificateDer<'static>>),
}

/// A client's configuration: TLS 1.2 and 1.3, offering `protocols` by ALPN.
///
/// # Errors
/// There are no roots, or none of those given is a certificate.
pub fn client_config(roots: &Roots, protocols: &[&[u8]]) -> Result<Arc<ClientConfig>, Error> {
    let store = match roots {
        Roots::System => system_roots()?,
        Roots::These(certificates) => {
            let mut store = RootCertStore::empty();
            for certificate in certificates {
                store
                    .add(certificate.clone())
                    .map_err(|error| because("a root certificate cannot be read", error))?;
            }
            Arc::new(store)
        }
    };
    let builder = ClientConfig::builder_with_provider(provider::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| because("TLS cannot be set up", error))?;
    let mut config = builder.with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Reads the system's roots with the first use: some milliseconds, once.
fn system_roots() -> Result<Arc<RootCertStore>, Error> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(roots.clone());
    }
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        let message = "there are no root certificates: install ca-certificates, or set SSL_CERT_FILE";
        return Err(match found.errors.into_iter().next() {
            Some(error) => because(message, error),
            None => Error { message, source: None },
        });
    }
    Ok(ROOTS.get_or_init(|| Arc::new(store)).clone())
}

/// What TLS refused, for a reader who has not seen its specification.
pub fn words(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(fault) = error else { return error.to_string() };
    let words = match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is not for this host"
        }
        CertificateError::UnknownIssuer => "the certificate's issuer is not trusted",
        CertificateError::Revoked => "the certificate was revoked",
        _ => return error.to_string(),
    };
    words.into()
}

/// The name that OpenSSL has for the fault of a certificate (verify(1)), or Node (its documentation,
/// "Error codes").
pub fn code(error: &rustls::Error) -> Option<&'static str> {
    let rustls::Error::InvalidCertificate(fault) = error else { return None };
    Some(match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "CERT_HAS_EXPIRED",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "CERT_NOT_YET_VALID",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "ERR_TLS_CERT_ALTNAME_INVALID"
        }
        CertificateError::UnknownIssuer => "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        CertificateError::Revoked => "CERT_REVOKED",
        _ => return None,
    })
}
