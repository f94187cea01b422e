//! The run queue of a worker thread: tasks that never leave their thread.
//!
//! Owns: the thread's queue of ready tasks, the list of live tasks (so that shutdown can drop
//! them), the inbox through which other threads wake tasks here. A wake on the owning thread is a
//! push on a deque; no lock, no system call. Must not know: sockets, rings, timers.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use async_task::{FallibleTask, Runnable};
use slab::Slab;

use super::{budget, memory, pulse, timer};
use crate::log;

/// The part of a worker that other threads reach.
pub(super) struct RemoteQueue {
    /// Set with the first remote wake since the worker last looked; spares the later ones the bell.
    signalled: AtomicBool,
    inbox: Mutex<Vec<Runnable>>,
    bell: Bell,
}

/// How another thread ends this worker's sleep.
pub(super) enum Bell {
    /// An eventfd that the ring polls.
    Eventfd(OwnedFd),
    /// The waker of the tokio root task.
    Root(Mutex<Option<Waker>>),
}

thread_local! {
    static OWNER: Cell<usize> = const { Cell::new(0) };
    static SHARED: RefCell<Option<Arc<RemoteQueue>>> = const { RefCell::new(None) };
    static QUEUE: RefCell<VecDeque<Runnable>> = const { RefCell::new(VecDeque::new()) };
    static LIVE: RefCell<Slab<Waker>> = const { RefCell::new(Slab::new()) };
    static ROOT: RefCell<Option<Waker>> = const { RefCell::new(None) };
    static ASLEEP: Cell<bool> = const { Cell::new(false) };
    static TOKIO_PASSES: Cell<u8> = const { Cell::new(0) };
    static TOKIO_WAITS: Cell<usize> = const { Cell::new(0) };
}

impl RemoteQueue {
    fn push_remote(&self, task: Runnable) {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        if self.signalled.swap(true, Ordering::SeqCst) {
            return;
        }
        match &self.bell {
            Bell::Eventfd(fd) => {
                // An eventfd refuses a write only when its counter is full, and then it is readable.
                let _ = rustix::io::write(fd, &1u64.to_ne_bytes());
            }
            Bell::Root(root) => {
                let root = root.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Some(root) = root {
                    root.wake();
                }
            }
        }
    }
}

fn schedule(shared: &Arc<RemoteQueue>, task: Runnable) {
    if OWNER.with(Cell::get) != Arc::as_ptr(shared) as usize {
        shared.push_remote(task);
        return;
    }
    QUEUE.with(|queue| queue.borrow_mut().push_back(task));
    if ASLEEP.with(Cell::get) {
        ASLEEP.with(|asleep| asleep.set(false));
        ROOT.with(|root| root.borrow().as_ref().map(Waker::wake_by_ref));
    }
}

/// Makes this thread a worker. Returns false when it already is one.
pub(super) fn enter(bell: Bell) -> bool {
    if OWNER.with(Cell::get) != 0 {
        return false;
    }
    let shared = Arc::new(RemoteQueue { signalled: AtomicBool::new(false), inbox: Mutex::default(), bell });
    OWNER.with(|owner| owner.set(Arc::as_ptr(&shared) as usize));
    SHARED.with(|slot| *slot.borrow_mut() = Some(shared));
    true
}

/// The descriptor of the bell, when it is an eventfd.
pub(super) fn bell_fd() -> Option<i32> {
    SHARED.with(|shared| match &shared.borrow().as_ref()?.bell {
        Bell::Eventfd(fd) => Some(fd.as_raw_fd()),
        Bell::Root(_) => None,
    })
}

/// True on a worker thread, between the start and the end of `io::run`.
pub(super) fn entered() -> bool {
    OWNER.with(Cell::get) != 0
}

/// Drops every task of this worker, whatever it waits for.
pub(super) fn drop_tasks() {
    // A task that is dropped may spawn or wake others: repeat, but not for ever.
    for _ in 0..1000 {
        let wakers: Vec<Waker> = LIVE.with(|live| live.borrow().iter().map(|(_, w)| w.clone()).collect());
        wakers.iter().for_each(Waker::wake_by_ref);
        drop(wakers);
        take_inbox();
        let dropped = QUEUE.with(|queue| std::mem::take(&mut *queue.borrow_mut()));
        if dropped.is_empty() && LIVE.with(|live| live.borrow().is_empty()) {
            return;
        }
        for task in dropped {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(task)));
        }
    }
}

/// Ends what [`enter`] began.
pub(super) fn leave() {
    OWNER.with(|owner| owner.set(0));
    ASLEEP.with(|asleep| asleep.set(false));
    TOKIO_PASSES.with(|passes| passes.set(0));
    let root = ROOT.with(|root| root.borrow_mut().take());
    let shared = SHARED.with(|shared| shared.borrow_mut().take());
    drop((root, shared));
}

/// Records the waker of the tokio root task, for wakes that come while it is not being polled.
pub(super) fn set_root(waker: &Waker) {
    ASLEEP.with(|asleep| asleep.set(false));
    ROOT.with(|root| {
        let mut root = root.borrow_mut();
        if root.as_ref().is_some_and(|old| old.will_wake(waker)) {
            return;
        }
        *root = Some(waker.clone());
        SHARED.with(|shared| {
            if let Some(Bell::Root(remote)) = shared.borrow().as_ref().map(|s| &s.bell) {
                *remote.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
            }
        });
    });
}

/// From here on a local wake also wakes the root task.
pub(super) fn fall_asleep() {
    ASLEEP.with(|asleep| asleep.set(true));
}

/// Asks the worker to go back to tokio before it sleeps. Three times over: tokio polls its root
/// before its local tasks, so an event needs one pass to be seen, one to reach the task that
/// waits for it (tokio-uring's driver), and one to come from there to us.
pub(super) fn serve_tokio() {
    TOKIO_PASSES.with(|passes| passes.set(3));
}

/// Whether tokio is to have a pass now.
pub(super) fn take_tokio_pass() -> bool {
    TOKIO_PASSES.with(|passes| {
        let left = passes.get();
        passes.set(left.saturating_sub(1));
        left > 0
    })
}

/// Whether a future inside of [`with_tokio`] is pending.
pub(super) fn waits_for_tokio() -> bool {
    TOKIO_WAITS.with(Cell::get) > 0
}

/// Moves tasks that other threads woke to the run queue.
pub(super) fn take_inbox() {
    SHARED.with(|shared| {
        let shared = shared.borrow();
        let Some(shared) = shared.as_ref() else { return };
        if !shared.signalled.load(Ordering::SeqCst) {
            return;
        }
        shared.signalled.store(false, Ordering::SeqCst);
        let woken = std::mem::take(&mut *shared.inbox.lock().unwrap_or_else(PoisonError::into_inner));
        QUEUE.with(|queue| queue.borrow_mut().extend(woken));
    });
}

/// Whether a task is ready.
pub(super) fn has_ready() -> bool {
    QUEUE.with(|queue| !queue.borrow().is_empty())
}

/// Tasks between two looks at the clock.
const TASKS_PER_LOOK: usize = 4;

/// Runs the tasks that are ready now; what they wake runs with the next batch, and so do those that are
/// left when the turn has become long.
pub(super) fn run_ready() {
    let batch = QUEUE.with(|queue| queue.borrow().len());
    for ran in 1..=batch {
        let Some(task) = QUEUE.with(|queue| queue.borrow_mut().pop_front()) else { return };
        budget::refill();
        task.run();
        pulse::count_poll();
        if ran % TASKS_PER_LOOK == 0 && timer::turn_is_long() {
            return;
        }
    }
}

/// A future whose panic ends itself only, and which is on the list of live tasks.
struct Guarded<F: Future> {
    future: Option<F>,
    key: usize,
}

impl<F: Future> Guarded<F> {
    /// Drops the future in place; a panic in its destructor is logged.
    fn clear(self: Pin<&mut Self>) {
        // SAFETY: `future` is structurally pinned: it is only reached through `Pin::set` and `poll`.
        let mut slot = unsafe { self.map_unchecked_mut(|this| &mut this.future) };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| slot.set(None))) {
            log_panic(&*panic);
        }
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: as in `clear`: the field is never moved out of.
        let slot = unsafe { self.as_mut().map_unchecked_mut(|this| &mut this.future) };
        let Some(future) = slot.as_pin_mut() else { return Poll::Ready(None) };
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(panic) => {
                log_panic(&*panic);
                self.clear();
                Poll::Ready(None)
            }
        }
    }
}

impl<F: Future> Drop for Guarded<F> {
    fn drop(&mut self) {
        // SAFETY: `self` is not moved again after its destructor began.
        unsafe { Pin::new_unchecked(&mut *self) }.clear();
        let key = self.key;
        let waker = LIVE.try_with(|live| {
            let mut live = live.borrow_mut();
            let waker = live.try_remove(key);
            memory::shrink(&mut live);
            waker
        });
        drop(waker);
    }
}

fn log_panic(panic: &(dyn std::any::Any + Send)) {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    if log::admits(log::Kind::Panic) {
        tracing::error!("a task panicked and was ended: {text}");
    }
}

/// The result of a task, some day. Dropping it lets the task go on by itself.
pub struct JoinHandle<T> {
    task: Option<FallibleTask<Option<T>>>,
}

impl<T> JoinHandle<T> {
    /// Ends the task at its present await point; its future is dropped by the worker's next turn.
    pub fn abort(mut self) {
        drop(self.task.take());
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.task.as_ref().is_none_or(FallibleTask::is_finished)
    }
}

impl<T> Future for JoinHandle<T> {
    /// `None` when the task panicked or the worker ended first.
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        match self.task.as_mut() {
            Some(task) => Pin::new(task).poll(cx).map(Option::flatten),
            None => Poll::Ready(None),
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.detach();
        }
    }
}

/// Starts a task on this worker. A panic in it is caught and logged, and ends that task only.
///
/// # Panics
/// Outside of [`super::run`].
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let shared = SHARED.with(|shared| shared.borrow().clone());
    let shared = shared.expect("io::spawn outside of io::run");
    let key = LIVE.with(|live| live.borrow_mut().insert(Waker::noop().clone()));
    let guarded = Guarded { future: Some(future), key };
    let (runnable, task) = async_task::spawn_local(guarded, move |task| schedule(&shared, task));
    LIVE.with(|live| live.borrow_mut()[key] = runnable.waker());
    runnable.schedule();
    JoinHandle { task: Some(task.fallible()) }
}

/// Lets the other ready tasks of this worker run once before the caller goes on.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// Runs `future` so that tokio is served while it is pending: at once after each poll, and every
/// few milliseconds. Needed around what tokio or tokio-uring only do when their runtime parks:
/// `tokio_uring::fs` and `tokio::time`.
pub async fn with_tokio<F: Future>(future: F) -> F::Output {
    struct Waits;
    impl Drop for Waits {
        fn drop(&mut self) {
            TOKIO_WAITS.with(|waits| waits.set(waits.get() - 1));
        }
    }
    TOKIO_WAITS.with(|waits| waits.set(waits.get() + 1));
    let _waits = Waits;
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        let poll = future.as_mut().poll(cx);
        if poll.is_pending() {
            serve_tokio();
        }
        poll
    })
    .await
}
