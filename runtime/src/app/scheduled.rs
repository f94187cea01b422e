//! The call of an app's `scheduled(event, env, ctx)`.
//!
//! Owns: its arguments and its end: when its promise has settled, or its call returned, and all that it gave to
//! `ctx.waitUntil` has. Must not know: when it is due, how long it may take.

use std::cell::Cell;
use std::ffi::CStr;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;

use rquickjs::{Ctx, Result, Value};

use super::Instance;
use super::context::{self, Own};
use super::methods::Method;
use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::engine::State;
use crate::js::observe::Outcome;
use crate::js::thrown::Thrown;
use crate::js::value;

/// What a run is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledEvent {
    /// The line of cron, as it was written.
    pub cron: Arc<str>,
    /// When it was due, in milliseconds of Unix time.
    pub time_ms: i64,
}

/// `event`.
pub struct EventObject(ScheduledEvent);

/// `ctx`.
pub struct ScheduledContext {
    worker: usize,
    own: Rc<Own>,
}

/// Whether an engine knows the two classes.
#[derive(Default)]
struct ClassesKnown(Cell<bool>);

/// The runs that go on in a worker, on whichever of its engines.
#[derive(Clone, Default)]
pub struct ScheduledRuns(Rc<Cell<usize>>);

/// A run that goes on.
pub struct CountedRun(ScheduledRuns);

impl ScheduledRuns {
    /// Counts one for as long as the value is there.
    pub fn count(&self) -> CountedRun {
        self.0.set(self.0.get() + 1);
        CountedRun(self.clone())
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.0.get() == 0
    }
}

impl Drop for CountedRun {
    fn drop(&mut self) {
        let count = &self.0.0;
        count.set(count.get() - 1);
    }
}

/// Calls the handler of `app`, in the worker of that number, and waits for its end. An app without one has none to wait
/// for.
///
/// # Errors
/// What it threw, or the reason its promise was rejected with.
pub async fn scheduled(
    app: &Instance,
    event: &ScheduledEvent,
    worker: usize,
) -> std::result::Result<(), Thrown> {
    let Some(callee) = app.callee(Method::Scheduled) else { return Ok(()) };
    let (outcome, own) = (Rc::new(Outcome::default()), Rc::<Own>::default());
    callee.start(app.engine(), &outcome, |ctx, env| {
        install(ctx)?;
        let context = ScheduledContext { worker, own: own.clone() };
        Ok([class::instance(ctx, EventObject(event.clone()))?, env, class::instance(ctx, context)?])
    });
    let ended = poll_fn(|cx| outcome.poll(cx)).await;
    poll_fn(|cx| own.poll_none(cx)).await;
    ended
}

fn install(ctx: &Ctx<'_>) -> Result<()> {
    if State::of(ctx).extension::<ClassesKnown>().0.replace(true) {
        return Ok(());
    }
    class::register::<EventObject>(ctx)?;
    class::register::<ScheduledContext>(ctx)
}

impl EventObject {
    fn cron<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        value::string(s.ctx, &self.0.cron)
    }

    fn scheduled_time<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(Value::new_number(s.ctx.clone(), self.0.time_ms as f64))
    }

    fn kind<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        value::string(s.ctx, "scheduled")
    }

    /// A run that fails is not tried again in any case.
    fn no_retry<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(s.undefined())
    }
}

impl ScheduledContext {
    fn wait_until<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        context::wait_until(s, &self.own)
    }

    fn worker<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(Value::new_number(s.ctx.clone(), self.worker as f64))
    }
}

impl class_id::Of for class_id::ScheduledEvent {
    type Class = EventObject;
}

impl Class for EventObject {
    type Id = class_id::ScheduledEvent;
    const NAME: &'static CStr = c"ScheduledEvent";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Get(c"cron", EventObject::cron),
        Member::Get(c"scheduledTime", EventObject::scheduled_time),
        Member::Get(c"type", EventObject::kind),
        Member::Method(c"noRetry", 0, EventObject::no_retry),
    ];
}

impl class_id::Of for class_id::ScheduledContext {
    type Class = ScheduledContext;
}

impl Class for ScheduledContext {
    type Id = class_id::ScheduledContext;
    const NAME: &'static CStr = c"ScheduledContext";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Method(c"waitUntil", 1, ScheduledContext::wait_until),
        Member::Get(c"worker", ScheduledContext::worker),
    ];
}
