//! What a receiver makes of frames, by the sections of RFC 6455 and the groups of Autobahn's suite.
//!
//! Owns: literal frames, each in one piece, in two and byte by byte. Must not know: sockets.

use super::super::deflate::Deflater;
use super::super::encode::{close_frame, data_frame, frame, mask_frame, shared_frame};
use super::*;

const MAX: usize = 1 << 16;

fn masked(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    mask_frame(&mut out, 0, [0x12, 0x34, 0xab, 0xff]);
    out
}

/// A frame of a client's with these first bits.
fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = masked(|out| frame(out, Opcode::Binary, payload));
    out[0] = first;
    out
}

fn told(event: &WebSocketEvent<'_>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match event {
        WebSocketEvent::Message(Kind::Text, bytes) => format!("text {}", text(bytes)),
        WebSocketEvent::Message(Kind::Binary, bytes) => format!("binary {}", text(bytes)),
        WebSocketEvent::Ping(bytes) => format!("ping {}", text(bytes)),
        WebSocketEvent::Pong(bytes) => format!("pong {}", text(bytes)),
        WebSocketEvent::Close(code, reason) => format!("close {code} {reason}"),
    }
}

/// What `receiver` says of `bytes` in pieces of `step`, and the code that it fails with.
fn fed(mut receiver: Receiver, bytes: &[u8], step: usize) -> (Vec<String>, Option<u16>) {
    let mut seen = Vec::new();
    for piece in bytes.chunks(step) {
        let mut piece = piece.to_vec();
        let mut at = 0;
        while at < piece.len() {
            match receiver.receive(&mut piece[at..]) {
                Ok((used, event)) => {
                    assert!(used > 0);
                    at += used;
                    seen.extend(event.as_ref().map(told));
                }
                Err(violation) => return (seen, Some(violation.code)),
            }
        }
        receiver.rest();
    }
    (seen, None)
}

fn server(takes_over: Option<bool>) -> Receiver {
    Receiver::new(Role::Server, MAX, takes_over.map(Inflater::new))
}

/// The same however the bytes come.
fn all(takes_over: Option<bool>, frames: &[Vec<u8>]) -> (Vec<String>, Option<u16>) {
    let bytes = frames.concat();
    let whole = fed(server(takes_over), &bytes, bytes.len());
    for step in [1, 2, 3, 7, 100] {
        assert_eq!(fed(server(takes_over), &bytes, step), whole, "in pieces of {step}");
    }
    whole
}

fn ok(events: &[&str]) -> (Vec<String>, Option<u16>) {
    (events.iter().map(|&event| event.to_owned()).collect(), None)
}

fn fails(events: &[&str], code: u16) -> (Vec<String>, Option<u16>) {
    (ok(events).0, Some(code))
}

// Autobahn 1.
#[test]
fn section_5_6_messages_of_each_length_encoding() {
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536] {
        let payload = "*".repeat(length);
        let frames = [raw(0x81, payload.as_bytes()), raw(0x82, payload.as_bytes())];
        assert_eq!(all(None, &frames), ok(&[&format!("text {payload}"), &format!("binary {payload}")]));
    }
}

// Autobahn 2.
#[test]
fn section_5_5_pings_and_pongs_of_up_to_125_bytes() {
    let long = "\u{fe}".repeat(62);
    let frames = [raw(0x89, b""), raw(0x89, long.as_bytes()), raw(0x8a, b"unasked"), raw(0x89, b"x")];
    assert_eq!(all(None, &frames), ok(&["ping ", &format!("ping {long}"), "pong unasked", "ping x"]));
    assert_eq!(all(None, &[raw(0x89, &[0; 126])]), fails(&[], 1002));
}

// Autobahn 3.
#[test]
fn section_5_2_reserved_bits_that_nobody_has_agreed_on() {
    for bits in [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70] {
        for opcode in [0x81, 0x82, 0x88, 0x89, 0x8a] {
            let frames = [raw(0x81, b"first"), raw(opcode | bits, b""), raw(0x81, b"last")];
            assert_eq!(all(None, &frames), fails(&["text first"], 1002), "{bits:x} {opcode:x}");
        }
    }
}

// Autobahn 4.
#[test]
fn section_5_2_reserved_opcodes() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        let frames = [raw(0x81, b"first"), raw(0x80 | opcode, b"x")];
        assert_eq!(all(None, &frames), fails(&["text first"], 1002), "{opcode}");
    }
}

// Autobahn 5.
#[test]
fn section_5_4_fragments_and_control_frames_between_them() {
    let frames = [
        raw(0x01, b"a"),
        raw(0x89, b"p"),
        raw(0x00, b"b"),
        raw(0x8a, b"q"),
        raw(0x80, b"c"),
        raw(0x82, b"d"),
    ];
    assert_eq!(all(None, &frames), ok(&["ping p", "pong q", "text abc", "binary d"]));
    assert_eq!(all(None, &[raw(0x01, b""), raw(0x00, b""), raw(0x80, b"")]), ok(&["text "]));
    // A control frame has no fragments; a continuation continues something; a message ends before the next.
    assert_eq!(all(None, &[raw(0x09, b"a"), raw(0x80, b"b")]), fails(&[], 1002));
    for first in [0x00, 0x80] {
        assert_eq!(all(None, &[raw(first, b"a")]), fails(&[], 1002));
        assert_eq!(all(None, &[raw(0x81, b"a"), raw(first, b"b")]), fails(&["text a"], 1002));
    }
    for second in [0x81, 0x01, 0x82] {
        assert_eq!(all(None, &[raw(0x01, b"a"), raw(second, b"b")]), fails(&[], 1002));
    }
}

// Autobahn 6.
#[test]
fn section_8_1_text_is_utf_8_whatever_its_frames() {
    let kosme = "κόσμε".as_bytes();
    for cut in 0..kosme.len() {
        let frames = [raw(0x01, &kosme[..cut]), raw(0x80, &kosme[cut..])];
        assert_eq!(all(None, &frames), ok(&["text κόσμε"]));
    }
    for wrong in [&b"\xed\xa0\x80"[..], b"\xf4\x90\x80\x80", b"a\xff", b"\xc0\xaf", b"\xf0\x80\x80\xaf"] {
        assert_eq!(all(None, &[raw(0x81, wrong)]), fails(&[], 1007), "{wrong:x?}");
        assert_eq!(all(None, &[raw(0x01, wrong), raw(0x80, b"")]), fails(&[], 1007), "{wrong:x?}");
        // Bytes are no text.
        assert!(all(None, &[raw(0x82, wrong)]).1.is_none());
    }
    // A character that is not whole.
    assert_eq!(all(None, &[raw(0x81, &kosme[..3])]), fails(&[], 1007));
    assert_eq!(all(None, &[raw(0x01, &kosme[..3]), raw(0x80, b"")]), fails(&[], 1007));
}

// Autobahn 6.4: at once, though the rest of the message is still to come.
#[test]
fn section_8_1_a_connection_fails_at_the_first_wrong_byte() {
    let wrong = b"\xce\xba\xe1\xbd\xb9\xf4\x90";
    let mut frame = raw(0x81, &[&wrong[..], &[b'x'; 100]].concat());
    frame.truncate(6 + wrong.len());
    assert_eq!(all(None, &[frame]), fails(&[], 1007));
    assert_eq!(all(None, &[raw(0x01, wrong)]), fails(&[], 1007));
}

// Autobahn 7.
#[test]
fn section_5_5_1_close_frames() {
    let close = |code, reason: &str| masked(|out| close_frame(out, code, reason));
    let long = "*".repeat(123);
    assert_eq!(all(None, &[close(1000, "bye")]), ok(&["close 1000 bye"]));
    assert_eq!(all(None, &[close(4999, &long)]), ok(&[&format!("close 4999 {long}")]));
    assert_eq!(all(None, &[raw(0x88, b"")]), ok(&["close 1005 "]));
    assert_eq!(all(None, &[raw(0x88, b"\x03")]), fails(&[], 1002));
    assert_eq!(all(None, &[raw(0x88, &[0; 126])]), fails(&[], 1002));
    assert_eq!(all(None, &[raw(0x88, b"\x03\xe8\xff")]), fails(&[], 1007));
    for code in [0, 999, 1004, 1005, 1006, 1016, 2000, 5000] {
        assert_eq!(all(None, &[raw(0x88, &u16::to_be_bytes(code))]), fails(&[], 1002), "{code}");
    }
}

// Autobahn 9 and 10.
#[test]
fn section_10_4_a_message_has_a_largest_size_in_one_frame_and_in_many() {
    let (most, more) = (vec![b'x'; MAX], vec![b'x'; MAX + 1]);
    assert_eq!(all(None, &[raw(0x82, &most)]).0.len(), 1);
    // Its head alone is enough.
    assert_eq!(all(None, &[raw(0x82, &more)[..14].to_vec()]), fails(&[], 1009));
    let half = vec![b'x'; MAX / 2];
    assert_eq!(all(None, &[raw(0x02, &half), raw(0x80, &half)]).0.len(), 1);
    assert_eq!(all(None, &[raw(0x02, &half), raw(0x00, &half), raw(0x80, b"x")]), fails(&[], 1009));
    let pieces: Vec<_> = std::iter::once(raw(0x02, b"y"))
        .chain((0..1000).map(|_| raw(0x00, b"z")))
        .chain([raw(0x80, b"!")])
        .collect();
    assert_eq!(all(None, &pieces), ok(&[&format!("binary y{}!", "z".repeat(1000))]));
}

#[test]
fn section_5_1_clients_mask_and_servers_do_not() {
    let mut plain = Vec::new();
    frame(&mut plain, Opcode::Text, b"hello");
    assert_eq!(all(None, &[plain.clone()]), fails(&[], 1002));
    let client = || Receiver::new(Role::Client, MAX, None);
    assert_eq!(fed(client(), &plain, 3), ok(&["text hello"]));
    assert_eq!(fed(client(), &raw(0x81, b"hello"), 3), fails(&[], 1002));
}

fn compressed(deflater: &mut Deflater, kind: Kind, message: &[u8]) -> Vec<u8> {
    masked(|out| data_frame(out, kind, message, Some(deflater)))
}

// Autobahn 12 and 13.
#[test]
fn rfc_7692_section_6_compressed_messages_among_others() {
    for (takes_over, bits) in [(false, 15), (true, 15), (true, 9)] {
        let mut deflater = Deflater::new(bits, takes_over);
        let text = "compression ".repeat(100);
        let frames = [
            compressed(&mut deflater, Kind::Text, text.as_bytes()),
            raw(0x81, b"plain"),
            compressed(&mut deflater, Kind::Binary, b""),
            raw(0x89, b"ping"),
            compressed(&mut deflater, Kind::Text, text.as_bytes()),
        ];
        let message = format!("text {text}");
        let expected = ok(&[&message, "text plain", "binary ", "ping ping", &message]);
        assert_eq!(all(Some(takes_over), &frames), expected);
    }
}

#[test]
fn rfc_7692_section_6_1_a_compressed_message_in_fragments() {
    let mut deflater = Deflater::new(15, false);
    let mut payload = Vec::new();
    assert!(deflater.compress("Hällo, Wörld".as_bytes(), &mut payload));
    let (one, two) = payload.split_at(5);
    let frames = [raw(0x41, one), raw(0x89, b"p"), raw(0x00, b""), raw(0x80, two)];
    assert_eq!(all(Some(false), &frames), ok(&["ping p", "text Hällo, Wörld"]));
    // The bit stands on the first frame alone, and on no control frame.
    assert_eq!(all(Some(false), &[raw(0x41, one), raw(0xc0, two)]), fails(&[], 1002));
    assert_eq!(all(Some(false), &[raw(0xc9, b"")]), fails(&[], 1002));
}

#[test]
fn rfc_7692_section_8_what_a_compressed_message_becomes_has_the_same_bounds() {
    let mut deflater = Deflater::new(15, false);
    let bomb = compressed(&mut deflater, Kind::Binary, &vec![0; 16 * MAX]);
    assert!(bomb.len() < MAX / 4);
    assert_eq!(all(Some(false), &[bomb]), fails(&[], 1009));
    let most = compressed(&mut deflater, Kind::Binary, &vec![7; MAX]);
    assert_eq!(all(Some(false), &[most]).0.len(), 1);
    assert_eq!(all(Some(false), &[raw(0xc1, b"\xff\xff\xff\xff")]), fails(&[], 1007));
    let latin = compressed(&mut deflater, Kind::Text, b"\xe9");
    assert_eq!(all(Some(false), &[latin]), fails(&[], 1007));
}

#[test]
fn a_frame_for_many_is_what_each_would_get_alone() {
    let text = "to all of you ".repeat(100);
    let shared = shared_frame(Kind::Text, text.as_bytes(), Some(&mut Deflater::new(15, false)));
    assert!(shared.is_compressed && shared.bytes.len() < 200);
    let client = Receiver::new(Role::Client, MAX, Some(Inflater::new(true)));
    assert_eq!(fed(client, &shared.bytes, 5), ok(&[&format!("text {text}")]));
    assert!(!shared_frame(Kind::Text, text.as_bytes(), None).is_compressed);
}

#[test]
fn memory_is_kept_only_for_a_message_that_is_not_whole() {
    let mut receiver = server(Some(false));
    let mut bytes = [raw(0x01, &[b'x'; 1000]), raw(0x80, b"y"), raw(0x89, b"p")].concat();
    let (mut at, mut message) = (0, 0);
    while at < bytes.len() {
        let (used, event) = receiver.receive(&mut bytes[at..]).expect("frames");
        if let Some(WebSocketEvent::Message(_, bytes)) = event {
            message = bytes.len();
        }
        at += used;
    }
    receiver.rest();
    assert_eq!((message, receiver.data.capacity(), receiver.control.capacity()), (1001, 0, 0));
    // A head that promises much.
    let mut bytes = raw(0x82, &vec![0; MAX])[..14].to_vec();
    receiver.receive(&mut bytes).expect("a head");
    assert!(receiver.data.capacity() < 128);
}
