//! The load of `bench/echo.sh`: N connections that each send a message, wait for its echo, compare
//! it and send the next. One thread, epoll; prints messages, seconds and latencies. The same in frames of WebSocket
//! (`websocket.rs` has these) and over UDP (`udp.rs`); one message to all connections: `topic.rs`.
//!
//! Owns: the connections and the comparison. Must not know: the servers, or what they cost.
#![forbid(unsafe_code)]

mod latencies;
mod topic;
mod udp;
mod websocket;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::epoll;

use latencies::Latencies;

const USAGE: &str = "usage: jsserve-bench-load [udp|ws|topic] PORT CONNECTIONS MESSAGE_BYTES SECONDS";
/// How long the slowest echo may take.
const STALL_MAX: Duration = Duration::from_secs(5);

/// One connection: a message is out, and this much of it has gone and come back.
struct Echo {
    stream: TcpStream,
    /// As it is sent: in a frame of WebSocket, or as it is.
    message: Vec<u8>,
    /// As it comes back.
    expected: Vec<u8>,
    is_framed: bool,
    number: u64,
    sent: usize,
    received: usize,
    begun: Instant,
    waiting: bool,
}

impl Echo {
    fn connect(port: u16, index: usize, message_bytes: usize, is_framed: bool) -> io::Result<Echo> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        if is_framed {
            websocket::shake_hands(&mut stream)?;
        }
        stream.set_nonblocking(true)?;
        let payload: Vec<u8> = (0..message_bytes).map(|at| (index.wrapping_mul(31) + at * 7) as u8).collect();
        let (message, expected) = match is_framed {
            true => (websocket::masked(&payload), websocket::unmasked(&payload)),
            false => (payload.clone(), payload),
        };
        let begun = Instant::now();
        Ok(Echo {
            stream,
            message,
            expected,
            is_framed,
            number: 0,
            sent: 0,
            received: 0,
            begun,
            waiting: false,
        })
    }

    /// The next message: no two of a connection are the same at their beginning.
    fn begin(&mut self) -> io::Result<()> {
        self.number += 1;
        let stamp = self.number.to_ne_bytes();
        if self.is_framed {
            websocket::stamp(&mut self.message, &mut self.expected, stamp);
        } else {
            let length = stamp.len().min(self.message.len());
            self.message[..length].copy_from_slice(&stamp[..length]);
            self.expected[..length].copy_from_slice(&stamp[..length]);
        }
        (self.sent, self.received, self.begun, self.waiting) = (0, 0, Instant::now(), true);
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        while self.sent < self.message.len() {
            match self.stream.write(&self.message[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes what is there; true when the echo is whole.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        while self.received < self.expected.len() {
            match self.stream.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => {
                    let expected = self.expected.get(self.received..self.received + bytes);
                    if expected != Some(&buffer[..bytes]) {
                        return Err(io::Error::other("the echo is not what was sent"));
                    }
                    self.received += bytes;
                    if bytes < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.waiting = self.received < self.expected.len();
        Ok(!self.waiting)
    }
}

fn run(
    port: u16,
    connections: usize,
    message_bytes: usize,
    time: Duration,
    is_framed: bool,
) -> io::Result<String> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut echoes = Vec::with_capacity(connections);
    for index in 0..connections {
        let echo = Echo::connect(port, index, message_bytes, is_framed)?;
        let (data, events) = (epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN);
        // Large messages do not always go out at once; the edges of writing say when they may.
        let events = events | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&poll, &echo.stream, data, events)?;
        echoes.push(echo);
    }
    let mut latencies = Latencies::new();
    let mut buffer = vec![0; message_bytes + websocket::HEADER_BYTES_MAX];
    let mut events = Vec::with_capacity(connections.max(1));
    let start = Instant::now();
    echoes.iter_mut().try_for_each(Echo::begin)?;
    // The last message of each is waited for too: a close with bytes unread would be a reset.
    let mut open = connections;
    while open > 0 {
        events.clear();
        epoll::wait(
            &poll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&STALL_MAX.try_into().unwrap_or_default()),
        )?;
        if events.is_empty() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no echo for five seconds"));
        }
        for event in &events {
            let echo = &mut echoes[event.data.u64() as usize];
            echo.send()?;
            if echo.waiting && echo.receive(&mut buffer)? {
                let heard = Instant::now();
                latencies.add(heard - echo.begun);
                match heard - start < time {
                    true => echo.begin()?,
                    false => open -= 1,
                }
            }
        }
    }
    Ok(latencies.line(start.elapsed()))
}

fn main() -> std::process::ExitCode {
    let kind = std::env::args().nth(1).unwrap_or_default();
    let words: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let [port, connections, message_bytes, seconds] = words[..] else {
        eprintln!("{USAGE}");
        return std::process::ExitCode::from(2);
    };
    let (port, bytes, time) = (port as u16, message_bytes.max(1), Duration::from_secs(seconds as u64));
    let ran = match kind.as_str() {
        "udp" => udp::run(port, connections, bytes, time),
        "topic" => topic::run(port, connections, bytes, time),
        kind => run(port, connections, bytes, time, kind == "ws"),
    };
    match ran {
        Ok(line) => {
            println!("{line}");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("jsserve-bench-load: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
