//! The WebSockets of an engine that are not closed, for its end.
//!
//! Owns: the list. Must not know: connections.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use super::state::{ReadyState, WebSocketState};
use crate::js::engine::State;
use crate::websocket::{Role, close};

/// All of them, weakly.
#[derive(Default)]
struct Sockets(RefCell<Vec<Weak<WebSocketState>>>);

/// Adds one.
pub fn add(engine: &State, state: &Rc<WebSocketState>) {
    let known = engine.extension::<Sockets>();
    let mut all = known.0.borrow_mut();
    // Those that are gone leave in bulk, before the list would grow.
    if all.len() == all.capacity() {
        all.retain(|state| state.strong_count() > 0);
    }
    all.push(Rc::downgrade(state));
}

/// Has all sockets of an engine closed, which ends for the reason `why`; how many there are that are not closed. A client
/// goes away, whatever the code of the others is.
pub fn close_all(engine: &State, code: u16, why: &str) -> usize {
    let all = engine.extension::<Sockets>().0.take();
    let mut count = 0;
    for state in all.iter().filter_map(Weak::upgrade).filter(|state| state.ready() != ReadyState::Closed) {
        count += 1;
        match state.role() {
            Role::Server => state.close(code, why),
            Role::Client => state.close(close::GOING_AWAY, ""),
        }
    }
    count
}
