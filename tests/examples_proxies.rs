//! The examples that stand between others: a TCP proxy that ends TLS, and an app behind nginx.
//!
//! Owns: targets, clients, nginx as a child. Must not know: the examples' insides.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::ServerName;

use crate::support::way::{ClientStream, certificate, no_name, secure, socket_path};
use crate::support::{SOON, Server, accept, dial, example, get, pattern, skip};

/// The proxy with a target for each of two names.
fn proxy(io: &str) -> (Server, [TcpListener; 2]) {
    let targets = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").expect("bind"));
    let [a, b] = [0, 1].map(|number: usize| targets[number].local_addr().expect("address"));
    let routes = format!("ROUTES=a.example={a},b.example={b}");
    let certificate = certificate().flags();
    let mut flags = vec!["--io", io, "--workers", "2", "--listen", "tls://127.0.0.1:0", "--env", &routes];
    flags.extend(certificate.iter().map(String::as_str));
    (Server::spawn(&flags, &example("sni_proxy.js")), targets)
}

fn dial_tls(server: &Server, name: &'static str) -> ClientStream {
    let name = ServerName::try_from(name).expect("a name");
    ClientStream::open_tls(server.addr_of("tls"), name, SOON).expect("a handshake")
}

/// What comes to the end of the stream, which under TLS is a close_notify.
fn rest(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an end in order");
    bytes
}

both_backends! {
    fn the_sni_proxy_sends_each_name_to_its_target(io) {
        let (server, targets) = proxy(io);
        for (name, target) in [("a.example", &targets[0]), ("B.example", &targets[1]), ("a.example", &targets[0])] {
            let mut client = dial_tls(&server, name);
            client.write_all(name.as_bytes()).expect("send");
            let mut other = accept(target);
            let mut got = vec![0; name.len()];
            other.read_exact(&mut got).expect("what was in TLS");
            assert_eq!(got, name.as_bytes());
            other.write_all(b"hello").expect("send");
            drop(other);
            assert_eq!(rest(&mut client), b"hello");
        }
    }

    fn the_sni_proxy_closes_who_has_no_route(io) {
        let (server, targets) = proxy(io);
        assert_eq!(rest(&mut dial_tls(&server, "localhost")), b"");
        server.await_log("127.0.0.1 asks for localhost");
        let stream = dial(server.addr_of("tls"));
        assert_eq!(rest(&mut secure(stream, no_name()).expect("a handshake")), b"");
        server.await_log("127.0.0.1 asks for no name");
        for target in targets {
            target.set_nonblocking(true).expect("non-blocking");
            assert!(target.accept().is_err(), "a target has got a connection");
        }
    }

    fn the_sni_proxy_copies_both_ways_at_once_and_passes_ends_on(io) {
        let (server, [target, _]) = proxy(io);
        let bytes = pattern(3_000_000);
        let mut client = dial_tls(&server, "a.example");
        let other = accept(&target);
        std::thread::scope(|scope| {
            let (mut reader, mut writer) = (other.try_clone().expect("clone"), other);
            let sent = scope.spawn(move || rest(&mut reader));
            let bytes = &bytes;
            let writing = scope.spawn(move || {
                writer.write_all(bytes).expect("send");
                writer
            });
            client.write_all(bytes).expect("send");
            client.finish().expect("a close_notify");
            // The target sees the client's end while its own direction is still open.
            assert!(sent.join().expect("the target") == *bytes, "the bytes changed on their way to the target");
            let mut back = vec![0; bytes.len()];
            client.read_exact(&mut back).expect("read");
            assert!(back == *bytes, "the bytes changed on their way back");
            let mut writer = writing.join().expect("the target");
            writer.write_all(b"the last words").expect("send after the client's end");
            writer.shutdown(Shutdown::Write).expect("shutdown");
            assert_eq!(rest(&mut client), b"the last words");
        });
    }

    fn the_sni_proxy_passes_a_targets_end_on_and_goes_on_the_other_way(io) {
        let (server, [_, target]) = proxy(io);
        let mut client = dial_tls(&server, "b.example");
        let mut other = accept(&target);
        other.write_all(b"hello").expect("send");
        other.shutdown(Shutdown::Write).expect("shutdown");
        assert_eq!(rest(&mut client), b"hello");
        client.write_all(b"and good-bye").expect("send after the target's end");
        client.finish().expect("a close_notify");
        assert_eq!(rest(&mut other), b"and good-bye");
    }
}

/// nginx with the example's configuration, in the foreground; ended when dropped.
struct Nginx {
    child: Child,
    addr: SocketAddr,
    folder: PathBuf,
}

impl Nginx {
    /// In front of the socket at `path`; none where nginx or its module is missing.
    fn start(test: &str, path: &Path) -> Option<Nginx> {
        let module = Path::new("/usr/lib/nginx/modules/ngx_stream_module.so");
        if !module.exists() {
            skip(test, "no nginx with its stream module: apt-get install libnginx-mod-stream");
            return None;
        }
        // It is given the listening socket (the variable is how it hands them to a new version of itself): a port
        // that was looked up would be somebody else's by then.
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let addr = listener.local_addr().expect("address");
        socket2::SockRef::from(&listener).set_cloexec(false).expect("FD_CLOEXEC");
        let own = std::fs::read_to_string(example("behind_nginx/nginx.conf")).expect("nginx.conf");
        assert!(own.contains("listen 127.0.0.1:8080;") && own.contains("unix:/run/app/app.sock;"));
        let own = own
            .replace("127.0.0.1:8080", &addr.to_string())
            .replace("/run/app/app.sock", path.to_str().expect("UTF-8"));
        let head = format!(
            "load_module {};\nuser root;\ndaemon off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr error;\nevents {{}}\n",
            module.display()
        );
        let folder = path.with_extension("nginx");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("nginx.conf"), head + &own).expect("write");
        let child = Command::new("nginx")
            .env("NGINX", format!("{};", listener.as_raw_fd()))
            .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
            .arg(&folder)
            .stdin(Stdio::null())
            .spawn()
            .expect("run nginx");
        Some(Nginx { child, addr, folder })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It ends its worker before itself.
        let pid = Pid::from_raw(self.child.id() as i32).expect("pid");
        let _ = kill_process(pid, Signal::TERM);
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The text of one answer on a connection of its own.
fn ask(stream: &mut (impl Read + Write)) -> String {
    let request = get("/").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("send");
    let answer = String::from_utf8(rest(stream)).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.split("\r\n\r\n").nth(1).expect("content").to_owned()
}

fn behind(io: &str, scheme: &str, path: &Path) -> Server {
    let listen = format!("{scheme}:{}?proxy", path.display());
    let certificate = certificate().flags();
    let mut flags = vec!["--io", io, "--listen", &listen, "--trusted-proxies", "unix"];
    if scheme == "https+unix" {
        flags.extend(certificate.iter().map(String::as_str));
    }
    Server::spawn(&flags, &example("behind_nginx/app.js"))
}

both_backends! {
    fn an_app_behind_nginx_knows_its_clients(io) {
        let path = socket_path();
        let Some(nginx) = Nginx::start("behind_nginx/app.js", &path) else { return };
        let server = behind(io, "unix", &path);
        for _ in 0..3 {
            let mut client: TcpStream = dial(nginx.addr);
            let own = client.local_addr().expect("address");
            assert_eq!(ask(&mut client), format!("http: {} {}\n", own.ip(), own.port()));
        }
        // Past nginx, without a header: nobody vouches for who asks.
        let mut client = UnixStream::connect(&path).expect("connect");
        client.set_read_timeout(Some(SOON)).expect("timeout");
        let _ = client.write_all(get("/").as_bytes());
        let mut got = Vec::new();
        let _ = client.read_to_end(&mut got);
        assert!(got.is_empty(), "{}", String::from_utf8_lossy(&got));
        server.await_log("refused: no PROXY header");
    }

    fn tls_passes_through_nginx_to_the_app(io) {
        let path = socket_path();
        let Some(nginx) = Nginx::start("behind_nginx/app.js", &path) else { return };
        let _server = behind(io, "https+unix", &path);
        let stream = dial(nginx.addr);
        let own = stream.local_addr().expect("address");
        let mut client = secure(stream, no_name()).expect("a handshake");
        assert_eq!(ask(&mut client), format!("https: {} {}\n", own.ip(), own.port()));
    }
}
