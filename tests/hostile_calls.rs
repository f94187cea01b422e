//! Calls with which a script or a handler may harm the process that runs it, and does not.
//!
//! Owns: the calls that each ended a process, hung it, or took what is another's. Must not know:
//! what the calls do otherwise (`runtime/tests`).

use crate::support::server::run_to_end;
use crate::support::{App, Connection, Server};

fn script(io: &str, body: &str) -> String {
    let source = format!("import * as std from 'std'; import * as os from 'os';\n{body}");
    let file = App::with_files("script.js", &[("script.js", &source)]);
    let ended = run_to_end(&["--io", io, file.path().to_str().expect("path")]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    ended.stdout
}

both_backends! {
    fn a_handler_cannot_close_or_replace_the_servers_standard_streams(io) {
        let app = app!("import * as std from 'std'; import * as os from 'os';
            export default { fetch() {
              std.out.puts(''); const null_ = os.open('/dev/null', os.O_RDWR), answers = [];
              for (const fd of [0, 1, 2]) answers.push(os.close(fd), os.dup2(null_, fd));
              os.close(null_); throw new Error(`seen: ${answers}`) } }");
        let server = Server::spawn(&["--io", io, "--workers", "1"], app.path());
        assert_eq!(Connection::open(server.addr()).get("/").status, 500);
        server.await_log("seen: -9,-9,-9,-9,-9,-9");
    }

    fn a_script_that_takes_every_number_still_runs_to_its_end(io) {
        let body = "for (let fd = 3; fd < 300; fd++) { os.close(fd); try { os.dup2(0, fd) } catch {} }
            await os.sleepAsync(1); os.setTimeout(() => print('end'), 1)";
        assert_eq!(script(io, body), "end\n");
    }

    fn code_that_only_a_fuzzer_writes_is_an_error(io) {
        let body = "const texts = ['('.repeat(1e5), '['.repeat(1e5), '`${'.repeat(1e4), '{'.repeat(1e5), 'a=>'.repeat(1e5) + '1',
              'new '.repeat(1e5), '/' + '('.repeat(1e5) + '/', 'if(1)'.repeat(1e5) + ';'];
            let errors = 0;
            for (const text of texts) try { std.evalScript(text) } catch (error) { errors += error instanceof Error }
            for (const format of ['%999999999d', '%.999999999f', '%99999999999999999999d'])
              try { std.sprintf(format, 1) } catch (error) { errors += error instanceof RangeError }
            for (const text of ['['.repeat(1e6), '{a:'.repeat(1e5)]) try { std.parseExtJSON(text) } catch (error) { errors += error instanceof RangeError }
            print(errors === texts.length + 5)";
        assert_eq!(script(io, body), "true\n");
    }

    fn every_export_of_os_refuses_missing_and_wrong_arguments(io) {
        let body = "const none = ['cputime', 'exePath', 'getcwd', 'getpid', 'now', 'pipe', 'mkdtemp', 'mkstemp', 'Worker', 'clearTimeout', 'clearInterval'];
            for (const [name, call] of Object.entries(os).filter(([name, call]) => typeof call === 'function' && !none.includes(name)))
              for (const args of [[], [Symbol()], [{}]])
                try { await call(...args); print(name, args.length, 'no error') } catch (error) { if (!(error instanceof TypeError)) print(name, args.length, error) }";
        assert_eq!(script(io, body), "");
    }
}
