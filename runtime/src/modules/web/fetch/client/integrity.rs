//! Responses that must be what the caller says (Subresource Integrity, section 3.3).
//!
//! Owns: the digests of `integrity`, and the wait for a whole body. Must not know: responses otherwise.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};

use super::Arrived;
use super::errors::Failure;
use crate::client;

/// The largest body that is checked: it must be whole before any of it is seen.
const CHECKED_BYTES_MAX: usize = 64 << 20;

/// `response` with its body whole, if that has one of the digests of `integrity`.
pub(super) async fn checked(mut response: client::Response, integrity: &str) -> Result<Arrived, Failure> {
    let bytes = response.body.collect(CHECKED_BYTES_MAX).await.map_err(|error| Failure::of(&error))?;
    match matches(&bytes, integrity) {
        true => Ok(Arrived { response, whole: Some(bytes) }),
        false => Err(Failure::new(format!("{} is not what integrity says", response.url), None)),
    }
}

/// Whether `bytes` match metadata; of several algorithms only the strongest counts ("Do bytes match
/// metadataList?"). Metadata without any known algorithm says nothing.
fn matches(bytes: &[u8], integrity: &str) -> bool {
    let known = integrity.split_ascii_whitespace().filter_map(|item| {
        let (name, value) = item.split('?').next()?.split_once('-')?;
        let algorithm: &'static Algorithm = match name.to_ascii_lowercase().as_str() {
            "sha256" => &SHA256,
            "sha384" => &SHA384,
            "sha512" => &SHA512,
            _ => return None,
        };
        Some((algorithm, value))
    });
    let known: Vec<_> = known.collect();
    let Some(strongest) = known.iter().map(|(algorithm, _)| algorithm.output_len()).max() else {
        return true;
    };
    let mut strong = known.iter().filter(|(algorithm, _)| algorithm.output_len() == strongest);
    strong.any(|(algorithm, value)| {
        decode(value).is_some_and(|wanted| wanted == digest(algorithm, bytes).as_ref())
    })
}

/// Either alphabet of base64, with padding or without.
fn decode(value: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let value = value.replace('-', "+").replace('_', "/");
    GeneralPurpose::new(&alphabet::STANDARD, config).decode(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_strongest_algorithm_counts() {
        let of = |algorithm: &'static Algorithm| {
            base64::engine::general_purpose::STANDARD.encode(digest(algorithm, b"x"))
        };
        let (weak, strong) = (of(&SHA256), of(&SHA512));
        assert!(matches(b"x", &format!("sha256-{weak}")) && !matches(b"y", &format!("sha256-{weak}")));
        assert!(matches(b"x", &format!("sha512-{strong}?option sha256-AAAA")));
        assert!(!matches(b"x", &format!("sha512-AAAA sha256-{weak}")));
        assert!(matches(b"x", &format!("sha512-AAAA  SHA512-{}", strong.replace('+', "-").replace('=', ""))));
        assert!(matches(b"x", "") && matches(b"x", "md5-AAAA nonsense") && !matches(b"x", "sha384-%"));
    }
}
