//! How a link becomes open: name, TCP, TLS.
//!
//! Owns: the order of these, their common bound, whom TLS trusts. Must not know: promises, streams.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use rustls::pki_types::ServerName;

use super::address::Address;
use super::failure::ConnectionError;
use crate::causes::chain;
use crate::client::ClientOptions;
use crate::io::Stream;
use crate::net::link::{Cut, Info, Link};
use crate::net::{Channel, dial, within};
use crate::tls::{self, Roots, TlsStream};

/// Whom the sockets of an engine trust: the system's roots, unless a test says otherwise.
#[derive(Default)]
pub struct Trust(RefCell<Roots>);

impl Trust {
    /// Only these, for connections that are opened from now on.
    pub fn set(&self, roots: Roots) {
        *self.0.borrow_mut() = roots;
    }

    pub(super) fn roots(&self) -> Roots {
        self.0.borrow().clone()
    }
}

/// TLS as a client.
#[derive(Clone)]
pub(super) struct Terms {
    /// The name that the certificate must be for: a host's, or an IP address.
    pub(super) name: String,
    pub(super) alpn: Vec<Vec<u8>>,
    pub(super) roots: Roots,
}

/// What is to be opened.
pub(super) enum Plan {
    /// A connection, with TLS or without.
    Dial(Address, Option<Terms>),
    /// TLS over an open connection.
    Upgrade(Rc<Link>, Terms),
}

/// Opens `link`, within the time that `fetch` takes for it, too.
pub(super) async fn open(link: &Link, plan: Plan) -> Result<(), ConnectionError> {
    let ms = ClientOptions::default().connect_ms_max;
    match link.attend(within(ms, establish(plan))).await {
        Ok(Some(Ok((transport, info)))) => {
            link.set_open(transport, info).map_err(|error| ConnectionError::of("connect", &error))
        }
        Ok(Some(Err(failure))) | Err(Cut::Failed(failure)) => Err(failure),
        Ok(None) => Err(ConnectionError::new("ETIMEDOUT", format!("no connection within {ms} ms"))),
        Err(Cut::Stopped) => {
            Err(ConnectionError::new("ECONNABORTED", "the socket was closed before it was connected"))
        }
    }
}

async fn establish(plan: Plan) -> Result<(Channel, Info), ConnectionError> {
    let (stream, terms) = match plan {
        Plan::Dial(Address { host, port }, terms) => {
            (dial(&host, port).await.map_err(|error| ConnectionError::of_dial(&error))?, terms)
        }
        Plan::Upgrade(link, terms) => (link.hand_over()?, Some(terms)),
    };
    let mut info = Info { peer: stream.peer().cloned(), local: stream.local().cloned(), alpn: None };
    let Some(terms) = terms else {
        let socket = stream.into_socket().map_err(|error| ConnectionError::of("connect", &error))?;
        return Ok((Channel::Plain(socket), info));
    };
    let stream = secure(stream, &terms).await?;
    info.alpn = stream.alpn().map(|name| String::from_utf8_lossy(&name).into_owned());
    Ok((Channel::Tls(Box::new(stream)), info))
}

async fn secure(stream: Stream, terms: &Terms) -> Result<TlsStream, ConnectionError> {
    let protocols: Vec<&[u8]> = terms.alpn.iter().map(Vec::as_slice).collect();
    let config = tls::client_config(&terms.roots, &protocols);
    let config = config.map_err(|error| ConnectionError::new("EPROTO", chain(&error)))?;
    let name = match terms.name.parse::<IpAddr>() {
        Ok(ip) => ServerName::IpAddress(ip.into()),
        Err(_) => ServerName::try_from(terms.name.clone())
            .map_err(|_| ConnectionError::new("EPROTO", format!("{} is no name for TLS", terms.name)))?,
    };
    let what = format!("TLS with {}", terms.name);
    TlsStream::connect(stream, config, name).await.map_err(|error| ConnectionError::of(&what, &error))
}
