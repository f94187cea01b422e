//! Handshakes that go wrong: each has the alert that RFC 8446 section 6.2 names for it, and the connection ends.
//!
//! Owns: literal records. Must not know: what a good handshake leads to.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;

use crate::io_harness::{client, join, listen};
use crate::tls_files::{Authority, Folder};
use runtime::config::Limits;
use runtime::io;
use runtime::tls::{ServerTls, TlsAcceptor, Unaccepted};
use rustls::{ClientConfig, ClientConnection, SupportedProtocolVersion};

on_both!(
    a_broken_handshake_gets_the_alert_for_it,
    a_hello_in_many_pieces_is_one,
    a_handshake_of_too_many_bytes_is_closed,
    what_follows_a_handshake_at_once_is_no_part_of_it,
    plain_text_is_told_apart,
    a_client_that_goes_ends_its_handshake,
);

const UNEXPECTED_MESSAGE: u8 = 10;
const RECORD_OVERFLOW: u8 = 22;
const HANDSHAKE_FAILURE: u8 = 40;
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
