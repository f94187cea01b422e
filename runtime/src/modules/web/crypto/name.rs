//! The registered names of algorithms (Web Cryptography section 18.4.2).
//!
//! Owns: [`Name`], the table of texts. Must not know: what an algorithm takes, or does.

use super::hash::Hash;

/// A registered algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// RSASSA-PKCS1-v1_5
    RsaPkcs1,
    /// RSA-PSS
    RsaPss,
    /// RSA-OAEP
    RsaOaep,
    /// ECDSA
    Ecdsa,
    /// ECDH
    Ecdh,
    /// Ed25519
    Ed25519,
    /// X25519
    X25519,
    /// AES-CTR
    AesCtr,
    /// AES-CBC
    AesCbc,
    /// AES-GCM
    AesGcm,
    /// AES-KW
    AesKw,
    /// HMAC
    Hmac,
    /// A hash function.
    Sha(Hash),
    /// HKDF
    Hkdf,
    /// PBKDF2
    Pbkdf2,
}

/// Every name; looked up without regard to case.
const NAMES: [(&str, Name); 18] = [
    ("RSASSA-PKCS1-v1_5", Name::RsaPkcs1),
    ("RSA-PSS", Name::RsaPss),
    ("RSA-OAEP", Name::RsaOaep),
    ("ECDSA", Name::Ecdsa),
    ("ECDH", Name::Ecdh),
    ("Ed25519", Name::Ed25519),
    ("X25519", Name::X25519),
    ("AES-CTR", Name::AesCtr),
    ("AES-CBC", Name::AesCbc),
    ("AES-GCM", Name::AesGcm),
    ("AES-KW", Name::AesKw),
    ("HMAC", Name::Hmac),
    ("SHA-1", Name::Sha(Hash::Sha1)),
    ("SHA-256", Name::Sha(Hash::Sha256)),
    ("SHA-384", Name::Sha(Hash::Sha384)),
    ("SHA-512", Name::Sha(Hash::Sha512)),
    ("HKDF", Name::Hkdf),
    ("PBKDF2", Name::Pbkdf2),
];

impl Name {
    /// The algorithm so registered, in whatever case.
    pub fn registered(text: &str) -> Option<Name> {
        NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, name)| *name)
    }

    /// The name as registered.
    pub fn text(self) -> &'static str {
        NAMES.iter().find(|(_, name)| *name == self).map_or("", |(text, _)| text)
    }

    /// Whether it is one of AES.
    pub fn is_aes(self) -> bool {
        matches!(self, Name::AesCtr | Name::AesCbc | Name::AesGcm | Name::AesKw)
    }

    /// Whether it is one of RSA.
    pub fn is_rsa(self) -> bool {
        matches!(self, Name::RsaPkcs1 | Name::RsaPss | Name::RsaOaep)
    }
}
