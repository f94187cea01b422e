//! Methods that take a locale and do not heed it, because there is no `Intl`: under `--dev` the first call with
//! one is noted in the log.
//!
//! Owns: which methods, and that it is said once in a process. Must not know: what the methods do.

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};

use rquickjs::{Ctx, Object, Result, Value};

use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::function::{self, Functions};
use crate::js::held::{self, Held, Slot};

/// Class, method, the argument that is the locale.
const METHODS: [(&str, &CStr, usize); 8] = [
    ("String", c"localeCompare", 1),
    ("String", c"toLocaleLowerCase", 0),
    ("String", c"toLocaleUpperCase", 0),
    ("Number", c"toLocaleString", 0),
    ("BigInt", c"toLocaleString", 0),
    ("Date", c"toLocaleString", 0),
    ("Date", c"toLocaleDateString", 0),
    ("Date", c"toLocaleTimeString", 0),
];

/// The engine's own methods.
#[derive(Default)]
struct KeptFunctions([Slot; METHODS.len()]);

struct OurFunctions;

impl Functions for OurFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (METHODS[0].1, 1, |scope| call(scope, 0)),
        (METHODS[1].1, 0, |scope| call(scope, 1)),
        (METHODS[2].1, 0, |scope| call(scope, 2)),
        (METHODS[3].1, 0, |scope| call(scope, 3)),
        (METHODS[4].1, 0, |scope| call(scope, 4)),
        (METHODS[5].1, 0, |scope| call(scope, 5)),
        (METHODS[6].1, 0, |scope| call(scope, 6)),
        (METHODS[7].1, 0, |scope| call(scope, 7)),
    ];
}

/// Puts ours in the place of the engine's.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    let kept = State::of(ctx).extension::<KeptFunctions>();
    for (index, (class, method, _)) in METHODS.iter().enumerate() {
        let prototype: Object = ctx.globals().get::<_, Object>(*class)?.get("prototype")?;
        kept.0[index].set(Some(prototype.get(method.to_string_lossy().as_ref())?));
        function::define(ctx, &prototype, method, function::make::<OurFunctions>(ctx, index)?, false)?;
    }
    Ok(())
}

/// Whether an app was told.
#[derive(Default)]
struct Warned(AtomicBool);

fn call<'js>(scope: &Scope<'_, 'js>, index: usize) -> Result<Value<'js>> {
    let (class, method, locale) = METHODS[index];
    if scope.has(locale) && !State::of(scope.ctx).cluster().shared::<Warned>().0.swap(true, Ordering::Relaxed)
    {
        let method = method.to_string_lossy();
        tracing::warn!(
            "{class}.prototype.{method} does not heed its locale: there is no Intl yet (this is said once)"
        );
    }
    let Some(method) = State::of(scope.ctx).extension::<KeptFunctions>().0[index].get(scope.ctx) else {
        return Ok(scope.undefined());
    };
    let arguments: Vec<Value> = (0..scope.len()).map(|index| scope.arg(index)).collect();
    held::call(scope.ctx, &Held::new(method), Some(&Held::new(scope.this())), &arguments)
}
