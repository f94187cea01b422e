//! Message channels: classes written in JavaScript (`message_port.js`), loaded when an app first names
//! one.
//!
//! Owns: the tasks in which messages arrive, what keeps a listening script alive.
//! Must not know: what messages say.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::CStr;
use std::rc::{Rc, Weak};

use rquickjs::{Ctx, Object, Result, Value};

use crate::io;
use crate::js::alive::Hold;
use crate::js::class::{self, Class, Member, Scope, Static};
use crate::js::class_id;
use crate::js::clone;
use crate::js::engine::{Engine, State};
use crate::js::exception;
use crate::js::function::Functions;
use crate::js::held::{self, Held};
use crate::js::natives::Natives;

use super::{embed, report, webidl};

/// What is to be done in a turn of its own.
enum Task {
    Call(Held),
    Native(Box<dyn FnOnce(&Ctx<'_>)>),
}

/// Tasks of one engine, each to be a turn of its own.
#[derive(Default)]
struct Tasks {
    due: RefCell<VecDeque<Task>>,
    driven: Cell<bool>,
}

/// What keeps a script alive while a port listens.
pub struct Kept(RefCell<Option<Hold>>);

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
    let names = &["MessageEvent", "MessagePort", "MessageChannel"];
    embed::lazy_exports(ctx, "jsserve:internal/messaging/message_port", names)
}

/// `jsserve:internal/messaging/tasks`.
pub struct TaskFunctions;

impl Functions for TaskFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[(c"task", 1, |s| {
        task(s.ctx, s.arg(0));
        Ok(s.undefined())
    })];
}

impl Natives for TaskFunctions {}

/// `jsserve:internal/messaging/natives`.
pub struct PortFunctions;

impl Functions for PortFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
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
    ];
}

impl Natives for PortFunctions {
    fn prepare(ctx: &Ctx<'_>) -> Result<()> {
        class::register_unlisted::<Kept>(ctx).map(drop)
    }
}

/// The list of what the objects in list 1 became, with the copy of value 0 as `data`.
fn copy<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let (data, moved) = clone::clone_and_transfer(ctx, &scope.arg(0), &webidl::listed(&scope.arg(1))?)?;
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
fn task<'js>(ctx: &Ctx<'js>, function: Value<'js>) {
    queue(State::of(ctx), Task::Call(Held::new(function)));
}

/// Has `task` called in a turn of its own, behind those that wait already. It reports its exceptions itself.
pub fn later(state: &State, task: impl FnOnce(&Ctx<'_>) + 'static) {
    queue(state, Task::Native(Box::new(task)));
}

fn queue(state: &State, task: Task) {
    let tasks = state.extension::<Tasks>();
    tasks.due.borrow_mut().push_back(task);
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
        engine.turn(|ctx| match task {
            Task::Call(function) => {
                if let Err(error) = held::call(ctx, &function, None, &[]) {
                    exception::raise(ctx, &error);
                    report::value(ctx, &ctx.catch(), "in a message");
                }
                // Freed inside the turn: a finaliser may run script.
                drop(function);
            }
            Task::Native(task) => task(ctx),
        });
        drop((tasks, engine));
        io::yield_now().await;
    }
}
