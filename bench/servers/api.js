/* The realistic app of bench/api.sh: a router with five routes, a header read, a JSON reply of about 1 KB.
   Runs unchanged on jsserve, and on Bun and Deno by their `default` export. Owns: its data, made once. */
const orders = Array.from({ length: 9 }, (_, i) => ({
  sku: `part-${1000 + i}`, name: `Widget number ${i}, galvanised`, count: i % 4 + 1, price: 9.95 + i, tags: ["stock", "metal"],
}));

const json = (value, init) => Response.json(value, init);
const routes = [
  [/^\/$/, () => new Response("an API\n")],
  [/^\/health$/, () => json({ ok: true })],
  [/^\/users\/(\d+)$/, (request, [, id]) => json({ id: +id, role: role(request), orders })],
  [/^\/users\/(\d+)\/orders\/(\w+)$/, (request, [, id, sku]) => json({ id: +id, order: orders.find((it) => it.sku === sku) ?? null })],
  [/^\/search$/, (request, match, url) => json({ query: url.searchParams.get("q"), found: [] })],
];
const role = (request) => (request.headers.get("authorization") === "Bearer admin" ? "admin" : "guest");

export default {
  port: globalThis.process?.env.PORT,
  hostname: "127.0.0.1",
  async fetch(request) {
    const url = new URL(request.url);
    for (const [pattern, handler] of routes) {
      const match = pattern.exec(url.pathname);
      if (match) return handler(request, match, url);
    }
    return json({ error: "not found" }, { status: 404 });
  },
};
