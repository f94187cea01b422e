//! When the authority wants a certificate renewed (ACME Renewal Information, RFC 9773): sooner, as a rule, than we would.
//!
//! Owns: how often it is asked, which moment of its window is ours. Must not know: how certificates are ordered.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant, SystemTime};

use instant_acme::CertificateIdentifier;

use super::store::OrderFolder;
use super::{LOOK, jitter, order};
use crate::causes::BoxError;
use crate::config::Acme;
use crate::tls::Roots;

/// From one question to the next, whatever the authority says (RFC 9773 section 4.3.2).
const BETWEEN: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(24 * 3600);

/// What an authority says of one certificate.
pub(super) struct Renewal {
    /// The moment at which it is to be renewed; it may be over.
    pub(super) due: SystemTime,
    /// How long that is good for.
    pub(super) look: Duration,
}

/// Asks the authority for the certificate that is kept.
///
/// # Errors
/// It does not answer, says nothing of renewals, or nonsense.
pub(super) fn ask(config: &Acme, store: &OrderFolder, roots: &Roots) -> Result<Renewal, BoxError> {
    let (Some(identifier), Some(_)) = (store.identifier(), store.account()) else {
        return Err("the certificate is not of an account of ours".into());
    };
    let asked = order::waiting(async {
        let account = order::account(config, store, roots).await?;
        Ok(account.renewal_info(&identifier).await?)
    });
    let (info, look) = asked?;
    let window = [info.suggested_window.start, info.suggested_window.end].map(SystemTime::from);
    Ok(Renewal { due: moment(window, jitter())?, look })
}

/// The moment that `chance`, from 0 to 1, has in a window.
///
/// # Errors
/// The window ends before it begins.
fn moment([start, end]: [SystemTime; 2], chance: f64) -> Result<SystemTime, BoxError> {
    match end.duration_since(start) {
        Ok(length) if !length.is_zero() => Ok(start + length.mul_f64(chance)),
        _ => Err("its window ends before it begins".into()),
    }
}

/// What was said last.
#[derive(Default)]
pub(super) struct Advice {
    /// Of which certificate.
    identifier: Option<CertificateIdentifier<'static>>,
    due: Option<SystemTime>,
    /// When it is asked for again.
    next: Option<Instant>,
}

impl Advice {
    /// How long until the certificate in `store` is to be renewed, which without advice is `own`, or until it is to
    /// be looked at again. None when it is to be renewed now.
    pub(super) fn left(
        &mut self,
        own: Duration,
        store: &OrderFolder,
        ask: impl FnOnce() -> Option<Renewal>,
    ) -> Option<Duration> {
        let now = Instant::now();
        if self.next.is_none_or(|next| now >= next) {
            let said = ask();
            let look = said.as_ref().map_or(LOOK, |said| said.look.clamp(*BETWEEN.start(), *BETWEEN.end()));
            self.identifier = store.identifier().filter(|_| said.is_some());
            (self.due, self.next) = (said.map(|said| said.due), Some(now + look));
        }
        let look = self.next.map_or(LOOK, |next| next.saturating_duration_since(now));
        let left = match self.due.filter(|_| self.identifier == store.identifier()) {
            // None where it is over.
            Some(due) => due.duration_since(SystemTime::now()).ok().filter(|left| !left.is_zero())?.min(own),
            None => own,
        };
        Some(left.min(look))
    }

    /// The certificate in `store`, where the authority has said something of it.
    pub(super) fn identifier(&self, store: &OrderFolder) -> Option<CertificateIdentifier<'static>> {
        self.identifier.clone().filter(|known| store.identifier().as_ref() == Some(known))
    }

    /// A new certificate is here: an authority that wants it renewed at once has to wait.
    pub(super) fn rest(&mut self) {
        *self = Advice { next: Some(Instant::now() + LOOK), ..Advice::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_in_its_window() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for (chance, expected) in [(0.0, 100), (0.5, 150), (1.0, 200)] {
            assert_eq!(moment([at(100), at(200)], chance).expect("a moment"), at(expected));
        }
        assert!(moment([at(200), at(100)], 0.5).is_err() && moment([at(5), at(5)], 0.5).is_err());
    }
}
