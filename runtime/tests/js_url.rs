//! `URL` and `URLSearchParams` as the WHATWG URL standard has them, rule by rule.

use crate::driver::{self, check};

#[test]
fn attributes_are_the_components_and_base_resolves() {
    check(
        r#"
        const u = new URL('https://me:pw@example.org:8080/a/../b?x=1#frag');
        same([u.href, u.origin, u.protocol, u.username, u.password, u.host, u.hostname, u.port, u.pathname,
              u.search, u.hash],
             ['https://me:pw@example.org:8080/b?x=1#frag', 'https://example.org:8080', 'https:', 'me', 'pw',
              'example.org:8080', 'example.org', '8080', '/b', '?x=1', '#frag']);
        equal(new URL('../c?d', u).href, 'https://me:pw@example.org:8080/c?d');
        equal(new URL('http://EXAMPLE.com:80').href, 'http://example.com/');
        equal(new URL('http://münchen.de/ä').href, 'http://xn--mnchen-3ya.de/%C3%A4');
        equal(new URL('data:text/plain,x').origin, 'null');
        equal(new URL('//foo', 'https://a').href, 'https://foo/');
        equal(new URL('http://[::1]:3000').hostname, '[::1]');
        equal(new URL('x:a', undefined).href, 'x:a');
        equal(String(u), u.href); equal(JSON.stringify({u}), JSON.stringify({u: u.href}));
        "#,
    );
}

#[test]
fn setters_follow_the_state_machine_and_ignore_what_does_not_fit() {
    check(
        r#"
        const u = new URL('http://example.org/p?q#h');
        u.protocol = 'https'; equal(u.href, 'https://example.org/p?q#h');
        u.protocol = 'mailto'; equal(u.protocol, 'https:');
        u.host = 'other:81'; equal(u.host, 'other:81');
        u.hostname = 'third:1'; equal(u.hostname, 'other');
        u.port = '443'; equal(u.port, ''); u.port = '8x'; equal(u.port, '8'); u.port = 'no'; equal(u.port, '8');
        u.port = 65536; equal(u.port, '8');
        const v = new URL('x:/p?q#h'); v.pathname = '//host'; equal(v.href, 'x:/.//host?q#h'); equal(v.host, '');
        equal(v.pathname, '//host');
        u.pathname = 'a b'; equal(u.pathname, '/a%20b');
        const w = new URL('/c^d?e^f#g^h', u); equal(w.href.split('/').pop(), 'c%5Ed?e^f#g^h'); w.pathname = 'a^b'; equal(w.pathname, '/a%5Eb');
        equal(new URL('x:o^p').href, 'x:o^p'); equal(URL.parse('x://h/o^p').href, 'x://h/o%5Ep');
        u.search = 'x=y z'; equal(u.search, '?x=y%20z'); u.search = ''; equal(u.href, 'https://other:8/a%20b#h');
        u.hash = ''; equal(u.href, 'https://other:8/a%20b');
        u.username = 'ä'; u.password = ':'; equal(u.href, 'https://%C3%A4:%3A@other:8/a%20b');
        u.href = 'ftp://x/'; equal(u.href, 'ftp://x/');
        throws(() => { u.href = 'nope' }, 'TypeError', 'Invalid URL'); equal(u.href, 'ftp://x/');
        equal(Reflect.set(u, 'origin', 'x'), false); equal(u.origin, 'ftp://x');
        "#,
    );
}

#[test]
fn statics_answer_without_throwing_and_the_constructor_throws() {
    check(
        r#"
        equal(URL.canParse('a'), false); equal(URL.canParse('a', 'http://b'), true);
        equal(URL.parse('a'), null); equal(URL.parse('a', 'http://b').href, 'http://b/a');
        ok(URL.parse('http://b') instanceof URL);
        throws(() => new URL('a'), 'TypeError', "Invalid URL: 'a'"); throws(() => new URL(), 'TypeError');
        throws(() => URL('http://a'), 'TypeError'); throws(() => new URL('a', 'b'), 'TypeError');
        throws(() => URL.prototype.href, 'TypeError'); throws(() => URL.canParse(), 'TypeError');
        equal(Object.prototype.toString.call(new URL('a:b')), '[object URL]');
        equal(URL.length, 1); equal(URL.name, 'URL');
        class Mine extends URL { get twice() { return this.href + this.href } }
        equal(new Mine('a:b').twice, 'a:ba:b'); ok(new Mine('a:b') instanceof URL);
        const d = Object.getOwnPropertyDescriptor(URL.prototype, 'href');
        ok(d.enumerable && d.configurable && d.get && d.set);
        equal(Object.getOwnPropertyDescriptor(globalThis, 'URL').enumerable, false);
        equal(new URL('http://a/\uD800').href, 'http://a/%EF%BF%BD');
        "#,
    );
}

#[test]
fn search_params_are_the_same_object_and_live_both_ways() {
    check(
        r#"
        const u = new URL('http://a/?x=1&y=2#h'); const p = u.searchParams;
        equal(u.searchParams, p); equal(p.get('x'), '1');
        p.append('z', 'ä &'); equal(u.href, 'http://a/?x=1&y=2&z=%C3%A4+%26#h');
        u.search = '?n=3'; equal(p.toString(), 'n=3'); equal(u.searchParams, p);
        u.href = 'http://b/?q'; equal(p.get('q'), ''); equal(p.size, 1);
        p.delete('q'); equal(u.href, 'http://b/'); equal(u.search, '');
        equal(Reflect.set(u, 'searchParams', 'x'), false); equal(u.searchParams, p);
        u.search = '?a=%20b'; equal(u.search, '?a=%20b'); p.sort(); equal(u.search, '?a=+b');
        "#,
    );
}

#[test]
fn search_params_are_made_of_strings_sequences_records_and_iterables() {
    check(
        r#"
        const s = (...init) => new URLSearchParams(...init).toString();
        equal(s(), ''); equal(s(undefined), ''); equal(s(null), 'null='); equal(s('?a=b&c'), 'a=b&c=');
        equal(s('a+b=%20%zz&&='), 'a+b=+%25zz&='); equal(s('%EF%BB%BFtest=1'), '%EF%BB%BFtest=1');
        equal(s([['a', 1], ['a', '2']]), 'a=1&a=2'); equal(s({ b: 1, a: [2, 3] }), 'b=1&a=2%2C3');
        equal(s(new URLSearchParams('x=1&x=2')), 'x=1&x=2'); equal(s(new Map([['k', 'v']])), 'k=v');
        equal(s((function* () { yield ['g', new Set('h')] ; yield new Set(['i', 'j']) })()), 'g=%5Bobject+Set%5D&i=j');
        throws(() => s([['a']]), 'TypeError'); throws(() => s([['a', 'b', 'c']]), 'TypeError');
        throws(() => s([1]), 'TypeError'); throws(() => s({ [Symbol()]: 1 }), 'TypeError');
        throws(() => s({ [Symbol.iterator]: 1 }), 'TypeError');
        throws(() => s(Symbol()), 'TypeError');
        equal(s({ '\uD800': 1, '\uFFFD': 2 }), '%EF%BF%BD=2');
        equal(s(Object.create({ up: 1 })), '');
        equal(s(new Proxy({ p: 1 }, {})), 'p=1');
        const own = new URLSearchParams('a=1'); own[Symbol.iterator] = function* () { yield ['o', 'p'] };
        equal(s(own), 'o=p');
        equal(s("a=~'()*-._!"), 'a=%7E%27%28%29*-._%21');
        "#,
    );
}

#[test]
fn search_params_operations_follow_section_6_2() {
    check(
        r#"
        const p = new URLSearchParams('a=1&b=2&a=3&c=4');
        same(p.getAll('a'), ['1', '3']); equal(p.get('no'), null); same(p.getAll('no'), []);
        equal(p.has('a', '3'), true); equal(p.has('a', '4'), false); equal(p.has('a', undefined), true);
        p.set('a', 9); equal(String(p), 'a=9&b=2&c=4'); p.set('n', ''); equal(String(p), 'a=9&b=2&c=4&n=');
        p.append('b', 5); p.delete('b', '2'); equal(String(p), 'a=9&c=4&n=&b=5'); p.delete('b', undefined);
        equal(p.has('b'), false); equal(p.size, 3);
        const q = new URLSearchParams('\uFFFD=3&\u{1F308}=2&z=1&a=1&z=0'); q.sort();
        same([...q.keys()], ['a', 'z', 'z', '\u{1F308}', '\uFFFD']); equal(q.getAll('z').join(''), '10');
        throws(() => p.append('x'), 'TypeError'); throws(() => p.get(), 'TypeError');
        throws(() => URLSearchParams.prototype.get.call({}, 'a'), 'TypeError', 'Illegal invocation');
        equal(URLSearchParams.prototype.append.length, 2); equal(URLSearchParams.length, 0);
        "#,
    );
}

#[test]
fn iterators_are_live_and_shaped_as_web_idl_wants() {
    check(
        r#"
        const p = new URLSearchParams('a=1&b=2');
        equal(p[Symbol.iterator], p.entries); same([...p], [['a', '1'], ['b', '2']]);
        same([...p.values()], ['1', '2']);
        const it = p.keys(); it.next(); p.append('c', 3); p.delete('b');
        same(it.next(), { value: 'c', done: false }); same(it.next(), { done: true });
        p.append('d', 4); same(it.next(), { done: true });
        const proto = Object.getPrototypeOf(it);
        equal(proto[Symbol.toStringTag], 'URLSearchParams Iterator');
        equal(Object.getPrototypeOf(proto), Iterator.prototype); equal(Object.hasOwn(proto, 'constructor'), false);
        equal(it[Symbol.iterator](), it); ok(Object.getOwnPropertyDescriptor(proto, 'next').enumerable);
        throws(() => proto.next.call(p), 'TypeError');
        const seen = []; p.forEach(function (v, k, all) { seen.push(k + v + (all === p) + this) }, 'T');
        same(seen, ['a1trueT', 'c3trueT', 'd4trueT']);
        throws(() => p.forEach(), 'TypeError'); throws(() => p.forEach({}), 'TypeError');
        throws(() => p.forEach(() => { throw new RangeError('mine') }), 'RangeError', 'mine');
        "#,
    );
}

#[test]
fn an_app_that_patches_prototypes_changes_nothing() {
    check(
        r#"
        Array.prototype.push = String.prototype.split = Array.prototype[Symbol.iterator] = () => fail('patched');
        const trap = { __proto__: null, set() { fail('patched') }, configurable: true };
        Object.defineProperty(Array.prototype, '0', trap); Object.defineProperty(Object.prototype, 'value', trap);
        const u = new URL('http://a/?x=1&y=2');
        equal(u.searchParams.getAll('x')[0], '1');
        equal(u.searchParams.entries().next().value[1], '1');
        delete Object.prototype.value; delete Array.prototype[0];
        "#,
    );
}

#[test]
fn urls_and_their_params_are_freed() {
    let driver = driver::new();
    let source = "const u = new URL('http://a/?b=' + i); u.searchParams.append('c', u); [...u.searchParams]";
    let growth = driver.growth(100_000, source);
    assert!(growth < 4096, "grew by {growth} bytes");
}

#[test]
fn more_than_two_slashes_beside_a_special_scheme_are_two() {
    check(
        r#"
        for (const text of ['///a.test/b', '////a.test/b', '/\\/a.test/b', ' \\\\\\a.test/b']) equal(new URL(text, 'http://x.test/y').href, 'http://a.test/b');
        equal(new URL('//a.test/b', 'https://x').href, 'https://a.test/b'); equal(new URL('/a//b', 'http://x').href, 'http://x/a//b');
        equal(new URL('blob:https://a.test/x').origin, 'https://a.test');
        for (const url of ['blob:ftp://a.test/', 'blob:blob:http://a.test', 'blob:null/x', 'blob:ws://a']) equal(new URL(url).origin, 'null');
        "#,
    );
}
