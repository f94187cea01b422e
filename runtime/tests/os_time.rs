//! `os` on time and terminals: clocks, sleeps, timers, isatty and its like.
//!
//! Owns: what each call does and how it fails. Must not know: how long a busy machine takes.

use crate::os_script::check;

#[test]
fn clocks_go_forward_and_sleeps_last() {
    check(
        r#"
        const start = os.now();
        ok(start > 0 && typeof start === 'number');
        equal(os.sleep(20), 0);
        ok(os.now() - start >= 20, 'milliseconds');
        equal(await os.sleepAsync(20), undefined);
        ok(os.now() - start >= 39.5, `${os.now() - start}`);
        equal(os.sleep(-5), 0); equal(os.sleep('0'), 0); equal(os.sleep(NaN), 0); equal(await os.sleepAsync(-1), undefined);
        ok(os.now() % 1 !== 0 || os.now() % 1 !== 0 || os.now() % 1 !== 0, 'with fractions');
        const used = os.cputime();
        ok(Number.isInteger(used) && used >= 0);
        for (let i = 0; i < 200 && os.cputime() === used; i++) for (let j = 0; j < 1e5; j++);
        ok(os.cputime() > used && os.cputime() < used + 60e6, 'microseconds');
        for (const name of ['sleep', 'sleepAsync']) for (const value of [undefined, null, {}, 5n, Symbol()]) throws(() => os[name](value), 'TypeError');
        "#,
    );
}

#[test]
fn timers_of_the_module_are_those_of_the_globals() {
    check(
        r#"
        let order = '';
        const done = new Promise((resolve) => {
          os.setTimeout(() => { order += 'a'; os.setTimeout(() => { order += 'c' }, 30) }, 0);
          os.setTimeout(() => { order += 'b' }, 10);
          os.setTimeout(resolve, 70);
        });
        const cleared = [1, 2, 3].map(() => os.setTimeout(() => fail('cleared'), 1));
        cleared.forEach((id) => os.clearTimeout(id)); clearTimeout(os.setTimeout(() => fail('cleared'), 1));
        await done; equal(order, 'abc');
        let count = 0;
        await new Promise((resolve) => { const id = os.setInterval(() => { if (++count === 3) { os.clearInterval(id); resolve() } }, 1) });
        await os.sleepAsync(10); equal(count, 3);
        throws(() => os.setTimeout('code', 1), 'TypeError'); throws(() => os.setInterval(), 'TypeError'); equal(os.clearTimeout(12345), undefined);
        "#,
    );
}

#[test]
fn what_is_no_terminal_says_so() {
    check(
        r#"
        const [read] = os.pipe(), fd = os.open('/dev/null', os.O_RDWR);
        for (const number of [read, fd, 999, -1]) { equal(os.isatty(number), false); equal(os.ttyGetWinSize(number), null) }
        equal(os.ttySetRaw(read), -25); equal(os.ttySetRaw(999), -9);
        equal(os.isatty(0), os.exec(['test', '-t', '0']) === 0);
        for (const name of ['isatty', 'ttyGetWinSize', 'ttySetRaw']) for (const value of [undefined, null, 'x', {}]) throws(() => os[name](value), 'TypeError');
        "#,
    );
}

#[test]
fn a_terminal_has_a_size_and_becomes_raw() {
    check(
        r#"
        // A pseudo-terminal (pts(4)): its master says nothing of its number, the folder does.
        const before = new Set(os.readdir('/dev/pts')[0]);
        const master = os.open('/dev/ptmx', os.O_RDWR);
        if (master < 0) return;
        equal(os.isatty(master), true);
        equal(os.ttyGetWinSize(master), null, 'no size yet');
        equal(os.exec(['stty', 'cols', '100', 'rows', '30'], { stdin: master }), 0);
        same(os.ttyGetWinSize(master), [100, 30]);
        const flags = () => ' ' + output(['stty', '-a'], { stdin: master })[0].replaceAll('\n', ' ');
        ok(/ echo\b/.test(flags()) && / icanon\b/.test(flags()));
        equal(os.ttySetRaw(master), 0); equal(os.ttySetRaw(master), 0);
        ok(/-echo\b/.test(flags()) && /-icanon\b/.test(flags()) && / isig\b/.test(flags()) && / opost\b/.test(flags()), flags());
        "#,
    );
}
