/*
 * A DNS client (RFC 1035): asks a name server over UDP and prints what it answers.
 *
 *   jsserve examples/os/dns_client.js NAME [TYPE [SERVER [PORT]]]     A, 127.0.0.53, 53
 *   jsserve examples/os/dns_client.js example.com AAAA 9.9.9.9
 *
 * An answer that does not belong to the question is left aside (RFC 5452): it has another sender,
 * number or question. Without an answer the question is sent again, three times in all. An answer that
 * is too long for a datagram is told to be so: this client has no TCP.
 */
// @ts-check

import * as os from "os";
import * as std from "std";

/** @type {{ [name: string]: number }} */
const TYPES = { A: 1, NS: 2, CNAME: 5, PTR: 12, MX: 15, TXT: 16, AAAA: 28 };
const CLASS_IN = 1;
const OUTCOMES = ["no error", "format error", "server failure", "no such name", "not implemented", "refused"];
const TRIES_MAX = 3;
const TRY_MS = 1_000;

const [name, typeName = "A", addr = "127.0.0.53", port = "53"] = scriptArgs.slice(1);
const type = TYPES[typeName.toUpperCase()];
if (name === undefined || type === undefined) {
  std.err.puts(`usage: dns_client.js NAME [TYPE [SERVER [PORT]]]   TYPE: ${Object.keys(TYPES).join(" ")}\n`);
  std.exit(2);
}

const servers = os.getaddrinfo(addr, { service: port, socktype: os.SOCK_DGRAM });
if (typeof servers === "number") throw new Error(`${addr} port ${port}: no address`);
const { truncated, outcome, records } = await ask(name, type, servers[0]);
for (const record of records) console.log(`${record.name} ${record.ttl} ${record.type} ${record.text}`);
if (truncated) console.log("(there is more than fits into a datagram)");
if (outcome !== 0) {
  std.err.puts(`${name}: ${OUTCOMES[outcome] ?? `error ${outcome}`}\n`);
  std.exit(1);
}
if (records.length === 0) console.log(`${name} has no ${typeName.toUpperCase()} record`);

/**
 * The answer of a server, or an error where there is none in time.
 * @param {string} name @param {number} type @param {os.AddressInfo} server
 */
async function ask(name, type, server) {
  const id = crypto.getRandomValues(new Uint16Array(1))[0];
  const query = encode(id, name, type);
  const fd = os.socket(server.family, os.SOCK_DGRAM);
  if (fd < 0) throw new Error(`socket: ${std.strerror(-fd)}`);
  let tries = 0;
  const send = () => {
    if (tries++ === TRIES_MAX) return os.close(fd); // the recvfrom below ends with EBADF
    return os.sendto(fd, server, query).catch(() => {});
  };
  const timer = setInterval(send, TRY_MS);
  try {
    await send();
    const buffer = new Uint8Array(4096);
    for (;;) {
      const [length, from] = await os.recvfrom(fd, buffer);
      if (from.addr !== server.addr || from.port !== server.port) continue;
      const answer = decode(buffer.slice(0, length), id, query.subarray(12));
      if (answer) return answer;
    }
  } catch (error) {
    if (tries <= TRIES_MAX) throw error;
    throw new Error(`${addr} port ${port} does not answer`);
  } finally {
    clearInterval(timer);
    if (tries <= TRIES_MAX) os.close(fd);
  }
}

/** A query with one question. @param {number} id @param {string} name @param {number} type */
function encode(id, name, type) {
  const labels = name.replace(/\.$/, "").split(".");
  const bytes = [id >> 8, id & 255, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]; // recursion desired
  for (const label of labels) {
    if (!/^[\x21-\x7e]{1,63}$/.test(label)) throw new Error(`${name} is no name of a host`);
    bytes.push(label.length, ...new TextEncoder().encode(label));
  }
  bytes.push(0, type >> 8, type & 255, 0, CLASS_IN);
  if (bytes.length > 12 + 255 + 4) throw new Error(`${name} is too long`);
  return Uint8Array.from(bytes);
}

/**
 * What a message answers; null if it is no answer to that question.
 * @param {Uint8Array} bytes @param {number} id @param {Uint8Array} question
 */
function decode(bytes, id, question) {
  const view = new DataView(bytes.buffer);
  if (bytes.length < 12 + question.length || view.getUint16(0) !== id) return null;
  const flags = view.getUint16(2);
  const isAnswer = (flags & 0x8000) !== 0 && view.getUint16(4) === 1;
  const lower = (/** @type {Uint8Array} */ text) => new TextDecoder("latin1").decode(text).toLowerCase();
  if (!isAnswer || lower(bytes.subarray(12, 12 + question.length)) !== lower(question)) return null;
  const records = [];
  let at = 12 + question.length;
  try {
    for (let left = view.getUint16(6); left > 0; left--) {
      const owner = readName(view, at);
      const [type, ttl, length] = [view.getUint16(owner.end), view.getUint32(owner.end + 4), view.getUint16(owner.end + 8)];
      const data = owner.end + 10;
      if (data + length > bytes.length) throw new RangeError("a record is cut off");
      records.push({ name: owner.name, ttl, ...show(view, type, data, length) });
      at = data + length;
    }
  } catch (error) {
    if (!(flags & 0x0200)) throw error; // what is cut off may end anywhere
  }
  return { truncated: (flags & 0x0200) !== 0, outcome: flags & 15, records };
}

/** A record's type and data as text. @param {DataView} view @param {number} type @param {number} at @param {number} length */
function show(view, type, at, length) {
  const known = Object.keys(TYPES).find((name) => TYPES[name] === type) ?? `TYPE${type}`;
  const bytes = Array.from({ length }, (_, n) => view.getUint8(at + n));
  if (type === TYPES.A && length === 4) return { type: known, text: bytes.join(".") };
  if (type === TYPES.AAAA && length === 16) {
    const groups = Array.from({ length: 8 }, (_, n) => view.getUint16(at + 2 * n).toString(16));
    return { type: known, text: new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1) };
  }
  if (type === TYPES.MX) return { type: known, text: `${view.getUint16(at)} ${readName(view, at + 2).name}` };
  if ([TYPES.NS, TYPES.CNAME, TYPES.PTR].includes(type)) return { type: known, text: readName(view, at).name };
  if (type === TYPES.TXT) return { type: known, text: texts(bytes).map((text) => JSON.stringify(text)).join(" ") };
  return { type: known, text: bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("") };
}

/** Character strings, each with its length in front. @param {number[]} bytes */
function texts(bytes) {
  const all = [];
  for (let at = 0; at < bytes.length; at += 1 + bytes[at]) {
    all.push(new TextDecoder().decode(Uint8Array.from(bytes.slice(at + 1, at + 1 + bytes[at]))));
  }
  return all;
}

/** A name at `at`, and where it ends there; pointers lead back only. @param {DataView} view @param {number} at */
function readName(view, at) {
  const labels = [];
  let end = -1;
  for (let limit = at; ; ) {
    const length = view.getUint8(at);
    if (length >= 0xc0) {
      if (end < 0) end = at + 2;
      at = view.getUint16(at) & 0x3fff;
      if (at >= limit) throw new RangeError("a name points forward");
      limit = at;
      continue;
    }
    at += 1;
    if (length === 0) break;
    labels.push(new TextDecoder("latin1").decode(new Uint8Array(view.buffer, at, length)));
    at += length;
  }
  const name = labels.map((label) => label.replace(/[^\x21-\x7e]|[.\\]/g, "\\$&")).join(".");
  return { name: `${name.replace(/[^\x20-\x7e]/g, "?")}.`, end: end < 0 ? at : end };
}
