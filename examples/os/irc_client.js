/*
 * An IRC client (RFC 2812) for one channel: what is typed is said there, what others say is printed.
 *
 *   jsserve examples/os/irc_client.js HOST PORT NICK '#CHANNEL'
 *
 * Ctrl-D leaves. A nickname that is taken gets an underscore.
 */
// @ts-check

import * as os from "os";
import * as std from "std";
import { linesOf, readable } from "./lines.js";

/** Bytes of a message with its end (RFC 2812, section 2.3); ours leave room for what servers put in front. */
const TEXT_BYTES_MAX = 400;
const NICK_TRIES_MAX = 5;

const [host, port, wanted, channel] = scriptArgs.slice(1);
if (channel === undefined || /[\s,\0]/.test(wanted + channel)) {
  std.err.puts("usage: irc_client.js HOST PORT NICK CHANNEL\n");
  std.exit(2);
}

let nick = wanted;
let tries = 0;

const fd = await connectTo(host, port);
await send(`NICK ${nick}`);
await send(`USER ${nick} 0 * :${nick}`);
for await (const line of linesOf((buffer) => os.recv(fd, buffer))) {
  const message = parse(line);
  if (message) await handle(message);
}
console.log("* the connection has ended");
std.exit(0);

/**
 * @typedef {object} Message
 * @property {string} from nickname or server
 * @property {string} command
 * @property {string[]} words
 */

/** `:prefix COMMAND word word :the rest`; null for what is none. @param {string} line @returns {Message | null} */
function parse(line) {
  const parts = /^(?:@\S+ +)?(?::(\S+) +)?([A-Za-z]+|\d{3})((?: +[^: ]\S*)*)(?: +:(.*))? *$/.exec(line);
  if (!parts) return null;
  const [, prefix = "", command, words, rest] = parts;
  const all = words.split(" ").filter((word) => word !== "");
  return { from: prefix.split("!")[0], command: command.toUpperCase(), words: rest === undefined ? all : [...all, rest] };
}

/** @param {Message} message */
async function handle({ from, command, words }) {
  const text = words.at(-1) ?? "";
  switch (command) {
    case "PING":
      return send(`PONG :${text}`);
    case "001":
      nick = words[0] ?? nick;
      return send(`JOIN ${channel}`);
    case "433": // the nickname is in use
      if (++tries > NICK_TRIES_MAX) throw new Error(`${wanted} is taken`);
      nick += "_";
      return send(`NICK ${nick}`);
    case "JOIN":
      show(`* ${from} comes in`);
      if (from === nick) say(); // not awaited: it goes on for as long as somebody types
      return;
    case "PART":
    case "QUIT":
      return show(`* ${from} leaves`);
    case "PRIVMSG":
      return show(words[0] === channel ? `${from}: ${text}` : `${from} (to you): ${text}`);
    case "NOTICE":
      return show(`-${from}- ${text}`);
    case "ERROR":
      return show(`* ${text}`);
    default:
      if (/^[45]/.test(command)) show(`* ${command} ${words.slice(1).join(" ")}`);
  }
}

/** Says what is typed, until there is no more. */
async function say() {
  try {
    for await (const line of linesOf((buffer) => readable(0, buffer))) {
      for (const part of pieces(line)) await send(`PRIVMSG ${channel} :${part}`);
    }
    await send("QUIT :bye"); // the server then ends the connection
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    os.shutdown(fd, os.SHUT_RDWR);
  }
}

/** A text in parts that are short enough for a message each. @param {string} text */
function pieces(text) {
  const all = [];
  let part = "";
  let bytes = 0;
  for (const character of text.replace(/[\0\r]/g, "")) {
    const size = new TextEncoder().encode(character).length;
    if (bytes + size > TEXT_BYTES_MAX) {
      all.push(part);
      part = "";
      bytes = 0;
    }
    part += character;
    bytes += size;
  }
  return part.trim() === "" ? all : [...all, part];
}

/** @param {string} line */
async function send(line) {
  await os.send(fd, `${line}\r\n`, true);
}

/** Prints without the control characters that move a terminal's cursor. @param {string} text */
function show(text) {
  console.log(text.replace(/\p{Cc}/gu, ""));
}

/** @param {string} host @param {string} port */
async function connectTo(host, port) {
  let refused = new Error(`${host} has no address`);
  for (const address of await os.getaddrinfoAsync(host, { service: port, socktype: os.SOCK_STREAM })) {
    const fd = os.socket(address.family, os.SOCK_STREAM);
    if (fd < 0) throw new Error(`socket: ${std.strerror(-fd)}`);
    try {
      await os.connect(fd, address);
      return fd;
    } catch (error) {
      os.close(fd);
      refused = /** @type {Error} */ (error);
    }
  }
  throw refused;
}
