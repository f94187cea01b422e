//! A text with places in it replaced, and where each place of the new text stands in the old one.
//!
//! Owns: the order of changes that meet at one place, pieces that move, the way between both texts. Must not
//! know: what the text is.

use std::ops::Range;

/// A piece of what replaces a range.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// New text.
    Text(String),
    /// This range of the old text, with the changes inside of it.
    Source(Range<usize>),
}

impl From<&str> for Piece {
    fn from(text: &str) -> Self {
        Piece::Text(text.to_owned())
    }
}

impl From<String> for Piece {
    fn from(text: String) -> Self {
        Piece::Text(text)
    }
}

/// Where a change stands among those at the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Behind what ends here; the inner one first, which comes later.
    Behind(std::cmp::Reverse<usize>),
    /// Before what begins here; the outer one first.
    Before(usize),
    Instead(usize),
}

#[derive(Debug)]
struct Edit {
    range: Range<usize>,
    rank: Rank,
    pieces: Vec<Piece>,
}

/// Changes to one text, told from the outermost to the innermost.
#[derive(Debug, Default)]
pub(super) struct Edits {
    all: Vec<Edit>,
}

impl Edits {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Puts `pieces` before what begins at `at`.
    pub(super) fn before(&mut self, at: usize, pieces: Vec<Piece>) {
        let rank = Rank::Before(self.all.len());
        self.all.push(Edit { range: at..at, rank, pieces });
    }

    /// Puts `text` behind what ends at `at`.
    pub(super) fn behind(&mut self, at: usize, text: impl Into<String>) {
        let rank = Rank::Behind(std::cmp::Reverse(self.all.len()));
        self.all.push(Edit { range: at..at, rank, pieces: vec![Piece::Text(text.into())] });
    }

    /// Puts `pieces` in the place of `range`; changes inside of it hold for pieces of it that are kept.
    pub(super) fn replace(&mut self, range: Range<usize>, pieces: Vec<Piece>) {
        let rank = Rank::Instead(self.all.len());
        self.all.push(Edit { range, rank, pieces });
    }

    /// `source` with all changes.
    pub(super) fn apply(mut self, source: &str) -> Edited {
        self.all.sort_by_key(|edit| (edit.range.start, edit.rank));
        let mut edited = Edited::default();
        self.emit(source, 0..source.len(), None, &mut edited);
        edited
    }

    /// Writes `range` with the changes inside of it, without the one whose piece it is.
    fn emit(&self, source: &str, range: Range<usize>, own: Option<usize>, to: &mut Edited) {
        let mut at = range.start;
        let first = self.all.partition_point(|edit| edit.range.start < range.start);
        for (index, edit) in self.all.iter().enumerate().skip(first) {
            if edit.range.start > range.end {
                break;
            }
            let inside = match edit.rank {
                Rank::Behind(_) => edit.range.start > range.start || range.start == 0,
                Rank::Before(_) => edit.range.start < range.end || range.end == source.len(),
                Rank::Instead(_) => edit.range.end <= range.end && !edit.range.is_empty(),
            };
            if !inside || edit.range.start < at || own == Some(index) {
                continue;
            }
            to.keep(source, at..edit.range.start);
            for piece in &edit.pieces {
                match piece {
                    Piece::Text(text) => to.text.push_str(text),
                    Piece::Source(kept) => self.emit(source, kept.clone(), Some(index), to),
                }
            }
            at = edit.range.end;
        }
        to.keep(source, at..range.end);
    }
}

/// What was kept of the old text.
#[derive(Clone, Copy, Debug)]
struct KeptText {
    /// Where it stands now.
    now: usize,
    /// Where it stood.
    was: usize,
    bytes: usize,
}

/// The new text.
#[derive(Debug, Default)]
pub(super) struct Edited {
    /// It.
    pub(super) text: String,
    /// In the new order.
    kept: Vec<KeptText>,
}

impl Edited {
    fn keep(&mut self, source: &str, range: Range<usize>) {
        if range.start < range.end {
            self.kept.push(KeptText { now: self.text.len(), was: range.start, bytes: range.len() });
            self.text.push_str(&source[range]);
        }
    }

    /// Where the byte at `now` stood; for new text, the end of what was kept before it.
    pub(super) fn was(&self, now: usize) -> usize {
        match self.kept.partition_point(|kept| kept.now <= now) {
            0 => 0,
            next => {
                let kept = self.kept[next - 1];
                kept.was + (now - kept.now).min(kept.bytes)
            }
        }
    }

    /// From old places to new ones.
    pub(super) fn moves(&self) -> Moves {
        let mut kept = self.kept.clone();
        kept.sort_by_key(|kept| kept.was);
        Moves(kept)
    }
}

/// Where places of the old text went.
#[derive(Debug)]
pub(super) struct Moves(Vec<KeptText>);

impl Moves {
    /// Where the byte at `was` stands now; none where it is gone.
    pub(super) fn now(&self, was: usize) -> Option<usize> {
        let next = self.0.partition_point(|kept| kept.was <= was);
        let kept = self.0.get(next.checked_sub(1)?)?;
        (was < kept.was + kept.bytes).then(|| kept.now + (was - kept.was))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_that_meet_keep_their_nesting() {
        let mut edits = Edits::default();
        // a(b)c: around "b", outer first; what ends before "(" stays before what begins there.
        edits.behind(1, "!");
        edits.before(2, vec!["[".into()]);
        edits.behind(3, "]");
        edits.before(2, vec!["<".into()]);
        edits.behind(3, ">");
        assert_eq!(edits.apply("a(b)c").text, "a!([<b>])c");
    }

    #[test]
    fn what_is_moved_brings_its_changes_along() {
        let mut edits = Edits::default();
        edits.replace(0..5, vec![]);
        edits.before(5, vec!["f(".into(), Piece::Source(1..4), ") ".into()]);
        edits.replace(2..3, vec!["B".into()]);
        let edited = edits.apply("@abc m");
        assert_eq!(edited.text, "f(aBc) m");
        let moves = edited.moves();
        assert_eq!([0, 1, 2, 3, 5].map(|was| moves.now(was)), [None, Some(2), None, Some(4), Some(7)]);
        assert_eq!([0, 2, 3, 4, 7].map(|now| edited.was(now)), [0, 1, 2, 3, 5]);
    }
}
