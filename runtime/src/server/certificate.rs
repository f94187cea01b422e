//! The certificates of a server's TLS listeners.
//!
//! Owns: that no listener speaks TLS without one, and none is named in vain. Must not know: files, handshakes.

use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::tls::{SelfSignedFiles, ServerTls};

/// The server's side of TLS, none where nobody listens for it; and the certificate for development, if that is used.
///
/// # Errors
/// A listener speaks TLS and there is no certificate, or it cannot be read; there is one for nobody.
pub(super) fn read(config: &Config) -> Result<(Option<Arc<ServerTls>>, Option<SelfSignedFiles>)> {
    let Some(listen) = config.listen.iter().find(|listen| listen.tls) else {
        return for_nobody(config).map_or(Ok((None, None)), Err);
    };
    if let Some(wanted) = &config.self_signed {
        let made = SelfSignedFiles::prepare(wanted)?;
        let tls = ServerTls::read(std::slice::from_ref(&made.files))?;
        tracing::info!("{}", made.how_to_trust);
        return Ok((Some(tls), Some(made)));
    }
    if config.tls.is_empty() {
        return Err(Error::new(ErrorKind::Usage, format!("{} needs a certificate", listen.url())).remedy(
            "Name its files with --tls-cert and --tls-key; for development --tls-self-signed makes one.",
        ));
    }
    Ok((Some(ServerTls::read(&config.tls)?), None))
}

/// The error of a certificate without a listener.
fn for_nobody(config: &Config) -> Option<Error> {
    let (flag, named) = match (&config.self_signed, config.tls.first()) {
        (Some(_), _) => ("tls-self-signed", Path::new("")),
        (None, Some(first)) => ("tls-cert", &*first.certificate),
        (None, None) => return None,
    };
    let separator = if named.as_os_str().is_empty() { "" } else { ": " };
    let text = format!("{}{separator}no listener speaks TLS", named.display());
    Some(
        Error::of_flag(flag, text)
            .remedy("Name one that does: --listen https://HOST:PORT, or tls:// for raw streams."),
    )
}
