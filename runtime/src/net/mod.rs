//! A connection to somewhere or from somewhere, with TLS or without: opened, read, written, ended.
//!
//! Owns: the way from a name to a socket ([`dial()`]), byte streams for HTTP ([`Transport`], [`Adapter`]) and
//! the connections behind sockets of JavaScript ([`link`]). Must not know: HTTP, JavaScript.
#![forbid(unsafe_code)]

mod adapter;
mod channel;
mod dial;
mod ends;
mod failure;
mod flow;
pub(crate) mod link;
mod transport;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

pub(crate) use adapter::{Adapter, TransportWatch, WorkerExecutor, WorkerTimer};
pub(crate) use channel::{Channel, QueuedSend, RECV_BYTES};
pub(crate) use dial::{DialError, Step, dial, dial_unix};
pub use ends::Ends;
pub(crate) use failure::ConnectionError;
pub use transport::Transport;

use crate::io;

/// `future`, or `None` after `ms`.
pub(crate) async fn within<F: Future>(ms: u64, future: F) -> Option<F::Output> {
    let (mut future, mut sleep) = (pin!(future), io::sleep(Duration::from_millis(ms)));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Pin::new(&mut sleep).poll(cx).map(|()| None),
    })
    .await
}
