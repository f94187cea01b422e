/*
 * The server's side of a WebSocket (RFC 6455) on a descriptor of `os`: imported by repl_server.js.
 * It speaks version 13 without extensions; what breaks the protocol ends the connection with the code
 * that section 7.4.1 has for it.
 */
// @ts-check

import * as os from "os";

/** Bytes of a message at most. */
const MESSAGE_BYTES_MAX = 1024 * 1024;
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const CONTINUATION = 0;
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** Why a connection ends. */
class Violation extends Error {
  /** @param {number} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * The answer to a handshake (section 4.2.2).
 * @param {string} key the client's Sec-WebSocket-Key
 */
export function handshake(key) {
  const digest = sha1(new TextEncoder().encode(key + GUID));
  const accept = btoa(String.fromCharCode(...digest));
  const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
  return [...lines, `Sec-WebSocket-Accept: ${accept}`, "", ""].join("\r\n");
}

/** A connection after its handshake; `rest`: what the client has sent after it. */
export class WebSocket {
  #fd;
  #unread;
  #closed = false;
  /** Sends go out one after the other. @type {Promise<unknown>} */
  #sending = Promise.resolve();

  /** @param {number} fd @param {Uint8Array<ArrayBuffer>} rest */
  constructor(fd, rest) {
    this.#fd = fd;
    this.#unread = rest;
  }

  /** Text messages until the connection ends; pings are answered on the way. */
  async *messages() {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    try {
      /** @type {Uint8Array[]} */
      let parts = [];
      for (;;) {
        const frame = await this.#receive(parts.reduce((sum, part) => sum + part.length, 0));
        if (frame === null) return;
        const { opcode, last, payload } = frame;
        if (opcode === PING) this.#send(PONG, payload);
        if (opcode === CLOSE) return void (await this.#close(payload.subarray(0, 2)));
        if (opcode > CONTINUATION + 2) continue;
        if ((opcode === CONTINUATION) !== parts.length > 0) throw new Violation(1002, "a fragment out of place");
        if (opcode > TEXT) throw new Violation(1003, "only text, please");
        parts.push(payload);
        if (!last) continue;
        const bytes = joined(parts);
        parts = [];
        let text;
        try {
          text = decoder.decode(bytes);
        } catch {
          throw new Violation(1007, "that is not UTF-8");
        }
        yield text;
      }
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      await this.#close(Uint8Array.of(error.code >> 8, error.code & 255, ...new TextEncoder().encode(error.message)));
    }
  }

  /** @param {string} text */
  send(text) {
    return this.#send(TEXT, new TextEncoder().encode(text));
  }

  /** Says why, once. @param {Uint8Array} reason */
  #close(reason) {
    const sent = this.#send(CLOSE, reason);
    this.#closed = true;
    return sent;
  }

  /** @param {number} opcode @param {Uint8Array} payload */
  #send(opcode, payload) {
    const { length } = payload;
    if (this.#closed) return this.#sending;
    const size = length < 126 ? [length] : length < 65_536 ? [126, length >> 8, length & 255] : [127, 0, 0, 0, 0, ...quad(length)];
    const frame = joined([Uint8Array.of(0x80 | opcode, ...size), payload]);
    const sent = this.#sending.then(() => os.send(this.#fd, frame, true));
    this.#sending = sent.catch(() => {}); // the receiving side sees the end
    return this.#sending;
  }

  /** The next frame; null at the end of the stream. @param {number} held bytes that the message has already */
  async #receive(held) {
    const start = await this.#take(2, true);
    if (start === null) return null;
    const [opcode, last] = [start[0] & 15, start[0] >= 0x80];
    if (start[0] & 0x70) throw new Violation(1002, "no extension was agreed on");
    if (![CONTINUATION, TEXT, 2, CLOSE, PING, PONG].includes(opcode)) throw new Violation(1002, "no such frame");
    if (start[1] < 0x80) throw new Violation(1002, "a client masks its frames");
    let length = start[1] & 127;
    if (opcode >= CLOSE && (length > 125 || !last)) throw new Violation(1002, "a control frame is short and whole");
    if (length >= 126) {
      const size = await this.#take(length === 126 ? 2 : 8);
      length = size.reduce((sum, byte) => sum * 256 + byte, 0);
    }
    if (held + length > MESSAGE_BYTES_MAX) throw new Violation(1009, "the message is too long");
    const mask = await this.#take(4);
    const payload = await this.#take(length);
    for (let n = 0; n < length; n++) payload[n] ^= mask[n & 3];
    return { opcode, last, payload };
  }

  /**
   * The next bytes. Where the stream ends before: null if `atEdge` and nothing has come, else an error.
   * @template {boolean} [E=false] @param {number} count @param {E} [atEdge]
   * @returns {Promise<E extends true ? Uint8Array<ArrayBuffer> | null : Uint8Array<ArrayBuffer>>}
   */
  async #take(count, atEdge) {
    const bytes = new Uint8Array(count);
    bytes.set(this.#unread.subarray(0, count));
    let have = Math.min(count, this.#unread.length);
    this.#unread = this.#unread.subarray(have);
    if (have < count) have += await os.recv(this.#fd, bytes.subarray(have), true);
    if (have === 0 && atEdge) return /** @type {any} */ (null);
    if (have < count) throw new Error("the connection ended in a frame");
    return bytes;
  }
}

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A number's four bytes. @param {number} number */
function quad(number) {
  return [number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255];
}

/** SHA-1 (RFC 3174): the handshake has no other use for it than to show that both mean WebSocket. @param {Uint8Array} data */
function sha1(data) {
  const padded = new Uint8Array((((data.length + 8) >> 6) + 1) << 6);
  padded.set(data);
  padded[data.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 4, data.length * 8);
  let state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  const rotate = (/** @type {number} */ word, /** @type {number} */ by) => (word << by) | (word >>> (32 - by));
  for (let block = 0; block < padded.length; block += 64) {
    const words = Array.from({ length: 16 }, (_, n) => view.getUint32(block + 4 * n));
    for (let n = 16; n < 80; n++) words.push(rotate(words[n - 3] ^ words[n - 8] ^ words[n - 14] ^ words[n - 16], 1));
    let [a, b, c, d, e] = state;
    words.forEach((word, n) => {
      const [mixed, constant] =
        n < 20 ? [(b & c) | (~b & d), 0x5a827999]
        : n < 40 ? [b ^ c ^ d, 0x6ed9eba1]
        : n < 60 ? [(b & c) | (b & d) | (c & d), 0x8f1bbcdc]
        : [b ^ c ^ d, 0xca62c1d6];
      [a, b, c, d, e] = [(rotate(a, 5) + mixed + e + constant + word) | 0, a, rotate(b, 30), c, d];
    });
    state = [a, b, c, d, e].map((word, n) => (word + state[n]) | 0);
  }
  return Uint8Array.from(state.flatMap(quad));
}
