//! Servers that requests are sent on to: which rule a path meets, which server of a group is asked, how one that fails is
//! passed over for a while.
//!
//! Owns: rules and groups of one worker. Must not know: whose requests they are, what of them is passed on, JavaScript.

mod answer;
mod group;
mod http;

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

pub use self::answer::{SentOn, UpstreamAnswer, UpstreamBody, UpstreamError, UpstreamFault, UpstreamTunnel};
pub use self::group::UpstreamGroup;

use self::http::HttpUpstream;
use crate::config::{Config, ProxyHost, ProxyRule, UpstreamAddress};
use crate::header_list::HeaderList;

/// What gives the body of a request that is sent on.
pub trait UpstreamSource {
    /// The next bytes; `None` at the end.
    fn poll_chunk(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>>;
}

/// A request to be sent on.
pub struct UpstreamRequest {
    /// The method.
    pub method: String,
    /// Path and query, as they are sent.
    pub target: String,
    /// Host; `None`: the server's own.
    pub host: Option<String>,
    /// All other fields, without those of the connection and of the body's framing.
    pub fields: HeaderList,
    /// The body and its length, where that is known.
    pub body: Option<(Rc<dyn UpstreamSource>, Option<u64>)>,
    /// The protocol that is to be spoken instead, as Upgrade has it: there is no body, then.
    pub upgrade: Option<&'static str>,
}

/// An answer that is waited for. Dropped before, it ends the exchange.
pub type Sending = Pin<Box<dyn Future<Output = Result<SentOn, UpstreamError>>>>;

/// A server that requests are sent on to, whatever it speaks.
pub trait Upstream {
    /// What it is called in the log.
    fn name(&self) -> &str;

    /// Sends a request and waits for the head of its answer.
    fn send(&self, request: UpstreamRequest) -> Sending;
}

/// The rules of one worker, and the servers behind them.
pub struct Proxies {
    rules: Vec<(ProxyRule, Rc<UpstreamGroup>)>,
    /// Of rules in `_redirects`, by origin.
    by_origin: RefCell<HashMap<String, Rc<UpstreamGroup>>>,
    config: Arc<Config>,
}

/// Where a request is sent on to.
pub struct Route {
    /// Who is asked.
    pub group: Rc<UpstreamGroup>,
    /// Path and query.
    pub target: String,
    /// What Host says.
    pub host: ProxyHost,
}

impl Proxies {
    /// Those of the configuration; `None` where there are none.
    pub fn of(config: &Arc<Config>, worker: usize) -> Option<Proxies> {
        let has_urls = config.site.as_ref().is_some_and(|site| site.redirects.upstreams().next().is_some());
        if config.proxies.is_empty() && !has_urls {
            return None;
        }
        let mut rules: Vec<_> = config
            .proxies
            .iter()
            .map(|rule| (rule.clone(), Rc::new(UpstreamGroup::of(rule, config, worker))))
            .collect();
        // The longest that fits counts.
        rules.sort_by_key(|(rule, _)| std::cmp::Reverse(rule.path.len()));
        Some(Proxies { rules, by_origin: RefCell::default(), config: config.clone() })
    }

    /// Where the rule leads that a target meets; `None`: there is none for it.
    pub fn find(&self, target: &str) -> Option<Route> {
        let path = target.split('?').next().unwrap_or_default();
        let is_below = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let (rule, group) =
            self.rules.iter().find(|(rule, _)| path.starts_with('/') && is_below(&rule.path))?;
        let rest = if rule.strip { &target[rule.path.len()..] } else { target };
        let slash = if rest.starts_with('/') { "" } else { "/" };
        Some(Route {
            group: group.clone(),
            target: format!("{}{slash}{rest}", rule.base),
            host: host_of(rule),
        })
    }

    /// Where `url` leads, which a rule of `_redirects` says: `http` or `https`. `None`: it is no URL.
    pub fn at(&self, url: &str) -> Option<Route> {
        let (tls, rest) = match url.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, url.strip_prefix("http://")?),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let target = target.split('#').next().unwrap_or_default();
        let slash = if target.starts_with('/') { "" } else { "/" };
        let key = format!("{tls} {authority}");
        let known = self.by_origin.borrow().get(&key).cloned();
        let group = known.unwrap_or_else(|| {
            let address = UpstreamAddress::Host { tls, authority: authority.to_owned() };
            let rule = ProxyRule { upstreams: vec![address], ..ProxyRule::default() };
            let group = Rc::new(UpstreamGroup::of(&rule, &self.config, 0));
            self.by_origin.borrow_mut().insert(key, group.clone());
            group
        });
        Some(Route { group, target: format!("{slash}{target}"), host: ProxyHost::Upstream })
    }
}

/// What Host says: a server over TLS is mostly one of many at its address.
fn host_of(rule: &ProxyRule) -> ProxyHost {
    let is_tls = |address: &UpstreamAddress| matches!(address, UpstreamAddress::Host { tls: true, .. });
    let usual = if rule.upstreams.iter().any(is_tls) { ProxyHost::Upstream } else { ProxyHost::Keep };
    rule.host.clone().unwrap_or(usual)
}

/// The server at `address`, asked as `rule` says.
fn upstream(address: &UpstreamAddress, rule: &ProxyRule, config: &Config) -> Box<dyn Upstream> {
    Box::new(HttpUpstream::new(address, rule, &config.limits))
}
