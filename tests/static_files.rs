//! `--static`: files before the app, behind it and without one, over every way to a server.
//!
//! Owns: which files are served, to whom the rest goes, large files and slow clients. Must not know: conditions and ranges
//! (`static_http` has them).

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::frames::{DATA, Frames};
use crate::support::{App, Connection, Over, Response, Server, Way, get, pattern};

/// A folder of files that goes away with it.
pub fn folder(files: &[(&str, &str)]) -> App {
    // What is first is the app where there is one; a name in a folder is none of one.
    App::with_files(Some(files[0].0).filter(|name| !name.contains('/')).unwrap_or("none"), files)
}

/// The folder of `app`.
pub fn root(app: &App) -> &Path {
    app.path().parent().expect("a folder")
}

/// Starts `jsserve` where `way` leads, on one worker, without an app.
pub fn alone(way: Way, flags: &[&str], folder: &Path) -> Server {
    alone_by(Command::new(env!("CARGO_BIN_EXE_jsserve")), way, flags, folder)
}

/// The same through a launcher that ends in running what is appended to it.
pub fn alone_by(mut launcher: Command, way: Way, flags: &[&str], folder: &Path) -> Server {
    launcher.args(way.flags()).args(["--workers", "1"]).args(flags).arg("--static").arg(folder);
    Server::start(launcher)
}

/// Sends a request with `fields`, and reads the answer.
pub fn ask(client: &mut Connection, method: &str, target: &str, fields: &str) -> Response {
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
    client.response(method)
}

pub const FILES: [(&str, &str); 6] = [
    ("index.html", "<h1>home</h1>"),
    ("a.txt", "alpha"),
    ("sub/index.html", "<h1>sub</h1>"),
    ("sub/b c\u{e9}.txt", "beta"),
    (".hidden", "secret"),
    (".well-known/security.txt", "contact"),
];

every_way! {
    fn a_folder_is_served_without_an_app(way) {
        let files = folder(&FILES);
        let server = alone(way, &[], root(&files));
        let mut client = Connection::open(server.place());
        for (target, kind, text) in [
            ("/", "text/html; charset=utf-8", "<h1>home</h1>"),
            ("/index.html?x=1", "text/html; charset=utf-8", "<h1>home</h1>"),
            ("/a.txt", "text/plain; charset=utf-8", "alpha"),
            ("/sub/", "text/html; charset=utf-8", "<h1>sub</h1>"),
            ("/sub/b%20c%C3%A9.txt", "text/plain; charset=utf-8", "beta"),
            ("/.well-known/security.txt", "text/plain; charset=utf-8", "contact"),
        ] {
            let answer = client.get(target);
            assert_eq!((answer.status, answer.text(), answer.field("content-type")), (200, text, Some(kind)), "{target}");
            let length = text.len().to_string();
            assert_eq!(answer.field("content-length"), Some(&*length));
            assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
            let head = ask(&mut client, "HEAD", target, "");
            assert_eq!((head.status, head.body.len()), (200, 0));
            let named = |answer: &Response| answer.fields.iter().filter(|(name, _)| name != "Date").cloned().collect::<Vec<_>>();
            assert_eq!(named(&head), named(&answer), "RFC 9110 section 9.3.2: HEAD has the fields of GET");
        }
        for target in ["/nothing", "/sub/nothing", "/.hidden", "/a.txt/", "/index.html/x"] {
            assert_eq!(client.get(target).status, 404, "{target}");
        }
    }

    // RFC 9110 sections 9.1 and 15.5.6.
    fn other_methods_are_405_with_allow(way) {
        let files = folder(&FILES);
        let server = alone(way, &[], root(&files));
        let mut client = Connection::open(server.place());
        for method in ["PUT", "DELETE", "PATCH", "PROPFIND"] {
            let answer = ask(&mut client, method, "/a.txt", "");
            assert_eq!((answer.status, answer.field("allow")), (405, Some("GET, HEAD, OPTIONS")), "{method}");
        }
        let posted = client.post("/a.txt", b"x");
        assert_eq!(posted.status, 405);
        assert_eq!(ask(&mut client, "PUT", "/nothing", "").status, 404);
        let options = ask(&mut client, "OPTIONS", "/a.txt", "");
        assert_eq!((options.status, options.field("allow")), (204, Some("GET, HEAD, OPTIONS")));
    }

    fn a_file_of_each_size_arrives_whole(way) {
        let files = folder(&FILES);
        let sizes = [0, 1, 1_000, 65_536, 65_537, 100_000, 1_048_577, 10_000_000];
        for size in sizes {
            std::fs::write(root(&files).join(format!("{size}.bin")), pattern(size)).expect("write");
        }
        let server = alone(way, &[], root(&files));
        let mut client = Connection::open(server.place());
        for _ in 0..2 {
            for size in sizes {
                let answer = client.get(&format!("/{size}.bin"));
                assert!(answer.status == 200 && answer.body == pattern(size), "{size}: {}", answer.body.len());
            }
        }
    }

    fn pipelined_requests_are_answered_in_order(way) {
        let files = folder(&FILES);
        std::fs::write(root(&files).join("large.bin"), pattern(300_000)).expect("write");
        let server = alone(way, &[], root(&files));
        let mut client = Connection::open(server.place());
        client.send(["/a.txt", "/large.bin", "/", "/large.bin", "/nothing"].map(get).concat());
        assert_eq!(client.response("GET").text(), "alpha");
        assert_eq!(client.response("GET").body, pattern(300_000));
        assert_eq!(client.response("GET").text(), "<h1>home</h1>");
        assert_eq!(client.response("GET").body, pattern(300_000));
        assert_eq!(client.response("GET").status, 404);
    }

    // A client that reads nothing has what the kernel takes, and no thread and no memory of ours.
    fn a_slow_client_of_a_large_file_holds_nobody(way) {
        let files = folder(&FILES);
        let large = std::fs::File::create(root(&files).join("large.bin")).expect("create");
        large.set_len(1 << 30).expect("a sparse file");
        let server = alone(way, &[], root(&files));
        assert_eq!(Connection::open(server.place()).get("/a.txt").text(), "alpha");
        let base = server.rss_bytes();
        let mut slow: Vec<Connection> = (0..8).map(|_| Connection::open(server.place())).collect();
        slow.iter_mut().for_each(|client| client.send(get("/large.bin")));
        let heads: Vec<_> = slow.iter_mut().map(|client| client.read_exactly(64 << 10)).collect();
        assert!(heads.iter().all(|head| head.starts_with(b"HTTP/1.1 200 OK\r\n")));
        let mut quick = Connection::open(server.place());
        for _ in 0..20 {
            assert_eq!(quick.get("/a.txt").text(), "alpha");
        }
        assert!(server.rss_bytes() < base + (64 << 20), "{} over {base}", server.rss_bytes());
    }

    fn a_file_that_changes_while_it_is_sent_ends_the_connection(way) {
        let files = folder(&FILES);
        let path = root(&files).join("large.bin");
        for (shrinks, size) in [(true, 24_usize << 20), (false, 24 << 20)] {
            std::fs::write(&path, vec![b'a'; size]).expect("write");
            let server = alone(way, &[], root(&files));
            let mut client = Connection::open(server.place());
            client.send(get("/large.bin"));
            let mut got = client.read_exactly(64 << 10).len();
            let file = std::fs::OpenOptions::new().write(true).open(&path).expect("open");
            match shrinks {
                true => file.set_len(100).expect("truncate"),
                false => file.set_len(size as u64 + 1).expect("extend"),
            }
            got += client.read_to_end().len();
            assert!(got < size, "{got} of {size} came, and the head");
            server.await_log("the file changed while it was sent");
            assert_eq!(Connection::open(server.place()).get("/a.txt").text(), "alpha");
        }
    }

    fn a_client_that_leaves_in_the_middle_leaves_nothing_open(way) {
        let files = folder(&FILES);
        let large = std::fs::File::create(root(&files).join("large.bin")).expect("create");
        large.set_len(1 << 28).expect("a sparse file");
        let server = alone(way, &["--static-files-max", "1"], root(&files));
        assert_eq!(Connection::open(server.place()).get("/a.txt").status, 200);
        let before = server.fd_count();
        for _ in 0..8 {
            let mut client = Connection::open(server.place());
            client.send(get("/large.bin"));
            client.read_exactly(1000);
        }
        let until = Instant::now() + crate::support::SOON;
        while server.fd_count() > before + 2 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(server.fd_count() <= before + 2, "{} of {before}", server.fd_count());
    }
}

const APP: &str = r#"export default { fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === "/gone") return new Response("not here", { status: 404, headers: { "x-app": "1" } });
  if (pathname === "/slow404") return new Promise((resolve) => setTimeout(resolve, 20, new Response("later", { status: 404 })));
  if (pathname === "/stream404") return new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("piece")); c.close(); } }), { status: 404 });
  if (pathname.startsWith("/s/") || pathname === "/both.txt" && request.method === "GET") return new Response("no", { status: 404 });
  return new Response("app " + request.method + " " + pathname);
} }"#;

both_backends! {
    fn a_large_file_takes_no_more_memory_than_its_pieces(io) {
        let files = folder(&FILES);
        let large = std::fs::File::create(root(&files).join("large.bin")).expect("create");
        for (over, length) in [(Over::Tcp, 1_usize << 30), (Over::Tls, 256 << 20)] {
            large.set_len(length as u64).expect("a sparse file");
            let server = alone(Way { over, ..Way::tcp(io) }, &[], root(&files));
            let mut client = Connection::open(server.place());
            assert_eq!(client.get("/a.txt").text(), "alpha");
            let base = server.rss_bytes();
            client.send(get("/large.bin"));
            while client.read_exactly(1) != b"\r" || client.read_exactly(3) != b"\n\r\n" {}
            let (mut left, mut most) = (length - client.take_buffered().len(), 0);
            let (stream, mut buffer) = (client.bytes(), vec![0; 1 << 20]);
            while left > 0 {
                let got = stream.read(&mut buffer).expect("read");
                assert!(got > 0 && buffer[..got].iter().all(|byte| *byte == 0), "{left} are left");
                left -= got;
                if left % 64 < 8 {
                    most = most.max(server.rss_bytes());
                }
            }
            assert!(most < base + (64 << 20), "{over:?}: {most} over {base}");
        }
    }

    fn http_2_has_files_as_well(io) {
        let files = folder(&FILES);
        std::fs::write(root(&files).join("large.bin"), pattern(300_000)).expect("write");
        let server = alone(Way::tcp(io), &[], root(&files));
        let mut frames = Frames::open(server.addr());
        frames.get(1, "/large.bin");
        frames.open_windows(1, 1 << 20);
        assert_eq!(frames.answer(1), (200, pattern(300_000), None));
        frames.get(3, "/a.txt");
        assert_eq!(frames.answer(3), (200, b"alpha".to_vec(), None));
        frames.get(5, "/../a.txt");
        assert_eq!(frames.answer(5).0, 404);
    }

    // RFC 9113 section 8.1: a stream that cannot be finished is reset, and the connection goes on.
    fn http_2_resets_a_stream_whose_file_changes(io) {
        let files = folder(&FILES);
        let path = root(&files).join("large.bin");
        std::fs::write(&path, vec![b'a'; 4 << 20]).expect("write");
        let server = alone(Way::tcp(io), &[], root(&files));
        let mut frames = Frames::open(server.addr());
        frames.get(1, "/large.bin");
        // The window of a stream is 64 KiB at first.
        let mut got = 0;
        while got < 65_535 {
            let frame = frames.find(|frame| frame.kind == DATA).expect("a piece");
            got += frame.payload.len();
        }
        std::fs::OpenOptions::new().write(true).open(&path).expect("open").set_len(100_000).expect("truncate");
        frames.open_windows(1, 8 << 20);
        let (_, more, error) = frames.answer(1);
        assert_eq!(error, Some(2), "INTERNAL_ERROR after {} bytes", got + more.len());
        server.await_log("the file changed while it was sent");
        frames.get(3, "/a.txt");
        assert_eq!(frames.answer(3), (200, b"alpha".to_vec(), None));
    }

    fn what_is_added_to_answers_is_added_to_files(io) {
        let files = folder(&FILES);
        std::fs::write(root(&files).join("long.txt"), "text ".repeat(10_000)).expect("write");
        let server = alone(Way::tcp(io), &["--request-id", "--compress"], root(&files));
        let mut client = Connection::open(server.addr());
        assert!(client.get("/a.txt").field("x-request-id").is_some());
        let coded = ask(&mut client, "GET", "/long.txt", "Accept-Encoding: gzip\r\n");
        assert_eq!((coded.status, coded.field("content-encoding")), (200, Some("gzip")));
        let tag = coded.field("etag").expect("ETag");
        assert!(tag.starts_with("W/"), "{tag}: what is coded on its way is not the file byte by byte");
        let again = format!("Accept-Encoding: gzip\r\nIf-None-Match: {tag}\r\n");
        let same = ask(&mut client, "GET", "/long.txt", &again);
        assert_eq!((same.status, same.field("etag"), same.field("vary")), (304, Some(tag), Some("Accept-Encoding")));
        let part = ask(&mut client, "GET", "/long.txt", "Accept-Encoding: gzip\r\nRange: bytes=0-49999\r\n");
        assert_eq!((part.status, part.field("content-encoding"), part.body.len()), (206, None, 50_000));
        assert_eq!(client.get("/long.txt").body.len(), 50_000);
    }

    fn files_come_before_the_app_and_what_is_none_goes_to_it(io) {
        let files = folder(&[("app.js", APP), ("public/both.txt", "file"), ("public/p/index.html", "page")]);
        let public = root(&files).join("public");
        let server = Server::spawn(&["--io", io, "--static", public.to_str().expect("UTF-8")], files.path());
        let mut client = Connection::open(server.addr());
        assert_eq!(client.get("/both.txt").text(), "file");
        assert_eq!(client.get("/other").text(), "app GET /other");
        assert_eq!(client.post("/both.txt", b"x").text(), "app POST /both.txt");
        assert_eq!(client.get("/").text(), "app GET /", "a folder without an index is the app's");
        assert_eq!(client.get("/a%2Fb").text(), "app GET /a%2Fb", "a path that no file can have is the app's");
        assert_eq!((client.get("/p").status, client.get("/p/").text()), (308, "page"));
        let own = client.get("/gone");
        assert_eq!((own.status, own.text(), own.field("x-app")), (404, "not here", Some("1")));
    }

    fn files_come_behind_the_app_where_it_says_404(io) {
        let files = folder(&[
            ("app.js", APP), ("public/both.txt", "file"), ("public/other", "never"), ("public/slow404", "file of the slow"),
            ("public/stream404", "file of the stream"), ("public/s/x.txt", "x"),
        ]);
        let public = root(&files).join("public");
        let flags = ["--io", io, "--static-order", "after", "--static", public.to_str().expect("UTF-8")];
        let server = Server::spawn(&flags, files.path());
        let mut client = Connection::open(server.addr());
        assert_eq!(client.get("/other").text(), "app GET /other");
        for (target, text) in [
            ("/both.txt", "file"), ("/slow404", "file of the slow"), ("/stream404", "file of the stream"), ("/s/x.txt", "x"),
        ] {
            let answer = client.get(target);
            assert_eq!((answer.status, answer.text()), (200, text), "{target}");
        }
        let own = client.get("/gone");
        assert_eq!((own.status, own.text(), own.field("x-app")), (404, "not here", Some("1")));
        let streamed = client.get("/s/none");
        assert_eq!((streamed.status, streamed.text()), (404, "no"));
        std::fs::remove_file(public.join("stream404")).expect("remove");
        std::thread::sleep(Duration::from_millis(1100));
        let streamed = client.get("/stream404");
        assert_eq!((streamed.status, streamed.text()), (404, "piece"), "the app's own stream, when there is no file");
    }

    fn a_fallback_is_for_pages_that_nobody_has(io) {
        let files = folder(&[("app.js", APP), ("public/index.html", "spa"), ("public/a.js", "js")]);
        let public = root(&files).join("public");
        let public = public.to_str().expect("UTF-8");
        let page = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
        let server = alone(Way::tcp(io), &["--static-fallback", "index.html"], Path::new(public));
        let mut client = Connection::open(server.addr());
        let deep = ask(&mut client, "GET", "/deep/path", page);
        assert_eq!((deep.status, deep.text(), deep.field("cache-control")), (200, "spa", Some("no-cache")));
        assert_eq!(ask(&mut client, "HEAD", "/deep/path", page).status, 200);
        for (method, target, fields) in [
            ("GET", "/missing.js", "Accept: */*\r\n"), ("GET", "/api", ""), ("GET", "/api", "Accept: application/json\r\n"),
            ("POST", "/deep/path", page),
        ] {
            assert_eq!(ask(&mut client, method, target, fields).status, 404, "{method} {target} {fields}");
        }
        let flags = ["--io", io, "--static", public, "--static-fallback", "index.html"];
        let server = Server::spawn(&flags, files.path());
        let mut client = Connection::open(server.addr());
        assert_eq!(ask(&mut client, "GET", "/deep", page).text(), "app GET /deep", "the app is asked first");
        assert_eq!(ask(&mut client, "GET", "/gone", page).text(), "spa");
        assert_eq!(ask(&mut client, "GET", "/gone", "").text(), "not here");
    }

    fn several_folders_have_prefixes_and_an_order(io) {
        let files = folder(&[("one/a", "1a"), ("two/a", "2a"), ("two/b", "2b"), ("three/c", "3c"), ("three/index.html", "3")]);
        let at = |name: &str| root(&files).join(name).display().to_string();
        let server = alone(Way::tcp(io), &["--static", &at("one"), "--static", &(at("three") + ":/x/y/")], &root(&files).join("two"));
        let mut client = Connection::open(server.addr());
        for (target, text) in [("/a", "1a"), ("/b", "2b"), ("/x/y/c", "3c"), ("/x/y/", "3")] {
            assert_eq!(client.get(target).text(), text, "{target}");
        }
        let to = client.get("/x/y?q=1");
        assert_eq!((to.status, to.field("location")), (308, Some("/x/y/?q=1")));
        for target in ["/c", "/x/c", "/x/yc", "/x/y/../../a"] {
            assert_eq!(client.get(target).status, 404, "{target}");
        }
    }

    fn a_changed_file_is_served_within_two_seconds(io) {
        let files = folder(&FILES);
        let server = alone(Way::tcp(io), &[], root(&files));
        let mut client = Connection::open(server.addr());
        let before = client.get("/a.txt");
        std::fs::write(root(&files).join("a.txt"), "omega").expect("write");
        std::fs::remove_file(root(&files).join("sub/index.html")).expect("remove");
        std::thread::sleep(Duration::from_millis(1200));
        let after = client.get("/a.txt");
        assert_eq!(after.text(), "omega", "of the same size, too");
        assert_ne!(before.field("etag"), after.field("etag"));
        assert_eq!(client.get("/sub/").status, 404);
        // Another folder takes its place, as deployments do.
        let (old, new) = (root(&files).with_extension("old"), root(&files).to_owned());
        std::fs::rename(&new, &old).expect("rename");
        std::fs::create_dir(&new).expect("a folder");
        std::fs::write(new.join("a.txt"), "fresh").expect("write");
        std::thread::sleep(Duration::from_millis(1200));
        assert_eq!(client.get("/a.txt").text(), "fresh");
        std::fs::remove_dir_all(old).expect("remove");
    }

    // --static-files-max and --static-cache-max.
    fn what_a_worker_keeps_is_bounded(io) {
        let files = folder(&FILES);
        for number in 0..64 {
            std::fs::write(root(&files).join(format!("{number}.bin")), pattern(70_000)).expect("write");
            std::fs::write(root(&files).join(format!("{number}.small")), pattern(60_000)).expect("write");
        }
        let server = alone(Way::tcp(io), &["--static-files-max", "8", "--static-cache-max", "256K"], root(&files));
        let mut client = Connection::open(server.addr());
        assert_eq!(client.get("/a.txt").status, 200);
        let before = server.fd_count();
        for number in 0..64 {
            assert_eq!(client.get(&format!("/{number}.bin")).body, pattern(70_000));
            assert_eq!(client.get(&format!("/{number}.small")).body, pattern(60_000));
        }
        assert!(server.fd_count() <= before + 8, "{} after {before}", server.fd_count());
    }

    fn a_listing_shows_what_is_served_and_escapes_names(io) {
        let files = folder(&FILES);
        let shown = root(&files).join("shown");
        std::fs::create_dir_all(shown.join("folder")).expect("a folder");
        for name in ["<b>&\".txt", ".dot", "100%.txt", "z.txt", "back\\slash.txt"] {
            std::fs::write(shown.join(name), "x").expect("write");
        }
        symlink("/etc/passwd", shown.join("leads-out")).expect("a link");
        symlink("z.txt", shown.join("leads-in")).expect("a link");
        let server = alone(Way::tcp(io), &["--static-listing"], root(&files));
        let mut client = Connection::open(server.addr());
        let page = client.get("/shown/");
        assert_eq!((page.status, page.field("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(page.field("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'")));
        let text = page.text();
        for part in ["&lt;b&gt;&amp;&quot;.txt", "href=\"./%3Cb%3E%26%22.txt\"", "href=\"./100%25.txt\"", "href=\"./folder/\"", "leads-in"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("<b>") && !text.contains(".dot") && !text.contains("leads-out"), "{text}");
        assert!(!text.contains("slash.txt"), "no request can name it: {text}");
        assert_eq!(client.get("/shown").field("location"), Some("/shown/"));
        assert_eq!(client.get("/").text(), "<h1>home</h1>", "an index comes first");
        let server = alone(Way::tcp(io), &[], root(&files));
        assert_eq!(Connection::open(server.addr()).get("/shown/").status, 404, "not unless asked for");
    }
}

#[test]
fn a_folder_that_is_none_is_told_before_anything_starts() {
    let wrong = |words: &[&str]| crate::support::server::run_to_end(&[words, &["--port", "0"]].concat());
    for words in [
        &["--static", "/nowhere"][..],
        &["--static", "Cargo.toml"],
        &["--static", "/:/../a"],
        &["--static", "/", "--static-fallback", "../x"],
        &["--static", "/", "--static-order", "between"],
    ] {
        let ended = wrong(words);
        assert_eq!(ended.code, Some(2), "{words:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("--static"), "{words:?}: {}", ended.stderr);
    }
}

#[test]
fn a_file_of_settings_names_folders_from_where_it_is() {
    let files = folder(&[
        ("jsserve.toml", "static = [\"public\", \"more:/m\"]\nport = 0\n"),
        ("public/a", "1"),
        ("more/b", "2"),
    ]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
    command.args([OsStr::new("--config"), files.path().as_os_str()]);
    let server = Server::start(command);
    let mut client = Connection::open(server.addr());
    assert_eq!((client.get("/a").text(), client.get("/m/b").text()), ("1", "2"));
}

#[test]
fn a_listing_is_good_to_look_at() {
    let Some(browser) = crate::support::browser("the listing's page") else { return };
    let files = folder(&FILES);
    for name in [
        "Photos 2026",
        "src",
        "holiday-film.mp4",
        "README.md",
        "<script>alert(1)</script>",
        "\u{fc}ml\u{e4}ut \u{1f389}.txt",
    ] {
        match name.contains('.') || name.contains('<') {
            true => std::fs::write(
                root(&files).join("sub").join(name.replace('/', "\u{2215}")),
                pattern(name.len() * 40_000),
            )
            .expect("write"),
            false => std::fs::create_dir_all(root(&files).join("sub").join(name)).expect("a folder"),
        }
    }
    std::fs::remove_file(root(&files).join("sub/index.html")).expect("remove");
    let server = alone(Way::tcp("epoll"), &["--static-listing"], root(&files));
    let mut page = browser.open(900, 600);
    page.go(&format!("http://{}/sub/", server.addr()));
    page.wait("document.querySelectorAll('tbody tr').length === 8");
    assert_eq!(page.text("document.compatMode"), "CSS1Compat");
    assert_eq!(page.text("document.querySelector('h1').textContent.replace(/\\s+/g, '')"), "/sub");
    page.screenshot("static-listing");
}
