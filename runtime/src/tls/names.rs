//! Which of a server's certificates a client gets, by the name that it asks for (SNI, RFC 6066 section 3).
//!
//! Owns: the certificates of one reading of the files, and the index of their names: exact ones before patterns, the
//! first certificate where no name is known. Must not know: files, connections.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::files::Identity;
use super::x509::SubjectName;

/// A server's certificates; the first one is for who asks for none of them.
#[derive(Debug)]
pub(super) struct Identities {
    all: Vec<Identity>,
    /// Places in `all`, by the names that certificates are for: `example.org`, `*.example.org`, `::1`.
    by_name: HashMap<String, Vec<usize>>,
    /// Those for the names of the first.
    first: Vec<usize>,
}

/// What a client asked for, and which certificate it got.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Its place.
    pub(super) identity: usize,
    /// The name asked for, in lower case.
    pub(super) name: Option<Box<str>>,
}

thread_local! {
    /// The choice that rustls has just made for the connection whose records it processes.
    static CHOSEN: Cell<Option<Chosen>> = const { Cell::new(None) };
}

/// The choice that the records processed last have led to.
pub(super) fn take_chosen() -> Option<Chosen> {
    CHOSEN.take()
}

impl Identities {
    /// There is at least one in `all`.
    pub(super) fn new(all: Vec<Identity>) -> Identities {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, identity) in all.iter().enumerate() {
            for name in names(identity) {
                let places = by_name.entry(name).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
        let of_first = all.first().and_then(|first| by_name.get(&names(first).next()?));
        let first = of_first.cloned().unwrap_or_else(|| vec![0]);
        Identities { all, by_name, first }
    }

    pub(super) fn all(&self) -> &[Identity] {
        &self.all
    }

    /// The certificates for `host`, a name in lower case or an address.
    pub(super) fn of(&self, host: &str) -> Option<&[usize]> {
        let exact = self.by_name.get(host);
        let pattern = || self.by_name.get(&format!("*.{}", host.split_once('.')?.1));
        exact.or_else(pattern).map(Vec::as_slice)
    }

    /// The certificate that is chosen where a client names its host so and nothing more is known of it.
    pub(super) fn place_of(&self, name: Option<&str>) -> usize {
        name.and_then(|name| self.of(name)).unwrap_or(&self.first)[0]
    }

    /// Whether clients that name `host` (a name, or an address with or without brackets) are asked for the same
    /// certificates as those on a connection with the certificate at `place`.
    pub(super) fn asks_the_same(&self, place: usize, host: &str) -> bool {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_string());
        let name = address.unwrap_or_else(|| host.to_ascii_lowercase());
        let other = self.place_of(Some(&name));
        other == place || self.all[other].trust == self.all[place].trust
    }
}

/// The names of an identity as the index has them.
fn names(identity: &Identity) -> impl Iterator<Item = String> + '_ {
    identity.facts.iter().flat_map(|facts| &facts.names).filter_map(|name| match name {
        SubjectName::Dns(host) => Some(host.clone()),
        SubjectName::Ip(address) => Some(address.to_string()),
        SubjectName::Email(_) | SubjectName::Uri(_) => None,
    })
}

/// rustls's question for a certificate.
#[derive(Debug)]
pub(super) struct Chooser(pub(super) Arc<Identities>);

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let known = name.as_deref().and_then(|name| self.0.of(name));
        let candidates = known.unwrap_or(&self.0.first);
        let schemes = hello.signature_schemes();
        // Of certificates for one name, the first whose signatures the client can check.
        let fits = |place: &&usize| self.0.all[**place].key.key.choose_scheme(schemes).is_some();
        let place = *candidates.iter().find(fits).or(candidates.first())?;
        CHOSEN.set(Some(Chosen { identity: place, name: name.map(String::into_boxed_str) }));
        Some(self.0.all[place].key.clone())
    }
}
