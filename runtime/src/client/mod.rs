//! The HTTP client of a worker: HTTP/1.1 and HTTP/2, TLS, proxies, redirects, content codings.
//!
//! Owns: hyper's client over the worker's streams, and the worker's pool of connections. Everything
//! stays on its thread; dropping a future or a body is how to abort. `fetch` and `std.urlGet` stand on
//! it. Must not know: JavaScript.

mod blocking;
mod body;
mod connect;
mod decode;
mod error;
mod exchange;
mod pool;
mod redirect;
mod request;
mod upgrade;

use std::cell::{OnceCell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use rustls::ClientConfig;

pub use blocking::{Fetched, blocking};
pub use body::{Response, ResponseBody};
pub(crate) use decode::Codec;
pub use error::{BoxError, Error, ErrorKind, Result};
pub use redirect::permit;
pub use request::{BodySource, Redirect, Request, RequestBody};
pub use upgrade::{LooseBody, Switched, UpgradeRequest, Upgraded};

use crate::tls;

/// Which proxy stands between.
#[derive(Clone, Debug, Default)]
pub enum Proxy {
    /// What http_proxy, https_proxy, all_proxy and no_proxy say, in either case; read with each
    /// connection.
    #[default]
    Environment,
    /// None.
    Direct,
    /// This one for everything: `http://[user:password@]host[:port]`.
    Through(String),
}

/// Bounds and choices of a client.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Whom TLS trusts.
    pub roots: tls::Roots,
    /// Which proxy to use.
    pub proxy: Proxy,
    /// From a request to its connection: name, TCP, proxy and TLS together.
    pub connect_ms_max: u64,
    /// The server neither takes request bytes nor answers.
    pub header_ms_max: u64,
    /// Nothing comes of a body that is waited for.
    pub body_stall_ms_max: u64,
    /// A connection without a request.
    pub idle_ms_max: u64,
    /// Connections in all, in use and idle; a request beyond waits for one, as it does for connecting.
    pub connections_max: usize,
    /// Idle connections of one origin.
    pub idle_per_origin_max: usize,
    /// Bytes of a response's head.
    pub header_bytes_max: usize,
    /// Fields of a response's head, for HTTP/1.1.
    pub header_fields_max: usize,
    /// Redirects that are followed (Fetch standard: 20).
    pub redirects_max: u32,
    /// The path of a Unix socket that all connections go to, whatever host a URL names.
    pub unix: Option<PathBuf>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions {
            roots: tls::Roots::System,
            proxy: Proxy::Environment,
            connect_ms_max: 10_000,
            header_ms_max: 300_000,
            body_stall_ms_max: 300_000,
            idle_ms_max: 30_000,
            connections_max: 256,
            idle_per_origin_max: 32,
            header_bytes_max: 64 << 10,
            header_fields_max: 256,
            redirects_max: 20,
            unix: None,
        }
    }
}

/// A client with its connections; clones share them.
#[derive(Clone)]
pub struct Client {
    inner: Rc<ClientState>,
}

thread_local! {
    static CLIENT: RefCell<Client> = RefCell::new(Client::new(ClientOptions::default()));
}

struct ClientState {
    options: ClientOptions,
    pool: Rc<pool::Pool>,
    tls: OnceCell<Arc<ClientConfig>>,
    tls_apart: OnceCell<Arc<ClientConfig>>,
    openings: upgrade::Openings,
}

impl ClientState {
    /// TLS that offers HTTP/2 and HTTP/1.1, set up with the first use.
    fn tls(&self) -> Result<Arc<ClientConfig>> {
        self.config(&self.tls, &[b"h2", b"http/1.1"])
    }

    /// TLS that offers HTTP/1.1 alone: HTTP/2 has no Upgrade (RFC 9113 section 8.6).
    fn tls_apart(&self) -> Result<Arc<ClientConfig>> {
        self.config(&self.tls_apart, &[b"http/1.1"])
    }

    fn config(&self, known: &OnceCell<Arc<ClientConfig>>, protocols: &[&[u8]]) -> Result<Arc<ClientConfig>> {
        if let Some(config) = known.get() {
            return Ok(config.clone());
        }
        let config = tls::client_config(&self.options.roots, protocols).map_err(Error::of_set_up)?;
        Ok(known.get_or_init(|| config).clone())
    }
}

impl Client {
    /// A client of its own.
    pub fn new(options: ClientOptions) -> Self {
        let pool = pool::Pool::new(&options);
        let (tls, tls_apart) = (OnceCell::new(), OnceCell::new());
        let openings = upgrade::Openings::default();
        Client { inner: Rc::new(ClientState { options, pool, tls, tls_apart, openings }) }
    }

    /// The one client of this worker, with default options unless it was set.
    pub fn of_worker() -> Self {
        CLIENT.with(|client| client.borrow().clone())
    }

    /// Has this worker's one client be a new one, with `options`; calls that are under way keep theirs.
    pub fn set_of_worker(options: ClientOptions) {
        CLIENT.with(|client| client.replace(Client::new(options)));
    }

    /// Sends `request` and waits for the head of the response; redirects are taken as the request
    /// says. Dropping the future aborts: it closes an HTTP/1.1 connection, and resets an HTTP/2 stream.
    ///
    /// # Errors
    /// See [`ErrorKind`]. A response with any status is no error.
    ///
    /// # Panics
    /// Outside of [`crate::io::run`].
    pub async fn send(&self, request: Request) -> Result<Response> {
        redirect::send(&self.inner, request).await
    }

    /// Asks for another protocol, on a connection of its own, and waits for the answer 101. Dropping the future closes
    /// the connection.
    ///
    /// # Errors
    /// See [`ErrorKind`]: [`ErrorKind::Protocol`] for an answer with another status, a redirect among them.
    ///
    /// # Panics
    /// Outside of [`crate::io::run`].
    pub async fn upgrade(&self, request: UpgradeRequest) -> Result<Switched> {
        upgrade::upgrade(&self.inner, request).await
    }

    /// As [`upgrade`](Self::upgrade), but an answer with another status is no error.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    ///
    /// # Panics
    /// Outside of [`crate::io::run`].
    pub async fn upgrade_or_answer(&self, request: UpgradeRequest) -> Result<Upgraded> {
        upgrade::upgrade_or_answer(&self.inner, request).await
    }

    /// Whether a request has to wait until another one has ended.
    pub fn is_full(&self) -> bool {
        self.inner.pool.is_full()
    }

    /// Connections that wait for a next request.
    pub fn idle_connections(&self) -> usize {
        self.inner.pool.idle()
    }
}
