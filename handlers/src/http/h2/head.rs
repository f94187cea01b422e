//! A request's head as HTTP/2 has it (RFC 9113 section 8.3.1), held to the rules that HTTP/1.1 is held to.
//!
//! Owns: what is checked beyond the crate `h2`, which resets streams with malformed fields and pseudo-fields; cookies in
//! one field. Must not know: streams, bodies.

use h2::ext::Protocol;
use http::request::Parts;
use http::{HeaderMap, Method, header};

use runtime::app::fetch::Head;
use runtime::config::Limits;
use runtime::websocket::handshake::AskedProtocol;

use super::super::h1::{METHOD_BYTES_MAX, is_authority, parse_content_length};
use super::super::limit::Limit;
use super::super::lists::{list_members, trim_ows};
use super::super::rejection::Rejection;

const TARGET_TOO_LONG: Rejection = Rejection::limit(414, "target: too long", Limit::TargetBytes);
const TOO_MANY_FIELDS: Rejection = Rejection::limit(431, "head: too many fields", Limit::HeaderFields);

/// A request's head.
#[derive(Debug)]
pub struct RequestHead {
    method: Method,
    authority: String,
    target: String,
    fields: HeaderMap,
    /// `:protocol` of an extended CONNECT (RFC 8441 section 4).
    protocol: Option<Protocol>,
    /// The body's length, where the client says it.
    pub content_length: Option<u64>,
    /// Whether the client waits for 100 Continue.
    pub expects_continue: bool,
}

impl RequestHead {
    /// A head, and why it is refused, where it is.
    pub fn of(parts: Parts, limits: &Limits) -> (RequestHead, Result<(), Rejection>) {
        let Parts { method, uri, headers: fields, mut extensions, .. } = parts;
        let protocol = extensions.remove::<Protocol>();
        let authority = match uri.authority() {
            Some(authority) => authority.as_str().to_owned(),
            None => {
                fields.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned()
            }
        };
        let target = uri.path_and_query().map_or("", |target| target.as_str()).to_owned();
        let names_authority = uri.authority().is_some();
        // Without an authority `h2` has dropped it.
        let is_http = matches!(uri.scheme_str(), None | Some("http" | "https"));
        let mut head = RequestHead {
            method,
            authority,
            target,
            fields,
            protocol,
            content_length: None,
            expects_continue: false,
        };
        let verdict = head.check(names_authority, is_http, limits);
        if verdict.is_err() && !is_authority(head.authority.as_bytes()) {
            head.authority.clear();
        }
        (head, verdict)
    }

    fn check(&mut self, names_authority: bool, is_http: bool, limits: &Limits) -> Result<(), Rejection> {
        if self.method.as_str().len() > METHOD_BYTES_MAX {
            return Err(Rejection::new(501, "method: too long"));
        }
        let is_known = |protocol: &Protocol| AskedProtocol::Connect(protocol.as_ref()).is_websocket();
        if self.method == Method::CONNECT && !self.protocol.as_ref().is_some_and(is_known) {
            return Err(Rejection::new(501, "CONNECT"));
        }
        if self.target.len() > limits.target_bytes_max {
            return Err(TARGET_TOO_LONG);
        }
        if self.fields.len() > limits.header_fields_max {
            return Err(TOO_MANY_FIELDS);
        }
        if self.fields.values().any(|value| trim_ows(value.as_bytes()).len() < value.len()) {
            // Section 8.2.1.
            return Err(Rejection::bad("field: white space around its value"));
        }
        let is_asterisk = self.target == "*" && self.method == Method::OPTIONS;
        if !self.target.is_ascii() || !(self.target.starts_with('/') || is_asterisk) {
            return Err(Rejection::bad("target: no form of RFC 9113"));
        }
        if !is_http {
            return Err(Rejection::bad(":scheme: neither http nor https"));
        }
        self.check_host(names_authority)?;
        self.check_length()?;
        for member in
            self.fields.get_all(header::EXPECT).iter().flat_map(|value| list_members(value.as_bytes()))
        {
            match member {
                b"" => {}
                member if member.eq_ignore_ascii_case(b"100-continue") => self.expects_continue = true,
                _ => return Err(Rejection::new(417, "Expect: unknown")),
            }
        }
        Ok(())
    }

    /// One authority, and no other in Host (RFC 9113 section 8.3.1).
    fn check_host(&self, names_authority: bool) -> Result<(), Rejection> {
        let mut hosts = self.fields.get_all(header::HOST).iter();
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(Rejection::bad("Host: more than one"));
        }
        if let Some(host) = host.filter(|_| names_authority)
            && !host.as_bytes().eq_ignore_ascii_case(self.authority.as_bytes())
        {
            return Err(Rejection::bad("Host: not the authority"));
        }
        match is_authority(self.authority.as_bytes()) {
            true => Ok(()),
            false => Err(Rejection::bad(":authority: missing or invalid")),
        }
    }

    fn check_length(&mut self) -> Result<(), Rejection> {
        let mut lengths = self.fields.get_all(header::CONTENT_LENGTH).iter();
        let Some(length) = lengths.next() else { return Ok(()) };
        if lengths.next().is_some() {
            return Err(Rejection::bad("Content-Length: more than one"));
        }
        let number = parse_content_length(length.as_bytes());
        self.content_length = Some(number.ok_or(Rejection::bad("Content-Length: no number"))?);
        Ok(())
    }

    /// The method as bytes.
    pub fn method_bytes(&self) -> &[u8] {
        self.method.as_str().as_bytes()
    }

    /// The target as bytes.
    pub fn target_bytes(&self) -> &[u8] {
        self.target.as_bytes()
    }

    /// Whether its stream is to carry another protocol: what follows is no body.
    pub fn is_extended_connect(&self) -> bool {
        self.protocol.is_some()
    }

    /// Whether the method is HEAD, whose response has no body on the wire.
    pub fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }
}

impl Head for RequestHead {
    /// An extended CONNECT is a GET for the app, as it is in HTTP/1.1.
    fn method(&self) -> &str {
        if self.protocol.is_some() { "GET" } else { self.method.as_str() }
    }

    fn asked_protocol(&self) -> Option<AskedProtocol<'_>> {
        self.protocol.as_ref().map(|protocol| AskedProtocol::Connect(protocol.as_ref()))
    }

    fn authority(&self) -> &str {
        &self.authority
    }

    fn path_and_query(&self) -> &str {
        &self.target
    }

    /// The authority is there as Host, as it is for requests of HTTP/1.1; cookies are one field (RFC 9113 section 8.2.3).
    fn fields(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
        if !self.authority.is_empty() {
            f(b"host", self.authority.as_bytes());
        }
        if let Some(protocol) = &self.protocol {
            f(b"upgrade", protocol.as_ref());
        }
        for (name, value) in &self.fields {
            if name != header::HOST && name != header::COOKIE {
                f(name.as_str().as_bytes(), value.as_bytes());
            }
        }
        let mut cookies = self.fields.get_all(header::COOKIE).iter();
        let Some(first) = cookies.next() else { return };
        let mut joined = first.as_bytes().to_vec();
        for crumb in cookies {
            joined.extend_from_slice(b"; ");
            joined.extend_from_slice(crumb.as_bytes());
        }
        f(b"cookie", &joined);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn verdict(uri: &str, method: &str, fields: &[(&str, &str)]) -> (RequestHead, u16) {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let limits = Limits { target_bytes_max: 20, header_fields_max: 3, ..Limits::default() };
        let (head, verdict) = RequestHead::of(parts, &limits);
        (head, verdict.map_or_else(|rejection| rejection.status, |()| 200))
    }

    #[test]
    fn heads_are_held_to_the_rules_of_rfc_9113_section_8_3_1() {
        for (uri, method, fields, status) in [
            ("https://a.test/", "GET", &[][..], 200),
            ("https://a.test/", "GET", &[("host", "A.test")], 200),
            ("/", "GET", &[("host", "a.test")], 200),
            ("https://a.test/", "GET", &[("host", "b.test")], 400),
            ("/", "GET", &[], 400),
            ("/", "GET", &[("host", "")], 400),
            ("/", "GET", &[("host", "a.test"), ("host", "a.test")], 400),
            ("https://user@a.test/", "GET", &[], 400),
            ("https://a.test/", "CONNECT", &[], 501),
            ("https://a.test/012345678901234567890", "GET", &[], 414),
            ("https://a.test/", "GET", &[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")], 431),
            ("https://a.test/", "POST", &[("content-length", "5")], 200),
            ("https://a.test/", "POST", &[("content-length", "5"), ("content-length", "5")], 400),
            ("https://a.test/", "POST", &[("content-length", "+5")], 400),
            ("https://a.test/", "POST", &[("expect", "100-continue")], 200),
            ("https://a.test/", "POST", &[("expect", "miracles")], 417),
            ("https://a.test/", "GET", &[("x", " 1")], 400),
            ("https://a.test/", "GET", &[("x", "1\t")], 400),
            ("ftp://a.test/", "GET", &[], 400),
        ] {
            assert_eq!(verdict(uri, method, fields).1, status, "{method} {uri} {fields:?}");
        }
    }

    #[test]
    fn cookies_are_joined_by_rfc_9113_section_8_2_3() {
        let fields = [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")];
        let (head, _) = verdict("https://a.test/p?q", "GET", &fields);
        let mut seen = Vec::new();
        Head::fields(&head, &mut |name, value| {
            seen.push(format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
        });
        assert_eq!(seen, ["host: a.test", "x: y", "cookie: a=1; b=2"]);
        assert_eq!((head.path_and_query(), head.authority()), ("/p?q", "a.test"));
    }
}
