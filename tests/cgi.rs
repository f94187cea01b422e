//! CGI/1.1 by RFC 3875, section by section, with scripts in sh, Python and Perl.
//!
//! Owns: what a script is told, and what its client gets. Must not know: limits, processes that misbehave.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::frames::{DATA, END_HEADERS, END_STREAM, Frames, HEADERS, frame, request};
use crate::support::{App, Connection, Place, Response, Server, Way, pattern};

/// Prints what it is told, and where it is.
pub const ENVIRONMENT: &str = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nenv\n";
/// Answers with what it reads.
pub const CAT: &str = "#!/bin/sh\nprintf 'Content-Type: application/octet-stream\\n\\n'\nexec cat\n";
pub const HELLO: &str = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello\\n'\n";

/// A folder of scripts in `cgi-bin`, which can be executed, and other files.
pub fn scripts(files: &[(&str, &str)]) -> App {
    let app = App::with_files("app.js", files);
    for (name, _) in files.iter().filter(|(name, _)| name.starts_with("cgi-bin/")) {
        let mode = std::fs::Permissions::from_mode(
            if [".js", ".mjs", ".cjs", ".ts", ".txt"].iter().any(|end| name.ends_with(end)) {
                0o644
            } else {
                0o755
            },
        );
        std::fs::set_permissions(root(&app).join(name), mode).expect("mode of a script");
    }
    app
}

/// The folder of `app`.
pub fn root(app: &App) -> &Path {
    app.path().parent().expect("a folder")
}

/// Starts `jsserve` where `way` leads, on one worker, with the scripts of `app` below `/cgi-bin`.
pub fn start(way: Way, flags: &[&str], app: &App) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
    command
        .args(way.flags())
        .args(["--workers", "1"])
        .args(flags)
        .env("SECRET", "1")
        .env_remove("LD_LIBRARY_PATH");
    command.arg("--cgi").arg(format!("{}/cgi-bin:/cgi-bin", root(app).display()));
    Server::start(command)
}

fn port(place: &Place) -> String {
    match place {
        Place::Tcp(addr) | Place::Tls(addr) => addr.port().to_string(),
        Place::Unix(_) => String::new(),
    }
}

/// Sends a request, and reads the answer.
pub fn ask(client: &mut Connection, line: &str, fields: &str, body: &str) -> Response {
    client.send(format!("{line} HTTP/1.1\r\nHost: a.test:81\r\n{fields}\r\n{body}"));
    client.response(line.split(' ').next().expect("a method"))
}

/// The variables in a body.
fn variables(answer: &Response) -> BTreeMap<String, String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    answer.text().lines().filter_map(pair).collect()
}

every_way! {
    // RFC 3875 section 4.1, and what is customary beside it.
    fn a_script_is_told_of_its_request(way) {
        let app = scripts(&[("cgi-bin/env.sh", ENVIRONMENT)]);
        let server = start(way, &[], &app);
        let mut client = Connection::open(server.place());
        let fields = "X-One: 1\r\nX-One: 2\r\nContent-Type: text/x\r\nContent-Length: 4\r\nProxy: http://evil\r\n\
            Authorization: Basic YTpi\r\nCookie: a=b\r\n";
        let told = variables(&ask(&mut client, "POST /cgi-bin/env.sh/x%20y/z?a=%20b", fields, "body"));
        let (cgi, unix) = (root(&app).join("cgi-bin").display().to_string(), way.over == Over::Unix);
        let port = port(&server.place());
        for (name, value) in [
            ("CONTENT_LENGTH", "4"),
            ("CONTENT_TYPE", "text/x"),
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("PATH_INFO", "/x y/z"),
            ("PATH_TRANSLATED", &format!("{cgi}/x y/z")),
            ("QUERY_STRING", "a=%20b"),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("REMOTE_HOST", "127.0.0.1"),
            ("REQUEST_METHOD", "POST"),
            ("SCRIPT_NAME", "/cgi-bin/env.sh"),
            ("SERVER_NAME", "a.test"),
            ("SERVER_PORT", if unix { "81" } else { &port }),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("SERVER_SOFTWARE", concat!("jsserve/", env!("CARGO_PKG_VERSION"))),
            ("HTTP_X_ONE", "1, 2"),
            ("HTTP_COOKIE", "a=b"),
            ("HTTP_HOST", "a.test:81"),
            ("DOCUMENT_ROOT", &cgi),
            ("REQUEST_URI", "/cgi-bin/env.sh/x%20y/z?a=%20b"),
            ("REQUEST_SCHEME", if way.over == Over::Tls { "https" } else { "http" }),
            ("SCRIPT_FILENAME", &format!("{cgi}/env.sh")),
            ("PATH", &std::env::var("PATH").expect("PATH")),
        ] {
            assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}");
        }
        let is_there = |name: &str| told.contains_key(name);
        assert_eq!((is_there("REMOTE_PORT"), is_there("SERVER_ADDR")), (!unix, !unix));
        assert_eq!(told.get("HTTPS").map(String::as_str), (way.over == Over::Tls).then_some("on"));
        assert_eq!(told["UNIQUE_ID"].len(), 32);
        for name in ["AUTH_TYPE", "REMOTE_USER", "REMOTE_IDENT", "HTTP_PROXY", "HTTP_AUTHORIZATION", "SECRET", "HOME"] {
            assert!(!is_there(name), "{name} is told");
        }
        let told = variables(&client.get("/cgi-bin/env.sh"));
        for name in ["CONTENT_LENGTH", "CONTENT_TYPE", "PATH_INFO", "PATH_TRANSLATED"] {
            assert!(!told.contains_key(name), "{name} is told");
        }
        assert_eq!(told["QUERY_STRING"], "");
    }

    // Section 4.2: a body with a length, whatever it is, and one without.
    fn a_body_is_the_scripts_standard_input(way) {
        let app = scripts(&[(
            "cgi-bin/length.py",
            "#!/usr/bin/env python3\nimport os, sys, hashlib\ndata = sys.stdin.buffer.read()\n\
             print('Content-Type: text/plain\\n\\n%s %d %s' % (os.environ.get('CONTENT_LENGTH'), len(data), \
             hashlib.md5(data).hexdigest()), end='')\n",
        ), ("cgi-bin/cat", CAT)]);
        let server = start(way, &["--body-max", "4M"], &app);
        let mut client = Connection::open(server.place());
        for length in [0, 1, 70_000, 3 << 20] {
            let body = pattern(length);
            let with_length = client.post("/cgi-bin/length.py", &body);
            assert_eq!(with_length.status, 200);
            client.send("POST /cgi-bin/length.py HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            for piece in body.chunks(50_000) {
                client.send(format!("{:x}\r\n", piece.len()));
                client.send(piece);
                client.send("\r\n");
            }
            client.send("0\r\n\r\n");
            let without = client.response("POST");
            assert_eq!(without.text(), with_length.text(), "{length} bytes");
            assert!(with_length.text().starts_with(&format!("{length} {length} ")), "{}", with_length.text());
        }
        assert_eq!(client.post("/cgi-bin/cat", &pattern(60_000)).body, pattern(60_000));
        let mut waiting = Connection::open(server.place());
        waiting.send("POST /cgi-bin/cat HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
        assert_eq!(waiting.read_exactly(25), b"HTTP/1.1 100 Continue\r\n\r\n");
        waiting.send("ok");
        assert_eq!(waiting.response("POST").text(), "ok");
    }

    // Sections 6.2.1, 6.3.3, 6.3.4, 6.3.5.
    fn a_document_has_its_status_and_its_fields(way) {
        let app = scripts(&[("cgi-bin/x.pl", "#!/usr/bin/perl\nprint \"Status: 418 Short\\nContent-Type: text/x\\r\\n\
            Set-Cookie: a=1\\nSet-Cookie: b=2\\nX-CGI-Own: 1\\nConnection: keep-alive\\nTransfer-Encoding: x\\n\
            Keep-Alive: 7\\nX-Mine:  m \\n\\nbody\";\n"), ("cgi-bin/none.sh", "#!/bin/sh\nprintf 'Status: 204\\n\\n'\n")]);
        let server = start(way, &[], &app);
        let mut client = Connection::open(server.place());
        for _ in 0..2 {
            let answer = client.get("/cgi-bin/x.pl");
            assert_eq!((answer.status, answer.reason.as_str()), (418, "Short"));
            assert_eq!((answer.field("content-type"), answer.field("x-mine")), (Some("text/x"), Some("m")));
            let cookies: Vec<_> = answer.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).collect();
            assert_eq!(cookies.len(), 2);
            for name in ["x-cgi-own", "connection", "keep-alive"] {
                assert_eq!(answer.field(name), None, "{name} is sent");
            }
            assert_eq!(answer.text(), "body");
        }
        assert_eq!(client.get("/cgi-bin/none.sh").status, 204);
    }

    fn bodies_pass_in_both_directions_at_once(way) {
        let app = scripts(&[("cgi-bin/echo.py", "#!/usr/bin/env python3\nimport sys, os\n\
            os.write(1, b'Content-Type: text/plain\\n\\n')\nwhile True:\n  data = os.read(0, 65536)\n  if not data: break\n  os.write(1, data)\n")]);
        let server = start(way, &[], &app);
        let mut client = Connection::open(server.place());
        client.send("POST /cgi-bin/echo.py HTTP/1.0\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
        for piece in ["one", "two", "six"] {
            client.send(piece);
            let mut seen = String::new();
            while !seen.ends_with(piece) {
                seen.push_str(&String::from_utf8(client.read_exactly(1)).expect("text"));
            }
        }
        assert!(client.read_to_end().is_empty());
    }
}

both_backends! {
    // Section 4.3.3.
    fn head_is_the_scripts_to_know_and_its_body_is_nobodys(io) {
        let app = scripts(&[("cgi-bin/x.sh", "#!/bin/sh\nprintf 'Content-Type: text/plain\\nX-Was: %s\\n\\nlong body\\n' $REQUEST_METHOD\n"),
            ("cgi-bin/length.sh", "#!/bin/sh\nprintf 'Content-Type: text/plain\\nContent-Length: 5\\n\\n'\n")]);
        let server = start(Way::tcp(io), &[], &app);
        let mut client = Connection::open(server.place());
        for method in ["HEAD", "GET", "PUT", "DELETE", "PROPFIND"] {
            let answer = ask(&mut client, &format!("{method} /cgi-bin/x.sh"), "", "");
            assert_eq!((answer.status, answer.field("x-was")), (200, Some(method)));
            assert_eq!(answer.text(), if method == "HEAD" { "" } else { "long body\n" });
        }
        let answer = ask(&mut client, "HEAD /cgi-bin/length.sh", "", "");
        assert_eq!((answer.field("content-length"), answer.text()), (Some("5"), ""));
    }

    fn what_a_script_writes_is_compressed_as_other_answers_are(io) {
        let app = scripts(&[("cgi-bin/x.sh", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nseq 2000\n[ -z \"$QUERY_STRING\" ] || sleep 0.2\nseq 2000\n")]);
        let server = start(Way::tcp(io), &["--compress=gzip"], &app);
        let mut client = Connection::open(server.place());
        for query in ["", "?slow=1"] {
            let plain = client.get(&format!("/cgi-bin/x.sh{query}"));
            let coded = ask(&mut client, &format!("GET /cgi-bin/x.sh{query}"), "Accept-Encoding: gzip\r\n", "");
            assert_eq!(coded.field("content-encoding"), Some("gzip"));
            let mut text = String::new();
            flate2::read::GzDecoder::new(&coded.body[..]).read_to_string(&mut text).expect("gzip");
            assert_eq!(text, plain.text());
        }
    }

    // Section 4.4.
    fn the_words_of_a_search_are_arguments(io) {
        let app = scripts(&[("cgi-bin/x.sh", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nprintf '[%s]' \"$@\"\n")]);
        let server = start(Way::tcp(io), &[], &app);
        let mut client = Connection::open(server.place());
        for (query, words) in [
            ("?one+two%20three", "[one][two three]"),
            ("?a=b+c", "[]"),
            ("", "[]"),
            ("?-s+x", "[]"),
            ("?$(id)", "[$(id)]"),
        ] {
            assert_eq!(client.get(&format!("/cgi-bin/x.sh{query}")).text(), words, "{query}");
        }
        assert_eq!(client.post("/cgi-bin/x.sh?one", b"").text(), "[]");
    }

    // Section 5.
    fn a_script_that_is_called_so_writes_the_whole_response(io) {
        let app = scripts(&[("cgi-bin/nph-x.sh", "#!/bin/sh\nprintf \"$SERVER_PROTOCOL 299 Mine\\r\\nX-A: b\\r\\n\\r\\nbody\"\n"),
            ("cgi-bin/nph-none.sh", "#!/bin/sh\n"), ("cgi-bin/x.sh", "#!/bin/sh\nprintf 'HTTP/1.1 200 OK\\r\\n\\r\\n'\n")]);
        let server = start(Way::tcp(io), &[], &app);
        let mut client = Connection::open(server.place());
        client.send("GET /cgi-bin/nph-x.sh HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.read_to_end(), b"HTTP/1.1 299 Mine\r\nX-A: b\r\n\r\nbody", "as the script wrote it");
        let mut client = Connection::open(server.place());
        assert_eq!(client.get("/cgi-bin/nph-none.sh").status, 502);
        assert_eq!(client.get("/cgi-bin/x.sh").status, 502);
        server.await_log("only scripts called nph-");
    }

    // Section 6.2.2.
    fn a_local_redirect_is_answered_as_the_request_that_it_names(io) {
        let to = |target: &str| format!("#!/bin/sh\ncat >/dev/null\nprintf 'Location: {target}\\n\\n'\n");
        let app = scripts(&[
            ("app.js", "export default { async fetch(request) { const { pathname, search } = new URL(request.url); \
                return pathname === '/app' ? new Response(`${request.method} ${search} ${request.body}`) : \
                new Response('no', { status: 404 }) } }"),
            ("public/page.txt", "page"),
            ("cgi-bin/env.sh", ENVIRONMENT),
            ("cgi-bin/script", &to("/cgi-bin/env.sh/info?x=y")),
            ("cgi-bin/file", &to("/page.txt")),
            ("cgi-bin/app", &to("/app?a")),
            ("cgi-bin/nowhere", &to("/none")),
            ("cgi-bin/loop", &to("/cgi-bin/loop")),
        ]);
        let public = root(&app).join("public").display().to_string();
        let path = app.path().display().to_string();
        let server = start(Way::tcp(io), &["--static", &public, &path], &app);
        let mut client = Connection::open(server.place());
        for _ in 0..2 {
            let told = variables(&ask(&mut client, "POST /cgi-bin/script", "Content-Length: 2\r\nX-A: b\r\n", "xy"));
            for (name, value) in [("REQUEST_METHOD", "GET"), ("PATH_INFO", "/info"), ("QUERY_STRING", "x=y"),
                ("HTTP_X_A", "b"), ("REQUEST_URI", "/cgi-bin/script")] {
                assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}");
            }
            assert!(!told.contains_key("CONTENT_LENGTH"));
            assert_eq!(client.get("/cgi-bin/file").text(), "page");
            assert_eq!(client.post("/cgi-bin/app", b"xyz").text(), "GET ?a null");
            assert_eq!(ask(&mut client, "HEAD /cgi-bin/file", "", "").field("content-length"), Some("4"));
            assert_eq!(client.get("/cgi-bin/nowhere").status, 404);
            assert_eq!(client.get("/cgi-bin/loop").status, 502);
        }
        server.await_log("redirected the request more than 10 times");
    }

    // Sections 6.2.3 and 6.2.4.
    fn a_redirect_of_the_client_goes_to_the_client(io) {
        let app = scripts(&[
            ("cgi-bin/plain", "#!/bin/sh\nprintf 'Location: http://b.test/x#y\\n\\n'\n"),
            ("cgi-bin/document", "#!/bin/sh\nprintf 'Status: 302 Go\\nLocation: http://b.test/\\nContent-Type: text/plain\\n\\nthere'\n"),
            ("cgi-bin/path", "#!/bin/sh\nprintf 'Status: 303 See Other\\nLocation: /there\\n\\n'\n"),
        ]);
        let server = start(Way::tcp(io), &[], &app);
        let mut client = Connection::open(server.place());
        for (path, status, location, body) in [
            ("plain", 302, "http://b.test/x#y", ""),
            ("document", 302, "http://b.test/", "there"),
            ("path", 303, "/there", ""),
        ] {
            let answer = client.get(&format!("/cgi-bin/{path}"));
            assert_eq!((answer.status, answer.field("location")), (status, Some(location)), "{path}");
            assert_eq!(answer.text(), body, "{path}");
        }
    }

    // Section 3.2; nothing leads out of the folder.
    fn only_files_of_the_folder_that_can_be_executed_are_scripts(io) {
        let app = scripts(&[("cgi-bin/x.sh", HELLO), ("cgi-bin/sub/y.sh", HELLO), ("cgi-bin/plain.txt", "1"),
            ("cgi-bin/.hidden", HELLO), ("outside.sh", HELLO)]);
        std::os::unix::fs::symlink("../outside.sh", root(&app).join("cgi-bin/link")).expect("a link");
        let server = start(Way::tcp(io), &[], &app);
        let mut client = Connection::open(server.place());
        for (path, status) in [
            ("/cgi-bin/x.sh", 200),
            ("/cgi-bin/%78.sh", 200),
            ("/cgi-bin/x.sh/..", 404),
            ("/cgi-bin/x.sh/a%2fb", 404),
            ("/cgi-bin/sub/y.sh/info", 200),
            ("/cgi-bin/plain.txt", 403),
            ("/cgi-bin/sub/", 403),
            ("/cgi-bin/", 403),
            ("/cgi-bin", 403),
            ("/cgi-bin/none", 404),
            ("/cgi-bin/.hidden", 404),
            ("/cgi-bin/link", 404),
            ("/cgi-bin/../outside.sh", 404),
            ("/cgi-bin/%2e%2e/outside.sh", 404),
            ("/cgi-bin/..%2foutside.sh", 404),
            ("/cgi-binx.sh", 404),
            ("/", 404),
        ] {
            assert_eq!(client.get(path).status, status, "{path}");
        }
        server.await_log("plain.txt: it is not executable: chmod +x");
    }

    fn what_is_no_script_goes_to_files_and_app(io) {
        let app = scripts(&[
            ("app.js", "export default { fetch: (request) => new Response(`app ${new URL(request.url).pathname}`) }"),
            ("public/cgi-bin/page.txt", "page"), ("cgi-bin/x.sh", HELLO), ("cgi-bin/sub/y.sh", HELLO)]);
        let (public, path) = (root(&app).join("public").display().to_string(), app.path().display().to_string());
        let server = start(Way::tcp(io), &["--static", &public, &path], &app);
        let mut client = Connection::open(server.place());
        for (path, body) in [
            ("/cgi-bin/x.sh", "hello\n"),
            ("/cgi-bin/page.txt", "page"),
            ("/cgi-bin/none", "app /cgi-bin/none"),
            ("/cgi-bin/sub/", "app /cgi-bin/sub/"),
            ("/", "app /"),
        ] {
            assert_eq!(client.get(path).text(), body, "{path}");
        }
    }

    // Section 7.2: the folder that it starts in; what it has of the server is three descriptors.
    fn a_script_starts_in_its_folder_with_three_descriptors_and_a_group_of_its_own(io) {
        let app = scripts(&[("cgi-bin/sub/x.py", "#!/usr/bin/env python3\nimport os, signal\n\
            fds = sorted(int(fd) for fd in os.listdir('/proc/self/fd'))\n\
            fds = [fd for fd in fds if fd < 3 or os.path.exists('/proc/self/fd/%d' % fd)]\n\
            print('Content-Type: text/plain\\n')\nprint(os.getcwd())\nprint(fds)\nprint(os.getpgrp() == os.getpid(), \
            os.getsid(0) == os.getpid())\nprint(signal.pthread_sigmask(signal.SIG_BLOCK, []))\nprint(len(os.sched_getaffinity(0)))\n")]);
        let server = start(Way::tcp(io), &[], &app);
        let mut client = Connection::open(server.place());
        let answer = client.get("/cgi-bin/sub/x.py");
        let folder = root(&app).join("cgi-bin/sub").canonicalize().expect("a folder");
        let cores = std::thread::available_parallelism().expect("cores");
        let expected = format!("{}\n[0, 1, 2]\nTrue True\nset()\n{cores}\n", folder.display());
        assert_eq!(answer.text(), expected);
    }

    fn flags_say_what_else_a_script_is_told(io) {
        let app = scripts(&[("cgi-bin/env.sh", ENVIRONMENT)]);
        let flags = ["--cgi-env", "MINE=a b", "--cgi-env", "SECRET", "--cgi-authorization", "--request-id"];
        let server = start(Way::tcp(io), &flags, &app);
        let mut client = Connection::open(server.place());
        let answer = ask(&mut client, "GET /cgi-bin/env.sh", "Authorization: Basic YTpi\r\n", "");
        let told = variables(&answer);
        for (name, value) in
            [("MINE", "a b"), ("SECRET", "1"), ("HTTP_AUTHORIZATION", "Basic YTpi"), ("AUTH_TYPE", "Basic")]
        {
            assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(answer.field("x-request-id"), Some(&*told["UNIQUE_ID"]));
    }

    fn the_file_of_settings_names_folders_of_scripts(io) {
        let app = scripts(&[("cgi-bin/x.sh", HELLO), ("more/cgi-bin/y.sh", HELLO),
            ("jsserve.toml", "cgi = [\"cgi-bin:/cgi-bin\", \"cgi-bin:/other\"]\ncgi-env = \"A=1\"\n")]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
        command.current_dir(root(&app)).args(["--io", io, "--port", "0", "--workers", "1"]);
        let server = Server::start(command);
        let mut client = Connection::open(server.place());
        assert_eq!(client.get("/cgi-bin/x.sh").text(), "hello\n");
        assert_eq!(client.get("/other/x.sh").text(), "hello\n");
    }

    fn a_script_answers_over_http2(io) {
        let app = scripts(&[("cgi-bin/env.sh", ENVIRONMENT), ("cgi-bin/cat", CAT),
            ("cgi-bin/nph-x.sh", "#!/bin/sh\nprintf 'HTTP/1.1 299 Mine\\r\\nX-A: b\\r\\n\\r\\nbody'\n")]);
        let server = start(Way::tcp(io), &[], &app);
        let mut client = Frames::open(server.addr());
        client.get(1, "/cgi-bin/env.sh/info");
        let (status, body, _) = client.answer(1);
        let told = String::from_utf8(body).expect("text");
        assert_eq!(status, 200);
        for line in ["SERVER_PROTOCOL=HTTP/2.0", "PATH_INFO=/info", "REQUEST_METHOD=GET", "REQUEST_SCHEME=http"] {
            assert!(told.lines().any(|known| known == line), "{line} in {told}");
        }
        assert!(told.contains("\nHTTP_HOST="), "{told}");
        client.send(&frame(HEADERS, END_HEADERS, 3, &request("POST", "/cgi-bin/cat", &[])));
        client.send(&frame(DATA, 0, 3, b"some "));
        client.send(&frame(DATA, END_STREAM, 3, b"bytes"));
        assert_eq!(client.answer(3).1, b"some bytes");
        client.get(5, "/cgi-bin/nph-x.sh");
        let (status, body, _) = client.answer(5);
        assert_eq!((status, body), (299, b"body".to_vec()));
    }

    fn what_a_script_writes_to_its_standard_error_is_in_the_log(io) {
        let app = scripts(&[("cgi-bin/x.sh", "#!/bin/sh\necho 'first words' >&2\nprintf 'tail \\033[31m' >&2\nprintf 'Content-Type: text/plain\\n\\n'\necho $UNIQUE_ID\n")]);
        let server = start(Way::tcp(io), &[], &app);
        let mut client = Connection::open(server.place());
        let id = client.get("/cgi-bin/x.sh").text().trim().to_owned();
        server.await_log("tail \\u{1b}[31m");
        let log = server.log();
        let line = log.lines().find(|line| line.contains("first words")).expect("a line");
        assert!(line.contains(&id) && line.contains("/cgi-bin/x.sh"), "{line}");
    }
}
