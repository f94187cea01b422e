/*
 * A server of the Redis protocol (RESP2) on every core, with one store for all of them: strings and counters, with
 * expiry. A command is one step for all workers, but for MSET and EXPIRE. `jsserve examples/redis.js --port 6379`, then
 * `redis-cli set greeting hello` and `redis-benchmark -t ping,set,get,incr,mset -P 16`.
 */
// @ts-check
import { map } from "jsserve:shared";
/**
 * @typedef {Uint8Array<ArrayBuffer>} Bytes
 * @typedef {Bytes | string | number | undefined | Bytes[] | (Bytes | undefined)[]} Reply
 * @typedef {{ parts: Bytes[], have: number, need: number, words: Bytes[], left: number, room: number } | undefined} Session
 * @typedef {JSServe.TcpConnection<Session>} Conn
 */
const values = /** @type {import("jsserve:shared").SharedMap<Bytes | number>} */ (map("redis", { bytesMax: 256 << 20 }));
const deadlines = /** @type {import("jsserve:shared").SharedMap<number>} */ (map("redis-deadlines"));
const COMMAND_BYTES_MAX = 16 << 20, WORDS_MAX = 10_000, LINE_BYTES_MAX = 64 << 10, WAITING_BYTES_MAX = 1 << 20;
const decoder = new TextDecoder(), encoder = new TextEncoder();
const text = (/** @type {Bytes} */ bytes) => decoder.decode(bytes);
const integer = (/** @type {Bytes | undefined} */ bytes) => {
  if (bytes?.length && Number.isSafeInteger(Number(text(bytes)))) return Number(text(bytes));
  throw new RangeError("value is not an integer or out of range");
};
const get = (/** @type {Bytes} */ key) => {
  const value = values.get(text(key));
  return typeof value === "number" ? encoder.encode(`${value}`) : value;
};
const put = (/** @type {string} */ key, /** @type {Bytes | number} */ value, /** @type {number | undefined} */ ms) => {
  values.set(key, value, ms === undefined ? undefined : { ttl: ms });
  if (ms !== undefined) deadlines.set(key, Date.now() + ms, { ttl: ms });
  else if (deadlines.size > 0) deadlines.delete(key);
};
/** An integer is kept as a number, so that INCR is one step. @type {(key: Bytes, bytes: Bytes, ms?: number) => void} */
const set = (key, bytes, ms) => {
  const word = bytes.length < 16 && bytes[0] < 58 ? text(bytes) : "";
  put(text(key), /^(0|-?[1-9][0-9]*)$/.test(word) ? Number(word) : bytes, ms);
};
const incr = (/** @type {string} */ key, /** @type {number} */ by) =>
  typeof (values.get(key) ?? 0) === "number" ? values.incr(key, by) : integer(undefined);

/** Each answers its words, of which it wants as many as it has parameters. @type {Record<string, (...words: Bytes[]) => Reply>} */
const commands = {
  ping: (...words) => words[0] ?? "PONG",
  echo: (word) => word,
  get: (key) => get(key),
  set(key, bytes, ...options) {
    const [unit, time] = options, factor = unit && { ex: 1000, px: 1 }[text(unit).toLowerCase()];
    if (unit && !factor) throw new SyntaxError("syntax error");
    return set(key, bytes, factor && integer(time) * factor), "OK";
  },
  del: (...keys) => keys.filter((key) => values.delete(text(key))).length,
  exists: (...keys) => keys.filter((key) => values.has(text(key))).length,
  incr: (key) => incr(text(key), 1),
  incrby: (key, by) => incr(text(key), integer(by)),
  mget: (...keys) => keys.map(get),
  mset(...words) {
    if (words.length % 2) throw new SyntaxError("wrong number of arguments for 'mset' command");
    for (let i = 0; i < words.length; i += 2) set(words[i], words[i + 1]);
    return "OK";
  },
  expire(word, time) {
    const key = text(word), value = values.get(key), ms = integer(time) * 1000;
    value !== undefined && ms > 0 ? put(key, value, ms) : values.delete(key);
    return value === undefined ? 0 : 1;
  },
  ttl(key) {
    const deadline = deadlines.get(text(key));
    return !values.has(text(key)) ? -2 : deadline === undefined ? -1 : Math.ceil((deadline - Date.now()) / 1000);
  },
  dbsize: () => values.size,
  flushall: () => (values.clear(), deadlines.clear(), "OK"),
  info: () => encoder.encode("# Server\r\nredis_version:7.0.0\r\n"),
  config: (_, name) => [name, new Uint8Array()],
  quit: () => "OK",
};

/** @type {(conn: Conn, reply: Reply) => void} */
function write(conn, reply) {
  if (typeof reply === "string") conn.write(`+${reply}\r\n`);
  else if (typeof reply === "number") conn.write(`:${reply}\r\n`);
  else if (reply === undefined) conn.write("$-1\r\n");
  else if (Array.isArray(reply)) conn.write(`*${reply.length}\r\n`), reply.forEach((item) => write(conn, item));
  else conn.write(`$${reply.length}\r\n`), conn.write(reply), conn.write("\r\n");
}

/** @type {(conn: Conn, words: Bytes[]) => unknown} */
function run(conn, [first, ...words]) {
  if (first === undefined) return;
  const name = text(first).toLowerCase(), command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  try {
    if (command === undefined) throw new Error(`unknown command '${name.replace(/[\r\n]/g, " ")}'`);
    if (words.length < command.length) throw new Error(`wrong number of arguments for '${name}' command`);
    write(conn, command(...words));
  } catch (error) { conn.write(`-ERR ${error instanceof Error ? error.message : error}\r\n`); }
  if (name === "quit") conn.end(), conn.data = undefined;
}

/** A length in digits, which end at the line's end. @type {(bytes: Bytes, from: number, to: number, max: number) => number} */
function length(bytes, from, to, max) {
  let value = from < to ? 0 : NaN;
  for (let i = from; i < to; i++) value = bytes[i] >= 48 && bytes[i] <= 57 ? value * 10 + bytes[i] - 48 : NaN;
  if (value <= max) return value;
  throw new RangeError("invalid length");
}

/** @type {(conn: Conn, own: NonNullable<Session>, bytes: Bytes) => void} */
function parse(conn, own, bytes) {
  let at = 0, end;
  own.need = 0; // 0: a line must end first
  while (conn.data && (end = bytes.indexOf(10, at)) >= 0) {
    if (own.left > 0) {
      if (bytes[at] !== 36 /* $ */) throw new SyntaxError("expected '$'");
      const stop = end + 1 + length(bytes, at + 1, end - 1, own.room);
      if (stop + 2 > bytes.length) { own.need = stop + 2 - at; break; }
      own.words.push(bytes.subarray(end + 1, stop)), own.left--, own.room -= stop - end;
      at = stop + 2;
    } else {
      const many = bytes[at] === 42 /* * */, line = many ? "" : text(bytes.subarray(at, end)).trim();
      own.left = many ? length(bytes, at + 1, end - 1, WORDS_MAX) : 0;
      own.words = line && !many ? line.split(/\s+/).map((word) => encoder.encode(word)) : [], own.room = COMMAND_BYTES_MAX;
      at = end + 1;
    }
    if (own.left === 0) run(conn, own.words);
  }
  if (own.need === 0 && bytes.length - at > LINE_BYTES_MAX) throw new RangeError("too big inline request");
  own.parts = at < bytes.length ? [bytes.subarray(at)] : [], own.have = bytes.length - at;
}

/** @type {JSServe.App} */
export default {
  tcp: {
    open(conn) {
      conn.timeout(0); // clients rest for as long as they like
      conn.data = { parts: [], have: 0, need: 0, words: [], left: 0, room: 0 };
    },
    data(conn, received) {
      const own = /** @type {Session} */ (conn.data);
      if (!own) return; // behind QUIT or an error
      own.parts.push(received), own.have += received.length;
      if (own.need ? own.have < own.need : !received.includes(10) && own.have <= LINE_BYTES_MAX) return;
      const bytes = own.parts.length === 1 ? received : new Uint8Array(own.have);
      if (bytes !== received) own.parts.reduce((at, part) => (bytes.set(part, at), at + part.length), 0);
      try { parse(conn, own, bytes); } catch (error) {
        conn.end(`-ERR Protocol error: ${error instanceof Error ? error.message : error}\r\n`), conn.data = undefined;
      }
      if (conn.bufferedAmount >= WAITING_BYTES_MAX) conn.pause(); // a client that asks and does not read
    },
    drain: (conn) => conn.resume(),
  },
};
