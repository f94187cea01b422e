//! Address literals, in every form that getaddrinfo(3) takes.
//!
//! Owns: the old IPv4 forms of inet_aton(3), IPv6 scopes. Must not know: names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The address that `host` spells: "127.0.0.1", "127.1", "::1", "fe80::1%2", "fe80::1%eth0".
pub(super) fn parse(host: &str, port: u16) -> Option<SocketAddr> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, port));
    }
    if let Some((ip, scope)) = host.split_once('%') {
        let ip: Ipv6Addr = ip.parse().ok()?;
        let scope = scope.parse().ok().or_else(|| index_of(scope))?;
        return Some(SocketAddrV6::new(ip, port, 0, scope).into());
    }
    inet_aton(host).map(|ip| SocketAddr::new(ip.into(), port))
}

/// The number of a network interface.
fn index_of(name: &str) -> Option<u32> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    rustix::net::netdevice::name_to_index(&socket, name).ok()
}

/// One to four numbers, decimal, octal or hexadecimal; the last one fills what is left.
fn inet_aton(host: &str) -> Option<Ipv4Addr> {
    let parts = host.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let (last, front) = parts.split_last()?;
    if front.len() > 3 || front.iter().any(|part| *part > 255) {
        return None;
    }
    let rest_bits = 32 - 8 * front.len() as u32;
    if u64::from(*last) >= 1 << rest_bits {
        return None;
    }
    let front = front.iter().enumerate().fold(0, |sum, (i, part)| sum | part << (24 - 8 * i as u32));
    Some(Ipv4Addr::from(front | last))
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    // from_str_radix would take a sign.
    digits.chars().all(|c| c.is_digit(radix)).then(|| u32::from_str_radix(digits, radix).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_inet_aton_and_scopes() {
        let good = [
            ("127.0.0.1", "127.0.0.1:9"),
            ("127.1", "127.0.0.1:9"),
            ("127.0.257", "127.0.1.1:9"),
            ("0x7f.1", "127.0.0.1:9"),
            ("0177.0.0.01", "127.0.0.1:9"),
            ("2130706433", "127.0.0.1:9"),
            ("::1", "[::1]:9"),
            ("fe80::1%7", "[fe80::1%7]:9"),
            ("fe80::1%lo", "[fe80::1%1]:9"),
            ("::ffff:1.2.3.4", "[::ffff:1.2.3.4]:9"),
        ];
        for (text, wanted) in good {
            assert_eq!(parse(text, 9).map(|addr| addr.to_string()).as_deref(), Some(wanted), "{text}");
        }
        for text in [
            "",
            "localhost",
            "1.2.3.4.5",
            "256.1.1.1",
            "1.",
            ".1",
            "0x",
            "08",
            "4294967296",
            "+1",
            "1.2.3.256",
        ] {
            assert_eq!(parse(text, 9), None, "{text}");
        }
        assert_eq!(parse("fe80::1%no-such-interface", 9), None);
        assert_eq!(parse("[::1]", 9), None);
    }
}
