//! A request that leaves HTTP: another protocol on a connection of its own (RFC 9110 section 7.8).
//!
//! Owns: what such a request says, that one at a time opens a connection to a host and port (RFC 6455 section 4.1). Must
//! not know: which protocol, whether the answer's fields are right for it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::ClientState;
use super::connect::{AfterAnswer, connect_apart, last_exchange};
use super::error::{Error, ErrorKind, Result};
use super::exchange::{OWN, USER_AGENT, authority, basic_authorization};
use super::redirect::check_port;
use super::request::{Outgoing, Patience, RequestBody};
use crate::io::JoinHandle;
use crate::net::{Transport, within};

/// A request for another protocol.
#[derive(Clone, Debug)]
pub struct UpgradeRequest {
    /// Where: http or https.
    pub url: Url,
    /// What Upgrade says.
    pub protocol: &'static str,
    /// Other fields; those of the connection are left out.
    pub headers: HeaderMap,
    /// Path and query as they are sent, instead of the URL's: the request is passed on for somebody else, and no field is
    /// added.
    pub target: Option<String>,
}

/// A connection that speaks the other protocol from now on.
pub struct Switched {
    /// The fields of the answer 101.
    pub headers: HeaderMap,
    /// What carries the bytes. The request may still be in flight.
    pub transport: Transport,
    /// Bytes that came behind the answer's head.
    pub early: Vec<u8>,
}

/// What came of a request for another protocol.
pub enum Upgraded {
    /// The other protocol.
    Switched(Switched),
    /// An answer that is not 101.
    Answered {
        /// The status.
        status: StatusCode,
        /// The fields.
        headers: HeaderMap,
        /// The body.
        body: LooseBody,
    },
}

/// The body of an answer on a connection that serves nothing else; it ends with this.
pub struct LooseBody {
    incoming: Incoming,
    task: Option<JoinHandle<()>>,
    host: String,
}

impl LooseBody {
    /// The next bytes, never empty; `None` at the end.
    ///
    /// # Errors
    /// The connection ended before the body.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(Error::of_hyper(error, &self.host)))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => return Poll::Ready(Some(Ok(bytes))),
                    // Trailers; empty frames.
                    _ => {}
                },
            }
        }
    }
}

impl Drop for LooseBody {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

type Turns = HashMap<(String, u16), Arc<Semaphore>>;

/// The hosts and ports to which a connection is being opened, each with who waits for its turn.
#[derive(Default)]
pub(super) struct Openings(Rc<RefCell<Turns>>);

/// The turn to open one; it ends with this.
struct OpeningTurn {
    turns: Rc<RefCell<Turns>>,
    place: (String, u16),
    permit: Option<OwnedSemaphorePermit>,
}

impl Openings {
    async fn turn(&self, place: (String, u16)) -> OpeningTurn {
        let queue =
            self.0.borrow_mut().entry(place.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))).clone();
        let mut turn = OpeningTurn { turns: self.0.clone(), place, permit: None };
        turn.permit = queue.acquire_owned().await.ok();
        turn
    }
}

impl Drop for OpeningTurn {
    fn drop(&mut self) {
        drop(self.permit.take());
        let mut turns = self.turns.borrow_mut();
        // Whoever waits holds it, too.
        if turns.get(&self.place).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            turns.remove(&self.place);
        }
    }
}

/// Sends `request` and waits for the answer 101.
pub(super) async fn upgrade(client: &Rc<ClientState>, request: UpgradeRequest) -> Result<Switched> {
    let (url, place) = (&request.url, host_and_port(&request.url));
    check_port(url)?;
    let host = place.0.clone();
    let _turn = client.openings.turn(place).await;
    match upgrade_or_answer(client, request).await? {
        Upgraded::Switched(switched) => Ok(switched),
        Upgraded::Answered { status, .. } => {
            Err(Error::new(ErrorKind::Protocol, format!("{host} answers {status} and not 101")))
        }
    }
}

fn host_and_port(url: &Url) -> (String, u16) {
    (url.host_str().unwrap_or_default().to_owned(), url.port_or_known_default().unwrap_or_default())
}

/// Sends `request` and waits for an answer. Whoever passes it on for somebody else is no browser, of which one request at a
/// time opens a connection.
pub(super) async fn upgrade_or_answer(client: &Rc<ClientState>, request: UpgradeRequest) -> Result<Upgraded> {
    let url = &request.url;
    let host = host_and_port(url).0;
    let (connect_ms, answer_ms) = (client.options.connect_ms_max, client.options.header_ms_max);
    let timed_out =
        |what: &str, ms: u64| Error::new(ErrorKind::Timeout, format!("{what} {host} took more than {ms} ms"));
    let connected = within(connect_ms, connect_apart(client, url)).await;
    let transport = connected.unwrap_or_else(|| Err(timed_out("connecting to", connect_ms)))?;
    let message = message(client, &request)?;
    let mut builder = http1::Builder::new();
    // As the RFC writes them: there are servers that compare names letter by letter.
    builder.title_case_headers(true);
    builder.max_buf_size(client.options.header_bytes_max.max(8 << 10));
    builder.max_headers(client.options.header_fields_max);
    let answered = within(answer_ms, last_exchange(&builder, transport, message)).await;
    let answered = answered.ok_or_else(|| timed_out("the answer of", answer_ms))?;
    let (answer, rest) = answered.map_err(|error| Error::of_hyper(error, &host))?;
    let protocol_error = |message: String| Error::new(ErrorKind::Protocol, message);
    let rest = match rest {
        AfterAnswer::Open(task) => {
            let (head, incoming) = answer.into_parts();
            let body = LooseBody { incoming, task: Some(task), host };
            return Ok(Upgraded::Answered { status: head.status, headers: head.headers, body });
        }
        AfterAnswer::Left(rest) => rest,
    };
    if answer.version() != Version::HTTP_11 {
        return Err(protocol_error(format!("{host} answers 101 in {:?}", answer.version())));
    }
    let Some((transport, early)) = rest else {
        return Err(protocol_error(format!("{host} answers before it was asked")));
    };
    Ok(Upgraded::Switched(Switched { headers: answer.into_parts().0.headers, transport, early }))
}

/// The request as hyper puts it on the wire.
fn message(client: &ClientState, request: &UpgradeRequest) -> Result<http::Request<Outgoing>> {
    let url = &request.url;
    let bad = |what: &str, error: http::Error| {
        Error::because(ErrorKind::Request, format!("{what} of {url} cannot be sent"), error)
    };
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let path = request.target.as_deref().unwrap_or(path);
    let uri = Uri::builder().path_and_query(path).build().map_err(|error| bad("the path", error))?;
    let host = HeaderValue::try_from(authority(url)).map_err(|error| bad("the host", error.into()))?;
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, host);
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(request.protocol));
    if let Some(host) = request.headers.get(header::HOST) {
        headers.insert(header::HOST, host.clone());
    }
    let others = request.headers.iter().filter(|(name, _)| **name != header::HOST && !OWN.contains(name));
    for (name, value) in others {
        headers.append(name, value.clone());
    }
    if request.target.is_none() {
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
    }
    if let Some(authorization) = basic_authorization(url) {
        headers.entry(header::AUTHORIZATION).or_insert(authorization);
    }
    let body = Outgoing::new(RequestBody::Empty, Patience::new(client.options.header_ms_max));
    let mut message = http::Request::new(body);
    *message.uri_mut() = uri;
    *message.headers_mut() = headers;
    Ok(message)
}
