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

/// Rows of a URL, its base, and what it becomes: null where it is none.
const PARSE: &str = r#"
const parse = (rows) => { for (const [text, base, wanted] of rows) {
  const got = base === null ? URL.parse(text) : URL.parse(text, base);
  equal(got === null ? null : got.href, wanted, `${JSON.stringify(text)} against ${base}:`);
  if (got !== null) equal(URL.parse(got.href).href, got.href, 'serialised and parsed again:');
} };
const set = (part, rows) => { for (const [href, value, wanted] of rows) {
  const url = new URL(href); url[part] = value;
  equal(url.href, wanted, `${part} of ${href} set to ${JSON.stringify(value)}:`);
} };
"#;

fn checked(source: &str) {
    check(&format!("{PARSE}{source}"));
}

#[test]
fn file_states_keep_hosts_slashes_and_drive_letters() {
    checked(
        r#"
        parse([
          ['file:\\\\//', null, 'file:////'], ['file:\\//', null, 'file:///'], ['file:///w|/m', null, 'file:///w:/m'], ['file:\\\\x\\y', null, 'file://x/y'],
          ['file:a/b', null, 'file:///a/b'], ['file:', null, 'file:///'], ['file:?q#h', null, 'file:///?q#h'],
          ['file://LocalHost/p', null, 'file:///p'], ['file://Host/C:/x', null, 'file://host/C:/x'], ['file:////a//b', null, 'file:////a//b'],
          ['file:///a//../..//b', null, 'file:////b'], ['file:.//p', null, 'file:////p'], ['file:/C|/x/../../y', null, 'file:///C:/y'],
          ['file://C|/x', null, 'file:///C:/x'], ['file://a:1/', null, null], ['file://u@h/', null, null], ['file://[::1]/p', null, 'file://[::1]/p'],
          ['file:C|', null, 'file:///C:'], ['file:c|x', null, 'file:///c|x'],
          ['/x', 'file://h/C:/a/b', 'file://h/C:/x'], ['x', 'file://h/C:/a/b', 'file://h/C:/a/x'], ['..', 'file:///C:/a', 'file:///C:/'],
          ['D|/x', 'file://h/C:/a', 'file://h/D:/x'], ['/D:/x', 'file://h/C:/a', 'file://h/D:/x'], ['//x/y', 'file:///a', 'file://x/y'],
          ['///x', 'file://h/a', 'file:///x'], ['\\x', 'file:///a/b', 'file:///x'], ['?q', 'file:///a/b?c#d', 'file:///a/b?q'],
          ['#f', 'file:///a/b?c#d', 'file:///a/b?c#f'], ['', 'file:///a/b?c#d', 'file:///a/b?c'], ['file:x', 'http://h/', 'file:///x'],
          ['C|\n/', 'file://h/a', 'file://h/C:/'],
        ]);
        set('host', [['file:///p', 'H', 'file://h/p'], ['file://h/p', '', 'file:///p'], ['file://h/p', 'localhost', 'file:///p'], ['file:///p', 'x:1', 'file:///p']]);
        set('pathname', [['file://h/p', '\\\\', 'file://h//'], ['file:///p', '//x/..//', 'file://///'], ['file:///p', 'C|/a?b#c', 'file:///C:/a%3Fb%23c']]);
        set('protocol', [['file:///p', 'http', 'file:///p'], ['file://h/p', 'http', 'http://h/p'], ['http://h:1/p', 'file', 'http://h:1/p'], ['http://u@h/p', 'file', 'http://u@h/p']]);
        "#,
    );
}

#[test]
fn an_opaque_path_keeps_its_blanks_and_encodes_the_last_before_a_query_or_fragment() {
    checked(
        r#"
        parse([
          ['x:opaque  ?hi', null, 'x:opaque %20?hi'], ['x:opaque  #hi', null, 'x:opaque %20#hi'], ['x:opaque  ', null, 'x:opaque'],
          ['x: a b ^{}', null, 'x: a b ^{}'], ['x:a\u{1}\u{7f}ä', null, 'x:a%01%7F%C3%A4'], ['x:a\\b/../c', null, 'x:a\\b/../c'],
          ['#f', 'x:a?q', 'x:a?q#f'], ['b', 'x:a', null], ['?b', 'x:a', null], ['', 'x:a', null], ['x:', null, 'x:'],
        ]);
        for (const part of ['host', 'hostname', 'port', 'username', 'password', 'pathname']) set(part, [['x:a ?q', 'new', 'x:a%20?q']]);
        set('search', [['x:a ?q', '', 'x:a%20'], ['x:a', 'b', 'x:a?b']]); set('hash', [['x:a #f', '', 'x:a%20']]);
        set('protocol', [['x:a', 'Y+1.-', 'y+1.-:a'], ['x:a', 'http', 'x:a'], ['x:a', '1y', 'x:a'], ['x:a', '', 'x:a']]);
        const u = new URL('x:a  ?p=1#f'); u.searchParams.delete('p'); equal(u.href, 'x:a %20#f');
        "#,
    );
}

#[test]
fn the_port_setter_takes_the_digits_in_front_and_nothing_else() {
    checked(
        r#"
        const at = 'http://h:9/';
        set('port', [[at, '\n\n\t\t', at], [at, '', 'http://h/'], [at, '\t8\n0', 'http://h/'], [at, ' 8', at], [at, '8x9', 'http://h:8/'], [at, '-1', at],
          [at, '0008', 'http://h:8/'], [at, '65536', at], [at, '0000065535', 'http://h:65535/'], [at, '0', 'http://h:0/'], [at, '8/1', 'http://h:8/'],
          [at, '١', at], ['x://h', '80', 'x://h:80'], ['x://', '80', 'x://'], ['x:/p', '80', 'x:/p']]);
        equal(Reflect.set(new URL(at), 'port', 8.5), true); set('port', [[at, 8.5, 'http://h:8/']]);
        "#,
    );
}

#[test]
fn the_host_setters_stop_at_what_ends_a_host() {
    checked(
        r#"
        const at = 'http://u@h:9/p';
        set('host', [[at, 'x', 'http://u@x:9/p'], [at, 'x:', 'http://u@x:9/p'], [at, 'x:8', 'http://u@x:8/p'], [at, 'x:80', 'http://u@x/p'], [at, 'x:8y', 'http://u@x:8/p'],
          [at, 'x:y', 'http://u@x:9/p'], [at, 'x/y', 'http://u@x:9/p'], [at, 'x?y', 'http://u@x:9/p'], [at, 'x\\y', 'http://u@x:9/p'], [at, '', at], [at, ':8', at],
          [at, 'a@b', at], [at, '[::1]:7', 'http://u@[::1]:7/p'], [at, '[::1', at], [at, 'x:65536', 'http://u@x:9/p'], [at, ' x', at], [at, '0x7f.1', 'http://u@127.0.0.1:9/p'],
          ['x:/.//p', 'h', 'x://h//p'], ['x:/p', '', 'x:///p'], ['x://h:1/p', '', 'x://h:1/p'], ['x://u@h/p', '', 'x://u@h/p'], ['x://h/p', 'A\\b', 'x://h/p']]);
        set('hostname', [[at, 'x:8', at], [at, 'x', 'http://u@x:9/p'], [at, ':8', at], [at, '', at], ['x:/.//p', '', 'x:////p'], ['x://h/', 'A', 'x://A/']]);
        "#,
    );
}

#[test]
fn a_path_set_is_never_read_as_a_host() {
    checked(
        r#"
        set('pathname', [['x:/p', '/.//q', 'x:/.//q'], ['x:/p', '/..//q', 'x:/.//q'], ['x:/p', '//q', 'x:/.//q'], ['x:/.//p', 'q', 'x:/q'], ['x:/p', '', 'x:/'],
          ['x://h/p', '', 'x://h'], ['x://h/p', '?', 'x://h/%3F'], ['http://h/p', '', 'http://h/'], ['http://h/p', '\\a\\..\\b', 'http://h/b'], ['x://h/', 'a\\b', 'x://h/a\\b'],
          ['http://h/', 'a%2E/%2e%2E/b/.%2e/c/%2e', 'http://h/c/'], ['http://h/', '^`{}|"<> ', 'http://h/%5E%60%7B%7D|%22%3C%3E%20']]);
        "#,
    );
}

#[test]
fn authority_states_split_user_host_and_port() {
    checked(
        r#"
        parse([
          ['http:h', null, 'http://h/'], ['http:////\\h', null, 'http://h/'], ['http:h', 'http://b/c/d', 'http://b/c/h'], ['http:/h', 'http://b/c', 'http://b/h'],
          ['https:h', 'http://b/c', 'https://h/'], ['/\\/x', 'http://b', 'http://x/'], ['////x', 'http://b', 'http://x/'], ['////x', 'y://b', 'y:////x'],
          ['//x', 'y://b/c', 'y://x'], ['\\x', 'y://b/c', 'y://b/\\x'], ['http://a@b@c', null, 'http://a%40b@c/'], ['http://a:b:c@d', null, 'http://a:b%3Ac@d/'],
          ['http://@h', null, 'http://h/'], ['http://:@h', null, 'http://h/'], ['http://:p@h', null, 'http://:p@h/'], ['http://u:@h', null, 'http://u@h/'], ['http://u@', null, null], ['http://u@/x', null, null],
          ['http://h:', null, 'http://h/'], ['http://h:0', null, 'http://h:0/'], ['http://h:x', null, null], ['http://h:65536', null, null], ['http://:8', null, null], ['x://:8', null, null],
          ['http://', null, null], ['x://', null, 'x://'], ['x:///p', null, 'x:///p'], ['x://u@', null, null], ['http://h?q', null, 'http://h/?q'], ['x://h?q', null, 'x://h?q'],
          ["http://h?'", null, 'http://h/?%27'], ["x://h?'", null, "x://h?'"], ['http://h#`', null, 'http://h/#%60'], ['http://h\\p', null, 'http://h/p'], ['x://h\\p', null, null],
          ['HTTP://EXAMPLE.com', null, 'http://example.com/'], ['http://a.b.1', null, null], ['http://1', null, 'http://0.0.0.1/'], ['http://a b', null, null], ['http://a%20b', null, null],
          ['http://%41', null, 'http://a/'], ['x://%41', null, 'x://%41'], ['http://h./', null, 'http://h./'], ['http://a..b', null, 'http://a..b/'], ['http://-a-.b', null, 'http://-a-.b/'],
          ['ht\ntp:\t//h\r/p', null, 'http://h/p'], ['\u{0} http://h \u{1f}', null, 'http://h/'], ['1x://h', null, null], ['://h', null, null], ['', null, null],
        ]);
        equal(new URL('blob:https://a:8/x').origin, 'https://a:8'); equal(new URL('blob:ftp://a/x').origin, 'null'); equal(new URL('blob:blob:http://a').origin, 'null');
        equal(new URL('ws://a:80').origin, 'ws://a'); equal(new URL('file://a').origin, 'null');
        let n = 0; throws(() => new URL({ toString: () => { n++; return 'no' } }), 'TypeError'); equal(n, 1, 'converted once:');
        "#,
    );
}

#[test]
fn requests_and_redirects_have_urls_as_url_writes_them() {
    check(
        r#"
        for (const text of ['http://h/a^b?c^d', 'http:////h//x', 'file:\\\\//', 'file://h/C:/x', 'x:opaque  ?hi', 'HTTP://%41/']) {
          const { href } = new URL(text); equal(new Request(text).url, href);
          if (!text.startsWith('file')) equal(Response.redirect(text).headers.get('location'), href);
        }
        throws(() => new Request('http://u@h/'), 'TypeError', 'credentials'); throws(() => new Request('http://:p@h/'), 'TypeError', 'credentials'); equal(new Request('http://:@h/').url, 'http://h/');
        throws(() => new Request('/x'), 'TypeError'); throws(() => Response.redirect('/x'), 'TypeError');
        "#,
    );
}
