//! The options of `serveFile` and `serveDir`.
//!
//! Owns: names, types and defaults, and those of Deno's functions of the same names. Must not know: what they do.

use rquickjs::{Ctx, Object, Result, Value};

use crate::files::{Immutable, Rules};
use crate::js::{exception, value};
use crate::modules::web::fetch::headers::{SharedHeaders, dictionary, member};
use crate::modules::web::url::parse;

/// What was asked for.
pub(super) struct Options {
    pub(super) rules: Rules,
    /// The folder.
    pub(super) root: String,
    /// What the paths of its files begin with: empty, or `/a/b`.
    pub(super) prefix: String,
    /// The file for pages that are missing.
    pub(super) fallback: Option<String>,
    /// In place of 200.
    pub(super) status: u16,
}

impl Options {
    /// Reads them for `function`.
    ///
    /// # Errors
    /// TypeError and RangeError for what cannot be meant; what getters throw.
    pub(super) fn read<'js>(ctx: &Ctx<'js>, given: &Value<'js>, function: &str) -> Result<Options> {
        let init = Given { ctx, object: dictionary(ctx, given, function)?, function };
        let mut rules = Rules::default();
        if let Some(index) = init.first(&["index"])? {
            rules.index = init.names("index", &index)?;
        }
        if init.flag("showIndex")? == Some(false) {
            rules.index.clear();
        }
        rules.listing = init.either("listing", "showDirListing")?.unwrap_or(false);
        rules.dotfiles = init.either("dotfiles", "showDotfiles")?.unwrap_or(false);
        rules.precompressed = init.flag("precompressed")?.unwrap_or(true);
        rules.etag = init.flag("etag")?.unwrap_or(true);
        rules.immutable = match init.flag("immutable")? {
            None => Immutable::ByName,
            Some(true) => Immutable::All,
            Some(false) => Immutable::None,
        };
        rules.max_age_s = init.number("maxAge", 0.0..=4_294_967_295.0)?.unwrap_or(0.0) as u64;
        rules.cache_control = init.field("cacheControl")?;
        rules.content_type = init.field("contentType")?;
        rules.fields = init.headers()?;
        let status = init.number("status", 200.0..=599.0)?.unwrap_or(200.0) as u16;
        let root = match init.first(&["root", "fsRoot"])? {
            Some(root) => path(ctx, &root)?,
            None => ".".into(),
        };
        let prefix = init.text(&["prefix", "urlRoot"])?.unwrap_or_default();
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        let fallback = init.text(&["fallback"])?;
        if fallback.as_deref().is_some_and(|name| name.split('/').any(|step| matches!(step, "" | "." | "..")))
        {
            return Err(exception::type_error(
                ctx,
                &format!("{function}: fallback is no file of the folder"),
            ));
        }
        Ok(Options { rules, root, prefix, fallback, status })
    }
}

/// The dictionary that was given.
struct Given<'a, 'js> {
    ctx: &'a Ctx<'js>,
    object: Option<Object<'js>>,
    function: &'a str,
}

impl<'js> Given<'_, 'js> {
    /// The first of `names` that is there.
    fn first(&self, names: &[&str]) -> Result<Option<Value<'js>>> {
        for name in names {
            let value = member(self.object.as_ref(), self.ctx, name)?;
            if !value.is_undefined() {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn wrong<T>(&self, name: &str, what: &str) -> Result<T> {
        Err(exception::type_error(self.ctx, &format!("{}: {name} is not {what}", self.function)))
    }

    fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.first(&[name])? {
            None => Ok(None),
            Some(value) => value.as_bool().map_or_else(|| self.wrong(name, "a boolean"), |is| Ok(Some(is))),
        }
    }

    fn either(&self, name: &str, other: &str) -> Result<Option<bool>> {
        Ok(self.flag(name)?.or(self.flag(other)?))
    }

    fn number(&self, name: &str, range: std::ops::RangeInclusive<f64>) -> Result<Option<f64>> {
        match self.first(&[name])?.map(|value| value.as_number()) {
            None => Ok(None),
            Some(Some(number)) if range.contains(&number) && number.fract() == 0.0 => Ok(Some(number)),
            Some(_) => self.wrong(name, &format!("a whole number from {} to {}", range.start(), range.end())),
        }
    }

    fn text(&self, names: &[&str]) -> Result<Option<String>> {
        match self.first(names)? {
            None => Ok(None),
            Some(value) if value.is_string() => value::to_string(&value).map(Some),
            Some(_) => self.wrong(names[0], "a string"),
        }
    }

    /// A text that becomes the value of a field.
    fn field(&self, name: &str) -> Result<Option<String>> {
        let text = self.text(&[name])?;
        let is_value = |text: &String| text.bytes().all(|b| matches!(b, b' '..=b'~'));
        match text {
            Some(text) if !is_value(&text) => self.wrong(name, "a value of a header field"),
            text => Ok(text),
        }
    }

    /// A name, several, or `false` for none.
    fn names(&self, name: &str, value: &Value<'js>) -> Result<Vec<String>> {
        const WHAT: &str = "a file name, an array of such, or false";
        let mut names = Vec::new();
        match value.as_array() {
            _ if value.as_bool() == Some(false) => {}
            _ if value.is_string() => names.push(value::to_string(value)?),
            Some(array) => {
                for index in 0..array.len() {
                    let value: Value = array.get(index)?;
                    if !value.is_string() {
                        return self.wrong(name, WHAT);
                    }
                    names.push(value::to_string(&value)?);
                }
            }
            None => return self.wrong(name, WHAT),
        }
        match names.iter().all(|name| !name.contains(['/', '\0']) && !matches!(&**name, "" | "." | "..")) {
            true => Ok(names),
            false => self.wrong(name, WHAT),
        }
    }

    fn headers(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let Some(given) = self.first(&["headers"])? else { return Ok(Vec::new()) };
        let shared = SharedHeaders::default();
        shared.fill(self.ctx, &given)?;
        let list = shared.list();
        Ok(list.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect())
    }
}

/// A path, as a string or as a `file:` URL.
///
/// # Errors
/// TypeError for what is neither.
pub(super) fn path<'js>(ctx: &Ctx<'js>, given: &Value<'js>) -> Result<String> {
    let text = value::to_string(given)?;
    let is_url = !given.is_string() || text.starts_with("file:");
    let text = match is_url {
        false => text,
        true => {
            let url = parse(&text, None).map(|url| url.href()).unwrap_or_default();
            let Some(path) = url.strip_prefix("file://").filter(|path| path.starts_with('/')) else {
                return Err(exception::type_error(
                    ctx,
                    &format!("{text:?} is neither a path nor a file: URL"),
                ));
            };
            let path = path.split(['?', '#']).next().unwrap_or_default();
            percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
        }
    };
    match text.is_empty() || text.contains('\0') {
        true => Err(exception::type_error(ctx, "a path is empty, or has a NUL")),
        false => Ok(text),
    }
}
