//! Forms as bytes: the multipart/form-data encoding algorithm (HTML, section 4.10.21.8).
//!
//! Owns: boundaries, the escaping of names. Must not know: the list of entries.

use rquickjs::{Ctx, Result};

use crate::modules::web::blob::file::File;
use crate::modules::web::crypto;

/// A boundary that no body can know.
pub(super) fn boundary(ctx: &Ctx<'_>) -> Result<String> {
    let mut random = [0; 16];
    crypto::fill(ctx, &mut random)?;
    Ok(format!("----jsserve-form-{:032x}", u128::from_ne_bytes(random)))
}

/// A part with a string.
pub(super) fn text(body: &mut Vec<u8>, boundary: &str, name: &str, text: &str) {
    begin(body, boundary, name);
    body.extend_from_slice(b"\r\n\r\n");
    body.extend_from_slice(with_crlf(text).as_bytes());
    body.extend_from_slice(b"\r\n");
}

/// A part with a file, up to the file's bytes, which a line break follows.
pub(super) fn file_head(body: &mut Vec<u8>, boundary: &str, name: &str, file: &File) {
    begin(body, boundary, name);
    let kind = match file.blob().kind() {
        "" => "application/octet-stream",
        kind => kind,
    };
    let head = format!("; filename=\"{}\"\r\nContent-Type: {kind}\r\n\r\n", escaped(file.name()));
    body.extend_from_slice(head.as_bytes());
}

fn begin(body: &mut Vec<u8>, boundary: &str, name: &str) {
    let name = escaped(&with_crlf(name));
    let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"");
    body.extend_from_slice(head.as_bytes());
}

/// The end of the last part.
pub(super) fn end(body: &mut Vec<u8>, boundary: &str) {
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
}

/// A name, or a file's, such that its quotes end where it ends.
fn escaped(name: &str) -> String {
    name.replace('\n', "%0A").replace('\r', "%0D").replace('"', "%22")
}

/// Each line break as CRLF.
fn with_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n")
}
