//! The events of `globalThis`, a test for each rule (HTML, section 8.1.4).
//!
//! Owns: listeners and channels. Must not know: who reads the reports.

use crate::driver::{self, check};

#[test]
fn event_classes_have_what_their_init_says() {
    check(
        "
        const error = new ErrorEvent('error', { message: 'm', filename: 'f', lineno: 1, colno: 2, error: 3 });
        same([error.message, error.filename, error.lineno, error.colno, error.error], ['m', 'f', 1, 2, 3]);
        same([new ErrorEvent('e').message, new ErrorEvent('e').lineno], ['', 0]);
        const promise = Promise.resolve();
        const event = new PromiseRejectionEvent('x', { promise, reason: 1, cancelable: true });
        ok(event.promise === promise && event.reason === 1 && event instanceof Event && event.cancelable);
        throws(() => new PromiseRejectionEvent('x', {}), 'TypeError');
        ",
    );
}

#[test]
fn global_this_is_a_target() {
    check(
        "
        const seen = [];
        const listener = function (event) { seen.push(event.type, this === globalThis, event.target === globalThis); };
        addEventListener('mine', listener);
        globalThis.addEventListener('mine', { handleEvent: (event) => event.preventDefault() }, { once: true });
        equal(dispatchEvent(new Event('mine', { cancelable: true })), false);
        removeEventListener('mine', listener);
        equal(dispatchEvent(new Event('mine')), true);
        same(seen, ['mine', true, true]);
        throws(() => addEventListener('x'), 'TypeError');
        equal(globalThis.onerror, null);
        ",
    );
}

#[test]
fn an_error_is_reported_unless_its_event_is_prevented() {
    let driver = driver::new();
    driver.run(
        "
        globalThis.seen = [];
        addEventListener('error', (event) => {
          if (event.error === 5) return;
          seen.push(event.message, event.error.message);
          if (event.error.message === 'quiet') event.preventDefault();
          if (event.error.message === 'worse') throw new Error('in the listener');
        });
        for (const text of ['quiet', 'loud', 'worse']) reportError(new TypeError(text));
        same(seen, ['TypeError: quiet', 'quiet', 'TypeError: loud', 'loud', 'TypeError: worse', 'worse']);
        const places = []; const place = (event) => places.push(event.filename, event.lineno > 0, event.colno > 0);
        addEventListener('error', place); reportError(new TypeError('quiet'));
        addEventListener('error', (event) => event.preventDefault(), { once: true }); reportError(5); removeEventListener('error', place);
        same(places, ['eval_script', true, true, 'eval_script', true, true]); seen.length = 0;
        onerror = (message, file, line, column, error) => error.message === 'handled';
        reportError(new Error('handled'));
        onerror = null;
        ",
    );
    let reports = driver.reports.borrow();
    let words = ["TypeError: loud", "in the listener", "TypeError: worse"];
    assert!(
        reports.len() == 3 && reports.iter().zip(words).all(|(got, wanted)| got.contains(wanted)),
        "{reports:#?}"
    );
}

#[test]
fn a_rejection_is_reported_unless_its_event_is_prevented() {
    let driver = driver::new();
    driver.run(
        "
        globalThis.seen = [];
        addEventListener('unhandledrejection', (event) => {
          seen.push(event.reason);
          if (event.reason !== 'loud') event.preventDefault();
        });
        globalThis.late = Promise.reject('late');
        Promise.reject('loud');
        Promise.reject('handled').catch(() => {});
        addEventListener('rejectionhandled', (event) => seen.push(event.promise === late, event.reason));
        ",
    );
    driver.run("late.catch(() => {})");
    driver.run("same(seen, ['late', 'loud', true, 'late'])");
    assert_eq!(driver.reports.borrow().len(), 1, "{:#?}", driver.reports.borrow());
}

#[test]
fn a_listener_that_rejects_for_ever_is_reported() {
    let driver = driver::new();
    driver.run("addEventListener('unhandledrejection', (event) => { event.preventDefault(); Promise.reject(event.reason + 1); })");
    driver.run("Promise.reject(0)");
    assert_eq!(driver.reports.borrow().len(), 1, "{:#?}", driver.reports.borrow());
}

/// All five arguments of an OnErrorEventHandler arrive (HTML, section 8.1.8.1), and no more.
#[test]
fn onerror_is_called_with_five_arguments() {
    check(
        r#"
        let called;
        onerror = function () { called = { this: this, all: [...arguments] }; return true };
        const error = new RangeError('much'); reportError(error);
        equal(called.this, globalThis); equal(called.all.length, 5);
        const [message, file, line, column, last] = called.all;
        ok(message.includes('much')); equal(typeof file, 'string'); ok(line > 0 && column > 0); equal(last, error);
        "#,
    );
}
