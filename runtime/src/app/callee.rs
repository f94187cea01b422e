//! A method of the default export with what it is called with.
//!
//! Owns: the call, and the end of one that is only waited for. Must not know: which method it is, what
//! its arguments mean.

use std::rc::Rc;

use rquickjs::{Object, Value};

use crate::js::engine::{Engine, State};
use crate::js::observe::{self, Outcome};
use crate::js::promise;
use crate::js::thrown::Thrown;
use crate::js::{Ctx, Held, held};

/// A method, its receiver and its `env`.
pub struct Callee {
    function: Held,
    this: Held,
    env: Held,
}

impl Callee {
    /// The function `name` of `object`, where it has one.
    ///
    /// # Errors
    /// What a getter throws.
    pub fn find<'js>(object: &Object<'js>, name: &str, env: &Value<'js>) -> rquickjs::Result<Option<Callee>> {
        let function: Value = object.get(name)?;
        if !function.is_function() {
            return Ok(None);
        }
        let (this, env) = (Held::new(object.clone().into_value()), Held::new(env.clone()));
        Ok(Some(Callee { function: Held::new(function), this, env }))
    }

    /// The app's environment.
    pub fn env<'js>(&self, ctx: &Ctx<'js>) -> Value<'js> {
        self.env.get(ctx)
    }

    /// Calls it.
    ///
    /// # Errors
    /// What it throws.
    pub fn call<'js>(&self, ctx: &Ctx<'js>, args: &[Value<'js>]) -> rquickjs::Result<Value<'js>> {
        held::call(ctx, &self.function, Some(&self.this), args)
    }

    /// Calls it in a turn of its own, with what `args` gives. `outcome` is set when the promise that it
    /// returned settles; when it returned, where that was no promise; or with what it threw.
    pub fn start<const N: usize>(
        &self,
        engine: &Engine,
        outcome: &Rc<Outcome<Result<(), Thrown>>>,
        args: impl for<'js> FnOnce(&Ctx<'js>, Value<'js>) -> rquickjs::Result<[Value<'js>; N]>,
    ) {
        engine.turn(|ctx| {
            let call = || {
                let value = self.call(ctx, &args(ctx, self.env(ctx))?)?;
                if value.is_object() {
                    let value = promise::resolved(ctx, value)?;
                    return observe::observe(ctx, &value, Box::new(outcome.clone()));
                }
                outcome.set(Ok(()));
                Ok(())
            };
            if let Err(error) = call() {
                let thrown = Thrown::of(ctx, &error);
                State::of(ctx).note(&thrown);
                outcome.set(Err(thrown));
            }
        });
    }
}
