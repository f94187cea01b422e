//! The identifier of a request: made here, or taken over from a trusted proxy.
//!
//! Owns: its form and its field. Must not know: where it is shown.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;

use runtime::app::fetch::Head;

use super::wire::Wire;

/// The field that has it, in requests and answers.
pub const FIELD: &[u8] = b"X-Request-Id";
/// The longest that is taken over.
const BYTES_MAX: usize = 128;

/// The identifier of the request on `wire`.
pub fn of(wire: &impl Wire) -> Rc<str> {
    let known = if wire.is_proxied() { given(&*wire.head()) } else { None };
    // Two numbers of the standard library's keyed hash: unlike each other, and no secret.
    known.unwrap_or_else(|| format!("{:016x}{:016x}", number(), number()).into())
}

fn number() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// What the proxy says, if it is one identifier that may stand in a line of a log.
fn given(head: &dyn Head) -> Option<Rc<str>> {
    let (mut count, mut found) = (0, None);
    head.fields(&mut |name, value| {
        if name.eq_ignore_ascii_case(FIELD) {
            count += 1;
            found = std::str::from_utf8(value).ok().filter(|id| is_id(id)).map(Rc::from);
        }
    });
    found.filter(|_| count == 1)
}

fn is_id(text: &str) -> bool {
    (1..=BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=:@".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_32_digits_and_differ() {
        let all: std::collections::HashSet<u64> = (0..10_000).map(|_| number()).collect();
        assert_eq!(all.len(), 10_000);
    }

    #[test]
    fn what_is_taken_over_is_short_and_of_harmless_characters() {
        for good in ["a", "6f1c-2.B~+/=:@_", &"x".repeat(128)] {
            assert!(is_id(good), "{good:?}");
        }
        for bad in ["", " a", "a b", "a,b", "a\"b", "a\n", "é", "<b>", &"x".repeat(129)] {
            assert!(!is_id(bad), "{bad:?}");
        }
    }
}
