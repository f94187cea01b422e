//! HTTPS as a black box: `ctx.tls`, `[[tls]]`, plain HTTP on its port, certificates swapped under load.
//!
//! Owns: certificates in the app's folder, a client of rustls's. Must not know: how TLS is done.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use crate::support::{App, Connection, Server, server};

const APP: &str = "export default {
  fetch(request, env, ctx) {
    const { peerCertificate: peer, ...rest } = ctx.tls;
    const certificate = peer && { cn: peer.subject.CN, names: peer.subjectaltname, bytes: peer.raw.length };
    return Response.json({ url: request.url, ...rest, certificate });
  },
}";

struct Authority(CertifiedIssuer<'static, KeyPair>);

struct Pair {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"),
        )
    }

    fn pair(&self, name: &str) -> Pair {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Pair { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    }

    /// A client that makes full handshakes only, and shows `identity`.
    fn client(&self, identity: Option<&Pair>) -> Arc<ClientConfig> {
        self.client_of(identity, rustls::DEFAULT_VERSIONS)
    }

    /// The same, with these versions of TLS.
    fn client_of(
        &self,
        identity: Option<&Pair>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.key.serialize_der()));
                builder.with_client_auth_cert(vec![pair.certificate.clone()], key).expect("an identity")
            }
        };
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

impl Pair {
    fn write(&self, folder: &Path, name: &str) {
        for (kind, text) in [("pem", &self.pem), ("key", &self.key.serialize_pem())] {
            let (path, draft) = (folder.join(format!("{name}.{kind}")), folder.join("draft"));
            std::fs::write(&draft, text).expect("write");
            std::fs::rename(draft, path).expect("rename");
        }
    }
}

/// The answer to a GET for `name`, and the certificate that was shown.
fn get(
    addr: SocketAddr,
    client: &Arc<ClientConfig>,
    name: &'static str,
) -> std::io::Result<(String, CertificateDer<'static>)> {
    get_host(addr, client, name, name)
}

/// The same, with a Host of its own.
fn get_host(
    addr: SocketAddr,
    client: &Arc<ClientConfig>,
    name: &'static str,
    host: &str,
) -> std::io::Result<(String, CertificateDer<'static>)> {
    let mut stream = open(addr, client, name)?;
    write!(stream, "GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let shown = stream.conn.peer_certificates().expect("certificates")[0].clone();
    Ok((text, shown))
}

/// A connection whose handshake is still to come.
fn open(
    addr: SocketAddr,
    client: &Arc<ClientConfig>,
    name: &'static str,
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let socket = TcpStream::connect(addr)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let server = ServerName::try_from(name).expect("a name");
    let session = ClientConnection::new(client.clone(), server).expect("a session");
    Ok(StreamOwned::new(session, socket))
}

/// A GET on a connection that stays open; how its handshake went.
fn get_on(stream: &mut StreamOwned<ClientConnection, TcpStream>) -> std::io::Result<HandshakeKind> {
    write!(stream, "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n")?;
    let (mut text, mut block) = (Vec::new(), [0; 4096]);
    while !text.ends_with(b"}") {
        match stream.read(&mut block)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            length => text.extend_from_slice(&block[..length]),
        }
    }
    assert!(text.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&text));
    Ok(stream.conn.handshake_kind().expect("a handshake"))
}

/// Connects without pause until `is_over`; how many handshakes were full, and how many resumed.
fn handshakes(addr: SocketAddr, client: &Arc<ClientConfig>, is_over: &AtomicBool) -> (u32, u32) {
    let (mut full, mut resumed) = (0, 0);
    while !is_over.load(Ordering::Relaxed) {
        let mut stream = open(addr, client, "a.test").expect("connect");
        match get_on(&mut stream).expect("a handshake") {
            HandshakeKind::Resumed => resumed += 1,
            _ => full += 1,
        }
    }
    (full, resumed)
}

/// Waits until clients are shown the certificate of `pair`.
fn await_shown(addr: SocketAddr, client: &Arc<ClientConfig>, pair: &Pair) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while get(addr, client, "a.test").expect("a handshake").1 != pair.certificate {
        assert!(Instant::now() < deadline, "the new certificate is not taken up");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn folder(app: &App) -> &Path {
    app.path().parent().expect("a folder")
}

both_backends! {
    fn a_handler_knows_what_tls_agreed_on(io) {
        let app = app!(APP);
        let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
        authority.pair("a.test").write(folder(&app), "a");
        authority.pair("b.test").write(folder(&app), "b");
        std::fs::write(folder(&app).join("ca.pem"), clients.0.pem()).expect("write");
        let settings = "listen = \"https://127.0.0.1:0\"\n[[tls]]\ncert = \"a.pem\"\nkey = \"a.key\"\n\
            [[tls]]\ncert = \"b.pem\"\nkey = \"b.key\"\nclient-ca = \"ca.pem\"\nclient-auth = \"request\"\n";
        std::fs::write(folder(&app).join("jsserve.toml"), settings).expect("write");
        let server = Server::spawn(&["--io", io, "--workers", "1", "--listen", "https://127.0.0.1:0"], app.path());
        let client = authority.client(Some(&clients.pair("me.test")));
        let (text, _) = get(server.addr(), &client, "b.test").expect("an answer");
        let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
        let json: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{text}"));
        assert_eq!((&json["url"], &json["sni"]), (&"https://b.test/x".into(), &"b.test".into()));
        assert_eq!((&json["protocol"], &json["alpn"]), (&"TLSv1.3".into(), &"http/1.1".into()));
        assert_eq!((&json["resumed"], &json["certificate"]["cn"]), (&false.into(), &"me.test".into()));
        assert_eq!(json["certificate"]["names"], "DNS:me.test");
        assert!(json["certificate"]["bytes"].as_u64() > Some(100), "{json}");
        let (text, _) = get(server.addr(), &client, "a.test").expect("an answer");
        assert!(text.contains("\"certificate\":null"), "{text}");
    }

    // RFC 9110 section 7.4: a host that asks clients for certificates is not reached by leaving its name out.
    fn who_names_no_host_to_tls_gets_no_host_that_asks_for_certificates(io) {
        let app = app!(APP);
        let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
        authority.pair("a.test").write(folder(&app), "a");
        authority.pair("b.test").write(folder(&app), "b");
        std::fs::write(folder(&app).join("ca.pem"), clients.0.pem()).expect("write");
        let settings = "listen = \"https://127.0.0.1:0\"\n[[tls]]\ncert = \"a.pem\"\nkey = \"a.key\"\n\
            [[tls]]\ncert = \"b.pem\"\nkey = \"b.key\"\nclient-ca = \"ca.pem\"\nclient-auth = \"require\"\n";
        std::fs::write(folder(&app).join("jsserve.toml"), settings).expect("write");
        let server = Server::spawn(&["--io", io, "--workers", "1", "--listen", "https://127.0.0.1:0"], app.path());
        let mut nameless = (*authority.client(None)).clone();
        nameless.enable_sni = false;
        let nameless = Arc::new(nameless);
        for (host, status) in [("a.test", "200"), ("127.0.0.1", "200"), ("b.test", "421"), ("B.test.:443", "421")] {
            let (text, _) = get_host(server.addr(), &nameless, "a.test", host).expect("an answer");
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {text}");
        }
        let client = authority.client(Some(&clients.pair("me.test")));
        let (text, _) = get(server.addr(), &client, "b.test").expect("an answer");
        assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    }

    fn plain_http_on_the_port_is_told_so(io) {
        let app = app!(APP);
        Authority::new("servers").pair("a.test").write(folder(&app), "a");
        let (cert, key) = (folder(&app).join("a.pem"), folder(&app).join("a.key"));
        let (cert, key) = (cert.to_str().expect("UTF-8"), key.to_str().expect("UTF-8"));
        let flags =
            ["--io", io, "--workers", "1", "--listen", "https://127.0.0.1:0", "--tls-cert", cert, "--tls-key", key];
        let server = Server::spawn(&flags, app.path());
        let mut client = Connection::open(server.addr());
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let response = client.response("GET");
        assert_eq!(response.status, 400);
        assert!(response.text().contains("speaks HTTPS"), "{}", response.text());
    }

    fn certificates_are_swapped_under_load_without_one_failed_handshake(io) {
        let app = app!(APP);
        let authority = Authority::new("servers");
        authority.pair("a.test").write(folder(&app), "a");
        let (cert, key) = (folder(&app).join("a.pem"), folder(&app).join("a.key"));
        let (cert, key) = (cert.to_str().expect("UTF-8"), key.to_str().expect("UTF-8"));
        let flags =
            ["--io", io, "--workers", "2", "--listen", "https://127.0.0.1:0", "--tls-cert", cert, "--tls-key", key];
        let server = Server::spawn(&flags, app.path());
        let (addr, client, is_over) = (server.addr(), authority.client(None), Arc::new(AtomicBool::new(false)));
        let loads: Vec<_> = (0..2)
            .map(|_| {
                let (client, is_over) = (client.clone(), is_over.clone());
                std::thread::spawn(move || {
                    let mut count = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        get(addr, &client, "a.test").expect("a handshake");
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        for _ in 0..3 {
            let fresh = authority.pair("a.test");
            fresh.write(folder(&app), "a");
            await_shown(addr, &client, &fresh);
        }
        is_over.store(true, Ordering::Relaxed);
        for load in loads {
            assert!(load.join().expect("no failed handshake") > 3);
        }
        // What is wrong is told once, and changes nothing.
        std::fs::write(cert, "nothing").expect("write");
        server.await_log("no certificate in it");
        get(addr, &client, "a.test").expect("a handshake");
    }

    fn resumed_handshakes_do_not_fail_while_certificates_are_swapped(io) {
        let app = app!(APP);
        let authority = Authority::new("servers");
        authority.pair("a.test").write(folder(&app), "a");
        let (cert, key) = (folder(&app).join("a.pem"), folder(&app).join("a.key"));
        let [cert, key] = [&cert, &key].map(|path| path.to_str().expect("UTF-8"));
        let flags =
            ["--io", io, "--workers", "2", "--listen", "https://127.0.0.1:0", "--tls-cert", cert, "--tls-key", key];
        let server = Server::spawn(&flags, app.path());
        let (addr, full, is_over) = (server.addr(), authority.client(None), AtomicBool::new(false));
        let versions = [&rustls::version::TLS12, &rustls::version::TLS13];
        let clients = versions.map(|version| {
            let mut config = (*authority.client_of(None, &[version])).clone();
            config.resumption = Resumption::in_memory_sessions(8);
            Arc::new(config)
        });
        std::thread::scope(|scope| {
            let loads = clients.each_ref().map(|client| scope.spawn(|| handshakes(addr, client, &is_over)));
            for _ in 0..4 {
                let fresh = authority.pair("a.test");
                fresh.write(folder(&app), "a");
                await_shown(addr, &full, &fresh);
            }
            // Some of both while all is quiet again.
            std::thread::sleep(Duration::from_millis(300));
            is_over.store(true, Ordering::Relaxed);
            let loads = loads.map(|load| load.join().expect("no failed handshake"));
            assert!(loads.iter().all(|(full, resumed)| *full > 0 && *resumed > 3), "{loads:?}");
        });
        // The one file comes before the other, so that a pair of two kinds may be seen; then nothing changes.
        assert!(!server.log().contains("ERROR"), "{}", server.log());
    }

    // Files that are copied over, not renamed: half of one is there for a while, and a certificate with another's key.
    fn certificates_written_in_place_fail_no_handshake_and_drop_no_connection(io) {
        let app = app!(APP);
        let authority = Authority::new("servers");
        authority.pair("a.test").write(folder(&app), "a");
        let (cert, key) = (folder(&app).join("a.pem"), folder(&app).join("a.key"));
        let [cert, key] = [&cert, &key].map(|path| path.to_str().expect("UTF-8"));
        let flags =
            ["--io", io, "--workers", "2", "--listen", "https://127.0.0.1:0", "--tls-cert", cert, "--tls-key", key];
        let server = Server::spawn(&flags, app.path());
        let (addr, full, is_over) = (server.addr(), authority.client(None), AtomicBool::new(false));
        let mut resuming = (*full).clone();
        resuming.resumption = Resumption::in_memory_sessions(8);
        let resuming = Arc::new(resuming);
        let mut stays = open(addr, &full, "a.test").expect("connect");
        get_on(&mut stays).expect("an answer");
        std::thread::scope(|scope| {
            let loads = [&full, &resuming].map(|client| scope.spawn(|| handshakes(addr, client, &is_over)));
            for round in 0..3 {
                let fresh = authority.pair("a.test");
                std::fs::write(cert, &fresh.pem[..fresh.pem.len() / 2]).expect("write");
                (0..3).for_each(|_| drop(get(addr, &full, "a.test").expect("a handshake, half a file")));
                std::fs::write(cert, &fresh.pem).expect("write");
                if round == 0 {
                    server.await_log("does not belong to the certificate");
                }
                get(addr, &full, "a.test").expect("a handshake, another's key");
                std::fs::write(key, fresh.key.serialize_pem()).expect("write");
                await_shown(addr, &full, &fresh);
                get_on(&mut stays).expect("the open connection goes on");
            }
            is_over.store(true, Ordering::Relaxed);
            let [full, resumed] = loads.map(|load| load.join().expect("no failed handshake"));
            assert!(full.0 > 3 && full.1 == 0 && resumed.1 > 3, "{full:?} {resumed:?}");
        });
    }
}

#[test]
fn certificates_that_cannot_serve_are_told_at_start() {
    let app = app!(APP);
    let authority = Authority::new("servers");
    authority.pair("a.test").write(folder(&app), "a");
    authority.pair("b.test").write(folder(&app), "b");
    let path = |name: &str| folder(&app).join(name).to_str().expect("UTF-8").to_owned();
    let (a, b, main) = (path("a.pem"), path("b.key"), app.path().to_str().expect("UTF-8"));
    for (words, text) in [
        (&["--listen", "https://127.0.0.1:0", main][..], "needs a certificate"),
        (&["--port", "0", "--tls-cert", &a, "--tls-key", &path("a.key"), main], "no listener speaks TLS"),
        (
            &["--listen", "https://127.0.0.1:0", "--tls-cert", &a, "--tls-key", &b, main],
            "does not belong to the certificate",
        ),
        (&["--listen", "https://127.0.0.1:0", "--tls-cert", "/nowhere", main], "/nowhere: it cannot be read"),
    ] {
        let ended = server::run_to_end(words);
        assert!(ended.code == Some(2) || ended.code == Some(1), "{ended:?}");
        assert!(ended.stderr.contains(text) && ended.stderr.contains("\n  "), "{ended:?}");
    }
}
