//! An exchange as FastCGI and SCGI carry it.
//!
//! Owns: how much of a body has come, what the end of the exchange is for the connection. Must not know: the app, how
//! long anything may take.

use std::future::Future;
use std::io::Result as IoResult;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use runtime::app::fetch::{BodyError, Head, HeaderList, Reply, Takes};
use runtime::files::FileWindow;
use runtime::worker::{Ends, Stopped};

use super::super::h1::BufferedConnection;
use super::super::limit::Limit;
use super::super::rejection::Rejection;
use super::super::tally::{Tally, Transferred};
use super::super::wire::{AnswerBody, BodyFailure, Departure, Ending, Received, RequestRest, Wire};
use super::carrier::{Carrier, Taken};
use super::head::GatewayHead;
use super::reply;
use crate::tunnel::ClientTunnel;

const TOO_LARGE: Rejection = Rejection::limit(413, "body: too large", Limit::BodyBytes);
const BROKEN: Rejection = Rejection::bad("body: not of the protocol");
const NOT_AS_LONG: Rejection = Rejection::bad("body: not as long as CONTENT_LENGTH says");
const CUT: Rejection = Rejection::bad("body: the connection ended");

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayClosing {
    /// With an answer on its way, which is the last.
    Gently,
    /// With nothing left to say.
    AtOnce,
    /// With a reset.
    Reset,
}

/// One request, received to the end of its variables, and its answer.
pub struct GatewayMessage<'a, C> {
    buffered: &'a mut BufferedConnection,
    carrier: &'a mut C,
    head: Rc<GatewayHead>,
    bytes_max: u64,
    /// Of the body, so far.
    received: u64,
    body_has_ended: bool,
    is_aborted: bool,
    has_finished: bool,
    /// The head of the answer is written, and a body follows.
    has_answer_body: bool,
    tally: Tally,
    /// What the connection had written before it.
    written_before: u64,
}

impl<'a, C: Carrier> GatewayMessage<'a, C> {
    /// Of the request with `head`.
    pub fn new(buffered: &'a mut BufferedConnection, carrier: &'a mut C, head: Rc<GatewayHead>) -> Self {
        let written_before = buffered.written();
        GatewayMessage {
            tally: Tally::default(),
            written_before,
            buffered,
            carrier,
            head,
            bytes_max: 0,
            received: 0,
            body_has_ended: false,
            is_aborted: false,
            has_finished: false,
            has_answer_body: false,
        }
    }

    /// What the end of the exchange is for the connection.
    ///
    /// # Errors
    /// How it ends, where it does.
    pub fn conclude(self, ending: Ending) -> Result<(), GatewayClosing> {
        self.buffered.drop_spare();
        let is_draining = self.buffered.connection.worker().is_draining();
        match ending {
            Ending::Complete | Ending::Unread => self.carrier.write_end(&mut self.buffered.out),
            Ending::Left | Ending::Lost if self.is_aborted => {
                self.carrier.write_end(&mut self.buffered.out);
                let keeps = self.carrier.keeps_connection() && !is_draining;
                return if keeps { Ok(()) } else { Err(GatewayClosing::Gently) };
            }
            Ending::Left => return Err(GatewayClosing::AtOnce),
            // Without an end the web server sees that it is not all.
            Ending::CutShort | Ending::Lost | Ending::Upgraded => return Err(GatewayClosing::Reset),
        }
        let keeps = ending == Ending::Complete && self.carrier.keeps_connection() && !is_draining;
        if keeps { Ok(()) } else { Err(GatewayClosing::Gently) }
    }

    /// Gives `sink` what `input` has of the body, within its length.
    fn take(&mut self, input: &[u8], sink: &mut impl FnMut(&[u8])) -> Result<Taken, Rejection> {
        let mut received = self.received;
        let taken = self.carrier.take(input, &mut self.buffered.out, &mut |bytes| {
            received += bytes.len() as u64;
            sink(bytes);
        });
        let taken = taken.map_err(|_| BROKEN)?;
        self.received = received;
        self.is_aborted |= taken.is_aborted;
        match self.head.length {
            Some(length) if received > length || taken.end && received < length => return Err(NOT_AS_LONG),
            None if received > self.bytes_max => return Err(TOO_LARGE),
            _ => {}
        }
        self.body_has_ended |= taken.end;
        Ok(taken)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.carrier.write(&mut self.buffered.out, bytes);
    }
}

impl<C: Carrier> Wire for GatewayMessage<'_, C> {
    fn head(&self) -> Rc<dyn Head> {
        self.head.clone()
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn transferred(&self) -> Transferred {
        let sent = self.buffered.written() - self.written_before;
        Transferred { received: self.received, sent, body: sent.saturating_sub(self.tally.head_bytes) }
    }

    fn method_and_target(&self) -> (&[u8], &[u8]) {
        (self.head.method().as_bytes(), self.head.path_and_query().as_bytes())
    }

    fn version(&self) -> &'static str {
        self.head.version
    }

    fn scheme(&self) -> &'static str {
        self.head.scheme
    }

    fn is_misdirected(&self) -> bool {
        false
    }

    fn ends(&self) -> Rc<Ends> {
        self.head.ends.clone()
    }

    fn is_proxied(&self) -> bool {
        false
    }

    fn takes(&self) -> Takes {
        Takes { informational: false, trailers: false }
    }

    fn has_body(&self) -> bool {
        self.head.has_body()
    }

    fn expects_continue(&self) -> bool {
        false
    }

    fn begin_body(&mut self, bytes_max: u64, sink: &mut impl FnMut(&[u8])) -> Result<Received, Rejection> {
        self.bytes_max = bytes_max;
        if self.head.length.is_some_and(|length| length > bytes_max) {
            return Err(TOO_LARGE);
        }
        let input = self.buffered.input.take();
        let taken = self.take(&input, sink)?;
        self.buffered.input.keep(&input[taken.used..]);
        Ok(Received { bytes: taken.used as u64, end: taken.end })
    }

    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut impl FnMut(&[u8]),
    ) -> Poll<Result<Received, BodyFailure>> {
        let failed = |why, rejection| Poll::Ready(Err(BodyFailure { why, rejection }));
        if self.is_aborted {
            return failed(BodyError::Aborted, None);
        }
        let chunk = match ready!(self.buffered.connection.poll_recv(cx)) {
            Ok(chunk) if !chunk.is_empty() => chunk,
            Ok(_) => return failed(BodyError::Aborted, Some(CUT)),
            Err(_) => return failed(BodyError::Aborted, None),
        };
        match self.take(&chunk, sink) {
            Ok(taken) if taken.is_aborted => failed(BodyError::Aborted, None),
            Ok(taken) => {
                self.buffered.input.keep(&chunk[taken.used..]);
                Poll::Ready(Ok(Received { bytes: chunk.len() as u64, end: taken.end }))
            }
            Err(rejection) => {
                let too_large = rejection.status == 413;
                let why = if too_large { BodyError::TooLarge } else { BodyError::Malformed };
                failed(why, Some(rejection))
            }
        }
    }

    /// What comes behind the request is its being taken back, or a question to be answered; else the connection's end.
    fn poll_departure(&mut self, cx: &mut Context<'_>) -> Poll<Departure> {
        let mut chunk = self.buffered.input.take();
        loop {
            match self.carrier.take(&chunk, &mut self.buffered.out, &mut |_| {}) {
                Ok(taken) if taken.is_aborted => {
                    self.is_aborted = true;
                    return Poll::Ready(Departure::Gone);
                }
                Ok(taken) if taken.used < chunk.len() => {
                    chunk.drain(..taken.used);
                    continue;
                }
                Ok(_) => {}
                Err(_) => return Poll::Ready(Departure::Gone),
            }
            if !self.buffered.out.is_empty()
                && !self.buffered.connection.is_sending()
                && !self.has_answer_body
            {
                // An answer to such a question.
                self.buffered.start_send();
            }
            if self.has_finished {
                return Poll::Pending;
            }
            match ready!(self.buffered.connection.poll_recv(cx)) {
                Ok(more) if !more.is_empty() => chunk = more.to_vec(),
                Ok(_) => {
                    self.has_finished = true;
                    return Poll::Ready(Departure::Finished);
                }
                Err(_) => return Poll::Ready(Departure::Gone),
            }
        }
    }

    fn needs_rest(&self) -> bool {
        self.carrier.keeps_connection()
    }

    fn write_continue(&mut self) {}

    fn write_informational(&mut self, _status: u16, _fields: &HeaderList) {}

    fn write_head(&mut self, reply: &Reply<'_>, _rest: RequestRest) -> AnswerBody {
        let mut bytes = Vec::with_capacity(256);
        let body = reply::head(&mut bytes, reply, self.head.method() == "HEAD");
        self.tally.status = reply.status;
        self.tally.head_bytes = bytes.len() as u64;
        if !body.is_omitted {
            bytes.extend_from_slice(reply.body.unwrap_or_default());
        }
        self.has_answer_body = !body.is_omitted;
        self.write(&bytes);
        body
    }

    /// There is no 101 here: the web server in front sees the connection end.
    fn open_tunnel(&mut self, _reply: &Reply<'_>, _tunnel: ClientTunnel) {}

    fn write_piece(&mut self, piece: &[u8]) {
        if self.has_answer_body {
            self.write(piece);
        }
    }

    fn piece_buffer(&mut self) -> Option<&mut Vec<u8>> {
        (C::IS_PLAIN && self.has_answer_body).then_some(&mut self.buffered.out)
    }

    fn sends_files(&self) -> bool {
        C::IS_PLAIN && self.has_answer_body && self.buffered.connection.tls().is_none()
    }

    fn send_file(&mut self, window: &FileWindow<'_>) -> IoResult<usize> {
        self.buffered.send_file(window)
    }

    fn write_end(&mut self, _trailers: Option<&HeaderList>) {}

    fn flush(&mut self) -> impl Future<Output = Result<(), Stopped>> {
        self.buffered.flush()
    }

    fn unsent_bytes(&self) -> usize {
        self.buffered.out.len()
    }

    fn start_send(&mut self) {
        self.buffered.start_send();
    }

    fn is_sending(&self) -> bool {
        self.buffered.connection.is_sending()
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        self.buffered.connection.poll_sent(cx).map_ok(|spare| self.buffered.keep_spare(spare))
    }

    fn send_progress(&self) -> u64 {
        self.buffered.connection.send_progress()
    }
}
