//! Programs that other people have written for CGI, unchanged: git http-backend, gitweb, php-cgi; and the examples.
//!
//! Owns: that each does its work. Must not know: how they are told of a request.

use std::path::Path;
use std::process::Command;

use crate::cgi::{root, scripts, start};
use crate::support::{App, Connection, Server, Way, example, pattern, skip};

/// Runs git without the settings of whoever runs the tests.
fn git(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .env("HOME", folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Test").env(format!("GIT_{who}_EMAIL"), "test@a.test");
    }
    let ran = command.args(words).output().expect("git");
    let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    assert!(ran.status.success(), "git {words:?}: {said}");
    said
}

fn has_git() -> bool {
    Command::new("git").arg("--version").output().is_ok()
}

/// A folder with a bare repository that takes pushes, `repos/a.git`, which has one commit.
fn repository(script: &str) -> App {
    let app = scripts(&[("cgi-bin/git", script), ("repos/none", ""), ("work/file", "one\n")]);
    let folder = root(&app);
    git(folder, &["init", "-q", "--bare", "-b", "main", "repos/a.git"]);
    git(&folder.join("repos/a.git"), &["config", "http.receivepack", "true"]);
    let work = folder.join("work");
    git(&work, &["init", "-q", "-b", "main"]);
    git(&work, &["add", "."]);
    git(&work, &["commit", "-q", "-m", "first"]);
    git(&work, &["push", "-q", "../repos/a.git", "main"]);
    app
}

both_backends! {
    fn git_clones_and_pushes_by_its_http_backend(io) {
        if !has_git() {
            return skip("git http-backend", "git is not installed");
        }
        let app = repository("#!/bin/sh\nexec git http-backend\n");
        let repos = format!("GIT_PROJECT_ROOT={}", root(&app).join("repos").canonicalize().expect("a folder").display());
        let flags = ["--cgi-env", &repos, "--cgi-env", "GIT_HTTP_EXPORT_ALL=1", "--body-max", "64M"];
        let server = start(Way::tcp(io), &flags, &app);
        let url = format!("http://{}/cgi-bin/git/a.git", server.addr());
        git(root(&app), &["clone", "-q", &url, "copy"]);
        let copy = root(&app).join("copy");
        assert_eq!(std::fs::read_to_string(copy.join("file")).expect("a file"), "one\n");
        // More than http.postBuffer: a body without a length.
        let mut large = pattern(3 << 20);
        let mut state = 1_u32;
        for byte in &mut large {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        std::fs::write(copy.join("large"), &large).expect("write");
        git(&copy, &["add", "."]);
        git(&copy, &["commit", "-q", "-m", "second"]);
        git(&copy, &["push", "-q", "origin", "main"]);
        git(root(&app), &["clone", "-q", &url, "again"]);
        assert!(std::fs::read(root(&app).join("again/large")).expect("a file") == large, "what was pushed comes back");
    }

    fn gitweb_shows_a_repository(io) {
        let program = "/usr/share/gitweb/gitweb.cgi";
        if !has_git() || !Path::new(program).exists() {
            return skip("gitweb", "it is not installed (Debian: gitweb)");
        }
        let app = repository(&format!("#!/bin/sh\nexec {program}\n"));
        let repos = root(&app).join("repos").canonicalize().expect("a folder");
        let config = root(&app).join("gitweb.conf");
        std::fs::write(&config, format!("our $projectroot = '{}';\n", repos.display())).expect("write");
        let server = start(Way::tcp(io), &["--cgi-env", &format!("GITWEB_CONFIG={}", config.display())], &app);
        let mut client = Connection::open(server.place());
        let list = client.get("/cgi-bin/git");
        assert!(list.status == 200 && list.text().contains("a.git"), "{} {}", list.status, list.text());
        let summary = client.get("/cgi-bin/git?p=a.git;a=summary");
        assert!(summary.text().contains("first"), "{}", summary.text());
        assert_eq!(client.get("/cgi-bin/git?p=none.git").status, 404);
    }

    fn php_answers_by_php_cgi(io) {
        if !Path::new("/usr/bin/php-cgi").exists() {
            return skip("php-cgi", "it is not installed (Debian: php-cgi)");
        }
        let app = scripts(&[("cgi-bin/x.php", "#!/usr/bin/php-cgi\n<?php\nheader('X-Powered: php');\nif (isset($_GET['go'])) \
            { header('Location: /there'); exit; }\nhttp_response_code(201);\necho json_encode([$_SERVER['PATH_INFO'] ?? null, \
            $_GET, $_POST, $_COOKIE, $_SERVER['REQUEST_METHOD'], $_SERVER['SCRIPT_NAME']]);\n")]);
        let server = start(Way::tcp(io), &[], &app);
        let mut client = Connection::open(server.place());
        let form = "name=a+b&x=%C3%A9";
        client.send(format!(
            "POST /cgi-bin/x.php/info?q=1 HTTP/1.1\r\nHost: a\r\nCookie: c=d\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        ));
        let answer = client.response("POST");
        assert_eq!((answer.status, answer.field("x-powered")), (201, Some("php")));
        let expected = r#"["\/info",{"q":"1"},{"name":"a b","x":"\u00e9"},{"c":"d"},"POST","\/cgi-bin\/x.php"]"#;
        assert_eq!(answer.text(), expected);
        let answer = client.get("/cgi-bin/x.php?go=1");
        assert_eq!((answer.status, answer.field("location")), (302, Some("/there")));
    }

    fn the_examples_are_a_guest_book_and_a_clock(io) {
        let app = App::new("");
        let folder = example("cgi");
        let (public, cgi) = (folder.join("public"), format!("{}:/cgi-bin", folder.join("cgi-bin").display()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
        command.args(["--io", io, "--port", "0", "--workers", "1", "--cgi", &cgi]).arg("--static").arg(public);
        command.arg("--cgi-env").arg(format!("GUESTBOOK={}", root(&app).join("book").display()));
        let server = Server::start(command);
        let mut client = Connection::open(server.place());
        assert!(client.get("/").text().contains("/cgi-bin/guestbook.py"));
        let answer = client.post("/cgi-bin/guestbook.py", b"name=A%3Cb%3E&text=hello+there");
        assert_eq!((answer.status, answer.field("location")), (303, Some("/cgi-bin/guestbook.py")));
        let page = client.get("/cgi-bin/guestbook.py");
        assert!(page.text().contains("<li><b>A&lt;b&gt;</b>: hello there"), "{}", page.text());
        assert_eq!(client.get("/cgi-bin/clock.sh?2").text().lines().count(), 2);
    }
}
