//! `std.urlGet` of a script, against a server of the test.
//!
//! Owns: that server: a thread that answers by the path. Must not know: the HTTP client.

use crate::driver;
use crate::io_harness;
use crate::os_harness;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use runtime::io::Backend;
use runtime::modules::web::host::{Host, Role};

fn answer(path: &str) -> Option<Vec<u8>> {
    let body = |status: &str, headers: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        Some([head.as_bytes(), body].concat())
    };
    match path {
        "/text" => body("200 OK", "X-One: 1\r\nX-One: two\r\n", "text é".as_bytes()),
        "/bytes" => body("200 OK", "", &[0, 255, 10]),
        "/empty" => body("204 No Content", "", b""),
        "/away" => body("302 Found", "Location: /text\r\n", b"go"),
        "/none" => body("404 Not Found", "", b"nothing here"),
        "/zipped" => body("200 OK", "Content-Encoding: gzip\r\n", b"not decoded"),
        "/cut" => Some(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort".to_vec()),
        "/other" => Some(b"SSH-2.0\r\n\r\n".to_vec()),
        _ => None,
    }
}

/// The port of a server that lives as long as the test.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let mut first = String::new();
            if reader.read_line(&mut first).is_err() {
                continue;
            }
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            let path = first.split(' ').nth(1).unwrap_or_default();
            // A client that has gone is no failure of the server.
            drop(reader.get_mut().write_all(&answer(path).unwrap_or_default()));
        }
    });
    port
}

#[test]
fn downloads_answer_as_those_of_quickjs() {
    let port = server();
    for backend in [Backend::Uring, Backend::Epoll] {
        io_harness::worker(backend, move || async move {
            let driver = driver::new();
            Host::set(driver.engine.state(), Role::Script);
            let body = format!(
                r#"const std = await import('std'), base = 'http://127.0.0.1:{port}';
                equal(std.urlGet(base + '/text'), 'text é');
                equal(std.urlGet('127.0.0.1:{port}/text', undefined), 'text é');
                const bytes = std.urlGet(base + '/bytes', {{ binary: true }});
                ok(bytes instanceof ArrayBuffer);
                same([...new Uint8Array(bytes)], [0, 255, 10]);
                equal(std.urlGet(base + '/empty'), '');
                equal(std.urlGet(base + '/none'), null);
                equal(std.urlGet(base + '/away'), null);
                const full = std.urlGet(base + '/text', {{ full: true }});
                same(Object.keys(full), ['response', 'responseHeaders', 'status']);
                same([full.response, full.status], ['text é', 200]);
                ok(full.responseHeaders.startsWith('x-one: 1\r\nx-one: two\r\ncontent-length: 7\r\n'), full.responseHeaders);
                ok(full.responseHeaders.endsWith('\r\n') && !full.responseHeaders.endsWith('\r\n\r\n'));
                const none = std.urlGet(base + '/none', {{ full: true, binary: true }});
                same([none.status, none.response.byteLength], [404, 12]);
                equal(std.urlGet(base + '/away', {{ full: true }}).response, 'go');
                equal(std.urlGet(base + '/zipped'), 'not decoded');
                for (const url of [base + '/cut', base + '/other', base + '/nothing', 'http://127.0.0.1:1/', 'nosuch://x/', 'http://', '', 'http://[bad', 'http://host.invalid/']) {{
                  equal(std.urlGet(url), null, url);
                  same(std.urlGet(url, {{ full: true }}), {{ response: null }}, url);
                }}
                throws(() => std.urlGet(Symbol()), 'TypeError');
                throws(() => std.urlGet(base, null), 'TypeError');
                throws(() => std.urlGet(base, {{ get full() {{ throw new EvalError('mine') }} }}), 'EvalError');
                "#
            );
            os_harness::run(&driver, &body).await.unwrap_or_else(|thrown| panic!("{backend:?}: {thrown}"));
        });
    }
}
