//! Which address first: destination address selection (RFC 6724 section 6).
//!
//! Owns: rules 1, 2, 5, 6, 8 and 10; the others ask what a host does not tell, or concern it alone.
//! The source of each is what connect(2) of a datagram socket chooses. Must not know: names.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The default policy table (section 2.1): prefix, its bits, precedence, label.
const POLICY: &[(Ipv6Addr, u32, u8, u8)] = &[
    (Ipv6Addr::LOCALHOST, 128, 50, 0),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, 35, 4),
    (Ipv6Addr::UNSPECIFIED, 96, 1, 3),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, 5, 5),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 30, 2),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, 1, 12),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, 1, 11),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, 3, 13),
];

fn policy(ip: IpAddr) -> (u8, u8) {
    let ip = mapped(ip);
    let within = |prefix: Ipv6Addr, bits: u32| (u128::from(ip) ^ u128::from(prefix)).leading_zeros() >= bits;
    let row = POLICY.iter().find(|(prefix, bits, ..)| within(*prefix, *bits));
    row.map_or((40, 1), |(_, _, precedence, label)| (*precedence, *label))
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// The scope (section 3.1): 2 link-local, 5 site-local, 14 global; a multicast address says its own.
fn scope(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(v4) if v4.is_loopback() || v4.is_link_local() => 2,
        IpAddr::V6(v6) if v6.is_multicast() => v6.octets()[1] & 15,
        IpAddr::V6(v6) if v6.is_loopback() || v6.is_unicast_link_local() => 2,
        IpAddr::V6(v6) if v6.segments()[0] & 0xffc0 == 0xfec0 => 5,
        _ => 14,
    }
}

/// The source that the system would use; `None` where there is no way. Sends nothing.
fn source(to: IpAddr) -> Option<IpAddr> {
    let wildcard: IpAddr = match to {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((wildcard, 0)).ok()?;
    socket.connect((to, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Whether the source is missing, of another scope, of another label; precedence; scope.
type Rank = (bool, bool, bool, Reverse<u8>, u8);

fn rank(to: IpAddr, from: Option<IpAddr>) -> Rank {
    let (precedence, label) = policy(to);
    (
        from.is_none(),
        from.is_none_or(|from| scope(from) != scope(to)),
        from.is_none_or(|from| policy(from).1 != label),
        Reverse(precedence),
        scope(to),
    )
}

/// `ips` with `port`, best first, each once.
pub(super) fn sorted(mut ips: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    if ips.len() > 1 {
        // Stable: rule 10 keeps the order of equals.
        ips.sort_by_cached_key(|ip| rank(*ip, source(*ip)));
    }
    let mut addrs: Vec<SocketAddr> = Vec::with_capacity(ips.len());
    for addr in ips.into_iter().map(|ip| SocketAddr::new(ip, port)) {
        if !addrs.contains(&addr) {
            addrs.push(addr);
        }
    }
    addrs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(pairs: &[(&str, Option<&str>)]) -> Vec<String> {
        let mut all: Vec<(IpAddr, Option<IpAddr>)> = pairs
            .iter()
            .map(|(to, from)| (to.parse().expect("ip"), from.map(|from| from.parse().expect("ip"))))
            .collect();
        all.sort_by_cached_key(|(to, from)| rank(*to, *from));
        all.iter().map(|(to, _)| to.to_string()).collect()
    }

    #[test]
    fn examples_of_section_10_2() {
        let both = ["2001:db8:1::1", "198.51.100.121"];
        let v6 = (both[0], Some("2001:db8:1::2"));
        assert_eq!(order(&[(both[1], Some("169.254.13.78")), v6]), both);
        assert_eq!(order(&[(both[1], Some("198.51.100.117")), v6]), both);
        let linked = [(both[0], Some("fe80::1")), (both[1], Some("198.51.100.117"))];
        assert_eq!(order(&linked), [both[1], both[0]]);
        assert_eq!(order(&[(both[0], None), (both[1], Some("198.51.100.117"))]), [both[1], both[0]]);
        let links = [("2001:db8:1::1", Some("2001:db8:1::2")), ("fe80::1", Some("fe80::2"))];
        assert_eq!(order(&links), ["fe80::1", "2001:db8:1::1"], "the smaller scope");
        let old =
            [("2002:c633:6401::1", Some("2002:c633:6401::2")), ("2001:db8:1::1", Some("2001:db8:1::2"))];
        assert_eq!(order(&old), ["2001:db8:1::1", "2002:c633:6401::1"], "the higher precedence");
    }

    #[test]
    fn loopback_prefers_ipv6_and_equals_stay_in_order() {
        assert_eq!(order(&[("127.0.0.1", Some("127.0.0.1")), ("::1", Some("::1"))]), ["::1", "127.0.0.1"]);
        let same = [("192.0.2.9", Some("10.0.0.1")), ("192.0.2.1", Some("10.0.0.1"))];
        assert_eq!(order(&same), ["192.0.2.9", "192.0.2.1"]);
        let twice: IpAddr = "127.0.0.1".parse().expect("ip");
        assert_eq!(sorted(vec![twice, twice], 1).len(), 1);
    }
}
