//! A request that leaves HTTP: another protocol on a connection of its own (RFC 9110 section 7.8).
//!
//! Owns: what such a request says, that one at a time opens a connection to a host and port (RFC 6455 section 4.1). Must
//! not know: which protocol, whether the answer's fields are right for it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode, Uri, Version, header};
use hyper::client::conn::http1;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::ClientState;
use super::connect::{connect_apart, last_exchange};
use super::error::{Error, ErrorKind, Result};
use super::exchange::{OWN, USER_AGENT, authority, basic_authorization};
use super::redirect::check_port;
use super::request::{Outgoing, Patience, RequestBody};
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
    let url = &request.url;
    check_port(url)?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let _turn = client.openings.turn((host.clone(), url.port_or_known_default().unwrap_or_default())).await;
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
    let (answer, parts) = answered.map_err(|error| Error::of_hyper(error, &host))?;
    let protocol_error = |message: String| Error::new(ErrorKind::Protocol, message);
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(protocol_error(format!("{host} answers {} and not 101", answer.status())));
    }
    if answer.version() != Version::HTTP_11 {
        return Err(protocol_error(format!("{host} answers 101 in {:?}", answer.version())));
    }
    let Some((transport, early)) = parts else {
        return Err(protocol_error(format!("{host} answers before it was asked")));
    };
    Ok(Switched { headers: answer.into_parts().0.headers, transport, early })
}

/// The request as hyper puts it on the wire.
fn message(client: &ClientState, request: &UpgradeRequest) -> Result<http::Request<Outgoing>> {
    let url = &request.url;
    let bad = |what: &str, error: http::Error| {
        Error::because(ErrorKind::Request, format!("{what} of {url} cannot be sent"), error)
    };
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
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
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
    if let Some(authorization) = basic_authorization(url) {
        headers.entry(header::AUTHORIZATION).or_insert(authorization);
    }
    let body = Outgoing::new(RequestBody::Empty, Patience::new(client.options.header_ms_max));
    let mut message = http::Request::new(body);
    *message.uri_mut() = uri;
    *message.headers_mut() = headers;
    Ok(message)
}
