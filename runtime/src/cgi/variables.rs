//! What a script is told of its request: meta-variables (RFC 3875 section 4.1) and arguments (section 4.4).
//!
//! Owns: their names, and which fields of a request become none. Must not know: processes, how requests come.

use std::ffi::CString;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;

use percent_encoding::percent_decode;

use super::place::CgiScript;
use crate::address::Address;
use crate::config::CgiOptions;

/// Gives each field of a request, its name and its value, to what it is called with.
pub type EachField<'a> = &'a dyn Fn(&mut dyn FnMut(&[u8], &[u8]));

/// A request, as a script is told of it.
pub struct AskedOfScript<'a> {
    /// Its method.
    pub method: &'a str,
    /// What stands behind the `?` of its target; empty where there is none.
    pub query: &'a str,
    /// Path and query as the client sent them.
    pub uri: &'a str,
    /// Whom it is for, `host[:port]`; empty where the client named nobody.
    pub authority: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The version of HTTP: `1.0`, `1.1` or `2`.
    pub version: &'a str,
    /// The bytes of its body, where it has one.
    pub length: Option<u64>,
    /// The client's address.
    pub peer: &'a Address,
    /// Ours.
    pub local: &'a Address,
    /// Whether a trusted proxy says who asks: our port is none that the client knows.
    pub is_proxied: bool,
    /// Its identifier.
    pub id: &'a str,
    /// Calls what it is given with each field.
    pub fields: EachField<'a>,
}

/// Where programs are looked for when this process does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Fields that become no variable: those that have one of their own, those of the connection, and `Proxy`, which would be
/// taken for the address of a proxy (httpoxy, CVE-2016-5385).
const NO_VARIABLE: [&[u8]; 12] = [
    b"content-length",
    b"content-type",
    b"host",
    b"proxy",
    b"proxy-authorization",
    b"proxy-connection",
    b"connection",
    b"keep-alive",
    b"te",
    b"transfer-encoding",
    b"upgrade",
    b"http2-settings",
];

/// `NAME=value` each.
struct MetaVariables(Vec<CString>);

impl MetaVariables {
    fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let mut variable = Vec::with_capacity(name.len() + value.as_ref().len() + 2);
        variable.extend_from_slice(name.as_bytes());
        variable.push(b'=');
        variable.extend_from_slice(value.as_ref());
        // With a NUL in it it cannot be passed on; no request has any.
        self.0.extend(CString::new(variable));
    }
}

/// The environment of `script`: all of it.
pub fn environment(asked: &AskedOfScript<'_>, script: &CgiScript, options: &CgiOptions) -> Vec<CString> {
    let mut all = MetaVariables(Vec::with_capacity(48));
    let path = std::env::var_os("PATH");
    all.set("PATH", path.as_ref().map_or(PATH.as_bytes(), |path| path.as_bytes()));
    all.set("GATEWAY_INTERFACE", "CGI/1.1");
    all.set("SERVER_SOFTWARE", concat!("jsserve/", env!("CARGO_PKG_VERSION")));
    set_request(&mut all, asked);
    set_ends(&mut all, asked);
    let root = options.document_root.as_deref().unwrap_or(&script.root).as_os_str().as_bytes();
    all.set("DOCUMENT_ROOT", root);
    all.set("SCRIPT_NAME", &script.name);
    all.set("SCRIPT_FILENAME", script.file.as_bytes());
    if !script.path_info.is_empty() {
        all.set("PATH_INFO", &script.path_info);
        let root = root.strip_suffix(b"/").unwrap_or(root);
        all.set("PATH_TRANSLATED", [root, &script.path_info].concat());
    }
    // What PHP wants to hear before it believes that a server has called it.
    all.set("REDIRECT_STATUS", "200");
    set_fields(&mut all, asked, options.authorization);
    for (name, value) in &options.environment {
        let is_same = |known: &CString| {
            known.as_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'='))
        };
        all.0.retain(|known| !is_same(known));
        all.set(name, value);
    }
    all.0
}

fn set_request(all: &mut MetaVariables, asked: &AskedOfScript<'_>) {
    all.set("REQUEST_METHOD", asked.method);
    all.set("QUERY_STRING", asked.query);
    all.set("REQUEST_URI", asked.uri);
    all.set("REQUEST_SCHEME", asked.scheme);
    if asked.scheme == "https" {
        all.set("HTTPS", "on");
    }
    let version = if asked.version == "2" { "2.0" } else { asked.version };
    all.set("SERVER_PROTOCOL", format!("HTTP/{version}"));
    if let Some(length) = asked.length {
        all.set("CONTENT_LENGTH", length.to_string());
    }
    all.set("UNIQUE_ID", asked.id);
}

/// Sections 4.1.8, 4.1.9, 4.1.14, 4.1.15. Who connects to a Unix socket is on this machine, whatever its address.
fn set_ends(all: &mut MetaVariables, asked: &AskedOfScript<'_>) {
    let shown = |ip: IpAddr| ip.to_canonical().to_string();
    let peer = asked.peer.ip();
    let addr = peer.map_or_else(|| "127.0.0.1".to_owned(), |peer| shown(peer.ip()));
    all.set("REMOTE_ADDR", &addr);
    all.set("REMOTE_HOST", &addr);
    if let Some(peer) = peer {
        all.set("REMOTE_PORT", peer.port().to_string());
    }
    let (host, port) = split_authority(asked.authority);
    let local = asked.local.ip();
    let ours = local.filter(|_| !asked.is_proxied).map(|local| local.port());
    let port = ours.or(port).unwrap_or(if asked.scheme == "https" { 443 } else { 80 });
    all.set("SERVER_PORT", port.to_string());
    let ours = local.map(|local| shown(local.ip()));
    match (host, &ours) {
        ("", Some(ours)) if ours.contains(':') => all.set("SERVER_NAME", format!("[{ours}]")),
        ("", Some(ours)) => all.set("SERVER_NAME", ours),
        ("", None) => all.set("SERVER_NAME", "localhost"),
        (host, _) => all.set("SERVER_NAME", host),
    }
    if let Some(ours) = &ours {
        all.set("SERVER_ADDR", ours);
    }
    if !asked.authority.is_empty() {
        all.set("HTTP_HOST", asked.authority);
    }
}

/// The host of an authority, and its port where it has one.
fn split_authority(authority: &str) -> (&str, Option<u16>) {
    match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => {
            (&authority[..colon], authority[colon + 1..].parse().ok())
        }
        _ => (authority, None),
    }
}

/// Sections 4.1.3 and 4.1.18. A name that has other characters than letters, digits and hyphens could be taken for
/// another's: `X_Y` would be the variable of `X-Y`.
fn set_fields(all: &mut MetaVariables, asked: &AskedOfScript<'_>, authorization: bool) {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    let mut scheme = None;
    (asked.fields)(&mut |name, value| {
        if name.eq_ignore_ascii_case(b"content-type") {
            found.push(("CONTENT_TYPE".to_owned(), value.to_vec()));
            return;
        }
        if name.eq_ignore_ascii_case(b"authorization") {
            if !authorization {
                return;
            }
            scheme = value.split(|b| *b == b' ').next().map(<[u8]>::to_vec);
        }
        let is_plain = name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
        if !is_plain || NO_VARIABLE.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            return;
        }
        let mut variable = String::with_capacity(name.len() + 5);
        variable.push_str("HTTP_");
        variable
            .extend(name.iter().map(|b| if *b == b'-' { '_' } else { char::from(b.to_ascii_uppercase()) }));
        match found.iter_mut().find(|(known, _)| *known == variable) {
            Some((_, known)) => {
                let separator: &[u8] = if name.eq_ignore_ascii_case(b"cookie") { b"; " } else { b", " };
                known.extend_from_slice(separator);
                known.extend_from_slice(value);
            }
            None => found.push((variable, value.to_vec())),
        }
    });
    if let Some(scheme) = scheme {
        all.set("AUTH_TYPE", scheme);
    }
    found.iter().for_each(|(name, value)| all.set(name, value));
}

/// The words of a search (RFC 3875 section 4.4): of a GET or HEAD whose query has no `=` that is not encoded. None where
/// one of them is no word, or looks like an option: programs that take options would obey the client (CVE-2012-1823).
pub fn words(asked: &AskedOfScript<'_>) -> Vec<CString> {
    let is_search = matches!(asked.method, "GET" | "HEAD") && !asked.query.is_empty();
    if !is_search || asked.query.contains('=') {
        return Vec::new();
    }
    let word = |word: &str| {
        let is_whole = !word.is_empty() && word.bytes().all(is_search_byte);
        let decoded: Vec<u8> = percent_decode(word.as_bytes()).collect();
        CString::new(decoded).ok().filter(|word| is_whole && !word.as_bytes().starts_with(b"-"))
    };
    asked.query.split('+').map(word).collect::<Option<_>>().unwrap_or_default()
}

fn is_search_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"%-_.!~*'();/?:@&,$".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: EachField<'static> = &|_| {};

    fn asked<'a>(method: &'a str, query: &'a str) -> AskedOfScript<'a> {
        const END: Address = Address::UNKNOWN;
        AskedOfScript {
            method,
            query,
            uri: "/a%20b?c",
            authority: "[::1]:8080",
            scheme: "http",
            version: "1.1",
            length: None,
            peer: &END,
            local: &END,
            is_proxied: false,
            id: "id",
            fields: NOBODY,
        }
    }

    fn script() -> CgiScript {
        CgiScript {
            file: c"/srv/cgi/x".into(),
            folder: c"/srv/cgi".into(),
            root: "/srv/cgi".into(),
            name: b"/x".to_vec(),
            path_info: Vec::new(),
        }
    }

    fn value(all: &[CString], name: &str) -> Option<String> {
        let text = |variable: &CString| variable.to_string_lossy().into_owned();
        let found: Vec<String> =
            all.iter().map(text).filter(|v| v.starts_with(&format!("{name}="))).collect();
        assert!(found.len() < 2, "{name} is there twice: {found:?}");
        found.first().map(|variable| variable[name.len() + 1..].to_owned())
    }

    // RFC 3875 section 4.4.
    #[test]
    fn the_words_of_a_search_are_arguments() {
        let given = |method, query| {
            words(&asked(method, query))
                .iter()
                .map(|word| word.to_str().expect("text").to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(given("GET", "a+b%20c+d"), ["a", "b c", "d"]);
        assert_eq!(given("HEAD", "%3D"), ["="]);
        for (method, query) in [
            ("POST", "a"),
            ("GET", ""),
            ("GET", "a=b"),
            ("GET", "a+=b"),
            ("GET", "a++b"),
            ("GET", "a+"),
            ("GET", "-s"),
            ("GET", "a+%2Ds"),
            ("GET", "a%00"),
            ("GET", "a|b"),
        ] {
            assert!(given(method, query).is_empty(), "{method} {query}");
        }
    }

    // Section 4.1.18, and what a script must not be told.
    #[test]
    fn fields_become_variables_but_those_that_would_be_taken_for_others() {
        let fields: EachField<'_> = &|f| {
            for (name, value) in [
                ("Accept", "a"),
                ("ACCEPT", "b"),
                ("Cookie", "c=1"),
                ("cookie", "d=2"),
                ("Proxy", "http://evil"),
                ("Authorization", "Basic abc"),
                ("Proxy-Authorization", "Basic abc"),
                ("X_Forwarded_For", "1.2.3.4"),
                ("X.Dot", "1"),
                ("Content-Type", "text/x"),
                ("Content-Length", "7"),
                ("Connection", "close"),
                ("Host", "other"),
            ] {
                f(name.as_bytes(), value.as_bytes());
            }
        };
        let request = AskedOfScript { fields, length: Some(7), ..asked("GET", "q") };
        let all = environment(&request, &script(), &CgiOptions::default());
        for (name, expected) in [
            ("HTTP_ACCEPT", Some("a, b")),
            ("HTTP_COOKIE", Some("c=1; d=2")),
            ("HTTP_PROXY", None),
            ("HTTP_AUTHORIZATION", None),
            ("AUTH_TYPE", None),
            ("HTTP_PROXY_AUTHORIZATION", None),
            ("HTTP_X_FORWARDED_FOR", None),
            ("HTTP_X.DOT", None),
            ("CONTENT_TYPE", Some("text/x")),
            ("CONTENT_LENGTH", Some("7")),
            ("HTTP_CONTENT_LENGTH", None),
            ("HTTP_CONNECTION", None),
            ("HTTP_HOST", Some("[::1]:8080")),
            ("SERVER_NAME", Some("[::1]")),
            ("SERVER_PORT", Some("0")),
            ("REMOTE_HOST", Some("0.0.0.0")),
            ("PATH_INFO", None),
            ("PATH_TRANSLATED", None),
            ("REQUEST_URI", Some("/a%20b?c")),
            ("UNIQUE_ID", Some("id")),
        ] {
            assert_eq!(value(&all, name).as_deref(), expected, "{name}");
        }
        let options = CgiOptions {
            authorization: true,
            environment: vec![("HTTP_ACCEPT".into(), "ours".into()), ("A".into(), "1".into())],
            ..CgiOptions::default()
        };
        let all = environment(&request, &script(), &options);
        assert_eq!(value(&all, "HTTP_AUTHORIZATION").as_deref(), Some("Basic abc"));
        assert_eq!(value(&all, "AUTH_TYPE").as_deref(), Some("Basic"));
        assert_eq!(value(&all, "HTTP_ACCEPT").as_deref(), Some("ours"));
        assert_eq!(value(&all, "A").as_deref(), Some("1"));
    }

    // Sections 4.1.5 and 4.1.6.
    #[test]
    fn path_info_is_translated_below_the_document_root() {
        let script = CgiScript { path_info: b"/a b/c".to_vec(), ..script() };
        for (root, expected) in [(None, "/srv/cgi/a b/c"), (Some("/srv/www/"), "/srv/www/a b/c")] {
            let options = CgiOptions { document_root: root.map(Into::into), ..CgiOptions::default() };
            let all = environment(&asked("GET", ""), &script, &options);
            assert_eq!(value(&all, "PATH_INFO").as_deref(), Some("/a b/c"));
            assert_eq!(value(&all, "PATH_TRANSLATED").as_deref(), Some(expected));
        }
    }

    #[test]
    fn behind_a_proxy_the_port_is_the_one_that_the_client_asked_for() {
        for (authority, scheme, expected) in
            [("a.test", "http", "80"), ("a.test", "https", "443"), ("a.test:81", "https", "81")]
        {
            let request = AskedOfScript { authority, scheme, is_proxied: true, ..asked("GET", "") };
            let all = environment(&request, &script(), &CgiOptions::default());
            assert_eq!(value(&all, "SERVER_PORT").as_deref(), Some(expected), "{authority}");
            assert_eq!(value(&all, "HTTPS").is_some(), scheme == "https");
        }
    }
}
