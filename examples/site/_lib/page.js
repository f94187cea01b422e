/* The frame of all pages that routes make. Nothing in a folder whose name begins with an underscore is served. */
/** @type {Record<string, string>} */
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** @param {unknown} text */
export const escape = (text) => String(text).replace(/[&<>"]/g, (it) => ENTITIES[it]);

/** @param {string} title @param {string} body */
export function page(title, body, status = 200) {
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escape(title)} · Field notes</title>
<link rel="stylesheet" href="/assets/style.css">
<script type="module" src="/assets/theme.js"></script>
<header><a class="mark" href="/">Field notes</a><nav><a href="/">Birds</a><a href="/sightings">Sightings</a></nav></header>
<main><h1>${escape(title)}</h1>${body}</main>
<footer>Served by <code>jsserve examples/site</code></footer>
</html>`;
  return new Response(html, { status, headers: { "Content-Type": "text/html; charset=utf-8" } });
}
