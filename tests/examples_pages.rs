//! The examples with a page, in a browser: real clicks, real forms, and what is then to be seen.
//!
//! Owns: what each page shows; screenshots of them in target/tmp. Must not know: how the pages do it.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::support::{self, App, Connection, Server, example, get};

/// The Hono example beside its packages.
fn guestbook(test: &str) -> Option<App> {
    let source = std::fs::read_to_string(example("hono/app.tsx")).expect("the example");
    support::packages::app(test, "app.tsx", &[("app.tsx", &source)])
}

#[test]
fn the_guestbook_is_signed_in_a_browser() {
    let Some(app) = guestbook("the guestbook's page") else { return };
    let Some(browser) = support::browser("the guestbook's page") else { return };
    let server = Server::spawn(&["--workers", "2"], app.path());
    let mut page = browser.open(900, 760);
    page.go(&format!("http://{}/", server.addr()));
    page.wait("document.querySelector('h1 small').textContent === 'nobody was here yet'");
    assert_eq!(page.text("document.compatMode"), "CSS1Compat", "it has a doctype");
    for (name, text, count) in [
        (
            "Ada Lovelace",
            "The engine weaves algebraic patterns,\njust as the loom weaves flowers and leaves.",
            "1 entry",
        ),
        ("Grace <i>Hopper", "It is often easier to ask for forgiveness than to get permission.", "2 entries"),
        ("Łukasz", "Pozdrowienia z Krakowa! 🎉", "3 entries"),
    ] {
        page.type_into("input[name=name]", name);
        page.type_into("textarea", text);
        page.click("button.primary");
        page.wait(&format!("document.querySelector('h1 small').textContent === '{count}'"));
        assert_eq!(page.text("document.querySelector('article h2').textContent"), name);
        assert_eq!(page.text("document.querySelector('article p').textContent"), text);
    }
    assert_eq!(page.text("document.querySelector('.face').textContent"), "Ł");
    page.click("#entry-1 .like");
    page.wait(
        "document.querySelector('#entry-1 .like b').textContent === '1' && location.hash === '#entry-1'",
    );
    page.click("#entry-1 .like");
    page.wait("document.querySelector('#entry-1 .like b').textContent === '2'");
    // What the browser would not send: blanks only. The server says so, and keeps what was typed.
    page.type_into("input[name=name]", "  ");
    page.type_into("textarea", "still here");
    page.click("button.primary");
    page.wait("document.querySelector('.problem').textContent === 'Please tell your name.'");
    assert_eq!(page.text("document.querySelector('textarea').value"), "still here");
    page.screenshot("guestbook");
}

#[test]
fn the_guestbook_answers_every_route() {
    let Some(app) = guestbook("the guestbook's routes") else { return };
    let server = Server::spawn(&["--workers", "2"], app.path());
    let post = |target: &str, origin: &str, body: &str| {
        let mut client = Connection::open(server.addr());
        let fields =
            format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}", body.len());
        client.send(format!(
            "POST {target} HTTP/1.1\r\nHost: test\r\nOrigin: {origin}\r\n{fields}\r\n\r\n{body}"
        ));
        client.response("POST")
    };
    let signed = post("/entries", "http://test", "name=+A+&text=a%26b%0D%0Ac");
    assert_eq!((signed.status, signed.field("location")), (303, Some("/#entry-1")));
    assert_eq!(post("/entries/1/like", "http://test", "").status, 303);
    assert_eq!(post("/entries/2/like", "http://test", "").status, 404);
    assert_eq!(post("/entries", "http://elsewhere", "name=A&text=b").status, 403);
    for (body, problem) in [
        ("name=A", "write something"),
        ("text=x", "tell your name"),
        (&*format!("name={}&text=x", "x".repeat(41)), "at most 40"),
    ] {
        let refused = post("/entries", "http://test", body);
        assert!(refused.status == 422 && refused.text().contains(problem), "{}", refused.text());
    }
    let all = Connection::open(server.addr()).get("/entries.json");
    assert!(all.text().starts_with(r#"[{"id":1,"name":"A","text":"a&b\r\nc","time":"#), "{}", all.text());
    assert!(all.text().ends_with(r#","likes":1}]"#), "{}", all.text());
    let page = Connection::open(server.addr()).get("/");
    assert!(page.text().contains("<p>a&amp;b\r\nc</p>"), "{}", page.text());
    let style = Connection::open(server.addr()).get("/style.css");
    assert_eq!((style.status, style.field("content-type")), (200, Some("text/css; charset=utf-8")));
    let missing = Connection::open(server.addr()).get("/nowhere");
    assert!(missing.status == 404 && missing.text().contains("There is no such page"));
}

#[test]
fn the_streamed_page_fills_its_cards_as_they_come() {
    let Some(browser) = support::browser("the page that streams") else { return };
    let server = Server::spawn(&["--workers", "1"], &example("stream.js"));
    let mut page = browser.open(900, 640);
    page.go(&format!("http://{}/", server.addr()));
    let shown = "document.querySelectorAll('section[slot]').length";
    // The shell is there before any card, and a card before the last.
    page.wait("document.querySelector('main').shadowRoot.querySelectorAll('slot').length === 5");
    page.wait(&format!("{shown} >= 2"));
    assert_eq!(page.text("document.readyState"), "loading");
    page.screenshot("stream-half");
    page.wait("document.querySelector('[slot=done]')");
    page.wait("document.readyState === 'complete' && document.getAnimations().length === 0");
    let order = page.text("[...document.querySelectorAll('section')].map((it) => it.slot).join()");
    assert_eq!(order, "visitors,latency,orders,news");
    // Each is shown where it belongs.
    let places = page.text("[...document.querySelector('main').shadowRoot.querySelectorAll('slot')].map((slot) => slot.assignedElements()[0].querySelector('h2')?.firstChild.data.trim()).join()");
    assert_eq!(places, "Orders today,Visitors,Latency,From the workshop,");
    page.screenshot("stream");
}

both_backends! {
    fn the_streams_shell_comes_first(io) {
        let server = Server::spawn(&["--io", io, "--workers", "1"], &example("stream.js"));
        let mut client = Connection::open(server.addr());
        let start = Instant::now();
        client.send(get("/"));
        client.stream().set_read_timeout(Some(support::SOON)).expect("read timeout");
        let (mut seen, mut times) = (String::new(), Vec::new());
        for part in ["</template>", "slot=\"visitors\"><", "slot=\"latency\"><", "slot=\"orders\"><", "slot=\"news\"><", "</html>"] {
            while !seen.contains(part) {
                let mut bytes = [0; 8192];
                let length = client.stream().read(&mut bytes).expect("read");
                assert!(length > 0, "the end, after {seen}");
                seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
            times.push(start.elapsed());
        }
        assert!(times[4] >= Duration::from_millis(2100) && times[0] < times[4] - Duration::from_secs(1), "{times:?}");
        let mut client = Connection::open(server.addr());
        assert_eq!(client.get("/nowhere").status, 404);
    }
}

#[test]
fn a_file_is_uploaded_in_a_browser() {
    let Some(browser) = support::browser("the upload's page") else { return };
    let server = Server::spawn(&["--workers", "2", "--body-max", "16M"], &example("upload.js"));
    let (small, large, huge) = ("small.txt", "large file.bin", "too large.bin");
    let files =
        [(small, "hello\n"), (large, &*"0123456789abcdef".repeat(600_000)), (huge, &*"x".repeat(17 << 20))];
    let folder = App::with_files(small, &files);
    let mut page = browser.open(900, 720);
    page.go(&format!("http://{}/", server.addr()));
    page.wait("document.readyState === 'complete'");
    for (name, rows) in [(small, 1), (large, 2), (huge, 3)] {
        page.choose("#files", &folder.path().with_file_name(name));
        page.wait(&format!("document.querySelectorAll('li').length === {rows}"));
        assert_eq!(page.text("document.querySelector('li header span').textContent"), name);
        match name == huge {
            true => page.wait("document.querySelector('li .state.bad')"),
            false => page.wait("document.querySelector('li .same')?.textContent === 'the same'"),
        }
    }
    assert!(page.text("document.querySelector('li .state').textContent").contains("--body-max"));
    let large = page.text("document.querySelectorAll('li')[1].textContent");
    assert!(large.contains("9,600,000 bytes in 10 blocks") && large.contains("9.2 MiB, "), "{large}");
    assert_eq!(page.value("document.querySelector('li progress').value"), 9_600_000);
    page.screenshot("upload");
}

both_backends! {
    fn uploads_are_counted_and_hashed(io) {
        let server = Server::spawn(&["--io", io, "--workers", "1", "--body-max", "4M"], &example("upload.js"));
        let mut client = Connection::open(server.addr());
        // printf hello | openssl dgst -sha256 -binary | sha256sum
        for (body, bytes, blocks, digest) in [
            (&b"hello"[..], 5, 1, "9595c9df90075148eb06860365df33584b75bff782a510c6cd4883a419833d50"),
            (b"", 0, 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (&[b'x'; (2 << 20) + 1], 2_097_153, 3, "ea67ce78b478c349be32ba4b5822ddbd18540c4d92eb1205a240cfab66f91f89"),
        ] {
            let report = client.post("/upload", body);
            let expected = format!(r#"{{"bytes":{bytes},"blocks":{blocks},"sha256":"{digest}","ms":"#);
            assert!(report.text().starts_with(&expected), "{} {}", report.status, report.text());
        }
        assert_eq!(client.get("/upload").status, 405);
        assert_eq!(client.get("/nowhere").status, 404);
        client.send("POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 5000000\r\n\r\n");
        assert_eq!(client.response("POST").status, 413);
    }
}
