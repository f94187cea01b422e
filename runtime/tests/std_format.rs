//! `std.sprintf` and `std.parseExtJSON`: tables of what goes in and what comes out.
//!
//! Owns: the tables; formatted numbers are what the C library makes of them. Must not know: files.

use crate::os_harness::check;

#[test]
fn numbers_are_formatted_as_c_does() {
    check(
        r#"
        const std = await import('std');
        const table = [
          ['%d', 42, '42'], ['%i', -42, '-42'], ['%5d|', 42, '   42|'], ['%-5d|', 42, '42   |'], ['%05d', -42, '-0042'],
          ['%+d', 42, '+42'], ['% d', 42, ' 42'], ['%.5d', 42, '00042'], ['%8.5d|', -42, '  -00042|'], ['%.0d|', 0, '|'],
          ['%x', 255, 'ff'], ['%X', 255, 'FF'], ['%#x', 255, '0xff'], ['%#o', 8, '010'], ['%o', 8, '10'], ['%#X', 0, '0'],
          ['%u', -1, '4294967295'], ['%x', -2, 'fffffffe'], ['%ld', 2 ** 53 - 1, '9007199254740991'],
          ['%ld', -(2 ** 53) + 1, '-9007199254740991'], ['%lu', -1, '18446744073709551615'], ['%lx', -2, 'fffffffffffffffe'],
          ['%#lx', 0x7fffffffffffffffn, '0x7fffffffffffffff'], ['%020ld', -5n, '-0000000000000000005'],
          ['%d', 2 ** 32 + 5, '5'], ['%d', 1e30, '0'], ['%ld', 1e30, '5076964154930102272'], ['%d', 'x', '0'], ['%d', '12', '12'],
          ['%d', 3.99, '3'], ['%d', -3.99, '-3'], ['%d', null, '0'], ['%d', true, '1'], ['%d', 2n ** 70n + 7n, '7'],
          ['%lld', 2n ** 40n, '1099511627776'], ['%zu', 2 ** 40, '1099511627776'], ['%jd', -1, '-1'], ["%'d", 1234567, '1234567'],
          ['%f', 1.5, '1.500000'], ['%.0f', 0.5, '0'], ['%.0f', 1.5, '2'], ['%.0f', 2.5, '2'], ['%.2f', 2.675, '2.67'],
          ['%.1f', 0.25, '0.2'], ['%.20f', 0.1, '0.10000000000000000555'], ['%10.3f|', -3.14159, '    -3.142|'],
          ['%-10.3f|', 3.14159, '3.142     |'], ['%+.2f', 3, '+3.00'], ['%010.2f', -2.5, '-000002.50'], ['%#.0f', 3, '3.'],
          ['%f', 1e22, '10000000000000000000000.000000'], ['%e', 12345.678, '1.234568e+04'], ['%.0e', 15000, '2e+04'],
          ['%.3E', 0.000123456, '1.235E-04'], ['%#.0e', 1, '1.e+00'], ['%e', 0, '0.000000e+00'], ['%e', -0, '-0.000000e+00'],
          ['%g', 100000, '100000'], ['%g', 1000000, '1e+06'], ['%g', 0.0001, '0.0001'], ['%g', 0.00001, '1e-05'],
          ['%#g', 1, '1.00000'], ['%.3g', 1234.5, '1.23e+03'], ['%G', 1e-10, '1E-10'], ['%.17g', 0.1, '0.10000000000000001'],
          ['%a', 1, '0x1p+0'], ['%a', 0.1, '0x1.999999999999ap-4'], ['%.2a', 3.14159, '0x1.92p+1'], ['%A', -255.5, '-0X1.FFP+7'],
          ['%20a|', 1, '              0x1p+0|'], ['%f', Infinity, 'inf'], ['%F', -Infinity, '-INF'], ['%5e|', NaN, '  nan|'],
          ['%G', 0 / 0, 'NAN'], ['%010f', Infinity, '       inf'], ['%f', 5e-324, '0.000000'],
          ['%g', 1.7976931348623157e308, '1.79769e+308'], ['%.3f', 1e15 + 0.3, '1000000000000000.250'], ['%+.1e', 9.95, '+9.9e+00'],
          ['%lf', 1, '1.000000'],
        ];
        for (const [format, value, wanted] of table) equal(std.sprintf(format, value), wanted, `${format} of ${value}:`);
        "#,
    );
}

#[test]
fn text_and_characters_and_counts_from_arguments() {
    check(
        r#"
        const std = await import('qjs:std');
        const table = [
          [[], ''], [['plain'], 'plain'], [['100%%'], '100%'], [['%5%'], '%'], [['a=%d s=%s', 123, 'abc'], 'a=123 s=abc'],
          [['%s|', 'é'], 'é|'], [['%5s|', 'abc'], '  abc|'], [['%-5s|', 'abc'], 'abc  |'], [['%.2s|', 'abc'], 'ab|'],
          [['%4s|', 'é'], '  é|'], [['%.1s|', 'é'], '\ufffd|'], [['%s', { toString: () => 'own' }], 'own'], [['%s', undefined], 'undefined'],
          [['%s', null], 'null'], [['%s', [1, 2]], '1,2'], [['%s', 12n], '12'], [['%ls', 'x'], 'x'],
          [['%c', 65], 'A'], [['%c', 0x1f600], '😀'], [['%c', '😀x'], '😀'], [['%c', ''], '\0'], [['%c', 0x110000], '\ufffd'],
          [['%c', -1], '\ufffd'], [['%5c|', 'x'], 'x|'], [['%c', 0xd83d], '\ud83d'],
          [['%*d|', 5, 42], '   42|'], [['%*d|', -5, 42], '42   |'], [['%.*f', 2, 3.14159], '3.14'], [['%.*d', -1, 42], '42'],
          [['%*.*f|', 10, 2, -2.13], '     -2.13|'], [['%-*s|', 4, 'x'], 'x   |'], [['%.d|', 0], '|'], [['%.f', 2.5], '2'],
          [['%d %d', 1, 2, 3], '1 2'], [[12], '12'], [['a\0b%d', 1], 'a\0b1'], [['%s', 'a\0b'], 'a\0b'],
        ];
        for (const [args, wanted] of table) equal(std.sprintf(...args), wanted, JSON.stringify(args.map(String)));
        equal(std.sprintf('%5000d', 1).length, 5000);
        equal(std.sprintf('%.5000f', 1 / 3).length, 5002);
        equal(std.sprintf('%s', 'x'.repeat(1e6)).length, 1e6);
        "#,
    );
}

#[test]
fn wrong_formats_throw() {
    check(
        r#"
        const std = await import('std');
        const invalid = 'invalid conversion specifier in format string';
        for (const format of ['%', '%y', '%b', '%p', '%n', '%hd', '%Lf', '%lll', '%lzd', '%**d', '%.**d', 'x%5', '%l', '%é', '%-+ #0', '%.', `%${'0'.repeat(31)}d`]) {
          throws(() => std.sprintf(format, 1, 2, 3), 'TypeError', invalid);
        }
        const missing = 'missing argument for conversion specifier';
        for (const args of [['%d'], ['%s'], ['%c'], ['%f'], ['%d %d', 1], ['%*d', 5], ['%*d'], ['%.*f', 5]]) {
          throws(() => std.sprintf(...args), 'ReferenceError', missing);
        }
        throws(() => std.sprintf('%d', Symbol()), 'TypeError');
        throws(() => std.sprintf('%f', 5n), 'TypeError');
        throws(() => std.sprintf('%s', { toString() { throw new EvalError('mine') } }), 'EvalError', 'mine');
        throws(() => std.sprintf(Symbol()), 'TypeError');
        for (const format of ['%2000000000d', '%.2000000000f', '%99999999999s', '%2000000000s']) throws(() => std.sprintf(format, 1), 'RangeError');
        throws(() => std.sprintf('%60000000d%60000000d', 1, 2), 'RangeError', 'too long');
        "#,
    );
}

#[test]
fn extended_json_is_json_and_more() {
    check(
        r#"
        const std = await import('std');
        const parse = std.parseExtJSON;
        const table = [
          ['{"a":[1,2,{"b":null}],"c":true,"d":false,"e":"x"}', '{"a":[1,2,{"b":null}],"c":true,"d":false,"e":"x"}'],
          ['{ x:1, $y_2:2, "z z":3, \'q\':4, }', '{"x":1,"$y_2":2,"z z":3,"q":4}'], ['[1,2,]', '[1,2]'], ['[]', '[]'], ['{}', '{}'],
          ['[[],{},[[]]]', '[[],{},[[]]]'], ['/* a */ [1, // b\n 2 /* c\n */ ] // d', '[1,2]'], ['[\f1\v,\t2\r\n]', '[1,2]'],
          ['[+1,-2,+0x10,-0xff,0o17,0b101,0XA,0O7,0B1]', '[1,-2,16,-255,15,5,10,7,1]'], ['[.5,+.5,1.5e3,1E-2,-1e+2]', '[0.5,0.5,1500,0.01,-100]'],
          ["'it\\'s'", '"it\'s"'], ['"a\\\nb\\vc"', '"ab\\u000bc"'], ['"\\u00e9\\ud83d\\ude00\\b\\f\\n\\r\\t\\/\\\\\\""', '"é😀\\b\\f\\n\\r\\t/\\\\\\""'],
          ['{"a":1,"a":2}', '{"a":2}'], ['{"1":1,"0":0}', '{"0":0,"1":1}'], ['{null:1,true:2,NaN:3}', '{"null":1,"true":2,"NaN":3}'],
          [' 1 ', '1'], ['"é"', '"é"'], ['0', '0'], ['9007199254740993', '9007199254740992'], ['1e400', 'null'],
          ['0x1fffffffffffff', '9007199254740991'], ['"\\ud800"', '"\\ud800"'], ['"\\ud800\\u0041"', '"\\ud800A"'],
        ];
        for (const [text, wanted] of table) equal(JSON.stringify(parse(text)), wanted, text);
        const numbers = [
          ['-0', -0], ['NaN', NaN], ['Infinity', Infinity], ['-Infinity', -Infinity], ['+NaN', NaN], ['+Infinity', Infinity],
          ['0x20000000000001', 9007199254740992], ['0x20000000000003', 9007199254740996], ['-0b0', -0], ['1e400', Infinity],
          ['0x' + 'f'.repeat(40), 2 ** 160], ['0x' + '8' + '0'.repeat(299), Infinity], ['0x20000000000001' + '0'.repeat(40) + '1', 0x20000000000002 * 2 ** 164],
        ];
        for (const [text, wanted] of numbers) equal(parse(text), wanted, text);
        equal(Object.getPrototypeOf(parse('{"__proto__":1}')), Object.prototype);
        ok(Object.hasOwn(parse('{"__proto__":1}'), '__proto__'));
        let deep = parse('['.repeat(9000) + ']'.repeat(9000)), depth = 0;
        for (; deep.length > 0; deep = deep[0]) depth++;
        equal(depth, 8999);
        // What the app does to prototypes does not matter.
        Object.defineProperty(Array.prototype, '0', { set() { throw new Error('seen') }, configurable: true });
        equal(parse('[7]')[0], 7);
        delete Array.prototype[0];
        "#,
    );
}

#[test]
fn text_that_is_no_extended_json_is_a_syntax_error() {
    check(
        r#"
        const std = await import('std');
        const wrong = [
          '', ' ', '{', '[', '[1', '{"a"', '{"a":', '{"a":1', '{a 1}', '{1:2}', '[,]', '[1,,2]', '{,}', '{a:1,,}', '[1 2]', ']', '}', '1 2', 'nul',
          'undefined', 'True', '"a', "'a", '"a\nb"', '"\\x41"', '"\\q"', '"\\u12"', '"\\u12g4"', "\"it\\'s\"", '01', '1.', '.', '+', '-', '1e', '1e+',
          '0x', '0xg', '0o8', '0b2', '-0x', '--1', '+-1', '1abc', '/', '/* open', '//', '/*/', 'é', '[é]', '{é:1}', '"\\', '\0', '1\0', '"\0"',
          '{"a":1]', '[1}', '{"a"}', ':', ',', '`a`', '\ufeff1', '\u00a01', "{a:1,'b'}",
        ];
        for (const text of wrong) throws(() => std.parseExtJSON(text), 'SyntaxError');
        throws(() => std.parseExtJSON('[1,\n  x]'), 'SyntaxError', '(line 2, column 4)');
        throws(() => std.parseExtJSON('['.repeat(20000)), 'RangeError', 'too deep');
        throws(() => std.parseExtJSON(Symbol()), 'TypeError');
        throws(() => std.parseExtJSON(), 'SyntaxError');
        "#,
    );
}
