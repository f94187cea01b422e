/*
 * A reverse proxy: each request goes on to another server, and its answer comes back. Bodies pass both ways as
 * they come, without entering JavaScript; a client that leaves ends its request there, too.
 *
 *   jsserve examples/proxy.js --port 8080 --env UPSTREAM=http://127.0.0.1:9000
 */
// @ts-check

/** @type {JSServe.App} */
export default {
  async fetch(request, env, ctx) {
    const upstream = env.UPSTREAM ?? "http://127.0.0.1:9000";
    const { host, pathname, search } = new URL(request.url);
    const headers = new Headers(request.headers);
    headers.append("x-forwarded-for", ctx.peer.addr);
    headers.set("x-forwarded-host", host);
    try {
      return await fetch(upstream + pathname + search, new Request(request, { headers, redirect: "manual" }));
    } catch (error) {
      if (request.signal.aborted) throw error;
      console.error(request.method, pathname, error instanceof Error ? (error.cause ?? error) : error);
      return new Response("bad gateway\n", { status: 502 });
    }
  },
};
