//! What an app finds in its world: the globals of this version, and where errors are told.
//!
//! Owns: one JavaScript check per global, run by the real binary. Must not know: how they are made.

use crate::support::{Connection, Server};

/// Each check answers true, or something that says what is wrong.
const APP: &str = r##"
const checks = {
  "text codecs": () => new TextDecoder().decode(new TextEncoder().encode("é€𝄞")) === "é€𝄞" && new TextEncoder().encode("é").length === 2,
  "malformed UTF-8 is replaced": () => new TextDecoder().decode(new Uint8Array([0xff, 65])) === "\uFFFDA",
  "fatal decoding throws": () => { try { new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([0xff])); return "no error"; } catch (error) { return error instanceof TypeError; } },
  "URL parts": () => { const u = new URL("../c?x=1#h", "http://u:p@host:81/a/b"); return [u.href, u.host, u.port, u.pathname, u.search, u.hash, u.username, u.origin].join() === "http://u:p@host:81/c?x=1#h,host:81,81,/c,?x=1,#h,u,http://host:81"; },
  "URL setters": () => { const u = new URL("http://a/"); u.pathname = "/b c"; u.searchParams.append("k", "v w"); return u.href === "http://a/b%20c?k=v+w"; },
  "URL refuses nonsense": () => { try { new URL("nonsense"); return "no error"; } catch (error) { return error instanceof TypeError && !URL.canParse("nonsense"); } },
  "URLSearchParams": () => { const p = new URLSearchParams("a=1&b=2&a=3"); p.delete("b"); p.sort(); return p.getAll("a").join() === "1,3" && p.get("b") === null && p.toString() === "a=1&a=3" && [...p].length === 2; },
  "Headers": () => { const h = new Headers({ "B": "1", a: "2" }); h.append("b", " 3 "); return [...h].join(";") === "a,2;b,1, 3" && h.get("B") === "1, 3" && h.has("a") && !h.has("c"); },
  "Headers getSetCookie": () => { const h = new Headers([["set-cookie", "a=1"], ["set-cookie", "b=2"]]); return h.getSetCookie().join("|") === "a=1|b=2"; },
  "Response": async () => { const r = new Response("t", { status: 201, statusText: "Made", headers: { a: "b" } }); return r.status === 201 && r.statusText === "Made" && r.ok && r.headers.get("a") === "b" && !r.bodyUsed && await r.text() === "t" && r.bodyUsed; },
  "a body is used once": async () => { const r = new Response("t"); await r.text(); try { await r.text(); return "no error"; } catch (error) { return error instanceof TypeError; } },
  "Response clone": async () => { const r = new Response("t"); const c = r.clone(); return await r.text() + await c.text() === "tt"; },
  "Response bodies": async () => [await new Response(new URLSearchParams({ a: "b c" })).text(), await new Response(new Uint8Array([104, 105]).subarray(1)).text(), await new Response(new TextEncoder().encode("x").buffer).text(), await new Response(null).text(), (await new Response("ab").bytes()).length, (await new Response('{"a":[1]}').json()).a[0]].join() === "a=b+c,i,x,,2,1",
  "URLSearchParams has a type": () => new Response(new URLSearchParams("a=b")).headers.get("content-type") === "application/x-www-form-urlencoded;charset=UTF-8",
  "Response refuses what is wrong": () => [() => new Response("", { status: 99 }), () => new Response("", { status: 600 }), () => new Response("body", { status: 204 }), () => Response.redirect("http://a/", 200)].every((wrong) => { try { wrong(); return false; } catch (error) { return error instanceof RangeError || error instanceof TypeError; } }),
  "Request": async () => { const r = new Request("http://a/b", { method: "post", body: "x", headers: { c: "d" } }); return r.method === "POST" && r.url === "http://a/b" && r.headers.get("c") === "d" && await r.clone().text() === "x" && await r.text() === "x"; },
  "timers": async () => { const order = []; setTimeout(() => order.push(2), 10); setTimeout((a) => order.push(a), 1, 1); const id = setInterval(() => order.push("i"), 1); clearInterval(id); clearTimeout(setTimeout(() => order.push("no"), 1)); await new Promise((r) => setTimeout(r, 30)); return order.join() === "1,2"; },
  "intervals": async () => { let n = 0; await new Promise((r) => { const id = setInterval(() => { if (++n === 3) { clearInterval(id); r(); } }, 1); }); return n === 3; },
  "microtasks come before timers": async () => { const order = []; setTimeout(() => order.push("timer"), 0); queueMicrotask(() => order.push("micro")); await new Promise((r) => setTimeout(r, 10)); return order.join() === "micro,timer"; },
  "structuredClone": () => { const a = { m: new Map([[1, new Date(5)]]), s: new Set("x"), b: new Uint8Array([7]), e: new RangeError("r") }; a.self = a; const c = structuredClone(a); return c !== a && c.self === c && c.m.get(1).getTime() === 5 && c.s.has("x") && c.b[0] === 7 && c.e instanceof RangeError; },
  "structuredClone refuses functions": () => { try { structuredClone(() => 1); return "no error"; } catch (error) { return error.name === "DataCloneError"; } },
  "performance": async () => { const a = performance.now(); await new Promise((r) => setTimeout(r, 5)); const b = performance.now(); return b - a >= 4 && b - a < 5000; },
  "random": () => { const a = crypto.getRandomValues(new Uint8Array(32)); return new Set(a).size > 8 && /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()) && crypto.randomUUID() !== crypto.randomUUID(); },
  "base64": () => btoa("hi\xff") === "aGn/" && atob(" aGk = ") === "hi",
  "base64 refuses": () => [() => btoa("€"), () => atob("a")].every((wrong) => { try { wrong(); return false; } catch (error) { return error.name === "InvalidCharacterError"; } }),
  "AbortController": () => { const c = new AbortController(); let seen = 0; c.signal.addEventListener("abort", () => seen++); c.signal.onabort = () => seen++; c.abort("why"); c.abort("again"); let thrown; try { c.signal.throwIfAborted(); } catch (reason) { thrown = reason; } return c.signal.aborted && c.signal.reason === "why" && seen === 2 && thrown === "why"; },
  "an abort has a reason": () => { const c = new AbortController(); c.abort(); return c.signal.reason.name === "AbortError"; },
  "env has what it was given": (env) => Object.keys(env).join() === "PATH" && typeof env.PATH === "string" && Object.isFrozen(env),
  "ctx can wait until": (env, ctx) => { ctx.waitUntil(Promise.resolve()); return true; },
};
const names = Object.keys(checks);
export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    if (url.pathname === "/count") return new Response(String(names.length));
    const name = names[Number(url.searchParams.get("n"))];
    let result;
    try { result = await checks[name](env, ctx); } catch (error) { result = `${error}\n${error?.stack}`; }
    return new Response(result === true ? "" : `${name}: ${result}`);
  },
};"##;

#[test]
fn every_global_does_what_its_specification_says() {
    let app = app!(APP);
    let server = Server::spawn(&["--workers", "1", "--env", "PATH"], app.path());
    let mut client = Connection::open(server.addr());
    let count: usize = client.get("/count").text().parse().expect("count");
    assert!(count > 20);
    let answers: Vec<String> =
        (0..count).map(|n| client.get(&format!("/?n={n}")).text().to_string()).collect();
    let wrong: Vec<&str> = answers.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn console_formats_objects_and_goes_to_standard_error() {
    let app = app!(fetch
        "console.log('plain', 1, { a: [1, 2], b: 'text', c: null });
         console.error(new Error('with a stack'));
         console.warn('%s is %d', 'answer', 42);
         return new Response('ok');"
    );
    let server = Server::spawn(&["--workers", "1"], app.path());
    assert_eq!(Connection::open(server.addr()).get("/").text(), "ok");
    for part in ["plain 1 { a: [ 1, 2 ], b: 'text', c: null }", "with a stack", "app.js:2", "answer is 42"] {
        server.await_log(part);
    }
}

#[test]
fn wait_until_goes_on_after_the_response() {
    let app = app!(fetch
        "ctx.waitUntil(new Promise((resolve) => setTimeout(() => { console.log('done later'); resolve(); }, 50)));
         return new Response('at once');"
    );
    let server = Server::spawn(&["--workers", "1"], app.path());
    assert_eq!(Connection::open(server.addr()).get("/").text(), "at once");
    server.await_log("done later");
}

#[test]
fn workers_are_threads_with_a_core_each_and_a_world_each() {
    let app = app!("const id = crypto.randomUUID(); export default { fetch: () => new Response(id) };");
    let server = Server::spawn(&["--workers", "2"], app.path());
    let mut seen: Vec<String> =
        (0..100).map(|_| Connection::open(server.addr()).get("/").text().to_string()).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 2, "module variables are one per worker, and both workers accept");
    let mut cores: Vec<String> = std::fs::read_dir(format!("/proc/{}/task", server.pid()))
        .expect("threads")
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok())
        .filter_map(|status| {
            Some(status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.trim().to_string())
        })
        .filter(|list| list.parse::<u32>().is_ok())
        .collect();
    cores.sort();
    cores.dedup();
    let available = std::thread::available_parallelism().expect("cores").get();
    assert_eq!(cores.len(), available.min(2), "workers are pinned, each to a core of its own: {cores:?}");
}

#[test]
fn the_app_gets_its_arguments_nowhere_in_its_way() {
    let app = app!("export default { fetch: () => new Response('ok') };");
    let path = app.path().to_str().expect("path").to_string();
    let launcher = std::process::Command::new(env!("CARGO_BIN_EXE_jsserve"));
    // Flags of the server may follow the app; what follows `--` is the app's.
    let server = Server::spawn_with(launcher, &[&path, "--workers", "1", "--"], "--unknown-flag".as_ref());
    assert!(server.start_line().contains("workers=1"), "{}", server.start_line());
    assert_eq!(Connection::open(server.addr()).get("/").text(), "ok");
}

#[test]
fn an_app_gets_its_arguments() {
    let app = app!("export default { fetch: () => Response.json(scriptArgs.slice(1)) };");
    let command = std::process::Command::new("sh");
    // The arguments stand behind the app, which the harness appends.
    let script = concat!("exec ", env!("CARGO_BIN_EXE_jsserve"), r#" "$@" -- one --two"#);
    let server =
        Server::spawn_with(command, &["-c", script, "sh", "--port", "0", "--workers", "1"], app.path());
    assert_eq!(Connection::open(server.addr()).get("/").text(), r#"["one","--two"]"#);
}

#[test]
fn a_thenable_and_a_subclass_are_answers_and_setters_of_prototypes_see_nothing() {
    let app = app!(
        "class Mine extends Response { get extra() { return 1 } }
         const seen = [];
         for (const name of ['status', 'addr', 'family', 'PATH', '0'])
           Object.defineProperty(Object.prototype, name, { configurable: true, set() { seen.push(name) } });
         JSON.parse = () => 'spied';
         const kinds = {
           thenable: () => ({ then(resolve) { setTimeout(() => resolve(new Response('later')), 1) } }),
           subclass: () => new Mine('mine'),
           peer: (request, env, ctx) => new Response(`${ctx.peer.addr} ${typeof env.PATH} ${seen}`),
           json: async () => Response.json((await import('./data.json')).default),
           interrupted: async () => { await new Promise(() => { for (;;); }) },
         };
         export default { fetch: (request, env, ctx) => kinds[new URL(request.url).pathname.slice(1)](request, env, ctx) };"
    );
    std::fs::write(app.path().with_file_name("data.json"), "{\"a\": [1]}").expect("a file");
    let server = Server::spawn(&["--workers", "1", "--cpu-max", "100ms", "--env", "PATH"], app.path());
    let mut client = Connection::open(server.addr());
    for (path, text) in [
        ("/thenable", "later"),
        ("/subclass", "mine"),
        ("/peer", "127.0.0.1 string "),
        ("/json", "{\"a\":[1]}"),
    ] {
        assert_eq!(client.get(path).text(), text, "{path}");
    }
    assert_eq!(client.get("/interrupted").status, 503);
}
