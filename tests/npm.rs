//! Packages unchanged from npm: each is imported, served and asked.
//!
//! Owns: one small app per package, beside `target/npm/node_modules`, which `.ci/run` fills. Must not
//! know: how packages are found.

mod support;

use std::path::Path;

use support::{App, Connection, Server};

/// What `.ci/run` installs.
const PACKAGES: [&str; 10] = [
    "hono@4.13.19",
    "itty-router@5.0.24",
    "h3@2.0.8",
    "preact@10.29.8",
    "preact-render-to-string@6.8.2",
    "zod@4.6.7",
    "marked@18.2.1",
    "nanoid@5.1.16",
    "date-fns@4.4.0",
    "elysia@1.4.30",
];

/// Serves `source` as the file `name` among the packages, and asks it for each target.
#[track_caller]
fn answers(test: &str, name: &str, files: &[(&str, &str)], expected: &[(&str, u16, &str)]) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let installed = target.join("npm/node_modules");
    let all = PACKAGES.iter().all(|package| {
        let (name, version) = package.rsplit_once('@').expect("a version");
        let about = std::fs::read_to_string(installed.join(name).join("package.json"));
        about.is_ok_and(|text| text.contains(&format!("\"version\": \"{version}\"")))
    });
    if !all {
        return support::skip(test, &format!("npm install --prefix target/npm {}", PACKAGES.join(" ")));
    }
    let app = App::with_files(name, files);
    std::os::unix::fs::symlink(installed, app.path().with_file_name("node_modules")).expect("a link");
    let server = Server::spawn(&["--workers", "1", "--no-cache"], app.path());
    for (target, status, text) in expected {
        let response = Connection::open(server.addr()).get(target);
        assert_eq!((response.status, response.text()), (*status, *text), "{target}\n{}", server.log());
    }
}

#[test]
fn hono_with_its_jsx() {
    let source = "/** @jsxImportSource hono/jsx */
        import { Hono } from 'hono';
        import type { FC } from 'hono/jsx';
        const Page: FC<{ name: string }> = ({ name }) => <html><body class=\"a\">Hello {name}!</body></html>;
        const app = new Hono();
        app.use('/json/*', async (c, next) => { c.header('x-a', 'b'); await next() });
        app.get('/', (c) => c.text('hono'));
        app.get('/json/:id', (c) => c.json({ id: c.req.param('id'), q: c.req.query('q') }));
        app.get('/page/:name', (c) => c.html(<Page name={c.req.param('name')} />));
        app.get('/bad', () => { throw new Error('bad') });
        export default app;";
    let expected = [
        ("/", 200, "hono"),
        ("/json/7?q=x", 200, r#"{"id":"7","q":"x"}"#),
        ("/page/%3Cb%3E", 200, "<html><body class=\"a\">Hello &lt;b&gt;!</body></html>"),
        ("/nowhere", 404, "404 Not Found"),
        ("/bad", 500, "Internal Server Error"),
    ];
    answers("hono", "app.tsx", &[("app.tsx", source)], &expected);
}

#[test]
fn itty_router() {
    let source = "import { AutoRouter, error } from 'itty-router';
        const router = AutoRouter();
        router.get('/hello/:name', ({ name }) => `Hello, ${name}!`).get('/json', () => ({ a: [1, 2] })).get('/no', () => error(403, 'no'));
        export default { ...router };";
    let expected = [
        ("/hello/you", 200, "\"Hello, you!\""),
        ("/json", 200, r#"{"a":[1,2]}"#),
        ("/no", 403, r#"{"status":403,"error":"no"}"#),
        ("/nowhere", 404, r#"{"status":404,"error":"Not Found"}"#),
    ];
    answers("itty-router", "app.js", &[("app.js", source)], &expected);
}

#[test]
fn h3() {
    let source = "import { H3, getRouterParam, getQuery } from 'h3';
        const app = new H3();
        app.get('/', () => 'h3').get('/user/:id', (event) => ({ id: getRouterParam(event, 'id'), q: getQuery(event).q }));
        export default { fetch: (request) => app.fetch(request) };";
    let expected = [("/", 200, "h3"), ("/user/5?q=x", 200, r#"{"id":"5","q":"x"}"#)];
    answers("h3", "app.js", &[("app.js", source)], &expected);
}

#[test]
fn preact_rendered_to_a_string() {
    let source = "import render from 'preact-render-to-string';
        import { useState } from 'preact/hooks';
        function Counter({ from }: { from: number }) { const [n] = useState(from + 1); return <p class='n'>{n}</p> }
        export default { fetch: () => new Response(render(<main><Counter from={1} />&amp;</main>)) };";
    let config = r#"{ "compilerOptions": { "jsx": "react-jsx", "jsxImportSource": "preact" } }"#;
    let files = [("app.tsx", source), ("tsconfig.json", config)];
    answers("preact", "app.tsx", &files, &[("/", 200, "<main><p class=\"n\">2</p>&amp;</main>")]);
}

#[test]
fn zod() {
    let source = "import { z } from 'zod';
        const Query = z.object({ n: z.coerce.number().int().max(9), tag: z.enum(['a', 'b']).default('a') });
        export default { fetch(request: Request) {
            const result = Query.safeParse(Object.fromEntries(new URL(request.url).searchParams));
            return result.success ? Response.json(result.data) : new Response(result.error.issues.map((i) => i.path + ' ' + i.code).join(), { status: 400 });
        } };";
    let expected =
        [("/?n=5", 200, r#"{"n":5,"tag":"a"}"#), ("/?n=50&tag=c", 400, "n too_big,tag invalid_value")];
    answers("zod", "app.ts", &[("app.ts", source)], &expected);
}

#[test]
fn marked_nanoid_and_date_fns() {
    let source = "import { marked } from 'marked';
        import { nanoid, customAlphabet } from 'nanoid';
        import { format, addDays, parseISO } from 'date-fns';
        import { de } from 'date-fns/locale';
        const date = parseISO('2024-02-28T12:00:00');
        const pages = {
            '/marked': () => marked.parse('# Hi\\n\\n- *a*\\n- `b`'),
            '/nanoid': () => [nanoid().length, nanoid() !== nanoid(), /^[ab]{5}$/.test(customAlphabet('ab', 5)())].join(' '),
            '/date': () => format(addDays(date, 2), 'yyyy-MM-dd EEEE', { locale: de }),
        };
        export default { fetch: (request) => new Response(pages[new URL(request.url).pathname]()) };";
    let expected = [
        ("/marked", 200, "<h1>Hi</h1>\n<ul>\n<li><em>a</em></li>\n<li><code>b</code></li>\n</ul>\n"),
        ("/nanoid", 200, "21 true true"),
        ("/date", 200, "2024-03-01 Freitag"),
    ];
    answers("marked, nanoid, date-fns", "app.js", &[("app.js", source)], &expected);
}

#[test]
fn elysia() {
    let source = "import { Elysia, t } from 'elysia';
        const app = new Elysia({ aot: false })
            .get('/', () => 'elysia')
            .get('/id/:id', ({ params: { id } }) => ({ id }), { params: t.Object({ id: t.Numeric() }) });
        export default { fetch: (request: Request) => app.fetch(request) };";
    answers(
        "elysia",
        "app.ts",
        &[("app.ts", source)],
        &[("/", 200, "elysia"), ("/id/7", 200, r#"{"id":7}"#)],
    );
}

#[test]
fn the_same_packages_as_commonjs() {
    let files = [
        ("app.cts.mjs", "import all from './all.cjs'; export default { fetch: () => new Response(all) }"),
        ("all.cjs", "const { z } = require('zod'); const { format } = require('date-fns'); const { Hono } = require('hono');
            const render = require('preact-render-to-string'); const { h } = require('preact'); const itty = require('itty-router');
            module.exports = [z.string().safeParse(1).success, format(new Date(2024, 0, 2), 'yyyy-MM-dd'), typeof new Hono().get,
                (render.default ?? render)(h('p', null, 'x')), typeof itty.Router].join(' ')"),
    ];
    let expected = [("/", 200, "false 2024-01-02 function <p>x</p> function")];
    answers("CommonJS", "app.cts.mjs", &files, &expected);
}
