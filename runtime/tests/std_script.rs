//! `std` beyond FILE: scripts from text and files, whole files, the environment, the export list.
//!
//! Owns: what those answer, the table of wrong arguments, the fuzz. Must not know: buffers.

use crate::driver;
use crate::io_harness;

use std::fs;

use crate::os_harness::{self, check};
use runtime::io::Backend;

#[test]
fn every_export_is_there_under_both_names() {
    check(
        r#"
        const std = await import('std'), same_std = await import('qjs:std');
        const wanted = ['Error', 'SEEK_CUR', 'SEEK_END', 'SEEK_SET', 'decode', 'encode', 'err', 'evalScript', 'exit', 'fdopen', 'gc', 'getenv', 'getenviron', 'in',
          'loadFile', 'loadScript', 'open', 'out', 'parseExtJSON', 'popen', 'printf', 'puts', 'setenv', 'sprintf', 'strerror', 'tmpfile',
          'unsetenv', 'urlGet', 'writeFile'];
        same(Object.keys(std), wanted);
        same(Object.keys(same_std), wanted);
        same([std.SEEK_SET, std.SEEK_CUR, std.SEEK_END], [0, 1, 2]);
        const { EINVAL, EIO, EACCES, EEXIST, ENOSPC, ENOSYS, EBUSY, ENOENT, EPERM, EPIPE, EBADF, EWOULDBLOCK, ENOTSUP } = std.Error;
        same([EINVAL, EIO, EACCES, EEXIST, ENOSPC, ENOSYS, EBUSY, ENOENT, EPERM, EPIPE, EBADF], [22, 5, 13, 17, 28, 38, 16, 2, 1, 32, 9]);
        same([EWOULDBLOCK, ENOTSUP, std.Error.EHWPOISON], [11, 95, 133]);
        ok(Object.keys(std.Error).length >= 130);
        equal(Object.prototype.toString.call(std.out), '[object FILE]');
        throws(() => new std.out.constructor(), 'TypeError');
        equal(globalThis.FILE, undefined);
        same(['exit', 'evalScript', 'loadFile', 'open', 'popen', 'writeFile', 'tmpfile'].map((name) => std[name].length), [1, 1, 1, 2, 2, 2, 0]);
        same([std.strerror(0), std.strerror(2), std.strerror(EPIPE)], ['Success', 'No such file or directory', 'Broken pipe']);
        equal(std.strerror(99999), 'Unknown error 99999');
        equal(std.gc(), undefined);
        "#,
    );
}

#[test]
fn scripts_are_evaluated_in_the_global_scope() {
    check(
        r#"
        const std = await import('std');
        equal(std.evalScript('var fromScript = 20; let lexical = 1; fromScript + lexical'), 21);
        equal(globalThis.fromScript, 20);
        equal(std.evalScript('lexical'), 1);
        equal(std.evalScript(5), 5);
        equal(std.evalScript('1;', undefined), 1);
        equal(std.evalScript('this') , globalThis);
        throws(() => std.evalScript('let let'), 'SyntaxError');
        throws(() => std.evalScript('missing_name'), 'ReferenceError');
        throws(() => std.evalScript('throw new RangeError("mine")'), 'RangeError', 'mine');
        const promise = std.evalScript('await null; await 7', { async: true });
        ok(promise instanceof Promise);
        equal((await promise).value, 7);
        equal(await std.evalScript('await Promise.reject(new Error("late"))', { async: true }).catch((error) => error.message), 'late');
        function outer(options) { try { std.evalScript('null.x', options) } catch (error) { return error.stack } }
        ok(outer().includes('outer'));
        ok(!outer({ backtrace_barrier: true }).includes('outer'));
        ok(outer({ backtrace_barrier: true }).includes('<evalScript>'));
        throws(() => std.evalScript('1', null), 'TypeError');
        throws(() => std.evalScript('1', { get async() { throw new EvalError('mine') } }), 'EvalError');
        for (const name of ['compile_only', 'compile_module', 'eval_function', 'eval_module']) {
          throws(() => std.evalScript('1', { [name]: true }), 'TypeError', 'not supported');
          equal(std.evalScript('1', { [name]: false }), 1);
        }
        throws(() => std.evalScript(Symbol()), 'TypeError');
        equal(std.evalScript('std'.length === 3 ? 'typeof std' : ''), 'undefined');
        "#,
    );
}

#[test]
fn whole_files_are_loaded_and_written() {
    for backend in [Backend::Uring, Backend::Epoll] {
        let folder = std::env::temp_dir().join(format!("std_script-{}-{backend:?}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let dir = folder.to_str().expect("UTF-8").to_owned();
        io_harness::worker(backend, move || async move {
            let driver = driver::new();
            let body = format!(
                r#"const std = await import('std'), path = '{dir}/file';
                equal(std.writeFile(path, 'text é'), undefined);
                equal(std.loadFile(path), 'text é');
                equal(std.loadFile(path, {{ binary: false }}), 'text é');
                const bytes = std.loadFile(path, {{ binary: true }});
                ok(bytes instanceof Uint8Array);
                same([...bytes.slice(4)], [32, 0xc3, 0xa9]);
                std.writeFile(path, bytes.subarray(5));
                equal(std.loadFile(path), 'é');
                std.writeFile(path, bytes.buffer);
                equal(std.loadFile(path), 'text é');
                std.writeFile(path, 12);
                equal(std.loadFile(path), '12');
                std.writeFile(path);
                equal(std.loadFile(path), '');
                std.writeFile(path, new ArrayBuffer(0));
                equal(std.loadFile(path, {{ binary: true }}).length, 0);
                std.writeFile(path, new Uint8Array([0x61, 0xff, 0xed, 0xa0, 0x80, 0xc3]));
                equal(std.loadFile(path).charCodeAt(1), 0xfffd);
                std.writeFile(path, '#!/usr/bin/env jsserve\nvar loaded = 5; loaded * 2');
                equal(std.loadScript(path), 10);
                equal(globalThis.loaded, 5);
                std.writeFile(path, 'throw new Error("inside")');
                ok(throws(() => std.loadScript(path), 'Error', 'inside').stack.includes(path + ':1'));
                throws(() => std.loadScript(path + '.none'), 'ReferenceError', `could not load '${{path}}.none'`);
                throws(() => std.loadFile(path, null), 'TypeError');
                equal(std.loadFile(path + '\0'), null);
                throws(() => std.writeFile(path, Symbol()), 'TypeError');
                throws(() => std.writeFile(path + '\0', ''), 'Error', 'error opening');
                "#
            );
            os_harness::run(&driver, &body).await.unwrap_or_else(|thrown| panic!("{backend:?}: {thrown}"));
        });
        fs::remove_dir_all(&folder).expect("its own folder");
    }
}

#[test]
fn the_environment_is_changed_for_scripts_and_their_children() {
    check(
        r#"
        const std = await import('std');
        equal(std.getenv('STD_SCRIPT_NONE'), undefined);
        equal(typeof std.getenv('PATH'), 'string');
        equal(std.setenv('STD_SCRIPT_A', 'one'), undefined);
        equal(std.getenv('STD_SCRIPT_A'), 'one');
        std.setenv('STD_SCRIPT_A', 'zwei é=x');
        const all = std.getenviron();
        equal(all.STD_SCRIPT_A, 'zwei é=x');
        equal(all.PATH, std.getenv('PATH'));
        equal(std.unsetenv('STD_SCRIPT_A'), undefined);
        equal(std.getenv('STD_SCRIPT_A'), undefined);
        ok(!('STD_SCRIPT_A' in std.getenviron()));
        for (const name of ['', 'a=b', 'a\0b']) std.setenv(name, 'x');
        std.setenv('STD_SCRIPT_B', 'a\0b');
        for (const name of ['', 'a=b', 'a\0b', 'a', 'STD_SCRIPT_B']) equal(std.getenv(name), undefined, name);
        std.unsetenv('');
        throws(() => std.getenv(Symbol()), 'TypeError');
        throws(() => std.setenv('x', Symbol()), 'TypeError');
        throws(() => std.unsetenv(Symbol()), 'TypeError');
        "#,
    );
}

#[test]
fn a_served_app_cannot_end_the_process_or_block_on_a_download() {
    check(
        r#"
        const std = await import('std');
        throws(() => std.exit(0), 'Error', 'would end the server');
        throws(() => std.urlGet('http://127.0.0.1:1/'), 'Error', 'fetch');
        "#,
    );
}

#[test]
fn wrong_arguments_have_their_errors() {
    check(
        r#"
        const std = await import('std'), f = std.tmpfile(), symbol = Symbol(), buffer = new ArrayBuffer(4), fixed = new ArrayBuffer(4).transferToImmutable?.();
        const bad = { toString() { throw new EvalError('mine') }, valueOf() { throw new EvalError('mine') } };
        const wrong = [
          [std, 'open', [symbol, 'r'], 'TypeError'], [std, 'open', ['/', symbol], 'TypeError'], [std, 'open', [], 'TypeError'],
          [std, 'open', ['/none', 'r', 5], 'TypeError'], [std, 'open', ['/none', 'r', null], 'TypeError'], [std, 'open', [bad, 'r'], 'EvalError'],
          [std, 'open', ['/none', 'r', Object.freeze({})], 'TypeError'], [std, 'open', ['/none', 'r', { set errno(v) { throw new EvalError() } }], 'EvalError'],
          [std, 'popen', [], 'TypeError'], [std, 'popen', [symbol, 'r'], 'TypeError'], [std, 'fdopen', [], 'TypeError'], [std, 'fdopen', [5n, 'r'], 'TypeError'],
          [std, 'tmpfile', [5], 'TypeError'], [std, 'puts', [symbol], 'TypeError'], [std, 'puts', ['', bad], 'EvalError'], [std, 'printf', ['%'], 'TypeError'],
          [std, 'printf', ['%d'], 'ReferenceError'], [std, 'sprintf', [symbol], 'TypeError'], [std, 'strerror', [symbol], 'TypeError'], [std, 'strerror', [5n], 'TypeError'],
          [std, 'loadFile', [symbol], 'TypeError'], [std, 'loadScript', [symbol], 'TypeError'], [std, 'loadScript', [], 'ReferenceError'],
          [std, 'writeFile', [symbol, ''], 'TypeError'], [std, 'parseExtJSON', [bad], 'EvalError'], [std, 'getenv', [bad], 'EvalError'],
          [f, 'puts', [symbol], 'TypeError'], [f, 'printf', [symbol], 'TypeError'], [f, 'seek', [symbol, 0], 'TypeError'], [f, 'seek', [0, 5n], 'TypeError'],
          [f, 'seek', [bad, 0], 'EvalError'], [f, 'read', [], 'TypeError'], [f, 'read', [[1]], 'TypeError'], [f, 'read', ['text'], 'TypeError'],
          [f, 'read', [buffer, -1], 'RangeError'], [f, 'read', [buffer, 0, -1], 'RangeError'], [f, 'read', [buffer, 2 ** 60], 'RangeError'],
          [f, 'read', [buffer, symbol], 'TypeError'], [f, 'read', [buffer, 0, 1n], 'TypeError'], [f, 'read', [buffer, bad], 'EvalError'],
          [f, 'write', [], 'TypeError'], [f, 'write', [5], 'TypeError'], [f, 'write', [null], 'TypeError'], [f, 'write', [buffer, -1], 'RangeError'],
          [f, 'write', [buffer, 0, Infinity], 'RangeError'], [f, 'write', ['text', symbol], 'TypeError'], [f, 'readAsString', [-1], 'RangeError'],
          [f, 'readAsString', [symbol], 'TypeError'], [f, 'readAsArrayBuffer', [-1], 'RangeError'], [f, 'readAsArrayBuffer', [1n], 'TypeError'],
          [f, 'putByte', [symbol], 'TypeError'], [f, 'putByte', [5n], 'TypeError'],
        ];
        for (const [object, name, args, error] of wrong) throws(() => object[name](...args), error);
        if (fixed) throws(() => f.read(fixed), 'TypeError', 'immutable');
        equal(f.tell(), 0, 'nothing was written');
        // Missing arguments are `undefined`, as in QuickJS.
        same([std.loadFile(), std.getenv(), f.seek(), f.putByte()], [null, undefined, 0, 0]);
        "#,
    );
}

#[test]
fn random_arguments_do_no_harm() {
    check(
        r#"
        const std = await import('std'), f = std.tmpfile();
        let seed = 12345;
        const random = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
        const buffer = new ArrayBuffer(16), gone = new ArrayBuffer(8);
        gone.transfer();
        const values = [undefined, null, true, 0, -1, 1, 3.7, NaN, Infinity, 1e300, -(2 ** 31), 2n ** 70n, 5n, '', 'r', 'w+', '/nowhere/x', '%d%s%c', '%*.*f', '%-5.3s|%lx',
          '{a:[1]}', 'x\0y', '\ud800', [], {}, { binary: true }, () => 1, Symbol('s'), buffer, gone, new Uint8Array(buffer, 3, 5), new DataView(buffer), f,
          { valueOf() { return 3 }, toString() { return 'r' } }, { get errno() { return 1 } }, new Proxy({}, {}), new Float64Array(3)];
        // Not those that print, make files or run commands of any name.
        const names = ['getenv', 'loadFile', 'loadScript', 'sprintf', 'parseExtJSON', 'strerror', 'fdopen', 'gc', 'exit', 'urlGet'];
        const methods = Object.keys(Object.getPrototypeOf(f)).filter((name) => name !== 'close');
        const files = [f, std.open('/nowhere/x', 'r') ?? std.tmpfile()];
        for (let i = 0; i < 4000; i++) {
          const args = Array.from({ length: random(5) }, () => values[random(values.length)]);
          const [object, name] = random(3) ? [files[random(2)], methods[random(methods.length)]] : [std, names[random(names.length)]];
          // Nor those that would close, with a FILE of their own, what others use.
          const number = Number(typeof args[0] === 'symbol' ? 9 : args[0]);
          if (name === 'fdopen' && ([0, 1, 2].includes(number) || files.some((file) => file.fileno() === (number | 0)))) continue;
          try { object[name](...args) } catch (error) { ok(error instanceof Error, `${name}: ${String(error)}`) }
          if (f.tell() > 1e6) f.seek(0, 0);
        }
        f.clearerr();
        equal(f.seek(0, std.SEEK_SET), 0);
        equal(f.putByte(7), 7);
        "#,
    );
}
