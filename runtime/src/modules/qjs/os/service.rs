//! Services by name: getservbyname(3) without the libc.
//!
//! Owns: the read of /etc/services, and the names known without it. Must not know: hosts.

/// Known where there is no /etc/services (a container of one binary): name, port, whether also UDP.
const WELL_KNOWN: &[(&str, u16, bool)] = &[
    ("ftp", 21, false),
    ("ssh", 22, false),
    ("telnet", 23, false),
    ("smtp", 25, false),
    ("domain", 53, true),
    ("http", 80, false),
    ("pop3", 110, false),
    ("ntp", 123, true),
    ("imap2", 143, false),
    ("ldap", 389, true),
    ("https", 443, true),
    ("submission", 587, false),
    ("imaps", 993, false),
    ("pop3s", 995, false),
    ("ircs-u", 6697, false),
];

/// The ports of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Over TCP.
    pub tcp: Option<u16>,
    /// Over UDP.
    pub udp: Option<u16>,
}

/// The ports of the service called `name`, by services(5).
pub fn ports(name: &str) -> Ports {
    let file = std::fs::read("/etc/services").unwrap_or_default();
    let found = search(&String::from_utf8_lossy(&file), name);
    if found != Ports::default() {
        return found;
    }
    let known = WELL_KNOWN.iter().find(|(known, ..)| *known == name);
    known.map_or(found, |(_, port, udp)| Ports { tcp: Some(*port), udp: udp.then_some(*port) })
}

fn search(file: &str, name: &str) -> Ports {
    let mut ports = Ports::default();
    for line in file.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let (Some(first), Some(number)) = (words.next(), words.next()) else { continue };
        if first != name && !words.any(|alias| alias == name) {
            continue;
        }
        let Some((port, protocol)) = number.split_once('/') else { continue };
        match protocol {
            "tcp" => ports.tcp = ports.tcp.or(port.parse().ok()),
            "udp" => ports.udp = ports.udp.or(port.parse().ok()),
            _ => {}
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_aliases_protocols_and_comments() {
        let file = "# http 1/tcp\nhttp\t80/tcp\twww # comment web\nntp 123/udp\nx 5/sctp\nbroken\n";
        assert_eq!(search(file, "www"), Ports { tcp: Some(80), udp: None });
        assert_eq!(search(file, "ntp"), Ports { tcp: None, udp: Some(123) });
        for name in ["web", "x", "broken", ""] {
            assert_eq!(search(file, name), Ports::default(), "{name}");
        }
    }

    #[test]
    fn http_and_https_are_known_with_or_without_the_file() {
        assert_eq!((ports("http").tcp, ports("https").tcp), (Some(80), Some(443)));
    }
}
