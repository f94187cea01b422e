//! From a host's name to a connected socket: addresses, and a race between their families.
//!
//! Owns: the order and overlap of attempts (RFC 8305, with its default times). Must not know: TLS,
//! proxies, HTTP.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Type};

use crate::causes::BoxError;
use crate::io::dns::{Family, lookup};
use crate::io::{Socket, Stream, sleep};

/// An attempt's head start on the next one (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// What of it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The host's name has no address.
    Resolve,
    /// No address of the host takes the connection.
    Connect,
}

/// Why there is no connection. It reads as a sentence without the cause, which is its `source`.
#[derive(Debug)]
pub(crate) struct DialError {
    pub(crate) step: Step,
    pub(crate) message: String,
    pub(crate) source: BoxError,
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DialError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

/// Connects to `port` of `host`, a name or an address (IPv6 with or without brackets).
pub(crate) async fn dial(host: &str, port: u16) -> Result<Stream, DialError> {
    // Brackets are the URL's way to write an IPv6 address.
    let name = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let addrs = lookup(name, port, Family::Any).await.map_err(|error| DialError {
        step: Step::Resolve,
        message: format!("no address for {host}"),
        source: error.into(),
    })?;
    race(interleave(&addrs)).await.map_err(|error| DialError {
        step: Step::Connect,
        message: format!("cannot connect to {host}, port {port}"),
        source: error.into(),
    })
}

/// Connects to the Unix socket at `path`.
pub(crate) async fn dial_unix(path: &Path) -> Result<Stream, DialError> {
    let failed = |error: io::Error| DialError {
        step: Step::Connect,
        message: format!("cannot connect to unix:{}", path.display()),
        source: error.into(),
    };
    let addr = SockAddr::unix(path).map_err(failed)?;
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM.cloexec().nonblocking(), None);
    let socket = Socket::new(OwnedFd::from(socket.map_err(failed)?));
    socket.connect(addr).await.map_err(failed)?;
    Stream::new(socket.into_fd().map_err(failed)?).map_err(failed)
}

/// The families in turn, the first address's family first (RFC 8305 section 4).
fn interleave(addrs: &[SocketAddr]) -> VecDeque<SocketAddr> {
    let first_is_v6 = addrs.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addrs.iter().copied().partition(|addr| addr.is_ipv6() == first_is_v6);
    let mut order = VecDeque::with_capacity(addrs.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let before = order.len();
        order.extend(first.next());
        order.extend(second.next());
        if order.len() == before {
            return order;
        }
    }
}

/// The first connection that opens. The next attempt begins when the last one has failed, or has
/// had its head start; the others end when one has won.
async fn race(mut addrs: VecDeque<SocketAddr>) -> io::Result<Stream> {
    type Attempt = Pin<Box<dyn Future<Output = io::Result<Stream>>>>;
    let mut running: Vec<Attempt> = Vec::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut head_start = sleep(Duration::ZERO);
    poll_fn(|cx| {
        loop {
            let mut at = 0;
            while at < running.len() {
                match running[at].as_mut().poll(cx) {
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(error)) => {
                        failure = error;
                        drop(running.remove(at));
                    }
                    Poll::Pending => at += 1,
                }
            }
            let may_start = running.is_empty() || Pin::new(&mut head_start).poll(cx).is_ready();
            match addrs.pop_front_if(|_| may_start) {
                Some(addr) => {
                    running.push(Box::pin(connect(addr)));
                    head_start = sleep(HEAD_START);
                }
                None if running.is_empty() => {
                    let gone = std::mem::replace(&mut failure, io::ErrorKind::Other.into());
                    return Poll::Ready(Err(gone));
                }
                None => return Poll::Pending,
            }
        }
    })
    .await
}

async fn connect(addr: SocketAddr) -> io::Result<Stream> {
    // Close-on-exec and non-blocking, as the operations want it.
    let socket = socket2::Socket::new(
        Domain::for_address(addr),
        Type::STREAM.cloexec().nonblocking(),
        Some(Protocol::TCP),
    )?;
    socket.set_tcp_nodelay(true)?;
    let socket = Socket::new(OwnedFd::from(socket));
    socket.connect(addr.into()).await?;
    Stream::new(socket.into_fd()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_the_first_one_leads() {
        let addrs = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"];
        let addrs: Vec<SocketAddr> = addrs.iter().map(|addr| addr.parse().expect("an address")).collect();
        let order: Vec<String> = interleave(&addrs).iter().map(ToString::to_string).collect();
        assert_eq!(order, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(interleave(&[]).len(), 0);
    }
}
