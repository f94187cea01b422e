/*
 * A server of the Redis protocol (RESP2) on every core, with one store for all of them: `jsserve:shared`.
 *
 *   jsserve examples/redis.js --port 6379
 *   redis-cli set greeting hello
 *   redis-benchmark -t ping,set,get,incr,mset -P 16
 *
 * Strings and counters, with expiry. What is one step for Redis is one for all workers, but for MSET and EXPIRE.
 */
// @ts-check

import { map } from "jsserve:shared";

/** @type {import("jsserve:shared").SharedMap<Bulk>} */
const values = map("redis", { bytesMax: 256 << 20 });
/** @type {import("jsserve:shared").SharedMap<number>} */
const deadlines = map("redis-deadlines");
const BULK_BYTES_MAX = 16 << 20, WORDS_MAX = 10_000, LINE_BYTES_MAX = 64 << 10, WAITING_BYTES_MAX = 1 << 20;
const decoder = new TextDecoder(), encoder = new TextEncoder();

/**
 * @typedef {Uint8Array<ArrayBuffer>} Bytes
 * @typedef {{ parts: Bytes[], have: number, need: number, over: boolean }} Session
 * @typedef {JSServe.TcpConnection<Session>} Conn
 * @typedef {Bytes | string | number | undefined} Bulk
 */
/** @type {(bytes: Bytes) => string} */
const text = (bytes) => decoder.decode(bytes);
/** @type {(conn: Conn, ...done: unknown[]) => unknown} */
const ok = (conn) => conn.write("+OK\r\n");
/** @type {(conn: Conn, n: number) => unknown} */
const number = (conn, n) => conn.write(`:${n}\r\n`);
/** @type {(conn: Conn, list: Bulk[]) => unknown} */
const array = (conn, list) => { conn.write(`*${list.length}\r\n`); list.forEach((item) => bulk(conn, item)); };
/** @type {(words: Bytes[], f: (key: string) => boolean) => number} */
const count = (words, f) => words.reduce((sum, word) => sum + Number(f(text(word))), 0);

/** @type {(conn: Conn, value: Bulk) => unknown} */
function bulk(conn, value) {
  if (value === undefined) return conn.write("$-1\r\n");
  if (typeof value === "number") return conn.write(`$${String(value).length}\r\n${value}\r\n`);
  conn.write(`$${value.length}\r\n`), conn.write(value), conn.write("\r\n");
}

/** @type {(bytes?: Bytes) => number} */
function integer(bytes = new Uint8Array()) {
  const value = Number(text(bytes));
  if (bytes.length > 0 && Number.isSafeInteger(value)) return value;
  throw new RangeError("value is not an integer or out of range");
}

/** @type {(key: string, bytes: Bytes, ms?: number) => void} */
function set(key, bytes, ms) {
  // An integer is kept as a number, so that INCR is one step; what begins with a letter is none.
  const value = bytes.length > 15 || bytes[0] > 57 || String(Math.trunc(+text(bytes))) !== text(bytes) ? bytes : +text(bytes);
  values.set(key, value, ms === undefined ? undefined : { ttl: ms });
  if (ms !== undefined) deadlines.set(key, Date.now() + ms, { ttl: ms });
  else if (deadlines.size > 0) deadlines.delete(key);
}

/** @type {(conn: Conn, key: Bytes, by: number) => void} */
function incr(conn, key, by) {
  if (typeof (values.get(text(key)) ?? 0) !== "number") integer();
  number(conn, values.incr(text(key), by));
}

/**
 * Each with the least number of words that it wants, itself among them.
 * @type {Record<string, [number, (conn: Conn, ...words: Bytes[]) => unknown]>}
 */
const commands = {
  ping: [1, (conn, word) => word === undefined ? conn.write("+PONG\r\n") : bulk(conn, word)],
  echo: [2, (conn, word) => bulk(conn, word)],
  get: [2, (conn, key) => bulk(conn, values.get(text(key)))],
  set: [3, (conn, key, value, unit, time) => {
    const factor = unit && new Map([["ex", 1000], ["px", 1]]).get(text(unit).toLowerCase());
    if (unit && !factor) throw new SyntaxError("syntax error");
    ok(conn, set(text(key), value, factor && integer(time) * factor));
  }],
  del: [2, (conn, ...keys) => number(conn, count(keys, (key) => values.delete(key)))],
  exists: [2, (conn, ...keys) => number(conn, count(keys, (key) => values.has(key)))],
  incr: [2, (conn, key) => incr(conn, key, 1)],
  incrby: [3, (conn, key, by) => incr(conn, key, integer(by))],
  mget: [2, (conn, ...keys) => array(conn, keys.map((key) => values.get(text(key))))],
  mset: [3, (conn, ...words) => {
    if (words.length % 2) throw new SyntaxError("wrong number of arguments for 'mset' command");
    for (let i = 0; i < words.length; i += 2) set(text(words[i]), words[i + 1]);
    ok(conn);
  }],
  expire: [3, (conn, word, time) => {
    const key = text(word), value = values.get(key), ms = integer(time) * 1000;
    if (value !== undefined && ms > 0) values.set(key, value, { ttl: ms }), deadlines.set(key, Date.now() + ms, { ttl: ms });
    else values.delete(key);
    number(conn, Number(value !== undefined));
  }],
  ttl: [2, (conn, key) => {
    const deadline = deadlines.get(text(key));
    number(conn, !values.has(text(key)) ? -2 : deadline === undefined ? -1 : Math.ceil((deadline - Date.now()) / 1000));
  }],
  dbsize: [1, (conn) => number(conn, values.size)],
  flushall: [1, (conn) => ok(conn, values.clear(), deadlines.clear())],
  info: [1, (conn) => bulk(conn, encoder.encode(`# Server\r\nredis_version:7.0.0\r\njsserve_worker:${conn.worker}\r\n`))],
  config: [2, (conn, sub, name) => array(conn, name === undefined ? [] : [name, ""])],
  command: [1, (conn) => array(conn, [])],
  client: [2, ok],
  select: [2, ok],
  quit: [1, (conn) => { conn.data.over = true; conn.end("+OK\r\n"); }],
};

/** @type {(conn: Conn, words: Bytes[]) => unknown} */
function run(conn, [name, ...words]) {
  const called = text(name).toLowerCase(), command = Object.hasOwn(commands, called) ? commands[called] : undefined;
  if (command === undefined) return conn.write(`-ERR unknown command '${called.replace(/[\r\n]/g, " ")}'\r\n`);
  if (words.length + 1 < command[0]) return conn.write(`-ERR wrong number of arguments for '${called}' command\r\n`);
  try { command[1](conn, ...words); } catch (error) { conn.write(`-ERR ${error instanceof Error ? error.message : error}\r\n`); }
}

class ProtocolError extends Error {}

/**
 * A length in digits, which end at the line's end.
 * @type {(bytes: Bytes, from: number, to: number, max: number) => number}
 */
function length(bytes, from, to, max) {
  let value = from < to ? 0 : NaN;
  for (let i = from; i < to; i++) value = bytes[i] >= 48 && bytes[i] <= 57 ? value * 10 + bytes[i] - 48 : NaN;
  if (value <= max) return value;
  throw new ProtocolError("Protocol error: invalid length");
}

/**
 * The words of the command at `at`, and where the next one begins; or how many bytes there must be first.
 * @type {(bytes: Bytes, at: number) => { words: Bytes[], next: number, need?: undefined } | { need: number, words?: undefined }}
 */
function parse(bytes, at) {
  let end = bytes.indexOf(10, at);
  if (end < 0 && bytes.length - at > LINE_BYTES_MAX) throw new ProtocolError("Protocol error: too big inline request");
  if (end < 0) return { need: bytes.length - at + 1 };
  if (bytes[at] !== 42 /* * */) {
    const words = text(bytes.subarray(at, end)).split(/\s+/).filter((word) => word !== "");
    return { words: words.map((word) => encoder.encode(word)), next: end + 1 };
  }
  const words = [];
  let next = end + 1;
  for (let left = length(bytes, at + 1, end - 1, WORDS_MAX); left > 0; left--) {
    end = bytes.indexOf(10, next);
    if (end < 0) return { need: bytes.length - at + 1 };
    if (bytes[next] !== 36 /* $ */) throw new ProtocolError("Protocol error: expected '$'");
    const stop = end + 1 + length(bytes, next + 1, end - 1, BULK_BYTES_MAX);
    if (stop + 2 > bytes.length) return { need: stop + 2 - at };
    words.push(bytes.subarray(end + 1, stop));
    next = stop + 2;
  }
  return { words, next };
}

/**
 * All that has come and was not understood yet.
 * @type {(parts: Bytes[]) => Bytes}
 */
function joined(parts) {
  if (parts.length === 1) return parts[0];
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}

/** @type {JSServe.App} */
export default {
  tcp: {
    open(conn) {
      conn.timeout(0); // clients rest for as long as they like
      conn.data = { parts: [], have: 0, need: 1, over: false };
    },
    data(conn, received) {
      const own = conn.data;
      own.parts.push(received);
      own.have += received.length;
      if (own.have < own.need || own.over) return;
      const bytes = joined(own.parts);
      let at = 0, need = 1;
      try {
        while (at < bytes.length && !own.over) {
          const parsed = parse(bytes, at);
          if (parsed.words === undefined) { need = parsed.need; break; }
          if (parsed.words.length > 0) run(conn, parsed.words);
          at = parsed.next;
        }
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        own.over = true;
        return conn.end(`-ERR ${error.message}\r\n`);
      }
      own.parts = at < bytes.length ? [bytes.subarray(at)] : [];
      [own.have, own.need] = [bytes.length - at, need];
      if (conn.bufferedAmount >= WAITING_BYTES_MAX) conn.pause(); // a client that asks and does not read
    },
    drain(conn) {
      conn.resume();
    },
  },
};
