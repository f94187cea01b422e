//! Handshakes that go wrong: each has the alert that RFC 8446 section 6.2 names for it, and the connection ends.
//!
//! Owns: literal records. Must not know: what a good handshake leads to.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;

use crate::io_harness::{client, join, listen};
use crate::tls_files::{Authority, Folder};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use runtime::config::Limits;
use runtime::io;
use runtime::tls::{ServerTls, TlsAcceptor, Unaccepted};
use rustls::{ClientConfig, ClientConnection, ConnectionTrafficSecrets, SupportedProtocolVersion};

on_both!(
    a_broken_handshake_gets_the_alert_for_it,
    a_hello_that_breaks_a_rule_gets_the_alert_for_it,
    what_a_server_does_not_know_in_a_hello_is_ignored,
    a_hello_without_a_share_of_ours_is_asked_for_one,
    a_renegotiation_is_refused_and_the_connection_goes_on,
    a_fatal_alert_is_an_end_without_an_answer,
    a_hello_in_many_pieces_is_one,
    a_handshake_of_too_many_bytes_is_closed,
    what_follows_a_handshake_at_once_is_no_part_of_it,
    plain_text_is_told_apart,
    a_client_that_goes_ends_its_handshake,
);

const UNEXPECTED_MESSAGE: u8 = 10;
const RECORD_OVERFLOW: u8 = 22;
const HANDSHAKE_FAILURE: u8 = 40;
const ILLEGAL_PARAMETER: u8 = 47;
const DECODE_ERROR: u8 = 50;
const PROTOCOL_VERSION: u8 = 70;
const NO_APPLICATION_PROTOCOL: u8 = 120;

/// What a connection came to on the server's side.
type Ends = Rc<std::cell::RefCell<Vec<String>>>;

/// A server that offers `x/1`.
fn server(authority: &Authority, limits: Limits) -> (SocketAddr, Ends) {
    let folder = Folder::new();
    let tls =
        ServerTls::read(&[authority.pair(&["a.test"]).files(&folder, "a")], None).expect("certificates");
    let acceptor = Rc::new(TlsAcceptor::new(tls, &[b"x/1"], &limits));
    let (listener, addr) = listen();
    let ends = Ends::default();
    let told = ends.clone();
    drop(io::spawn(async move {
        while let Ok(stream) = listener.accept().await {
            let (acceptor, told) = (acceptor.clone(), told.clone());
            drop(io::spawn(async move {
                let end = match acceptor.accept(stream).await {
                    Ok(stream) => {
                        stream.close().await;
                        "accepted".to_owned()
                    }
                    Err(Unaccepted::Failed(error)) => error.to_string(),
                    Err(Unaccepted::PlainText(_, bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
                };
                told.borrow_mut().push(end);
            }));
        }
    }));
    (addr, ends)
}

/// The next end of a connection.
async fn told(ends: &Ends) -> String {
    loop {
        if let Some(end) = ends.borrow_mut().pop() {
            return end;
        }
        io::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// The record in which a client of rustls's begins.
fn hello(authority: &Authority, versions: &[&'static SupportedProtocolVersion]) -> Vec<u8> {
    hello_of(authority.client_of(None, versions))
}

fn hello_of(config: ClientConfig) -> Vec<u8> {
    let name = "a.test".try_into().expect("a name");
    let mut session = ClientConnection::new(Arc::new(config), name).expect("a session");
    let mut record = Vec::new();
    session.write_tls(&mut record).expect("a record");
    record
}

/// What comes back for `pieces`, until the server closes.
fn answer(mut socket: TcpStream, pieces: Vec<Vec<u8>>) -> Vec<u8> {
    for piece in pieces {
        // The server may be gone after one of them.
        if socket.write_all(&piece).is_err() {
            break;
        }
    }
    let mut all = Vec::new();
    // A reset after the bytes is an end, too.
    let _ = socket.read_to_end(&mut all);
    all
}

/// The description of the fatal alert that the bytes end in, if they do.
fn alert(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [.., 21, 3, _, 0, 2, 2, description] => Some(*description),
        _ => None,
    }
}

/// `record` with the byte at each of the places of `part` set to what stands there in `other`.
fn with(record: &[u8], part: &[u8], other: &[u8]) -> Vec<u8> {
    let at = record.windows(part.len()).position(|window| window == part).expect("the part");
    [&record[..at], other, &record[at + part.len()..]].concat()
}

async fn a_broken_handshake_gets_the_alert_for_it() {
    let authority = Authority::new();
    let (addr, _) = server(&authority, Limits::default());
    let hello12 = hello(&authority, &[&rustls::version::TLS12]);
    let hello13 = hello(&authority, &[&rustls::version::TLS13]);
    // In TLS 1.3 this alert is encrypted.
    let mut foreign = authority.client_of(None, &[&rustls::version::TLS12]);
    foreign.alpn_protocols = vec![b"y/1".to_vec()];
    let mut handshake_type = hello13.clone();
    handshake_type[5] = 2;
    let mut cut = hello13[..5 + 40].to_vec();
    (cut[3], cut[4]) = (0, 40);
    (cut[6], cut[7], cut[8]) = (0, 0, 36);
    // Of the suites only one that nobody has any more: TLS_RSA_WITH_RC4_128_MD5.
    let suites = |record: &[u8]| {
        let id = 5 + 4 + 2 + 32;
        let at = id + 1 + usize::from(record[id]);
        let length = usize::from(record[at]) << 8 | usize::from(record[at + 1]);
        let (before, after) = (&record[..at + 2], &record[at + 2 + length..]);
        [before, &[0, 4].repeat(length / 2), after].concat()
    };
    // supported_versions of TLS 1.3 only, made into 1.4.
    let later = with(&hello13, &[0, 43, 0, 3, 2, 3, 4], &[0, 43, 0, 3, 2, 3, 5]);
    let old = with(&hello12, &[0, 43, 0, 3, 2, 3, 3], &[0, 43, 0, 3, 2, 3, 2]);
    // As clients of those days said it: without any extension, so also without signature_algorithms.
    let ancient = |minor: u8| {
        let hello = [&[3, minor][..], &[7; 32], &[0, 0, 2, 0xc0, 0x13, 1, 0]].concat();
        [&[22, 3, minor.min(1), 0, 4 + hello.len() as u8, 1, 0, 0, hello.len() as u8][..], &hello].concat()
    };
    let empty_names = with(&hello13, &[0, 0, 0, 11, 0, 9, 0, 0, 6], &[0, 0, 0, 11, 0, 9, 0, 0, 0]);
    let cases: Vec<(&str, Vec<u8>, u8)> = vec![
        ("a record of an unknown type", vec![99, 3, 1, 0, 1, 0], UNEXPECTED_MESSAGE),
        ("application data first", vec![23, 3, 3, 0, 1, 0], UNEXPECTED_MESSAGE),
        ("a record that is too long", vec![22, 3, 1, 0xff, 0xff], RECORD_OVERFLOW),
        ("an empty handshake record", vec![22, 3, 1, 0, 0], UNEXPECTED_MESSAGE),
        ("a ServerHello", handshake_type, DECODE_ERROR),
        ("a hello that is cut off", cut, DECODE_ERROR),
        ("no common suite", suites(&hello12), HANDSHAKE_FAILURE),
        ("no common suite of TLS 1.3", suites(&hello13), HANDSHAKE_FAILURE),
        ("a later version only", later, PROTOCOL_VERSION),
        ("an old version only", old, PROTOCOL_VERSION),
        ("a hello of TLS 1.1", ancient(2), PROTOCOL_VERSION),
        ("a hello of TLS 1.0", ancient(1), PROTOCOL_VERSION),
        ("a hello of SSL 3", ancient(0), PROTOCOL_VERSION),
        ("a hello of TLS 1.2 without signature_algorithms", ancient(3), HANDSHAKE_FAILURE),
        ("an empty name", empty_names, DECODE_ERROR),
        ("no common protocol", hello_of(foreign), NO_APPLICATION_PROTOCOL),
        ("an SSL 2 hello", vec![0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 16, 1, 0, 0x80], UNEXPECTED_MESSAGE),
        ("binary garbage", vec![0xff; 40], UNEXPECTED_MESSAGE),
    ];
    expect_alerts(addr, cases).await;
}

/// Each of the cases has the alert that stands behind it.
async fn expect_alerts(addr: SocketAddr, cases: Vec<(&str, Vec<u8>, u8)>) {
    let mut wrong = Vec::new();
    for (case, bytes, expected) in cases {
        let socket = client(addr);
        let came = join(std::thread::spawn(move || answer(socket, vec![bytes]))).await;
        if alert(&came) != Some(expected) {
            wrong.push(format!("{case}: {expected} expected, {:?} came", alert(&came)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A ClientHello in its parts.
#[derive(Clone)]
struct HelloParts {
    session_id: Vec<u8>,
    suites: Vec<u8>,
    compression: Vec<u8>,
    /// Type and content of each.
    extensions: Vec<(u16, Vec<u8>)>,
    /// What stands behind the extensions.
    rest: Vec<u8>,
}

impl HelloParts {
    /// Those of a record.
    fn of(record: &[u8]) -> HelloParts {
        let mut at = 5 + 4 + 2 + 32;
        let mut take = |length: usize| {
            at += length;
            &record[at - length..at]
        };
        let session_id = usize::from(take(1)[0]);
        let session_id = take(session_id).to_vec();
        let suites = number(take(2));
        let suites = take(suites).to_vec();
        let compression = usize::from(take(1)[0]);
        let compression = take(compression).to_vec();
        let (mut left, mut extensions) = (number(take(2)), Vec::new());
        while left > 0 {
            let (kind, length) = (number(take(2)) as u16, number(take(2)));
            extensions.push((kind, take(length).to_vec()));
            left -= 4 + length;
        }
        HelloParts { session_id, suites, compression, extensions, rest: Vec::new() }
    }

    /// The content of an extension.
    fn extension(&mut self, kind: u16) -> &mut Vec<u8> {
        let found = self.extensions.iter_mut().find(|(known, _)| *known == kind);
        &mut found.expect("the extension").1
    }

    /// With a change.
    fn with(&self, change: impl FnOnce(&mut HelloParts)) -> Vec<u8> {
        let mut parts = self.clone();
        change(&mut parts);
        parts.record()
    }

    fn record(&self) -> Vec<u8> {
        let long = |length: usize| (length as u16).to_be_bytes();
        let one = |(kind, content): &(u16, Vec<u8>)| {
            [&kind.to_be_bytes()[..], &long(content.len()), content].concat()
        };
        let extensions = self.extensions.iter().map(one).collect::<Vec<_>>().concat();
        let body = [
            &[3, 3][..],
            &[7; 32],
            &[self.session_id.len() as u8],
            &self.session_id,
            &long(self.suites.len()),
            &self.suites,
            &[self.compression.len() as u8],
            &self.compression,
            &long(extensions.len()),
            &extensions,
            &self.rest,
        ]
        .concat();
        [&[22, 3, 1][..], &long(body.len() + 4), &[1, 0], &long(body.len()), &body].concat()
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

const SUPPORTED_GROUPS: u16 = 10;
const SUPPORTED_VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;
/// A group that rustls does not have: x448.
const UNKNOWN_GROUP: [u8; 2] = [0, 0x1e];

/// Of all groups and shares none is ours.
fn without_groups(parts: &mut HelloParts) {
    let groups = parts.extension(SUPPORTED_GROUPS);
    let count = (groups.len() - 2) / 2;
    groups.splice(2.., UNKNOWN_GROUP.repeat(count));
    without_share(parts);
}

/// The share is of a group that is not ours.
fn without_share(parts: &mut HelloParts) {
    parts.extension(KEY_SHARE).splice(2..4, UNKNOWN_GROUP);
}

async fn a_hello_that_breaks_a_rule_gets_the_alert_for_it() {
    let authority = Authority::new();
    let (addr, _) = server(&authority, Limits::default());
    let hello12 = HelloParts::of(&hello(&authority, &[&rustls::version::TLS12]));
    let hello13 = HelloParts::of(&hello(&authority, &[&rustls::version::TLS13]));
    let twice = |parts: &mut HelloParts| {
        let again = parts.extensions[0].clone();
        parts.extensions.push(again);
    };
    let shares_twice = |parts: &mut HelloParts| {
        let shares = parts.extension(KEY_SHARE);
        let again = shares[2..].to_vec();
        shares.extend(again);
        let length = (shares.len() as u16 - 2).to_be_bytes();
        shares.splice(..2, length);
    };
    let cases: Vec<(&str, Vec<u8>, u8)> = vec![
        ("an empty ClientHello", vec![22, 3, 1, 0, 4, 1, 0, 0, 0], DECODE_ERROR),
        ("a heartbeat", vec![24, 3, 3, 0, 3, 1, 0, 0], UNEXPECTED_MESSAGE),
        ("a ChangeCipherSpec first", vec![20, 3, 3, 0, 1, 1], UNEXPECTED_MESSAGE),
        ("no common group of TLS 1.3", hello13.with(without_groups), HANDSHAKE_FAILURE),
        ("compression alone", hello12.with(|parts| parts.compression = vec![1]), ILLEGAL_PARAMETER),
        ("compression in TLS 1.3", hello13.with(|parts| parts.compression = vec![1]), ILLEGAL_PARAMETER),
        ("no method of compression", hello13.with(|parts| parts.compression.clear()), DECODE_ERROR),
        ("a session ID that is too long", hello12.with(|parts| parts.session_id = vec![1; 33]), DECODE_ERROR),
        ("bytes behind the extensions", hello13.with(|parts| parts.rest = vec![0; 3]), DECODE_ERROR),
        ("suites of one and a half", hello13.with(|parts| parts.suites.truncate(3)), DECODE_ERROR),
        ("no version", hello13.with(|parts| *parts.extension(SUPPORTED_VERSIONS) = vec![0]), DECODE_ERROR),
        ("a share twice", hello13.with(shares_twice), ILLEGAL_PARAMETER),
        ("an extension twice", hello13.with(twice), ILLEGAL_PARAMETER),
        (
            "a share that is too short",
            hello13.with(|parts| {
                let share = parts.extension(KEY_SHARE);
                *share = [&[0, 5][..], &share[2..4], &[0, 1, 9]].concat();
            }),
            ILLEGAL_PARAMETER,
        ),
    ];
    expect_alerts(addr, cases).await;
}

/// The content of the first handshake message that came, a ServerHello.
fn server_hello(bytes: &[u8]) -> &[u8] {
    assert_eq!((bytes[0], bytes[5]), (22, 2), "a ServerHello: {bytes:?}");
    &bytes[9..]
}

/// What comes first for `record`; the client goes then.
async fn first_answer(addr: SocketAddr, record: Vec<u8>) -> Vec<u8> {
    let mut socket = client(addr);
    let thread = std::thread::spawn(move || {
        socket.write_all(&record).expect("write");
        let mut came = vec![0; 5];
        socket.read_exact(&mut came).expect("a record");
        came.resize(5 + number(&came[3..5]), 0);
        socket.read_exact(&mut came[5..]).expect("the whole record");
        came
    });
    join(thread).await
}

// RFC 8446 section 4.2, RFC 5246 section 7.4.1.2.
async fn what_a_server_does_not_know_in_a_hello_is_ignored() {
    let authority = Authority::new();
    let (addr, _) = server(&authority, Limits::default());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let parts = HelloParts::of(&hello(&authority, &[version]));
        let record = parts.with(|parts| {
            parts.extensions.insert(0, (0xfafa, vec![1, 2, 3]));
            parts.suites.splice(..0, [0xfa, 0xfa, 0, 4]);
            if version.version == rustls::ProtocolVersion::TLSv1_2 {
                parts.compression = vec![1, 0];
            }
        });
        let came = first_answer(addr, record).await;
        let session_id = usize::from(server_hello(&came)[34]);
        let suite = &server_hello(&came)[35 + session_id..][..3];
        assert!(parts.suites.chunks(2).any(|known| known == &suite[..2]), "{suite:?}");
        assert_eq!(suite[2], 0, "compression");
    }
}

// RFC 8446 sections 4.1.4 and 4.1.2.
async fn a_hello_without_a_share_of_ours_is_asked_for_one() {
    let authority = Authority::new();
    let (addr, _) = server(&authority, Limits::default());
    let hello13 = HelloParts::of(&hello(&authority, &[&rustls::version::TLS13]));
    let record = hello13.with(without_share);
    let came = first_answer(addr, record.clone()).await;
    // SHA-256 of "HelloRetryRequest".
    assert_eq!(server_hello(&came)[2..6], [0xcf, 0x21, 0xad, 0x74]);
    // A client that does not do as it is asked.
    let socket = client(addr);
    let came = join(std::thread::spawn(move || answer(socket, vec![record.clone(), record]))).await;
    assert_eq!(alert(&came), Some(ILLEGAL_PARAMETER));
}

/// Records of TLS 1.2 by AES-128-GCM (RFC 5288), one direction of a connection.
struct Sealed {
    key: LessSafeKey,
    salt: [u8; 4],
    sequence: u64,
}

impl Sealed {
    fn of((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Sealed {
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else { panic!("another suite") };
        let key = UnboundKey::new(&AES_128_GCM, key.as_ref()).expect("a key");
        let salt = iv.as_ref()[..4].try_into().expect("a salt");
        Sealed { key: LessSafeKey::new(key), salt, sequence }
    }

    fn terms(&mut self, kind: u8, explicit: [u8; 8], length: usize) -> (Nonce, Aad<Vec<u8>>) {
        let nonce = [&self.salt[..], &explicit].concat().try_into().expect("a nonce");
        let length = (length as u16).to_be_bytes();
        let about = [&self.sequence.to_be_bytes()[..], &[kind, 3, 3], &length].concat();
        self.sequence += 1;
        (Nonce::assume_unique_for_key(nonce), Aad::from(about))
    }

    fn seal(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let explicit = (self.sequence | 1 << 60).to_be_bytes();
        let (nonce, about) = self.terms(kind, explicit, content.len());
        let mut sealed = content.to_vec();
        self.key.seal_in_place_append_tag(nonce, about, &mut sealed).expect("sealed");
        let length = (sealed.len() as u16 + 8).to_be_bytes();
        [&[kind, 3, 3][..], &length, &explicit, &sealed].concat()
    }

    /// The next record's type and content.
    fn open(&mut self, socket: &mut TcpStream) -> (u8, Vec<u8>) {
        let mut head = [0; 5];
        socket.read_exact(&mut head).expect("a record");
        let mut sealed = vec![0; number(&head[3..])];
        socket.read_exact(&mut sealed).expect("the whole record");
        let explicit = sealed[..8].try_into().expect("a nonce");
        let (nonce, about) = self.terms(head[0], explicit, sealed.len() - 8 - 16);
        let content = self.key.open_in_place(nonce, about, &mut sealed[8..]).expect("opened");
        (head[0], content.to_vec())
    }
}

// RFC 5246 section 7.2.2: no_renegotiation is a warning.
async fn a_renegotiation_is_refused_and_the_connection_goes_on() {
    const NO_RENEGOTIATION: [u8; 2] = [1, 100];
    let authority = Authority::new();
    let folder = Folder::new();
    let pair = authority.pair(&["a.test"]).files(&folder, "a");
    let tls = ServerTls::read(&[pair], None).expect("certificates");
    let acceptor = TlsAcceptor::new(tls, &[], &Limits::default());
    let (listener, addr) = listen();
    let again = hello(&authority, &[&rustls::version::TLS12]);
    let name = "a.test".try_into().expect("a name");
    let provider = rustls::crypto::ring::default_provider();
    let suites = vec![rustls::crypto::ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
    let mut config =
        authority.client_with(rustls::crypto::CryptoProvider { cipher_suites: suites, ..provider });
    config.enable_secret_extraction = true;
    let mut socket = client(addr);
    let thread = std::thread::spawn(move || {
        let mut session = ClientConnection::new(Arc::new(config), name).expect("a session");
        while session.is_handshaking() {
            session.complete_io(&mut socket).expect("a handshake");
        }
        let secrets = session.dangerous_extract_secrets().expect("secrets");
        let (mut to, mut from) = (Sealed::of(secrets.tx), Sealed::of(secrets.rx));
        // A ClientHello on the connection, without the record that it came in.
        socket.write_all(&to.seal(22, &again[5..])).expect("write");
        assert_eq!(from.open(&mut socket), (21, NO_RENEGOTIATION.to_vec()));
        socket.write_all(&to.seal(23, b"hello")).expect("write");
        from.open(&mut socket)
    });
    let Ok(stream) = acceptor.accept(listener.accept().await.expect("a connection")).await else {
        panic!("no handshake")
    };
    let received = stream.recv().await.expect("what came behind it");
    stream.start_send(received.to_vec());
    std::future::poll_fn(|cx| stream.poll_sent(cx)).await.0.expect("sent");
    assert_eq!(join(thread).await, (23, b"hello".to_vec()));
    stream.close().await;
}

async fn a_fatal_alert_is_an_end_without_an_answer() {
    let authority = Authority::new();
    let (addr, ends) = server(&authority, Limits::default());
    let socket = client(addr);
    let came = join(std::thread::spawn(move || answer(socket, vec![vec![21, 3, 1, 0, 2, 2, 40]]))).await;
    assert_eq!(came, b"");
    let end = told(&ends).await;
    assert!(end.contains("HandshakeFailure"), "{end}");
}

async fn a_hello_in_many_pieces_is_one() {
    let authority = Authority::new();
    let (addr, ends) = server(&authority, Limits::default());
    let record = hello(&authority, &[&rustls::version::TLS13]);
    // Each byte of the message in a record of its own; and one record, byte by byte.
    let records = record[5..].iter().map(|byte| vec![22, 3, 1, 0, 1, *byte]).collect();
    let bytes = record.iter().map(|byte| vec![*byte]).collect();
    for pieces in [records, bytes] {
        let socket = client(addr);
        socket.set_nodelay(true).expect("option");
        let thread = std::thread::spawn(move || {
            let mut socket = socket;
            let pieces: Vec<Vec<u8>> = pieces;
            for piece in &pieces {
                socket.write_all(piece).expect("write");
            }
            let mut head = [0; 6];
            socket.read_exact(&mut head).expect("an answer");
            head
        });
        let head = join(thread).await;
        assert_eq!((head[0], head[5]), (22, 2), "a ServerHello");
    }
    for _ in 0..2 {
        told(&ends).await;
    }
}

async fn a_handshake_of_too_many_bytes_is_closed() {
    let authority = Authority::new();
    let limits = Limits { tls_handshake_bytes_max: 4096, ..Limits::default() };
    let (addr, ends) = server(&authority, limits);
    // A ClientHello that goes on and on: 60,000 bytes in records of 1,000.
    let mut message = vec![1, 0, 0xea, 0x60];
    message.resize(60_000, 0);
    let records = message.chunks(1000).map(|part| [&[22, 3, 1, 3, 0xe8][..], part].concat()).collect();
    let socket = client(addr);
    let came = join(std::thread::spawn(move || answer(socket, records))).await;
    assert_eq!(came, b"");
    assert_eq!(told(&ends).await, "the TLS handshake takes more than 4096 bytes");
}

async fn what_follows_a_handshake_at_once_is_no_part_of_it() {
    let authority = Authority::new();
    let limits = Limits { tls_handshake_bytes_max: 4096, ..Limits::default() };
    let (addr, ends) = server(&authority, limits);
    let name = "a.test".try_into().expect("a name");
    let mut session = ClientConnection::new(Arc::new(authority.client(None)), name).expect("a session");
    // It leaves with the last message of the handshake.
    session.writer().write_all(&[b'x'; 30_000]).expect("room");
    let mut socket = client(addr);
    let thread = std::thread::spawn(move || {
        while session.is_handshaking() || session.wants_write() {
            // The server closes once it has accepted.
            if session.complete_io(&mut socket).is_err() {
                break;
            }
        }
        socket
    });
    join(thread).await;
    assert_eq!(told(&ends).await, "accepted");
}

async fn plain_text_is_told_apart() {
    let authority = Authority::new();
    let (addr, ends) = server(&authority, Limits::default());
    let socket = client(addr);
    let request = b"GET / HTTP/1.1\r\n\r\n".to_vec();
    let came = join(std::thread::spawn(move || answer(socket, vec![request]))).await;
    assert_eq!(came, b"");
    assert_eq!(told(&ends).await, "GET / HTTP/1.1\r\n\r\n");
}

async fn a_client_that_goes_ends_its_handshake() {
    let authority = Authority::new();
    let (addr, ends) = server(&authority, Limits::default());
    let record = hello(&authority, &[&rustls::version::TLS13]);
    for (sent, end) in [
        (Vec::new(), "the connection closed before the TLS handshake"),
        (record[..20].to_vec(), "the connection closed during the TLS handshake"),
        (record, "the connection closed during the TLS handshake"),
    ] {
        let mut socket = client(addr);
        socket.write_all(&sent).expect("write");
        socket.shutdown(Shutdown::Write).expect("shutdown");
        assert_eq!(told(&ends).await, end);
        drop(socket);
    }
}
