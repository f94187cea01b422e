//! The body of a request on its way to the server.
//!
//! Owns: the source that the client reads, and what the app's stream hears when it is not read to its
//! end. Must not know: responses. Bytes that are not a script's own do not enter JavaScript.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::client::{BodySource, BoxError};
use crate::io;
use crate::js::alive::Hold;
use crate::js::exception;
use crate::modules::web::streams::bridge::StreamReader;
use crate::modules::web::streams::source::ByteSource;

/// Where the bytes come from.
pub(super) enum From {
    /// From native code.
    Native(Rc<dyn ByteSource>),
    /// From a stream of the app's.
    Stream(StreamReader),
}

/// A body that is sent piece by piece. A script does not end before it.
pub(super) struct Upload {
    /// Until its end.
    from: Option<From>,
    /// The call was aborted: that the stream ends now says nothing.
    cut: Rc<Cell<bool>>,
    _pending: Hold,
}

impl Upload {
    pub(super) fn new(from: From, cut: Rc<Cell<bool>>, pending: Hold) -> Self {
        Upload { from: Some(from), cut, _pending: pending }
    }
}

impl BodySource for Upload {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Bytes, BoxError>>> {
        if self.cut.get() {
            return Poll::Ready(Some(Err("the request was aborted".into())));
        }
        let next = match &mut self.from {
            None => return Poll::Ready(None),
            Some(From::Native(source)) => source.poll_bytes(cx).map_err(BoxError::from),
            Some(From::Stream(reader)) => reader.poll_chunk(cx).map_err(|thrown| BoxError::from(thrown.text)),
        };
        // What has ended, or failed, need not be given up.
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.from = None;
        }
        if self.cut.get() {
            return Poll::Ready(Some(Err("the request was aborted".into())));
        }
        next
    }
}

impl Drop for Upload {
    /// The server takes no more of it. This may be inside of a turn, where no stream can be told.
    fn drop(&mut self) {
        match self.from.take() {
            None => {}
            Some(From::Native(source)) => source.cancel(),
            Some(From::Stream(_)) if self.cut.get() => {}
            Some(From::Stream(reader)) => drop(io::spawn(async move {
                reader.cancel(|ctx| {
                    let _ = exception::type_error(ctx, "the request ended before all of its body was sent");
                    ctx.catch()
                });
            })),
        }
    }
}
