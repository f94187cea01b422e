//! Apps beside packages from npm, unchanged.
//!
//! Owns: which packages and versions, where `.ci/run` puts them. Must not know: how packages are found.

use std::path::{Path, PathBuf};

use super::{App, Connection, Response, Server, skip};

/// What `.ci/run` installs.
pub const PACKAGES: [&str; 17] = [
    "hono@4.13.19",
    "itty-router@5.0.24",
    "h3@2.0.8",
    "preact@10.29.8",
    "preact-render-to-string@6.8.2",
    "zod@4.6.7",
    "marked@18.2.1",
    "nanoid@5.1.16",
    "date-fns@4.4.0",
    "elysia@1.4.30",
    "jose@6.2.17",
    "graphql@16.15.0",
    "graphql-yoga@5.24.1",
    "axios@1.21.1",
    "bcryptjs@3.0.3",
    "react@19.3.1",
    "react-dom@19.3.1",
];

/// A folder of `target`.
pub fn target(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").join(name)
}

/// Whether `node_modules` has all of `packages`, each at its version.
pub fn has(node_modules: &Path, packages: &[&str]) -> bool {
    packages.iter().all(|package| {
        let (name, version) = package.rsplit_once('@').expect("a version");
        let about = std::fs::read_to_string(node_modules.join(name).join("package.json"));
        about.is_ok_and(|text| text.contains(&format!("\"version\": \"{version}\"")))
    })
}

/// An app of `files` with the packages in reach; without them, says that `test` is skipped.
pub fn app(test: &str, main: &str, files: &[(&str, &str)]) -> Option<App> {
    let installed = target("npm/node_modules");
    if !has(&installed, &PACKAGES) {
        skip(test, &format!("npm install --prefix target/npm {}", PACKAGES.join(" ")));
        return None;
    }
    let app = App::with_files(main, files);
    std::os::unix::fs::symlink(installed, app.path().with_file_name("node_modules")).expect("a link");
    Some(app)
}

/// Serves `source` as the file `name` among the packages, and asks it for each target: GET, or with its
/// method before it and what goes with it behind: fields of the head as `Name: value`, then a body.
#[track_caller]
pub fn answers(
    test: &str,
    name: &str,
    files: &[(&str, &str)],
    expected: &[(&str, u16, &str)],
) -> Option<(App, Server)> {
    let app = app(test, name, files)?;
    let server = Server::spawn(&["--workers", "1", "--no-cache"], app.path());
    for (request, status, text) in expected {
        let response = ask(&server, request);
        assert_eq!((response.status, response.text()), (*status, *text), "{request}\n{}", server.log());
    }
    Some((app, server))
}

/// The answer to a request as [`answers`] takes it.
pub fn ask(server: &Server, request: &str) -> Response {
    let mut client = Connection::open(server.addr());
    let (line, rest) = request.split_once('\n').unwrap_or((request, ""));
    let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
    let is_field = |line: &&str| line.split_once(": ").is_some_and(|(name, _)| !name.contains(['{', '"']));
    let fields: Vec<&str> = rest.lines().take_while(is_field).collect();
    let body: Vec<&str> = rest.lines().skip(fields.len()).collect();
    let (body, mut head) = (body.join("\r\n"), format!("{method} {target} HTTP/1.1\r\nHost: test\r\n"));
    for field in fields {
        head.push_str(&format!("{field}\r\n"));
    }
    client.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()));
    client.response(method)
}
