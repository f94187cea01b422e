//! A server's certificate from its files: the chain and the key in PEM, an OCSP response, whose clients are trusted.
//!
//! Owns: reading them, and what is said of files that are wrong, with what mends them. Must not know: when they are
//! read, which of several certificates a client gets.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};

use super::provider::provider;
use super::x509::CertificateFacts;
use crate::config::{CertificateFiles, ClientAuth};
use crate::error::{Error, Result};

/// A certificate that expires so soon is told of.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);

/// Whose certificates clients may show, and whether they must.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ClientTrust {
    pub(super) auth: ClientAuth,
    pub(super) authorities: Vec<CertificateDer<'static>>,
}

/// A server's certificate with its key.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    /// What the certificate says; `None` where it is not as RFC 5280 has them.
    pub(super) facts: Option<CertificateFacts>,
    pub(super) trust: ClientTrust,
}

impl Identity {
    /// Reads the files.
    ///
    /// # Errors
    /// One of them is not there, or is not what it should be; the key does not belong to the certificate.
    pub(super) fn read(files: &CertificateFiles) -> Result<Identity> {
        let chain = certificates("tls-cert", &files.certificate)?;
        let key = private_key(&files.key)?;
        let key = provider().key_provider.load_private_key(key).map_err(|error| {
            refuse("tls-key", &files.key, &format!("a key that cannot be used ({error})")).remedy(
                "Keys are ECDSA on P-256 or P-384, Ed25519, or RSA of 2048 to 8192 bits: openssl genpkey -algorithm EC \
                 -pkeyopt ec_paramgen_curve:P-256 -out key.pem",
            )
        })?;
        let mut key = CertifiedKey::new(chain, key);
        check_pair(&key, files)?;
        if let Some(path) = &files.ocsp {
            key.ocsp = Some(ocsp(path)?);
        }
        let facts = key.cert.first().and_then(|leaf| CertificateFacts::read(leaf));
        let authorities = match &files.client_ca {
            Some(path) => certificates("tls-client-ca", path)?,
            None => Vec::new(),
        };
        Ok(Identity {
            key: Arc::new(key),
            facts,
            trust: ClientTrust { auth: files.client_auth, authorities },
        })
    }

    /// What the log should say of its age.
    pub(super) fn warning(&self, now: SystemTime) -> Option<&'static str> {
        let facts = self.facts.as_ref()?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        match facts {
            _ if facts.not_after < now => Some("it has expired: clients refuse it"),
            _ if facts.not_before > now => Some("it is not valid yet: clients refuse it"),
            _ if facts.not_after < now + SOON.as_secs() => Some("it expires within a week"),
            _ => None,
        }
    }
}

impl ClientTrust {
    /// What tells it from others.
    pub(super) fn context(&self) -> Vec<u8> {
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        digest.update(format!("{:?}", self.auth).as_bytes());
        for authority in &self.authorities {
            digest.update(&(authority.len() as u64).to_be_bytes());
            digest.update(authority);
        }
        digest.finish().as_ref().to_vec()
    }

    /// What looks at clients' certificates.
    ///
    /// # Errors
    /// An authority's certificate is none that could sign.
    pub(super) fn verifier(&self) -> std::result::Result<Arc<dyn ClientCertVerifier>, String> {
        if self.auth == ClientAuth::None {
            return Ok(WebPkiClientVerifier::no_client_auth());
        }
        let mut roots = RootCertStore::empty();
        for authority in &self.authorities {
            roots.add(authority.clone()).map_err(|error| error.to_string())?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let builder = match self.auth {
            ClientAuth::Request => builder.allow_unauthenticated(),
            _ => builder,
        };
        builder.build().map_err(|error| error.to_string())
    }
}

/// The error of a file.
pub(super) fn refuse(flag: &str, path: &Path, what: &str) -> Error {
    Error::of_flag(flag, format!("{}: {what}", path.display()))
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::NotFound => "Name a file that is there.".to_owned(),
            _ => format!("Look at its permissions: ls -l {}", path.display()),
        };
        refuse(flag, path, &format!("it cannot be read ({error})")).remedy(remedy)
    })
}

/// The certificates of a file in PEM, which `flag` names.
///
/// # Errors
/// It cannot be read, or there are none in it.
pub fn certificates(flag: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let text = read(flag, path)?;
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) if has(&text, "PRIVATE KEY-----") => {
            Err(refuse(flag, path, "a key, and no certificate")
                .remedy("Are --tls-cert and --tls-key swapped?"))
        }
        Ok(_) if text.first() == Some(&0x30) => {
            let name = path.display();
            Err(refuse(flag, path, "it is in DER, not in PEM")
                .remedy(format!("openssl x509 -inform DER -in {name} -out {name}.pem")))
        }
        Ok(_) => Err(refuse(flag, path, "no certificate in it").remedy(PEM)),
        Err(error) => Err(refuse(flag, path, &format!("no PEM: {error}")).remedy(PEM)),
    }
}

const PEM: &str =
    "Certificates are in PEM: -----BEGIN CERTIFICATE-----, the server's own first, then those that sign it.";

/// The first key of a file.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let flag = "tls-key";
    let text = read(flag, path)?;
    let name = path.display();
    if has(&text, "ENCRYPTED PRIVATE KEY-----") || has(&text, "Proc-Type: 4,ENCRYPTED") {
        return Err(refuse(flag, path, "the key is encrypted").remedy(format!(
            "jsserve asks for no password: openssl pkey -in {name} -out plain.pem, readable by its user alone."
        )));
    }
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(_) if has(&text, "-----BEGIN CERTIFICATE-----") => {
            Err(refuse(flag, path, "a certificate, and no key")
                .remedy("Are --tls-cert and --tls-key swapped?"))
        }
        Err(_) if text.first() == Some(&0x30) => Err(refuse(flag, path, "it is in DER, not in PEM")
            .remedy(format!("openssl pkey -inform DER -in {name} -out {name}.pem"))),
        Err(rustls::pki_types::pem::Error::NoItemsFound) => {
            Err(refuse(flag, path, "no key in it").remedy("Keys are in PEM: -----BEGIN PRIVATE KEY-----."))
        }
        Err(error) => Err(refuse(flag, path, &format!("no PEM: {error}"))
            .remedy("Keys are in PEM: -----BEGIN PRIVATE KEY-----.")),
    }
}

/// That the key is the certificate's.
fn check_pair(key: &CertifiedKey, files: &CertificateFiles) -> Result<()> {
    let error = match key.keys_match() {
        // Some kinds of keys do not tell.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => return Ok(()),
        Err(error) => error,
    };
    if !matches!(error, rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) {
        return Err(
            refuse("tls-cert", &files.certificate, &format!("a broken certificate ({error})")).remedy(PEM)
        );
    }
    let of_another = key.cert.iter().skip(1).any(|certificate| {
        CertifiedKey::new(vec![certificate.clone()], key.key.clone()).keys_match().is_ok()
    });
    let (cert, key) = (files.certificate.display(), files.key.display());
    let what = format!("the key in {key} does not belong to the certificate");
    Err(refuse("tls-cert", &files.certificate, &what).remedy(match of_another {
        true => "It belongs to one further down in the file: the server's own certificate stands first.".to_owned(),
        false => format!(
            "These two print the same for a pair: openssl x509 -in {cert} -noout -pubkey; openssl pkey -in {key} -pubout"
        ),
    }))
}

/// An OCSP response (RFC 6960) as it is sent with the certificate.
fn ocsp(path: &Path) -> Result<Vec<u8>> {
    let bytes = read("tls-ocsp", path)?;
    if bytes.first() != Some(&0x30) {
        return Err(refuse("tls-ocsp", path, "no OCSP response in DER").remedy(
            "Fetch it with: openssl ocsp -issuer ca.pem -cert cert.pem -url URL -respout response.der",
        ));
    }
    Ok(bytes)
}

fn has(text: &[u8], part: &str) -> bool {
    memchr::memmem::find(text, part.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("jsserve-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).expect("a folder");
            Folder(path)
        }

        fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, bytes).expect("write");
            path
        }
    }

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    fn pair(years: (i32, i32)) -> (String, String) {
        let mut params = CertificateParams::new(vec!["a.test".into()]).expect("names");
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        (pem("CERTIFICATE", certificate.der()), pem("PRIVATE KEY", &key.serialize_der()))
    }

    fn files(certificate: PathBuf, key: PathBuf) -> CertificateFiles {
        CertificateFiles { certificate, key, ocsp: None, client_auth: ClientAuth::None, client_ca: None }
    }

    #[test]
    fn a_mistake_has_the_file_the_reason_and_a_way_out() {
        let folder = Folder::new("tls-mistakes");
        let (good, key) = pair((2001, 2049));
        let (other, other_key) = pair((2001, 2049));
        let (cert, key_file) = (folder.write("a.pem", &good), folder.write("a.key", &key));
        let der = STANDARD.decode(good.lines().nth(1).expect("a line")).expect("base64");
        let encrypted = pem("ENCRYPTED PRIVATE KEY", b"x");
        let certs: [(&str, &[u8], &str, &str); 6] = [
            ("none", b"", "no certificate in it", "Certificates are in PEM"),
            ("key", key.as_bytes(), "a key, and no certificate", "swapped?"),
            ("der", &der, "it is in DER, not in PEM", "openssl x509 -inform DER"),
            ("cut", &good.as_bytes()[..60], "no PEM", "Certificates are in PEM"),
            ("other", other.as_bytes(), "does not belong to the certificate", "-pubkey"),
            ("order", &[&other, &good[..]].concat().into_bytes(), "does not belong", "stands first"),
        ];
        for (name, text, what, remedy) in certs {
            let path = folder.write(name, text);
            let error = Identity::read(&files(path.clone(), key_file.clone())).expect_err(name).to_string();
            assert!(error.starts_with(&format!("--tls-cert {}: ", path.display())), "{error}");
            let (said, way) = error.split_once("\n  ").expect("a remedy");
            assert!(said.contains(what) && way.contains(remedy), "{name}: {error}");
        }
        let keys: [(&str, &[u8], &str, &str); 5] = [
            ("k-none", b"", "no key in it", "Keys are in PEM"),
            ("k-cert", good.as_bytes(), "a certificate, and no key", "swapped?"),
            ("k-encrypted", encrypted.as_bytes(), "the key is encrypted", "openssl pkey -in"),
            ("k-der", &der, "it is in DER, not in PEM", "openssl pkey -inform DER"),
            ("k-odd", &pem("PRIVATE KEY", b"x").into_bytes(), "a key that cannot be used", "openssl genpkey"),
        ];
        for (name, text, what, remedy) in keys {
            let path = folder.write(name, text);
            let error = Identity::read(&files(cert.clone(), path.clone())).expect_err(name).to_string();
            assert!(error.starts_with(&format!("--tls-key {}: ", path.display())), "{error}");
            let (said, way) = error.split_once("\n  ").expect("a remedy");
            assert!(said.contains(what) && way.contains(remedy), "{name}: {error}");
        }
        let error =
            Identity::read(&files(folder.0.join("gone"), key_file.clone())).expect_err("gone").to_string();
        assert!(
            error.contains("it cannot be read") && error.ends_with("Name a file that is there."),
            "{error}"
        );
        let no_ocsp = CertificateFiles { ocsp: Some(cert.clone()), ..files(cert.clone(), key_file.clone()) };
        let error = Identity::read(&no_ocsp).expect_err("no response").to_string();
        assert!(error.starts_with("--tls-ocsp ") && error.contains("-respout"), "{error}");
        // Both in one file; and the pair as it should be.
        let both = folder.write("both", format!("{good}{key}"));
        Identity::read(&files(both.clone(), both)).expect("an identity");
        Identity::read(&files(folder.write("b.pem", other), folder.write("b.key", other_key)))
            .expect("an identity");
    }

    #[test]
    fn the_age_of_a_certificate_is_told() {
        let folder = Folder::new("tls-age");
        let at = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(days * 24 * 3600);
        let (cert, key) = pair((2001, 2002));
        let identity =
            Identity::read(&files(folder.write("a", cert), folder.write("b", key))).expect("an identity");
        // 2000-06-01, 2001-06-01, 2001-12-28, 2003-01-01.
        let told: Vec<_> = [11_109, 11_474, 11_684, 12_053].map(|days| identity.warning(at(days))).into();
        let expected = [
            Some("it is not valid yet: clients refuse it"),
            None,
            Some("it expires within a week"),
            Some("it has expired: clients refuse it"),
        ];
        assert_eq!(told, expected);
    }
}
