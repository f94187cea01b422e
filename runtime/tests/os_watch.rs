//! `os.setReadHandler` and `os.setWriteHandler` on every kind of descriptor.
//!
//! Owns: nothing. Must not know: how readiness is found.

use crate::io_harness;

use std::io::Write;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::time::Duration;

use crate::driver::{self, Driver};
use crate::os_harness::{check, run};
use runtime::io::{self, Backend, Socket};
use runtime::modules::qjs::os::table::Descriptors;

/// Runs `test` on both backends with an engine of its own.
fn on_both<F: Future<Output = ()> + 'static>(test: fn(Driver) -> F) {
    for backend in [Backend::Uring, Backend::Epoll] {
        io_harness::worker(backend, move || test(driver::new()));
    }
}

/// Lets the engine's scripts use `fd`.
fn enter(driver: &Driver, fd: impl Into<OwnedFd>) -> i32 {
    let descriptors = driver.engine.state().extension::<Descriptors>();
    descriptors.insert(Socket::new(fd.into())).expect("open").0
}

async fn until(driver: &Driver, condition: &str) {
    io_harness::within(Duration::from_secs(10), async {
        while driver.text(&format!("String({condition})")) != "true" {
            io::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[test]
fn every_asynchronous_call_can_be_written_with_handlers() {
    check(
        r#"
        const when = (set) => (fd) => new Promise((resolve) => set(fd, () => { set(fd, null); resolve() }));
        const readable = when(os.setReadHandler), writable = when(os.setWriteHandler);
        const accept = async (fd) => { await readable(fd); return os.accept(fd) };
        const connect = async (fd, addr) => {
          os.connect(fd, addr).catch(() => {});
          await writable(fd);
          const error = os.getsockopt(fd, os.SOL_SOCKET, os.SO_ERROR);
          if (error !== 0) throw error;
          return 0;
        };
        const recv = async (fd, buffer) => { await readable(fd); return os.recv(fd, buffer) };
        const send = async (fd, data) => { await writable(fd); return os.send(fd, data) };
        for (const addr of [{ addr: '127.0.0.1', port: 0 }, { family: os.AF_INET6, addr: '::1', port: 0 },
          { family: os.AF_UNIX, path: `\0jsserve-watch-${Math.random()}` }]) {
          const listener = listening(addr), name = os.getsockname(listener);
          const accepted = accept(listener), client = os.socket(name.family, os.SOCK_STREAM);
          equal(await connect(client, name), 0);
          const [server] = await accepted, buffer = new Uint8Array(16);
          for (const [from, to] of [[client, server], [server, client]]) {
            const got = recv(to, buffer);
            equal(await send(from, 'ping'), 4); equal(await got, 4); equal(text(buffer, 4), 'ping');
          }
          const end = recv(server, buffer);
          os.close(client);
          equal(await end, 0);
        }
        "#,
    );
}

#[test]
fn a_handler_is_called_while_the_socket_is_ready_each_time_in_a_turn_of_its_own() {
    check(
        r#"
        const [client, server] = await pair();
        let calls = 0, jobs = 0;
        const done = new Promise((resolve) => {
          os.setReadHandler(server, () => {
            equal(jobs, calls, 'the jobs of the call before have run');
            calls++;
            Promise.resolve().then(() => jobs++);
            if (calls === 50) { os.setReadHandler(server, null); resolve() }
          });
        });
        await os.send(client, 'left unread');
        await done;
        await new Promise((resolve) => setTimeout(resolve, 10));
        equal(calls, 50, 'no call after its removal');
        equal(await os.recv(server, new ArrayBuffer(32)), 11);
        "#,
    );
}

#[test]
fn a_handler_that_never_drains_starves_nobody() {
    check(
        r#"
        const [client, server] = await pair(), [other, peer] = await pair();
        await os.send(client, 'x');
        let reads = 0, writes = 0, ticks = 0;
        os.setReadHandler(server, () => reads++); os.setWriteHandler(server, () => writes++);
        const timer = setInterval(() => ticks++, 1);
        for (let i = 0; i < 50; i++) { const got = os.recv(peer, new ArrayBuffer(1)); await os.send(other, 'y'); equal(await got, 1) }
        while (ticks < 5) await new Promise((resolve) => setTimeout(resolve, 1));
        clearInterval(timer);
        ok(reads > 20 && writes > 20, `${reads} ${writes}`);
        os.setReadHandler(server, null); os.setWriteHandler(server, null);
        "#,
    );
}

#[test]
fn a_handler_may_be_replaced_removed_or_its_socket_closed_from_within() {
    check(
        r#"
        const [client, server] = await pair(), seen = [], buffer = new ArrayBuffer(1);
        await os.send(client, 'abc');
        await new Promise((resolve) => {
          os.setReadHandler(server, () => {
            seen.push('first');
            os.setReadHandler(server, async () => {
              seen.push('second');
              os.setReadHandler(server, null);
              equal(await os.recv(server, buffer), 1);
              os.setReadHandler(server, () => { seen.push('third'); equal(os.close(server), 0); resolve() });
            });
          });
        });
        same(seen, ['first', 'second', 'third']);
        equal(os.setReadHandler(server, null), -9); equal(os.setReadHandler(server, () => {}), -9);
        await new Promise((resolve) => setTimeout(resolve, 5));
        equal(seen.length, 3);
        equal(os.setWriteHandler(client, null), undefined); equal(os.setWriteHandler(client, () => {}), undefined);
        os.close(client);
        "#,
    );
}

#[test]
fn wrong_calls_have_their_errors() {
    check(
        r#"
        const fd = listening();
        for (const set of [os.setReadHandler, os.setWriteHandler]) {
          equal(set.length, 2);
          for (const args of [[], [fd], [fd, undefined], [fd, 5], [fd, {}], [fd, 'f'], ['0', () => {}], [{}, null]])
            throws(() => set(...args), 'TypeError');
          throws(() => set(1.5, null), 'RangeError'); throws(() => set(NaN, () => {}), 'RangeError');
          for (const bad of [-1, 0, 1, 2, 2 ** 31 - 1]) { equal(set(bad, null), -9); equal(set(bad, () => {}), -9) }
          equal(set(fd, null), undefined);
        }
        "#,
    );
}

#[test]
fn connecting_sockets_datagrams_and_refusals() {
    check(
        r#"
        const gone = listening(), name = os.getsockname(gone);
        os.close(gone);
        const fd = os.socket(os.AF_INET, os.SOCK_STREAM);
        const ended = code(os.connect(fd, name)), ready = new Promise((resolve) => os.setWriteHandler(fd, resolve));
        await ready; os.setWriteHandler(fd, null);
        ok(['ECONNREFUSED', 'ECONNABORTED'].includes(await ended));
        // Whoever reads SO_ERROR first has it: the promise settles all the same.
        const other = os.socket(os.AF_INET, os.SOCK_STREAM), second = code(os.connect(other, name));
        const seen = os.getsockopt(other, os.SOL_SOCKET, os.SO_ERROR);
        equal(await second, seen === 111 ? 'ECONNABORTED' : 'ECONNREFUSED');
        for (const addr of [{ addr: '127.0.0.1', port: 0 }, { family: os.AF_INET6, addr: '::1', port: 0 },
          { family: os.AF_UNIX, path: `\0jsserve-dgram-${Math.random()}` }]) {
          const near = bound(os.SOCK_DGRAM, addr), far = os.socket(addr.family ?? os.AF_INET, os.SOCK_DGRAM);
          let calls = 0;
          const got = new Promise((resolve) => os.setReadHandler(near, async () => {
            calls++;
            os.setReadHandler(near, null);
            resolve(await os.recvfrom(near, new ArrayBuffer(9)));
          }));
          await os.sendto(far, os.getsockname(near), 'datagram');
          equal((await got)[0], 8); equal(calls, 1);
          os.close(near); os.close(far);
        }
        "#,
    );
}

#[test]
fn an_exception_is_reported_and_the_handler_stays() {
    on_both(|driver| async move {
        let body = "globalThis.os = os; const [client, server] = await pair(); globalThis.calls = 0;
            os.setReadHandler(server, () => { calls++; if (calls === 3) os.setReadHandler(server, null); throw new Error(`call ${calls}`) });
            os.setWriteHandler(client, () => { os.setWriteHandler(client, null); throw 'a string' });
            await os.send(client, 'x');";
        run(&driver, body).await.expect("started");
        until(&driver, "calls === 3").await;
        let reports = driver.reports.borrow();
        assert_eq!(reports.len(), 4, "{reports:#?}");
        assert!(
            reports.iter().any(|line| line.starts_with("in a read handler: Error: call 3")),
            "{reports:#?}"
        );
        assert!(reports.iter().any(|line| line == "in a write handler: a string"), "{reports:#?}");
    });
}

#[test]
fn a_handler_keeps_a_script_alive_until_it_is_removed_or_its_descriptor_closed() {
    on_both(|driver| async move {
        let alive = driver.engine.state().alive().clone();
        run(&driver, "globalThis.os = os; globalThis.fds = await pair(); globalThis.listener = listening();")
            .await
            .expect("pair");
        assert_eq!(alive.count(), 0);
        driver.run("os.setReadHandler(fds[0], () => {}); os.setReadHandler(fds[1], () => {}); os.setReadHandler(listener, () => {});");
        assert_eq!(alive.count(), 3);
        driver.run("os.setReadHandler(fds[0], () => {}); os.setReadHandler(fds[1], null)");
        assert_eq!(alive.count(), 2);
        driver.run("os.close(fds[0]); os.close(listener)");
        io_harness::within(Duration::from_secs(5), std::future::poll_fn(|cx| alive.poll_idle(cx))).await;
        driver.engine.collect();
    });
}

#[test]
fn pipes_files_and_devices() {
    on_both(|driver| async move {
        let (reader, mut writer) = std::io::pipe().expect("pipe");
        let (unread, full) = std::io::pipe().expect("pipe");
        let file = std::fs::File::open(file!().trim_start_matches("runtime/")).expect("this file");
        let null = std::fs::File::options().read(true).write(true).open("/dev/null").expect("device");
        let fds = [enter(&driver, reader), enter(&driver, full), enter(&driver, file), enter(&driver, null)];
        let [pipe, full, file, null] = fds;
        let body = format!(
            "globalThis.os = os; globalThis.calls = {{}};
             const once = (set, fd, name) => set(fd, () => {{ calls[name] = (calls[name] ?? 0) + 1; set(fd, null) }});
             once(os.setReadHandler, {file}, 'file'); once(os.setWriteHandler, {file}, 'file written');
             once(os.setReadHandler, {null}, 'null'); once(os.setWriteHandler, {null}, 'null written');
             once(os.setWriteHandler, {full}, 'pipe written');
             os.setReadHandler({pipe}, () => {{ calls.pipe = (calls.pipe ?? 0) + 1; if (calls.pipe === 3) os.close({pipe}) }});"
        );
        run(&driver, &body).await.expect("started");
        until(&driver, "Object.keys(calls).length === 5").await;
        assert_eq!(driver.text("String(calls.pipe)"), "undefined", "an empty pipe is not readable");
        writer.write_all(b"x").expect("write");
        until(&driver, "calls.pipe === 3").await;
        assert_eq!(driver.text("JSON.stringify(Object.values(calls).sort())"), "[1,1,1,1,1,3]");
        drop(unread);
        run(
            &driver,
            &format!("await new Promise((resolve) => os.setWriteHandler({full}, resolve)); os.close({full})"),
        )
        .await
        .expect("a pipe that nobody reads is ready: a write would not block");
        // A file is no socket.
        let body = format!(
            "for (const fd of [{file}, {null}]) {{
               for (const got of [os.bind(fd, {{ family: os.AF_INET, port: 0 }}), os.listen(fd), os.shutdown(fd, 2), os.getsockname(fd),
                 os.getpeername(fd), os.setsockopt(fd, os.SO_KEEPALIVE, 1), os.getsockopt(fd, 1, os.SO_TYPE)]) equal(got, -88);
               for (const promise of [os.accept(fd), os.connect(fd, {{ family: os.AF_INET, port: 1 }}), os.recv(fd, new ArrayBuffer(4)),
                 os.recv(fd, new ArrayBuffer(4), 4, true), os.send(fd, 'x'), os.send(fd, 'x', true), os.recvfrom(fd, new ArrayBuffer(4)),
                 os.sendto(fd, {{ family: os.AF_INET, addr: '127.0.0.1', port: 9 }}, 'x')])
                 equal(await code(promise), 'ENOTSOCK');
             }}"
        );
        run(&driver, &body).await.expect("ENOTSOCK");
    });
}

#[test]
fn a_reused_number_has_no_handler_of_the_old_descriptor() {
    on_both(|driver| async move {
        run(&driver, "globalThis.os = os; globalThis.stale = 0; globalThis.listener = listening();")
            .await
            .expect("module");
        let body = "
            const [client, server] = await connected(listener);
            os.setReadHandler(server, () => stale++); os.setWriteHandler(server, () => stale++);
            os.close(server);
            const next = os.socket(os.AF_INET, os.SOCK_DGRAM);
            os.bind(next, { addr: '127.0.0.1', port: 0 });
            let fresh = 0;
            const called = new Promise((resolve) => os.setWriteHandler(next, () => { fresh++; os.setWriteHandler(next, null); resolve() }));
            await called;
            await os.sendto(next, os.getsockname(next), 'x');
            await new Promise((resolve) => setTimeout(resolve, 2));
            equal(stale, 0); equal(fresh, 1);
            os.close(next); os.close(client);
            return next === server;";
        for round in 0.. {
            assert!(round < 1000, "the kernel gives the lowest number");
            if run(&driver, body).await.expect("no call of an old handler") == "true" {
                break;
            }
        }
        assert_eq!(driver.engine.state().alive().count(), 0);
    });
}

#[test]
fn an_engine_ends_with_handlers_in_place() {
    on_both(|driver| async move {
        let body = "const [client, server] = await pair(); os.setReadHandler(server, () => {}); os.setWriteHandler(client, () => {});
            os.setReadHandler(listening(), () => {});";
        run(&driver, body).await.expect("in place");
        drop(driver);
        io::sleep(Duration::from_millis(2)).await;
    });
}

#[test]
fn an_inherited_descriptor_is_watched_and_stays_open_after_the_engine() {
    on_both(|driver| async move {
        let (reader, mut writer) = std::io::pipe().expect("pipe");
        let fd = OwnedFd::from(reader).into_raw_fd();
        driver.engine.state().extension::<Descriptors>().inherit(fd).expect("open");
        run(&driver, &format!("globalThis.calls = 0; os.setReadHandler({fd}, () => calls++)"))
            .await
            .expect("set");
        writer.write_all(b"line").expect("write");
        until(&driver, "calls > 2").await;
        drop(driver);
        let mut reader = std::fs::File::from(io::inherited(fd).expect("still open"));
        let mut line = [0; 4];
        std::io::Read::read_exact(&mut reader, &mut line).expect("what no handler has read");
        assert_eq!(&line, b"line");
    });
}

#[test]
fn a_terminal_is_watched_both_ways() {
    on_both(|driver| async move {
        let terminal = std::fs::File::options().read(true).write(true).open("/dev/ptmx").expect("terminal");
        let mut keyboard = terminal.try_clone().expect("dup");
        let fd = enter(&driver, terminal);
        let body = format!(
            "globalThis.reads = globalThis.writes = 0; os.setReadHandler({fd}, () => reads++);
             await new Promise((resolve) => os.setWriteHandler({fd}, () => {{ writes++; os.setWriteHandler({fd}, null); resolve() }}))"
        );
        run(&driver, &body).await.expect("a terminal takes output");
        assert_eq!(driver.text("`${reads} ${writes}`"), "0 1");
        // The terminal echoes it.
        keyboard.write_all(b"key").expect("write");
        until(&driver, "reads > 2").await;
    });
}

/// CPU time of this thread in microseconds.
fn cpu_us() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

#[test]
fn handlers_that_wait_or_were_removed_cost_nothing() {
    on_both(|driver| async move {
        let body = "
            globalThis.os = os; globalThis.calls = 0;
            const [client, server] = await pair(), [near, far] = await pair();
            await os.send(client, 'never read');
            await new Promise((resolve) => os.setReadHandler(server, () => { os.setReadHandler(server, null); resolve() }));
            await new Promise((resolve) => os.setWriteHandler(server, () => { os.setWriteHandler(server, null); resolve() }));
            os.setReadHandler(far, () => calls++); os.setReadHandler(listening(), () => calls++);";
        run(&driver, body).await.expect("in place");
        io::sleep(Duration::from_millis(10)).await;
        let before = cpu_us();
        io::sleep(Duration::from_millis(200)).await;
        let spent = cpu_us() - before;
        assert!(spent < 5_000, "{spent} us of CPU in 200 idle ms");
        assert_eq!(driver.text("String(calls)"), "0");
    });
}
