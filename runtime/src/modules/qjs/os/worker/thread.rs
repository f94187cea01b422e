//! The thread of an `os.Worker`: an engine and an I/O loop of its own, until nothing is pending there
//! or the engine that started it is gone.
//!
//! Owns: the number of such threads, their limits, what becomes of their errors. Must not know: what
//! is sent. A thread that stands in `Atomics.wait` ends when it is notified, not before.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::Write;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use rquickjs::{Ctx, Module, Value};

use super::ParentEnd;
use super::port::PortEnd;
use crate::config::NATIVE_STACK_BYTES;
use crate::io::{self, Backend, IoOptions, Notifier};
use crate::js::builtins::Table;
use crate::js::cluster::Cluster;
use crate::js::code::Code;
use crate::js::engine::{Engine, EngineLimits, Pulse, State};
use crate::js::exception;
use crate::js::observe::{self, Observer};
use crate::js::thrown::{self, Thrown};
use crate::log;
use crate::modules::web::console::{Level, Output};
use crate::modules::web::host::{self, Host, Role};
use crate::source::names;
use crate::source::resolve::{By, resolve};

/// Threads of Workers of one app.
pub(super) const WORKERS_MAX: usize = 256;
/// A Worker's sockets are few: the ring is small.
const RING_ENTRIES: u32 = 64;
/// Receive buffers of that ring.
const RECV_BUFFER_BYTES: usize = 64 << 10;

/// How many run for an app.
#[derive(Default)]
struct Running(AtomicUsize);

/// One of the threads there may be; free again when dropped.
pub(super) struct ThreadPermit(Arc<Running>);

impl ThreadPermit {
    /// `None` when all are taken.
    pub(super) fn take(cluster: &Cluster) -> Option<ThreadPermit> {
        let running = cluster.shared::<Running>();
        let more = |running| (running < WORKERS_MAX).then_some(running + 1);
        let taken = running.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| ThreadPermit(running))
    }
}

impl Drop for ThreadPermit {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Ends a Worker, whatever it runs, when the engine that started it is gone. The thread owns it.
#[derive(Default)]
pub(super) struct Leash {
    gone: AtomicBool,
    bell: Notifier,
    /// The flag that interrupts the Worker's engine, once there is one.
    halt: OnceLock<Arc<AtomicBool>>,
}

impl Leash {
    /// Ends the Worker.
    pub(super) fn cut(&self) {
        self.gone.store(true, Ordering::SeqCst);
        if let Some(halt) = self.halt.get() {
            halt.store(true, Ordering::SeqCst);
        }
        self.bell.notify();
    }

    fn hold(&self, engine: &Engine) {
        let halt = engine.state().halt();
        let _ = self.halt.set(halt.clone());
        // Cut in between: it found no flag.
        if self.gone.load(Ordering::SeqCst) {
            halt.store(true, Ordering::SeqCst);
        }
    }
}

/// What a Worker is made of.
pub(super) struct Seed {
    /// The file of the module that starts it.
    pub(super) base: String,
    /// The module to run, as named there.
    pub(super) specifier: String,
    /// The line to the engine that starts it.
    pub(super) end: PortEnd,
    /// That engine's modules and globals.
    pub(super) table: &'static Table,
    /// That engine's limits.
    pub(super) limits: EngineLimits,
    /// That engine's backend.
    pub(super) backend: Backend,
    /// What that engine runs for.
    pub(super) parent: Role,
    /// What it shares with that engine, and with all of its app.
    pub(super) cluster: Arc<Cluster>,
    /// What ends it early.
    pub(super) leash: Arc<Leash>,
    /// Its place among all.
    pub(super) place: ThreadPermit,
}

/// Starts the thread.
///
/// # Errors
/// The system has no room for one more (pthread_create(3)).
pub(super) fn start(seed: Seed) -> std::io::Result<()> {
    let builder = std::thread::Builder::new().name("os.Worker".into());
    builder.stack_size(NATIVE_STACK_BYTES + seed.limits.stack_bytes_max).spawn(move || run(seed)).map(drop)
}

fn run(seed: Seed) {
    unpin();
    let (backend, parent, specifier) = (seed.backend, seed.parent, seed.specifier.clone());
    let options = IoOptions {
        ring_entries: RING_ENTRIES,
        recv_buffer_bytes: RECV_BUFFER_BYTES,
        ..IoOptions::default()
    };
    let seed = Rc::new(RefCell::new(Some(seed)));
    let attempt = |backend| {
        let seed = seed.clone();
        io::run(backend, &options, move || async move {
            let seed = seed.borrow_mut().take();
            match seed {
                Some(seed) => live(seed).await,
                None => Ok(()),
            }
        })
    };
    let mut ended = attempt(backend);
    if backend == Backend::Uring && seed.borrow().is_some() {
        // No memory for one more ring.
        ended = attempt(Backend::Epoll);
    }
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(thrown)) => complain(parent, &specifier, "", &thrown),
        Err(error) => {
            let text = error.to_string();
            let thrown = Thrown { cause: thrown::Cause::Exception, text, stack: String::new() };
            complain(parent, &specifier, "", &thrown);
        }
    }
}

/// Lets the thread run on every core of the process: the one that started it may be pinned.
fn unpin() {
    use rustix::thread::{sched_getaffinity, sched_setaffinity};
    if let Ok(all) = sched_getaffinity(Some(rustix::process::getpid())) {
        let _ = sched_setaffinity(None, &all);
    }
}

/// Says what a Worker threw: nobody else hears of it, and the process goes on.
fn complain(parent: Role, specifier: &str, place: &str, thrown: &Thrown) {
    let place = if place.is_empty() { String::new() } else { format!(", {place}") };
    match parent {
        Role::App | Role::Cgi if !log::admits(log::Kind::Worker) => {}
        Role::App | Role::Cgi => tracing::error!("Worker {specifier}{place}: {thrown}"),
        Role::Script | Role::Worker => {
            let frame = thrown.code_frame().map(|frame| frame + "\n").unwrap_or_default();
            let text = format!("Worker {specifier}{place}: {thrown}\n{frame}");
            // In one piece; a closed standard error loses it.
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }
}

async fn live(seed: Seed) -> Result<(), Thrown> {
    let Seed { base, specifier, end, table, limits, parent, cluster, leash, place, .. } = seed;
    let name: Rc<str> = specifier.as_str().into();
    let report = {
        let name = name.clone();
        Box::new(move |thrown: &Thrown, place: &str| complain(parent, &name, place, thrown))
    };
    // It has the thread to itself: a turn may take as long as it likes.
    let limits = EngineLimits { turn_cpu_max: Duration::MAX, ..limits };
    // Its files are read when it starts, whatever they were when the app was loaded.
    let code = Arc::new(Code::within(cluster, String::new()));
    let engine = Engine::new(&limits, table, code, Pulse::default(), report)?;
    // Nothing of an app may end the process, nor of its Workers.
    let role = if matches!(parent, Role::App | Role::Cgi) { Role::App } else { Role::Worker };
    Host::set(engine.state(), role);
    // It has the thread to itself in an app, too.
    engine.set_can_block(true);
    match parent {
        Role::App | Role::Cgi => log_output(&engine, &name),
        Role::Script | Role::Worker => {
            engine.turn(|ctx| (table.thread_of_script)(ctx).map_err(|error| Thrown::of(ctx, &error)))?
        }
    }
    engine.state().extension::<ParentEnd>().put(end);
    leash.hold(&engine);
    engine.turn(|ctx| import(ctx, &base, &specifier, parent));
    poll_fn(|cx| match leash.bell.poll_notified(cx).is_ready() && leash.gone.load(Ordering::SeqCst) {
        true => Poll::Ready(()),
        false => engine.state().alive().poll_idle(cx),
    })
    .await;
    host::run_at_exit(engine.state());
    drop(engine);
    drop(place);
    Ok(())
}

/// What a Worker of a served app prints is part of the server's log.
fn log_output(engine: &Engine, name: &Rc<str>) {
    let name = name.clone();
    engine.state().extension::<Output>().redirect(Rc::new(move |level, text| {
        let text = text.strip_suffix('\n').unwrap_or(text);
        match level {
            Level::Debug => tracing::debug!("Worker {name}: {text}"),
            Level::Info => tracing::info!("Worker {name}: {text}"),
            Level::Warn => tracing::warn!("Worker {name}: {text}"),
            Level::Error => tracing::error!("Worker {name}: {text}"),
        }
    }));
}

/// Hears how the Worker's module ends.
struct LoadObserver {
    parent: Role,
    specifier: String,
}

impl Observer for LoadObserver {
    fn settled<'js>(&self, _ctx: &Ctx<'js>, result: Result<Value<'js>, Value<'js>>) {
        if let Err(reason) = result {
            complain(self.parent, &self.specifier, "", &Thrown::from_value(&reason));
        }
    }

    /// A top-level await that nothing can settle any more: the Worker is done.
    fn abandoned(&self) {}
}

fn import(ctx: &Ctx<'_>, base: &str, specifier: &str, parent: Role) {
    let load = || {
        let name = find(ctx, base, specifier).map_err(|message| exception::type_error(ctx, &message))?;
        let evaluated = Module::import(ctx, &*names::specifier(&name))?;
        let observer = LoadObserver { parent, specifier: specifier.to_owned() };
        observe::observe(ctx, evaluated.as_value(), Box::new(observer))
    };
    if let Err(error) = load() {
        complain(parent, specifier, "", &Thrown::of(ctx, &error));
    }
}

/// The absolute path of the module. A name that begins with no dot starts from the working directory,
/// as in qjs; failing that, from the folder of who asks.
fn find(ctx: &Ctx<'_>, base: &str, specifier: &str) -> Result<String, String> {
    let bare = !specifier.starts_with(['.', '/']) && !specifier.starts_with("file:");
    let here = std::env::current_dir().unwrap_or_default();
    if bare && here.join(specifier).is_file() {
        return Ok(here.join(specifier).to_string_lossy().into_owned());
    }
    // What is evaluated from no file has a name like "<evalScript>".
    let base = here.join(if base.is_empty() { "<script>" } else { base });
    let specifier = if bare { format!("./{specifier}") } else { specifier.to_owned() };
    resolve(State::of(ctx).cluster().sources(), &base.to_string_lossy(), &specifier, By::Import)
}
