//! The locks of all workers of a process (Web Locks API, sections 2 and 4): who holds what, who waits.
//!
//! Owns: the order, the bounds, the news that an engine gets. Must not know: JavaScript. The mutex is held
//! only while lists change.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::io::Notifier;

/// Locks that are held or waited for in the process.
pub const LOCKS_MAX: usize = 100_000;

/// What an engine hears of its requests, each by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Its turn has come: the lock is held.
    Granted(u64),
    /// Another request took the lock away.
    Stolen(u64),
    /// What held the lock can never let go of it any more; it is released.
    Lost(u64),
}

/// Where an engine hears news.
#[derive(Default)]
pub struct Mailbox {
    /// What tells its locks from those of other engines.
    client: String,
    /// The generation of its worker, which engines that follow each other there have in common; 0 is nobody's.
    worker: u64,
    news: Mutex<(VecDeque<News>, bool)>,
    bell: Notifier,
}

impl Mailbox {
    /// That of the engine which is called `client`, in the worker of the generation `worker`.
    pub fn new(client: String, worker: u64) -> Mailbox {
        Mailbox { client, worker, ..Mailbox::default() }
    }

    fn news(&self) -> MutexGuard<'_, (VecDeque<News>, bool)> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts news in and rings.
    pub fn post(&self, news: News) {
        self.news().0.push_back(news);
        self.bell.notify();
    }

    /// Says that nobody listens any more.
    pub fn close(&self) {
        self.news().1 = true;
        self.bell.notify();
    }

    /// The next news; none once nobody listens any more.
    pub async fn next(&self) -> Option<News> {
        loop {
            {
                let mut news = self.news();
                match news.0.pop_front() {
                    _ if news.1 => return None,
                    Some(first) => return Some(first),
                    None => {}
                }
            }
            self.bell.notified().await;
        }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// Nobody else may hold it.
    pub exclusive: bool,
    /// It does not wait.
    pub if_available: bool,
    /// It takes the lock away from who holds it.
    pub steal: bool,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The lock is held, under this number.
    Granted(u64),
    /// It waits, under this number, for [`News::Granted`].
    Waits(u64),
    /// It would have to wait, and does not want to.
    Unavailable,
}

/// There are [`LOCKS_MAX`] already.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

/// A lock as a query shows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Info {
    /// Its number: earlier requests have smaller ones.
    pub id: u64,
    /// Its name.
    pub name: Arc<str>,
    /// Whether nobody else may hold it.
    pub exclusive: bool,
    /// Which engine asked.
    pub client: String,
}

/// All locks of a process.
#[derive(Default)]
pub struct Manager(Mutex<AllLocks>);

#[derive(Default)]
struct AllLocks {
    names: HashMap<Arc<str>, LockQueue>,
    last: u64,
    count: usize,
}

/// Who holds the lock of one name, and who waits for it, by number.
#[derive(Default)]
struct LockQueue {
    held: BTreeMap<u64, LockRequest>,
    waiting: BTreeMap<u64, LockRequest>,
}

struct LockRequest {
    exclusive: bool,
    owner: Arc<Mailbox>,
}

/// Whether those that hold a lock let a request in. All of them are of one mode.
fn is_free(held: &BTreeMap<u64, LockRequest>, exclusive: bool) -> bool {
    held.values().next().is_none_or(|held| !exclusive && !held.exclusive)
}

impl LockQueue {
    /// Grants what may be granted, the first first ("process the lock request queue").
    fn process(&mut self) {
        while let Some(first) = self.waiting.first_entry() {
            if !is_free(&self.held, first.get().exclusive) {
                return;
            }
            let (id, entry) = first.remove_entry();
            entry.owner.post(News::Granted(id));
            self.held.insert(id, entry);
        }
    }
}

impl AllLocks {
    /// Changes a name's line by `f`, which says whether it took one out, and grants what that lets through.
    fn take(&mut self, name: &str, f: impl FnOnce(&mut LockQueue) -> bool) -> bool {
        let Some(line) = self.names.get_mut(name) else { return false };
        let taken = f(line);
        if taken {
            self.count -= 1;
            line.process();
        }
        if line.held.is_empty() && line.waiting.is_empty() {
            self.names.remove(name);
        }
        taken
    }
}

impl Manager {
    fn table(&self) -> MutexGuard<'_, AllLocks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// "Request a lock": for `owner`, which hears of it.
    ///
    /// # Errors
    /// Too many are held and waited for.
    pub fn request(&self, name: &str, wish: Wish, owner: &Arc<Mailbox>) -> Result<Answer, Full> {
        let mut table = self.table();
        let table = &mut *table;
        if table.count >= LOCKS_MAX {
            return Err(Full);
        }
        let known = table.names.get(name);
        let is_free = known.is_none_or(|line| line.waiting.is_empty() && is_free(&line.held, wish.exclusive));
        if wish.if_available && !is_free {
            return Ok(Answer::Unavailable);
        }
        table.last += 1;
        table.count += 1;
        let (id, entry) = (table.last, LockRequest { exclusive: wish.exclusive, owner: owner.clone() });
        let line = table.names.entry(name.into()).or_default();
        if !wish.steal {
            match is_free {
                true => line.held.insert(id, entry),
                false => line.waiting.insert(id, entry),
            };
            return Ok(if is_free { Answer::Granted(id) } else { Answer::Waits(id) });
        }
        let stolen = std::mem::take(&mut line.held);
        line.held.insert(id, entry);
        for (id, entry) in &stolen {
            entry.owner.post(News::Stolen(*id));
        }
        table.count -= stolen.len();
        Ok(Answer::Granted(id))
    }

    /// "Release the lock"; nothing happens if it was stolen.
    pub fn release(&self, name: &str, id: u64) {
        self.table().take(name, |line| line.held.remove(&id).is_some());
    }

    /// "Abort a request": whether it still waited.
    pub fn abort(&self, name: &str, id: u64) -> bool {
        self.table().take(name, |line| line.waiting.remove(&id).is_some())
    }

    /// Releases and aborts all that is `owner`'s: its engine is gone.
    pub fn leave(&self, owner: &Arc<Mailbox>) {
        self.drop_all(|entry| Arc::ptr_eq(&entry.owner, owner));
    }

    /// Releases and aborts all that is of the worker of this generation: another has taken its place.
    pub fn give_up(&self, worker: u64) {
        self.drop_all(|entry| entry.owner.worker == worker);
    }

    fn drop_all(&self, is_gone: impl Fn(&LockRequest) -> bool) {
        let mut table = self.table();
        let mut gone = 0;
        table.names.retain(|_, line| {
            let before = line.held.len() + line.waiting.len();
            line.held.retain(|_, entry| !is_gone(entry));
            line.waiting.retain(|_, entry| !is_gone(entry));
            let after = line.held.len() + line.waiting.len();
            gone += before - after;
            if after < before {
                line.process();
            }
            after > 0
        });
        table.count -= gone;
    }

    /// What is held, and what is waited for, the earliest first ("snapshot the lock state").
    pub fn query(&self) -> (Vec<Info>, Vec<Info>) {
        let table = self.table();
        let all = |part: fn(&LockQueue) -> &BTreeMap<u64, LockRequest>| {
            let entries =
                table.names.iter().flat_map(|(name, line)| part(line).iter().map(move |e| (name, e)));
            let mut all: Vec<Info> = entries
                .map(|(name, (id, entry))| Info {
                    id: *id,
                    name: name.clone(),
                    exclusive: entry.exclusive,
                    client: entry.owner.client.clone(),
                })
                .collect();
            all.sort_unstable_by_key(|info| info.id);
            all
        };
        (all(|line| &line.held), all(|line| &line.waiting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: Wish = Wish { exclusive: false, if_available: false, steal: false };
    const EXCLUSIVE: Wish = Wish { exclusive: true, ..SHARED };

    fn news(mailbox: &Mailbox) -> Vec<News> {
        mailbox.news().0.drain(..).collect()
    }

    #[test]
    fn requests_are_granted_in_the_order_in_which_they_came() {
        let (manager, one) = (Manager::default(), Arc::new(Mailbox::default()));
        let ask = |wish| manager.request("a", wish, &one).unwrap();
        assert_eq!(ask(SHARED), Answer::Granted(1));
        assert_eq!(ask(SHARED), Answer::Granted(2));
        assert_eq!(ask(EXCLUSIVE), Answer::Waits(3));
        assert_eq!(ask(SHARED), Answer::Waits(4), "not past the one before it");
        assert_eq!(ask(SHARED), Answer::Waits(5));
        assert_eq!(ask(Wish { if_available: true, ..SHARED }), Answer::Unavailable);
        manager.release("a", 1);
        assert_eq!(news(&one), []);
        manager.release("a", 2);
        assert_eq!(news(&one), [News::Granted(3)]);
        manager.release("a", 3);
        assert_eq!(news(&one), [News::Granted(4), News::Granted(5)]);
        assert!(!manager.abort("a", 4), "it waits no more");
        assert_eq!(manager.request("b", EXCLUSIVE, &one), Ok(Answer::Granted(6)));
        manager.release("a", 4);
        manager.release("a", 5);
        manager.release("b", 6);
        assert!(manager.table().names.is_empty() && manager.table().count == 0);
    }

    #[test]
    fn who_waits_at_the_front_and_gives_up_lets_those_behind_it_through() {
        let (manager, one) = (Manager::default(), Arc::new(Mailbox::default()));
        let ask = |wish| manager.request("a", wish, &one).unwrap();
        ask(SHARED);
        ask(EXCLUSIVE);
        ask(SHARED);
        assert!(manager.abort("a", 2));
        assert_eq!(news(&one), [News::Granted(3)]);
    }

    #[test]
    fn a_thief_goes_first_and_tells_who_held_it() {
        let (manager, one, two) = (Manager::default(), Arc::default(), Arc::new(Mailbox::default()));
        manager.request("a", EXCLUSIVE, &one).unwrap();
        manager.request("a", EXCLUSIVE, &one).unwrap();
        let stolen = manager.request("a", Wish { steal: true, ..EXCLUSIVE }, &two);
        assert_eq!(stolen, Ok(Answer::Granted(3)));
        assert_eq!(news(&one), [News::Stolen(1)]);
        manager.release("a", 1);
        assert_eq!(manager.query().0[0].id, 3, "what was stolen is not released again");
        manager.release("a", 3);
        assert_eq!(news(&one), [News::Granted(2)]);
    }

    #[test]
    fn an_engine_that_is_gone_holds_and_waits_for_nothing() {
        let (manager, one, two) = (Manager::default(), Arc::default(), Arc::new(Mailbox::default()));
        manager.request("a", EXCLUSIVE, &one).unwrap();
        manager.request("a", EXCLUSIVE, &one).unwrap();
        manager.request("a", SHARED, &two).unwrap();
        manager.request("b", EXCLUSIVE, &one).unwrap();
        manager.leave(&one);
        assert_eq!(news(&two), [News::Granted(3)]);
        assert_eq!(manager.query().0.len(), 1);
        assert!(manager.table().names.len() == 1 && manager.table().count == 1);
    }

    #[test]
    fn a_worker_whose_place_is_taken_holds_and_waits_for_nothing() {
        let manager = Manager::default();
        let stuck = Arc::new(Mailbox::new("stuck".into(), 1));
        let other = Arc::new(Mailbox::new("other".into(), 2));
        manager.request("a", EXCLUSIVE, &stuck).unwrap();
        manager.request("a", EXCLUSIVE, &stuck).unwrap();
        manager.request("a", EXCLUSIVE, &other).unwrap();
        manager.give_up(1);
        assert_eq!((news(&other), news(&stuck)), (vec![News::Granted(3)], vec![]));
        manager.release("a", 1);
        assert_eq!(manager.query().0.len(), 1, "what comes late from there changes nothing");
    }

    #[test]
    fn a_process_has_so_many_locks_and_no_more() {
        let (manager, one) = (Manager::default(), Arc::default());
        for _ in 0..LOCKS_MAX {
            manager.request("a", EXCLUSIVE, &one).unwrap();
        }
        assert_eq!(manager.request("b", EXCLUSIVE, &one), Err(Full));
        manager.abort("a", 7);
        assert!(manager.request("b", EXCLUSIVE, &one).is_ok());
    }
}
