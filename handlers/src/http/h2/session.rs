//! The life of an HTTP/2 connection: streams in, answers out, until one side is done.
//!
//! Owns: what starts an exchange, when the connection goes away and why, the time that it may be idle. Must not
//! know: how an exchange goes, what frames look like.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::{Builder, Connection as Frames, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use runtime::config::Limits;
use runtime::io::{self, budget};
use runtime::log::{self, Kind};
use runtime::worker::{Connection, SendWatch, Worker};

use super::super::access;
use super::super::failure;
use super::super::service::HttpService;
use super::super::timeouts::{Timeout, Timeouts};
use super::super::wire::{Ending, NextProtocol};
use super::begin::Upgraded;
use super::frames::Fault;
use super::head::RequestHead;
use super::link::{StreamLink, StreamSeat};
use super::message::{STREAM_WINDOW, StreamMessage};
use super::socket::{SharedSocket, SocketAdapter};
use super::turn::Turn;
use crate::websocket;

/// What a client may send on all of its streams before the app reads it, in bytes.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// Bytes of one stream's answer that wait in `h2` for the socket.
const SEND_BYTES_MAX: usize = 64 << 10;

/// How a connection ends.
enum SessionEnd {
    /// With frames on their way that the client is to read.
    Gently,
    /// With nothing left to say.
    AtOnce,
    /// With a reset: the peer does not read, or is gone.
    Reset,
}

/// How far the connection is on its way to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Going {
    Not,
    /// No stream begins any more, and the others end (RFC 9113 section 6.8).
    Gracefully,
    Now,
}

/// Serves a connection to its end. `received` is what has come of it; with `upgraded`, the answer to that request goes
/// out on stream 1. `service` answers its requests.
pub async fn serve(
    connection: Connection,
    received: Vec<u8>,
    upgraded: Option<Upgraded>,
    service: HttpService,
) {
    let worker = connection.worker().clone();
    let socket = SharedSocket::new(connection, &received, upgraded.map(|upgraded| upgraded.frames()));
    drop(received);
    let closing = match open(&socket, &worker).await {
        Ok(frames) => {
            let mut session = Http2Session::new(socket.clone(), worker.clone(), frames, service);
            poll_fn(|cx| session.poll(cx)).await
        }
        Err(closing) => closing,
    };
    // Streams that are left have heard that the connection is gone.
    let Some(socket) = Rc::into_inner(socket) else { return };
    let (connection, waiting) = socket.into_parts();
    match closing {
        SessionEnd::Gently => {
            if !waiting.is_empty() {
                if connection.sent(worker.config.limits.write_stall_ms_max).await.is_err() {
                    return connection.abort().await;
                }
                connection.start_send(waiting);
            }
            connection.close_gently().await;
        }
        SessionEnd::AtOnce => connection.close().await,
        SessionEnd::Reset => connection.abort().await,
    }
}

/// Both prefaces (section 3.4), within the time of a head.
async fn open(
    socket: &Rc<SharedSocket>,
    worker: &Worker,
) -> Result<Frames<SocketAdapter, Bytes>, SessionEnd> {
    let limits = &worker.config.limits;
    let mut opening = std::pin::pin!(builder(limits).handshake(SocketAdapter(socket.clone())));
    let connection = &socket.connection;
    connection.set_deadline(limits.header_ms_max);
    let opened = poll_fn(|cx| {
        let opened = opening.as_mut().poll(cx);
        if let Poll::Ready(Err(_)) = socket.poll_push(cx) {
            return Poll::Ready(Err(SessionEnd::Reset));
        }
        match opened {
            Poll::Ready(Ok(frames)) => Poll::Ready(Ok(frames)),
            Poll::Ready(Err(error)) if error.is_io() => Poll::Ready(Err(SessionEnd::AtOnce)),
            Poll::Ready(Err(_)) => Poll::Ready(Err(SessionEnd::Gently)),
            Poll::Pending if worker.is_draining() => Poll::Ready(Err(SessionEnd::AtOnce)),
            Poll::Pending => connection.deadline().poll_expired(cx).map(|()| Err(SessionEnd::AtOnce)),
        }
    })
    .await;
    connection.deadline().clear();
    opened
}

fn builder(limits: &Limits) -> Builder {
    let at_most = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let mut builder = Builder::new();
    builder
        .enable_connect_protocol()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(at_most(limits.http2_streams_max))
        .max_header_list_size(at_most(limits.header_bytes_max))
        .max_send_buffer_size(SEND_BYTES_MAX)
        .max_pending_accept_reset_streams(limits.http2_resets_max)
        .max_local_error_reset_streams(Some(limits.http2_resets_max));
    builder
}

struct Http2Session {
    socket: Rc<SharedSocket>,
    worker: Rc<Worker>,
    frames: Frames<SocketAdapter, Bytes>,
    link: Rc<StreamLink>,
    idle: Timeout,
    /// Fields have begun: no other frame comes before they have ended.
    head: Timeout,
    is_idle: bool,
    is_mid_head: bool,
    /// What waits does not get out.
    stalled: Option<SendWatch>,
    going: Going,
    /// The tunnels have heard of a drain.
    is_drain_known: bool,
    service: HttpService,
    turn: Turn,
}

impl Http2Session {
    fn new(
        socket: Rc<SharedSocket>,
        worker: Rc<Worker>,
        frames: Frames<SocketAdapter, Bytes>,
        service: HttpService,
    ) -> Self {
        Http2Session {
            socket,
            worker,
            frames,
            link: Rc::default(),
            idle: Timeout::default(),
            head: Timeout::default(),
            is_idle: false,
            is_mid_head: false,
            stalled: None,
            going: Going::Not,
            is_drain_known: false,
            service,
            turn: Turn::new(),
        }
    }

    /// One turn: what has come, what goes out, what time it is.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<SessionEnd> {
        let waker = self.turn.begin(cx);
        let end = self.poll_turn(cx, &mut Context::from_waker(&waker));
        if self.turn.end() && end.is_pending() {
            cx.waker().wake_by_ref();
        }
        end
    }

    /// The same; `own` is woken for what this turn does not see any more.
    fn poll_turn(&mut self, cx: &mut Context<'_>, own: &mut Context<'_>) -> Poll<SessionEnd> {
        self.link.keep_waker(own);
        loop {
            while budget::poll_left(cx).is_ready() {
                self.turn.looks();
                match self.frames.poll_accept(own) {
                    Poll::Ready(Some(Ok((request, respond)))) => self.start(request, respond, cx),
                    Poll::Ready(Some(Err(error))) if error.is_io() => return Poll::Ready(SessionEnd::Reset),
                    Poll::Ready(Some(Err(_)) | None) => {
                        if self.going != Going::Now {
                            self.log_flood();
                        }
                        return Poll::Ready(SessionEnd::Gently);
                    }
                    Poll::Pending => break,
                }
            }
            if let Poll::Ready(Err(_)) = self.socket.poll_push(cx) {
                return Poll::Ready(SessionEnd::Reset);
            }
            if !self.goes_further(cx) {
                break;
            }
        }
        self.poll_stalled(cx)
    }

    /// Begins an exchange. Most end at once, and need no task of their own.
    fn start(&mut self, request: Request<RecvStream>, respond: SendResponse<Bytes>, cx: &mut Context<'_>) {
        budget::spend(0);
        let connection = &self.socket.connection;
        connection.set_busy(true);
        let (parts, body) = request.into_parts();
        let (head, verdict) = RequestHead::of(parts, &self.worker.config.limits);
        let seat = StreamSeat::take(&self.link);
        let mut wire = StreamMessage::new(connection, seat, head, body, respond);
        let (worker, service) = (self.worker.clone(), self.service);
        let mut exchange = Box::pin(async move {
            let ending = match verdict {
                Ok(()) => service.run(&mut wire, &worker, &Timeouts::default()).await,
                Err(rejection) => {
                    let begun = access::begin(&worker);
                    failure::refuse(&mut wire, &worker, None, &rejection);
                    if let Some(begun) = begun {
                        access::end(&mut wire, &worker, begun, Ending::Unread);
                    }
                    Ending::Unread
                }
            };
            if ending != Ending::Upgraded {
                return wire.conclude(ending).await;
            }
            if let Some((tunnel, next, seat)) = wire.into_tunnel(worker) {
                // Boxed: other exchanges pay nothing for it.
                match next {
                    NextProtocol::WebSocket(upgrade) => {
                        Box::pin(websocket::serve(tunnel, Vec::new(), upgrade)).await;
                    }
                    NextProtocol::Tunnel(server) => Box::pin(server.serve(tunnel, Vec::new())).await,
                }
                drop(seat);
            }
        });
        if exchange.as_mut().poll(cx).is_pending() {
            drop(io::spawn(exchange));
        }
    }

    /// Sees to the connection's time and its end; whether there is something new to say.
    fn goes_further(&mut self, cx: &mut Context<'_>) -> bool {
        let limits = &self.worker.config.limits;
        let (is_idle, is_mid_head) = (self.link.streams() == 0, self.socket.is_mid_head());
        if is_idle != std::mem::replace(&mut self.is_idle, is_idle) {
            self.socket.connection.set_busy(!is_idle);
            match is_idle {
                true => self.idle.set(limits.idle_ms_max),
                false => self.idle.clear(),
            }
        }
        if is_mid_head != std::mem::replace(&mut self.is_mid_head, is_mid_head) {
            match is_mid_head {
                true => self.head.set(limits.header_ms_max),
                false => self.head.clear(),
            }
        }
        if self.going == Going::Now {
            return false;
        }
        if let Some(fault) = self.socket.fault() {
            self.log_flood();
            return self.go_away(match fault {
                Fault::FrameSize => Reason::FRAME_SIZE_ERROR,
                Fault::NoSettings => Reason::PROTOCOL_ERROR,
                Fault::StreamClosed => Reason::STREAM_CLOSED,
                Fault::Window => Reason::FLOW_CONTROL_ERROR,
                Fault::Resets | Fault::Control => Reason::ENHANCE_YOUR_CALM,
            });
        }
        if self.head.poll_expired(cx).is_ready() {
            return self.go_away(Reason::ENHANCE_YOUR_CALM);
        }
        // What is not sent yet would be lost.
        let is_done = is_idle && !self.socket.is_waiting();
        if is_done && self.idle.poll_expired(cx).is_ready() {
            return self.go_away(Reason::NO_ERROR);
        }
        if !self.worker.is_leaving() && !self.link.is_stalled() {
            return false;
        }
        if is_done {
            return self.go_away(Reason::NO_ERROR);
        }
        if self.worker.is_draining() && !std::mem::replace(&mut self.is_drain_known, true) {
            self.link.tunnels().wake();
        }
        if self.going == Going::Not {
            self.going = Going::Gracefully;
            self.frames.graceful_shutdown();
            self.link.tunnels().wake();
            return true;
        }
        false
    }

    /// `h2` has limits of its own for the same, which it may have come to first.
    #[cold]
    fn log_flood(&self) {
        let limits = &self.worker.config.limits;
        let (what, max, flag) = match self.socket.fault() {
            Some(Fault::Resets) => ("streams taken back", limits.http2_resets_max, "--http2-resets-max"),
            Some(Fault::Control) => {
                ("control frames", limits.http2_control_frames_max, "--http2-control-frames-max")
            }
            _ => return,
        };
        let Some(more) = log::admits_limit(Kind::Http2Flood) else { return };
        let (worker, peer) = (self.worker.number, self.socket.connection.peer());
        tracing::warn!(worker, %peer, "a client is cut off: more than {max} {what} in a minute ({flag}){more}");
    }

    fn go_away(&mut self, reason: Reason) -> bool {
        self.going = Going::Now;
        self.frames.abrupt_shutdown(reason);
        true
    }

    /// A client that reads nothing of what waits ends its connection.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<SessionEnd> {
        let connection = &self.socket.connection;
        if !self.socket.is_waiting() {
            if self.stalled.take().is_some() {
                connection.deadline().clear();
            }
            return Poll::Pending;
        }
        let stall_ms = self.worker.config.limits.write_stall_ms_max;
        let watch = self.stalled.get_or_insert_with(|| SendWatch::new(stall_ms));
        let stalled = watch.poll_stalled(connection.deadline(), || connection.send_progress(), cx);
        stalled.map(|()| SessionEnd::Reset)
    }
}
