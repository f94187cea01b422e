//! The client of an exchange, while the app works on its answer and after that.
//!
//! Owns: the one place that waits for what it does and for the time that it has: its body comes, it leaves, the
//! request's time is over. Must not know: the app's call, how an answer is sent.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use runtime::app::fetch::{Head, Reply};
use runtime::worker::Worker;

use super::additions::Additions;
use super::answer::{self, Written};
use super::body::{BodyEvent, BodyPace, BodyReceiver};
use super::failure;
use super::timeouts::Timeouts;
use super::wire::{BodyFailure, Departure, Ending, RequestRest, Wire};

/// The client of an exchange.
pub struct Peer<'a, W> {
    /// What carries the exchange.
    pub wire: &'a mut W,
    /// The worker that serves it.
    pub worker: &'a Rc<Worker>,
    /// Its deadlines.
    pub timeouts: &'a Timeouts,
    /// What is added to its answer.
    pub added: Additions,
    /// The request's body, where it has one.
    pub body: Option<BodyReceiver>,
    /// Somebody wants to know whether the client leaves.
    pub is_watched: bool,
    /// The request that is answered in place of its own, where a script says so.
    pub redirected: Option<Rc<dyn Head>>,
    /// The same request with another target, where a rule of a site says so.
    pub rewritten: Option<Rc<dyn Head>>,
}

/// What a client does, or does not do in time.
pub enum PeerEvent {
    /// The time of the request is over.
    TimedOut,
    /// Something happened to the request's body.
    Body(BodyEvent),
    /// The client leaves.
    Left(Departure),
}

impl<W: Wire> Peer<'_, W> {
    /// The head of the request that is answered.
    pub fn head(&self) -> Rc<dyn Head> {
        match self.redirected.as_ref().or(self.rewritten.as_ref()) {
            Some(head) => head.clone(),
            None => self.wire.head(),
        }
    }

    /// The next that happens.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<PeerEvent> {
        if self.timeouts.request.poll_expired(cx).is_ready() {
            return Poll::Ready(PeerEvent::TimedOut);
        }
        let stall_ms = self.worker.config.limits.body_stall_ms_max;
        match self.body.as_mut().filter(|body| !body.has_ended()) {
            Some(_) if self.is_watched && self.wire.poll_taken_back(cx).is_ready() => {
                Poll::Ready(PeerEvent::Left(Departure::Gone))
            }
            Some(body) => body.poll_event(self.wire, &self.timeouts.body, stall_ms, cx).map(PeerEvent::Body),
            None if self.is_watched => self.wire.poll_departure(cx).map(PeerEvent::Left),
            None => Poll::Pending,
        }
    }

    /// Writes an answer. A script may read on in the request's body: a client that waits for 100 Continue gets
    /// it before, and such a body is no reason to refuse the rest.
    pub fn write_reply(&mut self, reply: &Reply<'_>) -> Written {
        let mut rest = RequestRest::Taken;
        if let Some(body) = &mut self.body {
            if body.is_wanted(reply.streamed) {
                if body.take_held_back() {
                    self.wire.write_continue();
                }
            } else {
                rest = body.take_rest();
            }
        }
        answer::write(self.wire, self.worker, &self.added, reply, rest)
    }

    /// What comes of the body once the answer is written. A script that reads on gets it, within the limits
    /// that it had before the answer; what nobody reads is dropped, within bounds, where the wire needs that.
    ///
    /// # Errors
    /// How the exchange ends, where that is not its completion.
    pub async fn receive_rest(&mut self) -> Result<(), Ending> {
        let Some(body) = self.body.as_mut().filter(|body| !body.has_ended()) else { return Ok(()) };
        let needs_rest = self.wire.needs_rest();
        if !needs_rest && !body.script.is_read() {
            body.drop_rest();
            return Err(Ending::Unread);
        }
        self.wire.flush().await.map_err(|_| Ending::Lost)?;
        let limits = &self.worker.config.limits;
        self.timeouts.request.set(limits.request_ms_max);
        self.timeouts.body.set(limits.body_stall_ms_max);
        self.is_watched = false;
        let (mut unread, mut is_read) = (0, false);
        while let Some(body) = self.body.as_mut().filter(|body| !body.has_ended()) {
            // A reader that has begun may take its time from one piece to the next.
            is_read = body.is_open() && (is_read || body.script.is_read());
            if !is_read && (!needs_rest || unread > limits.unread_bytes_max) {
                body.drop_rest();
                return Err(Ending::Unread);
            }
            if !is_read && !body.script.can_wait() {
                body.drop_rest();
            }
            body.set_pace(if is_read { BodyPace::AskedOrGivenUp } else { BodyPace::Unasked });
            match poll_fn(|cx| self.poll_event(cx)).await {
                PeerEvent::TimedOut => return Err(self.rest_failed(&BodyFailure::TIMED_OUT, is_read)),
                PeerEvent::Body(BodyEvent::Failed(failure)) => {
                    return Err(self.rest_failed(&failure, is_read));
                }
                PeerEvent::Body(BodyEvent::Received(bytes)) => {
                    unread = if is_read { 0 } else { unread + bytes };
                }
                PeerEvent::Body(BodyEvent::GivenUp | BodyEvent::HeldBack) | PeerEvent::Left(_) => {}
            }
        }
        Ok(())
    }

    fn rest_failed(&mut self, failure: &BodyFailure, is_read: bool) -> Ending {
        if let Some(body) = &mut self.body {
            body.fail(failure.why);
        }
        match &failure.rejection {
            Some(_) if failure.is_by_client() => Ending::Left,
            Some(rejection) => {
                // Who reads it, or the app's author, should know why it ends.
                if is_read {
                    let id = self.added.request_id();
                    failure::log_limit(rejection, self.worker, id, || self.wire.ends().peer.clone());
                }
                Ending::Unread
            }
            None => Ending::Lost,
        }
    }
}
