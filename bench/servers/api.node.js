/* The app of bench/api.sh as one writes it for node:http: the same routes, header and reply. */
import { createServer } from "node:http";

const orders = Array.from({ length: 9 }, (_, i) => ({
  sku: `part-${1000 + i}`, name: `Widget number ${i}, galvanised`, count: i % 4 + 1, price: 9.95 + i, tags: ["stock", "metal"],
}));

const json = (response, value, status = 200) => {
  const text = JSON.stringify(value);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) }).end(text);
};
const role = (request) => (request.headers.authorization === "Bearer admin" ? "admin" : "guest");
const routes = [
  [/^\/$/, (request, response) => response.end("an API\n")],
  [/^\/health$/, (request, response) => json(response, { ok: true })],
  [/^\/users\/(\d+)$/, (request, response, [, id]) => json(response, { id: +id, role: role(request), orders })],
  [/^\/users\/(\d+)\/orders\/(\w+)$/, (request, response, [, id, sku]) => json(response, { id: +id, order: orders.find((it) => it.sku === sku) ?? null })],
  [/^\/search$/, (request, response, match, url) => json(response, { query: url.searchParams.get("q"), found: [] })],
];

createServer((request, response) => {
  const url = new URL(request.url, `http://${request.headers.host}`);
  for (const [pattern, handler] of routes) {
    const match = pattern.exec(url.pathname);
    if (match) return handler(request, response, match, url);
  }
  json(response, { error: "not found" }, 404);
}).listen(Number(process.env.PORT), "127.0.0.1");
