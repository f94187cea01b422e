//! The modules of JavaScript that are part of the program.
//!
//! Owns: when they are loaded, and who can import them. Must not know: what they do.

use runtime::js::internal;
use runtime::js::thrown::Thrown;

use crate::driver;

#[test]
fn each_loads_by_itself() {
    for module in runtime::modules::TABLE.modules.iter().filter(|module| module.is_internal()) {
        let name = module.name();
        // Those of Rust have no namespace here: whoever imports them is linked to them.
        if name.contains("natives")
            || ["/tasks", "/sources", "/passages"].iter().any(|end| name.ends_with(end))
        {
            continue;
        }
        let driver = driver::new();
        let loaded = driver.engine.turn(|ctx| {
            let exports = internal::exports(ctx, name).map_err(|_| Thrown::take(ctx));
            exports.map(|exports| exports.keys::<String>().count())
        });
        match loaded {
            Ok(exports) => {
                assert!(exports > 0 || name.ends_with("streams/transfer"), "{name} exports nothing")
            }
            Err(thrown) => panic!("{name}: {thrown}"),
        }
    }
}

#[test]
fn what_an_app_does_not_touch_is_not_loaded() {
    let driver = driver::new();
    let loaded = || internal::loaded(driver.engine.state()).join(" ");
    driver.run(
        "async function fetch(request) { return new Response(`Hello from ${new URL(request.url).pathname}`) }
         fetch(new Request('http://localhost/')); performance.now(); globalThis.onerror;
         new TextEncoder().encode('x'); structuredClone({ a: [new Date] }); new Headers({ a: 'b' });",
    );
    assert_eq!(loaded(), "");
    driver.run("new Event('e')");
    let event = "jsserve:internal/abort/event jsserve:internal/abort/natives jsserve:internal/webidl/natives \
                 jsserve:internal/webidl/webidl";
    assert_eq!(loaded(), event);
    driver.run("new CustomEvent('e')");
    assert_eq!(loaded(), event);
    driver.run("new ReadableStream()");
    assert!(loaded().contains("streams/pipe") && !loaded().contains("abort_signal"), "{}", loaded());
}

#[test]
fn a_load_that_fails_is_tried_again() {
    let driver = driver::new();
    // There is no stack left for the modules, or for some of them only.
    driver.run(
        "let failures = 0, done = false;
         function deep() {
           try { deep() } catch { if (!done) try { ReadableStream; done = true } catch { failures++ } }
         }
         deep();
         ok(failures > 0, 'there was no stack');
         const stream = new ReadableStream({ start(c) { c.enqueue(1); c.close() } });
         ok(stream instanceof ReadableStream);
         equal(new MessageEvent('m') instanceof Event, true);
         equal(new AbortController().signal instanceof EventTarget, true);",
    );
    assert!(internal::loaded(driver.engine.state()).contains(&"jsserve:internal/streams/index"));
}

#[test]
fn apps_cannot_import_them() {
    driver::check_async(
        "for (const name of ['jsserve:internal/webidl/webidl', 'jsserve:internal/webidl/natives', 'jsserve:internal/']) {
           new ReadableStream();
           const error = await rejects(import(name), 'TypeError', name);
           const other = name.replace('internal', 'nothing');
           const unknown = await rejects(import(other), 'TypeError', other);
           equal(error.message.replaceAll('internal', 'nothing'), unknown.message);
           const made = new Function(`return import('${name}')`);
           await rejects(made(), 'TypeError', name);
           // The call comes from one of them.
           let inside;
           new ReadableStream({ start: () => { inside = (0, eval)(`import('${name}')`) } });
           await rejects(inside, 'TypeError', name);
         }",
    );
}
