//! The codec under cut and broken input: the same result for every cut, and never a panic or a loop.
//!
//! Owns: a small generator with a fixed seed, so that a failure comes again.

use super::{decode_all, limits};
use handlers::http::h1::{BodyDecoder, HeadParser, HeadProgress, RequestHead};

/// xorshift64*: enough randomness for tests.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }
}

const MESSAGES: [&str; 8] = [
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "\r\n\r\nGET /p?q HTTP/1.0\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: h:1\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\nhello\r\n\r\nxyGET",
    "PUT http://a.example/ HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
     5;a=\"b\\\"\" ; c\r\nhello\r\n1\r\n!\r\n0\r\nT: v\r\nU:\r\n\r\n",
    "OPTIONS * HTTP/1.7\r\nA:\r\nB: c d \r\nHost: [::1]:80\r\n\r\n",
    "M-SEARCH / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nraw",
    "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
];

/// All that the codec says about the requests in `input`, which comes in the given pieces.
fn run<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> String {
    let mut said = String::new();
    let (mut parser, mut head) = (HeadParser::new(limits()), RequestHead::default());
    let mut body: Option<BodyDecoder> = None;
    let mut content = Vec::new();
    for piece in pieces {
        let mut at = 0;
        loop {
            if let Some(decoder) = &mut body {
                match decode_all(decoder, &piece[at..]) {
                    Err(rejection) => return format!("{said}{}", rejection.status),
                    Ok((more, None)) => {
                        content.extend(more);
                        break;
                    }
                    Ok((more, Some(used))) => {
                        content.extend(more);
                        said += &format!("{content:?}\n");
                        content.clear();
                        at += used;
                        body = None;
                        head.reuse(usize::MAX);
                    }
                }
            }
            if at == piece.len() {
                break;
            }
            match parser.parse(&piece[at..], &mut head) {
                Err(rejection) => return format!("{said}{}", rejection.status),
                Ok(HeadProgress::NeedMore) => break,
                Ok(HeadProgress::Complete { consumed }) => {
                    assert!(consumed > 0 && consumed <= piece.len() - at);
                    at += consumed;
                    said += &describe(&head);
                    match BodyDecoder::new(head.framing(), 1 << 20, &limits()) {
                        Ok(decoder) => body = Some(decoder),
                        Err(rejection) => return format!("{said}{}", rejection.status),
                    }
                }
            }
        }
    }
    if !head.is_empty() && body.is_none() {
        // A broken head that lacks its end is refused early or late, as the cuts fall; an end settles it.
        return match parser.parse(b"\n\n", &mut head) {
            Err(rejection) => format!("{said}{}", rejection.status),
            // It lacked no more than the last LF.
            Ok(progress) => format!("{said}{progress:?} {}", describe(&head)),
        };
    }
    format!("{said}{content:?} {}", body.is_some())
}

fn describe(head: &RequestHead) -> String {
    let fields: Vec<_> = head.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    format!(
        "{} {} {} {} {:?} {:?} {:?} {} {} {:?} {fields:?}\n",
        head.method(),
        head.target(),
        head.authority(),
        head.path_and_query(),
        head.target_form(),
        head.version(),
        head.framing(),
        head.keep_alive(),
        head.expect_continue(),
        head.upgrade(),
    )
}

#[test]
fn every_cut_gives_the_same_result() {
    for message in MESSAGES.map(str::as_bytes) {
        let whole = run(std::iter::once(message));
        assert_eq!(run(message.chunks(1)), whole, "byte by byte");
        for first in 0..=message.len() {
            let (a, b) = message.split_at(first);
            assert_eq!(run([a, b].into_iter()), whole, "cut at {first}");
            for second in [b.len() / 3, b.len() / 2] {
                let (b, c) = b.split_at(second);
                assert_eq!(run([a, b, c].into_iter()), whole, "cut at {first} and {second} later");
            }
        }
    }
}

#[test]
fn mutated_messages_never_panic_and_cuts_agree() {
    let mut random = Random(0x6a73_7365_7276_6531);
    let pieces: [&[u8]; 16] = [
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b":",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\n",
        b"0\r\n\r\n",
        b"\xff",
        b"Host: h\r\n",
        b";",
        b"\"",
        b"HTTP/1.1",
        b"http://",
        b"ffffffffffffffff\r\n",
    ];
    let mut refused = 0;
    for _ in 0..30_000 {
        let mut message = MESSAGES[random.below(MESSAGES.len())].as_bytes().to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(message.len() + 1);
            match random.below(4) {
                0 if at < message.len() => message[at] = random.next() as u8,
                1 if at < message.len() => drop(message.remove(at)),
                2 => drop(message.splice(at..at, pieces[random.below(pieces.len())].iter().copied())),
                _ => {
                    let end = at + random.below(message.len() - at + 1);
                    let copy = message[at..end].to_vec();
                    message.splice(at..at, copy);
                }
            }
        }
        let whole = run(std::iter::once(&message[..]));
        let piece = 1 + random.below(9);
        let cut = run(message.chunks(piece));
        refused += u32::from(whole.ends_with(|last: char| last.is_ascii_digit()));
        assert_eq!(cut, whole, "pieces of {piece}: {:?}", String::from_utf8_lossy(&message));
    }
    assert!(
        (3_000..29_000).contains(&refused),
        "the mutations are neither all harmless nor all fatal: {refused}"
    );
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(0x6a73_7365_7276_6532);
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..random.below(64)).map(|_| random.next() as u8).collect();
        run(std::iter::once(&bytes[..]));
        run([&b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &bytes[..]]
            .into_iter());
    }
}
