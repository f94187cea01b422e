//! `os` on names: folders, links, times, what stat says.
//!
//! Owns: what each call does and how it fails. Must not know: paths beyond the scratch folder.

mod driver;
mod io_harness;
mod os_harness;
mod os_script;

use os_script::check;

#[test]
fn folders_are_made_listed_and_removed() {
    check(
        r#"
        const sub = dir + '/sub';
        equal(os.mkdir(sub, 0o755), 0); equal(os.mkdir(sub), -17);
        equal(os.mkdir(dir + '/none/none'), -2);
        put(sub + '/b', ''); put(sub + '/a', ''); put(sub + '/\u{1F600}', '');
        const [names, errno] = os.readdir(sub);
        equal(errno, 0); same(names.sort(), ['.', '..', 'a', 'b', '\u{1F600}']);
        same(os.readdir(dir + '/none'), [[], 2]); same(os.readdir(sub + '/a'), [[], 20]);
        equal(os.remove(sub), -39, 'not empty');
        for (const name of ['a', 'b', '\u{1F600}']) equal(os.remove(`${sub}/${name}`), 0);
        equal(os.remove(sub + '/a'), -2); equal(os.remove(sub), 0); equal(os.stat(sub)[1], 2);
        const mode = (path) => os.stat(path)[0].mode & 0o777;
        os.mkdir(sub, 0o500); equal(mode(sub), 0o500);
        const fd = os.open(dir + '/private', os.O_CREAT | os.O_WRONLY, 0o600); os.close(fd);
        equal(mode(dir + '/private'), 0o600);
        "#,
    );
}

#[test]
fn names_that_are_no_utf8_are_shown_with_replacements() {
    check(
        r#"
        equal(os.exec(['sh', '-c', 'touch "$(printf "a\\377b")"'], { cwd: dir }), 0);
        same(os.readdir(dir)[0].filter((name) => name.startsWith('a')), ['a\uFFFDb']);
        "#,
    );
}

#[test]
fn stat_tells_all_there_is_in_milliseconds() {
    check(
        r#"
        const path = dir + '/file', link = dir + '/link';
        put(path, 'hello');
        equal(os.utimes(path, 10000, 20999.9), 0);
        const [stat, errno] = os.stat(path);
        equal(errno, 0);
        same(Object.keys(stat), ['dev', 'ino', 'mode', 'nlink', 'uid', 'gid', 'rdev', 'size', 'blocks', 'atime', 'mtime', 'ctime']);
        same([stat.mode & os.S_IFMT, stat.mode & 0o777, stat.nlink, stat.size, stat.atime, stat.mtime], [os.S_IFREG, 0o644, 1, 5, 10000, 20999]);
        ok(Math.abs(stat.ctime - Date.now()) < 60000 && Number.isInteger(stat.ctime), `${stat.ctime}`);
        const [out] = output(['stat', '-c', '%d %i %u %g %s %b', path]);
        equal(out.trim(), [stat.dev, stat.ino, stat.uid, stat.gid, stat.size, stat.blocks].join(' '));
        equal(os.utimes(path, -1500, new Date(5)), 0);
        same([os.stat(path)[0].atime, os.stat(path)[0].mtime], [-1500, 5]);
        equal(os.utimes(path, 1e18, 1e18) <= 0, true);
        equal(os.utimes(dir + '/none', 0, 0), -2);
        equal(os.symlink('file', link), 0);
        equal(os.lstat(link)[0].mode & os.S_IFMT, os.S_IFLNK); equal(os.stat(link)[0].ino, stat.ino);
        same(os.stat(dir + '/none'), [null, 2]); same(os.lstat(path + '/x'), [null, 20]);
        same([os.stat(dir)[0].mode & os.S_IFMT, os.stat('/dev/null')[0].mode & os.S_IFMT], [os.S_IFDIR, os.S_IFCHR]);
        ok(os.stat('/dev/null')[0].rdev > 0);
        "#,
    );
}

#[test]
fn links_and_real_paths() {
    check(
        r#"
        put(dir + '/file', 'x');
        equal(os.symlink('file', dir + '/link'), 0); equal(os.symlink('y', dir + '/link'), -17);
        same(os.readlink(dir + '/link'), ['file', 0]); same(os.readlink(dir + '/file'), ['', 22]); same(os.readlink(dir + '/none'), ['', 2]);
        same(os.realpath(dir + '/./link'), [dir + '/file', 0]); same(os.realpath(dir + '/none'), ['', 2]);
        os.symlink('loop', dir + '/loop'); same(os.realpath(dir + '/loop'), ['', 40]);
        equal(os.rename(dir + '/file', dir + '/moved'), 0); equal(content(dir + '/moved'), 'x');
        equal(os.rename(dir + '/file', dir + '/moved'), -2);
        equal(os.stat(dir + '/link')[1], 2, 'the link leads nowhere'); equal(os.remove(dir + '/link'), 0);
        "#,
    );
}

#[test]
fn temporary_names_are_fresh() {
    check(
        r#"
        const blanks = 'X'.repeat(6), pattern = dir + '/t-' + blanks, seen = new Set();
        for (const make of [() => os.mkdtemp(pattern), () => os.mkstemp(pattern), () => os.mkstemp(dir + '/t-')]) {
          for (let i = 0; i < 20; i++) {
            const [name, fd] = make();
            ok(/^t-[A-Za-z0-9]{6}$/.test(name.slice(dir.length + 1)) && !seen.has(name), name);
            seen.add(name);
            ok(fd >= 0);
            if (fd > 0) { equal(os.write(fd, bytes('x'), 0, 1), 1); equal(os.seek(fd, 0, 0), 0); os.close(fd) }
            equal(os.stat(name)[0].mode & 0o777, fd > 0 ? 0o600 : 0o700);
          }
        }
        same(os.mkdtemp(dir + '/none/' + blanks), [dir + '/none/' + blanks, -2]);
        same(os.mkstemp(dir + '/none/a'), [dir + '/none/a' + blanks, -2]);
        "#,
    );
}

#[test]
fn the_current_folder_is_where_relative_paths_begin() {
    check(
        r#"
        const [before, errno] = os.getcwd();
        equal(errno, 0);
        equal(os.chdir(dir), 0);
        try {
          same(os.getcwd(), [dir, 0]); same(os.realpath('.'), [dir, 0]);
          put('relative', 'x'); equal(content(dir + '/relative'), 'x');
          const [name] = os.mkdtemp(); ok(/^tmp[A-Za-z0-9]{6}$/.test(name), name); ok(os.stat(`${dir}/${name}`)[0]);
          equal(os.chdir(dir + '/none'), -2); equal(os.chdir('relative'), -20);
        } finally { equal(os.chdir(before), 0) }
        "#,
    );
}

#[test]
fn wrong_arguments_throw() {
    check(
        r#"
        const one = ['remove', 'realpath', 'readlink', 'chdir', 'mkdir', 'readdir', 'stat', 'lstat'];
        const bad = [undefined, null, {}, [], () => 1, Symbol(), 5n, 'a\0b'];
        for (const name of one) { throws(() => os[name](), 'TypeError'); for (const value of bad) throws(() => os[name](value), 'TypeError') }
        for (const name of ['rename', 'symlink']) {
          throws(() => os[name]('x'), 'TypeError');
          for (const value of bad) { throws(() => os[name]('x', value), 'TypeError'); throws(() => os[name](value, 'x'), 'TypeError') }
        }
        const path = dir + '/file'; put(path, '');
        for (const value of [undefined, null, {}, 5n, Symbol()]) { throws(() => os.utimes(path, value, 0), 'TypeError'); throws(() => os.utimes(path, 0, value), 'TypeError') }
        throws(() => os.mkdir(dir + '/x', 'wide'), 'TypeError'); throws(() => os.mkdir(dir + '/x', 2 ** 40), 'RangeError');
        throws(() => os.mkdtemp(null), 'TypeError'); throws(() => os.mkstemp({}), 'TypeError'); throws(() => os.mkstemp('a\0b'), 'TypeError');
        equal(os.readdir(dir)[0].length, 3, 'nothing else was made');
        "#,
    );
}
