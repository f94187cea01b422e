//! The certificates of a server's TLS listeners.
//!
//! Owns: that no listener speaks TLS without one, and none is named in vain. Must not know: files, handshakes.

use std::sync::Arc;

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::tls::ServerTls;

/// The server's side of TLS; none where nobody listens for it.
///
/// # Errors
/// A listener speaks TLS and there is no certificate, or it cannot be read; there is one for nobody.
pub(super) fn read(config: &Config) -> Result<Option<Arc<ServerTls>>> {
    let listen = config.listen.iter().find(|listen| listen.tls);
    match (listen, &config.tls[..]) {
        (None, []) => Ok(None),
        (None, [first, ..]) => {
            let text = format!("{}: no listener speaks TLS", first.certificate.display());
            Err(Error::of_flag("tls-cert", text)
                .remedy("Name one that does: --listen https://HOST:PORT, or tls:// for raw streams."))
        }
        (Some(listen), []) => {
            Err(Error::new(ErrorKind::Usage, format!("{} needs a certificate", listen.url())).remedy(
                "Name its files with --tls-cert and --tls-key; for development --tls-self-signed makes one.",
            ))
        }
        (Some(_), files) => ServerTls::read(files).map(Some),
    }
}
