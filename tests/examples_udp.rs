//! The examples that speak UDP: a DNS and an NTP client, against servers of this test.
//!
//! Owns: those servers. Must not know: the clients' sockets.

use std::net::{SocketAddr, UdpSocket};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{SOON, Script, example};

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
