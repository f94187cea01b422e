//! Certificates as files of a folder of their own, and a client that says what it met.
//!
//! Owns: the folder, authorities, a blocking client of rustls's. Must not know: the server.
#![allow(dead_code)] // each test binary uses its own part

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm, date_time_ymd,
};
use runtime::config::{CertificateFiles, ClientAuth};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, ProtocolVersion, RootCertStore,
    SignatureScheme, StreamOwned,
};

/// A folder that is gone with the test.
pub struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    pub fn new() -> Folder {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("jsserve-tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file at once, as careful programs do; its path.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let (path, draft) = (self.0.join(name), self.0.join(format!("{name}.draft")));
        std::fs::write(&draft, bytes).expect("write");
        std::fs::rename(draft, &path).expect("rename");
        path
    }
}

/// An authority that signs what the tests want.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub struct Pair {
    pub certificate: CertificateDer<'static>,
    pub pem: String,
    pub key: KeyPair,
}

impl Authority {
    pub fn new() -> Authority {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        let name = format!("authority of files {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    pub fn pem(&self) -> String {
        pem("CERTIFICATE", self.0.der())
    }

    pub fn pair(&self, names: &[&str]) -> Pair {
        self.pair_of(names, &PKCS_ECDSA_P256_SHA256, false)
    }

    pub fn ed25519(&self, names: &[&str]) -> Pair {
        self.pair_of(names, &PKCS_ED25519, false)
    }

    pub fn expired(&self, names: &[&str]) -> Pair {
        self.pair_of(names, &PKCS_ECDSA_P256_SHA256, true)
    }

    fn pair_of(&self, names: &[&str], kind: &'static SignatureAlgorithm, expired: bool) -> Pair {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, "who it is");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        if expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate_for(kind).expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Pair { certificate: certificate.der().clone(), pem: pem("CERTIFICATE", certificate.der()), key }
    }

    /// A client that trusts this authority only, and shows the certificate of `identity`.
    pub fn client(&self, identity: Option<&Pair>) -> ClientConfig {
        self.client_of(identity, rustls::DEFAULT_VERSIONS)
    }

    pub fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("an authority");
        Arc::new(roots)
    }

    /// A client that takes any certificate, and the OCSP response that came with it.
    pub fn trusting_client(&self) -> (ClientConfig, Arc<Mutex<Vec<u8>>>) {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let inner =
            WebPkiServerVerifier::builder_with_provider(self.roots(), provider).build().expect("roots");
        let (mut config, shown) = (self.client(None), Arc::new(Mutex::default()));
        config.dangerous().set_certificate_verifier(Arc::new(Trusting { inner, shown: shown.clone() }));
        (config, shown)
    }

    /// A client whose cryptography is that of `provider`.
    pub fn client_with(&self, provider: CryptoProvider) -> ClientConfig {
        ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(self.roots())
            .with_no_client_auth()
    }

    pub fn client_of(
        &self,
        identity: Option<&Pair>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(self.roots());
        match identity {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.key.serialize_der()));
                builder.with_client_auth_cert(vec![pair.certificate.clone()], key).expect("an identity")
            }
        }
    }
}

/// Trusts everybody, and keeps the OCSP response that it is shown.
#[derive(Debug)]
struct Trusting {
    inner: Arc<dyn ServerCertVerifier>,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.shown.lock().expect("alone") = ocsp.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

impl Pair {
    /// Writes the two files.
    pub fn files(&self, folder: &Folder, name: &str) -> CertificateFiles {
        CertificateFiles {
            certificate: folder.write(&format!("{name}.pem"), &self.pem),
            key: folder.write(&format!("{name}.key"), pem("PRIVATE KEY", &self.key.serialize_der())),
            ocsp: None,
            client_auth: ClientAuth::None,
            client_ca: None,
        }
    }
}

/// A section of a PEM file (RFC 7468).
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// What a client has met.
#[derive(Debug)]
pub struct Met {
    pub certificate: CertificateDer<'static>,
    pub kind: HandshakeKind,
    pub version: ProtocolVersion,
    pub alpn: Option<Vec<u8>>,
    /// What came back for what was sent.
    pub answer: Vec<u8>,
}

/// Opens TLS for `name`, sends a line, reads one. Errors are in words.
pub fn meet(addr: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Result<Met, String> {
    let socket = TcpStream::connect(addr).expect("connect");
    socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("timeout");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let session = ClientConnection::new(config.clone(), name).expect("a session");
    let mut stream = StreamOwned::new(session, socket);
    stream.write_all(b"hello\n").map_err(|error| error.to_string())?;
    let mut answer = vec![0; 6];
    stream.read_exact(&mut answer).map_err(|error| error.to_string())?;
    let session = &stream.conn;
    let met = Met {
        certificate: session.peer_certificates().expect("certificates")[0].clone(),
        kind: session.handshake_kind().expect("a handshake"),
        version: session.protocol_version().expect("a version"),
        alpn: session.alpn_protocol().map(<[u8]>::to_vec),
        answer,
    };
    stream.conn.send_close_notify();
    // The server may be gone first.
    let _ = stream.flush();
    Ok(met)
}

/// Forgets tickets: each handshake is a full one.
pub fn without_tickets(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.resumption = Resumption::disabled();
    Arc::new(config)
}
