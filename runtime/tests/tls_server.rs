//! The server's side of TLS: certificates by name, tickets, clients' certificates, changed files.
//!
//! Owns: an echo server in the test's own worker. Must not know: HTTP, rustls's insides.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use crate::io_harness::{join, listen};
use crate::tls_files::{Authority, Folder, Met, Pair, meet, without_tickets};
use runtime::config::{CertificateFiles, ClientAuth, Limits};
use runtime::io::{self, Stream};
use runtime::tls::{ServerTls, TlsAcceptor, TlsInfo, TlsStream, Unaccepted};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion};

on_both!(
    a_certificate_is_chosen_by_name,
    of_two_certificates_for_a_name_the_first_that_the_client_can_check_is_shown,
    a_ticket_of_one_worker_resumes_on_another,
    a_ticket_is_for_the_name_that_it_was_given_for,
    changed_files_are_taken_up,
    broken_files_change_nothing,
    a_ticket_outlives_a_new_certificate,
    clients_show_a_certificate_where_one_is_required,
    clients_may_show_a_certificate_where_one_is_requested,
    each_name_has_its_own_rule_for_clients,
    an_ocsp_response_is_shown_with_the_certificate,
    a_connection_says_what_was_agreed_on,
    a_request_for_another_host_than_tls_was_asked_for_is_misdirected,
);

/// One worker's listener, and what its connections were.
struct Echo {
    addr: SocketAddr,
    seen: Rc<std::cell::RefCell<Vec<TlsInfo>>>,
}

/// Sends back what comes.
async fn echo(stream: TlsStream) {
    while let Ok(chunk) = stream.recv().await {
        if chunk.is_empty() {
            break;
        }
        stream.start_send(chunk.to_vec());
        let _ = std::future::poll_fn(|cx| stream.poll_sent(cx)).await;
    }
    stream.close().await;
}

fn start(tls: &Arc<ServerTls>, protocols: &[&[u8]]) -> Echo {
    let acceptor = Rc::new(TlsAcceptor::new(tls.clone(), protocols, &Limits::default()));
    let (listener, addr) = listen();
    let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
    let infos = seen.clone();
    drop(io::spawn(async move {
        while let Ok(stream) = listener.accept().await {
            let (acceptor, infos) = (acceptor.clone(), infos.clone());
            drop(io::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    infos.borrow_mut().push(stream.info());
                    echo(stream).await;
                }
            }));
        }
    }));
    Echo { addr, seen }
}

impl Echo {
    /// What a client with `config` meets that asks for `name`.
    async fn met_by(&self, config: &Arc<ClientConfig>, name: &str) -> Result<Met, String> {
        let (addr, config, name) = (self.addr, config.clone(), name.to_owned());
        join(std::thread::spawn(move || meet(addr, &config, &name))).await
    }
}

fn read(files: &[CertificateFiles]) -> Arc<ServerTls> {
    ServerTls::read(files, None).expect("certificates")
}

async fn a_certificate_is_chosen_by_name() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let names: [&[&str]; 4] =
        [&["first.test", "127.0.0.1"], &["*.example.test"], &["exact.example.test"], &["localhost"]];
    let pairs = names.map(|names| authority.pair(names));
    let files: Vec<_> =
        pairs.iter().enumerate().map(|(n, pair)| pair.files(&folder, &n.to_string())).collect();
    let server = start(&read(&files), &[]);
    let client = without_tickets(authority.client(None));
    for (name, expected) in [
        ("first.test", 0),
        ("FIRST.test", 0),
        ("other.example.test", 1),
        ("exact.example.test", 2),
        ("localhost", 3),
        // An address is no name for SNI (RFC 6066 section 3).
        ("127.0.0.1", 0),
    ] {
        let met = server.met_by(&client, name).await.expect(name);
        assert!(met.certificate == pairs[expected].certificate, "{name}");
        assert_eq!(met.answer, b"hello\n");
    }
    // A pattern takes one label; an unknown name gets the first certificate, which is not for it.
    for name in ["a.b.example.test", "example.test", "unknown.test"] {
        let error = server.met_by(&client, name).await.expect_err(name);
        assert!(error.contains("not valid for name"), "{name}: {error}");
    }
}

async fn of_two_certificates_for_a_name_the_first_that_the_client_can_check_is_shown() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let (first, second) = (authority.ed25519(&["a.test"]), authority.pair(&["a.test"]));
    let server = start(&read(&[first.files(&folder, "1"), second.files(&folder, "2")]), &[]);
    let client = without_tickets(authority.client(None));
    assert!(server.met_by(&client, "a.test").await.expect("TLS").certificate == first.certificate);
    // One that knows no Ed25519.
    let mut provider = rustls::crypto::ring::default_provider();
    let known = provider.signature_verification_algorithms.mapping;
    provider.signature_verification_algorithms.mapping = known[..2].to_vec().leak();
    let client = without_tickets(authority.client_with(provider));
    assert!(server.met_by(&client, "a.test").await.expect("TLS").certificate == second.certificate);
}

async fn a_ticket_of_one_worker_resumes_on_another() {
    for (version, protocol) in [
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
    ] {
        let (folder, authority) = (Folder::new(), Authority::new());
        let tls = read(&[authority.pair(&["a.test"]).files(&folder, "a")]);
        let (one, other) = (start(&tls, &[]), start(&tls, &[]));
        let client = Arc::new(authority.client_of(None, &[version]));
        let met = one.met_by(&client, "a.test").await.expect("TLS");
        assert_eq!((met.kind, met.version), (HandshakeKind::Full, protocol));
        let met = other.met_by(&client, "a.test").await.expect("TLS");
        assert_eq!((met.kind, met.version), (HandshakeKind::Resumed, protocol));
        assert!(other.seen.borrow()[0].is_resumed && !one.seen.borrow()[0].is_resumed);
        // Another server has other keys.
        let stranger = start(&read(&[authority.pair(&["a.test"]).files(&folder, "b")]), &[]);
        assert_eq!(stranger.met_by(&client, "a.test").await.expect("TLS").kind, HandshakeKind::Full);
    }
}

async fn a_ticket_is_for_the_name_that_it_was_given_for() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let tls = read(&[authority.pair(&["a.test", "b.test"]).files(&folder, "a")]);
    let server = start(&tls, &[]);
    let client = Arc::new(authority.client(None));
    for (name, kind) in [
        ("a.test", HandshakeKind::Full),
        ("b.test", HandshakeKind::Full),
        ("a.test", HandshakeKind::Resumed),
        ("b.test", HandshakeKind::Resumed),
    ] {
        assert_eq!(server.met_by(&client, name).await.expect(name).kind, kind, "{name}");
    }
}

async fn changed_files_are_taken_up() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let (before, after) = (authority.pair(&["a.test"]), authority.pair(&["a.test", "b.test"]));
    let tls = read(&[before.files(&folder, "a")]);
    let server = start(&tls, &[]);
    let client = without_tickets(authority.client(None));
    tls.look();
    assert!(server.met_by(&client, "a.test").await.expect("TLS").certificate == before.certificate);
    after.files(&folder, "a");
    assert!(server.met_by(&client, "a.test").await.expect("TLS").certificate == before.certificate);
    tls.look();
    for name in ["a.test", "b.test"] {
        assert!(server.met_by(&client, name).await.expect("TLS").certificate == after.certificate);
    }
}

async fn broken_files_change_nothing() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let (before, after) = (authority.pair(&["a.test"]), authority.pair(&["a.test"]));
    let files = before.files(&folder, "a");
    let tls = read(&[files]);
    let server = start(&tls, &[]);
    let client = without_tickets(authority.client(None));
    // The certificate is written, its key not yet; then nothing is left of it.
    folder.write("a.pem", &after.pem);
    let looks = [Some(&after.pem[..]), Some(&after.pem[..40]), Some(""), None];
    for text in looks {
        match text {
            Some(text) => drop(folder.write("a.pem", text)),
            None => std::fs::remove_file(folder.path().join("a.pem")).expect("remove"),
        }
        for _ in 0..5 {
            tls.look();
        }
        assert!(server.met_by(&client, "a.test").await.expect("TLS").certificate == before.certificate);
    }
    after.files(&folder, "a");
    tls.look();
    assert!(server.met_by(&client, "a.test").await.expect("TLS").certificate == after.certificate);
}

async fn a_ticket_outlives_a_new_certificate() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let tls = read(&[authority.pair(&["a.test"]).files(&folder, "a")]);
    let server = start(&tls, &[]);
    let client = Arc::new(authority.client(None));
    server.met_by(&client, "a.test").await.expect("TLS");
    authority.pair(&["a.test"]).files(&folder, "a");
    tls.look();
    assert_eq!(server.met_by(&client, "a.test").await.expect("TLS").kind, HandshakeKind::Resumed);
}

/// Files with a rule for clients whose certificates `trusted` has signed.
fn with_clients(
    files: CertificateFiles,
    auth: ClientAuth,
    trusted: &Authority,
    folder: &Folder,
) -> CertificateFiles {
    let client_ca = Some(folder.write("clients.pem", trusted.pem()));
    CertificateFiles { client_auth: auth, client_ca, ..files }
}

async fn clients_show_a_certificate_where_one_is_required() {
    let (folder, authority, clients) = (Folder::new(), Authority::new(), Authority::new());
    let files = authority.pair(&["a.test"]).files(&folder, "a");
    let tls = read(&[with_clients(files, ClientAuth::Require, &clients, &folder)]);
    let server = start(&tls, &[]);
    let mine = clients.pair(&["me.test"]);
    let client = Arc::new(authority.client(Some(&mine)));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        assert_eq!(server.met_by(&client, "a.test").await.expect("TLS").kind, kind);
    }
    for info in server.seen.borrow().iter() {
        assert!(info.peer_certificate.as_ref() == Some(&mine.certificate), "of resumed sessions, too");
    }
    let none = without_tickets(authority.client(None));
    let error = server.met_by(&none, "a.test").await.expect_err("no certificate");
    assert!(error.contains("CertificateRequired"), "{error}");
    let strange = without_tickets(authority.client(Some(&Authority::new().pair(&["me.test"]))));
    let error = server.met_by(&strange, "a.test").await.expect_err("a stranger's");
    assert!(error.contains("UnknownCA"), "{error}");
    let old = without_tickets(authority.client(Some(&clients.expired(&["me.test"]))));
    let error = server.met_by(&old, "a.test").await.expect_err("an expired one");
    assert!(error.contains("CertificateExpired"), "{error}");
    assert_eq!(server.seen.borrow().len(), 2);
}

async fn clients_may_show_a_certificate_where_one_is_requested() {
    let (folder, authority, clients) = (Folder::new(), Authority::new(), Authority::new());
    let files = authority.pair(&["a.test"]).files(&folder, "a");
    let server = start(&read(&[with_clients(files, ClientAuth::Request, &clients, &folder)]), &[]);
    let mine = clients.pair(&["me.test"]);
    server.met_by(&without_tickets(authority.client(None)), "a.test").await.expect("without one");
    server.met_by(&without_tickets(authority.client(Some(&mine))), "a.test").await.expect("with one");
    let strange = without_tickets(authority.client(Some(&Authority::new().pair(&["me.test"]))));
    server.met_by(&strange, "a.test").await.expect_err("a stranger's");
    let seen: Vec<bool> = server.seen.borrow().iter().map(|info| info.peer_certificate.is_some()).collect();
    assert_eq!(seen, [false, true]);
}

async fn each_name_has_its_own_rule_for_clients() {
    let (folder, authority, clients) = (Folder::new(), Authority::new(), Authority::new());
    let open = authority.pair(&["open.test"]).files(&folder, "open");
    let closed = authority.pair(&["closed.test"]).files(&folder, "closed");
    let tls = read(&[open, with_clients(closed, ClientAuth::Require, &clients, &folder)]);
    let server = start(&tls, &[]);
    let client = Arc::new(authority.client(None));
    for _ in 0..2 {
        server.met_by(&client, "open.test").await.expect("nobody is asked");
        server.met_by(&client, "closed.test").await.expect_err("a certificate is required");
    }
    let mine = clients.pair(&["me.test"]);
    server.met_by(&Arc::new(authority.client(Some(&mine))), "closed.test").await.expect("with one");
}

async fn an_ocsp_response_is_shown_with_the_certificate() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let response = b"\x30\x03\x0a\x01\x00";
    let mut files = authority.pair(&["a.test"]).files(&folder, "a");
    files.ocsp = Some(folder.write("a.ocsp", response));
    let tls = read(&[files]);
    let server = start(&tls, &[]);
    let (client, shown) = authority.trusting_client();
    let client = without_tickets(client);
    server.met_by(&client, "a.test").await.expect("TLS");
    assert_eq!(*shown.lock().expect("alone"), response);
    let fresh = b"\x30\x03\x0a\x01\x01";
    folder.write("a.ocsp", fresh);
    tls.look();
    server.met_by(&client, "a.test").await.expect("TLS");
    assert_eq!(*shown.lock().expect("alone"), fresh);
}

async fn a_connection_says_what_was_agreed_on() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let server = start(&read(&[authority.pair(&["a.test"]).files(&folder, "a")]), &[b"x/1", b"x/2"]);
    let mut client = authority.client_of(None, &[&rustls::version::TLS12]);
    client.alpn_protocols = vec![b"x/2".to_vec(), b"x/1".to_vec()];
    let met = server.met_by(&Arc::new(client), "A.test").await.expect("TLS");
    assert_eq!(met.alpn.as_deref(), Some(&b"x/1"[..]));
    let info = server.seen.borrow()[0].clone();
    assert_eq!((info.protocol, info.sni.as_deref()), ("TLSv1.2", Some("a.test")));
    assert!(info.cipher.starts_with("TLS_ECDHE_ECDSA_WITH_"), "{}", info.cipher);
    assert_eq!((info.alpn.as_deref(), info.peer_certificate, info.is_resumed), (Some("x/1"), None, false));
    let mut client = authority.client(None);
    client.alpn_protocols = vec![b"y".to_vec()];
    let error = server.met_by(&Arc::new(client), "a.test").await.expect_err("no common protocol");
    assert!(error.contains("NoApplicationProtocol"), "{error}");
    server.met_by(&Arc::new(authority.client(None)), "a.test").await.expect("without ALPN");
    let info = server.seen.borrow()[1].clone();
    assert_eq!((info.protocol, info.alpn), ("TLSv1.3", None));
    assert!(info.cipher.starts_with("TLS_AES_"), "{}", info.cipher);
}

/// A connection to a server with `files` whose client asks for `name`, if for any.
async fn connected(files: &[CertificateFiles], client: Arc<ClientConfig>, name: &str) -> TlsStream {
    let acceptor = TlsAcceptor::new(read(files), &[], &Limits::default());
    let (listener, addr) = listen();
    let name = rustls::pki_types::ServerName::try_from(name.to_owned()).expect("a name");
    let opened = io::spawn(async move {
        let stream = Stream::new(std::net::TcpStream::connect(addr).expect("connect")).expect("stream");
        TlsStream::connect(stream, client, name).await
    });
    let stream = match acceptor.accept(listener.accept().await.expect("accept")).await {
        Ok(stream) => stream,
        Err(Unaccepted::Failed(error)) => panic!("{error}"),
        Err(Unaccepted::PlainText(..)) => panic!("plain text"),
    };
    // What the client thinks of the certificate is not asked here.
    let _ = opened.await;
    stream
}

// RFC 9110 sections 7.4 and 15.5.20.
async fn a_request_for_another_host_than_tls_was_asked_for_is_misdirected() {
    let (folder, authority, clients) = (Folder::new(), Authority::new(), Authority::new());
    let pair = |names: &[&str]| -> Pair { authority.pair(names) };
    let first = pair(&["a.test", "*.b.test", "127.0.0.1"]).files(&folder, "1");
    let second = pair(&["c.test"]).files(&folder, "2");
    let third =
        with_clients(pair(&["d.b.test", "::1"]).files(&folder, "3"), ClientAuth::Request, &clients, &folder);
    let files = [first, second, third];
    let client = without_tickets(authority.client(None));
    let stream = connected(&files, client.clone(), "a.test").await;
    // HTTP/1.0 without Host names nobody.
    for right in ["a.test", "A.test", "a.test.", "a.test:8443", ""] {
        assert!(!stream.is_misdirected(right), "{right}");
    }
    for wrong in ["b.test", "c.test", "x.b.test", "127.0.0.1", "[::1]:443", "a.test.evil"] {
        assert!(stream.is_misdirected(wrong), "{wrong}");
    }
    // An address is no name for SNI: who comes by one may ask for all that wants no more of clients.
    let stream = connected(&files, client.clone(), "127.0.0.1").await;
    for right in ["a.test", "c.test:1", "x.b.test", "127.0.0.1:8443", "[::2]", "unknown.test", ""] {
        assert!(!stream.is_misdirected(right), "{right}");
    }
    for wrong in ["d.b.test", "D.b.test.:443", "[::1]", "[0:0::1]:443"] {
        assert!(stream.is_misdirected(wrong), "{wrong}");
    }
}
