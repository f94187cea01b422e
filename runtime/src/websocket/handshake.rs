//! The opening handshake (RFC 6455 section 4; RFC 8441 for HTTP/2), both sides.
//!
//! Owns: which request may become a WebSocket, which answer makes one of it, keys and the value of Sec-WebSocket-Accept.
//! Must not know: how a head is received or sent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::extension::Agreed;

/// What the key is hashed with (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// How a request asks for another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedProtocol<'a> {
    /// By Upgrade, which Connection names, in HTTP/1.1 (RFC 9110 section 7.8): its value.
    Upgrade(&'a [u8]),
    /// By the extended CONNECT of HTTP/2 (RFC 8441 section 4): `:protocol`.
    Connect(&'a [u8]),
}

impl AskedProtocol<'_> {
    /// Whether it asks for WebSocket.
    pub fn is_websocket(self) -> bool {
        let is = |name: &[u8]| name.trim_ascii().eq_ignore_ascii_case(b"websocket");
        match self {
            AskedProtocol::Upgrade(value) => value.split(|byte| *byte == b',').any(is),
            AskedProtocol::Connect(protocol) => is(protocol),
        }
    }
}

/// Why a request cannot become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not ask for that.
    NotAsked,
    /// It asks for another version than 13 (section 4.4): 426.
    Version,
    /// It breaks a rule of section 4.2.1: 400.
    Malformed(&'static str),
}

/// A request that may become a WebSocket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// The answer's Sec-WebSocket-Accept; HTTP/2 has none.
    pub accept: Option<String>,
    /// The sub-protocols that the client offers, in the order of its preference.
    pub protocols: Vec<String>,
    /// Its Sec-WebSocket-Extensions.
    pub extensions: String,
}

/// The value of Sec-WebSocket-Accept for a key (section 4.2.2).
pub fn accept(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// Looks at a request: what it asks for by `asked`, its method, and `fields`, which gives the function that it gets the
/// name and value of each field.
///
/// # Errors
/// Why it cannot become a WebSocket.
pub fn check(
    asked: Option<AskedProtocol<'_>>,
    method: &str,
    fields: impl FnOnce(&mut dyn FnMut(&[u8], &[u8])),
) -> Result<Opening, Refusal> {
    let Some(asked) = asked.filter(|asked| asked.is_websocket()) else { return Err(Refusal::NotAsked) };
    let is_upgrade = matches!(asked, AskedProtocol::Upgrade(_));
    if is_upgrade && method != "GET" {
        return Err(Refusal::Malformed("the method is not GET"));
    }
    let (mut key, mut version) = (Vec::new(), Vec::new());
    let mut opening = Opening::default();
    fields(&mut |name, value| {
        if !name.get(..14).is_some_and(|front| front.eq_ignore_ascii_case(b"sec-websocket-")) {
            return;
        }
        let text = || String::from_utf8_lossy(value).into_owned();
        match name[14..].to_ascii_lowercase().as_slice() {
            b"key" => key.push(value.to_vec()),
            b"version" => version.push(text()),
            b"protocol" => {
                let text = text();
                let offered = text.split(',').map(|one| one.trim().to_owned());
                opening.protocols.extend(offered.filter(|one| !one.is_empty()));
            }
            b"extensions" => {
                if !opening.extensions.is_empty() {
                    opening.extensions.push(',');
                }
                opening.extensions.push_str(&text());
            }
            _ => {}
        }
    });
    if !matches!(&version[..], [one] if one.trim() == "13") {
        return Err(Refusal::Version);
    }
    if is_upgrade {
        let [key] = &key[..] else { return Err(Refusal::Malformed("not one Sec-WebSocket-Key")) };
        let decoded =
            STANDARD.decode(key).map_err(|_| Refusal::Malformed("Sec-WebSocket-Key is not base64"))?;
        if decoded.len() != 16 {
            return Err(Refusal::Malformed("Sec-WebSocket-Key has not 16 bytes"));
        }
        opening.accept = Some(accept(key));
    }
    Ok(opening)
}

/// A new Sec-WebSocket-Key: 16 bytes of randomness (section 4.1).
pub fn key() -> String {
    let mut nonce = [0; 16];
    // Without randomness it is a key all the same: nothing is kept secret by it (section 10.3).
    let _ = getrandom::fill(&mut nonce);
    STANDARD.encode(nonce)
}

/// What an answer 101 has made of a client's request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpeningAnswer {
    /// The sub-protocol; empty where there is none.
    pub protocol: String,
    /// The server's Sec-WebSocket-Extensions, as it says it.
    pub extensions: String,
    /// What that means.
    pub agreed: Option<Agreed>,
}

/// Looks at the fields of an answer 101 to a request with `key` that offered `protocols`, and compression or none.
///
/// # Errors
/// Why there is no WebSocket (section 4.1; WebSockets Standard, "establish a WebSocket connection").
pub fn check_answer(
    key: &str,
    protocols: &[String],
    offers_compression: bool,
    fields: impl FnOnce(&mut dyn FnMut(&[u8], &[u8])),
) -> Result<OpeningAnswer, &'static str> {
    let (mut upgrade, mut connection, mut accepted) = (Vec::new(), false, Vec::new());
    let (mut protocol, mut extensions) = (Vec::new(), Vec::new());
    fields(&mut |name, value| {
        let text = || String::from_utf8_lossy(value.trim_ascii()).into_owned();
        match name.to_ascii_lowercase().as_slice() {
            b"upgrade" => upgrade.push(text()),
            b"connection" => {
                let mut options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                connection |= options.any(|option| option.eq_ignore_ascii_case(b"upgrade"));
            }
            b"sec-websocket-accept" => accepted.push(text()),
            b"sec-websocket-protocol" => protocol.push(text()),
            b"sec-websocket-extensions" => extensions.push(text()),
            _ => {}
        }
    });
    if !matches!(&upgrade[..], [one] if one.eq_ignore_ascii_case("websocket")) {
        return Err("the answer's Upgrade does not say websocket");
    }
    if !connection {
        return Err("the answer's Connection does not say upgrade");
    }
    if !matches!(&accepted[..], [one] if *one == accept(key.as_bytes())) {
        return Err("the answer's Sec-WebSocket-Accept is not that of the request's key");
    }
    let protocol = match &protocol[..] {
        [] if protocols.is_empty() => String::new(),
        [] => return Err("the answer names none of the sub-protocols that were offered"),
        [one] if protocols.contains(one) => one.clone(),
        _ => return Err("the answer's Sec-WebSocket-Protocol is not one that was offered"),
    };
    let extensions = extensions.join(", ");
    let agreed = Agreed::of_answer(&extensions).ok().filter(|agreed| offers_compression || agreed.is_none());
    let agreed = agreed.ok_or("the answer's Sec-WebSocket-Extensions was not offered")?;
    Ok(OpeningAnswer { protocol, extensions, agreed })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (&str, &str) = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    const VERSION: (&str, &str) = ("sec-websocket-version", "13");

    fn checked(
        asked: Option<AskedProtocol<'_>>,
        method: &str,
        fields: &[(&str, &str)],
    ) -> Result<Opening, Refusal> {
        check(asked, method, |put| {
            fields.iter().for_each(|(name, value)| put(name.as_bytes(), value.as_bytes()))
        })
    }

    const UPGRADE: Option<AskedProtocol<'static>> = Some(AskedProtocol::Upgrade(b"WebSocket"));

    #[test]
    fn section_1_3_the_example() {
        let opening = checked(UPGRADE, "GET", &[KEY, VERSION]).expect("an opening");
        assert_eq!(opening.accept.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }

    #[test]
    fn section_4_2_1_what_a_request_has_to_have() {
        fn refused(asked: Option<AskedProtocol<'_>>, method: &str, fields: &[(&str, &str)]) -> Refusal {
            checked(asked, method, fields).expect_err("a refusal")
        }
        assert_eq!(refused(None, "GET", &[KEY, VERSION]), Refusal::NotAsked);
        assert_eq!(refused(Some(AskedProtocol::Upgrade(b"h2c")), "GET", &[KEY, VERSION]), Refusal::NotAsked);
        assert!(checked(Some(AskedProtocol::Upgrade(b"h2c, websocket")), "GET", &[KEY, VERSION]).is_ok());
        assert!(matches!(refused(UPGRADE, "POST", &[KEY, VERSION]), Refusal::Malformed(_)));
        for version in [&[KEY][..], &[KEY, ("Sec-WebSocket-Version", "8")], &[KEY, VERSION, VERSION]] {
            assert_eq!(refused(UPGRADE, "GET", version), Refusal::Version);
        }
        for key in
            ["", "AA", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAA!A=="]
        {
            let fields = [("sec-websocket-key", key), VERSION];
            assert!(matches!(refused(UPGRADE, "GET", &fields), Refusal::Malformed(_)), "{key}");
        }
        assert!(matches!(refused(UPGRADE, "GET", &[VERSION]), Refusal::Malformed(_)));
        assert!(matches!(refused(UPGRADE, "GET", &[KEY, KEY, VERSION]), Refusal::Malformed(_)));
    }

    #[test]
    fn section_11_3_lists_of_several_fields_are_one() {
        let fields = [
            KEY,
            VERSION,
            ("Sec-WebSocket-Protocol", "chat, superchat"),
            ("sec-websocket-protocol", "other"),
            ("Sec-WebSocket-Extensions", "a"),
            ("Sec-WebSocket-Extensions", "b; c=1"),
        ];
        let opening = checked(UPGRADE, "GET", &fields).expect("an opening");
        assert_eq!(
            (opening.protocols.join("|").as_str(), opening.extensions.as_str()),
            ("chat|superchat|other", "a,b; c=1")
        );
    }

    #[test]
    fn rfc_8441_section_5_extended_connect_has_no_key() {
        let opening =
            checked(Some(AskedProtocol::Connect(b"websocket")), "CONNECT", &[VERSION]).expect("an opening");
        assert_eq!(opening.accept, None);
    }

    const ACCEPT: (&str, &str) = ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    const UPGRADED: [(&str, &str); 2] = [("upgrade", "WebSocket"), ("Connection", "keep-alive, Upgrade")];

    fn answered(offered: &[&str], more: &[(&str, &str)]) -> Result<OpeningAnswer, &'static str> {
        let offered: Vec<String> = offered.iter().map(|one| (*one).to_owned()).collect();
        check_answer(KEY.1, &offered, true, |put| {
            let fields = UPGRADED.iter().chain(more);
            fields.for_each(|(name, value)| put(name.as_bytes(), value.as_bytes()))
        })
    }

    #[test]
    fn section_4_1_answers_that_make_a_websocket() {
        assert_eq!(answered(&[], &[ACCEPT]), Ok(OpeningAnswer::default()));
        let chosen = answered(&["a", "b"], &[ACCEPT, ("sec-websocket-protocol", " b ")]).expect("an answer");
        assert_eq!(chosen.protocol, "b");
        let extensions = ("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=10");
        let compressed = answered(&[], &[ACCEPT, extensions]).expect("an answer");
        assert_eq!((compressed.extensions.as_str(), compressed.agreed.is_some()), (extensions.1, true));
    }

    #[test]
    fn section_4_1_answers_that_fail_the_connection() {
        let protocol = |name| ("Sec-WebSocket-Protocol", name);
        let extensions = |name| ("Sec-WebSocket-Extensions", name);
        for (offered, more) in [
            (&[][..], &[][..]),
            (&[], &[("Sec-WebSocket-Accept", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=")]),
            (&[], &[ACCEPT, ACCEPT]),
            (&[], &[ACCEPT, ("upgrade", "websocket")]),
            (&["a"], &[ACCEPT]),
            (&["a"], &[ACCEPT, protocol("A")]),
            (&["a"], &[ACCEPT, protocol("")]),
            (&["a", "b"], &[ACCEPT, protocol("a, b")]),
            (&["a", "b"], &[ACCEPT, protocol("a"), protocol("b")]),
            (&[], &[ACCEPT, protocol("a")]),
            (&[], &[ACCEPT, extensions("x-other")]),
            (&[], &[ACCEPT, extensions("permessage-deflate"), extensions("permessage-deflate")]),
        ] {
            assert!(answered(offered, more).is_err(), "{offered:?} {more:?}");
        }
        let without = |left: usize| {
            check_answer(KEY.1, &[], true, |put| {
                let fields = UPGRADED.iter().chain([&ACCEPT]).enumerate().filter(|(at, _)| *at != left);
                fields.for_each(|(_, (name, value))| put(name.as_bytes(), value.as_bytes()))
            })
        };
        assert!((0..3).all(|left| without(left).is_err()) && without(3).is_ok());
        let unasked = check_answer(KEY.1, &[], false, |put| {
            for (name, value) in UPGRADED.iter().chain(&[ACCEPT, extensions("permessage-deflate")]) {
                put(name.as_bytes(), value.as_bytes());
            }
        });
        assert!(unasked.is_err());
    }

    #[test]
    fn section_4_1_a_key_is_16_bytes_and_never_the_same() {
        let (one, other) = (key(), key());
        assert_eq!(STANDARD.decode(&one).map(|bytes| bytes.len()), Ok(16));
        assert_ne!(one, other);
    }
}
