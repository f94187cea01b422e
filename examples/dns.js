/*
 * A small authoritative DNS server (RFC 1035, EDNS by RFC 6891) for one zone, on UDP.
 *
 *   jsserve --listen udp://127.0.0.1:5353 examples/dns.js
 *   dig @127.0.0.1 -p 5353 www.example.test AAAA
 *
 * Names are compared without case. Other zones are refused, unknown names get NXDOMAIN. An answer that is longer
 * than the client takes (512 bytes, more by EDNS, 1232 at most) is sent empty and marked truncated (TC): the
 * client would ask again over TCP, which this server does not speak. What is no query gets no reply at all, so
 * that two servers never answer each other for ever; a malformed one gets FORMERR.
 */
// @ts-check

/** @typedef {{ [type: string]: string[] }} Sets */
/** @typedef {{ name: string, type: number, end: number, edns?: { bytesMax: number, version: number } }} Query */

const ORIGIN = "example.test";
const TTL_SECONDS = 300;
const SOA = `ns.${ORIGIN} admin.${ORIGIN} 2026112901 7200 900 1209600 300`;

/** @type {{ [name: string]: Sets }} */
const ZONE = {
  "example.test": {
    SOA: [SOA],
    NS: ["ns.example.test"],
    A: ["192.0.2.1"],
    AAAA: ["2001:db8::1"],
    TXT: ["v=spf1 -all", "two strings are two records"],
  },
  "ns.example.test": { A: ["192.0.2.53"] },
  "www.example.test": { A: ["192.0.2.2", "192.0.2.3"], AAAA: ["2001:db8::2"] },
  // Longer than a datagram of 512 bytes, and than one of 1232.
  "long.example.test": { TXT: Array.from({ length: 3 }, (_, n) => `${n}`.repeat(200)) },
  "huge.example.test": { TXT: ["x".repeat(2000)] },
  // Its parent, deep.example.test, exists without a record (RFC 8020).
  "very.deep.example.test": { A: ["192.0.2.4"] },
};

/** @type {{ [type: string]: number }} */
const TYPES = { A: 1, NS: 2, SOA: 6, TXT: 16, AAAA: 28 };
const [OPT, ANY] = [41, 255];
const [CLASS_IN, CLASS_ANY] = [1, 255];
const [NOERROR, FORMERR, NXDOMAIN, NOTIMP, REFUSED, BADVERS] = [0, 1, 3, 4, 5, 16];
const [RESPONSE, AUTHORITATIVE, TRUNCATED, RECURSION_DESIRED] = [0x8000, 0x0400, 0x0200, 0x0100];
const HEADER_BYTES = 12;
const BYTES_MIN = 512;
const BYTES_MAX = 1232; // fits into one packet of IPv6 everywhere: no fragments

/** @type {Map<string, Map<number, Uint8Array[]>>} Each name's records, in the bytes that are sent. */
const records = new Map();
for (const [name, sets] of Object.entries(ZONE)) {
  const encoded = Object.entries(sets).map(([type, all]) => [TYPES[type], all.map((text) => data(type, text))]);
  records.set(name, new Map(/** @type {[number, Uint8Array[]][]} */ (encoded)));
  // The names between it and the zone's own exist as well.
  for (let parent = name; parent !== ORIGIN && parent.includes("."); ) {
    parent = parent.slice(parent.indexOf(".") + 1);
    if (!records.has(parent)) records.set(parent, new Map());
  }
}

/** @type {JSServe.App} */
export default {
  datagram(message) {
    if (message.length < HEADER_BYTES || message[2] & 0x80) return; // no query
    const opcode = (message[2] >> 3) & 15;
    if (opcode !== 0) return reply(message, NOTIMP);
    const query = parse(message);
    if (!query) return reply(message, FORMERR);
    if (query.edns && query.edns.version > 0) return reply(message, BADVERS, query);
    return answer(message, query);
  },
};

/** @param {Uint8Array} message @param {Query} query */
function answer(message, query) {
  if (query.name !== ORIGIN && !query.name.endsWith(`.${ORIGIN}`)) return reply(message, REFUSED, query);
  const sets = records.get(query.name);
  if (!sets) return reply(message, NXDOMAIN, query, AUTHORITATIVE, [], [[TYPES.SOA, data("SOA", SOA)]]);
  // Of any type: one set that there is (RFC 8482 section 4.1).
  const type = query.type === ANY ? ([...sets.keys()][0] ?? ANY) : query.type;
  const found = sets.get(type);
  if (!found) return reply(message, NOERROR, query, AUTHORITATIVE, [], [[TYPES.SOA, data("SOA", SOA)]]);
  return reply(message, NOERROR, query, AUTHORITATIVE, found.map((bytes) => [type, bytes]));
}

/**
 * A response: header, the question as it was asked, records, OPT where the query had one. Without `query` it is the
 * header alone.
 * @param {Uint8Array} message @param {number} code @param {Query} [query] @param {number} [flags]
 * @param {[number, Uint8Array][]} [answers] @param {[number, Uint8Array][]} [authority]
 */
function reply(message, code, query, flags = 0, answers = [], authority = []) {
  const question = query ? message.subarray(HEADER_BYTES, query.end) : new Uint8Array(0);
  const opt = query?.edns ? [0, 0, OPT, BYTES_MAX >> 8, BYTES_MAX & 255, code >> 4, 0, 0, 0, 0, 0] : [];
  const owner = [0xc0, HEADER_BYTES]; // a pointer to the question's name
  const body = [
    ...answers.flatMap(([type, bytes]) => [...owner, ...record(type, bytes)]),
    ...authority.flatMap(([type, bytes]) => [...name(ORIGIN), ...record(type, bytes)]),
  ];
  const room = Math.min(Math.max(query?.edns?.bytesMax ?? BYTES_MIN, BYTES_MIN), BYTES_MAX);
  const fits = HEADER_BYTES + question.length + body.length + opt.length <= room;
  const desired = ((message[2] << 8) | message[3]) & RECURSION_DESIRED;
  const opcode = (message[2] & 0x78) << 8;
  const bits = RESPONSE | opcode | flags | desired | (fits ? 0 : TRUNCATED) | (code & 15);
  const counts = [question.length > 0 ? 1 : 0, fits ? answers.length : 0, fits ? authority.length : 0, opt.length > 0 ? 1 : 0];
  return Uint8Array.from([
    ...[message[0], message[1], bits >> 8, bits & 255],
    ...counts.flatMap((count) => [count >> 8, count & 255]),
    ...question,
    ...(fits ? body : []),
    ...opt,
  ]);
}

/** A record behind its owner's name. @param {number} type @param {Uint8Array} bytes */
function record(type, bytes) {
  const ttl = [24, 16, 8, 0].map((shift) => (TTL_SECONDS >> shift) & 255);
  return [type >> 8, type & 255, 0, CLASS_IN, ...ttl, bytes.length >> 8, bytes.length & 255, ...bytes];
}

/** The question and the OPT record of a query; nothing where it is malformed. @param {Uint8Array} message */
function parse(message) {
  const number = (/** @type {number} */ at) => (message[at] << 8) | message[at + 1];
  const [questions, answers, authorities, additional] = [4, 6, 8, 10].map(number);
  if (questions !== 1 || answers !== 0 || authorities !== 0) return;
  const asked = readName(message, HEADER_BYTES);
  if (!asked || asked.end + 4 > message.length) return;
  const [type, of] = [number(asked.end), number(asked.end + 2)];
  /** @type {Query} */
  const query = { name: of === CLASS_IN || of === CLASS_ANY ? asked.name : "", type, end: asked.end + 4 };
  let at = query.end;
  for (let left = additional; left > 0; left--) {
    const owner = readName(message, at);
    if (!owner || owner.end + 10 > message.length) return;
    if (number(owner.end) === OPT) {
      if (query.edns || owner.name !== "") return; // RFC 6891 section 6.1.1: one, of the root
      query.edns = { bytesMax: number(owner.end + 2), version: message[owner.end + 5] };
    }
    at = owner.end + 10 + number(owner.end + 8);
    if (at > message.length) return;
  }
  return query;
}

/** The name at `at`, in lower case; none that is cut, too long, or points elsewhere. @param {Uint8Array} message @param {number} at */
function readName(message, at) {
  const labels = [];
  for (const start = at; at - start < 255; ) {
    const length = message[at++];
    if (length === undefined || length > 63 || at + length > message.length) return;
    if (length === 0) return { name: labels.join("."), end: at };
    // A dot inside of a label is none between two.
    const label = String.fromCharCode(...message.subarray(at, at + length)).replaceAll(".", "\\.");
    labels.push(label.replace(/[A-Z]/g, (letter) => letter.toLowerCase()));
    at += length;
  }
}

/** A name's bytes. @param {string} text */
function name(text) {
  return [...text.split(".").flatMap((label) => [label.length, ...new TextEncoder().encode(label)]), 0];
}

/** A record's data. @param {string} type @param {string} text */
function data(type, text) {
  switch (type) {
    case "A":
      return Uint8Array.from(text.split("."), Number);
    case "AAAA":
      return address(text);
    case "TXT": // strings of at most 255 bytes
      return Uint8Array.from((text.match(/.{1,255}/gs) ?? [""]).flatMap((part) => [part.length, ...new TextEncoder().encode(part)]));
    case "NS":
      return Uint8Array.from(name(text));
    default: {
      const [server, mailbox, ...numbers] = text.split(" ");
      const words = numbers.flatMap((word) => [24, 16, 8, 0].map((shift) => (Number(word) >>> shift) & 255));
      return Uint8Array.from([...name(server), ...name(mailbox), ...words]);
    }
  }
}

/** An IPv6 address's bytes. @param {string} text */
function address(text) {
  const [front, back = ""] = text.split("::");
  const groups = (/** @type {string} */ part) => part.split(":").filter(Boolean).map((group) => parseInt(group, 16));
  const [before, after] = [groups(front), groups(back)];
  const zeros = new Array(8 - before.length - after.length).fill(0);
  return Uint8Array.from([...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 255]));
}
