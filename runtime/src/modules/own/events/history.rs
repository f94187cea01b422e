//! The last events of a kind, for clients that come back: one history of each name for all workers of an app.
//!
//! Owns: their numbers and ids, the bounds, who has read how far. Must not know: JavaScript, how news of an event spreads.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::format::Event;
use crate::bus::Cargo;

/// Histories of one app.
pub(super) const HISTORIES_MAX: usize = 1_000;

/// That a history has a new event: who follows it looks there. So one that is lost costs nothing but time.
#[derive(Clone)]
pub(super) struct Notice;

impl Cargo for Notice {
    fn len(&self) -> usize {
        0
    }
}

/// The bounds of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HistoryOptions {
    pub(super) events_max: usize,
    pub(super) bytes_max: usize,
}

/// All histories of an app, by name.
#[derive(Default)]
pub(super) struct AppHistories(Mutex<HashMap<String, Arc<History>>>);

impl AppHistories {
    /// The history of that name, made now where there is none; none where there are too many.
    pub(super) fn open(&self, name: &str, options: HistoryOptions) -> Option<Arc<History>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(name) {
            return Some(known.clone());
        }
        if all.len() >= HISTORIES_MAX {
            return None;
        }
        let made = Arc::new(History::new(name, options));
        all.insert(name.to_owned(), made.clone());
        Some(made)
    }
}

struct Kept {
    number: u64,
    id: Box<str>,
    bytes: Bytes,
}

#[derive(Default)]
struct Events {
    /// The number of the last.
    last: u64,
    kept: VecDeque<Kept>,
    bytes: usize,
}

/// The last events of one name.
pub(super) struct History {
    name: Arc<str>,
    options: HistoryOptions,
    /// Tells the ids of this run of the process from those of others.
    run: String,
    events: Mutex<Events>,
}

impl History {
    fn new(name: &str, options: HistoryOptions) -> History {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let run = format!("{:x}", since.as_micros());
        History { name: name.into(), options, run, events: Mutex::default() }
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn options(&self) -> HistoryOptions {
        self.options
    }

    /// How many events it has.
    pub(super) fn len(&self) -> usize {
        self.events().kept.len()
    }

    /// Adds an event, which gets an id if it has none; the oldest go where there are too many. Its id.
    pub(super) fn add(&self, event: Event<'_>) -> String {
        let mut events = self.events();
        events.last += 1;
        let number = events.last;
        let id = event.id.map_or_else(|| format!("{}-{number}", self.run), str::to_owned);
        let bytes = Bytes::from(Event { id: Some(&id), ..event }.bytes());
        events.bytes += bytes.len();
        events.kept.push_back(Kept { number, id: id.as_str().into(), bytes });
        // The last one stays, however large: who follows has not read it yet.
        while events.kept.len() > self.options.events_max.max(1)
            || events.bytes > self.options.bytes_max && events.kept.len() > 1
        {
            if let Some(oldest) = events.kept.pop_front() {
                events.bytes -= oldest.bytes.len();
            }
        }
        id
    }

    /// The number of the event with that id: 0, which is before all, where it is not there any more.
    fn number_of(&self, id: &str) -> u64 {
        let events = self.events();
        events.kept.iter().rev().find(|kept| *kept.id == *id).map_or(0, |kept| kept.number)
    }
}

/// How far somebody has read a history.
pub(super) struct Follower {
    history: Arc<History>,
    read: Cell<u64>,
}

impl Follower {
    /// From behind the event with the id `after` on; all that there is where that is not known. From now on where it is
    /// empty.
    pub(super) fn new(history: Arc<History>, after: &str) -> Follower {
        let read = if after.is_empty() { history.events().last } else { history.number_of(after) };
        Follower { history, read: Cell::new(read) }
    }

    /// The events that have come since the last call.
    pub(super) fn take(&self) -> Vec<Bytes> {
        let events = self.history.events();
        let read = self.read.replace(events.last);
        let from = events.kept.partition_point(|kept| kept.number <= read);
        events.kept.range(from..).map(|kept| kept.bytes.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(events_max: usize, bytes_max: usize) -> Arc<History> {
        Arc::new(History::new("a", HistoryOptions { events_max, bytes_max }))
    }

    fn add(history: &History, data: &str, id: Option<&str>) -> String {
        history.add(Event { data: Some(data), id, ..Event::default() })
    }

    fn data(follower: &Follower) -> String {
        let text = |bytes: Bytes| {
            String::from_utf8_lossy(&bytes).split("data: ").nth(1).map(|s| s.trim().to_owned())
        };
        follower.take().into_iter().filter_map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn who_comes_back_gets_what_came_behind_its_last_event_once() {
        let history = history(10, 1_000);
        let ids: Vec<_> = ["1", "2", "3"].iter().map(|data| add(&history, data, None)).collect();
        assert!(ids[0] != ids[1] && ids[0].ends_with("-1"));
        let (back, new, lost) = (
            Follower::new(history.clone(), &ids[0]),
            Follower::new(history.clone(), ""),
            Follower::new(history.clone(), "another run-7"),
        );
        assert_eq!([&back, &new, &lost].map(data), ["2 3", "", "1 2 3"]);
        assert_eq!(add(&history, "4", Some("mine")), "mine");
        assert_eq!([&back, &new, &lost].map(data), ["4", "4", "4"]);
        assert_eq!(data(&back), "");
        add(&history, "5", Some("mine"));
        assert_eq!(data(&Follower::new(history, "mine")), "", "the last of that id counts");
    }

    #[test]
    fn the_oldest_go_by_number_and_by_bytes_and_the_last_stays() {
        let few = history(2, 1_000);
        let all = Follower::new(few.clone(), "x");
        ["1", "2", "3"].iter().for_each(|data| drop(add(&few, data, Some(data))));
        assert_eq!((few.len(), data(&all).as_str()), (2, "2 3"));
        let small = history(100, 50);
        ["1", "2", "3", "4"].iter().for_each(|data| drop(add(&small, data, Some(data))));
        assert!(small.len() < 4);
        add(&small, &"x".repeat(100), None);
        assert_eq!(small.len(), 1);
    }
}
