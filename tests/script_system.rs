//! `os` beside sockets as a script of the real binary has it: signals, children, standard streams.
//!
//! Owns: what only a process of its own shows. Must not know: what each call does (`runtime/tests`).

use crate::support::App;
use crate::support::server::{Ended, run_to_end};

fn run(io: &str, body: &str) -> Ended {
    let source =
        format!("import * as std from 'std'; import * as os from 'os'; const self = os.getpid();\n{body}");
    let file = App::with_files("script.js", &[("script.js", &source)]);
    run_to_end(&["--io", io, file.path().to_str().expect("path")])
}

#[track_caller]
fn ends(ended: &Ended, code: i32, stdout: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), stdout), "{}", ended.stderr);
}

both_backends! {
    fn a_handler_runs_while_the_script_waits_and_may_end_it(io) {
        let body = "os.signal(os.SIGTERM, () => { print('handled'); std.exit(3) });
            os.setTimeout(() => os.kill(self, os.SIGTERM), 1); os.setTimeout(() => {}, 1e8)";
        ends(&run(io, body), 3, "handled\n");
    }

    fn a_handler_keeps_no_script_alive_and_its_exception_ends_it(io) {
        ends(&run(io, "os.signal(os.SIGTERM, () => {}); print('end')"), 0, "end\n");
        let ended = run(io, "os.signal(os.SIGUSR1, () => { throw new TypeError('mine') });
            os.kill(self, os.SIGUSR1); os.setTimeout(() => print('never'), 1e8)");
        ends(&ended, 1, "");
        assert!(ended.stderr.contains("TypeError: mine"), "{}", ended.stderr);
    }

    fn a_signal_with_its_default_action_ends_the_process(io) {
        let ended = run(io, "os.signal(os.SIGUSR1, () => print('never')); os.signal(os.SIGUSR1, null);
            os.kill(self, os.SIGUSR1); os.sleep(5000)");
        assert_eq!((ended.code, ended.stdout.as_str()), (None, ""), "{}", ended.stderr);
    }

    fn an_ignored_signal_does_nothing_and_a_handled_one_ends_a_sleep(io) {
        let body = "os.signal(os.SIGUSR1); os.kill(self, os.SIGUSR1);
            const child = os.exec(['sh', '-c', `while sleep 0.1; do kill -USR1 ${self}; done`], { block: false });
            os.signal(os.SIGUSR1, () => {
              print('handled'); os.kill(child, os.SIGKILL); os.waitpid(child, 0); os.signal(os.SIGUSR1) });
            const start = os.now(); print(os.sleep(60000), os.now() - start < 30000); os.setTimeout(() => {}, 30)";
        ends(&run(io, body), 0, "-4 true\nhandled\n");
    }

    fn standard_output_goes_where_dup2_says(io) {
        let body = "const [read, write] = os.pipe(), buffer = new Uint8Array(64), saved = os.dup(1);
            os.dup2(write, 1); os.write(1, new Uint8Array([104, 105]).buffer, 0, 2); os.exec(['echo', ' there']);
            os.dup2(saved, 1); const length = os.read(read, buffer.buffer, 0, 64);
            print(length, JSON.stringify(String.fromCharCode(...buffer.subarray(0, length))))";
        ends(&run(io, body), 0, "9 \"hi there\\n\"\n");
    }
}
