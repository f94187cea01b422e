//! The app behind web servers that speak FastCGI, SCGI and CGI to it: by literal bytes, behind nginx and lighttpd.
//!
//! Owns: what such a server may send, what it gets. Must not know: how the app's answer is made.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{App, Connection, SOON, Server, dial, eventually, pattern, skip};

const APP: &str = "export default { async fetch(request, env, ctx) {
  const { pathname } = new URL(request.url);
  if (pathname.endsWith('/back')) return new Response(await request.arrayBuffer());
  if (pathname.endsWith('/echo')) return new Response(request.body);
  if (pathname.endsWith('/pieces')) return new Response(new ReadableStream({ async start(c) {
    for (let i = 0; i < 3; i++) { c.enqueue(new TextEncoder().encode(`piece ${i}\\n`)); await new Promise((go) => setTimeout(go, 5)) }
    c.close() } }));
  if (pathname.endsWith('/cut')) return new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array(9)) },
    pull(c) { c.error(new Error('it breaks')) } }));
  if (pathname.endsWith('/throws')) throw new Error('it throws');
  if (pathname.endsWith('/waits')) { request.signal.onabort = () => console.log('aborted'); return new Promise(() => {}) }
  return new Response(`${request.method} ${request.url} ${ctx.peer.addr} ${request.headers.get('x-one')}`,
    { status: 203, headers: { 'X-App': '1', 'Connection': 'close' } });
} }";

/// A record of FastCGI.
fn record(kind: u8, id: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a short record").to_be_bytes();
    [&[1, kind, 0, id, length[0], length[1], 0, 0][..], content].concat()
}

fn pairs(variables: &[(&str, &str)]) -> Vec<u8> {
    let pair = |(name, value): &(&str, &str)| {
        [&[name.len() as u8, value.len() as u8][..], name.as_bytes(), value.as_bytes()].concat()
    };
    variables.iter().flat_map(pair).collect()
}

/// A request of FastCGI; the connection stays.
fn fastcgi(id: u8, variables: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let stdin = if body.is_empty() { Vec::new() } else { record(5, id, body) };
    [
        record(1, id, &[0, 1, 1, 0, 0, 0, 0, 0]),
        record(4, id, &pairs(variables)),
        record(4, id, b""),
        stdin,
        record(5, id, b""),
    ]
    .concat()
}

fn scgi(length: usize, variables: &[(&str, &str)]) -> Vec<u8> {
    let length = length.to_string();
    let all = [&[("CONTENT_LENGTH", &*length), ("SCGI", "1")], variables].concat();
    let text: String = all.iter().map(|(name, value)| format!("{name}\0{value}\0")).collect();
    format!("{}:{text},", text.len()).into_bytes()
}

/// The records up to the end of a request: what is on standard output, and the end.
fn answer(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut out = Vec::new();
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head).expect("a record");
        let mut content = vec![0; usize::from(u16::from_be_bytes([head[4], head[5]])) + usize::from(head[6])];
        stream.read_exact(&mut content).expect("its content");
        content.truncate(usize::from(u16::from_be_bytes([head[4], head[5]])));
        match head[1] {
            6 => out.extend_from_slice(&content),
            3 => return (String::from_utf8(out).expect("text"), content),
            kind => panic!("a record of kind {kind}"),
        }
    }
}

fn serve(io: &str, app: &App, listen: &str) -> Server {
    Server::spawn(
        &["--io", io, "--workers", "1", "--body-max", "64M", "--header-max", "2K", "--listen", listen],
        app.path(),
    )
}

const GET: [(&str, &str); 5] = [
    ("REQUEST_METHOD", "GET"),
    ("REQUEST_URI", "/a%20b?c"),
    ("HTTP_HOST", "a.test"),
    ("REMOTE_ADDR", "192.0.2.7"),
    ("HTTP_X_ONE", "1"),
];

/// Those of a request for `uri` by `method`.
fn asks<'a>(method: &'a str, uri: &'a str, length: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("REQUEST_METHOD", method), ("REQUEST_URI", uri), ("CONTENT_LENGTH", length), ("SERVER_NAME", "a")]
}

both_backends! {
    // FastCGI specification sections 3.3, 5, 6.2.
    fn fastcgi_requests_follow_each_other_on_a_connection(io) {
        let app = App::new(APP);
        let server = serve(io, &app, "fastcgi://127.0.0.1:0");
        let mut stream = dial(server.addr());
        for id in [1, 9] {
            stream.write_all(&fastcgi(id, &GET, b"")).expect("send");
            let (text, end) = answer(&mut stream);
            assert!(text.starts_with("Status: 203 "), "{text}");
            assert!(text.contains("\r\nX-App: 1\r\n") && !text.contains("Connection"), "{text}");
            assert!(text.ends_with("\r\n\r\nGET http://a.test/a%20b?c 192.0.2.7 1"), "{text}");
            assert_eq!(end, [0; 8]);
        }
        // Byte by byte, with a body.
        for byte in fastcgi(2, &asks("POST", "/back", "5"), b"hello") {
            stream.write_all(&[byte]).expect("send");
        }
        assert!(answer(&mut stream).0.ends_with("\r\n\r\nhello"));
        stream.write_all(&fastcgi(3, &asks("HEAD", "/back", ""), b"")).expect("send");
        assert!(answer(&mut stream).0.ends_with("\r\n\r\n"));
        stream.write_all(&fastcgi(3, &asks("GET", "/throws", ""), b"")).expect("send");
        assert!(answer(&mut stream).0.starts_with("Status: 500 "));
        stream.write_all(&record(9, 0, &pairs(&[("FCGI_MPXS_CONNS", "")]))).expect("send");
        let mut values = [0; 32];
        stream.read_exact(&mut values).expect("values");
        assert_eq!(&values[8..26], b"\x0f\x01FCGI_MPXS_CONNS0");
        // A second one cannot be multiplexed, and the first can be taken back.
        let waits = fastcgi(4, &asks("GET", "/waits", ""), b"");
        stream.write_all(&[waits, record(1, 5, &[0, 1, 1, 0, 0, 0, 0, 0])].concat()).expect("send");
        assert_eq!(answer(&mut stream), (String::new(), vec![0, 0, 0, 0, 1, 0, 0, 0]));
        stream.write_all(&record(2, 4, b"")).expect("send");
        assert_eq!(answer(&mut stream), (String::new(), vec![0; 8]));
        server.await_log("aborted");
        stream.write_all(&fastcgi(6, &GET, b"")).expect("send");
        assert!(answer(&mut stream).0.starts_with("Status: 203 "));
        // Of what breaks off there is no end.
        stream.write_all(&fastcgi(7, &asks("GET", "/cut", ""), b"")).expect("send");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.windows(4).any(|it| it == record(3, 7, b"")[..4].to_vec()), "{rest:?}");
    }

    fn a_fastcgi_connection_that_is_not_kept_ends_behind_its_answer(io) {
        let app = App::new(APP);
        let server = serve(io, &app, "fastcgi://127.0.0.1:0");
        let mut stream = dial(server.addr());
        let mut request = fastcgi(1, &GET, b"");
        request[10] = 0;
        stream.write_all(&request).expect("send");
        assert!(answer(&mut stream).0.starts_with("Status: 203 "));
        assert_eq!(stream.read(&mut [0]).expect("the end"), 0);
    }

    fn an_scgi_request_is_the_only_one_of_its_connection(io) {
        let app = App::new(APP);
        let server = serve(io, &app, "scgi://127.0.0.1:0");
        for (request, end) in [
            (scgi(0, &GET), "\r\n\r\nGET http://a.test/a%20b?c 192.0.2.7 1"),
            ([scgi(5, &asks("POST", "/back", "5")[..2]), b"hello".to_vec()].concat(), "\r\n\r\nhello"),
            (scgi(0, &asks("GET", "/pieces", "0")[..2]), "\r\n\r\npiece 0\npiece 1\npiece 2\n"),
        ] {
            let mut stream = dial(server.addr());
            stream.write_all(&request).expect("send");
            let mut text = String::new();
            stream.read_to_string(&mut text).expect("an answer");
            assert!(text.starts_with("Status: ") && text.ends_with(end), "{text}");
        }
    }

    fn what_breaks_the_rules_is_refused_with_a_line_in_the_log(io) {
        let app = App::new(APP);
        let long = "x".repeat(12_000);
        let large = [record(1, 1, &[0, 1, 1, 0, 0, 0, 0, 0]), record(4, 1, &long.clone().into_bytes())].concat();
        let many: Vec<_> = GET.into_iter().chain((0..120).map(|_| ("HTTP_Y", "2"))).collect();
        let two = [&asks("POST", "/back", "5")[..], &[("CONTENT_LENGTH", "6")]].concat();
        let server = serve(io, &app, "fastcgi://127.0.0.1:0");
        for (bytes, status, log) in [
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), None, "FastCGI: a record of version 71"),
            (record(1, 0, &[0, 1, 1, 0, 0, 0, 0, 0]), None, "FastCGI: a request with the number 0"),
            (fastcgi(1, &asks("POST", "/back", "x"), b""), Some("400"), "FastCGI: CONTENT_LENGTH: no number"),
            (fastcgi(1, &two, b"hello"), Some("400"), "FastCGI: CONTENT_LENGTH: two of them"),
            (fastcgi(1, &asks("POST", "/back", "99999999999"), b""), Some("413"), "the body is larger than 64 MiB"),
            (fastcgi(1, &asks("POST", "/back", "3"), b"hello"), Some("400"), ""),
            (fastcgi(1, &asks("POST", "/back", "9"), b"hello"), Some("400"), ""),
            (large, Some("431"), "the head is larger than 2 KiB"),
            (fastcgi(1, &many, b""), Some("431"), "the head has more than 100 fields"),
            (fastcgi(1, &[("REQUEST_METHOD", "GET"), ("HTTP_X", "a\nb")], b""), Some("400"), "a variable has a line end"),
        ] {
            let mut stream = dial(server.addr());
            stream.write_all(&bytes).expect("send");
            match status {
                Some(status) => {
                    let (text, _) = answer(&mut stream);
                    assert!(text.starts_with(&format!("Status: {status} ")), "{text}: {log}");
                }
                None => assert!(!matches!(stream.read(&mut [0]), Ok(1..)), "{log}"),
            }
            server.await_log(log);
        }
        let server = serve(io, &app, "scgi://127.0.0.1:0");
        for (bytes, log) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], "SCGI: the variables are no netstring"),
            (b"24:CONTENT_LENGTH\x002\0SCGI\x001\0;", "SCGI: a netstring does not end with a comma"),
            (b"99999999999999:", "the head is larger than 2 KiB"),
            (b"17:CONTENT_LENGTH\x002\0,", "SCGI: the variables do not begin with a CONTENT_LENGTH"),
        ] {
            let mut stream = dial(server.addr());
            stream.write_all(bytes).expect("send");
            let mut text = Vec::new();
            let _ = stream.read_to_end(&mut text);
            server.await_log(log);
        }
    }

    fn a_body_streams_both_ways_over_fastcgi_and_scgi(io) {
        let app = App::new(APP);
        let body = pattern(4 << 20);
        let server = serve(io, &app, "scgi://127.0.0.1:0");
        let mut stream = dial(server.addr());
        stream.write_all(&scgi(body.len(), &asks("POST", "/echo", "")[..2])).expect("send");
        let mut reader = stream.try_clone().expect("clone");
        let sent = body.clone();
        let writer = std::thread::spawn(move || stream.write_all(&sent).map(|()| stream));
        let mut all = Vec::new();
        reader.read_to_end(&mut all).expect("an answer");
        drop(writer.join().expect("no panic"));
        assert!(all.ends_with(&body), "{} bytes", all.len());
    }
}

/// A web server in the foreground; ended when dropped.
struct Front {
    child: Child,
    addr: SocketAddr,
    folder: PathBuf,
}

impl Drop for Front {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("pid");
        let _ = kill_process(pid, Signal::TERM);
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// nginx, whose server has `locations`; none where it is missing.
fn nginx(test: &str, folder: PathBuf, locations: &str) -> Option<Front> {
    if !Path::new("/usr/sbin/nginx").exists() {
        skip(test, "no nginx: apt-get install nginx");
        return None;
    }
    // It is given the listening socket, as it hands them to a new version of itself.
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let addr = listener.local_addr().expect("address");
    socket2::SockRef::from(&listener).set_cloexec(false).expect("FD_CLOEXEC");
    fs::create_dir_all(&folder).expect("a folder");
    let temporary: String = ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"]
        .map(|name| format!("{name}_temp_path t-{name};\n"))
        .concat();
    let conf = format!(
        "user root;\ndaemon off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr error;\nevents {{}}\n\
         http {{\naccess_log off;\nclient_max_body_size 64m;\n{temporary}server {{\nlisten {addr};\n{locations}\n}}\n}}\n"
    );
    fs::write(folder.join("nginx.conf"), conf).expect("write");
    let child = Command::new("/usr/sbin/nginx")
        .env("NGINX", format!("{};", listener.as_raw_fd()))
        .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
        .arg(&folder)
        .stdin(Stdio::null())
        .spawn()
        .expect("run nginx");
    Some(Front { child, addr, folder })
}

/// lighttpd with the modules and the lines of `conf`; none where it is missing.
fn lighttpd(test: &str, folder: PathBuf, conf: &str) -> Option<Front> {
    if !Path::new("/usr/sbin/lighttpd").exists() {
        skip(test, "no lighttpd: apt-get install lighttpd");
        return None;
    }
    fs::create_dir_all(&folder).expect("a folder");
    for _ in 0..5 {
        // It takes no socket that is open: the port may be somebody else's by then, and another one is tried.
        let addr = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
        let head = format!(
            "server.document-root = \"{0}\"\nserver.bind = \"127.0.0.1\"\nserver.port = {1}\nserver.errorlog = \"{0}/log\"\n\
             server.upload-dirs = ( \"{0}\" )\nserver.stream-request-body = 2\nserver.stream-response-body = 2\n",
            folder.display(),
            addr.port()
        );
        fs::write(folder.join("lighttpd.conf"), head + conf).expect("write");
        let mut child = Command::new("/usr/sbin/lighttpd")
            .args(["-D", "-f"])
            .arg(folder.join("lighttpd.conf"))
            .stdin(Stdio::null())
            .spawn()
            .expect("run lighttpd");
        let mut has_ended = false;
        eventually("lighttpd listens", || {
            has_ended = child.try_wait().expect("its state").is_some();
            has_ended || TcpStream::connect_timeout(&addr, SOON).is_ok()
        });
        if !has_ended {
            return Some(Front { child, addr, folder });
        }
    }
    panic!("lighttpd does not start");
}

/// What a client in front sees below each of `prefixes`.
fn check_front(addr: SocketAddr, prefixes: &[&str]) {
    let body = pattern(10_000_000);
    let mut client = Connection::open(addr);
    for prefix in prefixes {
        let told = client.get(&format!("{prefix}/a%20b?c=d"));
        assert_eq!((told.status, told.field("x-app")), (203, Some("1")), "{prefix}: {}", told.text());
        let words: Vec<_> = told.text().split(' ').collect();
        assert_eq!((words[0], words[2]), ("GET", "127.0.0.1"), "{prefix}: {words:?}");
        assert!(
            words[1].starts_with("http://") && words[1].ends_with(&format!("{prefix}/a%20b?c=d")),
            "{words:?}"
        );
        assert!(client.post(&format!("{prefix}/back"), &body).body == body, "{prefix}");
        assert_eq!(client.get(&format!("{prefix}/pieces")).text(), "piece 0\npiece 1\npiece 2\n", "{prefix}");
        assert_eq!(client.get(&format!("{prefix}/throws")).status, 500, "{prefix}");
    }
}

both_backends! {
    fn an_app_behind_nginx_and_lighttpd_by_fastcgi_and_scgi(io) {
        let app = App::new(APP);
        let folder = app.path().parent().expect("a folder").to_path_buf();
        let place = |name: &str| folder.join(name).display().to_string();
        let (f, s) = (place("f.sock"), place("s.sock"));
        let sockets = [format!("fastcgi+unix:{f}?mode=666"), format!("scgi+unix:{s}?mode=666")];
        let server = Server::spawn(
            &["--io", io, "--workers", "2", "--body-max", "64M", "--listen", "fastcgi://127.0.0.1:0",
              "--listen", "scgi://127.0.0.1:0", "--listen", &sockets[0], "--listen", &sockets[1]],
            app.path(),
        );
        let (fastcgi, scgi) = (server.addr_of("fastcgi"), server.addr_of("scgi"));
        let location = |path: &str, kind: &str, to: &str, more: &str| {
            format!("location /{path}/ {{ include /etc/nginx/{kind}_params; {kind}_pass {to}; {more} }}\n")
        };
        let locations = [
            location("f", "fastcgi", &fastcgi.to_string(), ""),
            location("fk", "fastcgi", "kept", "fastcgi_keep_conn on;"),
            location("fu", "fastcgi", &format!("unix:{f}"), "fastcgi_request_buffering off; fastcgi_buffering off;"),
            location("s", "scgi", &scgi.to_string(), ""),
            location("su", "scgi", &format!("unix:{s}"), "scgi_buffering off;"),
        ].concat();
        let upstream = format!("}}\nupstream kept {{ server {fastcgi}; keepalive 2; ");
        if let Some(nginx) = nginx("gateways", folder.join("nginx"), &(locations + &upstream)) {
            check_front(nginx.addr, &["/f", "/fk", "/fu", "/s", "/su"]);
            check_front(nginx.addr, &["/fk"]);
        }
        let back = |path: &str, place: &str| format!("\"/{path}/\" => (( {place}, \"check-local\" => \"disable\" ))");
        let tcp = |addr: SocketAddr| format!("\"host\" => \"127.0.0.1\", \"port\" => {}", addr.port());
        let unix = |path: &str| format!("\"socket\" => \"{path}\"");
        let conf = format!(
            "server.modules = ( \"mod_fastcgi\", \"mod_scgi\" )\nfastcgi.server = ( {}, {} )\nscgi.server = ( {}, {} )\n",
            back("f", &tcp(fastcgi)), back("fu", &unix(&f)), back("s", &tcp(scgi)), back("su", &unix(&s))
        );
        if let Some(lighttpd) = lighttpd("gateways", folder.join("lighttpd"), &conf) {
            check_front(lighttpd.addr, &["/f", "/fu", "/s", "/su"]);
        }
    }

    fn an_app_answers_as_a_cgi_program_of_lighttpd(io) {
        use std::os::unix::fs::PermissionsExt;
        let app = App::new(APP);
        let folder = app.path().parent().expect("a folder").to_path_buf();
        let site = folder.join("lighttpd");
        fs::create_dir_all(&site).expect("a folder");
        let program = site.join("app.cgi");
        let jsserve = env!("CARGO_BIN_EXE_jsserve");
        let script = format!("#!/usr/bin/env -S {jsserve} --io={io} --body-max=64M --cgi-mode\n{APP}");
        fs::write(&program, script).expect("a program");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its mode");
        let conf = "server.modules = ( \"mod_cgi\" )\ncgi.assign = ( \".cgi\" => \"\" )\n";
        let Some(front) = lighttpd("gateways", site, conf) else { return };
        check_front(front.addr, &["/app.cgi"]);
    }
}

#[test]
fn cgi_mode_answers_one_request_and_says_what_is_wrong() {
    let app = App::new(APP);
    let broken = App::new("export default { fetch() { return }\n");
    let run = |app: &App, variables: &[(&str, &str)], input: &[u8], words: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_jsserve"))
            .arg("--cgi-mode")
            .arg(app.path())
            .args(words)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("run jsserve");
        child.stdin.take().expect("a pipe").write_all(input).expect("send");
        let ended = child.wait_with_output().expect("an end");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (text(ended.stdout), text(ended.stderr), ended.status.code())
    };
    let get = [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", "/app.cgi"),
        ("PATH_INFO", "/a b"),
        ("QUERY_STRING", "x=1"),
        ("SERVER_NAME", "a.test"),
        ("SERVER_PORT", "8080"),
        ("REMOTE_ADDR", "192.0.2.9"),
        ("HTTPS", "on"),
    ];
    // A word of the query is none of our flags.
    let (out, log, code) = run(&app, &get, b"", &["--nonsense"]);
    assert!(out.starts_with("Status: 203 "), "{out}{log}");
    assert!(out.ends_with("\r\n\r\nGET https://a.test:8080/app.cgi/a%20b?x=1 192.0.2.9 null"), "{out}");
    assert_eq!(code, Some(0));
    let post = [("REQUEST_METHOD", "POST"), ("SCRIPT_NAME", "/back"), ("CONTENT_LENGTH", "5")];
    assert!(run(&app, &post, b"hello and more", &[]).0.ends_with("\r\n\r\nhello"));
    assert!(run(&app, &post, b"hel", &[]).0.starts_with("Status: 400 "));
    let (out, log, code) = run(&app, &[("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", "/throws")], b"", &[]);
    assert!(out.starts_with("Status: 500 ") && out.contains("Content-Type: text/plain"), "{out}");
    assert!(log.contains("Error: it throws") && log.contains("    at fetch ("), "{log}");
    assert_eq!(code, Some(0));
    let (out, log, code) = run(&broken, &get, b"", &[]);
    assert!(log.contains("SyntaxError"), "{log}");
    assert!(out.starts_with("Status: 500 ") && code == Some(1), "{out} {code:?}");
    let (out, log, code) = run(&app, &[], b"", &[]);
    assert!(out.is_empty() && log.contains("there is no REQUEST_METHOD"), "{out}{log}");
    assert_ne!(code, Some(0));
}
