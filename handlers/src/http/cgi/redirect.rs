//! The request that is answered in place of another, because a script says so (RFC 3875 section 6.2.2).
//!
//! Owns: what of the client's request it has. Must not know: who answers it.

use runtime::app::fetch::Head;

/// Fields that speak of a body, which it has not.
const OF_BODY: [&[u8]; 6] =
    [b"content-length", b"content-type", b"content-encoding", b"transfer-encoding", b"expect", b"trailer"];

/// A request for another path: GET, or HEAD.
pub struct LocalRequest {
    method: &'static str,
    authority: String,
    target: String,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl LocalRequest {
    /// In place of the request with `head`, for `target`.
    pub fn new(head: &dyn Head, target: String) -> LocalRequest {
        let mut fields = Vec::new();
        head.fields(&mut |name, value| {
            if !OF_BODY.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                fields.push((name.to_vec(), value.to_vec()));
            }
        });
        let method = if head.method() == "HEAD" { "HEAD" } else { "GET" };
        LocalRequest { method, authority: head.authority().to_owned(), target, fields }
    }
}

impl Head for LocalRequest {
    fn method(&self) -> &str {
        self.method
    }

    fn authority(&self) -> &str {
        &self.authority
    }

    fn path_and_query(&self) -> &str {
        &self.target
    }

    fn fields(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
        self.fields.iter().for_each(|(name, value)| f(name, value));
    }
}
