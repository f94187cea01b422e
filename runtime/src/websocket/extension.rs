//! The negotiation of permessage-deflate (RFC 7692 section 7.1).
//!
//! Owns: offers, answers, what both sides agreed on. Must not know: compression.

/// What an endpoint has for a window, in bits.
const BITS_MAX: u8 = 15;
/// The smallest window that our compressor has; the RFC's is 8.
const BITS_MIN: u8 = 9;

/// What both sides agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The server's messages refer to earlier ones of it.
    pub server_takes_over: bool,
    /// The client's messages do.
    pub client_takes_over: bool,
    /// The server's window, in bits.
    pub server_bits: u8,
    /// The client's window, in bits.
    pub client_bits: u8,
}

/// The parameters of one offer or answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// Some(None): named without a value.
    client_max_window_bits: Option<Option<u8>>,
}

/// A number from 8 to 15 without leading zeros.
fn bits(value: &str) -> Option<u8> {
    let is_plain = !value.starts_with('0') && value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|bits| is_plain && (8..=BITS_MAX).contains(bits))
}

impl Parameters {
    /// None for what is unknown, wrong or said twice: such an offer is declined.
    fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Option<Parameters> {
        let mut found = Parameters::default();
        for word in words {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => {
                    let value = value.trim();
                    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                    (name.trim(), Some(inner.unwrap_or(value)))
                }
                None => (word.trim(), None),
            };
            let was_there = match (name, value) {
                ("server_no_context_takeover", None) => {
                    std::mem::replace(&mut found.server_no_context_takeover, true)
                }
                ("client_no_context_takeover", None) => {
                    std::mem::replace(&mut found.client_no_context_takeover, true)
                }
                ("server_max_window_bits", Some(value)) => {
                    found.server_max_window_bits.replace(bits(value)?).is_some()
                }
                ("client_max_window_bits", Some(value)) => {
                    found.client_max_window_bits.replace(Some(bits(value)?)).is_some()
                }
                ("client_max_window_bits", None) => found.client_max_window_bits.replace(None).is_some(),
                _ => return None,
            };
            if was_there {
                return None;
            }
        }
        Some(found)
    }
}

/// The offers of permessage-deflate in a Sec-WebSocket-Extensions, in their order.
fn offers(field: &str) -> impl Iterator<Item = Parameters> {
    field.split(',').filter_map(|extension| {
        let mut words = extension.split(';');
        let name = words.next()?.trim();
        name.eq_ignore_ascii_case("permessage-deflate").then(|| Parameters::parse(words)).flatten()
    })
}

impl Agreed {
    /// What a server agrees to of the offers in `field`: the first that it can keep. `takes_over`: contexts are taken
    /// over where the client does not refuse that.
    pub fn of_offers(field: &str, takes_over: bool) -> Option<Agreed> {
        let offer =
            offers(field).find(|offer| offer.server_max_window_bits.is_none_or(|bits| bits >= BITS_MIN))?;
        Some(Agreed {
            server_takes_over: takes_over && !offer.server_no_context_takeover,
            client_takes_over: takes_over && !offer.client_no_context_takeover,
            server_bits: offer.server_max_window_bits.unwrap_or(BITS_MAX),
            client_bits: offer.client_max_window_bits.flatten().unwrap_or(BITS_MAX),
        })
    }

    /// The server's Sec-WebSocket-Extensions that says so.
    pub fn answer(&self) -> String {
        let mut answer = String::from("permessage-deflate");
        if !self.server_takes_over {
            answer.push_str("; server_no_context_takeover");
        }
        if !self.client_takes_over {
            answer.push_str("; client_no_context_takeover");
        }
        if self.server_bits < BITS_MAX {
            answer.push_str(&format!("; server_max_window_bits={}", self.server_bits));
        }
        answer
    }

    /// What a client offers; `takes_over`: messages may refer to earlier ones.
    pub fn offer(takes_over: bool) -> &'static str {
        match takes_over {
            true => "permessage-deflate; client_max_window_bits",
            false => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
            }
        }
    }

    /// What a server has made of an [`offer`](Self::offer), if anything.
    ///
    /// # Errors
    /// It says what was not offered: the connection fails (RFC 6455 section 4.1, RFC 7692 section 7.1).
    pub fn of_answer(field: &str) -> Result<Option<Agreed>, NotOffered> {
        if field.trim().is_empty() {
            return Ok(None);
        }
        let mut extensions = field.split(',');
        let mut words = extensions.next().unwrap_or_default().split(';');
        let is_ours = words.next().is_some_and(|name| name.trim().eq_ignore_ascii_case("permessage-deflate"));
        let answer =
            Parameters::parse(words).filter(|_| is_ours && extensions.next().is_none()).ok_or(NotOffered)?;
        let client_bits = match answer.client_max_window_bits {
            None => BITS_MAX,
            // With 8 the client cannot compress: no window of its own is as small.
            Some(Some(bits)) => bits,
            Some(None) => return Err(NotOffered),
        };
        Ok(Some(Agreed {
            server_takes_over: !answer.server_no_context_takeover,
            client_takes_over: !answer.client_no_context_takeover,
            server_bits: answer.server_max_window_bits.unwrap_or(BITS_MAX),
            client_bits,
        }))
    }
}

/// A server's answer says what its client has not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOffered;

#[cfg(test)]
mod tests {
    use super::*;

    // Autobahn's group 13 offers these.
    #[test]
    fn section_7_1_offers_and_what_a_server_answers() {
        for (offer, shared, takeover) in [
            ("permessage-deflate", "; server_no_context_takeover; client_no_context_takeover", ""),
            (
                "permessage-deflate; client_max_window_bits",
                "; server_no_context_takeover; client_no_context_takeover",
                "",
            ),
            (
                "permessage-deflate; server_no_context_takeover; client_max_window_bits",
                "; server_no_context_takeover; client_no_context_takeover",
                "; server_no_context_takeover",
            ),
            (
                "permessage-deflate; server_max_window_bits=9",
                "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9",
                "; server_max_window_bits=9",
            ),
            (
                "permessage-deflate; server_max_window_bits=\"15\"; client_no_context_takeover",
                "; server_no_context_takeover; client_no_context_takeover",
                "; client_no_context_takeover",
            ),
            (
                "x-other, permessage-deflate; server_max_window_bits=8, PerMessage-Deflate",
                "; server_no_context_takeover; client_no_context_takeover",
                "",
            ),
        ] {
            let answer = |takes_over| Agreed::of_offers(offer, takes_over).map(|agreed| agreed.answer());
            assert_eq!(answer(false), Some(format!("permessage-deflate{shared}")), "{offer}");
            assert_eq!(answer(true), Some(format!("permessage-deflate{takeover}")), "{offer}");
        }
    }

    #[test]
    fn section_7_1_offers_that_are_declined() {
        for offer in [
            "",
            "x-webkit-deflate-frame",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; client_max_window_bits=10; client_max_window_bits",
            "permessage-deflate; unknown",
            "permessage-deflate;",
        ] {
            assert_eq!(Agreed::of_offers(offer, true), None, "{offer}");
        }
    }

    #[test]
    fn section_7_1_answers_that_a_client_takes() {
        let agreed = |field| Agreed::of_answer(field);
        assert_eq!(agreed(""), Ok(None));
        let all =
            Agreed { server_takes_over: true, client_takes_over: true, server_bits: 15, client_bits: 15 };
        assert_eq!(agreed("permessage-deflate"), Ok(Some(all)));
        let small = Agreed { client_takes_over: false, client_bits: 10, ..all };
        assert_eq!(
            agreed("permessage-deflate; client_max_window_bits=10; client_no_context_takeover"),
            Ok(Some(small))
        );
        for wrong in [
            "x-other",
            "permessage-deflate, permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; unknown=1",
        ] {
            assert_eq!(agreed(wrong), Err(NotOffered), "{wrong}");
        }
    }
}
