//! The answer to a request for a file: status, fields and body, by RFC 9110.
//!
//! Owns: which of them it is. Must not know: who sends it, when the app is asked instead.

use std::fmt::Write as _;
use std::ops::Range;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};

use super::body::{BodyPart, FileBody};
use super::cache::CachedFile;
use super::folder::Found;
use super::http::asked::{FileRequest, Method};
use super::http::codings::{self, SiblingCoding};
use super::http::conditions::{self, Validators, Verdict};
use super::http::listing::POLICY;
use super::http::ranges::{self, WantedRanges};
use crate::header_list::HeaderList;

/// What files take (RFC 9110 section 10.2.1).
const ALLOWED: &[u8] = b"GET, HEAD, OPTIONS";

/// An answer.
pub struct FileAnswer {
    /// The status code.
    pub status: u16,
    fields: FileAnswerFields,
    /// The body; of an answer to HEAD the one that GET would get.
    pub body: FileAnswerBody,
}

/// The body of an answer.
pub enum FileAnswerBody {
    /// None.
    Null,
    /// All of it is here.
    Memory(Bytes),
    /// It comes from the file.
    File(Rc<FileBody>),
}

enum FileAnswerFields {
    /// Those of 200.
    Full(Rc<CachedFile>, Option<SiblingCoding>),
    /// Those of 304.
    Short(Rc<CachedFile>, Option<SiblingCoding>),
    Own(HeaderList),
}

impl FileAnswer {
    /// The fields, without those of the body's framing.
    pub fn fields(&self) -> &HeaderList {
        match &self.fields {
            FileAnswerFields::Full(kept, coding) => &kept.entry.variant(*coding).fields,
            FileAnswerFields::Short(kept, coding) => &kept.entry.variant(*coding).short_fields,
            FileAnswerFields::Own(list) => list,
        }
    }

    /// One that says only its status.
    pub fn status(status: u16) -> FileAnswer {
        FileAnswer::text(status, &[])
    }

    fn text(status: u16, fields: &[(&[u8], &[u8])]) -> FileAnswer {
        let phrase = match status {
            404 => "Not Found",
            405 => "Method Not Allowed",
            412 => "Precondition Failed",
            416 => "Range Not Satisfiable",
            500 => "Internal Server Error",
            _ => "Error",
        };
        let mut list = HeaderList::default();
        list.append(b"Content-Type", b"text/plain;charset=UTF-8");
        fields.iter().for_each(|(name, value)| list.append(name, value));
        let body = FileAnswerBody::Memory(format!("{status} {phrase}\n").into());
        FileAnswer { status, fields: FileAnswerFields::Own(list), body }
    }

    fn bare(status: u16, fields: &[(&[u8], &[u8])]) -> FileAnswer {
        let mut list = HeaderList::default();
        fields.iter().for_each(|(name, value)| list.append(name, value));
        FileAnswer { status, fields: FileAnswerFields::Own(list), body: FileAnswerBody::Null }
    }
}

/// The answer to a request for what was found; `None`: there is nothing. `target` is the path of the request as it was
/// sent, with its query. `status` stands for 200: a page that says why there is none.
pub fn answer(
    found: &Found,
    asked: &FileRequest,
    method: Method,
    target: &[u8],
    status: u16,
) -> Option<FileAnswer> {
    if matches!(found, Found::Missing) {
        return None;
    }
    match method {
        Method::Get | Method::Head => {}
        Method::Options => return Some(FileAnswer::bare(204, &[(b"Allow", ALLOWED)])),
        Method::Other => return Some(FileAnswer::text(405, &[(b"Allow", ALLOWED)])),
    }
    Some(match found {
        Found::File(kept) => file(kept, asked, method, status),
        Found::Redirect => redirect(target),
        Found::Page(page) => {
            let mut fields = HeaderList::default();
            fields.append(b"Content-Type", b"text/html; charset=utf-8");
            fields.append(b"Cache-Control", b"no-cache");
            fields.append(b"Content-Security-Policy", POLICY.as_bytes());
            fields.append(b"X-Content-Type-Options", b"nosniff");
            let body = FileAnswerBody::Memory(Bytes::copy_from_slice(page.as_bytes()));
            FileAnswer { status: 200, fields: FileAnswerFields::Own(fields), body }
        }
        Found::Missing => return None,
    })
}

/// To the same path with a slash, the query behind it. The path begins with one slash and has no empty segment, so it
/// is of this server.
fn redirect(target: &[u8]) -> FileAnswer {
    let at = target.iter().position(|b| *b == b'?').unwrap_or(target.len());
    let location = [&target[..at], b"/", &target[at..]].concat();
    FileAnswer::bare(308, &[(b"Location", &location)])
}

fn file(kept: &Rc<CachedFile>, asked: &FileRequest, method: Method, status: u16) -> FileAnswer {
    let accepted = asked.codings.as_deref().filter(|_| kept.entry.is_varied());
    let coding = accepted.and_then(|accepted| codings::choose(accepted, |coding| kept.entry.has(coding)));
    let variant = kept.entry.variant(coding);
    let whole = || FileAnswer {
        status,
        fields: FileAnswerFields::Full(kept.clone(), coding),
        body: body(kept, coding, vec![BodyPart::File(0..variant.size)]),
    };
    if status != 200 {
        return whole();
    }
    let validators = Validators {
        etag: variant.etag.as_deref(),
        modified_s: variant.modified_s,
        now_s: if asked.if_range.is_some() { conditions::now_s() } else { 0 },
    };
    match conditions::evaluate(asked, method, &validators) {
        Verdict::NotModified => FileAnswer {
            status: 304,
            fields: FileAnswerFields::Short(kept.clone(), coding),
            body: FileAnswerBody::Null,
        },
        Verdict::Failed => FileAnswer::text(412, &[]),
        Verdict::Perform { with_range: false } => whole(),
        Verdict::Perform { with_range: true } => {
            let wanted =
                asked.range.as_deref().map_or(WantedRanges::All, |range| ranges::wanted(range, variant.size));
            match wanted {
                WantedRanges::All => whole(),
                WantedRanges::Nothing => {
                    let range = format!("bytes */{}", variant.size);
                    FileAnswer::text(
                        416,
                        &[(b"Content-Range", range.as_bytes()), (b"Accept-Ranges", b"bytes")],
                    )
                }
                // A multipart body would not have the coding that the head names (section 8.4): the field is ignored,
                // as section 14.2 lets a server do.
                WantedRanges::Some(ranges) if ranges.len() > 1 && coding.is_some() => whole(),
                WantedRanges::Some(ranges) => partial(kept, coding, ranges),
            }
        }
    }
}

/// 206 (RFC 9110 section 15.3.7). The fields of 200 are all there, also for If-Range: who asks for them again may have
/// lost them.
fn partial(kept: &Rc<CachedFile>, coding: Option<SiblingCoding>, ranges: Vec<Range<u64>>) -> FileAnswer {
    let variant = kept.entry.variant(coding);
    let mut fields = variant.fields.clone();
    let line = |range: &Range<u64>| format!("bytes {}-{}/{}", range.start, range.end - 1, variant.size);
    if let [range] = &ranges[..] {
        fields.append(b"Content-Range", line(range).as_bytes());
        let body = body(kept, coding, vec![BodyPart::File(range.clone())]);
        return FileAnswer { status: 206, fields: FileAnswerFields::Own(fields), body };
    }
    let boundary = boundary();
    let kind = format!("multipart/byteranges; boundary={boundary}");
    fields.set(b"Content-Type", kind.as_bytes());
    let mut parts = Vec::with_capacity(ranges.len() * 2 + 1);
    for (number, range) in ranges.into_iter().enumerate() {
        let start = if number == 0 { "" } else { "\r\n" };
        let (kind, line) = (&kept.entry.content_type, line(&range));
        let head = format!("{start}--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {line}\r\n\r\n");
        parts.push(BodyPart::Bytes(head.into()));
        parts.push(BodyPart::File(range));
    }
    parts.push(BodyPart::Bytes(format!("\r\n--{boundary}--\r\n").into()));
    FileAnswer { status: 206, fields: FileAnswerFields::Own(fields), body: body(kept, coding, parts) }
}

/// A text that stands in no file: nobody can know it beforehand.
fn boundary() -> String {
    let mut random = [0; 16];
    // Where the kernel has no random bytes left, those of an address are better than none.
    if rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty()).is_err() {
        random = ((&raw const random).addr() as u128).to_ne_bytes();
    }
    let mut text = String::with_capacity(32);
    for byte in random {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The body of `parts`: from memory where the file is there.
fn body(kept: &Rc<CachedFile>, coding: Option<SiblingCoding>, parts: Vec<BodyPart>) -> FileAnswerBody {
    let variant = kept.entry.variant(coding);
    if let Some(contents) = &variant.contents {
        let bytes = |part: &BodyPart| match part {
            BodyPart::Bytes(bytes) => bytes.clone(),
            BodyPart::File(range) => contents.slice(range.start as usize..range.end as usize),
        };
        if let [part] = &parts[..] {
            return FileAnswerBody::Memory(bytes(part));
        }
        let mut all = BytesMut::new();
        parts.iter().for_each(|part| all.extend_from_slice(&bytes(part)));
        return FileAnswerBody::Memory(all.freeze());
    }
    let parts = parts.into_iter().filter(|part| !matches!(part, BodyPart::File(range) if range.is_empty()));
    match &variant.file {
        Some(file) => {
            let body = FileBody::new(kept.clone(), coding, file.clone(), parts.collect());
            FileAnswerBody::File(Rc::new(body))
        }
        None => FileAnswerBody::Null,
    }
}
