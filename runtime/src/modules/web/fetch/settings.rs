//! The members of a Request that say how a client should fetch it (Fetch section 5.4): kept and
//! shown. What they mean where there is no browser is `client/request.rs`'s matter.
//!
//! Owns: their values and the check of an init dictionary. Must not know: requests otherwise.

use rquickjs::{Coerced, Ctx, FromJs, Object, Result};
use url::Url;

use super::headers::member;
use super::referrer;
use crate::js::exception::type_error;
use crate::js::value;

/// Their values, defaults where nothing was set.
#[derive(Clone)]
pub struct Settings {
    /// `mode`
    pub mode: &'static str,
    /// `credentials`
    pub credentials: &'static str,
    /// `cache`
    pub cache: &'static str,
    /// `redirect`
    pub redirect: &'static str,
    /// `referrer`
    pub referrer: Box<str>,
    /// `referrerPolicy`
    pub referrer_policy: &'static str,
    /// `integrity`
    pub integrity: Box<str>,
    /// `keepalive`
    pub keepalive: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            mode: "cors",
            credentials: "same-origin",
            cache: "default",
            redirect: "follow",
            referrer: "about:client".into(),
            referrer_policy: "",
            integrity: "".into(),
            keepalive: false,
        }
    }
}

const MODES: &[&str] = &["cors", "no-cors", "same-origin"];
const CREDENTIALS: &[&str] = &["omit", "same-origin", "include"];
const CACHES: &[&str] = &["default", "no-store", "reload", "no-cache", "force-cache", "only-if-cached"];
const REDIRECTS: &[&str] = &["follow", "error", "manual"];
const POLICIES: &[&str] = &[
    "",
    "no-referrer",
    "no-referrer-when-downgrade",
    "same-origin",
    "origin",
    "strict-origin",
    "origin-when-cross-origin",
    "strict-origin-when-cross-origin",
    "unsafe-url",
];

impl Settings {
    /// Takes over what `init` sets; `None` if it sets nothing and there was nothing before.
    ///
    /// # Errors
    /// TypeError for a value that its enumeration has not, and what a getter throws.
    pub fn update(from: Option<&Settings>, init: &Object<'_>) -> Result<Option<Box<Settings>>> {
        let ctx = init.ctx();
        let mut settings = from.cloned().unwrap_or_default();
        let mut set = from.is_some();
        let members: [(&str, &[&'static str], &mut &'static str); 5] = [
            ("cache", CACHES, &mut settings.cache),
            ("credentials", CREDENTIALS, &mut settings.credentials),
            ("mode", MODES, &mut settings.mode),
            ("redirect", REDIRECTS, &mut settings.redirect),
            ("referrerPolicy", POLICIES, &mut settings.referrer_policy),
        ];
        for (name, allowed, slot) in members {
            if let Some(value) = enumerated(ctx, init, name, allowed)? {
                *slot = value;
                set = true;
            }
        }
        let window = member(Some(init), ctx, "window")?;
        if !window.is_undefined() && !window.is_null() {
            return Err(type_error(ctx, "Request: window can only be null"));
        }
        let referrer = member(Some(init), ctx, "referrer")?;
        if !referrer.is_undefined() {
            let text = value::to_string(&referrer)?;
            let error = |_| type_error(ctx, &format!("Request: the referrer {text:?} is no absolute URL"));
            settings.referrer = referrer::parse(&text).map_err(error)?;
            set = true;
        }
        let integrity = member(Some(init), ctx, "integrity")?;
        if !integrity.is_undefined() {
            settings.integrity = value::to_string(&integrity)?.into_boxed_str();
            set = true;
        }
        let keepalive = member(Some(init), ctx, "keepalive")?;
        if !keepalive.is_undefined() {
            settings.keepalive = Coerced::<bool>::from_js(ctx, keepalive)?.0;
            set = true;
        }
        if settings.cache == "only-if-cached" && settings.mode != "same-origin" {
            return Err(type_error(ctx, "Request: cache \"only-if-cached\" needs mode \"same-origin\""));
        }
        enumerated(ctx, init, "duplex", &["half"])?;
        Ok(set.then(|| Box::new(settings)))
    }

    /// The Referer that a request to `url` has.
    pub fn referrer_for(&self, url: &Url) -> Option<String> {
        referrer::header(&self.referrer, self.referrer_policy, url)
    }
}

fn enumerated<'js>(
    ctx: &Ctx<'js>,
    init: &Object<'js>,
    name: &str,
    allowed: &[&'static str],
) -> Result<Option<&'static str>> {
    let given = member(Some(init), ctx, name)?;
    if given.is_undefined() {
        return Ok(None);
    }
    let text = value::to_string(&given)?;
    match allowed.iter().find(|one| **one == text) {
        Some(one) => Ok(Some(one)),
        None => Err(type_error(ctx, &format!("Request: {text:?} is no value of {name}"))),
    }
}
