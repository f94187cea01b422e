//! What is kept of ACME from start to start: the account, the certificate with its key.
//!
//! Owns: the folder and its files, how long the certificate is good. Must not know: how it is ordered.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use instant_acme::{AccountCredentials, CertificateIdentifier};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, Der, PrivateKeyDer};
use sha2::{Digest, Sha256};

use crate::causes::BoxError;
use crate::config::Acme;
use crate::error::{Error, ErrorKind, Result};
use crate::folders;
use crate::tls::{self, CertificateFacts};

/// How long the certificate that stands for one is good.
const PLACEHOLDER_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);

/// The folder of one authority.
pub(super) struct OrderFolder {
    folder: PathBuf,
    certificate: PathBuf,
}

impl OrderFolder {
    /// That of the authority which `config` names; a certificate is in it from now on, be it one that stands for the
    /// other.
    ///
    /// # Errors
    /// There is no folder, or it cannot be used.
    pub(super) fn open(config: &Acme) -> Result<OrderFolder> {
        let Some(state) = folders::state() else {
            let text = "there is no folder for certificates: HOME is not set";
            return Err(
                Error::of_flag("acme", text).remedy("Set HOME or XDG_STATE_HOME to an absolute path.")
            );
        };
        let folder = state.join("acme").join(digest(&config.directory));
        let names = config.names.join(" ");
        let certificate = folder.join(format!("{}-{}.pem", config.names[0], digest(&names)));
        let store = OrderFolder { folder, certificate };
        folders::make_private(&store.folder).map_err(|error| cannot(&store.folder, &error))?;
        if store.facts().is_none() {
            let text = placeholder(&config.names).map_err(|error| {
                Error::new(ErrorKind::Internal, format!("no certificate can be made: {error}"))
            })?;
            folders::replace(&store.certificate, 0o600, text.as_bytes())
                .map_err(|error| cannot(&store.certificate, &error))?;
        }
        Ok(store)
    }

    /// The file of the certificate and its key.
    pub(super) fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// The time until the certificate is to be renewed: when two thirds of its life are over. None when that is now.
    pub(super) fn left(&self) -> Option<Duration> {
        let facts = self.facts().filter(|facts| facts.issuer != facts.subject)?;
        let life = facts.not_after.checked_sub(facts.not_before)?;
        let due = SystemTime::UNIX_EPOCH + Duration::from_secs(facts.not_before + life / 3 * 2);
        due.duration_since(SystemTime::now()).ok().filter(|left| !left.is_zero())
    }

    /// What the certificate says, if it and its key can be read.
    fn facts(&self) -> Option<CertificateFacts> {
        let text = fs::read(&self.certificate).ok()?;
        PrivateKeyDer::from_pem_slice(&text).ok()?;
        CertificateFacts::read(&CertificateDer::from_pem_slice(&text).ok()?)
    }

    /// What the authority knows the certificate by; none for the one that stands for it.
    pub(super) fn identifier(&self) -> Option<CertificateIdentifier<'static>> {
        let text = fs::read(&self.certificate).ok()?;
        let (key, number) = tls::renewal_identifier(&CertificateDer::from_pem_slice(&text).ok()?)?;
        Some(CertificateIdentifier::new(Der::from(key), Der::from(number)).into_owned())
    }

    /// Keeps a new certificate, with the chain behind it.
    pub(super) fn keep(&self, chain: &str, key: &str) -> std::result::Result<(), BoxError> {
        let leaf = CertificateDer::from_pem_slice(chain.as_bytes()).ok();
        if leaf.and_then(|leaf| CertificateFacts::read(&leaf)).is_none() {
            return Err("what came is no certificate".into());
        }
        Ok(folders::replace(&self.certificate, 0o600, format!("{}\n{key}", chain.trim_end()).as_bytes())?)
    }

    /// The account of an earlier start.
    pub(super) fn account(&self) -> Option<AccountCredentials> {
        serde_json::from_slice(&fs::read(self.account_file()).ok()?).ok()
    }

    pub(super) fn keep_account(&self, account: &AccountCredentials) -> std::result::Result<(), BoxError> {
        Ok(folders::replace(&self.account_file(), 0o600, &serde_json::to_vec(account)?)?)
    }

    /// The authority does not know it any more.
    pub(super) fn forget_account(&self) {
        // Without it a new one is made, and with it the next try fails as this one.
        let _ = fs::remove_file(self.account_file());
    }

    fn account_file(&self) -> PathBuf {
        self.folder.join("account.json")
    }

    /// Keeps other processes from ordering, until the file is closed.
    pub(super) fn lock(&self) -> std::result::Result<File, TryLockError> {
        let file = File::create(self.folder.join("lock")).map_err(TryLockError::Error)?;
        file.try_lock().map(|()| file)
    }
}

/// A certificate that nobody trusts, and its key: handshakes have one to show before the first is ordered.
fn placeholder(names: &[String]) -> std::result::Result<String, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "jsserve has no certificate yet");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    params.not_before = date_time_ymd(1970, 1, 1) + now;
    params.not_after = params.not_before + PLACEHOLDER_LIFE;
    let key = KeyPair::generate()?;
    Ok(params.self_signed(&key)?.pem() + &key.serialize_pem())
}

fn digest(text: &str) -> String {
    Sha256::digest(text)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn cannot(path: &Path, error: &std::io::Error) -> Error {
    Error::of_flag("acme", format!("{} cannot be used ({error})", path.display())).remedy(
        "Account and certificates are kept there, for this user alone; STATE_DIRECTORY or XDG_STATE_HOME name another place.",
    )
}
