//! The call of an app's `accept(fd, peer, env, ctx)`.
//!
//! Owns: the handler and its end: when its promise settles, or its call returns. Must not know: who
//! accepted the connection, what becomes of the descriptor.

use std::future::poll_fn;
use std::rc::Rc;

use rquickjs::Value;

use super::callee::Callee;
use super::context;
use crate::js::engine::Engine;
use crate::js::observe::Outcome;
use crate::js::thrown::Thrown;
pub use crate::modules::qjs::os::lent::Lent;
use crate::net::Ends;

/// Calls the handler with the descriptor of an accepted connection and waits for its end.
///
/// # Errors
/// What it threw, or the reason its promise was rejected with.
pub async fn accept(
    engine: &Rc<Engine>,
    callee: &Callee,
    fd: i32,
    ends: &Rc<Ends>,
    worker: usize,
) -> Result<(), Thrown> {
    let outcome = Rc::new(Outcome::default());
    callee.start(engine, &outcome, |ctx, env| {
        let (context, _) = context::of(ctx, ends.clone(), worker)?;
        let number = Value::new_int(ctx.clone(), fd);
        Ok([number, context::address(ctx, &ends.peer)?, env, context])
    });
    poll_fn(|cx| outcome.poll(cx)).await
}
