//! One message to all: N connections of WebSocket, of which the first sends a message and all wait for it, before it
//! sends the next. What is counted are messages that came; the latency is that of the last to hear.
//!
//! Owns: the connections and the comparison. Must not know: how a server reaches them.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::epoll;

use crate::latencies::Latencies;
use crate::{STALL_MAX, websocket};

/// Runs the load; the line to print.
///
/// # Errors
/// Those of connections; a message that is not what was sent; silence.
pub fn run(port: u16, subscribers: usize, message_bytes: usize, time: Duration) -> io::Result<String> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut streams = Vec::with_capacity(subscribers);
    for index in 0..subscribers {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        websocket::shake_hands(&mut stream)?;
        stream.set_nonblocking(true)?;
        epoll::add(&poll, &stream, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
        streams.push(stream);
    }
    let payload: Vec<u8> = (0..message_bytes).map(|at| (at * 7) as u8).collect();
    let (mut message, mut expected) = (websocket::masked(&payload), websocket::unmasked(&payload));
    let (mut latencies, mut buffer) = (Latencies::new(), vec![0; expected.len()]);
    let mut events = Vec::with_capacity(subscribers);
    let (start, mut number) = (Instant::now(), 0_u64);
    while start.elapsed() < time {
        number += 1;
        websocket::stamp(&mut message, &mut expected, number.to_ne_bytes());
        let begun = Instant::now();
        streams[0].write_all(&message)?;
        let mut received = vec![0; subscribers];
        let mut waiting = subscribers;
        while waiting > 0 {
            events.clear();
            let stall = STALL_MAX.try_into().unwrap_or_default();
            epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&stall))?;
            if events.is_empty() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no message for five seconds"));
            }
            for event in &events {
                let index = event.data.u64() as usize;
                let so_far: &mut usize = &mut received[index];
                let bytes = streams[index].read(&mut buffer[*so_far..])?;
                if bytes == 0 || buffer[*so_far..*so_far + bytes] != expected[*so_far..*so_far + bytes] {
                    return Err(io::Error::other("the message is not what was sent"));
                }
                *so_far += bytes;
                if *so_far == expected.len() {
                    waiting -= 1;
                    latencies.add(begun.elapsed());
                }
            }
        }
    }
    Ok(latencies.line(start.elapsed()))
}
