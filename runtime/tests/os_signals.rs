//! `os.signal`, in one test: signals are the whole process's.
//!
//! Owns: how handlers are called, replaced and undone. Must not know: other processes.

mod driver;
mod io_harness;
mod os_harness;
mod os_script;

use os_script::{check, check_as};
use runtime::modules::web::host::Role;

fn action(signal: i32) -> &'static str {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc");
    let has = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a mask");
        u64::from_str_radix(line.trim(), 16).expect("hexadecimal") >> (signal - 1) & 1 == 1
    };
    match (has("SigCgt:"), has("SigIgn:")) {
        (true, _) => "caught",
        (_, true) => "ignored",
        _ => "default",
    }
}

#[test]
fn handlers_run_in_turns_of_their_own_and_are_undone_with_the_engine() {
    const USR1: i32 = 10;
    assert_eq!(action(USR1), "default");
    check(
        r#"
        const self = os.getpid(), seen = [];
        const until = async (done) => { for (let i = 0; i < 5000 && !done(); i++) await os.sleepAsync(1); ok(done(), `${seen}`) };
        equal(os.signal(os.SIGUSR1, function (...args) { seen.push('one', args.length, this) }), undefined);
        equal(os.kill(self, os.SIGUSR1), 0);
        same(seen, [], 'not in the midst of this turn');
        await until(() => seen.length > 0); same(seen, ['one', 0, undefined]);
        // Another in its place, and one for another signal.
        seen.length = 0;
        os.signal(os.SIGUSR1, () => seen.push('two')); os.signal(os.SIGUSR2, () => seen.push('usr2'));
        os.kill(self, os.SIGUSR2); os.kill(self, os.SIGUSR1); os.kill(self, os.SIGUSR1);
        await until(() => seen.length >= 2); same(seen.sort(), ['two', 'usr2'], 'the same signal twice is one');
        // Ignored: undefined. And back.
        seen.length = 0;
        os.signal(os.SIGUSR1, undefined); os.kill(self, os.SIGUSR1);
        equal(os.exec(['sh', '-c', 'kill -USR1 $$']), 0, 'ignored in children too');
        os.signal(os.SIGUSR1, () => seen.push('again')); os.kill(self, os.SIGUSR1);
        await until(() => seen.length > 0); same(seen, ['again']);
        equal(os.exec(['sh', '-c', 'kill -USR1 $$']), -os.SIGUSR1, 'a handler is not inherited');
        // A handler that replaces itself, from within.
        os.signal(os.SIGUSR1, () => { os.signal(os.SIGUSR1, null); seen.push('last') }); os.kill(self, os.SIGUSR1);
        await until(() => seen.length > 1);
        // Sleeps end early, and the handler runs after the turn.
        let woken = 0;
        os.signal(os.SIGCHLD, () => woken++);
        const child = os.exec(['true'], { block: false });
        equal(os.waitpid(child, 0)[0], child);
        await until(() => woken > 0);
        os.signal(os.SIGCHLD, null);
        for (const [args, error] of [[[], 'TypeError'], [['INT', null], 'TypeError'], [[-1, null], 'RangeError'], [[64, null], 'RangeError'], [[os.SIGUSR1, 5], 'TypeError'], [[os.SIGUSR1, {}], 'TypeError']])
          throws(() => os.signal(...args), error);
        for (const number of [0, os.SIGKILL, os.SIGSTOP]) equal(os.signal(number, () => 1), undefined, 'what cannot be caught is not');
        os.signal(os.SIGUSR1, () => 1);
        "#,
    );
    assert_eq!(action(USR1), "default", "undone");
    for role in [Role::App, Role::Worker] {
        check_as(role, "throws(() => os.signal(os.SIGUSR1, () => 1), 'TypeError', 'main thread')");
    }
    exceptions_are_reported();
}

fn exceptions_are_reported() {
    use runtime::io::{self, Backend, IoOptions};
    use runtime::modules::web::host::Host;
    io::run(Backend::Epoll, &IoOptions::default(), || async {
        let driver = driver::new();
        Host::set(driver.engine.state(), Role::Script);
        let body = "os.signal(os.SIGUSR1, () => { throw new TypeError('thrown in it') }); os.kill(os.getpid(), os.SIGUSR1)";
        os_harness::run(&driver, body).await.expect("the script ends");
        assert_eq!(driver.engine.state().alive().count(), 0, "a handler keeps no script alive");
        let reported = async {
            while driver.reports.borrow().is_empty() {
                io::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        io_harness::within(std::time::Duration::from_secs(10), reported).await;
        let reports = driver.reports.borrow();
        assert!(reports[0].starts_with("in a signal handler: TypeError: thrown in it"), "{reports:?}");
    })
    .expect("the worker ends well");
}
