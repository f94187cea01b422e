/*
 * A server of the Redis protocol (RESP2) on every core, with one store for all of them: strings and counters, with
 * expiry. A command is one step for all workers, but for MSET and EXPIRE. `jsserve examples/redis.js --port 6379`, then
 * `redis-cli set greeting hello` and `redis-benchmark -t ping,set,get,incr,mset -P 16`. Text is fast: what has come is
 * one string, cut at its line ends by one call, and its answers are one write.
 */
// @ts-check
import { map } from "jsserve:shared";
/** @typedef {{ text: string, need: number } | undefined} Session What has come of a command, and how much it has to be */
/** @typedef {(lines: string[], at: number, count: number) => string} Command Its words are every other line from `at` on */
const values = /** @type {import("jsserve:shared").SharedMap<string | number>} */ (map("redis", { bytesMax: 256 << 20 }));
const deadlines = /** @type {import("jsserve:shared").SharedMap<number>} */ (map("redis-deadlines"));
const COMMAND_BYTES_MAX = 4 << 20, WORDS_MAX = 10_000, LINE_BYTES_MAX = 64 << 10, ANSWER_BYTES = 64 << 10, OK = "+OK\r\n", QUIT = Symbol();
const decoder = new TextDecoder("x-user-defined"), encoder = new TextEncoder(); // a character for each byte: 0x80 is U+F780
const sizes = Array.from({ length: 1024 }, (_, size) => `$${size}`); // the line before a word, as a rule

/** Characters to the bytes that they were. @type {(text: string) => Uint8Array<ArrayBuffer>} */
function encode(text) {
  const ascii = encoder.encode(text), bytes = ascii.length === text.length ? ascii : new Uint8Array(text.length);
  if (bytes !== ascii) for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
const fail = (/** @type {string} */ why) => { throw new RangeError(why); };
const integer = (/** @type {string | undefined} */ word) =>
  word && Number.isSafeInteger(Number(word)) ? Number(word) : fail("value is not an integer or out of range");
const number = (/** @type {number} */ value) => `:${value}\r\n`;
/** @type {(value: string | number | undefined) => string} */
const bulk = (value) =>
  value === undefined ? "$-1\r\n" : typeof value === "string" ? `$${value.length}\r\n${value}\r\n` : bulk(`${value}`);
const words = (/** @type {string[]} */ lines, /** @type {number} */ at, /** @type {number} */ count) =>
  lines.slice(at, at + 2 * count).filter((_, i) => i % 2 === 0);
/** An integer is kept as a number, so that INCR is one step. @type {(key: string, value: string | number, ms?: number) => string} */
function set(key, value, ms) {
  if (typeof value === "string" && value < ":" && Number.isSafeInteger(+value) && `${+value}` === value) value = +value;
  if (ms === undefined) values.set(key, value), deadlines.delete(key);
  else values.set(key, value, { ttl: ms }), deadlines.set(key, Date.now() + ms, { ttl: ms });
  return OK;
}
const incr = (/** @type {string} */ key, /** @type {number} */ by) =>
  number(typeof (values.get(key) ?? 0) === "number" ? values.incr(key, by) : integer(undefined));

/** How many words each wants, itself among them, and what it answers. @type {Record<string, [number, Command]>} */
const commands = {
  ping: [1, (lines, at, count) => (count > 1 ? bulk(lines[at + 2]) : "+PONG\r\n")],
  echo: [2, (lines, at) => bulk(lines[at + 2])],
  get: [2, (lines, at) => bulk(values.get(lines[at + 2]))],
  set: [3, (lines, at, count) => {
    if (count === 3) return set(lines[at + 2], lines[at + 4]);
    const unit = { ex: 1000, px: 1 }[lines[at + 6].toLowerCase()] ?? fail("syntax error");
    return set(lines[at + 2], lines[at + 4], integer(lines[at + 8]) * unit);
  }],
  del: [2, (...all) => number(words(...all).filter((key, i) => i > 0 && values.delete(key)).length)],
  exists: [2, (...all) => number(words(...all).filter((key, i) => i > 0 && values.has(key)).length)],
  incr: [2, (lines, at) => incr(lines[at + 2], 1)],
  incrby: [3, (lines, at) => incr(lines[at + 2], integer(lines[at + 4]))],
  mget: [2, (...all) => `*${all[2] - 1}\r\n${words(...all).slice(1).map((key) => bulk(values.get(key))).join("")}`],
  mset: [3, (lines, at, count) => {
    if (count % 2 === 0) fail("wrong number of arguments for 'mset' command");
    for (let i = at + 2; i < at + 2 * count; i += 4) set(lines[i], lines[i + 2]);
    return OK;
  }],
  expire: [3, (lines, at) => {
    const key = lines[at + 2], value = values.get(key), ms = integer(lines[at + 4]) * 1000;
    value !== undefined && ms > 0 ? set(key, value, ms) : values.delete(key);
    return number(value === undefined ? 0 : 1);
  }],
  ttl: [2, (lines, at) => {
    const deadline = deadlines.get(lines[at + 2]);
    return number(!values.has(lines[at + 2]) ? -2 : deadline === undefined ? -1 : Math.ceil((deadline - Date.now()) / 1000));
  }],
  dbsize: [1, () => number(values.size)],
  flushall: [1, () => (values.clear(), deadlines.clear(), OK)],
  info: [1, () => bulk("# Server\r\nredis_version:7.0.0\r\n")],
  config: [3, (lines, at) => `*2\r\n${bulk(lines[at + 4])}$0\r\n\r\n`],
  quit: [1, () => { throw QUIT; }],
};
const known = new Map(Object.entries(commands));

/** @type {Command} */
function run(lines, at, count) {
  const name = lines[at];
  let command = known.get(name);
  if (command === undefined && (command = known.get(name.toLowerCase()))) known.set(name, command); // SET, as clients write it
  try {
    if (command && count >= command[0]) return command[1](lines, at, count);
    const shown = name.toLowerCase().replace(/[\r\n]/g, " ");
    return fail(command ? `wrong number of arguments for '${shown}' command` : `unknown command '${shown}'`);
  } catch (error) {
    if (error === QUIT) throw error;
    return `-ERR ${error instanceof Error ? error.message : error}\r\n`;
  }
}

/** The number of "*3" or "$3". @type {(line: string, mark: string, max: number) => number} */
function length(line, mark, max) {
  if (line[0] !== mark) throw new SyntaxError(`expected '${mark}'`);
  return /^.[0-9]+$/.test(line) && +line.slice(1) <= max ? +line.slice(1) : fail("invalid length");
}

/** A command with line ends in its words, as lines; or how much is to come until it is worth another look.
 * @type {(lines: string[], at: number, count: number) => { lines: string[], end: number, missing: number }} */
function gather(lines, at, count) {
  const last = lines.length - 1, whole = [];
  let end = at + 1;
  for (let left = count; left > 0; left--) {
    const size = end < last ? length(lines[end++], "$", COMMAND_BYTES_MAX) : 0, parts = [lines[end]];
    let have = lines[end].length;
    if (size === 0 && have > LINE_BYTES_MAX) fail("invalid length"); // the line of a size
    while (have < size && end < last) parts.push(lines[++end]), have += lines[end].length + 2;
    if (end === last) return { lines: whole, end, missing: Math.max(size + 2 - have, 1) + 6 * (left - 1) };
    if (have !== size) fail("invalid length");
    whole.push(parts.join("\r\n"), ""), end++;
  }
  return { lines: whole, end, missing: 0 };
}

/** Answers the commands that are whole. @type {(conn: JSServe.TcpConnection<Session>, own: NonNullable<Session>) => void} */
function serve(conn, own) {
  const lines = own.text.split("\r\n"), last = lines.length - 1; // the last one has no end yet
  let at = 0, answers = "", missing = 0;
  try {
    while (at < last && missing === 0) {
      const line = lines[at], count = line === "*3" ? 3 : line === "*2" ? 2 : line[0] === "*" ? length(line, "*", WORDS_MAX) : -1;
      let end = at + 1, stop = end + 2 * count;
      while (end < stop && stop <= last && lines[end] === sizes[lines[end + 1].length]) end += 2;
      if (end < stop) {
        const whole = gather(lines, at, count);
        missing = whole.missing;
        if (missing > 0) break;
        answers += run(whole.lines, 0, count), end = whole.end;
      } else if (count > 0) answers += run(lines, at + 2, count);
      else if (count < 0 && line.trim()) {
        const inline = line.trim().split(/ +/);
        answers += run(inline.flatMap((word) => [word, ""]), 0, inline.length);
      }
      at = end;
      if (answers.length > ANSWER_BYTES) conn.write(encode(answers)), answers = "";
    }
  } finally {
    if (answers && !conn.write(encode(answers))) conn.pause(); // a client that asks and does not read
  }
  own.text = at < last ? lines.slice(at).join("\r\n") : lines[last];
  own.need = own.text.length + missing;
  if (missing === 0 && own.need > LINE_BYTES_MAX) fail("too big inline request");
  if (own.need > COMMAND_BYTES_MAX) fail("invalid length");
}

/** @type {JSServe.App} */
export default {
  tcp: {
    open(conn) {
      conn.timeout(0); // clients rest for as long as they like
      conn.data = { text: "", need: 0 };
    },
    data(conn, received) {
      const own = /** @type {Session} */ (conn.data);
      if (!own) return; // behind QUIT or an error
      own.text += decoder.decode(received);
      if (own.text.length < own.need) return;
      if (own.text[0] !== "*") own.text = own.text.replace(/\r?\n/, "\r\n"); // a line typed by hand ends in \n
      try { serve(conn, own); } catch (error) {
        conn.end(error === QUIT ? OK : `-ERR Protocol error: ${error instanceof Error ? error.message : error}\r\n`);
        conn.data = undefined;
      }
    },
    drain: (conn) => conn.resume(),
  },
};
