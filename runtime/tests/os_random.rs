//! `os` on files and processes with random arguments: nothing crashes, blocks, or leaks descriptors.
//!
//! Owns: which arguments each call may get: paths of the scratch folder, descriptors of the test,
//! processes that it started. Must not know: what the calls answer.

mod driver;
mod io_harness;
mod os_harness;
mod os_script;

use os_script::check_as;
use runtime::modules::web::host::Role;

#[test]
fn random_arguments_do_no_harm() {
    check_as(
        Role::App,
        r#"
        let seed = 4711;
        const random = (n) => { seed = (seed * 1103515245 + 12345) % 2147483648; return Math.floor(seed / 65536) % n };
        const pick = (list) => list[random(list.length)];
        const count = () => os.readdir('/proc/self/fd')[0].length;
        const fds = new Set(), children = new Set(), detached = new ArrayBuffer(4); detached.transfer();
        const path = () => `${dir}/${pick(['a', 'b', 'c', 'a/d', 'b/e', 'c/f', 'none/x', '', 'x'.repeat(300)])}`;
        const odd = () => pick([null, {}, [], () => 1, Symbol(), 5n, NaN, Infinity, -1, 0.5, 2 ** 53, 'text', '', '7', true, detached, new Proxy({}, { get() { throw new Error('trap') } })]);
        const wrongPath = () => pick([null, {}, [], () => 1, Symbol(), 5n, detached, 'a\0b']);
        // 0 to 2 are not the engine's in an app: whatever number this is, it is harmless.
        const fd = () => random(8) ? pick([...fds, -1]) : odd();
        const buffer = () => pick([() => new ArrayBuffer(random(300)), () => new Uint8Array(random(300)), () => new DataView(new ArrayBuffer(9), 3), odd])();
        const number = () => random(4) ? random(pick([3, 20, 5000, 2 ** 31])) - random(2) * random(4) : random(3) ? undefined : odd();
        const file = () => random(8) ? path() : wrongPath();
        const options = () => ({ block: random(20) === 0, stdin: fd(), stdout: fd(), stderr: pick([undefined, fd()]), cwd: pick([undefined, dir, path()]),
          usePath: pick([true, false, 0, 'x']), env: pick([undefined, {}, { A: 'b', c: 5 }, odd()]), gid: pick([undefined, number()]), groups: pick([undefined, [], [1, 2], odd()]) });
        const child = () => children.size && random(4) ? pick([...children]) : pick([null, {}, [], Symbol(), 5n, 'self', NaN, undefined]);
        const calls = {
          open: [file, () => pick([os.O_RDONLY, os.O_RDWR | os.O_CREAT, os.O_CREAT | os.O_EXCL | os.O_WRONLY, os.O_TRUNC | os.O_RDWR, number()]), () => pick([0o666, 0o600, number()])],
          read: [fd, buffer, number, number], write: [fd, buffer, number, number], seek: [fd, () => pick([number, () => BigInt(random(9999)), odd])(), number],
          dup: [fd], dup2: [fd, () => pick([fd(), 500 + random(9)])], pipe: [], isatty: [fd], ttyGetWinSize: [fd], ttySetRaw: [fd],
          remove: [file], rename: [file, file], realpath: [file], symlink: [file, file], readlink: [file], utimes: [file, number, number],
          stat: [file], lstat: [file], mkdir: [file, () => pick([undefined, 0o777, odd()])], readdir: [file], mkdtemp: [file], mkstemp: [file],
          getcwd: [odd], chdir: [file], exec: [() => pick([['true'], ['false', 'x'], [], [path()], ['true', odd()], odd()]), () => pick([{ block: false }, options(), odd()])],
          waitpid: [child, () => pick([os.WNOHANG, os.WNOHANG, 0, odd()])], kill: [child, () => pick([0, os.SIGTERM, os.SIGKILL, 99, odd()])],
          getpid: [odd], exePath: [odd], now: [odd], cputime: [odd], sleep: [number], sleepAsync: [() => pick([random(3), null, {}, 5n])], signal: [number, () => odd],
          close: [fd],
        };
        const kept = (name, result) => {
          if (['open', 'dup', 'dup2'].includes(name) && result >= 0) fds.add(result);
          if (name === 'pipe' && result) result.forEach((fd) => fds.add(fd));
          if (name === 'mkstemp' && result[1] >= 0) fds.add(result[1]);
          if (name === 'exec' && result > 0) children.add(result);
          if (name === 'waitpid' && result[0] > 0) children.delete(result[0]);
        };
        const begin = count(), names = Object.keys(calls), answered = {};
        const clear = () => { for (const fd of fds) if (os.close(fd) === 0) fds.delete(fd); fds.clear() };
        for (let i = 0; i < 6000; i++) {
          const name = pick(names);
          if (name === 'exec' && random(3)) continue;
          const args = calls[name].map((make) => make()).slice(0, ['mkdtemp', 'mkstemp'].includes(name) ? 1 : random(6) || undefined);
          try { kept(name, os[name](...args)); answered[name] = true } catch (error) { ok(error instanceof Error, `${name}: ${error}`) }
          if (fds.size > 60) clear();
          if (i % 100 === 0) await null;
        }
        same(names.filter((name) => !answered[name]), ['sleep', 'signal'], 'all others answer some of the time');
        for (const pid of children) {
          os.kill(pid, os.SIGKILL);
          for (let i = 0; i < 5000 && os.waitpid(pid, os.WNOHANG)[0] === 0; i++) await os.sleepAsync(1);
        }
        clear(); await os.sleepAsync(5);
        ok(count() <= begin, `${count()} descriptors, ${begin} before`);
        "#,
    );
}
