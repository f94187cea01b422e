//! `URLPattern` as its standard has it, rule by rule.

use crate::driver::{check, new};

#[test]
fn a_pattern_string_is_split_into_components_and_normalised() {
    check(
        r#"
        const p = new URLPattern('https://*.example.com/books/:id\\?q=*#x');
        same([p.protocol, p.username, p.password, p.hostname, p.port, p.pathname, p.search, p.hash],
          ['https', '*', '*', '*.example.com', '', '/books/:id', 'q=*', 'x']);
        equal(new URLPattern({ pathname: '/ä b/(.*)' }).pathname, '/%C3%A4%20b/*');
        equal(new URLPattern('/a', 'http://x.y:80/z').hostname, 'x.y'); equal(new URLPattern({ pathname: 'c', baseURL: 'http://x/a/b' }).pathname, '/a/c');
        equal(new URLPattern().pathname, '*'); equal(new URLPattern({ protocol: 'HTTPS' }).protocol, 'https');
        equal(String(p), '[object URLPattern]'); equal(URLPattern.length, 0);
        "#,
    );
}

#[test]
fn exec_names_what_the_groups_captured() {
    check(
        r#"
        const p = new URLPattern({ pathname: '/:a/*/:c(\\d+)' }), found = p.exec('http://u@h:8080/x/y/z/7?q#h');
        same(found.pathname, { input: '/x/y/z/7', groups: { 0: 'y/z', a: 'x', c: '7' } });
        same(found.inputs, ['http://u@h:8080/x/y/z/7?q#h']); same(found.username.input, 'u'); same(found.port, { input: '8080', groups: { 0: '8080' } });
        same(Object.keys(found), ['inputs', 'protocol', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash']);
        const none = new URLPattern({ pathname: '/:a/y/:c?' }).exec({ pathname: '/x/y' }); ok('c' in none.pathname.groups); equal(none.pathname.groups.c, undefined); same(none.inputs, [{ pathname: '/x/y' }]);
        equal(p.exec('/x', 'http://h'), null); same(p.exec('/x/y/1', 'http://h').inputs, ['/x/y/1', 'http://h']);
        equal(p.exec('not a URL'), null); equal(p.test('/x/y', 'not a URL'), false); equal(p.test({ pathname: '/x/y', baseURL: 'no' }), false);
        "#,
    );
}

#[test]
fn expressions_are_those_of_ecmascript() {
    check(
        r#"
        const test = (pathname, path) => new URLPattern({ pathname }).test({ pathname: path });
        throws(() => new URLPattern({ pathname: '/(?:a|b)c' }), 'TypeError');
        ok(test('/((?!admin).*)', '/user') && !test('/((?!admin).*)', '/admin'), 'lookahead');
        ok(test('/([\\p{Lu}--[A-F]]+)', '/XYZ') && !test('/([\\p{Lu}--[A-F]]+)', '/ABC'), 'classes as sets: the flag v');
        ok(test('/(a-b//c&&d)', '/a-b//c&&d'), 'what is special in classes only');
        ok(test('/(a)b{1,2}', '/ab1,2'), 'braces group'); ok(test('/([^]{2})', '/ab'));
        for (const bad of ['/([)', '/(a', '/(\\m)', '/(é)', '/:', '/:a/:a', '/(a{2,1})']) throws(() => new URLPattern({ pathname: bad }), 'TypeError', 'URLPattern');
        /* Whether a protocol is special is asked of its expression, too. */
        const web = new URLPattern({ protocol: '((?!ftp)http[s]?)', pathname: '/a/../b' }); equal(web.pathname, '/b');
        equal(new URLPattern('(foo|bar)://h/x').pathname, '/x');
        "#,
    );
}

#[test]
fn has_reg_exp_groups_and_ignore_case() {
    check(
        r#"
        equal(new URLPattern({ pathname: '/:a/*' }).hasRegExpGroups, false); equal(new URLPattern({ hash: '(\\d)' }).hasRegExpGroups, true);
        const exact = new URLPattern({ pathname: '/Books/:id' }), loose = new URLPattern({ pathname: '/Books/:id' }, { ignoreCase: true });
        equal(exact.test({ pathname: '/books/1' }), false); equal(loose.test({ pathname: '/bOOKS/1' }), true);
        equal(loose.exec({ pathname: '/BOOKS/Xy' }).pathname.groups.id, 'Xy');
        equal(new URLPattern('/A', 'http://h', { ignoreCase: true }).test('http://h/a'), true);
        equal(new URLPattern({ pathname: '/A' }, { ignoreCase: 1 }).test({ pathname: '/a' }), true);
        "#,
    );
}

#[test]
fn arguments_are_converted_as_web_idl_says() {
    check(
        r#"
        throws(() => new URLPattern('/a'), 'TypeError', 'base'); throws(() => new URLPattern({}, 'http://a'), 'TypeError'); throws(() => URLPattern(), 'TypeError');
        throws(() => new URLPattern('http://a', 'nonsense'), 'TypeError'); throws(() => new URLPattern({ baseURL: 'nonsense' }), 'TypeError');
        throws(() => new URLPattern('http://a', 'http://b', 5), 'TypeError'); throws(() => new URLPattern().test({}, 'http://a'), 'TypeError');
        throws(() => URLPattern.prototype.test.call({}), 'TypeError'); new URLPattern(null); new URLPattern(undefined, undefined); new URLPattern('http://a', null);
        const read = []; new URLPattern(new Proxy({}, { get(_, key) { read.push(key) } }));
        same(read, ['baseURL', 'hash', 'hostname', 'password', 'pathname', 'port', 'protocol', 'search', 'username']);
        equal(new URLPattern({ pathname: 5 }).pathname, '/5'.slice(1)); equal(new URLPattern({ port: 80, protocol: 'http' }).port, '');
        "#,
    );
}

/// Patched built-ins are neither called nor fooled.
#[test]
fn matching_survives_a_patched_reg_exp() {
    check(
        r#"
        const p = new URLPattern({ pathname: '/(\\d+)/:a?' });
        RegExp.prototype.exec = () => { throw new Error('seen') }; globalThis.RegExp = class {}; Array.prototype[Symbol.iterator] = undefined;
        equal(p.exec({ pathname: '/1' }).pathname.groups[0], '1'); equal(new URLPattern({ pathname: '/([a-z])' }).test({ pathname: '/7' }), false);
        "#,
    );
}

#[test]
fn patterns_leave_nothing_behind() {
    let driver = new();
    let grown = driver.growth(
        200,
        "new URLPattern({ protocol: '(http|ws)', pathname: '/:a/(\\\\d+)' }).exec('http://h/x/1')",
    );
    assert!(grown < 4096, "{grown} bytes");
}
