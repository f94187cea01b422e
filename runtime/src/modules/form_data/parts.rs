//! Bytes as forms: the multipart/form-data parser (Fetch, section 5.1; RFC 7578).
//!
//! Owns: the parts of a whole body. Must not know: JavaScript. It is
//! strict: a body whose end is missing is an error, not a shorter form.

use super::text_of;

/// One part, borrowed from the body.
#[derive(Debug, PartialEq)]
pub(super) struct Part<'a> {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    /// Its content type, if it has one.
    pub(super) kind: Option<String>,
    pub(super) body: &'a [u8],
}

/// The parts of a body.
pub(super) struct Parts<'a> {
    rest: &'a [u8],
    /// CRLF, two dashes, the boundary: what ends a part.
    delimiter: Vec<u8>,
}

type Parsed<T> = Result<T, &'static str>;

impl<'a> Parts<'a> {
    /// Those of `body`, which begins with the boundary: one byte a character, as in a header.
    pub(super) fn new(body: &'a [u8], boundary: &str) -> Parsed<Parts<'a>> {
        let mut delimiter = b"\r\n--".to_vec();
        delimiter.extend(boundary.chars().map(|c| c as u8));
        let mut rest = body;
        while let Some(after) = rest.strip_prefix(b"\r\n".as_slice()) {
            rest = after;
        }
        match rest.strip_prefix(&delimiter[2..]) {
            Some(rest) => Ok(Parts { rest, delimiter }),
            None => Err("it does not begin with the boundary"),
        }
    }

    /// The next part; `None` after the last.
    pub(super) fn next(&mut self) -> Parsed<Option<Part<'a>>> {
        if let Some(end) = self.rest.strip_prefix(b"--".as_slice()) {
            // What follows is an epilogue, which nobody reads (RFC 2046, section 5.1.1).
            return match end.is_empty() || end.starts_with(b"\r\n") {
                true => Ok(None),
                false => Err("something follows its end"),
            };
        }
        let mut rest = self.rest.strip_prefix(b"\r\n".as_slice()).ok_or("a boundary ends no line")?;
        let mut part = Part { name: String::new(), filename: None, kind: None, body: &[] };
        let mut named = false;
        loop {
            let end = find(rest, b"\r\n").ok_or("a part's headers do not end")?;
            let line = &rest[..end];
            rest = &rest[end + 2..];
            if line.is_empty() {
                break;
            }
            named |= header(line, &mut part)?;
        }
        if !named {
            return Err("a part has no name");
        }
        let end = match rest.starts_with(&self.delimiter[2..]) {
            // An empty body whose line break is the one that ends the headers.
            true => return Err("a part has no body"),
            false => find(rest, &self.delimiter).ok_or("its last boundary is missing")?,
        };
        part.body = &rest[..end];
        self.rest = &rest[end + self.delimiter.len()..];
        Ok(Some(part))
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, what)
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Reads one header line into `part`: whether it named it.
fn header(line: &[u8], part: &mut Part<'_>) -> Parsed<bool> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or("a header has no colon")?;
    let (name, field) = (trim(&line[..colon]), trim(&line[colon + 1..]));
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return Err("the name of a header is none");
    }
    if name.eq_ignore_ascii_case(b"content-type") {
        part.kind = Some(field.iter().copied().map(char::from).collect());
    } else if name.eq_ignore_ascii_case(b"content-disposition") {
        disposition(field, part)?;
        return Ok(true);
    }
    Ok(false)
}

/// `form-data; name="..."; filename="..."`. Other parameters say nothing here, `filename*` neither
/// (RFC 7578, section 4.2).
fn disposition(field: &[u8], part: &mut Part<'_>) -> Parsed<()> {
    let end = field.iter().position(|byte| *byte == b';').ok_or("a part has no name")?;
    if !trim(&field[..end]).eq_ignore_ascii_case(b"form-data") {
        return Err("a part's disposition is not form-data");
    }
    let (mut rest, mut name) = (&field[end..], None);
    while let [b';', after @ ..] = trim(rest) {
        let equals = after.iter().position(|byte| *byte == b'=').ok_or("a parameter has no value")?;
        let key = trim(&after[..equals]);
        let (value, after) = parameter(trim(&after[equals + 1..]))?;
        rest = after;
        if key.eq_ignore_ascii_case(b"name") {
            name = Some(value);
        } else if key.eq_ignore_ascii_case(b"filename") {
            part.filename = Some(value);
        }
    }
    if !trim(rest).is_empty() {
        return Err("a disposition is malformed");
    }
    part.name = name.ok_or("a part has no name")?;
    Ok(())
}

/// A value, quoted or a token, and what follows it.
fn parameter(text: &[u8]) -> Parsed<(String, &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"".as_slice()) else {
        let end = text.iter().position(|byte| !is_token(*byte)).unwrap_or(text.len());
        return match end {
            0 => Err("a parameter has no value"),
            _ => Ok((text_of(&text[..end]), &text[end..])),
        };
    };
    // No backslash escapes: what browsers write ends at the first quote.
    let end = quoted.iter().position(|byte| *byte == b'"').ok_or("a name's quotes do not end")?;
    let value = text_of(&quoted[..end]);
    let value = value.replace("%0A", "\n").replace("%0D", "\r").replace("%22", "\"");
    Ok((value, &quoted[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(body: &str) -> Parsed<Vec<Part<'_>>> {
        let mut parts = Parts::new(body.as_bytes(), "b")?;
        let mut all = Vec::new();
        while let Some(part) = parts.next()? {
            all.push(part);
        }
        Ok(all)
    }

    #[test]
    fn parts_have_names_types_and_any_bytes() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"x%22\"\r\n\r\n\r\n--c\r\n--b\r\n\
                    content-type : text/x \r\nX: y\r\ncontent-disposition:form-data;filename*=a;filename=\"\\\"; name=n\r\n\r\n\
                    \r\n--b--\r\nepilogue";
        let one = Part { name: "x\"".into(), filename: None, kind: None, body: b"\r\n--c" };
        let (filename, kind) = (Some("\\".into()), Some("text/x".into()));
        let two = Part { name: "n".into(), filename, kind, body: b"" };
        assert_eq!(all(body), Ok(vec![one, two]));
        assert_eq!(all("--b--"), Ok(vec![]));
    }

    #[test]
    fn what_is_cut_or_malformed_is_refused() {
        let whole =
            "--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"y\"\r\nA: b\r\n\r\nz\r\n--b--";
        assert!(all(whole).is_ok());
        for end in 0..whole.len() {
            assert!(all(&whole[..end]).is_err(), "{}", &whole[..end]);
        }
        for (from, to) in [
            ("form-data", "attachment"),
            ("name=\"x\"", "nome=x"),
            ("A: b", "A b"),
            ("A:", "A(:"),
            ("\r\n--b--", "\r\n--b-x"),
        ] {
            assert!(all(&whole.replacen(from, to, 1)).is_err(), "{from} {to}");
        }
    }
}
