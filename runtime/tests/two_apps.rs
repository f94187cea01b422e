//! Two apps in one process: neither sees what the other has.
//!
//! Owns: the two, loaded on one thread one after the other. Must not know: servers.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use rquickjs::Value;
use runtime::app::{App, Blueprint, Engines};
use runtime::config::{Config, IoChoice, Limits, LogFormat, SourceOptions};
use runtime::js::thrown::Thrown;
use runtime::js::value;

use crate::driver::on_worker;
use crate::os_workers::{self, Files};

/// What each app ends in.
const SERVES: &str = "\nexport default { fetch() {} }\n";

fn config(files: &Files, main: &str) -> Config {
    Config {
        app: Path::new(files.folder()).join(main),
        sources: SourceOptions { import_map: None, no_cache: true },
        args: Vec::new(),
        file: None,
        env: Vec::new(),
        listen: Vec::new(),
        trusted_proxies: Default::default(),
        forwarded_fields: Default::default(),
        tls: Vec::new(),
        self_signed: None,
        acme: None,
        workers: 1,
        io: IoChoice::Auto,
        files: runtime::config::StaticFiles::default(),
        crons: Vec::new(),
        permissions: None,
        cgi: Default::default(),
        http2: true,
        dev: false,
        quiet: true,
        log: LogFormat::Text,
        answers: Default::default(),
        heap_from_cgroup: false,
        site: None,
        proxies: Vec::new(),
        access_log: None,
        admin: None,
        reload: Default::default(),
        listens_by_default: false,
        account: None,
        limits: Limits::default(),
    }
}

fn write(files: &Files, name: &str, text: &str) {
    std::fs::write(Path::new(files.folder()).join(name), text).expect("a file");
}

fn blueprint(config: Config) -> Arc<Blueprint> {
    Arc::new(Blueprint::compile(Arc::new(config)).unwrap_or_else(|error| panic!("{error}")))
}

/// A worker of the app.
async fn worker(blueprint: &Arc<Blueprint>) -> Rc<App> {
    let loaded = App::load(blueprint.clone(), 0, Engines::default()).await;
    loaded.unwrap_or_else(|error| panic!("{error}"))
}

/// What `source` evaluates to there, as a string.
fn text(app: &App, source: &str) -> String {
    app.current().engine().turn(|ctx| match ctx.eval::<Value, _>(source) {
        Ok(result) => value::to_string(&result).unwrap_or_else(|_| Thrown::take(ctx).text),
        Err(_) => Thrown::take(ctx).text,
    })
}

#[test]
fn each_of_two_apps_has_its_import_map() {
    on_worker(|| async {
        let main = format!("import x from 'x'; globalThis.seen = x;{SERVES}");
        let files = Files::new(&[
            ("main.js", &main),
            ("one.js", "export default 'one'"),
            ("two.js", "export default 'two'"),
            ("one.json", r#"{ "imports": { "x": "./one.js" } }"#),
            ("two.json", r#"{ "imports": { "x": "./two.js" } }"#),
        ]);
        let with_map = |map: &str| {
            let mut config = config(&files, "main.js");
            config.sources.import_map = Some(Path::new(files.folder()).join(map));
            blueprint(config)
        };
        let (one, two) = (with_map("one.json"), with_map("two.json"));
        for (blueprint, seen) in [(&one, "one"), (&two, "two"), (&one, "one")] {
            assert_eq!(text(&*worker(blueprint).await, "seen"), seen);
        }
        let error = Blueprint::compile(Arc::new(config(&files, "main.js"))).err().expect("no map, no x");
        assert!(error.to_string().contains("Cannot find package 'x'"), "{error}");
    });
}

#[test]
fn an_import_map_that_is_none_is_an_error_of_the_flag() {
    let files = Files::new(&[("main.js", SERVES), ("map.json", "[]")]);
    let mut config = config(&files, "main.js");
    config.sources.import_map = Some(Path::new(files.folder()).join("map.json"));
    let error = Blueprint::compile(Arc::new(config)).err().expect("an array");
    assert!(error.flag() == Some("import-map") && error.to_string().contains("map.json"), "{error}");
}

#[test]
fn each_of_two_apps_has_its_tsconfig() {
    on_worker(|| async {
        let fields =
            |defined: bool| format!(r#"{{ "compilerOptions": {{ "useDefineForClassFields": {defined} }} }}"#);
        let main = format!("class A {{ x?: number }}\nglobalThis.seen = 'x' in new A();{SERVES}");
        let files = Files::new(&[("main.ts", &main), ("tsconfig.json", &fields(false))]);
        let one = blueprint(config(&files, "main.ts"));
        write(&files, "tsconfig.json", &fields(true));
        let two = blueprint(config(&files, "main.ts"));
        for (blueprint, seen) in [(&one, "false"), (&two, "true"), (&one, "false")] {
            assert_eq!(text(&*worker(blueprint).await, "seen"), seen);
        }
        write(&files, "later.ts", "class A { x?: number }\nglobalThis.seen = 'later ' + ('x' in new A());");
        for (blueprint, seen) in [(&two, "later true"), (&one, "later false")] {
            let app = worker(blueprint).await;
            let name = format!("{}/later.ts", files.folder());
            app.current().engine().turn(|ctx| {
                rquickjs::Module::import(ctx, &*name).map(drop).expect("it is there");
            });
            assert_eq!(text(&app, "seen"), seen);
        }
    });
}

#[test]
fn each_of_two_apps_has_its_environment_and_its_workers_share_it() {
    on_worker(|| async {
        let main = format!(
            "import * as std from 'std'; import * as os from 'os'; globalThis.std = std; globalThis.os = os;{SERVES}"
        );
        let files = Files::new(&[("main.js", &main)]);
        let with = |value: &str| {
            blueprint(Config { env: vec![("A".into(), value.into())], ..config(&files, "main.js") })
        };
        let (one, two) = (with("1"), with("2"));
        let (first, second, other) = (worker(&one).await, worker(&one).await, worker(&two).await);
        let seen = "[std.getenv('A'), std.getenv('B'), Object.keys(std.getenviron())].join()";
        assert_eq!([&first, &second, &other].map(|app| text(app, seen)), ["1,,A", "1,,A", "2,,A"]);
        text(&first, "std.setenv('B', 'set'); std.unsetenv('A')");
        assert_eq!([&first, &second, &other].map(|app| text(app, seen)), [",set,B", ",set,B", "2,,A"]);
        // What an app starts has the app's variables.
        let shell = "std.popen('echo $A-$B', 'r').readAsString().trim()";
        assert_eq!([&first, &other].map(|app| text(app, shell)), ["-set", "2-"]);
    });
}

#[test]
fn each_of_two_apps_has_its_shared_maps_and_threads_of_an_app_have_those_of_the_app() {
    on_worker(|| async {
        let main = format!(
            "import * as os from 'os'; import * as std from 'std'; import {{ map }} from 'jsserve:shared';
             globalThis.count = map('hits', {{ bytesMax: Number(std.getenv('BYTES')) }}); count.incr('n');
             const thread = new os.Worker('./thread.js'); const done = await new Promise((f) => {{ thread.onmessage = f }});
             globalThis.seen = done.data; thread.onmessage = null;{SERVES}"
        );
        let thread = "import * as os from 'os'; import * as std from 'std'; import { map } from 'jsserve:shared';
             os.Worker.parent.postMessage([map('hits').incr('n', 10), std.getenv('BYTES'), scriptOf()].join());
             function scriptOf() { return import.meta.main }";
        let files = Files::new(&[("main.js", &main), ("thread.js", thread)]);
        let with = |bytes: &str| {
            blueprint(Config { env: vec![("BYTES".into(), bytes.into())], ..config(&files, "main.js") })
        };
        let (one, two) = (with("100000"), with("200000"));
        let (first, other) = (worker(&one).await, worker(&two).await);
        assert_eq!([&first, &other].map(|app| text(app, "seen")), ["11,100000,false", "11,200000,false"]);
        let second = worker(&one).await;
        assert_eq!(text(&second, "seen"), "22,100000,false");
        assert_eq!([&first, &second, &other].map(|app| text(app, "count.get('n')")), ["22", "22", "11"]);
    });
}

#[test]
fn messages_of_one_of_two_apps_reach_its_workers_and_not_the_other_app() {
    on_worker(|| async {
        let main = format!(
            "import {{ publish }} from 'jsserve:shared'; import {{ EventHistory, EventStream }} from 'jsserve:events';
             globalThis.seen = []; const channel = new BroadcastChannel('a'); channel.onmessage = ({{ data }}) => seen.push(data);
             const news = new EventHistory('news'), stream = new EventStream(); stream.subscribe('topic'); stream.subscribe(news);
             Object.assign(globalThis, {{ publish, channel, news, waiting: () => stream.bufferedAmount }});{SERVES}"
        );
        let files = Files::new(&[("main.js", &main)]);
        let (one, two) = (blueprint(config(&files, "main.js")), blueprint(config(&files, "main.js")));
        let (first, second, other) = (worker(&one).await, worker(&one).await, worker(&two).await);
        let here =
            text(&first, "channel.postMessage('posted'); news.publish('told'); publish('topic', 'sent')");
        assert_eq!(here, "1");
        let waiting = |app: &App| text(app, "waiting()").parse::<usize>().expect("a number");
        let all = || waiting(&second) == waiting(&first) && text(&second, "seen.join()") == "posted";
        os_workers::eventually("the second worker has it", all).await;
        assert!(waiting(&first) > 0 && text(&first, "seen.join()").is_empty());
        assert_eq!((waiting(&other), text(&other, "seen.join() + news.size").as_str()), (0, "0"));
    });
}

/// The line of `file` in the first frame of a stack.
fn line(stack: &str, file: &str) -> String {
    let place = stack.lines().next().and_then(|frame| frame.split(&format!("/{file}:")).nth(1));
    place.and_then(|place| place.split(':').next()).unwrap_or(stack).to_owned()
}

#[test]
fn a_file_that_is_edited_between_two_loads_has_the_places_of_what_each_runs() {
    on_worker(|| async {
        let main = |lines: usize| {
            let types = "interface I {\n  a: string\n}\n".repeat(lines);
            format!("{types}globalThis.place = (): string => new Error('here').stack!;{SERVES}")
        };
        let files = Files::new(&[("main.ts", &main(1))]);
        let one = blueprint(config(&files, "main.ts"));
        let first = worker(&one).await;
        write(&files, "main.ts", &main(3));
        let two = blueprint(config(&files, "main.ts"));
        let other = worker(&two).await;
        let place = |app: &App| line(&text(app, "place()"), "main.ts");
        assert_eq!([&first, &other, &first].map(|app| place(app)), ["4", "10", "4"]);
        // A fresh context of the first app runs what that app was compiled from.
        assert_eq!(place(&*worker(&one).await), "4");
    });
}

#[test]
fn a_thread_of_an_app_has_the_places_of_what_it_read_itself() {
    on_worker(|| async {
        let place = |types: usize| {
            let types = "interface I {\n  a: string\n}\n".repeat(types);
            format!("{types}export const place = (): string => new Error('here').stack!;\n")
        };
        let main = format!(
            "import * as os from 'os'; import {{ place }} from './place.ts'; Object.assign(globalThis, {{ place, start }});
             function start() {{
               const thread = new os.Worker('./thread.js');
               thread.onmessage = ({{ data }}) => {{ globalThis.theirs = data; thread.onmessage = null }};
             }}{SERVES}"
        );
        let thread = "import * as os from 'os'; import { place } from './place.ts'; os.Worker.parent.postMessage(place())";
        let files = Files::new(&[("main.js", &main), ("thread.js", thread), ("place.ts", &place(1))]);
        let app = worker(&blueprint(config(&files, "main.js"))).await;
        write(&files, "place.ts", &place(3));
        text(&app, "start()");
        let theirs = || text(&app, "globalThis.theirs ?? ''");
        os_workers::eventually("the thread says where it is", || !theirs().is_empty()).await;
        assert_eq!(
            (line(&theirs(), "place.ts"), line(&text(&app, "place()"), "place.ts")),
            ("10".into(), "4".into())
        );
    });
}
