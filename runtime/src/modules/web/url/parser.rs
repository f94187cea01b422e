//! The basic URL parser of the WHATWG URL standard (section 4.4), a function for each of its states.
//!
//! Owns: the states, the percent-encode sets, drive letters. Must not know: JavaScript. Hosts, with IDNA
//! and addresses, are the `url` crate's. That crate's own parser is not used: it drops a file URL's host
//! and slashes, and has older rules for paths.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::record::{UrlRecord, default_port, special};

/// Section 1.3, the percent-encode sets.
const FRAGMENT: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`');
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');
const SPECIAL_QUERY: &AsciiSet = &QUERY.add(b'\'');
const PATH: &AsciiSet = &QUERY.add(b'?').add(b'^').add(b'`').add(b'{').add(b'}');
const USERINFO: &AsciiSet =
    &PATH.add(b'/').add(b':').add(b';').add(b'=').add(b'@').add(b'[').add(b'\\').add(b']').add(b'|');

/// The URL that `input` stands for, relative to `base`; none if it stands for none.
pub fn parse(input: &str, base: Option<&UrlRecord>) -> Option<UrlRecord> {
    let input = without_breaks(input.trim_matches(|c| c <= ' '));
    let Some((scheme, rest)) = scheme(&input) else { return no_scheme(&input, base?) };
    let mut url = UrlRecord { scheme, ..UrlRecord::default() };
    match &*url.scheme {
        "file" => file(url, rest, base),
        _ if url.is_special() => match base.filter(|base| base.scheme == url.scheme) {
            Some(base) if !rest.starts_with("//") => relative(url, rest, base),
            _ => authority(url, rest.trim_start_matches(['/', '\\'])),
        },
        _ => match rest.strip_prefix("//") {
            Some(rest) => authority(url, rest),
            None if rest.starts_with('/') => {
                path(&mut url, &rest[1..], false);
                Some(url)
            }
            None => {
                opaque_path(&mut url, rest);
                Some(url)
            }
        },
    }
}

/// Without tabs and line breaks, which the parser ignores everywhere.
pub(super) fn without_breaks(input: &str) -> Cow<'_, str> {
    match memchr::memchr3(b'\t', b'\n', b'\r', input.as_bytes()) {
        None => Cow::Borrowed(input),
        Some(_) => Cow::Owned(input.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect()),
    }
}

/// A scheme up to its colon, in small letters, and what is behind that.
pub(super) fn scheme(input: &str) -> Option<(Cow<'static, str>, &str)> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let end = input.bytes().position(|byte| !is_part(&byte))?;
    if input.as_bytes()[end] != b':' || !input.as_bytes()[0].is_ascii_alphabetic() {
        return None;
    }
    let scheme = match special(&input[..end]) {
        Some(scheme) => Cow::Borrowed(scheme),
        None => {
            let scheme = input[..end].to_ascii_lowercase();
            special(&scheme).map_or(Cow::Owned(scheme), Cow::Borrowed)
        }
    };
    Some((scheme, &input[end + 1..]))
}

fn encode(out: &mut String, text: &str, set: &'static AsciiSet) {
    out.extend(utf8_percent_encode(text, set));
}

fn encoded(text: &str, set: &'static AsciiSet) -> String {
    let mut out = String::with_capacity(text.len());
    encode(&mut out, text, set);
    out
}

/// A user name or password.
pub(super) fn user_info(text: &str) -> String {
    encoded(text, USERINFO)
}

/// No scheme state.
fn no_scheme(input: &str, base: &UrlRecord) -> Option<UrlRecord> {
    if base.is_opaque {
        let mut url = base.clone();
        url.fragment = Some(encoded(input.strip_prefix('#')?, FRAGMENT));
        return Some(url);
    }
    let url = UrlRecord { scheme: base.scheme.clone(), ..UrlRecord::default() };
    match &*base.scheme {
        "file" => file(url, input, Some(base)),
        _ => relative(url, input, base),
    }
}

/// Whether `text` begins with what ends a segment.
fn slash(is_special: bool, text: &str) -> bool {
    text.starts_with('/') || is_special && text.starts_with('\\')
}

/// Relative state, relative slash state.
fn relative(mut url: UrlRecord, rest: &str, base: &UrlRecord) -> Option<UrlRecord> {
    let is_special = url.is_special();
    if slash(is_special, rest) {
        let after = &rest[1..];
        if is_special && slash(true, after) {
            return authority(url, after.trim_start_matches(['/', '\\']));
        }
        if !is_special && after.starts_with('/') {
            return authority(url, &after[1..]);
        }
        take_authority(&mut url, base);
        path(&mut url, after, false);
        return Some(url);
    }
    take_authority(&mut url, base);
    from_base(&mut url, rest, base, UrlRecord::shorten);
    Some(url)
}

fn take_authority(url: &mut UrlRecord, base: &UrlRecord) {
    url.username.clone_from(&base.username);
    url.password.clone_from(&base.password);
    url.host.clone_from(&base.host);
    url.port = base.port;
}

/// A path that goes on from the base's, whose last segment `shorten` takes off.
fn from_base(url: &mut UrlRecord, rest: &str, base: &UrlRecord, shorten: impl FnOnce(&mut UrlRecord)) {
    url.path.clone_from(&base.path);
    match rest.bytes().next() {
        None => url.query.clone_from(&base.query),
        Some(b'?') => end(url, rest),
        Some(b'#') => {
            url.query.clone_from(&base.query);
            end(url, rest);
        }
        Some(_) => {
            shorten(url);
            path(url, rest, false);
        }
    }
}

/// Authority state, host state, port state.
fn authority(mut url: UrlRecord, rest: &str) -> Option<UrlRecord> {
    let (authority, after) = rest.split_at(authority_end(rest, url.is_special()));
    let mut host = authority;
    if let Some(at) = authority.rfind('@') {
        let (user, password) = authority[..at].split_once(':').unwrap_or((&authority[..at], ""));
        url.username = user_info(user);
        url.password = user_info(password);
        host = &authority[at + 1..];
        if host.is_empty() {
            return None;
        }
    }
    let (host, port_text) = host_and_port(host);
    if host.is_empty() && (url.is_special() || port_text.is_some()) {
        return None;
    }
    url.host = Some(self::host(host, url.is_special())?);
    if let Some(digits) = port_text.filter(|digits| !digits.is_empty()) {
        let (port, rest) = port(digits)?;
        if !rest.is_empty() {
            return None;
        }
        set_port(&mut url, port);
    }
    path_start(&mut url, after);
    Some(url)
}

/// Where a host with its port ends.
pub(super) fn authority_end(rest: &str, is_special: bool) -> usize {
    let is_end = |byte: u8| matches!(byte, b'/' | b'?' | b'#') || is_special && byte == b'\\';
    rest.bytes().position(is_end).unwrap_or(rest.len())
}

/// Splits at the first colon that is not in brackets.
pub(super) fn host_and_port(text: &str) -> (&str, Option<&str>) {
    let mut is_inside = false;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => is_inside = true,
            b']' => is_inside = false,
            b':' if !is_inside => return (&text[..index], Some(&text[index + 1..])),
            _ => {}
        }
    }
    (text, None)
}

/// The number that `text` begins with, and the rest; none if there is none or it is above 65,535.
pub(super) fn port(text: &str) -> Option<(u16, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let digits = text[..end].trim_start_matches('0');
    match (end, digits) {
        (0, _) => None,
        (_, "") => Some((0, &text[end..])),
        _ => Some((digits.parse().ok()?, &text[end..])),
    }
}

/// Sets a port, which is null where it is the scheme's own.
pub(super) fn set_port(url: &mut UrlRecord, port: u16) {
    url.port = (default_port(&url.scheme) != Some(port)).then_some(port);
}

/// The host parser (section 3.5), serialised.
pub(super) fn host(text: &str, is_special: bool) -> Option<String> {
    if !is_special {
        return match text.is_empty() {
            true => Some(String::new()),
            false => url::Host::parse_opaque(text).ok().map(|host| host.to_string()),
        };
    }
    // Domain to ASCII changes none of these; a last label that begins with a digit may be an address.
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    let last = text.rsplit('.').find(|label| !label.is_empty()).unwrap_or("");
    let is_number = last.starts_with(|c: char| c.is_ascii_digit()) || last.is_empty();
    if !is_number && text.bytes().all(is_plain) && !text.contains("xn--") {
        return Some(text.to_owned());
    }
    url::Host::parse(text).ok().map(|host| host.to_string())
}

/// Whether two characters are a Windows drive letter.
fn is_drive(text: &[u8]) -> bool {
    matches!(text, [letter, b':' | b'|'] if letter.is_ascii_alphabetic())
}

/// "Starts with a Windows drive letter".
fn starts_with_drive(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 2
        && is_drive(&bytes[..2])
        && matches!(bytes.get(2), None | Some(b'/' | b'\\' | b'?' | b'#'))
}

/// File state, file slash state, file host state.
fn file(mut url: UrlRecord, rest: &str, base: Option<&UrlRecord>) -> Option<UrlRecord> {
    url.host = Some(String::new());
    let base = base.filter(|base| base.scheme == "file");
    if !slash(true, rest) {
        match base {
            Some(base) => {
                url.host.clone_from(&base.host);
                from_base(&mut url, rest, base, |url| match starts_with_drive(rest) {
                    true => url.path.clear(),
                    false => url.shorten(),
                });
            }
            None => path(&mut url, rest, false),
        }
        return Some(url);
    }
    let rest = &rest[1..];
    if !slash(true, rest) {
        if let Some(base) = base {
            url.host.clone_from(&base.host);
            let first = base.path.split('/').nth(1).unwrap_or("");
            if !starts_with_drive(rest) && is_drive(first.as_bytes()) && first.ends_with(':') {
                url.path = format!("/{first}");
            }
        }
        path(&mut url, rest, false);
        return Some(url);
    }
    let rest = &rest[1..];
    let (host, after) = rest.split_at(authority_end(rest, true));
    if is_drive(host.as_bytes()) {
        path(&mut url, rest, false);
        return Some(url);
    }
    url.host = Some(file_host(host)?);
    path_start(&mut url, after);
    Some(url)
}

/// A file URL's host: `localhost` is none.
pub(super) fn file_host(text: &str) -> Option<String> {
    match text {
        "" => Some(String::new()),
        _ => host(text, true).map(|host| if host == "localhost" { String::new() } else { host }),
    }
}

/// Path start state.
fn path_start(url: &mut UrlRecord, rest: &str) {
    let is_special = url.is_special();
    if slash(is_special, rest) {
        path(url, &rest[1..], false);
    } else if is_special || !rest.is_empty() && !rest.starts_with(['?', '#']) {
        path(url, rest, false);
    } else {
        end(url, rest);
    }
}

/// Whether a segment stands for the one above.
fn is_double_dot(segment: &str) -> bool {
    let rest = segment.strip_prefix('.').or_else(|| strip_encoded_dot(segment));
    rest.is_some_and(is_single_dot)
}

fn is_single_dot(segment: &str) -> bool {
    segment == "." || strip_encoded_dot(segment) == Some("")
}

fn strip_encoded_dot(segment: &str) -> Option<&str> {
    let is_dot = segment.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("%2e"));
    is_dot.then(|| &segment[3..])
}

/// Path state, from behind a slash on. `is_all` is its state override: nothing ends the path.
pub(super) fn path(url: &mut UrlRecord, rest: &str, is_all: bool) {
    let is_special = url.is_special();
    let is_end = |byte: u8| match byte {
        b'/' => true,
        b'\\' => is_special,
        b'?' | b'#' => !is_all,
        _ => false,
    };
    let mut rest = rest;
    loop {
        let length = rest.bytes().position(is_end).unwrap_or(rest.len());
        let (segment, after) = rest.split_at(length);
        let has_more = slash(is_special, after);
        if is_double_dot(segment) {
            url.shorten();
            if !has_more {
                url.path.push('/');
            }
        } else if is_single_dot(segment) {
            if !has_more {
                url.path.push('/');
            }
        } else {
            let is_drive = url.scheme == "file" && url.path.is_empty() && is_drive(segment.as_bytes());
            url.path.push('/');
            match is_drive {
                true => url.path.extend([&segment[..1], ":"]),
                false => encode(&mut url.path, segment, PATH),
            }
        }
        if !has_more {
            return end(url, after);
        }
        rest = &after[1..];
    }
}

/// Opaque path state: a blank just before the query or fragment is encoded.
fn opaque_path(url: &mut UrlRecord, rest: &str) {
    let (text, after) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let (text, blank) = match text.strip_suffix(' ') {
        Some(text) if !after.is_empty() => (text, "%20"),
        _ => (text, ""),
    };
    url.is_opaque = true;
    url.path = encoded(text, CONTROLS);
    url.path.push_str(blank);
    end(url, after);
}

/// What is behind the path: query and fragment, with their marks.
fn end(url: &mut UrlRecord, rest: &str) {
    let (query, fragment) = match rest.split_once('#') {
        Some((query, fragment)) => (query, Some(fragment)),
        None => (rest, None),
    };
    if let Some(query) = query.strip_prefix('?') {
        url.query = Some(self::query(query, url.is_special()));
    }
    if let Some(text) = fragment {
        url.fragment = Some(self::fragment(text));
    }
}

/// Query state.
pub(super) fn query(text: &str, is_special: bool) -> String {
    encoded(text, if is_special { SPECIAL_QUERY } else { QUERY })
}

/// Fragment state.
pub(super) fn fragment(text: &str) -> String {
    encoded(text, FRAGMENT)
}
