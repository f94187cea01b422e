//! A parsed request head: one buffer with its bytes, and where the parts lie in it.
//!
//! Owns: [`RequestHead`]. Must not know: how a head
//! is parsed, or what the app makes of it.

/// The version that a request is handled as; a minor version above 1 counts as 1 (RFC 9110 section 2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
}

/// How long the request's body is (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyFraming {
    /// Neither Content-Length nor Transfer-Encoding: no body.
    #[default]
    None,
    /// Content-Length, in bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// The form of the request target (RFC 9112 section 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`
    #[default]
    Origin,
    /// `http://authority/path?query`
    Absolute,
    /// `*`, of OPTIONS.
    Asterisk,
}

/// A range of the head's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// `start` and `len` are below the head limit, which [`super::HeadLimits`] keeps below 2^24.
    #[inline]
    pub(crate) fn new(start: usize, len: usize) -> Self {
        Span { start: start as u32, len: len as u32 }
    }

    #[inline]
    pub(crate) fn offset(self, by: usize) -> Self {
        Span { start: self.start + by as u32, len: self.len }
    }

    #[inline]
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..][..self.len as usize]
    }
}

/// Everything about a head but its bytes.
#[derive(Debug, Default)]
pub(crate) struct HeadParts {
    pub(crate) method: Span,
    pub(crate) target: Span,
    pub(crate) form: TargetForm,
    pub(crate) authority: Span,
    pub(crate) path: Span,
    pub(crate) version: Version,
    pub(crate) framing: BodyFraming,
    pub(crate) keep_alive: bool,
    pub(crate) expect_continue: bool,
    pub(crate) takes_trailers: bool,
    pub(crate) upgrade: Option<Span>,
    pub(crate) fields: Vec<(Span, Span)>,
}

/// A request head. Owns a copy of its bytes, so the receive buffer goes back at once; cleared and
/// used again, it allocates nothing.
#[derive(Debug, Default)]
pub struct RequestHead {
    pub(crate) bytes: Vec<u8>,
    pub(crate) parts: HeadParts,
}

impl RequestHead {
    /// The method as sent; methods are case-sensitive (RFC 9110 section 9.1).
    pub fn method(&self) -> &str {
        self.text(self.parts.method)
    }

    /// The method as bytes.
    pub fn method_bytes(&self) -> &[u8] {
        self.parts.method.of(&self.bytes)
    }

    /// The target as bytes.
    pub fn target_bytes(&self) -> &[u8] {
        self.parts.target.of(&self.bytes)
    }

    /// How many bytes of an incomplete head are here.
    pub fn received_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// These bytes.
    pub fn first_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the method is HEAD, whose response has no body on the wire.
    pub fn is_head(&self) -> bool {
        self.parts.method.of(&self.bytes) == b"HEAD"
    }

    /// The target as sent: ASCII without controls, spaces and fragment.
    pub fn target(&self) -> &str {
        self.text(self.parts.target)
    }

    /// The target's form.
    pub fn target_form(&self) -> TargetForm {
        self.parts.form
    }

    /// `host[:port]` of the target URI: from an absolute target, else from Host (RFC 9112 sections
    /// 3.2.2 and 3.3). Valid, or empty when an HTTP/1.0 client sent none or Host was empty.
    pub fn authority(&self) -> &str {
        self.text(self.parts.authority)
    }

    /// Path and query of the target: all of it in origin form; in absolute form what follows the
    /// authority, which can be empty or begin with `?`; `*` in asterisk form.
    pub fn path_and_query(&self) -> &str {
        self.text(self.parts.path)
    }

    /// The version that the request is handled as.
    pub fn version(&self) -> Version {
        self.parts.version
    }

    /// How the body is delimited.
    pub fn framing(&self) -> BodyFraming {
        self.parts.framing
    }

    /// Whether the client lets the connection persist (RFC 9112 section 9.3).
    pub fn keep_alive(&self) -> bool {
        self.parts.keep_alive
    }

    /// Whether the client waits for 100 Continue before it sends its body (RFC 9110 section 10.1.1).
    pub fn expect_continue(&self) -> bool {
        self.parts.expect_continue
    }

    /// Whether the client, and each that passes its request on, takes trailers (RFC 9110 sections 6.5.1 and 10.1.4).
    pub fn takes_trailers(&self) -> bool {
        self.parts.takes_trailers
    }

    /// The value of Upgrade, when Connection names it and the version is 1.1 (RFC 9110 section 7.8).
    pub fn upgrade(&self) -> Option<&[u8]> {
        self.parts.upgrade.map(|span| span.of(&self.bytes))
    }

    /// Name and value of each field line in the order received, names in the case received. A value
    /// can hold bytes above 0x7f (obs-text); it never holds control bytes but HTAB.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.parts.fields.iter().map(|(name, value)| (name.of(&self.bytes), value.of(&self.bytes)))
    }

    /// The first value of the field `name`, compared without case.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// Empties the head and keeps its memory, up to `kept_bytes_max`.
    pub fn reuse(&mut self, kept_bytes_max: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(kept_bytes_max);
        let mut fields = std::mem::take(&mut self.parts.fields);
        fields.clear();
        self.parts = HeadParts { fields, ..HeadParts::default() };
    }

    /// Whether nothing of a head has arrived since [`reuse`](Self::reuse).
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn text(&self, span: Span) -> &str {
        // The parser lets only ASCII into what is read as text, so the check never fails.
        std::str::from_utf8(span.of(&self.bytes)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_used_again_keeps_its_memory_within_bounds() {
        let mut head = RequestHead { bytes: vec![b'x'; 512], ..RequestHead::default() };
        head.reuse(1024);
        assert!(head.is_empty() && head.bytes.capacity() >= 512);
        head.bytes = vec![b'x'; 4096];
        head.reuse(1024);
        assert!(head.bytes.capacity() <= 1024);
    }
}
