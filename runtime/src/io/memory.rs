//! Memory that is free, and kept for later: by the allocator, and by lists that were long once.
//!
//! Owns: what gives it back. Must not know: who has freed it.

use slab::Slab;

/// Gives what is free back to the system (malloc_trim(3)). It takes milliseconds, and threads that allocate
/// meanwhile wait for it: not on the path of a request. Without effect where the C library is not glibc.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time, from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Entries of a list that are kept for later.
const KEPT: usize = 1_024;

/// Gives the memory of a list back once it is empty, and was long.
pub(crate) fn shrink<T>(list: &mut Slab<T>) {
    if list.is_empty() && list.capacity() > KEPT {
        *list = Slab::new();
    }
}
