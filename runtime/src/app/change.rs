//! The change of a worker to its app as it was read again: a fresh engine takes the requests from then on, while the one
//! before goes on with what has begun in it.
//!
//! Owns: how long engines of before stay, and what ends in them. Must not know: why the app was read again.

use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::context::Background;
use super::{App, Blueprint, Engines, Instance, load, sockets, tcp, websocket};
use crate::error::Result;
use crate::io;
use crate::js::engine::Engine;
use crate::websocket::close;

/// Between two looks at what was given to `waitUntil`.
const LOOK: Duration = Duration::from_millis(20);

/// What becomes of an engine whose app was read again.
#[derive(Clone, Copy, Debug)]
pub struct ChangeRules {
    /// Its WebSockets are closed.
    pub closes_websockets: bool,
    /// Engines of before that stay; beyond, the WebSockets and raw connections of the oldest are closed.
    pub contexts_max: usize,
    /// For how long what was given to `waitUntil` keeps it, in milliseconds.
    pub background_ms_max: u64,
}

impl App {
    /// Evaluates the app as it was read again, in an engine that serves nothing yet.
    ///
    /// # Errors
    /// What the module throws, or that it has no handler.
    pub async fn prepare(&self, blueprint: &Blueprint) -> Result<Rc<Instance>> {
        load(blueprint, self.worker, self.engines.generation, &self.topics).await
    }

    /// Has `fresh`, which was prepared of `blueprint`, take all requests from now on. What has begun goes on in the engine
    /// of before: requests with their answers, WebSockets and raw connections, and for a time what was given to
    /// `waitUntil`.
    pub fn change(self: &Rc<Self>, blueprint: Arc<Blueprint>, fresh: Rc<Instance>, rules: &ChangeRules) {
        *self.blueprint.borrow_mut() = blueprint;
        self.attend(&fresh.engine);
        let old = self.current.replace(fresh);
        if rules.closes_websockets {
            websocket::close_all(old.engine(), close::RESTART, "the app was reloaded");
        }
        let excess: Vec<Rc<Engine>> = {
            let mut before = self.before.borrow_mut();
            before.retain(|engine| engine.strong_count() > 0);
            before.push(Rc::downgrade(old.engine()));
            let count = before.len().saturating_sub(rules.contexts_max);
            before.drain(..count).filter_map(|engine| engine.upgrade()).collect()
        };
        for engine in excess {
            websocket::close_all(&engine, close::RESTART, "the app was reloaded");
            tcp::close_all(&engine, "the app was reloaded");
            sockets::shut_down(&engine);
        }
        drop(io::spawn(retire(old, Duration::from_millis(rules.background_ms_max), self.engines.clone())));
    }

    /// How many promises given to `ctx.waitUntil` have not settled, whatever engine they are of.
    pub fn background(&self) -> usize {
        self.engines_now().iter().map(|engine| background(engine)).sum()
    }

    /// Has all sockets come to their end.
    pub fn shut_down(&self) {
        for engine in self.engines_now() {
            sockets::shut_down(&engine);
            tcp::close_all(&engine, "the worker ends");
            websocket::close_all(&engine, close::GOING_AWAY, "the server goes away");
        }
    }

    fn engines_now(&self) -> Vec<Rc<Engine>> {
        let before = self.before.borrow();
        let before = before.iter().filter_map(Weak::upgrade);
        before.chain([self.current().engine.clone()]).collect()
    }
}

/// Keeps an engine of before until nothing that was given to `waitUntil` is left, or its time is over. Requests and
/// connections hold it themselves.
async fn retire(old: Rc<Instance>, background_max: Duration, engines: Engines) {
    let until = io::now() + background_max;
    while background(old.engine()) > 0 && io::now() < until {
        io::sleep(LOOK).await;
    }
    let engine = Rc::downgrade(old.engine());
    drop(old);
    await_end(engine, engines).await;
}

/// How many promises given to `ctx.waitUntil` have not settled.
fn background(engine: &Engine) -> usize {
    engine.state().extension::<Background>().count()
}

/// Says when an engine that was replaced is gone: requests in flight may still use it.
pub(super) async fn await_end(engine: Weak<Engine>, engines: Engines) {
    while engine.strong_count() > 0 {
        io::sleep(Duration::from_millis(100)).await;
    }
    engines.freed.store(true, Ordering::Relaxed);
}
