//! Descriptors lent to scripts: their end reaches the peer whole, or as a reset.
//!
//! Owns: nothing. Must not know: who lends.

use crate::driver;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::io_harness::{client, join, listen, within};
use runtime::config::Linger;
use runtime::io::{self, Socket};
use runtime::modules::qjs::os::lent::Lent;

on_both!(
    unread_bytes_do_not_cost_the_peer_its_answer,
    a_peer_that_never_stops_is_left_after_a_second,
    reset_is_a_reset,
    a_number_that_the_script_reused_stays_open,
    handlers_end_with_the_connection,
);

/// A lent connection in an engine of its own, and the client's end.
async fn lend() -> (driver::Driver, Lent, TcpStream) {
    let (listener, addr) = listen();
    let peer = client(addr);
    let socket = listener.accept().await.expect("accept").into_socket().expect("socket");
    let driver = driver::new();
    let lent = Lent::new(&driver.engine, socket).expect("lent");
    listener.close().await;
    (driver, lent, peer)
}

async fn script(driver: &driver::Driver, source: &str) {
    driver.run(&format!(
        "globalThis.done = 'no'; import('os').then(async (os) => {{ globalThis.os = os; {source} }})
         .then(() => {{ done = 'yes' }}, (error) => {{ done = String(error) }})"
    ));
    let ended = async {
        while driver.text("done") == "no" {
            io::sleep(Duration::from_millis(1)).await;
        }
    };
    within(Duration::from_secs(10), ended).await;
    assert_eq!(driver.text("done"), "yes");
}

async fn unread_bytes_do_not_cost_the_peer_its_answer() {
    let (driver, lent, mut peer) = lend().await;
    peer.write_all(&[7; 100_000]).expect("write");
    // The handler reads one byte of them, so they are there before it ends.
    let fd = lent.fd();
    script(&driver, &format!("await os.recv({fd}, new ArrayBuffer(1)); await os.send({fd}, 'answer')")).await;
    let reader = std::thread::spawn(move || {
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).expect("the answer and a FIN");
        peer.shutdown(Shutdown::Write).expect("FIN");
        answer
    });
    lent.finish(&Linger::default(), 10_000).await;
    assert_eq!(join(reader).await, b"answer");
    assert_eq!(driver.text(&format!("String(os.close({fd}))")), "-9");
}

async fn a_peer_that_never_stops_is_left_after_a_second() {
    let (driver, lent, mut peer) = lend().await;
    let writer = std::thread::spawn(move || while peer.write_all(&[7; 10_000]).is_ok() {});
    script(&driver, &format!("await os.recv({}, new ArrayBuffer(1))", lent.fd())).await;
    within(Duration::from_secs(5), lent.finish(&Linger::default(), 10_000)).await;
    join(writer).await;
}

async fn reset_is_a_reset() {
    let (_driver, lent, mut peer) = lend().await;
    lent.reset();
    let error = peer.read(&mut [0; 8]).expect_err("no FIN");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

async fn a_number_that_the_script_reused_stays_open() {
    let (driver, lent, mut peer) = lend().await;
    let fd = lent.fd();
    // Other tests may take the number first; then there is nothing that could be mixed up.
    script(&driver, &format!("os.close({fd}); globalThis.next = os.socket(os.AF_INET, os.SOCK_STREAM)"))
        .await;
    assert_eq!(peer.read(&mut [0; 8]).expect("FIN"), 0);
    lent.finish(&Linger::default(), 10_000).await;
    assert_eq!(driver.text("String(os.close(next))"), "0");
    let other = Lent::new(&driver.engine, Socket::new(peer)).expect("lent");
    drop(driver);
    drop(other);
}

async fn handlers_end_with_the_connection() {
    let (driver, lent, mut peer) = lend().await;
    let fd = lent.fd();
    peer.write_all(b"never read").expect("write");
    let body = format!(
        "globalThis.calls = 0; await new Promise((resolve) => os.setReadHandler({fd}, () => {{ calls++; resolve() }}))"
    );
    script(&driver, &body).await;
    assert_eq!(driver.engine.state().alive().count(), 1);
    let reader = std::thread::spawn(move || {
        // The end, then the other half's.
        assert_eq!(peer.read(&mut [0; 8]).expect("FIN"), 0);
        peer.write_all(b"more").expect("write");
    });
    let calls = driver.text("String(calls)");
    lent.finish(&Linger::default(), 10_000).await;
    join(reader).await;
    assert_eq!(driver.text("String(calls)"), calls, "no call once the handler of the connection has ended");
    within(Duration::from_secs(5), std::future::poll_fn(|cx| driver.engine.state().alive().poll_idle(cx)))
        .await;
}
