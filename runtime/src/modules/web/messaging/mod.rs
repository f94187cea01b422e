//! Message channels: classes written in JavaScript (`messaging.js`), loaded when an app first names
//! one.
//!
//! Owns: loading them, the tasks in which messages arrive, what keeps a listening script alive.
//! Must not know: what messages say.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::CStr;
use std::rc::{Rc, Weak};

use rquickjs::{Ctx, FromJs, Object, Result, Value};

use crate::io;
use crate::js::alive::Hold;
use crate::js::class::{self, Class, Member, Scope, Static};
use crate::js::class_id;
use crate::js::clone::{self, platform};
use crate::js::engine::{Engine, State};
use crate::js::function::{self, Functions};
use crate::js::held::{Held, Slot};
use crate::js::script::Script;
use crate::js::{exception, promise, reflect, value};

use super::{abort, console, embed, iterate, report};

static SCRIPT: Script = Script::new(c"jsserve:messaging", include_str!("messaging.js"));

const NAMES: &[&str] = &["MessageEvent", "MessagePort", "MessageChannel"];

/// What people see of the classes.
const DISPLAYED: console::Displayed = &[("MessageChannel", &["port1", "port2"]), ("MessageEvent", &["data"])];

/// The loaded classes, one set per engine.
#[derive(Default)]
struct Loaded(Slot);

/// Tasks of one engine, each to be a turn of its own.
#[derive(Default)]
struct Tasks {
    due: RefCell<VecDeque<Held>>,
    driven: Cell<bool>,
}

/// What keeps a script alive while a port listens.
struct Kept(RefCell<Option<Hold>>);

impl class_id::Of for class_id::PortHold {
    type Class = Kept;
}

impl Class for Kept {
    type Id = class_id::PortHold;
    const NAME: &'static CStr = c"PortHold";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[];
}

/// Puts the lazy globals in place.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    embed::lazy_globals(ctx, NAMES, |ctx, name| exports(ctx)?.get(name))
}

/// The script's exports, loaded the first time.
///
/// # Errors
/// Out of memory.
pub(super) fn exports<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let made = State::of(ctx).extension::<Loaded>().0.get_or(ctx, || {
        class::register_unlisted::<Kept>(ctx)?;
        let host = Object::new(ctx.clone())?;
        function::install::<Host>(ctx, &host)?;
        let main = Held::new(SCRIPT.run(ctx)?);
        let args = [host.into_value(), abort::exports(ctx)?.into_value()];
        let exports = Object::from_js(ctx, promise::call(ctx, &main, None, &args)?)?;
        for name in NAMES {
            let class = exports.get(*name)?;
            reflect::as_interface(ctx, &class, name)?;
            console::keep(ctx, &class, name, DISPLAYED)?;
        }
        platform::script(ctx, &exports)?;
        Ok(exports.into_value())
    })?;
    Object::from_js(ctx, made)
}

/// What `messaging.js` calls.
struct Host;

impl Functions for Host {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"typeError", 1, |s| Err(exception::type_error(s.ctx, &value::to_string(&s.arg(0))?))),
        (c"dataClone", 1, |s| {
            Err(exception::dom_exception(s.ctx, "DataCloneError", &value::to_string(&s.arg(0))?))
        }),
        // A USVString: lone surrogates are replaced.
        (c"wellFormed", 1, |s| value::string(s.ctx, &value::to_string(&s.arg(0))?)),
        (c"isIterable", 1, |s| {
            let list = s.arg(0);
            let method = list.as_object().map(iterate::method).transpose()?.flatten();
            Ok(Value::new_bool(s.ctx.clone(), method.is_some()))
        }),
        (c"frozen", 1, |s| {
            let array = iterate::array(s.ctx, listed(&s.arg(0))?.into_iter().map(Ok))?;
            reflect::freeze(&array)?;
            Ok(array)
        }),
        (c"clone", 2, copy),
        (c"hold", 0, |s| {
            let hold = State::of(s.ctx).alive().hold();
            class::instance(s.ctx, Kept(RefCell::new(Some(hold))))
        }),
        (c"release", 1, |s| {
            let kept = s.arg(0);
            drop(class::get::<Kept>(&kept).and_then(|kept| kept.0.take()));
            Ok(s.undefined())
        }),
        (c"task", 1, |s| {
            task(s.ctx, s.arg(0));
            Ok(s.undefined())
        }),
    ];
}

/// The items of a list of the script's own: `n` of them.
fn listed<'js>(list: &Value<'js>) -> Result<Vec<Value<'js>>> {
    let Some(list) = list.as_object() else { return Ok(Vec::new()) };
    (0..list.get::<_, u32>("n")?).map(|index| list.get(index)).collect()
}

/// The list of what the objects in list 1 became, with the copy of value 0 as `data`.
fn copy<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let (data, moved) = clone::clone_and_transfer(ctx, &scope.arg(0), &listed(&scope.arg(1))?)?;
    let list = Object::new(ctx.clone())?;
    list.set_prototype(None)?;
    list.set("data", data)?;
    list.set("n", moved.len())?;
    for (index, item) in moved.into_iter().enumerate() {
        list.set(index as u32, item)?;
    }
    Ok(list.into_value())
}

/// Has `function` called in a task of its own, behind those that wait already.
pub(super) fn task<'js>(ctx: &Ctx<'js>, function: Value<'js>) {
    let state = State::of(ctx);
    let tasks = state.extension::<Tasks>();
    tasks.due.borrow_mut().push_back(Held::new(function));
    if !tasks.driven.replace(true) {
        drop(io::spawn(drive(state.engine(), state.alive().hold())));
    }
}

/// Runs tasks, one a turn, until none is left.
async fn drive(engine: Weak<Engine>, _pending: Hold) {
    loop {
        let Some(engine) = engine.upgrade() else { return };
        let tasks: Rc<Tasks> = engine.state().extension();
        let task = tasks.due.borrow_mut().pop_front();
        let Some(task) = task else { return tasks.driven.set(false) };
        engine.turn(|ctx| {
            if let Err(error) = promise::call(ctx, &task, None, &[]) {
                exception::raise(ctx, &error);
                report::value(ctx, &ctx.catch(), "in a message");
            }
            // Freed inside the turn: a finaliser may run script.
            drop(task);
        });
        drop((tasks, engine));
        io::yield_now().await;
    }
}
