//! A script: a program without handlers, run once on one thread, as `qjs` runs it.
//!
//! Owns: its engine and globals, the order of evaluation, its end: nothing pending any more, an
//! exception, a rejection that nothing handles. Must not know: listeners, how the prompt works.

use std::cell::OnceCell;
use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::path::Path;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rquickjs::Module;

use crate::config::{Goal, NATIVE_STACK_BYTES, Program, ScriptConfig};
use crate::environment::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::fence;
use crate::io::{self, IoOptions};
use crate::js::cluster::Cluster;
use crate::js::code::{Code, without_mark};
use crate::js::engine::{Engine, EngineLimits, Pulse, State};
use crate::js::eval::{self, Options};
use crate::js::observe::{self, Observer, Outcome};
use crate::js::promise;
use crate::js::thrown::Thrown;
use crate::js::{Ctx, Value, compile, goal, permit};
use crate::modules::TABLE;
use crate::modules::qjs::os::table::Descriptors;
use crate::modules::qjs::print;
use crate::modules::qjs::std::standard::{self, Number};
use crate::modules::web::events;
use crate::modules::web::host::{self, Host, Role};
use crate::source::positions::Positions;
use crate::source::prepare::Prepared;
use crate::source::{Sources, prepare};

/// Submission entries of a script's ring, and memory of its receive buffers: it has one thread's
/// connections, and should start at once.
const IO: IoOptions =
    IoOptions { ring_entries: 256, recv_buffer_bytes: 256 << 10, backlog_bytes_max: 16 << 10 };
/// The exit code of a script whose top-level `await` can never settle; the same as Node's.
const UNSETTLED: i32 = 13;

/// `std` and `os` as globals, for `--std`.
const STD: &str =
    "import * as std from 'std'; import * as os from 'os'; Object.assign(globalThis, { std, os })";

/// Runs a script to its end; the exit code. What it throws is told on standard error, and ends the
/// process with 1 right there.
///
/// # Errors
/// A file that cannot be read; the machine.
pub fn run(config: ScriptConfig) -> Result<i32> {
    let source = ScriptSource::of(&config)?;
    enter(config, move |script| async move { script.play_all(source).await })
}

/// Makes an engine for scripts and runs `main` with it: on this thread, where its stack suffices.
///
/// # Errors
/// The machine: a backend that is refused, a thread that does not start.
pub fn enter<M, F>(config: ScriptConfig, main: M) -> Result<F::Output>
where
    M: FnOnce(Script) -> F + Send + 'static,
    F: Future + 'static,
    F::Output: Send + 'static,
{
    let (backend, _) = io::choose(config.io, IO.ring_entries)?;
    let stack_bytes = config.stack_bytes_max.saturating_add(NATIVE_STACK_BYTES);
    let work = move || {
        let started = move || async move {
            let script = Script::new(config)?;
            let engine = script.engine.clone();
            let output = main(script).await;
            host::run_at_exit(engine.state());
            Ok(output)
        };
        io::run(backend, &IO, started)?
    };
    let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
    if limit.is_some_and(|bytes| bytes >= stack_bytes as u64) {
        return work();
    }
    let thread = std::thread::Builder::new().name("script".into()).stack_size(stack_bytes);
    let thread = thread.spawn(work).map_err(|e| Error::system("cannot start a thread", e))?;
    thread.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a panic, reported above")))
}

/// What a program that is read from a stream is called.
fn stream_name(path: &Path) -> String {
    format!("<{}>", path.display())
}

/// A program's text and what it is called.
struct ScriptSource {
    /// An absolute path, or a name in angle brackets.
    name: String,
    text: Vec<u8>,
    goal: Option<Goal>,
    /// Its places in the file, where they differ.
    positions: Option<Positions>,
    /// It comes by way of the loader: what is no plain JavaScript.
    loaded: bool,
}

impl ScriptSource {
    /// The main program of `config`.
    fn of(config: &ScriptConfig) -> Result<ScriptSource> {
        let named = |name: &str, text| ScriptSource::plain(name.into(), text, config.goal);
        Ok(match &config.program {
            Program::File(path) => ScriptSource::file(path, config.goal)?,
            Program::Text(text) => named("<cmdline>", text.clone().into_bytes()),
            Program::Prompt => named("<cmdline>", Vec::new()),
            Program::Stdin => {
                let mut text = Vec::new();
                let read = std::io::stdin().lock().read_to_end(&mut text);
                read.map_err(|e| Error::system("cannot read the program from standard input", e))?;
                named("<stdin>", without_mark(text))
            }
            Program::Stream(path) => named(&stream_name(path), ScriptSource::stream(path)?),
        })
    }

    /// What is JavaScript already.
    fn plain(name: String, text: Vec<u8>, goal: Option<Goal>) -> ScriptSource {
        let Prepared { text, positions, .. } = prepare::unnamed(text);
        ScriptSource { name, text, goal, positions, loaded: false }
    }

    fn stream(path: &Path) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        let read = std::fs::File::open(path)
            .and_then(|file| file.take(prepare::SOURCE_BYTES_MAX as u64 + 1).read_to_end(&mut text));
        read.map_err(|e| Error::system(format!("cannot read {}", path.display()), e))?;
        if text.len() > prepare::SOURCE_BYTES_MAX {
            let text = format!("{} has no end that is near: a program has at most 64 MiB", path.display());
            return Err(Error::new(ErrorKind::App, text));
        }
        Ok(without_mark(text))
    }

    fn file(path: &Path, goal: Option<Goal>) -> Result<ScriptSource> {
        let unreadable = |e| Error::system(format!("cannot read {}", path.display()), e);
        let text = without_mark(std::fs::read(path).map_err(unreadable)?);
        let full = std::fs::canonicalize(path).map_err(unreadable)?;
        let module = path.extension().is_some_and(|extension| extension == "mjs");
        let name = full.to_string_lossy().into_owned();
        if !prepare::is_plain(path, &text) {
            return Ok(ScriptSource { name, text, goal: Some(Goal::Module), positions: None, loaded: true });
        }
        Ok(ScriptSource::plain(name, text, goal.or(module.then_some(Goal::Module))))
    }
}

/// How a program's evaluation ended, where it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Settled,
    /// Its top-level `await` waits for what can never come.
    Never,
}

/// An engine that is set up for scripts.
pub struct Script {
    engine: Rc<Engine>,
    code: Arc<Code>,
    config: ScriptConfig,
}

impl Script {
    fn new(config: ScriptConfig) -> Result<Script> {
        let limits = EngineLimits {
            heap_bytes_max: config.heap_bytes_max.unwrap_or(HEAP_BYTES_MAX),
            stack_bytes_max: config.stack_bytes_max,
            turn_cpu_max: Duration::MAX,
        };
        let main = match &config.program {
            Program::File(path) => std::fs::canonicalize(path)
                .map_err(|e| Error::system(format!("cannot read {}", path.display()), e))?
                .to_string_lossy()
                .into_owned(),
            Program::Stdin => "<stdin>".into(),
            Program::Stream(path) => stream_name(path),
            Program::Text(_) | Program::Prompt => "<cmdline>".into(),
        };
        let cluster = Cluster::new(Sources::read(&config.sources)?, Environment::default())
            .with_permissions(config.permissions.clone());
        let code = Arc::new(Code::within(Arc::new(cluster), main));
        // A prompt goes on, whatever is thrown.
        let goes_on = config.program == Program::Prompt;
        let reporter: Rc<OnceCell<Weak<Engine>>> = Rc::default();
        let report = reporter.clone();
        let report = Box::new(move |thrown: &Thrown, place: &str| match place {
            // All of a turn are told before the end.
            _ if goes_on => {
                let label =
                    if place == "unhandled rejection" { "Unhandled rejection: " } else { "Uncaught " };
                if let Some(engine) = report.get().and_then(Weak::upgrade) {
                    standard::print(engine.state(), Number::Err, description(thrown, label).as_bytes());
                }
            }
            "unhandled rejection" => tell(thrown, "Unhandled promise rejection: "),
            _ => {
                tell(thrown, "");
                if let Some(engine) = report.get().and_then(Weak::upgrade) {
                    host::exit(engine.state(), 1);
                }
            }
        });
        let engine = Engine::new(&limits, &TABLE, code.clone(), Pulse::default(), report)
            .map_err(|thrown| Error::new(ErrorKind::System, thrown.text))?;
        // Set once, right here.
        let _ = reporter.set(Rc::downgrade(&engine));
        Host::set(engine.state(), Role::Script);
        let files = Rc::downgrade(&engine);
        host::at_exit(engine.state(), move || {
            if let Some(engine) = files.upgrade() {
                standard::flush_all(engine.state());
            }
        });
        let ended = Rc::downgrade(&engine);
        engine.state().set_after_rejections(Rc::new(move || {
            if let Some(engine) = ended.upgrade()
                && !goes_on
            {
                host::exit(engine.state(), 1);
            }
        }));
        let descriptors = engine.state().extension::<Descriptors>();
        for fd in &config.descriptors {
            // One that was closed since is EBADF for scripts, too.
            let _ = descriptors.inherit(*fd);
        }
        let script = Script { engine, code, config };
        script.globals()?;
        Ok(script)
    }

    fn globals(&self) -> Result<()> {
        let config = &self.config;
        let installed = self.engine.turn(|ctx| {
            let globals = ctx.globals();
            let set = || {
                print::install(ctx)?;
                globals.set("scriptArgs", config.args.clone())?;
                globals.set("argv0", config.exec_args.first().cloned().unwrap_or_default())?;
                globals.set("execArgv", config.exec_args.clone())
            };
            set().map_err(|error| Thrown::of(ctx, &error))
        });
        installed.map_err(|thrown| Error::new(ErrorKind::System, thrown.text))
    }

    /// The engine.
    pub fn engine(&self) -> &Rc<Engine> {
        &self.engine
    }

    /// What the script was started with.
    pub fn config(&self) -> &ScriptConfig {
        &self.config
    }

    /// What stands before the program: `std` and `os` as globals, the included files. An exception
    /// ends the process.
    pub async fn prepare(&self) -> Result<()> {
        if self.config.std {
            let start = |ctx: &Ctx<'_>| {
                let module = Module::declare(ctx.clone(), "<std>", STD)?;
                Ok(goal::CompiledProgram::Module(module).start(ctx)?.map(crate::js::Held::new))
            };
            self.settle(start).await;
        }
        for path in &self.config.includes {
            let source = ScriptSource::file(path, None)?;
            self.play(&source).await;
        }
        if self.config.print {
            fence::enclose_script(&self.config);
        }
        Ok(())
    }

    async fn play_all(self, source: ScriptSource) -> i32 {
        if let Err(error) = self.prepare().await {
            write_error(&format!("jsserve: {error}\n"));
            return 1;
        }
        let ending = match self.config.print {
            true => self.print(&source).await,
            false => self.play(&source).await,
        };
        self.idle().await;
        match ending {
            Ending::Settled => 0,
            Ending::Never => {
                let text = format!("jsserve: {}: its top-level await can never settle\n", source.name);
                write_error(&text);
                UNSETTLED
            }
        }
    }

    /// Waits until nothing is pending any more.
    pub async fn idle(&self) {
        let alive = self.engine.state().alive().clone();
        poll_fn(|cx| alive.poll_idle(cx)).await;
    }

    fn note_positions(&self, source: &ScriptSource) {
        if let Some(positions) = &source.positions {
            self.code.note_positions(&source.name, positions);
        }
    }

    /// Evaluates a program, its top-level `await`s included.
    async fn play(&self, source: &ScriptSource) -> Ending {
        self.note_positions(source);
        let start = |ctx: &Ctx<'_>| {
            let module = || match source.name == self.code.main() {
                true if source.loaded => compile::load_main(&self.code, ctx),
                true => compile::main_module(&self.code, ctx, &source.text),
                false => compile::script(&self.code, ctx, &source.name),
            };
            let linking = permit::linking(State::of(ctx));
            let first = goal::CompiledProgram::compile(ctx, &source.text, &source.name, source.goal, module);
            let program = first.or_else(|error| {
                let text = as_typescript(ctx, &error, source)?;
                let module = || compile::main_module(&self.code, ctx, &text);
                goal::CompiledProgram::compile(ctx, &text, &source.name, source.goal, module)
            })?;
            drop(linking);
            if source.name == self.code.main() {
                fence::enclose_script(&self.config);
            }
            Ok(program.start(ctx)?.map(crate::js::Held::new))
        };
        self.settle(start).await
    }

    /// Evaluates a script and prints its value, which may be awaited.
    async fn print(&self, source: &ScriptSource) -> Ending {
        self.note_positions(source);
        let start = |ctx: &Ctx<'_>| {
            let options = Options { r#async: true, ..Options::default() };
            let run = |text: &[u8]| eval::script(ctx, text, &source.name, options);
            let promise = run(&source.text).or_else(|error| run(&as_typescript(ctx, &error, source)?))?;
            let show = eval::script(ctx, PRINT, "<print>", Options::default())?;
            let show = show.into_function().ok_or(rquickjs::Error::Unknown)?;
            Ok(Some(crate::js::Held::new(show.call((promise,))?)))
        };
        self.settle(start).await
    }

    /// Runs `start` in a turn and waits for the promise that it may give.
    async fn settle(
        &self,
        start: impl for<'js> FnOnce(&Ctx<'js>) -> rquickjs::Result<Option<crate::js::Held>>,
    ) -> Ending {
        let outcome: Rc<Outcome<()>> = Rc::default();
        let (settled, ended) = (outcome.clone(), outcome.clone());
        self.engine.turn(|ctx| {
            let started = start(ctx).and_then(|promise| {
                let Some(promise) = promise.map(|held| held.get(ctx)) else {
                    settled.set(());
                    return Ok(());
                };
                if let Some(promise::State::Rejected(reason)) = promise::state(&promise) {
                    return Err(ctx.throw(reason));
                }
                observe::observe(ctx, &promise, Box::new(ScriptEnd(settled)))
            });
            if let Err(error) = started {
                // Before any job that it may have left: an exception is the end.
                crate::js::exception::raise(ctx, &error);
                let thrown = ctx.catch();
                if !events::take_exception(ctx, &thrown) {
                    fail(ctx, &Thrown::from_value(&thrown));
                }
                ended.set(());
            }
        });
        let alive = self.engine.state().alive().clone();
        poll_fn(|cx| match outcome.poll(cx) {
            Poll::Ready(()) => Poll::Ready(Ending::Settled),
            Poll::Pending => alive.poll_idle(cx).map(|()| Ending::Never),
        })
        .await
    }
}

/// Prints the value that a script's promise has in an object, so that a promise stays one.
const PRINT: &[u8] = b"(ended) => ended.then(({ value }) => console.log(value))";

/// A text that stands in no file as TypeScript, where it does not parse as JavaScript.
///
/// # Errors
/// What was wrong with it as JavaScript, where it is not TypeScript either.
fn as_typescript(ctx: &Ctx<'_>, error: &rquickjs::Error, source: &ScriptSource) -> rquickjs::Result<Vec<u8>> {
    crate::js::exception::raise(ctx, error);
    let thrown = ctx.catch();
    let told = Thrown::from_value(&thrown);
    let is_here = told.location().is_some_and(|(file, ..)| file == source.name);
    if source.name.starts_with('<') && is_here && told.text.starts_with("SyntaxError") {
        let text = String::from_utf8_lossy(&source.text);
        if let Ok(prepared) = prepare::typed(&source.name, &text) {
            if let Some(positions) = &prepared.positions {
                State::of(ctx).code().note_positions(&source.name, positions);
            }
            return Ok(prepared.text);
        }
    }
    Err(ctx.throw(thrown))
}

/// As good as no limit, and far enough below what a signed size can hold.
const HEAP_BYTES_MAX: usize = isize::MAX as usize / 2;

/// Hears how the program's promise ends.
struct ScriptEnd(Rc<Outcome<()>>);

impl Observer for ScriptEnd {
    fn settled<'js>(&self, ctx: &Ctx<'js>, result: std::result::Result<Value<'js>, Value<'js>>) {
        match result {
            Err(reason) if !events::take_exception(ctx, &reason) => fail(ctx, &Thrown::from_value(&reason)),
            _ => self.0.set(()),
        }
    }

    // What is pending may go on; the end comes when nothing is.
    fn abandoned(&self) {}
}

/// The end of a script by what it threw, where no `error` listener of its own has dealt with that.
fn fail(ctx: &Ctx<'_>, thrown: &Thrown) -> ! {
    tell(thrown, "");
    host::exit(State::of(ctx), 1)
}

/// Tells of an exception: its message, its stack, the lines around its place.
fn tell(thrown: &Thrown, label: &str) {
    write_error(&description(thrown, label));
}

fn description(thrown: &Thrown, label: &str) -> String {
    let mut text = format!("{label}{thrown}\n");
    if let Some(frame) = thrown.code_frame() {
        text.push_str(&frame);
        text.push('\n');
    }
    text
}

/// What cannot be written to standard error cannot be told at all.
fn write_error(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
