//! Tasks, timers, deadlines and notifications of a worker, and tokio beside them.
//!
//! Owns: nothing. Must not know: how the backends work.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use crate::io_harness::{self, join, worker};
use runtime::io::{self, Backend, Deadline, IoOptions, Notifier};

on_both!(
    sleeps_end_in_order_and_on_time,
    dropped_sleeps_leave_nothing,
    deadlines_expire_and_reset,
    a_deadline_set_while_idle_wakes,
    a_panic_ends_its_task_only,
    join_handles_yield_abort_and_detach,
    another_thread_notifies,
    wakes_from_other_threads_are_not_lost,
    tokio_works_beside,
    yielding_tasks_do_not_starve_sockets,
);

const MS: Duration = Duration::from_millis(1);

async fn sleeps_end_in_order_and_on_time() {
    let order = Rc::new(RefCell::new(Vec::new()));
    let start = Instant::now();
    let handles: Vec<_> = [30u32, 10, 20, 10, 0]
        .map(|ms| {
            let order = order.clone();
            io::spawn(async move {
                io::sleep(ms * MS).await;
                assert!(start.elapsed() >= ms * MS, "early");
                order.borrow_mut().push(ms);
            })
        })
        .into();
    for handle in handles {
        handle.await.expect("no panic");
    }
    assert_eq!(*order.borrow(), [0, 10, 10, 20, 30]);
    // Generous: other tests share the cores.
    assert!(start.elapsed() < 500 * MS, "late: {:?}", start.elapsed());
    io::sleep_until(Instant::now() - MS).await;
}

async fn dropped_sleeps_leave_nothing() {
    for _ in 0..100_000 {
        let mut sleep = std::pin::pin!(io::sleep(Duration::from_secs(3600)));
        std::future::poll_fn(|cx| {
            assert!(sleep.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
    }
    io::sleep(MS).await;
}

async fn deadlines_expire_and_reset() {
    let (wall, stall) = (Deadline::new(), Deadline::new());
    wall.set(300);
    stall.set(60);
    assert!(wall.is_set() && !wall.expired());
    let start = Instant::now();
    stall.expire().await;
    assert!(start.elapsed() >= 59 * MS && stall.expired() && !stall.is_set());
    // Moved on again and again, it never ends.
    for _ in 0..10 {
        stall.set(60);
        io::sleep(30 * MS).await;
        if start.elapsed() < 290 * MS {
            assert!(!wall.expired());
        }
    }
    wall.expire().await;
    assert!(start.elapsed() >= 299 * MS);
    wall.clear();
    assert!(!wall.expired());
}

async fn a_deadline_set_while_idle_wakes() {
    // A far one first: the sweep must come forward for the near one.
    let (far, near) = (Deadline::new(), Deadline::new());
    far.set(60_000);
    io::sleep(5 * MS).await;
    near.set(20);
    let start = Instant::now();
    near.expire().await;
    assert!(start.elapsed() < Duration::from_secs(2));
}

async fn a_panic_ends_its_task_only() {
    struct Loud(Rc<Cell<bool>>);
    impl Drop for Loud {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let dropped = Rc::new(Cell::new(false));
    let loud = Loud(dropped.clone());
    let panicking = io::spawn(async move {
        let _loud = loud;
        io::yield_now().await;
        panic!("on purpose");
    });
    assert_eq!(panicking.await, None::<()>);
    assert!(dropped.get());
    assert_eq!(io::spawn(async { 5 }).await, Some(5));
}

async fn join_handles_yield_abort_and_detach() {
    let ran = Rc::new(Cell::new(0));
    let count = |ran: &Rc<Cell<u32>>| {
        let ran = ran.clone();
        async move {
            io::sleep(2 * MS).await;
            ran.set(ran.get() + 1);
        }
    };
    drop(io::spawn(count(&ran)));
    io::spawn(count(&ran)).abort();
    let finished = io::spawn(count(&ran));
    io::sleep(30 * MS).await;
    assert!(finished.is_finished());
    assert_eq!(ran.get(), 2);
}

async fn another_thread_notifies() {
    let (go, back) = (Notifier::new(), Notifier::new());
    let (answer, (ringer, waiter)) = (Rc::new(Cell::new(0)), (go.clone(), back.clone()));
    let thread = thread::spawn(move || {
        for _ in 0..100 {
            thread::sleep(Duration::from_micros(200));
            ringer.notify();
        }
        waiter.notify();
    });
    let seen = answer.clone();
    io::spawn(async move {
        loop {
            go.notified().await;
            seen.set(seen.get() + 1);
        }
    });
    back.notified().await;
    io::yield_now().await;
    assert!((1..=100).contains(&answer.get()));
    join(thread).await;
}

async fn wakes_from_other_threads_are_not_lost() {
    // Each round ends only if the wake arrives; no timer helps out.
    let (ask, answer) = (std::sync::mpsc::channel::<Notifier>(), Instant::now());
    let (sender, receiver) = ask;
    let thread = thread::spawn(move || {
        for notifier in receiver {
            notifier.notify();
        }
    });
    for _ in 0..5000 {
        let notifier = Notifier::new();
        sender.send(notifier.clone()).expect("send");
        notifier.notified().await;
    }
    drop(sender);
    join(thread).await;
    assert!(answer.elapsed() < Duration::from_secs(20));
}

async fn tokio_works_beside() {
    // A local task, a plain task, and a socket of tokio's, all without io::with_tokio.
    let local = tokio::task::spawn_local(async { 1 });
    let plain = tokio::spawn(async { 2 });
    assert_eq!(local.await.expect("local") + plain.await.expect("plain"), 3);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let addr = listener.local_addr().expect("address");
    let client = thread::spawn(move || {
        thread::sleep(20 * MS);
        std::net::TcpStream::connect(addr).expect("connect")
    });
    listener.accept().await.expect("accept");
    join(client).await;
    io::with_tokio(tokio::time::sleep(5 * MS)).await;
}

async fn yielding_tasks_do_not_starve_sockets() {
    let busy = io::spawn(async {
        loop {
            io::yield_now().await;
        }
    });
    let (listener, addr) = io_harness::listen();
    let client = thread::spawn(move || {
        use std::io::Read;
        let mut byte = [0];
        io_harness::client(addr).read_exact(&mut byte).expect("read");
        byte[0]
    });
    let stream = listener.accept().await.expect("accept");
    stream.send(b"!".to_vec()).await.0.expect("send");
    assert_eq!(join(client).await, b'!');
    io::sleep(5 * MS).await;
    busy.abort();
}

#[test]
fn files_work_through_tokio_uring() {
    worker(Backend::Uring, || async {
        let read = async {
            let file = tokio_uring::fs::File::open("/proc/self/comm").await.expect("open");
            let (count, buffer) = file.read_at(vec![0; 64], 0).await;
            file.close().await.expect("close");
            buffer[..count.expect("read")].to_vec()
        };
        let name = io::with_tokio(read).await;
        assert!(name.ends_with(b"\n"));
    });
}

#[test]
fn the_end_drops_tasks_and_returns_the_output() {
    for backend in [Backend::Uring, Backend::Epoll] {
        if !io_harness::available(backend) {
            continue;
        }
        let held = Rc::new(());
        let task = held.clone();
        let output = io::run(backend, &IoOptions::default(), || async {
            io::spawn(async move {
                let _held = task;
                std::future::pending::<()>().await;
            });
            io::yield_now().await;
            42
        });
        assert_eq!(output.expect("output"), 42);
        assert_eq!(Rc::strong_count(&held), 1, "the task is gone");
    }
}

#[test]
fn a_panic_of_the_main_task_is_an_error() {
    for backend in [Backend::Uring, Backend::Epoll] {
        if io_harness::available(backend) {
            let output = io::run(backend, &IoOptions::default(), || async { panic!("on purpose") });
            assert!(output.map(|(): ()| ()).is_err());
        }
    }
}

#[test]
fn workers_run_side_by_side_and_again() {
    let threads: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(|| {
                for backend in [Backend::Uring, Backend::Epoll, Backend::Uring] {
                    worker(backend, || async {
                        tokio::task::spawn_local(io::yield_now()).await.expect("local");
                        io::sleep(MS).await;
                    });
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
}
