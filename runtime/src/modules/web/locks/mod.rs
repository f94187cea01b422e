//! `navigator.locks` (Web Locks API): classes written in JavaScript (`lock_manager.js`), loaded when an
//! app first names one.
//!
//! Owns: an engine's part of its app's locks, when its callbacks run. Must not know: the
//! order of requests.

pub mod manager;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CStr;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use rquickjs::{Ctx, Object, Result, Value};

use self::manager::{Answer, Full, Info, LOCKS_MAX, Mailbox, Manager, News, Wish};
use crate::io;
use crate::js::alive::Hold;
use crate::js::class::{Scope, Static};
use crate::js::cluster::Cluster;
use crate::js::engine::{Engine, State};
use crate::js::function::Functions;
use crate::js::held::{self, Held};
use crate::js::internal;
use crate::js::natives::Natives;
use crate::js::observe::{self, Observer};
use crate::js::promise;
use crate::js::{exception, value};

use super::{crypto, embed, host, iterate, report};

const LOCK_MANAGER: &str = "jsserve:internal/locks/lock_manager";

/// Bytes of a lock's name in UTF-8.
pub const NAME_BYTES_MAX: usize = 1_024;

/// Releases what the worker of this generation holds: another has taken its place.
pub fn give_up(cluster: &Cluster, generation: u64) {
    cluster.shared::<Manager>().give_up(generation);
}

/// An engine's part: what it holds and waits for is released when it ends.
struct Client {
    manager: Arc<Manager>,
    mailbox: Arc<Mailbox>,
    /// What keeps a script alive while a request waits.
    holds: RefCell<HashMap<u64, Hold>>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.manager.leave(&self.mailbox);
        self.mailbox.close();
    }
}

/// The engine's one client, once it has asked for a lock.
#[derive(Default)]
struct OurClient(RefCell<Option<Rc<Client>>>);

/// The engine's client; the first time, it begins to listen.
fn client(ctx: &Ctx<'_>) -> Result<Rc<Client>> {
    let state = State::of(ctx);
    let ours = state.extension::<OurClient>();
    if let Some(client) = &*ours.0.borrow() {
        return Ok(client.clone());
    }
    let manager = state.cluster().shared::<Manager>();
    let generation = host::generation(state);
    let mailbox = Arc::new(Mailbox::new(crypto::uuid(ctx)?, generation));
    let client = Client { manager, mailbox: mailbox.clone(), holds: RefCell::default() };
    drop(io::spawn(listen(state.engine(), mailbox)));
    Ok(ours.0.borrow_mut().insert(Rc::new(client)).clone())
}

/// Hears news, each in a turn of its own, until the engine is gone.
async fn listen(engine: Weak<Engine>, mailbox: Arc<Mailbox>) {
    while let Some(news) = mailbox.next().await {
        let Some(engine) = engine.upgrade() else { return };
        engine.turn(|ctx| hear(ctx, news));
        drop(engine);
        io::yield_now().await;
    }
}

fn hear(ctx: &Ctx<'_>, news: News) {
    let (name, id) = match news {
        News::Granted(id) => ("granted", id),
        News::Stolen(id) => ("stolen", id),
        News::Lost(id) => ("lost", id),
    };
    // Let go of behind the call: what that begins keeps the script alive itself.
    let hold = client(ctx).ok().and_then(|client| client.holds.borrow_mut().remove(&id));
    call(ctx, name, &[number(ctx, id)]);
    drop(hold);
}

fn number<'js>(ctx: &Ctx<'js>, id: u64) -> Value<'js> {
    Value::new_number(ctx.clone(), id as f64)
}

/// Calls one of the script's functions; what it throws is reported.
fn call<'js>(ctx: &Ctx<'js>, name: &str, args: &[Value<'js>]) {
    if let Err(error) = internal::call(ctx, LOCK_MANAGER, name, args) {
        exception::raise(ctx, &error);
        report::value(ctx, &ctx.catch(), "in a lock's callback");
    }
}

/// Puts the lazy globals in place.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    embed::lazy_exports(ctx, LOCK_MANAGER, &["Lock", "LockManager"])
}

/// What `navigator.locks` is.
///
/// # Errors
/// Out of memory.
pub fn object<'js>(ctx: &Ctx<'js>) -> Result<Value<'js>> {
    internal::exports(ctx, LOCK_MANAGER)?.get("locks")
}

/// `jsserve:internal/locks/natives`.
pub struct LockFunctions;

impl Natives for LockFunctions {}

impl Functions for LockFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"requestLock", 4, request),
        (c"abortRequest", 2, |s| {
            let (client, id) = (client(s.ctx)?, id(s, 1));
            let waited = client.manager.abort(&value::to_string(&s.arg(0))?, id);
            if waited {
                client.holds.borrow_mut().remove(&id);
            }
            Ok(Value::new_bool(s.ctx.clone(), waited))
        }),
        (c"releaseLock", 2, |s| {
            client(s.ctx)?.manager.release(&value::to_string(&s.arg(0))?, id(s, 1));
            Ok(s.undefined())
        }),
        (c"runCallback", 4, run),
        (c"queryLocks", 0, |s| {
            let (held, pending) = client(s.ctx)?.manager.query();
            let list = |all: Vec<Info>| iterate::array(s.ctx, all.iter().map(|info| shown(s.ctx, info)));
            record(s.ctx, [("held", list(held)?), ("pending", list(pending)?)])
        }),
    ];
}

fn id(scope: &Scope<'_, '_>, index: usize) -> u64 {
    scope.arg(index).as_number().unwrap_or(0.0) as u64
}

/// An object with these properties.
fn record<'js, const N: usize>(ctx: &Ctx<'js>, of: [(&str, Value<'js>); N]) -> Result<Value<'js>> {
    let record = Object::new(ctx.clone())?;
    for (name, value) in of {
        let property = rquickjs::object::Property::from(value).writable().enumerable().configurable();
        record.prop(name, property)?;
    }
    Ok(record.into_value())
}

/// A `LockInfo`.
fn shown<'js>(ctx: &Ctx<'js>, info: &Info) -> Result<Value<'js>> {
    let mode = if info.exclusive { "exclusive" } else { "shared" };
    let text = |text: &str| value::string(ctx, text);
    record(ctx, [("clientId", text(&info.client)?), ("mode", text(mode)?), ("name", text(&info.name)?)])
}

/// Asks for the lock named 0: exclusively (1), at once or never (2), from whoever holds it (3). The number
/// of a request that is granted, that of one which waits below zero, 0 where it does neither.
fn request<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let name = value::to_string(&scope.arg(0))?;
    if name.len() > NAME_BYTES_MAX {
        let text = format!("The name of a lock is longer than {NAME_BYTES_MAX} bytes");
        return Err(exception::range_error(ctx, &text));
    }
    let is = |index| scope.arg(index).as_bool() == Some(true);
    let client = client(ctx)?;
    let wish = Wish { exclusive: is(1), if_available: is(2), steal: is(3) };
    let answer = match client.manager.request(&name, wish, &client.mailbox) {
        Ok(Answer::Granted(id)) => id as f64,
        Ok(Answer::Waits(id)) => {
            client.holds.borrow_mut().insert(id, State::of(ctx).alive().hold());
            -(id as f64)
        }
        Ok(Answer::Unavailable) => 0.0,
        Err(Full) => {
            let text = format!("{LOCKS_MAX} locks are held or waited for, there cannot be more");
            return Err(exception::dom_exception(ctx, "QuotaExceededError", &text));
        }
    };
    Ok(Value::new_number(ctx.clone(), answer))
}

/// Calls callback 2 with lock 3, named 0, and releases that, number 1, when what it returns has settled.
fn run<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let client = client(ctx)?;
    let (name, id) = (value::to_string(&scope.arg(0))?, id(scope, 1));
    let end = LockEnd { manager: client.manager.clone(), mailbox: client.mailbox.clone(), name, id };
    let result = held::call(ctx, &Held::new(scope.arg(2)), None, &[scope.arg(3)]);
    match result.and_then(|value| promise::resolved(ctx, value)) {
        Ok(waited) => observe::observe(ctx, &waited, Box::new(end))?,
        Err(error) => {
            // No script catches what ends the turn: the news reaches it all the same.
            end.abandoned();
            return Err(error);
        }
    }
    Ok(scope.undefined())
}

/// Hears how what a lock's callback returned ends.
struct LockEnd {
    manager: Arc<Manager>,
    mailbox: Arc<Mailbox>,
    name: String,
    id: u64,
}

impl Observer for LockEnd {
    fn settled<'js>(&self, ctx: &Ctx<'js>, result: std::result::Result<Value<'js>, Value<'js>>) {
        self.manager.release(&self.name, self.id);
        let is_fulfilled = Value::new_bool(ctx.clone(), result.is_ok());
        let value = result.unwrap_or_else(|reason| reason);
        call(ctx, "settled", &[number(ctx, self.id), is_fulfilled, value]);
    }

    fn abandoned(&self) {
        self.manager.release(&self.name, self.id);
        self.mailbox.post(News::Lost(self.id));
    }
}
