//! The examples that speak UDP: a DNS and an NTP client, against servers of this test; a DNS server.
//!
//! Owns: those servers, queries as bytes. Must not know: the examples' sockets.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{SOON, Script, Server, example, skip};

/// A server's socket on a port of its own.
fn server() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
    socket.set_read_timeout(Some(SOON)).expect("timeout");
    let port = socket.local_addr().expect("address").port().to_string();
    (socket, port)
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 1024];
    let (length, from) = socket.recv_from(&mut buffer).expect("a datagram");
    (buffer[..length].to_vec(), from)
}

/// A response to `query`: flags, number of answers, answers.
fn response(query: &[u8], flags: u16, count: u16, answers: &[u8]) -> Vec<u8> {
    let mut message = query[..2].to_vec();
    message.extend(flags.to_be_bytes());
    message.extend([0, 1]);
    message.extend(count.to_be_bytes());
    message.extend([0; 4]);
    message.extend(&query[12..]);
    message.extend(answers);
    message
}

/// A record whose name is that of the question.
fn record(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut record = vec![0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8];
    record.extend(data);
    record
}

both_backends! {
    fn dns_client_prints_the_records_that_belong_to_its_question(io) {
        let (socket, port) = server();
        let client = Script::spawn(io, &example("os/dns_client.js"), &["www.example.com", "A", "127.0.0.1", &port]);
        let (query, from) = receive(&socket);
        assert_eq!(&query[2..12], [1, 0, 0, 1, 0, 0, 0, 0, 0, 0], "one question, recursion desired");
        assert_eq!(&query[12..], b"\x03www\x07example\x03com\0\0\x01\0\x01");
        // What does not belong to it: from elsewhere, another number, another question, garbage.
        let good = [record(5, b"\x04host\xc0\x10"), record(1, &[192, 0, 2, 1]), record(99, b"\x01\xff")].concat();
        let forged = response(&query, 0x8180, 1, &record(1, &[203, 0, 113, 66]));
        server().0.send_to(&forged, from).expect("send");
        let mut number = forged.clone();
        number[0] ^= 1;
        let mut question = forged.clone();
        question[13] ^= 1;
        for bad in [number, question, forged[..11].to_vec(), query.clone()] {
            socket.send_to(&bad, from).expect("send");
        }
        socket.send_to(&response(&query, 0x8180, 3, &good), from).expect("send");
        assert_eq!(
            client.finish(),
            "www.example.com. 60 CNAME host.example.com.\nwww.example.com. 60 A 192.0.2.1\n\
             www.example.com. 60 TYPE99 01ff\n"
        );
    }

    fn dns_client_asks_again_and_knows_failures(io) {
        let (socket, port) = server();
        let client = Script::spawn(io, &example("os/dns_client.js"), &["example.com", "aaaa", "127.0.0.1", &port]);
        let (first, _) = receive(&socket);
        let (second, from) = receive(&socket);
        assert_eq!(first, second, "the question is sent again");
        let address: [u8; 16] = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets();
        socket.send_to(&response(&second, 0x8380, 1, &record(28, &address)), from).expect("send");
        assert_eq!(
            client.finish(),
            "example.com. 60 AAAA 2001:db8::1\n(there is more than fits into a datagram)\n"
        );

        let client = Script::spawn(io, &example("os/dns_client.js"), &["nowhere.test", "MX", "127.0.0.1", &port]);
        let (query, from) = receive(&socket);
        socket.send_to(&response(&query, 0x8183, 0, &[]), from).expect("send");
        assert_eq!(client.fail(), "nowhere.test: no such name\n");

        // A name that points at itself ends, with an error.
        let client = Script::spawn(io, &example("os/dns_client.js"), &["loop.test", "NS", "127.0.0.1", &port]);
        let (query, from) = receive(&socket);
        let at = query.len() as u8 + 12;
        socket.send_to(&response(&query, 0x8180, 1, &record(2, &[0xc0, at])), from).expect("send");
        assert!(client.fail().contains("a name points forward"));
    }

    fn ntp_client_tells_how_far_the_clock_is_off(io) {
        let (socket, port) = server();
        let client = Script::spawn(io, &example("os/ntp_client.js"), &["127.0.0.1", &port]);
        let (query, from) = receive(&socket);
        assert_eq!((query.len(), query[0]), (48, 0b00_100_011), "version 4, client");
        // This server's clock is an hour ahead.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let mut answer = vec![0b00_100_100, 2, 0, 0xec];
        answer.extend([0; 20]);
        answer.extend(&query[40..48]);
        for _ in ["receive", "transmit"] {
            answer.extend((now.as_secs() as u32).wrapping_add(2_208_988_800).wrapping_add(3600).to_be_bytes());
            answer.extend(((u64::from(now.subsec_nanos()) << 32) / 1_000_000_000).to_be_bytes()[4..].iter());
        }
        let mut forged = answer.clone();
        forged[24] ^= 1; // it does not repeat what was asked
        socket.send_to(&forged, from).expect("send");
        socket.send_to(&answer[..40], from).expect("send");
        socket.send_to(&answer, from).expect("send");
        let text = client.finish();
        assert!(text.contains(&format!("server  127.0.0.1 port {port}, stratum 2\n")), "{text}");
        let offset = text.split("offset  ").nth(1).and_then(|rest| rest.split(' ').next()).expect("an offset");
        let offset: f64 = offset.parse().expect("a number");
        assert!((3_590_000.0..3_610_000.0).contains(&offset), "{text}");
        assert!(text.contains("this clock is behind"), "{text}");
    }

    fn ntp_client_heeds_a_refusal(io) {
        let (socket, port) = server();
        let client = Script::spawn(io, &example("os/ntp_client.js"), &["127.0.0.1", &port]);
        let (query, from) = receive(&socket);
        let mut answer = vec![0b11_100_100, 0, 0, 0];
        answer.extend([0; 8]);
        answer.extend(b"RATE");
        answer.extend([0; 8]);
        answer.extend(&query[40..48]);
        answer.extend([0; 16]);
        socket.send_to(&answer, from).expect("send");
        assert!(client.fail().contains("127.0.0.1 refuses: RATE"));
    }
}

/// The server of `examples/dns.js`, and a client of it.
fn dns_server(io: &str) -> (Server, UdpSocket) {
    let server =
        Server::spawn(&["--io", io, "--workers", "2", "--listen", "udp://127.0.0.1:0"], &example("dns.js"));
    let (client, _) = self::server();
    client.connect(server.addr()).expect("connect");
    (server, client)
}

/// A query: number 0x1234, flags, the name as labels, type, class IN, and what stands behind the question.
fn query(flags: u16, name: &[u8], kind: u16, counts: [u16; 4], rest: &[u8]) -> Vec<u8> {
    let mut message = vec![0x12, 0x34];
    message.extend(flags.to_be_bytes());
    message.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    message.extend(name);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    message.extend(rest);
    message
}

/// The OPT record of a client that takes `bytes` (RFC 6891 section 6.1.2), of a version.
fn opt(bytes: u16, version: u8) -> Vec<u8> {
    let mut record = vec![0, 0, 41];
    record.extend(bytes.to_be_bytes());
    record.extend([0, version, 0, 0, 0, 0]);
    record
}

/// What a reply's head says: flags without the code, the code, the four counts.
fn head(reply: &[u8]) -> (u16, u16, [u16; 4]) {
    let word = |at: usize| u16::from_be_bytes([reply[at], reply[at + 1]]);
    assert_eq!(word(0), 0x1234, "the query's number");
    (word(2) & 0xfff0, word(2) & 15, [4, 6, 8, 10].map(word))
}

const WWW: &[u8] = b"\x03www\x07example\x04test\0";
const ONE: [u16; 4] = [1, 0, 0, 0];
const WITH_OPT: [u16; 4] = [1, 0, 0, 1];
/// A response, authoritative, recursion desired as it was asked.
const FLAGS: u16 = 0x8500;

both_backends! {
    fn dns_server_answers_for_its_zone(io) {
        let (_server, client) = dns_server(io);
        let ask = |message: &[u8]| {
            client.send(message).expect("send");
            receive(&client).0
        };
        // Names have no case, and the question comes back as it was asked.
        let message = query(0x0100, b"\x03wWw\x07EXAMPLE\x04Test\0", 1, ONE, b"");
        let reply = ask(&message);
        assert_eq!(head(&reply), (FLAGS, 0, [1, 2, 0, 0]));
        assert_eq!(&reply[12..message.len()], &message[12..]);
        assert_eq!(&reply[message.len()..], b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x02\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x03");
        let reply = ask(&query(0x0100, WWW, 28, ONE, b""));
        assert_eq!(head(&reply), (FLAGS, 0, [1, 1, 0, 0]));
        assert!(reply.ends_with(b"\0\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"), "{reply:x?}");
        let reply = ask(&query(0, b"\x07example\x04test\0", 16, ONE, b""));
        assert_eq!(head(&reply), (0x8400, 0, [1, 2, 0, 0]));
        assert!(reply.windows(12).any(|part| part == b"\x0bv=spf1 -all"), "{reply:x?}");
        // No such name; a name without such a record, and one that is only above another (RFC 2308, RFC 8020).
        for (name, kind, code) in
            [(&b"\x02no\x07example\x04test\0"[..], 1, 3), (WWW, 16, 0), (b"\x04deep\x07example\x04test\0", 1, 0)]
        {
            assert_eq!(head(&ask(&query(0x0100, name, kind, ONE, b""))), (FLAGS, code, [1, 0, 1, 0]), "{name:x?}");
        }
        for name in [&b"\x07example\x03com\0"[..], b"\x0cotherexample\x04test\0", b"\0"] {
            let reply = ask(&query(0x0100, name, 1, ONE, b""));
            let refused = matches!(head(&reply), (0x8100, 5 | 1, _));
            assert!(refused, "{name:x?}: {:?}", head(&reply));
        }
    }

    fn dns_server_sends_no_more_than_the_client_takes(io) {
        let (_server, client) = dns_server(io);
        let ask = |message: &[u8]| {
            client.send(message).expect("send");
            receive(&client).0
        };
        let (long, huge) = (b"\x04long\x07example\x04test\0", b"\x04huge\x07example\x04test\0");
        let truncated = (FLAGS | 0x0200, 0);
        let reply = ask(&query(0x0100, long, 16, ONE, b""));
        let (flags, code, counts) = head(&reply);
        assert_eq!(((flags, code), counts), (truncated, [1, 0, 0, 0]));
        for (bytes, fits) in [(400, false), (512, false), (700, true), (4096, true)] {
            let reply = ask(&query(0x0100, long, 16, WITH_OPT, &opt(bytes, 0)));
            let (flags, _, counts) = head(&reply);
            assert_eq!((flags & 0x0200 == 0, counts), (fits, [1, if fits { 3 } else { 0 }, 0, 1]), "{bytes}");
            assert!(reply.len() <= usize::from(bytes.max(512)));
            assert!(reply.ends_with(&opt(1232, 0)), "{reply:x?}");
        }
        let (flags, code, counts) = head(&ask(&query(0x0100, huge, 16, WITH_OPT, &opt(65_535, 0))));
        assert_eq!(((flags, code), counts), (truncated, [1, 0, 0, 1]));
        // A later version of EDNS: BADVERS, whose upper bits are in the OPT record (RFC 6891 section 6.1.3).
        let reply = ask(&query(0x0100, WWW, 1, WITH_OPT, &opt(512, 1)));
        assert_eq!((head(&reply).1, reply[reply.len() - 6]), (0, 1));
    }

    fn dns_server_gives_malformed_queries_formerr_or_nothing(io) {
        let (_server, client) = dns_server(io);
        let cut = &query(0x0100, WWW, 1, ONE, b"")[..20];
        let pointer = query(0x0100, b"\xc0\x0c", 1, ONE, b"");
        let two = query(0x0100, WWW, 1, [2, 0, 0, 0], b"");
        let two_opts = query(0x0100, WWW, 1, [1, 0, 0, 2], &[opt(512, 0), opt(512, 0)].concat());
        let missing_opt = query(0x0100, WWW, 1, WITH_OPT, b"");
        let long_opt = query(0x0100, WWW, 1, WITH_OPT, b"\0\0\x29\x02\0\0\0\0\0\0\xff");
        let endless = query(0x0100, &[b"\x3f".as_slice(), &[b'a'; 63]].concat().repeat(5), 1, ONE, b"");
        for message in [cut, &pointer, &two, &two_opts, &missing_opt, &long_opt, &endless] {
            client.send(message).expect("send");
            let reply = receive(&client).0;
            assert_eq!((head(&reply), reply.len()), ((0x8100, 1, [0; 4]), 12), "{message:x?}");
        }
        // An update is not implemented (RFC 2136: opcode 5).
        client.send(&query(0x2800, WWW, 6, ONE, b"")).expect("send");
        assert_eq!(head(&receive(&client).0), (0xa800, 4, [0; 4]));
        // No reply to what is no query.
        let answer = query(0x8180, WWW, 1, ONE, b"");
        for message in [&b""[..], b"\x12", &answer[..11], &answer] {
            client.send(message).expect("send");
        }
        client.send(&query(0x0100, b"\0", 1, ONE, b"")).expect("send");
        assert_eq!(head(&receive(&client).0).1, 5, "the first reply is the one to the last");
    }

    fn dns_server_is_understood_by_dig(io) {
        let dig = |port: u16, words: &[&str]| {
            let port = port.to_string();
            let output = Command::new("dig")
                .args(["-r", "@127.0.0.1", "-p", &port, "+tries=2", "+time=5", "+ignore"])
                .args(words)
                .output()
                .expect("run dig");
            String::from_utf8(output.stdout).expect("text")
        };
        if Command::new("dig").arg("-v").output().is_err() {
            return skip("dns.js by dig", "no dig: apt-get install bind9-dnsutils");
        }
        let (server, _client) = dns_server(io);
        let port = server.addr().port();
        assert_eq!(dig(port, &["+short", "WWW.example.TEST", "A"]), "192.0.2.2\n192.0.2.3\n");
        assert_eq!(dig(port, &["+short", "www.example.test", "AAAA"]), "2001:db8::2\n");
        assert_eq!(dig(port, &["+short", "example.test", "NS"]), "ns.example.test.\n");
        assert_eq!(dig(port, &["+short", "example.test", "TXT"]), "\"v=spf1 -all\"\n\"two strings are two records\"\n");
        assert_eq!(
            dig(port, &["+short", "example.test", "SOA"]),
            "ns.example.test. admin.example.test. 2026112901 7200 900 1209600 300\n"
        );
        for (words, part) in [
            (&["nowhere.example.test"][..], "status: NXDOMAIN"),
            (&["example.com"], "status: REFUSED"),
            (&["+noedns", "long.example.test", "TXT"], "flags: qr aa tc rd"),
            (&["+bufsize=1232", "long.example.test", "TXT"], "ANSWER: 3"),
            (&["+bufsize=4096", "huge.example.test", "TXT"], "flags: qr aa tc rd"),
            (&["www.example.test"], "EDNS: version: 0, flags:; udp: 1232"),
            (&["+edns=1", "+noednsneg", "www.example.test"], "status: BADVERS"),
            (&["+opcode=STATUS", "www.example.test"], "status: NOTIMP"),
        ] {
            let text = dig(port, words);
            assert!(text.contains(part) && !text.contains("WARNING: Message"), "{words:?}: {text}");
        }
    }
}
