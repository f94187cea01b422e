//! The head of a request as variables say it (RFC 3875 section 4.1, and what web servers have beside that).
//!
//! Owns: which variable is what, what none of them may be. Must not know: how they came. They are believed: who may
//! connect to such a listener says who asks, and for what.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use runtime::app::fetch::Head;
use runtime::config::Limits;
use runtime::worker::Ends;

use super::super::h1::{is_authority, parse_content_length};
use super::super::limit::Limit;
use super::super::rejection::Rejection;
use super::EXTRA_VARIABLES;
use super::carrier::Variable;

/// Fields of a connection, which was the web server's; and those that have a variable of their own.
const DROPPED: [&str; 10] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request.
pub struct GatewayHead {
    method: String,
    authority: String,
    target: String,
    fields: Vec<Variable>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// `1.0`, `1.1` or `2`.
    pub version: &'static str,
    /// The client's address, and the one that it came to.
    pub ends: Rc<Ends>,
    /// The bytes of its body, where that is known; none: there is one, or there is none, as `is_chunked` says.
    pub length: Option<u64>,
    /// A body of unknown length follows.
    pub is_chunked: bool,
}

impl Head for GatewayHead {
    fn method(&self) -> &str {
        &self.method
    }

    fn authority(&self) -> &str {
        &self.authority
    }

    fn path_and_query(&self) -> &str {
        &self.target
    }

    fn fields(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
        self.fields.iter().for_each(|(name, value)| f(name, value));
    }
}

/// NamedVariables by their names.
struct NamedVariables<'a>(&'a [Result<Variable, ()>]);

impl NamedVariables<'_> {
    /// The value of `name`; an empty one is none.
    fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self.0.iter().flatten().find(|(known, _)| known == name.as_bytes());
        found.map(|(_, value)| &value[..]).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// The address that two variables say.
    fn address(&self, ip: &str, port: &str) -> Option<SocketAddr> {
        let ip: IpAddr = self.text(ip)?.trim_matches(['[', ']']).parse().ok()?;
        Some(SocketAddr::new(ip, self.text(port).and_then(|port| port.parse().ok()).unwrap_or(0)))
    }
}

impl GatewayHead {
    /// That of the request with these variables, which came on a connection with the ends `own`.
    ///
    /// # Errors
    /// They are none, or beyond a limit.
    pub fn of(
        variables: &[Result<Variable, ()>],
        limits: &Limits,
        own: &Rc<Ends>,
    ) -> Result<GatewayHead, Rejection> {
        check(variables, limits)?;
        let all = NamedVariables(variables);
        let method = all.text("REQUEST_METHOD").unwrap_or_default();
        if method.is_empty()
            || !method.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
        {
            return Err(Rejection::bad("REQUEST_METHOD: missing, or no method"));
        }
        if method == "CONNECT" {
            return Err(Rejection::new(501, "CONNECT"));
        }
        let is_tls = all.text("HTTPS").is_some_and(|on| !on.eq_ignore_ascii_case("off") && on != "0")
            || all.text("REQUEST_SCHEME") == Some("https");
        let scheme = if is_tls { "https" } else { "http" };
        let target = target(&all)?;
        if target.len() > limits.target_bytes_max {
            return Err(Rejection::limit(414, "the target is too long", Limit::TargetBytes));
        }
        let ends = Ends {
            peer: all.address("REMOTE_ADDR", "REMOTE_PORT").map_or_else(|| own.peer.clone(), Into::into),
            local: all.address("SERVER_ADDR", "SERVER_PORT").map_or_else(|| own.local.clone(), Into::into),
            tls: None,
        };
        let length = match all.get("CONTENT_LENGTH") {
            None => None,
            Some(text) => {
                Some(parse_content_length(text).ok_or(Rejection::bad("CONTENT_LENGTH: no number"))?)
            }
        };
        Ok(GatewayHead {
            authority: authority(&all, scheme)?,
            method: method.to_owned(),
            target,
            fields: fields(variables, !matches!(method, "GET" | "HEAD")),
            scheme,
            version: match all.text("SERVER_PROTOCOL") {
                Some("HTTP/1.0") => "1.0",
                Some("HTTP/2.0" | "HTTP/2" | "HTTP/3.0" | "HTTP/3") => "2",
                _ => "1.1",
            },
            ends: Rc::new(ends),
            is_chunked: length.is_none() && all.get("HTTP_TRANSFER_ENCODING").is_some(),
            length,
        })
    }

    /// Whether a body follows.
    pub fn has_body(&self) -> bool {
        self.is_chunked || self.length.is_some_and(|length| length > 0)
    }
}

/// What holds for all of them.
fn check(variables: &[Result<Variable, ()>], limits: &Limits) -> Result<(), Rejection> {
    if variables.iter().any(Result::is_err) {
        return Err(Rejection::bad("the variables are not in pairs"));
    }
    let is_field = |name: &[u8]| name.starts_with(b"HTTP_");
    let fields = variables.iter().flatten().filter(|(name, _)| is_field(name)).count();
    if fields > limits.header_fields_max || variables.len() > limits.header_fields_max + EXTRA_VARIABLES {
        return Err(Rejection::limit(431, "too many variables", Limit::HeaderFields));
    }
    let mut lengths = variables.iter().flatten().filter(|(name, _)| name == b"CONTENT_LENGTH");
    if let Some((_, first)) = lengths.next()
        && lengths.any(|(_, other)| other != first)
    {
        return Err(Rejection::bad("CONTENT_LENGTH: two of them"));
    }
    let is_bad = |b: &u8| matches!(b, 0 | b'\r' | b'\n');
    if variables.iter().flatten().any(|(_, value)| value.iter().any(is_bad)) {
        return Err(Rejection::bad("a variable has a line end or NUL"));
    }
    Ok(())
}

/// Path and query as the client sent them; failing that, put together from what is known of them.
fn target(all: &NamedVariables<'_>) -> Result<String, Rejection> {
    if let Some(uri) = all.get("REQUEST_URI") {
        let text = encoded(uri, b"");
        if text.starts_with('/') || text == "*" {
            return Ok(text);
        }
        // As a proxy is asked: `http://host/path`.
        let rest = text.split_once("://").map(|(_, rest)| rest.find(['/', '?']).map_or("", |at| &rest[at..]));
        return match rest {
            Some("") => Ok("/".into()),
            Some(rest) if rest.starts_with('?') => Ok(format!("/{rest}")),
            Some(rest) => Ok(rest.to_owned()),
            None => Err(Rejection::bad("REQUEST_URI: no target")),
        };
    }
    let path =
        [all.get("SCRIPT_NAME").unwrap_or_default(), all.get("PATH_INFO").unwrap_or_default()].concat();
    let mut text = encoded(&path, b"%?#");
    if !text.starts_with('/') {
        text.insert(0, '/');
    }
    if let Some(query) = all.get("QUERY_STRING") {
        text.push('?');
        text.push_str(&encoded(query, b""));
    }
    Ok(text)
}

/// `bytes` with those encoded that cannot stand in a target, and `more`.
fn encoded(bytes: &[u8], more: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for b in bytes {
        match b {
            0x21..=0x7e if !more.contains(b) => text.push(char::from(*b)),
            b => text.push_str(&format!("%{b:02X}")),
        }
    }
    text
}

/// Whom the request is for.
fn authority(all: &NamedVariables<'_>, scheme: &str) -> Result<String, Rejection> {
    if let Some(host) = all.get("HTTP_HOST") {
        return match is_authority(host) {
            true => Ok(String::from_utf8_lossy(host).into_owned()),
            false => Err(Rejection::bad("HTTP_HOST: no host")),
        };
    }
    let name = all.text("SERVER_NAME").unwrap_or("localhost");
    let name =
        if name.contains(':') && !name.starts_with('[') { format!("[{name}]") } else { name.to_owned() };
    let usual = if scheme == "https" { "443" } else { "80" };
    let authority = match all.text("SERVER_PORT").filter(|port| *port != usual) {
        Some(port) => format!("{name}:{port}"),
        None => name,
    };
    Ok(if is_authority(authority.as_bytes()) { authority } else { "localhost".into() })
}

/// The fields that the client sent, and those of its body.
fn fields(variables: &[Result<Variable, ()>], has_content: bool) -> Vec<Variable> {
    let mut found = Vec::with_capacity(variables.len());
    for (name, value) in variables.iter().flatten() {
        let field = match &name[..] {
            b"CONTENT_TYPE" | b"CONTENT_LENGTH" if value.is_empty() => continue,
            // SCGI always says a length.
            b"CONTENT_LENGTH" if value == b"0" && !has_content => continue,
            b"CONTENT_TYPE" => b"content-type".to_vec(),
            b"CONTENT_LENGTH" => b"content-length".to_vec(),
            [b'H', b'T', b'T', b'P', b'_', rest @ ..] if !rest.is_empty() => {
                rest.iter().map(|b| if *b == b'_' { b'-' } else { b.to_ascii_lowercase() }).collect()
            }
            _ => continue,
        };
        let is_name = field.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
        let is_own = name.starts_with(b"HTTP_") && DROPPED.iter().any(|known| known.as_bytes() == field);
        if is_name && !is_own {
            found.push((field, value.clone()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use runtime::address::Address;

    use super::*;

    fn head(variables: &[(&str, &str)]) -> Result<GatewayHead, Rejection> {
        let own = Ends { peer: Address::UNKNOWN, local: Address::UNKNOWN, tls: None };
        let all: Vec<_> = variables
            .iter()
            .map(|(name, value)| Ok((name.as_bytes().to_vec(), value.as_bytes().to_vec())))
            .collect();
        GatewayHead::of(&all, &Limits::default(), &Rc::new(own))
    }

    fn url(more: &[(&str, &str)]) -> String {
        let head = head(&[&[("REQUEST_METHOD", "GET")], more].concat()).expect("a request");
        format!("{}://{}{}", head.scheme, head.authority, head.target)
    }

    #[test]
    fn the_url_is_what_the_client_asked_for() {
        for (variables, expected) in [
            (&[("REQUEST_URI", "/a%20b?c=d"), ("HTTP_HOST", "a.test:81")][..], "http://a.test:81/a%20b?c=d"),
            (&[("REQUEST_URI", "/\u{e9} x"), ("SERVER_NAME", "b.test")], "http://b.test/%C3%A9%20x"),
            (&[("REQUEST_URI", "http://c.test/x?y"), ("HTTP_HOST", "c.test")], "http://c.test/x?y"),
            (&[("REQUEST_URI", "http://c.test?y"), ("HTTP_HOST", "c.test")], "http://c.test/?y"),
            (
                &[("SCRIPT_NAME", "/app"), ("PATH_INFO", "/a b%?"), ("QUERY_STRING", "q=1"), ("HTTPS", "on")],
                "https://localhost/app/a%20b%25%3F?q=1",
            ),
            (&[("SERVER_NAME", "::1"), ("SERVER_PORT", "81")], "http://[::1]:81/"),
            (&[("SERVER_NAME", "a"), ("SERVER_PORT", "443"), ("REQUEST_SCHEME", "https")], "https://a/"),
            (&[("HTTPS", "off"), ("SERVER_NAME", "_")], "http://_/"),
        ] {
            assert_eq!(url(variables), expected, "{variables:?}");
        }
    }

    #[test]
    fn fields_are_those_of_the_client_and_lengths_are_one_number() {
        let found = head(&[
            ("REQUEST_METHOD", "POST"),
            ("CONTENT_LENGTH", "5"),
            ("HTTP_CONTENT_LENGTH", "9"),
            ("HTTP_TRANSFER_ENCODING", "chunked"),
            ("HTTP_X_ONE", "1"),
            ("CONTENT_TYPE", "a/b"),
            ("HTTP_CONNECTION", "close"),
            ("DOCUMENT_ROOT", "/srv"),
            ("REMOTE_ADDR", "192.0.2.1"),
            ("REMOTE_PORT", "99"),
        ])
        .expect("a request");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields: Vec<_> = found.fields.iter().map(|(name, value)| (text(name), text(value))).collect();
        let expected = [("content-length", "5"), ("x-one", "1"), ("content-type", "a/b")];
        assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!((found.length, found.is_chunked, found.has_body()), (Some(5), false, true));
        assert_eq!(found.ends.peer.to_string(), "192.0.2.1:99");
        for bad in [
            &[("CONTENT_LENGTH", "5"), ("CONTENT_LENGTH", "6")][..],
            &[("CONTENT_LENGTH", "+5")],
            &[("CONTENT_LENGTH", "5, 5")],
            &[("HTTP_X", "a\r\nb: c")],
            &[("HTTP_HOST", "a/b")],
            &[("REQUEST_URI", "nowhere")],
        ] {
            let all = [&[("REQUEST_METHOD", "POST")], bad].concat();
            assert_eq!(head(&all).err().map(|error| error.status), Some(400), "{bad:?}");
        }
        assert_eq!(head(&[("REQUEST_METHOD", "A B")]).err().map(|error| error.status), Some(400));
        let many: Vec<_> = (0..101).map(|_| ("HTTP_X", "1")).chain([("REQUEST_METHOD", "GET")]).collect();
        assert_eq!(head(&many).err().map(|error| error.status), Some(431));
        let long = "/".repeat(9000);
        let found = head(&[("REQUEST_METHOD", "GET"), ("REQUEST_URI", &long)]);
        assert_eq!(found.err().map(|error| error.status), Some(414));
    }
}
