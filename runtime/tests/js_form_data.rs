//! `FormData` as the XMLHttpRequest standard has it, and its two body formats.

use crate::driver::{self, Driver, check, check_async};
use runtime::js::thrown::Thrown;
use runtime::js::{Value, class};
use runtime::modules::web::fetch::content_type;
use runtime::modules::web::form_data::{self, FormData};

#[test]
fn entries_are_strings_and_files_in_order() {
    check_async(
        r#"
        const form = new FormData();
        form.append('a', 1); form.append('b', 'x\uD800'); form.append('a', null);
        same([...form], [['a', '1'], ['b', 'x\uFFFD'], ['a', 'null']]);
        equal(form.get('a'), '1'); same(form.getAll('a'), ['1', 'null']); equal(form.get('c'), null);
        same(form.getAll('c'), []); equal(form.has('b'), true); equal(form.has('c'), false);
        form.set('a', 2); same([...form.keys()], ['a', 'b']); same([...form.values()], ['2', 'x\uFFFD']);
        form.set('d', 3); form.delete('b'); form.delete('none'); same([...form.entries()], [['a', '2'], ['d', '3']]);
        const seen = []; form.forEach(function (value, name, all) { seen.push(name, value, all === form, this.x) }, { x: 1 });
        same(seen, ['a', '2', true, 1, 'd', '3', true, 1]);
        equal(FormData.prototype[Symbol.iterator], FormData.prototype.entries);
        const live = form[Symbol.iterator](); live.next(); form.append('e', 4); same([...live].length, 2);
        equal(Object.prototype.toString.call(live), '[object FormData Iterator]');
        throws(() => form.append('a'), 'TypeError'); throws(() => form.append('a', 'b', 'c'), 'TypeError', 'not a Blob');
        throws(() => form.set('a', 'b', undefined), 'TypeError', 'not a Blob');
        throws(() => new FormData({}), 'TypeError'); new FormData(undefined); throws(() => FormData.prototype.get.call({}, 'a'), 'TypeError');
        "#,
    );
}

#[test]
fn blobs_become_files_and_files_stay_what_they_are() {
    check_async(
        r#"
        const form = new FormData(), file = new File(['f'], 'name', { type: 'a/b', lastModified: 7 });
        form.append('f', file); equal(form.get('f'), file); form.append('f', file, undefined); equal(form.getAll('f')[1], file);
        form.set('f', file, 'other'); const renamed = form.get('f');
        ok(renamed !== file); equal(renamed.name, 'other'); equal(renamed.type, 'a/b'); equal(renamed.lastModified, 7);
        equal(await renamed.text(), 'f');
        form.append('b', new Blob(['x'], { type: 'c/d' })); const made = form.get('b');
        ok(made instanceof File); equal(made.name, 'blob'); equal(made.type, 'c/d'); equal(await made.text(), 'x');
        form.append('b', new Blob(['x']), 'ä'); equal(form.getAll('b')[1].name, 'ä'); equal(form.getAll('b')[0], made);
        "#,
    );
}

#[test]
fn a_form_inside_of_its_own_file_is_collected() {
    let driver = driver::new();
    let grown = driver
        .growth(400, "const f = new FormData(), b = new File(['x'], 'y'); f.append('b', b); b.form = f");
    assert!(grown < 4096, "{grown} bytes");
}

#[test]
fn the_list_is_bounded() {
    check(
        r#"
        const form = new FormData();
        for (let i = 0; i < 1000; i++) form.append('a', 'b');
        throws(() => { for (let i = 0; i < 1e6; i++) form.append('a', 'b') }, 'RangeError', '100,000');
        "#,
    );
}

/// What a body becomes: the JSON of its entries, or the error.
fn parsed(content_type: &str, body: &[u8]) -> String {
    let driver = driver::new();
    driver.run("function shown(f) { return JSON.stringify([...f].map(([n, v]) => v instanceof File ? [n, v.name, v.type, v.size] : [n, v])) }");
    driver.engine.turn(|ctx| {
        let shown = form_data::parse(ctx, content_type::extract(content_type.as_bytes()).as_ref(), body)
            .and_then(|form| {
                ctx.globals().set("form", form)?;
                ctx.eval::<String, _>("shown(form)")
            });
        shown.unwrap_or_else(|_| Thrown::take(ctx).text)
    })
}

#[test]
fn bodies_of_both_types_are_parsed() {
    assert_eq!(
        parsed("application/x-www-form-urlencoded;charset=UTF-8", b"a=1&b=%C3%A4+x&a="),
        r#"[["a","1"],["b","ä x"],["a",""]]"#
    );
    let body = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\u{e4}\r\n--b\r\n\
                Content-Disposition: form-data; name=\"f\"; filename=\"x%22.txt\"\r\nContent-Type: Text/Plain\r\n\r\n\0\r\n\r\n--b--\r\n";
    assert_eq!(
        parsed("Multipart/Form-Data; boundary=\"b\"", body.as_bytes()),
        r#"[["a","ä"],["f","x\".txt","text/plain",3]]"#
    );
    assert!(
        parsed("multipart/form-data; boundary=c", body.as_bytes())
            .contains("does not begin with the boundary")
    );
    assert!(parsed("multipart/form-data", body.as_bytes()).starts_with("TypeError: "));
    assert!(parsed("text/plain", b"a=b").starts_with("TypeError: "));
}

fn serialised(driver: &Driver, source: &str) -> (Vec<u8>, String) {
    driver.engine.turn(|ctx| {
        let form: Value = ctx.eval(source).expect("a form");
        let (rope, kind) =
            form_data::serialise(ctx, class::get::<FormData>(&form).expect("a form")).expect("bytes");
        assert_eq!(rope.len(), rope.joined().len());
        (rope.joined().to_vec(), kind)
    })
}

/// A file's bytes are in one place, however many forms and bodies it is in.
#[test]
fn files_of_a_serialised_form_are_shared() {
    let driver = driver::new();
    driver.engine.turn(|ctx| {
        let form: Value = ctx
            .eval(
                r#"const f = new FormData(), file = new File(['x'.repeat(100_000)], 'n');
                f.append('a', 'b'); f.append('f', file); f.append('e', new File([], 'empty')); f.append('g', file.slice(1)); f"#,
            )
            .expect("a form");
        let form = class::get::<FormData>(&form).expect("a form");
        let pieces = |_| form_data::serialise(ctx, form).expect("bytes").0.pieces().collect::<Vec<_>>();
        let (one, two) = (pieces(1), pieces(2));
        let sizes: Vec<_> = one.iter().map(|piece| piece.len()).filter(|len| *len > 1000).collect();
        assert_eq!(sizes, [100_000, 99_999]);
        assert_eq!((one.len(), one[1].as_ptr()), (6, two[1].as_ptr()));
        assert_eq!(one[1][1..].as_ptr(), one[4].as_ptr());
    });
}

#[test]
fn a_form_is_serialised_as_the_standard_says_and_read_back() {
    let driver = driver::new();
    let (bytes, kind) = serialised(
        &driver,
        r#"const f = new FormData(); f.append('a"\n', 'x\ry'); f.append('f', new File(['\n'], 'n"\r\n'));
           f.append('g', new Blob(['b'], { type: 'c/d' })); f"#,
    );
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect("the type");
    assert!(boundary.len() >= 27 && boundary.len() <= 70, "{boundary}");
    let text = String::from_utf8(bytes.clone()).expect("UTF-8").replace(boundary, "B");
    assert_eq!(
        text,
        "--B\r\nContent-Disposition: form-data; name=\"a%22%0D%0A\"\r\n\r\nx\r\ny\r\n\
         --B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"n%22%0D%0A\"\r\nContent-Type: application/octet-stream\r\n\r\n\n\r\n\
         --B\r\nContent-Disposition: form-data; name=\"g\"; filename=\"blob\"\r\nContent-Type: c/d\r\n\r\nb\r\n--B--\r\n"
    );
    assert_eq!(
        parsed(&kind, &bytes),
        r#"[["a\"\r\n","x\r\ny"],["f","n\"\r\n","application/octet-stream",1],["g","blob","c/d",1]]"#
    );
    let (empty, kind) = serialised(&driver, "new FormData()");
    assert_eq!(parsed(&kind, &empty), "[]");
    assert_ne!(kind, serialised(&driver, "new FormData()").1, "boundaries are random");
}
