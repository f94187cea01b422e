//! An engine's part of its app's topics.
//!
//! Owns: which one that is: its worker's, or one of its own where there is no worker (a script, an `os.Worker`); what of
//! JavaScript can be published. Must not know: subscribers.

use std::cell::RefCell;
use std::rc::Rc;

use rquickjs::{Ctx, Result, Value};

use crate::bus::{Bus, Member, Message};
use crate::js::engine::State;
use crate::js::{buffer_source, exception, value};

use super::host;

/// The engine's part, once it has one.
#[derive(Default)]
struct OurTopics(RefCell<Option<Rc<Member>>>);

/// Says which part is the engine's: its worker's.
pub fn join(state: &State, member: Rc<Member>) {
    state.extension::<OurTopics>().0.replace(Some(member));
}

/// The engine's part; made now where it had none.
pub fn member(state: &State) -> Rc<Member> {
    let ours = state.extension::<OurTopics>();
    let mut ours = ours.0.borrow_mut();
    ours.get_or_insert_with(|| Member::new(state.cluster().shared::<Bus>(), host::generation(state))).clone()
}

/// What is to be published: a string, or the bytes of a buffer as they are now.
///
/// # Errors
/// TypeError for anything else.
pub fn message<'js>(ctx: &Ctx<'js>, data: &Value<'js>) -> Result<Message> {
    if data.is_string() {
        return value::with_str(data, |text| Message::Text(text.into()));
    }
    match buffer_source::bytes(data)? {
        Some(bytes) => Ok(Message::Binary(bytes.with(|bytes| bytes.into()))),
        None => Err(exception::type_error(ctx, "what is published is neither a string nor a buffer")),
    }
}
