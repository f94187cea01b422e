//! What the tests of `crypto.subtle` share: bytes as hex, rejections, keys.
//!
//! Owns: the prelude. Must not know: algorithms.
#![allow(dead_code)]

use crate::driver;

const PRELUDE: &str = r#"
const subtle = crypto.subtle, utf8 = (text) => new TextEncoder().encode(text);
const un = (hex) => Uint8Array.fromHex(hex.replaceAll(' ', '')), un64 = (text) => Uint8Array.fromBase64(text);
const hex = (buffer) => new Uint8Array(buffer).toHex();
async function rejects(promise, name, part) {
  let error, value;
  ok(promise instanceof Promise, 'a promise');
  try { value = await promise } catch (e) { error = e }
  if (error === undefined) fail(`fulfilled with ${value}, wanted ${name}`);
  equal(error.name, name, error.message);
  equal(error instanceof DOMException, name !== 'TypeError');
  if (part !== undefined) ok(error.message.includes(part), `${error.message} lacks ${part}`);
}
const raw = (algorithm, bytes, ...usages) => subtle.importKey('raw', bytes, algorithm, true, usages);
const jwk = (algorithm, key, ...usages) => subtle.importKey('jwk', key, algorithm, true, usages);
"#;

/// Runs the body of an async function; fails with what it throws or leaves unhandled.
pub fn check(body: &'static str) {
    driver::on_worker(move || async move {
        let driver = driver::new();
        driver.run(PRELUDE);
        driver.run_async(body).await;
        driver.engine.collect();
        assert!(driver.reports.borrow().is_empty(), "{:#?}", driver.reports.borrow());
    });
}
