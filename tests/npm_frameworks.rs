//! Frameworks unchanged from npm: an app of each, and every route of it asked.
//!
//! Owns: hono, itty-router, h3, elysia; the other packages are those of npm.rs. Must not know: how
//! packages are found.

use crate::support;

use crate::support::packages::{answers, ask};

#[test]
fn hono_with_its_jsx() {
    let source = "/** @jsxImportSource hono/jsx */
        import { Hono } from 'hono';
        import { cors } from 'hono/cors';
        import type { FC } from 'hono/jsx';
        const Page: FC<{ name: string }> = ({ name }) => <html><body class=\"a\">Hello {name}!</body></html>;
        const app = new Hono();
        app.use('/json/*', async (c, next) => { c.header('x-a', 'b'); await next() });
        app.use('/api/*', cors({ origin: 'https://a.example', maxAge: 60, allowMethods: ['GET', 'PUT'] }));
        app.get('/api/x', (c) => c.text('x'));
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
    let Some((_app, server)) = answers("hono", "app.tsx", &[("app.tsx", source)], &expected) else { return };
    // Fetch, section 3.3: the answer to a preflight, and what a plain answer says.
    let preflight = ask(
        &server,
        "OPTIONS /api/x\nOrigin: https://a.example\nAccess-Control-Request-Method: PUT\nAccess-Control-Request-Headers: x-a, x-b",
    );
    assert_eq!((preflight.status, preflight.text()), (204, ""));
    for (field, value) in [("origin", "https://a.example"), ("methods", "GET,PUT"), ("headers", "x-a,x-b")] {
        assert_eq!(preflight.field(&format!("access-control-allow-{field}")), Some(value));
    }
    assert_eq!(preflight.field("access-control-max-age"), Some("60"));
    for (origin, allowed) in [("https://a.example", Some("https://a.example")), ("https://b.example", None)] {
        let plain = ask(&server, &format!("GET /api/x\nOrigin: {origin}"));
        assert_eq!((plain.text(), plain.field("access-control-allow-origin")), ("x", allowed));
        assert_eq!(plain.field("vary"), Some("Origin"));
    }
    assert_eq!(ask(&server, "/json/1").field("x-a"), Some("b"));
}

#[test]
fn honos_routes() {
    let source = "import { Hono } from 'hono';
        import { HTTPException } from 'hono/http-exception';
        import { validator } from 'hono/validator';
        const books = new Hono().basePath('/books')
            .get('/', (c) => c.json(['a']))
            .get('/:id{[0-9]+}', (c) => c.text(`book ${c.req.param('id')} ${c.req.path}`))
            .post('/', validator('json', (value, c) => value.title ? value : c.text('no title', 400)), (c) => c.json(c.req.valid('json'), 201))
            .delete('/:id', (c) => c.body(null, 204));
        const app = new Hono();
        app.route('/v1', books);
        app.get('/to', (c) => c.redirect('/v1/books', 301));
        app.get('/wild/*', (c) => c.text(c.req.path)).get('/opt/:a/:b?', (c) => c.json(c.req.param()));
        app.on(['PURGE', 'PATCH'], '/any', (c) => c.text(c.req.method)).all('/all', (c) => c.text(`${c.req.method} ${c.req.queries('q')}`));
        app.get('/teapot', () => { throw new HTTPException(418, { message: 'tea' }) });
        app.notFound((c) => c.text('nothing here', 404)).onError((e, c) => e instanceof HTTPException ? e.getResponse() : c.text('oh: ' + e.message, 500));
        app.get('/throws', () => { throw new TypeError('wrong') });
        export default app;";
    let expected = [
        ("/v1/books", 200, r#"["a"]"#),
        ("/v1/books/7", 200, "book 7 /v1/books/7"),
        ("/v1/books/x", 404, "nothing here"),
        ("POST /v1/books\nContent-Type: application/json\n{\"title\":\"t\"}", 201, r#"{"title":"t"}"#),
        ("POST /v1/books\nContent-Type: application/json\n{}", 400, "no title"),
        ("POST /v1/books\nContent-Type: application/json\n{", 400, "Malformed JSON in request body"),
        ("DELETE /v1/books/1", 204, ""),
        ("HEAD /v1/books", 200, ""),
        ("/to", 301, ""),
        ("/wild/a/b%20c", 200, "/wild/a/b c"),
        ("/opt/1", 200, r#"{"a":"1"}"#),
        ("/opt/1/2", 200, r#"{"b":"2","a":"1"}"#),
        ("PURGE /any", 200, "PURGE"),
        ("PATCH /any", 200, "PATCH"),
        ("GET /any", 404, "nothing here"),
        ("PUT /all?q=1&q=2", 200, "PUT 1,2"),
        ("/teapot", 418, "tea"),
        ("/throws", 500, "oh: wrong"),
    ];
    let Some((_app, server)) = answers("hono", "app.ts", &[("app.ts", source)], &expected) else { return };
    assert_eq!(ask(&server, "/to").field("location"), Some("/v1/books"));
}

#[test]
fn honos_middleware() {
    let source = "import { Hono } from 'hono';
        import { basicAuth } from 'hono/basic-auth';
        import { bodyLimit } from 'hono/body-limit';
        import { compress } from 'hono/compress';
        import { etag } from 'hono/etag';
        import { getCookie, getSignedCookie, setCookie, setSignedCookie } from 'hono/cookie';
        import { secureHeaders } from 'hono/secure-headers';
        import { sign, verify } from 'hono/jwt';
        import { stream, streamSSE, streamText } from 'hono/streaming';
        import { timeout } from 'hono/timeout';
        const app = new Hono();
        app.use('/auth/*', basicAuth({ username: 'ada', password: 'secret' })).get('/auth/in', (c) => c.text('in'));
        app.use('/etag', etag()).get('/etag', (c) => c.text('the same'));
        app.use('/secure', secureHeaders()).get('/secure', (c) => c.text('secure'));
        app.use('/zip', compress()).get('/zip', (c) => c.text('x'.repeat(5000)));
        app.use('/limit', bodyLimit({ maxSize: 4, onError: (c) => c.text('too much', 413) })).post('/limit', async (c) => c.text(await c.req.text()));
        app.use('/slow', timeout(20)).get('/slow', async (c) => { await new Promise((r) => setTimeout(r, 500)); return c.text('late') });
        app.post('/form', async (c) => { const f = await c.req.parseBody({ all: true }); return c.json({ a: f.a, file: f.file && [f.file.name, f.file.type, await f.file.text()] }) });
        app.get('/cookie', async (c) => { setCookie(c, 'a', 'ä b', { path: '/', httpOnly: true, maxAge: 5 }); await setSignedCookie(c, 's', 'v', 'key'); return c.text(`${getCookie(c, 'a')} ${await getSignedCookie(c, 'key', 's')}`) });
        app.get('/jwt', async (c) => c.json(await verify(await sign({ a: 1 }, 'k', 'HS256'), 'k', 'HS256')));
        app.get('/stream', (c) => streamText(c, async (s) => { for (const part of ['a', 'b']) { await s.writeln(part); await s.sleep(1) } }));
        app.get('/sse', (c) => streamSSE(c, async (s) => { await s.writeSSE({ data: 'x', event: 'e', id: '1' }) }));
        app.get('/pipe', (c) => stream(c, (s) => s.pipe(new Response('piped').body)));
        export default app;";
    let multipart = "POST /form\nContent-Type: multipart/form-data; boundary=b\n--b\nContent-Disposition: form-data; name=\"a\"\n\n1\n--b\n\
        Content-Disposition: form-data; name=\"a\"\n\n2\n--b\nContent-Disposition: form-data; name=\"file\"; filename=\"f.txt\"\nContent-Type: text/plain\n\nhi\n--b--\n";
    let form = "POST /form\nContent-Type: application/x-www-form-urlencoded\na=1&a=%C3%A4+b";
    let expected = [
        ("/auth/in", 401, "Unauthorized"),
        ("GET /auth/in\nAuthorization: Basic YWRhOnNlY3JldA==", 200, "in"),
        ("POST /limit\nfour", 200, "four"),
        ("POST /limit\nfive5", 413, "too much"),
        ("/slow", 504, "Gateway Timeout"),
        (form, 200, r#"{"a":["1","ä b"]}"#),
        (multipart, 200, r#"{"a":["1","2"],"file":["f.txt","text/plain","hi"]}"#),
        ("GET /cookie\nCookie: a=%C3%A4; s=v", 200, "ä undefined"),
        ("/jwt", 200, r#"{"a":1}"#),
        ("/stream", 200, "a\nb\n"),
        ("/sse", 200, "event: e\ndata: x\nid: 1\n\n"),
        ("/pipe", 200, "piped"),
    ];
    let Some((_app, server)) = answers("hono", "app.ts", &[("app.ts", source)], &expected) else { return };
    let tagged = ask(&server, "/etag");
    let tag = tagged.field("etag").expect("a tag").to_owned();
    let same = ask(&server, &format!("GET /etag\nIf-None-Match: {tag}"));
    assert_eq!((same.status, same.field("etag")), (304, Some(tag.as_str())));
    assert_eq!(ask(&server, "/secure").field("x-content-type-options"), Some("nosniff"));
    let zipped = ask(&server, "GET /zip\nAccept-Encoding: gzip");
    assert_eq!(zipped.field("content-encoding"), Some("gzip"));
    assert!(zipped.body.starts_with(&[0x1f, 0x8b]) && zipped.body.len() < 200, "{} bytes", zipped.body.len());
    let head = "GET /cookie HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let head = String::from_utf8_lossy(&support::raw(server.addr(), head)).to_lowercase();
    let cookies: Vec<&str> = head.lines().filter(|line| line.starts_with("set-cookie: ")).collect();
    assert_eq!(cookies[0], "set-cookie: a=%c3%a4%20b; max-age=5; path=/; httponly");
    assert!(cookies.len() == 2 && cookies[1].starts_with("set-cookie: s=v."), "{cookies:?}");
}

#[test]
fn itty_router() {
    let source = "import { AutoRouter, error, json, text, html, status, withContent, withParams, cors, StatusError } from 'itty-router';
        const { preflight, corsify } = cors({ origin: 'https://a.example' });
        const router = AutoRouter({ before: [preflight], finally: [corsify] });
        router.get('/hello/:name', ({ name }) => `Hello, ${name}!`)
            .get('/json', () => ({ a: [1, 2] }))
            .get('/no', () => error(403, 'no'))
            .get('/text', () => text('plain')).get('/html', () => html('<b>')).get('/status', () => status(202))
            .get('/query', ({ query }) => query)
            .get('/file/:path+', ({ path }) => path).get('/opt/:a?', ({ params }) => params).get('/img/:name.:ext', ({ params }) => params)
            .post('/echo', withContent, ({ content }) => ({ content }))
            .all('/any', (request) => request.method)
            .get('/throws', () => { throw new StatusError(409, { why: 'conflict' }) }).get('/breaks', () => { null.x });
        export default { ...router };";
    let expected = [
        ("/hello/you", 200, "\"Hello, you!\""),
        ("/json", 200, r#"{"a":[1,2]}"#),
        ("/no", 403, r#"{"status":403,"error":"no"}"#),
        ("/text", 200, "plain"),
        ("/html", 200, "<b>"),
        ("/status", 202, ""),
        ("/query?a=1&b=x%20y&a=2", 200, r#"{"a":["1","2"],"b":"x y"}"#),
        ("/file/a/b.txt", 200, "\"a/b.txt\""),
        ("/opt", 200, "{}"),
        ("/opt/1", 200, r#"{"a":"1"}"#),
        ("/img/cat.png", 200, r#"{"name":"cat","ext":"png"}"#),
        ("POST /echo\nContent-Type: application/json\n{\"a\":1}", 200, r#"{"content":{"a":1}}"#),
        ("POST /echo\nplain", 200, r#"{"content":"plain"}"#),
        ("PATCH /any", 200, "\"PATCH\""),
        ("/throws", 409, r#"{"status":409,"error":"Unknown Error","why":"conflict"}"#),
        ("/nowhere", 404, r#"{"status":404,"error":"Not Found"}"#),
        ("OPTIONS /json\nOrigin: https://a.example", 204, ""),
    ];
    let Some((_app, server)) = answers("itty-router", "app.js", &[("app.js", source)], &expected) else {
        return;
    };
    let plain = ask(&server, "GET /text\nOrigin: https://a.example");
    assert_eq!(plain.field("access-control-allow-origin"), Some("https://a.example"));
    assert_eq!(ask(&server, "/breaks").status, 500);
}

#[test]
fn h3() {
    let source = "import { H3, HTTPError, getRouterParam, getQuery, getCookie, setCookie, readBody, redirect, onError, html, createEventStream, handleCors, withBase } from 'h3';
        const app = new H3();
        app.use((event) => { event.res.headers.set('x-a', 'b') });
        app.get('/', () => 'h3').get('/user/:id', (event) => ({ id: getRouterParam(event, 'id'), q: getQuery(event).q }));
        app.post('/body', async (event) => ({ body: await readBody(event) }));
        app.get('/cookie', (event) => { setCookie(event, 'a', '1'); return getCookie(event, 'b') });
        app.get('/html', () => html`<p>${1}</p>`).get('/to', () => redirect('/user/1'));
        app.get('/bad', () => { throw new HTTPError({ status: 422, message: 'bad', data: { a: 1 } }) });
        app.get('/files/**:path', (event) => event.context.params.path).get('/null', () => null).get('/bytes', () => new Uint8Array([104, 105]));
        app.get('/response', () => new Response('own', { status: 203 })).get('/stream', () => new Response('piece').body);
        app.on('PURGE', '/cache', () => 'purged').all('/any', (event) => event.req.method);
        app.mount('/inner', new H3().get('/x', (event) => 'inner ' + event.url.pathname));
        export default { fetch: (request) => app.fetch(request) };";
    let expected = [
        ("/", 200, "h3"),
        ("/user/5?q=x", 200, r#"{"id":"5","q":"x"}"#),
        ("POST /body\nContent-Type: application/json\n{\"a\":[1]}", 200, r#"{"body":{"a":[1]}}"#),
        (
            "POST /body\nContent-Type: application/x-www-form-urlencoded\na=1&b=2",
            200,
            r#"{"body":{"a":"1","b":"2"}}"#,
        ),
        ("GET /cookie\nCookie: b=2", 200, "2"),
        ("/html", 200, "<p>1</p>"),
        ("/files/a/b", 200, "a/b"),
        ("/null", 200, ""),
        ("/bytes", 200, "hi"),
        ("/response", 203, "own"),
        ("/stream", 200, "piece"),
        ("PURGE /cache", 200, "purged"),
        ("PUT /any", 200, "PUT"),
        ("/inner/x", 200, "inner /inner/x"),
    ];
    let Some((_app, server)) = answers("h3", "app.js", &[("app.js", source)], &expected) else { return };
    let bad = ask(&server, "/bad");
    assert!(
        bad.status == 422
            && bad.text().contains(r#""message":"bad""#)
            && bad.text().contains(r#""data":{"a":1}"#),
        "{}",
        bad.text()
    );
    assert_eq!((ask(&server, "/to").status, ask(&server, "/to").field("location")), (302, Some("/user/1")));
    assert_eq!(ask(&server, "/cookie").field("set-cookie"), Some("a=1; Path=/"));
    assert_eq!((ask(&server, "/nowhere").status, ask(&server, "/").field("x-a")), (404, Some("b")));
}

#[test]
fn elysia() {
    let source = "import { Elysia, t, file, redirect, status } from 'elysia';
        const plugin = new Elysia({ aot: false, prefix: '/plugin' }).decorate('version', 2).get('/v', ({ version }) => version);
        const app = new Elysia({ aot: false })
            .state('count', 0).derive(({ headers }) => ({ agent: headers['user-agent'] ?? 'none' }))
            .onBeforeHandle(({ path, set }) => { if (path === '/hooked') { set.status = 403; return 'hooked' } })
            .onError(({ code, error, set }) => { if (code === 'NOT_FOUND') { set.status = 404; return 'no route' } if (code === 'VALIDATION') { set.status = 422; return 'invalid' } })
            .use(plugin)
            .get('/', () => 'elysia').get('/id/:id', ({ params: { id } }) => ({ id }), { params: t.Object({ id: t.Numeric() }) })
            .get('/query', ({ query }) => query, { query: t.Object({ n: t.Number(), s: t.Optional(t.String()) }) })
            .post('/body', ({ body }) => body, { body: t.Object({ name: t.String(), age: t.Integer({ minimum: 0 }) }) })
            .post('/form', ({ body }) => body).post('/text', ({ body }) => `got ${body}`)
            .get('/count', ({ store }) => ++store.count).get('/agent', ({ agent }) => agent).get('/hooked', () => 'not seen')
            .get('/cookie', ({ cookie: { a } }) => { a.value = 'set'; return 'ok' }).get('/to', () => redirect('http://a.example/'))
            .get('/status', () => status(418, 'tea')).get('/wild/*', ({ params }) => params['*'])
            .get('/stream', async function* () { for (const part of ['a', 'b']) yield new TextEncoder().encode(part) })
            .group('/group', (group) => group.get('/in', 'inside').get('/in/:x', ({ params: { x } }) => x));
        export default { fetch: (request: Request) => app.fetch(request) };";
    let expected = [
        ("/", 200, "elysia"),
        ("/id/7", 200, r#"{"id":7}"#),
        ("/id/x", 422, "invalid"),
        ("/query?n=1.5&s=a%20b", 200, r#"{"n":1.5,"s":"a b"}"#),
        (
            "POST /body\nContent-Type: application/json\n{\"name\":\"a\",\"age\":1}",
            200,
            r#"{"name":"a","age":1}"#,
        ),
        ("POST /body\nContent-Type: application/json\n{\"name\":\"a\",\"age\":-1}", 422, "invalid"),
        (
            "POST /form\nContent-Type: application/x-www-form-urlencoded\na=1&b=x+y",
            200,
            r#"{"a":"1","b":"x y"}"#,
        ),
        ("POST /text\nContent-Type: text/plain\nhello", 200, "got hello"),
        ("/count", 200, "1"),
        ("/count", 200, "2"),
        ("GET /agent\nUser-Agent: me", 200, "me"),
        ("/hooked", 403, "hooked"),
        ("/status", 418, "tea"),
        ("/wild/a/b", 200, "a/b"),
        ("/group/in", 200, "inside"),
        ("/group/in/z", 200, "z"),
        ("/plugin/v", 200, "2"),
        ("/stream", 200, "ab"),
        ("/nowhere", 404, "no route"),
    ];
    let Some((_app, server)) = answers("elysia", "app.ts", &[("app.ts", source)], &expected) else { return };
    assert_eq!(
        (ask(&server, "/to").status, ask(&server, "/to").field("location")),
        (302, Some("http://a.example/"))
    );
    assert_eq!(ask(&server, "/cookie").field("set-cookie"), Some("a=set; Path=/"));
}

#[test]
fn graphql_yoga() {
    let source = "import { createSchema, createYoga } from 'graphql-yoga';
        const typeDefs = `type Query { hi(name: String!): String! fails: Int } type Mutation { add(n: Int!): Int! } type Subscription { n: Int! }`;
        let sum = 0;
        const resolvers = {
            Query: { hi: (_, { name }) => `hi ${name}`, fails: () => { throw new Error('not to be told') } },
            Mutation: { add: (_, { n }) => sum += n },
            Subscription: { n: { subscribe: async function* () { for (const n of [1, 2]) { await new Promise((r) => setTimeout(r, 1)); yield { n } } } } },
        };
        export default createYoga({ schema: createSchema({ typeDefs, resolvers }), logging: false });";
    let post =
        |query: &str| format!("POST /graphql\nContent-Type: application/json\n{{\"query\":\"{query}\"}}");
    let (hi, add, wrong, fails) = (
        post("{ hi(name: \\\"Ada\\\") }"),
        post("mutation { add(n: 2) }"),
        post("{ hi }"),
        post("{ fails }"),
    );
    let expected = [
        (hi.as_str(), 200, r#"{"data":{"hi":"hi Ada"}}"#),
        ("/graphql?query=%7Bhi(name:%22x%22)%7D", 200, r#"{"data":{"hi":"hi x"}}"#),
        (&add, 200, r#"{"data":{"add":2}}"#),
        (&add, 200, r#"{"data":{"add":4}}"#),
        (
            &fails,
            200,
            r#"{"errors":[{"message":"Unexpected error.","locations":[{"line":1,"column":3}],"path":["fails"],"extensions":{"code":"INTERNAL_SERVER_ERROR"}}],"data":{"fails":null}}"#,
        ),
    ];
    let Some((_app, server)) = answers("graphql-yoga", "app.ts", &[("app.ts", source)], &expected) else {
        return;
    };
    let refused = ask(&server, &wrong);
    assert!(refused.text().contains(r#"GRAPHQL_VALIDATION_FAILED"#), "{}", refused.text());
    let events = ask(
        &server,
        "POST /graphql\nAccept: text/event-stream\nContent-Type: application/json\n{\"query\":\"subscription { n }\"}",
    );
    let data: Vec<&str> = events.text().lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(data, [r#"{"data":{"n":1}}"#, r#"{"data":{"n":2}}"#], "{}", events.text());
}

#[test]
fn react_streams_its_pages() {
    let source = "import { Suspense, use, useId } from 'react';
        import { renderToReadableStream, renderToString } from 'react-dom/server';
        function Late({ text }) { return <b>{use(text)}</b> }
        function Page({ text }) { return <html><body><p id={useId()}>{'<'}</p><Suspense fallback={<i>wait</i>}><Late text={text} /></Suspense></body></html> }
        export default { async fetch(request: Request) {
            if (request.url.endsWith('/string')) return new Response(renderToString(<p className='a' style={{ marginTop: 4 }}>&amp;</p>));
            const { promise, resolve } = Promise.withResolvers();
            // There is a page to be sent before the rest is known, however slow the machine is.
            const page = await renderToReadableStream(<Page text={promise} />);
            setTimeout(resolve, 20, 'late');
            return new Response(page, { headers: { 'content-type': 'text/html' } });
        } };";
    let config = r#"{ "compilerOptions": { "jsx": "react-jsx" } }"#;
    let files = [("app.tsx", source), ("tsconfig.json", config)];
    let expected = [("/string", 200, r#"<p class="a" style="margin-top:4px">&amp;</p>"#)];
    let Some((_app, server)) = answers("react", "app.tsx", &files, &expected) else { return };
    let page = ask(&server, "/");
    let text = page.text();
    let (fallback, late) = (text.find("<i>wait</i>"), text.find("<b>late</b>"));
    assert!(text.starts_with("<!DOCTYPE html><html>") && fallback.is_some() && fallback < late, "{text}");
}
