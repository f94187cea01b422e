//! The examples that speak TCP and Unix sockets beside HTTP: functions written in JavaScript, the
//! proxy, the IRC client, the chat.
//!
//! Owns: servers and clients at the other end. Must not know: the examples' insides.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use crate::support::{App, SOON, Script, accept, example, pattern};
use rustix::process::Signal;

fn proxy(io: &str) -> (TcpListener, Script, TcpStream) {
    let target = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = target.local_addr().expect("address").port().to_string();
    let script = Script::spawn(io, &example("os/tcp_proxy.js"), &["0", "127.0.0.1", &port]);
    let client = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], script.port()))).expect("connect");
    client.set_read_timeout(Some(SOON)).expect("timeout");
    (target, script, client)
}

both_backends! {
    fn async_functions_written_in_javascript_work(io) {
        let text = Script::spawn(io, &example("os/async.js"), &[]).finish();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], r#"echoed "hello" and 1000000 characters"#);
        assert_eq!(lines[1], "recv of no descriptor: wait: Bad file descriptor");
        assert!(lines[2].starts_with("accept of a closed listener: accept: Bad file descriptor"), "{text}");
        assert!(lines[3].starts_with("connect to a closed listener: connect: Connection refused"), "{text}");
    }

    fn the_proxy_copies_both_ways_and_passes_ends_on(io) {
        let (target, _script, mut client) = proxy(io);
        let sent = pattern(3_000_000);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut server = accept(&target);
                let mut got = Vec::new();
                server.read_to_end(&mut got).expect("read");
                assert!(got == pattern(3_000_000), "the bytes changed on their way to the target");
                server.write_all(&got).expect("answer after the client's end");
            });
            client.write_all(&sent).expect("send");
            client.shutdown(Shutdown::Write).expect("shutdown");
            let mut back = Vec::new();
            client.read_to_end(&mut back).expect("read");
            assert!(back == sent, "the bytes changed on their way back");
        });
    }

    fn the_proxy_ends_both_sides_when_one_breaks(io) {
        let (target, script, client) = proxy(io);
        let mut server = accept(&target);
        socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).expect("SO_LINGER");
        drop(client);
        let mut rest = Vec::new();
        let _ = server.read_to_end(&mut rest); // an end or a reset, but in time
        assert!(rest.is_empty());
        drop((server, target));
        let mut late = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], script.port()))).expect("connect");
        late.set_read_timeout(Some(SOON)).expect("timeout");
        assert_eq!(late.read(&mut [0; 1]).unwrap_or(0), 0, "no target, no connection");
    }

    fn the_proxy_holds_back_who_sends_too_fast(io) {
        let (target, _script, mut client) = proxy(io);
        let server = accept(&target); // and reads nothing
        client.set_nonblocking(true).expect("non-blocking");
        let block = pattern(64 << 10);
        let mut taken = 0_usize;
        let mut quiet = std::time::Instant::now();
        while quiet.elapsed() < std::time::Duration::from_millis(300) {
            match client.write(&block) {
                Ok(bytes) => {
                    taken += bytes;
                    quiet = std::time::Instant::now();
                    assert!(taken < 64 << 20, "the proxy takes everything");
                }
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(5)),
            }
        }
        drop(server);
    }

    fn irc_client_joins_says_and_hears(io) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port().to_string();
        let mut client = Script::spawn(io, &example("os/irc_client.js"), &["127.0.0.1", &port, "ada", "#test"]);
        let stream = accept(&listener);
        let mut writer = stream.try_clone().expect("clone");
        let mut lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
        let mut next = || lines.next().expect("a line");
        let mut say = |text: &str| writer.write_all(text.as_bytes()).expect("send");

        assert_eq!((next().as_str(), next().as_str()), ("NICK ada", "USER ada 0 * :ada"));
        say(":irc.test 433 * ada :Nickname is already in use\r\nPING :42\r\n");
        assert_eq!((next().as_str(), next().as_str()), ("NICK ada_", "PONG :42"));
        say(":irc.test 001 ada_ :Welcome\r\n");
        assert_eq!(next(), "JOIN #test");
        // In pieces, and with a colour that a terminal would not like.
        say(":ada_!a@test JOIN :#test\r\n:bob!b@test PRIVMSG #test :\x1b[31mhel");
        say("lo\r\n:bob!b@test PRIVMSG ada_ :psst\r\nnonsense :\r\n\r\n");
        client.await_output("* ada_ comes in\nbob: [31mhello\nbob (to you): psst\n");
        client.type_line("hi there");
        assert_eq!(next(), "PRIVMSG #test :hi there");
        client.type_line(&"ä".repeat(300));
        assert_eq!(next(), format!("PRIVMSG #test :{}", "ä".repeat(200)));
        assert_eq!(next(), format!("PRIVMSG #test :{}", "ä".repeat(100)));
        client.end_input();
        assert_eq!(next(), "QUIT :bye");
        drop((lines, writer));
        assert!(client.finish().ends_with("* the connection has ended\n"));
    }

    fn the_chat_lets_all_hear_what_one_says(io) {
        let folder = App::new("");
        let path = folder.path().with_file_name("chat.sock");
        let path = path.to_str().expect("a path");
        // What a server that was killed leaves behind is replaced.
        drop(std::os::unix::net::UnixListener::bind(path).expect("bind"));
        let server = Script::spawn(io, &example("os/chat_server.js"), &[path]);
        server.await_output("listening on ");
        let mut ada = Script::spawn(io, &example("os/chat_client.js"), &[path, "ada"]);
        ada.await_output("* here: nobody yet\n");
        let mut bob = Script::spawn(io, &example("os/chat_client.js"), &[path, "bob"]);
        bob.await_output("* here: ada\n");
        ada.await_output("* bob comes in\n");
        ada.type_line("hello, bob");
        bob.await_output("ada: hello, bob\n");
        bob.type_line("hello, ädä");
        ada.await_output("bob: hello, ädä\n");

        let taken = Script::spawn(io, &example("os/chat_client.js"), &[path, "ada"]);
        assert!(taken.finish().contains("* that name is taken\n"));

        ada.end_input();
        assert!(!ada.finish().contains("ada: "), "nobody hears themselves");
        bob.await_output("* ada leaves\n");
        server.signal(Signal::TERM);
        server.finish();
        assert!(bob.finish().ends_with("* the server has ended the connection\n"));
        assert!(!std::path::Path::new(path).exists(), "the socket stays behind");
    }

    fn the_chat_drops_who_does_not_read(io) {
        let folder = App::new("");
        let path = folder.path().with_file_name("chat.sock");
        let server = Script::spawn(io, &example("os/chat_server.js"), &[path.to_str().expect("a path")]);
        server.await_output("listening on ");
        let mut line = String::new();
        let mut deaf = UnixStream::connect(&path).expect("connect");
        deaf.write_all(b"deaf\n").expect("send");
        BufReader::new(&deaf).read_line(&mut line).expect("an answer"); // and nothing after it
        let mut loud = UnixStream::connect(&path).expect("connect");
        loud.set_read_timeout(Some(SOON)).expect("timeout");
        let mut heard = BufReader::new(loud.try_clone().expect("clone"));
        loud.write_all(b"loud\n").expect("send");
        line.clear();
        heard.read_line(&mut line).expect("an answer");
        assert_eq!(line, "* here: deaf\n");
        let long = format!("{}\n", "x".repeat(4_000));
        let mut told = 0;
        while told < 2_000 && loud.write_all(long.as_bytes()).is_ok() {
            told += 1;
        }
        line.clear();
        heard.read_line(&mut line).expect("the news");
        assert_eq!(line, "* deaf leaves\n", "after {told} lines");
    }
}
