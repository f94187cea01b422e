//! The bytes of an event stream (HTML, section 9.2.5): events, comments, what may stand in them.
//!
//! Owns: the format, lines of all three endings. Must not know: who reads it.

/// An event, or what there is of one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Event<'a> {
    /// Its type, where that is not `message`: one line.
    pub(super) event: Option<&'a str>,
    /// Its id: one line without NUL.
    pub(super) id: Option<&'a str>,
    /// Milliseconds before a client connects anew.
    pub(super) retry_ms: Option<u64>,
    /// Its data, of any lines; without them it is no event for the client.
    pub(super) data: Option<&'a str>,
}

impl Event<'_> {
    /// Its bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let data_bytes = self.data.map_or(0, |data| data.len() + 16);
        let mut out = Vec::with_capacity(data_bytes + 64);
        if let Some(event) = self.event {
            field(&mut out, "event: ", event);
        }
        if let Some(id) = self.id {
            field(&mut out, "id: ", id);
        }
        if let Some(retry_ms) = self.retry_ms {
            field(&mut out, "retry: ", &retry_ms.to_string());
        }
        if let Some(data) = self.data {
            lines(data).for_each(|line| field(&mut out, "data: ", line));
        }
        out.push(b'\n');
        out
    }
}

/// A comment, which clients pass over.
pub(super) fn comment(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 4);
    lines(text).for_each(|line| field(&mut out, ": ", line));
    out.push(b'\n');
    out
}

fn field(out: &mut Vec<u8>, name: &str, line: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
}

/// The lines of a text, of which it has one at least: CRLF, LF and CR end one.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\r', '\n']) else { return rest.take() };
        let after = if text[end..].starts_with("\r\n") { end + 2 } else { end + 1 };
        rest = Some(&text[after..]);
        Some(&text[..end])
    })
}

/// Whether a field can have this value: it is one line.
pub(super) fn is_line(text: &str) -> bool {
    !text.contains(['\r', '\n'])
}

/// Whether it is an id that a client takes.
pub(super) fn is_id(text: &str) -> bool {
    is_line(text) && !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(event: Event<'_>) -> String {
        String::from_utf8(event.bytes()).expect("UTF-8")
    }

    #[test]
    fn each_line_of_the_data_is_a_field_whatever_ends_it() {
        for (data, expected) in [
            ("a", "data: a\n\n"),
            ("", "data: \n\n"),
            (" a", "data:  a\n\n"),
            ("a\nb", "data: a\ndata: b\n\n"),
            ("a\r\nb\rc\n", "data: a\ndata: b\ndata: c\ndata: \n\n"),
            ("\n", "data: \ndata: \n\n"),
            ("\r\r\n", "data: \ndata: \ndata: \n\n"),
            ("data: x\nid: 1", "data: data: x\ndata: id: 1\n\n"),
            ("\u{feff}é\0", "data: \u{feff}é\0\n\n"),
        ] {
            assert_eq!(text(Event { data: Some(data), ..Event::default() }), expected, "{data:?}");
        }
    }

    #[test]
    fn the_other_fields_stand_before_the_data() {
        let event = Event { event: Some("tick"), id: Some("7"), retry_ms: Some(10), data: Some("x") };
        assert_eq!(text(event), "event: tick\nid: 7\nretry: 10\ndata: x\n\n");
        assert_eq!(text(Event { id: Some(""), ..Event::default() }), "id: \n\n");
        assert_eq!(comment("a\r\nb"), b": a\n: b\n\n");
        assert_eq!(comment(""), b": \n\n");
    }

    #[test]
    fn what_would_end_a_field_or_be_no_id_is_known() {
        assert!(is_line("a:b \u{85}\u{2028}") && !is_line("a\rb") && !is_line("\n"));
        assert!(is_id("") && is_id("é 1") && !is_id("a\0") && !is_id("a\n"));
    }
}
