//! A server over TLS inside of the test's own worker: hyper over our TLS stream, as its other side.
//!
//! Owns: the certificates, and hyper's traits over [`TlsStream`]. Must not know: the client.
#![allow(dead_code)] // each test binary uses its own part

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use hyper::body::Incoming;
use hyper::rt::{Executor, Read, ReadBufCursor, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use runtime::client::{Client, ClientOptions, Proxy};
use runtime::io::{self as worker_io, Listener};
use runtime::tls::{Roots, TlsStream};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority that signs what the tests want.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate's faults, and what the server offers by ALPN.
pub struct Terms {
    pub names: &'static [&'static str],
    pub expired: bool,
    pub alpn: &'static [&'static str],
}

impl Default for Terms {
    fn default() -> Self {
        Terms { names: &["localhost", "127.0.0.1"], expired: false, alpn: &["h2", "http/1.1"] }
    }
}

impl Authority {
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        // Two authorities of one name would be told apart by their signatures only.
        let name = format!("authority {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    pub fn roots(&self) -> Roots {
        Roots::These(vec![self.0.der().clone()])
    }

    /// A client that trusts this authority only.
    pub fn client(&self) -> Client {
        Client::new(ClientOptions { roots: self.roots(), proxy: Proxy::Direct, ..ClientOptions::default() })
    }

    pub fn server_config(&self, terms: &Terms) -> Arc<ServerConfig> {
        let names: Vec<String> = terms.names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("names");
        if terms.expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a key that fits");
        config.alpn_protocols = terms.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// What a service answers with.
pub enum Answer {
    Whole(Bytes),
    /// This, and then nothing for ever; the handle tells when it is dropped.
    Endless(Bytes, Rc<()>),
    /// So many bytes.
    Large(usize),
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut *self {
            Answer::Whole(bytes) => std::mem::take(bytes),
            Answer::Endless(bytes, _) if bytes.is_empty() => return Poll::Pending,
            Answer::Endless(bytes, _) => std::mem::take(bytes),
            Answer::Large(left) => {
                let size = (*left).min(64 << 10);
                *left -= size;
                Bytes::from(vec![b'x'; size])
            }
        };
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }
}

pub struct TlsServer {
    pub addr: SocketAddr,
    accepts: Rc<Cell<usize>>,
    closes: Rc<Cell<usize>>,
}

impl TlsServer {
    /// Answers each request with what `service` makes of it.
    pub fn start<S, F>(config: Arc<ServerConfig>, service: S) -> Self
    where
        S: Fn(http::Request<Incoming>) -> F + 'static,
        F: Future<Output = http::Response<Answer>> + 'static,
    {
        let socket = TcpListener::bind("127.0.0.1:0").expect("bind");
        let addr = socket.local_addr().expect("address");
        let listener = Listener::new(socket).expect("listener");
        let (accepts, closes) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (counts, service) = ((accepts.clone(), closes.clone()), Rc::new(service));
        drop(worker_io::spawn(async move {
            while let Ok(stream) = listener.accept().await {
                counts.0.set(counts.0.get() + 1);
                let (config, service, closes) = (config.clone(), service.clone(), counts.1.clone());
                drop(worker_io::spawn(async move {
                    if let Ok(stream) = TlsStream::accept(stream, config).await {
                        serve(stream, service).await;
                    }
                    closes.set(closes.get() + 1);
                }));
            }
        }));
        TlsServer { addr, accepts, closes }
    }

    /// Answers with method, version and path of the request, and its body.
    pub fn echo(config: Arc<ServerConfig>) -> Self {
        Self::start(config, |request| async move {
            let line = format!("{} {:?} {}\n", request.method(), request.version(), request.uri());
            let mut text = line.into_bytes();
            let mut body = request.into_body();
            while let Some(Ok(frame)) = next(&mut body).await {
                text.extend_from_slice(&frame.into_data().unwrap_or_default());
            }
            http::Response::new(Answer::Whole(text.into()))
        })
    }

    pub fn url(&self, host: &str, path: &str) -> url::Url {
        url::Url::parse(&format!("https://{host}:{}{path}", self.addr.port())).expect("a URL")
    }

    pub fn accepts(&self) -> usize {
        self.accepts.get()
    }

    /// Waits until `count` connections have ended.
    pub async fn closed(&self, count: usize) {
        while self.closes.get() < count {
            worker_io::sleep(std::time::Duration::from_millis(2)).await;
        }
    }
}

/// The next frame of a request's body.
pub async fn next(body: &mut Incoming) -> Option<Result<Frame<Bytes>, hyper::Error>> {
    std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut *body), cx)).await
}

async fn serve<S, F>(stream: TlsStream, service: Rc<S>)
where
    S: Fn(http::Request<Incoming>) -> F + 'static,
    F: Future<Output = http::Response<Answer>> + 'static,
{
    let is_h2 = stream.alpn().as_deref() == Some(b"h2");
    let io = Hyper { stream, rest: RefCell::default() };
    let service = service_fn(move |request| {
        let answer = service(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    // How it ends is the client's side to judge.
    let _ = match is_h2 {
        true => http2::Builder::new(Worker).serve_connection(io, service).await,
        false => http1::Builder::new().serve_connection(io, service).await,
    };
}

#[derive(Clone)]
struct Worker;

impl<F: Future<Output = ()> + 'static> Executor<F> for Worker {
    fn execute(&self, future: F) {
        drop(worker_io::spawn(future));
    }
}

struct Hyper {
    stream: TlsStream,
    rest: RefCell<Vec<u8>>,
}

impl Read for Hyper {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut rest = self.rest.borrow_mut();
        if rest.is_empty() {
            *rest = ready!(self.stream.poll_recv(cx))?.to_vec();
        }
        let fits = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..fits]);
        rest.drain(..fits);
        Poll::Ready(Ok(()))
    }
}

impl Write for Hyper {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.stream.poll_sent(cx)).0?;
        self.stream.start_send(bytes.to_vec());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_sent(cx).map(|(result, _)| result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_shutdown(cx)
    }
}
