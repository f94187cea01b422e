/*
 * An HTTP file server in plain `os` calls, as the thread of the socket proposal spells them: the
 * calls that wait return promises, `true` in the end of `send` means all of it.
 *
 *   jsserve examples/os/http_server.js [PORT [HOST [FOLDER]]]     8080, localhost, the current folder
 *   curl -i http://localhost:8080/
 *
 * Ctrl-C ends it. http_server_hints.js is the same in the spelling of the proposal's pull request.
 */
// @ts-check

import * as os from "os";
import * as std from "std";
import { HEAD_BYTES_MAX, message, replyTo } from "./http_files.js";

const TIME_MS_MAX = 10_000;

const [port = "8080", host = "localhost", folder = "."] = scriptArgs.slice(1);
const [root, missing] = os.realpath(folder);
if (missing) throw new Error(`${folder}: ${std.strerror(missing)}`);

const found = must(os.getaddrinfo(host, port), "getaddrinfo").filter((info) => info.socktype === os.SOCK_STREAM);
if (found.length === 0) throw new Error(`${host} has no address`);

const listener = must(os.socket(found[0].family, os.SOCK_STREAM), "socket");
must(os.setsockopt(listener, os.SO_REUSEADDR, 1), "setsockopt");
must(os.bind(listener, found[0]), "bind");
must(os.listen(listener), "listen");

let open = true;
for (const signal of [os.SIGINT, os.SIGTERM]) {
  os.signal(signal, () => {
    os.signal(signal, null); // a second one ends the program at once
    open = false;
    os.close(listener); // the accept that waits rejects with EBADF
  });
}

const bound = must(os.getsockname(listener), "getsockname");
const name = bound.family === os.AF_INET6 ? `[${bound.addr}]` : bound.addr;
console.log(`listening on http://${name}:${bound.port}/`);

while (open) {
  try {
    const [fd] = await os.accept(listener);
    serve(fd); // not awaited: many connections at the same time
  } catch (error) {
    if (open) await pause(error);
  }
}

/** Serves one connection; never throws. @param {number} fd */
async function serve(fd) {
  // A shutdown ends what waits, but the number stays ours until it is closed below.
  const deadline = setTimeout(() => os.shutdown(fd, os.SHUT_RDWR), TIME_MS_MAX);
  try {
    const head = await receiveHead(fd);
    if (head === null) return; // it has gone
    const reply = head.includes("\r\n\r\n") ? replyTo(head, root) : message(431, "The head is too long.");
    console.log(head.split("\r\n", 1)[0], reply.status);
    await os.send(fd, reply.head + (reply.text ?? ""), true);
    if (reply.file !== undefined) await sendFile(fd, reply.file, reply.size ?? 0);
  } catch (error) {
    console.error("connection:", error instanceof Error ? error.message : error);
  } finally {
    clearTimeout(deadline);
    os.close(fd);
  }
}

/** All up to the empty line, or as much as may be; null if the client ends before. @param {number} fd */
async function receiveHead(fd) {
  const bytes = new Uint8Array(HEAD_BYTES_MAX);
  let length = 0;
  let head = "";
  while (length < bytes.length && !head.includes("\r\n\r\n")) {
    const count = await os.recv(fd, bytes.subarray(length));
    if (count === 0) return null;
    length += count;
    head = new TextDecoder("latin1").decode(bytes.subarray(0, length));
  }
  return head;
}

/** The first `size` bytes of a file. @param {number} fd @param {string} path @param {number} size */
async function sendFile(fd, path, size) {
  const file = must(os.open(path, os.O_RDONLY), "open");
  try {
    const buffer = new ArrayBuffer(64 * 1024);
    while (size > 0) {
      const count = must(os.read(file, buffer, 0, Math.min(size, buffer.byteLength)), "read");
      if (count === 0) throw new Error(`${path} has become shorter`);
      await os.send(fd, buffer, count, true);
      size -= count;
    }
  } finally {
    os.close(file);
  }
}

/** Says what went wrong and waits a little: it may be that too many files are open. @param {unknown} error */
async function pause(error) {
  console.error("accept:", error);
  await os.sleepAsync(100);
}

/**
 * The result of a call that answers `-errno` where it fails.
 * @template T @param {T | number} result @param {string} what @returns {T}
 */
function must(result, what) {
  if (typeof result === "number" && result < 0) throw new Error(`${what}: ${std.strerror(-result)}`);
  return /** @type {T} */ (result);
}
