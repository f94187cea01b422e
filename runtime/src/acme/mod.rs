//! Certificates by ACME (RFC 8555): ordered in time, on a thread of its own, kept in files that TLS reads.
//!
//! Owns: when a certificate is ordered, what is said of failures. Must not know: workers, connections.

mod order;
mod renewal;
mod store;

use std::fs::TryLockError;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

pub use order::Way;

use crate::config::{Acme, CertificateFiles};
use crate::error::{Error, Result};
use crate::tls::{self, Challenges, Roots};
use renewal::{Advice, Renewal};
use store::OrderFolder;

/// The longest wait: clocks are set, and other processes write the files, too.
const LOOK: Duration = Duration::from_secs(3600);
/// The longest time from a failure to the next try, as LOOK has it for certificates.
const RETRY_MAX: Duration = Duration::from_secs(6 * 3600);
/// While another process is at it.
const BUSY: Duration = Duration::from_secs(5);

/// A certificate that is ordered.
pub struct Ordered {
    config: Acme,
    store: OrderFolder,
    roots: Roots,
    challenges: Arc<Challenges>,
}

/// The thread that orders; it ends once this is gone, and its order with the process.
pub struct Orders(#[expect(dead_code, reason = "its end is what the thread sees")] Sender<()>);

impl Ordered {
    /// Looks for the certificate of an earlier start; where there is none, writes one that stands for it.
    ///
    /// # Errors
    /// There is no folder for it, or the folder cannot be used; the authority's roots cannot be read.
    pub fn prepare(config: &Acme) -> Result<Ordered> {
        let roots = match &config.directory_ca {
            None => Roots::System,
            Some(path) => Roots::These(tls::certificates("acme-ca", path)?),
        };
        if let Some(account) = &config.external_account {
            order::external(account).map_err(|error| {
                let file = account.key.display();
                Error::of_flag("acme-eab-key", format!("{file}: {error}"))
                    .remedy("The authority hands it out with its identifier, --acme-eab-kid.")
            })?;
        }
        let store = OrderFolder::open(config)?;
        Ok(Ordered { config: config.clone(), store, roots, challenges: Arc::default() })
    }

    /// Where the certificate is.
    pub fn files(&self) -> CertificateFiles {
        CertificateFiles {
            certificate: self.store.certificate().to_owned(),
            key: self.store.certificate().to_owned(),
            ocsp: None,
            client_auth: self.config.client_auth,
            client_ca: self.config.client_ca.clone(),
        }
    }

    /// What listeners answer meanwhile.
    pub fn challenges(&self) -> Arc<Challenges> {
        self.challenges.clone()
    }

    /// Orders certificates from now on, which the listeners' ways lead to.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(self, ways: Vec<Way>) -> Result<Orders> {
        let (alive, ended) = bounded(0);
        std::thread::Builder::new()
            .name("acme".into())
            .spawn(move || self.run(&ways, &ended))
            .map_err(|error| Error::system("cannot start a thread", error))?;
        Ok(Orders(alive))
    }

    fn run(self, ways: &[Way], ended: &Receiver<()>) {
        let (mut failures, mut advice) = (0, Advice::default());
        loop {
            let left = self.store.left().and_then(|left| advice.left(left, &self.store, || self.ask()));
            let wait = match left {
                Some(left) => left.min(LOOK),
                None => self.attempt(ways, &mut failures, &mut advice),
            };
            if ended.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    /// When the authority wants the certificate renewed, and when to ask again; none where it does not say.
    fn ask(&self) -> Option<Renewal> {
        let names = self.config.names.join(", ");
        renewal::ask(&self.config, &self.store, &self.roots)
            .inspect_err(|error| {
                tracing::debug!("--acme {names}: no renewal information: {}", crate::causes::chain(&**error));
            })
            .ok()
    }

    /// Orders once; how long to wait then.
    fn attempt(&self, ways: &[Way], failures: &mut u32, advice: &mut Advice) -> Duration {
        let lock = match self.store.lock() {
            Ok(lock) => lock,
            Err(TryLockError::WouldBlock) => return BUSY,
            Err(TryLockError::Error(error)) => return self.failed(&error, failures),
        };
        let names = self.config.names.join(", ");
        tracing::info!("--acme {names}: a certificate is ordered from {}", self.config.directory);
        let way = ways[*failures as usize % ways.len()];
        // An authority that refuses this is not asked for it twice.
        let replaces = advice.identifier(&self.store).filter(|_| *failures == 0);
        let ordered = order::order(&self.config, &self.store, &self.roots, &self.challenges, way, replaces);
        self.challenges.close();
        drop(lock);
        match ordered {
            Ok(()) if self.store.left().is_none() => {
                self.failed(&"the new certificate has to be renewed at once", failures)
            }
            Ok(()) => {
                *failures = 0;
                advice.rest();
                tracing::info!("--acme {names}: the certificate is here");
                Duration::ZERO
            }
            Err(error) => self.failed(&crate::causes::chain(&*error), failures),
        }
    }

    fn failed(&self, why: &dyn std::fmt::Display, failures: &mut u32) -> Duration {
        let wait = back_off(Duration::from_millis(self.config.retry_ms), *failures, jitter());
        *failures = failures.saturating_add(1);
        let (names, seconds) = (self.config.names.join(", "), wait.as_secs_f32());
        tracing::error!("--acme {names}: no certificate: {why}\n  The next try is in {seconds:.1} s.");
        wait
    }
}

/// The wait after a failure that has `failures` before it: twice as long with each of them, up to hours; `jitter`,
/// from 0 to 1, has it up to a quarter longer or shorter, so that servers do not come all at once.
fn back_off(first: Duration, failures: u32, jitter: f64) -> Duration {
    let wait = first.saturating_mul(1 << failures.min(20)).min(RETRY_MAX.max(first));
    wait.mul_f64(0.75 + jitter / 2.0)
}

/// By chance, from 0 to 1.
fn jitter() -> f64 {
    let mut bytes = [0; 4];
    // Without random numbers there is no TLS either.
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_become_rare() {
        let second = Duration::from_secs(1);
        let waits = [0, 1, 2, 3].map(|failures| back_off(second, failures, 0.5).as_secs());
        assert_eq!(waits, [1, 2, 4, 8]);
        assert_eq!(back_off(second, u32::MAX, 0.5), RETRY_MAX);
        assert!(
            back_off(second, 0, 0.0) == second.mul_f64(0.75)
                && back_off(second, 0, 1.0) == second.mul_f64(1.25)
        );
        assert!((0.0..=1.0).contains(&jitter()));
    }
}
