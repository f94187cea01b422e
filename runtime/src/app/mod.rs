//! The one door to the app: an engine with the app's module evaluated in it, replaced when it is
//! unhealthy, and the methods of its default export: found, called, awaited.
//!
//! Owns: compiling, loading, exports, the change to a fresh engine. Must not know: protocols.

pub mod accept;
mod callee;
mod change;
pub mod connect;
pub mod context;
pub mod datagram;
mod engines;
pub mod fetch;
pub mod methods;
mod peer_certificate;
pub mod scheduled;
mod site;
pub mod tcp;
pub mod websocket;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rquickjs::object::Property;
use rquickjs::{Object, Value};

pub use self::callee::Callee;
pub use self::change::ChangeRules;
pub use self::engines::Engines;
use self::methods::{METHODS, Method, Methods};
use self::tcp::TcpHooks;
use self::websocket::WebSocketHooks;
use crate::bus::{Bus, BusLimits, Member};
use crate::config::{Config, NATIVE_STACK_BYTES};
use crate::environment::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::io;
use crate::js::cluster::Cluster;
use crate::js::code::Code;
use crate::js::engine::{Engine, EngineLimits, Health, Pulse};
use crate::js::observe::{self, Observer, Outcome};
use crate::js::reflect;
use crate::js::thrown::{Cause, Thrown};
use crate::js::{Ctx, Held, compile, exception, permit};
use crate::log;
use crate::modules::TABLE;
use crate::modules::own::{events, sockets};
use crate::modules::qjs::os::table::Descriptors;
use crate::modules::web::broadcast;
use crate::modules::web::console::{Level, Output};
use crate::modules::web::host;
use crate::modules::web::locale;
use crate::modules::web::locks;
use crate::modules::web::topics;
use crate::source::Sources;
use crate::websocket::close;

/// The least that is shown of a remedy.
const EXAMPLE: &str = "For example: export default { fetch(request) { return new Response(\"hello\") } }\n  \
     A script, which runs once and serves nothing, has no default export.";

/// What an app is told whose default export is a function.
const A_FUNCTION: &str =
    "Its default export is a function; the handler is a method: export default { fetch: handler }";

/// The app as all workers share it.
#[derive(Clone)]
pub struct Blueprint {
    code: Arc<Code>,
    config: Arc<Config>,
}

impl Blueprint {
    /// Reads and compiles the app with all that it imports, without running it.
    ///
    /// # Errors
    /// A missing file or module, a syntax error with its place in the source, an import map that is none.
    pub fn compile(config: Arc<Config>) -> Result<Blueprint> {
        Blueprint::of(config, None)?.compiled()
    }

    /// The app that `config` names, of which nothing is compiled yet; with what the workers share of the one `before`.
    ///
    /// # Errors
    /// The file is not there, an import map that is none.
    pub fn of(config: Arc<Config>, before: Option<&Blueprint>) -> Result<Blueprint> {
        let path = match !config.has_app() {
            true => PathBuf::new(),
            false => std::fs::canonicalize(&config.app)
                .map_err(|e| Error::system(format!("cannot read {}", config.app.display()), e))?,
        };
        let (sources, environment) = (Sources::read(&config.sources)?, Environment::of(&config.env));
        let cluster = match before {
            Some(before) => before.cluster().read_again(sources, environment),
            None => Cluster::new(sources, environment),
        };
        let cluster = cluster.with_permissions(config.permissions.clone());
        cluster.shared::<Bus>().set_limits(BusLimits::of(&config.limits));
        let code = Arc::new(Code::within(Arc::new(cluster), path.to_string_lossy().into_owned()));
        Ok(Blueprint { code, config })
    }

    /// Compiles it, with all that it imports.
    ///
    /// # Errors
    /// A missing file or module, a syntax error with its place in the source.
    pub fn compiled(self) -> Result<Blueprint> {
        // What a site has is loaded when it is first asked for.
        if !self.config.has_app() || self.config.site.is_some() {
            return Ok(self);
        }
        let (result, loaded) = mpsc::channel();
        let compiled = self.clone();
        // With the stack that a worker's engine has; and nobody waits until this one is taken down.
        let thread = std::thread::Builder::new()
            .name("compile".into())
            .stack_size(NATIVE_STACK_BYTES + self.config.limits.stack_bytes_max)
            .spawn(move || {
                let engine = compiled.engine(usize::MAX, 0);
                let loaded = engine.as_ref().map_err(Clone::clone).and_then(|engine| compiled.link(engine));
                let _ = result.send(loaded.map_err(|thrown| compiled.app_error(&thrown)));
            });
        thread.map_err(|e| Error::system("cannot start a thread", e))?;
        let died = || Error::new(ErrorKind::Internal, "a panic, reported above");
        loaded.recv().unwrap_or_else(|_| Err(died())).map(|()| self)
    }

    /// The files that it was made of so far.
    pub fn files(&self) -> HashSet<PathBuf> {
        self.code.files()
    }

    fn link(&self, engine: &Engine) -> std::result::Result<(), Thrown> {
        let _linking = permit::linking(engine.state());
        engine.turn(|ctx| match compile::load_main(&self.code, ctx) {
            Ok(_) => Ok(()),
            Err(error) => Err(Thrown::of(ctx, &error)),
        })
    }

    /// What all workers share.
    pub(crate) fn cluster(&self) -> &Cluster {
        self.code.cluster()
    }

    /// Releases what the worker of this generation shares with others: another has taken its place.
    pub fn give_up(&self, generation: u64) {
        locks::give_up(self.cluster(), generation);
        broadcast::give_up(self.cluster(), generation);
        events::give_up(self.cluster(), generation);
        self.cluster().shared::<Bus>().give_up(generation);
    }

    /// How many modules are compiled so far.
    pub fn modules(&self) -> usize {
        self.code.len()
    }

    fn engine(&self, worker: usize, generation: u64) -> std::result::Result<Rc<Engine>, Thrown> {
        let limits = EngineLimits {
            heap_bytes_max: self.config.limits.heap_bytes_max,
            stack_bytes_max: self.config.limits.stack_bytes_max,
            turn_cpu_max: Duration::from_millis(self.config.limits.turn_cpu_ms_max),
        };
        let report = Box::new(move |thrown: &Thrown, place: &str| {
            if log::admits(log::Kind::Reported) {
                tracing::error!(worker, "{place}: {thrown}");
            }
        });
        let engine = Engine::new(&limits, &TABLE, self.code.clone(), Pulse::default(), report)?;
        websocket::set_rules(&engine, &self.config.limits);
        host::set_generation(engine.state(), generation);
        events::set_queue_max(engine.state(), self.config.limits.event_queue_bytes_max);
        let time_max = Duration::from_millis(self.config.limits.request_ms_max);
        crate::modules::web::crypto::set_time_max(engine.state(), time_max);
        if self.config.dev {
            engine.turn(|ctx| locale::install(ctx).map_err(|error| Thrown::of(ctx, &error)))?;
        }
        // What a served app prints is part of the server's log.
        engine.state().extension::<Output>().redirect(Rc::new(move |level, text| {
            let text = text.strip_suffix('\n').unwrap_or(text);
            match level {
                Level::Debug => tracing::debug!(worker, "{text}"),
                Level::Info => tracing::info!(worker, "{text}"),
                Level::Warn => tracing::warn!(worker, "{text}"),
                Level::Error => tracing::error!(worker, "{text}"),
            }
        }));
        let arguments =
            std::iter::once(self.config.app.display().to_string()).chain(self.config.args.clone());
        let arguments: Vec<String> = arguments.collect();
        engine.turn(|ctx| {
            let install = || {
                context::install(ctx)?;
                ctx.globals().set("scriptArgs", arguments)
            };
            install().map_err(|error| Thrown::of(ctx, &error))
        })?;
        Ok(engine)
    }

    /// A start-up error that shows where in the app it comes from.
    fn app_error(&self, thrown: &Thrown) -> Error {
        let mut text = format!("{}: {}", self.config.app.display(), thrown.text);
        if thrown.cause == Cause::Interrupted {
            text = format!(
                "{}: the module used more CPU time than a turn may (--cpu-max)",
                self.config.app.display()
            );
        }
        match thrown.code_frame() {
            Some(frame) => {
                // What there is beside frames: causes, errors, properties of its own.
                let said = |line: &&str| !line.starts_with("hint: ");
                if thrown.stack.lines().filter(said).any(|line| !line.starts_with("    at ")) {
                    thrown.stack.lines().filter(said).for_each(|line| text.push_str(&format!("\n{line}")));
                }
                text.push_str(&format!("\n{frame}"));
                let error = Error::new(ErrorKind::App, text);
                return match thrown.hint() {
                    Some(hint) => error.remedy(format!("hint: {hint}")),
                    None => error,
                };
            }
            None if !thrown.stack.is_empty() => text.push_str(&format!("\n{}", thrown.stack)),
            None => {}
        }
        let error = Error::new(ErrorKind::App, text);
        if thrown.cause == Cause::Interrupted { error.remedy("More time: --cpu-max.") } else { error }
    }
}

/// One engine with the app in it. The methods go before the engine that they live in.
pub struct Instance {
    callees: [Option<Callee>; METHODS],
    tcp: Option<Rc<TcpHooks>>,
    engine: Rc<Engine>,
}

impl Instance {
    /// The engine.
    pub fn engine(&self) -> &Rc<Engine> {
        &self.engine
    }

    /// A method of the app's, where it has it.
    pub fn callee(&self, method: Method) -> Option<&Callee> {
        self.callees[method as usize].as_ref()
    }

    /// The hooks of the app's `tcp`, where it has them.
    pub fn tcp(&self) -> Option<&Rc<TcpHooks>> {
        self.tcp.as_ref()
    }

    /// What the app has.
    pub fn methods(&self) -> Methods {
        Methods::of(|method| match method {
            Method::Tcp => self.tcp.is_some(),
            _ => self.callee(method).is_some(),
        })
    }

    /// Has the WebSockets that are left say goodbye: those that the app opened itself, once all that it served has
    /// ended. Whether there are some.
    pub fn leave(&self) -> bool {
        websocket::close_all(&self.engine, close::GOING_AWAY, "the server goes away") > 0
    }
}

/// A worker's app: always the engine that new requests should go to.
pub struct App {
    blueprint: RefCell<Arc<Blueprint>>,
    worker: usize,
    engines: Engines,
    /// Those that the app had before it was read again, while something in them has not ended.
    before: RefCell<Vec<Weak<Engine>>>,
    /// The worker's part of the topics; engines that follow each other have it in common.
    topics: Rc<Member>,
    current: RefCell<Rc<Instance>>,
    replacing: Cell<bool>,
    /// Those that go on, on whichever engine.
    pub scheduled: scheduled::ScheduledRuns,
}

impl App {
    /// Evaluates the app in a fresh engine. The server sees it, and those that replace it, in `engines`.
    ///
    /// # Errors
    /// What the module throws, or that it has no handler.
    pub async fn load(blueprint: Arc<Blueprint>, worker: usize, engines: Engines) -> Result<Rc<App>> {
        let topics = Member::new(blueprint.cluster().shared::<Bus>(), engines.generation);
        let loaded = load(&blueprint, worker, engines.generation, &topics).await?;
        let current = RefCell::new(loaded.clone());
        let (blueprint, before) = (RefCell::new(blueprint), RefCell::default());
        let (replacing, scheduled) = (Cell::default(), Default::default());
        let app = Rc::new(App { blueprint, worker, engines, before, topics, current, replacing, scheduled });
        app.attend(&loaded.engine);
        Ok(app)
    }

    /// The engine for the next request.
    pub fn current(&self) -> Rc<Instance> {
        self.current.borrow().clone()
    }

    /// The worker's part of the topics.
    pub fn topics(&self) -> &Rc<Member> {
        &self.topics
    }

    /// Looks after `engine` when a turn of it ends badly.
    fn attend(self: &Rc<Self>, engine: &Rc<Engine>) {
        self.engines.add(engine);
        let (app, ill) = (Rc::downgrade(self), Rc::downgrade(engine));
        let called = Cell::new(false);
        engine.set_attention(Rc::new(move || {
            if called.replace(true) {
                return;
            }
            // At once, not behind the tasks that are ready: each of them may be a request, whose turn would run
            // what the ill engine has left over.
            let mut nurse = Box::pin(nurse(app.clone(), ill.clone()));
            if nurse.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                io::spawn(nurse);
            }
        }));
    }

    /// Loads a fresh engine and lets it take over; requests in flight finish on the old one.
    async fn replace(self: Rc<Self>, reason: Health) {
        if self.replacing.replace(true) {
            return;
        }
        if log::admits(log::Kind::Replaced) {
            tracing::warn!(worker = self.worker, "the JavaScript context is replaced: {reason:?}");
        }
        let blueprint = self.blueprint.borrow().clone();
        match load(&blueprint, self.worker, self.engines.generation, &self.topics).await {
            // The app was read again meanwhile, and has a fresh engine by that.
            Ok(_) if !Arc::ptr_eq(&blueprint, &self.blueprint.borrow()) => {}
            Ok(fresh) => {
                self.attend(&fresh.engine);
                let old = self.current.replace(fresh);
                // Unlike a request, such a connection has no end that could be waited for.
                tcp::close_all(old.engine(), "the JavaScript context was replaced");
                websocket::close_all(old.engine(), close::RESTART, "the service restarts");
                drop(io::spawn(change::await_end(Rc::downgrade(old.engine()), self.engines.clone())));
            }
            Err(error) if log::admits(log::Kind::Replaced) => {
                tracing::error!(worker = self.worker, "the old context stays: {error}");
            }
            Err(_) => {}
        }
        self.replacing.set(false);
    }
}

/// Between two collections of a heap that was full: each walks all of it.
const COLLECTIONS_APART: Duration = Duration::from_secs(1);

/// Replaces an ill engine, and runs the jobs that its turn left behind. What an ill engine still
/// has to do for its requests in flight gets a small share of the worker.
async fn nurse(app: Weak<App>, ill: Weak<Engine>) {
    let mut collected_at = None;
    loop {
        let Some(engine) = ill.upgrade() else { return };
        let health = engine.state().health();
        if engine.has_jobs() {
            engine.state().ration(health);
        }
        if let Some(app) = app.upgrade()
            && health != Health::Fine
            && Rc::ptr_eq(&app.current().engine, &engine)
        {
            app.replace(health).await;
        }
        let turns = engine.state().turn_number();
        let idle = !engine.has_jobs();
        if idle && health == Health::OutOfMemory {
            // What had no memory for its next job waits for ever: its promises are garbage, and so its
            // request learns of it.
            engine.collect();
        }
        if idle && (health != Health::OutOfMemory || collected_at == Some(turns)) {
            // The next bad turn calls anew.
            if let Some(app) = app.upgrade() {
                app.attend(&engine);
            }
            return;
        }
        drop(engine);
        match health {
            Health::Fine => io::yield_now().await,
            _ if idle => io::sleep(COLLECTIONS_APART).await,
            _ => io::sleep(Duration::from_millis(20)).await,
        }
        let Some(engine) = ill.upgrade() else { return };
        if idle {
            collected_at = Some(turns);
            continue;
        }
        engine.turn(|_| ());
    }
}

struct Settled {
    cell: Rc<Outcome<std::result::Result<(), Thrown>>>,
}

impl Observer for Settled {
    fn settled<'js>(&self, _ctx: &Ctx<'js>, result: std::result::Result<Value<'js>, Value<'js>>) {
        self.cell.set(result.map(drop).map_err(|reason| Thrown::from_value(&reason)));
    }

    fn abandoned(&self) {
        let text = "the module's top-level await can never settle".to_owned();
        self.cell.set(Err(Thrown { cause: Cause::Exception, text, stack: String::new() }));
    }
}

/// A turn that is cut short ends the module that is being loaded by `engine`: what was cut can never settle.
fn end_at_interrupt(engine: &Rc<Engine>, cell: &Rc<Outcome<std::result::Result<(), Thrown>>>) {
    let (engine_of, cell) = (Rc::downgrade(engine), cell.clone());
    engine.set_attention(Rc::new(move || {
        let is_cut = engine_of.upgrade().is_some_and(|engine| engine.state().interrupted());
        if is_cut && !cell.is_set() {
            let (text, stack) = (String::new(), String::new());
            cell.set(Err(Thrown { cause: Cause::Interrupted, text, stack }));
        }
    }));
}

async fn load(
    blueprint: &Blueprint,
    worker: usize,
    generation: u64,
    topics: &Rc<Member>,
) -> Result<Rc<Instance>> {
    let engine = blueprint.engine(worker, generation).map_err(|t| blueprint.app_error(&t))?;
    topics::join(engine.state(), topics.clone());
    let descriptors = engine.state().extension::<Descriptors>();
    for fd in 0..3 {
        // One that is not open is EBADF for the app, too.
        let _ = descriptors.inherit(fd);
    }
    if !blueprint.config.has_app() {
        return Ok(Rc::new(Instance { callees: [const { None }; METHODS], tcp: None, engine }));
    }
    if let Some(site) = &blueprint.config.site {
        return site::load(blueprint, site, engine);
    }
    let cell = Rc::new(Outcome::default());
    end_at_interrupt(&engine, &cell);
    let started = engine.turn(|ctx| {
        let start = || {
            let module = compile::load_main(&blueprint.code, ctx)?;
            let (module, evaluated) = module.eval()?;
            observe::observe(ctx, &evaluated.into_value(), Box::new(Settled { cell: cell.clone() }))?;
            Ok::<_, rquickjs::Error>(Held::new(module.namespace()?.into_value()))
        };
        start().map_err(|error| Thrown::of(ctx, &error))
    });
    let namespace = started.map_err(|thrown| blueprint.app_error(&thrown))?;
    let deadline = io::sleep(Duration::from_millis(blueprint.config.limits.start_ms_max));
    let mut deadline = std::pin::pin!(deadline);
    let result = poll_fn(|cx| {
        if let Poll::Ready(result) = cell.poll(cx) {
            return Poll::Ready(Some(result));
        }
        deadline.as_mut().poll(cx).map(|()| None)
    })
    .await;
    match result {
        Some(Ok(())) => {}
        Some(Err(thrown)) => return Err(blueprint.app_error(&thrown)),
        None => {
            let ms = blueprint.config.limits.start_ms_max;
            let text =
                format!("{}: its top-level await took longer than {ms} ms", blueprint.config.app.display());
            return Err(Error::new(ErrorKind::App, text).remedy("More time: --start-timeout."));
        }
    }
    let is_function = engine.turn(|ctx| default_export(ctx, &namespace).is_ok_and(|app| app.is_function()));
    let found = engine
        .turn(|ctx| callees(ctx, &namespace, &blueprint.config.env).map_err(|error| Thrown::of(ctx, &error)));
    drop(namespace);
    let (callees, tcp) = found.map_err(|thrown| blueprint.app_error(&thrown))?;
    let instance = Instance { callees, tcp, engine };
    let methods = instance.methods();
    if methods.is_empty() {
        let text = format!("{} {}", blueprint.config.app.display(), methods::NONE);
        return Err(Error::new(ErrorKind::App, text).remedy(if is_function { A_FUNCTION } else { EXAMPLE }));
    }
    if let Some((one, other)) = methods.conflict() {
        let app = blueprint.config.app.display();
        let text = format!("{app} has both `{one}` and `{other}`: one of them can serve raw TCP");
        return Err(Error::new(ErrorKind::App, text).remedy("Remove one of the two methods."));
    }
    Ok(Rc::new(instance))
}

/// The `env` of a context: one frozen object for all requests.
fn env_object<'js>(ctx: &Ctx<'js>, variables: &[(String, String)]) -> rquickjs::Result<Value<'js>> {
    let env = Object::new(ctx.clone())?;
    for (name, value) in variables {
        env.prop(name.as_str(), Property::from(value.as_str()).enumerable())?;
    }
    let env = env.into_value();
    reflect::freeze(&env)?;
    Ok(env)
}

/// The app's default export. What compilers make of one is a property of `module.exports` (`__esModule`).
fn default_export<'js>(ctx: &Ctx<'js>, namespace: &Held) -> rquickjs::Result<Value<'js>> {
    let namespace = namespace.get(ctx);
    let app: Value = match namespace.as_object() {
        Some(bootstrap) => bootstrap.get::<_, Object>("app")?.get("default")?,
        None => return Ok(Value::new_undefined(ctx.clone())),
    };
    let data = |name| app.as_object().and_then(|app| reflect::data(app, name));
    match (data("__esModule").and_then(|mark| mark.as_bool()), data("default")) {
        (Some(true), Some(default)) => Ok(default),
        _ => Ok(app),
    }
}

/// The methods of the default export, in the order of their table; and its hooks.
#[expect(clippy::type_complexity, reason = "taken apart where it is called")]
fn callees(
    ctx: &Ctx<'_>,
    namespace: &Held,
    env: &[(String, String)],
) -> rquickjs::Result<([Option<Callee>; METHODS], Option<Rc<TcpHooks>>)> {
    let mut callees = [const { None }; METHODS];
    let app = default_export(ctx, namespace)?;
    let Some(object) = app.as_object() else { return Ok((callees, None)) };
    let env = env_object(ctx, env)?;
    for (callee, row) in callees.iter_mut().zip(methods::TABLE).filter(|(_, row)| row.method != Method::Tcp) {
        *callee = Callee::find(object, row.name, &env)?;
    }
    let tcp = TcpHooks::find(ctx, object, &env)?;
    if tcp.is_some() {
        tcp::install(ctx)?;
    }
    let has_hooks = WebSocketHooks::find(ctx, object)?;
    if has_hooks && callees[Method::Fetch as usize].is_none() {
        let text = "`websocket` needs a `fetch`, which makes WebSockets of requests: \
                    fetch(request, env, ctx) { return ctx.upgrade(request) ?? new Response(\"hello\") }";
        return Err(exception::type_error(ctx, text));
    }
    Ok((callees, tcp.map(Rc::new)))
}
