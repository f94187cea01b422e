//! The call of an app's `scheduled(event, env, ctx)`.
//!
//! Owns: its arguments and its end: when its promise has settled, or its call returned, and all that it gave to
//! `ctx.waitUntil` has. Must not know: when it is due, how long it may take.

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
pub struct Event(ScheduledEvent);

/// `ctx`.
pub struct ScheduledContext {
    worker: usize,
    own: Rc<Own>,
}

/// Whether an engine knows the two classes.
#[derive(Default)]
struct Known(std::cell::Cell<bool>);

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
        Ok([class::instance(ctx, Event(event.clone()))?, env, class::instance(ctx, context)?])
    });
    let ended = poll_fn(|cx| outcome.poll(cx)).await;
    poll_fn(|cx| own.poll_none(cx)).await;
    ended
}

fn install(ctx: &Ctx<'_>) -> Result<()> {
    if State::of(ctx).extension::<Known>().0.replace(true) {
        return Ok(());
    }
    class::register::<Event>(ctx)?;
    class::register::<ScheduledContext>(ctx)
}

impl Event {
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
    type Class = Event;
}

impl Class for Event {
    type Id = class_id::ScheduledEvent;
    const NAME: &'static CStr = c"ScheduledEvent";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Get(c"cron", Event::cron),
        Member::Get(c"scheduledTime", Event::scheduled_time),
        Member::Get(c"type", Event::kind),
        Member::Method(c"noRetry", 0, Event::no_retry),
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
