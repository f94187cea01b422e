//! URLs that lead to no server (Fetch section 4.2, "scheme fetch").
//!
//! Owns: data: URLs, the words for what is not supported. Must not know: responses.

use data_url::DataUrl;
use url::Url;

use super::errors::Failure;

/// The type and bytes behind a URL that is neither http: nor https:.
///
/// # Errors
/// There are none.
pub(super) fn local(url: &Url) -> Result<(String, Vec<u8>), Failure> {
    let refused = |words: &str| Err(Failure::new(words, Some("ERR_UNSUPPORTED_SCHEME")));
    match url.scheme() {
        "data" => {
            let bad = |_| Failure::new("the data: URL is malformed", Some("ERR_INVALID_URL"));
            let data = DataUrl::process(url.as_str()).map_err(bad)?;
            let kind = data.mime_type().to_string();
            let (bytes, _fragment) =
                data.decode_to_vec().map_err(|_| bad(data_url::DataUrlError::NoComma))?;
            Ok((kind, bytes))
        }
        "file" => refused("file: URLs cannot be fetched; std.loadFile and os.open read files"),
        scheme => {
            refused(&format!("the scheme {scheme}: cannot be fetched; http:, https:, data: and blob: can"))
        }
    }
}
