//! The head of an answer as it leaves: what the app has said, and what the server adds to that.
//!
//! Owns: early hints before it, what trailers and a content coding ask of it. Must not know: the wire, how the rest of
//! a body is sent.

use std::rc::Rc;

use runtime::app::fetch::{Extras, Fields, HeaderList, Outgoing, Reply};
use runtime::worker::Worker;

use super::additions::Additions;
use super::compress::{self, Decision, Encoder};
use super::lists::has_member;
use super::live;
use super::wire::{AnswerBody, RequestRest, Wire};

/// The status of early hints (RFC 8297).
const EARLY_HINTS: u16 = 103;

/// A head that is written, and what follows it.
#[derive(Default)]
pub struct Written {
    /// Its body: of a coded one as the app gives it.
    pub body: AnswerBody,
    /// What else is to be known of it. Boxed: most answers have none.
    pub rest: Option<Box<WrittenRest>>,
}

/// What follows a head in another way than the app gave it.
#[derive(Default)]
pub struct WrittenRest {
    /// What the body goes through.
    pub encoder: Option<Box<Encoder>>,
    /// A body that the app gave as a whole, and that is to be sent in pieces.
    pub whole: Option<Outgoing>,
    /// Bytes behind its last, in development.
    pub tail: Option<Vec<u8>>,
    /// What the app had given by then to stand behind it.
    pub trailers: Option<HeaderList>,
}

impl Written {
    /// The body that the app gave as a whole, and that is to be sent in pieces: once.
    pub fn take_whole(&mut self) -> Option<Outgoing> {
        self.rest.as_mut()?.whole.take()
    }
}

/// Writes the head of an answer of the app's, with its body where that is whole, and what stands before and behind
/// them.
pub fn write(
    wire: &mut impl Wire,
    worker: &Rc<Worker>,
    added: &Additions,
    reply: &Reply<'_>,
    rest: RequestRest,
) -> Written {
    let options = &worker.config.answers;
    if reply.extras.is_none() && options.is_empty() && !worker.config.dev {
        return Written { body: wire.write_head(reply, rest), ..Written::default() };
    }
    write_changed(wire, worker, added, reply, rest)
}

/// Writes early hints, where the client takes them.
pub fn write_hints(wire: &mut impl Wire, hints: &[HeaderList]) {
    if wire.takes().informational {
        hints.iter().for_each(|fields| wire.write_informational(EARLY_HINTS, fields));
    }
}

#[cold]
fn write_changed(
    wire: &mut impl Wire,
    worker: &Rc<Worker>,
    added: &Additions,
    reply: &Reply<'_>,
    rest: RequestRest,
) -> Written {
    if let Some(extras) = reply.extras {
        write_hints(wire, &extras.take_hints());
    }
    let has_body = reply.streamed || reply.body.is_some();
    // A null body has no end behind which they could stand.
    let trailers = reply.extras.filter(|_| has_body && wire.takes().trailers).map(Extras::trailers);
    let trailers = trailers.filter(|trailers| !trailers.is_empty());
    let (compression, bytes_min) =
        (&worker.config.answers.compression, worker.config.limits.compress_bytes_min);
    let decision = match compression.codings.is_empty() {
        true => Decision::Leave,
        false => compress::decide(compression, bytes_min, &*wire.head(), reply),
    };
    if trailers.is_none() && decision == Decision::Leave && !added.is_any(worker) {
        return Written { body: wire.write_head(reply, rest), ..Written::default() };
    }
    let mut list = fields_of(reply);
    added.add_to(&mut list, worker, wire.scheme());
    let declared = declared_length(&list).filter(|_| reply.streamed);
    let mut tail = if worker.config.dev { live::tail(wire, worker, reply, &mut list) } else { None };
    let declared = declared.or(reply.length.filter(|_| tail.is_some()));
    // A body that is whole has it at once.
    let longer =
        reply.body.and_then(|body| tail.take_if(|_| !reply.streamed).map(|tail| [body, &tail].concat()));
    let length = reply.length.filter(|_| tail.is_none());
    let reply = &Reply { body: longer.as_deref().or(reply.body), length, ..*reply };
    let coded = code(worker, reply, decision, &mut list);
    if let Some(trailers) = &trailers {
        announce(&mut list, trailers);
    }
    let headers = Fields::List(&list);
    let (encoder, whole) = match coded {
        Coded::No if tail.is_some() => {
            let body = wire.write_head(&Reply { headers, ..*reply }, rest);
            let rest = Some(Box::new(WrittenRest { tail, trailers, ..WrittenRest::default() }));
            return Written { body: AnswerBody { length: declared, ..body }, rest };
        }
        Coded::No => {
            let reply = Reply { headers, ..*reply };
            return write_whole(wire, &reply, trailers.as_ref(), rest);
        }
        Coded::Whole(body) => {
            let reply = Reply { headers, body: Some(&body), ..*reply };
            return write_whole(wire, &reply, trailers.as_ref(), rest);
        }
        Coded::InPieces(encoder) => (encoder, reply.body.map(Outgoing::of_bytes)),
    };
    let coded = Reply { headers, body: None, streamed: true, length: None, ..*reply };
    let body = wire.write_head(&coded, rest);
    let rest = Some(Box::new(WrittenRest { encoder: Some(encoder), whole, tail, trailers }));
    Written { body: AnswerBody { length: declared, ..body }, rest }
}

/// Writes a reply, in pieces what is whole where trailers stand behind it.
fn write_whole(
    wire: &mut impl Wire,
    reply: &Reply<'_>,
    trailers: Option<&HeaderList>,
    rest: RequestRest,
) -> Written {
    let Some(trailers) = trailers else {
        return Written { body: wire.write_head(reply, rest), ..Written::default() };
    };
    let head = Reply { body: None, streamed: true, length: None, ..*reply };
    let body = wire.write_head(&head, rest);
    if let Some(whole) = reply.body.filter(|_| !body.is_omitted) {
        if !whole.is_empty() {
            wire.write_piece(whole);
        }
        wire.write_end(Some(trailers));
    }
    Written { body, ..Written::default() }
}

/// A body and its coding.
enum Coded {
    /// It has none.
    No,
    Whole(Vec<u8>),
    InPieces(Box<Encoder>),
}

/// Codes the body of `reply` if it is short, begins to if it is not, and has `list` say so.
fn code(worker: &Rc<Worker>, reply: &Reply<'_>, decision: Decision, list: &mut HeaderList) -> Coded {
    if decision != Decision::Leave {
        compress::say_vary(list);
    }
    if decision == (Decision::NotModified { is_weak: true }) {
        compress::weaken(list);
    }
    let Decision::Code { level, must } = decision else { return Coded::No };
    let coded = match reply.body {
        // HEAD, to which GET's length is not known.
        None if !reply.streamed => {
            list.delete(b"content-length");
            return Coded::No;
        }
        Some(body) if body.len() <= compress::WHOLE_BYTES_MAX => {
            compress::whole(body, level, must).map(Coded::Whole)
        }
        body => {
            let length = body.map(|body| body.len() as u64).or(reply.length);
            let length = length.and_then(|length| usize::try_from(length).ok());
            Encoder::new(worker, level, length).map(|encoder| Coded::InPieces(Box::new(encoder)))
        }
    };
    let Some(coded) = coded else { return Coded::No };
    compress::change_fields(list, level);
    coded
}

fn declared_length(list: &HeaderList) -> Option<u64> {
    std::str::from_utf8(&list.get(b"content-length")?).ok()?.parse().ok()
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
