//! An answer whose body comes in pieces: no faster than the client takes it, with a bounded number of
//! bytes on their way.
//!
//! Owns: the pace of the pieces, what a client that leaves, a stream that fails and a limit that is reached
//! come to. Must not know: how a head or a piece is written, where the pieces come from.

use std::future::poll_fn;
use std::io::Result as IoResult;
use std::task::{Context, Poll};

use bytes::Bytes;
use runtime::app::fetch::{Broken, Caller, Extras, Outgoing, Unwanted};
use runtime::io;
use runtime::log::{self, Kind};
use runtime::worker::SendWatch;

use super::body::{BodyEvent, BodyPace};
use super::failure;
use super::peer::{Peer, PeerEvent};
use super::wire::{AnswerBody, Ending, Wire};

/// Bytes that wait while as many are being sent; one piece may be larger.
const READY_BYTES_MAX: usize = 64 << 10;

/// Why a body was not sent to its end.
enum CutShort {
    /// The client is gone, or takes nothing any more.
    Gone,
    /// Its stream failed.
    Broken(Broken),
    TimedOut,
    /// It is longer, or shorter, than its Content-Length.
    TooLong,
    TooShort,
}

/// What happened next.
enum StreamEvent {
    Peer(PeerEvent),
    Sent(IoResult<()>),
    /// The client takes nothing of what is being sent.
    Stalled,
    Piece(Option<Result<Bytes, Broken>>),
    /// The next piece lets us wait: what there is can go.
    Flush,
    Done,
}

struct Streamed<'s, 'a, W> {
    peer: &'s mut Peer<'a, W>,
    outgoing: Outgoing,
    /// What stands behind it.
    extras: &'s Extras,
    /// Bytes that are still to come, where the app has said how many.
    left: Option<u64>,
    /// The stream has ended.
    ended: bool,
    /// A send is in flight.
    sending: Option<SendWatch>,
    /// What follows the request cannot be told from the rest of its body.
    unclear: bool,
}

/// Sends the body that follows the head of an answer. An end that comes too early is one that the client can
/// see.
///
/// # Errors
/// How the exchange ends, where that is not its completion.
pub async fn send<W: Wire>(
    peer: &mut Peer<'_, W>,
    outgoing: Outgoing,
    (caller, extras): (&Caller, &Extras),
    announced: AnswerBody,
) -> Result<(), Ending> {
    if announced.is_omitted {
        outgoing.cancel(Unwanted::NoBody);
        return Ok(());
    }
    // The app is done with a body in memory: its client may take its time, and be done with sending.
    let in_memory = outgoing.length().is_some();
    let limits = &peer.worker.config.limits;
    if !in_memory {
        peer.timeouts.request.set(limits.request_ms_max);
    }
    if let Some(body) = &mut peer.body {
        body.set_pace(BodyPace::Asked);
    }
    peer.is_watched = !in_memory;
    let sending = peer.wire.is_sending().then(|| SendWatch::new(limits.write_stall_ms_max));
    let mut streamed =
        Streamed { peer, outgoing, extras, left: announced.length, ended: false, sending, unclear: false };
    match streamed.run().await {
        Ok(()) if streamed.unclear => Err(Ending::Unread),
        Ok(()) => Ok(()),
        Err(cut) => Err(streamed.account_for(cut, caller)),
    }
}

impl<W: Wire> Streamed<'_, '_, W> {
    /// Logs why a body was not sent to its end, and has its stream hear of it; how the exchange ends.
    fn account_for(&self, cut: CutShort, caller: &Caller) -> Ending {
        let worker = self.peer.worker;
        let (method, target) = failure::request_line(self.peer.wire);
        let log = |text: &str, stack: &str| {
            let newline = if stack.is_empty() { "" } else { "\n" };
            if log::admits(Kind::Broken) {
                tracing::error!(worker = worker.number, "{method} {target}: {text}{newline}{stack}");
            }
        };
        match cut {
            CutShort::Gone => {
                caller.gone();
                self.outgoing.cancel(Unwanted::ClientGone);
                return Ending::Lost;
            }
            CutShort::TimedOut => {
                if let Some(more) = log::admits_limit(Kind::RequestTime) {
                    let (number, ms) = (worker.number, worker.config.limits.request_ms_max);
                    tracing::error!(
                        worker = number,
                        "{method} {target}: the response took longer than {ms} ms (--request-timeout){more}"
                    );
                }
                self.outgoing.cancel(Unwanted::TimedOut);
            }
            CutShort::Broken(broken) if broken.by_app => {
                log(&format!("the body's stream failed: {}", broken.text), &broken.stack)
            }
            CutShort::Broken(broken) => {
                if log::admits(Kind::Gone) {
                    tracing::debug!(worker = worker.number, "{method} {target}: {}", broken.text);
                }
            }
            CutShort::TooShort => log("the body is shorter than the Content-Length that the handler set", ""),
            CutShort::TooLong => {
                log("the body is longer than the Content-Length that the handler set", "");
                self.outgoing.cancel(Unwanted::TooLong);
            }
        }
        Ending::CutShort
    }

    async fn run(&mut self) -> Result<(), CutShort> {
        loop {
            match poll_fn(|cx| self.poll_event(cx)).await {
                StreamEvent::Peer(event) => self.follow(event)?,
                StreamEvent::Sent(result) => {
                    self.sending = None;
                    result.map_err(|_| CutShort::Gone)?;
                }
                StreamEvent::Stalled => return Err(CutShort::Gone),
                StreamEvent::Piece(Some(Ok(piece))) => self.add(&piece)?,
                StreamEvent::Piece(Some(Err(broken))) => return Err(CutShort::Broken(broken)),
                StreamEvent::Piece(None) => self.finish()?,
                StreamEvent::Flush => self.start_send().await,
                StreamEvent::Done => return Ok(()),
            }
        }
    }

    fn follow(&mut self, event: PeerEvent) -> Result<(), CutShort> {
        match event {
            PeerEvent::TimedOut => Err(CutShort::TimedOut),
            // One that waits for nothing else gives no other sign while there is nothing to send to it.
            PeerEvent::Left(_) => Err(CutShort::Gone),
            PeerEvent::Body(BodyEvent::Failed(failure)) if failure.is_by_client() => Err(CutShort::Gone),
            PeerEvent::Body(BodyEvent::Failed(failure)) => {
                if let Some(rejection) = &failure.rejection {
                    failure::log_limit(rejection, self.peer.worker, || self.peer.wire.ends().peer.clone());
                }
                (self.unclear, self.peer.is_watched) = (true, false);
                Ok(())
            }
            PeerEvent::Body(BodyEvent::Received(_) | BodyEvent::HeldBack | BodyEvent::GivenUp) => Ok(()),
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<StreamEvent> {
        if let Poll::Ready(event) = self.peer.poll_event(cx) {
            return Poll::Ready(StreamEvent::Peer(event));
        }
        let wire = &mut *self.peer.wire;
        if let Some(watch) = &mut self.sending {
            if let Poll::Ready(sent) = wire.poll_sent(cx) {
                return Poll::Ready(StreamEvent::Sent(sent));
            }
            let timer = self.peer.timeouts.write.deadline();
            if watch.poll_stalled(timer, || wire.send_progress(), cx).is_ready() {
                return Poll::Ready(StreamEvent::Stalled);
            }
        }
        let waiting = wire.unsent_bytes();
        if !self.ended && waiting < READY_BYTES_MAX {
            if let Poll::Ready(piece) = self.outgoing.poll_piece(cx) {
                return Poll::Ready(StreamEvent::Piece(piece));
            }
        } else if self.ended && waiting == 0 && self.sending.is_none() {
            return Poll::Ready(StreamEvent::Done);
        }
        if self.sending.is_none() && waiting > 0 { Poll::Ready(StreamEvent::Flush) } else { Poll::Pending }
    }

    /// Adds a piece to what waits.
    fn add(&mut self, piece: &[u8]) -> Result<(), CutShort> {
        let mut piece = piece;
        let mut too_long = false;
        if let Some(left) = &mut self.left {
            let fits = piece.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            too_long = fits < piece.len();
            piece = &piece[..fits];
            *left -= fits as u64;
        }
        if !piece.is_empty() {
            self.peer.wire.write_piece(piece);
        }
        if too_long { Err(CutShort::TooLong) } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<(), CutShort> {
        self.ended = true;
        if self.left.is_some_and(|left| left > 0) {
            return Err(CutShort::TooShort);
        }
        let trailers = self.extras.trailers();
        self.peer.wire.write_end(Some(&trailers).filter(|trailers| !trailers.is_empty()));
        Ok(())
    }

    async fn start_send(&mut self) {
        self.peer.wire.start_send();
        self.sending = Some(SendWatch::new(self.peer.worker.config.limits.write_stall_ms_max));
        // Where the kernel takes all at once, others of this worker have their turn.
        io::yield_now().await;
    }
}
