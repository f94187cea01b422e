/*
 * A TCP proxy: each connection is joined to one of its own to a target, both ways.
 *
 *   jsserve examples/os/tcp_proxy.js PORT TARGET_HOST TARGET_PORT
 *   jsserve examples/os/tcp_proxy.js 8081 example.com 80
 *
 * It listens on 127.0.0.1. It holds back whoever sends faster than the other side takes: nothing is received before what was
 * received has been sent. When one side ends its stream the other is told so, while the opposite
 * direction goes on; when one side breaks, both end.
 */
// @ts-check

import * as os from "os";
import * as std from "std";

const [port, host, targetPort] = scriptArgs.slice(1);
if (targetPort === undefined) {
  std.err.puts("usage: tcp_proxy.js PORT TARGET_HOST TARGET_PORT\n");
  std.exit(2);
}

const listener = must(os.socket(os.AF_INET, os.SOCK_STREAM));
must(os.setsockopt(listener, os.SO_REUSEADDR, 1));
must(os.bind(listener, { addr: "127.0.0.1", port: Number(port) }));
must(os.listen(listener));
console.log(`listening on 127.0.0.1 port ${must(os.getsockname(listener)).port}`);

for (;;) {
  try {
    const [client] = await os.accept(listener);
    join(client).catch((error) => console.error(error.message));
  } catch (error) {
    console.error("accept:", error); // too many open files, perhaps
    await os.sleepAsync(100);
  }
}

/** Joins a connection to the target until both directions have ended. @param {number} client */
async function join(client) {
  let target = -1;
  try {
    target = await connectToTarget();
    await Promise.all([copy(client, target), copy(target, client)]);
  } finally {
    os.close(client);
    if (target >= 0) os.close(target);
  }
}

/** Copies one direction, to its end. @param {number} from @param {number} to */
async function copy(from, to) {
  const buffer = new ArrayBuffer(64 * 1024);
  for (let count; (count = await os.recv(from, buffer)) > 0; ) {
    await os.send(to, buffer, count, true);
  }
  os.shutdown(to, os.SHUT_WR); // the end is passed on, the other direction stays
}

/** A connection to the first of the target's addresses that takes one. */
async function connectToTarget() {
  const hints = { service: targetPort, socktype: os.SOCK_STREAM };
  let refused = new Error(`${host} has no address`);
  for (const address of await os.getaddrinfoAsync(host, hints)) {
    const fd = must(os.socket(address.family, os.SOCK_STREAM));
    try {
      await os.connect(fd, address);
      return fd;
    } catch (error) {
      os.close(fd);
      refused = /** @type {Error} */ (error);
    }
  }
  throw refused;
}

/** @template T @param {T | number} result @returns {T} */
function must(result) {
  if (typeof result === "number" && result < 0) throw new Error(std.strerror(-result));
  return /** @type {T} */ (result);
}
