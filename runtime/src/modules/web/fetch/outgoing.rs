//! The body of an answer that comes in pieces, and the client that may leave before its end.
//!
//! Owns: [`Outgoing`], what a request's signal and stream hear of a client that is gone. Must not
//! know: how a body is sent.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use rquickjs::{Ctx, Value};

use super::request::Request;
use crate::files::FileBody;
use crate::js::class;
use crate::js::engine::Engine;
use crate::js::exception;
use crate::js::held::Held;
use crate::modules::web::streams::bridge::StreamReader;
use crate::modules::web::streams::source::{ByteSource, Memory};

/// A body in pieces. Who sends it asks for a piece only when there is room for it.
pub enum Outgoing {
    /// All of it is here, and so long in bytes: its app has nothing more to do with it.
    Memory(Rc<dyn ByteSource>, u64),
    /// A file, or ranges of one: its app has nothing more to do with it, either.
    File(Rc<FileBody>),
    /// From native code to native code.
    Native(Rc<dyn ByteSource>),
    /// From the app's stream.
    Stream(StreamReader),
}

/// Why a body has no end.
pub struct Broken {
    /// What the app should read in the log.
    pub text: String,
    /// The stack, if there is one.
    pub stack: String,
    /// Whether it is this side's fault, the app's stream or a file; else what the app passes on failed.
    pub by_app: bool,
}

impl Broken {
    /// A file that cannot be read to the end that its head said.
    pub fn of_file(error: std::io::Error) -> Broken {
        Broken { text: error.to_string(), stack: String::new(), by_app: true }
    }
}

/// Why nobody wants the rest of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwanted {
    /// The answer has no body on the wire (HEAD, 204, 304): no reason is given.
    NoBody,
    /// The client is gone.
    ClientGone,
    /// It has sent nothing for too long.
    TimedOut,
    /// It is longer than its Content-Length.
    TooLong,
}

impl Outgoing {
    /// Of a copy of `bytes`.
    pub fn of_bytes(bytes: &[u8]) -> Outgoing {
        Outgoing::Memory(Memory::source(Bytes::copy_from_slice(bytes)), bytes.len() as u64)
    }

    /// Its bytes in all, where the app has nothing more to do with it: in memory, or in a file.
    pub fn length(&self) -> Option<u64> {
        match self {
            Outgoing::Memory(_, length) => Some(*length),
            Outgoing::File(file) => Some(file.length()),
            Outgoing::Native(_) | Outgoing::Stream(_) => None,
        }
    }

    /// Whether it sends something whenever it has been silent for a while.
    pub fn keeps_alive(&self) -> bool {
        match self {
            Outgoing::Memory(source, _) | Outgoing::Native(source) => source.keeps_alive(),
            Outgoing::File(_) | Outgoing::Stream(_) => false,
        }
    }

    /// Whether it ends by itself when it has been silent for too long.
    pub fn bounds_silence(&self) -> bool {
        matches!(self, Outgoing::Native(source) if source.bounds_silence())
    }

    /// The next piece, which may be empty; `None` at the end. Enters JavaScript: not from inside a
    /// turn.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        match self {
            Outgoing::Memory(source, _) | Outgoing::Native(source) => source.poll_bytes(cx).map(|next| {
                next.map(|piece| piece.map_err(|text| Broken { text, stack: String::new(), by_app: false }))
            }),
            Outgoing::File(file) => {
                file.poll_piece(cx).map(|next| next.map(|piece| piece.map_err(Broken::of_file)))
            }
            Outgoing::Stream(reader) => reader.poll_chunk(cx).map(|next| {
                next.map(|piece| {
                    piece.map_err(|thrown| Broken { text: thrown.text, stack: thrown.stack, by_app: true })
                })
            }),
        }
    }

    /// As [`poll_piece`](Self::poll_piece), of a body that can be read to where it is sent from: appends the next piece to
    /// `out`, and says how many bytes that is. `None`: it is another kind of body.
    pub fn poll_into(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Poll<Option<Result<usize, Broken>>>> {
        let Outgoing::File(file) = self else { return None };
        Some(file.poll_into(cx, out).map(|next| next.map(|added| added.map_err(Broken::of_file))))
    }

    /// Gives up what is left. Enters JavaScript: not from inside a turn.
    pub fn cancel(&self, why: Unwanted) {
        match self {
            Outgoing::Memory(source, _) | Outgoing::Native(source) => source.cancel(),
            Outgoing::File(file) => file.cancel(),
            Outgoing::Stream(reader) => reader.cancel(|ctx| reason(ctx, why)),
        }
    }
}

fn reason<'js>(ctx: &Ctx<'js>, why: Unwanted) -> Value<'js> {
    let (name, message) = match why {
        Unwanted::NoBody => return Value::new_undefined(ctx.clone()),
        Unwanted::ClientGone => ("AbortError", "The client is gone"),
        Unwanted::TimedOut => {
            ("TimeoutError", "The response has sent nothing for as long as it may (--idle-timeout)")
        }
        Unwanted::TooLong => {
            let _ = exception::type_error(ctx, "The body is longer than its Content-Length");
            return ctx.catch();
        }
    };
    let _ = exception::dom_exception(ctx, name, message);
    ctx.catch()
}

/// The request that an answer belongs to.
pub struct Caller {
    request: Held,
    engine: Rc<Engine>,
}

impl Caller {
    /// Keeps `request` and its engine.
    pub fn new(engine: Rc<Engine>, request: Value<'_>) -> Self {
        Caller { request: Held::new(request), engine }
    }

    /// The client is gone: the request's signal aborts. Enters JavaScript: not from inside a turn.
    pub fn gone(&self) {
        self.engine.turn(|ctx| {
            let request = self.request.get(ctx);
            if let Some(native) = class::get::<Request>(&request)
                && native.abandon(ctx).is_err()
            {
                drop(ctx.catch());
            }
        });
    }
}
