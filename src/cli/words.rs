//! The words of the command line before anyone knows whose they are: ours up to the file, then the
//! file, then words that a script gets as they stand.
//!
//! Owns: finding the file among the flags. Must not know: what the flags mean.

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction, Command};

use super::flags::has_optional_value;

/// The command line, cut at the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    /// The program's name and the flags before the file, with their values.
    pub head: Vec<OsString>,
    /// The first word that is no flag, or the one after `--`.
    pub file: Option<OsString>,
    /// All that stands behind it.
    pub rest: Vec<OsString>,
}

impl Words {
    /// Cuts `words`, program name first. None where a flag is not in `command`: it cannot be told
    /// whether a value follows.
    pub fn cut(command: &Command, words: &[OsString]) -> Option<Words> {
        let mut at = 1.min(words.len());
        let mut end = at;
        while let Some(word) = words.get(at).filter(|word| is_flag(word)) {
            at += 1;
            if *word == OsStr::new("--") {
                break;
            }
            at += usize::from(takes_next(command, word)?);
            end = at;
        }
        let (head, end) = (words[..end.min(words.len())].to_vec(), at);
        Some(Words {
            head,
            file: words.get(end).cloned(),
            rest: words.get(end + 1..).unwrap_or_default().to_vec(),
        })
    }
}

/// A single `-` is no flag: it stands for standard input.
fn is_flag(word: &OsStr) -> bool {
    word.as_encoded_bytes().len() > 1 && word.as_encoded_bytes()[0] == b'-'
}

/// Whether the next word is the value of `flag`; none for an unknown flag.
fn takes_next(command: &Command, flag: &OsStr) -> Option<bool> {
    let flag = flag.to_string_lossy();
    if let Some(long) = flag.strip_prefix("--") {
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        let known = command.get_arguments().find(|arg| arg.get_long() == Some(name))?;
        return Some(takes_value(known) && value.is_none());
    }
    // Short flags may stand together: -me EXPR. Behind the last there may be its value: -mq=false.
    let mut letters = flag.chars().skip(1);
    while let Some(letter) = letters.next().filter(|letter| *letter != '=') {
        let known = command.get_arguments().find(|arg| arg.get_short() == Some(letter))?;
        if takes_value(known) {
            return Some(letters.next().is_none());
        }
    }
    Some(false)
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) && !has_optional_value(arg)
}

#[cfg(test)]
mod tests {
    use super::super::flags::Flags;
    use super::*;
    use clap::CommandFactory;

    fn cut(line: &str) -> Option<(String, String, String)> {
        let words: Vec<OsString> =
            std::iter::once("jsserve").chain(line.split(' ')).map(Into::into).collect();
        let words = Words::cut(&Flags::command(), &words)?;
        let text = |words: &[OsString]| words.join(OsStr::new(" ")).into_string().expect("UTF-8");
        Some((text(&words.head[1..]), text(words.file.as_slice()), text(&words.rest)))
    }

    #[test]
    fn the_file_is_the_first_word_that_is_no_flag_and_no_value() {
        for (line, head, file, rest) in [
            ("a.js", "", "a.js", ""),
            ("a.js --port 1 -- -x", "", "a.js", "--port 1 -- -x"),
            ("--port 1 -q --std a.js b", "--port 1 -q --std", "a.js", "b"),
            ("--port=1 a.js", "--port=1", "a.js", ""),
            ("--port -1 a.js", "--port -1", "a.js", ""),
            ("-mI lib.js -e 1+1 a", "-mI lib.js -e 1+1", "a", ""),
            ("-e1 a", "-e1", "a", ""),
            ("--std -- -a.js x", "--std", "-a.js", "x"),
            ("- x", "", "-", "x"),
            ("-q", "-q", "", ""),
            ("--quiet=false --dev a.js b", "--quiet=false --dev", "a.js", "b"),
            ("-mq=false a.js", "-mq=false", "a.js", ""),
            ("--port", "--port", "", ""),
        ] {
            assert_eq!(cut(line), Some((head.into(), file.into(), rest.into())), "{line}");
        }
        assert_eq!((cut("--prot 1 a.js"), cut("-Z a.js")), (None, None));
    }
}
