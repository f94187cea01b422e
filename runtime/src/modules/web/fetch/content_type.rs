//! The content type of a body (Fetch, "extract a MIME type").
//!
//! Owns: how several Content-Type fields become one MIME type. Must not know: bodies. MIME types are
//! parsed and written by `data_url`, to the MIME Sniffing standard.

use std::borrow::Cow;

use data_url::mime::Mime;

/// The MIME type that the combined value of all Content-Type fields stands for; `None` where there
/// is none. The last one that is a type counts; it inherits its essence's charset.
pub fn extract(field: &[u8]) -> Option<Mime> {
    let text: String = field.iter().copied().map(char::from).collect();
    let (mut last, mut charset) = (None::<Mime>, None::<String>);
    for one in split(&text) {
        let Ok(mut mime) = one.parse::<Mime>() else { continue };
        if mime.matches("*", "*") {
            continue;
        }
        let same = last.as_ref().is_some_and(|last| mime.matches(&last.type_, &last.subtype));
        let own = mime.get_parameter("charset").map(str::to_owned);
        match (same, own, &charset) {
            (true, None, Some(charset)) => mime.parameters.push(("charset".into(), charset.clone())),
            (true, ..) => {}
            (false, own, _) => charset = own,
        }
        last = Some(mime);
    }
    last
}

/// The parts between commas outside of quotes (Fetch, "get, decode, and split").
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// What a content type is as the value of a field.
pub type ContentType = Cow<'static, str>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_type_counts_and_inherits_a_charset() {
        for (field, expected) in [
            ("text/plain", Some("text/plain")),
            (" Text/HTML ; Charset=UTF-8", Some("text/html;charset=UTF-8")),
            ("text/plain;charset=gbk, text/html", Some("text/html")),
            ("text/html;charset=gbk;a=b, text/html;x=y", Some("text/html;x=y;charset=gbk")),
            ("text/html;charset=gbk;a=b, text/html;x=y;charset=c", Some("text/html;x=y;charset=c")),
            ("text/html;charset=gbk, */*, nonsense,", Some("text/html;charset=gbk")),
            ("text/html;x=\"a,\\\"b\", b", Some("text/html;x=\"a,\\\"b\"")),
            ("*/*", None),
            ("", None),
            ("text/", None),
        ] {
            let found = extract(field.as_bytes()).map(|mime| mime.to_string());
            assert_eq!(found.as_deref(), expected, "{field}");
        }
    }
}
