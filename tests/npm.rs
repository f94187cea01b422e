//! Packages unchanged from npm: each is imported, served and asked.
//!
//! Owns: one small app per package; those of frameworks are in npm_frameworks.rs. Must not know: how
//! packages are found.

use crate::support::packages::{PACKAGES, answers};

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
fn packages_that_have_a_browsers_files_for_nodes() {
    let source = "import axios from 'axios';
        import bcrypt from 'bcryptjs';
        const pages = {
            '/bcrypt': async () => [await bcrypt.compare('a', await bcrypt.hash('a', 4)), await bcrypt.compare('b', await bcrypt.hash('a', 4))].join(),
            '/echo': async (request) => new Response(request.headers.get('x-a') + await request.text()),
            '/axios': async (request) => {
                const client = axios.create({ baseURL: 'http://self/', headers: { 'x-a': 'head' }, env: { fetch: (...to) => app.fetch(new Request(...to)) } });
                const seen = await client.post('echo', { n: 1 }), none = await client.get('none').catch((error) => error);
                return [seen.data, none.code, none.response.status].join(' ');
            },
        };
        const app = { async fetch(request) {
            const page = pages[new URL(request.url).pathname], made = await page?.(request) ?? new Response('none', { status: 404 });
            return made instanceof Response ? made : new Response(made);
        } };
        export default app;";
    let expected = [("/axios", 200, "head{\"n\":1} ERR_BAD_REQUEST 404"), ("/bcrypt", 200, "true,false")];
    answers("axios, bcryptjs", "app.js", &[("app.js", source)], &expected);
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

#[test]
fn one_list_of_packages_is_installed() {
    let script = include_str!("../.ci/run");
    let list = script.split("packages=(").nth(1).and_then(|rest| rest.split(')').next()).expect("the list");
    assert_eq!(list.split_whitespace().collect::<Vec<_>>(), PACKAGES);
    let hono = PACKAGES[0].replace('@', "\": \"");
    assert!(include_str!("../examples/hono/package.json").contains(&format!("\"{hono}\"")));
}
