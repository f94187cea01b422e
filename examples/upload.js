/*
 * A file of any size, sent with progress, hashed while it comes: no more than one block of it is ever
 * in memory.
 *
 *   jsserve --body-max 8G --request-timeout 1h examples/upload.js     then open http://127.0.0.1:8080/
 *   curl -T FILE http://127.0.0.1:8080/upload
 *
 * The digest is the SHA-256 of the SHA-256s of the file's blocks of 1 MiB. The browser makes its own and
 * compares. `split -b 1M --filter='openssl dgst -sha256 -binary' FILE | sha256sum` prints the same.
 */
// @ts-check

const BLOCK = 1 << 20;

/** @type {JSServe.App} */
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const methods = pathname === "/" ? ["GET", "HEAD"] : pathname === "/upload" ? ["PUT", "POST"] : [];
    if (methods.length === 0) return new Response("not found\n", { status: 404 });
    if (!methods.includes(request.method)) {
      return new Response("not possible here\n", { status: 405, headers: { allow: methods.join(", ") } });
    }
    if (pathname === "/upload") return Response.json(await receive(request));
    return new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } });
  },
};

/** Reads the body to its end: its length in bytes, its digest, how long it took. @param {Request} request */
async function receive(request) {
  const start = performance.now();
  const block = new Uint8Array(BLOCK);
  /** @type {ArrayBuffer[]} */
  const digests = [];
  let [bytes, filled] = [0, 0];
  const take = async () => {
    digests.push(await crypto.subtle.digest("SHA-256", block.subarray(0, filled)));
    filled = 0;
  };
  for await (let chunk of request.body ?? []) {
    bytes += chunk.length;
    while (chunk.length > 0) {
      const part = chunk.subarray(0, BLOCK - filled);
      block.set(part, filled);
      filled += part.length;
      chunk = chunk.subarray(part.length);
      if (filled === BLOCK) await take();
    }
  }
  if (filled > 0) await take();
  const digest = await crypto.subtle.digest("SHA-256", await new Blob(digests).arrayBuffer());
  const sha256 = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { bytes, blocks: digests.length, sha256, ms: Math.round(performance.now() - start) };
}

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Upload</title>
<link rel="icon" href="data:,">
<style>
  :root {
    color-scheme: light dark;
    --page: light-dark(#f4f6f4, #141715); --card: light-dark(#fff, #1d211e); --ink: light-dark(#1e2621, #e5eae6);
    --soft: light-dark(#647069, #98a39c); --line: light-dark(#dde4de, #303733); --accent: light-dark(#1f7a4d, #6fd3a0);
    --bad: light-dark(#a8352a, #f2958a);
  }
  * { box-sizing: border-box; margin: 0; }
  body { background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; padding: 3.5rem 1.25rem; }
  main { max-width: 40rem; margin: auto; display: grid; gap: 1rem; }
  h1 { font-size: 1.9rem; letter-spacing: -.02em; }
  .lead { color: var(--soft); margin-bottom: .5rem; }
  .drop { display: grid; place-items: center; gap: .3rem; padding: 2.6rem 1rem; border: 2px dashed var(--line); border-radius: 16px; background: var(--card); cursor: pointer; text-align: center; }
  .drop:hover, .drop.over { border-color: var(--accent); }
  .drop svg { width: 2.2rem; stroke: var(--accent); fill: none; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
  .drop small { color: var(--soft); }
  .drop:focus-within { outline: 2px solid var(--accent); outline-offset: 2px; }
  input { position: absolute; opacity: 0; pointer-events: none; }
  ul { list-style: none; padding: 0; display: grid; gap: .75rem; }
  li { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 1rem 1.2rem; }
  li header { display: flex; justify-content: space-between; gap: 1rem; font-weight: 600; }
  li header span:first-child { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .state { color: var(--soft); font-weight: 400; white-space: nowrap; font-variant-numeric: tabular-nums; }
  progress { appearance: none; display: block; width: 100%; height: .55rem; border: 0; border-radius: .3rem; background: var(--line); overflow: hidden; margin: .7rem 0; }
  progress::-webkit-progress-bar { background: var(--line); }
  progress::-webkit-progress-value { background: var(--accent); border-radius: .3rem; transition: width .15s; }
  progress::-moz-progress-bar { background: var(--accent); }
  dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem 1rem; font-size: .875rem; }
  dt { color: var(--soft); }
  dd { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
  .same { color: var(--accent); }
  .bad { color: var(--bad); }
</style>
<main>
  <h1>Upload</h1>
  <p class="lead">The server hashes the file while it comes, and keeps nothing of it.</p>
  <label class="drop" id="drop">
    <input type="file" id="files" multiple>
    <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 16V5m0 0L7.5 9.5M12 5l4.5 4.5M4 16v2a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-2"/></svg>
    <b>Choose files, or drop them here</b>
    <small>any size up to the server's --body-max</small>
  </label>
  <ul id="list" aria-live="polite"></ul>
</main>
<script type="module">
  const BLOCK = ${BLOCK};
  const list = document.getElementById("list");
  const drop = document.getElementById("drop");
  const files = document.getElementById("files");

  function element(tag, name, ...content) {
    const made = document.createElement(tag);
    if (name) made.className = name;
    made.append(...content);
    return made;
  }

  function size(bytes) {
    if (bytes < 1024) return Math.round(bytes) + " B";
    const unit = Math.min(3, Math.floor(Math.log2(bytes) / 10));
    return (bytes / 1024 ** unit).toFixed(1) + " " + ["B", "KiB", "MiB", "GiB"][unit];
  }

  const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

  async function digest(file) {
    const digests = [];
    for (let at = 0; at < file.size; at += BLOCK) {
      digests.push(await crypto.subtle.digest("SHA-256", await file.slice(at, at + BLOCK).arrayBuffer()));
    }
    return hex(await crypto.subtle.digest("SHA-256", await new Blob(digests).arrayBuffer()));
  }

  // fetch() tells nothing of an upload's progress; XMLHttpRequest does.
  function send(file, progress) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("PUT", "/upload");
      request.responseType = "json";
      request.upload.onprogress = (event) => progress(event.loaded);
      request.onload = () => (request.status === 200 ? resolve(request.response) : reject(new Error(request.status === 413 ? "larger than the server takes (--body-max)" : "the server says " + request.status)));
      request.onerror = () => reject(new Error("the connection was lost; is the file larger than --body-max?"));
      request.send(file);
    });
  }

  async function upload(file) {
    const state = element("span", "state", "waiting");
    const bar = element("progress");
    bar.max = file.size || 1;
    bar.value = 0;
    const facts = element("dl");
    const entry = element("li", "", element("header", "", element("span", "", file.name), state), bar, facts);
    list.prepend(entry);
    const start = performance.now();
    const rate = (bytes) => size(bytes / Math.max(0.001, (performance.now() - start) / 1000)) + "/s";
    try {
      const report = await send(file, (sent) => {
        bar.value = sent;
        state.textContent = Math.floor((100 * sent) / (file.size || 1)) + " %, " + rate(sent);
      });
      bar.value = bar.max;
      state.textContent = size(report.bytes) + ", " + rate(report.bytes);
      const fact = (name, value) => facts.append(element("dt", "", name), value);
      fact("Received", element("dd", "", report.bytes.toLocaleString("en") + " bytes in " + report.blocks + " blocks, " + report.ms + " ms"));
      fact("Digest", element("dd", "", report.sha256));
      const own = element("dd", "", "computing …");
      fact("This browser's", own);
      const same = (await digest(file)) === report.sha256;
      own.textContent = same ? "the same" : "another one";
      own.className = same ? "same" : "bad";
    } catch (error) {
      bar.remove();
      state.textContent = error.message;
      state.classList.add("bad");
    }
  }

  // One after the other: each has the line for itself.
  let last = Promise.resolve();
  const add = (chosen) => [...chosen].forEach((file) => (last = last.then(() => upload(file))));

  files.onchange = () => {
    add(files.files);
    files.value = "";
  };
  drop.ondragover = (event) => {
    event.preventDefault();
    drop.classList.add("over");
  };
  drop.ondragleave = () => drop.classList.remove("over");
  drop.ondrop = (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    add(event.dataTransfer.files);
  };
</script>
</html>
`;
