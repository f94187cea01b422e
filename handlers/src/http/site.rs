//! Requests to a folder that is served as a site: redirects, files and the page for what is missing, without JavaScript.
//!
//! Owns: the order in which they are asked, which is Netlify's, and what goes to the app. Must not know: rules of
//! `_redirects` and `_headers` (`runtime::site` has them), how a file is found or a route called.

use std::rc::Rc;

use runtime::app::fetch::{Fields, Head, HeaderList, Reply};
use runtime::files::{Directory, FileAnswer, FileRequest, Found, Method, Stage, answer};
use runtime::log::{self, Kind};
use runtime::site::{Destination, Redirect, Site};
use runtime::websocket::handshake::AskedProtocol;

use super::failure;
use super::files;
use super::peer::Peer;
use super::proxy;
use super::wire::{Ending, Wire};

/// What a path leads to.
enum SiteTarget {
    /// A file, or a folder without its slash.
    Found(Found),
    /// A route.
    Route,
    Nothing,
}

/// Answers from the folder: how that ended. `None`: the app is to, maybe for another target than the client has asked
/// for; nothing is written.
pub async fn serve<W: Wire>(peer: &mut Peer<'_, W>, directory: &Directory) -> Option<Result<(), Ending>> {
    let outcome = decide(peer, directory).await;
    match outcome {
        Ok(ended) => ended,
        Err(error) => {
            if log::admits(Kind::Failed) {
                let (method, target) = failure::request_line(peer.wire);
                tracing::error!(worker = peer.worker.number, "{method} {target}: {error}");
            }
            Some(files::send(peer, &FileAnswer::status(500), &[]).await)
        }
    }
}

async fn decide<W: Wire>(
    peer: &mut Peer<'_, W>,
    directory: &Directory,
) -> std::io::Result<Option<Result<(), Ending>>> {
    let site = directory.site();
    let head = peer.head();
    let mut target = SiteTarget::Nothing;
    let mut redirect = rule(site, &*head, true);
    if redirect.is_none() {
        target = find(directory, &*head).await?;
        if matches!(target, SiteTarget::Nothing) {
            redirect = rule(site, &*head, false);
        }
    }
    if let Some(Redirect { status, to }) = redirect {
        match to {
            Destination::Moved(location) => return Ok(Some(moved(peer, status, &location).await)),
            Destination::Missing(page) => {
                let path = page.split(['?', '#']).next().unwrap_or_default();
                let found = page_at(directory, path).await?;
                return Ok(Some(send(peer, site, &found, path, 404).await));
            }
            Destination::Proxied(url) => {
                let route = peer.worker.proxies.as_ref().and_then(|proxies| proxies.at(&url));
                let Some(route) = route else {
                    return Ok(Some(files::send(peer, &FileAnswer::status(502), &[]).await));
                };
                return Ok(Some(proxy::pass(peer, &route).await));
            }
            Destination::Rewritten(to) => {
                let to = to.split('#').next().unwrap_or_default().to_owned();
                let rewritten = Rc::new(Rewritten { head, target: to });
                target = find(directory, &*rewritten).await?;
                peer.rewritten = Some(rewritten);
            }
        }
    }
    let head = peer.head();
    let path = path_of(&*head);
    if site.has_middleware(path) || matches!(target, SiteTarget::Route) {
        return Ok(None);
    }
    if let SiteTarget::Found(found) = &target {
        return Ok(Some(send(peer, site, found, path, 200).await));
    }
    // Other folders that are served.
    if let Some(others) = &peer.worker.site
        && let Some(ended) = files::serve(peer, others, Stage::Before).await
    {
        return Ok(Some(ended));
    }
    let page = match Method::of(head.method().as_bytes()).is_read() {
        true => directory.missing_page(path).await?,
        false => Found::Missing,
    };
    Ok(Some(send(peer, site, &page, path, 404).await))
}

fn path_of(head: &dyn Head) -> &str {
    head.path_and_query().split('?').next().unwrap_or_default()
}

/// The rule of `_redirects` that a request meets.
fn rule(site: &Site, head: &dyn Head, is_forced: bool) -> Option<Redirect> {
    if site.redirects.is_empty() {
        return None;
    }
    let target = head.path_and_query();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    site.redirects.find(path, query, is_forced)
}

/// A file at exactly that path comes first, then a route, then a folder's own page, then the page of that name.
async fn find(directory: &Directory, head: &dyn Head) -> std::io::Result<SiteTarget> {
    let path = path_of(head);
    let exact = directory.find(path.as_bytes()).await?;
    let is_read = Method::of(head.method().as_bytes()).is_read();
    if matches!(exact, Found::File(_)) && is_read {
        return Ok(SiteTarget::Found(exact));
    }
    directory.prepare(path).await?;
    if directory.site().routes.find(path).is_some() {
        return Ok(SiteTarget::Route);
    }
    if !matches!(exact, Found::Missing) {
        return Ok(SiteTarget::Found(exact));
    }
    Ok(match directory.find_page(path.as_bytes()).await? {
        Found::Missing => SiteTarget::Nothing,
        found => SiteTarget::Found(found),
    })
}

async fn page_at(directory: &Directory, path: &str) -> std::io::Result<Found> {
    match directory.find(path.as_bytes()).await? {
        Found::File(file) => Ok(Found::File(file)),
        _ => directory.find_page(path.as_bytes()).await,
    }
}

/// Sends what was found, with the fields that `_headers` has for `path`.
async fn send<W: Wire>(
    peer: &mut Peer<'_, W>,
    site: &Site,
    found: &Found,
    path: &str,
    status: u16,
) -> Result<(), Ending> {
    let head = peer.head();
    let method = Method::of(head.method().as_bytes());
    let mut asked = FileRequest::default();
    head.fields(&mut |name, value| asked.add(name, value));
    let answer = answer(found, &asked, method, head.path_and_query().as_bytes(), status);
    let answer = answer.unwrap_or_else(|| FileAnswer::status(404));
    let changes = if site.headers.is_empty() { Vec::new() } else { site.headers.find(path) };
    files::send(peer, &answer, &changes).await
}

/// Sends the client elsewhere.
async fn moved<W: Wire>(peer: &mut Peer<'_, W>, status: u16, location: &str) -> Result<(), Ending> {
    let mut fields = HeaderList::default();
    fields.append(b"Location", location.as_bytes());
    peer.write_reply(&Reply {
        status,
        reason: None,
        headers: Fields::List(&fields),
        body: Some(b""),
        streamed: false,
        length: None,
        extras: None,
        upgrade: None,
    });
    peer.receive_rest().await
}

/// A request for another target; all else of it stays.
struct Rewritten {
    head: Rc<dyn Head>,
    target: String,
}

impl Head for Rewritten {
    fn method(&self) -> &str {
        self.head.method()
    }

    fn authority(&self) -> &str {
        self.head.authority()
    }

    fn path_and_query(&self) -> &str {
        &self.target
    }

    fn fields(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
        self.head.fields(f);
    }

    fn asked_protocol(&self) -> Option<AskedProtocol<'_>> {
        self.head.asked_protocol()
    }
}
