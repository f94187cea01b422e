//! The causes of an error, one below the other.
//!
//! Owns: the walk through them. Must not know: any error of this crate.

use std::error::Error;
use std::io;

/// An error of any crate.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The error's sentence with those of all causes, each after a colon.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let words = error.to_string();
        // Some crates repeat their cause in their own words.
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = error.source();
    }
    text
}

/// The first error of type `E` in the chain that begins with `error`. The causes that `io::Error`
/// wraps do not show as sources: they are looked into.
pub fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| find::<E>(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}
