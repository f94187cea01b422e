//! An engine in reach of another thread, which can take its memory away: a built-in that no interrupt reaches
//! ends with its next allocation, as if the heap were full.
//!
//! Owns: the pointer to the runtime, for as long as that lives. Must not know: who takes the memory, or why.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rquickjs::qjs;

struct Raw(NonNull<qjs::JSRuntime>);

// SAFETY: the pointer is used for nothing but the one store in `take_memory`.
unsafe impl Send for Raw {}

/// One engine's.
#[derive(Default)]
pub struct Reach {
    runtime: Mutex<Option<Raw>>,
    taken: AtomicBool,
}

impl Reach {
    fn lock(&self) -> MutexGuard<'_, Option<Raw>> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on it reaches `runtime`.
    pub(super) fn attach(&self, runtime: *mut qjs::JSRuntime) {
        *self.lock() = NonNull::new(runtime).map(Raw);
    }

    /// The runtime is about to go.
    pub(super) fn detach(&self) {
        *self.lock() = None;
    }

    /// Whether its memory was taken in the turn that ends.
    pub(super) fn is_taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether its memory was taken before the turn that begins: it is to have it again.
    pub(super) fn give_back(&self) -> bool {
        self.is_taken() && self.taken.swap(false, Ordering::Relaxed)
    }

    /// Every allocation of the turn that runs fails from now on; whoever catches that does not get far. After
    /// the turn the engine is out of memory, and to be replaced.
    pub fn take_memory(&self) {
        if let Some(runtime) = &*self.lock() {
            self.taken.store(true, Ordering::Relaxed);
            // SAFETY: the runtime lives while the lock is held: `detach` comes before its end. The call stores
            // one aligned word and no more; the engine loads that word anew with each allocation, and a word
            // is stored whole. A store of the engine's own thread may come in between: then nothing is taken.
            unsafe { qjs::JS_SetMemoryLimit(runtime.0.as_ptr(), 1) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rquickjs::Value;

    use super::super::builtins::Table;
    use super::super::code::Code;
    use super::super::engine::{Engine, EngineLimits, Health, Pulse};

    #[test]
    fn a_built_in_that_no_interrupt_reaches_ends_when_the_memory_is_taken() {
        let limits = EngineLimits {
            heap_bytes_max: 64 << 20,
            stack_bytes_max: 256 << 10,
            turn_cpu_max: Duration::from_secs(60),
        };
        for source in [
            "Array.prototype.reverse.call({ length: 2 ** 53 - 1 })",
            "Array.prototype.unshift.call({ length: 2 ** 53 - 2 }, 1)",
            "Array.prototype.splice.call({ length: 2 ** 53 - 2 }, 0, 0, 1)",
            "Array.prototype.copyWithin.call({ length: 2 ** 53 - 1 }, 0, 2 ** 52)",
            "eval(Array.from({ length: 200_000 }, (_, n) => `let a${n};`).join(''))",
        ] {
            let code = Arc::new(Code::new("/app.js".into()));
            let engine = Engine::new(&limits, &Table::EMPTY, code, Pulse::default(), Box::new(|_, _| {}));
            let engine = engine.expect("an engine");
            let reach = engine.state().reach.clone();
            let taker = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(300));
                reach.take_memory();
            });
            let failed =
                engine.turn(|ctx| ctx.eval::<Value, _>(source).is_err() && !ctx.catch().is_undefined());
            assert!(failed, "{source}");
            taker.join().expect("no panic");
            assert_eq!(engine.state().health(), Health::OutOfMemory, "{source}");
            assert!(
                engine.turn(|ctx| ctx.eval::<i32, _>("1 + 1").is_ok_and(|two| two == 2)),
                "its limit is back"
            );
        }
    }
}
