//! A WebSocket server of literal bytes, and scripts that connect to it.
//!
//! Owns: the answer 101, frames as they come, what a test is told. Must not know: what is right.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use runtime::client::{Client, ClientOptions, Proxy};
use runtime::io::Backend;
use runtime::websocket::{apply_mask, handshake};

use crate::driver;
use crate::io_harness;

/// What the scripts use beside the driver's assertions: the events of a socket's end, and the next message.
pub const PRELUDE: &str = r#"
const end = (ws) => new Promise((f) => {
  const seen = [];
  ws.addEventListener('error', (e) => { ok(e instanceof Event && e.isTrusted && !e.bubbles && !e.cancelable); equal(ws.readyState, 3); seen.push('error'); });
  ws.addEventListener('close', (e) => { ok(e instanceof CloseEvent && e.isTrusted); equal(ws.readyState, 3); f([...seen, e.code, e.reason, e.wasClean]) });
});
const FAILED = ['error', 1006, '', false];
const on = (target, type) => new Promise((f) => target.addEventListener(type, f, { once: true }));
const made = async (path, ...rest) => { const ws = new WebSocket(url + path, ...rest); await on(ws, 'open'); return ws };
const sleep = (ms) => new Promise((f) => setTimeout(f, ms));
"#;

/// A client as a server of literal bytes sees it.
pub struct Peer {
    pub stream: TcpStream,
    /// The request's head.
    pub head: String,
    input: Vec<u8>,
    notes: Sender<String>,
}

impl Peer {
    /// A field of the request.
    pub fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// Where the request leads.
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    pub fn accept(&self) -> String {
        handshake::accept(self.field("sec-websocket-key").unwrap_or_default().as_bytes())
    }

    /// Tells the test something.
    pub fn note(&self, text: impl Into<String>) {
        let _ = self.notes.send(text.into());
    }

    pub fn send(&mut self, bytes: &[u8]) {
        // A client may be gone that has seen enough.
        let _ = self.stream.write_all(bytes);
    }

    /// Answers 101, with more fields.
    pub fn open(&mut self, more: &str) {
        let accept = self.accept();
        self.send(
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
            )
            .as_bytes(),
        );
    }

    pub fn receive(&mut self) -> bool {
        let mut bytes = [0; 64 << 10];
        match self.stream.read(&mut bytes) {
            Ok(length @ 1..) => {
                self.input.extend_from_slice(&bytes[..length]);
                true
            }
            _ => false,
        }
    }

    /// The next frame: its first byte and its payload, which has to be masked; none at the end.
    pub fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(frame) = self.parse() {
                return Some(frame);
            }
            if !self.receive() {
                return None;
            }
        }
    }

    fn parse(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, second) = (*self.input.first()?, *self.input.get(1)?);
        if second & 0x80 == 0 {
            self.note("a frame without a mask");
        }
        let (length, start) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes(*self.input[2..].first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*self.input[2..].first_chunk()?) as usize, 10),
            short => (usize::from(short), 2),
        };
        let key: [u8; 4] = *self.input.get(start..)?.first_chunk()?;
        let end = start + 4 + length;
        self.input.get(..end)?;
        let mut payload: Vec<u8> = self.input.drain(..end).skip(start + 4).collect();
        apply_mask(&mut payload, key, 0);
        Some((first, payload))
    }

    /// The next frame, as text for the test: `81 hello`; a Close frame with its code: `88 1000 bye`.
    pub fn told(&mut self) -> String {
        match self.next() {
            None => "end".into(),
            Some((0x88, payload)) => match payload.split_first_chunk::<2>() {
                None => "88".into(),
                Some((code, reason)) => {
                    format!("88 {} {}", u16::from_be_bytes(*code), String::from_utf8_lossy(reason))
                }
            },
            Some((first, payload)) if payload.len() > 100 => format!("{first:x} {} bytes", payload.len()),
            Some((first, payload)) => format!("{first:x} {}", String::from_utf8_lossy(&payload)),
        }
    }

    /// Reads until the client ends the connection.
    pub fn wait(&mut self) {
        while self.receive() {}
    }
}

/// A frame as a server sends it.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..=125 => out.push(length as u8),
        length @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}

/// A server that does with each connection what a test wants.
pub fn serve(act: fn(&mut Peer)) -> (SocketAddr, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let addr = listener.local_addr().expect("address");
    let (notes, told) = channel();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
            let mut peer = Peer { stream, head: String::new(), input: Vec::new(), notes: notes.clone() };
            thread::spawn(move || {
                let end = loop {
                    if let Some(at) = peer.input.windows(4).position(|four| four == b"\r\n\r\n") {
                        break at + 4;
                    }
                    if !peer.receive() {
                        return;
                    }
                };
                peer.head =
                    String::from_utf8_lossy(&peer.input.drain(..end).collect::<Vec<_>>()).into_owned();
                act(&mut peer);
            });
        }
    });
    (addr, told)
}

/// Runs `body` on both backends with `url` of a server that acts so; then looks at its notes.
pub fn check(act: fn(&mut Peer), body: &'static str, look: fn(Vec<String>)) {
    for backend in [Backend::Uring, Backend::Epoll] {
        if !io_harness::available(backend) {
            continue;
        }
        let (addr, told) = serve(act);
        io_harness::worker(backend, move || async move {
            Client::set_of_worker(ClientOptions { proxy: Proxy::Direct, ..ClientOptions::default() });
            let driver = driver::new();
            driver.run(PRELUDE);
            driver.run(&format!("const url = 'ws://{addr}';"));
            driver.run_async(body).await;
            driver.engine.collect();
            assert!(driver.reports.borrow().is_empty(), "{:#?}", driver.reports.borrow());
            look(told.try_iter().collect());
        });
    }
}

pub fn nothing(_: Vec<String>) {}

/// Sends back each message, and answers the Close frame.
pub fn echo(peer: &mut Peer) {
    let protocol =
        peer.field("sec-websocket-protocol").map(|all| all.split(',').next().unwrap_or("").to_owned());
    peer.open(&protocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default());
    while let Some((first, payload)) = peer.next() {
        peer.send(&frame(first, &payload));
        if first == 0x88 {
            return;
        }
    }
}
