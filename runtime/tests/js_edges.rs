//! Edges of URLSearchParams, Headers, FormData and URLPattern that the standards' own words settle.

use crate::driver::check;

/// Rows of a name, what is asked and what the answer is; all that differ are shown at once.
const ASK: &str = r#"
const wrong = [];
const ask = (rows) => { for (const [name, f, wanted] of rows) {
  let got; try { got = f() } catch (error) { got = error.name }
  if (JSON.stringify(got) !== JSON.stringify(wanted)) wrong.push(`${name}: got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`);
} if (wrong.length > 0) fail(wrong.join('\n')) };
"#;

fn asked(source: &str) {
    check(&format!("{ASK}{source}"));
}

#[test]
fn search_params_convert_iterate_and_serialise_as_the_standard_says() {
    asked(
        r#"
        const P = URLSearchParams, s = (init) => new P(init).toString();
        ask([
          ['no init at all', () => [new P().size, s(''), s('?'), s('&&'), s('=')], [0, '', '', '', '=']],
          ['one question mark goes', () => s('??a=b'), '%3Fa=b'], ['a plus is a blank', () => new P('a+b=c+d').get('a b'), 'c d'],
          ['an escape cut short stays', () => [...new P('%=%2&%zz=%e')], [['%', '%2'], ['%zz', '%e']]],
          ['bytes that are no UTF-8 are replaced', () => [...new P('%FE=%c2x')], [['\uFFFD', '\uFFFDx']]],
          ['NUL is encoded', () => new P({ a: '\0' }).toString(), 'a=%00'], ['an astral character', () => new P({ '😀': '😀' }).toString(), '%F0%9F%98%80=%F0%9F%98%80'],
          ['a lone surrogate', () => new P('\uD800=\uDC00').toString(), '%EF%BF%BD=%EF%BF%BD'],
          ['a String object is iterable', () => s(new String('ab')), 'TypeError'], ['a number is a string', () => s(12), '12='], ['a boolean', () => s(true), 'true='],
          ['a function is a record', () => s(Object.assign(() => {}, { a: 1 })), 'a=1'], ['a symbol is no string', () => s(Symbol()), 'TypeError'],
          ['an array of strings of two', () => s(['ab', 'cd']), 'TypeError'], ['a Set of pairs', () => s(new Set([['a', 'b']])), 'a=b'],
          ['not enumerable keys', () => s(Object.defineProperty({ a: 1 }, 'b', { value: 2 })), 'a=1'],
          ['a FormData is iterable', () => { const f = new FormData(); f.append('a', 'b'); return s(f) }, 'a=b'],
          ['delete by a value', () => { const p = new P('a=b&a=c&a'); p.delete('a', ''); p.delete('a', 'b'); return String(p) }, 'a=c'],
          ['set puts the first in place', () => { const p = new P('a=1&b=2&a=3'); p.set('a', '4'); return String(p) }, 'a=4&b=2'],
          ['sort is stable, by code units', () => { const p = new P('z=b&a=b&z=a&\uFB03=1&a=a&🌈=2'); p.sort(); return [...p.keys()] }, ['a', 'a', 'z', 'z', '🌈', '\uFB03']],
          ['a deleted pair while iterated', () => { const p = new P('a=1&b=2&c=3'), seen = []; for (const [key] of p) { seen.push(key); if (key === 'a') p.delete('a') } return seen }, ['a', 'c']],
          ['one added while iterated', () => { const p = new P('a=1'), seen = []; for (const [key] of p) { seen.push(key); if (seen.length < 3) p.append(key + 'x', '') } return seen }, ['a', 'ax', 'axx']],
          ['forEach of what is no function', () => new P('a').forEach({}), 'TypeError'], ['forEach with this', () => { let t; new P('a').forEach(function () { t = this.x }, { x: 1 }); return t }, 1],
          ['a URL keeps an unparsed query', () => { const u = new URL('http://h/?a=~%20'); u.searchParams.get('a'); return u.search }, '?a=~%20'],
          ['and writes it when changed', () => { const u = new URL('http://h/?a=~%20'); u.searchParams.append('b', "'"); return u.search }, '?a=%7E+&b=%27'],
          ['the last pair takes the mark along', () => { const u = new URL('http://h/?a'); u.searchParams.delete('a'); return u.href }, 'http://h/'],
          ['an empty query keeps its mark', () => { const u = new URL('http://h/?'); return [u.href, u.search, u.searchParams.size] }, ['http://h/?', '', 0]],
          ['search of a blank', () => { const u = new URL('http://h/'); u.search = '?'; return [u.href, u.search] }, ['http://h/?', '']],
        ]);
        "#,
    );
}

#[test]
fn headers_are_sorted_combined_and_checked() {
    asked(
        r#"
        const all = (h) => [...h];
        ask([
          ['sorted, in small letters, combined', () => all(new Headers([['B', '1'], ['a', '2'], ['b', '3']])), [['a', '2'], ['b', '1, 3']]],
          ['cookies stand alone', () => all(new Headers([['Set-Cookie', 'a'], ['x', '1'], ['set-cookie', 'b']])), [['set-cookie', 'a'], ['set-cookie', 'b'], ['x', '1']]],
          ['getSetCookie', () => new Headers([['Set-Cookie', 'a'], ['set-cookie', 'b']]).getSetCookie(), ['a', 'b']], ['get joins cookies', () => new Headers([['Set-Cookie', 'a'], ['set-cookie', 'b']]).get('set-cookie'), 'a, b'],
          ['values are trimmed', () => new Headers({ a: ' \t\r\n b c \n' }).get('a'), 'b c'], ['an empty value', () => new Headers([['a', ''], ['a', '']]).get('a'), ', '],
          ['a name that is no token', () => new Headers({ 'a b': '' }), 'TypeError'], ['an empty name', () => new Headers({ '': '' }), 'TypeError'], ['a NUL in a value', () => new Headers({ a: 'a\0b' }), 'TypeError'],
          ['a line break inside', () => new Headers({ a: 'a\nb' }), 'TypeError'], ['a value beyond Latin-1', () => new Headers({ a: 'Ā' }), 'TypeError'], ['Latin-1', () => new Headers({ a: 'é' }).get('a'), 'é'],
          ['null as init', () => new Headers(null), 'TypeError'], ['a string as init', () => new Headers('a'), 'TypeError'], ['undefined as init', () => all(new Headers(undefined)), []],
          ['a pair of one', () => new Headers([['a']]), 'TypeError'], ['symbol keys', () => new Headers({ [Symbol('x')]: 1 }), 'TypeError'], ['a number as value', () => new Headers({ a: 1.5 }).get('A'), '1.5'],
          ['set replaces all', () => { const h = new Headers([['a', '1'], ['a', '2']]); h.set('A', '3'); return all(h) }, [['a', '3']]],
          ['delete of a bad name', () => new Headers().delete(''), 'TypeError'], ['has of a bad name', () => new Headers().has('é'), 'TypeError'], ['get of what is not there', () => new Headers().get('a'), null],
          ['one added behind while iterated', () => { const h = new Headers({ a: '1', c: '3' }), seen = []; for (const [key] of h) { seen.push(key); if (key === 'a') h.append('b', '2') } return seen }, ['a', 'b', 'c']],
          ['one deleted while iterated', () => { const h = new Headers({ a: '1', b: '2', c: '3' }), seen = []; for (const [key] of h) { seen.push(key); h.delete(key) } return seen }, ['a', 'c']],
          ['keys show each cookie', () => [...new Headers([['set-cookie', 'a'], ['set-cookie', 'b']]).keys()], ['set-cookie', 'set-cookie']],
          ['a Map', () => all(new Headers(new Map([['a', 'b']]))), [['a', 'b']]], ['a Headers with its own iterator', () => { const h = new Headers({ a: '1' }); h[Symbol.iterator] = function* () { yield ['b', '2'] }; return all(new Headers(h)) }, [['b', '2']]],
        ]);
        "#,
    );
}

#[test]
fn form_data_keeps_entries_in_order_and_files_as_they_are() {
    asked(
        r#"
        const form = (...pairs) => { const f = new FormData(); for (const pair of pairs) f.append(...pair); return f };
        const file = new File(['x'], 'n.txt', { type: 'text/plain', lastModified: 7 }), blob = new Blob(['yy'], { type: 'a/b' });
        ask([
          ['an argument', () => new FormData(null), 'TypeError'], ['undefined', () => [...new FormData(undefined)].length, 0], ['a form that is none', () => new FormData({}), 'TypeError'],
          ['a file stays the same', () => form(['f', file]).get('f') === file, true], ['a blob becomes a file', () => { const f = form(['f', blob]).get('f'); return [f instanceof File, f.name, f.type, f.size] }, [true, 'blob', 'a/b', 2]],
          ['a name given', () => { const f = form(['f', file, 'other']).get('f'); return [f.name, f.type, f.lastModified, f !== file] }, ['other', 'text/plain', 7, true]],
          ['undefined as a name', () => form(['f', blob, undefined]).get('f').name, 'blob'], ['a name for a string', () => form(['f', 'text', 'name']), 'TypeError'], ['one argument', () => form(['f']), 'TypeError'],
          ['values are strings', () => [form(['a', 1]).get('a'), form(['a', null]).get('a'), form([undefined, undefined]).get('undefined')], ['1', 'null', 'undefined']],
          ['lone surrogates', () => [...form(['\uD800', '\uDC00'])], [['\uFFFD', '\uFFFD']]], ['line breaks stay', () => [...form(['a\n', 'b\r'])], [['a\n', 'b\r']]],
          ['set puts the first in place', () => { const f = form(['a', '1'], ['b', '2'], ['a', '3']); f.set('a', '4'); return [...f] }, [['a', '4'], ['b', '2']]],
          ['set of a new one', () => { const f = form(['a', '1']); f.set('b', '2'); return [...f.keys()] }, ['a', 'b']], ['delete', () => { const f = form(['a', '1'], ['b', '2'], ['a', '3']); f.delete('a'); return [...f] }, [['b', '2']]],
          ['getAll and has', () => { const f = form(['a', '1'], ['a', '2']); return [f.getAll('a'), f.getAll('b'), f.has('a'), f.has('b'), f.get('b')] }, [['1', '2'], [], true, false, null]],
          ['a live iterator', () => { const f = form(['a', '1']), seen = []; for (const [key] of f) { seen.push(key); if (seen.length < 3) f.append('b', '') } return seen }, ['a', 'b', 'b']],
        ]);
        "#,
    );
}

#[test]
fn url_patterns_read_and_show_what_they_are_given() {
    asked(
        r#"
        const p = (...args) => new URLPattern(...args), t = (pattern, input, base) => p(pattern).test(input, base);
        ask([
          ['nothing is anything', () => [p().pathname, t(undefined, 'http://h/'), p().test()], ['*', true, true]], ['a path', () => t({ pathname: '/a/:b' }, 'http://h/a/c?d#e'), true],
          ['a group', () => p({ pathname: '/a/:b' }).exec({ pathname: '/a/c' }).pathname.groups, { b: 'c' }], ['a group that is left out', () => Object.keys(p({ pathname: '/a{/:b}?' }).exec({ pathname: '/a' }).pathname.groups), ['b']],
          ['a string needs a base', () => p('/a'), 'TypeError'], ['with one', () => p('/a', 'http://h').hostname, 'h'], ['a base beside an init', () => p({}, 'http://h'), 'TypeError'],
          ['a port of its own', () => p({ protocol: 'https', port: '443' }).port, ''], ['case', () => [p({ pathname: '/A' }, { ignoreCase: true }).test({ pathname: '/a' }), t({ pathname: '/A' }, { pathname: '/a' })], [true, false]],
          ['a bad name', () => p({ pathname: '/:1' }), 'TypeError'], ['twice the same name', () => p({ pathname: '/:a/:a' }), 'TypeError'], ['an expression', () => p({ pathname: '/(\\d+)' }).hasRegExpGroups, true],
          ['no URL', () => [t('http://h/*', 'no'), p('http://h/*').exec('no')], [false, null]], ['dots are resolved', () => t({ pathname: '/b' }, 'http://h/a/../b'), true], ['encoded alike', () => t({ pathname: '/é' }, 'http://h/%C3%A9'), true],
          ['inputs are shown', () => p({ pathname: '/*' }).exec({ pathname: '/x', baseURL: 'http://h' }).inputs, [{ baseURL: 'http://h', pathname: '/x' }]], ['a caret', () => t({ pathname: '/a^b' }, 'http://h/a^b'), true],
          ['search and hash without marks', () => [p({ search: '?a', hash: '#b' }).search, p({ search: '?a', hash: '#b' }).hash], ['a', 'b']], ['an IPv6 address', () => t({ hostname: '[\\:\\:AB\\:1]' }, 'http://[::ab:1]/'), true],
        ]);
        "#,
    );
}
