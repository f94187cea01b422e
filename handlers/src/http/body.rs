//! A request's body between the wire and the script.
//!
//! Owns: when it is received and given to the script, the time that a pause of it may take. Must not know:
//! the answer, how it is framed.

use std::task::{Context, Poll};

use runtime::app::fetch::{BodyError, IncomingBody, Progress};

use super::rejection::Rejection;
use super::timeouts::Timeout;
use super::wire::{BodyFailure, Received, RequestRest, Wire};

/// Receives a body for the script.
pub struct BodyReceiver {
    /// Where the script reads it.
    pub script: IncomingBody,
    /// When more of it is received.
    pub pace: BodyPace,
    /// All of it is here, or the rest cannot come.
    ended: bool,
    /// The client waits for 100 Continue.
    held_back: bool,
    /// The script does not get the rest.
    dropped: bool,
    /// The next piece is waited for, within the time that it has.
    receiving: bool,
}

/// When more of a body is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyPace {
    /// When the script asks for it.
    Asked,
    /// The same, after the answer: should the script give it up, somebody has to know.
    AskedOrGivenUp,
    /// At once. The time for a pause is the time for all of it.
    Unasked,
}

/// What happened to a body.
#[derive(Debug)]
pub enum BodyEvent {
    /// So many bytes came, framing included.
    Received(u64),
    /// The script asks for a body that the client sends after 100 Continue: once.
    HeldBack,
    /// The script has given it up.
    GivenUp,
    /// The rest cannot come; the script has heard of it.
    Failed(BodyFailure),
}

impl Drop for BodyReceiver {
    fn drop(&mut self) {
        if !self.ended && !self.dropped {
            self.script.end(Progress::Failed(BodyError::Aborted));
        }
    }
}

impl BodyReceiver {
    /// Takes up the body of a request, where it has one: what has come of it goes to the script.
    ///
    /// # Errors
    /// The request is refused.
    pub fn begin(wire: &mut impl Wire, bytes_max: u64) -> Result<Option<BodyReceiver>, Rejection> {
        if !wire.has_body() {
            return Ok(None);
        }
        let mut body = BodyReceiver {
            script: IncomingBody::new(Vec::new(), Progress::Open),
            pace: BodyPace::Asked,
            ended: false,
            held_back: wire.expects_continue(),
            dropped: false,
            receiving: false,
        };
        let received = wire.begin_body(bytes_max, &mut |piece| body.script.push(piece))?;
        body.held_back &= received.bytes == 0;
        body.take(received);
        Ok(Some(body))
    }

    /// Whether the script has it, and may read on.
    pub fn is_open(&self) -> bool {
        !self.dropped && self.script.is_open()
    }

    /// Whether nothing more comes of it.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the script waits for what has not come yet. While it makes a body itself it may as well come
    /// back to one that it has only begun.
    pub fn is_wanted(&self, streamed: bool) -> bool {
        !self.ended && if streamed { self.script.is_wanted() } else { self.script.is_read() }
    }

    /// What is to become of the rest, if nobody reads it after the answer; the client is no longer told to send
    /// what it holds back.
    pub fn take_rest(&mut self) -> RequestRest {
        match (self.ended, self.take_held_back()) {
            (true, _) => RequestRest::Taken,
            (false, true) => RequestRest::Refused,
            (false, false) => RequestRest::Unread,
        }
    }

    /// Whether the client has to be told to send it: once.
    pub fn take_held_back(&mut self) -> bool {
        std::mem::take(&mut self.held_back)
    }

    /// The script gets no more of it.
    pub fn drop_rest(&mut self) {
        if !self.ended && !std::mem::replace(&mut self.dropped, true) {
            self.script.end(Progress::Failed(BodyError::Unread));
        }
    }

    /// The rest cannot come.
    pub fn fail(&mut self, why: BodyError) {
        if !std::mem::replace(&mut self.ended, true) && !self.dropped {
            self.script.end(Progress::Failed(why));
        }
    }

    fn take(&mut self, received: Received) {
        if received.end {
            self.ended = true;
            self.held_back = false;
            if !self.dropped {
                self.script.end(Progress::Complete);
            }
        }
    }

    /// Changes when more of it is received; the time for a pause begins anew.
    pub fn set_pace(&mut self, pace: BodyPace) {
        self.receiving = pace == BodyPace::Unasked;
        self.pace = pace;
    }

    /// The next that happens to it, within `stall_ms` by `timeout` for each piece that the script asks for.
    pub fn poll_event(
        &mut self,
        wire: &mut impl Wire,
        timeout: &Timeout,
        stall_ms: u64,
        cx: &mut Context<'_>,
    ) -> Poll<BodyEvent> {
        if self.pace != BodyPace::Unasked {
            if self.script.poll_wanted(cx).is_pending() {
                let given_up = self.pace == BodyPace::AskedOrGivenUp && !self.script.is_open();
                return if given_up { Poll::Ready(BodyEvent::GivenUp) } else { Poll::Pending };
            }
            if !std::mem::replace(&mut self.receiving, true) {
                timeout.set(stall_ms);
                if self.take_held_back() {
                    return Poll::Ready(BodyEvent::HeldBack);
                }
            }
        }
        let (script, dropped) = (&self.script, self.dropped);
        let mut sink = |piece: &[u8]| {
            if !dropped {
                script.push(piece);
            }
        };
        let failure = match wire.poll_body(cx, &mut sink) {
            Poll::Ready(Ok(received)) => {
                self.receiving = false;
                self.take(received);
                return Poll::Ready(BodyEvent::Received(received.bytes));
            }
            Poll::Ready(Err(failure)) => failure,
            Poll::Pending if timeout.poll_expired(cx).is_ready() => BodyFailure::TIMED_OUT,
            Poll::Pending => return Poll::Pending,
        };
        self.fail(failure.why);
        Poll::Ready(BodyEvent::Failed(failure))
    }
}
