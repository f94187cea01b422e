/*
 * accept, connect, recv and send written purely in JavaScript, on `os.setReadHandler` and
 * `os.setWriteHandler`.
 *
 *   jsserve examples/os/async.js                      a server and its client, on these functions
 *   import { recv, send } from "./async.js";
 *
 * Each direction of a descriptor has one handler, so what waits there stands in a queue: two pending
 * calls are served in the order in which they were made. A handler is set only while somebody waits:
 * it is level-triggered, and would be called again and again. Descriptors are closed by `close` of this
 * file, which ends what waits for them.
 */
// @ts-check

import * as os from "os";
import * as std from "std";

/** The calls that wait for one direction of descriptors. */
class Direction {
  /** @type {Map<number, (() => boolean)[]>} for each descriptor, attempts that answer whether the call has ended */
  #queues = new Map();
  #setHandler;

  /** @param {typeof os.setReadHandler} setHandler */
  constructor(setHandler) {
    this.#setHandler = setHandler;
  }

  /**
   * Settles with what `attempt` makes of the descriptor once it is ready: it throws, or returns
   * undefined to wait on.
   * @template T @param {number} fd @param {() => T | PromiseLike<T> | undefined} attempt @returns {Promise<T>}
   */
  when(fd, attempt) {
    return new Promise((resolve, reject) => {
      const turn = () => {
        try {
          const result = attempt();
          if (result === undefined) return false;
          resolve(result);
        } catch (error) {
          reject(error);
        }
        return true;
      };
      const queue = this.#queues.get(fd);
      if (queue) return void queue.push(turn);
      const refused = this.#setHandler(fd, () => this.#ready(fd)) ?? 0;
      if (refused < 0) reject(failure("wait", -refused));
      else this.#queues.set(fd, [turn]);
    });
  }

  /** One attempt of the call that has waited for longest. @param {number} fd */
  #ready(fd) {
    const queue = this.#queues.get(fd) ?? [];
    if (queue.length > 0 && queue[0]()) queue.shift();
    if (queue.length > 0) return;
    this.#queues.delete(fd);
    this.#setHandler(fd, null);
  }

  /** Ends what waits for a descriptor that is to be closed. @param {number} fd */
  cancel(fd) {
    const queue = this.#queues.get(fd) ?? [];
    this.#queues.delete(fd);
    this.#setHandler(fd, null);
    for (const turn of queue) turn(); // the descriptor is closed: each attempt throws EBADF
  }
}

const reading = new Direction(os.setReadHandler);
const writing = new Direction(os.setWriteHandler);

/** The next connection. @param {number} fd @returns {Promise<[fd: number, peer: os.KnownAddress]>} */
export function accept(fd) {
  // A connection is there: the call ends at once.
  return reading.when(fd, () => os.accept(fd));
}

/** @param {number} fd @param {os.Address} address @returns {Promise<0>} */
export async function connect(fd, address) {
  const started = os.connect(fd, address);
  started.catch(() => {}); // looked at below, when the socket says that it has ended
  return writing.when(fd, () => {
    const error = must("connect", os.getsockopt(fd, os.SOL_SOCKET, os.SO_ERROR));
    if (error !== 0) throw failure("connect", error);
    // Writable and without an error: connected, or the error has been taken by the call itself.
    return typeof os.getpeername(fd) === "object" ? 0 : started;
  });
}

/**
 * Bytes received; 0 at the end of the stream. `fully`: until the buffer is full, or to the end.
 * @param {number} fd @param {ArrayBuffer} buffer @param {number} [length] @param {boolean} [fully]
 * @returns {Promise<number>}
 */
export function recv(fd, buffer, length = buffer.byteLength, fully = false) {
  let received = 0;
  return reading.when(fd, () => {
    const count = os.read(fd, buffer, received, length - received);
    if (isBusy(count)) return undefined;
    received += must("recv", count);
    return !fully || count === 0 || received === length ? received : undefined;
  });
}

/**
 * Bytes sent, perhaps fewer than there are. `fully`: all of them.
 * @param {number} fd @param {ArrayBuffer | string} data @param {boolean} [fully]
 * @returns {Promise<number>}
 */
export function send(fd, data, fully = false) {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data).buffer : data;
  let sent = 0;
  return writing.when(fd, () => {
    const count = os.write(fd, bytes, sent, bytes.byteLength - sent);
    if (isBusy(count)) return undefined;
    sent += must("send", count);
    return !fully || sent === bytes.byteLength ? sent : undefined;
  });
}

/** Closes a descriptor; what waits for it rejects. @param {number} fd */
export function close(fd) {
  os.close(fd);
  reading.cancel(fd);
  writing.cancel(fd);
}

/** Whether a call would have had to wait after all. @param {number} result */
function isBusy(result) {
  return result === -std.Error.EAGAIN || result === -std.Error.EINTR;
}

/** @param {string} what @param {number} result */
function must(what, result) {
  if (result < 0) throw failure(what, -result);
  return result;
}

/** @param {string} what @param {number} errno */
function failure(what, errno) {
  return Object.assign(new Error(`${what}: ${std.strerror(errno)}`), { errno });
}

if (import.meta.main) await demonstrate();

/** Two clients of an echo server in the same program, and one that is refused. */
async function demonstrate() {
  const listener = must("socket", os.socket(os.AF_INET, os.SOCK_STREAM));
  must("bind", os.bind(listener, { addr: "127.0.0.1", port: 0 }));
  must("listen", os.listen(listener));
  const address = os.getsockname(listener);
  if (typeof address === "number") throw failure("getsockname", -address);

  const served = Promise.all([accept(listener), accept(listener)].map(async (accepted) => echo((await accepted)[0])));
  const long = "x".repeat(1_000_000);
  const [one, two] = await Promise.all([ask(address, "hello"), ask(address, long)]);
  await served;
  console.log(`echoed ${JSON.stringify(one)} and ${two.length} characters${two === long ? "" : " that are wrong"}`);

  console.log("recv of no descriptor:", await recv(-1, new ArrayBuffer(1)).catch((error) => error.message));
  const waiting = accept(listener);
  close(listener);
  console.log("accept of a closed listener:", await waiting.catch((error) => error.message));
  console.log("connect to a closed listener:", await ask(address, "?").catch((error) => error.message));
}

/** @param {number} fd */
async function echo(fd) {
  const buffer = new ArrayBuffer(16 * 1024);
  for (let count; (count = await recv(fd, buffer)) > 0; ) {
    await send(fd, buffer.slice(0, count), true);
  }
  close(fd);
}

/** @param {os.Address} address @param {string} text */
async function ask(address, text) {
  const fd = must("socket", os.socket(os.AF_INET, os.SOCK_STREAM));
  try {
    await connect(fd, address);
    const answer = new ArrayBuffer(text.length);
    const [, count] = await Promise.all([send(fd, text, true), recv(fd, answer, text.length, true)]);
    return new TextDecoder().decode(new Uint8Array(answer, 0, count));
  } finally {
    close(fd);
  }
}
