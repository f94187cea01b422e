//! The challenges of an ACME server that are open, and the answers to them (RFC 8555 section 8), for all workers.
//!
//! Owns: the answer for a token, the certificate for a name (RFC 8737). Must not know: who asks, how a certificate
//! is ordered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::provider;
use crate::causes::BoxError;

/// What a server of ACME offers by ALPN, and nobody else.
const PROTOCOL: &[u8] = b"acme-tls/1";

/// The open challenges. Almost always there are none.
#[derive(Default)]
pub struct Challenges {
    is_any: AtomicBool,
    open: Mutex<Vec<Challenge>>,
}

struct Challenge {
    name: String,
    token: String,
    authorization: String,
    config: Arc<ServerConfig>,
}

impl Challenges {
    /// Answers from now on for the host `name`: `authorization` to who asks for `token` by HTTP, and a certificate with
    /// `digest`, that of the authorization, to who asks by TLS.
    ///
    /// # Errors
    /// There can be no certificate for that name.
    pub fn open(&self, name: &str, token: &str, authorization: &str, digest: &[u8]) -> Result<(), BoxError> {
        let config = config(name, digest)?;
        let (name, token, authorization) = (name.to_owned(), token.to_owned(), authorization.to_owned());
        self.lock().push(Challenge { name, token, authorization, config });
        self.is_any.store(true, Ordering::Release);
        Ok(())
    }

    /// Answers no more.
    pub fn close(&self) {
        self.is_any.store(false, Ordering::Release);
        self.lock().clear();
    }

    /// Whether one is open.
    pub fn is_any(&self) -> bool {
        self.is_any.load(Ordering::Acquire)
    }

    /// The answer to the request for `target` (RFC 8555 section 8.3).
    pub fn answer(&self, target: &[u8]) -> Option<String> {
        let token = target.strip_prefix(b"/.well-known/acme-challenge/")?;
        let open = self.lock();
        let found = open.iter().find(|challenge| challenge.token.as_bytes() == token);
        found.map(|challenge| challenge.authorization.clone())
    }

    /// Whether a client offers `protocols` that only an ACME server does.
    pub(super) fn is_asked<'a>(mut protocols: impl Iterator<Item = &'a [u8]>) -> bool {
        protocols.next() == Some(PROTOCOL) && protocols.next().is_none()
    }

    /// The configuration for who asks for `name` that way.
    pub(super) fn config(&self, name: &str) -> Option<Arc<ServerConfig>> {
        self.lock().iter().find(|challenge| challenge.name == name).map(|challenge| challenge.config.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Challenge>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A certificate for `name` that shows that we know the digest, and the protocol that goes with it.
fn config(name: &str, digest: &[u8]) -> Result<Arc<ServerConfig>, BoxError> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions.push(CustomExtension::new_acme_identifier(digest));
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = provider::provider();
    let key = provider.key_provider.load_private_key(key)?;
    let pair = CertifiedKey::new(vec![certificate.der().clone()], key);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(Arc::new(config))
}
