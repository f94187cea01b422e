//! The interactive prompt: lines from the terminal to the engine, answers back.
//!
//! Owns: the thread of the line editor, Ctrl-C, the commands that begin with a dot. Must not know:
//! JavaScript. The engine's thread goes on with timers and sockets while the editor waits for keys; the
//! editor asks it through a channel, and waits for each answer.

mod colour;
mod editor;
mod history;

use std::cell::{Cell, RefCell};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use runtime::config::ScriptConfig;
use runtime::error::{Error, Result};
use runtime::io::Notifier;
use runtime::modules::qjs::std::standard::{Number, Standard};
use runtime::modules::web::host;
use runtime::repl::{Answer, Session};
use runtime::script::{self, Script};

use editor::Desk;

/// What the editor asks the engine.
enum Ask {
    /// How to print above a prompt that waits for keys.
    Printer(Box<dyn FnMut(String) + Send>),
    /// Evaluate it.
    Line(String),
    /// Whether it goes on in the next line.
    IsOpen(String),
    /// What its last word can become.
    Complete(String),
    /// No more lines.
    End,
}

/// What the engine answers, in the order asked.
enum Told {
    Done,
    Open(bool),
    Names(usize, Vec<String>),
}

const BANNER: &str = concat!("jsserve ", env!("CARGO_PKG_VERSION"), "  .help for help, Ctrl-D to leave\n");

const HELP: &str = "\
.help        this text (also \\h)
.load FILE   evaluate a file as if it were typed
.exit        leave (also \\q, Ctrl-D)

Tab completes names and properties. Ctrl-C clears the line, or interrupts what runs.
_ is the last value; std and os are there; await works, and so does import ... from.
let, const and class may declare a name anew.
";

/// Runs the prompt until its end; the exit code.
///
/// # Errors
/// The machine, or a file of `--include` that cannot be read.
pub fn run(config: ScriptConfig) -> Result<ExitCode> {
    let interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let config = ScriptConfig { std: true, ..config };
    let code = script::enter(config, move |script| converse(script, interactive))??;
    Ok(ExitCode::from(code))
}

/// The engine's side: answers until the editor is done.
async fn converse(script: Script, interactive: bool) -> Result<u8> {
    script.prepare().await?;
    let engine = script.engine().clone();
    keep_terminal(&engine);
    let (asks, questions) = channel();
    let (answers, told) = channel();
    let bell = Notifier::new();
    let desk = Desk::new(asks, bell.clone(), told, interactive);
    let interrupt = Notifier::new();
    let session = Rc::new(Session::new(engine.clone(), interrupt.clone()));
    watch_interrupts(&session, interrupt, bell.clone())?;
    let editor = thread::Builder::new().name("editor".into());
    editor.spawn(move || desk.work()).map_err(|e| Error::system("cannot start a thread", e))?;
    answer(&session, &questions, &answers, &bell, interactive).await;
    Ok(0)
}

async fn answer(
    session: &Session,
    questions: &Receiver<Ask>,
    answers: &Sender<Told>,
    bell: &Notifier,
    colours: bool,
) {
    // Whether what was printed last ended its line.
    let ended = Rc::new(Cell::new(true));
    loop {
        let Ok(ask) = questions.try_recv() else {
            bell.notified().await;
            // An interrupt between two lines is for nobody.
            session.engine().state().halt().store(false, Ordering::SeqCst);
            continue;
        };
        let told = match ask {
            Ask::Printer(printer) => {
                divert(session, printer, &ended);
                continue;
            }
            Ask::Line(text) => {
                let answer = session.evaluate(&text).await;
                show(&answer, ended.replace(true), colours);
                Told::Done
            }
            Ask::IsOpen(text) => Told::Open(session.is_open(&text)),
            Ask::Complete(text) => {
                let (start, names) = session.complete(&text);
                Told::Names(start, names)
            }
            Ask::End => return,
        };
        // An editor that is gone needs no answer.
        let _ = answers.send(told);
    }
}

fn show(answer: &Answer, at_line_start: bool, colours: bool) {
    let paint = colours && colour::wanted();
    let lead = if at_line_start { "" } else { "\n" };
    let text = match answer {
        Answer::Value(text) if paint => colour::code(text) + "\n",
        Answer::Value(text) => format!("{text}\n"),
        Answer::Error(text) if paint => format!("{}\n", colour::error(&format!("Uncaught {text}"))),
        Answer::Error(text) => format!("Uncaught {text}\n"),
        Answer::Interrupted => "Interrupted\n".into(),
        Answer::Never => "Nothing refers any more to what this awaits.\n".into(),
    };
    // A closed standard output is no reason to fail.
    let _ = std::io::stdout().write_all((lead.to_owned() + &text).as_bytes());
}

/// Sends what scripts print on the terminal through the editor, which keeps its prompt below.
fn divert(session: &Session, printer: Box<dyn FnMut(String) + Send>, ended: &Rc<Cell<bool>>) {
    let printer = Rc::new(RefCell::new(printer));
    let standard = Standard::of(session.engine().state());
    let terminals = [std::io::stdout().is_terminal(), std::io::stderr().is_terminal()];
    for (number, is_terminal) in [Number::Out, Number::Err].into_iter().zip(terminals) {
        if is_terminal {
            let (printer, ended) = (printer.clone(), ended.clone());
            let sink = move |bytes: &[u8]| {
                ended.set(bytes.ends_with(b"\n"));
                printer.borrow_mut()(String::from_utf8_lossy(bytes).into_owned());
            };
            standard.divert(number, Rc::new(sink));
        }
    }
}

/// Ctrl-C while JavaScript runs, or while a line awaits something: it ends, the prompt stays. While
/// the editor waits for keys it gets them all itself.
fn watch_interrupts(session: &Session, interrupt: Notifier, bell: Notifier) -> Result<()> {
    let halt = session.engine().state().halt().clone();
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT])
        .map_err(|e| Error::system("cannot watch for Ctrl-C", e))?;
    let watch = move || {
        for _ in signals.forever() {
            halt.store(true, Ordering::SeqCst);
            interrupt.notify();
            bell.notify();
        }
    };
    let thread = thread::Builder::new().name("interrupts".into());
    thread.spawn(watch).map(drop).map_err(|e| Error::system("cannot start a thread", e))
}

/// Leaves the terminal as it was, wherever the process ends.
fn keep_terminal(engine: &runtime::js::Engine) {
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    if let Ok(known) = tcgetattr(std::io::stdin()) {
        host::at_exit(engine.state(), move || {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &known);
        });
    }
}
