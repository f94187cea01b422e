//! The ways to a test's server: its backend, and what carries the bytes to it.
//!
//! Owns: [`Way`], where a server is ([`Place`]), the test's certificate, byte streams to each. Must not know: HTTP.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// What carries the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    Tcp,
    Tls,
    Unix,
}

/// A way to a server.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// The value of `--io`.
    pub io: &'static str,
    pub over: Over,
}

impl Way {
    /// Over TCP, on the backend `io`.
    pub fn tcp(io: &str) -> Way {
        Way { io: if io == "uring" { "uring" } else { "epoll" }, over: Over::Tcp }
    }

    /// The flags of a server that speaks HTTP there.
    pub fn flags(self) -> Vec<String> {
        self.listening(["http", "https", "unix"])
    }

    /// The flags of a server that has its raw connections there.
    pub fn raw_flags(self) -> Vec<String> {
        self.listening(["tcp", "tls", "tcp+unix"])
    }

    fn listening(self, [tcp, tls, unix]: [&str; 3]) -> Vec<String> {
        let listen = match self.over {
            Over::Tcp => format!("{tcp}://127.0.0.1:0"),
            Over::Tls => format!("{tls}://127.0.0.1:0"),
            Over::Unix => format!("{unix}:{}", socket_path().display()),
        };
        let mut flags = vec!["--io".to_owned(), self.io.to_owned(), "--listen".to_owned(), listen];
        if self.over == Over::Tls {
            flags.extend(certificate().flags());
        }
        flags
    }
}

/// A path for a socket, short enough for one (unix(7)), that nothing has.
pub fn socket_path() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("jsserve-{}-{number}.sock", std::process::id()))
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Tcp(SocketAddr),
    Tls(SocketAddr),
    Unix(PathBuf),
}

impl From<SocketAddr> for Place {
    fn from(addr: SocketAddr) -> Place {
        Place::Tcp(addr)
    }
}

impl Place {
    /// Of a word of a start line: `https://127.0.0.1:8443`, `unix:/run/app.sock`.
    pub fn of(word: &str) -> Option<Place> {
        let unix =
            word.split_once("unix:").filter(|(scheme, _)| ["", "tcp+", "https+", "tls+"].contains(scheme));
        if let Some((_, path)) = unix.filter(|(_, path)| path.starts_with('/')) {
            return Some(Place::Unix(path.into()));
        }
        let (scheme, addr) = word.split_once("://")?;
        let addr = addr.trim_end_matches([',', '/']).parse().ok()?;
        Some(if ["https", "tls"].contains(&scheme) { Place::Tls(addr) } else { Place::Tcp(addr) })
    }
}

/// A certificate for `localhost`, `a.example`, `b.example` and 127.0.0.1, signed by itself.
pub struct TestCertificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
    config: Arc<ClientConfig>,
}

impl TestCertificate {
    /// A client that trusts it, and keeps its sessions.
    pub fn client(&self) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = rustls::client::Resumption::in_memory_sessions(8);
        Arc::new(config)
    }

    /// The flags of a server that has it.
    pub fn flags(&self) -> [String; 4] {
        let path = |path: &PathBuf| path.display().to_string();
        ["--tls-cert".into(), path(&self.certificate), "--tls-key".into(), path(&self.key)]
    }
}

/// The one of this program.
pub fn certificate() -> &'static TestCertificate {
    static MADE: OnceLock<TestCertificate> = OnceLock::new();
    MADE.get_or_init(|| {
        let names = ["localhost", "a.example", "b.example", "127.0.0.1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let file = |name| folder.join(format!("{name}-{}.pem", std::process::id()));
        let (certificate, key) = (file("certificate"), file("key"));
        std::fs::write(&certificate, made.cert.pem()).expect("write");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("write");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
        TestCertificate { certificate, key, config: Arc::new(config) }
    })
}

/// TLS over a connection, which asks for `name`.
pub fn secure(mut stream: TcpStream, name: ServerName<'static>) -> io::Result<ClientStream> {
    let session = ClientConnection::new(certificate().config.clone(), name);
    let mut session = session.map_err(io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    Ok(ClientStream::Tls(Box::new(StreamOwned::new(session, stream))))
}

/// The name of TLS to a test's server, which is none: an IP address.
pub fn no_name() -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into())
}

/// A byte stream to a server.
pub enum ClientStream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl ClientStream {
    /// Connects within `time`; TLS without a name, which an IP address has not.
    pub fn open(place: &Place, time: Duration) -> io::Result<ClientStream> {
        match place {
            Place::Tcp(addr) => {
                let stream = TcpStream::connect_timeout(addr, time)?;
                stream.set_nodelay(true)?;
                Ok(ClientStream::Tcp(stream))
            }
            Place::Unix(path) => UnixStream::connect(path).map(ClientStream::Unix),
            Place::Tls(addr) => ClientStream::open_tls(*addr, no_name(), time),
        }
    }

    /// The same with TLS that asks for `name`; the handshake is over.
    pub fn open_tls(addr: SocketAddr, name: ServerName<'static>, time: Duration) -> io::Result<ClientStream> {
        let stream = TcpStream::connect_timeout(&addr, time)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(time))?;
        secure(stream, name)
    }

    /// The TCP socket below, where there is one.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            ClientStream::Tcp(stream) => Some(stream),
            ClientStream::Tls(stream) => Some(&stream.sock),
            ClientStream::Unix(_) => None,
        }
    }

    /// How long a read may wait.
    pub fn set_read_timeout(&self, time: Duration) -> io::Result<()> {
        match self {
            ClientStream::Unix(stream) => stream.set_read_timeout(Some(time)),
            ClientStream::Tcp(stream) => stream.set_read_timeout(Some(time)),
            ClientStream::Tls(stream) => stream.sock.set_read_timeout(Some(time)),
        }
    }

    /// How long a write may wait.
    pub fn set_write_timeout(&self, time: Duration) -> io::Result<()> {
        match self {
            ClientStream::Unix(stream) => stream.set_write_timeout(Some(time)),
            ClientStream::Tcp(stream) => stream.set_write_timeout(Some(time)),
            ClientStream::Tls(stream) => stream.sock.set_write_timeout(Some(time)),
        }
    }

    /// Whether reads and writes wait at all.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            ClientStream::Unix(stream) => stream.set_nonblocking(nonblocking),
            ClientStream::Tcp(stream) => stream.set_nonblocking(nonblocking),
            ClientStream::Tls(stream) => stream.sock.set_nonblocking(nonblocking),
        }
    }

    /// Closes with RST instead of FIN (socket(7), SO_LINGER); on a Unix socket, which has no reset, it only closes.
    pub fn reset(self) {
        if let Some(stream) = self.tcp() {
            socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
        }
    }

    /// No more bytes from this side: a FIN, under TLS after a close_notify.
    pub fn finish(&mut self) -> io::Result<()> {
        match self {
            ClientStream::Unix(stream) => stream.shutdown(Shutdown::Write),
            ClientStream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            ClientStream::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush()?;
                stream.sock.shutdown(Shutdown::Write)
            }
        }
    }
}

/// Both ways at once, on one thread: a session of TLS is not two handles.
impl ClientStream {
    /// Sends all of `bytes`, and gives what comes meanwhile to `got`.
    ///
    /// # Errors
    /// The other side ends or breaks it, or nothing moves for ten seconds.
    pub fn send_while_reading(&mut self, mut bytes: &[u8], got: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let (mut block, mut moved) = (vec![0; 64 << 10], Instant::now());
        self.set_nonblocking(true)?;
        while !bytes.is_empty() || self.holds_bytes() {
            let sent = unless_it_blocks(self.write_some(bytes))?.unwrap_or(0);
            bytes = &bytes[sent..];
            let received = unless_it_blocks(self.read_some(&mut block))?;
            if received == Some(0) {
                return Err(ErrorKind::BrokenPipe.into());
            }
            got(&block[..received.unwrap_or(0)]);
            if sent > 0 || received.is_some() {
                moved = Instant::now();
            } else if moved.elapsed() > Duration::from_secs(10) {
                return Err(ErrorKind::TimedOut.into());
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        self.set_nonblocking(false)
    }

    /// Whether the session of TLS has records that are still to be sent.
    fn holds_bytes(&self) -> bool {
        matches!(self, ClientStream::Tls(stream) if stream.conn.wants_write())
    }

    /// As many bytes as go; of TLS's own stream a read waits until all is written.
    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let ClientStream::Tls(stream) = self else { return self.write(bytes) };
        let taken = stream.conn.writer().write(bytes)?;
        while stream.conn.wants_write() {
            if unless_it_blocks(stream.conn.write_tls(&mut stream.sock))?.is_none() {
                break;
            }
        }
        Ok(taken)
    }

    fn read_some(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let ClientStream::Tls(stream) = self else { return self.read(block) };
        if let Some(length) = unless_it_blocks(stream.conn.reader().read(block))? {
            return Ok(length);
        }
        stream.conn.read_tls(&mut stream.sock)?;
        stream.conn.process_new_packets().map_err(io::Error::other)?;
        stream.conn.reader().read(block)
    }
}

/// None where it would have to wait.
fn unless_it_blocks<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

impl Read for ClientStream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            ClientStream::Unix(stream) => stream.read(bytes),
            ClientStream::Tcp(stream) => stream.read(bytes),
            ClientStream::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for ClientStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            ClientStream::Unix(stream) => stream.write(bytes),
            ClientStream::Tcp(stream) => stream.write(bytes),
            ClientStream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            ClientStream::Unix(stream) => stream.flush(),
            ClientStream::Tcp(stream) => stream.flush(),
            ClientStream::Tls(stream) => stream.flush(),
        }
    }
}
