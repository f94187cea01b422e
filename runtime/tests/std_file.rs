//! FILE of `std`: reading, writing, seeking, closing, by the rules of C's stdio.
//!
//! Owns: scripts on files in a folder of the test. Must not know: buffers.

#[macro_use]
mod io_harness;
mod driver;
mod os_harness;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use runtime::io::Backend;
use runtime::modules::qjs::os::table::Descriptors;

/// A folder of the test's own, removed when it ends.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// One at a time: which number a descriptor gets depends on all that the process has open.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs `body` in a fresh engine on both backends; `dir` is an empty folder.
fn check(name: &'static str, body: &'static str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for backend in [Backend::Uring, Backend::Epoll] {
        let path = std::env::temp_dir().join(format!("std_file-{}-{name}-{backend:?}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        let folder = Folder(path);
        let dir = folder.0.to_str().expect("UTF-8").to_owned();
        io_harness::worker(backend, move || async move {
            let driver = driver::new();
            let body = format!("const std = await import('std'), dir = '{dir}';\n{body}");
            if let Err(thrown) = os_harness::run(&driver, &body).await {
                panic!("{backend:?}: {thrown}");
            }
            driver.engine.collect();
            assert!(driver.reports.borrow().is_empty(), "{backend:?}: {:#?}", driver.reports.borrow());
        });
    }
}

#[test]
fn what_is_written_is_read_again() {
    check(
        "written",
        r#"
        const f = std.tmpfile();
        equal(f.puts('hello ', 'world\n', 1, null), undefined);
        equal(f.printf('%d-%s', 7, 'é'), 4);
        equal(f.tell(), 21);
        equal(f.tello(), 21n);
        equal(f.seek(0, std.SEEK_SET), 0);
        equal(f.readAsString(), 'hello world\n1null7-é');
        equal(f.eof(), true);
        equal(f.seek(0, std.SEEK_SET), 0);
        equal(f.eof(), false);
        equal(f.readAsString(5), 'hello');
        equal(f.readAsString(0), '');
        equal(new Uint8Array(f.readAsArrayBuffer(3)).join(), '32,119,111');
        ok(f.readAsArrayBuffer() instanceof ArrayBuffer);
        equal(f.seek(-2n, std.SEEK_END), 0);
        equal(f.getByte(), 0xc3);
        equal(f.getByte(), 0xa9);
        equal(f.getByte(), -1);
        equal(f.seek(1, std.SEEK_SET), 0);
        equal(f.putByte(0x145), 0x45);
        equal(f.seek(0, std.SEEK_SET), 0);
        equal(f.getline(), 'hEllo world');
        equal(f.error(), false);
        equal(f.flush(), undefined);
        equal(f.close(), 0);
        "#,
    );
}

#[test]
fn lines_end_at_newlines_or_at_the_end() {
    check(
        "lines",
        r#"
        const path = dir + '/lines', long = 'x'.repeat(100000);
        std.writeFile(path, `one\n\n${long}\nlast`);
        const f = std.open(path, 'r'), lines = [];
        for (let line; (line = f.getline()) !== null;) lines.push(line);
        equal(lines.length, 4);
        same(lines.filter((line) => line.length < 10), ['one', '', 'last']);
        equal(lines[2], long);
        equal(f.getline(), null);
        ok(f.eof());
        f.close();
        std.writeFile(path, new Uint8Array([0x61, 0xff, 0x0a, 0xe2, 0x82, 0x0a, 0x00, 0x62, 0x0d, 0x0a]));
        const g = std.open(path, 'rb');
        same([g.getline(), g.getline(), g.getline(), g.getline()], ['a\ufffd', '\ufffd\ufffd', '\0b\r', null]);
        g.close();
        "#,
    );
}

#[test]
fn buffers_are_read_and_written_in_part() {
    check(
        "buffers",
        r#"
        const f = std.tmpfile(), bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
        equal(f.write(bytes.buffer), 256);
        equal(f.write(bytes.buffer, 250), 6);
        equal(f.write(bytes.buffer, 10, 5), 5);
        equal(f.write(bytes.buffer, 250, 100), 6);
        equal(f.write(bytes.buffer, 1000, 100), 0);
        equal(f.write(bytes.subarray(1, 3)), 2);
        equal(f.write(new DataView(bytes.buffer, 4, 2)), 2);
        equal(f.write('é!', 0, 2), 2);
        equal(f.write(new ArrayBuffer(0)), 0);
        equal(f.tell(), 279);
        f.seek(256, std.SEEK_SET);
        const target = new Uint8Array(30).fill(99);
        equal(f.read(target.buffer, 2, 25), 23);
        same([...target.subarray(0, 12)], [99, 99, 250, 251, 252, 253, 254, 255, 10, 11, 12, 13]);
        same([...target.subarray(19)], [1, 2, 4, 5, 0xc3, 0xa9, 99, 99, 99, 99, 99]);
        ok(f.eof());
        equal(f.read(target.buffer, 0, 5), 0);
        f.seek(0, std.SEEK_SET);
        equal(f.read(target.subarray(10, 12)), 2);
        same([...target.subarray(9, 13)], [11, 0, 1, 14]);
        equal(f.read(target.buffer, 28, 100), 2);
        equal(f.read(target.buffer, 100), 0);
        // A position whose conversion takes the buffer away.
        const gone = new ArrayBuffer(8);
        equal(f.read(gone, { valueOf() { gone.transfer(); return 0 } }, 8), 0);
        f.close();
        const big = new Uint8Array(3 << 20).map((_, i) => i * 7), b = std.open(dir + '/big', 'w+');
        equal(b.write(big.buffer), big.length);
        equal(b.seek(0, std.SEEK_SET), 0);
        const back = new Uint8Array(b.readAsArrayBuffer());
        equal(back.length, big.length);
        ok(back.every((byte, i) => byte === big[i]));
        equal(b.seek(2 ** 33, std.SEEK_SET), 0);
        equal(b.tello(), 2n ** 33n);
        equal(b.putByte(1), 1);
        equal(b.tell(), 2 ** 33 + 1);
        b.close();
        "#,
    );
}

#[test]
fn modes_are_those_of_fopen() {
    check(
        "modes",
        r#"
        const path = dir + '/modes', errors = {};
        equal(std.open(path, 'r', errors), null);
        equal(errors.errno, std.Error.ENOENT);
        let f = std.open(path, 'wx', errors);
        equal(errors.errno, 0);
        f.puts('abc');
        equal(f.getByte(), -1);
        ok(f.error() && !f.eof());
        f.clearerr();
        ok(!f.error());
        equal(f.close(), 0);
        equal(std.open(path, 'wx', errors), null);
        equal(errors.errno, std.Error.EEXIST);
        f = std.open(path, 'rbe');
        equal(f.putByte(1), -1);
        ok(f.error());
        equal(f.readAsString(), 'abc');
        f.close();
        f = std.open(path, 'r+');
        f.getByte();
        f.puts('X');
        equal(f.getByte(), 'c'.charCodeAt(0));
        f.close();
        f = std.open(path, 'a+');
        equal(f.getByte(), 'a'.charCodeAt(0));
        f.puts('d');
        equal(f.tell(), 4);
        f.seek(0, std.SEEK_SET);
        f.puts('e');
        f.close();
        equal(std.loadFile(path), 'aXcde');
        f = std.open(path, 'w+');
        f.puts('new');
        f.seek(0, std.SEEK_SET);
        equal(f.readAsString(), 'new');
        f.close();
        for (const [mode, errno] of [['', 'EINVAL'], ['+', 'EINVAL'], ['b', 'EINVAL']]) {
          equal(std.open(path, mode, errors), null);
          equal(errors.errno, std.Error[errno], mode);
        }
        for (const mode of ['z', 'r ', 'rz', 'R', undefined, 5]) throws(() => std.open(path, mode), 'TypeError', 'invalid file mode');
        equal(std.open('a\0b', 'r', errors), null);
        equal(errors.errno, std.Error.EINVAL);
        const folder = std.open(dir, 'r');
        equal(folder.readAsString(), '');
        ok(folder.error());
        folder.close();
        equal(std.open(dir, 'w', errors), null);
        equal(errors.errno, std.Error.EISDIR);
        "#,
    );
}

#[test]
fn seeks_that_cannot_be_are_negative() {
    check(
        "seeks",
        r#"
        const f = std.tmpfile();
        f.puts('0123456789');
        equal(f.seek(-1, std.SEEK_SET), -std.Error.EINVAL);
        equal(f.seek(-100, std.SEEK_CUR), -std.Error.EINVAL);
        equal(f.seek(0, 77), -std.Error.EINVAL);
        equal(f.seek(2, std.SEEK_SET), 0);
        equal(f.getByte(), 50);
        equal(f.seek(1, std.SEEK_CUR), 0);
        equal(f.getByte(), 52);
        equal(f.tell(), 5);
        throws(() => f.seek(Symbol(), 0), 'TypeError');
        f.close();
        const p = std.popen('echo hi', 'r');
        equal(p.seek(0, std.SEEK_SET), -std.Error.ESPIPE);
        equal(p.tell(), -1);
        equal(p.tello(), -1n);
        equal(p.readAsString(), 'hi\n');
        p.close();
        "#,
    );
}

#[test]
fn a_closed_file_is_no_file() {
    check(
        "closed",
        r#"
        const f = std.tmpfile(), number = f.fileno();
        ok(number > 2);
        equal(f.close(), 0);
        const calls = [['close'], ['puts', 'x'], ['printf', 'x'], ['flush'], ['tell'], ['tello'], ['seek', 0, 0], ['eof'], ['fileno'], ['error'],
          ['clearerr'], ['read', new ArrayBuffer(1)], ['write', new ArrayBuffer(1)], ['getline'], ['readAsString'], ['readAsArrayBuffer'], ['getByte'], ['putByte', 1]];
        same(calls.map(([name]) => name).sort(), Object.keys(Object.getPrototypeOf(f)).sort());
        for (const [name, ...args] of calls) throws(() => f[name](...args), 'TypeError', 'invalid file handle');
        for (const [name, ...args] of calls) throws(() => f[name].apply({}, args), 'TypeError');
        // The number's next owner is not the FILE's.
        const g = std.tmpfile();
        equal(os.close(g.fileno()), 0);
        const h = std.open(dir + '/h', 'w+');
        equal(h.fileno(), g.fileno());
        g.puts('lost');
        g.flush();
        ok(g.error());
        equal(g.close(), -std.Error.EBADF);
        h.puts('kept');
        equal(h.close(), 0);
        equal(std.loadFile(dir + '/h'), 'kept');
        // A file that its own write closes.
        const k = std.tmpfile();
        throws(() => k.puts({ toString() { k.close(); return 'x' } }), 'TypeError', 'invalid file handle');
        for (const stream of [std.in, std.out, std.err]) throws(() => stream.close(), 'TypeError', 'cannot close stdio');
        same([std.in.fileno(), std.out.fileno(), std.err.fileno()], [0, 1, 2]);
        throws(() => std.out.seek(0, 0), 'TypeError', 'in a served app');
        "#,
    );
}

#[test]
fn fdopen_shares_a_descriptor_of_the_engine() {
    check(
        "fdopen",
        r#"
        const errors = {}, f = std.open(dir + '/x', 'w');
        const g = std.fdopen(f.fileno(), 'w', errors);
        equal(errors.errno, 0);
        f.puts('one ');
        f.flush();
        g.puts('two');
        equal(g.close(), 0);
        equal(f.close(), -std.Error.EBADF);
        equal(std.loadFile(dir + '/x'), 'one two');
        equal(std.fdopen(99999, 'r', errors), null);
        equal(errors.errno, std.Error.EBADF);
        const r = std.open(dir + '/x', 'r');
        equal(std.fdopen(r.fileno(), 'w', errors), null);
        equal(errors.errno, std.Error.EINVAL);
        equal(std.fdopen(r.fileno(), 'r').getline(), 'one two');
        throws(() => std.fdopen(r.fileno(), 'rb'), 'TypeError', 'invalid file mode');
        throws(() => std.fdopen(Symbol(), 'r'), 'TypeError');
        const [client, server] = await pair();
        const s = std.fdopen(client, 'r+');
        s.puts('over a socket\n');
        s.flush();
        const buffer = new Uint8Array(14);
        await os.recv(server, buffer, 14, true);
        equal(text(buffer, 14), 'over a socket\n');
        await os.send(server, 'answer\nrest');
        os.close(server);
        same([s.getline(), s.getline(), s.getline()], ['answer', 'rest', null]);
        equal(s.close(), 0);
        equal(os.close(client), -std.Error.EBADF);
        "#,
    );
}

#[test]
fn popen_talks_with_a_shell_and_tells_its_status() {
    check(
        "popen",
        r#"
        let p = std.popen('printf "a\nb"; exit 3', 'r');
        same([p.getline(), p.getline(), p.getline()], ['a', 'b', null]);
        equal(p.putByte(1), -1);
        equal(p.close(), 3 << 8);
        p = std.popen(`cat > ${dir}/out`, 'w');
        p.puts('to the child');
        equal(p.getByte(), -1);
        equal(p.close(), 0);
        equal(std.loadFile(dir + '/out'), 'to the child');
        p = std.popen('kill -9 $$', 'r');
        equal(p.close(), 9);
        const f = std.open(dir + '/first', 'w');
        f.puts('flushed before');
        equal(std.popen(`cat ${dir}/first`, 'r').readAsString(), 'flushed before');
        f.close();
        std.setenv('STD_FILE_TEST', 'seen');
        equal(std.popen('echo $STD_FILE_TEST', 'r').getline(), 'seen');
        std.unsetenv('STD_FILE_TEST');
        equal(std.popen('echo x$STD_FILE_TEST', 'r').getline(), 'x');
        const broken = std.popen('exit 0', 'w');
        for (let i = 0; i < 1000 && !broken.error(); i++) { broken.puts('x'.repeat(5000)); broken.flush(); }
        ok(broken.error());
        broken.close();
        for (const mode of ['rw', 'x', '', 'r+', undefined]) throws(() => std.popen('true', mode), 'TypeError', 'invalid file mode');
        equal(std.popen('nosuchcommand 2>/dev/null', 'r').close(), 127 << 8);
        std.gc();
        "#,
    );
}

/// How many descriptors of the engine are open, and how many of the process are the file `name`.
fn open_descriptors(driver: &driver::Driver, name: &str) -> (usize, usize) {
    let all = std::fs::read_dir("/proc/self/fd").expect("procfs").flatten();
    let of_file =
        all.filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == name));
    (driver.engine.state().extension::<Descriptors>().len(), of_file.count())
}

#[test]
fn files_that_are_collected_are_flushed_and_closed() {
    for backend in [Backend::Uring, Backend::Epoll] {
        let path = std::env::temp_dir().join(format!("std_file-gc-{}-{backend:?}", std::process::id()));
        let name = path.to_str().expect("UTF-8").to_owned();
        io_harness::worker(backend, move || async move {
            let driver = driver::new();
            let round = format!(
                "const std = await import('std');
                 for (let i = 0; i < 50; i++) {{
                   std.open('{name}', 'a').puts('x');
                   std.tmpfile().puts('lost');
                   const loop = {{ file: std.tmpfile() }};
                   loop.loop = loop;
                   if (i % 10 === 0) std.popen('true', 'r');
                 }}
                 std.gc();"
            );
            os_harness::run(&driver, &round).await.expect("runs");
            driver.engine.collect();
            let heap = driver.engine.heap_bytes();
            assert_eq!(open_descriptors(&driver, &name), (0, 0));
            for _ in 0..4 {
                os_harness::run(&driver, &round).await.expect("runs");
            }
            driver.engine.collect();
            assert_eq!(open_descriptors(&driver, &name), (0, 0));
            let grown = driver.engine.heap_bytes().saturating_sub(heap);
            assert!(grown < 20_000, "{grown} bytes");
            // What the engine's end finds open is flushed, too.
            let last =
                format!("globalThis.kept = (await import('std')).open('{name}', 'a'); kept.puts('end')");
            os_harness::run(&driver, &last).await.expect("runs");
            drop(driver);
            assert_eq!(std::fs::read_to_string(&name).expect("the file"), "x".repeat(250) + "end");
            std::fs::remove_file(&name).expect("its own file");
        });
    }
}

#[test]
fn what_cannot_be_written_or_read_is_told() {
    check(
        "refused",
        r#"
        const errors = {}, full = std.open('/dev/full', 'w');
        full.puts('x');
        equal(full.error(), false);
        equal(full.flush(), undefined);
        equal(full.error(), true);
        full.puts('y');
        equal(full.close(), -std.Error.ENOSPC);
        throws(() => std.writeFile('/dev/full', 'x'), 'Error', 'error writing to /dev/full');
        throws(() => std.writeFile(dir + '/no/such', 'x'), 'Error', 'error opening');
        equal(std.loadFile(dir + '/none'), null);
        equal(std.loadFile(dir), null);
        throws(() => std.loadFile('/dev/zero'), 'InternalError', 'out of memory');
        throws(() => std.open('/dev/zero', 'r').readAsString(), 'InternalError', 'out of memory');
        throws(() => std.open('/dev/zero', 'r').getline(), 'InternalError', 'out of memory');
        equal(std.open('/dev/zero', 'r').readAsArrayBuffer(10).byteLength, 10);
        "#,
    );
}

#[test]
fn new_files_have_the_modes_of_fopen() {
    let path = std::env::temp_dir().join(format!("std_file-mode-{}", std::process::id()));
    let name = path.to_str().expect("UTF-8").to_owned();
    io_harness::worker(Backend::Epoll, move || async move {
        let driver = driver::new();
        let body = format!("(await import('std')).open('{name}', 'w').close()");
        os_harness::run(&driver, &body).await.expect("runs");
        let mode = std::fs::metadata(&name).expect("the file").permissions().mode() & 0o777;
        std::fs::remove_file(&name).expect("its own file");
        assert_eq!(mode & !0o066, 0o600);
        assert_eq!(mode & 0o111, 0);
    });
}
