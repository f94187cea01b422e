//! Runs scripts that use `sockets` against peers made with `os`, on both I/O backends.
//!
//! Owns: the helpers of these scripts. Must not know: what is tested.
#![allow(dead_code)] // each test binary uses its own part

use crate::os_harness;

/// What scripts find beside those of the `os` tests.
const PRELUDE: &str = r#"
const { connect, Socket, SocketError } = await import('sockets');
const port = (fd) => os.getsockname(fd).port;
// A socket and the descriptor of its peer.
const joined = async (options) => {
  const listener = listening();
  const socket = connect(`127.0.0.1:${port(listener)}`, options);
  const [fd] = await os.accept(listener);
  os.close(listener);
  await socket.opened;
  return [socket, fd];
};
const rest = async (readable) => {
  let all = '';
  for await (const chunk of readable) all += new TextDecoder().decode(chunk);
  return all;
};
// All that a peer gets, and how its stream ends.
const heard = async (fd) => {
  const buffer = new ArrayBuffer(65536);
  let all = '';
  for (;;) {
    let got;
    try { got = await os.recv(fd, buffer); } catch (error) { return `${all} ${error.code}`.trim(); }
    if (got === 0) return all;
    all += new TextDecoder('latin1').decode(new Uint8Array(buffer, 0, got));
  }
};
const reset = (fd) => {
  os.setsockopt(fd, os.SOL_SOCKET, os.SO_LINGER, new Int32Array([1, 0]).buffer);
  os.close(fd);
};
// How a promise ends: its value, or the name and code of its reason.
const end = (promise) => promise.then((value) => value ?? 'done', (error) => `${error.constructor.name} ${error.code}`);
const isPending = async (promise) => await Promise.race([promise, new Promise((r) => setTimeout(r, 30, isPending))]) === isPending;
"#;

/// Runs `body` in a fresh engine on both backends; fails with what it throws or leaves unhandled.
pub fn check(body: &str) {
    os_harness::check(String::leak(format!("{PRELUDE}\n{body}")));
}
