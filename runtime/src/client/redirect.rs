//! Redirects (Fetch standard, "HTTP-redirect fetch"; RFC 9110 15.4).
//!
//! Owns: what becomes of a request when a response sends it elsewhere. Must not know: connections.

use std::rc::Rc;

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode};
use url::Url;

use super::ClientState;
use super::body::Response;
use super::error::{Error, ErrorKind, Result};
use super::exchange::{RequestParts, exchange};
use super::request::{Redirect, Request, RequestBody};
use crate::net::within;
use crate::permissions::{NotGranted, Permissions};

/// Of a redirect's own body, bytes that are read to keep its connection, and how long that may take.
const DRAINED_BYTES_MAX: usize = 64 << 10;
const DRAINED_MS_MAX: u64 = 500;

/// Headers that describe a body (Fetch standard, "request-body-header name").
const OF_BODY: [HeaderName; 4] =
    [header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_LOCATION, header::CONTENT_TYPE];

/// Headers that are for one origin's eyes.
const OF_ORIGIN: [HeaderName; 4] =
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION, header::HOST];

/// Sends `request`, and sends it on where redirects lead, as it says.
pub(super) async fn send(client: &Rc<ClientState>, request: Request) -> Result<Response> {
    let Request {
        mut method,
        mut url,
        mut headers,
        mut body,
        redirect,
        decode,
        guarded,
        same_origin,
        target: first,
        bare,
        permissions,
    } = request;
    let mut redirects = 0;
    loop {
        check(&url, guarded, permissions.as_deref())?;
        let again = body.again();
        let as_given = first.as_deref().filter(|_| redirects == 0);
        let head =
            RequestParts { method: &method, url: &url, headers: &headers, decode, target: as_given, bare };
        let mut response = exchange(client, &head, body).await?;
        response.redirected = redirects > 0;
        let status = response.status;
        let target = match redirect {
            Redirect::Manual => return Ok(response),
            Redirect::Error if is_redirect(status) => {
                return Err(Error::new(
                    ErrorKind::Redirect,
                    format!("{url} redirects, which is not allowed"),
                ));
            }
            Redirect::Error | Redirect::Follow => match target(&response)? {
                None => return Ok(response),
                Some(target) => target,
            },
        };
        if redirects == client.options.redirects_max {
            let message = format!("more than {redirects} redirects, the last one to {target}");
            return Err(Error::new(ErrorKind::TooManyRedirects, message));
        }
        if same_origin && target.origin() != url.origin() {
            let message = format!("{url} redirects to another origin, which mode \"same-origin\" forbids");
            return Err(Error::new(ErrorKind::Redirect, message));
        }
        let has_password = !target.username().is_empty() || target.password().is_some();
        if guarded && has_password && target.origin() != url.origin() {
            let message = format!("{url} redirects to another origin, with a password");
            return Err(Error::new(ErrorKind::Redirect, message));
        }
        redirects += 1;
        // Its outcome is nobody's concern.
        let _ = within(DRAINED_MS_MAX, drain(&mut response)).await;
        drop(response);
        if again.is_none() && status != StatusCode::SEE_OTHER {
            let message = format!("{url} redirects a request whose body cannot be sent twice");
            return Err(Error::new(ErrorKind::Redirect, message));
        }
        body = if becomes_get(status, &method) {
            method = Method::GET;
            OF_BODY.iter().for_each(|name| drop(headers.remove(name)));
            RequestBody::Empty
        } else {
            again.unwrap_or_default()
        };
        keep_to_origin(&mut headers, &url, &target);
        url = target;
    }
}

async fn drain(response: &mut Response) -> Result<()> {
    response.body.keep_coded();
    response.body.collect(DRAINED_BYTES_MAX).await.map(drop)
}

/// Ports of protocols that an HTTP request could be mistaken in (Fetch standard, "bad port").
const BAD_PORTS: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103,
    104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514,
    515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723,
    2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

pub(super) fn check_port(url: &Url) -> Result<()> {
    match url.port().filter(|port| BAD_PORTS.contains(port)) {
        Some(port) => {
            let message = format!("port {port} of {url} is that of another protocol (bad port)");
            Err(Error::new(ErrorKind::Request, message))
        }
        None => Ok(()),
    }
}

/// Whether a request may go to `url`.
fn check(url: &Url, guarded: bool, permissions: Option<&Permissions>) -> Result<()> {
    if guarded {
        check_port(url)?;
    }
    let Some(permissions) = permissions else { return Ok(()) };
    permit(permissions, url).map_err(|refused| Error::new(ErrorKind::Redirect, refused.to_string()))
}

/// Whether `url` may be reached.
///
/// # Errors
/// It was not granted.
pub fn permit(permissions: &Permissions, url: &Url) -> std::result::Result<(), NotGranted> {
    permissions.net(url.host_str().unwrap_or_default(), url.port_or_known_default())
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where `response` leads, if it is a redirect.
fn target(response: &Response) -> Result<Option<Url>> {
    if !is_redirect(response.status) {
        return Ok(None);
    }
    let Some(location) = response.headers.get(header::LOCATION) else { return Ok(None) };
    let location = match std::str::from_utf8(location.as_bytes()) {
        Ok(text) => text.to_string(),
        Err(_) => location.as_bytes().iter().map(|byte| *byte as char).collect(),
    };
    let bad = |words: String| Error::new(ErrorKind::Redirect, words);
    let mut target = response.url.join(&location).map_err(|error| {
        Error::because(
            ErrorKind::Redirect,
            format!("{} redirects to {location:?}, which is no URL", response.url),
            error,
        )
    })?;
    if !matches!(target.scheme(), "http" | "https") {
        return Err(bad(format!("{} redirects to {target}, whose scheme is not supported", response.url)));
    }
    if target.fragment().is_none() {
        target.set_fragment(response.url.fragment());
    }
    Ok(Some(target))
}

/// Whether what follows is a GET without a body.
fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status.as_u16() {
        301 | 302 => method == Method::POST,
        303 => method != Method::GET && method != Method::HEAD,
        _ => false,
    }
}

/// Takes out what another origin must not see.
fn keep_to_origin(headers: &mut HeaderMap, from: &Url, to: &Url) {
    if from.origin() != to.origin() {
        OF_ORIGIN.iter().for_each(|name| drop(headers.remove(name)));
    }
}
