//! What the environment tells the client: proxies, exceptions, whom to trust.
//!
//! Owns: the processes that get an environment. Must not know: how the client works inside.

use crate::io_harness;

use std::process::Command;

use crate::client_server::{Server, fetch, get, response};
use crate::client_tls_server::{Authority, Terms, TlsServer};
use base64::Engine as _;
use runtime::client::{Client, ClientOptions, blocking};
use runtime::io::{self, Backend, IoOptions};
use runtime::tls::Roots;
use url::Url;

on_both!(the_environment_names_the_roots);

/// The child's part of the tests below: asks for the URLs in TEST_URLS by the environment's proxies.
#[test]
#[ignore = "run by the tests of the environment, in a process of its own"]
fn child() {
    for url in std::env::var("TEST_URLS").expect("URLs").split_whitespace() {
        let url = Url::parse(url).expect("a URL");
        let waited = match blocking(ClientOptions::default(), 1 << 20, || get(url.clone())) {
            Ok(fetched) => String::from_utf8_lossy(&fetched.body).into_owned(),
            Err(error) => error.chain(),
        };
        // The worker's own client has the same mind, and all of its handles share one pool.
        let url = url.clone();
        let (own, kept) = io::run(Backend::Epoll, &IoOptions::default(), || async {
            let own = match fetch(&Client::of_worker(), get(url)).await {
                Ok((_, body)) => body,
                Err(error) => error.chain(),
            };
            (own, Client::of_worker().idle_connections())
        })
        .expect("a worker");
        assert_eq!(own, waited);
        assert_eq!(kept > 0, !own.contains(": "), "{own} leaves {kept} connections");
        println!("answer: {waited}");
    }
}

/// What [`child`] prints with this environment, an answer a line.
fn with_environment(environment: &[(&str, &str)], urls: &str) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "client_environment::child", "--ignored", "--nocapture"]).env("TEST_URLS", urls);
    for name in [
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "REQUEST_METHOD",
        "ssl_cert_file",
        "ssl_cert_dir",
    ] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    let output = command.envs(environment.iter().copied()).output().expect("the child runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{text}");
    text.lines().filter_map(|line| Some(line.split_once("answer: ")?.1.to_string())).collect()
}

#[test]
fn the_environment_names_the_proxy() {
    let (proxy, server) = (Server::canned(response("", b"proxy")), Server::canned(response("", b"server")));
    let (via, direct) = (format!("http://{}", proxy.addr), server.url("/").to_string());
    for (name, value) in [("http_proxy", via.as_str()), ("all_proxy", &via), ("HTTP_PROXY", &via)] {
        assert_eq!(with_environment(&[(name, value)], &direct), ["proxy"], "{name}");
    }
    assert_eq!(with_environment(&[("https_proxy", &via)], &direct), ["server"]);
    assert_eq!(with_environment(&[], &direct), ["server"]);
    // A CGI script's HTTP_PROXY is a header of its client (CVE-2016-5385).
    assert_eq!(with_environment(&[("HTTP_PROXY", &via), ("REQUEST_METHOD", "GET")], &direct), ["server"]);
}

#[test]
fn no_proxy_makes_exceptions() {
    let (proxy, server) = (Server::canned(response("", b"proxy")), Server::canned(response("", b"server")));
    let via = format!("http://{}", proxy.addr);
    let port = server.addr.port();
    let urls = format!("http://127.0.0.1:{port}/ http://localhost:{port}/ http://example.test/");
    for (exceptions, answers) in [
        ("", ["proxy", "proxy", "proxy"]),
        ("localhost", ["proxy", "server", "proxy"]),
        ("127.0.0.0/8, .host", ["server", "proxy", "proxy"]),
        ("127.0.0.1,localhost", ["server", "server", "proxy"]),
    ] {
        let environment = [("http_proxy", via.as_str()), ("no_proxy", exceptions)];
        assert_eq!(with_environment(&environment, &urls), answers, "{exceptions:?}");
    }
}

async fn the_environment_names_the_roots() {
    let authority = Authority::new();
    let Roots::These(certificates) = authority.roots() else { panic!("the system's roots") };
    let file = std::env::temp_dir().join(format!(
        "jsserve-roots-{}-{:?}.pem",
        std::process::id(),
        std::thread::current().id()
    ));
    let coded = base64::engine::general_purpose::STANDARD.encode(&certificates[0]);
    let lines: Vec<&str> =
        coded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    std::fs::write(&file, pem).expect("a file");
    let server = TlsServer::echo(authority.server_config(&Terms::default()));
    let url = server.url("localhost", "/").to_string();
    let path = file.to_str().expect("UTF-8").to_string();
    let child = std::thread::spawn(move || {
        let trusting = with_environment(&[("SSL_CERT_FILE", &path)], &url);
        // An empty file names no one.
        std::fs::write(&path, "").expect("a file");
        let empty = with_environment(&[("SSL_CERT_FILE", &path)], &url);
        (trusting, empty)
    });
    let (trusting, empty) = io_harness::join(child).await;
    assert_eq!(trusting, [format!("GET HTTP/2.0 {}", server.url("localhost", "/"))]);
    assert!(empty[0].contains("there are no root certificates: install ca-certificates"), "{empty:?}");
    std::fs::remove_file(&file).expect("removed");
}
