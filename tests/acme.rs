//! Certificates by ACME: ordered, renewed, taken up, kept, from an authority in this program.
//!
//! Owns: a client that trusts that authority, a folder of state. Must not know: the messages of RFC 8555.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::acme::{AcmeServer, wait_until};
use crate::support::server::run_to_end;
use crate::support::{App, SOON, Server};

const APP: &str = "export default { fetch: () => new Response('secret') }";

struct Site {
    app: App,
    authority: AcmeServer,
}

impl Site {
    fn new() -> Site {
        let app = app!(APP);
        let authority = AcmeServer::start(app.path().parent().expect("a folder"));
        Site { app, authority }
    }

    fn state(&self) -> PathBuf {
        self.app.path().with_file_name("state")
    }

    /// Serves a.test and b.test, and tells the authority where.
    fn serve(&self, io: &str, listen: &[&str]) -> Server {
        self.serve_with(io, listen, &[])
    }

    fn serve_with(&self, io: &str, listen: &[&str], more: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
        command.args(["--io", io, "--workers", "1", "--acme", "a.test,B.test", "--acme-agree"]);
        command.args(["--acme-email", "me@a.test", "--acme-directory", &self.authority.directory]);
        command.arg("--acme-ca").arg(&self.authority.trust).args(["--acme-retry", "300ms"]);
        command.args(listen.iter().flat_map(|url| ["--listen", url])).args(more).arg(self.app.path());
        command.env("XDG_STATE_HOME", self.state()).env_remove("STATE_DIRECTORY").stdin(Stdio::null());
        let server = Server::start(command);
        let of = |scheme: &str| {
            let found = server.addresses().iter().find(|(name, _)| name == scheme);
            found.map(|(_, addr)| *addr)
        };
        let mut state = self.authority.state();
        (state.http, state.tls) = (of("http"), of("https"));
        drop(state);
        server
    }

    /// The answer for `name` to who trusts the authority, and the certificate.
    fn get(
        &self,
        addr: SocketAddr,
        name: &'static str,
    ) -> std::io::Result<(String, CertificateDer<'static>)> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.root()).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let socket = TcpStream::connect(addr)?;
        socket.set_read_timeout(Some(SOON))?;
        let server = ServerName::try_from(name).expect("a name");
        let session = ClientConnection::new(Arc::new(config), server).expect("a session");
        let mut stream = StreamOwned::new(session, socket);
        write!(stream, "GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let shown = stream.conn.peer_certificates().expect("certificates")[0].clone();
        Ok((text, shown))
    }

    fn await_certificate(&self, server: &Server) -> CertificateDer<'static> {
        let addr = server.addr_of("https");
        wait_until("a good certificate", || self.get(addr, "a.test").is_ok());
        self.get(addr, "a.test").expect("an answer").1
    }
}

const BOTH: [&str; 2] = ["http://127.0.0.1:0", "https://127.0.0.1:0"];

both_backends! {
    fn a_certificate_is_ordered_by_http_and_a_second_start_asks_for_none(io) {
        let site = Site::new();
        // A nonce that is refused is no failure.
        site.authority.state().refused_nonces = 2;
        let server = site.serve(io, &BOTH);
        site.await_certificate(&server);
        let (text, _) = site.get(server.addr_of("https"), "b.test").expect("an answer");
        assert!(text.ends_with("secret"), "{text}");
        assert_eq!(site.authority.state().proved, ["http-01", "http-01"]);
        assert!(!server.log().contains("no certificate:"), "{}", server.log());
        // The challenges are over: such a path is the app's.
        let mut client = crate::support::Connection::open(server.addr_of("http"));
        client.send("GET /.well-known/acme-challenge/token-0-0 HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(client.response("GET").text(), "secret");
        // Keys are for nobody else.
        let mut folders = vec![site.state()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
                let mode = entry.metadata().expect("a mode").permissions().mode() & 0o777;
                if entry.path().is_dir() {
                    folders.push(entry.path());
                    assert_eq!(mode, 0o700, "{entry:?}");
                } else if entry.file_name() != "lock" {
                    files += 1;
                    assert_eq!(mode, 0o600, "{entry:?}");
                }
            }
        }
        assert_eq!(files, 2);
        drop(server);
        let before = site.authority.state().requests.len();
        let server = site.serve(io, &BOTH);
        site.get(server.addr_of("https"), "a.test").expect("the certificate of the first start");
        std::thread::sleep(Duration::from_millis(300));
        let requests = site.authority.state().requests[before..].to_vec();
        assert!(requests.iter().all(|request| request == "GET /directory"), "{requests:?}");
    }

    fn a_certificate_is_ordered_by_tls_where_there_is_no_plain_http(io) {
        let site = Site::new();
        // What fails is told, and tried again.
        site.authority.state().refused_challenges = 1;
        let server = site.serve(io, &["https://127.0.0.1:0"]);
        server.await_log("no certificate: a.test: API error: refused on purpose");
        server.await_log("The next try is in 0.");
        site.await_certificate(&server);
        let state = site.authority.state();
        assert!(state.proved.len() >= 2 && state.proved.iter().all(|kind| kind == "tls-alpn-01"), "{:?}", state.proved);
        // The account is made once.
        assert_eq!(state.requests.iter().filter(|request| *request == "POST /account").count(), 1);
    }

    fn a_certificate_is_renewed_when_two_thirds_of_its_life_are_over(io) {
        let site = Site::new();
        // Due in three seconds or so.
        let second = Duration::from_secs(1);
        site.authority.state().life = (3600 * second, 1805 * second);
        let server = site.serve(io, &BOTH);
        let first = site.await_certificate(&server);
        site.authority.state().life = (3600 * second, 90 * 24 * 3600 * second);
        let addr = server.addr_of("https");
        wait_until("a new certificate", || site.get(addr, "a.test").expect("a handshake").1 != first);
        assert!(!server.log().contains("no certificate:"), "{}", server.log());
    }
}

both_backends! {
    // RFC 9773 sections 4.2 and 5.
    fn a_certificate_is_renewed_when_its_authority_says_so(io) {
        let site = Site::new();
        site.authority.state().window = Some(["2100-01-01T00:00:00Z", "2100-01-02T00:00:00.5+01:00"]);
        let server = site.serve(io, &BOTH);
        let first = site.await_certificate(&server);
        drop(server);
        // Until it is asked again, after the next start.
        assert_eq!(site.authority.state().replaced, [""; 0]);
        let server = site.serve(io, &BOTH);
        let asked = || site.authority.state().requests.iter().filter(|it| it.starts_with("GET /renewal/")).count();
        wait_until("it is asked", || asked() == 1);
        assert_eq!(site.get(server.addr_of("https"), "a.test").expect("an answer").1, first, "not yet");
        drop(server);
        site.authority.state().window = Some(["2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"]);
        let server = site.serve(io, &BOTH);
        let addr = server.addr_of("https");
        wait_until("a new certificate", || site.get(addr, "a.test").expect("a handshake").1 != first);
        // The new one's window is over as well, and it has to wait for an hour.
        std::thread::sleep(Duration::from_millis(500));
        let state = site.authority.state();
        let [known] = &state.replaced[..] else { panic!("{:?}", state.replaced) };
        assert!(state.requests.contains(&format!("GET /renewal/{known}")), "{:?}", state.requests);
        let parts = known.split('.').map(|part| BASE64.decode(part).expect("base64url"));
        for part in parts {
            assert!(part.len() > 4 && first.windows(part.len()).any(|bytes| bytes == part), "{known}");
        }
        assert!(!server.log().contains("no certificate:"), "{}", server.log());
    }

    // RFC 8555 section 7.3.4.
    fn an_account_is_bound_to_one_elsewhere(io) {
        let site = Site::new();
        site.authority.state().external = Some(("kid-1", b"the key of the account elsewhere"));
        let file = site.app.path().with_file_name("eab.key");
        std::fs::write(&file, "dGhlIGtleSBvZiB0aGUgYWNjb3VudCBlbHNld2hlcmU=\n").expect("write");
        let file = file.to_str().expect("UTF-8");
        let server = site.serve_with(io, &BOTH, &["--acme-eab-kid", "kid-2", "--acme-eab-key", file]);
        server.await_log("externalAccountRequired");
        drop(server);
        let server = site.serve_with(io, &BOTH, &["--acme-eab-kid", "kid-1", "--acme-eab-key", file]);
        site.await_certificate(&server);
    }
}

#[test]
fn what_cannot_be_ordered_is_told_at_start() {
    let app = app!(APP);
    let main = app.path().to_str().expect("UTF-8");
    let https = ["--listen", "https://127.0.0.1:0"];
    for (words, text) in [
        (&["--acme", "a.test", main][..], "--acme-agree"),
        (&["--acme", "localhost", "--acme-agree", main], "no host that can have a certificate"),
        (&["--port", "0", "--acme", "a.test", "--acme-agree", main], "no listener speaks TLS"),
        (
            &[https[0], https[1], "--acme", "a.test", "--acme-agree", "--acme-ca", "/nowhere", main],
            "--acme-ca /nowhere: it cannot be read",
        ),
        (
            &[
                https[0],
                https[1],
                "--acme",
                "a.test",
                "--acme-agree",
                "--acme-eab-kid",
                "x",
                "--acme-eab-key",
                main,
                main,
            ],
            "it is no key in base64url",
        ),
    ] {
        let ended = run_to_end(words);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(text) && ended.stderr.contains("\n  "), "{ended:?}");
    }
}
