//! `jsserve:files`: serveFile and serveDir in a served app.
//!
//! Owns: options, responses that an app changes, bodies that it reads. Must not know: the rules of HTTP, which are those of
//! `--static`.

use crate::static_files::{ask, folder, root};
use crate::support::{App, Connection, Server, pattern};

fn start(io: &str, fetch: &str) -> (App, Server) {
    let app = format!(
        "import files, {{ serveDir, serveFile }} from \"jsserve:files\";\nconst here = new URL(\".\", import.meta.url).pathname;\n\
         export default {{ async fetch(request) {{ const url = new URL(request.url); {fetch} }} }};"
    );
    let files = folder(&[
        ("app.js", &app),
        ("public/index.html", "home"),
        ("public/a.txt", "0123456789"),
        ("public/a.txt.gz", "zipped"),
        ("public/.dot", "dot"),
        ("public/sub/x.json", "{}"),
        ("404.html", "nothing here"),
    ]);
    std::fs::write(root(&files).join("public/large.bin"), pattern(3_000_000)).expect("write");
    let server = Server::spawn(&["--io", io, "--workers", "1"], files.path());
    (files, server)
}

both_backends! {
    fn a_folder_is_served_by_the_rules_of_files(io) {
        let (_files, server) = start(io, "return serveDir(request, { root: here + 'public', prefix: '/s', fallback: 'index.html', dotfiles: url.search === '?dots' });");
        let mut client = Connection::open(server.addr());
        assert_eq!(client.get("/s/").text(), "home");
        let text = client.get("/s/a.txt");
        assert_eq!((text.text(), text.field("content-type")), ("0123456789", Some("text/plain; charset=utf-8")));
        let part = ask(&mut client, "GET", "/s/a.txt", "Range: bytes=1-3\r\n");
        assert_eq!((part.status, part.text(), part.field("content-range")), (206, "123", Some("bytes 1-3/10")));
        assert_eq!(ask(&mut client, "GET", "/s/a.txt", "Accept-Encoding: gzip\r\n").text(), "zipped");
        let tag = format!("If-None-Match: {}\r\n", text.field("etag").expect("ETag"));
        assert_eq!(ask(&mut client, "GET", "/s/a.txt", &tag).status, 304);
        assert_eq!(client.get("/s/large.bin").body, pattern(3_000_000));
        let part = ask(&mut client, "GET", "/s/large.bin", "Range: bytes=100000-2100000\r\n");
        assert_eq!(part.body, &pattern(3_000_000)[100_000..=2_100_000]);
        let head = ask(&mut client, "HEAD", "/s/large.bin", "");
        assert_eq!((head.status, head.field("content-length")), (200, Some("3000000")));
        assert_eq!(client.get("/s").field("location"), Some("/s/"));
        for target in ["/a.txt", "/s/none", "/s/.dot", "/s/../app.js", "/s/%2e%2e/app.js", "/s/..%2fapp.js", "/sa.txt"] {
            assert_eq!(client.get(target).status, 404, "{target}");
        }
        assert_eq!(client.get("/s/.dot?dots").text(), "dot");
        assert_eq!(ask(&mut client, "GET", "/s/any/page", "Accept: text/html\r\n").text(), "home");
        assert_eq!(ask(&mut client, "GET", "/any/page", "Accept: text/html\r\n").status, 404);
        let answer = client.post("/s/a.txt", b"x");
        assert_eq!((answer.status, answer.field("allow")), (405, Some("GET, HEAD, OPTIONS")));
    }

    fn an_app_may_change_what_it_sends(io) {
        let (_files, server) = start(io, "
            if (url.pathname === '/404') return serveFile(request, here + '404.html', { status: 404 });
            const response = await serveFile(request, new URL('public/large.bin', import.meta.url), {
              headers: { 'x-more': '1', 'Cache-Control': 'private' }, contentType: 'video/x', maxAge: 5 });
            response.headers.set('x-own', '2'); response.headers.delete('accept-ranges'); return response;");
        let mut client = Connection::open(server.addr());
        for _ in 0..2 {
            let answer = client.get("/");
            assert_eq!(answer.body, pattern(3_000_000));
            for (name, value) in [("x-more", Some("1")), ("x-own", Some("2")), ("cache-control", Some("private")),
                ("content-type", Some("video/x")), ("accept-ranges", None), ("content-length", Some("3000000"))] {
                assert_eq!(answer.field(name), value, "{name}");
            }
        }
        let missing = ask(&mut client, "GET", "/404", "Range: bytes=0-1\r\n");
        assert_eq!((missing.status, missing.text()), (404, "nothing here"));
    }

    fn a_script_may_read_the_body(io) {
        let (_files, server) = start(io, "
            const file = await serveFile(request, here + 'public/large.bin');
            const bytes = new Uint8Array(await file.clone().arrayBuffer());
            let count = 0; for await (const chunk of file.body) count += chunk.byteLength;
            const small = await files.serveFile(new Request('http://x/'), here + 'public/a.txt').then((it) => it.text());
            return Response.json([bytes.length, bytes[250], count, small, file.status]);");
        assert_eq!(Connection::open(server.addr()).get("/").text(), r#"[3000000,250,3000000,"0123456789",200]"#);
    }

    fn what_cannot_be_meant_rejects(io) {
        let (_files, server) = start(io, "
            const calls = [() => serveFile(request), () => serveFile({}, 'x'), () => serveFile(request, ''), () => serveDir(),
              () => serveFile(request, 'a\\0b'), () => serveDir(request, { index: ['../x'] }), () => serveDir(request, 7),
              () => serveDir(request, { fallback: '../x' }), () => serveFile(request, 'x', { maxAge: -1 }),
              () => serveFile(request, 'x', { cacheControl: 'a\\nb' }), () => serveFile(request, 'x', { status: 99 }),
              () => serveFile(request, new URL('http://x/')), () => serveFile(request, 'x', { etag: 1 })];
            const names = await Promise.all(calls.map((call) => call().then((it) => it.status, (error) => error.name)));
            const statuses = await Promise.all([here + 'none', here, here + 'public/', '/dev/null', '/proc/self/mem/x'].map(
              (path) => serveFile(request, path).then((it) => it.status)));
            return Response.json([new Set(names).size, names[0], statuses]);");
        assert_eq!(Connection::open(server.addr()).get("/").text(), r#"[1,"TypeError",[404,404,404,404,404]]"#);
    }
}
