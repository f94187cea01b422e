//! URLs that lead to no server (Fetch section 4.2, "scheme fetch").
//!
//! Owns: data: and blob: URLs, the words for what is not supported. Must not know: responses.

use bytes::Bytes;
use data_url::DataUrl;
use rquickjs::Ctx;
use url::Url;

use super::errors::Failure;
use crate::modules::web::blob::urls;
use crate::modules::web::fetch::header_list::HeaderList;
use crate::modules::web::fetch::request::Request;

/// What stands behind a URL.
pub(super) struct Local {
    pub(super) status: u16,
    pub(super) reason: &'static str,
    pub(super) headers: HeaderList,
    pub(super) bytes: Bytes,
}

impl Local {
    fn new(status: u16, reason: &'static str, bytes: Bytes, headers: &[(&str, &str)]) -> Self {
        let mut list = HeaderList::default();
        headers.iter().for_each(|(name, value)| list.append(name.as_bytes(), value.as_bytes()));
        Local { status, reason, headers: list, bytes }
    }
}

/// What is behind `url`, which is neither http: nor https:.
///
/// # Errors
/// Nothing.
pub(super) fn local(ctx: &Ctx<'_>, url: &Url, request: &Request) -> Result<Local, Failure> {
    let refused = |words: &str| Err(Failure::new(words, Some("ERR_UNSUPPORTED_SCHEME")));
    match url.scheme() {
        "data" => data(url),
        "blob" => blob(ctx, url, request),
        "file" => refused("file: URLs cannot be fetched; std.loadFile and os.open read files"),
        scheme => {
            refused(&format!("the scheme {scheme}: cannot be fetched; http:, https:, data: and blob: can"))
        }
    }
}

fn data(url: &Url) -> Result<Local, Failure> {
    let bad = || Failure::new("the data: URL is malformed", Some("ERR_INVALID_URL"));
    let data = DataUrl::process(url.as_str()).map_err(|_| bad())?;
    let (bytes, _fragment) = data.decode_to_vec().map_err(|_| bad())?;
    Ok(Local::new(200, "OK", bytes.into(), &[("content-type", &data.mime_type().to_string())]))
}

fn blob(ctx: &Ctx<'_>, url: &Url, request: &Request) -> Result<Local, Failure> {
    let bad = |words: &str| Failure::new(format!("{url}: {words}"), Some("ERR_INVALID_URL"));
    if request.method() != "GET" {
        return Err(bad("only GET gets a blob"));
    }
    let blob = urls::resolve(ctx, url).ok_or_else(|| bad("no blob has this URL"))?;
    let (bytes, kind) = (blob.bytes(), blob.kind());
    let Some(range) = request.shared_headers().list().get(b"range") else {
        let length = bytes.len().to_string();
        return Ok(Local::new(200, "OK", bytes, &[("content-length", &length), ("content-type", kind)]));
    };
    let part = part(&range, bytes.len()).ok_or_else(|| bad("it has no such range"))?;
    let content_range = format!("bytes {}-{}/{}", part.start, part.end - 1, bytes.len());
    let bytes = bytes.slice(part);
    let length = bytes.len().to_string();
    let headers =
        [("content-length", length.as_str()), ("content-type", kind), ("content-range", &content_range)];
    Ok(Local::new(206, "Partial Content", bytes, &headers))
}

/// The part of `length` bytes that a Range header means ("parse a single range header value", with white
/// space allowed).
fn part(range: &[u8], length: usize) -> Option<std::ops::Range<usize>> {
    let text = std::str::from_utf8(range).ok()?;
    let blank = |c| matches!(c, ' ' | '\t');
    let (first, last) =
        text.strip_prefix("bytes")?.trim_start_matches(blank).strip_prefix('=')?.split_once('-')?;
    let number = |text: &str| match text.trim_matches(blank) {
        "" => Some(None),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(Some(digits.parse::<usize>().unwrap_or(usize::MAX)))
        }
        _ => None,
    };
    let (start, end) = match (number(first)?, number(last)?) {
        (None, None) => return None,
        (None, Some(count)) => (length.saturating_sub(count), length),
        (Some(start), None) => (start, length),
        (Some(start), Some(end)) if start <= end => (start, end.saturating_add(1).min(length)),
        _ => return None,
    };
    (start < end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn a_range_is_one_part_that_is_there() {
        for (range, expected) in [
            ("bytes=2-4", Some(2..5)),
            ("bytes \t= 2 -\t4 ", Some(2..5)),
            ("bytes=2-", Some(2..10)),
            ("bytes=-3", Some(7..10)),
            ("bytes=-30", Some(0..10)),
            ("bytes=8-99999999999999999999999", Some(8..10)),
            ("bytes=0-0", Some(0..1)),
            ("bytes=10-", None),
            ("bytes=-0", None),
            ("bytes=4-2", None),
            ("bytes=-", None),
            ("bytes=1", None),
            ("bytes=1-2,4-5", None),
            ("bytes=+1-2", None),
            ("byte=1-2", None),
            ("", None),
        ] {
            assert_eq!(part(range.as_bytes(), 10), expected, "{range}");
        }
    }
}
