//! An exchange on the wire of HTTP/1.1: one request and its answer between those before and after it.
//!
//! Owns: the state of the codec for both, early input, whether the connection persists. Must not know: the app,
//! how long anything may take.

use std::future::Future;
use std::io::Result as IoResult;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use runtime::address::Address;
use runtime::app::fetch::{BodyError, Head, HeaderList, Reply, Takes};
use runtime::files::FileWindow;
use runtime::websocket::handshake::AskedProtocol;
use runtime::worker::{Connection, Ends, Stopped};

use super::super::forwarded::ForwardedRequest;
use super::super::rejection::Rejection;
use super::super::tally::{Tally, Transferred};
use super::super::wire::{
    AnswerBody, BodyFailure, Departure, Ending, NextProtocol, Received, RequestRest, Wire,
};
use super::buffered::BufferedConnection;
use super::codec::{
    BodyDecoder, BodyFraming, BodyMode, CHUNK_END, CONTINUE, Encoded, HeadLimits, RequestHead,
    ResponseContext, Version, encode_chunk_start, encode_informational, encode_last_chunk, is_authority,
};
use super::reply;
use crate::tunnel::ClientTunnel;

/// The connection ends before the body does.
const CUT: Rejection = Rejection::bad("body: the connection ended");

/// Later requests received while one is with the app; beyond, they wait in the kernel.
const EARLY_BYTES_MAX: usize = 16 << 10;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// With an answer on its way, which is the last.
    Gently,
    /// With nothing left to say.
    AtOnce,
    /// Not at all: it speaks HTTP/2 from now on.
    Http2,
    /// With a reset: the peer is gone, does not read, or must not take what it has for all there is.
    Reset,
    /// Not yet: it goes on as what its `upgrade` says.
    Upgraded,
}

/// One request, received to the end of its head, and its answer.
pub struct Message<'a> {
    buffered: &'a mut BufferedConnection,
    head: &'a Rc<RequestHead>,
    /// The request as its client made it, where trusted proxies say so.
    origin: Option<Box<ForwardedRequest>>,
    head_limits: &'a HeadLimits,
    /// The request's body, once it is begun.
    decoder: Option<BodyDecoder>,
    /// How the answer is framed, once its head is written.
    answer: Encoded,
    /// The answer's body comes in pieces.
    is_streamed: bool,
    /// The client's end has been received, behind later requests.
    has_finished: bool,
    tally: Tally,
    /// What the connection had written before it.
    written_before: u64,
}

impl Head for RequestHead {
    fn method(&self) -> &str {
        RequestHead::method(self)
    }

    fn authority(&self) -> &str {
        RequestHead::authority(self)
    }

    fn path_and_query(&self) -> &str {
        RequestHead::path_and_query(self)
    }

    fn fields(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
        for (name, value) in RequestHead::fields(self) {
            f(name, value);
        }
    }

    fn asked_protocol(&self) -> Option<AskedProtocol<'_>> {
        // Behind a body nobody could tell where the other protocol begins.
        RequestHead::upgrade(self).filter(|_| self.framing() == BodyFraming::None).map(AskedProtocol::Upgrade)
    }
}

impl<'a> Message<'a> {
    /// Of the request with `head`; what follows it is in the input. `head_limits` bound its trailers.
    pub fn new(
        buffered: &'a mut BufferedConnection,
        head: &'a Rc<RequestHead>,
        head_limits: &'a HeadLimits,
    ) -> Self {
        let origin = origin(&buffered.connection, head);
        let written_before = buffered.written();
        Message {
            tally: Tally::default(),
            written_before,
            buffered,
            head,
            origin,
            head_limits,
            decoder: None,
            answer: Encoded { body: BodyMode::Omit, length: None, keep_alive: false },
            is_streamed: false,
            has_finished: false,
        }
    }

    /// What the end of the exchange is for the connection.
    ///
    /// # Errors
    /// How it ends, where it does.
    pub fn conclude(self, ending: Ending) -> Result<(), Closing> {
        if self.is_streamed {
            self.buffered.drop_spare();
        }
        // Only a reset tells an end that comes too early from the end of a body that the end of the
        // connection ends.
        let until_close = self.answer.body == BodyMode::Plain && self.answer.length.is_none();
        match ending {
            Ending::Complete if self.answer.keep_alive => Ok(()),
            Ending::CutShort if until_close => Err(Closing::Reset),
            Ending::Complete | Ending::Unread | Ending::CutShort => Err(Closing::Gently),
            Ending::Left => Err(Closing::AtOnce),
            Ending::Lost => Err(Closing::Reset),
            Ending::Upgraded => Err(Closing::Upgraded),
        }
    }
}

/// The scheme of what is asked for on a connection (RFC 9110 section 4.2).
fn scheme(connection: &Connection) -> &'static str {
    if connection.tls().is_some() { "https" } else { "http" }
}

fn origin(connection: &Connection, head: &Rc<RequestHead>) -> Option<Box<ForwardedRequest>> {
    let config = &connection.worker().config;
    if config.trusted_proxies.is_empty() {
        return None;
    }
    let request = (head.clone() as Rc<dyn Head>, scheme(connection), connection.ends());
    ForwardedRequest::of(config, request, is_authority).map(Box::new)
}

/// Gives `sink` the content that `input` has; the bytes that belong to the body, and whether it ends there.
fn decode(
    decoder: &mut BodyDecoder,
    input: &[u8],
    sink: &mut impl FnMut(&[u8]),
) -> Result<(usize, bool), Rejection> {
    let mut used = 0;
    loop {
        let step = decoder.decode(&input[used..])?;
        used += step.consumed;
        if !step.data.is_empty() {
            sink(step.data);
        }
        if step.end || step.consumed == 0 {
            return Ok((used, step.end));
        }
    }
}

impl Wire for Message<'_> {
    fn head(&self) -> Rc<dyn Head> {
        match &self.origin {
            Some(origin) => origin.head.clone(),
            None => self.head.clone(),
        }
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn transferred(&self) -> Transferred {
        let sent = self.buffered.written() - self.written_before;
        Transferred {
            received: self.head.received_bytes() as u64 + self.tally.received_bytes,
            sent,
            body: sent.saturating_sub(self.tally.head_bytes),
        }
    }

    fn method_and_target(&self) -> (&[u8], &[u8]) {
        (self.head.method_bytes(), self.head.target_bytes())
    }

    fn version(&self) -> &'static str {
        match self.head.version() {
            Version::Http10 => "1.0",
            Version::Http11 => "1.1",
        }
    }

    fn scheme(&self) -> &'static str {
        self.origin.as_ref().map_or_else(|| scheme(&self.buffered.connection), |origin| origin.scheme)
    }

    fn is_misdirected(&self) -> bool {
        // A trusted proxy may name itself to TLS as it likes.
        self.origin.is_none() && self.buffered.connection.is_misdirected(self.head.authority())
    }

    fn ends(&self) -> Rc<Ends> {
        self.origin.as_ref().map_or_else(|| self.buffered.connection.ends(), |origin| &origin.ends).clone()
    }

    fn is_proxied(&self) -> bool {
        self.origin.is_some()
    }

    fn takes(&self) -> Takes {
        Takes { informational: self.head.version() == Version::Http11, trailers: self.head.takes_trailers() }
    }

    fn has_body(&self) -> bool {
        self.head.framing() != BodyFraming::None
    }

    fn expects_continue(&self) -> bool {
        self.head.expect_continue()
    }

    fn begin_body(&mut self, bytes_max: u64, sink: &mut impl FnMut(&[u8])) -> Result<Received, Rejection> {
        let decoder = BodyDecoder::new(self.head.framing(), bytes_max, self.head_limits)?;
        let decoder = self.decoder.insert(decoder);
        let (used, end) = decode(decoder, self.buffered.input.unused(), sink)?;
        self.buffered.input.consume(used);
        self.tally.received_bytes += used as u64;
        Ok(Received { bytes: used as u64, end })
    }

    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut impl FnMut(&[u8]),
    ) -> Poll<Result<Received, BodyFailure>> {
        let aborted = |rejection| Poll::Ready(Err(BodyFailure { why: BodyError::Aborted, rejection }));
        let Some(decoder) = &mut self.decoder else { return Poll::Pending };
        let chunk = match ready!(self.buffered.connection.poll_recv(cx)) {
            Ok(chunk) if !chunk.is_empty() => chunk,
            Ok(_) => return aborted(Some(CUT)),
            Err(_) => return aborted(None),
        };
        match decode(decoder, &chunk, sink) {
            Ok((used, end)) => {
                self.tally.received_bytes += used as u64;
                self.buffered.input.keep(&chunk[used..]);
                Poll::Ready(Ok(Received { bytes: chunk.len() as u64, end }))
            }
            Err(rejection) => {
                let too_large = rejection.status == 413;
                let why = if too_large { BodyError::TooLarge } else { BodyError::Malformed };
                Poll::Ready(Err(BodyFailure { why, rejection: Some(rejection) }))
            }
        }
    }

    /// What comes after the request are later ones, or the connection's end.
    fn poll_departure(&mut self, cx: &mut Context<'_>) -> Poll<Departure> {
        let input = &mut self.buffered.input;
        while !self.has_finished && input.unused().len() < EARLY_BYTES_MAX {
            match ready!(self.buffered.connection.poll_recv(cx)) {
                Ok(chunk) if !chunk.is_empty() => input.keep(&chunk),
                Ok(_) if input.unused().is_empty() => return Poll::Ready(Departure::Finished),
                Ok(_) => self.has_finished = true,
                Err(_) => return Poll::Ready(Departure::Gone),
            }
        }
        Poll::Pending
    }

    fn needs_rest(&self) -> bool {
        self.answer.keep_alive
    }

    fn write_continue(&mut self) {
        self.buffered.out.extend_from_slice(CONTINUE);
        self.tally.head_bytes += CONTINUE.len() as u64;
    }

    fn write_informational(&mut self, status: u16, fields: &HeaderList) {
        let before = self.buffered.out.len();
        encode_informational(&mut self.buffered.out, status, fields.iter());
        self.tally.head_bytes += (self.buffered.out.len() - before) as u64;
    }

    fn write_head(&mut self, reply: &Reply<'_>, rest: RequestRest) -> AnswerBody {
        if let Some(upgrade) = reply.upgrade {
            self.tally.status = reply.status;
            self.buffered.next = Some(NextProtocol::WebSocket(upgrade.clone()));
            reply::switch(&mut self.buffered.out, reply);
            return AnswerBody { is_omitted: true, length: None, is_upgraded: true };
        }
        let worker = self.buffered.connection.worker();
        let unread_bytes_max = worker.config.limits.unread_bytes_max;
        let left = || self.decoder.as_ref().and_then(BodyDecoder::remaining);
        let may_persist = match rest {
            RequestRest::Taken => !worker.is_leaving(),
            RequestRest::Unread => !worker.is_leaving() && left().is_none_or(|left| left <= unread_bytes_max),
            RequestRest::Refused => false,
        };
        let context = ResponseContext::of(self.head, may_persist);
        let before = self.buffered.out.len();
        self.answer = reply::write(&mut self.buffered.out, reply, context);
        let body = if self.answer.body == BodyMode::Omit { 0 } else { reply.body.map_or(0, <[u8]>::len) };
        self.tally.status = reply.status;
        self.tally.head_bytes += (self.buffered.out.len() - before - body) as u64;
        self.is_streamed = reply.streamed;
        AnswerBody {
            is_omitted: self.answer.body == BodyMode::Omit,
            length: self.answer.length,
            is_upgraded: false,
        }
    }

    fn nearest(&self) -> Address {
        self.buffered.connection.peer().clone()
    }

    fn open_tunnel(&mut self, reply: &Reply<'_>, tunnel: ClientTunnel) {
        self.tally.status = reply.status;
        reply::switch(&mut self.buffered.out, reply);
        self.buffered.next = Some(NextProtocol::Tunnel(tunnel));
    }

    fn begin_raw(&mut self) -> bool {
        self.answer = Encoded { body: BodyMode::Plain, length: None, keep_alive: false };
        self.is_streamed = true;
        true
    }

    fn write_piece(&mut self, piece: &[u8]) {
        let out = &mut self.buffered.out;
        match self.answer.body {
            // An empty chunk would be the end.
            BodyMode::Chunked if !piece.is_empty() => {
                out.reserve(piece.len() + 32);
                encode_chunk_start(out, piece.len());
                out.extend_from_slice(piece);
                out.extend_from_slice(CHUNK_END);
            }
            BodyMode::Plain => out.extend_from_slice(piece),
            BodyMode::Chunked | BodyMode::Omit => {}
        }
    }

    fn piece_buffer(&mut self) -> Option<&mut Vec<u8>> {
        (self.answer.body == BodyMode::Plain).then_some(&mut self.buffered.out)
    }

    fn sends_files(&self) -> bool {
        // TLS has to seal the bytes first.
        self.answer.body == BodyMode::Plain && self.buffered.connection.tls().is_none()
    }

    fn send_file(&mut self, window: &FileWindow<'_>) -> IoResult<usize> {
        self.buffered.send_file(window)
    }

    fn write_end(&mut self, trailers: Option<&HeaderList>) {
        if self.answer.body == BodyMode::Chunked {
            let trailers = trailers.filter(|_| self.head.takes_trailers());
            encode_last_chunk(&mut self.buffered.out, trailers.into_iter().flat_map(HeaderList::iter));
        }
    }

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
