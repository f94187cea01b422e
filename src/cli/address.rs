//! From `--host`, `--port` and `--listen` to socket addresses.
//!
//! Owns: the form of listener addresses and the resolution of host names. Must not know: sockets
//! that serve, other flags.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};

use runtime::config::{Listen, Scheme};
use runtime::error::{Error, Result};

const FORM: &str = "Write http://HOST:PORT or tcp://HOST:PORT, as http://127.0.0.1:8080 or tcp://[::1]:9000.";

/// The listeners of one `--listen` value; a name with addresses in both families gives two.
///
/// # Errors
/// `Usage` when the form, the scheme, the port or the name is wrong.
pub fn from_url(url: &str) -> Result<Vec<Listen>> {
    let refuse = |what: &str| Error::of_flag("listen", format!("{url}: {what}")).remedy(FORM);
    let Some((scheme, authority)) = url.split_once("://") else {
        return Err(refuse("the protocol is missing"));
    };
    let scheme = match scheme {
        "http" => Scheme::Http,
        "tcp" => Scheme::Tcp,
        _ => return Err(refuse(&format!("{scheme} is not a protocol of a listener"))),
    };
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let colon = match authority.rfind(']') {
        Some(bracket) => authority[bracket..].find(':').map(|at| bracket + at),
        None => authority.rfind(':'),
    };
    let Some(colon) = colon else {
        return Err(refuse("the port is missing"));
    };
    let (host, port) = (&authority[..colon], &authority[colon + 1..]);
    if host.contains(':') && !host.starts_with('[') {
        return Err(refuse("an IPv6 address stands in brackets"));
    }
    let port = super::values::port(port).map_err(|why| {
        let why = why.why;
        refuse(&format!("{port:?} is {why}"))
    })?;
    from_host("listen", host, port, scheme)
}

/// The raw TCP listeners of one `--tcp` value: a port of `host`, or HOST:PORT.
///
/// # Errors
/// `Usage` when it is neither.
pub fn from_tcp(text: &str, host: &str) -> Result<Vec<Listen>> {
    if let Ok(port) = super::values::port(text) {
        return from_host("tcp", host, port, Scheme::Tcp);
    }
    from_url(&format!("tcp://{text}")).map_err(|_| {
        Error::of_flag("tcp", format!("{text}: neither a port nor an address of this machine"))
            .remedy("Write a port, or HOST:PORT: 9000, 0.0.0.0:9000, [::1]:9000.")
    })
}

/// The listeners of a host, which is an address literal or a name, and a port.
///
/// # Errors
/// `Usage` when the name does not resolve to an address of this machine.
pub fn from_host(flag: &str, host: &str, port: u16, scheme: Scheme) -> Result<Vec<Listen>> {
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = literal.parse::<IpAddr>() {
        return Ok(vec![Listen { scheme, addr: SocketAddr::new(ip, port) }]);
    }
    let all = "Use an address of this machine: 127.0.0.1, or 0.0.0.0 or :: for all.";
    if host.is_empty() || host == "*" {
        return Err(Error::of_flag(flag, format!("{host:?}: not a host")).remedy(all));
    }
    let resolved = (host, port).to_socket_addrs().map_err(|error| {
        Error::of_flag(flag, format!("{host}: the name does not resolve ({error})")).remedy(all)
    })?;
    let mut listen: Vec<Listen> = Vec::new();
    for addr in resolved.filter(|addr| is_local(addr.ip())) {
        if listen.iter().all(|known| known.addr != addr) {
            listen.push(Listen { scheme, addr });
        }
    }
    if listen.is_empty() {
        let message = format!("{host}: none of the name's addresses belongs to this machine");
        return Err(Error::of_flag(flag, message).remedy(all));
    }
    Ok(listen)
}

/// Whether this machine can bind `ip`: a name may carry an address of a family that is switched off.
fn is_local(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::error::ErrorKind;

    #[test]
    fn urls_name_scheme_host_and_port() {
        for (url, scheme, addr) in [
            ("http://127.0.0.1:8080", Scheme::Http, "127.0.0.1:8080"),
            ("http://127.0.0.1:8080/", Scheme::Http, "127.0.0.1:8080"),
            ("tcp://[::1]:9000", Scheme::Tcp, "[::1]:9000"),
            ("tcp://0.0.0.0:0", Scheme::Tcp, "0.0.0.0:0"),
        ] {
            let expected = Listen { scheme, addr: addr.parse().expect("address") };
            assert_eq!(from_url(url).expect(url), [expected], "{url}");
        }
    }

    #[test]
    fn wrong_urls_name_the_form() {
        for url in [
            "127.0.0.1:8080",
            "ftp://127.0.0.1:1",
            "http://127.0.0.1",
            "http://[::1]",
            "http://::1:80",
            "http://127.0.0.1:70000",
            "http://127.0.0.1:x",
            "http://127.0.0.1:80/path",
        ] {
            let error = from_url(url).expect_err(url);
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().contains("http://HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn raw_tcp_has_a_port_or_an_address() {
        for (text, addr) in [("9000", "127.0.0.2:9000"), ("[::1]:1", "[::1]:1"), ("0.0.0.0:0", "0.0.0.0:0")] {
            let expected = Listen { scheme: Scheme::Tcp, addr: addr.parse().expect("address") };
            assert_eq!(from_tcp(text, "127.0.0.2").expect(text), [expected], "{text}");
        }
        for text in ["", "x", "70000", "127.0.0.1", "127.0.0.1:x", "::1:80"] {
            let error = from_tcp(text, "127.0.0.1").expect_err(text);
            assert!(error.flag() == Some("tcp") && error.to_string().contains("HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn hosts_are_literals_or_names_of_this_machine() {
        let v6 = from_host("host", "::1", 80, Scheme::Auto).expect("bare IPv6 literal");
        assert_eq!(v6[0].addr, "[::1]:80".parse().expect("address"));
        let local = from_host("host", "localhost", 80, Scheme::Auto).expect("localhost resolves");
        assert!(local.iter().all(|listen| listen.addr.ip().is_loopback() && listen.addr.port() == 80));
        for host in ["", "*"] {
            assert!(from_host("host", host, 80, Scheme::Auto).is_err(), "{host:?}");
        }
    }

    #[test]
    fn an_address_of_another_machine_is_not_local() {
        // 192.0.2.0/24 is TEST-NET-1, RFC 5737.
        assert!(!is_local("192.0.2.1".parse().expect("address")));
    }
}
