//! `URLPattern` (URL Pattern, WHATWG).
//!
//! Owns: the class, the conversion of its arguments. Must not know: how patterns are parsed and
//! matched (`compile`). The class is made when a script first names it.
#![forbid(unsafe_code)]

use std::ffi::CStr;

use rquickjs::object::Property;
use rquickjs::{Coerced, Ctx, Object, Result, Value};
use urlpattern::quirks::{self, MatchInput};
use urlpattern::{UrlPatternInit, UrlPatternMatchInput};

use super::{embed, iterate};
use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::display::Display;
use crate::js::held::Tracer;
use crate::js::{exception, value};

mod compile;

use compile::Compiled;

/// A `URLPattern` object.
pub struct URLPattern {
    components: [Compiled; 8],
    has_reg_exp_groups: bool,
}

/// The names of the components.
const NAMES: [&str; 8] =
    ["protocol", "username", "password", "hostname", "port", "pathname", "search", "hash"];

/// Puts the lazy global in place.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    embed::lazy_globals(ctx, &["URLPattern"], |ctx, _| class::register_unlisted::<URLPattern>(ctx))
}

/// `URLPatternInput`: a string, or what a dictionary has.
enum Input {
    Text(String),
    Init(Box<Members>),
}

/// A `URLPatternInit` as it was given.
#[derive(Default)]
struct Members {
    base: Option<String>,
    parts: [Option<String>; 8],
}

impl Input {
    fn of(given: &Value<'_>) -> Result<Input> {
        let Some(object) = given.as_object() else {
            return match given.is_undefined() || given.is_null() {
                true => Ok(Input::Init(Box::default())),
                false => value::to_string(given).map(Input::Text),
            };
        };
        let member = |name: &str| {
            let found: Value = object.get(name)?;
            if found.is_undefined() { Ok(None) } else { value::to_string(&found).map(Some) }
        };
        let mut members = Members { base: member("baseURL")?, ..Members::default() };
        // Web IDL reads a dictionary's members in the order of their names.
        for name in ["hash", "hostname", "password", "pathname", "port", "protocol", "search", "username"] {
            let found = member(name)?;
            if let Some(index) = NAMES.iter().position(|known| *known == name) {
                members.parts[index] = found;
            }
        }
        Ok(Input::Init(Box::new(members)))
    }

    /// The value that `inputs` of a result shows.
    fn shown<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let members = match self {
            Input::Text(text) => return value::string(ctx, text),
            Input::Init(members) => members,
        };
        let object = Object::new(ctx.clone())?;
        let base = [("baseURL", &members.base)];
        for (name, part) in base.into_iter().chain(NAMES.into_iter().zip(&members.parts)) {
            if let Some(part) = part {
                put(&object, name, value::string(ctx, part)?)?;
            }
        }
        Ok(object.into_value())
    }
}

impl Members {
    fn init(&self, base_url: Option<url::Url>) -> UrlPatternInit {
        let [protocol, username, password, hostname, port, pathname, search, hash] = self.parts.clone();
        UrlPatternInit { protocol, username, password, hostname, port, pathname, search, hash, base_url }
    }
}

fn put<'js>(object: &Object<'js>, name: &str, value: Value<'js>) -> Result<()> {
    let name = value::key(object.ctx(), name)?;
    object.prop(name, Property::from(value).writable().enumerable().configurable())
}

fn base_with_init(ctx: &Ctx<'_>) -> rquickjs::Error {
    exception::type_error(ctx, "URLPattern: a base goes into the init object, not beside it")
}

/// What is matched: the arguments of `test` and `exec`.
struct Subject {
    input: Input,
    base: Option<String>,
    /// None where it is no URL.
    parts: Option<[String; 8]>,
}

impl Subject {
    fn of(scope: &Scope<'_, '_>) -> Result<Subject> {
        let ctx = scope.ctx;
        let input = Input::of(&scope.arg(0))?;
        let base = if scope.has(1) { Some(value::to_string(&scope.arg(1))?) } else { None };
        let parsed = match &input {
            Input::Text(text) => {
                let base_url = base.as_deref().map(url::Url::parse).transpose();
                let url = base_url.and_then(|base| url::Url::options().base_url(base.as_ref()).parse(text));
                url.ok().map(UrlPatternMatchInput::Url)
            }
            Input::Init(_) if base.is_some() => return Err(base_with_init(ctx)),
            Input::Init(members) => {
                let base_url = members.base.as_deref().map(url::Url::parse).transpose();
                base_url.ok().map(|base_url| UrlPatternMatchInput::Init(members.init(base_url)))
            }
        };
        let parts = parsed.and_then(quirks::parse_match_input).map(|parts| {
            let MatchInput { protocol, username, password, hostname, port, pathname, search, hash } = parts;
            [protocol, username, password, hostname, port, pathname, search, hash]
        });
        Ok(Subject { input, base, parts })
    }
}

impl URLPattern {
    fn component<'js>(&self, scope: &Scope<'_, 'js>, index: usize) -> Result<Value<'js>> {
        value::string(scope.ctx, &self.components[index].pattern)
    }

    fn test<'js>(&self, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let ctx = scope.ctx;
        let answer = |yes| Ok(Value::new_bool(ctx.clone(), yes));
        let Some(parts) = Subject::of(scope)?.parts else { return answer(false) };
        for (component, part) in self.components.iter().zip(&parts) {
            if !component.test(ctx, part)? {
                return answer(false);
            }
        }
        answer(true)
    }

    fn exec<'js>(&self, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let ctx = scope.ctx;
        let none = || Ok(Value::new_null(ctx.clone()));
        let subject = Subject::of(scope)?;
        let Some(parts) = &subject.parts else { return none() };
        let result = Object::new(ctx.clone())?;
        let base = subject.base.iter().map(|base| value::string(ctx, base));
        let inputs = std::iter::once(subject.input.shown(ctx)).chain(base);
        put(&result, "inputs", iterate::array(ctx, inputs)?)?;
        for ((name, component), part) in NAMES.into_iter().zip(&self.components).zip(parts) {
            let Some(captured) = component.exec(ctx, part)? else { return none() };
            let groups = Object::new(ctx.clone())?;
            for (name, group) in captured {
                put(&groups, name, group)?;
            }
            let found = Object::new(ctx.clone())?;
            put(&found, "input", value::string(ctx, part)?)?;
            put(&found, "groups", groups.into_value())?;
            put(&result, name, found.into_value())?;
        }
        Ok(result.into_value())
    }
}

impl class_id::Of for class_id::UrlPattern {
    type Class = URLPattern;
}

impl Class for URLPattern {
    type Id = class_id::UrlPattern;
    const NAME: &'static CStr = c"URLPattern";
    const GLOBAL: bool = false;
    const DISPLAY: Option<Display> = Some(Display::Attributes(&NAMES, class::attribute::<Self>));
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Get(c"protocol", |this, s| this.component(s, 0)),
        Member::Get(c"username", |this, s| this.component(s, 1)),
        Member::Get(c"password", |this, s| this.component(s, 2)),
        Member::Get(c"hostname", |this, s| this.component(s, 3)),
        Member::Get(c"port", |this, s| this.component(s, 4)),
        Member::Get(c"pathname", |this, s| this.component(s, 5)),
        Member::Get(c"search", |this, s| this.component(s, 6)),
        Member::Get(c"hash", |this, s| this.component(s, 7)),
        Member::Get(c"hasRegExpGroups", |this, s| {
            Ok(Value::new_bool(s.ctx.clone(), this.has_reg_exp_groups))
        }),
        Member::Method(c"test", 0, URLPattern::test),
        Member::Method(c"exec", 0, URLPattern::exec),
    ];

    /// `new URLPattern(input, baseURL, options)` or `new URLPattern(input, options)`.
    fn construct(scope: &Scope<'_, '_>) -> Result<Self> {
        let ctx = scope.ctx;
        let input = Input::of(&scope.arg(0))?;
        let second = scope.arg(1);
        let is_options = scope.len() < 3 && (second.is_undefined() || second.is_null() || second.is_object());
        let (base, options) = match is_options {
            true => (None, second),
            false => (Some(value::to_string(&second)?), scope.arg(2)),
        };
        let ignore_case = match options.as_object() {
            Some(options) => options.get::<_, Coerced<bool>>("ignoreCase")?.0,
            None if options.is_undefined() || options.is_null() => false,
            None => return Err(exception::type_error(ctx, "URLPattern: the options are not an object")),
        };
        let init = match &input {
            Input::Text(text) => compile::constructor_string(ctx, text, base.as_deref())?,
            Input::Init(_) if base.is_some() => return Err(base_with_init(ctx)),
            Input::Init(members) => {
                members.init(members.base.as_deref().map(|base| compile::base_url(ctx, base)).transpose()?)
            }
        };
        let (components, has_reg_exp_groups) = compile::pattern(ctx, &init, ignore_case)?;
        Ok(URLPattern { components, has_reg_exp_groups })
    }

    fn trace(&self, tracer: &Tracer) {
        self.components.iter().for_each(|component| component.trace(tracer));
    }
}
