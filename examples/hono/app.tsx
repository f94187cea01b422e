/** @jsxImportSource hono/jsx */
/*
 * A guestbook: Hono from npm, pages rendered with its JSX, forms without a script in the browser.
 *
 *   npm install --prefix examples/hono
 *   jsserve examples/hono/app.tsx --port 8080      then open http://127.0.0.1:8080/
 *
 * No build step: TypeScript and JSX are transformed when the file is read. The entries live in
 * `jsserve:shared`, which all workers see; they are gone when the server ends.
 */
import { Hono } from "hono";
import { csrf } from "hono/csrf";
import { html } from "hono/html";
import type { Child, FC } from "hono/jsx";
import shared from "jsserve:shared";

type Entry = { id: number; name: string; text: string; time: number; likes: number };
type Draft = { name: string; text: string; problem?: string };

const NAME_MAX = 40;
const TEXT_MAX = 500;

const entries = shared.map<Entry>("entries", { bytesMax: 4 << 20 });
const counters = shared.map<number>("counters", { bytesMax: 4096 });

const Layout: FC<{ title: string; children?: Child }> = ({ title, children }) => (
  <html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <title>{title}</title>
      <link rel="icon" href="data:," />
      <link rel="stylesheet" href="/style.css" />
    </head>
    <body>
      <main>{children}</main>
    </body>
  </html>
);

const Form: FC<Draft> = ({ name, text, problem }) => (
  <form method="post" action="/entries" class="card sign">
    <input name="name" placeholder="Your name" aria-label="Your name" value={name} maxlength={NAME_MAX} required autocomplete="name" />
    <textarea name="text" placeholder="Say something kind" aria-label="Message" rows={3} maxlength={TEXT_MAX} required>{text}</textarea>
    <footer>
      <span class="problem" role="alert">{problem}</span>
      <button class="primary">Sign the book</button>
    </footer>
  </form>
);

const Signed: FC<{ entry: Entry }> = ({ entry }) => (
  <article class="card" id={`entry-${entry.id}`}>
    <span class="face" style={`--hue: ${hue(entry.name)}`} aria-hidden="true">{initials(entry.name)}</span>
    <div>
      <header>
        <h2>{entry.name}</h2>
        <time datetime={new Date(entry.time).toISOString()}>{ago(entry.time)}</time>
      </header>
      <p>{entry.text}</p>
    </div>
    <form method="post" action={`/entries/${entry.id}/like`}>
      <button class="like" aria-label={`Like what ${entry.name} wrote`}>♥ <b>{entry.likes}</b></button>
    </form>
  </article>
);

const Book: FC<{ draft?: Draft }> = ({ draft }) => {
  const all = [...entries.entries()].map(([, entry]) => entry).sort((a, b) => b.id - a.id);
  return (
    <Layout title="Guestbook">
      <h1>
        Guestbook <small>{all.length === 0 ? "nobody was here yet" : all.length === 1 ? "1 entry" : `${all.length} entries`}</small>
      </h1>
      <Form {...(draft ?? { name: "", text: "" })} />
      {all.map((entry) => <Signed entry={entry} />)}
    </Layout>
  );
};

/** A whole document: JSX has no way to say its first line. */
const page = (content: Child) => html`<!doctype html>${content}`;

const app = new Hono();

// Forms of other sites cannot post here.
app.use(csrf());

app.get("/", (c) => c.html(page(<Book />)));

app.post("/entries", async (c) => {
  const form = await c.req.parseBody();
  const field = (name: string) => (typeof form[name] === "string" ? form[name].trim() : "");
  const draft = { name: field("name"), text: field("text") };
  const problem = fault(draft);
  if (problem) return c.html(page(<Book draft={{ ...draft, problem }} />), 422);
  const id = counters.incr("entry", 1); // atomic: two workers never get the same number
  entries.set(String(id), { id, ...draft, time: Date.now(), likes: 0 });
  return c.redirect(`/#entry-${id}`, 303);
});

app.post("/entries/:id{[0-9]+}/like", (c) => {
  const id = c.req.param("id");
  if (!entries.has(id)) return c.notFound();
  entries.update(id, (entry) => ({ ...entry, likes: entry.likes + 1 }));
  return c.redirect(`/#entry-${id}`, 303);
});

app.get("/entries.json", (c) => c.json([...entries.entries()].map(([, entry]) => entry)));

app.get("/style.css", (c) => c.body(style, 200, { "content-type": "text/css; charset=utf-8", "cache-control": "max-age=3600" }));

app.notFound((c) =>
  c.html(
    page(
      <Layout title="Not found">
        <h1>There is no such page</h1>
        <p><a href="/">To the guestbook</a></p>
      </Layout>,
    ),
    404,
  ),
);

export default app;

/** What is wrong with an entry, if anything. */
function fault({ name, text }: Draft): string | undefined {
  if (!name) return "Please tell your name.";
  if (!text) return "Please write something.";
  if (name.length > NAME_MAX) return `A name has at most ${NAME_MAX} characters.`;
  if (text.length > TEXT_MAX) return `An entry has at most ${TEXT_MAX} characters.`;
}

/** The first letters of the first and the last word. */
function initials(name: string): string {
  const words = name.match(/\p{L}+/gu) ?? ["?"];
  return [...new Set([words[0], words[words.length - 1]])].map((word) => [...word][0].toUpperCase()).join("");
}

/** A colour for a name, always the same. */
function hue(name: string): number {
  return [...name].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 360, 7);
}

/** How long ago a time was. */
function ago(time: number): string {
  const minutes = Math.floor((Date.now() - time) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  return minutes < 1440 ? `${Math.floor(minutes / 60)} h ago` : new Date(time).toISOString().slice(0, 10);
}

const style = `
:root {
  color-scheme: light dark;
  --page: light-dark(#f7f4ef, #16171b); --card: light-dark(#fff, #202228); --ink: light-dark(#22252b, #e9e6e0);
  --soft: light-dark(#6c7178, #9a9fa8); --line: light-dark(#e6e0d6, #33363e); --accent: light-dark(#b4472f, #f08a6c);
  --on-accent: light-dark(#fff, #2a120b);
}
* { box-sizing: border-box; margin: 0; }
body { background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; padding: 3.5rem 1.25rem; }
main { max-width: 42rem; margin: auto; display: grid; gap: 1rem; }
h1 { font: 600 2.4rem/1.1 Georgia, "Times New Roman", serif; letter-spacing: -.02em; margin-bottom: .5rem; }
h1 small { font: 400 1rem system-ui, sans-serif; letter-spacing: 0; color: var(--soft); margin-left: .4rem; }
h2 { font-size: 1rem; overflow-wrap: anywhere; }
a { color: var(--accent); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 1.1rem 1.2rem; box-shadow: 0 1px 2px rgb(0 0 0 / .04); }
.sign { display: grid; gap: .7rem; margin-bottom: .75rem; }
input, textarea { font: inherit; color: inherit; width: 100%; background: transparent; border: 1px solid var(--line); border-radius: 9px; padding: .55rem .75rem; resize: vertical; }
footer, article header { display: flex; gap: .75rem; align-items: baseline; justify-content: space-between; }
article header { justify-content: flex-start; }
article { display: grid; grid-template-columns: auto 1fr auto; gap: 1rem; align-items: start; }
article p { white-space: pre-wrap; overflow-wrap: anywhere; }
article:target { border-color: var(--accent); }
time { color: var(--soft); font-size: .85rem; white-space: nowrap; }
.face { display: grid; place-items: center; width: 2.6rem; aspect-ratio: 1; border-radius: 50%; font-weight: 600; letter-spacing: .03em;
  background: light-dark(hsl(var(--hue) 62% 88%), hsl(var(--hue) 30% 28%)); color: light-dark(hsl(var(--hue) 55% 28%), hsl(var(--hue) 70% 84%)); }
.problem { color: var(--accent); }
button { font: inherit; cursor: pointer; border-radius: 9px; border: 1px solid var(--line); background: transparent; color: var(--soft); padding: .25rem .7rem; }
button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; padding: .5rem 1.1rem; }
button:hover { filter: brightness(1.07); }
.like:hover { color: var(--accent); border-color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
`;
