//! One request, one response, on whichever connection serves: the pool's or a new one.
//!
//! Owns: what a request looks like on the wire, its deadline, and the one retry that a stale
//! connection is worth. Must not know: redirects.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use base64::Engine as _;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use percent_encoding::percent_decode_str;
use url::Url;

use super::ClientState;
use super::body::{Response, ResponseBody};
use super::connect::connect;
use super::decode::{self, Decoder};
use super::error::{Error, ErrorKind, Result, find};
use super::pool::{Forward, Lease, Link, OriginPool};
use super::request::{Outgoing, Patience, RequestBody};
use crate::net::within;

pub(super) const USER_AGENT: &str = concat!("jsserve/", env!("CARGO_PKG_VERSION"));

/// Headers that speak of the connection (RFC 9110 7.6.1), or of what the client itself decides.
pub(super) const OWN: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The parts of a request that stay the same when it is sent again.
pub(super) struct RequestParts<'a> {
    pub(super) method: &'a Method,
    pub(super) url: &'a Url,
    pub(super) headers: &'a HeaderMap,
    pub(super) decode: bool,
    /// Path and query, instead of the URL's.
    pub(super) target: Option<&'a str>,
    /// No fields are added that are not needed.
    pub(super) bare: bool,
}

/// A failed attempt, and the body if nothing of it was sent.
struct SendFailure {
    error: Error,
    unsent: Option<RequestBody>,
}

/// Sends the request and waits for the head of its response.
pub(super) async fn exchange(
    client: &Rc<ClientState>,
    head: &RequestParts<'_>,
    body: RequestBody,
) -> Result<Response> {
    if !matches!(head.url.scheme(), "http" | "https") {
        let message = format!("the scheme {}: is not supported", head.url.scheme());
        return Err(Error::new(ErrorKind::Request, message));
    }
    let (lease, reused) = checkout(client, head.url, false).await?;
    let again = body.again();
    let failed = match attempt(client, head, body, lease).await {
        Ok(response) => return undo_misdirection(client, head, again, response).await,
        Err(failed) if !reused => return Err(failed.error),
        Err(failed) => failed,
    };
    // The server may have closed the connection before it saw the request. What was not sent is
    // sent anew; what was, only if a second time does no harm (RFC 9110 9.2.2).
    // What cannot be read may be the rest of an answer before.
    let not_answered = matches!(failed.error.kind(), ErrorKind::Closed | ErrorKind::Protocol);
    let may_repeat = head.method.is_idempotent() && not_answered;
    let again = again.filter(|_| may_repeat || was_refused(&failed.error));
    let Some(body) = failed.unsent.or(again) else { return Err(failed.error) };
    let (lease, _) = checkout(client, head.url, true).await?;
    attempt(client, head, body, lease).await.map_err(|failed| failed.error)
}

/// The response, unless the server says that this connection is the wrong one: then that of another one
/// (RFC 9110 15.5.20; Fetch standard, HTTP-network-or-cache fetch).
async fn undo_misdirection(
    client: &Rc<ClientState>,
    head: &RequestParts<'_>,
    again: Option<RequestBody>,
    response: Response,
) -> Result<Response> {
    let (StatusCode::MISDIRECTED_REQUEST, Some(body)) = (response.status, again) else { return Ok(response) };
    drop(response);
    let (lease, _) = checkout(client, head.url, true).await?;
    attempt(client, head, body, lease).await.map_err(|failed| failed.error)
}

/// Whether an HTTP/2 server says that it has done nothing (RFC 9113 8.7).
fn was_refused(error: &Error) -> bool {
    let h2 = find::<h2::Error>(error);
    h2.is_some_and(|error| error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

/// A connection, and whether it was there before.
async fn checkout(client: &Rc<ClientState>, url: &Url, anew: bool) -> Result<(Lease, bool)> {
    let place = client.pool.place(url);
    let ms_max = client.options.connect_ms_max;
    within(ms_max, take_or_make(client, place, url, anew)).await.unwrap_or_else(|| {
        let host = url.host_str().unwrap_or_default();
        Err(Error::new(ErrorKind::Timeout, format!("connecting to {host} took more than {ms_max} ms")))
    })
}

async fn take_or_make(
    client: &Rc<ClientState>,
    place: Rc<OriginPool>,
    url: &Url,
    anew: bool,
) -> Result<(Lease, bool)> {
    let mut making = None;
    if !anew {
        if let Some(link) = place.take() {
            return Ok((Lease::new(client.pool.clone(), place, link), true));
        }
        if url.scheme() == "https" && !place.is_single.get() {
            // The connection that another request makes now may soon serve this one too.
            making = place.making.clone().acquire_owned().await.ok();
            if let Some(link) = place.take() {
                return Ok((Lease::new(client.pool.clone(), place, link), true));
            }
            if place.is_single.get() {
                making = None;
            }
        }
    }
    let link = connect(client, url, client.pool.room().await).await?;
    place.is_single.set(matches!(link, Link::Http1(_)));
    let lease = Lease::fresh(client.pool.clone(), place, link);
    drop(making);
    Ok((lease, false))
}

async fn attempt(
    client: &Rc<ClientState>,
    head: &RequestParts<'_>,
    body: RequestBody,
    mut lease: Lease,
) -> std::result::Result<Response, SendFailure> {
    let patience = Patience::new(client.options.header_ms_max);
    let host: Rc<str> = head.url.host_str().unwrap_or_default().into();
    let sent = match lease.link() {
        Link::Http1(link) => {
            let request = match wire_request(head, body, &patience, link.forward.as_ref(), false) {
                Ok(request) => request,
                Err(error) => return Err(SendFailure { error, unsent: None }),
            };
            unless_silent(link.sender.try_send_request(request), &patience, &host).await
        }
        Link::Http2(link) => {
            let request = match wire_request(head, body, &patience, None, true) {
                Ok(request) => request,
                Err(error) => return Err(SendFailure { error, unsent: None }),
            };
            unless_silent(link.sender.try_send_request(request), &patience, &host).await
        }
    }?;
    patience.change(client.options.body_stall_ms_max);
    let (parts, incoming) = sent.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        // Nobody has asked for that.
        let error = Error::new(ErrorKind::Protocol, format!("{host} changes the protocol unasked"));
        return Err(SendFailure { error, unsent: None });
    }
    // A server that announces a body where none may be may well send it: in place of the next answer.
    let bodiless = parts.status == StatusCode::NO_CONTENT;
    let announced = parts.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    if bodiless && (announced || parts.headers.contains_key(header::TRANSFER_ENCODING)) {
        lease.close_after();
    }
    let decoder =
        if head.decode && *head.method != Method::HEAD { Decoder::of(&parts.headers) } else { None };
    Ok(Response {
        status: parts.status,
        reason: reason(&parts),
        headers: parts.headers,
        version: parts.version,
        url: head.url.clone(),
        redirected: false,
        body: ResponseBody::new(incoming, lease, decoder, patience, host),
    })
}

/// The reason phrase as it was sent: hyper keeps those that are not the usual ones.
fn reason(parts: &http::response::Parts) -> Bytes {
    match parts.extensions.get::<ReasonPhrase>() {
        _ if parts.version == Version::HTTP_2 => Bytes::new(),
        Some(reason) => Bytes::copy_from_slice(reason.as_bytes()),
        None => Bytes::from_static(parts.status.canonical_reason().unwrap_or_default().as_bytes()),
    }
}

/// The response, unless the server takes and sends nothing for too long.
async fn unless_silent(
    sent: impl Future<Output = std::result::Result<http::Response<Incoming>, TrySendError>>,
    patience: &Patience,
    host: &str,
) -> std::result::Result<http::Response<Incoming>, SendFailure> {
    let mut sent = pin!(sent);
    poll_fn(|cx| {
        if let Poll::Ready(result) = sent.as_mut().poll(cx) {
            return Poll::Ready(result.map_err(|mut failed| {
                let unsent = failed.take_message().map(|request| request.into_body().into_body());
                SendFailure { error: patience.explain(failed.into_error(), host), unsent }
            }));
        }
        patience.poll_over(cx).map(|()| {
            let message = format!("{host} did not answer for {} ms", patience.ms_max());
            Err(SendFailure { error: Error::new(ErrorKind::Timeout, message), unsent: None })
        })
    })
    .await
}

type TrySendError = hyper::client::conn::TrySendError<http::Request<Outgoing>>;

/// The request as hyper puts it on the wire.
fn wire_request(
    head: &RequestParts<'_>,
    body: RequestBody,
    patience: &Rc<Patience>,
    forward: Option<&Forward>,
    is_h2: bool,
) -> Result<http::Request<Outgoing>> {
    let bad = |what: &str, error: http::Error| {
        Error::because(ErrorKind::Request, format!("{what} of {} cannot be sent", head.url), error)
    };
    let url = head.url;
    let authority = authority(url);
    let host = match head.headers.get(header::HOST) {
        Some(host) => host.clone(),
        None => HeaderValue::try_from(authority.as_str()).map_err(|error| bad("the host", error.into()))?,
    };
    let mut headers = HeaderMap::with_capacity(head.headers.len() + 5);
    let of_url = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut uri = Uri::builder().path_and_query(head.target.unwrap_or(of_url));
    if is_h2 {
        // :authority takes the place of Host (RFC 9113 8.3.1).
        uri = uri.scheme(url.scheme()).authority(host.as_bytes());
    } else {
        headers.insert(header::HOST, host);
        if forward.is_some() {
            uri = uri.scheme(url.scheme()).authority(authority);
        }
    }
    let uri = uri.build().map_err(|error| bad("the URL", error))?;
    let nominated = nominated(head.headers);
    let skipped =
        |name: &HeaderName| *name == header::HOST || OWN.contains(name) || nominated.contains(&name.as_str());
    for (name, value) in head.headers.iter().filter(|(name, _)| !skipped(name)) {
        headers.append(name, value.clone());
    }
    if let Some(authorization) = forward.and_then(|forward| forward.authorization.clone()) {
        headers.entry(header::PROXY_AUTHORIZATION).or_insert(authorization);
    }
    add_own(&mut headers, head, &body);
    let mut request = http::Request::new(Outgoing::new(body, patience.clone()));
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Headers that Connection says are for one connection only: a request that is passed on may have some.
fn nominated(headers: &HeaderMap) -> Vec<&str> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',').map(str::trim)).collect()
}

/// What the caller has left to the client.
fn add_own(headers: &mut HeaderMap, head: &RequestParts<'_>, body: &RequestBody) {
    if !head.bare {
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    }
    if head.decode {
        // Ranges are ranges of the coded bytes (Fetch standard, HTTP-network-or-cache fetch).
        let ranged = headers.contains_key(header::RANGE);
        let accepted = if ranged { "identity" } else { decode::ACCEPTED };
        headers.entry(header::ACCEPT_ENCODING).or_insert(HeaderValue::from_static(accepted));
    }
    if let Some(authorization) = basic_authorization(head.url) {
        headers.entry(header::AUTHORIZATION).or_insert(authorization);
    }
    let expects_body = [Method::POST, Method::PUT, Method::PATCH].contains(head.method);
    let is_empty = match body {
        RequestBody::Empty => true,
        RequestBody::Bytes(bytes) => bytes.is_empty(),
        RequestBody::Stream { .. } => false,
    };
    if expects_body && is_empty {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}

/// What Host says of `url`.
pub(super) fn authority(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// User and password of `url`, if it has them (RFC 7617).
pub(super) fn basic_authorization(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut text: Vec<u8> = percent_decode_str(url.username()).collect();
    text.push(b':');
    text.extend(percent_decode_str(url.password().unwrap_or_default()));
    let coded = base64::engine::general_purpose::STANDARD.encode(text);
    let mut value = HeaderValue::try_from(format!("Basic {coded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}
