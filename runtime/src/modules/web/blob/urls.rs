//! `blob:` URLs (File API, section 8).
//!
//! Owns: which blob each stands for, one set per engine. Must not know: who fetches them.

use std::cell::RefCell;
use std::collections::HashMap;

use rquickjs::{Ctx, Result, Value};
use url::Url;

use super::Blob;
use crate::js::class::{self, Scope};
use crate::js::engine::State;
use crate::js::{exception, value};
use crate::modules::web::crypto;

/// URLs of one engine: whoever makes more does not revoke them.
const URLS_MAX: usize = 10_000;

#[derive(Default)]
struct Urls(RefCell<HashMap<String, Blob>>);

/// The blob that `url` stands for in this engine, whatever its fragment.
pub fn resolve(ctx: &Ctx<'_>, url: &Url) -> Option<Blob> {
    let mut key = url.clone();
    key.set_fragment(None);
    State::of(ctx).extension::<Urls>().0.borrow().get(key.as_str()).map(Blob::same)
}

/// `URL.createObjectURL(blob)`. Its origin is opaque: `null`.
///
/// # Errors
/// TypeError for what is no blob, RangeError for too many URLs, OperationError where the kernel gives
/// no random bytes.
pub fn create<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    scope.require(1, "URL.createObjectURL")?;
    let given = scope.arg(0);
    let Some(blob) = class::get::<Blob>(&given) else {
        return Err(exception::type_error(ctx, "URL.createObjectURL: argument 1 is not a Blob"));
    };
    let urls = State::of(ctx).extension::<Urls>();
    if urls.0.borrow().len() == URLS_MAX {
        let text = "URL.createObjectURL: 10,000 URLs wait for URL.revokeObjectURL";
        return Err(exception::range_error(ctx, text));
    }
    let url = format!("blob:null/{}", crypto::uuid(ctx)?);
    urls.0.borrow_mut().insert(url.clone(), blob.same());
    value::string(ctx, &url)
}

/// `URL.revokeObjectURL(url)`: one that is not known, as with a fragment, changes nothing.
///
/// # Errors
/// What converting the argument throws.
pub fn revoke<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(1, "URL.revokeObjectURL")?;
    let text = value::to_string(&scope.arg(0))?;
    if let Ok(url) = Url::parse(&text) {
        let urls = State::of(scope.ctx).extension::<Urls>();
        let gone = urls.0.borrow_mut().remove(url.as_str());
        drop(gone);
    }
    Ok(scope.undefined())
}
