//! Runs scripts that fetch from a test's own server.
//!
//! Owns: the engine, and the worker's client, which no environment disturbs. Must not know: what is tested.
#![allow(dead_code)] // each test binary uses its own part

use runtime::client::{Client, ClientOptions};

use crate::client_server::{Server, options};
use crate::driver::{self, Driver};

/// What the scripts use beside the driver's assertions.
const PRELUDE: &str = r#"
async function rejects(promise, part, code) {
  let error
  try { await promise } catch (e) { error = e }
  if (error === undefined) fail(`nothing thrown, wanted ${part}`)
  ok(error instanceof TypeError, `a TypeError, not ${error}`)
  const text = `${error.message} <- ${error.cause?.message}`
  ok(text.includes(part), `${text} lacks ${part}`)
  if (code !== undefined) equal(error.cause.code, code, text)
  return error
}
async function rejectsWith(promise, reason) {
  let error
  try { await promise } catch (e) { error = e }
  ok(error === reason, `got ${error}, wanted ${reason}`)
}
const utf8 = (text) => new TextEncoder().encode(text)
const text = (bytes) => new TextDecoder().decode(bytes)
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))
/* The echo server's answer, taken apart. */
async function seen(response) {
  const [head, ...body] = (await response.text()).split('\r\n\r\n')
  const [line, ...fields] = head.split('\r\n')
  return { line, headers: new Headers(fields.map((field) => field.split(': '))), body: body.join('\r\n\r\n') }
}
"#;

/// A fresh engine with `base`, the URL of `server`.
pub fn engine(server: &Server) -> Driver {
    engine_with(server.url("").as_str().trim_end_matches('/'), options())
}

/// A fresh engine with `base`, on a worker whose client has `options`.
pub fn engine_with(base: &str, options: ClientOptions) -> Driver {
    Client::set_of_worker(options);
    let driver = driver::new();
    driver.run(PRELUDE);
    driver.run(&format!("const base = {base:?}"));
    driver
}

/// Runs the body of an async function against `server`; nothing may be reported.
pub async fn run(server: &Server, body: &str) {
    let driver = engine(server);
    driver.run_async(body).await;
    quiet(&driver);
}

/// Nothing was reported.
pub fn quiet(driver: &Driver) {
    driver.engine.collect();
    assert!(driver.reports.borrow().is_empty(), "{:#?}", driver.reports.borrow());
}
