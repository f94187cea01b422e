//! Who asks, and for what, as trusted proxies say it: X-Forwarded-For, -Proto and -Host, or Forwarded (RFC 7239).
//!
//! Owns: their forms, and how far each is believed: from the connection's end up to the first hop that is not
//! trusted. Must not know: connections, what is done with a request.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use runtime::address::Address;
use runtime::app::fetch::Head;
use runtime::config::{Config, ForwardedFields, TrustedProxies};
use runtime::websocket::handshake::AskedProtocol;
use runtime::worker::Ends;

/// A request as its client made it.
pub struct ForwardedRequest {
    /// With the client's address as the peer's.
    pub ends: Rc<Ends>,
    /// That of the client's request.
    pub scheme: &'static str,
    /// The head; its authority is the one that the client asked for.
    pub head: Rc<dyn Head>,
}

/// One proxy's word: whom it was asked by, and for what. Nearer ones stand further right.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hop {
    client: Option<SocketAddr>,
    scheme: Option<&'static str>,
    host: Option<String>,
}

impl ForwardedRequest {
    /// What a request with `head` is behind the proxies of `config`; `None` where the connection is of nobody that
    /// is trusted. `is_authority` says what may stand in a URL as host and port.
    pub fn of(
        config: &Config,
        (head, scheme, ends): (Rc<dyn Head>, &'static str, &Rc<Ends>),
        is_authority: fn(&[u8]) -> bool,
    ) -> Option<ForwardedRequest> {
        if !config.trusted_proxies.has(&ends.peer) {
            return None;
        }
        let mut hops = match config.forwarded_fields {
            ForwardedFields::XForwarded => x_forwarded(&*head),
            ForwardedFields::Forwarded => forwarded(&*head).unwrap_or_default(),
        };
        let (client, at) = client(&config.trusted_proxies, &ends.peer, &hops);
        let hop = if at < hops.len() { hops.swap_remove(at) } else { Hop::default() };
        let ends = match client == ends.peer {
            true => ends.clone(),
            false => Rc::new(Ends { peer: client, ..(**ends).clone() }),
        };
        let head = match hop.host.filter(|host| is_authority(host.as_bytes())) {
            Some(authority) => Rc::new(Readdressed { head, authority }),
            None => head,
        };
        Some(ForwardedRequest { ends, scheme: hop.scheme.unwrap_or(scheme), head })
    }
}

/// A head with another authority.
struct Readdressed {
    head: Rc<dyn Head>,
    authority: String,
}

impl Head for Readdressed {
    fn method(&self) -> &str {
        self.head.method()
    }

    fn authority(&self) -> &str {
        &self.authority
    }

    fn path_and_query(&self) -> &str {
        self.head.path_and_query()
    }

    fn fields(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
        self.head.fields(f);
    }

    fn asked_protocol(&self) -> Option<AskedProtocol<'_>> {
        self.head.asked_protocol()
    }
}

/// The client's address, and the place of the hop that names it: the first from the right that is no trusted proxy.
/// Where a hop hides who asked it, that is as far as we see.
fn client(trusted: &TrustedProxies, peer: &Address, hops: &[Hop]) -> (Address, usize) {
    let mut found = (peer.clone(), hops.len().saturating_sub(1));
    for (at, hop) in hops.iter().enumerate().rev() {
        let Some(addr) = hop.client else { break };
        found = (addr.into(), at);
        if !trusted.has(&found.0) {
            break;
        }
    }
    found
}

/// The lines of a field as one, as they may be joined (RFC 9110 section 5.3).
fn joined(head: &dyn Head, name: &str) -> Option<String> {
    let mut all: Option<String> = None;
    head.fields(&mut |known, value| {
        if known.eq_ignore_ascii_case(name.as_bytes()) {
            let text = String::from_utf8_lossy(value);
            match &mut all {
                Some(all) => {
                    all.push(',');
                    all.push_str(&text);
                }
                None => all = Some(text.into_owned()),
            }
        }
    });
    all
}

/// The hops of X-Forwarded-*. Some proxies add to -Proto and -Host, as to -For; others set them: then they are the
/// nearest hop's, which is trusted.
fn x_forwarded(head: &dyn Head) -> Vec<Hop> {
    let list = |name| -> Vec<String> {
        let text = joined(head, name).unwrap_or_default();
        let items = text.split(',').map(|item| item.trim_matches([' ', '\t']));
        items.filter(|item| !item.is_empty()).map(str::to_owned).collect()
    };
    let clients = list("x-forwarded-for");
    let (schemes, hosts) = (list("x-forwarded-proto"), list("x-forwarded-host"));
    let many = clients.len().max(1);
    let of = |values: &[String], at: usize| match values.len() == many {
        true => values.get(at).cloned(),
        false => values.last().cloned(),
    };
    let hop = |at: usize| Hop {
        client: clients.get(at).and_then(|text| node(text)),
        scheme: of(&schemes, at).and_then(|text| scheme_of(&text)),
        host: of(&hosts, at),
    };
    (0..many).map(hop).collect()
}

/// The hops of Forwarded; `None` where it is malformed (RFC 7239 section 4).
fn forwarded(head: &dyn Head) -> Option<Vec<Hop>> {
    let text = joined(head, "forwarded")?;
    let mut all = Vec::new();
    let mut rest = text.as_str();
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        let (hop, after) = element(rest)?;
        // An element of a list may be empty (RFC 9110 section 5.6.1).
        all.extend(hop);
        match after.trim_start_matches([' ', '\t']) {
            "" => return Some(all),
            after => rest = after.strip_prefix(',')?,
        }
    }
}

/// One `forwarded-element` and what follows it; no hop for an empty one.
fn element(text: &str) -> Option<(Option<Hop>, &str)> {
    let (mut hop, mut seen, mut rest) = (Hop::default(), Vec::new(), text);
    loop {
        let end = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        rest = after;
        if !name.is_empty() {
            let (value, after) = value(after.strip_prefix('=')?)?;
            rest = after;
            let name = name.to_ascii_lowercase();
            match name.as_str() {
                "for" => hop.client = node(&value),
                "proto" => hop.scheme = scheme_of(&value),
                "host" => hop.host = Some(value),
                _ => {}
            }
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
        }
        match rest.strip_prefix(';') {
            Some(after) => rest = after,
            None => return Some(((!seen.is_empty()).then_some(hop), rest)),
        }
    }
}

/// A token, or a quoted string (RFC 9110 section 5.6.4), and what follows.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()));
        return (!token.is_empty()).then(|| (token.to_owned(), rest));
    };
    let (mut value, mut chars) = (String::new(), quoted.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

fn scheme_of(text: &str) -> Option<&'static str> {
    ["http", "https"].into_iter().find(|known| text.eq_ignore_ascii_case(known))
}

/// An address with or without a port. `unknown` and names of the proxy's own (RFC 7239 sections 6.2 and 6.3) hide
/// who it is.
fn node(text: &str) -> Option<SocketAddr> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, 0));
    }
    let (ip, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (ip, port) = rest.split_once(']')?;
            (IpAddr::V6(ip.parse::<Ipv6Addr>().ok()?), port)
        }
        None => {
            let (ip, _) = text.split_once(':')?;
            (IpAddr::V4(ip.parse().ok()?), &text[ip.len()..])
        }
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => 0,
        None => return None,
        // An obfuscated port (section 6.2).
        Some(port) if port.len() > 1 && port.starts_with('_') && port.chars().all(is_token) => 0,
        Some(port) => port.parse().ok().filter(|_| port.bytes().all(|b| b.is_ascii_digit()))?,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
#[path = "forwarded_tests.rs"]
mod tests;
