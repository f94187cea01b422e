//! `fetch` of `blob:` URLs (Fetch section 4.2, "scheme fetch").
//!
//! Owns: what is answered, whole or a range. Must not know: which URLs there are.

use std::ops::Range;

use rquickjs::Ctx;
use url::Url;

use super::super::body::{Body, Source};
use super::super::header_list::HeaderList;
use super::super::request::Request;
use super::super::response::Response;
use super::errors::Failure;
use crate::modules::blob::urls;

/// The answer of a blob URL.
///
/// # Errors
/// For a URL that stands for no blob in this worker, a method other than GET, a range outside of it.
pub(super) fn answer(ctx: &Ctx<'_>, request: &Request, url: &Url) -> Result<Response, Failure> {
    let refused = |words: &str| Failure::new(words, Some("ERR_BLOB_URL"));
    if request.method() != "GET" {
        return Err(refused("a blob: URL can be fetched by GET only"));
    }
    let blob = urls::resolve(ctx, url)
        .ok_or_else(|| refused("the blob: URL was revoked, or is none of URL.createObjectURL here"))?;
    let all = blob.bytes().len();
    let field = request.shared_headers().list().get(b"range");
    let part = match field.map(|field| range(&field, all)) {
        None => None,
        Some(Some(part)) => Some(part),
        Some(None) => return Err(refused("the Range header is malformed, or outside of the blob")),
    };
    let mut list = HeaderList::default();
    let length = part.as_ref().map_or(all, Range::len);
    list.append(b"content-length", length.to_string().as_bytes());
    list.append(b"content-type", blob.kind().as_bytes());
    let (status, reason, blob) = match part {
        None => (200, "OK", blob),
        Some(part) => {
            let field = format!("bytes {}-{}/{all}", part.start, part.end - 1);
            list.append(b"content-range", field.as_bytes());
            (206, "Partial Content", blob.part(part))
        }
    };
    let mut shown = url.clone();
    shown.set_fragment(None);
    let body = Body::new(Source::Blob(blob));
    Ok(Response::fetched(status, reason.into(), list, body, shown.into(), false))
}

/// The one range that a Range field asks for, of `all` bytes; none for what is malformed or outside.
fn range(field: &[u8], all: usize) -> Option<Range<usize>> {
    let text = std::str::from_utf8(field).ok()?.strip_prefix("bytes")?;
    let blank = |c| c == ' ' || c == '\t';
    let (first, last) = text.trim_start_matches(blank).strip_prefix('=')?.split_once('-')?;
    let number = |text: &str| {
        let text = text.trim_matches(blank);
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than fit say "to the end".
        digits.then(|| (!text.is_empty()).then(|| text.parse::<usize>().unwrap_or(usize::MAX)))
    };
    match (number(first)?, number(last)?) {
        (Some(first), last) => {
            let end = last.map_or(all, |last| last.saturating_add(1).min(all));
            (first < all && last.is_none_or(|last| first <= last)).then_some(first..end)
        }
        (None, Some(count)) => Some(all.saturating_sub(count)..all).filter(|part| !part.is_empty()),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_what_there_is() {
        for (field, expected) in [
            ("bytes=0-", Some(0..10)),
            ("bytes = 2 - 5 ", Some(2..6)),
            ("bytes=9-9", Some(9..10)),
            ("bytes=5-99999999999999999999999", Some(5..10)),
            ("bytes=-3", Some(7..10)),
            ("bytes=-30", Some(0..10)),
            ("bytes=10-", None),
            ("bytes=5-4", None),
            ("bytes=-", None),
            ("bytes=-0", None),
            ("bytes=0-1,3-4", None),
            ("bytes=+1-2", None),
            ("items=0-1", None),
        ] {
            assert_eq!(range(field.as_bytes(), 10), expected, "{field}");
        }
    }
}
