//! An engine's part of its app's topics.
//!
//! Owns: which one that is: its worker's, or one of its own where there is no worker (a script, an `os.Worker`). Must not
//! know: what is published.

use std::cell::RefCell;
use std::rc::Rc;

use crate::bus::{Bus, Member};
use crate::js::engine::State;

use super::host;

/// The engine's part, once it has one.
#[derive(Default)]
struct Ours(RefCell<Option<Rc<Member>>>);

/// Says which part is the engine's: its worker's.
pub fn join(state: &State, member: Rc<Member>) {
    state.extension::<Ours>().0.replace(Some(member));
}

/// The engine's part; made now where it had none.
pub fn member(state: &State) -> Rc<Member> {
    let ours = state.extension::<Ours>();
    let mut ours = ours.0.borrow_mut();
    ours.get_or_insert_with(|| Member::new(state.cluster().shared::<Bus>(), host::generation(state))).clone()
}
