//! What a certificate says, in the words that Node's `getPeerCertificate` has for it (RFC 5280).
//!
//! Owns: [`CertificateFacts`], read from DER. Must not know: whether the certificate is good, who asks.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::asn1::Any;
use x509_cert::der::{DateTime, Decode, Tag, Tagged};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectAltName};
use x509_cert::name::Name;

/// Attribute types by their object identifiers, as OpenSSL abbreviates them.
const ATTRIBUTES: [(&str, &str); 11] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.42", "GN"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// A name that a certificate is for (RFC 5280 section 4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectName {
    /// A host, or a pattern of hosts (`*.example.org`), in lower case.
    Dns(String),
    /// An address.
    Ip(IpAddr),
    /// Someone's address.
    Email(String),
    /// A URI.
    Uri(String),
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whose it is: pairs of an attribute's short name and its value, in their order.
    pub subject: Vec<(String, String)>,
    /// Who has signed it.
    pub issuer: Vec<(String, String)>,
    /// What it is for; others than those of [`SubjectName`] are left out.
    pub names: Vec<SubjectName>,
    /// From when it is valid, in seconds of Unix time.
    pub not_before: u64,
    /// Until when.
    pub not_after: u64,
    /// Its number, in hexadecimal digits.
    pub serial: String,
}

impl CertificateFacts {
    /// Of a certificate in DER; `None` for what is none, as RFC 5280 has them.
    pub fn read(der: &[u8]) -> Option<CertificateFacts> {
        let certificate = Certificate::from_der(der).ok()?;
        let facts = certificate.tbs_certificate();
        let names = facts.get_extension::<SubjectAltName>().ok()?;
        Some(CertificateFacts {
            subject: attributes(facts.subject()),
            issuer: attributes(facts.issuer()),
            names: names.map_or_else(Vec::new, |(_, names)| names.0.iter().filter_map(name).collect()),
            not_before: facts.validity().not_before.to_unix_duration().as_secs(),
            not_after: facts.validity().not_after.to_unix_duration().as_secs(),
            serial: hex(facts.serial_number().as_bytes(), ""),
        })
    }
}

/// What an authority knows a certificate in DER by (RFC 9773 section 4.1): the identifier of the key that has signed
/// it, and its number, each as it stands there. `None` where it does not name that key.
pub(crate) fn renewal_identifier(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let certificate = Certificate::from_der(der).ok()?;
    let facts = certificate.tbs_certificate();
    let (_, authority) = facts.get_extension::<AuthorityKeyIdentifier>().ok()??;
    Some((authority.key_identifier?.as_bytes().to_vec(), facts.serial_number().as_bytes().to_vec()))
}

/// The SHA-256 fingerprint of a certificate in DER: bytes in hexadecimal digits with colons between them.
pub fn fingerprint(der: &[u8]) -> String {
    hex(&Sha256::digest(der), ":")
}

/// A time as OpenSSL prints it: `Nov  9 12:00:00 2026 GMT`.
pub fn date(unix_seconds: u64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Ok(at) = DateTime::from_unix_duration(Duration::from_secs(unix_seconds)) else {
        return String::new();
    };
    let (hour, minutes, seconds) = (at.hour(), at.minutes(), at.seconds());
    let month = MONTHS[usize::from(at.month()) - 1];
    format!("{month} {:2} {hour:02}:{minutes:02}:{seconds:02} {} GMT", at.day(), at.year())
}

fn hex(bytes: &[u8], between: &str) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (at, byte) in bytes.iter().enumerate() {
        // A string takes everything.
        let _ = write!(text, "{}{byte:02X}", if at == 0 { "" } else { between });
    }
    text
}

fn attributes(name: &Name) -> Vec<(String, String)> {
    name.iter()
        .map(|attribute| {
            let oid = attribute.oid.to_string();
            let known = ATTRIBUTES.iter().find(|(known, _)| *known == oid);
            (known.map_or(oid.clone(), |(_, short)| (*short).to_owned()), text(&attribute.value))
        })
        .collect()
}

/// A string of any of ASN.1's kinds.
fn text(value: &Any) -> String {
    match value.tag() {
        Tag::BmpString => {
            let (pairs, _) = value.value().as_chunks::<2>();
            String::from_utf16_lossy(&pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect::<Vec<_>>())
        }
        _ => String::from_utf8_lossy(value.value()).into_owned(),
    }
}

fn name(name: &GeneralName) -> Option<SubjectName> {
    Some(match name {
        GeneralName::DnsName(host) => SubjectName::Dns(host.as_str().to_ascii_lowercase()),
        GeneralName::Rfc822Name(address) => SubjectName::Email(address.as_str().to_owned()),
        GeneralName::UniformResourceIdentifier(uri) => SubjectName::Uri(uri.as_str().to_owned()),
        GeneralName::IpAddress(address) => SubjectName::Ip(match address.as_bytes() {
            bytes if bytes.len() == 4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
            bytes => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, SerialNumber, date_time_ymd};

    #[test]
    fn a_certificate_is_read() {
        let mut params = CertificateParams::new(vec!["A.test".into(), "*.b.test".into()]).expect("names");
        params.subject_alt_names.push(SanType::IpAddress("::1".parse().expect("an address")));
        params.subject_alt_names.push(SanType::URI("spiffe://a/b".try_into().expect("ASCII")));
        params.subject_alt_names.push(SanType::Rfc822Name("me@a.test".try_into().expect("ASCII")));
        params.distinguished_name.push(DnType::OrganizationName, "Zoë");
        params.distinguished_name.push(DnType::CommonName, "who");
        params.serial_number = Some(SerialNumber::from_slice(&[1, 0xab]));
        (params.not_before, params.not_after) = (date_time_ymd(2001, 2, 3), date_time_ymd(2049, 12, 31));
        let key = KeyPair::generate().expect("a key");
        let facts =
            CertificateFacts::read(params.self_signed(&key).expect("a certificate").der()).expect("facts");
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        // The maker of the certificate has a common name before it is told one.
        assert_eq!(facts.subject, [pair("CN", "who"), pair("O", "Zoë")]);
        assert_eq!(facts.issuer, facts.subject);
        let dns = |name: &str| SubjectName::Dns(name.into());
        let others = [
            SubjectName::Ip("::1".parse().expect("an address")),
            SubjectName::Uri("spiffe://a/b".into()),
            SubjectName::Email("me@a.test".into()),
        ];
        assert_eq!(facts.names, [&[dns("a.test"), dns("*.b.test")], &others[..]].concat());
        assert_eq!(
            (date(facts.not_before).as_str(), date(facts.not_after).as_str(), facts.serial.as_str()),
            ("Feb  3 00:00:00 2001 GMT", "Dec 31 00:00:00 2049 GMT", "01AB")
        );
        assert_eq!(CertificateFacts::read(b"no certificate"), None);
    }

    // The leading zero of a number that would be negative belongs to it, as in RFC 9773 section 4.1.
    #[test]
    fn a_certificate_is_known_by_its_authoritys_key_and_its_number() {
        let mut params = CertificateParams::new(vec!["a.test".into()]).expect("names");
        params.serial_number = Some(SerialNumber::from_slice(&[0x87, 0x65]));
        params.use_authority_key_identifier_extension = true;
        let mut issuer = CertificateParams::new(Vec::new()).expect("no names");
        issuer.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        issuer.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![1, 2, 3]);
        let issuer = rcgen::CertifiedIssuer::self_signed(issuer, KeyPair::generate().expect("a key"));
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &issuer.expect("an authority")).expect("a certificate");
        assert_eq!(renewal_identifier(signed.der()), Some((vec![1, 2, 3], vec![0, 0x87, 0x65])));
        let alone = CertificateParams::new(vec!["a.test".into()]).expect("names").self_signed(&key);
        assert_eq!(renewal_identifier(alone.expect("a certificate").der()), None);
    }

    #[test]
    fn a_fingerprint_is_bytes_with_colons() {
        let text = fingerprint(b"");
        assert!(text.starts_with("E3:B0:C4:42:") && text.len() == 32 * 3 - 1, "{text}");
    }
}
