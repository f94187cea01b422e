//! Which answers are compressed, and what their heads say.
//!
//! Owns: the rules of RFC 9110 for content codings, validators and Vary; those of the flags. Must not know: how a
//! body is coded.

use runtime::accept_encoding::AcceptEncoding;
use runtime::app::fetch::{Fields, Head, HeaderList, Reply};
use runtime::config::{CodingLevel, Compression};

use super::super::lists::{has_member, list_members};

/// Fields of an answer that is sent as it is: it has a coding, is a part, or carries a digest of its bytes.
const AS_IT_IS: [&[u8]; 6] =
    [b"content-encoding", b"content-range", b"content-digest", b"repr-digest", b"digest", b"content-md5"];

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// No client would get it compressed.
    Leave,
    /// This client does not.
    Identity,
    /// The client has it already, coded or not (304).
    NotModified {
        /// It is coded: it has the app's tag in its weak form.
        is_weak: bool,
    },
    /// It is compressed, even where that does not shorten it if it `must` be.
    Code {
        /// The coding.
        level: CodingLevel,
        /// The client refuses a body without a coding.
        must: bool,
    },
}

/// What becomes of `reply` to the request with `head`; a body below `bytes_min` is not worth it.
pub fn decide(options: &Compression, bytes_min: usize, head: &dyn Head, reply: &Reply<'_>) -> Decision {
    // 304 says what 200 would (RFC 9110 section 15.4.5), as far as the type is known.
    if reply.status == 304 {
        let is_typed = field(reply, b"content-type").is_some();
        return match may_change(reply) && (!is_typed || is_of_type(options, reply)) {
            true => Decision::NotModified { is_weak: has_weak(head, field(reply, b"etag")) },
            false => Decision::Leave,
        };
    }
    // 1xx, 204 and 205 have no content, 206 a part of it.
    if !(200..=599).contains(&reply.status) || matches!(reply.status, 204..=206) {
        return Decision::Leave;
    }
    let is_head = head.method() == "HEAD";
    let length = match (reply.body, reply.streamed) {
        (Some(body), _) => Some(body.len() as u64),
        (None, true) => reply.length.or_else(|| declared_length(reply)),
        // What GET would get is not known but for its fields.
        (None, false) if is_head => declared_length(reply),
        (None, false) => return Decision::Leave,
    };
    if length == Some(0) || !is_of_type(options, reply) || !may_change(reply) {
        return Decision::Leave;
    }
    let is_short = length.is_some_and(|length| length < bytes_min as u64);
    let accepted = AcceptEncoding::of(|f| head.fields(f));
    let must = accepted.refuses_identity();
    if is_short && !must {
        return Decision::Leave;
    }
    match accepted.best(&options.codings, |level| level.coding.name()) {
        Some(level) => Decision::Code { level: *level, must },
        None => Decision::Identity,
    }
}

/// Whether the client says that it has what has the strong tag `etag` in its weak form, as [`weaken`] makes it. A cache
/// takes a 304 for nothing that it has if a strong tag of it is none of its own (RFC 9111 section 4.3.4).
fn has_weak(head: &dyn Head, etag: Option<&[u8]>) -> bool {
    let Some(etag) = etag.filter(|etag| etag.starts_with(b"\"")) else { return false };
    let (weak, mut has) = ([b"W/", etag].concat(), false);
    head.fields(&mut |name, value| {
        has |=
            name.eq_ignore_ascii_case(b"if-none-match") && value.windows(weak.len()).any(|part| part == weak);
    });
    has
}

/// What the app says of the length.
fn declared_length(reply: &Reply<'_>) -> Option<u64> {
    let value = field(reply, b"content-length")?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn field<'a>(reply: &'a Reply<'_>, name: &[u8]) -> Option<&'a [u8]> {
    match reply.headers {
        Fields::ContentType(kind) => kind.filter(|_| name == b"content-type").map(str::as_bytes),
        Fields::List(list) => {
            list.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        }
    }
}

fn is_of_type(options: &Compression, reply: &Reply<'_>) -> bool {
    let Some(kind) = field(reply, b"content-type") else { return false };
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let Ok(kind) = std::str::from_utf8(kind) else { return false };
    options.types.iter().any(|pattern| pattern.matches(kind))
}

/// Whether the app lets its bytes be changed.
fn may_change(reply: &Reply<'_>) -> bool {
    let Fields::List(list) = reply.headers else { return true };
    list.iter().all(|(name, value)| {
        let is_kept = AS_IT_IS.iter().any(|known| known.eq_ignore_ascii_case(name));
        // RFC 9111 section 5.2.2.6.
        !(is_kept || name.eq_ignore_ascii_case(b"cache-control") && has_member(value, b"no-transform"))
    })
}

/// Says that the answer depends on Accept-Encoding (RFC 9110 section 12.5.5), where it does not say so.
pub fn say_vary(list: &mut HeaderList) {
    let mut vary = list.get(b"vary").unwrap_or_default();
    if has_member(&vary, b"*") || has_member(&vary, b"accept-encoding") {
        return;
    }
    if list_members(&vary).any(|member| !member.is_empty()) {
        vary.extend_from_slice(b", ");
    } else {
        vary.clear();
    }
    vary.extend_from_slice(b"Accept-Encoding");
    list.set(b"Vary", &vary);
}

/// Says that the body has this coding. What told of its bytes goes, and a strong validator becomes a weak one: the
/// bytes are other ones, what they stand for is the same (RFC 9110 section 8.8.1).
pub fn change_fields(list: &mut HeaderList, level: CodingLevel) {
    list.append(b"Content-Encoding", level.coding.name().as_bytes());
    list.delete(b"content-length");
    // Ranges would be of the bytes that the app has.
    list.delete(b"accept-ranges");
    weaken(list);
}

/// Makes a strong validator a weak one.
pub fn weaken(list: &mut HeaderList) {
    if let Some(tag) = list.get(b"etag").filter(|tag| tag.starts_with(b"\"")) {
        list.set(b"ETag", &[b"W/", &tag[..]].concat());
    }
}
