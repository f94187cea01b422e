//! The thread of one script: an engine and an I/O loop of its own, for one request.
//!
//! Owns: how the engine is set up, what ends the script, what is said of it. Must not know: other threads. All that the
//! request has opened or started is gone with the thread.

use std::cell::{Cell, RefCell};
use std::ffi::{CString, OsStr, OsString};
use std::future::{Future, poll_fn};
use std::os::unix::ffi::OsStrExt;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use rquickjs::{Module, Value};

use super::{EnginePool, ScriptJob};
use crate::cgi::{ScriptEnd, ScriptLines};
use crate::config::Config;
use crate::environment::Environment;
use crate::io::{self, Backend, IoOptions};
use crate::js::cluster::Cluster;
use crate::js::code::Code;
use crate::js::engine::{Engine, EngineLimits, Health, Pulse, State};
use crate::js::observe::{self, Observer, Outcome};
use crate::js::thrown::{Cause, Thrown};
use crate::js::{Ctx, compile, exception, permit};
use crate::modules::TABLE;
use crate::modules::qjs::os::table::Descriptors;
use crate::modules::qjs::print;
use crate::modules::qjs::std::standard::Standard;
use crate::modules::web::events;
use crate::modules::web::host::{self, CgiHold, Host, Role};
use crate::permissions::{Granted, Permissions};
use crate::source::Sources;

/// The status of a script whose top-level `await` can never settle; the same as Node's.
const UNSETTLED: i32 = 13;

/// `std` and `os` are globals, as those of `qjs --std` are.
const STD: &str =
    "import * as std from 'std'; import * as os from 'os'; Object.assign(globalThis, { std, os })";

/// What the parts of one script share.
#[derive(Default)]
struct ScriptSession {
    /// What it says on standard error.
    lines: RefCell<Option<ScriptLines>>,
    /// How it has ended, once it has.
    ended: Outcome<ScriptEnd>,
    /// Its module has been evaluated.
    evaluated: Outcome<()>,
}

impl ScriptSession {
    fn say(&self, bytes: &[u8]) {
        if let Some(lines) = &mut *self.lines.borrow_mut() {
            lines.add(bytes);
        }
    }

    fn end(&self, end: ScriptEnd) {
        if !self.ended.is_set() {
            self.ended.set(end);
        }
    }

    /// The end by what it has thrown. What was cut short has another reason, which is known already.
    fn fail(&self, thrown: &Thrown, label: &str) {
        match thrown.cause {
            Cause::Interrupted => return,
            Cause::OutOfMemory => return self.end(ScriptEnd::HeapFull),
            Cause::Exception => {}
        }
        let frame = thrown.code_frame().unwrap_or_default();
        if let Some(lines) = &mut *self.lines.borrow_mut() {
            lines.tell(&format!("{label}{thrown}\n{frame}"));
        }
        self.end(ScriptEnd::Exited(1));
    }
}

/// An engine that is set up for a script, which is not known yet.
struct Ready {
    // Before the engine: it has values of it.
    session: Rc<ScriptSession>,
    code: Arc<Code>,
    engine: Rc<Engine>,
}

/// Runs one script on this thread: `job`, or the next that there is.
pub(super) fn run(pool: Arc<EnginePool>, job: Option<ScriptJob>) {
    unpin();
    let has_folder = io::process::make_own_folder();
    let is_promised = job.is_none();
    // Told of what keeps it from being run, too.
    let (given, has_begun) = (Rc::new(RefCell::new(job)), Rc::new(Cell::new(false)));
    let (of_loop, begins) = (given.clone(), has_begun.clone());
    let of_thread = pool.clone();
    let lived = io::run(Backend::Epoll, &IoOptions::default(), move || async move {
        let ready = Ready::new(&of_thread.config);
        let job = of_loop.take();
        begins.set(true);
        let job = job.or_else(|| of_thread.wait())?;
        Some(match ready {
            Ok(ready) => ready.live(job, &of_thread, has_folder).await,
            Err(why) => {
                let _ = job.told.send(ScriptEnd::NotStarted(std::io::Error::other(why)));
                job.slot
            }
        })
    });
    match lived {
        // Nothing of it is left: there is room for another.
        Ok(Some(slot)) => {
            drop(slot);
            pool.top_up();
        }
        Ok(None) => {}
        Err(error) => {
            tracing::error!(worker = pool.worker, "a script's thread: {error}");
            let job = given.take().or_else(|| match is_promised && !has_begun.get() {
                true => pool.take_back(),
                false => None,
            });
            if let Some(job) = job {
                let _ = job.told.send(ScriptEnd::NotStarted(std::io::Error::other(error)));
            }
        }
    }
}

/// Lets the thread run on every core of the process: the one that started it is pinned.
fn unpin() {
    use rustix::thread::{sched_getaffinity, sched_setaffinity};
    if let Ok(all) = sched_getaffinity(Some(rustix::process::getpid())) {
        let _ = sched_setaffinity(None, &all);
    }
}

impl Ready {
    fn new(config: &Config) -> Result<Ready, String> {
        let limits = EngineLimits {
            heap_bytes_max: config.limits.heap_bytes_max,
            stack_bytes_max: config.limits.stack_bytes_max,
            turn_cpu_max: Duration::from_millis(config.limits.turn_cpu_ms_max),
        };
        let sources = Sources::read(&config.sources).map_err(|error| error.to_string())?;
        let cluster = Cluster::new(sources, Environment::of(&[]));
        let cluster = cluster.with_permissions(config.permissions.as_ref().map(of_request));
        let code = Arc::new(Code::unknown(Arc::new(cluster)));
        let session = Rc::new(ScriptSession::default());
        let reported = session.clone();
        let report = Box::new(move |thrown: &Thrown, place: &str| {
            let label = if place == "unhandled rejection" { "Unhandled promise rejection: " } else { "" };
            reported.fail(thrown, label);
        });
        let failed = |thrown: Thrown| thrown.text;
        let engine = Engine::new(&limits, &TABLE, code.clone(), Pulse::default(), report).map_err(failed)?;
        let state = engine.state();
        Host::set(state, Role::Cgi);
        let errors = session.clone();
        Standard::of(state).make_own(Rc::new(move |bytes| errors.say(bytes)), state.halt().clone());
        let (watched, ill) = (session.clone(), Rc::downgrade(&engine));
        engine.set_attention(Rc::new(move || attend(&watched, &ill)));
        let installed = engine.turn(|ctx| {
            let install = || {
                print::install(ctx)?;
                Module::declare(ctx.clone(), "<std>", STD)?.eval().map(drop)
            };
            install().map_err(|error| Thrown::of(ctx, &error))
        });
        installed.map_err(failed)?;
        Ok(Ready { session, code, engine })
    }

    /// Runs the script to its end, and says how that was; its place is free when all of it is gone.
    async fn live(self, job: ScriptJob, pool: &EnginePool, has_folder: bool) -> crate::cgi::ScriptSlot {
        let Ready { session, code, engine } = self;
        let ScriptJob { file, folder, stdin, stdout, environment, words, lines, until, leash, slot, told } =
            job;
        let state = engine.state();
        let hold = CgiHold::of(state);
        hold.set(until, has_folder && rustix::process::chdir(&folder).is_ok());
        leash.hold(state.halt().clone(), hold.children().clone());
        state.cluster().environment().replace(pairs(&environment, &pool.config));
        *session.lines.borrow_mut() = Some(lines);
        let descriptors = state.extension::<Descriptors>();
        let end = match streams(&descriptors, stdin, stdout) {
            Err(error) => ScriptEnd::NotStarted(error),
            Ok(errors) => {
                code.begin(file.clone(), pool.compiled(&file));
                start(&engine, &session, &code, &file, &words);
                let mut over = pin!(io::sleep_until(until));
                let end = poll_fn(|cx| {
                    if leash.bell.poll_notified(cx).is_ready() && leash.gone.load(Ordering::SeqCst)
                        || over.as_mut().poll(cx).is_ready()
                    {
                        return Poll::Ready(ScriptEnd::TimedOut);
                    }
                    session.poll_end(&engine, cx)
                })
                .await;
                host::run_at_exit(state);
                pass_on(&errors, &session);
                end
            }
        };
        if let Some(mut lines) = session.lines.take() {
            lines.finish();
        }
        // The client may be gone. Before the end of the output: who sees that can ask how it came about.
        let _ = told.send(end);
        // Now, and not once all is freed.
        (0..3).for_each(|number| drop(descriptors.close(number)));
        drop(descriptors);
        let children = hold.children().clone();
        drop((hold, session, code, engine));
        children.end(Duration::from_millis(pool.config.limits.cgi_kill_ms));
        slot
    }
}

impl ScriptSession {
    /// How the script has ended: by itself, or because nothing is left that it could do.
    fn poll_end(&self, engine: &Engine, cx: &mut Context<'_>) -> Poll<ScriptEnd> {
        if let Poll::Ready(end) = self.ended.poll(cx) {
            return Poll::Ready(end);
        }
        let is_evaluated = self.evaluated.poll(cx).is_ready();
        if is_evaluated {
            // For the next time that this is asked.
            self.evaluated.set(());
        }
        if engine.state().alive().poll_idle(cx).is_pending() {
            return Poll::Pending;
        }
        if is_evaluated {
            return Poll::Ready(ScriptEnd::Exited(0));
        }
        self.say(b"its top-level await can never settle\n");
        Poll::Ready(ScriptEnd::Exited(UNSETTLED))
    }
}

/// Its standard streams; what its children write to standard error is read from the descriptor.
fn streams(
    descriptors: &Descriptors,
    stdin: std::os::fd::OwnedFd,
    stdout: std::os::fd::OwnedFd,
) -> std::io::Result<std::os::fd::OwnedFd> {
    let (errors, stderr) = io::pipe()?;
    // Nobody reads it before the script has ended: what does not fit is lost.
    rustix::io::ioctl_fionbio(&stderr, true)?;
    rustix::io::ioctl_fionbio(&errors, true)?;
    descriptors.assign(0, stdin)?;
    descriptors.assign(1, stdout)?;
    descriptors.assign(2, stderr)?;
    Ok(errors)
}

/// What others have written to its standard error.
fn pass_on(errors: &std::os::fd::OwnedFd, session: &ScriptSession) {
    let mut buffer = [0; 4 << 10];
    while let Ok(bytes @ 1..) = rustix::io::read(errors, &mut buffer) {
        session.say(&buffer[..bytes]);
    }
}

/// What a script may reach: its variables are the request's, and those that the app is given.
fn of_request(permissions: &Arc<Permissions>) -> Arc<Permissions> {
    let env = Granted { all: true, some: Vec::new() };
    Arc::new(Permissions { env, ..Permissions::clone(permissions) })
}

/// Its variables: those of the request, and those that apps see.
fn pairs(environment: &[CString], config: &Config) -> Vec<(OsString, OsString)> {
    let pair = |variable: &CString| {
        let bytes = variable.as_bytes();
        let at = bytes.iter().position(|b| *b == b'=')?;
        let text = |bytes| OsStr::from_bytes(bytes).to_owned();
        Some((text(&bytes[..at]), text(&bytes[at + 1..])))
    };
    let mut all: Vec<_> = environment.iter().filter_map(pair).collect();
    for (name, value) in &config.env {
        if !all.iter().any(|(known, _)| known == OsStr::new(name)) {
            all.push((name.into(), value.into()));
        }
    }
    all
}

/// Begins to evaluate the script.
fn start(engine: &Engine, session: &Rc<ScriptSession>, code: &Code, file: &str, words: &[CString]) {
    let words = words.iter().map(|word| word.to_string_lossy().into_owned());
    let arguments: Vec<String> = std::iter::once(file.to_owned()).chain(words).collect();
    engine.turn(|ctx| {
        let start = || {
            ctx.globals().set("scriptArgs", arguments)?;
            let main = {
                let _linking = permit::linking(State::of(ctx));
                compile::load_main(code, ctx)?
            };
            let (_, evaluated) = main.eval()?;
            observe::observe(ctx, &evaluated.into_value(), Box::new(Evaluated(session.clone())))
        };
        if let Err(error) = start() {
            exception::raise(ctx, &error);
            throw(ctx, &ctx.catch(), session);
        }
    });
}

/// What a script has thrown that nobody of it has caught.
fn throw<'js>(ctx: &Ctx<'js>, thrown: &Value<'js>, session: &ScriptSession) {
    let state = State::of(ctx);
    state.note_thrown(thrown);
    let is_full = state.health() == Health::OutOfMemory || state.heap_is_full();
    if is_full && !state.interrupted() {
        // There may be no memory for the words of the error.
        return session.end(ScriptEnd::HeapFull);
    }
    if !events::take_exception(ctx, thrown) {
        session.fail(&Thrown::from_value(thrown), "");
    }
}

/// Hears how the evaluation of the script ends.
struct Evaluated(Rc<ScriptSession>);

impl Observer for Evaluated {
    fn settled<'js>(&self, ctx: &Ctx<'js>, result: Result<Value<'js>, Value<'js>>) {
        match result {
            Ok(_) => self.0.evaluated.set(()),
            Err(reason) => {
                throw(ctx, &reason, &self.0);
                self.0.evaluated.set(());
            }
        }
    }

    // What is pending may go on; the end comes when nothing is.
    fn abandoned(&self) {}
}

/// Looks at an engine whose turn was cut short, or that is ill.
fn attend(session: &ScriptSession, engine: &Weak<Engine>) {
    let Some(engine) = engine.upgrade() else { return };
    let state = engine.state();
    session.end(match (CgiHold::of(state).status(), state.health()) {
        (Some(status), _) => ScriptEnd::Exited(status),
        (None, Health::OutOfMemory) => ScriptEnd::HeapFull,
        // Its time is over, or nobody reads what it writes.
        (None, _) if state.halt().load(Ordering::Relaxed) => ScriptEnd::TimedOut,
        (None, _) => ScriptEnd::CpuUsed,
    });
}
