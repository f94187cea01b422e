/*
 * The HTTP file server of http_server.js in the spelling of the socket proposal's pull request:
 * `getaddrinfo` with hints, socket options as an ArrayBuffer, `send` that may take less than all.
 *
 *   jsserve examples/os/http_server_hints.js [PORT [HOST [FOLDER]]]   8080, localhost, the current folder
 *   curl -i http://localhost:8080/
 */
// @ts-check

import * as os from "os";
import * as std from "std";
import { HEAD_BYTES_MAX, message, replyTo } from "./http_files.js";

const [port = "8080", host = "localhost", folder = "."] = scriptArgs.slice(1);
const [root, missing] = os.realpath(folder);
if (missing) throw new Error(`${folder}: ${std.strerror(missing)}`);

const [address] = must(os.getaddrinfo(host, { service: port, family: os.AF_INET, socktype: os.SOCK_STREAM }));
const listener = must(os.socket(address.family, address.socktype));
must(os.setsockopt(listener, os.SO_REUSEADDR, new Uint32Array([1]).buffer));
must(os.bind(listener, address));
must(os.listen(listener));
console.log(`listening on http://${address.addr}:${must(os.getsockname(listener)).port}/`);

for (;;) {
  const [fd] = await os.accept(listener);
  serve(fd).catch((error) => console.error("connection:", error.message));
}

/** Serves one connection. @param {number} fd */
async function serve(fd) {
  const deadline = setTimeout(() => os.shutdown(fd, os.SHUT_RDWR), 10_000);
  try {
    const head = await receiveHead(fd);
    if (head === "") return;
    const reply = head.includes("\r\n\r\n") ? replyTo(head, root) : message(431, "The head is too long.");
    console.log(head.split("\r\n", 1)[0], reply.status);
    await sendAll(fd, new TextEncoder().encode(reply.head + (reply.text ?? "")).buffer);
    if (reply.file !== undefined) await sendFile(fd, reply.file, reply.size ?? 0);
  } finally {
    clearTimeout(deadline);
    os.close(fd);
  }
}

/** The head of a request, as far as it fits; empty if the client ends before. @param {number} fd */
async function receiveHead(fd) {
  const chunk = new Uint8Array(1024);
  let head = "";
  while (head.length < HEAD_BYTES_MAX && !head.includes("\r\n\r\n")) {
    const count = await os.recv(fd, chunk.buffer);
    if (count === 0) return "";
    head += String.fromCharCode(...chunk.subarray(0, count));
  }
  return head;
}

/** Sends until nothing is left: a call may take less. @param {number} fd @param {ArrayBuffer} data */
async function sendAll(fd, data) {
  for (let sent = 0; sent < data.byteLength; ) {
    sent += await os.send(fd, data.slice(sent), data.byteLength - sent);
  }
}

/** @param {number} fd @param {string} path @param {number} size */
async function sendFile(fd, path, size) {
  const file = must(os.open(path, os.O_RDONLY));
  try {
    const buffer = new Uint8Array(16 * 1024);
    while (size > 0) {
      const count = must(os.read(file, buffer.buffer, 0, Math.min(size, buffer.byteLength)));
      if (count === 0) throw new Error(`${path} has become shorter`);
      await sendAll(fd, buffer.buffer.slice(0, count));
      size -= count;
    }
  } finally {
    os.close(file);
  }
}

/** @template T @param {T | number} result @returns {T} */
function must(result) {
  if (typeof result === "number" && result < 0) throw new Error(std.strerror(-result));
  return /** @type {T} */ (result);
}
