//! The examples that serve raw TCP by the hooks of `tcp`: the echo, the server of the Redis protocol.
//!
//! Owns: clients, those of Debian's redis-tools among them. Must not know: the examples' insides.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::way::ClientStream;
use crate::support::{self, Server, dial, example, fill, pattern, there_and_back};

fn redis(io: &str) -> Server {
    Server::spawn(&["--io", io, "--workers", "2"], &example("redis.js"))
}

/// What comes back for `sent`, when the other side has ended the connection, too.
fn answer(server: &Server, sent: &[u8]) -> String {
    let mut stream = dial(server.addr());
    stream.write_all(sent).expect("send");
    stream.shutdown(Shutdown::Write).expect("shutdown");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer in order");
    text
}

/// A command as clients send it.
fn command(words: &[&str]) -> String {
    let bulks = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), bulks.collect::<String>())
}

/// Whether a program of redis-tools is there.
fn is_there(program: &str, test: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        support::skip(test, &format!("no {program}; apt install redis-tools"));
    }
    found
}

fn output(program: &str, server: &Server, words: &[&str]) -> String {
    let port = server.addr().port().to_string();
    let output = Command::new(program).args(["-p", &port]).args(words).output().expect("run");
    assert!(output.status.success(), "{program} {words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

both_backends! {
    fn the_echo_by_hooks_sends_back_what_it_receives(io) {
        let server = Server::spawn(&["--io", io, "--workers", "2"], &example("echo_hooks.js"));
        let (stream, bytes) = (ClientStream::Tcp(dial(server.addr())), pattern(3_000_000));
        let back = there_and_back(stream, &bytes);
        assert!(back == bytes, "the bytes changed");
    }

    fn the_echo_by_hooks_holds_back_who_does_not_read(io) {
        let server = Server::spawn(&["--io", io, "--workers", "1"], &example("echo_hooks.js"));
        let mut stream = ClientStream::Tcp(dial(server.addr()));
        let taken = fill(&mut stream);
        let mut back = 0;
        let mut buffer = vec![0; 1 << 20];
        stream.set_nonblocking(false).expect("blocking");
        stream.finish().expect("shutdown");
        while back < taken {
            let bytes = stream.read(&mut buffer).expect("what was sent comes back");
            assert!(bytes > 0, "{back} of {taken} bytes");
            back += bytes;
        }
    }

    fn redis_answers_commands_in_order_however_they_are_cut(io) {
        let server = redis(io);
        let commands = [
            command(&["SET", "name", "v\u{e9}"]), command(&["get", "name"]), command(&["GET", "none"]),
            command(&["INCR", "n"]), command(&["INCRBY", "n", "41"]), command(&["GET", "n"]), command(&["INCR", "name"]),
            command(&["MSET", "a", "1", "b", "-0"]), command(&["MGET", "a", "b", "c"]), command(&["EXISTS", "a", "b", "c"]),
            command(&["DEL", "a", "c"]), command(&["EXPIRE", "b", "100"]), command(&["TTL", "b"]), command(&["TTL", "n"]),
            "ECHO  inline words\r\n\r\nPING\r\n".to_owned(), command(&["nonsense"]), command(&["GET"]), command(&["QUIT"]),
            command(&["PING"]),
        ].concat();
        let expected = "+OK\r\n$3\r\nv\u{e9}\r\n$-1\r\n:1\r\n:42\r\n$2\r\n42\r\n-ERR value is not an integer or out of range\r\n\
             +OK\r\n*3\r\n$1\r\n1\r\n$2\r\n-0\r\n$-1\r\n:2\r\n:1\r\n:1\r\n:100\r\n:-1\r\n$6\r\ninline\r\n+PONG\r\n\
             -ERR unknown command 'nonsense'\r\n-ERR wrong number of arguments for 'get' command\r\n+OK\r\n";
        assert_eq!(answer(&server, commands.as_bytes()), expected);
        let server = redis(io);
        let mut stream = dial(server.addr());
        stream.set_nodelay(true).expect("TCP_NODELAY");
        for piece in commands.as_bytes().chunks(7) {
            // The last is behind QUIT, which ends the connection.
            let _ = stream.write_all(piece);
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut text = vec![0; expected.len()];
        stream.read_exact(&mut text).expect("the same answers");
        assert_eq!(String::from_utf8_lossy(&text), expected);
    }

    fn redis_keeps_any_bytes_and_refuses_what_is_no_protocol(io) {
        let server = redis(io);
        let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let mut stream: TcpStream = dial(server.addr());
        stream.write_all(b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$300000\r\n").expect("send");
        stream.write_all(&bytes).expect("send");
        stream.write_all(b"\r\n*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n").expect("send");
        let mut back = vec![0; 5 + 9 + bytes.len() + 2];
        stream.read_exact(&mut back).expect("an answer");
        assert!(back[14..].starts_with(&bytes), "the bytes changed");
        for wrong in ["*2\r\n$x\r\n", "*1\r\nPING\r\n", "*99999999999\r\n", "*1\r\n$99999999\r\n"] {
            let said = answer(&server, wrong.as_bytes());
            assert!(said.starts_with("-ERR Protocol error: "), "{wrong:?}: {said:?}");
        }
        assert_eq!(answer(&server, b"PING\r\n"), "+PONG\r\n");
        assert!(!server.log().contains("ERROR"), "{}", server.log());
    }

    fn redis_cli_and_redis_benchmark_take_it_for_redis(io) {
        let test = "redis-cli and redis-benchmark";
        if !is_there("redis-cli", test) || !is_there("redis-benchmark", test) {
            return;
        }
        let server = redis(io);
        assert_eq!(output("redis-cli", &server, &["set", "greeting", "hello"]), "OK\n");
        assert_eq!(output("redis-cli", &server, &["get", "greeting"]), "hello\n");
        assert_eq!(output("redis-cli", &server, &["mget", "greeting", "none"]), "hello\n\n");
        assert!(output("redis-cli", &server, &["info"]).contains("redis_version:"));
        for pipeline in ["1", "16"] {
            let flags = ["-n", "600", "-c", "10", "-t", "ping,set,get,incr,mset", "-P", pipeline, "--csv"];
            let table = output("redis-benchmark", &server, &flags);
            for name in ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET"] {
                assert!(table.contains(&format!("\"{name}")), "no {name}: {table}");
            }
        }
        let count = output("redis-cli", &server, &["get", "counter:__rand_int__"]);
        // The last pipeline of a run is a whole one.
        assert!(count.trim_end().parse::<u32>().is_ok_and(|n| (1200..1300).contains(&n)), "{count}");
        assert!(!server.log().contains("ERROR"), "{}", server.log());
    }
}
