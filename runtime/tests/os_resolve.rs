//! `os.getaddrinfo` and `os.getaddrinfoAsync`: both spellings, in scripts and in served apps.
//!
//! Owns: nothing. Must not know: how servers are asked.

use crate::dns_server;
use crate::driver;
use crate::io_harness;

use std::time::Duration;

use crate::os_harness::run;
use runtime::io::Backend;
use runtime::modules::qjs::os;
use runtime::modules::web::host::{Host, Role};

/// Runs `body` on both backends with names from a server of the test.
fn check(role: Role, body: &'static str) {
    for backend in [Backend::Uring, Backend::Epoll] {
        io_harness::worker(backend, move || async move {
            let server = dns_server::start();
            let driver = driver::new();
            Host::set(driver.engine.state(), role);
            let options = "search search.example\noptions timeout:1 attempts:1";
            let resolver = server.resolver("192.0.2.77 static.example\n127.0.0.1 localhost\n", options);
            os::set_resolver(driver.engine.state(), resolver);
            if let Err(thrown) = io_harness::within(Duration::from_secs(20), run(&driver, body)).await {
                panic!("{backend:?}: {thrown}");
            }
            assert!(driver.reports.borrow().is_empty(), "{backend:?}: {:#?}", driver.reports.borrow());
        });
    }
}

/// What both forms answer alike: `ask` is one of them, made to return the number of a failure.
const BOTH: &str = r#"
const stream = (list) => list.filter((entry) => entry.socktype === os.SOCK_STREAM).map(({ addr, port }) => `${addr}:${port}`);
const cases = async (ask) => {
  const S = os.SOCK_STREAM, D = os.SOCK_DGRAM, R = os.SOCK_RAW;
  same(await ask('192.0.2.5', '80'), [S, D, R].map((socktype) => ({ family: os.AF_INET, socktype, addr: '192.0.2.5', port: 80 })));
  same(await ask('::1', 80), await ask('::1', '80'));
  same(await ask('127.0.0.1', { service: 'https', socktype: S }), [{ family: os.AF_INET, socktype: S, addr: '127.0.0.1', port: 443 }]);
  same(await ask('127.0.0.1', { service: 'ntp' }), [{ family: os.AF_INET, socktype: D, addr: '127.0.0.1', port: 123 }]);
  same(stream(await ask('fe80::1%1', 7)), ['fe80::1%1:7']);
  same(stream(await ask('static.example')), ['192.0.2.77:0']);
  same(stream(await ask('static.example', null)), ['192.0.2.77:0']);
  same(stream(await ask('localhost', { service: 8080, family: os.AF_INET })), ['127.0.0.1:8080']);
  same(stream(await ask('localhost', { service: 8080, family: os.AF_INET6 })), ['::1:8080']);
  same(stream(await ask(null, 80)), ['::1:80', '127.0.0.1:80']);
  same(stream(await ask(undefined, { service: '80', family: os.AF_INET })), ['127.0.0.1:80']);
  same(stream(await ask(null, { service: 80, flags: os.AI_PASSIVE })), ['0.0.0.0:80', ':::80']);
  equal(await ask('127.0.0.1', { service: 'no-such-service' }), os.EAI_SERVICE);
  equal(await ask('127.0.0.1', { service: 'ntp', socktype: S }), os.EAI_SERVICE);
  equal(await ask('127.0.0.1', '70000'), os.EAI_SERVICE);
  equal(await ask('127.0.0.1', { service: 'http', socktype: R }), os.EAI_SERVICE);
  equal(await ask('127.0.0.1', { service: 'http', flags: os.AI_NUMERICSERV }), os.EAI_NONAME);
  equal(await ask('static.example', { flags: os.AI_NUMERICHOST }), os.EAI_NONAME);
  equal(await ask('127.0.0.1', { family: os.AF_INET6 }), os.EAI_NODATA);
  equal(await ask('127.0.0.1', { family: os.AF_INET6, flags: os.AI_NUMERICHOST }), os.EAI_NODATA);
  equal(await ask('127.0.0.1', { family: os.AF_UNIX }), os.EAI_FAMILY);
  equal(await ask('127.0.0.1', { socktype: 77 }), os.EAI_SOCKTYPE);
  equal(await ask('127.0.0.1', { flags: 1 << 20 }), os.EAI_BADFLAGS);
  equal(await ask(null), os.EAI_NONAME); equal(await ask(null, {}), os.EAI_NONAME);
  equal(await ask(''), os.EAI_NONAME); equal(await ask('not a name'), os.EAI_NONAME); equal(await ask('nul\0'), os.EAI_NONAME);
  const wrong = [
    [[], 'TypeError'], [[5], 'TypeError'], [[{}], 'TypeError'], [[true, 80], 'TypeError'], [[Symbol()], 'TypeError'],
    [['a', true], 'TypeError'], [['a', () => 1], 'TypeError'], [['a', 5n], 'TypeError'], [['a', { service: [] }], 'TypeError'],
    [['a', { family: 'AF_INET' }], 'TypeError'], [['a', { socktype: 1.5 }], 'RangeError'], [['a', { flags: {} }], 'TypeError'],
    [['a', 65536], 'RangeError'], [['a', -1], 'RangeError'], [['a', 1.5], 'RangeError'], [['a', NaN], 'RangeError'],
    [['a', { get family() { throw new SyntaxError('mine') } }], 'SyntaxError'],
  ];
  for (const [args, name] of wrong) {
    const got = await ask(...args).then((got) => got, (error) => error.name);
    equal(got, name, `${wrong.findIndex((entry) => entry[0] === args)}`);
  }
};
const sync = async (...args) => os.getaddrinfo(...args);
const later = (...args) => os.getaddrinfoAsync(...args).catch((error) => { if (error.errno === undefined) throw error; return error.valueOf() });
"#;

#[test]
fn both_forms_answer_alike_without_a_server() {
    for role in [Role::Script, Role::Worker, Role::App] {
        check_with(role, "await cases(sync); await cases(later);");
    }
}

fn check_with(role: Role, body: &str) {
    check(role, Box::leak(format!("{BOTH}\n{body}").into_boxed_str()));
}

#[test]
fn a_script_waits_for_the_servers() {
    check_with(
        Role::Script,
        r#"
        same(stream(os.getaddrinfo('v4.example', 80)), ['192.0.2.1:80']);
        same(os.getaddrinfo('both.example', '80').filter((a) => a.family === os.AF_INET && a.port && a.socktype === os.SOCK_STREAM),
          [{ family: os.AF_INET, socktype: os.SOCK_STREAM, addr: '192.0.2.1', port: 80 }]);
        same(stream(os.getaddrinfo('both.example', { service: 'http', family: os.AF_INET6 })), ['2001:db8::1:80']);
        same(stream(os.getaddrinfo('host')), ['192.0.2.2:0']);
        equal(os.getaddrinfo('missing.example'), os.EAI_NONAME); equal(os.EAI_NONAME, -2);
        equal(os.getaddrinfo('v4.example', { family: os.AF_INET6 }), os.EAI_NODATA);
        equal(os.getaddrinfo('silent.example', { family: os.AF_INET }), os.EAI_AGAIN); equal(os.EAI_AGAIN, -3);
        same(stream(await os.getaddrinfoAsync('v4.example', 80)), ['192.0.2.1:80']);
        "#,
    );
}

#[test]
fn a_served_app_is_told_to_use_the_form_that_does_not_block() {
    check_with(
        Role::App,
        r#"
        throws(() => os.getaddrinfo('v4.example', 80), 'TypeError', 'os.getaddrinfoAsync');
        let ticks = 0;
        const timer = setInterval(() => ticks++, 5);
        const lost = await os.getaddrinfoAsync('silent.example', { family: os.AF_INET }).catch((error) => error);
        clearInterval(timer);
        equal(lost.code, 'EAI_AGAIN'); equal(lost.errno, 3); equal(-lost, 3); ok(ticks > 20, `${ticks} ticks while it waited`);
        const missing = await os.getaddrinfoAsync('missing.example').catch((error) => error);
        ok(missing instanceof Error); equal(missing.code, 'ENOTFOUND'); ok(missing < 0); equal(missing.valueOf(), os.EAI_NONAME);
        equal(missing.message, 'getaddrinfo: Name or service not known (ENOTFOUND)');
        const many = await Promise.all(Array.from({ length: 40 }, (_, i) => os.getaddrinfoAsync(`many${i}.example`, i)));
        ok(many.every((list, i) => list[0].addr === '192.0.2.5' && list[0].port === i));
        "#,
    );
}

#[test]
fn what_it_finds_can_be_connected_to() {
    check_with(
        Role::Script,
        r#"
        const listener = listening(), { port } = os.getsockname(listener);
        const ai = os.getaddrinfo('loop.example', String(port)).filter((ai) => ai.family == os.AF_INET && ai.port);
        const fd = os.socket(ai[0].family, ai[0].socktype);
        equal(await os.connect(fd, ai[0]), 0);
        const [peer] = await os.accept(listener);
        equal(await os.send(peer, 'hello'), 5);
        equal(await os.recv(fd, new ArrayBuffer(5), 5, true), 5);
        "#,
    );
}

#[test]
fn an_engine_may_end_before_the_answer() {
    for backend in [Backend::Uring, Backend::Epoll] {
        io_harness::worker(backend, || async {
            let server = dns_server::start();
            let driver = driver::new();
            os::set_resolver(driver.engine.state(), server.resolver("", "options timeout:1 attempts:1"));
            run(&driver, "os.getaddrinfoAsync('silent.example'); os.getaddrinfoAsync('v4.example')")
                .await
                .expect("asked");
            assert_eq!(driver.engine.state().alive().count(), 2, "a script waits for the answers");
            drop(driver);
            io_harness::within(Duration::from_secs(10), async {
                while server.count("v4.example./1") == 0 {
                    runtime::io::sleep(Duration::from_millis(2)).await;
                }
            })
            .await;
        });
    }
}
