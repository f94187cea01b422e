//! Referrers (Referrer Policy, section 8), for requests whose script names one.
//!
//! Owns: what of a referrer is told to whom. Must not know: requests.

use url::Url;

/// A `referrer` member: an absolute URL, `about:client`, or empty for none.
///
/// # Errors
/// It is none of these.
pub fn parse(text: &str) -> Result<Box<str>, url::ParseError> {
    if text.is_empty() {
        return Ok("".into());
    }
    let url = Url::parse(text)?;
    let is_client = url.scheme() == "about" && url.path() == "client";
    Ok(if is_client { "about:client".into() } else { String::from(url).into_boxed_str() })
}

/// The Referer for a request to `url`. A server's own code has no URL to tell: without a referrer that
/// is one there is none.
pub fn header(referrer: &str, policy: &str, url: &Url) -> Option<String> {
    let mut whole = Url::parse(referrer).ok().filter(|it| matches!(it.scheme(), "http" | "https"))?;
    let cleared = whole.set_username("").and_then(|()| whole.set_password(None));
    cleared.ok()?;
    whole.set_fragment(None);
    let origin = format!("{}/", whole.origin().ascii_serialization());
    let same = whole.origin() == url.origin();
    let downgrade = whole.scheme() == "https" && url.scheme() != "https";
    // Longer ones are cut to their origin (section 8.3, step 6).
    let whole = if whole.as_str().len() > 4096 { origin.clone() } else { whole.into() };
    match policy {
        "no-referrer" => None,
        "unsafe-url" => Some(whole),
        "origin" => Some(origin),
        "same-origin" => same.then_some(whole),
        "origin-when-cross-origin" => Some(if same { whole } else { origin }),
        "strict-origin" => (!downgrade).then_some(origin),
        "no-referrer-when-downgrade" => (!downgrade).then_some(whole),
        // strict-origin-when-cross-origin, the default.
        _ if same => Some(whole),
        _ => (!downgrade).then_some(origin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_tells_what_it_may() {
        let told = |policy: &str, url: &str| {
            header("https://u:p@a.test/x?y#z", policy, &Url::parse(url).unwrap()).unwrap_or_default()
        };
        let (same, other, plain) = ("https://a.test/", "https://b.test/", "http://a.test/");
        let (whole, origin) = ("https://a.test/x?y", "https://a.test/");
        for (policy, expected) in [
            ("", [whole, origin, ""]),
            ("no-referrer", ["", "", ""]),
            ("unsafe-url", [whole, whole, whole]),
            ("origin", [origin, origin, origin]),
            ("same-origin", [whole, "", ""]),
            ("origin-when-cross-origin", [whole, origin, origin]),
            ("strict-origin", [origin, origin, ""]),
            ("no-referrer-when-downgrade", [whole, whole, ""]),
            ("strict-origin-when-cross-origin", [whole, origin, ""]),
        ] {
            assert_eq!([same, other, plain].map(|url| told(policy, url)), expected, "{policy}");
        }
        assert_eq!(header("about:client", "unsafe-url", &Url::parse(same).unwrap()), None);
    }

    #[test]
    fn a_referrer_is_an_absolute_url_or_the_client() {
        assert_eq!(parse("").unwrap().as_ref(), "");
        assert_eq!(parse("about:client").unwrap().as_ref(), "about:client");
        assert_eq!(parse("http://a.test").unwrap().as_ref(), "http://a.test/");
        assert!(parse("/relative").is_err());
    }
}
