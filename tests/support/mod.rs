//! The harness that drives the built `jsserve` as a black box: servers, apps, clients.
//!
//! Owns: processes and temporary files of one test. Must not know: any crate of the server.
#![allow(
    dead_code,
    unused_imports,
    reason = "every test binary compiles the whole harness and uses its part"
)]

pub mod acme;
pub mod browser;
pub mod client;
pub mod devtools;
pub mod flow;
pub mod frames;
pub mod load;
pub mod packages;
pub mod refuse;
pub mod response;
pub mod script;
pub mod server;
pub mod way;
pub mod websocket;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub use browser::browser;
pub use client::{Connection, dial, fill, get, raw, there_and_back};
pub use devtools::Page;
pub use response::Response;
pub use script::Script;
pub use server::Server;
pub use way::{Over, Place, Way};
pub use websocket::{Frame, WebSocketClient, WebSocketPeer, ask_at};

/// How long anything may take that should happen at once; generous, for a busy machine.
pub const SOON: Duration = Duration::from_secs(10);

/// A file of `examples/`.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// An app written for one test; its folder goes away with it.
pub struct App {
    folder: PathBuf,
    file: PathBuf,
}

impl App {
    /// Writes `source` to a file in a folder of its own.
    pub fn new(source: &str) -> App {
        App::with_files("app.js", &[("app.js", source)])
    }

    /// Writes several files; `main` is the app.
    pub fn with_files(main: &str, files: &[(&str, &str)]) -> App {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("app-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).expect("folder for an app");
        for (name, source) in files {
            let file = folder.join(name);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("folder in an app");
            std::fs::write(file, source).expect("write an app");
        }
        App { file: folder.join(main), folder }
    }

    /// The app's path.
    pub fn path(&self) -> &Path {
        &self.file
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An app from the source of its `fetch`'s body, or from a whole module.
#[macro_export]
macro_rules! app {
    (fetch $body:expr) => {
        $crate::support::App::new(&format!(
            "export default {{ async fetch(request, env, ctx) {{ {} }} }};",
            $body
        ))
    };
    ($source:expr) => {
        $crate::support::App::new($source)
    };
}

/// Makes two tests of each function: on io_uring and on epoll. The parameter is the value of `--io`.
#[macro_export]
macro_rules! both_backends {
    ($($(#[$meta:meta])* fn $name:ident($io:ident) $body:block)+) => {$(
        mod $name {
            use super::*;

            $(#[$meta])*
            fn check($io: &str) $body

            #[test]
            fn uring() {
                if $crate::support::uring_works(concat!(stringify!($name), " on io_uring")) {
                    check("uring");
                }
            }

            #[test]
            fn epoll() {
                check("epoll");
            }
        }
    )+};
}

/// Makes six tests of each function: on io_uring and on epoll, over TCP, TLS and a Unix socket. The parameter is
/// the way to the server.
#[macro_export]
macro_rules! every_way {
    ($($(#[$meta:meta])* fn $name:ident($way:ident) $body:block)+) => {$(
        mod $name {
            use super::*;
            use $crate::support::{Over, Way};

            $(#[$meta])*
            fn check($way: Way) $body

            fn on_ring(over: Over) {
                if $crate::support::uring_works(concat!(stringify!($name), " on io_uring")) {
                    check(Way { io: "uring", over });
                }
            }

            #[test]
            fn uring() {
                on_ring(Over::Tcp);
            }

            #[test]
            fn uring_tls() {
                on_ring(Over::Tls);
            }

            #[test]
            fn uring_unix() {
                on_ring(Over::Unix);
            }

            #[test]
            fn epoll() {
                check(Way { io: "epoll", over: Over::Tcp });
            }

            #[test]
            fn epoll_tls() {
                check(Way { io: "epoll", over: Over::Tls });
            }

            #[test]
            fn epoll_unix() {
                check(Way { io: "epoll", over: Over::Unix });
            }
        }
    )+};
}

/// Whether this machine lets a server use io_uring; where it does not, prints what is skipped and why.
pub fn uring_works(test: &str) -> bool {
    static CAUSE: OnceLock<Option<String>> = OnceLock::new();
    let cause = CAUSE.get_or_init(|| {
        let app = App::new("export default { fetch() { return new Response('probe') } }");
        let server = Server::spawn(&["--io", "auto", "--workers", "1"], app.path());
        (!server.start_line().contains("io=uring")).then(|| server.start_line().to_string())
    });
    match cause {
        None => true,
        Some(line) => {
            skip(test, line);
            false
        }
    }
}

/// Prints that `test` is skipped; on the project's own machine (`.ci/run`) nothing may be.
pub fn skip(test: &str, why: &str) {
    assert!(std::env::var_os("JSSERVE_CI").is_none(), "{test} may not be skipped here: {why}");
    println!("skipped: {test}: {why}");
}

/// Bytes of which no two pieces nearby are the same.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

/// The next connection, whose reads end in time.
pub fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).expect("non-blocking");
    let mut accepted = None;
    eventually("a connection", || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let (stream, _) = accepted.expect("a connection");
    stream.set_nonblocking(false).expect("blocking");
    stream.set_read_timeout(Some(SOON)).expect("timeout");
    stream
}

/// A port that refuses connections for as long as it lives: bound, so that nobody else gets it, and not
/// listening (listen(2)).
pub struct ClosedPort(socket2::Socket);

impl ClosedPort {
    /// One that the kernel chose.
    pub fn new() -> ClosedPort {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("socket");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&any.into()).expect("bind");
        ClosedPort(socket)
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        let addr = self.0.local_addr().expect("address").as_socket().expect("an IP address");
        addr.port()
    }
}

/// Waits until `done` answers true, looking every few milliseconds.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !done() {
        assert!(Instant::now() < deadline, "not within {SOON:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
