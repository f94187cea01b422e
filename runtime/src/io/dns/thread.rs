//! The thread that asks the servers.
//!
//! Owns: hickory's resolver with its cache, and the runtime that it lives in. It has a thread of
//! its own because its time-outs are tokio's, which a worker on the ring does not serve, and
//! because a script that waits blocks its worker. Must not know: who asks.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Config, Family, LookupError, QUESTION_TIME_MAX, Question};

/// Answers kept, while they live.
const CACHE_ENTRIES: u64 = 1_024;
/// How long an answer is kept at most, a negative one too: names move.
const CACHE_TIME_MAX: Duration = Duration::from_secs(300);
const NEGATIVE_TIME_MAX: Duration = Duration::from_secs(10);

/// Starts the thread; it ends when the other end of `questions` is gone.
pub(super) fn start(config: Config, mut questions: UnboundedReceiver<Question>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let serve = async move {
        let mut current = None;
        while let Some(question) = questions.recv().await {
            let Some(servers) = servers(&config, &mut current) else {
                let _ = question.answer.send(Err(LookupError::TryAgain));
                continue;
            };
            tokio::spawn(answer(servers, question));
        }
    };
    std::thread::Builder::new().name("resolver".into()).spawn(move || runtime.block_on(serve)).map(drop)
}

/// Answers one question, or ends with who asked it: it is one of a bounded number.
async fn answer(servers: Servers, mut question: Question) {
    let found = {
        let asked = ask(&servers, &question.name, question.family);
        let mut asked = pin!(tokio::time::timeout(QUESTION_TIME_MAX, asked));
        let asker = &mut question.answer;
        poll_fn(|cx| match asker.poll_closed(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => asked.as_mut().poll(cx).map(Some),
        })
        .await
    };
    if let Some(found) = found {
        let _ = question.answer.send(found.unwrap_or(Err(LookupError::TryAgain)));
    }
}

/// Tries the names that `name` may stand for (resolv.conf(5), search), as res_search(3) does: that a
/// name has no data, or that a server failed, says more than that the last name is not known.
async fn ask(servers: &Servers, name: &str, family: Family) -> Result<Vec<IpAddr>, LookupError> {
    let name =
        Name::from_utf8(name).or_else(|_| Name::from_ascii(name)).map_err(|_| LookupError::NotFound)?;
    let mut failed = LookupError::NotFound;
    for name in servers.candidates(name) {
        match (query(&servers.resolver, name, family).await, failed) {
            (Ok(ips), _) => return Ok(ips),
            (Err(LookupError::NotFound), _) | (Err(_), LookupError::NoData) => {}
            (Err(failure), _) => failed = failure,
        }
    }
    Err(failed)
}

async fn query(resolver: &TokioResolver, name: Name, family: Family) -> Result<Vec<IpAddr>, LookupError> {
    let ips: Vec<IpAddr> = match family {
        Family::Any => resolver.lookup_ip(name).await.map_err(failure)?.iter().collect(),
        Family::V4 | Family::V6 => {
            let kind = if family == Family::V4 { RecordType::A } else { RecordType::AAAA };
            let found = resolver.lookup(name, kind).await.map_err(failure)?;
            found.answers().iter().filter_map(|record| record.data.ip_addr()).collect()
        }
    };
    if ips.is_empty() { Err(LookupError::NoData) } else { Ok(ips) }
}

fn failure(error: NetError) -> LookupError {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => LookupError::NotFound,
            ResponseCode::NoError => LookupError::NoData,
            _ => LookupError::TryAgain,
        },
        _ => LookupError::TryAgain,
    }
}

/// What a configuration file says.
#[derive(Clone)]
struct Servers {
    resolver: TokioResolver,
    search: Vec<Name>,
    ndots: usize,
}

impl Servers {
    /// The fully qualified names that `name` may stand for, in the order of trial.
    fn candidates(&self, mut name: Name) -> Vec<Name> {
        if name.is_fqdn() {
            return vec![name];
        }
        let first = usize::from(name.num_labels()) > self.ndots;
        let mut all: Vec<Name> =
            self.search.iter().filter_map(|domain| name.clone().append_domain(domain).ok()).collect();
        name.set_fqdn(true);
        all.insert(if first { 0 } else { all.len() }, name);
        all
    }
}

/// The servers, and the time of the file that named them.
type Current = Option<(Option<SystemTime>, Servers)>;

/// The servers by the configuration as it is now.
fn servers(config: &Config, current: &mut Current) -> Option<Servers> {
    let changed = std::fs::metadata(&config.resolv_conf).and_then(|known| known.modified()).ok();
    if let Some((made, servers)) = current
        && *made == changed
    {
        return Some(servers.clone());
    }
    match build(&config.resolv_conf, config.port) {
        Ok(servers) => {
            *current = Some((changed, servers.clone()));
            Some(servers)
        }
        Err(error) => {
            tracing::warn!("{}: {error}", config.resolv_conf.display());
            None
        }
    }
}

fn build(resolv_conf: &Path, port: u16) -> Result<Servers, NetError> {
    let text = std::fs::read(resolv_conf).unwrap_or_default();
    let (mut config, mut options) = parse_resolv_conf(&text).unwrap_or_else(|_| {
        // resolv.conf(5): without a server it is the one on this machine.
        let local = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
        (ResolverConfig::from_parts(None, vec![], vec![local]), Default::default())
    });
    for connection in config.name_servers.iter_mut().flat_map(|server| &mut server.connections) {
        connection.port = port;
    }
    let (search, ndots) = (config.search.clone(), options.ndots);
    options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    // They were read before the question came here.
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = CACHE_ENTRIES;
    options.positive_max_ttl = Some(CACHE_TIME_MAX);
    options.negative_max_ttl = Some(NEGATIVE_TIME_MAX);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    Ok(Servers { resolver: builder.build()?, search, ndots })
}
