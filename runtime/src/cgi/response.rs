//! The response of a script, read: its header (RFC 3875 section 6), or that of HTTP where it writes one (section 5).
//!
//! Owns: which of the four kinds it is, what is none. Must not know: pipes, how the answer goes out.

use memchr::memchr;

use crate::header_list::{HeaderList, is_name};

/// What a script's header says.
#[derive(Debug)]
pub enum ScriptHead {
    /// A document, or a redirect of the client (sections 6.2.1, 6.2.3, 6.2.4).
    Response(ScriptResponse),
    /// The answer is what a request for this path and query would get (section 6.2.2).
    LocalRedirect(String),
}

/// A response whose body follows.
#[derive(Debug)]
pub struct ScriptResponse {
    /// Its status, 200 to 599.
    pub status: u16,
    /// The phrase behind it, where there is one.
    pub reason: Option<String>,
    /// Its fields.
    pub fields: HeaderList,
}

/// Reads the header at the beginning of `bytes`, and how long it is; `None`: it is not complete.
///
/// # Errors
/// It is no header: what is wrong.
pub fn parse(bytes: &[u8]) -> Result<Option<(ScriptHead, usize)>, &'static str> {
    let mut found = HeaderLines::default();
    let Some(length) = read_lines(bytes, &mut |line| found.add(line))? else { return Ok(None) };
    found.head().map(|head| Some((head, length)))
}

/// The same of a whole response, with a status line at the beginning.
///
/// # Errors
/// It is none: what is wrong.
pub fn parse_whole(bytes: &[u8]) -> Result<Option<(ScriptHead, usize)>, &'static str> {
    let mut found = HeaderLines::default();
    let mut is_first = true;
    let length = read_lines(bytes, &mut |line| {
        if !std::mem::take(&mut is_first) {
            return found.add_plain(line);
        }
        let rest = line.strip_prefix(b"HTTP/").ok_or("it does not begin with a status line")?;
        let at = memchr(b' ', rest).ok_or("its status line has no status")?;
        found.set_status(&rest[at + 1..])
    })?;
    let Some(length) = length else { return Ok(None) };
    let (status, reason) = found.status.unwrap_or((200, None));
    Ok(Some((ScriptHead::Response(ScriptResponse { status, reason, fields: found.fields }), length)))
}

/// Calls `add` with each line up to the empty one; how many bytes they are, that one included.
fn read_lines(
    bytes: &[u8],
    add: &mut dyn FnMut(&[u8]) -> Result<(), &'static str>,
) -> Result<Option<usize>, &'static str> {
    let mut at = 0;
    while let Some(length) = memchr(b'\n', &bytes[at..]) {
        let line = &bytes[at..at + length];
        at += length + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Ok(Some(at));
        }
        add(line)?;
    }
    Ok(None)
}

/// What has been read.
#[derive(Default)]
struct HeaderLines {
    status: Option<(u16, Option<String>)>,
    location: Option<Vec<u8>>,
    has_type: bool,
    fields: HeaderList,
}

impl HeaderLines {
    /// A line of a script's header. Fields of its own that the server does not know are deleted (section 6.3.5).
    fn add(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let (name, value) = split(line)?;
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if is(b"status") {
            if self.status.is_some() {
                return Err("it has two fields Status");
            }
            return self.set_status(value);
        }
        if name.len() > 6 && name[..6].eq_ignore_ascii_case(b"x-cgi-") {
            return Ok(());
        }
        if is(b"location") {
            if self.location.replace(value.to_vec()).is_some() {
                return Err("it has two fields Location");
            }
        } else if is(b"content-type") && std::mem::replace(&mut self.has_type, true) {
            return Err("it has two fields Content-Type");
        }
        self.fields.append(name, value);
        Ok(())
    }

    fn add_plain(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let (name, value) = split(line)?;
        self.fields.append(name, value);
        Ok(())
    }

    fn set_status(&mut self, value: &[u8]) -> Result<(), &'static str> {
        const NO_STATUS: &str = "its status is none (three digits, 200 to 599)";
        let text = std::str::from_utf8(value).map_err(|_| NO_STATUS)?;
        let (digits, reason) = text.split_once(' ').unwrap_or((text, ""));
        let status = if digits.len() == 3 { digits.parse().ok() } else { None };
        let status = status.filter(|status| (200..600).contains(status)).ok_or(NO_STATUS)?;
        let reason = reason.trim();
        let is_plain = reason.bytes().all(|b| b == b'\t' || (b' '..0x7f).contains(&b));
        self.status = Some((status, Some(reason).filter(|r| is_plain && !r.is_empty()).map(str::to_owned)));
        Ok(())
    }

    fn head(mut self) -> Result<ScriptHead, &'static str> {
        if !self.has_type && self.location.is_none() && self.status.is_none() {
            return Err("it has none of Content-Type, Location and Status");
        }
        if let Some(location) = &self.location {
            // A script that says its status means the client (sections 6.2.4 and 6.3.3), as does one that names a place in
            // a document, which only the client can go to; two slashes are a host's.
            let is_local =
                location.starts_with(b"/") && !location.starts_with(b"//") && !location.contains(&b'#');
            if is_local && self.status.is_none() {
                let path = location.iter().all(|b| (b'!'..=b'~').contains(b));
                let path = path.then(|| String::from_utf8_lossy(location).into_owned());
                return path.map(ScriptHead::LocalRedirect).ok_or("its Location is no path of a URL");
            }
            self.status = self.status.or(Some((302, None)));
        }
        let (status, reason) = self.status.unwrap_or((200, None));
        Ok(ScriptHead::Response(ScriptResponse { status, reason, fields: self.fields }))
    }
}

/// A field's name and value (section 6.3): no blank before the colon, nothing that goes on in a second line.
fn split(line: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    const NO_FIELD: &str = "a line of it is no field (Name: value)";
    let colon = memchr(b':', line).ok_or(if line.starts_with(b"HTTP/") {
        "it begins with a status line, which only scripts called nph-… may"
    } else {
        NO_FIELD
    })?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let is_byte = |b: &u8| *b == b'\t' || (*b >= b' ' && *b != 0x7f);
    if is_name(name) && value.iter().all(is_byte) { Ok((name, value)) } else { Err(NO_FIELD) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match parse(text.as_bytes()) {
            Ok(None) => "more".into(),
            Ok(Some((ScriptHead::LocalRedirect(path), _))) => format!("go {path}"),
            Ok(Some((ScriptHead::Response(response), length))) => {
                let shown = |(name, value): (&[u8], &[u8])| {
                    format!(" {}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
                };
                let fields: String = response.fields.iter().map(shown).collect();
                let reason = response.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
                format!("{}{reason}{fields} | {}", response.status, &text[length..])
            }
            Err(why) => format!("error: {why}"),
        }
    }

    // RFC 3875 sections 6.2 and 6.3.
    #[test]
    fn a_header_is_one_of_four_kinds() {
        for (text, expected) in [
            ("Content-Type: text/plain\n\nbody\n\n", "200 Content-Type=text/plain | body\n\n"),
            ("content-type:text/plain\r\nX-A:  b \r\n\r\nbody", "200 content-type=text/plain X-A=b | body"),
            ("Status: 404 Not Here\nContent-Type: a/b\n\n", "404 (Not Here) Content-Type=a/b | "),
            ("Status: 204\n\n", "204 | "),
            ("Location: /a/b?c=d\n\n", "go /a/b?c=d"),
            ("Location: http://a.test/x#y\n\n", "302 Location=http://a.test/x#y | "),
            ("Location: //a.test/\n\n", "302 Location=//a.test/ | "),
            ("Location: /a#b\n\n", "302 Location=/a#b | "),
            ("Location: b\n\n", "302 Location=b | "),
            ("Status: 303 See\nLocation: /a\n\n", "303 (See) Location=/a | "),
            (
                "Status: 302\nLocation: http://a/\nContent-Type: a/b\n\ndoc",
                "302 Location=http://a/ Content-Type=a/b | doc",
            ),
            (
                "Content-Type: a/b\nX-CGI-Own: 1\nSet-Cookie: a\nSet-Cookie: b\n\n",
                "200 Content-Type=a/b Set-Cookie=a Set-Cookie=b | ",
            ),
            ("Content-Type: a/b\n", "more"),
            ("Content-Ty", "more"),
            ("", "more"),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_header_is_told_at_once() {
        for text in [
            "hello\n",
            "\n",
            "\r\nbody",
            "X-A: b\n\n",
            "Content-Type: a/b\n folded\n\n",
            "Content-Type : a/b\n\n",
            ": a\n\n",
            "A B: c\n\n",
            "A: \u{1}\n\n",
            "A: b\rc\n\n",
            "Status: 99\n\n",
            "Status: 1000\n\n",
            "Status: 101\n\n",
            "Status: 600\n\n",
            "Status: OK\n\n",
            "Status: +20\n\n",
            "Status: 200\nStatus: 200\n\n",
            "Location: /a\nLocation: /b\n\n",
            "Content-Type: a/b\nContent-Type: c/d\n\n",
            "Location: /a b\n\n",
            "Location: /\u{e9}\n\n",
            "HTTP/1.1 200 OK\n",
        ] {
            assert!(read(text).starts_with("error: "), "{text:?}: {}", read(text));
        }
    }

    // Section 5.
    #[test]
    fn a_whole_response_begins_with_its_status_line() {
        let text = b"HTTP/1.0 404 Not Here\r\nX-A: b\r\n\r\nbody";
        let Ok(Some((ScriptHead::Response(response), length))) = parse_whole(text) else {
            panic!("no response")
        };
        assert_eq!((response.status, response.reason.as_deref()), (404, Some("Not Here")));
        assert_eq!(
            (response.fields.get(b"x-a").as_deref(), &text[length..]),
            (Some(&b"b"[..]), &b"body"[..])
        );
        assert!(parse_whole(b"HTTP/1.1 200\r\n\r\n").is_ok_and(|found| found.is_some()));
        for bad in [&b"Content-Type: a/b\n\n"[..], b"HTTP/1.1\n\n", b"HTTP/1.1 99 x\n\n"] {
            assert!(parse_whole(bad).is_err(), "{bad:?}");
        }
    }
}
