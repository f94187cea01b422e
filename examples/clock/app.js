/*
 * A live clock by server-sent events, with a count of those who look at it. It survives a restart of the server: the
 * browser comes back by itself.
 *
 *   jsserve examples/clock/app.js --port 8080      then open http://127.0.0.1:8080/
 *   curl -N http://127.0.0.1:8080/ticks
 */
// @ts-check

import page from "./page.html" with { type: "text" };
import { EventStream } from "jsserve:events";
import shared from "jsserve:shared";

/** How many look, over all workers. @type {import("jsserve:shared").SharedMap<number>} */
const counters = shared.map("clock", { bytesMax: 4096 });
const started = Date.now();

/** The streams of this worker. @type {Set<EventStream>} */
const streams = new Set();
/** @type {ReturnType<typeof setInterval> | undefined} */
let timer;

/** @type {JSServe.App} */
export default {
  fetch(request, _env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } });
    if (pathname !== "/ticks") return new Response("There is no such page.\n", { status: 404 });
    const stream = new EventStream(request);
    streams.add(stream);
    counters.incr("looking");
    stream.closed.then(() => {
      streams.delete(stream);
      counters.incr("looking", -1);
      if (streams.size === 0) timer = clearInterval(timer) ?? undefined;
    });
    stream.send({ retry: 500, event: "hello", data: { worker: ctx.worker, started } });
    stream.send(tick());
    timer ??= setInterval(() => {
      const now = tick();
      for (const each of streams) each.send(now);
    }, 1000);
    return stream.response;
  },
};

const tick = () => ({ event: "tick", data: { time: Date.now(), looking: counters.get("looking") ?? 0 } });
