//! Receives tried at once and receives that wait, on both backends: none misses what comes.
//!
//! Owns: nothing. Must not know: how the backends tell of edges.

use crate::io_harness;

use std::future::poll_fn;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use runtime::io::{self, Socket};

on_both!(
    bytes_and_end_that_come_together_are_both_heard,
    bytes_behind_urgent_data_are_not_forgotten,
    what_nobody_reads_is_read_later,
    a_try_does_not_overtake_who_waits,
    a_short_read_and_the_next_edge,
    a_closed_socket_is_ebadf,
);

fn pair() -> (Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let client = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    client.set_nodelay(true).expect("TCP_NODELAY");
    let (server, _) = listener.accept().expect("accept");
    server.set_nonblocking(true).expect("nonblocking");
    let socket = Socket::new(server);
    socket.set_short_is_all();
    (socket, client)
}

/// As the module does: a try, then a wait.
async fn recv(socket: &Socket, room: usize) -> std::io::Result<Vec<u8>> {
    let mut buffer = vec![0; room];
    let got = match socket.try_recv(&mut buffer) {
        Some(result) => result,
        None => {
            let waiting = socket.wait_to_recv();
            let waited = poll_fn(|cx| waiting.poll(cx, &mut buffer));
            io_harness::within(Duration::from_secs(10), waited).await
        }
    }?;
    buffer.truncate(got);
    Ok(buffer)
}

async fn bytes_and_end_that_come_together_are_both_heard() {
    for waits in [false, true] {
        let (socket, mut client) = pair();
        if waits {
            client.write_all(b"first").expect("write");
            assert_eq!(recv(&socket, 100).await.expect("recv"), b"first");
            assert!(socket.try_recv(&mut [0; 1]).is_none());
        }
        client.write_all(b"last").expect("write");
        client.shutdown(Shutdown::Write).expect("shutdown");
        // Both are there before either is looked at.
        io::sleep(Duration::from_millis(5)).await;
        assert_eq!(recv(&socket, 100).await.expect("recv"), b"last");
        assert_eq!(recv(&socket, 100).await.expect("end"), b"");
    }
}

async fn bytes_behind_urgent_data_are_not_forgotten() {
    let (socket, mut client) = pair();
    client.write_all(b"one").expect("write");
    assert_eq!(recv(&socket, 100).await.expect("recv"), b"one");
    client.write_all(b"two").expect("write");
    socket2::SockRef::from(&client).send_out_of_band(b"!").expect("urgent");
    client.write_all(b"three").expect("write");
    io::sleep(Duration::from_millis(5)).await;
    // The kernel ends a read before the urgent byte, which is not part of the stream.
    let mut all = Vec::new();
    while all.len() < 8 {
        all.extend(recv(&socket, 100).await.expect("recv"));
    }
    assert_eq!(all, b"twothree");
}

async fn what_nobody_reads_is_read_later() {
    let (socket, mut client) = pair();
    client.write_all(b"a").expect("write");
    assert_eq!(recv(&socket, 10).await.expect("recv"), b"a");
    assert!(socket.try_recv(&mut [0; 1]).is_none());
    drop(socket.wait_to_recv());
    for round in 0..20u8 {
        client.write_all(&[round]).expect("write");
        io::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(recv(&socket, 100).await.expect("recv"), (0..20).collect::<Vec<u8>>());
    // Whatever was ended for want of a reader begins again.
    for round in 0..5u8 {
        let (waiting, mut buffer) = (socket.wait_to_recv(), [0; 10]);
        assert!(poll_fn(|cx| std::task::Poll::Ready(waiting.poll(cx, &mut buffer).is_pending())).await);
        client.write_all(&[round]).expect("write");
        let got =
            io_harness::within(Duration::from_secs(10), poll_fn(|cx| waiting.poll(cx, &mut buffer))).await;
        assert_eq!((got.expect("recv"), buffer[0]), (1, round));
    }
}

async fn a_try_does_not_overtake_who_waits() {
    let (socket, mut client) = pair();
    let (first, second) = (socket.wait_to_recv(), socket.wait_to_recv());
    client.write_all(b"12").expect("write");
    assert!(socket.try_recv(&mut [0; 1]).is_none(), "two wait");
    let (mut one, mut two) = ([0; 1], [0; 1]);
    assert!(poll_fn(|cx| std::task::Poll::Ready(second.poll(cx, &mut two).is_pending())).await);
    assert_eq!(
        io_harness::within(Duration::from_secs(10), poll_fn(|cx| first.poll(cx, &mut one)))
            .await
            .expect("recv"),
        1
    );
    assert!(
        poll_fn(|cx| std::task::Poll::Ready(second.poll(cx, &mut two).is_pending())).await,
        "the first still has its place"
    );
    drop(first);
    assert_eq!(
        io_harness::within(Duration::from_secs(10), poll_fn(|cx| second.poll(cx, &mut two)))
            .await
            .expect("recv"),
        1
    );
    assert_eq!((one, two), (*b"1", *b"2"));
}

async fn a_short_read_and_the_next_edge() {
    let (socket, mut client) = pair();
    for round in 0..200u8 {
        if round % 3 == 0 {
            client.write_all(&[round; 7]).expect("write");
            io::yield_now().await;
        }
        if round % 3 == 1 {
            io::sleep(Duration::ZERO).await;
        }
        if round % 3 != 0 {
            client.write_all(&[round; 7]).expect("write");
        }
        let mut got = Vec::new();
        while got.len() < 7 {
            got.extend(recv(&socket, 100).await.expect("recv"));
        }
        assert_eq!(got, [round; 7]);
    }
}

async fn a_closed_socket_is_ebadf() {
    let (socket, _client) = pair();
    let (waiting, mut buffer) = (socket.wait_to_recv(), [0; 1]);
    assert!(poll_fn(|cx| std::task::Poll::Ready(waiting.poll(cx, &mut buffer).is_pending())).await);
    socket.close().expect("close");
    let ended =
        io_harness::within(Duration::from_secs(10), poll_fn(|cx| waiting.poll(cx, &mut buffer))).await;
    assert_eq!(ended.expect_err("closed").raw_os_error(), Some(libc::EBADF));
    drop(waiting);
    assert_eq!(recv(&socket, 1).await.expect_err("closed").raw_os_error(), Some(libc::EBADF));
    let tried = socket.try_send(b"x").expect("it ends at once").expect_err("closed");
    assert_eq!(tried.raw_os_error(), Some(libc::EBADF));
}
