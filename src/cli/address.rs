//! From `--host`, `--port` and `--listen` to the places of listeners.
//!
//! Owns: the form of listener addresses and the resolution of host names. Must not know: sockets
//! that serve, other flags.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::Path;

use runtime::address::Address;
use runtime::config::{HttpsPort, Listen, Scheme};
use runtime::error::{Error, Result};

use super::accounts;

const FORM: &str = "Write http://HOST:PORT or tcp://HOST:PORT, as http://127.0.0.1:8080 or tcp://[::1]:9000; https:// \
     and tls:// are the same over TLS, udp://HOST:PORT is for datagrams, fastcgi://HOST:PORT and scgi://HOST:PORT for a web server in front. For a Unix socket unix:PATH, tcp+unix:PATH, unix:@NAME for an abstract name; for a socket that systemd hands over fd:NAME.";

/// The listeners of one `--listen` value; a name with addresses in both families gives two.
///
/// # Errors
/// `Usage` when the form, the scheme, the port, the name or an option is wrong.
pub fn from_url(url: &str) -> Result<Vec<Listen>> {
    let refuse = |what: &str| Error::of_flag("listen", format!("{url}: {what}")).remedy(FORM);
    let (place, options) = url.split_once('?').unwrap_or((url, ""));
    let unix = place.split_once("unix:").filter(|(before, _)| before.is_empty() || before.ends_with('+'));
    let handed = place.split_once("fd:").filter(|(before, _)| before.is_empty() || before.ends_with('+'));
    let (name, rest) = match (unix.or(handed), place.split_once("://")) {
        (Some((before, path)), _) => (before.strip_suffix('+').unwrap_or("http"), path),
        (None, Some(parts)) => parts,
        (None, None) => return Err(refuse("the protocol is missing")),
    };
    let (scheme, tls) = match name {
        _ if handed.is_some_and(|(before, _)| before.is_empty()) && unix.is_none() => (Scheme::Auto, false),
        "http" => (Scheme::Http, false),
        "https" => (Scheme::Http, true),
        "tcp" => (Scheme::Tcp, false),
        "tls" => (Scheme::Tcp, true),
        "fastcgi" => (Scheme::FastCgi, false),
        "scgi" => (Scheme::Scgi, false),
        "udp" if unix.is_none() => (Scheme::Udp, false),
        _ => return Err(refuse(&format!("{name} is not a protocol of a listener"))),
    };
    let mut all = match unix {
        None if handed.is_some() => {
            if rest.is_empty() || rest.contains([':', '/']) {
                return Err(refuse("the name is missing").remedy(
                    "Write fd:NAME, the FileDescriptorName= of a .socket unit of systemd, or https+fd:NAME.",
                ));
            }
            // Its address is that of the socket.
            let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
            vec![Listen { handed: Some(rest.to_owned()), ..Listen::new(scheme, nowhere) }]
        }
        Some(_) => vec![Listen::new(scheme, unix_address(rest).map_err(&refuse)?)],
        None => {
            let (host, port) = host_and_port(rest).map_err(|what| refuse(&what))?;
            from_host("listen", host, port, scheme)?
        }
    };
    for listen in &mut all {
        listen.tls = tls;
        options.split('&').filter(|it| !it.is_empty()).try_for_each(|option| set(listen, url, option))?;
    }
    Ok(all)
}

/// `HOST:PORT`, or with a slash behind it.
pub(super) fn host_and_port(authority: &str) -> std::result::Result<(&str, u16), String> {
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let colon = match authority.rfind(']') {
        Some(bracket) => authority[bracket..].find(':').map(|at| bracket + at),
        None => authority.rfind(':'),
    };
    let colon = colon.ok_or("the port is missing")?;
    let (host, port) = (&authority[..colon], &authority[colon + 1..]);
    if host.contains(':') && !host.starts_with('[') {
        return Err("an IPv6 address stands in brackets".into());
    }
    let port = super::values::port(port).map_err(|why| format!("{port:?} is {}", why.why))?;
    Ok((host, port))
}

/// A path, or `@` and an abstract name. `unix:///run/app.sock` is the same as `unix:/run/app.sock`.
pub(super) fn unix_address(name: &str) -> std::result::Result<Address, &'static str> {
    let name = match name.strip_prefix("//") {
        Some(rest) if rest.starts_with('/') => rest,
        _ => name,
    };
    match format!("unix:{name}").parse() {
        Ok(address) if !name.is_empty() => Ok(address),
        _ => Err("the path is missing"),
    }
}

/// Sets what stands behind the question mark.
fn set(listen: &mut Listen, url: &str, option: &str) -> Result<()> {
    let refuse = |what: String, remedy: &str| {
        Err(Error::of_flag("listen", format!("{url}: {what}")).remedy(remedy.to_owned()))
    };
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    if matches!(name, "mode" | "owner" | "group") && listen.address.path().is_none() {
        return refuse(format!("{name} is for a Unix socket with a path"), "Leave it out.");
    }
    match name {
        "proxy" if listen.scheme == Scheme::Udp => {
            return refuse("the PROXY protocol is for connections".into(), "Leave it out.");
        }
        "proxy" if value.is_empty() => listen.proxy_protocol = true,
        "mode" => match u32::from_str_radix(value, 8) {
            Ok(mode) if mode <= 0o777 => listen.file.mode = mode,
            _ => return refuse(format!("mode {value:?} is none"), "Write it as chmod does: mode=660."),
        },
        "owner" => {
            listen.file.owner = Some(accounts::id(Path::new("/etc/passwd"), value).map_err(|why| {
                Error::of_flag("listen", format!("{url}: owner {value:?}: {why}"))
                    .remedy("Write a user's name, or its number.")
            })?)
        }
        "group" => {
            listen.file.group = Some(accounts::id(Path::new("/etc/group"), value).map_err(|why| {
                Error::of_flag("listen", format!("{url}: group {value:?}: {why}"))
                    .remedy("Write a group's name, or its number.")
            })?)
        }
        _ => {
            let remedy =
                "Options are proxy (the PROXY protocol), and for a path mode=660, owner=NAME, group=NAME.";
            return refuse(format!("{option:?} is no option"), remedy);
        }
    }
    Ok(())
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

/// The listeners of one `--redirect-https` value: a port of `host`, or HOST:PORT; `?to=PORT` behind it.
///
/// # Errors
/// `Usage` when it is neither.
pub fn from_redirect(text: &str, host: &str) -> Result<Vec<Listen>> {
    let refuse = |what: &str| {
        Error::of_flag("redirect-https", format!("{text}: {what}"))
            .remedy("Write a port, or HOST:PORT: 80, 0.0.0.0:80, [::]:80; 8080?to=443 where clients find HTTPS on 443.")
    };
    let (place, option) = text.split_once('?').map_or((text, None), |(place, option)| (place, Some(option)));
    let https_port = match option {
        None => HttpsPort::OfListener,
        Some(option) => {
            let port = option.strip_prefix("to=").and_then(|port| super::values::port(port).ok());
            HttpsPort::Given(port.filter(|port| *port != 0).ok_or_else(|| refuse("to=PORT stands behind ?"))?)
        }
    };
    let mut all = match super::values::port(place) {
        Ok(port) => from_host("redirect-https", host, port, Scheme::Http)?,
        Err(_) => {
            from_url(&format!("http://{place}")).map_err(|_| refuse("neither a port nor an address"))?
        }
    };
    all.iter_mut().for_each(|listen| listen.https_port = Some(https_port));
    Ok(all)
}

/// The listeners of a host, which is an address literal or a name, and a port.
///
/// # Errors
/// `Usage` when the name does not resolve to an address of this machine.
pub fn from_host(flag: &str, host: &str, port: u16, scheme: Scheme) -> Result<Vec<Listen>> {
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = literal.parse::<IpAddr>() {
        return Ok(vec![Listen::new(scheme, SocketAddr::new(ip, port))]);
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
        if listen.iter().all(|known| known.address != addr.into()) {
            listen.push(Listen::new(scheme, addr));
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
    use runtime::config::SocketFile;
    use runtime::error::ErrorKind;

    #[test]
    fn urls_name_scheme_host_and_port() {
        for (url, scheme, addr) in [
            ("http://127.0.0.1:8080", Scheme::Http, "127.0.0.1:8080"),
            ("http://127.0.0.1:8080/", Scheme::Http, "127.0.0.1:8080"),
            ("tcp://[::1]:9000", Scheme::Tcp, "[::1]:9000"),
            ("tcp://0.0.0.0:0", Scheme::Tcp, "0.0.0.0:0"),
            ("udp://[::]:53", Scheme::Udp, "[::]:53"),
        ] {
            let expected = Listen::new(scheme, addr.parse::<SocketAddr>().expect("address"));
            assert_eq!(from_url(url).expect(url), [expected], "{url}");
        }
        for (url, shown) in [
            ("https://127.0.0.1:0", "https://127.0.0.1:0"),
            ("tls://[::1]:1?proxy", "tls://[::1]:1"),
            ("http://127.0.0.1:80/?proxy", "http://127.0.0.1:80"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
            ("http+unix:/run/a.sock", "unix:/run/a.sock"),
            ("unix:///run/a.sock", "unix:/run/a.sock"),
            ("unix:a.sock", "unix:a.sock"),
            ("unix:@name", "unix:@name"),
            ("tcp+unix:@name?proxy", "tcp+unix:@name"),
            ("https+unix:/run/a.sock?mode=666", "https+unix:/run/a.sock"),
            ("tls+unix:/run/a.sock", "tls+unix:/run/a.sock"),
            ("fastcgi://127.0.0.1:9000", "fastcgi://127.0.0.1:9000"),
            ("fastcgi+unix:/run/a.sock", "fastcgi+unix:/run/a.sock"),
            ("scgi://[::1]:4000", "scgi://[::1]:4000"),
            ("scgi+unix:@name", "scgi+unix:@name"),
        ] {
            let found = from_url(url).expect(url);
            assert_eq!(
                (found[0].url().as_str(), found[0].proxy_protocol),
                (shown, url.ends_with("?proxy")),
                "{url}"
            );
        }
    }

    #[test]
    fn a_unix_socket_has_the_mode_owner_and_group_of_its_url() {
        let found = from_url("unix:/run/a.sock?mode=666&owner=root&group=7").expect("a listener");
        assert_eq!(found[0].file, SocketFile { mode: 0o666, owner: Some(0), group: Some(7) });
        assert_eq!(from_url("unix:/run/a.sock").expect("a listener")[0].file.mode, 0o660);
        for url in [
            "unix:/a?mode=888",
            "unix:/a?mode=7777",
            "unix:/a?owner=no-such-user-here",
            "unix:/a?group=",
            "unix:@a?mode=600",
            "http://127.0.0.1:1?mode=600",
            "unix:/a?nothing",
        ] {
            let error = from_url(url).expect_err(url);
            assert!(error.flag() == Some("listen") && error.way_out().is_some(), "{error}");
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
            "unix:",
            "unix:@",
            "ftp+unix:/run/a.sock",
            "udp+unix:/run/a.sock",
            "udp://127.0.0.1",
        ] {
            let error = from_url(url).expect_err(url);
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().contains("http://HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn raw_tcp_has_a_port_or_an_address() {
        for (text, addr) in [("9000", "127.0.0.2:9000"), ("[::1]:1", "[::1]:1"), ("0.0.0.0:0", "0.0.0.0:0")] {
            let expected = Listen::new(Scheme::Tcp, addr.parse::<SocketAddr>().expect("address"));
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
        assert_eq!(v6[0].address, "[::1]:80".parse().expect("address"));
        let local = from_host("host", "localhost", 80, Scheme::Auto).expect("localhost resolves");
        let at = |listen: &Listen| listen.address.ip().expect("an IP address");
        assert!(local.iter().all(|listen| at(listen).ip().is_loopback() && at(listen).port() == 80));
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
