//! `navigator` and `self`.
//!
//! Owns: the name that this program gives itself in JavaScript, what it says of the machine. Must not know:
//! HTTP clients, locks.

use std::ffi::CStr;

use rquickjs::{Ctx, Result, Value};

use crate::js::class::{self, Class, Member, Scope, Static};
use crate::js::class_id;
use crate::js::display::Display;
use crate::js::engine::State;
use crate::js::function::Functions;
use crate::js::held::{Slot, Tracer};
use crate::js::{reflect, value};

use super::{embed, iterate, locks};

/// What `navigator.userAgent` says.
pub const USER_AGENT: &str = concat!("jsserve/", env!("CARGO_PKG_VERSION"));

/// The language of what `toLocaleString` and its kin write: there are no others.
const LANGUAGE: &str = "en-US";

/// The `navigator` object.
#[derive(Default)]
pub struct Navigator {
    languages: Slot,
}

impl class_id::Of for class_id::Navigator {
    type Class = Navigator;
}

impl Class for Navigator {
    type Id = class_id::Navigator;
    const NAME: &'static CStr = c"Navigator";
    const DISPLAY: Option<Display> = Some(Display::Attributes(&["userAgent"], class::attribute::<Self>));
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Get(c"hardwareConcurrency", |_, scope| {
            Ok(Value::new_number(scope.ctx.clone(), processors() as f64))
        }),
        Member::Get(c"language", |_, scope| value::string(scope.ctx, LANGUAGE)),
        Member::Get(c"languages", languages),
        Member::Get(c"locks", |_, scope| locks::object(scope.ctx)),
        Member::Get(c"userAgent", |_, scope| value::string(scope.ctx, USER_AGENT)),
    ];

    fn trace(&self, tracer: &Tracer) {
        self.languages.trace(tracer);
    }
}

/// The processors that the process may use. Asked for the process: a worker's own thread may be pinned to one.
fn processors() -> usize {
    use rustix::process::getpid;
    use rustix::thread::{CpuSet, sched_getaffinity};
    let set = sched_getaffinity(Some(getpid())).unwrap_or_else(|_| CpuSet::new());
    (set.count() as usize).max(1)
}

fn languages<'js>(this: &Navigator, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    this.languages.get_or(scope.ctx, || {
        let list = iterate::array(scope.ctx, std::iter::once(value::string(scope.ctx, LANGUAGE)))?;
        reflect::freeze(&list)?;
        Ok(list)
    })
}

/// The one `Navigator`.
#[derive(Default)]
struct Object(Slot);

/// The attributes: `navigator` is read-only, `self` as in a window `[Replaceable]` (HTML, sections
/// 8.10 and 7.2.2), so that what assigns to it in strict mode goes on.
struct NavigatorGlobal;

impl Functions for NavigatorGlobal {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"get navigator", 0, |scope| {
            embed::of_global(scope)?;
            let object = State::of(scope.ctx).extension::<Object>().0.get(scope.ctx);
            Ok(object.unwrap_or_else(|| scope.undefined()))
        }),
        (c"get self", 0, |scope| embed::of_global(scope).map(|()| scope.ctx.globals().into_value())),
        (c"set self", 1, |scope| embed::replaceable(scope, c"self")),
    ];
}

/// Installs both.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    class::register::<Navigator>(ctx)?;
    State::of(ctx).extension::<Object>().0.set(Some(class::instance(ctx, Navigator::default())?));
    embed::attribute::<NavigatorGlobal>(ctx, c"navigator", 0, None)?;
    embed::attribute::<NavigatorGlobal>(ctx, c"self", 1, Some(2))
}
