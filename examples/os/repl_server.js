/*
 * A REPL on a running program, in the browser: a page and a WebSocket, on raw `os` sockets. What is
 * typed is evaluated in the context of this very program, with its globals.
 *
 *   jsserve examples/os/repl_server.js [PORT]       8080, then open http://127.0.0.1:8080/
 *
 * A DEVELOPMENT TOOL: whoever reaches it may do all that this program may. So it listens on loopback
 * only; it answers only requests whose Host is its own address, which keeps out pages that have their
 * name resolve to 127.0.0.1; and it takes WebSockets only from its own page (their Origin): browsers let
 * any page open one to any address.
 */
// @ts-check

import * as os from "os";
import * as std from "std";
import { WebSocket, handshake } from "./websocket.js";

const HEAD_BYTES_MAX = 8 * 1024;
const HEAD_MS_MAX = 10_000;

// Something to look at: type `app` in the page.
const app = { started: new Date(), requests: 0, sessions: 0 };
Object.assign(globalThis, { app, os, std });

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>jsserve REPL</title>
<link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark; --soft: light-dark(#667079, #9aa0a8); --accent: light-dark(#2f6f5e, #7cc4ae); }
  body { margin: 0; height: 100vh; display: grid; grid-template-rows: 1fr auto; font: 14px/1.5 ui-monospace, monospace; }
  #log { margin: 0; padding: 1rem; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
  #log b { color: var(--accent); font-weight: 600; }
  form { display: flex; gap: .5rem; padding: .75rem 1rem; border-top: 1px solid var(--soft); }
  input { flex: 1; font: inherit; color: inherit; background: transparent; border: 0; outline: 0; }
</style>
<pre id="log" role="log"></pre>
<form id="form"><b>&gt;</b><input id="line" autofocus autocomplete="off" spellcheck="false" aria-label="JavaScript"></form>
<script>
  const log = document.getElementById("log"), line = document.getElementById("line");
  const socket = new WebSocket("ws://" + location.host + "/repl");
  const lines = []; let at = 0;
  const print = (text, tag = "span") => {
    const entry = document.createElement(tag);
    entry.textContent = text + "\\n";
    log.append(entry);
    log.scrollTop = log.scrollHeight;
  };
  socket.onmessage = (event) => print(event.data);
  socket.onclose = () => print("(the connection has ended)");
  document.getElementById("form").onsubmit = (event) => {
    event.preventDefault();
    if (line.value.trim() === "") return;
    print("> " + line.value, "b");
    socket.send(line.value);
    at = lines.push(line.value);
    line.value = "";
  };
  line.onkeydown = (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    at = Math.max(0, Math.min(lines.length, at + step));
    line.value = lines[at] ?? "";
  };
</script>
</html>
`;

const listener = must(os.socket(os.AF_INET, os.SOCK_STREAM));
must(os.setsockopt(listener, os.SO_REUSEADDR, 1));
must(os.bind(listener, { addr: "127.0.0.1", port: Number(scriptArgs[1] ?? 8080) }));
must(os.listen(listener));
const { port } = must(os.getsockname(listener));
const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
console.log(`listening on http://${hosts[0]}/`);

for (;;) {
  const [fd] = await os.accept(listener);
  serve(fd).catch((error) => console.error("connection:", error.message));
}

/** One connection: the page, or a session. @param {number} fd */
async function serve(fd) {
  try {
    const request = await receiveRequest(fd);
    if (request === null) return;
    app.requests += 1;
    const { path, fields, rest } = request;
    const key = fields.get("sec-websocket-key");
    const upgrade = (fields.get("upgrade") ?? "").toLowerCase() === "websocket";
    if (!hosts.includes(fields.get("host") ?? "")) return await refuse(fd, 421, "this is not my name");
    if (path === "/" && !upgrade) return await answer(fd, 200, "text/html", PAGE);
    if (path !== "/repl") return await refuse(fd, 404, "there is no such thing here");
    if (!hosts.some((host) => fields.get("origin") === `http://${host}`)) return await refuse(fd, 403, "not from that page");
    if (!upgrade || key === undefined || fields.get("sec-websocket-version") !== "13") return await refuse(fd, 400, "no WebSocket");
    await os.send(fd, handshake(key), true);
    await session(new WebSocket(fd, rest));
  } finally {
    os.close(fd);
  }
}

/** Reads, evaluates, prints. @param {WebSocket} socket */
async function session(socket) {
  app.sessions += 1;
  await socket.send(`jsserve: you are in process ${os.getpid()}; try app`);
  for await (const source of socket.messages()) await socket.send(await evaluate(source));
}

/** What a console would show for it. `await` is possible. @param {string} source */
async function evaluate(source) {
  try {
    const { value } = await std.evalScript(source, { async: true, backtrace_barrier: true });
    return show(value);
  } catch (error) {
    return error instanceof Error ? `${error}\n${error.stack ?? ""}`.trimEnd() : `thrown: ${show(error)}`;
  }
}

/** @param {unknown} value @returns {string} */
function show(value, depth = 0) {
  if (typeof value === "string") return depth === 0 ? value : JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return `[Function ${value.name || "(anonymous)"}]`;
  if (typeof value !== "object" || value === null) return String(value);
  if (value instanceof Error || value instanceof RegExp) return String(value);
  if (value instanceof Date) return value.toISOString();
  if (depth > 2) return Array.isArray(value) ? "[Array]" : "[Object]";
  const inner = (/** @type {unknown} */ part) => show(part, depth + 1);
  if (Array.isArray(value)) return `[${value.slice(0, 100).map(inner).join(", ")}${value.length > 100 ? ", ..." : ""}]`;
  const of = value instanceof Map ? [...value].map(([k, v]) => `${inner(k)} => ${inner(v)}`)
    : value instanceof Set ? [...value].map(inner)
    : Object.entries(value).map(([name, part]) => `${name}: ${inner(part)}`);
  const kind = Object.getPrototypeOf(value)?.constructor?.name ?? "null";
  return `${kind === "Object" ? "" : `${kind} `}{ ${of.slice(0, 100).join(", ")} }`;
}

/** A request's path and fields, and what came after them; null if there is none. @param {number} fd */
async function receiveRequest(fd) {
  const deadline = setTimeout(() => os.shutdown(fd, os.SHUT_RDWR), HEAD_MS_MAX);
  const bytes = new Uint8Array(HEAD_BYTES_MAX);
  try {
    for (let length = 0; length < bytes.length; ) {
      const count = await os.recv(fd, bytes.subarray(length));
      if (count === 0) return null;
      length += count;
      const [head, after] = new TextDecoder("latin1").decode(bytes.subarray(0, length)).split("\r\n\r\n", 2);
      if (after === undefined) continue;
      const [line, ...lines] = head.split("\r\n");
      const path = /^GET (\/[^ ?]*)\S* HTTP\/1\.1$/.exec(line)?.[1];
      const fields = new Map(lines.map((line) => [line.split(":", 1)[0].toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]));
      if (path !== undefined) return { path, fields, rest: bytes.slice(head.length + 4, length) };
      break;
    }
  } finally {
    clearTimeout(deadline);
  }
  await refuse(fd, 400, "that is no request");
  return null;
}

/** @param {number} fd @param {number} status @param {string} text */
function refuse(fd, status, text) {
  return answer(fd, status, "text/plain", `${text}\n`);
}

/** @param {number} fd @param {number} status @param {string} type @param {string} text */
async function answer(fd, status, type, text) {
  const fields = [`Content-Type: ${type}; charset=utf-8`, `Content-Length: ${new TextEncoder().encode(text).length}`];
  const guards = ["X-Frame-Options: DENY", "Content-Security-Policy: default-src 'self' 'unsafe-inline' data:"];
  const head = [`HTTP/1.1 ${status} ${status === 200 ? "OK" : "Refused"}`, ...fields, ...guards, "Connection: close", "", ""];
  await os.send(fd, head.join("\r\n") + text, true);
}

/** @template T @param {T | number} result @returns {T} */
function must(result) {
  if (typeof result === "number" && result < 0) throw new Error(std.strerror(-result));
  return /** @type {T} */ (result);
}
