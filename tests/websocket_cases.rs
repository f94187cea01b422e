//! One table of cases, numbered as those of Autobahn's suite that they follow, for each side that there is: hooks,
//! WebSocketPair, and the client's `WebSocket`.
//!
//! Owns: what each case sends, and what an echo has to say to it. Must not know: which side is looked at.

use std::io::Write;
use std::thread;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::support::websocket::opening;
use crate::support::{App, Frame, Server, Way, WebSocketClient, WebSocketPeer};

const APP: &str = r#"
const end = (ws) => new Promise((f) => ws.addEventListener("close", f));
export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/run") {
      for (let n = 0; n < +searchParams.get("count"); n++) {
        const ws = new WebSocket(`${searchParams.get("url")}/${n}`);
        ws.binaryType = "arraybuffer";
        ws.onmessage = ({ data }) => ws.send(data);
        await end(ws);
      }
      return new Response("done");
    }
    if (pathname === "/hooks") return ctx.upgrade(request);
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    server.addEventListener("message", ({ data }) => server.send(data));
    return new Response(null, { status: 101, webSocket: client });
  },
  websocket: { message(ws, data) { ws.send(data); } },
};"#;

/// A case.
#[derive(Clone)]
struct Case {
    name: String,
    frames: Vec<Frame>,
    /// What an echo answers, its Close frame's code at the end; 1005: the frame is empty.
    answers: Vec<Frame>,
    code: u16,
    /// Bytes of one write; the frames are cut there.
    chop: usize,
    /// What a client offers and a server answers for compression.
    extension: Option<(&'static str, &'static str)>,
    /// Each of a side's messages refers to earlier ones.
    takes_over: bool,
}

fn frame(first: u8, payload: &[u8]) -> Frame {
    Frame { first, payload: payload.to_vec() }
}

/// One that ends in order: `frames`, then a Close frame.
fn good(name: impl Into<String>, frames: &[Frame], answers: &[Frame]) -> Case {
    let frames = [frames, &[Frame::close(1000, "")]].concat();
    let (answers, extension) = (answers.to_vec(), None);
    Case { name: name.into(), frames, answers, code: 1000, chop: usize::MAX, extension, takes_over: false }
}

/// One whose last frame breaks a rule.
fn bad(name: impl Into<String>, frames: &[Frame], answers: &[Frame], code: u16) -> Case {
    let good = good(name, frames, answers);
    Case { frames: [frames, &[Frame::text("behind it")]].concat(), code, ..good }
}

/// Frames of one message, `piece` bytes each.
fn fragments(first: u8, message: &[u8], piece: usize) -> Vec<Frame> {
    let count = message.len().div_ceil(piece).max(1);
    let pieces = message.chunks(piece).chain(message.is_empty().then_some(&[][..]));
    let of = |(at, piece): (usize, &[u8])| {
        let is_last = if at + 1 == count { 0x80 } else { 0 };
        frame(if at == 0 { first } else { 0 } | is_last, piece)
    };
    pieces.enumerate().map(of).collect()
}

fn chopped(case: Case, chop: usize) -> Case {
    Case { name: format!("{} in pieces of {chop}", case.name), chop, ..case }
}

fn groups_1_and_2() -> Vec<Case> {
    let mut all = Vec::new();
    for length in [0, 125, 126, 127, 128, 65_535, 65_536] {
        let (text, bytes) = (Frame::text(&"*".repeat(length)), Frame::binary(&vec![0xfe; length]));
        for message in [text, bytes] {
            let case = good(
                format!("1: {length} bytes"),
                std::slice::from_ref(&message),
                std::slice::from_ref(&message),
            );
            all.extend([chopped(case.clone(), 997), case]);
        }
    }
    let (ping, pong) = (|payload: &[u8]| frame(0x89, payload), |payload: &[u8]| frame(0x8a, payload));
    for payload in [&b""[..], b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", &[0xfe; 125]] {
        let case = good(format!("2: a ping of {}", payload.len()), &[ping(payload)], &[pong(payload)]);
        all.extend([chopped(case.clone(), 1), case]);
    }
    all.push(bad("2.5", &[ping(&[0xfe; 126])], &[], 1002));
    all.push(good("2.7, 2.8", &[pong(b""), pong(b"unasked")], &[]));
    all.push(good("2.9", &[pong(b"unasked"), ping(b"asked")], &[pong(b"asked")]));
    let pings: Vec<Frame> = (0..10).map(|n| ping(format!("payload {n}").as_bytes())).collect();
    let pongs: Vec<Frame> = pings.iter().map(|ping| pong(&ping.payload)).collect();
    let case = good("2.10", &pings, &pongs);
    all.extend([chopped(case.clone(), 1), case]);
    all
}

fn groups_3_and_4() -> Vec<Case> {
    let (hello, mut all) = (Frame::text("Hello"), Vec::new());
    for bits in [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70] {
        for first in [0x81, 0x82, 0x88, 0x89, 0x8a] {
            let frames = [hello.clone(), frame(first | bits, b"")];
            let case = bad(format!("3: {:x}", first | bits), &frames, std::slice::from_ref(&hello), 1002);
            all.push(if bits == 0x20 { chopped(case, 1) } else { case });
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for payload in [&b""[..], b"reserved"] {
            let frames = [hello.clone(), frame(0x80 | opcode, payload)];
            all.push(bad(format!("4: {opcode}"), &frames, std::slice::from_ref(&hello), 1002));
        }
        all.push(bad(format!("4: {opcode} first"), &[frame(0x80 | opcode, b"")], &[], 1002));
    }
    all
}

fn group_5() -> Vec<Case> {
    let (one, two) = (frame(0x01, b"fragment1"), frame(0x80, b"fragment2"));
    let (ping, pong) = (frame(0x89, b"ping"), frame(0x8a, b"ping"));
    let whole = Frame::text("fragment1fragment2");
    let mut all = vec![
        bad("5.1", &[frame(0x09, b"a"), frame(0x80, b"b")], &[], 1002),
        bad("5.2", &[frame(0x0a, b"a"), frame(0x80, b"b")], &[], 1002),
        good("5.3", &[one.clone(), two.clone()], std::slice::from_ref(&whole)),
        good("5.6", &[one.clone(), ping.clone(), two.clone()], &[pong.clone(), whole.clone()]),
        bad("5.9", &[frame(0x80, b"x")], &[], 1002),
        bad("5.10", &[frame(0x00, b"x")], &[], 1002),
        bad("5.12", &[whole.clone(), frame(0x80, b"x")], std::slice::from_ref(&whole), 1002),
        bad("5.15", &[one.clone(), two.clone(), frame(0x00, b"x")], &[whole], 1002),
        bad("5.18", &[one.clone(), frame(0x81, b"y")], &[], 1002),
        bad("5.18 bytes", &[one, frame(0x02, b"y")], &[], 1002),
        good("5.11 empty", &[frame(0x01, b""), frame(0x00, b""), frame(0x80, b"")], &[Frame::text("")]),
    ];
    let many: Vec<Frame> =
        (1..=5).map(|n| frame(u8::from(n == 1), format!("fragment{n}").as_bytes())).collect();
    let mut frames = many[..2].to_vec();
    frames.extend([ping.clone(), many[2].clone(), many[3].clone(), ping, frame(0x80, b"fragment5")]);
    let message = Frame::text("fragment1fragment2fragment3fragment4fragment5");
    let case = good("5.19", &frames, &[pong.clone(), pong, message]);
    all.extend([chopped(case.clone(), 1), case]);
    let cut: Vec<Case> =
        all.iter().filter(|case| case.chop > 1).map(|case| chopped(case.clone(), 1)).collect();
    all.extend(cut);
    all
}

/// Text, and bytes that are not UTF-8, after Markus Kuhn's test file.
const RIGHT: &[&str] = &[
    "",
    "Hello-µ@ßöäüàá-UTF-8!!",
    "κόσμε",
    "\u{0}",
    "\u{80}",
    "\u{800}",
    "\u{10000}",
    "\u{7f}",
    "\u{7ff}",
    "\u{ffff}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{fffd}",
    "\u{10ffff}",
    "\u{fffe}",
    "\u{1fffe}",
    "\u{1ffff}",
    "\u{ffffe}",
    "\u{fffff}",
];
const WRONG: &[&[u8]] = &[
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64",
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xf7\xbf\xbf\xbf",
    b"\xfb\xbf\xbf\xbf\xbf",
    b"\xfd\xbf\xbf\xbf\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\x80",
    b"\xbf",
    b"\x80\xbf",
    b"\x80\xbf\x80",
    b"\xc0 \xc1 \xdf ",
    b"\xe0 \xef ",
    b"\xf0 \xf7 ",
    b"\xf8 \xfb ",
    b"\xfc \xfd ",
    b"\xc0",
    b"\xe0\x80",
    b"\xf0\x80\x80",
    b"\xdf",
    b"\xef\xbf",
    b"\xf7\xbf\xbf",
    b"\xfe",
    b"\xff",
    b"\xfe\xfe\xff\xff",
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xc1\xbf",
    b"\xe0\x9f\xbf",
    b"\xf0\x8f\xbf\xbf",
    b"\xc0\x80",
    b"\xe0\x80\x80",
    b"\xed\xa0\x80",
    b"\xed\xad\xbf",
    b"\xed\xae\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\x80\xed\xb0\x80",
];

fn group_6() -> Vec<Case> {
    let mut all = Vec::new();
    for text in RIGHT {
        let message = Frame::text(text);
        all.push(good(
            format!("6: {text:?}"),
            std::slice::from_ref(&message),
            std::slice::from_ref(&message),
        ));
        // 6.2.3: a frame for each byte.
        let case = good(format!("6.2: {text:?}"), &fragments(0x01, text.as_bytes(), 1), &[message]);
        all.extend([chopped(case.clone(), 1), case]);
    }
    for bytes in WRONG {
        all.push(bad(format!("6: {bytes:x?}"), &[frame(0x81, bytes)], &[], 1007));
        let case = bad(format!("6.3: {bytes:x?}"), &fragments(0x01, bytes, 1), &[], 1007);
        all.extend([chopped(case.clone(), 1), case]);
        // The same bytes are a message of bytes, and no text behind good text.
        let message = Frame::binary(bytes);
        all.push(good(
            format!("6: {bytes:x?} as bytes"),
            std::slice::from_ref(&message),
            std::slice::from_ref(&message),
        ));
        all.push(bad(
            format!("6: good, {bytes:x?}"),
            &[frame(0x81, &[&b"good"[..], bytes].concat())],
            &[],
            1007,
        ));
    }
    all
}

fn group_7() -> Vec<Case> {
    let (hello, mut all) = (Frame::text("Hello"), Vec::new());
    let closes = |name: &str, frames: &[Frame], answers: &[Frame], code| {
        let case = good(name, &[], answers);
        Case { frames: frames.to_vec(), code, ..case }
    };
    let close = Frame::close(1000, "");
    all.push(closes("7.1.1", &[hello.clone(), close.clone()], std::slice::from_ref(&hello), 1000));
    all.push(closes("7.1.2", &[close.clone(), close.clone()], &[], 1000));
    all.push(closes("7.1.3", &[close.clone(), frame(0x89, b"")], &[], 1000));
    all.push(closes("7.1.4", &[close.clone(), hello.clone()], &[], 1000));
    all.push(closes("7.1.5", &[frame(0x01, b"fragment1"), close, frame(0x80, b"fragment2")], &[], 1000));
    let long = vec![b'B'; 256 << 10];
    let behind = [Frame::text(&"B".repeat(256 << 10)), Frame::close(1000, ""), frame(0x89, b"")];
    all.push(closes("7.1.6", &behind, &[frame(0x81, &long)], 1000));
    all.push(closes("7.3.1", &[frame(0x88, b"")], &[], 1005));
    all.push(closes("7.3.2", &[frame(0x88, b"a")], &[], 1002));
    all.push(closes("7.3.4", &[Frame::close(1000, "Hello World!")], &[], 1000));
    all.push(closes("7.3.5", &[Frame::close(1000, &"*".repeat(123))], &[], 1000));
    all.push(closes("7.3.6", &[Frame::close(1000, &"*".repeat(124))], &[], 1002));
    all.push(closes("7.5.1", &[frame(0x88, b"\x03\xe8\xce\xba\xe1\xbd\xb9\xed\xa0\x80")], &[], 1007));
    for code in
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        all.push(closes(&format!("7.7: {code}"), &[Frame::close(code, "")], &[], code));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        all.push(closes(&format!("7.9, 7.13: {code}"), &[Frame::close(code, "")], &[], 1002));
        all.push(closes(&format!("7.9, 7.13: {code}"), &[Frame::close(code, "why")], &[], 1002));
    }
    let cut: Vec<Case> =
        all.iter().map(|case| chopped(case.clone(), 3)).filter(|case| case.answers.is_empty()).collect();
    all.extend(cut);
    all
}

fn groups_9_and_10() -> Vec<Case> {
    let (mut all, most) = (Vec::new(), 1 << 20);
    for length in [64 << 10, 256 << 10, most] {
        let (text, bytes) = (Frame::text(&"*".repeat(length)), Frame::binary(&vec![0xfe; length]));
        for (first, message) in [(0x01, text), (0x02, bytes)] {
            all.push(good(
                format!("9.1: {length}"),
                std::slice::from_ref(&message),
                std::slice::from_ref(&message),
            ));
            for piece in [1 << 10, 64 << 10] {
                let frames = fragments(first, &message.payload, piece);
                all.push(good(
                    format!("9.3: {length} in frames of {piece}"),
                    &frames,
                    std::slice::from_ref(&message),
                ));
            }
        }
    }
    let small: Vec<Frame> = (0..1000).map(|n| Frame::text(&format!("{n:064}"))).collect();
    all.push(good("9.7", &small, &small));
    let message = Frame::text(&"*".repeat(65_536));
    all.push(good("10.1.1", &fragments(0x01, &message.payload, 1300), &[message]));
    // Section 10.4: more than a message may be.
    all.push(bad("9: too large in frames", &fragments(0x02, &vec![0; most + 1], 256 << 10), &[], 1009));
    all
}

/// A side's compressor.
struct Deflater(Compress, bool);

impl Deflater {
    fn frame(&mut self, opcode: u8, message: &[u8]) -> Frame {
        if message.is_empty() {
            return frame(0xc0 | opcode, &[0]);
        }
        let mut out = Vec::with_capacity(message.len() + 1024);
        self.0.compress_vec(message, &mut out, FlushCompress::Sync).expect("compress");
        assert!(out.len() < out.capacity());
        out.truncate(out.len() - 4);
        if !self.1 {
            self.0.reset();
        }
        frame(0xc0 | opcode, &out)
    }
}

const NONE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn groups_12_and_13() -> Vec<Case> {
    let mut all = Vec::new();
    for (name, extension, takes_over) in [
        ("13.1", ("permessage-deflate", "permessage-deflate"), true),
        ("13.2", ("permessage-deflate; server_no_context_takeover", NONE), false),
        (
            "13.3",
            ("permessage-deflate; server_max_window_bits=9", "permessage-deflate; server_max_window_bits=9"),
            true,
        ),
        (
            "13.4",
            (
                "permessage-deflate; server_max_window_bits=15; client_max_window_bits",
                "permessage-deflate; client_max_window_bits=9",
            ),
            true,
        ),
        (
            "13.5",
            (
                "permessage-deflate; client_no_context_takeover; server_max_window_bits=10",
                "permessage-deflate; client_no_context_takeover; client_max_window_bits=15",
            ),
            false,
        ),
        (
            "13.7",
            (
                "x-other, permessage-deflate; server_max_window_bits=8, permessage-deflate; client_max_window_bits=10",
                NONE,
            ),
            false,
        ),
    ] {
        let mut deflater = Deflater(Compress::new(Compression::new(6), false), takes_over);
        let (mut frames, mut answers) = (Vec::new(), Vec::new());
        for length in [0, 16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_072] {
            let text: String = (0..length)
                .map(|n| char::from(b' ' + (n % 1000 * (n % 1000) % 89 + n / 1000 % 5) as u8))
                .collect();
            let noise: Vec<u8> =
                (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
            for message in [Frame::text(&text), Frame::binary(&noise)] {
                let compressed = deflater.frame(message.first & 0x0f, &message.payload);
                // In one frame, or in fragments.
                let piece = if length % 3 == 1 { 1000 } else { usize::MAX };
                frames.extend(fragments(compressed.first & 0x4f, &compressed.payload, piece));
                answers.push(message.clone());
            }
            // And one that is not compressed.
            frames.push(Frame::text("plain"));
            answers.push(Frame::text("plain"));
        }
        let case = Case { extension: Some(extension), takes_over, ..good(name, &frames, &answers) };
        all.push(chopped(case.clone(), 1000));
        all.push(case);
    }
    all.extend(compressed_breaches());
    all
}

/// What breaks a rule of RFC 7692.
fn compressed_breaches() -> Vec<Case> {
    let mut all = Vec::new();
    let agreed = Some(("permessage-deflate", NONE));
    for (name, frames, code) in [
        ("a control frame", vec![frame(0xc9, b"")], 1002),
        ("a continuation", vec![frame(0x01, b"a"), frame(0xc0, b"b")], 1002),
        ("no DEFLATE", vec![frame(0xc1, b"\xff\xff\xff\xff")], 1007),
    ] {
        all.push(Case { extension: agreed, ..bad(format!("RFC 7692: {name}"), &frames, &[], code) });
    }
    let mut deflater = Deflater(Compress::new(Compression::new(6), false), false);
    let latin = deflater.frame(1, b"\xe9 is no UTF-8");
    all.push(Case { extension: agreed, ..bad("RFC 7692: no UTF-8", &[latin], &[], 1007) });
    let bomb = deflater.frame(2, &vec![0; (1 << 20) + 1]);
    all.push(Case { extension: agreed, ..bad("RFC 7692: a bomb", &[bomb], &[], 1009) });
    all
}

/// Compares what an echo has answered with what it has to.
fn judge(side: &str, case: &Case, mut seen: Vec<Frame>) {
    let mut inflater = Decompress::new(false);
    for frame in seen.iter_mut().filter(|frame| frame.first & 0x40 != 0) {
        let mut out = Vec::with_capacity(2 << 20);
        frame.payload.extend_from_slice(&[0, 0, 0xff, 0xff]);
        inflater.decompress_vec(&frame.payload, &mut out, FlushDecompress::Sync).expect("DEFLATE");
        (frame.first, frame.payload) = (frame.first & !0x40, out);
        if !case.takes_over {
            inflater.reset(false);
        }
    }
    let name = format!("{side}: {}", case.name);
    let close = seen.pop().unwrap_or_else(|| panic!("{name}: nothing"));
    let code = close.payload.first_chunk::<2>().map_or(1005, |code| u16::from_be_bytes(*code));
    assert_eq!((close.first, code), (0x88, case.code), "{name}: {close:?}");
    assert_eq!(seen.len(), case.answers.len(), "{name}");
    for (at, (seen, expected)) in seen.iter().zip(&case.answers).enumerate() {
        assert!(seen == expected, "{name}: frame {at} of {} bytes is {:x}", seen.payload.len(), seen.first);
    }
}

/// Sends what a case sends; one that has seen enough may be gone.
fn send(stream: &mut impl Write, case: &Case, bytes: &[u8]) {
    let mut pieces = bytes.chunks(case.chop.min(bytes.len().max(1)));
    let _ = pieces.try_for_each(|piece| stream.write_all(piece).and_then(|()| stream.flush()));
}

fn on_a_server(io: &str, cases: &[Case]) {
    let app = app!(APP);
    let server = serving(io, &app, cases);
    for path in ["/hooks", "/pair"] {
        for case in cases {
            let offer = case.extension.map(|(offer, _)| format!("Sec-WebSocket-Extensions: {offer}\r\n"));
            let mut client = WebSocketClient::ask(&server, &opening(path, &offer.unwrap_or_default()));
            let bytes: Vec<u8> = case.frames.iter().flat_map(Frame::masked).collect();
            // What comes back while much is sent has somebody who reads it.
            let mut stream = client.stream.tcp().expect("TCP").try_clone().expect("a copy");
            let seen = thread::scope(|scope| {
                scope.spawn(|| send(&mut stream, case, &bytes));
                std::iter::from_fn(|| client.next()).collect()
            });
            judge(path, case, seen);
        }
    }
}

fn serving(io: &str, app: &App, cases: &[Case]) -> Server {
    let takes_over = cases.iter().any(|case| case.takes_over);
    let how = if takes_over { "takeover" } else { "shared" };
    Server::spawn_at(
        Way::tcp(io),
        &["--workers", "1", "--websocket-compression", how, "--request-timeout", "1h"],
        app.path(),
    )
}

fn on_a_client(io: &str, cases: &[Case]) {
    let app = app!(APP);
    let server = serving(io, &app, cases);
    let (listener, url) = WebSocketPeer::listen();
    let (known, count) = (cases.to_vec(), cases.len());
    let judged = thread::spawn(move || {
        for case in &known {
            let answer = case.extension.map(|(_, answer)| format!("Sec-WebSocket-Extensions: {answer}\r\n"));
            let mut peer = WebSocketPeer::open(&listener, &answer.unwrap_or_default());
            let bytes: Vec<u8> = case.frames.iter().flat_map(Frame::plain).collect();
            let mut stream = peer.stream.try_clone().expect("a copy");
            let seen = thread::scope(|scope| {
                scope.spawn(|| send(&mut stream, case, &bytes));
                let mut seen = Vec::new();
                while let Some(frame) = peer.next() {
                    let is_close = frame.first == 0x88;
                    seen.push(frame);
                    if is_close {
                        // Section 7.1.1: the server ends the connection first.
                        let _ = peer.stream.shutdown(std::net::Shutdown::Write);
                    }
                }
                seen
            });
            judge("client", case, seen);
        }
    });
    let request = format!("GET /run?count={count}&url={url} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let asked = thread::spawn(move || ask_slowly(&server, &request));
    judged.join().expect("all cases are right");
    assert!(asked.join().expect("an answer").ends_with("done"));
}

/// The answer to a request that may take its time.
fn ask_slowly(server: &Server, request: &str) -> String {
    use std::io::Read;
    let mut stream = std::net::TcpStream::connect(server.addr()).expect("connect");
    stream.write_all(request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes()).expect("send");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Those of a group whose messages refer to earlier ones need another server than the rest.
fn each(io: &str, cases: &[Case]) {
    let (over, plain): (Vec<Case>, Vec<Case>) = cases.iter().cloned().partition(|case| case.takes_over);
    for cases in [over, plain].iter().filter(|cases| !cases.is_empty()) {
        on_a_server(io, cases);
        on_a_client(io, cases);
    }
}

both_backends! {
    fn groups_1_and_2_messages_pings_and_pongs(io) {
        each(io, &groups_1_and_2());
    }

    fn groups_3_and_4_reserved_bits_and_opcodes(io) {
        each(io, &groups_3_and_4());
    }

    fn group_5_fragments(io) {
        each(io, &group_5());
    }

    fn group_6_utf_8(io) {
        each(io, &group_6());
    }

    fn group_7_close_frames(io) {
        each(io, &group_7());
    }

    fn groups_9_and_10_large_messages_and_many(io) {
        each(io, &groups_9_and_10());
    }

    fn groups_12_and_13_compression(io) {
        each(io, &groups_12_and_13());
    }
}
