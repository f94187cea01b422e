//! The arguments of `connect`: an address, options.
//!
//! Owns: their forms and what is wrong with them. Must not know: connections.

use std::net::{IpAddr, Ipv6Addr};

use rquickjs::{Ctx, Object, Result, Value};

use super::failure::{ConnectionError, Throw};
use crate::js::value;

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// A name in its ASCII form, or an IP address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

/// `secureTransport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    Off,
    On,
    StartTls,
}

impl Security {
    const NAMES: [(&'static str, Security); 3] =
        [("off", Security::Off), ("on", Security::On), ("starttls", Security::StartTls)];

    pub(super) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// SocketOptions.
pub(super) struct Options {
    pub(super) transport: Security,
    pub(super) half_open: bool,
    /// Bytes that may wait in `writable`.
    pub(super) high_water_mark: Option<f64>,
    /// The name to ask for, and to be in the certificate; else the host's.
    pub(super) sni: Option<String>,
    pub(super) alpn: Vec<Vec<u8>>,
}

fn malformed(text: &str, why: &str) -> ConnectionError {
    let form = "an address is written host:port, 192.0.2.1:80 or [::1]:80";
    ConnectionError::new("ERR_INVALID_ARG_VALUE", format!("{text:?} is no address: {why}; {form}"))
}

impl Address {
    /// Of `host:port`.
    pub(super) fn parse(text: &str) -> std::result::Result<Address, ConnectionError> {
        let bracket = text.rfind(']').unwrap_or(0);
        let Some(colon) = text[bracket..].rfind(':').map(|at| bracket + at) else {
            return Err(malformed(text, "the port is missing"));
        };
        let (host, port) = (&text[..colon], &text[colon + 1..]);
        if host.contains(':') && !host.starts_with('[') {
            return Err(malformed(text, "an IPv6 address stands in brackets"));
        }
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port != 0);
        let port = port.ok_or_else(|| malformed(text, "the port is no number from 1 to 65535"))?;
        let host = host_name(host).map_err(|why| malformed(text, &why))?;
        Ok(Address { host, port })
    }

    /// Of a string, or `{hostname, port}`.
    pub(super) fn read<'js>(ctx: &Ctx<'js>, address: &Value<'js>) -> Result<Address> {
        let Some(object) = address.as_object() else {
            if !address.is_string() {
                let words = "the address is neither a string nor an object with hostname and port";
                return Err(ConnectionError::new("ERR_INVALID_ARG_TYPE", words).throw(ctx));
            }
            return Address::parse(&value::to_string(address)?).map_err(|failure| failure.throw(ctx));
        };
        let hostname: Value = object.get("hostname")?;
        if !hostname.is_string() {
            return Err(ConnectionError::new("ERR_INVALID_ARG_TYPE", "hostname is not a string").throw(ctx));
        }
        let text = value::to_string(&hostname)?;
        let host = host_name(&text);
        let host = host.map_err(|why| {
            ConnectionError::new("ERR_INVALID_ARG_VALUE", format!("{text:?} is no hostname: {why}"))
                .throw(ctx)
        })?;
        let port = value::to_number(&object.get::<_, Value>("port")?)?;
        if !(1.0..=65_535.0).contains(&port) || port.fract() != 0.0 {
            let words = format!("port {port}: not a whole number from 1 to 65535");
            return Err(ConnectionError::new("ERR_SOCKET_BAD_PORT", words).throw(ctx));
        }
        Ok(Address { host, port: port as u16 })
    }
}

/// A name in ASCII, or an IP address: IPv6 with or without brackets.
fn host_name(text: &str) -> std::result::Result<String, String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(ip.to_string());
    }
    if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let ip = inside.parse::<Ipv6Addr>();
        return ip.map(|ip| ip.to_string()).map_err(|_| "in brackets stands an IPv6 address".to_string());
    }
    if text.contains('%') {
        return Err("% is in no host".into());
    }
    match url::Host::parse(text) {
        Ok(url::Host::Domain(name)) => Ok(name),
        Ok(ip) => Ok(ip.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

impl Options {
    /// Of the second argument of `connect`.
    pub(super) fn read<'js>(ctx: &Ctx<'js>, options: &Value<'js>) -> Result<Options> {
        let wrong = |words: String| ConnectionError::new("ERR_INVALID_ARG_VALUE", words).throw(ctx);
        let mut all = Options {
            transport: Security::Off,
            half_open: false,
            high_water_mark: None,
            sni: None,
            alpn: Vec::new(),
        };
        let Some(options) = options.as_object() else {
            return match options.is_undefined() || options.is_null() {
                true => Ok(all),
                false => Err(wrong("the options are no object".into())),
            };
        };
        let transport: Value = options.get("secureTransport")?;
        if !transport.is_undefined() {
            let text = value::to_string(&transport)?;
            let known = Security::NAMES.iter().find(|(name, _)| *name == text);
            let unknown =
                || wrong(format!("secureTransport {text:?}: it is \"off\", \"on\" or \"starttls\""));
            all.transport = known.ok_or_else(unknown)?.1;
        }
        all.half_open =
            options.get::<_, Option<rquickjs::Coerced<bool>>>("allowHalfOpen")?.is_some_and(|it| it.0);
        let mark: Value = options.get("highWaterMark")?;
        if !mark.is_undefined() {
            let bytes = value::to_number(&mark)?;
            if bytes.is_nan() || bytes < 0.0 {
                return Err(crate::js::exception::range_error(ctx, "highWaterMark is no number from 0 up"));
            }
            all.high_water_mark = Some(bytes);
        }
        all.sni = server_name(ctx, options, "sni")?;
        all.alpn = protocols(ctx, options)?;
        if all.transport == Security::Off && (all.sni.is_some() || !all.alpn.is_empty()) {
            return Err(wrong("sni and alpn are TLS's: secureTransport is \"off\"".into()));
        }
        Ok(all)
    }
}

/// The host name in `options[name]`.
pub(super) fn server_name<'js>(ctx: &Ctx<'js>, options: &Object<'js>, name: &str) -> Result<Option<String>> {
    let given: Value = options.get(name)?;
    if given.is_undefined() || given.is_null() {
        return Ok(None);
    }
    let text = value::to_string(&given)?;
    let host = host_name(&text);
    let words = |why: String| format!("{name} {text:?} is no hostname: {why}");
    host.map(Some).map_err(|why| ConnectionError::new("ERR_INVALID_ARG_VALUE", words(why)).throw(ctx))
}

/// `alpn`: names of protocols, 1 to 255 bytes each (RFC 7301 section 3.1).
fn protocols<'js>(ctx: &Ctx<'js>, options: &Object<'js>) -> Result<Vec<Vec<u8>>> {
    let given: Value = options.get("alpn")?;
    if given.is_undefined() || given.is_null() {
        return Ok(Vec::new());
    }
    let wrong = || {
        ConnectionError::new("ERR_INVALID_ARG_VALUE", "alpn is no array of names of 1 to 255 bytes")
            .throw(ctx)
    };
    let Some(list) = given.as_array() else { return Err(wrong()) };
    let mut all = Vec::new();
    for name in list.iter::<Value>() {
        let name = value::to_string(&name?)?.into_bytes();
        if name.is_empty() || name.len() > 255 {
            return Err(wrong());
        }
        all.push(name);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for (text, host, port) in [
            ("localhost:80", "localhost", 80),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("[::1]:80", "::1", 80),
            ("[2001:DB8::1]:65535", "2001:db8::1", 65535),
            ("Example.COM:443", "example.com", 443),
            ("b\u{fc}cher.example:443", "xn--bcher-kva.example", 443),
            ("a_b.example:1", "a_b.example", 1),
        ] {
            assert_eq!(Address::parse(text).expect(text), Address { host: host.into(), port }, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_says_so() {
        for text in [
            "",
            ":",
            ":80",
            "localhost",
            "localhost:",
            "localhost:0",
            "localhost:65536",
            "localhost:-1",
            "localhost:+1",
            "localhost: 80",
            "localhost:http",
            "::1:80",
            "[::1]",
            "[::1",
            "::1]:80",
            "[localhost]:80",
            "a b:80",
            "tcp://localhost:80",
            "user@localhost:80",
            "localhost:80/",
            "a%20b:80",
            "[fe80::1%eth0]:80",
        ] {
            let failure = Address::parse(text).expect_err(text);
            assert!(failure.message.contains("host:port"), "{text}: {}", failure.message);
        }
    }
}
