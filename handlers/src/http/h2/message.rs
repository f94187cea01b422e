//! An exchange on a stream of HTTP/2.
//!
//! Owns: DATA in and out within the windows of both sides, what an exchange's end is for its stream. Must not know:
//! the app, other streams, how long anything may take.

use std::cell::OnceCell;
use std::future::poll_fn;
use std::io::{Error as IoError, ErrorKind, Result as IoResult};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response, StatusCode};
use runtime::address::Address;
use runtime::app::fetch::{BodyError, Head, HeaderList, Reply, Takes};
use runtime::io::{Deadline, budget};
use runtime::worker::{Connection, Ends, SendWatch, Stopped, Worker};

use super::super::limit::Limit;
use super::super::rejection::Rejection;
use super::super::tally::{Tally, Transferred};
use super::super::wire::{
    AnswerBody, BodyFailure, Departure, Ending, NextProtocol, Received, RequestRest, Wire,
};
use super::head::RequestHead;
use super::link::StreamSeat;
use super::origin::StreamOrigin;
use super::reply;
use super::tunnel::{KeptWaker, Tunnel};
use crate::tunnel::ClientTunnel;

const TOO_LARGE: Rejection = Rejection::limit(413, "body: too large", Limit::BodyBytes);

/// What a client may send on one stream before the app reads it, in bytes.
pub const STREAM_WINDOW: u32 = 256 << 10;

/// Bytes that one receive takes of a body.
const RECV_BYTES_MAX: usize = 64 << 10;

/// Our direction of a stream.
enum StreamSender {
    /// The answer's head is not written yet.
    Head(SendResponse<Bytes>),
    /// Its body may follow.
    Body(SendStream<Bytes>),
}

/// When the rest of a request that nobody reads is dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Before the answer goes out.
    Before,
    /// Behind it.
    Behind,
    /// Nothing more is received.
    Never,
}

/// How a body in pieces ends, once all of it is written.
enum BodyEnd {
    /// It goes on.
    Open,
    /// With its last piece, or with trailers behind that.
    Written(Option<HeaderMap>),
    /// It has been given to `h2`.
    Sent,
}

/// A stream, from its request to its answer.
pub struct StreamMessage {
    seat: StreamSeat,
    head: Rc<RequestHead>,
    origin: StreamOrigin,
    body: RecvStream,
    /// Content received, and allowed.
    received: u64,
    /// Received before the app asked: the window opens again for it when the app does.
    early: usize,
    bytes_max: u64,
    sender: StreamSender,
    /// Written, and not being sent.
    out: Vec<u8>,
    /// Being sent, as the client lets us.
    sending: Bytes,
    end: BodyEnd,
    is_omitted: bool,
    /// What is to become of the rest of the request, and the head of an answer that waits for that.
    rest: Rest,
    held: Option<(Response<()>, bool)>,
    /// Bytes that the client's windows have let through.
    progress: u64,
    has_failed: bool,
    /// What the stream carries behind the answer's head.
    next: Option<NextProtocol>,
    /// Whom a drain wakes.
    waker: OnceCell<KeptWaker>,
    tally: Tally,
}

fn gone() -> IoError {
    ErrorKind::BrokenPipe.into()
}

impl StreamMessage {
    /// Of a request on `connection`.
    pub fn new(
        connection: &Connection,
        seat: StreamSeat,
        head: RequestHead,
        body: RecvStream,
        respond: SendResponse<Bytes>,
    ) -> Self {
        let head = Rc::new(head);
        let origin = StreamOrigin::of(connection, &head);
        StreamMessage {
            seat,
            head,
            origin,
            body,
            received: 0,
            early: 0,
            bytes_max: 0,
            sender: StreamSender::Head(respond),
            out: Vec::new(),
            sending: Bytes::new(),
            end: BodyEnd::Open,
            is_omitted: false,
            rest: Rest::Behind,
            held: None,
            progress: 0,
            has_failed: false,
            next: None,
            waker: OnceCell::new(),
            tally: Tally::default(),
        }
    }

    /// What the end of the exchange is for the stream (RFC 9113 sections 5.4.2 and 8.1). What `h2` is given and the
    /// client is not, it sends when this is gone; of a request that is not received to its end it asks no more then
    /// (NO_ERROR).
    pub async fn conclude(mut self, ending: Ending) {
        let is_sent = match ending {
            Ending::Complete => self.flush().await.is_ok(),
            Ending::Unread => {
                // What came before the app asked is dropped, too.
                let _ = self.body.flow_control().release_capacity(std::mem::take(&mut self.early));
                if self.held.is_some() {
                    self.linger().await;
                }
                let is_sent = self.flush().await.is_ok();
                if is_sent && self.rest == Rest::Behind && !self.body.is_end_stream() {
                    self.linger().await;
                }
                is_sent
            }
            Ending::CutShort => {
                // What is complete of it may be of use.
                let _ = self.flush().await;
                self.reset(Reason::INTERNAL_ERROR);
                true
            }
            Ending::Left | Ending::Upgraded => true,
            Ending::Lost => false,
        };
        if !is_sent && self.is_open() {
            self.reset(Reason::CANCEL);
            self.seat.link().set_stalled();
        }
    }

    /// What is left of the stream once another protocol is spoken on it; the seat is kept until that ends.
    pub fn into_tunnel(mut self, worker: Rc<Worker>) -> Option<(Tunnel, NextProtocol, StreamSeat)> {
        let next = self.next.take()?;
        let ends = Wire::ends(&self);
        let StreamSender::Body(send) = self.sender else { return None };
        let tunnel = Tunnel::new(self.body, send, worker, ends, self.seat.link().tunnels());
        Some((tunnel, next, self.seat))
    }

    /// When the rest of a request that nobody reads is dropped, if its answer is a whole one. Of clients that hear of a reset
    /// together with an answer, some lose the answer (curl 7.88); that one also reads nothing behind an answer, not even that
    /// its window has opened.
    fn rest_of(&self, rest: RequestRest) -> Rest {
        let (early, most) = (u64::from(STREAM_WINDOW), self.origin.linger.bytes_max);
        match self.head.content_length {
            _ if self.body.is_end_stream() => Rest::Behind,
            // It has not sent any.
            _ if rest == RequestRest::Refused && self.head.expects_continue => Rest::Never,
            Some(length) if length <= early => Rest::Behind,
            Some(length) if length <= most => Rest::Before,
            None if rest == RequestRest::Unread => Rest::Before,
            _ => Rest::Never,
        }
    }

    /// Drops what the client still sends of its body, within bounds, as at the end of a connection of HTTP/1.1.
    async fn linger(&mut self) {
        let (timer, mut left) = (Deadline::new(), self.origin.linger.bytes_max);
        timer.set(self.origin.linger.ms_max);
        poll_fn(|cx| {
            while left > 0 && budget::poll_left(cx).is_ready() {
                match self.body.poll_data(cx) {
                    Poll::Ready(Some(Ok(piece))) => {
                        budget::spend(piece.len());
                        left = left.saturating_sub(piece.len() as u64);
                        let _ = self.body.flow_control().release_capacity(piece.len());
                    }
                    Poll::Ready(None | Some(Err(_))) => return Poll::Ready(()),
                    Poll::Pending => break,
                }
            }
            if left == 0 || self.poll_reset(cx).is_ready() {
                return Poll::Ready(());
            }
            timer.poll_expired(cx)
        })
        .await;
    }

    /// The head behind which the stream carries another protocol: 200 stands for 101 (RFC 8441 section 5).
    fn write_tunnel(&mut self, reply: &Reply<'_>) {
        let head = reply::head(&Reply { status: 200, streamed: true, length: None, ..*reply }, false);
        self.send_head(head.response, false);
    }

    fn send_head(&mut self, head: Response<()>, ends_here: bool) {
        let StreamSender::Head(respond) = &mut self.sender else { return };
        match respond.send_response(head, ends_here) {
            Ok(send) => self.sender = StreamSender::Body(send),
            Err(_) => self.has_failed = true,
        }
    }

    fn reset(&mut self, reason: Reason) {
        match &mut self.sender {
            StreamSender::Head(respond) => respond.send_reset(reason),
            StreamSender::Body(send) => send.send_reset(reason),
        }
    }

    /// Whether the client still wants an answer.
    fn is_open(&mut self) -> bool {
        !self.has_failed && self.poll_reset(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let reset = match &mut self.sender {
            StreamSender::Head(respond) => respond.poll_reset(cx),
            StreamSender::Body(send) => send.poll_reset(cx),
        };
        reset.map(|_| ())
    }

    /// Gives `h2` what the windows have room for.
    fn push(&mut self) -> IoResult<()> {
        let StreamSender::Body(send) = &mut self.sender else { return Ok(()) };
        let is_last = self.out.is_empty() && !matches!(self.end, BodyEnd::Open);
        while !self.sending.is_empty() {
            send.reserve_capacity(self.sending.len());
            let room = send.capacity().min(self.sending.len());
            if room == 0 {
                return Ok(());
            }
            let piece = self.sending.split_to(room);
            let ends = is_last && self.sending.is_empty() && matches!(self.end, BodyEnd::Written(None));
            send.send_data(piece, ends).map_err(|_| gone())?;
            if ends {
                self.end = BodyEnd::Sent;
            }
            self.progress += room as u64;
        }
        if is_last && let BodyEnd::Written(trailers) = std::mem::replace(&mut self.end, BodyEnd::Sent) {
            match trailers {
                Some(trailers) => send.send_trailers(trailers).map_err(|_| gone())?,
                None => send.send_data(Bytes::new(), true).map_err(|_| gone())?,
            }
        }
        Ok(())
    }

    fn try_push(&mut self) {
        if self.push().is_err() {
            self.has_failed = true;
        }
    }

    /// Gives `sink` what has come of the body, up to a bound.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut impl FnMut(&[u8]),
    ) -> Poll<Result<Received, BodyFailure>> {
        let mut bytes = 0;
        let failed = |why, rejection| Poll::Ready(Err(BodyFailure { why, rejection }));
        while bytes < RECV_BYTES_MAX {
            match self.body.poll_data(cx) {
                Poll::Ready(Some(Ok(piece))) => {
                    bytes += piece.len();
                    self.received += piece.len() as u64;
                    if self.received > self.bytes_max {
                        return failed(BodyError::TooLarge, Some(TOO_LARGE));
                    }
                    sink(&piece);
                    self.early += piece.len();
                }
                Poll::Ready(Some(Err(error))) if error.is_library() => {
                    return failed(BodyError::Malformed, None);
                }
                Poll::Ready(Some(Err(_))) => return failed(BodyError::Aborted, None),
                Poll::Ready(None) => {
                    return Poll::Ready(Ok(Received { bytes: bytes as u64, end: true }));
                }
                Poll::Pending if bytes == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        budget::spend(bytes);
        let end = self.body.is_end_stream();
        Poll::Ready(Ok(Received { bytes: bytes as u64, end }))
    }

    /// All that is written has been given to `h2`.
    fn is_pushed(&self) -> bool {
        self.out.is_empty() && self.sending.is_empty() && !matches!(self.end, BodyEnd::Written(_))
    }

    fn informational(&mut self, status: StatusCode, fields: HeaderMap) {
        let StreamSender::Head(respond) = &mut self.sender else { return };
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = fields;
        // It fails where the client is gone, which others hear of.
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

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn transferred(&self) -> Transferred {
        Transferred::of_bodies(self.received, self.progress + (self.sending.len() + self.out.len()) as u64)
    }

    fn method_and_target(&self) -> (&[u8], &[u8]) {
        (self.head.method_bytes(), self.head.target_bytes())
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

    fn nearest(&self) -> Address {
        self.origin.ends.peer.clone()
    }

    fn takes(&self) -> Takes {
        Takes { informational: true, trailers: true }
    }

    fn version(&self) -> &'static str {
        "2"
    }

    fn has_body(&self) -> bool {
        !self.head.is_extended_connect() && !self.body.is_end_stream()
    }

    fn expects_continue(&self) -> bool {
        self.has_body() && self.head.expects_continue
    }

    fn begin_body(&mut self, bytes_max: u64, sink: &mut impl FnMut(&[u8])) -> Result<Received, Rejection> {
        self.bytes_max = bytes_max;
        if self.head.content_length.is_some_and(|length| length > bytes_max) {
            return Err(TOO_LARGE);
        }
        // Before the app asks, the client has no more from it than its first window.
        match self.poll_receive(&mut Context::from_waker(Waker::noop()), sink) {
            Poll::Ready(Ok(received)) => Ok(received),
            Poll::Ready(Err(BodyFailure { rejection: Some(rejection), .. })) => Err(rejection),
            // Whoever asks for more hears of it.
            Poll::Ready(Err(_)) | Poll::Pending => Ok(Received { bytes: 0, end: false }),
        }
    }

    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut impl FnMut(&[u8]),
    ) -> Poll<Result<Received, BodyFailure>> {
        let received = self.poll_receive(cx, sink);
        // The client may send as much again: the app has asked for it. Not more than came: it does not fail.
        let _ = self.body.flow_control().release_capacity(std::mem::take(&mut self.early));
        received
    }

    fn poll_departure(&mut self, cx: &mut Context<'_>) -> Poll<Departure> {
        self.poll_reset(cx).map(|()| Departure::Gone)
    }

    fn poll_taken_back(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_reset(cx)
    }

    /// A drain wakes the session, which is another task.
    fn keep_drain_waker(&self, cx: &Context<'_>) {
        let kept = self.waker.get_or_init(|| {
            let kept = KeptWaker::default();
            self.seat.link().tunnels().add(&kept);
            kept
        });
        *kept.borrow_mut() = Some(cx.waker().clone());
    }

    /// The rest of one stream is in nobody's way.
    fn needs_rest(&self) -> bool {
        false
    }

    fn write_continue(&mut self) {
        self.informational(StatusCode::CONTINUE, HeaderMap::new());
    }

    fn write_informational(&mut self, status: u16, fields: &HeaderList) {
        if let Ok(status) = StatusCode::from_u16(status) {
            self.informational(status, reply::fields(fields));
        }
    }

    fn write_head(&mut self, reply: &Reply<'_>, rest: RequestRest) -> AnswerBody {
        if let Some(upgrade) = reply.upgrade {
            self.tally.status = 200;
            self.next = Some(NextProtocol::WebSocket(upgrade.clone()));
            self.write_tunnel(reply);
            return AnswerBody { is_omitted: true, length: None, is_upgraded: true };
        }
        let reply::AnswerHead { response, is_omitted, length } = reply::head(reply, self.head.is_head());
        self.is_omitted = is_omitted;
        self.tally.status = reply.status;
        let body = reply.body.filter(|body| !self.is_omitted && !body.is_empty());
        let is_whole = self.is_omitted || !reply.streamed;
        let ends_here = is_whole && body.is_none();
        if rest != RequestRest::Taken {
            self.rest = self.rest_of(rest);
        }
        match self.rest == Rest::Before && !reply.streamed {
            true => self.held = Some((response, ends_here)),
            false => self.send_head(response, ends_here),
        }
        if is_whole {
            self.end = BodyEnd::Sent;
        }
        if let Some(body) = body {
            self.sending = Bytes::copy_from_slice(body);
            self.end = BodyEnd::Written(None);
            self.try_push();
        }
        AnswerBody { is_omitted, length, is_upgraded: false }
    }

    fn open_tunnel(&mut self, reply: &Reply<'_>, tunnel: ClientTunnel) {
        self.next = Some(NextProtocol::Tunnel(tunnel));
        self.tally.status = 200;
        self.write_tunnel(reply);
    }

    fn write_piece(&mut self, piece: &[u8]) {
        if !self.is_omitted {
            self.out.extend_from_slice(piece);
        }
    }

    fn piece_buffer(&mut self) -> Option<&mut Vec<u8>> {
        (!matches!(self.end, BodyEnd::Sent)).then_some(&mut self.out)
    }

    fn write_end(&mut self, trailers: Option<&HeaderList>) {
        if self.is_omitted {
            return;
        }
        self.end = BodyEnd::Written(trailers.map(reply::fields).filter(|fields| !fields.is_empty()));
        self.try_push();
    }

    async fn flush(&mut self) -> Result<(), Stopped> {
        let failed = |error| Err(Stopped::Failed(error));
        if let Some((head, ends_here)) = self.held.take() {
            self.send_head(head, ends_here);
        }
        if self.sending.is_empty() && !self.out.is_empty() {
            self.start_send();
        }
        if self.has_failed {
            return failed(gone());
        }
        if self.is_pushed() {
            return Ok(());
        }
        let (timer, mut watch) = (Deadline::new(), SendWatch::new(self.origin.write_stall_ms));
        poll_fn(|cx| {
            while !self.is_pushed() {
                match self.poll_sent(cx) {
                    Poll::Ready(Ok(())) => self.start_send(),
                    Poll::Ready(Err(error)) => return Poll::Ready(failed(error)),
                    Poll::Pending => {
                        let stalled = watch.poll_stalled(&timer, || self.progress, cx);
                        return stalled.map(|()| Err(Stopped::TimedOut));
                    }
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    fn unsent_bytes(&self) -> usize {
        self.out.len()
    }

    fn start_send(&mut self) {
        debug_assert!(self.sending.is_empty(), "a send is in flight");
        self.sending = std::mem::take(&mut self.out).into();
        self.try_push();
    }

    fn is_sending(&self) -> bool {
        !self.sending.is_empty()
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        loop {
            if self.has_failed {
                return Poll::Ready(Err(gone()));
            }
            self.try_push();
            if self.sending.is_empty() && !self.has_failed {
                return Poll::Ready(Ok(()));
            }
            let StreamSender::Body(send) = &mut self.sender else { return Poll::Ready(Err(gone())) };
            if self.has_failed {
                continue;
            }
            match send.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(None | Some(Err(_))) => self.has_failed = true,
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn send_progress(&self) -> u64 {
        self.progress
    }
}
