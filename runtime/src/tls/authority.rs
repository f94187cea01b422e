//! Certificates for development: an authority of this user's own, and what it signs for a server.
//!
//! Owns: their files, when they are made anew, what to say of them. Must not know: who serves with them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use super::x509::{CertificateFacts, SubjectName};
use crate::config::{CertificateFiles, SelfSigned};
use crate::error::{Error, Result};
use crate::folders;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long an authority's certificate is good.
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(5 * 365);
/// One that ends so soon is replaced.
const AUTHORITY_LEFT: Duration = DAY.saturating_mul(90);
/// How long a server's certificate is good: it is made anew often, so that who has it cannot use it for long.
const SERVER_LIFE: Duration = DAY.saturating_mul(30);
const SERVER_LEFT: Duration = DAY.saturating_mul(10);
/// Clocks differ.
const EARLIER: Duration = Duration::from_secs(3600);
/// How often a running server looks at the age of its certificate.
const LOOK: Duration = Duration::from_secs(3600);

/// An authority that exists for this user's own browsers and programs.
pub struct Authority {
    /// Its certificate, to be trusted.
    pub certificate: PathBuf,
    folder: PathBuf,
    key: KeyPair,
    subject: String,
    not_after: SystemTime,
}

/// A server's certificate for development.
pub struct SelfSignedFiles {
    /// Where it is, and what clients are asked for.
    pub files: CertificateFiles,
    /// What the user should read.
    pub how_to_trust: String,
    names: Vec<String>,
    looked: SystemTime,
}

impl SelfSignedFiles {
    /// Those for `wanted`, from an earlier start while they are good.
    ///
    /// # Errors
    /// The folder of the authority cannot be used.
    pub fn prepare(wanted: &SelfSigned) -> Result<SelfSignedFiles> {
        let authority = Authority::open()?;
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        for name in &wanted.names {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let path = authority.server_certificate(&names)?;
        let how_to_trust = authority.how_to_trust();
        let files = CertificateFiles {
            certificate: path.clone(),
            key: path,
            ocsp: None,
            client_auth: wanted.client_auth,
            client_ca: wanted.client_ca.clone(),
        };
        Ok(SelfSignedFiles { files, how_to_trust, names, looked: SystemTime::now() })
    }

    /// Writes a new certificate in time; to be called now and then.
    pub fn look(&mut self) {
        let now = SystemTime::now();
        if now.duration_since(self.looked).is_ok_and(|past| past < LOOK) {
            return;
        }
        self.looked = now;
        if let Err(error) = Authority::open().and_then(|it| it.server_certificate(&self.names)) {
            tracing::error!("{error}");
        }
    }
}

impl Authority {
    /// This user's, which is made with the first use, and anew before it ends.
    ///
    /// # Errors
    /// There is no folder for it, or the folder cannot be used.
    pub fn open() -> Result<Authority> {
        let Some(folder) = folders::cache().map(|cache| cache.join("ca")) else {
            let text = "there is no folder for the certificate authority: HOME is not set";
            return Err(Error::of_flag("tls-self-signed", text)
                .remedy("Set HOME or XDG_CACHE_HOME to an absolute path."));
        };
        folders::make_private(&folder).map_err(|error| cannot(&folder, "be used", &error))?;
        // Of processes that start at the same time one makes the authority. The lock ends with the file.
        let lock = File::create(folder.join("lock")).map_err(|error| cannot(&folder, "be used", &error))?;
        lock.lock().map_err(|error| cannot(&folder, "be locked", &error))?;
        match Authority::stored(&folder) {
            Some(found) if left(found.not_after) > AUTHORITY_LEFT => Ok(found),
            before => {
                let made = Authority::make(&folder)?;
                if before.is_some() {
                    tracing::warn!(
                        "a new certificate authority for development, which is to be trusted anew"
                    );
                }
                Ok(made)
            }
        }
    }

    /// The one that is there, if its files belong together.
    fn stored(folder: &Path) -> Option<Authority> {
        let certificate = folder.join("ca.pem");
        let key = KeyPair::from_pem(&std::fs::read_to_string(folder.join("ca.key")).ok()?).ok()?;
        let facts = CertificateFacts::read(&CertificateDer::from_pem_file(&certificate).ok()?)?;
        let subject = subject_of(&key);
        let not_after = SystemTime::UNIX_EPOCH + Duration::from_secs(facts.not_after);
        let is_its = facts.subject.iter().any(|(_, value)| *value == subject);
        is_its.then(|| Authority { certificate, folder: folder.to_owned(), key, subject, not_after })
    }

    fn make(folder: &Path) -> Result<Authority> {
        let key = KeyPair::generate().map_err(internal)?;
        let subject = subject_of(&key);
        let mut params = authority_params(&subject);
        let not_after = limit(&mut params, AUTHORITY_LIFE);
        let certificate = params.self_signed(&key).map_err(internal)?;
        write(&folder.join("ca.key"), 0o600, &key.serialize_pem())?;
        let path = folder.join("ca.pem");
        write(&path, 0o644, &certificate.pem())?;
        Ok(Authority { certificate: path, folder: folder.to_owned(), key, subject, not_after })
    }

    /// The file of a certificate for `names`, and its key: the one that is there, unless it ends soon.
    fn server_certificate(&self, names: &[String]) -> Result<PathBuf> {
        let digest = Sha256::digest(names.join(" "));
        let path = self.folder.join(format!("server-{}.pem", hex(&digest[..8])));
        if self.is_good(&path, names) {
            return Ok(path);
        }
        let mut params = CertificateParams::new(names).map_err(internal)?;
        params.distinguished_name = named("jsserve for development");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        limit(&mut params, SERVER_LIFE);
        let issuer = authority_params(&self.subject);
        let key = KeyPair::generate().map_err(internal)?;
        let certificate =
            params.signed_by(&key, &Issuer::from_params(&issuer, &self.key)).map_err(internal)?;
        write(&path, 0o600, &(certificate.pem() + &key.serialize_pem()))?;
        Ok(path)
    }

    /// Whether this authority has signed what is in the file, for these names, and for a while yet.
    fn is_good(&self, path: &Path, names: &[String]) -> bool {
        let read = CertificateDer::from_pem_file(path).ok();
        let Some(facts) = read.and_then(|certificate| CertificateFacts::read(&certificate)) else {
            return false;
        };
        let wanted = names.iter().map(|name| match name.parse() {
            Ok(address) => SubjectName::Ip(address),
            Err(_) => SubjectName::Dns(name.clone()),
        });
        let left = left(SystemTime::UNIX_EPOCH + Duration::from_secs(facts.not_after));
        PrivateKeyDer::from_pem_file(path).is_ok()
            && facts.issuer.iter().any(|(_, value)| *value == self.subject)
            && facts.names.iter().eq(wanted.collect::<Vec<_>>().iter())
            && left > SERVER_LEFT
    }

    /// Where its certificate is, and the commands by which programs trust it.
    pub fn how_to_trust(&self) -> String {
        let file = self.certificate.display();
        format!(
            "the certificate is for development: who is to trust it trusts the authority in {file}\n  \
             curl: --cacert {file}\n  \
             the system: sudo cp {file} /usr/local/share/ca-certificates/jsserve.crt && sudo update-ca-certificates\n  \
             Chromium: certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n jsserve -i {file} (Firefox: -d sql: and its profile's folder)"
        )
    }
}

/// What an authority with this key is called: no two have the same name, or clients would try one for the other.
fn subject_of(key: &KeyPair) -> String {
    format!("jsserve development CA {}", hex(&Sha256::digest(key.public_key_raw())[..4]))
}

fn authority_params(subject: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(subject);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut all = DistinguishedName::new();
    all.push(DnType::CommonName, name);
    all
}

/// Has a certificate be good from now on for `life`; returns its end.
fn limit(params: &mut CertificateParams, life: Duration) -> SystemTime {
    let now = SystemTime::now();
    let at = |time: SystemTime| {
        date_time_ymd(1970, 1, 1) + time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    };
    (params.not_before, params.not_after) = (at(now - EARLIER), at(now + life));
    now + life
}

/// The time until `end`.
fn left(end: SystemTime) -> Duration {
    end.duration_since(SystemTime::now()).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(path: &Path, mode: u32, text: &str) -> Result<()> {
    folders::replace(path, mode, text.as_bytes()).map_err(|error| cannot(path, "be written", &error))
}

fn cannot(path: &Path, what: &str, error: &std::io::Error) -> Error {
    Error::of_flag("tls-self-signed", format!("{} cannot {what} ({error})", path.display())).remedy(
        "Certificates for development are kept there, for this user alone; XDG_CACHE_HOME names another place.",
    )
}

fn internal(error: rcgen::Error) -> Error {
    Error::new(crate::error::ErrorKind::Internal, format!("no certificate can be made: {error}"))
}
