//! What a server listens on, held against what its app has.
//!
//! Owns: which scheme a listener gets that says nothing, the error of one that nobody serves. Must not know: workers.

use crate::address::Address;
use crate::app::methods::{self, Method, Methods};
use crate::config::{Config, Listen, Scheme};
use crate::error::{Error, ErrorKind, Result};
use crate::io::Backend;
use crate::listeners::{self, HandedSockets, Listeners};

/// Names what each listener speaks, and refuses one that the app has no handler for.
pub(super) fn settle_schemes<'l>(
    config: &Config,
    listeners: impl Iterator<Item = &'l mut Listen>,
    methods: Methods,
) -> Result<()> {
    for listen in listeners {
        if listen.scheme == Scheme::Auto {
            listen.scheme = methods.scheme();
        }
        let (app, url) = (config.app.display(), listen.url());
        match methods.serving(listen.scheme) {
            None => {
                let mut remedy =
                    format!("Its default export needs a method {}.", methods::wanted(listen.scheme));
                if let (true, Address::Ip(addr)) = (methods == Methods::DATAGRAM, &listen.address) {
                    remedy = format!("Its `datagram` is served on UDP: --listen udp://{addr}");
                }
                return Err(
                    Error::new(ErrorKind::App, format!("{app} has no handler for {url}")).remedy(remedy)
                );
            }
            Some(Method::Accept) if listen.tls => {
                let text = format!("{app}: accept(fd) cannot serve {url}: TLS is not in the descriptor");
                return Err(Error::new(ErrorKind::App, text)
                    .remedy("Give its default export a method connect(socket) instead."));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Binds what is to be listened on, for each worker its row. An app that a clock calls needs no listener: what keeps one
/// from it that nobody asked for is told once it is known what the app has.
pub(super) fn bind(
    config: &Config,
    backend: Backend,
    handed: HandedSockets,
) -> Result<(Listeners, Vec<listeners::Row>, Option<Error>)> {
    match Listeners::bind(config, backend, handed) {
        Ok((listeners, rows)) => Ok((listeners, rows, None)),
        Err(error) if !config.crons.is_empty() && is_unasked(config) => {
            let rows = (0..config.workers).map(|_| Vec::new()).collect();
            Ok((Listeners::default(), rows, Some(error)))
        }
        Err(error) => Err(error),
    }
}

/// Whether nothing was said of what is to be spoken where: an app that a clock calls listens nowhere, then.
pub(super) fn is_unasked(config: &Config) -> bool {
    config.listen.iter().all(|listen| listen.scheme == Scheme::Auto)
}
