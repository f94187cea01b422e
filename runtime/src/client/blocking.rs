//! A request for callers that wait: on a thread of its own, so that it works everywhere.
//!
//! Owns: that thread and its worker, which live as long as the request. Must not know: who waits.

use http::{HeaderMap, StatusCode};
use url::Url;

use crate::io::{self, Backend, IoOptions};

use super::error::{Error, ErrorKind, Result};
use super::request::Request;
use super::{Client, ClientOptions};

/// A whole response.
#[derive(Debug)]
pub struct Fetched {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The last URL, after redirects.
    pub url: Url,
    /// The body, decoded if the request asks for that.
    pub body: Vec<u8>,
}

/// Sends the request that `request` makes, and waits for the whole response. The caller's thread
/// blocks; it may be a worker. `request` runs on the other thread: a body need not be `Send`.
///
/// # Errors
/// As [`Client::send`]; TooLarge beyond `body_bytes_max`; System if there is no thread to be had.
pub fn blocking(
    options: ClientOptions,
    body_bytes_max: usize,
    request: impl FnOnce() -> Request + Send,
) -> Result<Fetched> {
    std::thread::scope(|scope| {
        let work = || {
            let request = request();
            // epoll is there everywhere, and sets up faster than a ring.
            io::run(Backend::Epoll, &IoOptions::default(), move || async move {
                let mut response = Client::new(options).send(request).await?;
                let body = response.body.collect(body_bytes_max).await?;
                Ok(Fetched { status: response.status, headers: response.headers, url: response.url, body })
            })
            .unwrap_or_else(|error| {
                Err(Error::because(ErrorKind::System, "no worker for the request", error))
            })
        };
        let thread = std::thread::Builder::new().name("fetch".into()).spawn_scoped(scope, work);
        let thread =
            thread.map_err(|error| Error::because(ErrorKind::System, "no thread for the request", error))?;
        let panicked = |_| Err(Error::new(ErrorKind::System, "the request's thread panicked"));
        thread.join().unwrap_or_else(panicked)
    })
}
