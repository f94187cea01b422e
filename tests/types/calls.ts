/*
 * Calls that are right, and calls that TypeScript has to refuse: each line after `@ts-expect-error` is an
 * error, or else that comment is one. Checked by tests/types.rs against what `jsserve types` prints.
 */

import * as os from "os";
import * as qjsOs from "qjs:os";
import * as std from "std";
import * as qjsStd from "qjs:std";
import events, { EventHistory, EventStream } from "jsserve:events";
import shared, { map, publish } from "jsserve:shared";
import { connect, Socket, SocketError } from "sockets";
import alias from "cloudflare:sockets";

// Modules: two names are one module.
const sameOs: typeof os = qjsOs;
const sameStd: typeof std = qjsStd;
void [sameOs, sameStd];

// Sockets, in both spellings.
const fd: number = os.socket(os.AF_INET, os.SOCK_STREAM | os.SOCK_NONBLOCK);
os.bind(fd, { addr: "127.0.0.1", port: 80 });
os.bind(fd, { family: os.AF_UNIX, path: "/tmp/socket" });
os.setsockopt(fd, os.SO_REUSEADDR, new Uint32Array([1]).buffer);
os.setsockopt(fd, os.IPPROTO_TCP, os.TCP_NODELAY, true);
const [client, peer] = await os.accept(fd);
const port: number = peer.port;
const buffer = new ArrayBuffer(64);
let bytes: number = await os.recv(client, buffer, 10, true);
bytes = await os.recv(client, new Uint8Array(buffer), true);
bytes = await os.send(client, "text", true);
bytes = await os.sendto(fd, { addr: "::1", port }, buffer);
bytes = await os.sendto(fd, buffer, 10, { addr: "::1", port });
os.setReadHandler(fd, () => {});
os.setWriteHandler(fd, null);
for (const info of await os.getaddrinfoAsync("localhost", { service: "http", family: os.AF_INET6 })) os.connect(fd, info);

// @ts-expect-error the family is needed
os.socket();
// @ts-expect-error so is the type
os.socket(os.AF_INET);
// @ts-expect-error an address is an object
os.bind(fd, "127.0.0.1:80");
// @ts-expect-error a port is a number
os.bind(fd, { addr: "127.0.0.1", port: "80" });
// @ts-expect-error a promise is no number
bytes = os.recv(client, buffer);
// @ts-expect-error only what is sent may be a string
os.recv(client, "text");
// @ts-expect-error where to
os.sendto(fd, buffer);
// @ts-expect-error accept has no address to give
os.accept(fd, { addr: "::1", port });
// @ts-expect-error it may be -errno
os.getsockname(fd).port;
// @ts-expect-error it may be an error's number
os.getaddrinfo("localhost").length;
// @ts-expect-error a handler is a function or null
os.setReadHandler(fd, "read");
// @ts-expect-error there is no such option
void os.SO_NO_SUCH_OPTION;

// Files, processes, threads.
const file: number = os.open("name", os.O_RDONLY);
bytes = os.read(file, buffer, 0, 64) + os.write(file, buffer, 0, 64);
const [stat, error] = os.stat("name");
const size: number = stat?.size ?? error;
const position: bigint = os.seek(file, 10n, std.SEEK_SET);
const [names] = os.readdir(".");
void [size, position, names.map((name) => name.length)];
os.exec(["ls", "-l"], { block: false, cwd: "/" });
os.signal(os.SIGINT, null);
const worker = new os.Worker("./worker.js");
worker.onmessage = ({ data }) => worker.postMessage(data);
await os.sleepAsync(1);

// @ts-expect-error there may be no such file
stat.size;
// @ts-expect-error a command is a list of words
os.exec("ls -l");
// @ts-expect-error the signal comes first
os.signal(() => {}, os.SIGINT);
// @ts-expect-error a thread runs a file
new os.Worker(() => {});
// @ts-expect-error constants are not assigned to
os.O_RDONLY = 1;

// Sockets as streams.
const socket = connect({ hostname: "localhost", port: 80 }, { secureTransport: "starttls", alpn: ["h2"] });
const alpn: string | null = (await socket.opened).alpn;
await socket.readable.pipeThrough(new CompressionStream("gzip")).pipeTo(connect("[::1]:80").writable);
const secure: Socket = socket.startTls({ expectedServerHostname: "localhost" });
const failed: TypeError = new SocketError("words");
const same: typeof connect = alias.connect;
const proxy: JSServe.App = { connect: (socket, env, ctx) => ctx.waitUntil(socket.closed) };
void [alpn, secure, failed, same, proxy];

// @ts-expect-error an address has a port
connect({ hostname: "localhost" });
// @ts-expect-error it is not made by scripts
new Socket();
// @ts-expect-error one of three
connect("localhost:80", { secureTransport: "tls" });

// std.
const stream = std.open("name", "r");
const line: string | null = stream?.getline() ?? std.in.getline();
std.out.printf("%d %s\n", 1, line);
const text: string = std.sprintf("%5.2f", 1.5);
const whole: Uint8Array | null = std.loadFile(text, { binary: true });
const got: ArrayBuffer | null = std.urlGet("http://localhost/", { binary: true });
const reply = std.urlGet("http://localhost/", { full: true });
const refused: boolean = fd === -std.Error.ECONNREFUSED && std.strerror(111) === reply.responseHeaders;
const value: number = (await std.evalScript("1", { async: true })).value;
void [whole, got, refused, value];

// @ts-expect-error it may be null
stream.getline();
// @ts-expect-error text or a buffer
std.out.write(1);
// @ts-expect-error errno names begin with E
std.Error.REFUSED;
// @ts-expect-error the file may not be there
std.loadFile("name").length;

// Shared maps.
const notes = shared.map<{ title: string }>("notes", { bytesMax: 1024, onFull: "evict" });
notes.set("one", { title: "first" }, { ttl: 1000 });
const title: string | undefined = notes.update("one", (old) => old && { title: old.title + "!" })?.title;
const sum: number = map<number>("counters").incr("one");
void [title, sum];

// @ts-expect-error a note has a title
notes.set("two", { text: "second" });
// @ts-expect-error there may be none
notes.get("one").title;
// @ts-expect-error no such policy
shared.map("other", { onFull: "forget" });

// Apps.
const app: JSServe.App = {
  async fetch(request, env, ctx) {
    const { title } = await request.json();
    ctx.waitUntil(Promise.resolve(env.HOME));
    const worker: number = ctx.worker + ctx.peer.port + ctx.local.family;
    return Response.json({ title, worker }, { status: 201, headers: { "x-a": "b" } });
  },
  async accept(fd, peer) {
    await os.send(fd, peer.addr);
  },
};
void app;

// @ts-expect-error an answer is a Response
const wrongApp: JSServe.App = { fetch: () => "hello" };
// @ts-expect-error there is no such handler
const misspelt: JSServe.App = { fetsch: () => new Response() };
void [wrongApp, misspelt];

// Globals.
const url = new URL("/path", "http://localhost");
url.searchParams.append("a", "b");
for (const [name, value] of url.searchParams) void (name + value);
for (const [name, value] of new Headers([["a", "b"]]).entries()) void (name + value);
const copy: { a: number } = structuredClone({ a: 1 });
const timer: number = setTimeout((word: string) => void word, 10, "word");
clearTimeout(timer);
const controller = new AbortController();
controller.signal.addEventListener("abort", (event) => void event.type, { once: true });
AbortSignal.any([controller.signal, AbortSignal.timeout(10)]).throwIfAborted();
const random: Uint8Array = crypto.getRandomValues(new Uint8Array(8));
const decoded: string = new TextDecoder("utf-8", { fatal: true }).decode(random, { stream: true });
const event = new CustomEvent("news", { detail: { n: 1 } });
const detail: number = event.detail.n;
const words: string[] = scriptArgs.slice(1);
print(words, import.meta.main, navigator.userAgent, performance.now(), self === globalThis);
console.table([copy], ["a"]);
queueMicrotask(() => reportError(new DOMException(decoded, "AbortError")));
void detail;

const mark: PerformanceMark = performance.mark("a", { detail: 1, startTime: 2 });
const measure: PerformanceMeasure = performance.measure("b", { start: "a", end: performance.now() });
new PerformanceObserver((entries, observer) => {
  for (const { name, duration } of entries.getEntriesByType("measure")) print(name, duration);
  observer.disconnect();
}).observe({ type: "measure", buffered: true });
print(mark.detail, measure.toJSON(), performance.getEntriesByName("a", "mark").length, PerformanceObserver.supportedEntryTypes);
const length: number = await navigator.locks.request("name", { mode: "shared" }, async (lock) => lock?.name.length ?? 0);
const { held, pending }: LockManagerSnapshot = await navigator.locks.query();
print(length, held.length, pending[0]?.clientId, navigator.hardwareConcurrency, navigator.languages[0]);

// @ts-expect-error a URL needs its text
new URL();
// @ts-expect-error it is not made by scripts
new AbortSignal();
// @ts-expect-error a status is a number
new Response("", { status: "200" });
// @ts-expect-error it may be null
new Headers().get("a").length;
// @ts-expect-error no text as code
setTimeout("code()", 10);
// @ts-expect-error no floats
crypto.getRandomValues(new Float64Array(1));
// @ts-expect-error there is no document in a server
void document;
// @ts-expect-error read only
url.origin = "http://elsewhere";

const datagrams: JSServe.App = {
  datagram(message, from, socket, env, ctx) {
    const all: [Uint8Array<ArrayBuffer>, number, string, number] = [message, from.family, from.addr, ctx.worker];
    const queued: boolean = socket.send(message.subarray(1), from) && socket.send("text", { addr: env.TO, port: from.port });
    socket.send(message.buffer, { ...from.toJSON() });
    ctx.waitUntil(Promise.resolve([all, queued, socket.local, ctx.local]));
    // @ts-expect-error there is one ctx for each socket: the sender is `from`
    void ctx.peer;
    // @ts-expect-error a number is no data
    socket.send(1, from);
    // @ts-expect-error an address has a host
    socket.send("text", { port: 53 });
    return message;
  },
};
void datagrams;

const crons: JSServe.App = {
  scheduled(event, env, ctx) {
    const due: Date = new Date(event.scheduledTime);
    const kind: "scheduled" = event.type;
    event.noRetry();
    ctx.waitUntil(Promise.resolve(`${event.cron} ${due} ${kind} ${env.NAME} ${ctx.worker}`));
  },
};
void crons;

// Beside an answer.
const beside: JSServe.App = {
  fetch(_request, _env, ctx) {
    const sent: boolean = ctx.earlyHints({ link: "</a.css>; rel=preload" }) && ctx.trailers(new Headers({ a: "1" }));
    const id: string | null = ctx.requestId;
    // @ts-expect-error it may be null
    void ctx.requestId.length;
    // @ts-expect-error fields
    ctx.trailers(1);
    return new Response(`${sent} ${id}`);
  },
};
void beside;

// Messages and events.
const room = new BroadcastChannel("room").unref();
room.onmessage = function (event) {
  const named: string = this.name;
  this.postMessage([named, event.data]);
};
// @ts-expect-error nothing is transferred
room.postMessage(1, []);
const reached: number = publish("topic", new Uint8Array(1)) + shared.publish("topic", "text");
// @ts-expect-error neither a string nor bytes
publish("topic", reached);
const history = new EventHistory("news", { max: 10, bytesMax: 1 << 16 });
const eventId: string = history.publish({ event: "price", data: { euro: 7 } });
const listens = new EventStream(new Request("http://a/"), { keepAlive: false, retry: 10, headers: { a: "1" } });
const followed: boolean = listens.subscribe(history) && listens.subscribe("topic", { event: "say" }) && listens.send(eventId);
listens.closed.then((why: "closed" | "client" | "slow") => why);
// @ts-expect-error a number is no event
listens.send(1);
void [events.EventStream === EventStream, followed, listens.response.status];
const source = new EventSource(new URL("http://a/"), { withCredentials: true });
source.onerror = () => source.readyState === EventSource.CLOSED && source.close();

const talks = new WebSocket(new URL("wss://a/"), ["v2", "v1"]);
new WebSocket("ws://a/", { protocols: "v1", headers: { cookie: "a=b" } });
talks.onerror = ({ message }) => console.error(message);
talks.onclose = ({ code, reason, wasClean }) => console.log(code.toFixed(), reason.length, wasClean === true);
talks.addEventListener("message", ({ data }) => talks.send(data));
talks.binaryType = "arraybuffer";
// @ts-expect-error
talks.binaryType = "text";
// @ts-expect-error
new WebSocket();
source.addEventListener("price", (event) => void (event as MessageEvent).lastEventId);
