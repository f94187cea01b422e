//! A fetched body that a handler passes on: in the coding in which it came, where its client takes that.
//!
//! Owns: that choice, and what the answer's head says of it. Must not know: fetching. To a script a
//! fetched body is never coded, though its headers tell how it came ([`HeaderList::set_of_coded`]), so
//! what a script makes of it is right without them; bytes that no script has looked at need not be decoded.

use super::header_list::HeaderList;
use super::incoming::Head;
use super::response::Response;
use crate::accept_encoding::AcceptEncoding;
use crate::modules::web::streams::source::{ByteSource, Coding};

/// Headers that speak of a body's bytes: a handler that sets one means the decoded ones.
const OF_BYTES: [&[u8]; 4] = [b"content-encoding", b"content-length", b"content-range", b"digest"];

/// The headers of `response`, whose body `source` is, to the request with `head`; `None`: as they are. A
/// body that was decoded goes on as it came, if it may: from now on it is not decoded. Else its headers go
/// without what tells of the coding.
pub(crate) fn headers(source: &dyn ByteSource, head: &dyn Head, response: &Response) -> Option<HeaderList> {
    let coding = source.coding()?;
    let mut list = of_decoded(&response.shared_headers().list(), &coding);
    if OF_BYTES.iter().any(|name| list.has(name)) || !is_accepted(head, &coding.name) {
        return Some(list);
    }
    source.keep_coded();
    list.append(b"content-encoding", coding.name.as_bytes());
    if let Some(length) = coding.length {
        list.append(b"content-length", length.to_string().as_bytes());
    }
    let vary = list.get(b"vary").unwrap_or_default().to_ascii_lowercase();
    let names = |name: &[u8]| vary.split(|byte| *byte == b',').any(|one| one.trim_ascii() == name);
    if !names(b"accept-encoding") && !names(b"*") {
        list.append(b"vary", b"Accept-Encoding");
    }
    Some(list)
}

/// `list` without what tells how the body came, also where it was copied field by field.
fn of_decoded(list: &HeaderList, coding: &Coding) -> HeaderList {
    let mut list = list.of_decoded().unwrap_or_else(|| list.clone());
    let length = coding.length.map(|length| length.to_string());
    let told = [(OF_BYTES[0], Some(&*coding.name)), (OF_BYTES[1], length.as_deref())];
    for (name, value) in told {
        if value.is_some_and(|value| list.get(name).is_some_and(|known| known == value.as_bytes())) {
            list.delete(name);
        }
    }
    list
}

/// Whether the client takes each of `codings`.
fn is_accepted(head: &dyn Head, codings: &str) -> bool {
    let accepted = AcceptEncoding::of(|f| head.fields(f));
    codings.split(',').all(|coding| accepted.weight(&coding.trim().to_ascii_lowercase()) > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Accepts(&'static str);
    impl Head for Accepts {
        fn method(&self) -> &str {
            "GET"
        }
        fn authority(&self) -> &str {
            "a"
        }
        fn path_and_query(&self) -> &str {
            "/"
        }
        fn fields(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
            f(b"Host", b"gzip");
            f(b"Accept-Encoding", self.0.as_bytes());
        }
    }

    #[test]
    fn a_coding_goes_on_only_to_who_takes_it() {
        for (accepts, codings, is) in [
            ("gzip", "gzip", true),
            ("deflate, GZIP;q=0.5", "gzip", true),
            ("*", "br", true),
            ("br;q=0, *", "br", false),
            ("gzip;q=0", "gzip", false),
            ("gzip; q=0.000", "gzip", false),
            ("gzip;q=x", "gzip", false),
            ("", "gzip", false),
            ("identity", "gzip", false),
            ("gzip, br", "gzip, br", true),
            ("gzip", "gzip, br", false),
            ("x-gzip", "gzip", true),
        ] {
            assert_eq!(is_accepted(&Accepts(accepts), codings), is, "{accepts:?} {codings:?}");
        }
    }
}
