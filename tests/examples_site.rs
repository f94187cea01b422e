//! The example of a site, by requests and in a browser.
//!
//! Owns: what its pages show; a screenshot of them in target/tmp. Must not know: how the pages do it.

use crate::support::{self, Connection, Server, example};

both_backends! {
    fn the_example_site_answers_every_path(io) {
        let server = Server::spawn(&["--io", io, "--workers", "2"], &example("site"));
        let mut client = Connection::open(server.addr());
        for (target, status, part) in [
            ("/", 200, "What sings in the garden?"),
            ("/birds", 200, "What sings in the garden?"),
            ("/birds/robin", 200, "Erithacus rubecula"),
            ("/birds/dodo", 500, "Something broke"),
            ("/birds/<b>", 404, "Flown away"),
            ("/nowhere", 404, "Flown away"),
            ("/sightings", 200, "Nobody has seen anything yet"),
            ("/assets/theme.js", 200, "export default function toggle"),
            ("/_lib/page.js", 404, "Flown away"),
            ("/birds/[name].js", 404, "Flown away"),
        ] {
            let answer = client.get(target);
            assert!(answer.status == status && answer.text().contains(part), "{target}: {} {}", answer.status, answer.text());
            assert!(answer.field("server-timing").is_some_and(|it| it.starts_with("site;dur=")), "{target}: the middleware runs");
        }
        assert_eq!(client.get("/assets/style.css").field("cache-control"), Some("public, max-age=300"));
        assert_eq!(client.get("/").field("x-frame-options"), Some("DENY"));
        for (target, location) in [("/home?x=1", "/?x=1"), ("/bird/wren", "/birds/wren")] {
            assert_eq!(client.get(target).field("location"), Some(location), "{target}");
        }
        server.await_log("the dodo is extinct");
        let body = "bird=robin&place=The+%3Chedge%3E";
        client.send(format!("POST /sightings HTTP/1.1\r\nHost: test\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        let noted = client.response("POST");
        assert_eq!((noted.status, noted.field("location")), (303, Some("http://test/sightings")));
        // On whichever worker.
        for _ in 0..4 {
            let list = Connection::open(server.addr()).get("/sightings");
            assert!(list.text().contains("The &lt;hedge&gt;"), "{}", list.text());
        }
    }
}

#[test]
fn the_example_site_works_in_a_browser() {
    let Some(browser) = support::browser("the example site") else { return };
    let server = Server::spawn(&["--workers", "2"], &example("site"));
    let mut page = browser.open(900, 720);
    page.go(&format!("http://{}/", server.addr()));
    page.wait("document.querySelectorAll('.cards a').length === 6 && document.querySelector('.theme')");
    page.screenshot("site");
    page.click("a[href='/birds/wren']");
    page.wait("document.querySelector('h1').textContent === 'Wren'");
    page.type_into("input[name=place]", "Behind the shed");
    page.click("form button");
    page.wait("location.pathname === '/sightings' && document.querySelectorAll('.rows li').length === 1");
    assert_eq!(page.text("document.querySelector('.rows span').textContent"), "Behind the shed");
    page.click(".theme");
    page.wait("document.documentElement.dataset.theme !== undefined");
    page.screenshot("site-sightings");
}
