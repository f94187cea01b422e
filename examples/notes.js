/*
 * A small REST API with a page that uses it.
 *
 *   jsserve examples/notes.js --port 8080      then open http://127.0.0.1:8080/
 *   curl -i http://127.0.0.1:8080/notes -d '{"title": "milk", "text": "two litres"}'
 *
 *   GET    /notes      all notes, oldest first
 *   POST   /notes      creates one: 201 with Location
 *   GET    /notes/1    one note
 *   PUT    /notes/1    replaces its title and text
 *   DELETE /notes/1    deletes it: 204
 *
 * Each worker has its own copy of this module's variables, so the notes live in `jsserve:shared`,
 * which all workers see; they are gone when the server ends.
 */
// @ts-check

import shared from "jsserve:shared";

/** @typedef {{ id: number, title: string, text: string, changed: string }} Note */
/** @typedef {{ [method: string]: (request: Request, id: string) => Response | Promise<Response> }} Methods */

/** @type {import("jsserve:shared").SharedMap<Note>} */
const notes = shared.map("notes", { bytesMax: 16 * 1024 * 1024 });
/** @type {import("jsserve:shared").SharedMap<number>} */
const counters = shared.map("counters", { bytesMax: 4096 });

const TITLE_MAX = 120;
const TEXT_MAX = 10_000;

/** @type {Methods} */
const collection = {
  GET: () => Response.json([...notes.entries()].map(([, note]) => note).sort((a, b) => a.id - b.id)),

  POST: async (request) => {
    const fields = await readFields(request);
    const id = counters.incr("id", 1); // atomic: two workers never get the same number
    const note = { id, ...fields, changed: new Date().toISOString() };
    notes.set(String(id), note);
    return Response.json(note, { status: 201, headers: { location: `/notes/${id}` } });
  },
};

/** @type {Methods} */
const item = {
  GET: (_, id) => {
    const note = notes.get(id);
    return note ? Response.json(note) : notFound();
  },

  PUT: async (request, id) => {
    const fields = await readFields(request);
    if (!notes.has(id)) return notFound();
    const changed = new Date().toISOString();
    return Response.json(notes.update(id, (note) => ({ ...note, id: Number(id), ...fields, changed })));
  },

  DELETE: (_, id) => (notes.delete(id) ? new Response(null, { status: 204 }) : notFound()),
};

/** @type {Methods} */
const home = {
  GET: () => new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } }),
};

/** @type {JSServe.App} */
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const id = /^\/notes\/([1-9]\d{0,14})$/.exec(pathname)?.[1] ?? "";
    const methods = pathname === "/" ? home : pathname === "/notes" ? collection : id ? item : null;
    if (!methods) return notFound();
    const method = request.method === "HEAD" ? "GET" : request.method;
    if (!Object.hasOwn(methods, method)) {
      return problem(405, `${request.method} is not possible here`, { allow: ["HEAD", ...Object.keys(methods)].join(", ") });
    }
    try {
      return await methods[method](request, id);
    } catch (error) {
      if (error instanceof Invalid) return problem(error.status, error.message);
      throw error;
    }
  },
};

/** What a client got wrong, with the status that says so. */
class Invalid extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The title and text of a request's JSON body. @param {Request} request */
async function readFields(request) {
  let body;
  try {
    body = JSON.parse(await request.text());
  } catch {
    throw new Invalid(400, "the body is not JSON");
  }
  const { title, text = "" } = body ?? {};
  if (typeof title !== "string" || title.trim() === "" || title.length > TITLE_MAX) {
    throw new Invalid(422, `title must be a string of 1 to ${TITLE_MAX} characters`);
  }
  if (typeof text !== "string" || text.length > TEXT_MAX) {
    throw new Invalid(422, `text must be a string of at most ${TEXT_MAX} characters`);
  }
  return { title: title.trim(), text };
}

const notFound = () => problem(404, "there is no such thing here");
/** @param {number} status @param {string} error @param {HeadersInit} [headers] */
const problem = (status, error, headers) => Response.json({ error }, { status, headers });

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Notes</title>
<link rel="icon" href="data:,">
<style>
  :root {
    color-scheme: light dark;
    --page: light-dark(#f6f5f2, #17181b); --card: light-dark(#ffffff, #212327);
    --ink: light-dark(#1f2328, #e8e6e1); --soft: light-dark(#667079, #9aa0a8);
    --line: light-dark(#e2dfd8, #34373d); --accent: light-dark(#2f6f5e, #7cc4ae);
    --on-accent: light-dark(#ffffff, #10211c); --bad: light-dark(#a3392d, #f0968a);
  }
  * { box-sizing: border-box; margin: 0; }
  body { background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; padding: 3rem 1.25rem; }
  main { max-width: 40rem; margin: auto; display: grid; gap: 1.5rem; }
  h1 { font-size: 1.75rem; letter-spacing: -0.02em; }
  h1 small { font-weight: 400; font-size: 1rem; letter-spacing: 0; color: var(--soft); margin-left: .5rem; }
  form, li { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1rem 1.1rem; }
  form { display: grid; gap: .75rem; }
  input, textarea { font: inherit; color: inherit; width: 100%; background: transparent; border: 1px solid var(--line); border-radius: 8px; padding: .55rem .7rem; resize: vertical; }
  button { font: inherit; border-radius: 8px; border: 1px solid var(--line); background: transparent; color: var(--soft); padding: .3rem .8rem; cursor: pointer; }
  button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); padding: .5rem 1.1rem; font-weight: 600; }
  button:hover { filter: brightness(1.08); }
  :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
  footer, header { display: flex; gap: .5rem; align-items: center; justify-content: space-between; }
  ul { list-style: none; padding: 0; display: grid; gap: .75rem; }
  li h2 { font-size: 1.05rem; overflow-wrap: anywhere; }
  li p { white-space: pre-wrap; overflow-wrap: anywhere; margin-top: .35rem; }
  time { color: var(--soft); font-size: .85rem; }
  #problem { color: var(--bad); min-height: 1.5em; }
</style>
<main>
  <h1>Notes <small id="count"></small></h1>
  <form id="form">
    <input name="title" placeholder="Title" aria-label="Title" maxlength="${TITLE_MAX}" required>
    <textarea name="text" placeholder="Text" aria-label="Text" rows="3" maxlength="${TEXT_MAX}"></textarea>
    <footer><span id="problem" role="alert"></span><button class="primary">Add note</button></footer>
  </form>
  <ul id="list"></ul>
</main>
<script type="module">
  const form = document.getElementById("form");
  const list = document.getElementById("list");
  const problem = document.getElementById("problem");
  let editing = null;

  async function call(method, path, body) {
    const response = await fetch(path, { method, body: body && JSON.stringify(body), headers: body ? { "content-type": "application/json" } : {} });
    const answer = response.status === 204 ? null : await response.json();
    if (!response.ok) throw new Error(answer.error);
    return answer;
  }

  function element(tag, text, properties = {}) {
    return Object.assign(document.createElement(tag), { textContent: text, ...properties });
  }

  function show(notes) {
    document.getElementById("count").textContent = notes.length === 1 ? "1 note" : notes.length + " notes";
    list.replaceChildren(...notes.reverse().map((note) => {
      const buttons = element("span", "");
      buttons.append(
        element("button", "Edit", { onclick: () => edit(note) }), " ",
        element("button", "Delete", { onclick: () => act(() => call("DELETE", "/notes/" + note.id)) }),
      );
      const header = element("header", "");
      header.append(element("h2", note.title), buttons);
      const entry = element("li", "");
      entry.append(header, element("time", new Date(note.changed).toLocaleString()));
      if (note.text) entry.append(element("p", note.text));
      return entry;
    }));
  }

  function edit(note) {
    editing = note.id;
    form.elements.title.value = note.title;
    form.elements.text.value = note.text;
    form.querySelector("button").textContent = "Save note";
    form.elements.title.focus();
  }

  async function act(work) {
    try {
      problem.textContent = "";
      await work();
      show(await call("GET", "/notes"));
    } catch (error) {
      problem.textContent = error.message;
    }
  }

  form.onsubmit = (event) => {
    event.preventDefault();
    const note = Object.fromEntries(new FormData(form));
    act(async () => {
      await (editing ? call("PUT", "/notes/" + editing, note) : call("POST", "/notes", note));
      editing = null;
      form.reset();
      form.querySelector("button").textContent = "Add note";
    });
  };

  act(() => {});
</script>
</html>
`;
