//! The code units of strings, looked for in linear time.
//!
//! Owns: their bytes, one to three for each unit, by which a unit begins where it does in any other text (CESU-8); where
//! a needle stands first or last. Must not know: which built-in asks.

use std::cell::OnceCell;

use memchr::memmem::{Finder, FinderRev};
use rquickjs::{Ctx, Error, Result, Value, qjs};

use super::super::state::State;
use super::{Original, call, length};

/// Pairs of units that the engine's own search may compare in one step: a few milliseconds.
const WORK_MAX: usize = 1 << 20;
/// Units that are looked through between two looks at the clock, first and at most.
const WINDOW_FIRST: usize = 1 << 14;
const WINDOW_MAX: usize = 1 << 20;

/// Whether the engine may search by itself.
pub(super) fn is_short(haystack: usize, needle: usize) -> bool {
    haystack.saturating_sub(needle).saturating_mul(needle) <= WORK_MAX
}

/// The bytes of a string, lent by the engine.
struct Text<'js> {
    ctx: Ctx<'js>,
    start: *const core::ffi::c_char,
    bytes: usize,
}

impl<'js> Text<'js> {
    fn of(value: &Value<'js>) -> Result<Text<'js>> {
        let ctx = value.ctx().clone();
        let mut bytes = 0;
        // SAFETY: a live string; each half of a surrogate pair becomes three bytes.
        let start = unsafe { qjs::JS_ToCStringLen2(ctx.as_raw().as_ptr(), &mut bytes, value.as_raw(), true) };
        if start.is_null() { Err(Error::Exception) } else { Ok(Text { ctx, start, bytes: bytes as usize }) }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the engine lends so many bytes until they are given back.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.bytes) }
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        // SAFETY: given back once.
        unsafe { qjs::JS_FreeCString(self.ctx.as_raw().as_ptr(), self.start) }
    }
}

/// How many units begin in `bytes`.
fn units(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte as i8) >= -0x40).count()
}

/// One string that is looked for in another.
pub(super) struct Search<'a, 'js> {
    ctx: &'a Ctx<'js>,
    haystack: &'a Value<'js>,
    needle: &'a Value<'js>,
    /// In units.
    pub(super) haystack_length: usize,
    pub(super) needle_length: usize,
    first: OnceCell<Finder<'static>>,
    last: OnceCell<FinderRev<'static>>,
}

impl<'a, 'js> Search<'a, 'js> {
    /// Looks for `needle`, a string that is not empty, in the string `haystack`.
    pub(super) fn new(ctx: &'a Ctx<'js>, haystack: &'a Value<'js>, needle: &'a Value<'js>) -> Self {
        let raw = ctx.as_raw().as_ptr();
        let (haystack_length, needle_length) = (length(raw, haystack.as_raw()), length(raw, needle.as_raw()));
        Search {
            ctx,
            haystack,
            needle,
            haystack_length,
            needle_length,
            first: OnceCell::new(),
            last: OnceCell::new(),
        }
    }

    /// Whether the engine may search by itself.
    pub(super) fn is_short(&self) -> bool {
        is_short(self.haystack_length, self.needle_length)
    }

    /// The units from `start` to `end`.
    pub(super) fn slice(&self, start: usize, end: usize) -> Result<Value<'js>> {
        slice(self.ctx, self.haystack, start, end)
    }

    /// The first place from `from` on where the needle stands.
    ///
    /// # Errors
    /// The end of the turn's CPU time; out of memory.
    pub(super) fn first(&self, from: usize) -> Result<Option<usize>> {
        let Some(last_start) = self.haystack_length.checked_sub(self.needle_length) else { return Ok(None) };
        let (mut at, mut starts, mut own) = (from, WORK_MAX / self.needle_length.max(1), true);
        while at <= last_start {
            State::of(self.ctx).go_on(self.ctx)?;
            let count = starts.clamp(1, last_start - at + 1);
            let window = self.slice(at, at + count - 1 + self.needle_length)?;
            let found = match own && starts > 0 {
                // What stands near is found soonest so.
                true => self.by_engine(Original::IndexOf, &window)?,
                false => self.first_in(&window)?,
            };
            if let Some(found) = found {
                return Ok(Some(at + found));
            }
            at += count;
            starts = next(count, self.needle_length);
            own = false;
        }
        Ok(None)
    }

    /// The last place at or before `from` where the needle stands.
    ///
    /// # Errors
    /// As [`Search::first`].
    pub(super) fn last(&self, from: usize) -> Result<Option<usize>> {
        let Some(last_start) = self.haystack_length.checked_sub(self.needle_length) else { return Ok(None) };
        let (mut end, mut starts, mut own) =
            (from.min(last_start) + 1, WORK_MAX / self.needle_length.max(1), true);
        while end > 0 {
            State::of(self.ctx).go_on(self.ctx)?;
            let count = starts.clamp(1, end);
            let at = end - count;
            let window = self.slice(at, end - 1 + self.needle_length)?;
            let found = match own && starts > 0 {
                true => self.by_engine(Original::LastIndexOf, &window)?,
                false => self.last_in(&window)?,
            };
            if let Some(found) = found {
                return Ok(Some(at + found));
            }
            end = at;
            starts = next(count, self.needle_length);
            own = false;
        }
        Ok(None)
    }

    fn by_engine(&self, which: Original, window: &Value<'js>) -> Result<Option<usize>> {
        let found = call(self.ctx, which, window, &[self.needle.as_raw()])?;
        Ok(found.as_number().filter(|found| *found >= 0.0).map(|found| found as usize))
    }

    fn first_in(&self, window: &Value<'js>) -> Result<Option<usize>> {
        if self.first.get().is_none() {
            let _ = self.first.set(Finder::new(Text::of(self.needle)?.bytes()).into_owned());
        }
        let text = Text::of(window)?;
        let found = self.first.get().and_then(|finder| finder.find(text.bytes()));
        Ok(found.map(|found| units(&text.bytes()[..found])))
    }

    fn last_in(&self, window: &Value<'js>) -> Result<Option<usize>> {
        if self.last.get().is_none() {
            let _ = self.last.set(FinderRev::new(Text::of(self.needle)?.bytes()).into_owned());
        }
        let text = Text::of(window)?;
        let found = self.last.get().and_then(|finder| finder.rfind(text.bytes()));
        Ok(found.map(|found| units(&text.bytes()[..found])))
    }
}

/// So many places are tried next. A window has the needle's length more, which is read twice.
fn next(count: usize, needle: usize) -> usize {
    (count * 2).clamp(WINDOW_FIRST, WINDOW_MAX).max(needle)
}

/// The units of `text` from `start` to `end`.
pub(super) fn slice<'js>(ctx: &Ctx<'js>, text: &Value<'js>, start: usize, end: usize) -> Result<Value<'js>> {
    let [start, end] = [start, end].map(|at| Value::new_number(ctx.clone(), at as f64));
    call(ctx, Original::Slice, text, &[start.as_raw(), end.as_raw()])
}

/// The well-formed parts of a text as UTF-8, and what stands between them: halves of surrogate pairs.
pub(super) fn parts(text: &Value<'_>, mut each: impl FnMut(&str, &[u16])) -> Result<()> {
    let text = Text::of(text)?;
    let mut rest = text.bytes();
    let mut plain = String::new();
    while !rest.is_empty() {
        let (unit, width) = unit(rest);
        let pair = (0xd800..0xdc00)
            .contains(&unit)
            .then(|| self::unit(&rest[width..]))
            .filter(|(low, _)| (0xdc00..0xe000).contains(low));
        let (code, width) = match pair {
            Some((low, more)) => {
                (0x10000 + ((u32::from(unit) - 0xd800) << 10) + u32::from(low) - 0xdc00, width + more)
            }
            None => (u32::from(unit), width),
        };
        rest = &rest[width..];
        match char::from_u32(code) {
            Some(c) => plain.push(c),
            None => {
                each(&plain, &[unit]);
                plain.clear();
            }
        }
    }
    each(&plain, &[]);
    Ok(())
}

/// The unit that `bytes` begin with, and how many of them it takes.
fn unit(bytes: &[u8]) -> (u16, usize) {
    let rest = |at: usize| u16::from(bytes.get(at).copied().unwrap_or(0) & 0x3f);
    match bytes.first().map_or(0, |first| u16::from(*first)) {
        first @ 0xe0.. => ((first & 0xf) << 12 | rest(1) << 6 | rest(2), 3.min(bytes.len())),
        first @ 0xc0.. => ((first & 0x1f) << 6 | rest(1), 2.min(bytes.len())),
        first => (first, 1.min(bytes.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_counted_and_read_by_their_first_bytes() {
        // "aé€" and a high and a low half.
        let bytes = b"a\xc3\xa9\xe2\x82\xac\xed\xa0\xbd\xed\xb8\x80";
        assert_eq!(units(bytes), 5);
        let mut rest = &bytes[..];
        let mut all = Vec::new();
        while !rest.is_empty() {
            let (one, width) = unit(rest);
            all.push(one);
            rest = &rest[width..];
        }
        assert_eq!(all, [0x61, 0xe9, 0x20ac, 0xd83d, 0xde00]);
    }
}
