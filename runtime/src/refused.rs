//! Routes that are refused for a while, because their turns got stuck too often.
//!
//! Owns: which, and until when. Must not know: how a refusal looks on the wire.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// One list for all workers.
#[derive(Default)]
pub struct RefusedRoutes {
    any: AtomicBool,
    until: RwLock<HashMap<String, Instant>>,
}

impl RefusedRoutes {
    /// Whether there is any route to ask about: no more than a load.
    pub fn is_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Whether `route` is refused now.
    pub fn has(&self, route: &str) -> bool {
        let until = self.until.read().unwrap_or_else(PoisonError::into_inner);
        until.get(route).is_some_and(|until| Instant::now() < *until)
    }

    /// Refuses `route` for `span`.
    pub fn add(&self, route: &str, span: Duration) {
        let now = Instant::now();
        let mut until = self.until.write().unwrap_or_else(PoisonError::into_inner);
        until.retain(|_, until| now < *until);
        // A span is no longer than a day.
        until.insert(route.to_owned(), now + span);
        self.any.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_refused_for_its_span_and_others_are_not() {
        let refused = RefusedRoutes::default();
        assert!(!refused.is_any());
        refused.add("GET /a", Duration::from_secs(60));
        refused.add("GET /b", Duration::ZERO);
        assert!(
            refused.is_any() && refused.has("GET /a") && !refused.has("GET /b") && !refused.has("PUT /a")
        );
    }
}
