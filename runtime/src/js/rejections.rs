//! Promises that were rejected and that nothing handles yet.
//!
//! Owns: which they are, in order; those reported before, for the case that something handles them later. Must
//! not know: who reports them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use rquickjs::Value;

use super::held::Held;
use super::reflect;

/// Reported rejections that are remembered, for the case that something handles them later.
const REMEMBERED_MAX: usize = 64;

/// A promise and its reason.
pub(super) type RejectedPromise = (Held, Held);

/// Promises rejected in this turn that nothing handles yet, in order. They are kept alive, so a
/// pointer stands for one promise.
#[derive(Default)]
pub(super) struct Rejections {
    next: u64,
    order: BTreeMap<u64, RejectedPromise>,
    places: HashMap<usize, u64>,
    /// Reported before, where somebody hears of it when they are handled.
    remembered: VecDeque<RejectedPromise>,
    handled_late: Vec<RejectedPromise>,
}

impl Rejections {
    pub(super) fn insert(&mut self, promise: Value<'_>, reason: Value<'_>) -> Option<RejectedPromise> {
        self.next += 1;
        self.places.insert(reflect::identity(&promise), self.next);
        self.order.insert(self.next, (Held::new(promise), Held::new(reason)))
    }

    pub(super) fn remove(&mut self, promise: &Value<'_>) -> Option<RejectedPromise> {
        if let Some(place) = self.places.remove(&reflect::identity(promise)) {
            return self.order.remove(&place);
        }
        if let Some(at) = self.remembered.iter().position(|(known, _)| known.is(promise)) {
            self.handled_late.extend(self.remembered.remove(at));
        }
        None
    }

    /// Whether there is nothing to tell anybody.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty() && self.handled_late.is_empty()
    }

    /// Those that nothing handles, and those that are handled after their report.
    pub(super) fn take(&mut self) -> (Vec<RejectedPromise>, Vec<RejectedPromise>) {
        self.places.clear();
        (std::mem::take(&mut self.order).into_values().collect(), std::mem::take(&mut self.handled_late))
    }

    /// Remembers some that were reported; those that are forgotten for them, to be dropped where nothing is
    /// borrowed.
    pub(super) fn remember(&mut self, all: Vec<RejectedPromise>) -> Vec<RejectedPromise> {
        self.remembered.extend(all);
        let beyond = self.remembered.len().saturating_sub(REMEMBERED_MAX);
        self.remembered.drain(..beyond).collect()
    }
}
