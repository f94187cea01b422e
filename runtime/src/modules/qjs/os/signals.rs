//! `os.signal`: what a script does about signals.
//!
//! Owns: the handlers of an engine, the task that calls them. A handler has a turn of its own, never
//! in the midst of other script, and keeps no script alive. For scripts only: a signal's disposition
//! is the whole process's. Must not know: how a signal is noted.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CStr;
use std::rc::Weak;

use rquickjs::{Ctx, Result, Value};

use super::{coerce, errno};
use crate::io::signals::{Disposition, SIGNALS_MAX, Signals, take};
use crate::io::{self, Socket};
use crate::js::class::{Scope, Static};
use crate::js::engine::{Engine, State};
use crate::js::exception;
use crate::js::function::Functions;
use crate::js::held::{self, Held};
use crate::js::thrown::Thrown;
use crate::modules::web::host::{Host, Role};
use crate::modules::web::report;

/// The call.
pub struct SignalCalls;

impl Functions for SignalCalls {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[(c"signal", 2, signal)];
}

/// Those of an engine.
#[derive(Default)]
struct Handlers {
    signals: RefCell<Option<Signals>>,
    functions: RefCell<HashMap<i32, Held>>,
}

/// `signal(number, f)`: has `f` called for the signal; null: what it does by default, undefined: nothing.
/// What the system refuses (SIGKILL) is left as it is, as in QuickJS.
fn signal<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    if Host::role(ctx) != Role::Script {
        return Err(exception::type_error(ctx, "signal handler can only be set in the main thread"));
    }
    let number = coerce::int32(ctx, &scope.arg(0), "signal")?;
    if !(0..SIGNALS_MAX).contains(&number) {
        return Err(exception::range_error(ctx, "invalid signal number"));
    }
    let handler = scope.arg(1);
    let disposition = match () {
        () if handler.is_null() => Disposition::Default,
        () if handler.is_undefined() => Disposition::Ignore,
        () if handler.is_function() => Disposition::Note,
        () => return Err(exception::type_error(ctx, "not a function")),
    };
    let handlers = State::of(ctx).extension::<Handlers>();
    if handlers.signals.borrow().is_none() {
        let signals = Signals::claim().map_err(|error| errno::throw(ctx, "signal", &error))?;
        listen(State::of(ctx).engine(), signals.news());
        *handlers.signals.borrow_mut() = Some(signals);
    }
    let function = (disposition == Disposition::Note).then(|| Held::new(handler));
    let old = match function {
        Some(function) => handlers.functions.borrow_mut().insert(number, function),
        None => handlers.functions.borrow_mut().remove(&number),
    };
    // Outside of the borrow: a finaliser may come back here.
    drop(old);
    if let Some(signals) = &mut *handlers.signals.borrow_mut() {
        // QuickJS does not say either.
        let _ = signals.set(number, disposition);
    }
    Ok(scope.undefined())
}

/// Calls handlers as signals come, until the engine is gone.
fn listen(engine: Weak<Engine>, news: Socket) {
    drop(io::spawn(async move {
        while news.readable().await.is_ok() {
            for number in take(&news) {
                let Some(engine) = engine.upgrade() else { return };
                engine.turn(|ctx| call(ctx, number));
            }
        }
    }));
}

fn call(ctx: &Ctx<'_>, number: i32) {
    let handlers = State::of(ctx).extension::<Handlers>();
    let function = handlers.functions.borrow().get(&number).map(|held| held.get(ctx));
    let Some(function) = function else { return };
    if let Err(error) = held::call(ctx, &Held::new(function), None, &[]) {
        report::exception(ctx, &Thrown::of(ctx, &error), "in a signal handler");
    }
}
