//! Servers for tests of the client: threads that answer with the bytes that a test gives them.
//!
//! Owns: accept loops, the reading of requests, the count of connections. Must not know: the client.
#![allow(dead_code)] // each test binary uses its own part

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use runtime::client::{Client, ClientOptions, Proxy, Request, Response, Result};
use url::Url;

/// A server whose connections each run `handler` on a thread, until the process ends.
pub struct Server {
    pub addr: SocketAddr,
    accepts: Arc<AtomicUsize>,
    closes: Arc<AtomicUsize>,
}

impl Server {
    pub fn start(handler: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1:0", handler)
    }

    /// As [`start`](Self::start), at `addr`.
    pub fn on(addr: &str, handler: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(addr).expect("bind");
        let addr = listener.local_addr().expect("address");
        let (accepts, closes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (handler, counts) = (Arc::new(handler), (accepts.clone(), closes.clone()));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("accept");
                stream.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
                let number = counts.0.fetch_add(1, Ordering::SeqCst);
                let (handler, closes) = (handler.clone(), counts.1.clone());
                std::thread::spawn(move || {
                    let mut conn = Conn { reader: BufReader::new(stream), number };
                    handler(&mut conn);
                    drop(conn);
                    closes.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Server { addr, accepts, closes }
    }

    /// Answers every request of every connection with `answer`.
    pub fn canned(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |conn| {
            while conn.request().is_some() {
                conn.send(&answer);
            }
        })
    }

    /// Answers each connection's first request with `answer`, then closes.
    pub fn once(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |conn| {
            conn.request();
            conn.send(&answer);
        })
    }

    /// Answers with the request itself, as the server read it.
    pub fn echo() -> Self {
        Self::start(|conn| {
            while let Some(request) = conn.request() {
                let text = [request.head.as_bytes(), b"\r\n", &request.body].concat();
                conn.send(&response("", &text));
            }
        })
    }

    pub fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.addr)).expect("a URL")
    }

    /// Connections so far.
    pub fn accepts(&self) -> usize {
        self.accepts.load(Ordering::SeqCst)
    }

    /// Waits, without blocking the worker, until `count` connections have ended.
    pub async fn closed(&self, count: usize) {
        while self.closes.load(Ordering::SeqCst) < count {
            runtime::io::sleep(Duration::from_millis(2)).await;
        }
    }

    /// As [`closed`](Self::closed), blocking the worker.
    pub fn wait_closed(&self, count: usize) {
        while self.closes.load(Ordering::SeqCst) < count {
            std::thread::yield_now();
        }
    }
}

/// A connection of a server.
pub struct Conn {
    pub reader: BufReader<TcpStream>,
    /// 0 for the first connection of its server.
    pub number: usize,
}

/// A request as it came.
pub struct Seen {
    /// Request line and header lines.
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    /// The value of header `name`, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            (key == name).then_some(value)
        })
    }

    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }
}

impl Conn {
    /// The next request's head, without its body.
    pub fn head(&mut self) -> Option<Seen> {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                return Some(Seen { head, body: Vec::new() });
            }
            head.push_str(&line);
        }
    }

    /// The next request; `None` when the client is gone.
    pub fn request(&mut self) -> Option<Seen> {
        let mut seen = self.head()?;
        if let Some(length) = seen.header("content-length") {
            seen.body = vec![0; length.parse().expect("a length")];
            self.reader.read_exact(&mut seen.body).ok()?;
        } else if seen.header("transfer-encoding").is_some() {
            loop {
                let mut line = String::new();
                self.reader.read_line(&mut line).ok()?;
                let size = usize::from_str_radix(line.trim(), 16).expect("a chunk size");
                let mut chunk = vec![0; size + 2];
                self.reader.read_exact(&mut chunk).ok()?;
                if size == 0 {
                    break;
                }
                seen.body.extend_from_slice(&chunk[..size]);
            }
        }
        Some(seen)
    }

    /// Sends `bytes`; a client that is gone is no fault of the server.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.reader.get_mut().write_all(bytes).is_ok()
    }

    /// Waits for the client to close.
    pub fn drain(&mut self) {
        let mut rest = Vec::new();
        let _ = self.reader.read_to_end(&mut rest);
    }

    /// Makes the close send a reset.
    pub fn reset(&mut self) {
        let socket = socket2::SockRef::from(self.reader.get_ref());
        socket.set_linger(Some(Duration::ZERO)).expect("linger");
    }
}

/// A response 200 with these header lines, and a Content-Length.
pub fn response(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Options of a client that no environment disturbs.
pub fn options() -> ClientOptions {
    ClientOptions { proxy: Proxy::Direct, ..ClientOptions::default() }
}

pub fn client() -> Client {
    Client::new(options())
}

pub fn get(url: Url) -> Request {
    Request::new(Method::GET, url)
}

/// The whole body of a response, as text.
pub async fn text(response: &mut Response) -> String {
    String::from_utf8(response.body.collect(64 << 20).await.expect("a whole body")).expect("UTF-8")
}

/// Sends a request and reads all of its response.
pub async fn fetch(client: &Client, request: Request) -> Result<(u16, String)> {
    let mut response = client.send(request).await?;
    let body = response.body.collect(64 << 20).await?;
    Ok((response.status.as_u16(), String::from_utf8_lossy(&body).into_owned()))
}
