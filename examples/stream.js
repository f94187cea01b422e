/*
 * A page that streams: its shell is there at once, each card when its data is, in whatever order that
 * happens. No script in the browser: the shell is a shadow tree whose slots show a placeholder, and a
 * card that comes later in the same response fills its slot by name.
 *
 *   jsserve examples/stream.js --port 8080      then open http://127.0.0.1:8080/
 *   curl -N http://127.0.0.1:8080/              shows the pieces as they come
 */
// @ts-check

/** @typedef {{ name: string, title: string, wait: number, content: () => string }} Card */

/** What takes its time elsewhere: databases, searches, other services. Times in milliseconds. */
/** @type {Card[]} */
const cards = [
  { name: "orders", title: "Orders today", wait: 1400, content: orders },
  { name: "visitors", title: "Visitors", wait: 350, content: visitors },
  { name: "latency", title: "Latency", wait: 900, content: latency },
  { name: "news", title: "From the workshop", wait: 2100, content: news },
];

/** @type {JSServe.App} */
export default {
  fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname !== "/") return new Response("not found\n", { status: 404 });
    const headers = { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" };
    return new Response(stream(page(request.signal)), { headers });
  },
};

/** A body of what `pieces` yields: jsserve takes the generator itself, the standard wants a stream. @param {AsyncGenerator<string>} pieces */
function stream(pieces) {
  const utf8 = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await pieces.next();
      if (done) controller.close();
      else controller.enqueue(utf8.encode(value));
    },
    async cancel() {
      await pieces.return(undefined);
    },
  });
}

/** The page, piece by piece. @param {AbortSignal} signal aborts when the client has gone */
async function* page(signal) {
  const start = performance.now();
  yield shell;
  /** @type {Map<Card, Promise<[Card, string]>>} */
  const pending = new Map(cards.map((card) => [card, load(card, signal)]));
  while (pending.size > 0) {
    const [card, html] = await Promise.race(pending.values());
    pending.delete(card);
    const ms = Math.round(performance.now() - start);
    yield `<section slot="${card.name}"><h2>${card.title} <time>${ms} ms</time></h2>${html}</section>\n`;
  }
  yield `<p slot="done">All of it in one response, in ${Math.round(performance.now() - start)} ms.</p>\n</main>\n</html>\n`;
}

/** A card's content, once it is there. @param {Card} card @param {AbortSignal} signal */
async function load(card, signal) {
  await new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, card.wait);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
  return /** @type {[Card, string]} */ ([card, card.content()]);
}

function visitors() {
  return `<p class="number">1,284 <small>on the site now</small></p>${curve([12, 18, 16, 24, 22, 31, 28, 36, 41, 39, 47, 52])}`;
}

function orders() {
  const rows = [["Coffee, 1 kg", 42, 100], ["Filters", 31, 74], ["Mugs", 17, 40], ["Grinders", 6, 14]];
  return rows.map(([name, count, width]) => `<div class="bar"><span>${name}</span><i style="width: ${width}%"></i><b>${count}</b></div>`).join("");
}

function latency() {
  return `<p class="number">1.9 <small>ms at the median</small></p>${curve([30, 22, 26, 19, 24, 17, 21, 15, 18, 14, 16, 13])}`;
}

function news() {
  const items = [["The roaster is back", "New bearings, and quieter than ever."], ["Two new origins", "Washed lots from Huila and Sidama arrive on Friday."]];
  return items.map(([title, text]) => `<article><h3>${title}</h3><p>${text}</p></article>`).join("");
}

/** A line through `values`, from 0 to 60. @param {number[]} values */
function curve(values) {
  const points = values.map((value, at) => `${(at * 300) / (values.length - 1)},${64 - value}`).join(" ");
  return `<svg viewBox="0 0 300 64" preserveAspectRatio="none" role="img" aria-label="a curve"><polygon points="0,64 ${points} 300,64"/><polyline points="${points}"/></svg>`;
}

const style = `
  :root, :host {
    color-scheme: light dark;
    --page: light-dark(#f3f5f8, #14161a); --card: light-dark(#fff, #1d2026); --ink: light-dark(#1d2430, #e6e9ee);
    --soft: light-dark(#667085, #949cab); --line: light-dark(#e0e5ec, #2f343d); --accent: light-dark(#3257d4, #8ea8ff);
  }
  * { box-sizing: border-box; margin: 0; }`;

const shell = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Streaming</title>
<link rel="icon" href="data:,">
<style>${style}
  body { background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; padding: 3rem 1.25rem; }
  main { display: block; max-width: 58rem; margin: auto; }
  h2 { display: flex; justify-content: space-between; align-items: baseline; font-size: .95rem; font-weight: 600; margin-bottom: .8rem; }
  h3 { font-size: 1rem; }
  time { color: var(--soft); font-size: .8rem; font-weight: 400; font-variant-numeric: tabular-nums; }
  .number { font-size: 2.2rem; font-weight: 650; letter-spacing: -.02em; line-height: 1.1; }
  .number small { font-size: .9rem; font-weight: 400; letter-spacing: 0; color: var(--soft); }
  svg { display: block; width: 100%; height: 64px; margin-top: .9rem; }
  polyline { fill: none; stroke: var(--accent); stroke-width: 2; vector-effect: non-scaling-stroke; }
  polygon { fill: var(--accent); opacity: .12; }
  .bar { display: grid; grid-template-columns: 7rem 1fr 2rem; gap: .75rem; align-items: center; padding: .28rem 0; }
  .bar i { height: .6rem; border-radius: .3rem; background: var(--accent); }
  .bar b { text-align: right; font-variant-numeric: tabular-nums; }
  article + article { margin-top: .8rem; }
  article p, [slot=done] { color: var(--soft); }
  @starting-style { section { opacity: 0; transform: translateY(6px); } }
  section { transition: opacity .35s, transform .35s; }
</style>
<main>
<template shadowrootmode="open">
<style>${style}
  h1 { font-size: 1.9rem; letter-spacing: -.02em; }
  header p { color: var(--soft); margin-bottom: 1.5rem; }
  .grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1rem; }
  .card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 1.2rem 1.3rem; min-height: 13rem; }
  .wait { display: grid; gap: .8rem; }
  .wait i { height: 1rem; border-radius: .5rem; background: linear-gradient(90deg, var(--line) 30%, var(--page) 50%, var(--line) 70%) 0 0 / 300% 100%; animation: shine 1.4s linear infinite; }
  .wait i:nth-child(1) { width: 40%; } .wait i:nth-child(2) { width: 90%; margin-top: .6rem; } .wait i:nth-child(3) { width: 70%; }
  footer { margin-top: 1.25rem; min-height: 1.5em; color: var(--soft); }
  @keyframes shine { from { background-position: 100% 0; } to { background-position: 0 0; } }
  @media (prefers-reduced-motion: reduce) { .wait i { animation: none; } }
</style>
<header><h1>The shop, right now</h1><p>Every card comes when it is ready. None of them needs a script.</p></header>
<div class="grid">
${cards.map(({ name }) => `<div class="card"><slot name="${name}"><div class="wait" role="status" aria-label="loading"><i></i><i></i><i></i></div></slot></div>`).join("\n")}
</div>
<footer><slot name="done">Loading …</slot></footer>
</template>
`;
