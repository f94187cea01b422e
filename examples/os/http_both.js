/*
 * Server and client in ONE program, on one thread: a server listens on a port, and the same program
 * asks it some things at the same time, then ends both.
 *
 *   jsserve examples/os/http_both.js [COUNT]      3 requests if not given
 */
// @ts-check

import * as os from "os";
import * as std from "std";

const count = Number(scriptArgs[1] ?? 3);
if (!Number.isInteger(count) || count < 1 || count > 1000) throw new RangeError("COUNT is a number from 1 to 1000");

const listener = must(os.socket(os.AF_INET, os.SOCK_STREAM));
must(os.bind(listener, { addr: "127.0.0.1", port: 0 })); // 0: any port that is free
must(os.listen(listener));
const address = must(os.getsockname(listener));

const server = serveAll();
const answers = await Promise.all(Array.from({ length: count }, (_, n) => ask(`/number/${n}`)));
answers.forEach((answer) => console.log(answer));
os.close(listener); // the server's pending accept rejects, and so it ends
await server;
console.log(`the server has served ${count}`);

/** Accepts until the listener is closed. */
async function serveAll() {
  const running = [];
  try {
    for (;;) {
      const [fd] = await os.accept(listener);
      running.push(serve(fd));
    }
  } catch (error) {
    if (/** @type {os.SystemError} */ (error).code !== "EBADF") throw error;
  }
  await Promise.all(running);
}

/** Answers the one request of a connection. @param {number} fd */
async function serve(fd) {
  try {
    const head = await receive(fd, (text) => text.includes("\r\n\r\n"));
    const path = head.split(" ")[1];
    const body = `you asked for ${path}`;
    await os.send(fd, `HTTP/1.0 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`, true);
  } finally {
    os.close(fd);
  }
}

/** The body that the server answers with. @param {string} path */
async function ask(path) {
  const fd = must(os.socket(os.AF_INET, os.SOCK_STREAM));
  try {
    await os.connect(fd, address);
    await os.send(fd, `GET ${path} HTTP/1.0\r\nHost: localhost\r\n\r\n`, true);
    const response = await receive(fd, () => false);
    return response.slice(response.indexOf("\r\n\r\n") + 4);
  } finally {
    os.close(fd);
  }
}

/** Receives until `enough` says so or the other side ends. @param {number} fd @param {(text: string) => boolean} enough */
async function receive(fd, enough) {
  const buffer = new ArrayBuffer(1024);
  let text = "";
  while (!enough(text)) {
    const bytes = await os.recv(fd, buffer);
    if (bytes === 0) break;
    text += new TextDecoder().decode(new Uint8Array(buffer, 0, bytes));
  }
  return text;
}

/** @template T @param {T | number} result @returns {T} */
function must(result) {
  if (typeof result === "number" && result < 0) throw new Error(std.strerror(-result));
  return /** @type {T} */ (result);
}
