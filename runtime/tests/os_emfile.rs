//! No descriptor left: accept fails, the listener goes on. In a process of its own: the limit is the
//! process's.
//!
//! Owns: the limit. Must not know: how accept waits.

use crate::os_harness::run;
use crate::{driver, io_harness};
use runtime::io::Backend;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Leaves no descriptor to be opened; the limit that was.
fn none_left() -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    let free = std::os::fd::AsRawFd::as_raw_fd(&std::fs::File::open("/dev/null").expect("open"));
    setrlimit(Resource::Nofile, Rlimit { current: Some(free as u64), ..before }).expect("lower");
    before
}

#[test]
fn accept_rejects_with_emfile_and_the_listener_goes_on() {
    if !io_harness::in_own_process("os_emfile::accept_rejects_with_emfile_and_the_listener_goes_on") {
        return;
    }
    for backend in [Backend::Uring, Backend::Epoll] {
        io_harness::worker(backend, move || async move {
            let driver = driver::new();
            let prepare = "globalThis.listener = listening(); globalThis.name = os.getsockname(listener);
                globalThis.waiting = code(os.accept(listener));
                globalThis.clients = [1, 2, 3].map(() => os.socket(os.AF_INET, os.SOCK_STREAM));";
            run(&driver, prepare).await.expect("prepared");
            let before = none_left();
            let refused = "
                await os.connect(clients[0], name);
                equal(await waiting, 'EMFILE');
                equal(await code(os.accept(listener)), 'EMFILE'); equal(os.socket(os.AF_INET, os.SOCK_STREAM), -24);
                same((await Promise.all([1, 2].map(() => code(os.accept(listener))))), ['EMFILE', 'EMFILE']);";
            let outcome = run(&driver, refused).await;
            setrlimit(Resource::Nofile, before).expect("restore");
            outcome.unwrap_or_else(|thrown| panic!("{backend:?}: {thrown}"));
            let again = "
                const [, peer] = await os.accept(listener);
                same(peer, os.getsockname(clients[0]));
                const [[, second]] = await Promise.all([os.accept(listener), os.connect(clients[1], name)]);
                same(second, os.getsockname(clients[1]));";
            run(&driver, again).await.unwrap_or_else(|thrown| panic!("{backend:?}: {thrown}"));
        });
    }
}
