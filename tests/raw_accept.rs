//! `accept(fd, peer)` and the socket part of `os`, as API.md describes it.
//!
//! Owns: raw TCP apps on both backends, errors of the async calls. Must not know: HTTP, except where
//! one app has both.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use crate::support::{self, App, Connection, SOON, Server};

/// Each connection's first line names what is to be tried on it; the answer is a line.
const APP: &str = r#"
import * as os from "os";
const text = (buffer, length) => String.fromCharCode(...new Uint8Array(buffer, 0, length));
const failure = async (promise) => {
  try { return "settled with " + await promise; } catch (error) {
    return [error instanceof Error, error.code, error.errno > 0, error < 0, -error === error.errno].join();
  }
};
const upstream = async (port) => {
  const socket = os.socket(os.AF_INET, os.SOCK_STREAM);
  await os.connect(socket, { addr: "127.0.0.1", port: Number(port) });
  return socket;
};
const tries = {
  peer: (fd, peer) => JSON.stringify([peer.family === os.AF_INET, peer.addr, peer.port]),
  names: (fd) => JSON.stringify([os.getpeername(fd), os.getsockname(fd)].map(({ addr, port }) => [addr, port])),
  async fully(fd) {
    const buffer = new ArrayBuffer(10);
    return [await os.recv(fd, buffer, 10, true), text(buffer, 10)].join();
  },
  async views(fd) {
    const view = new Uint8Array(new ArrayBuffer(8), 2, 3);
    return [await os.recv(fd, view), text(view.buffer, 8).replaceAll("\0", ".")].join();
  },
  async beyond(fd) {
    try { await os.recv(fd, new ArrayBuffer(4), 5); return "no error"; } catch (error) { return error.name; }
  },
  async closed(fd) {
    const other = os.socket(os.AF_INET, os.SOCK_STREAM);
    os.close(other);
    return failure(os.recv(other, new ArrayBuffer(1)));
  },
  async pending(fd) {
    const listener = os.socket(os.AF_INET, os.SOCK_STREAM);
    os.bind(listener, { addr: "127.0.0.1", port: 0 });
    os.listen(listener);
    const accepted = failure(os.accept(listener));
    setTimeout(() => os.close(listener), 10);
    return accepted;
  },
  async refused(fd) {
    // Bound, so that nobody else gets the port, and not listening.
    const closed = os.socket(os.AF_INET, os.SOCK_STREAM);
    os.bind(closed, { addr: "127.0.0.1", port: 0 });
    const refused = await failure(upstream(os.getsockname(closed).port));
    os.close(closed);
    return refused;
  },
  sync: (fd) => [os.listen(-1), os.bind(-1, { port: 0 }), os.shutdown(-1, os.SHUT_WR)].every((result) => result < 0),
  options(fd) {
    const set = [os.setsockopt(fd, os.SOL_SOCKET, os.SO_KEEPALIVE, true), os.setsockopt(fd, os.SO_KEEPALIVE, new Int32Array([1]).buffer)];
    const value = new Int32Array(1);
    set.push(os.getsockopt(fd, os.SO_KEEPALIVE, value.buffer) >= 0, value[0]);
    return set.join();
  },
  async proxy(fd, peer, port) {
    const socket = await upstream(port);
    await os.send(socket, "over there", undefined, true);
    const buffer = new ArrayBuffer(100);
    const length = await os.recv(socket, buffer);
    os.close(socket);
    return text(buffer, length);
  },
  async both(fd) {
    const listener = os.socket(os.AF_INET, os.SOCK_STREAM);
    os.bind(listener, { addr: "127.0.0.1", port: 0 });
    os.listen(listener);
    const [client, [server, from]] = await Promise.all([upstream(os.getsockname(listener).port), os.accept(listener)]);
    await os.send(client, "inside");
    const buffer = new ArrayBuffer(10);
    const length = await os.recv(server, buffer);
    [client, server, listener].forEach((each) => os.close(each));
    return [text(buffer, length), from.addr].join();
  },
  async flood(fd) {
    const piece = new Uint8Array(1 << 20).fill(120);
    for (let sent = 0; sent < 8; sent++) await os.send(fd, piece, piece.length, true);
    return "";
  },
  async gone(fd) {
    await os.recv(fd, new ArrayBuffer(1)).catch(() => {});
    const results = [];
    for (let i = 0; i < 20; i++) { results.push(await failure(os.send(fd, "x"))); await new Promise((r) => setTimeout(r, 2)); }
    console.log("gone: " + results.at(-1));
    return "";
  },
  closes(fd) { os.close(fd); },
  throws() { throw new Error("raw handler failed"); },
};
export default {
  async accept(fd, peer) {
    const buffer = new ArrayBuffer(1024);
    let line = "";
    while (!line.endsWith("\n")) {
      const length = await os.recv(fd, buffer, 1);
      if (length === 0) return;
      line += text(buffer, length);
    }
    const [name, ...words] = line.trim().split(" ");
    const answer = await tries[name](fd, peer, ...words);
    if (answer !== undefined) await os.send(fd, answer + "\n", undefined, true);
  },
};"#;

fn start(io: &str) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn(&["--io", io, "--workers", "1"], app.path());
    (app, server)
}

/// What the app answers to a try, to the end of the connection.
fn ask(server: &Server, line: &str) -> String {
    let mut client = Connection::open(server.addr());
    client.send(format!("{line}\n"));
    String::from_utf8(client.read_to_end()).expect("answers are text").trim_end().to_string()
}

both_backends! {
    fn without_fetch_the_port_is_raw_tcp(io) {
        let (_app, server) = start(io);
        assert!(server.start_line().contains(" tcp://127.0.0.1:"), "{}", server.start_line());
    }

    fn the_peer_and_the_names_are_the_sockets_own(io) {
        let (_app, server) = start(io);
        for line in ["peer", "names"] {
            let mut client = Connection::open(server.addr());
            let here = client.stream().local_addr().expect("address").port();
            client.send(format!("{line}\n"));
            let answer = String::from_utf8(client.read_to_end()).expect("text");
            let expected = match line {
                "peer" => format!("[true,\"127.0.0.1\",{here}]\n"),
                _ => format!("[[\"127.0.0.1\",{here}],[\"127.0.0.1\",{}]]\n", server.addr().port()),
            };
            assert_eq!(answer, expected);
        }
    }

    fn recv_waits_for_all_when_asked(io) {
        let (_app, server) = start(io);
        let mut client = Connection::open(server.addr());
        client.send("fully\n012");
        assert!(client.stays_silent(Duration::from_millis(50)));
        client.send("3456789");
        assert_eq!(client.read_to_end(), b"10,0123456789\n");
    }

    fn recv_writes_into_views_where_they_lie(io) {
        let (_app, server) = start(io);
        let mut client = Connection::open(server.addr());
        client.send("views\n");
        client.send("abc");
        let answer = String::from_utf8(client.read_to_end()).expect("text");
        let shown = [(1, "1,..a....."), (2, "2,..ab...."), (3, "3,..abc...")];
        assert!(shown.iter().any(|(_, line)| answer.trim_end() == *line), "{answer:?}");
    }

    fn errors_carry_errno_code_and_value(io) {
        let (_app, server) = start(io);
        assert_eq!(ask(&server, "closed"), "true,EBADF,true,true,true");
        assert_eq!(ask(&server, "pending"), "true,EBADF,true,true,true");
        assert_eq!(ask(&server, "refused"), "true,ECONNREFUSED,true,true,true");
        assert_eq!(ask(&server, "beyond"), "RangeError");
        assert_eq!(ask(&server, "sync"), "true");
    }

    fn socket_options_have_both_spellings(io) {
        let (_app, server) = start(io);
        assert_eq!(ask(&server, "options"), "0,0,true,1");
    }

    fn a_handler_connects_to_another_server(io) {
        let (_app, server) = start(io);
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let other = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("accept");
            stream.set_read_timeout(Some(SOON)).expect("timeout");
            let mut buffer = [0; 10];
            stream.read_exact(&mut buffer).expect("read");
            assert_eq!(&buffer, b"over there");
            stream.write_all(b"and back").expect("write");
        });
        assert_eq!(ask(&server, &format!("proxy {port}")), "and back");
        other.join().expect("the other server");
        assert_eq!(ask(&server, "both"), "inside,127.0.0.1");
    }

    fn a_large_answer_arrives_whole(io) {
        let (_app, server) = start(io);
        let mut client = Connection::open(server.addr());
        client.send("flood\n");
        let bytes = client.read_to_end();
        assert_eq!((bytes.len(), bytes.last()), ((8 << 20) + 1, Some(&b'\n')));
    }

    fn a_peer_that_resets_is_an_error_and_no_signal(io) {
        let (_app, mut server) = start(io);
        let mut client = Connection::open(server.addr());
        client.send("gone\n");
        std::thread::sleep(Duration::from_millis(20)); // the line is read before the reset discards it
        client.reset();
        server.await_log("gone: true,EPIPE,true,true,true");
        assert!(server.is_alive());
    }

    fn the_descriptor_is_closed_when_the_handler_is_done(io) {
        let (_app, server) = start(io);
        assert_eq!(ask(&server, "sync"), "true");
        let base = server.fd_count();
        for line in ["closes", "throws", "sync"] {
            for _ in 0..20 {
                let answer = ask(&server, line);
                assert_eq!(answer.is_empty(), line != "sync", "{line}: {answer}");
            }
        }
        server.await_log("raw handler failed");
        support::eventually("descriptors are back", || server.fd_count() <= base);
    }

    fn one_app_may_speak_both_protocols(io) {
        let app = app!(
            "import * as os from 'os';
             export default {
               fetch: () => new Response('http'),
               accept: async (fd) => { await os.send(fd, 'tcp'); },
             };"
        );
        let listen = ["--listen", "http://127.0.0.1:0", "--listen", "tcp://127.0.0.1:0"];
        let server = Server::spawn(&[&listen[..], &["--io", io]].concat(), app.path());
        assert_eq!(Connection::open(server.addr_of("http")).get("/").text(), "http");
        assert_eq!(Connection::open(server.addr_of("tcp")).read_to_end(), b"tcp");
    }
}
