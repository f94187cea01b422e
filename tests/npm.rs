//! Packages unchanged from npm: each is imported, served and asked.
//!
//! Owns: one small app per package, beside `target/npm/node_modules`, which `.ci/run` fills. Must not
//! know: how packages are found.

mod support;

use std::path::Path;

use support::{App, Connection, Server};

/// What `.ci/run` installs.
const PACKAGES: [&str; 11] = [
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
    "jose@6.2.17",
];

/// Serves `source` as the file `name` among the packages, and asks it for each target.
#[track_caller]
fn answers(
    test: &str,
    name: &str,
    files: &[(&str, &str)],
    expected: &[(&str, u16, &str)],
) -> Option<(App, Server)> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let installed = target.join("npm/node_modules");
    let all = PACKAGES.iter().all(|package| {
        let (name, version) = package.rsplit_once('@').expect("a version");
        let about = std::fs::read_to_string(installed.join(name).join("package.json"));
        about.is_ok_and(|text| text.contains(&format!("\"version\": \"{version}\"")))
    });
    if !all {
        support::skip(test, &format!("npm install --prefix target/npm {}", PACKAGES.join(" ")));
        return None;
    }
    let app = App::with_files(name, files);
    std::os::unix::fs::symlink(installed, app.path().with_file_name("node_modules")).expect("a link");
    let server = Server::spawn(&["--workers", "1", "--no-cache"], app.path());
    for (target, status, text) in expected {
        let response = Connection::open(server.addr()).get(target);
        assert_eq!((response.status, response.text()), (*status, *text), "{target}\n{}", server.log());
    }
    Some((app, server))
}

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
    let mut client = Connection::open(server.addr());
    client.send("OPTIONS /api/x HTTP/1.1\r\nHost: test\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-a, x-b\r\n\r\n");
    let preflight = client.response("OPTIONS");
    assert_eq!((preflight.status, preflight.text()), (204, ""));
    for (field, value) in [("origin", "https://a.example"), ("methods", "GET,PUT"), ("headers", "x-a,x-b")] {
        assert_eq!(preflight.field(&format!("access-control-allow-{field}")), Some(value));
    }
    assert_eq!(preflight.field("access-control-max-age"), Some("60"));
    for (origin, allowed) in [("https://a.example", Some("https://a.example")), ("https://b.example", None)] {
        client.send(format!("GET /api/x HTTP/1.1\r\nHost: test\r\nOrigin: {origin}\r\n\r\n"));
        let plain = client.response("GET");
        assert_eq!((plain.text(), plain.field("access-control-allow-origin")), ("x", allowed));
        assert_eq!(plain.field("vary"), Some("Origin"));
    }
    assert_eq!(client.get("/json/1").field("x-a"), Some("b"));
}

#[test]
fn jose() {
    let source = "import * as jose from 'jose';
        const claims = { sub: 'ada', admin: true };
        const keys = async (alg) => alg.startsWith('HS')
            ? Array(2).fill(new TextEncoder().encode('a secret of at least thirty-two bytes'))
            : Object.values(await jose.generateKeyPair(alg, { extractable: true })).sort((a, b) => a.type < b.type ? -1 : 1);
        const sign = (alg, key) => new jose.SignJWT(claims).setProtectedHeader({ alg, kid: 'k' }).setIssuedAt(1700000000)
            .setIssuer('us').setAudience('you').setExpirationTime(4000000000).sign(key);
        const options = { issuer: 'us', audience: 'you' };
        const failure = async (work) => { try { await work; return 'none' } catch (error) { return error.code } };
        async function jwt(alg) {
            const [secret, open] = await keys(alg), token = await sign(alg, secret);
            const { payload, protectedHeader } = await jose.jwtVerify(token, open, options);
            const at = token.lastIndexOf('.') + 3, forged = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
            return [payload.sub, protectedHeader.alg, await failure(jose.jwtVerify(forged, open, options)),
                await failure(jose.jwtVerify(token, open, { issuer: 'them' })), await failure(jose.jwtVerify(token, open, { ...options, currentDate: new Date(5e12) }))].join(' ');
        }
        const jwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo', d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A' };
        const routes = {
            // RFC 8037, appendix A.4 and A.3.
            eddsa: async () => (await new jose.CompactSign(new TextEncoder().encode('Example of Ed25519 signing')).setProtectedHeader({ alg: 'EdDSA' }).sign(await jose.importJWK(jwk, 'EdDSA'))).split('.')[2],
            thumbprint: () => jose.calculateJwkThumbprint(jwk),
            jwe: async () => {
                const { publicKey, privateKey } = await jose.generateKeyPair('ECDH-ES+A128KW', { crv: 'X25519' });
                const jwe = await new jose.EncryptJWT(claims).setProtectedHeader({ alg: 'ECDH-ES+A128KW', enc: 'A256GCM' }).encrypt(publicKey);
                const { payload } = await jose.jwtDecrypt(jwe, privateKey);
                return payload.sub + ' ' + jwe.split('.').length;
            },
            dir: async () => {
                const key = new Uint8Array(64).fill(7), jwe = await new jose.CompactEncrypt(new TextEncoder().encode('x')).setProtectedHeader({ alg: 'dir', enc: 'A256CBC-HS512' }).encrypt(key);
                return new TextDecoder().decode((await jose.compactDecrypt(jwe, key)).plaintext);
            },
            pem: async () => {
                const { publicKey, privateKey } = await jose.generateKeyPair('ES384', { extractable: true });
                const token = await sign('ES384', await jose.importPKCS8(await jose.exportPKCS8(privateKey), 'ES384'));
                return (await jose.jwtVerify(token, await jose.importSPKI(await jose.exportSPKI(publicKey), 'ES384'))).payload.sub;
            },
            set: async () => {
                const { publicKey, privateKey } = await jose.generateKeyPair('ES256', { extractable: true });
                const set = jose.createLocalJWKSet({ keys: [{ ...await jose.exportJWK(publicKey), kid: 'k', alg: 'ES256' }] });
                return (await jose.jwtVerify(await sign('ES256', privateKey), set, options)).payload.sub;
            },
        };
        export default { async fetch(request) {
            const name = new URL(request.url).pathname.slice(1);
            return new Response(await (routes[name] ?? jwt)(name));
        } };";
    let signed = |alg: &str| {
        format!(
            "ada {alg} ERR_JWS_SIGNATURE_VERIFICATION_FAILED ERR_JWT_CLAIM_VALIDATION_FAILED ERR_JWT_EXPIRED"
        )
    };
    let algorithms = ["HS256", "ES256", "ES512", "RS256", "PS256", "EdDSA"];
    let texts = algorithms.map(signed);
    let targets = algorithms.map(|alg| format!("/{alg}"));
    let mut expected: Vec<(&str, u16, &str)> =
        targets.iter().zip(&texts).map(|(target, text)| (target.as_str(), 200, text.as_str())).collect();
    expected.extend([
        (
            "/eddsa",
            200,
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
        ("/thumbprint", 200, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
        ("/jwe", 200, "ada 5"),
        ("/dir", 200, "x"),
        ("/pem", 200, "ada"),
        ("/set", 200, "ada"),
    ]);
    answers("jose", "app.js", &[("app.js", source)], &expected);
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
