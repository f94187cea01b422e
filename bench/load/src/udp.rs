//! The load over UDP: N sockets that each send a datagram, wait for its echo, compare it and send the next. What is
//! lost is sent again, and counted.
//!
//! Owns: the sockets and the comparison. Must not know: the servers, or what they cost.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use rustix::event::epoll;

use crate::latencies::Latencies;

/// An echo that has not come by then is lost.
const LOST: Duration = Duration::from_millis(200);
/// So many in a row of one socket: nobody answers.
const LOST_MAX: u32 = 25;

struct Echo {
    socket: UdpSocket,
    message: Vec<u8>,
    number: u64,
    begun: Instant,
    lost: u32,
    open: bool,
}

impl Echo {
    fn open(port: u16, index: usize, message_bytes: usize) -> io::Result<Echo> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nonblocking(true)?;
        let message = (0..message_bytes).map(|at| (index.wrapping_mul(31) + at * 7) as u8).collect();
        Ok(Echo { socket, message, number: 0, begun: Instant::now(), lost: 0, open: true })
    }

    /// The next datagram: no two of a socket are the same at their beginning.
    fn begin(&mut self) -> io::Result<()> {
        self.number += 1;
        let stamp = self.number.to_ne_bytes();
        let length = stamp.len().min(self.message.len());
        self.message[..length].copy_from_slice(&stamp[..length]);
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        self.begun = Instant::now();
        self.socket.send(&self.message).map(drop)
    }

    /// Whether the echo is there. One that comes when it was sent again already is dropped.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        loop {
            match self.socket.recv(buffer) {
                Ok(bytes) if buffer[..bytes] == self.message => return Ok(true),
                Ok(bytes) if bytes == self.message.len() && self.lost > 0 => {}
                Ok(_) => return Err(io::Error::other("the echo is not what was sent")),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Runs the load; the line to print.
pub fn run(port: u16, sockets: usize, message_bytes: usize, time: Duration) -> io::Result<String> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut echoes = Vec::with_capacity(sockets);
    for index in 0..sockets {
        let echo = Echo::open(port, index, message_bytes)?;
        let events = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&poll, &echo.socket, epoll::EventData::new_u64(index as u64), events)?;
        echoes.push(echo);
    }
    let (mut latencies, mut lost) = (Latencies::new(), 0);
    let mut buffer = vec![0; 65_536];
    let mut events = Vec::with_capacity(sockets.max(1));
    let start = Instant::now();
    echoes.iter_mut().try_for_each(Echo::begin)?;
    let (mut open, mut looked) = (sockets, start);
    while open > 0 {
        events.clear();
        let limit = LOST.try_into().unwrap_or_default();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&limit))?;
        for event in &events {
            let echo = &mut echoes[event.data.u64() as usize];
            if !echo.open || !echo.receive(&mut buffer)? {
                continue;
            }
            let heard = Instant::now();
            latencies.add(heard - echo.begun);
            echo.lost = 0;
            match heard - start < time {
                true => echo.begin()?,
                false => (echo.open, open) = (false, open - 1),
            }
        }
        let now = Instant::now();
        if now - looked < LOST {
            continue;
        }
        looked = now;
        for echo in echoes.iter_mut().filter(|echo| echo.open && now - echo.begun >= LOST) {
            (echo.lost, lost) = (echo.lost + 1, lost + 1);
            if echo.lost > LOST_MAX {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no echo for five seconds"));
            }
            echo.send()?;
        }
    }
    Ok(format!("{} lost {lost}", latencies.line(start.elapsed())))
}
