//! `jsserve FOLDER`: files, routes by the names of files, middleware, pages for errors.
//!
//! Owns: what is served and what is nobody's to see, which handler answers. Must not know: the rules of `_redirects` and
//! `_headers` beyond that they are followed (`runtime/src/site/` has their tables).

use crate::static_files::{ask, folder, root};
use crate::support::server::run_to_end;
use crate::support::{App, Connection, Server};

const HELLO: &str = "export const GET = () => new Response('route')";

fn serve(io: &str, flags: &[&str], site: &App) -> Server {
    Server::spawn(&[&["--io", io, "--workers", "1"], flags].concat(), root(site))
}

const FILES: [(&str, &str); 32] = [
    ("none", ""),
    ("index.html", "<h1>home</h1>"),
    ("plain.html", "plain"),
    ("style.css", "body {}"),
    ("app.js", "document.title = 'a browser runs this'"),
    ("widget.js", "export function draw() {}"),
    ("assets/part.js", "export default function draw() {}"),
    ("about.ts", "export const GET = (request: Request): Response => new Response('about')"),
    ("about.html", "the page about"),
    ("api/users.js", "export const users = 1; export default { fetch: () => new Response('users') }"),
    (
        "api/[id].js",
        "export const GET = (request, env, ctx) => Response.json({ ...ctx.params, has: env.NAME })",
    ),
    ("docs/[...path].js", "export const GET = (request, env, ctx) => Response.json(ctx.params.path)"),
    ("opt/[[...path]].js", "export const GET = (request, env, ctx) => Response.json(ctx.params)"),
    (
        "(group)/inside.tsx",
        "export const GET = () => new Response(<b>x</b> as any)\nconst React = { createElement: (name: string) => name }",
    ),
    (
        "pages/hello.js",
        "export const onRequestGet = ({ params, env, request, next }) => new Response('pages')\nexport const onRequestPost = [(context) => context.next(), async ({ request }) => new Response(await request.text())]",
    ),
    ("pages/[[path]].js", "export const onRequest = ({ params }) => Response.json(params.path ?? null)"),
    (
        "methods.js",
        "export function GET() { return new Response('got') }\nexport function PUT() { return new Response('put') }",
    ),
    ("broken.js", "export const GET = () => { syntax error"),
    ("throws.js", "export const GET = () => { throw new Error('out of order') }"),
    ("rejects.js", "export const GET = async () => { throw new Error('out of order') }"),
    ("lib/db.ts", "export const secret = 1"),
    ("_lib/db.js", "export const secret = 1"),
    ("_redirects", ""),
    ("_headers", ""),
    (".env", "SECRET=1"),
    ("package.json", "{}"),
    ("tsconfig.json", r#"{ "compilerOptions": { "jsx": "react" } }"#),
    ("jsserve.toml", "[env]\nNAME = \"of the file\""),
    ("node_modules/a/index.js", "secret"),
    ("deep/404.html", "nothing deep"),
    ("404.html", "nothing here"),
    ("deep/page.html", "deep page"),
];

both_backends! {
    fn files_are_served_and_modules_with_handlers_are_routes(io) {
        let site = folder(&FILES);
        let server = serve(io, &[], &site);
        let mut client = Connection::open(server.addr());
        for (target, status, text) in [
            ("/", 200, "<h1>home</h1>"),
            ("/style.css", 200, "body {}"),
            ("/app.js", 200, "document.title = 'a browser runs this'"),
            ("/widget.js", 200, "export function draw() {}"),
            ("/assets/part.js", 200, "export default function draw() {}"),
            ("/about", 200, "about"),
            ("/about/?x=1", 200, "about"),
            ("/about.html", 200, "the page about"),
            ("/plain", 200, "plain"),
            ("/api/users", 200, "users"),
            ("/api/7", 200, r#"{"id":"7","has":"of the file"}"#),
            ("/api/a%2Fb%20%25", 200, r#"{"id":"a/b %","has":"of the file"}"#),
            ("/docs/a/b%20c", 200, r#"["a","b c"]"#),
            ("/opt", 200, "{}"),
            ("/opt/x", 200, r#"{"path":["x"]}"#),
            ("/inside", 200, "b"),
            ("/pages/hello", 200, "pages"),
            ("/pages/a/b", 200, r#"["a","b"]"#),
            ("/pages", 200, "null"),
            ("/deep/page.html", 200, "deep page"),
            ("/deep/page", 200, "deep page"),
            // What has no handlers is no route, and one that is not there has the nearest page.
            ("/app", 404, "nothing here"),
            ("/lib/db", 404, "nothing here"),
            ("/docs", 404, "nothing here"),
            ("/deep/er", 404, "nothing deep"),
            ("/deep/er/x/y", 404, "nothing deep"),
        ] {
            let answer = client.get(target);
            assert_eq!((answer.status, answer.text()), (status, text), "{target}");
        }
        assert_eq!(client.post("/pages/hello", b"posted").text(), "posted");
    }

    /// Each by its name, and by other spellings of that.
    fn no_source_and_nothing_of_the_sites_own_is_ever_served(io) {
        let site = folder(&FILES);
        std::fs::write(root(&site).join("about.ts~"), "export const GET = 1").expect("write");
        std::fs::create_dir(root(&site).join("cgi-bin")).expect("a folder");
        std::fs::write(root(&site).join("cgi-bin/notes.txt"), "secret").expect("write");
        let server = serve(io, &["--static-dotfiles", "--static-listing"], &site);
        let mut client = Connection::open(server.addr());
        let names = [
            "about.ts", "api/users.js", "api/[id].js", "api/%5Bid%5D.js", "methods.js", "broken.js", "throws.js", "lib/db.ts",
            "_lib/db.js", "_lib/", "_redirects", "_headers", ".env", "package.json", "tsconfig.json", "jsserve.toml",
            "node_modules/a/index.js", "(group)/inside.tsx", "pages/[[path]].js", "about.ts~",
        ];
        for name in names {
            let first = name.chars().next().expect("a name");
            let encoded = format!("%{:02x}{}", first as u32, &name[1..]);
            for path in [
                format!("/{name}"),
                format!("/{encoded}"),
                format!("/{}", encoded.to_uppercase()),
                format!("/{}", name.to_uppercase()),
                format!("//{name}"),
                format!("/{name}/"),
                format!("/{name}."),
                format!("/{name}%20"),
                format!("/./{name}"),
                format!("/deep/../{name}"),
                format!("/{name}%00"),
                format!("/{name}?x"),
                format!("/{name}/x"),
            ] {
                let answer = client.get(&path);
                let text = answer.text();
                // A parameter may take the name: that is a route's answer.
                let is_routed = name.starts_with("api/") || name.starts_with("pages/");
                let is_missing = answer.status == 404 && text.starts_with("nothing ");
                assert!(is_missing || is_routed && !text.contains("export"), "{path}: {text}");
            }
        }
        assert_ne!(client.get("/cgi-bin/notes.txt").status, 200);
    }

    /// A route that takes the place of a browser's script while the server runs.
    fn a_script_that_becomes_a_route_is_no_longer_served(io) {
        let site = folder(&FILES);
        let server = serve(io, &[], &site);
        let mut client = Connection::open(server.addr());
        assert_eq!(client.get("/app.js").status, 200);
        std::fs::write(root(&site).join("app.js"), "export const GET = () => secret // longer").expect("write");
        std::fs::write(root(&site).join("later.js"), HELLO).expect("write");
        crate::support::eventually("the script is a route", || Connection::open(server.addr()).get("/app.js").status == 404);
        assert_eq!(client.get("/later.js").status, 404);
    }

    // RFC 9110 sections 9.3.2, 9.3.7 and 15.5.6.
    fn methods_without_a_handler_are_405_with_allow(io) {
        let site = folder(&FILES);
        let server = serve(io, &[], &site);
        let mut client = Connection::open(server.addr());
        let allow = Some("GET, HEAD, PUT, OPTIONS");
        for method in ["POST", "DELETE", "PROPFIND"] {
            let answer = ask(&mut client, method, "/methods", "Content-Length: 0\r\n");
            assert_eq!((answer.status, answer.field("allow")), (405, allow), "{method}");
        }
        let options = ask(&mut client, "OPTIONS", "/methods", "");
        assert_eq!((options.status, options.field("allow"), options.body.len()), (204, allow, 0));
        let head = ask(&mut client, "HEAD", "/methods", "");
        assert_eq!((head.status, head.field("content-length"), head.body.len()), (200, Some("3"), 0));
        assert_eq!(ask(&mut client, "PUT", "/methods", "Content-Length: 0\r\n").text(), "put");
        // A default export has all methods.
        assert_eq!(ask(&mut client, "DELETE", "/api/users", "").text(), "users");
        let file = ask(&mut client, "DELETE", "/style.css", "");
        assert_eq!((file.status, file.field("allow")), (405, Some("GET, HEAD, OPTIONS")));
        assert_eq!(ask(&mut client, "DELETE", "/nowhere", "").status, 404);
    }

    fn a_broken_route_is_500_and_the_others_go_on(io) {
        let site = folder(&FILES);
        let server = serve(io, &[], &site);
        let mut client = Connection::open(server.addr());
        for target in ["/broken", "/throws", "/rejects"] {
            let answer = client.get(target);
            assert_eq!((answer.status, answer.text()), (500, "500 Internal Server Error\n"), "{target}");
        }
        assert_eq!(client.get("/about").text(), "about");
        server.await_log("broken.js");
        server.await_log("out of order");
        let server = serve(io, &["--dev"], &site);
        let mut client = Connection::open(server.addr());
        let answer = client.get("/broken");
        assert!(answer.status == 500 && answer.text().contains("broken.js:1"), "{}", answer.text());
        // Once it is mended it answers.
        std::fs::write(root(&site).join("broken.js"), HELLO).expect("write");
        assert_eq!(client.get("/broken").text(), "route");
    }

    fn middleware_runs_from_the_outermost_folder_to_the_innermost(io) {
        let trace = "export default async (request, env, ctx, next) => { const response = await next(); const fields = new Headers(response.headers); fields.set('x-trace', 'NAME ' + (fields.get('x-trace') ?? '')); return new Response(response.body, { status: response.status, headers: fields }) }";
        let outer = trace.replace("NAME", "outer");
        let inner = "export const onRequest = [async ({ next, data }) => { data.user = 'ann'; const response = await next(); response.headers.set('x-trace', 'inner'); return response }]";
        let site = folder(&[
            ("none", ""),
            ("_middleware.js", &outer),
            ("admin/_middleware.js", inner),
            ("admin/who.js", "export const onRequest = ({ data }) => new Response(data.user)"),
            ("admin/page.html", "page"),
            ("admin/shut/_middleware.js", "export default () => new Response('go away', { status: 403 })"),
            ("admin/shut/secret.txt", "secret"),
            ("admin/shut/route.js", HELLO),
            ("sub/_middleware.js", "export default (request, env, ctx, next) => next(new Request(request, { headers: { 'x-seen': 'changed' } }))"),
            ("sub/echo.js", "export const GET = (request) => new Response(request.headers.get('x-seen'))"),
            ("free.txt", "free"),
            ("404.html", "nothing"),
            ("_headers", "/*\n  X-All: yes\n"),
        ]);
        let server = serve(io, &[], &site);
        let mut client = Connection::open(server.addr());
        for (target, status, text, traced) in [
            ("/free.txt", 200, "free", "outer"),
            ("/nowhere", 404, "nothing", "outer"),
            ("/admin/who", 200, "ann", "outer inner"),
            ("/admin/page.html", 200, "page", "outer inner"),
            ("/admin/page", 200, "page", "outer inner"),
            ("/%61dmin/page.html", 200, "page", "outer inner"),
            ("/admin/shut/secret.txt", 403, "go away", "outer inner"),
            ("/admin/%73hut/secret.txt", 403, "go away", "outer inner"),
            ("/admin/shut/route", 403, "go away", "outer inner"),
            ("/admin//shut/secret.txt", 404, "nothing", "outer inner"),
            ("/admin/./shut/secret.txt", 404, "nothing", "outer inner"),
            ("/sub/echo", 200, "changed", "outer"),
        ] {
            let answer = client.get(target);
            let traced_as = answer.field("x-trace").map(str::trim);
            assert_eq!((answer.status, answer.text(), traced_as), (status, text, Some(traced)), "{target}");
            let is_file = ["free", "page", "nothing"].contains(&text);
            assert_eq!(answer.field("x-all"), is_file.then_some("yes"), "{target}: fields of files are for files");
        }
    }

    fn the_nearest_error_handler_answers_500_and_then_the_nearest_page(io) {
        let site = folder(&[
            ("none", ""),
            ("500.html", "the page for failures"),
            ("x.js", "export const GET = () => { throw new Error('top fails') }"),
            ("api/_error.js", "export default (error, request, env, ctx) => Response.json({ failed: error.message, path: new URL(request.url).pathname })"),
            ("api/x.js", "export const POST = async () => { throw new Error('api fails') }"),
            ("api/worse/_error.js", "export default (error) => { throw new Error('worse than ' + error.message) }"),
            ("api/worse/x.js", "export const GET = () => { throw new Error('worst fails') }"),
            ("api/kind/_error.js", "export default () => new Response('later', { status: 503, headers: { 'retry-after': '9' } })"),
            ("api/kind/x.js", "syntax error export default"),
        ]);
        let server = serve(io, &[], &site);
        let mut client = Connection::open(server.addr());
        let page = client.get("/x");
        assert_eq!((page.status, page.text(), page.field("content-type")), (500, "the page for failures", Some("text/html; charset=utf-8")));
        server.await_log("top fails");
        let api = client.post("/api/x", b"");
        assert_eq!((api.status, api.text()), (500, r#"{"failed":"api fails","path":"/api/x"}"#));
        server.await_log("api fails");
        let worse = client.get("/api/worse/x");
        assert_eq!((worse.status, worse.text()), (500, r#"{"failed":"worse than worst fails","path":"/api/worse/x"}"#));
        server.await_log("worst fails");
        let kind = client.get("/api/kind/x");
assert_eq!((kind.status, kind.text(), kind.field("retry-after")), (503, "later", Some("9")));
    }

    fn redirects_and_header_rules_are_followed(io) {
        let site = folder(&[
            ("none", ""),
            ("_redirects", "/old/* /new/:splat 302\n/index.html / 301!\n/a.txt /elsewhere\n/app/* /shell.html 200\n/u/:name /user?x=1 200\n/gone/* /gone.html 404\n/find id=:id /things/:id 308\n/route /elsewhere"),
            ("_headers", "/*\n  X-Frame-Options: DENY\n/*.txt\n  Cache-Control: max-age=60\n  X-Frame-Options: twice\n/shell.html\n  ! X-Frame-Options\n  ! ETag"),
            ("index.html", "home"),
            ("a.txt", "a"),
            ("shell.html", "shell"),
            ("gone.html", "gone"),
            ("route.js", HELLO),
            ("user.js", "export const POST = async (request) => new Response(new URL(request.url).search + await request.text())"),
        ]);
        let server = serve(io, &[], &site);
        let mut client = Connection::open(server.addr());
        for (target, status, location) in [
            ("/old/a%20b?q=1", 302, "/new/a%20b?q=1"),
            ("/old//evil.test", 302, "/new//evil.test"),
            ("/index.html", 301, "/"),
            ("/find?id=7", 308, "/things/7"),
        ] {
            let answer = client.get(target);
            assert_eq!((answer.status, answer.field("location")), (status, Some(location)), "{target}");
            assert_eq!(answer.field("x-frame-options"), None);
        }
        // A file, and a route, come before a rule that does not force.
        let file = client.get("/a.txt");
        assert_eq!((file.text(), file.field("cache-control"), file.field("x-frame-options")), ("a", Some("max-age=60"), Some("DENY, twice")));
        assert_eq!(client.get("/route").text(), "route");
        let shell = client.get("/app/deep/er");
        assert_eq!((shell.status, shell.text(), shell.field("x-frame-options"), shell.field("etag")), (200, "shell", None, None));
        let gone = client.get("/gone/x");
        assert_eq!((gone.status, gone.text()), (404, "gone"));
        assert_eq!(client.post("/u/ann", b" body").text(), "?x=1 body");
    }

    fn scripts_of_cgi_bin_run(io) {
        let site = folder(&[("cgi-bin/hello.sh", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s' \"$PATH_INFO\"\n"), ("index.html", "home")]);
        let script = root(&site).join("cgi-bin/hello.sh");
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
        let server = serve(io, &[], &site);
        let mut client = Connection::open(server.addr());
        assert_eq!(client.get("/cgi-bin/hello.sh/a/b").text(), "/a/b");
        assert_eq!(client.get("/").text(), "home");
    }
}

#[test]
fn a_site_without_routes_starts_no_javascript_for_requests() {
    let site = folder(&[("none", ""), ("index.html", "home"), ("app.js", "alert(1)")]);
    std::fs::remove_file(root(&site).join("app.js")).expect("remove");
    let server = Server::spawn(&["--workers", "1"], root(&site));
    let mut client = Connection::open(server.addr());
    assert_eq!(client.get("/").text(), "home");
    assert_eq!(client.get("/x").status, 404);
    assert_eq!(client.post("/x", b"x").status, 404);
}

#[test]
fn mistakes_in_a_site_are_told_at_start_with_their_place() {
    for (file, text, expected) in [
        ("_redirects", "/a /b\n/c d", "_redirects:2: there is no TO"),
        ("_redirects", "/a /b 302 Country=us", "_redirects:1: Country=us: conditions by country"),
        ("_headers", "/a\n  X", "_headers:2: \"X\" has no colon"),
    ] {
        let site = folder(&[("index.html", "home"), (file, text)]);
        let ended = run_to_end(&[root(&site)]);
        assert!(ended.code == Some(2) && ended.stderr.contains(expected), "{ended:?}");
    }
    let site =
        folder(&[("index.html", "home"), ("_redirects", "/a /b\n/c /d"), ("a.js", HELLO), ("b.js", HELLO)]);
    for flag in ["--site-rules-max", "--site-routes-max"] {
        let words = [flag.as_ref(), "1".as_ref(), root(&site).as_os_str()];
        let ended = run_to_end(&words);
        assert!(ended.code == Some(2) && ended.stderr.contains(flag), "{ended:?}");
    }
}

#[test]
fn a_settings_file_names_a_folder_as_its_app() {
    let site = folder(&[
        ("jsserve.toml", "app = \"site\"\nworkers = 1"),
        ("site/index.js", HELLO),
        ("site/b[1].js", HELLO),
    ]);
    let server = Server::spawn(
        &["--config", root(&site).join("jsserve.toml").to_str().expect("a path")],
        root(&site).join("site").as_path(),
    );
    assert_eq!(Connection::open(server.addr()).get("/").text(), "route");
    server.await_log("b[1].js: no route: b[1]: a parameter is a whole segment");
    let checked = run_to_end(&["check".as_ref(), root(&site).join("site").as_os_str()]);
    assert!(checked.code == Some(0) && checked.stdout.contains("fetch"), "{checked:?}");
}
