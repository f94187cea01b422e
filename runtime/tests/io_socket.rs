//! Sockets for the `os` API on both backends: every operation settles, in order, exactly once.
//!
//! Owns: nothing. Must not know: how the backends work.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use crate::io_harness::{client, join, listen};
use runtime::io::{self, Socket};
use socket2::{Domain, SockAddr, Type};

on_both!(
    connect_send_recv,
    connect_is_refused,
    pending_accepts_are_served_in_order,
    a_dropped_accept_loses_no_connection,
    close_settles_everything,
    a_reused_number_gets_nothing_old,
    datagrams_carry_addresses,
    unix_addresses_work,
    readiness_is_level_triggered,
    an_end_of_the_stream_that_has_passed_is_forgotten,
    a_blocking_socket_does_not_block,
    a_full_socket_waits_for_room,
    a_stream_becomes_a_socket,
    a_closed_listener_frees_its_port,
    raw_echo,
);

fn tcp() -> Socket {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).expect("socket");
    Socket::new(socket)
}

fn tcp_listener() -> (Socket, SockAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let addr = listener.local_addr().expect("address").into();
    (Socket::new(listener), addr)
}

async fn connect_send_recv() {
    let (listener, addr) = tcp_listener();
    let accepted = io::spawn(listener.accept());
    let socket = tcp();
    socket.connect(addr).await.expect("connect");
    let (peer, from) = accepted.await.expect("task").expect("accept");
    let local = socket.with_fd(|fd| socket2::SockRef::from(&fd).local_addr()).expect("address");
    assert_eq!(from.as_socket(), local.as_socket());
    let peer = Socket::new(peer);
    for round in 0..50u8 {
        let waiting = io::spawn(peer.recv(vec![0; 100], 0));
        if round % 2 == 0 {
            io::yield_now().await;
        }
        let (sent, buffer) = socket.send(vec![round; 10], 0).await;
        assert_eq!((sent.expect("send"), buffer.len()), (10, 10));
        let (got, buffer) = waiting.await.expect("task");
        assert_eq!(buffer[..got.expect("recv")], [round; 10]);
    }
    socket.close().expect("close");
    assert_eq!(peer.recv(vec![0; 1], 0).await.0.expect("end"), 0);
    assert_eq!(socket.close().expect_err("twice").raw_os_error(), Some(libc::EBADF));
}

async fn connect_is_refused() {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("address");
    let error = tcp().connect(closed.into()).await.expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

async fn pending_accepts_are_served_in_order() {
    let (listener, addr) = tcp_listener();
    let addr = addr.as_socket().expect("ip");
    let order = Rc::new(std::cell::RefCell::new(Vec::new()));
    let accepts: Vec<_> = (0..5)
        .map(|number| {
            let (accept, order) = (listener.accept(), order.clone());
            // Polled in another order than called.
            io::spawn(async move {
                io::sleep(Duration::from_millis(10 - 2 * number)).await;
                let (fd, peer) = accept.await.expect("accept");
                order.borrow_mut().push((number, peer.as_socket().expect("ip").port()));
                fd
            })
        })
        .collect();
    io::sleep(Duration::from_millis(30)).await;
    let mut ports = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..5 {
        let client = client(addr);
        ports.push(client.local_addr().expect("address").port());
        clients.push(client);
    }
    for accept in accepts {
        accept.await.expect("task");
    }
    let expected: Vec<_> = (0..5).zip(ports).collect();
    assert_eq!(*order.borrow(), expected);
}

async fn a_dropped_accept_loses_no_connection() {
    let (listener, addr) = tcp_listener();
    let addr = addr.as_socket().expect("ip");
    let dropped = io::spawn(listener.accept());
    io::sleep(Duration::from_millis(5)).await;
    let waiting = io::spawn(listener.accept());
    let peer = client(addr);
    dropped.abort();
    let (_, from) = waiting.await.expect("task").expect("accept");
    assert_eq!(from.as_socket(), peer.local_addr().ok());
}

async fn close_settles_everything() {
    let (a, _b) = std::os::unix::net::UnixStream::pair().expect("pair");
    a.set_nonblocking(true).expect("nonblocking");
    let socket = Socket::new(a);
    // Fill it, so that sends wait too.
    while socket.send(vec![0; 65536], 0).await.0.expect("send") == 65536 {}
    let reads: Vec<_> = (0..3).map(|_| io::spawn(socket.recv(vec![0; 10], 0))).collect();
    let sends: Vec<_> = (0..3).map(|_| io::spawn(socket.send(vec![0; 10_000_000], 0))).collect();
    let polls = [io::spawn(socket.readable())];
    let (listener, _) = tcp_listener();
    let accept = io::spawn(listener.accept());
    io::sleep(Duration::from_millis(20)).await;
    assert!(!reads[0].is_finished() && !accept.is_finished() && !polls[0].is_finished());
    socket.close().expect("close");
    listener.close().expect("close");
    let badf =
        |error: Option<std::io::Error>| assert_eq!(error.and_then(|e| e.raw_os_error()), Some(libc::EBADF));
    for operation in reads.into_iter().chain(sends) {
        let result = operation.await.expect("task").0;
        assert!(result.is_err() || result.is_ok_and(|sent| sent > 0));
    }
    for poll in polls {
        badf(poll.await.expect("task").err());
    }
    badf(accept.await.expect("task").err());
    badf(socket.recv(vec![0; 1], 0).await.0.err());
}

async fn a_reused_number_gets_nothing_old() {
    for _ in 0..50 {
        let (a, mut old_peer) = std::os::unix::net::UnixStream::pair().expect("pair");
        let old = Socket::new(a);
        let number = old.raw_fd();
        let pending = io::spawn(old.recv(vec![0; 10], 0));
        io::yield_now().await;
        io::yield_now().await;
        old.close().expect("close");
        let (b, mut new_peer) = std::os::unix::net::UnixStream::pair().expect("pair");
        let new = Socket::new(b);
        let _ = old_peer.write_all(b"old");
        let fresh = io::spawn(new.recv(vec![0; 10], 0));
        io::yield_now().await;
        new_peer.write_all(b"new").expect("write");
        let (got, buffer) = fresh.await.expect("task");
        assert_eq!(&buffer[..got.expect("recv")], b"new", "number {number:?}");
        assert!(pending.await.expect("task").0.is_err());
    }
}

async fn datagrams_carry_addresses() {
    let bind = || UdpSocket::bind("127.0.0.1:0").expect("bind");
    let (a, b) = (bind(), bind());
    let (a_addr, b_addr) = (a.local_addr().expect("address"), b.local_addr().expect("address"));
    let (a, b) = (Socket::new(a), Socket::new(b));
    let waiting = io::spawn(b.recvfrom(vec![0; 100], 0));
    io::yield_now().await;
    for message in [&b"one"[..], b"two"] {
        let (sent, _) = a.sendto(message.to_vec(), 0, b_addr.into()).await;
        assert_eq!(sent.expect("sendto"), 3);
    }
    let (got, buffer) = waiting.await.expect("task");
    let (len, from) = got.expect("recvfrom");
    assert_eq!((&buffer[..len], from.as_socket()), (&b"one"[..], Some(a_addr)));
    // The second was queued behind the first: no new event announces it.
    let (got, buffer) = b.recvfrom(vec![0; 100], 0).await;
    assert_eq!(&buffer[..got.expect("recvfrom").0], b"two");
}

async fn unix_addresses_work() {
    let path =
        std::env::temp_dir().join(format!("jsserve-io-{}-{:?}", std::process::id(), thread::current().id()));
    let _ = std::fs::remove_file(&path);
    let receiver = Socket::new(UnixDatagram::bind(&path).expect("bind"));
    let sender = Socket::new(UnixDatagram::unbound().expect("socket"));
    let addr = SockAddr::unix(&path).expect("address");
    sender.connect(addr.clone()).await.expect("connect");
    assert_eq!(sender.send(b"hello".to_vec(), 0).await.0.expect("send"), 5);
    let (got, buffer) = receiver.recvfrom(vec![0; 10], 0).await;
    assert_eq!(&buffer[..got.expect("recvfrom").0], b"hello");
    std::fs::remove_file(&path).expect("remove");
}

async fn readiness_is_level_triggered() {
    let (a, mut peer) = std::os::unix::net::UnixStream::pair().expect("pair");
    let socket = Socket::new(a);
    socket.writable().await.expect("an empty socket takes bytes");
    let waiting = io::spawn(socket.readable());
    io::sleep(Duration::from_millis(5)).await;
    assert!(!waiting.is_finished());
    peer.write_all(b"ab").expect("write");
    waiting.await.expect("task").expect("readable");
    for expected in *b"ab" {
        socket.readable().await.expect("still readable");
        // Read behind its back, as a synchronous os.read does.
        let mut byte = [0];
        socket.with_fd(|fd| Ok(rustix::io::read(fd, &mut byte)?)).expect("read");
        assert_eq!(byte[0], expected);
    }
    let waiting = io::spawn(socket.readable());
    io::sleep(Duration::from_millis(5)).await;
    assert!(!waiting.is_finished(), "nothing is left to read");
}

/// A TCP socket whose connect failed hangs up (POLLHUP), until it connects again.
async fn an_end_of_the_stream_that_has_passed_is_forgotten() {
    let socket = tcp();
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
    let refused = socket.connect(nobody.into()).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let (listener, addr) = tcp_listener();
    // Linux has told of the failure by SO_ERROR, and now does once more by connect(2).
    let told = socket.connect(addr.clone()).await.expect_err("told twice");
    assert_eq!(told.kind(), ErrorKind::ConnectionAborted);
    socket.connect(addr).await.expect("the third one");
    let peer = Socket::new(listener.accept().await.expect("accept").0);
    let readable = io::spawn(socket.readable());
    let received = io::spawn(socket.recv(vec![0; 4], 0));
    for _ in 0..3 {
        io::sleep(Duration::from_millis(3)).await;
    }
    assert!(!readable.is_finished() && !received.is_finished(), "nothing was sent");
    socket.writable().await.expect("there is room");
    peer.send(b"sent".to_vec(), 0).await.0.expect("send");
    readable.await.expect("task").expect("readable");
    assert_eq!(received.await.expect("task").1, b"sent");
}

async fn a_blocking_socket_does_not_block() {
    let blocking = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).expect("socket");
    let (listener, addr) = tcp_listener();
    let accept = io::spawn(listener.accept());
    let socket = Socket::new(blocking);
    socket.connect(addr).await.expect("connect");
    let peer = Socket::new(accept.await.expect("task").expect("accept").0);
    let waiting = io::spawn(socket.recv(vec![0; 4], 0));
    io::sleep(Duration::from_millis(5)).await;
    peer.send(b"done".to_vec(), 0).await.0.expect("send");
    assert_eq!(waiting.await.expect("task").1, b"done");
    let flags = socket.with_fd(|fd| Ok(rustix::fs::fcntl_getfl(fd)?)).expect("flags");
    assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK), "it stays what the script made it");
}

async fn a_full_socket_waits_for_room() {
    const LEN: usize = 4 << 20;
    let (listener, addr) = listen();
    let socket = tcp();
    let accept = io::spawn(async move { listener.accept().await });
    socket.connect(addr.into()).await.expect("connect");
    let stream = accept.await.expect("task").expect("accept");
    let sender = io::spawn(async move {
        let mut left = vec![9; LEN];
        while !left.is_empty() {
            let (sent, mut buffer) = socket.send(left, 0).await;
            buffer.drain(..sent.expect("send"));
            left = buffer;
        }
    });
    io::sleep(Duration::from_millis(20)).await;
    assert!(!sender.is_finished());
    let mut received = 0;
    while received < LEN {
        received += stream.recv().await.expect("recv").len();
    }
    sender.await.expect("task");
}

async fn a_stream_becomes_a_socket() {
    let (listener, addr) = listen();
    let peer = thread::spawn(move || {
        let mut peer = client(addr);
        peer.write_all(b"ping").expect("write");
        let mut answer = String::new();
        peer.read_to_string(&mut answer).expect("read");
        answer
    });
    let socket = listener.accept().await.expect("accept").into_socket().expect("socket");
    let (got, buffer) = socket.recv(vec![0; 10], 0).await;
    assert_eq!(&buffer[..got.expect("recv")], b"ping");
    socket.send(b"pong".to_vec(), 0).await.0.expect("send");
    drop(socket);
    assert_eq!(join(peer).await, "pong");
}

async fn a_closed_listener_frees_its_port() {
    let (listener, addr) = tcp_listener();
    let accept = io::spawn(listener.accept());
    io::sleep(Duration::from_millis(5)).await;
    let number = listener.raw_fd();
    listener.close().expect("close");
    // At once, in the same turn: the pending accept must not keep the port.
    let again = TcpListener::bind(addr.as_socket().expect("ip")).expect("bind again");
    assert!(number.is_some() && again.as_raw_fd() >= 0);
    assert!(accept.await.expect("task").is_err());
}

/// Rounds of question and answer on raw sockets.
async fn raw_echo() {
    let (listener, addr) = listen();
    let peer = thread::spawn(move || {
        let mut peer = client(addr);
        for _ in 0..200 {
            peer.write_all(b"ping").expect("write");
            peer.read_exact(&mut [0; 4]).expect("read");
        }
    });
    let socket = listener.accept().await.expect("accept").into_socket().expect("socket");
    let mut buffer = vec![0; 100];
    loop {
        let (got, mut bytes) = socket.recv(buffer, 0).await;
        let got = got.expect("recv");
        if got == 0 {
            break;
        }
        bytes.truncate(got);
        let (sent, mut bytes) = socket.send(bytes, 0).await;
        assert_eq!(sent.expect("send"), got);
        bytes.resize(100, 0);
        buffer = bytes;
    }
    join(peer).await;
}
