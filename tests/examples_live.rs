//! The examples whose pages stay connected, in browsers: what one does, another sees, whichever worker serves it.
//!
//! Owns: what each page shows; screenshots of them in target/tmp. Must not know: how the pages do it.

use crate::support::browser::Browser;
use crate::support::{self, Connection, Page, Server, example};

/// A room in which Ada and Grace talk, each in a browser of her own.
fn talk(browser: &Browser, server: &Server, screenshot: &str) {
    let join = |name: &str| {
        let mut page = browser.open(900, 640);
        page.go(&format!("http://{}/", server.addr()));
        page.wait("document.readyState === 'complete'");
        page.type_into("#text", name);
        page.click("form button");
        page.wait(&format!("document.getElementById('state').textContent === 'connected as {name}'"));
        page
    };
    let (mut ada, mut grace) = (join("Ada"), join("Grace <i>"));
    let say = |page: &mut Page, text: &str| {
        page.type_into("#text", text);
        page.click("form button");
    };
    let last = "document.querySelector('#log li:last-child p')?.textContent";
    for page in [&mut ada, &mut grace] {
        page.wait("document.getElementById('count').textContent === '2 here'");
    }
    for (text, by_ada) in [
        ("Did the engine weave today?", true),
        ("All night. It found a moth <b>in a relay</b>.", false),
        ("Keep it, somebody will want to see that 🦋", true),
    ] {
        say(if by_ada { &mut ada } else { &mut grace }, text);
        for page in [&mut ada, &mut grace] {
            page.wait(&format!("{last} === {text:?}"));
        }
    }
    let mine = "[...document.querySelectorAll('#log li')].map((it) => it.className).join()";
    assert_eq!(ada.text(mine), "mine,,mine");
    assert_eq!(grace.text(mine), ",mine,");
    grace.screenshot(screenshot);
    drop(grace);
    ada.wait("document.getElementById('count').textContent === '1 here'");
    // Who comes later is told what was said.
    let mut late = join("Łukasz");
    assert_eq!(late.text("document.querySelectorAll('#log li').length + ''"), "3");
    assert_eq!(late.text(last), "Keep it, somebody will want to see that 🦋");
}

#[test]
fn people_talk_in_the_chat_room() {
    let Some(browser) = support::browser("the chat room") else { return };
    let server = Server::spawn(&["--workers", "2"], &example("chat/app.js"));
    talk(&browser, &server, "chat");
    let mut client = Connection::open(server.addr());
    assert_eq!(client.get("/room").status, 426);
    assert_eq!(client.get("/nowhere").status, 404);
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[test]
fn people_talk_in_the_chat_room_of_hono() {
    let files = ["page.html", "room.js", "hono.ts"];
    let texts =
        files.map(|name| std::fs::read_to_string(example(&format!("chat/{name}"))).expect("the example"));
    let files: Vec<(&str, &str)> = files.into_iter().zip(texts.iter().map(String::as_str)).collect();
    let Some(app) = support::packages::app("Hono's chat room", "hono.ts", &files) else { return };
    let Some(browser) = support::browser("Hono's chat room") else { return };
    let server = Server::spawn(&["--workers", "2"], app.path());
    talk(&browser, &server, "chat-hono");
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

/// Draws a line through points of the board, parts of its width and height.
fn draw(page: &mut Page, points: &[(f64, f64)]) {
    let at = |page: &mut Page, (x, y): (f64, f64), kind: &str| {
        let place = format!(
            "(() => {{ const box = document.querySelector('canvas').getBoundingClientRect(); \
             return [box.left + {x} * box.width, box.top + {y} * box.height]; }})()"
        );
        let place = page.value(&place);
        let (x, y) = (place[0].as_f64(), place[1].as_f64());
        page.call(
            "Input.dispatchMouseEvent",
            serde_json::json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1 }),
        );
    };
    at(page, points[0], "mousePressed");
    for point in points {
        at(page, *point, "mouseMoved");
    }
    at(page, *points.last().expect("a point"), "mouseReleased");
}

#[test]
fn a_drawing_is_seen_by_all() {
    let Some(browser) = support::browser("the drawing board") else { return };
    let server = Server::spawn(&["--workers", "2"], &example("draw/app.js"));
    let open = || {
        let mut page = browser.open(1100, 760);
        page.go(&format!("http://{}/", server.addr()));
        page.wait("document.getElementById('state').textContent === 'draw something'");
        page
    };
    /// Whether there is anything drawn about a place of the board, in a colour of so much red.
    fn inked(red: &str, x: f64, y: f64) -> String {
        format!(
            "(() => {{ const {{ data }} = document.querySelector('canvas').getContext('2d').getImageData({x} * 1920 - 8, {y} * 1200 - 8, 16, 16); \
             for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 200 && Math.abs(data[at] - {red}) < 4) return true; return false; }})()"
        )
    }
    let (mut first, mut second) = (open(), open());
    // A house, and by another hand a sun.
    let house = [
        (0.3, 0.85),
        (0.3, 0.55),
        (0.45, 0.35),
        (0.6, 0.55),
        (0.6, 0.85),
        (0.3, 0.85),
        (0.6, 0.55),
        (0.3, 0.55),
        (0.6, 0.85),
    ];
    draw(&mut first, &house);
    second.wait(&inked("0x26", 0.3, 0.7));
    second.click(".ink[title=sun]");
    second.click(".width[title='16 wide']");
    let sun: Vec<(f64, f64)> = (0..=24)
        .map(|step| (step as f64 * 0.2618).sin_cos())
        .map(|(y, x)| (0.78 + 0.06 * x, 0.25 + 0.096 * y))
        .collect();
    draw(&mut second, &sun);
    first.wait(&inked("0xe9", 0.84, 0.25));
    // Who comes later sees both.
    let mut late = open();
    late.wait(&inked("0x26", 0.3, 0.7));
    late.wait(&inked("0xe9", 0.84, 0.25));
    late.screenshot("draw");
    late.click(".wipe");
    first.wait(&format!("!{}", inked("0x26", 0.3, 0.7)));
    assert_eq!(Connection::open(server.addr()).get("/board").status, 426);
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[test]
fn the_clock_goes_on_after_a_restart() {
    let Some(browser) = support::browser("the clock") else { return };
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("an address").port()
    };
    let listen = format!("http://127.0.0.1:{port}");
    let start = || Server::spawn(&["--workers", "2", "--listen", &listen], &example("clock/app.js"));
    let first = start();
    let mut page = browser.open(700, 760);
    page.go(&format!("{listen}/"));
    page.wait("document.getElementById('state').textContent.startsWith('you alone look at it')");
    page.wait("/^\\d\\d:\\d\\d:\\d\\d$/.test(document.getElementById('time').textContent)");
    let shown = page.text("document.getElementById('time').textContent");
    page.wait(&format!("document.getElementById('time').textContent !== {shown:?}"));
    page.screenshot("clock");
    let run = page.text("document.body.dataset.started");
    drop(first);
    page.wait("document.getElementById('state').textContent === 'connecting again'");
    let _second = start();
    page.wait(&format!(
        "document.body.dataset.started !== {run:?} && document.getElementById('state').className === 'on'"
    ));
}

#[test]
fn the_gallery_shows_its_photos_and_jumps_in_its_film() {
    let Some(browser) = support::browser("the gallery") else { return };
    let server = Server::spawn(&["--workers", "2"], &example("gallery/app.js"));
    let mut page = browser.open(1100, 1000);
    page.go(&format!("http://{}/", server.addr()));
    page.wait("document.querySelectorAll('#photos img').length === 6");
    page.wait(
        "[...document.images].slice(0, 6).every((image) => image.complete && image.naturalWidth === 1500)",
    );
    page.screenshot("gallery");
    page.click("#photos button:nth-child(3)");
    page.wait(
        "document.getElementById('large').open && document.querySelector('dialog img').naturalWidth === 1500",
    );
    assert_eq!(page.text("document.querySelector('dialog img').alt"), "Dusk");
    page.click("dialog button");
    page.wait("!document.getElementById('large').open");
    page.wait("document.querySelector('video').readyState >= 1");
    page.value("document.querySelector('video').currentTime = 8; 0");
    page.wait(
        "!document.querySelector('video').seeking && document.querySelector('video').currentTime === 8",
    );
    let mut client = Connection::open(server.addr());
    client.send("GET /sunset.webm HTTP/1.1\r\nHost: test\r\nRange: bytes=-100\r\n\r\n");
    let part = client.response("GET");
    assert_eq!((part.status, part.field("content-type")), (206, Some("video/webm")));
    assert_eq!(part.body.len(), 100);
    assert_eq!(client.get("/photos/../app.js").status, 404);
}
