//! `os.Worker` in scripts and served apps, run by the real binary.
//!
//! Owns: nothing. Must not know: how messages travel.

use std::process::{Command, Output};

use crate::support::{App, Connection, Server};

/// Runs the main file of `files` as a script.
fn script(io: &str, files: &[(&str, &str)]) -> Output {
    let files = App::with_files("main.js", files);
    let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
    command.args(["--io", io]).arg(files.path()).output().expect("jsserve")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

both_backends! {
    fn a_script_ends_whatever_its_workers_do(io) {
        let output = script(io, &[
            (
                "main.js",
                "import * as os from 'os';
                 const w = new os.Worker('./spin.js');
                 w.onmessage = ({ data }) => { print(data); w.onmessage = null };",
            ),
            ("spin.js", "import * as os from 'os'; os.Worker.parent.postMessage('spinning'); for (;;);"),
        ]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "spinning\n".into()));
        assert_eq!(text(&output.stderr), "");
    }

    fn errors_of_a_worker_are_told_and_end_only_it(io) {
        let output = script(io, &[
            (
                "main.js",
                "import * as os from 'os';
                 for (const name of ['./throws.js', './rejects.js', './missing.js']) {
                   new os.Worker(name).onmessage = () => {};
                 }",
            ),
            ("throws.js", "print('started'); null.x;"),
            ("rejects.js", "Promise.reject(new Error('nobody cares'));"),
        ]);
        let (out, errors) = (text(&output.stdout), text(&output.stderr));
        assert_eq!((output.status.code(), out.as_str()), (Some(0), "started\n"), "{errors}");
        for part in [
            "Worker ./throws.js: TypeError: Cannot read properties of null (reading 'x')\n    at ",
            ">    1 | print('started'); null.x;",
            "Worker ./rejects.js, unhandled rejection: Error: nobody cares\n",
            "Worker ./missing.js: TypeError: Cannot find module './missing.js' imported from ",
        ] {
            assert!(errors.contains(part), "{part} is missing in:\n{errors}");
        }
    }

    fn exit_in_a_worker_ends_the_process(io) {
        let output = script(io, &[
            ("main.js", "import * as os from 'os'; new os.Worker('./exit.js').onmessage = () => {};"),
            ("exit.js", "import * as std from 'std'; std.puts('last words'); std.exit(7);"),
        ]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(7), "last words".into()));
    }

    fn a_served_app_has_workers_that_may_wait(io) {
        let app = App::with_files("app.js", &[
            (
                "app.js",
                "import * as os from 'os';
                 const w = new os.Worker('./work.js'), waiting = [];
                 const cell = new Int32Array(new SharedArrayBuffer(4));
                 w.onmessage = ({ data }) => waiting.shift()(data);
                 w.postMessage(cell);
                 export default {
                   async fetch(request) {
                     let refused;
                     try { Atomics.wait(cell, 0, 1) } catch (error) { refused = error.name }
                     const answer = new Promise((resolve) => waiting.push(resolve));
                     Atomics.add(cell, 0, 1);
                     Atomics.notify(cell, 0);
                     return new Response(`${await answer} ${refused}`);
                   },
                 };",
            ),
            (
                "work.js",
                "import * as os from 'os';
                 os.Worker.parent.onmessage = ({ data: cell }) => {
                   console.log('the worker is up');
                   for (let n = 0; ; n++) {
                     if (n > 0) os.Worker.parent.postMessage(n);
                     Atomics.wait(cell, 0, n);
                   }
                 };",
            ),
        ]);
        let server = Server::spawn(&["--io", io, "--workers", "1"], app.path());
        server.await_log("Worker ./work.js: the worker is up");
        let mut client = Connection::open(server.addr());
        assert_eq!(client.get("/").text(), "1 TypeError");
        assert_eq!(client.get("/").text(), "2 TypeError");
    }
}

/// Names that begin with no dot start from the working directory, as in qjs.
#[test]
fn a_bare_name_is_looked_for_here_and_then_beside_the_script() {
    let files = App::with_files(
        "main.js",
        &[
            ("main.js", "import * as os from 'os'; new os.Worker('beside.js').onmessage = () => {};"),
            ("beside.js", "print('found')"),
        ],
    );
    let folder = files.path().parent().expect("a folder");
    for here in [folder, std::path::Path::new("/")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
        let output = command.arg(files.path()).current_dir(here).output().expect("jsserve");
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "found\n".into()));
    }
}
