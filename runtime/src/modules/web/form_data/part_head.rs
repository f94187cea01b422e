//! The headers of one part of a multipart/form-data body (RFC 7578, section 4).
//!
//! Owns: what they say of the part. Must not know: where the part begins and ends.

use super::text_of;

/// What a part's headers say.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    /// Its content type, if it has one.
    pub(super) kind: Option<String>,
}

type Parsed<T> = Result<T, &'static str>;

impl Head {
    /// What it owns, in bytes.
    pub(super) fn owned_bytes(&self) -> usize {
        let of = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.name.len() + of(&self.filename) + of(&self.kind)
    }

    /// Reads one header line: whether it named the part.
    pub(super) fn read(&mut self, line: &[u8]) -> Parsed<bool> {
        let colon = line.iter().position(|byte| *byte == b':').ok_or("a header has no colon")?;
        let (name, field) = (trim(&line[..colon]), trim(&line[colon + 1..]));
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return Err("the name of a header is none");
        }
        if name.eq_ignore_ascii_case(b"content-type") {
            self.kind = Some(field.iter().copied().map(char::from).collect());
        } else if name.eq_ignore_ascii_case(b"content-disposition") {
            self.disposition(field)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// `form-data; name="..."; filename="..."`. Senders must not use `filename*` (RFC 7578, section 4.2);
    /// where it stands alone the part is a file all the same, as undici has it. Other parameters say
    /// nothing here.
    fn disposition(&mut self, field: &[u8]) -> Parsed<()> {
        let end = field.iter().position(|byte| *byte == b';').ok_or("a part has no name")?;
        if !trim(&field[..end]).eq_ignore_ascii_case(b"form-data") {
            return Err("a part's disposition is not form-data");
        }
        let (mut rest, mut name, mut extended) = (&field[end..], None, None);
        while let [b';', after @ ..] = trim(rest) {
            let equals = after.iter().position(|byte| *byte == b'=').ok_or("a parameter has no value")?;
            let key = trim(&after[..equals]);
            let (value, after) = parameter(trim(&after[equals + 1..]))?;
            rest = after;
            if key.eq_ignore_ascii_case(b"name") {
                name = Some(value);
            } else if key.eq_ignore_ascii_case(b"filename") {
                self.filename = Some(value);
            } else if key.eq_ignore_ascii_case(b"filename*") {
                extended = Some(value);
            }
        }
        if !trim(rest).is_empty() {
            return Err("a disposition is malformed");
        }
        self.name = name.ok_or("a part has no name")?;
        if self.filename.is_none() {
            self.filename = extended.as_deref().map(decoded).transpose()?;
        }
        Ok(())
    }
}

/// The text of an extended value: `UTF-8''`, a language in between, and percent-encoded bytes (RFC 8187,
/// section 3.2).
fn decoded(value: &str) -> Parsed<String> {
    let mut parts = value.splitn(3, '\'');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(charset), Some(_), Some(text)) if charset.eq_ignore_ascii_case("utf-8") => {
            let text = percent_encoding::percent_decode_str(text).decode_utf8();
            text.map(|text| text.into_owned()).map_err(|_| "the bytes of a filename* are no UTF-8")
        }
        _ => Err("a filename* is not in UTF-8"),
    }
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

/// A value, quoted or a token, and what follows it.
fn parameter(text: &[u8]) -> Parsed<(String, &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"".as_slice()) else {
        let end = text.iter().position(|byte| !is_token(*byte)).unwrap_or(text.len());
        return match end {
            0 => Err("a parameter has no value"),
            _ => Ok((text_of(text[..end].to_vec()), &text[end..])),
        };
    };
    // No backslash escapes: what browsers write ends at the first quote.
    let end = quoted.iter().position(|byte| *byte == b'"').ok_or("a name's quotes do not end")?;
    let value = text_of(quoted[..end].to_vec());
    let value = value.replace("%0A", "\n").replace("%0D", "\r").replace("%22", "\"");
    Ok((value, &quoted[end + 1..]))
}
