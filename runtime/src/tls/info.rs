//! What the two sides of a TLS connection have agreed on, in words.
//!
//! Owns: [`TlsInfo`], read from rustls's session once the handshake is over. Must not know: who wants to know it.

use rustls::pki_types::CertificateDer;
use rustls::{CommonState, HandshakeKind, ProtocolVersion};

/// What a TLS connection is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsInfo {
    /// `TLSv1.3` or `TLSv1.2`, as OpenSSL has them.
    pub protocol: &'static str,
    /// The cipher suite's name in the IANA registry.
    pub cipher: String,
    /// The host name that the client asked for (RFC 6066 section 3), in lower case.
    pub sni: Option<String>,
    /// The protocol that both agreed on (RFC 7301).
    pub alpn: Option<String>,
    /// The peer's certificate, in DER.
    pub peer_certificate: Option<CertificateDer<'static>>,
    /// The session goes on from an earlier one, by its ticket.
    pub is_resumed: bool,
}

impl TlsInfo {
    /// Of a session whose handshake is over, where the client has asked for `name`.
    pub(super) fn of(session: &CommonState, name: Option<&str>) -> TlsInfo {
        let suite = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        TlsInfo {
            protocol: match session.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "TLSv1.3",
            },
            // rustls tells the suites of TLS 1.3 from others in their names.
            cipher: suite.unwrap_or_default().replace("TLS13_", "TLS_"),
            sni: name.map(str::to_owned),
            alpn: session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
            peer_certificate: session.peer_certificates().and_then(<[_]>::first).cloned(),
            is_resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}
