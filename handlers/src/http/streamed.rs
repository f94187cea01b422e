//! An answer whose body comes in pieces: no faster than the client takes it, with a bounded number of
//! bytes on their way.
//!
//! Owns: chunks and lengths on the wire, what a client that leaves, a stream that fails and a limit
//! that is reached come to. Must not know: how a head is written, where the pieces come from.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use runtime::app::fetch::{Broken, Caller, Outgoing, Unwanted};
use runtime::connection::{Phase, SendWatch, Stopped};
use runtime::io::{self, Chunk, Deadline};
use runtime::log::{self, Kind};

use super::body::{Body, receive};
use super::exchange::EARLY_BYTES_MAX;
use super::h1::{BodyMode, CHUNK_END, Encoded, LAST_CHUNK, RequestHead, encode_chunk_start};
use super::session::{End, Session};

/// Bytes that wait while as many are being sent; one piece may be larger.
const READY_BYTES_MAX: usize = 64 << 10;

/// Why a body was not sent to its end.
enum Cut {
    /// The client is gone, or takes nothing any more.
    Gone,
    /// Its stream failed.
    Broken(Broken),
    TimedOut,
    /// It is longer, or shorter, than its Content-Length.
    TooLong,
    TooShort,
}

enum Turn {
    Sent(Result<Vec<u8>, Stopped>),
    Piece(Option<Result<Bytes, Broken>>),
    /// The next piece lets us wait: what there is can go.
    Flush,
    Done,
    Wanted,
    Received(Result<Chunk, Stopped>),
    Early(std::io::Result<Chunk>),
    TimedOut,
}

struct Streamed<'a> {
    session: &'a mut Session,
    outgoing: Outgoing,
    body: &'a mut Option<Body>,
    mode: BodyMode,
    /// Bytes that are still to come, where the app has said how many.
    left: Option<u64>,
    /// The stream has ended.
    ended: bool,
    /// A send is in flight.
    sending: Option<SendWatch>,
    /// The client is waited for: it may send its next request, or leave.
    watching: bool,
    /// More of the request's body is waited for, until then.
    receiving: bool,
    stall: Deadline,
    /// What follows the request cannot be told from the rest of its body.
    unclear: bool,
}

/// Sends the body that follows a head in `session.out`. An end that comes too early is one that the
/// client can see.
///
/// # Errors
/// How the connection ends, where it does.
pub async fn send(
    session: &mut Session,
    head: &RequestHead,
    outgoing: Outgoing,
    caller: &Caller,
    encoded: Encoded,
    body: &mut Option<Body>,
) -> Result<(), End> {
    if encoded.body == BodyMode::Omit {
        outgoing.cancel(Unwanted::NoBody);
        return Ok(());
    }
    session.connection.set_phase(Phase::Handling);
    // The app is done with a body in memory: its client may take its time, and be done with sending.
    let in_memory = outgoing.length().is_some();
    let worker = session.connection.worker().clone();
    let (ms, stall_ms) = (worker.config.limits.request_ms_max, worker.config.limits.write_stall_ms_max);
    let deadline = session.connection.request_deadline();
    if !deadline.is_set() && !in_memory {
        deadline.set(ms);
    }
    let sending = session.connection.stream().is_sending().then(|| SendWatch::new(stall_ms));
    let mut streamed = Streamed {
        session,
        outgoing,
        body,
        mode: encoded.body,
        left: encoded.length,
        ended: false,
        sending,
        watching: !in_memory,
        receiving: false,
        stall: Deadline::new(),
        unclear: false,
    };
    let cut = streamed.run().await;
    streamed.session.connection.request_deadline().clear();
    let Err(cut) = cut else {
        streamed.session.drop_spare();
        return if streamed.unclear { Err(End::Answered) } else { Ok(()) };
    };
    // Only a reset tells an end that comes too early from the end of a body that the end of the
    // connection ends.
    let until_close = streamed.mode == BodyMode::Plain && encoded.length.is_none();
    let is_gone = matches!(cut, Cut::Gone);
    streamed.account_for(cut, head, caller);
    Err(if until_close || is_gone { End::Lost } else { End::Answered })
}

impl Streamed<'_> {
    /// Logs why a body was not sent to its end, and has its stream hear of it.
    fn account_for(&self, cut: Cut, head: &RequestHead, caller: &Caller) {
        let worker = self.session.connection.worker();
        let (method, target, ms) = (head.method(), head.target(), worker.config.limits.request_ms_max);
        let log = |text: &str, stack: &str| {
            let newline = if stack.is_empty() { "" } else { "\n" };
            if log::admits(Kind::Broken) {
                tracing::error!(worker = worker.number, "{method} {target}: {text}{newline}{stack}");
            }
        };
        match cut {
            Cut::Gone => {
                caller.gone();
                self.outgoing.cancel(Unwanted::ClientGone);
            }
            Cut::TimedOut => {
                if let Some(more) = log::admits_limit(Kind::RequestTime) {
                    let number = worker.number;
                    tracing::error!(
                        worker = number,
                        "{method} {target}: the response took longer than {ms} ms (--request-timeout){more}"
                    );
                }
                self.outgoing.cancel(Unwanted::TimedOut);
            }
            Cut::Broken(broken) if broken.by_app => {
                log(&format!("the body's stream failed: {}", broken.text), &broken.stack)
            }
            Cut::Broken(broken) => {
                if log::admits(Kind::Gone) {
                    tracing::debug!(worker = worker.number, "{method} {target}: {}", broken.text);
                }
            }
            Cut::TooShort => log("the body is shorter than the Content-Length that the handler set", ""),
            Cut::TooLong => {
                log("the body is longer than the Content-Length that the handler set", "");
                self.outgoing.cancel(Unwanted::TooLong);
            }
        }
    }

    async fn run(&mut self) -> Result<(), Cut> {
        loop {
            match poll_fn(|cx| self.poll_turn(cx)).await {
                Turn::Sent(result) => {
                    self.sending = None;
                    let spare = result.map_err(|_| Cut::Gone)?;
                    self.session.keep_spare(spare);
                }
                Turn::Piece(Some(Ok(piece))) => self.add(&piece)?,
                Turn::Piece(Some(Err(broken))) => return Err(Cut::Broken(broken)),
                Turn::Piece(None) => self.finish()?,
                Turn::Flush => self.start_send().await,
                Turn::Done => return Ok(()),
                Turn::Wanted => {
                    self.receiving = true;
                    self.stall.set(self.session.connection.worker().config.limits.body_stall_ms_max);
                }
                Turn::Received(received) => {
                    self.receiving = false;
                    if let Some(body) = self.body.as_mut()
                        && let Err(failed) = receive(self.session, body, received)
                    {
                        if failed.by_client() {
                            return Err(Cut::Gone);
                        }
                        if let Some(rejection) = &failed.rejection {
                            self.session.log_limit(rejection);
                        }
                        (self.unclear, self.watching) = (true, false);
                    }
                }
                Turn::Early(Ok(chunk)) => {
                    self.session.keep(&chunk);
                    // The end of a client that waits for nothing else. It gives no other sign while
                    // there is nothing to send to it.
                    if chunk.is_empty() && self.session.input().is_empty() {
                        return Err(Cut::Gone);
                    }
                    self.watching = !chunk.is_empty() && self.session.input().len() < EARLY_BYTES_MAX;
                }
                Turn::Early(Err(_)) => return Err(Cut::Gone),
                Turn::TimedOut => return Err(Cut::TimedOut),
            }
        }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        let connection = &self.session.connection;
        if connection.request_deadline().poll_expired(cx).is_ready() {
            return Poll::Ready(Turn::TimedOut);
        }
        if let Some(watch) = &mut self.sending
            && let Poll::Ready(sent) = connection.poll_sent(watch, cx)
        {
            return Poll::Ready(Turn::Sent(sent));
        }
        match self.body.as_ref().filter(|body| !body.ended) {
            Some(body) => match body.script.poll_wanted(cx) {
                Poll::Ready(()) if !self.receiving => return Poll::Ready(Turn::Wanted),
                Poll::Ready(()) => {
                    if let Poll::Ready(received) = connection.stream().poll_recv(cx) {
                        return Poll::Ready(Turn::Received(received.map_err(Stopped::Failed)));
                    }
                    if self.stall.poll_expired(cx).is_ready() {
                        return Poll::Ready(Turn::Received(Err(Stopped::TimedOut)));
                    }
                }
                Poll::Pending => {}
            },
            None if self.watching => {
                if let Poll::Ready(early) = connection.stream().poll_recv(cx) {
                    return Poll::Ready(Turn::Early(early));
                }
            }
            None => {}
        }
        let waiting = self.session.out.len();
        if !self.ended && waiting < READY_BYTES_MAX {
            if let Poll::Ready(piece) = self.outgoing.poll_piece(cx) {
                return Poll::Ready(Turn::Piece(piece));
            }
        } else if self.ended && waiting == 0 && self.sending.is_none() {
            return Poll::Ready(Turn::Done);
        }
        match self.sending.is_none() && waiting > 0 {
            true => Poll::Ready(Turn::Flush),
            false => Poll::Pending,
        }
    }

    /// Adds a piece to what waits.
    fn add(&mut self, piece: &[u8]) -> Result<(), Cut> {
        let mut piece = piece;
        let mut too_long = false;
        if let Some(left) = &mut self.left {
            let fits = piece.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            too_long = fits < piece.len();
            piece = &piece[..fits];
            *left -= fits as u64;
        }
        let out = &mut self.session.out;
        match self.mode {
            BodyMode::Chunked if !piece.is_empty() => {
                out.reserve(piece.len() + 32);
                encode_chunk_start(out, piece.len());
                out.extend_from_slice(piece);
                out.extend_from_slice(CHUNK_END);
            }
            BodyMode::Plain => out.extend_from_slice(piece),
            _ => {}
        }
        if too_long { Err(Cut::TooLong) } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<(), Cut> {
        self.ended = true;
        if self.left.is_some_and(|left| left > 0) {
            return Err(Cut::TooShort);
        }
        if self.mode == BodyMode::Chunked {
            self.session.out.extend_from_slice(LAST_CHUNK);
        }
        Ok(())
    }

    async fn start_send(&mut self) {
        let stall_ms = self.session.connection.worker().config.limits.write_stall_ms_max;
        let full = self.session.take_out();
        self.session.connection.stream().start_send(full);
        self.sending = Some(SendWatch::new(stall_ms));
        // Where the kernel takes all at once, others of this worker have their turn.
        io::yield_now().await;
    }
}
