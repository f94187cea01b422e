//! The call of an app's `accept(fd, peer, env, ctx)`.
//!
//! Owns: the handler and its end: when its promise settles, or its call returns. Must not know: who
//! accepted the connection, what becomes of the descriptor.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;

use rquickjs::Value;

use crate::js::Held;
use crate::js::class;
use crate::js::engine::{Engine, State};
use crate::js::exception::Thrown;
use crate::js::promise::{self, Outcome};
use crate::modules::fetch::context::{ExecutionContext, address};

/// The app's `accept`, its receiver and its `env`.
pub struct AcceptHandler {
    function: Held,
    this: Held,
    env: Held,
}

impl AcceptHandler {
    /// Calls as `this.function(fd, peer, env, ctx)`.
    pub fn new(function: Held, this: Held, env: Held) -> Self {
        AcceptHandler { function, this, env }
    }
}

/// Calls the handler with the descriptor of an accepted connection and waits for its end.
///
/// # Errors
/// What it threw, or the reason its promise was rejected with.
pub async fn accept(
    engine: &Rc<Engine>,
    handler: &AcceptHandler,
    fd: i32,
    peer: SocketAddr,
    local: SocketAddr,
    worker: usize,
) -> Result<(), Thrown> {
    let cell = Rc::new(Outcome::default());
    engine.turn(|ctx| {
        let call = || {
            let context = class::instance(ctx, ExecutionContext::new(peer, local, worker))?;
            let number = Value::new_int(ctx.clone(), fd);
            let args = [number, address(ctx, peer)?, handler.env.get(ctx), context];
            let value = promise::call(ctx, &handler.function, Some(&handler.this), &args)?;
            if value.is_object() {
                let value = promise::resolved(ctx, value)?;
                return promise::observe(ctx, &value, Box::new(cell.clone()));
            }
            cell.set(Ok(()));
            Ok(())
        };
        if let Err(error) = call() {
            let thrown = Thrown::of(ctx, &error);
            State::of(ctx).note(&thrown);
            cell.set(Err(thrown));
        }
    });
    poll_fn(|cx| cell.poll(cx)).await
}
