//! Session tickets: what encrypts them, and who else may have that.
//!
//! Owns: the secrets of a server, their age, the form of a ticket: an identifier, a nonce, AES-256-GCM. Must not know: what
//! is in a ticket, to whom the secrets are handed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::server::ProducesTickets;

/// A secret encrypts for so long, and decrypts for as long again, in seconds.
const LIFE_S: u64 = 6 * 3600;
const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 8;

/// A secret, and when it was made, in seconds of Unix time.
#[derive(Clone)]
struct Secret {
    made: u64,
    bytes: [u8; SECRET_BYTES],
}

/// The secrets of a server: one that encrypts, and the one before. Its listeners have them in common, and so does the
/// process that takes its place.
pub struct TicketSecrets(Mutex<Vec<Secret>>);

impl Secret {
    /// `None`: the system has no random numbers.
    fn new(made: u64) -> Option<Secret> {
        let mut bytes = [0; SECRET_BYTES];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Secret { made, bytes })
    }

    /// The key for `context`, and how its tickets begin.
    fn key(&self, context: &[u8]) -> Option<(LessSafeKey, [u8; ID_BYTES])> {
        let (mut key, mut id) = ([0; SECRET_BYTES], [0; ID_BYTES]);
        let derived = Salt::new(HKDF_SHA256, b"jsserve tickets").extract(&self.bytes);
        derived.expand(&[b"key", context], HKDF_SHA256).ok()?.fill(&mut key).ok()?;
        let mut long = [0; SECRET_BYTES];
        derived.expand(&[b"id", context], HKDF_SHA256).ok()?.fill(&mut long).ok()?;
        id.copy_from_slice(&long[..ID_BYTES]);
        Some((LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).ok()?), id))
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl TicketSecrets {
    /// Fresh ones.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn new() -> Result<Arc<TicketSecrets>, rustls::Error> {
        let secret = Secret::new(now()).ok_or(rustls::Error::FailedToGetRandomBytes)?;
        Ok(Arc::new(TicketSecrets(Mutex::new(vec![secret]))))
    }

    /// Those that another server has [exported](Self::export); `None`: they are none.
    pub fn import(bytes: &[u8]) -> Option<Arc<TicketSecrets>> {
        let (all, rest) = bytes.as_chunks::<{ SECRET_BYTES + 8 }>();
        let secret = |chunk: &[u8; SECRET_BYTES + 8]| {
            let (made, bytes) = chunk.split_at(8);
            Some(Secret { made: u64::from_be_bytes(made.try_into().ok()?), bytes: bytes.try_into().ok()? })
        };
        let secrets: Vec<Secret> = all.iter().map(secret).collect::<Option<_>>()?;
        (rest.is_empty() && !secrets.is_empty()).then(|| Arc::new(TicketSecrets(Mutex::new(secrets))))
    }

    /// All of them, for the process that takes this one's place.
    pub fn export(&self) -> Vec<u8> {
        let secrets = self.lock();
        secrets.iter().flat_map(|secret| secret.made.to_be_bytes().into_iter().chain(secret.bytes)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Secret>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that encrypts at `now`, and the others that are good.
    fn current(&self, now: u64) -> Vec<Secret> {
        let mut all = self.lock();
        let is_old = all.last().is_none_or(|last| now.saturating_sub(last.made) >= LIFE_S);
        // Without random numbers the old one goes on.
        if let Some(fresh) = Some(now).filter(|_| is_old).and_then(Secret::new) {
            all.push(fresh);
        }
        let last = all.len() - 1;
        let mut index = 0;
        all.retain(|secret| {
            index += 1;
            index > last || now.saturating_sub(secret.made) < 2 * LIFE_S
        });
        all.clone()
    }

    /// What encrypts the tickets of those who are let in by `context`: no ticket of another one is good there.
    pub(super) fn ticketer(self: &Arc<Self>, context: Vec<u8>) -> Arc<dyn ProducesTickets> {
        Arc::new(Tickets { secrets: self.clone(), context })
    }
}

struct Tickets {
    secrets: Arc<TicketSecrets>,
    context: Vec<u8>,
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tickets")
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        (2 * LIFE_S) as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let (key, id) = self.secrets.current(now()).last()?.key(&self.context)?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let nonce_given = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce_given, Aad::from(id), &mut sealed).ok()?;
        Some([&id[..], &nonce, &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (id, rest) = ticket.split_first_chunk::<ID_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let keys = self.secrets.current(now()).into_iter().filter_map(|secret| secret.key(&self.context));
        let (key, id) = keys.into_iter().find(|(_, known)| known == id)?;
        let mut bytes = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = key.open_in_place(nonce, Aad::from(id), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_where_it_was_made_and_where_the_secrets_went() {
        let secrets = TicketSecrets::new().expect("random numbers");
        let (ours, other) = (secrets.ticketer(b"a".to_vec()), secrets.ticketer(b"b".to_vec()));
        let ticket = ours.encrypt(b"session").expect("a ticket");
        assert_eq!(ours.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        assert_eq!(other.decrypt(&ticket), None, "of others that are let in");
        let handed = TicketSecrets::import(&secrets.export()).expect("secrets");
        assert_eq!(handed.ticketer(b"a".to_vec()).decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        for at in [0, ID_BYTES, ID_BYTES + NONCE_LEN, ticket.len() - 1] {
            let mut wrong = ticket.clone();
            wrong[at] ^= 1;
            assert_eq!(ours.decrypt(&wrong), None, "byte {at}");
        }
        assert!(ours.decrypt(&ticket[..5]).is_none() && TicketSecrets::import(b"x").is_none());
    }

    #[test]
    fn a_secret_encrypts_for_six_hours_and_decrypts_for_twelve() {
        let secrets = TicketSecrets::new().expect("random numbers");
        let begun = secrets.current(now())[0].made;
        let made = |at: u64| secrets.current(at).iter().map(|secret| secret.made - begun).collect::<Vec<_>>();
        assert_eq!(made(begun + LIFE_S - 1), [0]);
        assert_eq!(made(begun + LIFE_S), [0, LIFE_S]);
        assert_eq!(made(begun + 2 * LIFE_S - 1), [0, LIFE_S]);
        assert_eq!(made(begun + 2 * LIFE_S), [LIFE_S, 2 * LIFE_S]);
    }
}
