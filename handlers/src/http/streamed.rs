//! An answer whose body comes in pieces: no faster than the client takes it, with a bounded number of
//! bytes on their way.
//!
//! Owns: the pace of the pieces, what a client that leaves, a stream that fails and a limit that is reached
//! come to. Must not know: how a head or a piece is written, where the pieces come from.

use std::future::poll_fn;
use std::io::{ErrorKind, Result as IoResult};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use runtime::app::fetch::{Broken, Caller, Extras, HeaderList, Outgoing, Unwanted};
use runtime::io::{self, budget};
use runtime::log::{self, Kind};
use runtime::worker::SendWatch;

use super::answer::{Written, WrittenRest};
use super::body::{BodyEvent, BodyPace};
use super::compress::{CodingFailed, Encoder};
use super::failure;
use super::peer::{Peer, PeerEvent};
use super::wire::{Ending, Wire};

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
    /// Its content coding failed.
    NotCoded,
}

/// A body in pieces, and whom it is of.
pub struct Streaming {
    /// The body.
    pub outgoing: Outgoing,
    /// The request, whose app may have more to do with it.
    pub caller: Option<Caller>,
    /// What may stand behind the body.
    pub extras: Option<Rc<Extras>>,
}

/// What happened next.
enum StreamEvent {
    Peer(PeerEvent),
    Sent(IoResult<()>),
    /// The client takes nothing of what is being sent.
    Stalled,
    Piece(Option<Result<Bytes, Broken>>),
    /// The next piece is where it is sent from: so many bytes.
    Added(Result<usize, Broken>),
    /// There is something to code.
    Code,
    /// The next piece lets us wait: what there is can go.
    Flush,
    /// The next bytes are a place in a file, and nothing is being sent.
    Window,
    Done,
}

struct Streamed<'s, 'a, W> {
    peer: &'s mut Peer<'a, W>,
    outgoing: Outgoing,
    /// What stands behind it.
    extras: Option<Rc<Extras>>,
    /// What is known of that by now.
    trailers: Option<HeaderList>,
    /// What it goes through.
    encoder: Option<Box<Encoder>>,
    /// What stands behind its last byte.
    tail: Option<Vec<u8>>,
    /// Bytes that are still to come, where the app has said how many.
    left: Option<u64>,
    /// The stream has ended.
    ended: bool,
    /// A send is in flight.
    sending: Option<SendWatch>,
    /// How long the stream may send nothing, in milliseconds, where that has an end.
    idle_ms: Option<u64>,
    /// What follows the request cannot be told from the rest of its body.
    unclear: bool,
    /// The wire sends from a file by itself.
    sends_files: bool,
    /// The socket took less of a file than it could have: the next is a piece, whose send waits for room.
    is_full: bool,
}

/// Sends the body that follows the head of an answer. An end that comes too early is one that the client can
/// see.
///
/// # Errors
/// How the exchange ends, where that is not its completion.
pub async fn send<W: Wire>(
    peer: &mut Peer<'_, W>,
    Streaming { outgoing, caller, extras }: Streaming,
    written: Written,
) -> Result<(), Ending> {
    if written.body.is_omitted {
        outgoing.cancel(Unwanted::NoBody);
        return Ok(());
    }
    // The app is done with a body in memory: its client may take its time, and be done with sending.
    let in_memory = outgoing.length().is_some();
    let limits = &peer.worker.config.limits;
    let is_bounded = !in_memory && !outgoing.keeps_alive() && !outgoing.bounds_silence();
    let idle_ms = is_bounded.then_some(limits.idle_ms_max);
    peer.timeouts.request.clear();
    if let Some(body) = &mut peer.body {
        body.set_pace(BodyPace::Asked);
    }
    peer.is_watched = !in_memory;
    let sending = peer.wire.is_sending().then(|| SendWatch::new(limits.write_stall_ms_max));
    let Written { body, rest } = written;
    let WrittenRest { encoder, tail, trailers, .. } = rest.map(|rest| *rest).unwrap_or_default();
    // What is coded passes through our memory.
    let passes = encoder.is_none() && tail.is_none();
    let sends_files = passes && matches!(outgoing, Outgoing::File(_)) && peer.wire.sends_files();
    let mut streamed = Streamed {
        peer,
        outgoing,
        extras,
        trailers,
        encoder,
        tail,
        left: body.length,
        ended: false,
        sending,
        idle_ms,
        unclear: false,
        sends_files,
        is_full: false,
    };
    streamed.is_alive();
    match streamed.run().await {
        Ok(()) if streamed.unclear => Err(Ending::Unread),
        Ok(()) => Ok(()),
        Err(cut) => Err(streamed.account_for(cut, caller.as_ref())),
    }
}

impl<W: Wire> Streamed<'_, '_, W> {
    /// Logs why a body was not sent to its end, and has its stream hear of it; how the exchange ends.
    fn account_for(&self, cut: CutShort, caller: Option<&Caller>) -> Ending {
        let (worker, request_id) = (self.peer.worker, self.peer.added.request_id());
        let (method, target) = failure::request_line(self.peer.wire);
        let log = |text: &str, stack: &str| {
            let newline = if stack.is_empty() { "" } else { "\n" };
            if log::admits(Kind::Broken) {
                tracing::error!(
                    worker = worker.number,
                    request_id,
                    "{method} {target}: {text}{newline}{stack}"
                );
            }
        };
        match cut {
            CutShort::Gone => {
                if let Some(caller) = caller {
                    caller.gone();
                }
                self.outgoing.cancel(Unwanted::ClientGone);
                return Ending::Lost;
            }
            CutShort::TimedOut => {
                if let Some(more) = log::admits_limit(Kind::StreamTime) {
                    let (number, ms) = (worker.number, worker.config.limits.idle_ms_max);
                    tracing::error!(
                        worker = number,
                        request_id,
                        "{method} {target}: the response's stream has sent nothing for {ms} ms (--idle-timeout){more}"
                    );
                }
                self.outgoing.cancel(Unwanted::TimedOut);
            }
            CutShort::Broken(broken) if broken.by_app => {
                log(&format!("the body's stream failed: {}", broken.text), &broken.stack)
            }
            CutShort::Broken(broken) => {
                if log::admits(Kind::Gone) {
                    tracing::debug!(worker = worker.number, request_id, "{method} {target}: {}", broken.text);
                }
            }
            CutShort::TooShort => log("the body is shorter than the Content-Length that the handler set", ""),
            CutShort::NotCoded => {
                log("the content coding of the response failed", "");
                self.outgoing.cancel(Unwanted::TooLong);
            }
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
                    (self.sending, self.is_full) = (None, false);
                    self.is_alive();
                    result.map_err(|_| CutShort::Gone)?;
                }
                StreamEvent::Stalled => return Err(CutShort::Gone),
                StreamEvent::Piece(Some(Ok(piece))) => self.add(piece)?,
                StreamEvent::Added(Ok(bytes)) => self.added(bytes)?,
                StreamEvent::Code => self.code()?,
                StreamEvent::Added(Err(broken)) | StreamEvent::Piece(Some(Err(broken))) => {
                    return Err(CutShort::Broken(broken));
                }
                StreamEvent::Piece(None) => self.finish()?,
                StreamEvent::Flush => self.start_send().await?,
                StreamEvent::Window => {
                    if self.send_window()? {
                        // Others of this worker have their turn.
                        io::yield_now().await;
                    }
                }
                StreamEvent::Done => return Ok(()),
            }
        }
    }

    fn follow(&mut self, event: PeerEvent) -> Result<(), CutShort> {
        match event {
            // The app is asked for nothing while the client has to take what is there: that has a limit of its own.
            PeerEvent::TimedOut if self.sending.is_some() || self.peer.wire.unsent_bytes() > 0 => {
                self.is_alive();
                Ok(())
            }
            PeerEvent::TimedOut => Err(CutShort::TimedOut),
            // One that waits for nothing else gives no other sign while there is nothing to send to it.
            PeerEvent::Left(_) => Err(CutShort::Gone),
            PeerEvent::Body(BodyEvent::Failed(failure)) if failure.is_by_client() => Err(CutShort::Gone),
            PeerEvent::Body(BodyEvent::Failed(failure)) => {
                if let Some(rejection) = &failure.rejection {
                    let id = self.peer.added.request_id();
                    failure::log_limit(rejection, self.peer.worker, id, || {
                        self.peer.wire.ends().peer.clone()
                    });
                }
                (self.unclear, self.peer.is_watched) = (true, false);
                Ok(())
            }
            PeerEvent::Body(BodyEvent::Received(_)) => {
                self.is_alive();
                Ok(())
            }
            PeerEvent::Body(BodyEvent::HeldBack | BodyEvent::GivenUp) => Ok(()),
        }
    }

    /// Bytes have moved: it may be silent for a while from now on.
    fn is_alive(&self) {
        if let Some(ms) = self.idle_ms.filter(|_| !self.ended) {
            self.peer.timeouts.request.set(ms);
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
        if self.sends_files && !self.ended && !self.is_full && self.sending.is_none() {
            return Poll::Ready(StreamEvent::Window);
        }
        let has_input = self.encoder.as_ref().is_some_and(|encoder| encoder.has_input());
        if has_input && waiting < READY_BYTES_MAX {
            // A long piece is coded in slices, between which others have their turn.
            return budget::poll_left(cx).map(|()| StreamEvent::Code);
        }
        let is_enough = if self.is_full { waiting > 0 } else { waiting >= READY_BYTES_MAX };
        if !self.ended && !is_enough {
            if let Poll::Ready(event) = self.poll_piece(cx) {
                return Poll::Ready(event);
            }
            // Nobody knows an end of it; its client connects anew.
            if self.idle_ms.is_none() && self.outgoing.keeps_alive() {
                if self.peer.worker.is_draining() {
                    self.outgoing.cancel(Unwanted::NoBody);
                    return Poll::Ready(StreamEvent::Piece(None));
                }
                self.peer.wire.keep_drain_waker(cx);
            }
        } else if self.ended && waiting == 0 && self.sending.is_none() {
            return Poll::Ready(StreamEvent::Done);
        }
        let is_held_back = self.encoder.as_ref().is_some_and(|encoder| encoder.holds_back());
        match self.sending.is_none() && (waiting > 0 || is_held_back) {
            true => Poll::Ready(StreamEvent::Flush),
            false => Poll::Pending,
        }
    }

    /// The next piece, without a copy where the body can be read to where it is sent from.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<StreamEvent> {
        if self.encoder.is_none()
            && let Some(out) = self.peer.wire.piece_buffer()
            && let Some(added) = self.outgoing.poll_into(cx, out)
        {
            return added.map(|added| added.map_or(StreamEvent::Piece(None), StreamEvent::Added));
        }
        self.outgoing.poll_piece(cx).map(StreamEvent::Piece)
    }

    /// Counts a piece of so many bytes: how many of them are to be sent.
    fn count(&mut self, bytes: usize) -> usize {
        let Some(left) = &mut self.left else { return bytes };
        let fits = bytes.min(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= fits as u64;
        fits
    }

    /// A piece is where it is sent from.
    fn added(&mut self, bytes: usize) -> Result<(), CutShort> {
        let beyond = bytes - self.count(bytes);
        if beyond > 0
            && let Some(out) = self.peer.wire.piece_buffer()
        {
            out.truncate(out.len() - beyond);
            return Err(CutShort::TooLong);
        }
        self.is_alive();
        Ok(())
    }

    /// Adds a piece to what waits.
    fn add(&mut self, mut piece: Bytes) -> Result<(), CutShort> {
        let fits = self.count(piece.len());
        let too_long = fits < piece.len();
        piece.truncate(fits);
        if !piece.is_empty() {
            self.is_alive();
        }
        match &mut self.encoder {
            Some(encoder) => encoder.add(piece),
            None if piece.is_empty() => {}
            None => self.peer.wire.write_piece(&piece),
        }
        if too_long { Err(CutShort::TooLong) } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<(), CutShort> {
        self.ended = true;
        self.peer.timeouts.request.clear();
        if self.left.is_some_and(|left| left > 0) {
            return Err(CutShort::TooShort);
        }
        let tail = self.tail.take();
        if let Some(mut encoder) = self.encoder.take() {
            encoder.add(tail.unwrap_or_default().into());
            while encoder.has_input() {
                self.write_coded(|out| encoder.step(out))?;
            }
            self.write_coded(|out| encoder.finish(out))?;
        } else if let Some(tail) = tail {
            self.peer.wire.write_piece(&tail);
        }
        let trailers = self.extras.as_ref().map(|extras| extras.trailers()).or(self.trailers.take());
        self.peer.wire.write_end(trailers.as_ref().filter(|trailers| !trailers.is_empty()));
        Ok(())
    }

    /// Codes a slice of the piece.
    fn code(&mut self) -> Result<(), CutShort> {
        let Some(mut encoder) = self.encoder.take() else { return Ok(()) };
        let coded = self.write_coded(|out| encoder.step(out));
        self.encoder = Some(encoder);
        coded
    }

    fn write_coded(
        &mut self,
        run: impl FnOnce(&mut Vec<u8>) -> Result<(), CodingFailed>,
    ) -> Result<(), CutShort> {
        let mut out = Vec::new();
        run(&mut out).map_err(|CodingFailed| CutShort::NotCoded)?;
        if !out.is_empty() {
            self.peer.wire.write_piece(&out);
        }
        Ok(())
    }

    /// Has the wire send from the file what the socket takes at once; whether there is more that it may take.
    fn send_window(&mut self) -> Result<bool, CutShort> {
        let broken = |error| CutShort::Broken(Broken::of_file(error));
        let Outgoing::File(file) = &self.outgoing else { return Ok(false) };
        let Some(window) = file.window().map_err(broken)? else {
            // The next piece is none of the file's, or not in memory.
            self.is_full = true;
            return Ok(false);
        };
        match self.peer.wire.send_file(&window) {
            Ok(sent) => {
                self.is_full = sent < window.length;
                file.sent(sent).map_err(broken)?;
                let is_done = file.is_done();
                self.count(sent);
                if is_done {
                    self.finish()?;
                }
                Ok(!self.is_full && !is_done)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.is_full = true;
                Ok(false)
            }
            Err(_) => Err(CutShort::Gone),
        }
    }

    async fn start_send(&mut self) -> Result<(), CutShort> {
        // The app lets us wait: the client gets all that there is.
        if self.peer.wire.unsent_bytes() < READY_BYTES_MAX
            && let Some(mut encoder) = self.encoder.take()
        {
            let flushed = match encoder.holds_back() {
                true => self.write_coded(|out| encoder.flush(out)),
                false => Ok(()),
            };
            self.encoder = Some(encoder);
            flushed?;
        }
        if self.peer.wire.unsent_bytes() == 0 {
            return Ok(());
        }
        self.peer.wire.start_send();
        self.sending = Some(SendWatch::new(self.peer.worker.config.limits.write_stall_ms_max));
        // Where the kernel takes all at once, others of this worker have their turn.
        io::yield_now().await;
        Ok(())
    }
}
