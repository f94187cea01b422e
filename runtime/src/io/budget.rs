//! What one poll of a task may do before the other tasks of its worker have their turn.
//!
//! Owns: what is left to the task that runs now. Each operation that a peer or the app can keep ready asks
//! [`poll_left`] before and [`spend`]s after; so no loop over such operations keeps the worker for itself.
//! Must not know: the operations.

use std::cell::Cell;
use std::task::{Context, Poll};

use super::timer;

/// Bytes that one poll of a task may move; the last operation may go beyond.
const BYTES: usize = 1 << 20;
/// What an operation costs beside its bytes.
const OPERATION_BYTES: usize = 16 << 10;

thread_local! {
    static LEFT: Cell<usize> = const { Cell::new(BYTES) };
    static GAVE_WAY: Cell<bool> = const { Cell::new(false) };
}

/// A fresh budget: for the next task, or for the next of those that one task looks after.
pub fn refill() {
    LEFT.with(|left| left.set(BYTES));
}

/// Counts an operation that has moved `bytes`.
pub fn spend(bytes: usize) {
    LEFT.with(|left| left.set(left.get().saturating_sub(OPERATION_BYTES + bytes)));
}

/// Whether the running task may go on: always to its first operation, and then for as long as it has moved
/// little and the worker's turn is short.
pub fn is_left() -> bool {
    match LEFT.with(Cell::get) {
        BYTES => true,
        0 => false,
        _ => !timer::turn_is_long(),
    }
}

/// Ready while [`is_left`]; else the task is woken, to go on after the others.
pub fn poll_left(cx: &Context<'_>) -> Poll<()> {
    if is_left() {
        return Poll::Ready(());
    }
    give_way();
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Whether this turn of the worker's loop is a long one by now, for a task that looks after many. Reads the
/// clock.
pub fn turn_is_long() -> bool {
    timer::turn_is_long()
}

/// Somebody could go on at once, and waits for the others: the worker is to look at its sockets first.
pub fn give_way() {
    GAVE_WAY.with(|gave| gave.set(true));
}

/// Whether somebody gave way since the last call.
pub(super) fn take_gave_way() -> bool {
    GAVE_WAY.with(|gave| gave.replace(false))
}
