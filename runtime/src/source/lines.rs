//! Lines and columns of a text for its bytes, and the way back; from 0, columns in bytes.
//!
//! Owns: where the lines begin. Must not know: what the text is.

/// Where the lines of a text begin.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    /// Those of `text`.
    pub(super) fn of(text: &str) -> Lines {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).map(|end| end + 1);
        Lines(std::iter::once(0).chain(ends).collect())
    }

    /// The byte at `column` of `line`.
    pub(super) fn offset(&self, line: u32, column: u32) -> usize {
        self.0.get(line as usize).map_or(0, |start| start + column as usize)
    }

    /// Line and column of the byte at `offset`.
    pub(super) fn place(&self, offset: usize) -> (u32, u32) {
        let line = self.0.partition_point(|start| *start <= offset).saturating_sub(1);
        (line as u32, (offset - self.0[line]) as u32)
    }
}
