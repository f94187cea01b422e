//! The dashboard and the flame graph in a browser: what is to be seen, in both colour schemes, wide and narrow.
//!
//! Owns: what each shows after known requests; screenshots of them in target/tmp. Must not know: how they are drawn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::admin::admin;
use crate::support::{self, App, Connection, Page, Server};

/// An app with fast, slow and failing routes.
const APP: &str = "
    function price(item) { let sum = 0; for (let i = 0; i < item.weight; i++) sum += i % 7; return sum }
    function total(items) { return items.map(price).reduce((all, one) => all + one, 0) }
    function describe(items) { return JSON.stringify(items.map((item) => ({ ...item, tags: ['a', 'b', String(item.weight)].join() }))) }
    function renderShop(count) { const items = Array.from({ length: count }, (_, at) => ({ name: `item ${at}`, weight: 40 + at * 3 })); return describe(items) + total(items) }
    const load = (path) => { throw new Error(`no such report: ${path} <script>`) };
    export default { async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === '/report') return load(pathname);
      if (pathname === '/slow') await new Promise((go) => setTimeout(go, 15));
      if (pathname === '/shop') return new Response(renderShop(60));
      return new Response('hello');
    } };";

/// Asks again and again until it is told to stop.
fn load(server: &Server) -> (Arc<AtomicBool>, Vec<std::thread::JoinHandle<()>>) {
    let stop = Arc::new(AtomicBool::new(false));
    let addr = server.addr();
    let paths = [&["/", "/", "/shop"][..], &["/shop", "/slow", "/missing"], &["/", "/report"]];
    let threads = paths.into_iter().map(|paths| {
        let stop = stop.clone();
        std::thread::spawn(move || {
            let mut client = Connection::open(addr);
            for path in paths.iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                client.get(path);
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
        })
    });
    let threads = threads.collect();
    (stop, threads)
}

fn shows(page: &mut Page, url: &str, (width, height): (u32, u32), scheme: &str, name: &str) {
    page.call(
        "Emulation.setEmulatedMedia",
        json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
    );
    let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
    page.call("Emulation.setDeviceMetricsOverride", size);
    page.go(url);
    page.wait("document.querySelector('#state')?.dataset.state === 'serving' && seconds.length > 6 && pointOf(now(), -1)[1] > 0");
    page.wait(
        "[...document.querySelectorAll('#routes .route')].some((it) => it.textContent === 'GET /shop')",
    );
    page.wait("document.querySelector('#failures summary').textContent.includes('500 GET /report: Error: no such report: /report <script>')");
    page.wait("document.querySelector('#failures pre').textContent.includes('at load (')");
    page.wait("document.querySelector('#p99').textContent !== '–' && document.querySelector('#resident').textContent.endsWith('MiB')");
    // Nothing is wider than the window, and the canvases are drawn on.
    page.wait("document.documentElement.scrollWidth <= innerWidth");
    let painted = "[...document.querySelectorAll('canvas')].every((canvas) => { const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
         const colours = new Set(); for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 200) colours.add(data.slice(at, at + 3).join()); return colours.size > 2 })";
    page.wait(painted);
    let dark = page.value("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]) < 100");
    assert_eq!(dark, json!(scheme == "dark"));
    page.screenshot(name);
}

#[test]
fn the_dashboard_is_live_in_both_schemes_and_on_a_phone() {
    let Some(browser) = support::browser("the dashboard") else { return };
    let app = App::new(APP);
    let server = Server::spawn(&["--workers", "2", "--admin", "127.0.0.1:0"], app.path());
    let (stop, threads) = load(&server);
    let url = format!("http://{}/", admin(&server));
    let mut page = browser.open(1280, 1400);
    shows(&mut page, &url, (1280, 1400), "light", "dashboard-light");
    shows(&mut page, &url, (1280, 1400), "dark", "dashboard-dark");
    shows(&mut page, &url, (320, 2600), "dark", "dashboard-phone-dark");
    shows(&mut page, &url, (320, 2600), "light", "dashboard-phone-light");
    let before = page.value("last");
    page.wait(&format!("last > {before}"));
    let size = json!({ "width": 1100, "height": 420, "deviceScaleFactor": 1, "mobile": false });
    page.call("Emulation.setDeviceMetricsOverride", size);
    page.go(&format!("{url}flamegraph?seconds=2"));
    page.wait(
        "[...document.querySelectorAll('.frame')].some((frame) => frame.title.startsWith('renderShop ('))",
    );
    page.type_into("#search", "price");
    page.wait("document.querySelectorAll('.hit').length > 0 && document.querySelector('#told').textContent.includes('\"price\"')");
    page.screenshot("flamegraph");
    page.value(
        "[...document.querySelectorAll('.frame')].find((frame) => frame.title.startsWith('total (')).click()",
    );
    page.wait("document.querySelectorAll('.above').length > 0");
    stop.store(true, Ordering::Relaxed);
    drop(server);
    threads.into_iter().for_each(|thread| drop(thread.join()));
}
