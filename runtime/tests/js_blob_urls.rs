//! `blob:` URLs (File API, section 8) and their fetch (Fetch, section 4.2).

use crate::driver::{self, check_async};
use runtime::modules::web::blob;

#[test]
fn object_urls_stand_for_blobs_until_they_are_revoked() {
    let driver = driver::new();
    driver.run(
        r#"
        const url = URL.createObjectURL(new Blob(['abc'], { type: 'x/y' })), other = URL.createObjectURL(new File(['f'], 'n'));
        ok(/^blob:null\/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(url), url); ok(url !== other);
        equal(new URL(url).origin, 'null'); throws(() => URL.createObjectURL({}), 'TypeError'); throws(() => URL.createObjectURL(), 'TypeError');
        URL.revokeObjectURL(url + '#f'); URL.revokeObjectURL(url + '?q'); URL.revokeObjectURL(other); URL.revokeObjectURL('nonsense'); URL.revokeObjectURL('http://a'); throws(() => URL.revokeObjectURL(), 'TypeError');
        globalThis.known = url; globalThis.gone = other;
        "#,
    );
    let resolve = |name: &str| {
        let text = driver.text(name);
        driver.engine.turn(|ctx| {
            let found = blob::urls::resolve(ctx, &url::Url::parse(&(text + "#part")).expect("a URL"));
            found.map(|blob| (blob.bytes().to_vec(), blob.kind().to_owned()))
        })
    };
    assert_eq!(resolve("known"), Some((b"abc".to_vec(), "x/y".to_owned())));
    assert_eq!(resolve("gone"), None);
    driver.run("throws(() => { const b = new Blob(); for (let i = 0; i < 1e5; i++) URL.createObjectURL(b) }, 'RangeError', '10,000')");
}

#[test]
fn a_blob_url_is_fetched_whole_or_in_part() {
    check_async(
        r#"
        const blob = new Blob(['0123456789'], { type: 'x/y' }), url = URL.createObjectURL(blob);
        const r = await fetch(url + '#part');
        same([r.status, r.statusText, r.ok, r.url, r.type, r.redirected], [200, 'OK', true, url, 'basic', false]);
        same([...r.headers], [['content-length', '10'], ['content-type', 'x/y']]); equal(await r.text(), '0123456789');
        equal((await (await fetch(new Request(url))).blob()).type, 'x/y');
        const part = await fetch(url, { headers: { range: 'bytes=2-4' } });
        same([part.status, part.statusText, part.headers.get('content-range'), part.headers.get('content-length'), await part.text()],
          [206, 'Partial Content', 'bytes 2-4/10', '3', '234']);
        equal(await (await fetch(url, { headers: { range: 'bytes=-2' } })).text(), '89');
        for (const range of ['bytes=10-', 'bytes=4-2', 'lines=1-2', 'bytes=0-1,3-4']) await rejects(fetch(url, { headers: { range } }), 'TypeError');
        for (const method of ['HEAD', 'POST', 'DELETE']) await rejects(fetch(url, { method }), 'TypeError');
        await rejects(fetch(url + '?query'), 'TypeError'); await rejects(fetch('blob:null/none'), 'TypeError');
        const before = fetch(url); URL.revokeObjectURL(url); equal(await (await before).text(), '0123456789');
        await rejects(fetch(url), 'TypeError');
        "#,
    );
}
