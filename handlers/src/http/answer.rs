//! The head of an answer as it leaves: what the app has said, and what the server adds to that.
//!
//! Owns: early hints before it, what trailers ask of it. Must not know: the wire, how the rest of a body is sent.

use runtime::app::fetch::{Extras, Fields, HeaderList, Reply};

use super::lists::has_member;
use super::wire::{AnswerBody, RequestRest, Wire};

/// The status of early hints (RFC 8297).
const EARLY_HINTS: u16 = 103;

/// Writes the head of an answer, with its body where that is whole, and what stands before and behind them.
pub fn write(wire: &mut impl Wire, reply: &Reply<'_>, rest: RequestRest) -> AnswerBody {
    match reply.extras {
        None => wire.write_head(reply, rest),
        Some(extras) => write_with(wire, reply, extras, rest),
    }
}

/// Writes early hints, where the client takes them.
pub fn write_hints(wire: &mut impl Wire, hints: &[HeaderList]) {
    if wire.takes().informational {
        hints.iter().for_each(|fields| wire.write_informational(EARLY_HINTS, fields));
    }
}

fn write_with(wire: &mut impl Wire, reply: &Reply<'_>, extras: &Extras, rest: RequestRest) -> AnswerBody {
    write_hints(wire, &extras.take_hints());
    let trailers = extras.trailers();
    if trailers.is_empty() || !wire.takes().trailers {
        return wire.write_head(reply, rest);
    }
    if !reply.streamed && reply.body.is_none() {
        // A null body has no end behind which they could stand.
        return wire.write_head(reply, rest);
    }
    let mut list = fields_of(reply);
    announce(&mut list, &trailers);
    let headers = Fields::List(&list);
    let written =
        wire.write_head(&Reply { headers, body: None, streamed: true, length: None, ..*reply }, rest);
    if let Some(body) = reply.body.filter(|_| !written.is_omitted) {
        if !body.is_empty() {
            wire.write_piece(body);
        }
        wire.write_end(Some(&trailers));
    }
    written
}

/// The fields of a reply, to be changed.
fn fields_of(reply: &Reply<'_>) -> HeaderList {
    match reply.headers {
        Fields::List(list) => list.clone(),
        Fields::ContentType(kind) => {
            let mut list = HeaderList::default();
            if let Some(kind) = kind {
                list.append(b"Content-Type", kind.as_bytes());
            }
            list
        }
    }
}

/// Says which trailers come (RFC 9110 section 6.6.2), and no length, for which HTTP/1.1 sends no trailers.
fn announce(list: &mut HeaderList, trailers: &HeaderList) {
    list.delete(b"content-length");
    let mut names = list.get(b"trailer").unwrap_or_default();
    for (name, _) in trailers.iter() {
        if !has_member(&names, name) {
            if !names.is_empty() {
                names.extend_from_slice(b", ");
            }
            names.extend_from_slice(name);
        }
    }
    list.set(b"Trailer", &names);
}
