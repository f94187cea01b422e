//! The signals that calls of `fetch` follow, and the end of that.
//!
//! Owns: who is followed, and who need not be any more: a body may end where no script can be called,
//! so its signal is left with the next call. Must not know: what an abort does.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use rquickjs::{Ctx, Function, Result, Value};

use super::rooted::Rooted;
use crate::js::engine::State;
use crate::modules::web::abort;

/// A signal, and the algorithm that it runs when it aborts.
type FollowedSignal = (Rooted, Rooted);

/// What was followed and has ended.
#[derive(Default)]
struct Ended(RefCell<Vec<FollowedSignal>>);

/// A signal is followed until this is dropped.
pub(super) struct Follow {
    pair: Option<FollowedSignal>,
    ended: Weak<Ended>,
}

impl Follow {
    /// Has `algorithm` called with the reason when `signal` aborts.
    ///
    /// # Errors
    /// Out of memory.
    pub(super) fn new<'js>(
        signal: &Value<'js>,
        algorithm: impl Fn(&Ctx<'js>, Value<'js>) + 'static,
    ) -> Result<Follow> {
        let ctx = signal.ctx();
        let called = move |ctx: Ctx<'js>, reason: Value<'js>| algorithm(&ctx, reason);
        let algorithm = Function::new(ctx.clone(), called)?.into_value();
        abort::follow(signal, algorithm.clone())?;
        let ended = Rc::downgrade(&State::of(ctx).extension::<Ended>());
        Ok(Follow { pair: Some((Rooted::new(signal.clone()), Rooted::new(algorithm))), ended })
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        if let (Some(pair), Some(ended)) = (self.pair.take(), self.ended.upgrade()) {
            ended.0.borrow_mut().push(pair);
        }
    }
}

/// Leaves the signals of calls that have ended.
///
/// # Errors
/// Out of memory.
pub(super) fn leave(ctx: &Ctx<'_>) -> Result<()> {
    let ended = State::of(ctx).extension::<Ended>().0.take();
    for (signal, algorithm) in ended {
        if let (Some(signal), Some(algorithm)) = (signal.get(ctx), algorithm.get(ctx)) {
            abort::forget(&signal, algorithm)?;
        }
    }
    Ok(())
}
