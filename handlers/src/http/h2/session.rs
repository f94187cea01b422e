//! The life of an HTTP/2 connection: streams in, a task for each, until one side is done.
//!
//! Owns: what bounds a connection as a whole (idle time, floods, a client that takes nothing), GOAWAY at its end and at the
//! server's. Must not know: how a request is answered.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use runtime::app::fetch::Head;
use runtime::io::{self, Deadline, budget};
use runtime::log::{self, Kind};
use runtime::worker::{Connection, SendWatch, Worker};

use super::super::failure;
use super::super::forwarded::ForwardedRequest;
use super::super::h1::is_authority;
use super::super::service::HttpService;
use super::super::timeouts::Timeouts;
use super::super::wire::Ending;
use super::begin::Upgraded;
use super::frames::Flood;
use super::head::RequestHead;
use super::message::{StreamMessage, StreamOrigin};
use super::socket::SocketAdapter;
use super::tunnel::Tunnels;
use crate::websocket;

/// What a client may send on all of its streams before the app reads it, in bytes.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// The same on one stream.
const STREAM_WINDOW: u32 = 256 << 10;
/// What waits on one stream for its client, in bytes.
const SEND_BUFFER_BYTES: usize = 64 << 10;
/// How long a client has to take note of a GOAWAY, where nothing else is in flight.
const GOAWAY_MS: u64 = 1_000;

/// What the streams of a connection share with it.
#[derive(Default)]
struct Streams {
    open: Cell<usize>,
    /// The client of one took nothing of its answer.
    has_stalled: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// Those that carry a WebSocket.
    tunnels: Tunnels,
}

/// A stream that is open.
struct OpenStream(Rc<Streams>);

impl OpenStream {
    fn of(streams: &Rc<Streams>) -> Self {
        streams.open.set(streams.open.get() + 1);
        OpenStream(streams.clone())
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }
}

/// How a connection ends.
enum SessionEnd {
    /// With what was said on its way.
    Gently,
    /// With a reset.
    Reset,
}

/// Serves a connection to its end. `received` is what has come of it; with `upgraded`, the answer to that request goes
/// out on stream 1. `service` answers its requests.
pub async fn serve(
    connection: Connection,
    received: Vec<u8>,
    upgraded: Option<Upgraded>,
    service: HttpService,
) {
    let connection = Rc::new(connection);
    let flood = Rc::new(Cell::new(None));
    let inserted = upgraded.map(|upgraded| upgraded.frames());
    let socket = SocketAdapter::new(connection.clone(), received, inserted, flood.clone());
    let closing = run(&connection, socket, &flood, service).await;
    // Nobody else has it: the crate's half went with the session.
    let Ok(connection) = Rc::try_unwrap(connection).map_err(drop) else { return };
    match closing {
        SessionEnd::Gently => connection.close_gently().await,
        SessionEnd::Reset => connection.abort().await,
    }
}

async fn run(
    connection: &Rc<Connection>,
    socket: SocketAdapter,
    flood: &Cell<Option<Flood>>,
    service: HttpService,
) -> SessionEnd {
    let worker = connection.worker().clone();
    let limits = &worker.config.limits;
    connection.set_deadline(limits.header_ms_max);
    let mut handshake = Box::pin(builder(&worker).handshake::<_, Bytes>(socket));
    let began = poll_fn(|cx| {
        if let Poll::Ready(began) = handshake.as_mut().poll(cx) {
            return Poll::Ready(began.map_err(|error| closing_after(&error)));
        }
        connection.deadline().poll_expired(cx).map(|()| Err(SessionEnd::Reset))
    });
    let h2 = match began.await {
        Ok(h2) => h2,
        Err(closing) => return closing,
    };
    let mut session = Http2Session {
        h2,
        connection: connection.clone(),
        worker,
        streams: Rc::default(),
        stall: None,
        stall_timer: Deadline::new(),
        is_idle: false,
        is_ending: false,
        service,
    };
    poll_fn(|cx| session.poll(flood, cx)).await
}

fn builder(worker: &Worker) -> server::Builder {
    let limits = &worker.config.limits;
    let mut builder = server::Builder::new();
    builder
        .enable_connect_protocol()
        .max_concurrent_streams(limits.http2_streams_max as u32)
        .max_header_list_size(limits.header_bytes_max as u32)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_window_size(STREAM_WINDOW)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        // Streams that are reset while they wait, by the client or for a fault of its frames.
        .max_pending_accept_reset_streams(limits.http2_streams_max.min(20))
        .max_local_error_reset_streams(Some(limits.http2_resets_max));
    builder
}

/// What is left to do after an error: one of ours has been said to the client.
fn closing_after(error: &h2::Error) -> SessionEnd {
    if error.is_io() { SessionEnd::Reset } else { SessionEnd::Gently }
}

struct Http2Session {
    h2: server::Connection<SocketAdapter, Bytes>,
    connection: Rc<Connection>,
    worker: Rc<Worker>,
    streams: Rc<Streams>,
    /// The send in flight, and the time that it may take.
    stall: Option<SendWatch>,
    stall_timer: Deadline,
    /// The connection's deadline bounds the time without a stream.
    is_idle: bool,
    /// GOAWAY is said.
    is_ending: bool,
    service: HttpService,
}

impl Http2Session {
    fn poll(&mut self, flood: &Cell<Option<Flood>>, cx: &mut Context<'_>) -> Poll<SessionEnd> {
        self.streams.waker.replace(Some(cx.waker().clone()));
        loop {
            if let Some(flood) = flood.take() {
                self.refuse(flood);
            }
            if !self.is_ending && (self.worker.is_draining() || self.streams.has_stalled.get()) {
                self.end();
            }
            match self.h2.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    // Who sends many requests at once lets the others have their turns in between.
                    budget::spend(0);
                    self.accept(request, respond);
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(closing_after(&error)),
                Poll::Ready(None) => return Poll::Ready(SessionEnd::Gently),
                Poll::Pending => break,
            }
        }
        self.poll_times(cx)
    }

    /// The times that bound a connection.
    fn poll_times(&mut self, cx: &mut Context<'_>) -> Poll<SessionEnd> {
        if self.connection.is_sending() {
            let stall_ms = self.worker.config.limits.write_stall_ms_max;
            let watch = self.stall.get_or_insert_with(|| SendWatch::new(stall_ms));
            let progress = || self.connection.send_progress();
            if watch.poll_stalled(&self.stall_timer, progress, cx).is_ready() {
                return Poll::Ready(SessionEnd::Reset);
            }
        } else {
            self.stall = None;
        }
        if self.streams.open.get() > 0 {
            self.is_idle = false;
            self.connection.set_busy(true);
            return Poll::Pending;
        }
        if !self.is_idle {
            self.is_idle = true;
            self.connection.set_busy(false);
            let idle_ms = self.worker.config.limits.idle_ms_max;
            self.connection.set_deadline(if self.is_ending { GOAWAY_MS.min(idle_ms) } else { idle_ms });
        }
        if self.connection.deadline().poll_expired(cx).is_pending() {
            return Poll::Pending;
        }
        if self.is_ending {
            return Poll::Ready(SessionEnd::Gently);
        }
        self.end();
        // Once more, for what it wrote.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Says that no further stream is served; those that are open go on.
    fn end(&mut self) {
        self.is_ending = true;
        self.is_idle = false;
        self.h2.graceful_shutdown();
        self.streams.tunnels.wake();
    }

    #[cold]
    fn refuse(&mut self, flood: Flood) {
        if let Some(more) = log::admits_limit(Kind::Http2Flood) {
            let limits = &self.worker.config.limits;
            let (what, max, flag) = match flood {
                Flood::Resets => ("requests taken back", limits.http2_resets_max, "--http2-resets-max"),
                Flood::Control => {
                    ("control frames", limits.http2_control_frames_max, "--http2-control-frames-max")
                }
            };
            let peer = self.connection.peer();
            tracing::warn!(
                worker = self.worker.number, %peer,
                "a client is cut off: more than {max} {what} in a minute ({flag}){more}"
            );
        }
        self.is_ending = true;
        self.is_idle = false;
        self.h2.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
    }

    /// Gives a stream its task.
    fn accept(&self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        let (parts, incoming) = request.into_parts();
        let worker = self.worker.clone();
        let (head, verdict) = RequestHead::of(parts, &worker.config.limits);
        let head = Rc::new(head);
        let open = OpenStream::of(&self.streams);
        let message = StreamMessage::new(head.clone(), self.origin(&head), incoming, respond);
        let service = self.service;
        drop(io::spawn(async move {
            let mut message = message;
            let ending = match verdict {
                Ok(()) => service.run(&mut message, &worker, &Timeouts::default()).await,
                Err(rejection) => {
                    failure::refuse(&mut message, &worker, None, &rejection);
                    Ending::Unread
                }
            };
            if ending == Ending::Upgraded {
                if let Some((tunnel, upgrade)) = message.into_tunnel(worker, &open.0.tunnels) {
                    websocket::serve(tunnel, Vec::new(), upgrade).await;
                }
                return;
            }
            if message.conclude(ending).await {
                open.0.has_stalled.set(true);
            }
        }));
    }

    fn origin(&self, head: &Rc<RequestHead>) -> StreamOrigin {
        let (connection, config) = (&self.connection, &self.worker.config);
        let scheme = if connection.tls().is_some() { "https" } else { "http" };
        let forwarded = match config.trusted_proxies.is_empty() {
            true => None,
            false => {
                let request = (head.clone() as Rc<dyn Head>, scheme, connection.ends());
                ForwardedRequest::of(config, request, is_authority).map(Rc::new)
            }
        };
        StreamOrigin {
            scheme,
            ends: connection.ends().clone(),
            // A trusted proxy may name itself to TLS as it likes.
            is_misdirected: forwarded.is_none() && connection.is_misdirected(head.authority()),
            forwarded,
            write_stall_ms: config.limits.write_stall_ms_max,
        }
    }
}
