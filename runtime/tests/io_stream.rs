//! Streams on both backends: bytes arrive in order, whole and bounded, and every end is clean.
//!
//! Owns: nothing. Must not know: how the backends work.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use crate::io_harness::{self, client, join, listen, worker_with};
use runtime::address::Address;
use runtime::io::{self, Backend, IoOptions, Stream};

on_both!(
    bytes_behind_urgent_data_are_received,
    what_has_come_is_one_receive,
    echo_reuses_the_buffer,
    a_thousand_small_messages,
    bytes_wait_in_bounds_for_a_slow_consumer,
    reset_comes_after_the_bytes,
    half_close_lets_the_answer_through,
    a_slow_reader_gets_all_of_a_large_send,
    close_ends_pending_operations,
    dropped_stream_closes,
    abort_resets,
    send_to_a_closed_peer_fails,
    send_progress_follows_the_peer,
    addresses_are_known,
    an_unwatched_send_delays_no_timer,
    an_unwatched_send_delays_no_other_connection,
    small_sends_into_a_full_socket_lose_nothing,
);

/// Echoes until the end of the stream, as a keep-alive connection does.
async fn echo(stream: Stream) {
    loop {
        let chunk = stream.recv().await.expect("recv");
        if chunk.is_empty() {
            break;
        }
        let (sent, mut buffer) = std::future::poll_fn(|cx| stream.poll_sent(cx)).await;
        sent.expect("sent");
        buffer.clear();
        buffer.extend_from_slice(&chunk);
        drop(chunk);
        stream.start_send(buffer);
    }
    std::future::poll_fn(|cx| stream.poll_sent(cx)).await.0.expect("sent");
    stream.close().await;
}

/// Bytes that differ at every position of interest.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ i >> 8 ^ i >> 16) as u8).collect()
}

/// A client and the stream of its connection.
async fn pair() -> (TcpStream, Stream) {
    let (listener, addr) = listen();
    let client = TcpStream::connect(addr).expect("connect");
    client.set_nodelay(true).expect("nodelay");
    (client, listener.accept().await.expect("accept"))
}

async fn bytes_behind_urgent_data_are_received() {
    let (mut client, stream) = pair().await;
    client.write_all(b"one").expect("write");
    assert_eq!(*stream.recv().await.expect("recv"), *b"one");
    client.write_all(b"two").expect("write");
    socket2::SockRef::from(&client).send_out_of_band(b"!").expect("urgent");
    client.write_all(b"three").expect("write");
    io::sleep(Duration::from_millis(5)).await;
    // The kernel ends a read before the urgent byte, which is not part of the stream.
    let mut all = Vec::new();
    while all.len() < 8 {
        let chunk = io_harness::within(Duration::from_secs(10), stream.recv()).await.expect("recv");
        all.extend_from_slice(&chunk);
    }
    assert_eq!(all, b"twothree");
    stream.close().await;
}

async fn what_has_come_is_one_receive() {
    let (mut client, stream) = pair().await;
    for length in [64, 16 << 10, 48 << 10] {
        let sent = pattern(length);
        client.write_all(&sent).expect("write");
        while rustix::io::ioctl_fionread(stream.fd()).expect("FIONREAD") < length as u64 {
            io::sleep(Duration::from_millis(1)).await;
        }
        let pieces = std::future::poll_fn(|cx| stream.poll_segments(cx)).await.expect("recv");
        let mut got = Vec::new();
        pieces.each(&mut |piece| got.extend_from_slice(piece));
        assert!(got == sent, "{} of {length} bytes", got.len());
    }
    stream.close().await;
}

async fn echo_reuses_the_buffer() {
    let (listener, addr) = listen();
    let client = thread::spawn(move || {
        let mut client = client(addr);
        for round in 0..100u32 {
            let message = format!("message {round}");
            client.write_all(message.as_bytes()).expect("write");
            let mut answer = vec![0; message.len()];
            client.read_exact(&mut answer).expect("read");
            assert_eq!(answer, message.as_bytes());
        }
    });
    echo(listener.accept().await.expect("accept")).await;
    join(client).await;
}

async fn a_thousand_small_messages() {
    let (listener, addr) = listen();
    let client = thread::spawn(move || {
        let mut client = client(addr);
        client.set_nodelay(true).expect("nodelay");
        for number in 0..1000u32 {
            client.write_all(&number.to_be_bytes()).expect("write");
        }
    });
    let stream = listener.accept().await.expect("accept");
    let mut received = Vec::new();
    loop {
        let chunk = stream.recv().await.expect("recv");
        if chunk.is_empty() {
            break;
        }
        received.extend_from_slice(&chunk);
    }
    let expected: Vec<u8> = (0..1000u32).flat_map(u32::to_be_bytes).collect();
    assert_eq!(received, expected);
    join(client).await;
}

async fn bytes_wait_in_bounds_for_a_slow_consumer() {
    const LEN: usize = 10 << 20;
    let (listener, addr) = listen();
    let sender = thread::spawn(move || {
        let mut client = client(addr);
        client.set_write_timeout(Some(Duration::from_millis(300))).expect("timeout");
        let bytes = pattern(LEN);
        let mut sent = 0;
        // Until nothing moves: the server does not read, so the socket buffers fill.
        while let Ok(count) = client.write(&bytes[sent..]) {
            sent += count;
        }
        let stalled_at = sent;
        client.set_write_timeout(None).expect("timeout");
        client.write_all(&bytes[sent..]).expect("write");
        stalled_at
    });
    let stream = listener.accept().await.expect("accept");
    let first = stream.recv().await.expect("recv").to_vec();
    // Longer than the sender's patience.
    io::sleep(Duration::from_millis(1500)).await;
    let mut received = first;
    let mut largest = 0;
    loop {
        let chunk = stream.recv().await.expect("recv");
        if chunk.is_empty() {
            break;
        }
        largest = largest.max(chunk.len());
        received.extend_from_slice(&chunk);
    }
    assert!(join(sender).await < LEN, "the sender was never held back");
    assert!(largest <= 1 << 20, "{largest} bytes waited for the consumer");
    assert!(received == pattern(LEN), "bytes lost or out of order");
}

async fn reset_comes_after_the_bytes() {
    let (listener, addr) = listen();
    let (reset, wait) = std::sync::mpsc::channel::<()>();
    let client = thread::spawn(move || {
        let mut client = client(addr);
        client.write_all(b"last words").expect("write");
        wait.recv().expect("go");
        socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("linger");
    });
    let stream = listener.accept().await.expect("accept");
    assert_eq!(&*stream.recv().await.expect("recv"), b"last words");
    reset.send(()).expect("go");
    let error = stream.recv().await.expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    join(client).await;
}

async fn half_close_lets_the_answer_through() {
    let (listener, addr) = listen();
    let client = thread::spawn(move || {
        let mut client = client(addr);
        client.write_all(b"question").expect("write");
        client.shutdown(Shutdown::Write).expect("shutdown");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("read");
        answer
    });
    let stream = listener.accept().await.expect("accept");
    assert_eq!(&*stream.recv().await.expect("recv"), b"question");
    assert!(stream.recv().await.expect("recv").is_empty());
    assert!(stream.recv().await.expect("the end stays the end").is_empty());
    stream.send(b"answer".to_vec()).await.0.expect("send");
    stream.shutdown(Shutdown::Write).expect("shutdown");
    assert_eq!(join(client).await, "answer");
}

async fn a_slow_reader_gets_all_of_a_large_send() {
    const LEN: usize = 8 << 20;
    let (listener, addr) = listen();
    let client = thread::spawn(move || {
        let mut client = client(addr);
        let (mut received, mut piece) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            match client.read(&mut piece).expect("read") {
                0 => return received,
                count => received.extend_from_slice(&piece[..count]),
            }
            thread::sleep(Duration::from_micros(500));
        }
    });
    let stream = listener.accept().await.expect("accept");
    let (sent, buffer) = stream.send(pattern(LEN)).await;
    sent.expect("send");
    assert_eq!(buffer.len(), LEN);
    stream.close().await;
    assert!(join(client).await == pattern(LEN));
}

async fn close_ends_pending_operations() {
    let (listener, addr) = listen();
    let mut peer = client(addr);
    let stream = listener.accept().await.expect("accept");
    // A receive that waits, and a send that the peer does not read.
    let pending = std::future::poll_fn(|cx| std::task::Poll::Ready(stream.poll_recv(cx).is_pending())).await;
    assert!(pending);
    stream.start_send(vec![0; 16 << 20]);
    io::yield_now().await;
    assert!(stream.is_sending());
    stream.close().await;
    let read = thread::spawn(move || {
        let mut rest = Vec::new();
        // Reset or end, but no hang, and not everything.
        let _ = peer.read_to_end(&mut rest);
        rest.len()
    });
    assert!(join(read).await < 16 << 20);
}

async fn dropped_stream_closes() {
    let (listener, addr) = listen();
    let mut peer = client(addr);
    let stream = listener.accept().await.expect("accept");
    let pending = std::future::poll_fn(|cx| std::task::Poll::Ready(stream.poll_recv(cx).is_pending())).await;
    assert!(pending);
    drop(stream);
    let end = join(thread::spawn(move || peer.read(&mut [0; 1]).expect("an orderly end"))).await;
    assert_eq!(end, 0);
}

async fn abort_resets() {
    let (listener, addr) = listen();
    let mut peer = client(addr);
    listener.accept().await.expect("accept").abort();
    let error = join(thread::spawn(move || peer.read(&mut [0; 1]).expect_err("a reset"))).await;
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

async fn send_to_a_closed_peer_fails() {
    let (listener, addr) = listen();
    let peer = client(addr);
    let stream = listener.accept().await.expect("accept");
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("linger");
    drop(peer);
    // The reset may be on its way during the first send; it has arrived when this recv ends.
    assert!(stream.recv().await.is_err());
    let error = stream.send(vec![1; 100]).await.0.expect_err("nobody is there");
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

async fn send_progress_follows_the_peer() {
    let (listener, addr) = listen();
    let mut peer = client(addr);
    let stream = listener.accept().await.expect("accept");
    stream.start_send(vec![7; 64 << 20]);
    let mut last = None;
    while last != Some(stream.send_progress()) {
        last = Some(stream.send_progress());
        io::sleep(Duration::from_millis(300)).await;
    }
    let stalled = stream.send_progress();
    let reader = thread::spawn(move || {
        let mut buffer = vec![0; 4 << 20];
        peer.read_exact(&mut buffer).expect("read");
        peer
    });
    let peer = join(reader).await;
    while stream.send_progress() == stalled {
        io::sleep(Duration::from_millis(5)).await;
    }
    assert!(stream.is_sending());
    drop((stream, peer));
}

async fn addresses_are_known() {
    let (listener, addr) = listen();
    let peer = client(addr);
    let stream = listener.accept().await.expect("accept");
    assert_eq!(stream.peer().and_then(Address::ip), peer.local_addr().ok());
    assert_eq!(stream.local().and_then(Address::ip), Some(addr));
}

async fn an_unwatched_send_delays_no_timer() {
    let (listener, addr) = listen();
    let _peer = client(addr);
    let stream = listener.accept().await.expect("accept");
    // The shortest of them: a busy machine delays some, the fault delays each.
    let mut shortest = Duration::MAX;
    for _ in 0..10 {
        stream.start_send(b"nobody waits for this".to_vec());
        let start = std::time::Instant::now();
        io::sleep(Duration::from_millis(10)).await;
        shortest = shortest.min(start.elapsed());
        std::future::poll_fn(|cx| stream.poll_sent(cx)).await.0.expect("sent");
    }
    assert!(shortest < Duration::from_millis(500), "slept {shortest:?}");
}

async fn an_unwatched_send_delays_no_other_connection() {
    let (listener, addr) = listen();
    let _stuck_peer = client(addr);
    let stuck = listener.accept().await.expect("accept");
    // Fill the socket: the next send cannot complete with its submission.
    let fill = io_harness::within(Duration::from_secs(10), async {
        loop {
            if !stuck.is_sending() {
                stuck.start_send(vec![0; 256 << 10]);
            }
            io::sleep(Duration::from_millis(5)).await;
            if stuck.is_sending() {
                break;
            }
        }
    });
    fill.await;
    let echoing = thread::spawn(move || {
        let mut client = client(addr);
        for _ in 0..200 {
            client.write_all(b"?").expect("write");
            client.read_exact(&mut [0; 1]).expect("read");
        }
    });
    let start = std::time::Instant::now();
    echo(listener.accept().await.expect("accept")).await;
    join(echoing).await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// Sends that are tried without waiting, refused or cut short by a full socket, and finished later.
async fn small_sends_into_a_full_socket_lose_nothing() {
    const SEND: usize = 11_003;
    let whole = pattern(1200 * SEND);
    let (listener, addr) = listen();
    let wanted = whole.clone();
    let reader = thread::spawn(move || {
        let mut client = client(addr);
        thread::sleep(Duration::from_millis(100));
        let mut got = Vec::new();
        let mut piece = vec![0; 50_001];
        loop {
            let n = client.read(&mut piece).expect("read");
            if n == 0 {
                break;
            }
            got.extend_from_slice(&piece[..n]);
            if got.len() % 7 == 0 {
                thread::sleep(Duration::from_micros(300));
            }
        }
        assert_eq!(got.len(), wanted.len());
        assert!(got == wanted, "bytes were lost, doubled or moved");
    });
    let stream = listener.accept().await.expect("accept");
    for (number, piece) in whole.chunks(SEND).enumerate() {
        let (sent, _) = std::future::poll_fn(|cx| stream.poll_sent(cx)).await;
        sent.expect("sent");
        stream.start_send(piece.to_vec());
        if number % 3 == 0 {
            // Others are collected by the next round, without a turn between.
            io::yield_now().await;
        }
    }
    std::future::poll_fn(|cx| stream.poll_sent(cx)).await.0.expect("sent");
    stream.close().await;
    join(reader).await;
}

/// 200 connections that all have data, and eight buffers.
async fn starvation() {
    let (listener, addr) = listen();
    let clients = thread::spawn(move || {
        let mut clients: Vec<_> = (0..200).map(|_| client(addr)).collect();
        for round in 0..5u8 {
            for client in &mut clients {
                client.write_all(&[round; 20_000]).expect("write");
            }
        }
        for client in &mut clients {
            client.shutdown(Shutdown::Write).expect("shutdown");
            let mut count = [0; 8];
            client.read_exact(&mut count).expect("read");
            assert_eq!(u64::from_be_bytes(count), 100_000);
        }
    });
    for _ in 0..200 {
        let stream = listener.accept().await.expect("accept");
        io::spawn(async move {
            let mut total = 0u64;
            loop {
                let chunk = stream.recv().await.expect("recv");
                if chunk.is_empty() {
                    break;
                }
                assert!(chunk.iter().is_sorted());
                total += chunk.len() as u64;
                drop(chunk);
                // Some are slower than others.
                if total.is_multiple_of(3) {
                    io::sleep(Duration::from_millis(1)).await;
                }
            }
            stream.send(total.to_be_bytes().to_vec()).await.0.expect("send");
        });
    }
    join(clients).await;
}

#[test]
fn a_starved_pool_serves_everyone_in_the_end() {
    for backend in [Backend::Uring, Backend::Epoll] {
        let options = IoOptions { recv_buffer_bytes: 32 << 10, ring_entries: 64, ..IoOptions::default() };
        worker_with(backend, options, starvation);
    }
}

/// More connections than the queues of a small ring have entries, all busy in each turn.
async fn crowd() {
    let (listener, addr) = listen();
    let clients = thread::spawn(move || {
        let mut clients: Vec<_> = (0..500).map(|_| client(addr)).collect();
        for round in 0..10u8 {
            for client in &mut clients {
                client.write_all(&[round; 100]).expect("write");
            }
            for client in &mut clients {
                let mut answer = [0; 100];
                client.read_exact(&mut answer).expect("read");
                assert_eq!(answer, [round; 100]);
            }
        }
    });
    for _ in 0..500 {
        io::spawn(echo(listener.accept().await.expect("accept")));
    }
    join(clients).await;
}

#[test]
fn queues_may_overflow() {
    for backend in [Backend::Uring, Backend::Epoll] {
        worker_with(backend, IoOptions { ring_entries: 64, ..IoOptions::default() }, crowd);
    }
}

#[test]
fn a_chunk_that_is_never_taken_holds_no_buffer() {
    let options = IoOptions { recv_buffer_bytes: 8 << 10, ..IoOptions::default() };
    for backend in [Backend::Uring, Backend::Epoll] {
        worker_with(backend, options, || async {
            let (listener, addr) = listen();
            let mut held = Vec::new();
            // Each waits once for bytes, is woken, and never comes back: more of them than buffers.
            for _ in 0..8 {
                let mut peer = client(addr);
                let stream = listener.accept().await.expect("accept");
                std::future::poll_fn(|cx| std::task::Poll::Ready(stream.poll_recv(cx).is_pending())).await;
                peer.write_all(b"bytes").expect("write");
                io::sleep(Duration::from_millis(5)).await;
                held.push((peer, stream));
            }
            let mut peer = client(addr);
            let stream = listener.accept().await.expect("accept");
            peer.write_all(b"served").expect("write");
            assert_eq!(&*stream.recv().await.expect("recv"), b"served");
            for (_, stream) in &held {
                assert_eq!(&*stream.recv().await.expect("recv"), b"bytes");
            }
        });
    }
}
