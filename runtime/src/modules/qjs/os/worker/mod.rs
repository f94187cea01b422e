//! `os.Worker`: a module on a thread of its own, and the messages to and from it.
//!
//! Owns: the class, who listens. Must not know: how messages travel ([`port`]), how the other side
//! runs ([`thread`]). An engine takes the Workers that it started with it when it ends. A Worker
//! object that listens stays alive until the other side is gone.

mod port;
mod thread;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::CStr;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::{self, Arc};
use std::task::Poll;

use rquickjs::{Ctx, Object, Result, Value};

use self::port::{Inbox, Outbox, PortEnd};
use self::thread::{Leash, Seed, ThreadPermit};
use crate::io::{self, Backend};
use crate::js::alive::Hold;
use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::clone::{self, Packed};
use crate::js::engine::{Engine, State};
use crate::js::exception;
use crate::js::function;
use crate::js::held::{self, Held, Slot, Tracer};
use crate::js::thrown::Thrown;
use crate::js::value;
use crate::modules::web::host::Host;
use crate::modules::web::report;

/// Frames that are searched for the module that calls `new os.Worker`.
const FRAMES_MAX: isize = 8;

/// The class, made when the first of the modules that export it is evaluated.
#[derive(Default)]
struct Constructor(Slot);

/// The line to the engine that started this one, until `Worker.parent` is made of it.
#[derive(Default)]
struct ParentEnd(RefCell<Option<PortEnd>>);

impl ParentEnd {
    fn put(&self, end: PortEnd) {
        *self.0.borrow_mut() = Some(end);
    }
}

/// The Workers that this engine started; they end with it.
#[derive(Default)]
struct Started(RefCell<Vec<sync::Weak<Leash>>>);

impl Drop for Started {
    fn drop(&mut self) {
        self.0.get_mut().iter().filter_map(sync::Weak::upgrade).for_each(|leash| leash.cut());
    }
}

/// The Workers that listen, by number: each keeps its object, and the script, alive.
#[derive(Default)]
struct Listening {
    next: Cell<u64>,
    all: RefCell<HashMap<u64, (Held, Hold)>>,
}

/// `os.Worker`, as an export.
///
/// # Errors
/// Out of memory.
pub(super) fn constructor<'js>(ctx: &Ctx<'js>) -> Result<Value<'js>> {
    let state = State::of(ctx);
    let known = state.extension::<Constructor>();
    if let Some(constructor) = known.0.get(ctx) {
        return Ok(constructor);
    }
    let constructor = class::register_unlisted::<Worker>(ctx)?;
    known.0.set(Some(constructor.clone()));
    let end = state.extension::<ParentEnd>().0.borrow_mut().take();
    if let (Some(end), Some(object)) = (end, constructor.as_object()) {
        let parent = class::instance(ctx, Worker::new(end))?;
        function::define(ctx, object, c"parent", parent, true)?;
    }
    Ok(constructor)
}

/// One side of the line between an engine and a Worker of it.
pub struct Worker {
    outbox: Outbox,
    inbox: Rc<Inbox>,
    handler: Slot,
    /// Its number among those that listen.
    listening: Cell<Option<u64>>,
}

impl class_id::Of for class_id::Worker {
    type Class = Worker;
}

impl Class for Worker {
    type Id = class_id::Worker;
    const NAME: &'static CStr = c"Worker";
    const LENGTH: u8 = 1;
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Method(c"postMessage", 1, Worker::post_message),
        Member::GetSet(c"onmessage", Worker::onmessage, Worker::set_onmessage),
    ];

    fn construct(scope: &Scope<'_, '_>) -> Result<Self> {
        let ctx = scope.ctx;
        scope.require(1, "Worker")?;
        let specifier = value::to_string(&scope.arg(0))?;
        let state = State::of(ctx);
        let Some(place) = ThreadPermit::take(state.cluster()) else {
            let text = format!("more than {} Workers are running", thread::WORKERS_MAX);
            return Err(exception::range_error(ctx, &text));
        };
        let (end, theirs) = port::pair();
        let leash = Arc::new(Leash::default());
        let on = Arc::downgrade(&leash);
        let seed = Seed {
            base: caller(ctx),
            specifier,
            end: theirs,
            table: state.table,
            limits: state.limits(),
            backend: io::backend().unwrap_or(Backend::Epoll),
            parent: Host::role(ctx),
            cluster: state.cluster().clone(),
            leash,
            place,
        };
        thread::start(seed)
            .map_err(|error| exception::type_error(ctx, &format!("cannot start a Worker: {error}")))?;
        let started = state.extension::<Started>();
        let mut started = started.0.borrow_mut();
        started.retain(|leash| leash.strong_count() > 0);
        started.push(on);
        Ok(Worker::new(end))
    }

    fn trace(&self, tracer: &Tracer) {
        self.handler.trace(tracer);
    }
}

/// The file of the script or module that calls.
fn caller(ctx: &Ctx<'_>) -> String {
    let name = (1..=FRAMES_MAX).find_map(|level| ctx.script_or_module_name(level));
    name.and_then(|name| name.to_string().ok()).unwrap_or_default()
}

impl Worker {
    fn new(end: PortEnd) -> Self {
        let PortEnd { outbox, inbox } = end;
        Worker { outbox, inbox: Rc::new(inbox), handler: Slot::default(), listening: Cell::new(None) }
    }

    fn post_message<'js>(&self, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let packed = match self.outbox.room() {
            Some(room) => clone::pack(scope.ctx, &scope.arg(0), room)?,
            None => None,
        };
        let Some(packed) = packed else {
            let mib = port::QUEUE_BYTES_MAX >> 20;
            let text = format!("postMessage: more than {mib} MiB would wait for the other side");
            return Err(exception::range_error(scope.ctx, &text));
        };
        self.outbox.post(packed);
        Ok(scope.undefined())
    }

    fn onmessage<'js>(&self, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(self.handler.get(scope.ctx).unwrap_or_else(|| Value::new_null(scope.ctx.clone())))
    }

    fn set_onmessage<'js>(&self, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let handler = scope.arg(0);
        let state = State::of(scope.ctx);
        let listening = state.extension::<Listening>();
        if handler.is_null() {
            self.handler.set(None);
            let gone = self.listening.take().and_then(|number| listening.all.borrow_mut().remove(&number));
            drop(gone);
            self.inbox.rouse();
            return Ok(scope.undefined());
        }
        if !handler.is_function() {
            return Err(exception::type_error(scope.ctx, "onmessage is a function or null"));
        }
        self.handler.set(Some(handler));
        if self.listening.get().is_none() {
            let number = listening.next.get();
            listening.next.set(number + 1);
            self.listening.set(Some(number));
            let kept = (Held::new(scope.this()), state.alive().hold());
            listening.all.borrow_mut().insert(number, kept);
            drop(io::spawn(listen(state.engine(), self.inbox.clone(), number)));
        }
        Ok(scope.undefined())
    }
}

/// What a listener finds when it looks.
enum News {
    Message(Packed),
    /// It is no longer to listen.
    Deaf,
    /// The other side is gone, and what it sent is delivered.
    Gone,
}

/// Delivers messages, one a turn, for as long as the Worker of that number listens.
async fn listen(engine: Weak<Engine>, inbox: Rc<Inbox>, number: u64) {
    loop {
        let news = poll_fn(|cx| {
            let listens = engine.upgrade().is_some_and(|engine| {
                engine.state().extension::<Listening>().all.borrow().contains_key(&number)
            });
            match listens {
                true => inbox.poll_next(cx).map(|message| message.map_or(News::Gone, News::Message)),
                false => Poll::Ready(News::Deaf),
            }
        });
        let news = news.await;
        let Some(engine) = engine.upgrade() else { return };
        match news {
            News::Message(message) => engine.turn(|ctx| deliver(ctx, number, &message)),
            News::Deaf => return,
            News::Gone => {
                let kept = engine.state().extension::<Listening>().all.borrow_mut().remove(&number);
                // Inside of a turn: a finaliser may run.
                return engine.turn(|_| drop(kept));
            }
        }
        drop(engine);
        io::yield_now().await;
    }
}

fn deliver(ctx: &Ctx<'_>, number: u64, message: &Packed) {
    let call = || {
        let worker =
            State::of(ctx).extension::<Listening>().all.borrow().get(&number).map(|kept| kept.0.get(ctx));
        let handler =
            worker.as_ref().and_then(class::get::<Worker>).and_then(|worker| worker.handler.get(ctx));
        let Some(handler) = handler else { return Ok(()) };
        let event = Object::new(ctx.clone())?;
        function::define(ctx, &event, c"data", clone::unpack(ctx, message)?, true)?;
        held::call(ctx, &Held::new(handler), None, &[event.into_value()]).map(drop)
    };
    if let Err(error) = call() {
        report::exception(ctx, &Thrown::of(ctx, &error), "in onmessage");
    }
}
