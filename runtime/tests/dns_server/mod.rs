//! A DNS server on 127.0.0.1 that knows a few names, and a resolver that asks it.
//!
//! Owns: the answers, the files of the resolver's configuration. Must not know: what is tested.
#![allow(dead_code)] // each test binary uses its own part

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use runtime::io::dns::{Config, Resolver};

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const NXDOMAIN: u8 = 3;

/// The server; its threads end with the process.
pub struct Server {
    /// What it was asked: "name/type".
    pub asked: Arc<Mutex<Vec<String>>>,
    /// The port, UDP and TCP.
    pub port: u16,
}

/// Starts it.
pub fn start() -> Server {
    let (udp, tcp) = sockets();
    let port = udp.local_addr().expect("address").port();
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let log = asked.clone();
    std::thread::spawn(move || {
        let mut query = [0; 1500];
        while let Ok((length, from)) = udp.recv_from(&mut query) {
            if let Some(reply) = answer(&query[..length], &log, false) {
                let _ = udp.send_to(&reply, from);
            }
        }
    });
    let log = asked.clone();
    std::thread::spawn(move || {
        for stream in tcp.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut length = [0; 2];
            while stream.read_exact(&mut length).is_ok() {
                let mut query = vec![0; u16::from_be_bytes(length).into()];
                if stream.read_exact(&mut query).is_err() {
                    break;
                }
                let Some(reply) = answer(&query, &log, true) else { continue };
                let framed = [&(reply.len() as u16).to_be_bytes(), reply.as_slice()].concat();
                if stream.write_all(&framed).is_err() {
                    break;
                }
            }
        }
    });
    Server { asked, port }
}

/// One port for both.
fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("bind");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("address")) {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both");
}

impl Server {
    /// A resolver that asks this server: `hosts` is its hosts file, `options` lines of resolv.conf.
    pub fn resolver(&self, hosts: &str, options: &str) -> Resolver {
        Resolver::new(self.config(hosts, options))
    }

    /// The configuration of such a resolver.
    pub fn config(&self, hosts: &str, options: &str) -> Config {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let file = |name: &str, text: &str| {
            let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
                .join(format!("{name}-{}-{number}", std::process::id()));
            std::fs::write(&path, text).expect("write");
            path
        };
        let text = format!("nameserver 127.0.0.1\n{options}\n");
        Config { resolv_conf: file("resolv.conf", &text), hosts: file("hosts", hosts), port: self.port }
    }

    /// How often it was asked for `name`.
    pub fn count(&self, name: &str) -> usize {
        self.asked.lock().expect("no panic").iter().filter(|asked| asked.starts_with(name)).count()
    }
}

/// The question's name, type, and length.
fn question(query: &[u8]) -> Option<(String, u16, usize)> {
    let (mut at, mut name) = (12, String::new());
    loop {
        let length = usize::from(*query.get(at)?);
        if length == 0 {
            break;
        }
        name += &String::from_utf8_lossy(query.get(at + 1..at + 1 + length)?).to_lowercase();
        name.push('.');
        at += 1 + length;
    }
    let kind = u16::from_be_bytes(query.get(at + 1..at + 3)?.try_into().ok()?);
    Some((name, kind, at + 5 - 12))
}

fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    // The name of the question, class IN, 60 seconds.
    let head = [[0xc0, 12].as_slice(), &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 60]].concat();
    [head.as_slice(), &(data.len() as u16).to_be_bytes(), data].concat()
}

/// The reply; `None` for names whose questions are lost.
fn answer(query: &[u8], log: &Mutex<Vec<String>>, tcp: bool) -> Option<Vec<u8>> {
    let (name, kind, length) = question(query)?;
    log.lock().expect("no panic").push(format!("{name}/{kind}{}", if tcp { "/tcp" } else { "" }));
    let v4 = |last: u8| record(A, &Ipv4Addr::new(192, 0, 2, last).octets());
    let v6 = |last: u16| record(AAAA, &Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).octets());
    let (mut code, mut records, mut truncated) = (0, Vec::new(), false);
    match (name.as_str(), kind) {
        ("silent.example.", _) => return None,
        ("broken.example.", _) => code = 2,
        ("both.example.", A) | ("v4.example.", A) => records = vec![v4(1)],
        ("both.example.", AAAA) => records = vec![v6(1)],
        ("both.example." | "v4.example.", _) => {}
        ("host.search.example.", A) => records = vec![v4(2)],
        ("host.search.example.", _) => {}
        ("loop.example.", A) => records = vec![record(A, &[127, 0, 0, 1])],
        ("loop.example.", _) => {}
        ("large.example.", A) => match tcp {
            true => records = (1..=100).map(v4).collect(),
            false => truncated = true,
        },
        ("large.example.", _) => {}
        ("alias.example.", A) => {
            let target = b"\x06target\x07example\0";
            records = vec![record(CNAME, target)];
            let rest = v4(9);
            records.push([target.as_slice(), &rest[2..]].concat());
        }
        ("alias.example.", _) => {}
        (many, A) if many.starts_with("many") => records = vec![v4(5)],
        (many, _) if many.starts_with("many") => {}
        _ => code = NXDOMAIN,
    }
    let flags = [0x81 | if truncated { 2 } else { 0 }, 0x80 | code];
    let counts = [0, 1, 0, records.len() as u8, 0, 0, 0, 0];
    let head = [&query[..2], &flags, &counts, &query[12..12 + length]].concat();
    Some([head, records.concat()].concat())
}
