//! From a URL to a connection that takes requests: proxy, TLS, protocol.
//!
//! Owns: the order of these steps, and the settings of hyper's connections. Must not know: who asks,
//! or whether a connection that exists already would do.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, Uri, header};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::sync::OwnedSemaphorePermit;
use url::{Host, Url};

use crate::io::{self, JoinHandle, Stream};
use crate::log;

use super::error::{Error, ErrorKind, Result, find};
use super::pool::{Forward, Http1, Http2, Link};
use super::request::{Outgoing, Patience, RequestBody};
use super::{ClientState, Proxy};
use crate::net::{Adapter, Transport, WorkerExecutor, WorkerTimer, dial, dial_unix};
use crate::tls::TlsStream;

/// Bytes of an HTTP/2 stream, and of all streams of a connection, that may wait for their readers.
const STREAM_BYTES_MAX: u32 = 1 << 20;
const STREAMS_BYTES_MAX: u32 = 4 << 20;
/// A connection with open streams that says nothing is asked whether it lives.
const PING_AFTER: Duration = Duration::from_secs(20);

/// What a connection holds as long as it lives: its room in the pool.
pub(super) type Room = Option<OwnedSemaphorePermit>;

/// Opens a connection that can carry requests to `url`.
pub(super) async fn connect(client: &ClientState, url: &Url, room: Room) -> Result<Link> {
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(Error::new(ErrorKind::Request, format!("{url} names no host")));
    };
    if let Some(path) = &client.options.unix {
        let stream = dial_unix(path).await.map_err(Error::of_dial)?;
        return open_http1(client, Transport::Plain(stream), host, None, room).await;
    }
    let is_secure = url.scheme() == "https";
    let Some(proxy) = proxy_for(&client.options.proxy, url)? else {
        let stream = dial(host, port).await.map_err(Error::of_dial)?;
        if is_secure {
            return open_tls(client, stream, url, host, room).await;
        }
        return open_http1(client, Transport::Plain(stream), host, None, room).await;
    };
    let stream = dial_proxy(&proxy).await?;
    if is_secure {
        let stream = tunnel(client, stream, &format!("{host}:{port}"), &proxy).await?;
        return open_tls(client, stream, url, host, room).await;
    }
    let forward = Forward { authorization: proxy.basic_auth().cloned() };
    open_http1(client, Transport::Plain(stream), host, Some(forward), room).await
}

/// Opens a connection to `url` that is for one exchange, and then for what HTTP makes way for: through a proxy by a
/// tunnel (RFC 6455 section 4.1), with TLS that offers HTTP/1.1 alone.
pub(super) async fn connect_apart(client: &ClientState, url: &Url) -> Result<Transport> {
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(Error::new(ErrorKind::Request, format!("{url} names no host")));
    };
    let stream = match proxy_for(&client.options.proxy, url)? {
        None => match &client.options.unix {
            Some(path) => dial_unix(path).await.map_err(Error::of_dial)?,
            None => dial(host, port).await.map_err(Error::of_dial)?,
        },
        Some(proxy) => tunnel(client, dial_proxy(&proxy).await?, &format!("{host}:{port}"), &proxy).await?,
    };
    match url.scheme() {
        "https" => {
            let stream = secure(client.tls_apart()?, stream, url, host).await?;
            Ok(Transport::Tls(Box::new(stream)))
        }
        _ => Ok(Transport::Plain(stream)),
    }
}

async fn dial_proxy(proxy: &Intercept) -> Result<Stream> {
    let (via, port) = proxy_address(proxy)?;
    dial(via, port).await.map_err(|error| {
        let error = Error::of_dial(error);
        Error::because(ErrorKind::Proxy, format!("the proxy {via} does not answer"), error)
    })
}

/// The proxy for `url`, if it has one. [`Proxy::Environment`] is the process's own environment: what
/// scripts change is a copy of it, which does not come here.
fn proxy_for(rule: &Proxy, url: &Url) -> Result<Option<Intercept>> {
    let matcher = match rule {
        Proxy::Direct => return Ok(None),
        Proxy::Environment => Matcher::from_env(),
        Proxy::Through(proxy) => Matcher::builder().all(proxy.as_str()).build(),
    };
    let origin = url.origin().ascii_serialization();
    let uri: Uri = origin
        .parse()
        .map_err(|error| Error::because(ErrorKind::Request, format!("{origin} is no origin"), error))?;
    Ok(matcher.intercept(&uri))
}

fn proxy_address(proxy: &Intercept) -> Result<(&str, u16)> {
    let uri = proxy.uri();
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(host)) => Ok((host, uri.port_u16().unwrap_or(80))),
        (scheme, _) => {
            let message = format!("a proxy of the kind {} is not supported, http is", scheme.unwrap_or("?"));
            Err(Error::new(ErrorKind::Proxy, message))
        }
    }
}

/// Has the proxy behind `stream` connect to `authority` (RFC 9110 9.3.6).
async fn tunnel(client: &ClientState, stream: Stream, authority: &str, proxy: &Intercept) -> Result<Stream> {
    let failed = |error: hyper::Error| {
        Error::because(ErrorKind::Proxy, format!("the proxy gives no tunnel to {authority}"), error)
    };
    let body = Outgoing::new(RequestBody::Empty, Patience::new(client.options.connect_ms_max));
    let mut request = http::Request::new(body);
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = authority
        .parse()
        .map_err(|error| Error::because(ErrorKind::Request, format!("{authority} is no authority"), error))?;
    if let Ok(host) = HeaderValue::from_str(authority) {
        request.headers_mut().insert(header::HOST, host);
    }
    if let Some(authorization) = proxy.basic_auth() {
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
    }
    let builder = http1::Builder::new();
    let exchange = last_exchange(&builder, Transport::Plain(stream), request);
    let (answer, parts) = exchange.await.map_err(failed)?;
    let status = answer.status();
    if !status.is_success() {
        let why =
            if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED { ": it wants a password" } else { "" };
        let message = format!("the proxy gives no tunnel to {authority}: {status}{why}");
        return Err(Error::new(ErrorKind::Proxy, message));
    }
    match parts.left() {
        Some((Transport::Plain(stream), early)) if early.is_empty() => Ok(stream),
        _ => Err(Error::new(ErrorKind::Proxy, format!("the proxy spoke before {authority} was asked"))),
    }
}

/// What carries the bytes behind the last answer of HTTP on a connection, and those that came with its head.
pub(super) type Left = (Transport, Vec<u8>);

/// What becomes of a connection behind an answer.
pub(super) enum AfterAnswer {
    /// It has left HTTP.
    Left(Option<Left>),
    /// The answer's body is still to come, which this task moves.
    Open(JoinHandle<()>),
}

impl AfterAnswer {
    /// What has left HTTP; else the connection ends.
    pub(super) fn left(self) -> Option<Left> {
        match self {
            AfterAnswer::Left(left) => left,
            AfterAnswer::Open(task) => {
                task.abort();
                None
            }
        }
    }
}

/// The answer to a request that may be the last of HTTP on a connection; where it is (2xx to CONNECT, 101), what is
/// left of it.
pub(super) async fn last_exchange(
    builder: &http1::Builder,
    transport: Transport,
    request: http::Request<Outgoing>,
) -> hyper::Result<(http::Response<Incoming>, AfterAnswer)> {
    let is_connect = request.method() == Method::CONNECT;
    let (mut sender, connection) = builder.handshake(Adapter::new(transport)).await?;
    let mut answer = pin!(sender.send_request(request));
    let mut connection = Box::pin(connection.without_shutdown());
    let mut parts = None;
    // The connection moves the bytes of the answer, and ends with it.
    let answer = poll_fn(|cx| {
        if parts.is_none()
            && let Poll::Ready(ended) = connection.as_mut().poll(cx)
        {
            parts = Some(ended);
        }
        answer.as_mut().poll(cx)
    });
    let answer = answer.await?;
    let is_last = match is_connect {
        true => answer.status().is_success(),
        false => answer.status() == StatusCode::SWITCHING_PROTOCOLS,
    };
    if !is_last {
        let task = io::spawn(async move {
            if parts.is_none() {
                // Whoever reads the body hears of it.
                let _ = connection.await;
            }
        });
        return Ok((answer, AfterAnswer::Open(task)));
    }
    let parts = match parts {
        Some(parts) => parts?,
        None => connection.await?,
    };
    let mut early = parts.read_buf.to_vec();
    let transport = parts.io.into_parts().map(|(transport, rest)| {
        early.extend_from_slice(&rest);
        (transport, early)
    });
    Ok((answer, AfterAnswer::Left(transport)))
}

async fn open_tls(client: &ClientState, stream: Stream, url: &Url, host: &str, room: Room) -> Result<Link> {
    let stream = secure(client.tls()?, stream, url, host).await?;
    let speaks_h2 = stream.alpn().as_deref() == Some(b"h2");
    let transport = Transport::Tls(Box::new(stream));
    match speaks_h2 {
        true => open_http2(client, transport, host, room).await,
        false => open_http1(client, transport, host, None, room).await,
    }
}

/// TLS with the host of `url`.
async fn secure(config: Arc<ClientConfig>, stream: Stream, url: &Url, host: &str) -> Result<TlsStream> {
    let name = match url.host() {
        Some(Host::Ipv4(ip)) => Some(ServerName::IpAddress(std::net::IpAddr::V4(ip).into())),
        Some(Host::Ipv6(ip)) => Some(ServerName::IpAddress(std::net::IpAddr::V6(ip).into())),
        _ => ServerName::try_from(host.to_string()).ok(),
    };
    let name = name.ok_or_else(|| Error::new(ErrorKind::Tls, format!("{host} is no name for TLS")))?;
    TlsStream::connect(stream, config, name).await.map_err(|error| match find::<rustls::Error>(&error) {
        Some(inner) => Error::of_tls(inner, host),
        None => Error::because(ErrorKind::Tls, format!("TLS with {host} failed"), error),
    })
}

async fn open_http1(
    client: &ClientState,
    transport: Transport,
    host: &str,
    forward: Option<Forward>,
    room: Room,
) -> Result<Link> {
    let adapter = Adapter::new(transport);
    let watch = adapter.watch();
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(client.options.header_bytes_max.max(8 << 10))
        .max_headers(client.options.header_fields_max)
        .handshake(adapter)
        .await
        .map_err(|error| Error::of_hyper(error, host))?;
    let host: Rc<str> = host.into();
    let task = io::spawn(async move {
        let _room = room;
        if let Err(error) = connection.await
            && log::admits(log::Kind::Upstream)
        {
            tracing::debug!("connection to {host}: {error}");
        }
    });
    Ok(Link::Http1(Http1::new(sender, watch, task, forward)))
}

async fn open_http2(client: &ClientState, transport: Transport, host: &str, room: Room) -> Result<Link> {
    let adapter = Adapter::new(transport);
    let watch = Rc::new(adapter.watch());
    let (sender, connection) = http2::Builder::new(WorkerExecutor)
        .timer(WorkerTimer)
        .initial_stream_window_size(STREAM_BYTES_MAX)
        .initial_connection_window_size(STREAMS_BYTES_MAX)
        .max_send_buf_size(64 << 10)
        .max_header_list_size(u32::try_from(client.options.header_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_AFTER)
        .handshake(adapter)
        .await
        .map_err(|error| Error::of_hyper(error, host))?;
    let host: Rc<str> = host.into();
    drop(io::spawn(async move {
        let _room = room;
        if let Err(error) = connection.await
            && log::admits(log::Kind::Upstream)
        {
            tracing::debug!("connection to {host}: {error}");
        }
    }));
    Ok(Link::Http2(Http2 { sender, watch }))
}
