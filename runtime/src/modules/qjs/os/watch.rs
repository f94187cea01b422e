//! `setReadHandler` and `setWriteHandler`: functions that are called while a descriptor is ready.
//!
//! Owns: one function a direction of each descriptor, and the task that waits for it. Level-triggered
//! as poll(2): each call is a turn of its own, the other tasks of the worker have theirs in between.
//! A handler keeps a script alive. Must not know: what handlers read or write.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::CStr;
use std::rc::{Rc, Weak};

use rquickjs::{Ctx, Result, Value};

use super::arguments::integer;
use super::pending::Descriptor;
use super::table::Descriptors;
use crate::io::{JoinHandle, errno, spawn, yield_now};
use crate::js::alive::Hold;
use crate::js::class::{Scope, Static};
use crate::js::engine::{Engine, State};
use crate::js::exception;
use crate::js::function::Functions;
use crate::js::held::{self, Held};
use crate::js::thrown::Thrown;
use crate::modules::web::report;

/// The calls.
pub struct WatchCalls;

impl Functions for WatchCalls {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"setReadHandler", 2, |scope| set(scope, Direction::Read)),
        (c"setWriteHandler", 2, |scope| set(scope, Direction::Write)),
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Direction {
    Read,
    Write,
}

/// A handler in place.
struct ReadyHandler {
    function: Held,
    entry: Weak<Descriptor>,
    /// Tells it from the handlers that had this place before.
    id: u64,
    task: Option<JoinHandle<()>>,
    _alive: Hold,
}

impl Drop for ReadyHandler {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// Where a handler has its place.
type HandlerKey = (i32, Direction);

/// All of an engine.
#[derive(Default)]
struct Watches {
    all: RefCell<HashMap<HandlerKey, ReadyHandler>>,
    ids: Cell<u64>,
}

impl Watches {
    /// Takes a handler out. Drop it outside of any borrow, inside of a turn: that may run script.
    fn take(&self, place: HandlerKey) -> Option<ReadyHandler> {
        self.all.borrow_mut().remove(&place)
    }

    fn is(&self, place: HandlerKey, id: u64) -> bool {
        self.all.borrow().get(&place).is_some_and(|watch| watch.id == id)
    }

    /// Puts `function` in the place of the handler that is there, which goes on with its task.
    fn replace(
        &self,
        place: HandlerKey,
        entry: &Rc<Descriptor>,
        function: Held,
    ) -> std::result::Result<Held, Held> {
        let mut all = self.all.borrow_mut();
        match all.get_mut(&place) {
            Some(watch) if watch.entry.as_ptr() == Rc::as_ptr(entry) => {
                Ok(std::mem::replace(&mut watch.function, function))
            }
            _ => Err(function),
        }
    }
}

/// `setReadHandler(fd, function | null)`.
fn set<'js>(scope: &Scope<'_, 'js>, direction: Direction) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let fd = integer(ctx, &scope.arg(0), "fd")?;
    let handler = scope.arg(1);
    if !handler.is_function() && !handler.is_null() {
        return Err(exception::type_error(ctx, "the handler must be a function or null"));
    }
    let state = State::of(ctx);
    let (watches, place) = (state.extension::<Watches>(), (fd, direction));
    let entry = match Descriptors::of(ctx).get(fd) {
        Ok(entry) => entry,
        Err(error) => return Ok(Value::new_int(ctx.clone(), -errno::number(&error))),
    };
    if handler.is_null() {
        drop(watches.take(place));
        return Ok(scope.undefined());
    }
    let function = match watches.replace(place, &entry, Held::new(handler)) {
        Ok(old) => {
            drop(old);
            return Ok(scope.undefined());
        }
        Err(function) => function,
    };
    // Of a descriptor that had the number before.
    drop(watches.take(place));
    let id = watches.ids.get();
    watches.ids.set(id + 1);
    let task = spawn(watch(state.engine(), entry.clone(), place, id));
    let entry = Rc::downgrade(&entry);
    let watch = ReadyHandler { function, entry, id, task: Some(task), _alive: state.alive().hold() };
    watches.all.borrow_mut().insert(place, watch);
    Ok(scope.undefined())
}

/// Calls the handler while its descriptor is ready, until it is removed or the descriptor closed.
async fn watch(engine: Weak<Engine>, entry: Rc<Descriptor>, place: HandlerKey, id: u64) {
    loop {
        let ready = match place.1 {
            Direction::Read => entry.socket.readable().await,
            Direction::Write => entry.socket.writable().await,
        };
        let Some(engine) = engine.upgrade() else { return };
        let watches = engine.state().extension::<Watches>();
        if !watches.is(place, id) {
            return;
        }
        // It may be closed, or no longer be the scripts': a raw connection whose handler has ended.
        let descriptors = engine.state().extension::<Descriptors>();
        if ready.is_err() || !descriptors.get(place.0).is_ok_and(|known| Rc::ptr_eq(&known, &entry)) {
            engine.turn(|_| drop(watches.take(place)));
            return;
        }
        engine.turn(|ctx| call(ctx, &watches, place));
        drop((watches, descriptors, engine));
        // A handler that leaves the descriptor ready must not keep the worker for itself.
        yield_now().await;
    }
}

fn call(ctx: &Ctx<'_>, watches: &Watches, (fd, direction): HandlerKey) {
    let function = watches.all.borrow().get(&(fd, direction)).map(|watch| Held::new(watch.function.get(ctx)));
    let Some(function) = function else { return };
    if let Err(error) = held::call(ctx, &function, None, &[]) {
        exception::raise(ctx, &error);
        let place = match direction {
            Direction::Read => "in a read handler",
            Direction::Write => "in a write handler",
        };
        report::exception(ctx, &Thrown::take(ctx), place);
    }
}
