/*
 * A chat over a Unix socket: what one client says, all others hear.
 *
 *   jsserve examples/os/chat_server.js /tmp/chat.sock
 *   jsserve examples/os/chat_client.js /tmp/chat.sock ada          in other terminals
 *
 * Lines of UTF-8 text; the first one of a client is its name. A client that does not read what it is
 * sent is dropped before it fills the memory.
 */
// @ts-check

import * as os from "os";
import * as std from "std";
import { linesOf } from "./lines.js";

const NAME = /^[\p{L}\p{N}_-]{1,20}$/u;
const BACKLOG_CHARACTERS_MAX = 256 * 1024;

const path = scriptArgs[1];
if (path === undefined) {
  std.err.puts("usage: chat_server.js PATH\n");
  std.exit(2);
}

/** One client's way out: lines are sent one after the other, and nobody waits for it. */
class Client {
  #waiting = "";
  #fd;
  /** Settles when everything has been sent. @type {Promise<void>} */
  flushed = Promise.resolve();

  /** @param {number} fd */
  constructor(fd) {
    this.#fd = fd;
  }

  /** @param {string} line */
  say(line) {
    const idle = this.#waiting === "";
    this.#waiting += `${line}\n`;
    if (this.#waiting.length > BACKLOG_CHARACTERS_MAX) this.end();
    else if (idle) this.flushed = this.flushed.then(() => this.#flush());
  }

  /** Ends the connection: what reads from it sees the end. */
  end() {
    os.shutdown(this.#fd, os.SHUT_RDWR);
  }

  async #flush() {
    try {
      while (this.#waiting !== "") {
        const text = this.#waiting;
        await os.send(this.#fd, text, true);
        this.#waiting = this.#waiting.slice(text.length);
      }
    } catch {
      this.#waiting = "";
      this.end();
    }
  }
}

/** Who is there: by name, the text that waits to be sent. @type {Map<string, Client>} */
const clients = new Map();

const listener = await listen(path);

let open = true;
for (const signal of [os.SIGINT, os.SIGTERM]) {
  os.signal(signal, () => {
    os.signal(signal, null);
    open = false;
    os.close(listener);
    os.remove(path);
    for (const client of clients.values()) client.end();
  });
}

console.log(`listening on ${path}`);
while (open) {
  try {
    const [fd] = await os.accept(listener);
    serve(fd);
  } catch (error) {
    if (!open) break;
    console.error("accept:", error);
    await os.sleepAsync(100);
  }
}

/** One connection, to its end; never throws. @param {number} fd */
async function serve(fd) {
  const client = new Client(fd);
  let name = "";
  try {
    for await (const line of linesOf((buffer) => os.recv(fd, buffer))) {
      if (name !== "") {
        if (line !== "") tell(`${name}: ${line}`, name);
        continue;
      }
      if (!NAME.test(line) || clients.has(line)) {
        client.say(clients.has(line) ? "* that name is taken" : "* that is no name");
        break;
      }
      name = line;
      client.say(`* here: ${[...clients.keys()].join(", ") || "nobody yet"}`);
      clients.set(name, client);
      tell(`* ${name} comes in`, name);
    }
  } catch (error) {
    console.error("client:", error instanceof Error ? error.message : error);
  }
  if (name !== "") {
    clients.delete(name);
    tell(`* ${name} leaves`, name);
  }
  await client.flushed;
  os.close(fd);
}

/** Sends a line to everybody but the one whose it is. @param {string} line @param {string} from */
function tell(line, from) {
  for (const [name, client] of clients) if (name !== from) client.say(line);
}

/** Listens on a path; a socket that a dead server has left there is replaced. @param {string} path */
async function listen(path) {
  const fd = must(os.socket(os.AF_UNIX, os.SOCK_STREAM));
  const address = { family: os.AF_UNIX, path };
  let bound = os.bind(fd, address);
  if (bound === -std.Error.EADDRINUSE && (await isDead(address))) {
    os.remove(path);
    bound = os.bind(fd, address);
  }
  must(bound);
  must(os.listen(fd));
  return fd;
}

/** Whether nobody listens there. @param {os.Address} address */
async function isDead(address) {
  const fd = must(os.socket(os.AF_UNIX, os.SOCK_STREAM));
  try {
    await os.connect(fd, address);
    return false;
  } catch (error) {
    return /** @type {os.SystemError} */ (error).code === "ECONNREFUSED";
  } finally {
    os.close(fd);
  }
}

/** @param {number} result */
function must(result) {
  if (result < 0) throw new Error(`${path}: ${std.strerror(-result)}`);
  return result;
}
