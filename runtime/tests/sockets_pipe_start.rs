//! Pipes whose ends are not fresh: chunks that wait in a stream, reads in flight, connections to be
//! opened, TLS; and how many turns JavaScript has.
//!
//! Owns: peers made with `os`, and threads of plain sockets. Must not know: how the bytes move.

use crate::driver;
use crate::io_harness;
use crate::os_harness;

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::sockets::check;
use runtime::io::Backend;

#[test]
fn what_waits_in_the_source_goes_first() {
    check(
        "
        const [a, client] = await joined();
        const [b, server] = await joined();
        const reader = a.readable.getReader();
        const reading = reader.read();
        reader.releaseLock();
        await os.send(client, 'one ');
        await reading.catch(() => undefined);
        await new Promise((r) => setTimeout(r, 20));
        await os.send(client, 'two ');
        const piped = a.readable.pipeTo(b.writable);
        await os.send(client, 'three');
        os.close(client);
        await piped;
        equal(await heard(server), 'one two three');
        os.close(server);
        await Promise.all([a.closed, b.closed]);
        ",
    );
}

#[test]
fn a_read_in_flight_keeps_its_place() {
    check(
        "
        const [a, client] = await joined();
        const [b, server] = await joined();
        const reader = a.readable.getReader();
        reader.read().catch(() => undefined);
        await new Promise((r) => setTimeout(r, 20));
        reader.releaseLock();
        const piped = a.readable.pipeTo(b.writable);
        for (let i = 0; i < 100; i++) await os.send(client, `${i},`);
        os.close(client);
        await piped;
        equal(await heard(server), Array.from({ length: 100 }, (_, i) => `${i},`).join(''));
        os.close(server);
        await Promise.all([a.closed, b.closed]);
        ",
    );
}

#[test]
fn what_was_written_to_the_target_before_goes_out_first() {
    check(
        "
        const [a, client] = await joined();
        const [b, server] = await joined();
        const writer = b.writable.getWriter();
        writer.write('x'.repeat(8000000));
        writer.write('y');
        writer.releaseLock();
        const piped = a.readable.pipeTo(b.writable);
        await os.send(client, 'piped');
        os.close(client);
        const got = await heard(server);
        await piped;
        equal(got.length, 8000006);
        equal(got.slice(-7), 'xypiped');
        os.close(server);
        await Promise.all([a.closed, b.closed]);
        ",
    );
}

#[test]
fn a_pipe_into_a_connection_that_is_not_open_yet_waits_for_it() {
    check(
        "
        const [a, client] = await joined({ allowHalfOpen: true });
        await os.send(client, 'early');
        const listener = listening();
        const b = connect(`127.0.0.1:${port(listener)}`, { allowHalfOpen: true });
        const there = a.readable.pipeTo(b.writable), back = b.readable.pipeTo(a.writable);
        const [server] = await os.accept(listener);
        const buffer = new ArrayBuffer(5);
        equal(await os.recv(server, buffer, 5, true), 5);
        equal(text(buffer, 5), 'early');
        await os.send(server, 'back');
        os.close(server);
        equal(await heard(client), 'back');
        os.close(client); os.close(listener);
        await Promise.all([there, back, a.closed, b.closed]);
        ",
    );
}

#[test]
fn a_pipe_into_a_connection_that_cannot_be_opened_fails_as_it_does() {
    check(
        "
        const [a, client] = await joined();
        await os.send(client, 'early');
        const gone = port(refusing());
        const b = connect(`127.0.0.1:${gone}`);
        const piped = a.readable.pipeTo(b.writable);
        equal(await end(piped), 'SocketError ECONNREFUSED');
        equal(await piped.catch((e) => e), await b.opened.catch((e) => e));
        same(await a.readable.getReader().read(), { done: true });
        const back = connect(`127.0.0.1:${gone}`).readable.pipeTo(a.writable);
        equal(await end(back), 'SocketError ECONNREFUSED');
        equal(await heard(client), 'ECONNRESET');
        os.close(client);
        ",
    );
}

#[test]
fn a_connection_that_is_closed_before_it_is_open_ends_its_pipes() {
    check(
        "
        const [a, client] = await joined();
        const listener = listening();
        const b = connect(`127.0.0.1:${port(listener)}`);
        const there = a.readable.pipeTo(b.writable, { preventCancel: true });
        const back = b.readable.pipeTo(a.writable, { preventClose: true });
        b.close();
        equal(await end(there), 'SocketError ECONNABORTED');
        equal(await end(back), 'done');
        await os.send(client, 'kept');
        equal(text((await a.readable.getReader().read()).value, 4), 'kept');
        os.close(client); os.close(listener);
        await a.close();
        ",
    );
}

// What passes by is no longer there for `startTls`; its rules for the streams stay.
#[test]
fn a_pipe_ends_where_tls_begins() {
    check(
        "
        const [a, client] = await joined();
        const [b, server] = await joined({ secureTransport: 'starttls' });
        const there = a.readable.pipeTo(b.writable, { preventCancel: true }).catch((e) => e);
        const back = b.readable.pipeTo(a.writable, { preventClose: true });
        await os.send(client, 'plain');
        const buffer = new ArrayBuffer(600);
        equal(await os.recv(server, buffer, 5, true), 5);
        const secure = b.startTls();
        equal((await there).constructor, TypeError);
        equal(await back, undefined);
        ok(await os.recv(server, buffer) > 100, 'a ClientHello');
        equal(new Uint8Array(buffer)[0], 22);
        os.close(server);
        await secure.opened.catch(() => undefined);
        os.close(client);
        await a.close();
        ",
    );
}

// The engine holds a pipe that nobody refers to; and it goes with the engine.
#[test]
fn a_pipe_lives_by_itself_and_dies_with_its_engine() {
    check(
        "
        const ends = [];
        for (let i = 0; i < 3; i++) await (async () => {
          const [a, client] = await joined();
          const [b, server] = await joined();
          a.readable.pipeTo(b.writable);
          ends.push(client, server);
        })();
        for (let i = 0; i < 20000; i++) ({}).self = {};
        await new Promise((r) => setTimeout(r, 20));
        await os.send(ends[0], 'x');
        equal(await os.recv(ends[1], new ArrayBuffer(1)), 1);
        ",
    );
}

/// What the heap may not have, a pipe may not hold.
#[test]
fn a_full_heap_ends_a_pipe_that_has_to_hold_bytes() {
    check(
        "
        const [a, client] = await joined();
        const [b, server] = await joined();
        const chunk = new Uint8Array(1 << 20);
        const blobs = [];
        try { for (;;) blobs.push(new Blob([chunk])); } catch (error) { ok(blobs.length > 10, String(error)); }
        try { for (;;) blobs.push(new Blob([chunk.subarray(0, 4096)])); } catch (error) {}
        const piped = a.readable.pipeTo(b.writable).catch((e) => e);
        const sending = (async () => { for (let i = 0; i < 64; i++) await os.send(client, chunk, chunk.length, true); })();
        const error = await piped;
        ok(error === null || /memory/.test(String(error)), String(error));
        blobs.length = 0;
        same(await a.readable.getReader().read(), { done: true });
        await Promise.all([a.close(), b.close()]);
        await sending.catch(() => undefined);
        os.close(client); os.close(server);
        ",
    );
}

const TOTAL: usize = 16 << 20;

fn peer() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    (listener, port)
}

fn sender(listener: TcpListener, head: &'static str) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        if !head.is_empty() {
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).expect("a request") > 0);
            stream.write_all(head.as_bytes()).expect("a head");
        }
        let block: Vec<u8> = (0..1 << 20).map(|i| (i % 251) as u8).collect();
        (0..TOTAL >> 20).for_each(|_| stream.write_all(&block).expect("it is taken"));
        stream.shutdown(Shutdown::Write).expect("a FIN");
        // Until the other end is closed, too.
        let _ = stream.read(&mut [0]);
    })
}

fn receiver(listener: TcpListener) -> JoinHandle<usize> {
    std::thread::spawn(move || {
        let (mut stream, _): (TcpStream, _) = listener.accept().expect("a connection");
        let (mut buffer, mut at) = (vec![0; 65536], 0);
        loop {
            let got = stream.read(&mut buffer).expect("bytes, or the end");
            if got == 0 {
                return at;
            }
            assert!(
                buffer[..got].iter().enumerate().all(|(i, byte)| *byte == ((at + i) % (1 << 20) % 251) as u8)
            );
            at += got;
        }
    })
}

/// Turns of a script that pipes `source` into a socket; FROM and TO are ports.
fn turns(backend: Backend, head: &'static str, source: &'static str) -> u64 {
    let ((from, from_port), (to, to_port)) = (peer(), peer());
    let (sending, receiving) = (sender(from, head), receiver(to));
    let script = format!(
        "const {{ connect }} = await import('sockets');
        const FROM = {from_port}, target = connect('127.0.0.1:{to_port}');
        await ({source}).pipeTo(target.writable);
        await target.close();"
    );
    let count = Rc::new(Cell::new(0));
    let counted = count.clone();
    io_harness::worker(backend, move || async move {
        let driver = driver::new();
        let before = driver.engine.state().turn_number();
        if let Err(thrown) =
            io_harness::within(Duration::from_secs(20), os_harness::run(&driver, &script)).await
        {
            panic!("{backend:?}: {thrown}");
        }
        // The border is crossed twice a turn.
        counted.set((driver.engine.state().turn_number() - before) / 2);
    });
    assert_eq!(receiving.join().expect("the receiver"), TOTAL);
    sending.join().expect("the sender");
    count.get()
}

#[test]
fn sixteen_mebibytes_pass_in_a_few_turns() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 16777216\r\n\r\n";
    for backend in [Backend::Uring, Backend::Epoll].into_iter().filter(|it| io_harness::available(*it)) {
        let sockets = turns(backend, "", "connect(`127.0.0.1:${FROM}`).readable");
        assert!(sockets < 30, "{backend:?}: {sockets} turns");
        let body = turns(backend, HEAD, "(await fetch(`http://127.0.0.1:${FROM}/`)).body");
        assert!(body < 30, "{backend:?}: {body} turns for a body");
    }
}
