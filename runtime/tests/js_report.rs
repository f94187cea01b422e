//! `error` and `unhandledrejection` events on `globalThis` (HTML, sections 8.1.4.6 and 8.1.4.7).

mod driver;

use driver::{check, on_worker};

#[test]
fn global_listeners_are_those_of_global_this() {
    check(
        r#"
        let seen = 0; const f = (event) => { seen++; equal(event.target, globalThis); equal(event.currentTarget, globalThis) };
        addEventListener('x', f); globalThis.addEventListener('x', f, { once: true });
        equal(dispatchEvent(new Event('x')), true); equal(seen, 1);
        removeEventListener('x', f); globalThis.dispatchEvent(new Event('x')); equal(seen, 1);
        equal(new EventTarget().dispatchEvent(new Event('x')), true);
        throws(() => EventTarget.prototype.addEventListener.call({}, 'x', f), 'TypeError');
        equal(onerror, null); onerror = 5; equal(onerror, null); onerror = f; equal(onerror, f); onerror = null;
        equal(onunhandledrejection, null);
        "#,
    );
}

#[test]
fn report_error_is_heard_and_logged_unless_it_is_cancelled() {
    let driver = driver::new();
    driver.run(
        r#"
        globalThis.seen = [];
        reportError(new Error('before'));
        addEventListener('error', (event) => {
          ok(event instanceof ErrorEvent); ok(event.cancelable && event.isTrusted);
          seen.push(event.message, event.error); if (event.error === 1) event.preventDefault();
        });
        reportError(1); reportError('two');
        same(seen, ['1', 1, 'two', 'two']);
        "#,
    );
    assert_eq!(driver.reports.borrow().len(), 2, "{:?}", driver.reports.borrow());
    assert!(driver.reports.borrow()[0].contains("before") && driver.reports.borrow()[1].contains("two"));
    driver.run(
        r#"
        onerror = function (message, file, line, column, error) {
          seen = [message, typeof file, line > 0, column > 0, error.message, this]; return true;
        };
        reportError(new TypeError('three'));
        same(seen.slice(0, 5), ['TypeError: three', 'string', true, true, 'three']);
        onerror = () => { throw new Error('in the listener') };
        reportError('four');
        "#,
    );
    let reports = driver.reports.borrow();
    assert_eq!(reports.len(), 4, "{reports:?}");
    assert!(reports[2].contains("in the listener") && reports[3].contains("four"), "{reports:?}");
}

#[test]
fn what_callbacks_throw_fires_an_error_event() {
    on_worker(|| async {
        let driver = driver::new();
        driver
            .run_async(
                r#"
                const seen = [];
                addEventListener('error', (event) => { seen.push(event.error.message); event.preventDefault() });
                setTimeout(() => { throw new Error('timer') });
                const target = new EventTarget(); target.addEventListener('x', () => { throw new Error('listener') });
                target.dispatchEvent(new Event('x')); same(seen, ['listener']);
                const { port1, port2 } = new MessageChannel(); port2.onmessage = () => { throw new Error('message') };
                port1.postMessage(1);
                await new Promise((resolve) => setTimeout(resolve, 10));
                same(seen.sort(), ['listener', 'message', 'timer']); port1.close();
                "#,
            )
            .await;
        assert!(driver.reports.borrow().is_empty(), "{:?}", driver.reports.borrow());
    });
}

#[test]
fn unhandled_rejections_are_heard_and_logged_unless_they_are_cancelled() {
    let driver = driver::new();
    driver.run(
        r#"
        globalThis.seen = [];
        onunhandledrejection = (event) => {
          ok(event instanceof PromiseRejectionEvent); equal(event.promise, made); seen.push(event.reason);
          Promise.resolve().then(() => seen.push('job'));
          if (event.reason === 1) event.preventDefault();
        };
        globalThis.made = Promise.reject(1);
        Promise.reject(2).catch(() => {});
        "#,
    );
    driver.run("same(seen, [1, 'job']); made = Promise.reject('three')");
    driver.run("same(seen, [1, 'job', 'three', 'job'])");
    let reports = driver.reports.borrow();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("unhandled rejection") && reports[0].contains("three"), "{reports:?}");
}
