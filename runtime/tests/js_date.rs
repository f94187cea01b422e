//! `Date`'s setters (ECMA-262 sections 21.4.4.20 to 21.4.4.34), as far as they are not the engine's own.

use crate::driver::check;

#[test]
fn a_setter_with_nan_makes_the_date_invalid() {
    check(
        r#"
        const names = Object.getOwnPropertyNames(Date.prototype).filter((name) => /^set(?!Time|Year)/.test(name));
        equal(names.length, 14);
        for (const name of names) {
            for (const wrong of [[NaN], [Infinity], ['x'], [], [undefined], [1, NaN]]) {
                const date = new Date(5e11), answer = date[name](...wrong);
                const more = wrong.length < 2 || Date.prototype[name].length > 1;
                equal(Number.isNaN(answer), more, name); equal(Number.isNaN(date.getTime()), more, name);
            }
            equal(new Date(5e11)[name](3), new Date(new Date(5e11)[name](3)).getTime(), name);
            const { value, ...flags } = Object.getOwnPropertyDescriptor(Date.prototype, name);
            equal(JSON.stringify(flags), '{"writable":true,"enumerable":false,"configurable":true}', name);
            equal(value.name, name);
        }
        same(names.map((name) => Date.prototype[name].length).toSorted(), [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4]);
        equal(new Date(0).setUTCFullYear(2000, 1, 30), Date.UTC(2000, 1, 30));
        equal(new Date(NaN).setUTCFullYear(2000), 946684800000);
        equal(new Date(NaN).setUTCMonth(2), NaN);
        "#,
    );
}

#[test]
fn arguments_are_converted_once_and_the_receiver_is_a_date() {
    check(
        r#"
        let seen = 0;
        const odd = { valueOf() { seen++; return NaN } };
        equal(new Date(0).setUTCHours(odd, odd), NaN); equal(seen, 2);
        throws(() => Date.prototype.setMonth.call({}, 1), 'TypeError');
        throws(() => new Date(0).setMonth({ valueOf() { throw new RangeError('own') } }), 'RangeError');
        class Mine extends Date {}
        equal(new Mine(0).setDate(NaN), NaN);
        "#,
    );
}
