//! The editor's side of the prompt: keys to lines, on a thread of its own.
//!
//! Owns: the line editor and its history. Must not know: the engine; it asks through the channel.
//! A question of the editor itself gets no answer while JavaScript runs: it goes on without one.

use std::borrow::Cow;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use runtime::io::Notifier;
use rustyline::completion::Completer;
use rustyline::config::{BellStyle, Config};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Context, Editor, ExternalPrinter, Helper};

use super::{Ask, BANNER, HELP, Told, colour, history};

/// How long keys wait for an answer of the engine.
const PATIENCE: Duration = Duration::from_millis(500);
/// Lines that are remembered.
const LINES_MAX: usize = 10_000;
const PROMPT: &str = "> ";
/// The largest file that `.load` reads.
const LOAD_BYTES_MAX: u64 = 16 << 20;

/// The line to the engine.
struct Wire {
    asks: Sender<Ask>,
    bell: Notifier,
    told: Receiver<Told>,
    /// Answers that nobody waits for any more.
    late: std::cell::Cell<usize>,
}

impl Wire {
    fn send(&self, ask: Ask) -> bool {
        let sent = self.asks.send(ask).is_ok();
        self.bell.notify();
        sent
    }

    /// The answer, however long it takes; none when the engine is gone.
    fn ask(&self, ask: Ask) -> Option<Told> {
        self.send(ask).then_some(())?;
        for _ in 0..self.late.replace(0) {
            self.told.recv().ok()?;
        }
        self.told.recv().ok()
    }

    /// The answer, if it comes soon.
    fn ask_briefly(&self, ask: Ask) -> Option<Told> {
        while self.late.get() > 0 {
            self.told.recv_timeout(PATIENCE).ok()?;
            self.late.set(self.late.get() - 1);
        }
        self.send(ask).then_some(())?;
        let told = self.told.recv_timeout(PATIENCE);
        if told.is_err() {
            self.late.set(self.late.get() + 1);
        }
        told.ok()
    }
}

/// What the line editor asks while keys come.
struct Guide {
    wire: Wire,
    paint: bool,
}

impl Helper for Guide {}

impl Hinter for Guide {
    type Hint = String;
}

impl Completer for Guide {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let before = &line[..at];
        if before.trim().is_empty() {
            // Tab indents.
            return Ok((at, vec!["  ".into()]));
        }
        match self.wire.ask_briefly(Ask::Complete(before.into())) {
            Some(Told::Names(start, names)) => Ok((start, names)),
            _ => Ok((at, Vec::new())),
        }
    }
}

impl Validator for Guide {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        if text.trim().is_empty() || Command::of(text).is_some() {
            return Ok(ValidationResult::Valid(None));
        }
        Ok(match self.wire.ask_briefly(Ask::IsOpen(text.into())) {
            Some(Told::Open(true)) => ValidationResult::Incomplete,
            _ => ValidationResult::Valid(None),
        })
    }
}

impl Highlighter for Guide {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if self.paint { Cow::Owned(colour::code(line)) } else { Cow::Borrowed(line) }
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        if self.paint { Cow::Owned(colour::prompt(prompt)) } else { Cow::Borrowed(prompt) }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.paint
    }
}

/// A line that is not for the engine.
enum Command {
    Help,
    Load(PathBuf),
    Exit,
    Unknown(String),
}

impl Command {
    fn of(line: &str) -> Option<Command> {
        let line = line.trim();
        let named = |mark: char| line.strip_prefix(mark).filter(|rest| rest.starts_with(char::is_alphabetic));
        let (name, rest) = match (named('.'), named('\\')) {
            (Some(rest), _) | (_, Some(rest)) => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
            _ => return None,
        };
        Some(match name {
            "help" | "h" => Command::Help,
            "exit" | "q" => Command::Exit,
            "load" if !rest.trim().is_empty() => Command::Load(PathBuf::from(rest.trim())),
            _ => Command::Unknown(line.into()),
        })
    }
}

/// Where lines come from.
pub struct Desk {
    wire: Wire,
    interactive: bool,
}

impl Desk {
    /// One that asks by `asks`, rings `bell` after each, and gets the answers from `told`.
    pub fn new(asks: Sender<Ask>, bell: Notifier, told: Receiver<Told>, interactive: bool) -> Desk {
        Desk { wire: Wire { asks, bell, told, late: Default::default() }, interactive }
    }

    /// Reads lines to their end.
    pub fn work(self) {
        let end = (self.wire.asks.clone(), self.wire.bell.clone());
        if let Err(error) = self.read() {
            say(&format!("jsserve: the terminal cannot be read: {error}\n"));
        }
        // The engine may have ended first.
        let _ = end.0.send(Ask::End);
        end.1.notify();
    }

    fn read(self) -> rustyline::Result<()> {
        let config = Config::builder()
            .max_history_size(LINES_MAX)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .bell_style(BellStyle::None)
            .check_cursor_position(self.interactive)
            .build();
        let mut editor: Editor<Guide, FileHistory> = Editor::with_config(config)?;
        let file = history::path().filter(|path| self.interactive && history::create(path).is_ok());
        if let Some(file) = &file {
            // A file that is no history is left as it is.
            let _ = editor.load_history(file);
        }
        if self.interactive {
            say(BANNER);
            let mut printer = editor.create_external_printer()?;
            self.wire.send(Ask::Printer(Box::new(move |text| drop(printer.print(text)))));
        }
        let prompt = if self.interactive { PROMPT } else { "" };
        editor.set_helper(Some(Guide { wire: self.wire, paint: self.interactive && colour::wanted() }));
        loop {
            let line = match editor.readline(prompt) {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => return Ok(()),
                Err(error) => return Err(error),
            };
            if line.trim().is_empty() {
                continue;
            }
            if editor.add_history_entry(&line)?
                && let Some(file) = &file
            {
                // A full disk costs the history, not the session.
                let _ = editor.append_history(file);
            }
            let Some(guide) = editor.helper() else { return Ok(()) };
            if !obey(&guide.wire, line) {
                return Ok(());
            }
        }
    }
}

/// Does what a line says; false at the end.
fn obey(wire: &Wire, line: String) -> bool {
    match Command::of(&line) {
        None => wire.ask(Ask::Line(line)).is_some(),
        Some(Command::Exit) => false,
        Some(Command::Help) => say(HELP),
        Some(Command::Load(path)) => match load(&path) {
            Ok(text) => wire.ask(Ask::Line(text)).is_some(),
            Err(error) => say(&format!("cannot read {}: {error}\n", path.display())),
        },
        Some(Command::Unknown(name)) => say(&format!("{name} is no command; .help lists them\n")),
    }
}

fn load(path: &PathBuf) -> std::io::Result<String> {
    if std::fs::metadata(path)?.len() > LOAD_BYTES_MAX {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    std::fs::read_to_string(path)
}

/// Prints; what cannot be printed is lost.
fn say(text: &str) -> bool {
    let _ = std::io::stdout().write_all(text.as_bytes());
    true
}
