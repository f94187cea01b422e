//! Work in steps: what takes long is done a millisecond or so at a time, so that others have their turn.
//!
//! Owns: [`Steps`], how they are made of one piece and put one behind the other. Must not know: threads,
//! algorithms.

use super::failure::Outcome;

/// Bytes that are hashed in one step.
pub(super) const PIECE_BYTES: usize = 256 << 10;

/// The next step of some work; what it comes to with the last one. Not to be called after that.
pub type Steps<T> = Box<dyn FnMut() -> Option<Outcome<T>> + Send>;

/// Work that is done in one step.
pub fn once<T: 'static>(work: impl FnOnce() -> Outcome<T> + Send + 'static) -> Steps<T> {
    let mut work = Some(work);
    Box::new(move || work.take().map(|work| work()))
}

/// `first`, then `next` with what came of it.
pub fn then<T: 'static, U: 'static>(
    mut first: Steps<T>,
    next: impl FnOnce(T) -> Outcome<U> + Send + 'static,
) -> Steps<U> {
    let mut next = Some(next);
    Box::new(move || {
        let result = first()?;
        next.take().map(|next| result.and_then(next))
    })
}

/// All steps, here and now.
///
/// # Errors
/// What the work comes to.
pub fn finish<T>(mut steps: Steps<T>) -> Outcome<T> {
    loop {
        if let Some(result) = steps() {
            return result;
        }
    }
}
