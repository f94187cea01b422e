//! Listeners on both backends: no connection is lost, no descriptor leaks.
//!
//! Owns: nothing. Must not know: how the backends work.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use crate::io_harness::{client, descriptors, in_own_process, join, listen, within, worker};
use runtime::address::Address;
use runtime::io::{self, Backend};

on_both!(
    accepted_sockets_are_set_up,
    pauses_lose_nothing,
    a_dropped_accept_loses_nothing,
    close_hands_over_what_was_accepted,
);

async fn accepted_sockets_are_set_up() {
    let (listener, addr) = listen();
    let _peer = client(addr);
    let stream = listener.accept().await.expect("accept");
    assert!(socket2::SockRef::from(&stream.fd()).tcp_nodelay().expect("option"), "TCP_NODELAY is inherited");
    let flags = rustix::io::fcntl_getfd(stream.fd()).expect("flags");
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    assert_eq!(listener.local_addr().expect("address"), addr);
}

/// `count` connections that each send their number; the sockets stay open until the end.
fn numbered_clients(addr: std::net::SocketAddr, count: u32) -> thread::JoinHandle<Vec<TcpStream>> {
    thread::spawn(move || {
        (0..count)
            .map(|number| {
                let mut client = client(addr);
                client.write_all(&number.to_be_bytes()).expect("write");
                client
            })
            .collect()
    })
}

async fn number_of(stream: &io::Stream) -> u32 {
    let mut bytes = Vec::new();
    while bytes.len() < 4 {
        bytes.extend_from_slice(&stream.recv().await.expect("recv"));
    }
    u32::from_be_bytes(bytes.try_into().expect("four bytes"))
}

async fn pauses_lose_nothing() {
    const COUNT: u32 = 300;
    let (listener, addr) = listen();
    let clients = numbered_clients(addr, COUNT);
    let mut seen = BTreeSet::new();
    while seen.len() < COUNT as usize {
        // Races the cancellation against connections that come all the time.
        listener.pause();
        if seen.len().is_multiple_of(3) {
            io::yield_now().await;
        }
        listener.resume();
        let stream = listener.accept().await.expect("accept");
        assert!(seen.insert(number_of(&stream).await));
    }
    join(clients).await;
}

async fn a_dropped_accept_loses_nothing() {
    const COUNT: u32 = 100;
    let (listener, addr) = listen();
    let clients = numbered_clients(addr, COUNT);
    let mut seen = BTreeSet::new();
    while seen.len() < COUNT as usize {
        {
            let mut accept = std::pin::pin!(listener.accept());
            // Polled once and dropped, unless it is ready at once.
            let accepted = std::future::poll_fn(|cx| std::task::Poll::Ready(accept.as_mut().poll(cx))).await;
            if let std::task::Poll::Ready(stream) = accepted {
                assert!(seen.insert(number_of(&stream.expect("accept")).await));
                continue;
            }
        }
        io::sleep(Duration::from_millis(1)).await;
    }
    join(clients).await;
}

async fn paused_listener_accepts_nothing() {
    let (listener, addr) = listen();
    // Armed, then paused: the cancellation must reach the kernel.
    std::future::poll_fn(|cx| {
        let mut accept = std::pin::pin!(listener.accept());
        assert!(accept.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    listener.pause();
    io::sleep(Duration::from_millis(10)).await;
    let before = descriptors();
    let _peer = client(addr);
    io::sleep(Duration::from_millis(50)).await;
    assert_eq!(descriptors(), before + 1, "only the client's own socket is new");
    listener.resume();
    listener.accept().await.expect("accept");
}

async fn close_hands_over_what_was_accepted() {
    let (listener, addr) = listen();
    let first = client(addr);
    let stream = listener.accept().await.expect("accept");
    let peers: Vec<_> = (0..5).map(|_| client(addr)).collect();
    io::sleep(Duration::from_millis(20)).await;
    // The ring has accepted them, or some; others wait in the backlog.
    let rest = listener.close().await;
    assert_eq!(rest.len(), peers.len());
    for stream in &rest {
        assert_eq!(stream.local().and_then(Address::ip), Some(addr));
        stream.send(b"served".to_vec()).await.0.expect("send");
    }
    assert!(TcpStream::connect(addr).is_err(), "the port is closed");
    drop((first, stream, peers));
}

/// Opens and closes 2,000 connections, each in one of four ways.
async fn connections_come_and_go() {
    let (listener, addr) = listen();
    let base = descriptors();
    let clients = thread::spawn(move || {
        for number in 0..2000 {
            let mut client = client(addr);
            match number % 4 {
                0 => client.write_all(b"x").expect("write"),
                1 => client.shutdown(std::net::Shutdown::Write).expect("shutdown"),
                2 => {
                    client.write_all(b"x").expect("write");
                    let _ = client.read(&mut [0; 1]);
                }
                _ => socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("linger"),
            }
        }
    });
    for _ in 0..2000 {
        let stream = listener.accept().await.expect("accept");
        io::spawn(async move {
            if stream.recv().await.is_ok_and(|chunk| !chunk.is_empty()) {
                stream.start_send(b"y".to_vec());
                if stream.fd().as_raw_fd() % 2 == 0 {
                    let _ = stream.recv().await;
                }
                // Dropped with operations in flight.
            }
        });
    }
    join(clients).await;
    within(Duration::from_secs(5), async {
        while descriptors() > base {
            io::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[test]
fn two_thousand_connections_leave_no_descriptor() {
    if in_own_process("io_listener::two_thousand_connections_leave_no_descriptor") {
        worker(Backend::Uring, connections_come_and_go);
        worker(Backend::Epoll, connections_come_and_go);
    }
}

#[test]
fn a_paused_listener_takes_nothing_from_the_backlog() {
    if in_own_process("io_listener::a_paused_listener_takes_nothing_from_the_backlog") {
        worker(Backend::Uring, paused_listener_accepts_nothing);
        worker(Backend::Epoll, paused_listener_accepts_nothing);
    }
}

/// A full descriptor table: accepting rests, and goes on when there is room again.
async fn exhausted() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let (listener, addr) = listen();
    let before = getrlimit(Resource::Nofile);
    let peers: Vec<_> = (0..4).map(|_| client(addr)).collect();
    let lowered = descriptors() as u64 + 20;
    setrlimit(Resource::Nofile, Rlimit { current: Some(lowered), maximum: before.maximum }).expect("limit");
    let mut filling = Vec::new();
    while let Ok(copy) = rustix::io::dup(listener.fd()) {
        filling.push(copy);
    }
    let cpu = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (start, accept) = (cpu(), io::spawn(async move { (listener.accept().await, listener) }));
    io::sleep(Duration::from_millis(400)).await;
    assert!(!accept.is_finished());
    let spent = cpu();
    let spent_ms = (spent.tv_sec - start.tv_sec) * 1000 + (spent.tv_nsec - start.tv_nsec) / 1_000_000;
    assert!(spent_ms < 100, "spun for {spent_ms} ms");
    drop(filling);
    setrlimit(Resource::Nofile, before).expect("limit");
    let (first, listener) = accept.await.expect("no panic");
    let mut streams = vec![first.expect("accept")];
    for _ in 1..peers.len() {
        streams.push(listener.accept().await.expect("accept"));
    }
}

#[test]
fn a_full_descriptor_table_is_waited_out() {
    if in_own_process("io_listener::a_full_descriptor_table_is_waited_out") {
        worker(Backend::Uring, exhausted);
        worker(Backend::Epoll, exhausted);
    }
}
