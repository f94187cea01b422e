//! The setters of `Date.prototype`, mended: one with a NaN makes the date invalid.
//!
//! Owns: what stands in for the engine's setters, which answer NaN then and leave the date as it was
//! (quickjs-ng since pull request 727; ECMA-262 section 21.4.4.20 and after: [[DateValue]] becomes NaN).
//! Libraries tell a wrong date by that. Must not know: how dates are computed. It goes when the engine's
//! own do right.

use std::cell::RefCell;
use std::ffi::CStr;

use rquickjs::function::{Rest, This};
use rquickjs::{Ctx, Function, Object, Result, Value};

use crate::js::Held;
use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::function::{self, Functions};

/// The engine's setters in the order of the list, then its `setTime`.
#[derive(Default)]
struct Originals(RefCell<Vec<Held>>);

struct Setters;

impl Functions for Setters {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"setMilliseconds", 1, set::<0>),
        (c"setUTCMilliseconds", 1, set::<1>),
        (c"setSeconds", 2, set::<2>),
        (c"setUTCSeconds", 2, set::<3>),
        (c"setMinutes", 3, set::<4>),
        (c"setUTCMinutes", 3, set::<5>),
        (c"setHours", 4, set::<6>),
        (c"setUTCHours", 4, set::<7>),
        (c"setDate", 1, set::<8>),
        (c"setUTCDate", 1, set::<9>),
        (c"setMonth", 2, set::<10>),
        (c"setUTCMonth", 2, set::<11>),
        (c"setFullYear", 3, set::<12>),
        (c"setUTCFullYear", 3, set::<13>),
    ];
}

fn original<'js>(ctx: &Ctx<'js>, index: usize) -> Result<Function<'js>> {
    let originals = State::of(ctx).extension::<Originals>();
    let function = originals.0.borrow()[index].get(ctx);
    function.try_into_function().map_err(|_| rquickjs::Error::Unknown)
}

fn set<'js, const INDEX: usize>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let arguments: Vec<Value> = (0..scope.len()).map(|index| scope.arg(index)).collect();
    let answer: Value = original(scope.ctx, INDEX)?.call((This(scope.this()), Rest(arguments)))?;
    if answer.as_float().is_some_and(f64::is_nan) {
        original(scope.ctx, Setters::LIST.len())?.call::<_, Value>((This(scope.this()), f64::NAN))?;
    }
    Ok(answer)
}

/// Puts the setters in the place of the engine's.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    let date: Object = ctx.globals().get("Date")?;
    let prototype: Object = date.get("prototype")?;
    let mut originals = Vec::with_capacity(Setters::LIST.len() + 1);
    let names = Setters::LIST.iter().map(|(name, ..)| *name).chain([c"setTime"]);
    for name in names {
        let function: Value = prototype.get(name.to_str().unwrap_or_default())?;
        originals.push(Held::new(function));
    }
    State::of(ctx).extension::<Originals>().0.replace(originals);
    for (index, (name, ..)) in Setters::LIST.iter().enumerate() {
        function::define(ctx, &prototype, name, function::make::<Setters>(ctx, index)?, false)?;
    }
    Ok(())
}
