//! `os` on processes: exec with all its options, waitpid, kill.
//!
//! Owns: what each call does and how it fails. Must not know: processes that are not its children.

use crate::os_script::{check, check_as};
use runtime::modules::web::host::Role;

#[test]
fn a_program_that_is_waited_for_gives_its_status() {
    check(
        r#"
        equal(os.exec(['true']), 0); equal(os.exec(['/bin/sh', '-c', 'exit 7'], { usePath: false }), 7);
        equal(os.exec(['sh', '-c', 'kill -9 $$']), -9);
        equal(os.exec(['/does/not/exist']), 127); equal(os.exec(['no-such-program-here']), 127); equal(os.exec(['']), 127);
        equal(os.exec(['sh'], { usePath: false }), 127, 'not in the current folder');
        equal(os.exec([dir]), 127); put(dir + '/text', 'no program'); equal(os.exec([dir + '/text']), 127);
        equal(os.exec(['true'], { cwd: dir + '/none' }), 127);
        same(output(['echo', 'a b', 1, true]), ['a b 1 true\n', 0]);
        same(output(['other name', '-c', 'echo $0'], { file: 'sh' }), ['other name\n', 0]);
        same(output(['pwd'], { cwd: dir }), [dir + '\n', 0]);
        same(output(['sh', '-c', 'echo $FOO,$HOME'], { env: { FOO: 'hello', [Symbol()]: 1 } }), ['hello,\n', 0]);
        same(output(['env'], { env: { A: 1, B: 'x=y' } }), ['A=1\nB=x=y\n', 0]);
        ok(output(['env'])[0].includes('PATH='), 'the environment of the process');
        const std = await import('std');
        std.setenv('JSSERVE_TEST_SET', 'by a script');
        equal(output(['sh', '-c', 'echo $JSSERVE_TEST_SET'])[0], 'by a script\n'); std.unsetenv('JSSERVE_TEST_SET');
        "#,
    );
}

#[test]
fn a_program_runs_beside_the_script() {
    check(
        r#"
        const [read, write] = os.pipe();
        const pid = os.exec(['sh', '-c', 'read line; echo got $line; exit 3'], { stdin: read, stdout: write, block: false });
        ok(pid > 0);
        same(os.waitpid(pid, os.WNOHANG), [0, 0]);
        const [back, out] = [os.pipe(), null];
        equal(os.kill(pid, 0), 0, 'it is there');
        const other = os.exec(['cat'], { stdin: back[0], block: false });
        equal(os.kill(other, os.SIGTERM), 0);
        same(os.waitpid(other, 0), [other, os.SIGTERM]);
        equal(os.kill(other, 0), -3, 'ESRCH'); same(os.waitpid(other, 0), [-10, 0], 'ECHILD');
        equal(os.write(write, bytes('x\n'), 0, 2), 2);
        const [ended, status] = os.waitpid(pid, 0);
        equal(ended, pid); equal(status & 0x7f, 0); equal(status >> 8, 3);
        equal(os.read(read, new ArrayBuffer(64), 0, 64), 6);
        const none = os.exec(['/does/not/exist'], { block: false });
        ok(none > 0); same(os.waitpid(none, 0), [none, 127 << 8], 'a process id all the same');
        "#,
    );
}

#[test]
fn standard_streams_of_a_child_may_change_places() {
    check(
        r#"
        const [a, b] = [os.open(dir + '/a', os.O_CREAT | os.O_RDWR), os.open(dir + '/b', os.O_CREAT | os.O_RDWR)];
        equal(os.exec(['sh', '-c', 'echo out; echo err >&2'], { stdout: a, stderr: b }), 0);
        same([content(dir + '/a'), content(dir + '/b')], ['out\n', 'err\n']);
        equal(os.exec(['sh', '-c', 'echo both; echo same >&2'], { stdout: a, stderr: a }), 0);
        equal(content(dir + '/a'), 'out\nboth\nsame\n');
        const error = throws(() => os.exec(['true'], { stdout: 999 }), 'Error'); same([error.code, error.errno], ['EBADF', 9]);
        "#,
    );
}

#[test]
fn a_child_has_no_descriptor_but_three_and_signals_as_they_begin() {
    check(
        r#"
        const [read, write] = os.pipe(), file = os.open('/dev/null', os.O_RDONLY);
        // ls itself opens the folder.
        const [listed] = output(['ls', '/proc/self/fd']);
        same(listed.trim().split('\n').map(Number).filter((fd) => fd > 3), []);
        const [status] = output(['cat', '/proc/self/status']);
        const mask = (name) => BigInt('0x' + new RegExp(`^${name}:\\s*(\\w+)$`, 'm').exec(status)[1]);
        equal(mask('SigBlk'), 0n); equal(mask('SigCgt'), 0n);
        equal(mask('SigIgn') >> BigInt(os.SIGPIPE - 1) & 1n, 0n, 'SIGPIPE is not ignored');
        // So that a pipeline ends: `yes` dies of its broken pipe.
        equal(output(['sh', '-c', 'yes | head -n 1'])[0], 'y\n');
        "#,
    );
}

#[test]
fn ids_are_set_where_they_may_be() {
    check(
        r#"
        const id = (flag) => Number(output(['id', flag])[0]);
        if (id('-u') === 0) {
          same(output(['sh', '-c', 'id -u; id -g; id -G'], { uid: 1234, gid: 2345, groups: [10, 11] }), ['1234\n2345\n2345 10 11\n', 0]);
        } else equal(os.exec(['true'], { uid: 0 }), 127, 'not allowed');
        equal(os.exec(['true'], { uid: id('-u'), gid: id('-g') }), 0);
        "#,
    );
}

#[test]
fn a_served_app_starts_children_and_looks_for_their_end() {
    check_as(
        Role::App,
        r#"
        const pid = os.exec(['sh', '-c', 'exit 5'], { block: false });
        ok(pid > 0);
        let ended = [0, 0];
        for (let i = 0; i < 5000 && ended[0] === 0; i++) { ended = os.waitpid(pid, os.WNOHANG); await os.sleepAsync(1) }
        same(ended, [pid, 5 << 8]);
        "#,
    );
}

#[test]
fn wrong_arguments_throw() {
    check(
        r#"
        const ok = ['true'];
        const wrong = [
          ['exec', [], 'TypeError'], ['exec', ['ls'], 'TypeError'], ['exec', [null], 'TypeError'], ['exec', [[]], 'TypeError'], ['exec', [{}], 'TypeError'],
          ['exec', [{ length: 70000 }], 'TypeError'], ['exec', [{ length: 2 ** 40 }], 'RangeError'], ['exec', [[{}]], 'TypeError'], ['exec', [[undefined]], 'TypeError'],
          ['exec', [['a\0b']], 'TypeError'], ['exec', [[Symbol()]], 'TypeError'], ['exec', [ok, 5], 'TypeError'], ['exec', [ok, { file: {} }], 'TypeError'],
          ['exec', [ok, { cwd: null }], 'TypeError'], ['exec', [ok, { stdin: 'x' }], 'TypeError'], ['exec', [ok, { stdout: 2 ** 31 }], 'RangeError'],
          ['exec', [ok, { env: 'A=1' }], 'TypeError'], ['exec', [ok, { env: { A: {} } }], 'TypeError'], ['exec', [ok, { env: { A: 'x\0y' } }], 'TypeError'],
          ['exec', [ok, { env: { 'A\0': '' } }], 'TypeError'], ['exec', [ok, { uid: -1 }], 'RangeError'], ['exec', [ok, { gid: {} }], 'TypeError'],
          ['exec', [ok, { groups: 5 }], 'TypeError'], ['exec', [ok, { groups: { length: 65 } }], 'RangeError'], ['exec', [ok, { groups: ['x'] }], 'TypeError'],
          ['exec', [ok, { get block() { throw new SyntaxError('mine') } }], 'SyntaxError'],
          ['exec', [{ get length() { throw new SyntaxError('mine') } }], 'SyntaxError'],
          ['waitpid', [], 'TypeError'], ['waitpid', [{}], 'TypeError'], ['waitpid', [1, {}], 'TypeError'], ['waitpid', [2 ** 40], 'RangeError'],
          ['kill', [], 'TypeError'], ['kill', [os.getpid()], 'TypeError'], ['kill', [undefined, 0], 'TypeError'], ['kill', [null, 0], 'TypeError'],
          ['kill', [NaN, 0], 'RangeError'], ['kill', ['self', 0], 'TypeError'], ['kill', [os.getpid(), 'TERM'], 'TypeError'],
        ];
        wrong.forEach(([name, args, error], i) => equal(throws(() => os[name](...args), error).name, error, `call ${i}`));
        equal(os.kill(os.getpid(), 0), 0); equal(os.kill(String(os.getpid()), 0), 0); equal(os.kill(os.getpid(), 99), -22);
        same(os.waitpid(os.getpid(), os.WNOHANG), [-10, 0]);
        "#,
    );
}

#[test]
fn the_process_itself() {
    check(
        r#"
        const [status] = output(['sh', '-c', 'echo $PPID']);
        equal(os.getpid(), Number(status));
        equal(os.exePath(), os.readlink('/proc/self/exe')[0]);
        equal(os.platform, 'linux');
        "#,
    );
}
