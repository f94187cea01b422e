//! Places in a source for places in the code that runs in its stead.
//!
//! Owns: their compact form, those of a program by the file's name, stacks rewritten by them. Must
//! not know: who shows a stack. A stack is rewritten only when it is shown.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

/// The places of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Positions {
    /// For each token, as differences to the one before (columns within a line): line and column in the code, line and column
    /// in the source; columns in bytes, all from 0.
    Tokens(Box<[u8]>),
    /// The same places, but that so many bytes stand before the first line.
    Before(u32),
}

impl Positions {
    /// Packs tokens that are in the code's order.
    pub fn of(tokens: impl Iterator<Item = [u32; 4]>) -> Positions {
        let mut bytes = Vec::new();
        let mut last = [0u32; 4];
        for token in tokens {
            if token[0] != last[0] {
                last[1] = 0;
            }
            for (now, before) in token.iter().zip(last) {
                put(&mut bytes, now.wrapping_sub(before) as i32);
            }
            last = token;
        }
        Positions::Tokens(bytes.into())
    }

    /// The source's line and column for those of the code, all from 1.
    pub fn find(&self, line: u32, column: u32) -> Option<(u32, u32)> {
        let (line, column) = (line.checked_sub(1)?, column.saturating_sub(1));
        let bytes = match self {
            Positions::Before(0) => return None,
            Positions::Before(_) if line > 0 => return None,
            Positions::Before(bytes) => return Some((1, column.saturating_sub(*bytes) + 1)),
            Positions::Tokens(bytes) => bytes,
        };
        let mut found = None;
        for [now, at, was_line, was_column] in (Tokens { last: [0; 4], rest: bytes }) {
            if (now, at) > (line, column) {
                break;
            }
            if now == line {
                found = Some((was_line + 1, was_column + 1));
            }
        }
        found
    }

    /// The tokens that [`Positions::of`] packed.
    pub(super) fn tokens(&self) -> impl Iterator<Item = [u32; 4]> {
        let rest: &[u8] = match self {
            Positions::Tokens(bytes) => bytes,
            Positions::Before(_) => &[],
        };
        Tokens { last: [0; 4], rest }
    }
}

/// What is left of packed tokens, and the last one.
struct Tokens<'a> {
    last: [u32; 4],
    rest: &'a [u8],
}

impl Iterator for Tokens<'_> {
    type Item = [u32; 4];

    fn next(&mut self) -> Option<[u32; 4]> {
        if self.rest.is_empty() {
            return None;
        }
        let lines = take(&mut self.rest)?;
        if lines != 0 {
            self.last[1] = 0;
        }
        self.last[0] = self.last[0].wrapping_add(lines as u32);
        for value in &mut self.last[1..] {
            *value = value.wrapping_add(take(&mut self.rest)? as u32);
        }
        Some(self.last)
    }
}

/// Seven bits a byte, the sign in the lowest bit.
fn put(bytes: &mut Vec<u8>, value: i32) {
    let mut rest = ((value << 1) ^ (value >> 31)) as u32;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

fn take(bytes: &mut &[u8]) -> Option<i32> {
    let mut value = 0u32;
    for shift in (0..35).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u32::from(first & 0x7f).checked_shl(shift).unwrap_or_default();
        if first & 0x80 == 0 {
            return Some((value >> 1) as i32 ^ -((value & 1) as i32));
        }
    }
    None
}

/// The places of the files that run, by name.
#[derive(Default)]
pub struct FilePositions(RwLock<HashMap<String, Arc<Positions>>>);

impl FilePositions {
    /// Remembers the places of the file `name`, for stacks.
    pub fn remember(&self, name: &str, positions: Positions) {
        if let Ok(mut known) = self.0.write() {
            known.insert(name.to_owned(), Arc::new(positions));
        }
    }

    /// Whether what runs for the file `name` is not its text.
    pub fn has(&self, name: &str) -> bool {
        self.0.read().is_ok_and(|known| known.contains_key(name))
    }

    /// Whether there is no file whose text is not what runs.
    fn is_empty(&self) -> bool {
        self.0.read().map_or(true, |known| known.is_empty())
    }

    /// A stack, one frame a line, with the places of the sources.
    pub fn map_stack(&self, stack: String) -> String {
        if self.is_empty() {
            return stack;
        }
        let mut mapped = String::with_capacity(stack.len());
        for line in stack.split_inclusive('\n') {
            match self.map_line(line) {
                Some(line) => mapped.push_str(&line),
                None => mapped.push_str(line),
            }
        }
        mapped
    }

    /// One line of a stack, `at name (file:line:column)` or `at file:line:column`.
    fn map_line(&self, line: &str) -> Option<String> {
        let frame = line.trim_end();
        let end = frame.len() - usize::from(frame.ends_with(')'));
        let (rest, column) = frame[..end].rsplit_once(':')?;
        let (rest, row) = rest.rsplit_once(':')?;
        let start =
            rest.rfind('(').map(|at| at + 1).or_else(|| rest.find("at ").map(|at| at + 3)).unwrap_or(0);
        let positions = self.0.read().ok()?.get(&rest[start..]).cloned()?;
        let (row, column) = positions.find(row.parse().ok()?, column.parse().ok()?)?;
        Some(format!("{rest}:{row}:{column}{}", &line[end..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_that_of_the_last_token_before_it_in_its_line() {
        let tokens = [[0, 0, 4, 2], [0, 9, 4, 20], [2, 3, 1, 0], [2, 200, 900, 7], [3, 0, 0, 0]];
        let positions = Positions::of(tokens.into_iter());
        for (place, source) in [
            ((1, 1), Some((5, 3))),
            ((1, 9), Some((5, 3))),
            ((1, 10), Some((5, 21))),
            ((1, 500), Some((5, 21))),
            ((2, 4), None),
            ((3, 1), None),
            ((3, 4), Some((2, 1))),
            ((3, 201), Some((901, 8))),
            ((4, 1), Some((1, 1))),
            ((9, 1), None),
        ] {
            assert_eq!(positions.find(place.0, place.1), source, "{place:?}");
        }
    }

    #[test]
    fn bytes_that_end_early_find_nothing_further() {
        let Positions::Tokens(bytes) = Positions::of([[0, 0, 1, 1], [1, 0, 300, 1]].into_iter()) else {
            panic!("tokens")
        };
        for length in 0..bytes.len() {
            let _ = Positions::Tokens(bytes[..length].into()).find(2, 1);
        }
    }

    #[test]
    fn stacks_keep_what_is_not_known() {
        let files = FilePositions::default();
        files.remember("/positions/a.ts", Positions::of([[0, 0, 9, 0]].into_iter()));
        files.remember("/positions/b.ts", Positions::Before(10));
        let stack = "    at f (/positions/b.ts:1:12)\n    at /positions/b.ts:2:3\n    at native\n    at g (/other.js:1:1)";
        let mapped = "    at f (/positions/b.ts:1:2)\n    at /positions/b.ts:2:3\n    at native\n    at g (/other.js:1:1)";
        assert_eq!(files.map_stack(stack.into()), mapped);
        assert_eq!(
            files.map_stack("    at <anonymous> (/positions/b.ts:1:99)\n".into()),
            "    at <anonymous> (/positions/b.ts:1:89)\n"
        );
    }
}
