//! Blobs and forms as bodies of requests and responses, and bodies as blobs and forms (Fetch,
//! sections 5.2 and 5.3).

use crate::driver::check_async;

#[test]
fn a_blob_as_a_body_gives_its_bytes_and_its_type() {
    check_async(
        r#"
        const blob = new Blob(['aä'], { type: 'Text/X;a=b' }), file = new File(['f'], 'n');
        const r = new Response(blob);
        equal(r.headers.get('content-type'), 'text/x;a=b'); equal(await r.text(), 'aä'); equal(r.bodyUsed, true);
        equal(new Response(file).headers.get('content-type'), null);
        equal(new Response(blob, { headers: { 'Content-Type': 'y/z' } }).headers.get('content-type'), 'y/z');
        equal(new Response(blob, { status: 201 }).headers.get('content-type'), 'text/x;a=b');
        equal(await new Response(file).text(), 'f');
        const q = new Request('http://a', { method: 'POST', body: blob });
        equal(q.headers.get('content-type'), 'text/x;a=b'); same([...await q.clone().bytes()], [97, 195, 164]);
        equal(await new Request(q).text(), 'aä'); ok(q.bodyUsed);
        const chunks = []; for await (const chunk of new Response(blob).body) chunks.push(...chunk);
        same(chunks, [97, 195, 164]); equal(await blob.text(), 'aä');
        throws(() => new Response(blob, { status: 204 }), 'TypeError');
        throws(() => new Request('http://a', { body: blob }), 'TypeError');
        "#,
    );
}

#[test]
fn a_body_as_a_blob_has_the_type_that_the_headers_say() {
    check_async(
        r#"
        const typed = async (type, body = 'x') => (await new Response(body, { headers: type === undefined ? [] : [type].flat().map((t) => ['content-type', t]) }).blob()).type;
        equal(await typed(undefined), 'text/plain;charset=utf-8'); equal(await typed(undefined, new Uint8Array(2)), '');
        equal(await typed('Text/HTML ;Charset=UTF-8 '), 'text/html;charset=utf-8'); equal(await typed('nonsense'), '');
        equal(await typed(['text/a;charset=b', 'text/a']), 'text/a;charset=b'); equal(await typed(''), '');
        const r = new Response('aä'); r.headers.set('content-type', 'a/b');
        const blob = await r.blob(); ok(blob instanceof Blob && !(blob instanceof File));
        equal(blob.type, 'a/b'); equal(blob.size, 3); await rejects(r.blob(), 'TypeError');
        equal((await new Response().blob()).size, 0);
        const stream = new ReadableStream({ start(c) { c.enqueue(new Uint8Array([1, 2])); c.close() } });
        same([...await (await new Response(stream).blob()).bytes()], [1, 2]);
        equal((await new Request('http://a', { method: 'POST', body: new Blob(['z'], { type: 'k/l' }) }).blob()).type, 'k/l');
        "#,
    );
}

#[test]
fn a_form_as_a_body_is_multipart_with_its_boundary() {
    check_async(
        r#"
        const form = new FormData();
        form.append('a', '1'); form.append('f', new File(['\0\r\n--'], 'é"', { type: 'c/d' })); form.append('a', 'ä\n');
        const r = new Response(form), type = r.headers.get('content-type');
        ok(/^multipart\/form-data; boundary=[-\w]{10,70}$/.test(type), type);
        ok((await r.clone().text()).startsWith('--' + type.split('=')[1] + '\r\n'));
        const back = await r.formData(), file = back.get('f');
        same(back.getAll('a'), ['1', 'ä\r\n']); same([...back.keys()], ['a', 'f', 'a']);
        ok(file instanceof File); equal(file.name, 'é"'); equal(file.type, 'c/d'); equal(await file.text(), '\0\r\n--');
        const q = new Request('http://a', { method: 'PUT', body: form });
        form.append('late', 'x');
        equal((await q.formData()).has('late'), false, 'the body was made before');
        equal([...await new Response(new FormData()).formData()].length, 0);
        const other = new Response(form, { headers: { 'content-type': 'multipart/form-data; boundary=x' } });
        await rejects(other.formData(), 'TypeError', 'does not begin with the boundary');
        "#,
    );
}

#[test]
fn a_form_is_read_of_the_two_types_and_no_other() {
    check_async(
        r#"
        const of = (type, body) => new Response(body, { headers: { 'content-type': type } }).formData();
        same([...await of('application/x-www-form-urlencoded', '\uFEFFa=1&b=%F0%9F%92%A9+x&c&=')],
          [['\uFEFFa', '1'], ['b', '💩 x'], ['c', ''], ['', '']]);
        same([...await new Response(new URLSearchParams('a=1&a=2')).formData()], [['a', '1'], ['a', '2']]);
        equal([...await of('application/x-www-form-urlencoded', null)].length, 0);
        for (const type of ['text/plain', '', 'multipart/form-data', 'multipart/form-data; boundary=', 'multipart/mixed; boundary=b'])
          await rejects(of(type, '--b--'), 'TypeError');
        await rejects(new Response('a=b').formData(), 'TypeError'); await rejects(new Response().formData(), 'TypeError');
        await rejects(of('multipart/form-data; boundary=b', null), 'TypeError');
        const used = new Response('a'); await used.text(); await rejects(used.formData(), 'TypeError', 'already been read');
        const stream = new ReadableStream({ start(c) { for (const x of 'x=1&y=2') c.enqueue(new TextEncoder().encode(x)); c.close() } });
        same([...await of('application/x-www-form-urlencoded', stream)], [['x', '1'], ['y', '2']]);
        "#,
    );
}

/// Bodies from hostile clients: each ends at once, with a form or a TypeError.
#[test]
fn hostile_multipart_bodies_end_at_once() {
    check_async(
        r#"
        const of = (body, boundary = 'b') => new Response(body, { headers: { 'content-type': `multipart/form-data; boundary="${boundary}"` } }).formData();
        const head = 'Content-Disposition: form-data; name="n"', part = `--b\r\n${head}\r\n\r\n`;
        const began = performance.now();
        for (const [body, what] of [
          [part + 'x', 'last boundary'], [part, 'boundary'], ['--b\r\n' + head, 'do not end'], ['--b\r\n' + head + '\r\n', 'do not end'],
          ['--b\r\n\r\nx\r\n--b--', 'no name'], ['--b\r\nX\r\n\r\n', 'no colon'], ['--b\n' + head, 'ends no line'],
          ['--b\r\n' + 'A: b\r\n'.repeat(200_000), 'do not end'], ['--b\r\n' + head + '; a=b'.repeat(200_000), 'do not end'],
          ['\r\n'.repeat(500_000), 'begin'], ['-'.repeat(1 << 20), 'begin'], [part + '\r\n--'.repeat(250_000), 'last boundary'],
          [part + '\r\n--b'.repeat(200_000), 'colon'], ['--b\r\nContent-Disposition: form-data; name="' + '%22'.repeat(300_000), 'do not end'],
        ]) await rejects(of(body), 'TypeError', what);
        const long = 'x'.repeat(10_000);
        await rejects(of(`--${long}\r\n${head}\r\n\r\n` + ('\r\n--' + long.slice(1)).repeat(100), long), 'TypeError', 'last boundary');
        const many = (count) => part + ('x\r\n' + part).repeat(count) + '\r\n--b--';
        equal([...await of(many(20_000))].length, 20_001);
        await rejects(of(many(100_001)), 'RangeError', '100,000');
        ok(performance.now() - began < 15_000, 'time is linear');
        "#,
    );
}

#[test]
fn a_form_larger_than_the_heap_is_refused_before_it_is_made() {
    check_async(
        r#"
        const form = new FormData(), file = new File([new Uint8Array(1 << 20)], 'a');
        for (let i = 0; i < 1000; i++) form.append('f', file);
        let thrown; try { new Response(form) } catch (error) { thrown = error }
        equal(thrown?.message, 'out of memory'); ok(new Response('goes on').body !== null);
        "#,
    );
}

/// Where chunks end says nothing: of an app's stream, of a body read before, of a clone.
#[test]
fn a_form_may_come_in_any_chunks() {
    check_async(
        r#"
        const type = { 'content-type': 'multipart/form-data; boundary=b' }, utf8 = (text) => new TextEncoder().encode(text);
        const bytes = utf8('--b\r\nContent-Disposition: form-data; name="ä"\r\n\r\nx\r\n-\r\n--b\r\nContent-Disposition: form-data; ' +
          'name=f; filename=n\r\nContent-Type: a/b\r\n\r\n\r\n--\r\n--b\n\r\n--b--\r\n');
        const shown = async (r) => { const f = await r.formData(), file = f.get('f'); return [...f.keys(), f.get('ä'), file.name, file.type, await file.text()] };
        const wanted = ['ä', 'f', 'x\r\n-', 'n', 'a/b', '\r\n--'];
        const bad = await shown(new Response(bytes, { headers: type })).catch((error) => error);
        ok(bad.message.endsWith('a boundary ends no line'), bad);
        const good = utf8(new TextDecoder().decode(bytes).replace('--b\n', '--c\n'));
        wanted[5] = '\r\n--\r\n--c\n';
        const stream = (size) => { let at = 0; return new ReadableStream({ pull(c) { const end = Math.min(at + size, good.length);
          c.enqueue(good.slice(at, end)); at = end; if (at === good.length) c.close() } }) };
        for (const size of [1, 2, 3, 5, 7, 64, 1000]) same(await shown(new Response(stream(size), { headers: type })), wanted, size);
        const r = new Response(stream(3), { headers: type }), copy = r.clone();
        same(await shown(r), wanted); same(await shown(copy), wanted);
        const blob = new Response(new Blob([good]), { headers: type }); ok(blob.body); same(await shown(blob), wanted);
        const moved = new Response(new Response(new Blob([good])).body, { headers: type }); same(await shown(moved), wanted);
        "#,
    );
}

/// The stream of a body that breaks a rule is cancelled there, for that reason.
#[test]
fn a_form_is_refused_as_soon_as_a_rule_is_broken() {
    check_async(
        r#"
        const utf8 = (text) => new TextEncoder().encode(text), head = 'Content-Disposition: form-data; name=n\r\n';
        for (const [type, begin, what] of [
          ['multipart/form-data; boundary=b', ['--', 'c'], 'does not begin'], ['multipart/form-data; boundary=b', ['--b\r\n', 'A\r\n'], 'no colon'],
          ['multipart/form-data; boundary=b', ['--b\r\n' + head + '\r', '\n--b'], 'no body'],
          ['multipart/form-data; boundary=b', ['--b\r\n' + head, 'x'.repeat(17_000)], '16 KiB'],
          ['multipart/form-data', ['x'], 'no boundary'], ['text/plain', ['x'], 'none of a form'],
        ]) {
          let pulls = 0, reason;
          const stream = new ReadableStream({ pull(c) { c.enqueue(utf8(begin[pulls++] ?? 'more')) }, cancel(why) { reason = why } }, { highWaterMark: 0 });
          const error = await rejects(new Response(stream, { headers: { 'content-type': type } }).formData(), 'TypeError', what);
          equal(pulls, begin.length, what); equal(reason, error);
        }
        const broken = new Error('x'), fails = new ReadableStream({ start(c) { c.error(broken) } });
        equal(await new Response(fails).formData().catch((error) => error), broken);
        "#,
    );
}

#[test]
fn a_form_as_a_body_can_be_read_in_every_way() {
    check_async(
        r#"
        const form = new FormData(), big = new File(['x'.repeat(200_000)], 'big', { type: 'a/b' });
        form.append('a', 'ä'); form.append('f', big); form.append('e', new File([], '')); form.append('f', big);
        const r = () => new Response(form), text = async (r) => (await r.text()).replaceAll(/-jsserve-form-\w+/g, '');
        const wanted = await text(r()), size = r().headers.get('content-type').length - 'multipart/form-data; boundary='.length;
        ok(wanted.includes('ä') && wanted.length > 400_000);
        const length = new TextEncoder().encode(wanted).length + 5 * '-jsserve-form-0123456789abcdef0123456789abcdef'.length; equal(size, 49);
        equal((await r().arrayBuffer()).byteLength, length); equal((await r().bytes()).length, length); equal((await r().blob()).size, length);
        const chunks = []; for await (const chunk of r().body) { ok(chunk.length <= 65536 && chunk.length > 0); chunks.push(chunk) }
        equal(await text(new Response(new Blob(chunks))), wanted);
        const first = r(), second = first.clone(); equal(await text(second), wanted); equal(await text(first), wanted);
        const opened = r(); ok(opened.body); equal(await text(opened.clone()), wanted); equal(await text(opened), wanted);
        equal(await text(new Response(r().body)), wanted);
        const q = new Request('http://a', { method: 'POST', body: form }); equal(await text(new Request(q)), wanted); ok(q.bodyUsed);
        const one = new FormData(); for (let i = 0; i < 1000; i++) one.append(`n${i}`, i % 3 ? `v${i}` : new File([`${i}`], `f${i}`));
        const back = await new Response(one).formData(); let i = 0;
        for (const [name, value] of back) { equal(name, `n${i}`); equal(i % 3 ? value : value.name + await value.text(), i % 3 ? `v${i}` : `f${i}${i}`); i++ }
        equal(i, 1000);
        "#,
    );
}

/// One copy of a file fits into the driver's heap of 64 MiB beside what is made of it, two do not.
#[test]
fn a_file_is_in_memory_once_however_often_it_is_sent() {
    check_async(
        r#"
        const file = new File([new Uint8Array(40 << 20)], 'n'), form = new FormData(); form.append('f', file);
        const all = []; for (let i = 0; i < 20; i++) all.push(new Response(form), new Request('http://a', { method: 'POST', body: form }));
        all.push(all[0].clone(), new Response(file)); const reader = all[1].body.getReader(); ok((await reader.read()).value.length > 0);
        "#,
    );
}
