//! An exchange on a stream of HTTP/2.
//!
//! Owns: the request's body and its window, which opens as the app reads; the answer's, which goes out as the client's
//! windows let it. Must not know: the app, other streams.

use std::cell::OnceCell;
use std::future::poll_fn;
use std::io::{self, Result as IoResult};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response, StatusCode};
use runtime::app::fetch::{BodyError, Head, HeaderList, Reply, Takes};
use runtime::app::websocket::Upgrade;
use runtime::io::Deadline;
use runtime::worker::{Ends, SendWatch, Stopped, Worker};

use super::super::forwarded::ForwardedRequest;
use super::super::limit::Limit;
use super::super::rejection::Rejection;
use super::super::wire::{AnswerBody, BodyFailure, Departure, Ending, Received, RequestRest, Wire};
use super::head::RequestHead;
use super::reply;
use super::tunnel::{Tunnel, Tunnels};

const TOO_LARGE: Rejection = Rejection::limit(413, "body: too large", Limit::BodyBytes);
/// What is longer goes out in pieces, as the client takes it.
const WHOLE_BYTES_MAX: usize = 16 << 10;

/// What a stream has of its connection.
#[derive(Clone)]
pub struct StreamOrigin {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Both ends.
    pub ends: Rc<Ends>,
    /// The request as its client made it, where trusted proxies say so.
    pub forwarded: Option<Rc<ForwardedRequest>>,
    /// The connection is for another host.
    pub is_misdirected: bool,
    /// How long a client may take nothing.
    pub write_stall_ms: u64,
}

/// Our direction of a stream.
enum StreamSender {
    /// The answer's head is not written yet.
    Head(SendResponse<Bytes>),
    /// Its body may follow.
    Body(SendStream<Bytes>),
}

/// What follows the last byte of a body in pieces.
enum End {
    /// It is not written yet.
    Open,
    /// The end, and these fields.
    Waiting(Option<HeaderMap>),
    /// It is out.
    Sent,
}

/// One request, received to the end of its head, and its answer.
pub struct StreamMessage {
    head: Rc<RequestHead>,
    origin: StreamOrigin,
    incoming: RecvStream,
    outgoing: StreamSender,
    bytes_max: u64,
    received: u64,
    /// Written, and not being sent yet.
    out: Vec<u8>,
    /// On its way.
    flight: Bytes,
    is_sending: bool,
    end: End,
    progress: u64,
    /// Nothing goes out any more.
    is_dead: bool,
    timer: OnceCell<Deadline>,
    /// What the stream carries behind the answer's head.
    upgrade: Option<Upgrade>,
}

impl StreamMessage {
    /// Of the request with `head`.
    pub fn new(
        head: Rc<RequestHead>,
        origin: StreamOrigin,
        incoming: RecvStream,
        respond: SendResponse<Bytes>,
    ) -> Self {
        StreamMessage {
            head,
            origin,
            incoming,
            outgoing: StreamSender::Head(respond),
            bytes_max: u64::MAX,
            received: 0,
            out: Vec::new(),
            flight: Bytes::new(),
            is_sending: false,
            end: End::Open,
            progress: 0,
            is_dead: false,
            timer: OnceCell::new(),
            upgrade: None,
        }
    }

    /// Has the rest of the answer out, and resets the stream where the exchange did not end in order. Whether its client
    /// takes nothing of what is sent to it.
    pub async fn conclude(mut self, ending: Ending) -> bool {
        let mut reset = match ending {
            Ending::Complete | Ending::Upgraded => None,
            // RFC 9113 section 8.1: the answer is whole, and the rest of the request is not wanted. `h2` says so by itself
            // once the answer is out; a reset of ours would take the answer's place.
            Ending::Unread => None,
            Ending::CutShort => Some(Reason::INTERNAL_ERROR),
            Ending::Left | Ending::Lost => Some(Reason::CANCEL),
        };
        let mut has_stalled = false;
        if matches!(ending, Ending::Complete | Ending::Unread)
            && let Err(stopped) = self.flush().await
        {
            has_stalled = matches!(stopped, Stopped::TimedOut);
            reset = Some(Reason::CANCEL);
        }
        if ending == Ending::Lost {
            has_stalled = !self.is_dead && !self.out_is_empty();
        }
        if let Some(reason) = reset {
            self.reset(reason);
        }
        has_stalled
    }

    /// What is left of the stream once another protocol is spoken on it.
    pub fn into_tunnel(mut self, worker: Rc<Worker>, tunnels: &Tunnels) -> Option<(Tunnel, Upgrade)> {
        let upgrade = self.upgrade.take()?;
        let ends = Wire::ends(&self);
        let StreamSender::Body(outgoing) = self.outgoing else { return None };
        Some((Tunnel::new(self.incoming, outgoing, worker, ends, tunnels), upgrade))
    }

    fn out_is_empty(&self) -> bool {
        self.out.is_empty() && self.flight.is_empty()
    }

    fn reset(&mut self, reason: Reason) {
        match &mut self.outgoing {
            StreamSender::Head(respond) => respond.send_reset(reason),
            StreamSender::Body(stream) => stream.send_reset(reason),
        }
    }

    /// Gives the stream as much as its windows take.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        let broken = || Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        if self.is_dead {
            return broken();
        }
        let StreamSender::Body(stream) = &mut self.outgoing else { return Poll::Ready(Ok(())) };
        while !self.flight.is_empty() {
            stream.reserve_capacity(self.flight.len());
            let Some(Ok(room)) = ready!(stream.poll_capacity(cx)) else {
                self.is_dead = true;
                return broken();
            };
            let piece = self.flight.split_to(room.min(self.flight.len()));
            self.progress += piece.len() as u64;
            let is_last =
                self.flight.is_empty() && self.out.is_empty() && matches!(self.end, End::Waiting(None));
            if stream.send_data(piece, is_last).is_err() {
                self.is_dead = true;
                return broken();
            }
            if is_last {
                self.end = End::Sent;
            }
        }
        if self.out.is_empty() {
            self.send_end();
        }
        Poll::Ready(Ok(()))
    }

    /// The end, where it is written and all before it is out.
    fn send_end(&mut self) {
        let StreamSender::Body(stream) = &mut self.outgoing else { return };
        if let End::Waiting(trailers) = &mut self.end {
            let sent = match trailers.take() {
                Some(trailers) => stream.send_trailers(trailers),
                None => stream.send_data(Bytes::new(), true),
            };
            self.is_dead |= sent.is_err();
            self.end = End::Sent;
        }
    }

    /// The body's next piece: the window opens again for as many bytes.
    fn take(&mut self, data: &Bytes, sink: &mut impl FnMut(&[u8])) -> Result<Received, BodyFailure> {
        // Not more than came: it does not fail.
        let _ = self.incoming.flow_control().release_capacity(data.len());
        self.received += data.len() as u64;
        if self.received > self.bytes_max {
            return Err(BodyFailure { why: BodyError::TooLarge, rejection: Some(TOO_LARGE) });
        }
        if !data.is_empty() {
            sink(data);
        }
        Ok(Received { bytes: data.len() as u64, end: self.incoming.is_end_stream() })
    }

    /// The head behind which the stream carries another protocol: 200 stands for 101 (RFC 8441 section 5).
    fn write_tunnel(&mut self, reply: &Reply<'_>) {
        let head = reply::head(&Reply { status: 200, streamed: true, length: None, ..*reply }, false);
        let StreamSender::Head(respond) = &mut self.outgoing else { return };
        match respond.send_response(head.response, false) {
            Ok(stream) => self.outgoing = StreamSender::Body(stream),
            Err(_) => self.is_dead = true,
        }
    }

    fn inform(&mut self, status: u16, fields: HeaderMap) {
        let StreamSender::Head(respond) = &mut self.outgoing else { return };
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::CONTINUE);
        *response.headers_mut() = fields;
        // A stream that is reset needs none.
        let _ = respond.send_informational(response);
    }
}

impl Wire for StreamMessage {
    fn head(&self) -> Rc<dyn Head> {
        match &self.origin.forwarded {
            Some(forwarded) => forwarded.head.clone(),
            None => self.head.clone(),
        }
    }

    fn method_and_target(&self) -> (&[u8], &[u8]) {
        (self.head.method_bytes(), self.head.target_bytes())
    }

    fn version(&self) -> &'static str {
        "2"
    }

    fn scheme(&self) -> &'static str {
        self.origin.forwarded.as_ref().map_or(self.origin.scheme, |forwarded| forwarded.scheme)
    }

    fn is_misdirected(&self) -> bool {
        self.origin.is_misdirected
    }

    fn ends(&self) -> Rc<Ends> {
        self.origin.forwarded.as_ref().map_or(&self.origin.ends, |forwarded| &forwarded.ends).clone()
    }

    fn is_proxied(&self) -> bool {
        self.origin.forwarded.is_some()
    }

    fn takes(&self) -> Takes {
        Takes { informational: true, trailers: true }
    }

    fn has_body(&self) -> bool {
        !self.head.is_extended_connect() && !self.incoming.is_end_stream()
    }

    fn expects_continue(&self) -> bool {
        self.head.expects_continue
    }

    fn begin_body(&mut self, bytes_max: u64, _sink: &mut impl FnMut(&[u8])) -> Result<Received, Rejection> {
        self.bytes_max = bytes_max;
        match self.head.content_length {
            Some(length) if length > bytes_max => Err(TOO_LARGE),
            _ => Ok(Received { bytes: 0, end: self.incoming.is_end_stream() }),
        }
    }

    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut impl FnMut(&[u8]),
    ) -> Poll<Result<Received, BodyFailure>> {
        match ready!(self.incoming.poll_data(cx)) {
            Some(Ok(data)) => Poll::Ready(self.take(&data, sink)),
            // Trailers are nobody's: they go with the stream.
            None => Poll::Ready(Ok(Received { bytes: 0, end: true })),
            Some(Err(_)) => Poll::Ready(Err(BodyFailure { why: BodyError::Aborted, rejection: None })),
        }
    }

    fn poll_departure(&mut self, cx: &mut Context<'_>) -> Poll<Departure> {
        let reset = match &mut self.outgoing {
            StreamSender::Head(respond) => ready!(respond.poll_reset(cx)),
            StreamSender::Body(stream) => ready!(stream.poll_reset(cx)),
        };
        self.is_dead = true;
        match reset {
            // RFC 9113 section 7: the client wants no more of the answer than it has.
            Ok(_) | Err(_) => Poll::Ready(Departure::Gone),
        }
    }

    /// What a client sends on another stream does not wait for it.
    fn needs_rest(&self) -> bool {
        false
    }

    fn write_continue(&mut self) {
        self.inform(100, HeaderMap::new());
    }

    fn write_informational(&mut self, status: u16, fields: &HeaderList) {
        self.inform(status, reply::fields(fields));
    }

    fn write_head(&mut self, reply: &Reply<'_>, _rest: RequestRest) -> AnswerBody {
        if let Some(upgrade) = reply.upgrade {
            self.upgrade = Some(upgrade.clone());
            self.write_tunnel(reply);
            return AnswerBody { is_omitted: true, length: None, is_upgraded: true };
        }
        let head = reply::head(reply, self.head.is_head());
        let body = reply.body.filter(|body| !head.is_omitted && !body.is_empty());
        let ends_here = head.is_omitted || (body.is_none() && !reply.streamed);
        let announced =
            AnswerBody { is_omitted: head.is_omitted, length: head.length, ..AnswerBody::default() };
        let StreamSender::Head(respond) = &mut self.outgoing else { return announced };
        let Ok(mut stream) = respond.send_response(head.response, ends_here) else {
            self.is_dead = true;
            return announced;
        };
        match body {
            _ if ends_here => self.end = End::Sent,
            Some(body) if body.len() <= WHOLE_BYTES_MAX => {
                self.is_dead |= stream.send_data(Bytes::copy_from_slice(body), true).is_err();
                self.end = End::Sent;
            }
            Some(body) => {
                self.out = body.to_vec();
                self.end = End::Waiting(None);
            }
            None => {}
        }
        self.outgoing = StreamSender::Body(stream);
        announced
    }

    fn write_piece(&mut self, piece: &[u8]) {
        if !matches!(self.end, End::Sent) {
            self.out.extend_from_slice(piece);
        }
    }

    fn piece_buffer(&mut self) -> Option<&mut Vec<u8>> {
        (!matches!(self.end, End::Sent)).then_some(&mut self.out)
    }

    fn write_end(&mut self, trailers: Option<&HeaderList>) {
        if matches!(self.end, End::Sent) {
            return;
        }
        self.end = End::Waiting(trailers.map(reply::fields).filter(|fields| !fields.is_empty()));
        if self.out_is_empty() {
            self.send_end();
        }
    }

    /// Has all with the stream, and so on its way.
    async fn flush(&mut self) -> Result<(), Stopped> {
        let mut watch = SendWatch::new(self.origin.write_stall_ms);
        loop {
            if self.flight.is_empty() && !self.out.is_empty() {
                self.start_send();
            }
            let stopped = poll_fn(|cx| {
                if let Poll::Ready(sent) = self.poll_out(cx) {
                    return Poll::Ready(sent.map_err(Stopped::Failed));
                }
                let timer = self.timer.get_or_init(Deadline::new);
                watch.poll_stalled(timer, || self.progress, cx).map(|()| Err(Stopped::TimedOut))
            });
            stopped.await?;
            if self.out_is_empty() {
                self.is_sending = false;
                return Ok(());
            }
        }
    }

    fn unsent_bytes(&self) -> usize {
        self.out.len()
    }

    fn start_send(&mut self) {
        self.flight = Bytes::from(std::mem::take(&mut self.out));
        self.is_sending = true;
    }

    fn is_sending(&self) -> bool {
        self.is_sending
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        let sent = ready!(self.poll_out(cx));
        self.is_sending = false;
        Poll::Ready(sent)
    }

    fn send_progress(&self) -> u64 {
        self.progress
    }
}
