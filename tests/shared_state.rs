//! `jsserve:shared`: one store for all workers, atomic and bounded.
//!
//! Owns: counting over all workers, what a full map does, what values survive. Must not know: how
//! the store is made.

use crate::support::{self, Connection, Server, get};

const APP: &str = r#"
import shared from "jsserve:shared";
const worker = crypto.randomUUID(); // one per worker: module variables are
const counters = shared.map("counters", { bytesMax: 64 * 1024 });
const small = shared.map("small", { bytesMax: 64 * 1024 });
const values = shared.map("values", { bytesMax: 1024 * 1024 });
const routes = {
  incr: () => counters.incr("hits", 1),
  update: () => counters.update("updates", (count) => (count ?? 0) + 1),
  worker: () => worker,
  count: () => [counters.get("hits"), counters.get("updates")],
  fill(query) {
    for (let i = 0; i < 10_000; i++) {
      try { small.set("key" + i, "x".repeat(1000)); } catch (error) { return [i, error instanceof Error, error.message, small.size]; }
    }
    return "never full";
  },
  room() { small.clear(); small.set("again", 1); return [small.size, small.get("again")]; },
  store() {
    values.set("value", { date: new Date(0), map: new Map([[1, new Set([2])]]), bytes: new Uint8Array([1, 2]), big: 3n, nested: { list: [null, undefined, -0] } });
    values.set("a:1", 1); values.set("a:2", 2); values.set("b:1", 3);
    return true;
  },
  load() {
    const v = values.get("value");
    return [v.date instanceof Date, v.map.get(1).has(2), v.bytes[1], String(v.big), v.nested.list.length, v !== values.get("value"),
      [...values.keys({ prefix: "a:" })].sort(), values.has("b:1"), values.delete("b:1"), values.delete("b:1"), values.has("b:1"), values.get("none") === undefined];
  },
  ttl() { values.set("soon", 1, { ttl: 50 }); return values.get("soon"); },
  gone: () => values.has("soon"),
  functions() { try { values.set("f", () => 1); return "stored"; } catch (error) { return error.name; } },
  failing() { values.set("n", 1); try { values.update("n", () => { throw new Error("no"); }); } catch {} return values.get("n"); },
};
export default { fetch: (request) => Response.json(routes[new URL(request.url).pathname.slice(1)]()) };
"#;

/// `total` GETs over `clients` connections, 16 at a time on each.
fn hit(server: &Server, target: &str, clients: usize, total: usize) {
    const PIPELINED: usize = 16;
    assert_eq!(total % (clients * PIPELINED), 0);
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut client = Connection::open(server.addr());
                for _ in 0..total / clients / PIPELINED {
                    client.send(get(target).repeat(PIPELINED));
                    for _ in 0..PIPELINED {
                        assert_eq!(client.response("GET").status, 200);
                    }
                }
            });
        }
    });
}

fn ask(server: &Server, path: &str) -> String {
    Connection::open(server.addr()).get(path).text().to_string()
}

#[test]
fn a_hundred_thousand_increments_over_all_workers_are_a_hundred_thousand() {
    let app = app!(APP);
    let server = Server::spawn(&["--workers", "4"], app.path());
    let mut workers: Vec<String> = (0..100).map(|_| ask(&server, "/worker")).collect();
    workers.sort();
    workers.dedup();
    assert_eq!(workers.len(), 4, "not all workers take requests");
    // 100,000 is 10 clients x 16 x 625.
    hit(&server, "/incr", 10, 100_000);
    hit(&server, "/update", 10, 8_000);
    assert_eq!(ask(&server, "/count"), "[100000,8000]");
}

both_backends! {
    fn counting_is_exact_on_this_backend(io) {
        let app = app!(APP);
        let server = Server::spawn(&["--io", io, "--workers", "3"], app.path());
        hit(&server, "/incr", 5, 8_000);
        assert_eq!(ask(&server, "/count"), "[8000,null]");
    }
}

#[test]
fn a_full_map_is_a_clear_error_and_never_grows() {
    let app = app!(APP);
    let server = Server::spawn(&["--workers", "2"], app.path());
    let first = ask(&server, "/fill");
    assert_ne!(first, "\"never full\"");
    let entries: usize =
        first.trim_start_matches('[').split(',').next().and_then(|n| n.parse().ok()).expect("a number");
    assert!((20..=65).contains(&entries), "64 KiB held {entries} values of 1,000 bytes: {first}");
    assert!(first.contains("true") && first.contains("small"), "the error names no map: {first}");
    let memory = server.rss_bytes();
    for _ in 0..200 {
        ask(&server, "/fill");
    }
    assert!(server.rss_bytes() < memory + (16 << 20));
    assert_eq!(ask(&server, "/room"), "[1,1]");
}

#[test]
fn values_are_clones_that_every_worker_sees() {
    let app = app!(APP);
    let server = Server::spawn(&["--workers", "2"], app.path());
    assert_eq!(ask(&server, "/store"), "true");
    assert_eq!(ask(&server, "/load"), r#"[true,true,2,"3",3,true,["a:1","a:2"],true,true,false,false,true]"#);
    assert_eq!(ask(&server, "/functions"), "\"DataCloneError\"");
    assert_eq!(ask(&server, "/failing"), "1");
}

#[test]
fn an_entry_with_a_ttl_goes_away() {
    let app = app!(APP);
    let server = Server::spawn(&["--workers", "2"], app.path());
    assert_eq!(ask(&server, "/ttl"), "1");
    support::eventually("the entry is gone", || ask(&server, "/gone") == "false");
}

/// `navigator.locks`: one after the other, whichever workers ask.
#[test]
fn a_lock_is_held_by_one_request_of_all_workers_at_a_time() {
    const APP: &str = r#"
    import shared from "jsserve:shared";
    const counts = shared.map("critical");
    export default { async fetch(request) {
      if (request.url.endsWith("count")) return Response.json([counts.get("in"), counts.get("entered"), counts.get("together") ?? 0]);
      return navigator.locks.request("one", async () => {
        counts.incr("entered");
        if (counts.incr("in") !== 1) counts.incr("together");
        await new Promise((resolve) => setTimeout(resolve, 1));
        counts.incr("in", -1);
        return new Response("done");
      });
    } };
    "#;
    let app = app!(APP);
    let server = Server::spawn(&["--workers", "4"], app.path());
    hit(&server, "/", 8, 256);
    assert_eq!(ask(&server, "/count"), "[0,256,0]");
}
