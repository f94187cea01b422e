//! The rules of RFC 9113 and RFC 7541 in tables: literal frames, and what the server does about them.
//!
//! Owns: a row for each rule that a client may break or use, by section; they include all cases of the tool h2spec. Must not
//! know: limits of ours (`http2_limits`), what an exchange comes to (`http2`).

use crate::support::frames::*;
use crate::support::{App, Connection, Server, Way};

const APP: &str = r#"
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/never") return new Promise(() => {});
    if (pathname === "/text") return new Response(await request.text());
    return new Response("hello");
  },
};"#;

fn start(io: &str) -> (App, Server) {
    let app = app!(APP);
    let flags = ["--workers", "1", "--http2-control-frames-max", "10000"];
    let server = Server::spawn_at(Way::tcp(io), &flags, app.path());
    (app, server)
}

/// What the server does about what a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The connection ends by GOAWAY with this code.
    Goaway(u32),
    /// The stream ends by RST_STREAM with this code, or the connection by GOAWAY with it.
    Reset(u32),
    /// The stream has an answer with this status.
    Status(u16),
    /// The next DATA is so long.
    Data(usize),
    /// The settings are taken note of.
    SettingsAck,
    /// PING is answered: all goes on.
    GoesOn,
    /// The connection ends.
    Ends,
}

use Then::{Data, Ends, Goaway, GoesOn, Reset, SettingsAck, Status};

/// In place of something to send: the answer on stream 1 is received to its end.
const ANSWERED: Vec<u8> = Vec::new();

/// The crate `h2` also says this where RFC 9113 has COMPRESSION_ERROR.
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const WINDOW_MAX: u32 = 0x7fff_ffff;

impl Then {
    /// Whether a frame decides it.
    fn is_decided_by(self, frame: &Frame) -> bool {
        let is_end = frame.kind == GOAWAY;
        is_end
            || match self {
                Goaway(_) | Ends => false,
                // NO_ERROR only says that the rest of a request is not wanted.
                Reset(_) => frame.kind == RST_STREAM && frame.error() != 0,
                Status(_) => frame.kind == HEADERS,
                Data(_) => frame.kind == DATA,
                SettingsAck => frame.kind == SETTINGS && frame.flags & ACK != 0,
                GoesOn => frame.kind == PING && frame.payload == b"the end.",
            }
    }

    fn is(self, frame: &Frame) -> bool {
        match self {
            Goaway(code) => frame.kind == GOAWAY && frame.error() == code,
            Reset(code) => frame.error() == code,
            Status(status) => frame.kind == HEADERS && frame.status() == status,
            Data(length) => frame.kind == DATA && frame.payload.len() == length,
            SettingsAck => frame.kind == SETTINGS,
            GoesOn => frame.kind == PING,
            Ends => true,
        }
    }
}

/// What a client sees of `sent` that is not as it should be.
fn check(server: &Server, sent: &[Vec<u8>], then: Then) -> Option<String> {
    let mut client = Frames::open(server.addr());
    for part in sent {
        match part.is_empty() {
            true => drop(client.find(|frame| frame.stream == 1 && frame.ends_stream())),
            false => client.send(part),
        }
    }
    client.send(&frame(PING, 0, 0, b"the end."));
    let mut seen = Vec::new();
    let found = client.find(|frame| {
        seen.push((frame.kind, frame.stream));
        then.is_decided_by(frame)
    });
    let Some(found) = found else {
        return (then != Ends).then(|| format!("the connection ended: {seen:?}"));
    };
    if !then.is(&found) {
        return Some(format!("{found:?}"));
    }
    // RFC 9113 section 5.4.1: behind GOAWAY for an error the connection is closed.
    let is_over = matches!(then, Goaway(_) | Ends) || found.kind == GOAWAY;
    (is_over && client.find(|_| false).is_some()).then(|| "the connection goes on".to_owned())
}

fn check_all(server: &mut Server, rows: &[(&str, Vec<Vec<u8>>, Then)]) {
    let wrong = rows.iter().filter_map(|(section, sent, then)| {
        check(server, sent, *then).map(|seen| format!("{section}, {then:?}: {seen}"))
    });
    assert_eq!(wrong.collect::<Vec<_>>(), [""; 0], "{} rows", rows.len());
    assert!(server.is_alive());
    assert_eq!(Connection::open(server.place()).get("/").text(), "hello");
}

/// HEADERS with all of a request, whose body follows where `flags` lack END_STREAM.
fn headers(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, block)
}

fn get(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    headers(END_STREAM, stream, &request("GET", "/", more))
}

/// A request whose body follows.
fn post(path: &str) -> Vec<u8> {
    headers(0, 1, &request("POST", path, &[]))
}

/// A request that is never answered.
fn never(flags: u8) -> Vec<u8> {
    headers(flags, 1, &request("GET", "/never", &[]))
}

fn data(flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(DATA, flags, 1, payload)
}

/// Fields behind a body, or another head.
fn trailers(flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    headers(flags, 1, &block(fields))
}

fn of_fields(fields: &[(&str, &str)]) -> Vec<u8> {
    headers(END_STREAM, 1, &block(fields))
}

fn settings(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

fn priority(stream: u32, on: u32, weight: u8) -> Vec<u8> {
    frame(PRIORITY, 0, stream, &[&on.to_be_bytes()[..], &[weight]].concat())
}

/// A request's head in two frames, the second of which is left out.
fn half(flags: u8) -> Vec<u8> {
    frame(HEADERS, flags, 1, &request("GET", "/", &[]))
}

fn continuation(flags: u8, stream: u32) -> Vec<u8> {
    frame(CONTINUATION, flags, stream, &block(&[("x-more", "1")]))
}

const PSEUDO: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", "/")];

fn pseudo_with(more: &[(&str, &str)]) -> Vec<u8> {
    of_fields(&[&PSEUDO[..], more].concat())
}

fn pseudo_without(name: &str) -> Vec<u8> {
    of_fields(&PSEUDO.into_iter().filter(|field| field.0 != name).collect::<Vec<_>>())
}

fn pseudo_instead(name: &str, value: &str) -> Vec<u8> {
    of_fields(&PSEUDO.map(|field| if field.0 == name { (field.0, value) } else { field }))
}

both_backends! {
    fn a_connection_begins_by_section_3_4(io) {
        let (_app, mut server) = start(io);
        let mut client = Frames::open(server.addr());
        let first = client.next().expect("a frame");
        assert_eq!((first.kind, first.flags, first.stream), (SETTINGS, 0, 0));
        for preface in ["INVALID CONNECTION PREFACE\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"] {
            let mut client = Frames::silent(server.addr());
            client.send(preface.as_bytes());
            assert!(client.find(|frame| frame.kind == HEADERS).is_none(), "{preface}");
        }
        let mut client = Frames::silent(server.addr());
        client.send(&[PREFACE, &frame(PING, 0, 0, &[0; 8])].concat());
        assert_eq!(client.find(|frame| frame.kind == GOAWAY).expect("GOAWAY").error(), PROTOCOL_ERROR);
        assert!(server.is_alive());
    }

    fn frames_are_held_to_sections_4_1_to_6_4(io) {
        let (_app, mut server) = start(io);
        let on_itself = [&[0, 0, 0, 1, 7][..], &request("GET", "/", &[])].concat();
        check_all(&mut server, &[
            ("4.1 unknown type", vec![frame(0xee, 0, 0, b"what")], GoesOn),
            ("4.1 unknown flags", vec![frame(PING, 0xfe, 0, b"12345678")], GoesOn),
            ("4.1 the reserved bit", vec![frame(PING, 0, 1 << 31, b"12345678")], GoesOn),
            ("4.2 DATA of 16 KiB", vec![post("/text"), data(END_STREAM, &[b'x'; 16_384])], Status(200)),
            ("4.2 larger than 16 KiB", vec![never(0), data(0, &[0; 16_385])], Goaway(FRAME_SIZE_ERROR)),
            ("4.2 HEADERS larger", vec![headers(END_STREAM, 1, &[0; 16_385])], Goaway(FRAME_SIZE_ERROR)),
            ("4.3 no field block", vec![headers(END_STREAM, 1, &[0x40])], Goaway(PROTOCOL_ERROR)),
            ("4.3 PRIORITY in a block", vec![half(END_STREAM), priority(1, 0, 9)], Goaway(PROTOCOL_ERROR)),
            ("4.3 another's HEADERS in a block", vec![half(END_STREAM), get(3, &[])], Goaway(PROTOCOL_ERROR)),
            ("5.5 an unknown frame in a block", vec![half(END_STREAM), frame(0xee, 0, 1, &[])], Goaway(PROTOCOL_ERROR)),
            ("6.1 DATA", vec![post("/text"), data(END_STREAM, b"x")], Status(200)),
            ("6.1 more of it", vec![post("/text"), data(0, b"x"), data(END_STREAM, b"y")], Status(200)),
            ("6.1 padded", vec![post("/text"), data(END_STREAM | PADDED, b"\x02xyz")], Status(200)),
            ("6.1 DATA on stream 0", vec![frame(DATA, 0, 0, b"x")], Goaway(PROTOCOL_ERROR)),
            ("6.1 padding beyond the frame", vec![never(0), data(PADDED, &[9, 0])], Goaway(PROTOCOL_ERROR)),
            ("6.1 padding as long as the frame", vec![never(0), data(PADDED, &[2, 0])], Goaway(PROTOCOL_ERROR)),
            ("6.2 padded", vec![frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, &[&[1][..], &request("GET", "/", &[]), &[0]].concat())], Status(200)),
            ("6.2 with a priority", vec![frame(HEADERS, END_STREAM | END_HEADERS | PRIORITISED, 1, &[&[0, 0, 0, 0, 9][..], &request("GET", "/", &[])].concat())], Status(200)),
            ("6.2 both", vec![frame(HEADERS, END_STREAM | END_HEADERS | PRIORITISED | PADDED, 1, &[&[1, 0x80, 0, 0, 3, 9][..], &request("GET", "/", &[]), &[0]].concat())], Status(200)),
            ("6.2 HEADERS on stream 0", vec![get(0, &[])], Goaway(PROTOCOL_ERROR)),
            ("6.2 padding beyond the frame", vec![frame(HEADERS, PADDED | END_HEADERS, 1, &[200, 0])], Goaway(PROTOCOL_ERROR)),
            ("6.3 PRIORITY", vec![priority(1, 0, 0), priority(1, 0x8000_0005, 255), get(1, &[])], Status(200)),
            ("6.3 for a later stream", vec![priority(3, 0, 255), get(1, &[])], Status(200)),
            ("6.3 PRIORITY on stream 0", vec![priority(0, 0, 1)], Goaway(PROTOCOL_ERROR)),
            ("6.3 PRIORITY of 4 bytes", vec![never(END_STREAM), frame(PRIORITY, 0, 1, &[0x80, 0, 0, 1])], Reset(FRAME_SIZE_ERROR)),
            ("5.3.1 HEADERS that depend on themselves", vec![frame(HEADERS, END_STREAM | END_HEADERS | PRIORITISED, 1, &on_itself)], Reset(PROTOCOL_ERROR)),
            ("5.3.1 PRIORITY that depends on itself", vec![priority(1, 1, 7)], Reset(PROTOCOL_ERROR)),
            ("6.4 RST_STREAM", vec![never(0), reset(1, 8)], GoesOn),
            ("6.4 on stream 0", vec![reset(0, 0)], Goaway(PROTOCOL_ERROR)),
            ("6.4 of an idle stream", vec![reset(1, 0)], Goaway(PROTOCOL_ERROR)),
            ("6.4 of 3 bytes", vec![never(0), frame(RST_STREAM, 0, 1, &[0; 3])], Goaway(FRAME_SIZE_ERROR)),
        ]);
    }

    fn frames_are_held_to_sections_6_5_to_7(io) {
        let (_app, mut server) = start(io);
        let twice = [&settings(4, 100)[9..], &settings(4, 1)[9..]].concat();
        let all = [(1_u16, 4096_u32), (2, 1), (3, 100), (4, 65_535), (5, 16_384), (6, 100)];
        let all = all.map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).concat();
        check_all(&mut server, &[
            ("6.5 SETTINGS", vec![frame(SETTINGS, 0, 0, &all)], SettingsAck),
            ("6.5 ACK with a payload", vec![frame(SETTINGS, ACK, 0, &[0; 6])], Goaway(FRAME_SIZE_ERROR)),
            ("6.5 of a stream", vec![frame(SETTINGS, 0, 1, &[])], Goaway(PROTOCOL_ERROR)),
            ("6.5 of 5 bytes", vec![frame(SETTINGS, 0, 0, &[0; 5])], Goaway(FRAME_SIZE_ERROR)),
            ("6.5.2 ENABLE_PUSH of 2", vec![settings(2, 2)], Goaway(PROTOCOL_ERROR)),
            ("6.5.2 INITIAL_WINDOW_SIZE too large", vec![settings(4, 1 << 31)], Goaway(FLOW_CONTROL_ERROR)),
            ("6.5.2 MAX_FRAME_SIZE too small", vec![settings(5, 16_383)], Goaway(PROTOCOL_ERROR)),
            ("6.5.2 MAX_FRAME_SIZE too large", vec![settings(5, 1 << 24)], Goaway(PROTOCOL_ERROR)),
            ("6.5.2 an unknown setting", vec![settings(0xee, 7)], GoesOn),
            ("6.5.3 values are taken in their order", vec![frame(SETTINGS, 0, 0, &twice), get(1, &[])], Data(1)),
            ("6.5.3 ACK", vec![settings(2, 0)], SettingsAck),
            ("6.6 PUSH_PROMISE by a client", vec![frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82])], Goaway(PROTOCOL_ERROR)),
            ("8.4 PUSH_PROMISE on a stream", vec![never(0), frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 3, 0x82])], Goaway(PROTOCOL_ERROR)),
            ("6.7 an ACK of no PING", vec![frame(PING, ACK, 0, b"nothing.")], GoesOn),
            ("6.7 PING of a stream", vec![frame(PING, 0, 1, &[0; 8])], Goaway(PROTOCOL_ERROR)),
            ("6.7 PING of 6 bytes", vec![frame(PING, 0, 0, &[0; 6])], Goaway(FRAME_SIZE_ERROR)),
            ("6.8 GOAWAY", vec![frame(GOAWAY, 0, 0, &[0; 8])], Ends),
            ("6.8 GOAWAY of a stream", vec![frame(GOAWAY, 0, 1, &[0; 8])], Goaway(PROTOCOL_ERROR)),
            ("6.9 WINDOW_UPDATE", vec![settings(4, 0), get(1, &[]), window_update(0, 1), window_update(1, 1)], Data(1)),
            ("6.9 of 0", vec![window_update(0, 0)], Goaway(PROTOCOL_ERROR)),
            ("6.9 of 0 of a stream", vec![never(0), window_update(1, 0)], Reset(PROTOCOL_ERROR)),
            ("6.9 of 3 bytes", vec![frame(WINDOW_UPDATE, 0, 0, &[0; 3])], Goaway(FRAME_SIZE_ERROR)),
            ("6.9.1 a window of 1", vec![settings(4, 1), get(1, &[])], Data(1)),
            ("6.9.1 a window beyond 2^31-1", vec![window_update(0, WINDOW_MAX), window_update(0, WINDOW_MAX)], Goaway(FLOW_CONTROL_ERROR)),
            ("6.9.1 that of a stream", vec![never(0), window_update(1, WINDOW_MAX)], Reset(FLOW_CONTROL_ERROR)),
            ("6.9.1 of one whose body nobody reads", vec![headers(0, 1, &request("GET", "/", &[])), window_update(1, WINDOW_MAX)], Reset(FLOW_CONTROL_ERROR)),
            ("6.9.2 windows of open streams change", vec![settings(4, 0), get(1, &[]), settings(4, 1)], Data(1)),
            ("6.10 CONTINUATION", vec![half(END_STREAM), continuation(0, 1), continuation(END_HEADERS, 1)], Status(200)),
            ("6.10 DATA in its place", vec![half(0), continuation(0, 1), data(END_STREAM, b"x")], Goaway(PROTOCOL_ERROR)),
            ("6.10 on stream 0", vec![half(END_STREAM), continuation(END_HEADERS, 0)], Goaway(PROTOCOL_ERROR)),
            ("6.10 behind END_HEADERS", vec![get(1, &[]), continuation(END_HEADERS, 1)], Goaway(PROTOCOL_ERROR)),
            ("6.10 behind the last", vec![half(END_STREAM), continuation(END_HEADERS, 1), continuation(END_HEADERS, 1)], Goaway(PROTOCOL_ERROR)),
            ("6.10 behind DATA", vec![never(0), data(0, b"x"), continuation(END_HEADERS, 1)], Goaway(PROTOCOL_ERROR)),
            ("7 GOAWAY with an unknown code", vec![frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0xff])], Ends),
            ("7 RST_STREAM with an unknown code", vec![post("/never"), reset(1, 0xff)], GoesOn),
        ]);
    }

    // RFC 9113 section 6.9.2.
    fn a_window_may_be_negative(io) {
        let (_app, server) = start(io);
        let mut client = Frames::open(server.addr());
        client.send(&[settings(4, 3), get(1, &[])].concat());
        assert_eq!(client.find(|frame| frame.kind == DATA).expect("DATA").payload, b"hel");
        client.send(&[settings(4, 2), window_update(1, 2)].concat());
        assert_eq!(client.find(|frame| frame.kind == DATA).expect("DATA").payload, b"l");
    }

    fn streams_are_held_to_section_5(io) {
        let (_app, mut server) = start(io);
        check_all(&mut server, &[
            ("5.1 idle: DATA", vec![data(0, b"x")], Goaway(PROTOCOL_ERROR)),
            ("5.1 idle: WINDOW_UPDATE", vec![window_update(1, 1)], Goaway(PROTOCOL_ERROR)),
            ("5.1 idle: CONTINUATION", vec![continuation(END_HEADERS, 1)], Goaway(PROTOCOL_ERROR)),
            ("5.1 half closed: DATA", vec![never(END_STREAM), data(END_STREAM, b"x")], Reset(STREAM_CLOSED)),
            ("5.1 half closed: HEADERS", vec![never(END_STREAM), get(1, &[])], Reset(STREAM_CLOSED)),
            ("5.1 half closed: CONTINUATION", vec![never(END_STREAM), continuation(END_HEADERS, 1)], Reset(PROTOCOL_ERROR)),
            ("5.1 half closed: WINDOW_UPDATE", vec![never(END_STREAM), window_update(1, 1)], GoesOn),
            ("5.1 half closed: PRIORITY", vec![settings(4, 0), get(1, &[]), priority(1, 0, 255), window_update(1, 1)], Data(1)),
            ("5.1 half closed: RST_STREAM", vec![never(END_STREAM), reset(1, 8)], GoesOn),
            ("5.1 reset: DATA", vec![never(0), reset(1, 8), data(END_STREAM, b"x")], Reset(STREAM_CLOSED)),
            ("5.1 reset: HEADERS", vec![never(0), reset(1, 8), get(1, &[])], Reset(STREAM_CLOSED)),
            ("5.1 reset: CONTINUATION", vec![never(0), reset(1, 8), continuation(END_HEADERS, 1)], Reset(PROTOCOL_ERROR)),
            ("5.1 closed: DATA", vec![get(1, &[]), ANSWERED, data(END_STREAM, b"x")], Goaway(STREAM_CLOSED)),
            ("5.1 closed: HEADERS", vec![get(1, &[]), ANSWERED, get(1, &[])], Goaway(STREAM_CLOSED)),
            ("5.1 closed: CONTINUATION", vec![get(1, &[]), ANSWERED, continuation(END_HEADERS, 1)], Goaway(PROTOCOL_ERROR)),
            ("5.1 closed: PRIORITY", vec![get(1, &[]), ANSWERED, priority(1, 0, 255)], GoesOn),
            ("5.1 closed: WINDOW_UPDATE", vec![get(1, &[]), ANSWERED, window_update(1, 9)], GoesOn),
            ("5.1 closed: RST_STREAM", vec![get(1, &[]), ANSWERED, reset(1, 8)], GoesOn),
            ("5.1.1 an even number", vec![get(2, &[])], Goaway(PROTOCOL_ERROR)),
            ("5.1.1 a number that goes back", vec![get(5, &[]), get(3, &[])], Goaway(PROTOCOL_ERROR)),
            ("8.1 HEADERS in the middle of a body", vec![post("/never"), data(0, b"x"), trailers(0, &[("x", "y")])], Reset(PROTOCOL_ERROR)),
            ("8.1 of one that nobody reads", vec![post("/"), data(0, b"x"), trailers(0, &[("x", "y")])], Reset(PROTOCOL_ERROR)),
            ("8.1 pseudo-fields there", vec![post("/"), data(0, b"x"), trailers(0, &[(":method", "POST")])], Reset(PROTOCOL_ERROR)),
            ("8.1 trailers", vec![post("/text"), data(0, b"x"), trailers(END_STREAM, &[("x", "y")])], Status(200)),
        ]);
    }

    fn requests_are_held_to_section_8(io) {
        let (_app, mut server) = start(io);
        let body = |length: &str, path: &str, data: &[u8]| {
            vec![headers(0, 1, &request("POST", path, &[("content-length", length)])), frame(DATA, END_STREAM, 1, data)]
        };
        let answered = |length: &str| [body(length, "/", b"")[..1].to_vec(), vec![ANSWERED, data(0, b"test"), data(END_STREAM, b"test")]].concat();
        check_all(&mut server, &[
            ("8.1.1 content-length", body("3", "/text", b"abc"), Status(200)),
            ("8.1.1 less than content-length", body("4", "/text", b"abc"), Reset(PROTOCOL_ERROR)),
            ("8.1.1 more than content-length", body("2", "/text", b"abc"), Reset(PROTOCOL_ERROR)),
            ("8.1.1 that where it is answered", answered("1"), Reset(PROTOCOL_ERROR)),
            ("8.1.1 in more than one DATA", answered("7"), Reset(PROTOCOL_ERROR)),
            ("8.1.1 a length and no body", vec![headers(END_STREAM, 1, &request("POST", "/text", &[("content-length", "3")]))], Reset(PROTOCOL_ERROR)),
            ("8.1.1 no number", body("+3", "/text", b"abc"), Reset(PROTOCOL_ERROR)),
            ("8.2 a name in upper case", vec![pseudo_with(&[("X-Upper", "1")])], Reset(PROTOCOL_ERROR)),
            ("8.2.1 a space in a name", vec![pseudo_with(&[("a b", "1")])], Reset(PROTOCOL_ERROR)),
            ("8.2.1 NUL in a value", vec![pseudo_with(&[("a", "1\0")])], Reset(PROTOCOL_ERROR)),
            ("8.2.1 LF in a value", vec![pseudo_with(&[("a", "1\nb: 2")])], Reset(PROTOCOL_ERROR)),
            ("8.2.1 white space around a value", vec![pseudo_with(&[("a", " 1")])], Status(400)),
            ("8.2.2 connection", vec![pseudo_with(&[("connection", "close")])], Reset(PROTOCOL_ERROR)),
            ("8.2.2 keep-alive", vec![pseudo_with(&[("keep-alive", "1")])], Reset(PROTOCOL_ERROR)),
            ("8.2.2 proxy-connection", vec![pseudo_with(&[("proxy-connection", "close")])], Reset(PROTOCOL_ERROR)),
            ("8.2.2 transfer-encoding", vec![pseudo_with(&[("transfer-encoding", "chunked")])], Reset(PROTOCOL_ERROR)),
            ("8.2.2 upgrade", vec![pseudo_with(&[("upgrade", "h2c")])], Reset(PROTOCOL_ERROR)),
            ("8.2.2 te: trailers", vec![pseudo_with(&[("te", "trailers")])], Status(200)),
            ("8.2.2 te: deflate", vec![pseudo_with(&[("trailers", "test"), ("te", "trailers, deflate")])], Reset(PROTOCOL_ERROR)),
            ("8.3 an unknown pseudo-field", vec![pseudo_with(&[(":test", "1")])], Reset(PROTOCOL_ERROR)),
            ("8.3 that of an answer", vec![pseudo_with(&[(":status", "200")])], Reset(PROTOCOL_ERROR)),
            ("8.3 behind a field", vec![of_fields(&[("a", "1"), PSEUDO[0], PSEUDO[1], PSEUDO[2], PSEUDO[3]])], Reset(PROTOCOL_ERROR)),
            ("8.3 one of them behind a field", vec![of_fields(&[PSEUDO[0], PSEUDO[1], PSEUDO[2], ("a", "1"), PSEUDO[3]])], Reset(PROTOCOL_ERROR)),
            ("8.3.1 no :method", vec![pseudo_without(":method")], Reset(PROTOCOL_ERROR)),
            ("8.3.1 no :scheme", vec![pseudo_without(":scheme")], Reset(PROTOCOL_ERROR)),
            ("8.3.1 no :path", vec![pseudo_without(":path")], Reset(PROTOCOL_ERROR)),
            ("8.3.1 an empty :path", vec![pseudo_instead(":path", "")], Reset(PROTOCOL_ERROR)),
            ("8.3.1 :method twice", vec![pseudo_with(&[(":method", "GET")])], Reset(PROTOCOL_ERROR)),
            ("8.3.1 :scheme twice", vec![pseudo_with(&[(":scheme", "http")])], Reset(PROTOCOL_ERROR)),
            ("8.3.1 :path twice", vec![pseudo_with(&[(":path", "/")])], Reset(PROTOCOL_ERROR)),
            ("8.3.1 :authority twice", vec![pseudo_with(&[(":authority", "test")])], Reset(PROTOCOL_ERROR)),
            ("8.3.1 neither :authority nor Host", vec![pseudo_without(":authority")], Status(400)),
            ("8.3.1 another Host", vec![pseudo_with(&[("host", "other")])], Status(400)),
            ("8.3.1 the same Host", vec![pseudo_with(&[("host", "TEST")])], Status(200)),
            ("8.3.1 two of Host", vec![pseudo_with(&[("host", "test"), ("host", "test")])], Status(400)),
            ("8.3.1 user in :authority", vec![pseudo_instead(":authority", "user@test")], Status(400)),
            ("8.3.1 no path", vec![pseudo_instead(":path", "path")], Reset(PROTOCOL_ERROR)),
            ("8.3.1 asterisk of GET", vec![pseudo_instead(":path", "*")], Status(400)),
            ("8.3.1 another scheme", vec![pseudo_instead(":scheme", "ftp")], Status(400)),
            ("8.5 CONNECT", vec![of_fields(&[(":method", "CONNECT"), (":authority", "test:443")])], Status(501)),
            ("8.5 CONNECT with :path", vec![pseudo_instead(":method", "CONNECT")], Reset(PROTOCOL_ERROR)),
            ("RFC 8441 section 4, of GET", vec![of_fields(&[(":method", "GET"), (":protocol", "websocket"), PSEUDO[1], PSEUDO[2], PSEUDO[3]])], Reset(PROTOCOL_ERROR)),
            ("RFC 9110 section 9.3.2", vec![headers(END_STREAM, 1, &request("HEAD", "/", &[]))], Status(200)),
            ("RFC 9110 section 10.1.1", vec![pseudo_with(&[("expect", "miracles")])], Status(417)),
        ]);
    }

    fn fields_are_coded_by_rfc_7541(io) {
        let (_app, mut server) = start(io);
        let with = |bytes: &[u8]| vec![headers(END_STREAM, 1, &[&request("GET", "/", &[])[..], bytes].concat())];
        let behind = |bytes: &[u8]| vec![headers(END_STREAM, 1, &[bytes, &request("GET", "/", &[])].concat())];
        // A new name and its value, in letters and by Huffman.
        let (plain, huffman) = (b"\x06x-test\x06h2spec", b"\x85\xf2\xb2\x4a\x84\xff\x84\x9c\x48\xac\xa4");
        let named = |first: u8, name: &[u8]| with(&[&[first], name].concat());
        check_all(&mut server, &[
            ("2.3.2 a name of the static table", with(&[0x0f, 0x0a, 1, b'x']), Status(200)),
            ("2.3.3 an index beyond the tables", with(&[0xc6]), Goaway(PROTOCOL_ERROR)),
            ("2.3.3 a long index beyond the tables", with(&[0xff, 0x20]), Goaway(PROTOCOL_ERROR)),
            ("2.3.3 a name beyond the tables", with(&[0x7f, 0x20, 1, b'x']), Goaway(PROTOCOL_ERROR)),
            ("4.2 two sizes before the fields", behind(&[0x20, 0x3f, 0xe1, 0x1f]), Status(200)),
            ("4.2 a size behind a field", with(&[0x21]), Goaway(PROTOCOL_ERROR)),
            ("5.2 Huffman padding of 8 bits", with(b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"), Goaway(PROTOCOL_ERROR)),
            ("5.2 Huffman padding of zeros", with(b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90"), Goaway(PROTOCOL_ERROR)),
            ("5.2 EOS in a string", with(b"\x00\x85\xf2\xb2\x4a\x87\xff\xff\xff\xfd\x25\x42\x7f"), Goaway(PROTOCOL_ERROR)),
            ("6.1 an index", with(&[0xba]), Status(200)),
            ("6.1 index 0", with(&[0x80]), Goaway(PROTOCOL_ERROR)),
            ("6.2.1 with an index", named(0x40, plain), Status(200)),
            ("6.2.1 by Huffman", named(0x40, huffman), Status(200)),
            ("6.2.1 a known name", with(b"\x7a\x06h2spec"), Status(200)),
            ("6.2.1 and its index", with(&[&b"\x40"[..], plain, &[0xbe]].concat()), Status(200)),
            ("6.2.2 without an index", named(0x00, plain), Status(200)),
            ("6.2.2 by Huffman", named(0x00, huffman), Status(200)),
            ("6.2.2 a known name", with(b"\x0f\x2b\x06h2spec"), Status(200)),
            ("6.2.3 never with an index", named(0x10, plain), Status(200)),
            ("6.2.3 by Huffman", named(0x10, huffman), Status(200)),
            ("6.2.3 a known name", with(b"\x1f\x2b\x06h2spec"), Status(200)),
            ("6.3 a size of 0", behind(&[0x20]), Status(200)),
            ("6.3 a size beyond the setting", behind(&[0x3f, 0xff, 0xff, 0x7f]), Goaway(PROTOCOL_ERROR)),
        ]);
    }
}
