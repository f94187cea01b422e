//! The servers of one rule: whose turn it is, and who is passed over because it has failed.
//!
//! Owns: round robin, and nginx's max_fails and fail_timeout. Must not know: what is sent, what the servers speak.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::{Upstream, upstream};
use crate::config::{Config, ProxyRule};
use crate::io::now;

/// The servers of a rule.
pub struct UpstreamGroup {
    members: Vec<GroupMember>,
    next: Cell<usize>,
    max_fails: u32,
    fail_time: Duration,
}

struct GroupMember {
    upstream: Box<dyn Upstream>,
    health: MemberHealth,
}

/// What is known of one.
#[derive(Default)]
struct MemberHealth {
    fails: Cell<u32>,
    /// When the first of them was.
    since: Cell<Option<Instant>>,
    /// Until when it is passed over.
    down_until: Cell<Option<Instant>>,
}

impl MemberHealth {
    fn is_up(&self, at: Instant) -> bool {
        self.down_until.get().is_none_or(|until| until <= at)
    }

    fn failed(&self, at: Instant, max_fails: u32, fail_time: Duration) {
        if self.since.get().is_none_or(|since| at.saturating_duration_since(since) > fail_time) {
            self.since.set(Some(at));
            self.fails.set(0);
        }
        self.fails.set(self.fails.get() + 1);
        if max_fails > 0 && self.fails.get() >= max_fails {
            self.down_until.set(Some(at + fail_time));
        }
    }

    fn succeeded(&self) {
        if self.fails.get() > 0 {
            self.fails.set(0);
            self.since.set(None);
            self.down_until.set(None);
        }
    }
}

impl UpstreamGroup {
    /// That of `rule`, for the worker of that number: workers begin with different ones.
    pub(super) fn of(rule: &ProxyRule, config: &Config, worker: usize) -> UpstreamGroup {
        let member = |address| GroupMember {
            upstream: upstream(address, rule, config),
            health: MemberHealth::default(),
        };
        UpstreamGroup {
            members: rule.upstreams.iter().map(member).collect(),
            next: Cell::new(worker),
            max_fails: rule.max_fails,
            fail_time: Duration::from_millis(rule.fail_ms),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whose turn it is, of those that are not in `tried`: one that is not passed over, where there is one.
    pub fn pick(&self, tried: &[usize]) -> Option<usize> {
        let health = |at: usize| &self.members[at].health;
        let chosen = choose(self.members.len(), self.next.get(), tried, health, now())?;
        self.next.set(chosen + 1);
        Some(chosen)
    }

    /// The server of that number.
    pub fn member(&self, number: usize) -> &dyn Upstream {
        &*self.members[number].upstream
    }

    /// It has not answered.
    pub fn failed(&self, number: usize) {
        // With nobody else to ask it is asked again.
        if self.members.len() > 1 {
            self.members[number].health.failed(now(), self.max_fails, self.fail_time);
        }
    }

    /// It has answered.
    pub fn succeeded(&self, number: usize) {
        self.members[number].health.succeeded();
    }
}

/// The first from `next` on that is up; where none is, the one that is passed over for the shortest time still.
fn choose<'a>(
    count: usize,
    next: usize,
    tried: &[usize],
    health: impl Fn(usize) -> &'a MemberHealth,
    at: Instant,
) -> Option<usize> {
    let order = (0..count).map(|step| (next + step) % count).filter(|number| !tried.contains(number));
    let order: Vec<usize> = order.collect();
    let up = order.iter().copied().find(|number| health(*number).is_up(at));
    up.or_else(|| order.into_iter().min_by_key(|number| health(*number).down_until.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_turn_and_who_fails_is_passed_over_for_a_while() {
        let all = [MemberHealth::default(), MemberHealth::default(), MemberHealth::default()];
        let (start, time) = (Instant::now(), Duration::from_secs(10));
        let pick = |next, tried: &[usize], at| choose(3, next, tried, |number| &all[number], at);
        assert_eq!([0, 1, 2, 3].map(|next| pick(next, &[], start)), [Some(0), Some(1), Some(2), Some(0)]);
        assert_eq!(pick(0, &[0, 1, 2], start), None);
        all[1].failed(start, 2, time);
        assert_eq!(pick(1, &[], start), Some(1), "once is not enough");
        all[1].failed(start, 2, time);
        assert_eq!(pick(1, &[], start), Some(2));
        assert_eq!(pick(1, &[], start + time), Some(1), "it is tried again");
        all[1].succeeded();
        assert_eq!(pick(1, &[], start), Some(1));
        // Fails that are far apart do not add up.
        all[0].failed(start, 2, time);
        all[0].failed(start + time * 2, 2, time);
        assert_eq!(pick(0, &[], start + time * 2), Some(0));
        // With none of them up the one that comes back first.
        for (number, seconds) in [(0, 3), (1, 1), (2, 2)] {
            all[number].failed(start + Duration::from_secs(seconds), 1, time);
        }
        assert_eq!(pick(0, &[], start + Duration::from_secs(4)), Some(1));
        // 0: nobody is ever passed over.
        let one = MemberHealth::default();
        one.failed(start, 0, time);
        assert!(one.is_up(start));
    }
}
