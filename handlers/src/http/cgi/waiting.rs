//! QueuedRequest for a script while its client is watched.
//!
//! Owns: what ends such a wait, and that a body which comes prolongs it. Must not know: what is waited for.

use std::future::poll_fn;
use std::task::{Context, Poll};

use runtime::log::{self, Kind};

use super::super::body::BodyEvent;
use super::super::failure;
use super::super::peer::{Peer, PeerEvent};
use super::super::wire::{BodyFailure, Departure, Ending, Wire};

/// Why there is nothing more to wait for.
pub enum Stop {
    /// The time of the request is over (`Timeouts::request`).
    TimedOut,
    /// The exchange has ended so.
    Ended(Ending),
}

/// Waits for what `poll` gives. The request has `renew_ms` more whenever some of its body comes.
pub async fn wait<W: Wire, T>(
    peer: &mut Peer<'_, W>,
    renew_ms: u64,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Result<T, Stop> {
    loop {
        let event = poll_fn(|cx| match poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => peer.poll_event(cx).map(Err),
        });
        match event.await {
            Ok(value) => return Ok(value),
            Err(PeerEvent::TimedOut) => return Err(Stop::TimedOut),
            Err(PeerEvent::Left(departure)) => {
                if log::admits(Kind::Gone) {
                    let (method, target) = failure::request_line(peer.wire);
                    let (worker, request_id) = (peer.worker.number, peer.added.request_id());
                    tracing::debug!(worker, request_id, "{method} {target}: the client is gone");
                }
                return Err(Stop::Ended(match departure {
                    Departure::Finished => Ending::Left,
                    Departure::Gone => Ending::Lost,
                }));
            }
            Err(PeerEvent::Body(BodyEvent::HeldBack)) => {
                peer.wire.write_continue();
                peer.wire.flush().await.map_err(|_| Stop::Ended(Ending::Lost))?;
                peer.timeouts.body.set(peer.worker.config.limits.body_stall_ms_max);
            }
            Err(PeerEvent::Body(BodyEvent::Failed(failed))) => return Err(cut(peer, &failed)),
            Err(PeerEvent::Body(BodyEvent::Received(_))) => {
                if renew_ms < u64::MAX {
                    peer.timeouts.request.set(renew_ms);
                }
            }
            Err(PeerEvent::Body(BodyEvent::GivenUp)) => {}
        }
    }
}

/// The rest of the request's body cannot come.
fn cut<W: Wire>(peer: &mut Peer<'_, W>, failed: &BodyFailure) -> Stop {
    Stop::Ended(match &failed.rejection {
        Some(rejection) => {
            failure::refuse(peer.wire, peer.worker, Some(&peer.added), rejection);
            Ending::Unread
        }
        None => Ending::Lost,
    })
}
