//! Certificates for development: `--tls-self-signed` and `jsserve ca`.
//!
//! Owns: a cache folder of its own, a client that trusts the authority in it. Must not know: how it signs.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::server::{end_of, run_to_end};
use crate::support::{App, SOON, Server};

const APP: &str = "export default { fetch: () => new Response('secret') }";

fn command(cache: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
    command.args(words).env("XDG_CACHE_HOME", cache).stdin(Stdio::null());
    command
}

fn serve(cache: &Path, app: &Path, io: &str, url: &str) -> Server {
    let app = app.to_str().expect("UTF-8");
    Server::start(command(cache, &["--io", io, "--workers", "1", "--listen", url, "--tls-self-signed", app]))
}

/// The answer for `name` to who trusts the certificates in `authority`.
fn get(addr: SocketAddr, authority: &Path, name: &'static str) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).expect("the authority's file")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(addr).expect("connect");
    socket.set_read_timeout(Some(SOON)).expect("timeout");
    // An address is in no SNI, and any host will do.
    let host = if name.parse::<IpAddr>().is_ok() { "a" } else { name };
    let name = ServerName::try_from(name).expect("a name");
    let session = ClientConnection::new(Arc::new(config), name).expect("a session");
    let mut stream = StreamOwned::new(session, socket);
    write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("a handshake");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}

fn cache_of(app: &App) -> PathBuf {
    app.path().with_file_name("cache")
}

both_backends! {
    fn who_trusts_the_authority_is_answered_and_a_second_start_has_the_same_one(io) {
        let app = app!(APP);
        let cache = cache_of(&app);
        let authority = cache.join("jsserve/ca/ca.pem");
        let server = serve(&cache, app.path(), io, "https://127.0.0.1:0");
        for name in ["localhost", "127.0.0.1", "::1"] {
            assert!(get(server.addr(), &authority, name).ends_with("secret"), "{name}");
        }
        let path = authority.display().to_string();
        for part in [&*format!("curl: --cacert {path}"), "update-ca-certificates", "certutil -d sql:"] {
            server.await_log(part);
        }
        let folder = authority.parent().expect("a folder");
        assert_eq!((mode(folder), mode(&folder.join("ca.key"))), (0o700, 0o600));
        let made = std::fs::read(&authority).expect("read");
        drop(server);
        let servers = || {
            let names = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
            let mut found: Vec<_> =
                names.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("server-"))).collect();
            found.sort();
            found.into_iter().map(|path| (mode(&path), std::fs::read(path).expect("read"))).collect::<Vec<_>>()
        };
        let of_first = servers();
        assert_eq!((of_first.len(), of_first[0].0), (1, 0o600));
        let server = serve(&cache, app.path(), io, "https://127.0.0.1:0");
        assert!(servers() == of_first, "the certificate is made anew");
        assert_eq!(std::fs::read(&authority).expect("read"), made);
        drop(server);
        // Another address of a listener is in another certificate, of the same authority.
        let server = serve(&cache, app.path(), io, "https://127.0.0.2:0");
        assert!(get(server.addr(), &authority, "127.0.0.2").ends_with("secret"));
        assert_eq!(servers().len(), 2);
        // What is damaged is made anew.
        drop(server);
        std::fs::write(folder.join("ca.key"), "nothing").expect("write");
        let server = serve(&cache, app.path(), io, "https://127.0.0.1:0");
        assert!(std::fs::read(&authority).expect("read") != made);
        assert!(get(server.addr(), &authority, "localhost").ends_with("secret"));
    }

    fn the_example_is_served_over_https(io) {
        let app = app!(APP);
        let hello = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hello.js");
        let server = serve(&cache_of(&app), &hello, io, "https://127.0.0.1:0");
        let text = get(server.addr(), &cache_of(&app).join("jsserve/ca/ca.pem"), "localhost");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    }
}

#[test]
fn ca_prints_the_file_of_the_authority() {
    let app = app!(APP);
    let command = command(&cache_of(&app), &["ca"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let ended = end_of(command.expect("run jsserve"));
    let path = cache_of(&app).join("jsserve/ca/ca.pem");
    assert_eq!((ended.code, ended.stdout), (Some(0), format!("{}\n", path.display())));
    assert!(CertificateDer::from_pem_file(path).is_ok());
}

#[test]
fn a_certificate_for_development_that_cannot_be_is_told_at_start() {
    let app = app!(APP);
    let main = app.path().to_str().expect("UTF-8");
    let https = ["--listen", "https://127.0.0.1:0"];
    let both = [&https[..], &["--tls-self-signed", "--tls-cert", main, main]].concat();
    for (words, text) in [
        (&both[..], "there are certificates already"),
        (&["--port", "0", "--tls-self-signed", main], "no listener speaks TLS"),
        (&[https[0], https[1], main], "--tls-self-signed makes one"),
    ] {
        let ended = run_to_end(words);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(text) && ended.stderr.contains("\n  "), "{ended:?}");
    }
    // A file where the folder should be, and a folder that others may write to.
    let words = [&https[..], &["--tls-self-signed", main]].concat();
    let start = |cache: &Path| {
        let command = command(cache, &words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        end_of(command.expect("run jsserve"))
    };
    let ended = start(app.path());
    assert!(
        ended.stderr.contains("--tls-self-signed") && ended.stderr.contains("XDG_CACHE_HOME"),
        "{ended:?}"
    );
    let cache = cache_of(&app);
    let folder = cache.join("jsserve/ca");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).expect("a mode");
    let ended = start(&cache);
    assert!(ended.code == Some(2) && ended.stderr.contains("others may write to it"), "{ended:?}");
}
