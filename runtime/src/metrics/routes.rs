//! Requests by route: method and path without the query.
//!
//! Owns: the bound on how many routes are told apart, and who goes when there are more: the one that is asked for least.
//! Must not know: what an app's routes are.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use super::counter::Counter;

/// Routes that a worker tells apart; all others are one.
const ROUTES_MAX: usize = 128;
/// Bytes of a route's name.
const NAME_BYTES_MAX: usize = 120;
/// Of so many requests for routes that have no place, one gets the place of the route that is asked for least.
const MISSES_PER_PLACE: u32 = 16;

#[derive(Debug, Default)]
struct RouteSlot {
    name: Mutex<Box<str>>,
    requests: Counter,
    failed: Counter,
    micros: Counter,
}

impl RouteSlot {
    fn count(&self, status: u16, time: Duration) {
        self.requests.add(1);
        self.failed.add(u64::from(status >= 500));
        self.micros.add(time.as_micros() as u64);
    }

    fn rename(&self, name: &[u8]) {
        if let Ok(mut own) = self.name.lock() {
            *own = String::from_utf8_lossy(name).into();
        }
        [&self.requests, &self.failed, &self.micros].into_iter().for_each(Counter::clear);
    }
}

/// What was asked for on one route.
#[derive(Clone, Debug, Default)]
pub struct RouteCount {
    /// Method and path; empty for all that have no place of their own.
    pub name: String,
    /// Requests.
    pub requests: u64,
    /// Those that were answered with 5xx.
    pub failed: u64,
    /// Their time together, in microseconds.
    pub micros: u64,
}

/// The counts of a worker, to be read by others.
#[derive(Debug)]
pub struct Routes {
    slots: Box<[RouteSlot]>,
    others: RouteSlot,
}

impl Default for Routes {
    fn default() -> Self {
        Routes {
            slots: (0..ROUTES_MAX).map(|_| RouteSlot::default()).collect(),
            others: RouteSlot::default(),
        }
    }
}

impl Routes {
    /// Those that were asked for.
    pub fn all(&self) -> Vec<RouteCount> {
        let counted = self.slots.iter().chain([&self.others]).filter(|slot| slot.requests.get() > 0);
        let read = |slot: &RouteSlot| RouteCount {
            name: slot.name.lock().map(|name| name.to_string()).unwrap_or_default(),
            requests: slot.requests.get(),
            failed: slot.failed.get(),
            micros: slot.micros.get(),
        };
        counted.map(read).collect()
    }
}

/// Where the routes of a worker have their counts: the worker's own.
#[derive(Debug, Default)]
pub struct RouteTable {
    places: HashMap<Box<[u8]>, usize>,
    name: Vec<u8>,
    misses: u32,
}

impl RouteTable {
    /// Counts a request. One that nobody answers for (404, a refusal) gets no place: clients could fill the table.
    pub fn count(&mut self, routes: &Routes, (method, target): (&[u8], &[u8]), status: u16, time: Duration) {
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        let RouteTable { places, name, misses } = self;
        name.clear();
        name.extend_from_slice(&method[..method.len().min(16)]);
        name.push(b' ');
        name.extend_from_slice(&path[..path.len().min(NAME_BYTES_MAX - name.len())]);
        if let Some(place) = places.get(name.as_slice()) {
            return routes.slots[*place].count(status, time);
        }
        if (400..500).contains(&status) {
            return routes.others.count(status, time);
        }
        let place = match places.len() {
            ROUTES_MAX.. => {
                *misses += 1;
                if !misses.is_multiple_of(MISSES_PER_PLACE) {
                    return routes.others.count(status, time);
                }
                let least = (0..ROUTES_MAX).min_by_key(|at| routes.slots[*at].requests.get()).unwrap_or(0);
                places.retain(|_, place| *place != least);
                least
            }
            free => free,
        };
        routes.slots[place].rename(name);
        routes.slots[place].count(status, time);
        places.insert(name.as_slice().into(), place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(table: &mut RouteTable, routes: &Routes, target: &str, status: u16) {
        table.count(routes, (b"GET", target.as_bytes()), status, Duration::from_micros(5));
    }

    #[test]
    fn a_route_has_no_query_and_what_is_not_found_has_none() {
        let (mut table, routes) = (RouteTable::default(), Routes::default());
        for (target, status) in [("/a?b", 200), ("/a?c", 500), ("/nowhere", 404), ("/a", 404)] {
            count(&mut table, &routes, target, status);
        }
        let all: Vec<_> =
            routes.all().into_iter().map(|it| (it.name, it.requests, it.failed, it.micros)).collect();
        assert_eq!(all, [("GET /a".to_owned(), 3, 1, 15), (String::new(), 1, 0, 5)]);
    }

    #[test]
    fn however_many_routes_are_asked_for_the_table_is_bounded_and_keeps_the_busy_ones() {
        let (mut table, routes) = (RouteTable::default(), Routes::default());
        for n in 0..20_000 {
            count(&mut table, &routes, &format!("/user/{n}"), 200);
            count(&mut table, &routes, "/busy", 200);
        }
        let all = routes.all();
        assert!(all.len() <= ROUTES_MAX + 1 && table.places.len() <= ROUTES_MAX, "{}", all.len());
        assert!(all.iter().any(|it| it.name == "GET /busy" && it.requests == 20_000));
        (0..1_000).for_each(|_| count(&mut table, &routes, "/late", 200));
        assert!(routes.all().iter().any(|it| it.name == "GET /late" && it.requests > 900));
    }
}
