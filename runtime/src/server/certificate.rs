//! The certificates of a server's TLS listeners.
//!
//! Owns: that no listener speaks TLS without one, none is named in vain, and where they come from. Must not know:
//! files, handshakes.

use std::path::Path;
use std::sync::Arc;

use crate::acme::{Ordered, Orders, Way};
use crate::config::{CertificateFiles, Config, Listen, Scheme};
use crate::error::{Error, ErrorKind, Result};
use crate::tls::{self, Challenges, SelfSignedFiles, ServerTls, TicketSecrets};

/// The server's side of TLS, and who makes its certificates where they are not files of somebody else's.
#[derive(Default)]
pub(super) struct Certificates {
    /// None where nobody listens for it.
    pub(super) tls: Option<Arc<ServerTls>>,
    self_signed: Option<SelfSignedFiles>,
    ordered: Option<Ordered>,
    orders: Option<Orders>,
}

impl Certificates {
    /// Reads those of `config`; `tickets` are those of the server whose place this one takes.
    ///
    /// # Errors
    /// A listener speaks TLS and there is no certificate, or it cannot be read; there is one for nobody.
    pub(super) fn read(config: &Config, tickets: Option<Arc<TicketSecrets>>) -> Result<Certificates> {
        let Some(listen) = config.listen.iter().find(|listen| listen.tls) else {
            return for_nobody(config).map_or(Ok(Certificates::default()), Err);
        };
        if let Some(wanted) = &config.self_signed {
            let made = SelfSignedFiles::prepare(wanted)?;
            let tls = read_files(std::slice::from_ref(&made.files), None, tickets)?;
            tracing::info!("{}", made.how_to_trust);
            return Ok(Certificates { tls: Some(tls), self_signed: Some(made), ..Certificates::default() });
        }
        let ordered = config.acme.as_ref().map(Ordered::prepare).transpose()?;
        let files: Vec<_> = ordered.iter().map(Ordered::files).chain(config.tls.iter().cloned()).collect();
        if files.is_empty() {
            let text = format!("{} needs a certificate", listen.url());
            return Err(Error::new(ErrorKind::Usage, text).remedy(
                "Name its files with --tls-cert and --tls-key, or its host with --acme; for development \
                 --tls-self-signed makes one.",
            ));
        }
        let tls = read_files(&files, ordered.as_ref().map(Ordered::challenges), tickets)?;
        Ok(Certificates { tls: Some(tls), ordered, ..Certificates::default() })
    }

    /// The server's side of TLS for a configuration that was read after `before`; what is ordered or made here is what it
    /// was.
    ///
    /// # Errors
    /// Those of [`Certificates::read`].
    pub(super) fn renewed(
        tls: Option<&Arc<ServerTls>>,
        config: &Config,
        before: &Config,
    ) -> Result<Option<Arc<ServerTls>>> {
        if !config.listen.iter().any(|listen| listen.tls) {
            return for_nobody(config).map_or(Ok(None), Err);
        }
        match tls {
            Some(tls) if config.tls == before.tls => {
                tls.look();
                Ok(Some(tls.clone()))
            }
            Some(tls) => {
                let own = usize::from(config.acme.is_some());
                tls.read_others(own, &config.tls).map(Some)
            }
            None => Ok(Certificates::read(config, None)?.tls),
        }
    }

    /// Orders what is to be ordered, now that the listeners answer.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn order(&mut self, listen: &[Listen]) -> Result<()> {
        if let Some(ordered) = self.ordered.take() {
            self.orders = Some(ordered.start(ways(listen))?);
        }
        Ok(())
    }

    /// Takes up what has changed; to be called every second or so.
    pub(super) fn look(&mut self) {
        let Some(tls) = &self.tls else { return };
        if let Some(made) = &mut self.self_signed {
            made.look();
        }
        tls.look();
    }
}

fn read_files(
    files: &[CertificateFiles],
    challenges: Option<Arc<Challenges>>,
    tickets: Option<Arc<TicketSecrets>>,
) -> Result<Arc<ServerTls>> {
    match tickets {
        Some(tickets) => ServerTls::read_with(files, challenges, tickets),
        None => ServerTls::read(files, challenges),
    }
}

/// How an authority reaches the listeners, best first: it asks on port 80 by HTTP, on port 443 by TLS.
fn ways(listen: &[Listen]) -> Vec<Way> {
    let port = |listen: &Listen| listen.address.ip().map_or(0, |addr| addr.port());
    let is_http = |listen: &Listen| !listen.tls && matches!(listen.scheme, Scheme::Auto | Scheme::Http);
    let has_443 = listen.iter().any(|listen| listen.tls && port(listen) == 443);
    match listen.iter().find(|listen| is_http(listen)) {
        None => vec![Way::Tls],
        Some(http) if has_443 && port(http) != 80 => vec![Way::Tls, Way::Http],
        Some(_) => vec![Way::Http, Way::Tls],
    }
}

/// The error of a certificate without a listener.
fn for_nobody(config: &Config) -> Option<Error> {
    let (flag, named) = match (&config.self_signed, &config.acme, config.tls.first()) {
        (Some(_), ..) => ("tls-self-signed", Path::new("")),
        (None, Some(acme), _) => ("acme", Path::new(&acme.names[0])),
        (None, None, Some(first)) => ("tls-cert", &*first.certificate),
        (None, None, None) => return None,
    };
    let separator = if named.as_os_str().is_empty() { "" } else { ": " };
    let text = format!("{}{separator}no listener speaks TLS", named.display());
    Some(
        Error::of_flag(flag, text)
            .remedy("Name one that does: --listen https://HOST:PORT, or tls:// for raw streams."),
    )
}

/// Reads whom proxies trust: a file that is none is an error now, not with the first request.
pub(super) fn check_authorities(config: &Config) -> Result<()> {
    let mut files = config.proxies.iter().filter_map(|rule| rule.ca.as_ref());
    files.try_for_each(|ca| tls::certificates("proxy", ca).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn an_authority_is_led_to_the_ports_that_it_asks_on() {
        let listener = |scheme, tls, port| {
            let addr = SocketAddr::from(([127, 0, 0, 1], port));
            Listen { tls, ..Listen::new(scheme, addr) }
        };
        let (http, https) =
            (|port| listener(Scheme::Http, false, port), |port| listener(Scheme::Http, true, port));
        assert_eq!(ways(&[https(443)]), [Way::Tls]);
        assert_eq!(ways(&[https(443), http(80)]), [Way::Http, Way::Tls]);
        assert_eq!(ways(&[https(443), http(8080)]), [Way::Tls, Way::Http]);
        assert_eq!(ways(&[https(8443), http(8080)]), [Way::Http, Way::Tls]);
        assert_eq!(ways(&[https(8443), listener(Scheme::Tcp, false, 80)]), [Way::Tls]);
    }
}
