//! What a request says about the file that it asks for.
//!
//! Owns: the fields that matter, read once. Must not know: what they lead to.

/// The method, as far as files tell methods apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// OPTIONS.
    Options,
    /// Any other.
    Other,
}

impl Method {
    /// That of a request.
    pub fn of(name: &[u8]) -> Method {
        match name {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"OPTIONS" => Method::Options,
            _ => Method::Other,
        }
    }

    /// Whether it asks for a file.
    pub fn is_read(self) -> bool {
        matches!(self, Method::Get | Method::Head)
    }
}

/// A field whose lines are one list (RFC 9110 section 5.3); `None`: it is not there.
pub type List = Option<Vec<u8>>;

/// The fields.
#[derive(Debug, Default)]
pub struct FileRequest {
    /// Accept-Encoding.
    pub codings: List,
    /// If-Match.
    pub if_match: List,
    /// If-None-Match.
    pub if_none_match: List,
    /// If-Modified-Since.
    pub if_modified_since: List,
    /// If-Unmodified-Since.
    pub if_unmodified_since: List,
    /// If-Range.
    pub if_range: List,
    /// Range.
    pub range: List,
    /// Accept names text/html: it is a page that is wanted.
    pub wants_page: bool,
}

impl FileRequest {
    /// Takes a field in.
    pub fn add(&mut self, name: &[u8], value: &[u8]) {
        // Most fields are told by their length.
        let list = match name.len() {
            5 if name.eq_ignore_ascii_case(b"range") => &mut self.range,
            6 if name.eq_ignore_ascii_case(b"accept") => {
                self.wants_page |= accepts_page(value);
                return;
            }
            8 if name.eq_ignore_ascii_case(b"if-match") => &mut self.if_match,
            8 if name.eq_ignore_ascii_case(b"if-range") => &mut self.if_range,
            13 if name.eq_ignore_ascii_case(b"if-none-match") => &mut self.if_none_match,
            15 if name.eq_ignore_ascii_case(b"accept-encoding") => &mut self.codings,
            17 if name.eq_ignore_ascii_case(b"if-modified-since") => &mut self.if_modified_since,
            19 if name.eq_ignore_ascii_case(b"if-unmodified-since") => &mut self.if_unmodified_since,
            _ => return,
        };
        match list {
            Some(before) => {
                before.extend_from_slice(b", ");
                before.extend_from_slice(value);
            }
            None => *list = Some(value.to_vec()),
        }
    }
}

fn accepts_page(value: &[u8]) -> bool {
    value.split(|b| *b == b',').any(|range| {
        let kind = range.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        kind.eq_ignore_ascii_case(b"text/html") || kind.eq_ignore_ascii_case(b"application/xhtml+xml")
    })
}
