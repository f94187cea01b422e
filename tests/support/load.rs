//! Clients that ask again and again while something happens to a server, and note every request that fails.
//!
//! Owns: connections that are kept, and opened anew where an answer says that they end. Must not know: what happens.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use super::way::Place;
use super::{Connection, SOON, get};

/// Clients at work; each keeps one connection.
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Outcome>>,
}

/// What clients saw.
#[derive(Default)]
pub struct Outcome {
    pub answered: usize,
    /// Every request that was not answered with 200.
    pub failures: Vec<String>,
    pub bodies: BTreeSet<String>,
}

impl Load {
    /// Has so many clients ask for `/` at `place`, each on a connection of its own.
    pub fn begin(place: &Place, clients: usize) -> Load {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let threads = (0..clients).map(|_| {
            let (place, stop, answered) = (place.clone(), stop.clone(), answered.clone());
            std::thread::spawn(move || ask(&place, &stop, &answered))
        });
        Load { threads: threads.collect(), stop, answered }
    }

    /// Waits until so many more requests are answered.
    pub fn await_more(&self, requests: usize) {
        let wanted = self.answered.load(Ordering::Relaxed) + requests;
        super::eventually("requests are answered", || self.answered.load(Ordering::Relaxed) >= wanted);
    }

    /// Ends them: what they saw together.
    pub fn end(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Outcome::default();
        for thread in self.threads {
            let one = thread.join().expect("a client");
            all.answered += one.answered;
            all.failures.extend(one.failures);
            all.bodies.extend(one.bodies);
        }
        all
    }
}

fn ask(place: &Place, stop: &AtomicBool, answered: &AtomicUsize) -> Outcome {
    let mut seen = Outcome::default();
    let mut connection: Option<Connection> = None;
    while !stop.load(Ordering::Relaxed) && seen.failures.len() < 3 {
        let mut open = match connection.take() {
            Some(open) => open,
            None => match Connection::try_open(place.clone(), SOON) {
                Ok(open) => open,
                Err(error) => {
                    seen.failures.push(format!("connect: {error}"));
                    continue;
                }
            },
        };
        if !open.try_send(get("/")) {
            seen.failures.push("send".into());
            continue;
        }
        match open.try_response("GET") {
            Ok(response) if response.status == 200 => {
                seen.answered += 1;
                answered.fetch_add(1, Ordering::Relaxed);
                seen.bodies.insert(response.text().to_owned());
                connection = (!response.says_close()).then_some(open);
            }
            Ok(response) => seen.failures.push(format!("{} {}", response.status, response.text())),
            Err(why) => seen.failures.push(format!("request {} of it: {why}", seen.answered)),
        }
    }
    seen
}
