/*
 * One app for jsserve, Bun and Deno: each route shows what the runtime makes of a part of the standards.
 * Answers depend on the request alone: no time, no address, no text of an error message.
 */
import { Hono } from "hono";
import { addDays, differenceInCalendarDays, formatISO, parseISO } from "date-fns";
import { nanoid } from "nanoid";
import { z } from "zod";

const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
const attempt = (work) => {
  try {
    return work();
  } catch (error) {
    return `${error.name}`;
  }
};

const app = new Hono();

app.use("/api/*", async (c, next) => {
  await next();
  c.header("x-route", c.req.method.toLowerCase());
});
app.get("/api/:kind/:id?", (c) => c.json({ ...c.req.param(), query: c.req.query(), all: c.req.queries() }));
app.post("/api/:kind", async (c) => c.json({ kind: c.req.param("kind"), length: (await c.req.text()).length }, 201));
app.delete("/api/:kind", (c) => c.body(null, 204));
app.get("/html/:name", (c) => c.html(`<p>${c.req.param("name").length}</p>`));
app.get("/redirect", (c) => c.redirect(c.req.query("to") || "/", 307));

/** The request as the handler sees it. */
app.all("/request/*", async (c) => {
  const { method, url, headers, bodyUsed } = c.req.raw;
  const { pathname, search, hash, host, searchParams } = new URL(url);
  const names = ["accept", "content-type", "content-length", "cookie", "x-list", "x-blank", "user-agent"];
  return Response.json({
    method, pathname, search, hash, host, bodyUsed,
    params: [...searchParams],
    headers: names.map((name) => headers.get(name)),
    body: method === "GET" || method === "HEAD" ? null : await c.req.raw.text(),
  });
});

app.post("/json", async (c) => {
  try {
    const value = await c.req.raw.json();
    return Response.json({ value, keys: Object.keys(value ?? {}), again: JSON.stringify(value, null, 1) });
  } catch (error) {
    return Response.json({ error: error.name }, { status: 400 });
  }
});

app.post("/form", async (c) => {
  try {
    const form = await c.req.raw.formData();
    const fields = [];
    for (const [name, value] of form) {
      fields.push(typeof value === "string" ? [name, value] : [name, value.name, value.size, await value.text()]);
    }
    return Response.json(fields);
  } catch (error) {
    return Response.json({ error: error instanceof Error }, { status: 400 });
  }
});

app.post("/text/:label", async (c) => {
  const bytes = new Uint8Array(await c.req.raw.arrayBuffer());
  const label = c.req.param("label");
  return Response.json({
    encoding: attempt(() => new TextDecoder(label).encoding),
    lenient: attempt(() => new TextDecoder(label).decode(bytes)),
    strict: attempt(() => new TextDecoder(label, { fatal: true, ignoreBOM: true }).decode(bytes)),
    body: await new Response(bytes).text(),
    json: await new Response(bytes).json().catch((error) => error.name),
    length: bytes.length,
  });
});

app.post("/digest", async (c) => {
  const bytes = await c.req.raw.arrayBuffer();
  const key = await crypto.subtle.importKey("raw", new TextEncoder().encode("key"), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const digests = ["SHA-1", "SHA-256", "SHA-384", "SHA-512"].map((name) => crypto.subtle.digest(name, bytes));
  return Response.json((await Promise.all([...digests, crypto.subtle.sign("HMAC", key, bytes)])).map(hex));
});

app.get("/url", (c) => {
  const [text, base] = [c.req.query("u") ?? "", c.req.query("b")];
  return Response.json(attempt(() => {
    const url = new URL(text, base);
    const { href, origin, protocol, username, password, host, pathname, search, hash } = url;
    url.searchParams.append("ä", "&=+ %");
    url.pathname += "/x y";
    url.hash = "z";
    return { href, origin, protocol, username, password, host, pathname, search, hash, changed: String(url), can: URL.canParse(text, base) };
  }));
});

app.get("/params", (c) => {
  const params = new URLSearchParams(new URL(c.req.url).search);
  const before = params.size;
  params.append("new", "a b&c");
  params.sort();
  const text = params.toString();
  params.delete("new");
  return Response.json({ before, text, first: params.get("a"), all: params.getAll("a"), has: params.has("b", "1"), after: [...params.keys()] });
});

app.get("/text", (c) => {
  const text = c.req.query("t") ?? "";
  return Response.json({
    escaped: [encodeURIComponent, encodeURI, escape, decodeURIComponent, unescape, btoa, atob].map((work) => attempt(() => work(text))),
    utf8: hex(new TextEncoder().encode(text)),
    into: new TextEncoder().encodeInto(text, new Uint8Array(5)),
    shape: [text.length, [...text].length, text.toUpperCase(), text.normalize("NFD"), text.at(-1), text.isWellFormed(), text.split(/\b/u), text.replace(/\p{L}+/gu, (word) => word.length)],
    number: [Number(text), parseInt(text), parseFloat(text), (Number(text) / 3).toFixed(5), (Number(text) * 1e21).toPrecision(7)],
    big: attempt(() => String(BigInt(text) ** 5n)),
    json: attempt(() => JSON.stringify(JSON.parse(text))),
    date: /^\d{4}-\d\d/.test(text) && attempt(() => new Date(text).toISOString()),
  });
});

app.get("/date", (c) => {
  const date = parseISO(c.req.query("d") ?? "");
  if (Number.isNaN(date.getTime())) return c.text("no date", 422);
  return c.json({ next: formatISO(addDays(date, 40), { representation: "date" }), days: differenceInCalendarDays(date, parseISO("2000-01-01")) });
});

const Order = z.object({ name: z.string().trim().min(1).max(8), count: z.coerce.number().int().positive(), tags: z.array(z.enum(["a", "b"])).default([]) });
app.post("/order", async (c) => {
  const result = Order.safeParse(await c.req.json().catch(() => null));
  if (result.success) return c.json({ ...result.data, id: nanoid().length });
  return c.json(result.error.issues.map(({ path, code, message }) => ({ path, code, message })), 422);
});

app.get("/headers", (c) => {
  const value = c.req.query("v") ?? "";
  const result = attempt(() => {
    const headers = new Headers([["b", "1"], ["A", value], ["a", "2"], ["set-cookie", "x=1"], ["Set-Cookie", "y=2"]]);
    headers.append("c", ` ${value}\t`);
    headers.delete("b");
    return [[...headers], headers.get("a"), headers.getSetCookie(), headers.has("B")];
  });
  return Response.json(result);
});

app.get("/response/:kind", async (c) => {
  const text = c.req.query("t") ?? "";
  switch (c.req.param("kind")) {
    case "string": return new Response(text);
    case "bytes": return new Response(new TextEncoder().encode(text));
    case "blob": return new Response(new Blob([text, new Uint8Array([0, 255])], { type: "Text/X-Thing" }));
    case "params": return new Response(new URLSearchParams({ t: text }));
    case "json": return Response.json(text);
    case "empty": return new Response(null, { status: 404, statusText: "Nothing" });
    case "typed": return new Response(text, { headers: { "content-type": "application/x-own; a=b" } });
    case "stream": return new Response(new Blob([text, text]).stream().pipeThrough(new TextDecoderStream()).pipeThrough(new TextEncoderStream()));
    case "gzip": {
      const zipped = new Blob([text.repeat(50)]).stream().pipeThrough(new CompressionStream("gzip"));
      return new Response(zipped.pipeThrough(new DecompressionStream("gzip")));
    }
    case "form": {
      const form = new FormData();
      form.append("a", text);
      form.append("f", new File([text], text || "none", { type: "x/own" }));
      const body = (await new Response(form).text()).trimEnd();
      return Response.json(body.replaceAll(/-{2,}[^\r]+/g, "BOUNDARY"));
    }
    case "clone": {
      const first = new Response(text), second = first.clone();
      return Response.json([await first.text(), await second.text(), first.bodyUsed]);
    }
    case "status": return new Response("", { status: Number(text) || 200 });
    default: {
      const copy = structuredClone({ text, map: new Map([[text, new Set([1])]]), date: new Date(0), re: /a/gi, error: new RangeError(text), bytes: new Uint8Array([1, 2]).buffer });
      return Response.json([copy.text, [...copy.map.keys()], copy.date, String(copy.re), copy.error.name, copy.error.message, copy.bytes.byteLength]);
    }
  }
});

export default { fetch: (request) => app.fetch(request) };
