//! A server that speaks HTTP, asked by the client of `client`.
//!
//! Owns: the client with the connections to it, requests and answers in that client's words. Must not know: groups, rules
//! beyond the server's own.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use bytes::Bytes;
use url::Url;

use super::answer::{SentOn, UpstreamAnswer, UpstreamBody, UpstreamError, UpstreamFault, UpstreamTunnel};
use super::{Sending, Upstream, UpstreamRequest, UpstreamSource};
use crate::client::{
    BodySource, BoxError, Client, ClientOptions, Error, ErrorKind, LooseBody, Proxy, Redirect, Request,
    RequestBody, ResponseBody, UpgradeRequest, Upgraded,
};
use crate::config::{Limits, ProxyRule, UpstreamAddress};
use crate::header_list::HeaderList;
use crate::tls::{self, Roots};

/// A server that speaks HTTP/1.1, or HTTP/2 where TLS agrees on it.
pub(super) struct HttpUpstream {
    name: String,
    /// Its origin; none where it is no URL.
    url: Option<Url>,
    client: Client,
}

impl HttpUpstream {
    pub(super) fn new(address: &UpstreamAddress, rule: &ProxyRule, limits: &Limits) -> HttpUpstream {
        let (name, url, unix) = match address {
            UpstreamAddress::Host { tls, authority } => {
                let url = format!("{}://{authority}", if *tls { "https" } else { "http" });
                (url.clone(), Url::parse(&url).ok(), None)
            }
            UpstreamAddress::Unix(path) => {
                (format!("unix:{}", path.display()), Url::parse("http://localhost").ok(), Some(path.clone()))
            }
        };
        // A file that was read at the start, and cannot be any more, is one that trusts nobody.
        let roots = match &rule.ca {
            Some(ca) => Roots::These(tls::certificates("proxy", ca).unwrap_or_default()),
            None => Roots::System,
        };
        let options = ClientOptions {
            roots,
            proxy: Proxy::Direct,
            connect_ms_max: limits.proxy_connect_ms_max,
            header_ms_max: limits.proxy_head_ms_max,
            body_stall_ms_max: limits.proxy_stall_ms_max,
            connections_max: limits.proxy_connections_max,
            idle_per_origin_max: limits.proxy_connections_max.min(64),
            unix,
            ..ClientOptions::default()
        };
        HttpUpstream { name, url, client: Client::new(options) }
    }
}

impl Upstream for HttpUpstream {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&self, request: UpstreamRequest) -> Sending {
        let (client, url) = (self.client.clone(), self.url.clone());
        Box::pin(async move {
            let url = url.ok_or_else(|| wrong("the upstream is no URL"))?;
            match request.upgrade {
                Some(protocol) => upgrade(&client, url, request, protocol).await,
                None => ask(&client, url, request).await,
            }
        })
    }
}

async fn ask(client: &Client, url: Url, request: UpstreamRequest) -> Result<SentOn, UpstreamError> {
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| wrong("the method is none"))?;
    let mut sent = Request::new(method, url);
    sent.headers = headers(&request)?;
    sent.target = Some(request.target);
    sent.bare = true;
    sent.decode = false;
    sent.redirect = Redirect::Manual;
    if let Some((source, bytes)) = request.body {
        sent.body = RequestBody::Stream { source: Box::pin(Upload(source)), bytes };
    }
    let response = client.send(sent).await.map_err(|error| explain(&error))?;
    let usual = response.status.canonical_reason().unwrap_or_default().as_bytes();
    let reason = (!response.reason.is_empty() && *response.reason != *usual)
        .then(|| String::from_utf8_lossy(&response.reason).into_owned());
    Ok(SentOn::Answer(UpstreamAnswer {
        status: response.status.as_u16(),
        reason,
        fields: list(&response.headers),
        body: Box::new(response.body),
    }))
}

async fn upgrade(
    client: &Client,
    url: Url,
    request: UpstreamRequest,
    protocol: &'static str,
) -> Result<SentOn, UpstreamError> {
    let headers = headers(&request)?;
    let asked = UpgradeRequest { url, protocol, headers, target: Some(request.target) };
    match client.upgrade_or_answer(asked).await.map_err(|error| explain(&error))? {
        Upgraded::Switched(switched) => Ok(SentOn::Tunnel(UpstreamTunnel {
            fields: list(&switched.headers),
            transport: switched.transport,
            early: switched.early,
        })),
        Upgraded::Answered { status, headers, body } => Ok(SentOn::Answer(UpstreamAnswer {
            status: status.as_u16(),
            reason: None,
            fields: list(&headers),
            body: Box::new(body),
        })),
    }
}

fn headers(request: &UpstreamRequest) -> Result<HeaderMap, UpstreamError> {
    let mut map = HeaderMap::with_capacity(request.fields.len() + 1);
    for (name, value) in request.fields.iter() {
        let name = HeaderName::from_bytes(name).map_err(|_| wrong("a field has no name"))?;
        let value = HeaderValue::from_bytes(value).map_err(|_| wrong("a field has no value"))?;
        map.append(name, value);
    }
    if let Some(host) = &request.host {
        let host = HeaderValue::from_str(host).map_err(|_| wrong("Host is none"))?;
        map.insert(header::HOST, host);
    }
    Ok(map)
}

fn list(headers: &HeaderMap) -> HeaderList {
    let mut list = HeaderList::default();
    headers.iter().for_each(|(name, value)| list.append(name.as_str().as_bytes(), value.as_bytes()));
    list
}

fn wrong(text: &str) -> UpstreamError {
    UpstreamError { fault: UpstreamFault::Request, text: text.to_owned() }
}

fn explain(error: &Error) -> UpstreamError {
    let fault = match error.kind() {
        ErrorKind::Resolve | ErrorKind::Connect | ErrorKind::Tls | ErrorKind::System | ErrorKind::Proxy => {
            UpstreamFault::Unreachable
        }
        ErrorKind::Timeout => UpstreamFault::TimedOut,
        ErrorKind::Request => UpstreamFault::Request,
        ErrorKind::RequestBody => UpstreamFault::RequestBody,
        _ => UpstreamFault::NoAnswer,
    };
    UpstreamError { fault, text: error.chain() }
}

/// The body of a request, as the client takes it.
struct Upload(Rc<dyn UpstreamSource>);

impl BodySource for Upload {
    fn poll_chunk(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        self.0.poll_chunk(cx).map(|next| next.map(|piece| piece.map_err(BoxError::from)))
    }
}

impl UpstreamBody for ResponseBody {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        ResponseBody::poll_chunk(self, cx).map(|next| next.map(|piece| piece.map_err(|error| error.chain())))
    }
}

impl UpstreamBody for LooseBody {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        LooseBody::poll_chunk(self, cx).map(|next| next.map(|piece| piece.map_err(|error| error.chain())))
    }
}
