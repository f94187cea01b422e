//! The URL record of the WHATWG URL standard (section 4.1), its serialisation and what its attributes show.
//!
//! Owns: the parts of a URL, each as it is serialised. Must not know: JavaScript, how text is parsed.

use std::borrow::Cow;

/// A URL, taken apart (URL standard, section 4.1).
#[derive(Clone, Debug, Default)]
pub struct UrlRecord {
    pub(super) scheme: Cow<'static, str>,
    pub(super) username: String,
    pub(super) password: String,
    /// Serialised; none is the standard's null, empty its empty host.
    pub(super) host: Option<String>,
    /// None where it is the scheme's own.
    pub(super) port: Option<u16>,
    /// An opaque path, or a slash and a segment for each of a list's.
    pub(super) path: String,
    pub(super) is_opaque: bool,
    pub(super) query: Option<String>,
    pub(super) fragment: Option<String>,
}

/// The special schemes; the copy of one needs no memory.
pub(super) fn special(scheme: &str) -> Option<&'static str> {
    ["https", "http", "wss", "ws", "ftp", "file"].into_iter().find(|special| *special == scheme)
}

/// A special scheme's own port.
pub(super) fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        "ftp" => Some(21),
        _ => None,
    }
}

impl UrlRecord {
    /// Whether its scheme is one of those that the standard lists.
    pub(super) fn is_special(&self) -> bool {
        special(&self.scheme).is_some()
    }

    /// Whether it "includes credentials".
    pub fn has_credentials(&self) -> bool {
        !self.username.is_empty() || !self.password.is_empty()
    }

    /// Whether it "cannot have a username/password/port".
    pub(super) fn is_without_port(&self) -> bool {
        self.host.as_ref().is_none_or(String::is_empty) || self.scheme == "file"
    }

    /// As the URL of a WebSocket (WebSockets Standard, "obtain a WebSocket URL"); none where it is no such.
    pub fn into_websocket(mut self) -> Option<UrlRecord> {
        self.scheme = match &*self.scheme {
            "http" | "ws" => Cow::Borrowed("ws"),
            "https" | "wss" => Cow::Borrowed("wss"),
            _ => return None,
        };
        self.fragment.is_none().then_some(self)
    }

    /// Bytes of the parts, which are nearly those of [`UrlRecord::href`].
    pub(super) fn bytes(&self) -> usize {
        let parts = [self.host.as_ref(), self.query.as_ref(), self.fragment.as_ref()];
        let parts: usize = parts.into_iter().flatten().map(String::len).sum();
        self.username.len() + self.password.len() + self.path.len() + parts + size_of::<UrlRecord>()
    }

    /// The serialised URL (section 4.5).
    pub fn href(&self) -> String {
        let mut out = String::with_capacity(self.bytes() - size_of::<UrlRecord>() + self.scheme.len() + 16);
        out.push_str(&self.scheme);
        out.push(':');
        match &self.host {
            Some(host) => {
                out.push_str("//");
                if self.has_credentials() {
                    out.push_str(&self.username);
                    if !self.password.is_empty() {
                        out.push(':');
                        out.push_str(&self.password);
                    }
                    out.push('@');
                }
                out.push_str(host);
                self.push_port(&mut out);
            }
            // So that the path does not read as a host.
            None if !self.is_opaque && self.path.starts_with("//") => out.push_str("/."),
            None => {}
        }
        out.push_str(&self.path);
        for (mark, part) in [('?', &self.query), ('#', &self.fragment)] {
            if let Some(part) = part {
                out.push(mark);
                out.push_str(part);
            }
        }
        out
    }

    fn push_port(&self, out: &mut String) {
        if let Some(port) = self.port {
            out.push(':');
            out.push_str(&port.to_string());
        }
    }

    /// What `protocol` shows.
    pub(super) fn protocol(&self) -> String {
        format!("{}:", self.scheme)
    }

    /// What `host` shows.
    pub(super) fn host(&self) -> String {
        let mut host = self.host.clone().unwrap_or_default();
        self.push_port(&mut host);
        host
    }

    /// What `port` shows.
    pub(super) fn port(&self) -> String {
        self.port.map_or_else(String::new, |port| port.to_string())
    }

    /// What `search` shows.
    pub(super) fn search(&self) -> String {
        marked('?', &self.query)
    }

    /// What `hash` shows.
    pub(super) fn hash(&self) -> String {
        marked('#', &self.fragment)
    }

    /// "Shorten a URL's path": its last segment goes, but for a file's drive letter.
    pub(super) fn shorten(&mut self) {
        let is_drive =
            |path: &str| matches!(path.as_bytes(), [b'/', letter, b':'] if letter.is_ascii_alphabetic());
        if self.scheme == "file" && is_drive(&self.path) {
            return;
        }
        self.path.truncate(self.path.rfind('/').unwrap_or(0));
    }
}

/// A part with its mark; empty where that is all.
fn marked(mark: char, part: &Option<String>) -> String {
    match part.as_deref() {
        None | Some("") => String::new(),
        Some(part) => format!("{mark}{part}"),
    }
}
