//! What waits for the timers of an engine and calls them: one task, one sleep, however many timers.
//!
//! Owns: the task's life, the share that those have which come again and again. Must not know: ids. It holds
//! the engine weakly, ends with the last timer and comes back with the next. Each callback has a turn of its
//! own, so an exception or an overrun ends that callback only.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rquickjs::function::{Rest, This};
use rquickjs::{Ctx, FromJs, Function, Result, Value};

use super::list::{Timer, Timers};
use super::{NESTED_MIN, clamped};
use crate::io;
use crate::js::engine::{Engine, State};
use crate::js::exception;
use crate::modules::web::host::{Host, Role};
use crate::modules::web::report;

/// Callbacks of one wake; the rest of the worker has its turn before the next ones.
const CALLBACKS_PER_WAKE: usize = 64;
/// Time of one wake: as much as those callbacks may take together, but for the last.
const TIME_PER_WAKE: Duration = Duration::from_millis(4);

/// Starts the driver where there is none.
pub(super) fn see_to(state: &State, timers: &Timers) {
    if timers.driven.replace(true) {
        return;
    }
    let mut driver = Driver { engine: state.engine(), sleep: None, rest: None };
    drop(io::spawn(poll_fn(move |cx| driver.poll(cx))));
}

struct Driver {
    engine: Weak<Engine>,
    sleep: Option<Pin<Box<io::Sleep>>>,
    /// Until when those rest that come again and again.
    rest: Option<Instant>,
}

impl Driver {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(engine) = self.engine.upgrade() else { return Poll::Ready(()) };
        let timers = engine.state().extension::<Timers>();
        let began = Instant::now();
        let (mut now, mut left) = (began, CALLBACKS_PER_WAKE);
        loop {
            if self.rest.is_some_and(|until| until <= now) {
                self.rest = None;
                timers.resting.set(false);
            }
            let Some(at) = timers.next().into_iter().chain(self.rest).min() else {
                timers.driven.set(false);
                return Poll::Ready(());
            };
            if let Some((id, timer)) = timers.take_due(now) {
                fire(&engine, &timers, id, timer);
                now = Instant::now();
                left -= 1;
                if left == 0 || now - began >= TIME_PER_WAKE {
                    break;
                }
            } else if self.wait(at, cx).is_pending() {
                *timers.waiting.borrow_mut() = Some(cx.waker().clone());
                return Poll::Pending;
            } else {
                now = Instant::now();
            }
        }
        // More of them than there is time for: they have half of it. A script has nobody else to serve.
        if timers.is_nested_due(now) && Host::of(engine.state()) == Role::App {
            self.rest = Some(now + (now - began));
            timers.resting.set(true);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn wait(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.sleep.as_ref().is_none_or(|sleep| sleep.deadline() != at) {
            self.sleep = Some(Box::pin(io::sleep_until(at)));
        }
        match self.sleep.as_mut() {
            Some(sleep) => sleep.as_mut().poll(cx).map(|()| self.sleep = None),
            None => Poll::Ready(()),
        }
    }
}

/// The turn of one timer.
fn fire(engine: &Rc<Engine>, timers: &Timers, id: u64, timer: Timer) {
    timers.running.set(timer.nesting);
    let (period, nesting) = (timer.period, timer.nesting);
    engine.turn(|ctx| {
        if let Err(error) = call(ctx, &timer) {
            exception::raise(ctx, &error);
            report::value(ctx, &ctx.catch(), "in a timer");
        }
        // Arguments are freed inside the turn: a finaliser may run script.
        drop(timer);
    });
    timers.running.set(0);
    if let Some(period) = period {
        // Zero would starve the worker even before it is nested deeply enough for the clamp.
        let delay = clamped(period, nesting).max(NESTED_MIN / 4);
        timers.again(id, Instant::now() + delay);
    }
}

fn call(ctx: &Ctx<'_>, timer: &Timer) -> Result<()> {
    let arguments = timer.arguments.iter().map(|held| held.get(ctx)).collect();
    let callback = Function::from_js(ctx, timer.callback.get(ctx))?;
    callback.call::<_, Value>((This(ctx.globals()), Rest(arguments))).map(drop)
}
