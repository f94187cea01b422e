//! The call of an app's `connect(socket, env, ctx)`.
//!
//! Owns: what the handler's end means for the connection. Must not know: who accepted the connection,
//! how it is closed.

use std::future::poll_fn;
use std::rc::Rc;

use super::callee::Callee;
use super::context::{self, Own};
use crate::js::engine::Engine;
use crate::js::observe::Outcome;
use crate::js::thrown::Thrown;
use crate::modules::own::sockets::inbound::Inbound;
pub use crate::modules::own::sockets::inbound::Patience;
use crate::net::{Ends, Transport};

/// Calls the handler with an accepted connection, waits for its end and that of all it gave to
/// `ctx.waitUntil`, and closes: what was written goes out first. If the handler failed, the client gets
/// a reset.
///
/// # Errors
/// What it threw, or the reason its promise was rejected with, unless that is how the client's connection
/// broke.
pub async fn connect(
    engine: &Rc<Engine>,
    callee: &Callee,
    (transport, ends): (Transport, Rc<Ends>),
    worker: usize,
    patience: Patience,
) -> Result<(), Thrown> {
    // Where that fails it was reset before it was served.
    let Ok(inbound) = Inbound::open(engine, transport, &ends, patience) else { return Ok(()) };
    let outcome = Rc::new(Outcome::default());
    let mut background: Option<Rc<Own>> = None;
    callee.start(engine, &outcome, |ctx, env| {
        let socket = inbound.socket(ctx)?;
        let (context, own) = context::of(ctx, ends, worker)?;
        background = Some(own);
        Ok([socket, env, context])
    });
    let result = inbound.attended(poll_fn(|cx| outcome.poll(cx))).await;
    if result.is_ok()
        && let Some(background) = &background
    {
        inbound.attended(poll_fn(|cx| background.poll_none(cx))).await;
    }
    inbound.end(result.is_ok());
    inbound.gone().await;
    // A client that goes away is no fault of the app's, and must not fill its log.
    result.or_else(|thrown| if inbound.has_failed_with(&thrown.text) { Ok(()) } else { Err(thrown) })
}
