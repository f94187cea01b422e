//! Promises that native code settles, taken again once nothing but this store refers to them.
//!
//! Owns: settled promises with the functions that settle them. To make the three costs more than a
//! small receive. It reads and resets engine structures (quickjs-ng 0.16, pinned in Cargo.toml); an
//! engine whose promises do not look exactly so ([`Settler::untouched`]) gets new ones each time. Must not
//! know: who waits.

use std::cell::RefCell;
use std::ffi::c_void;

use rquickjs::{Ctx, Result, Value, qjs};

use super::held::{self, Held, Tracer};
use super::layout::{ObjectFront, Shape};

/// Promises kept at most.
const RESTING_MAX: usize = 64;
/// How many of them are looked at before a new one is made.
const LOOKS_MAX: usize = 4;

/// `JSPromiseData`, quickjs.c.
#[repr(C)]
struct PromiseData {
    state: qjs::JSPromiseStateEnum,
    reactions: [[*mut c_void; 2]; 2],
    is_handled: bool,
    result: qjs::JSValue,
}

/// `JSPromiseFunctionData` and `JSPromiseFunctionDataResolved`, quickjs.c.
#[repr(C)]
struct FunctionData {
    promise: qjs::JSValue,
    resolved: *mut Resolved,
}

#[repr(C)]
struct Resolved {
    ref_count: i32,
    already: bool,
}

/// A promise and what settles it.
pub(super) struct Settler {
    promise: Held,
    pub(super) resolve: Held,
    pub(super) reject: Held,
}

impl Settler {
    /// A new one.
    pub(super) fn new<'js>(ctx: &Ctx<'js>) -> Result<Settler> {
        let mut functions = [qjs::JS_UNDEFINED; 2];
        // SAFETY: the engine fills in two owned references.
        unsafe {
            let raw = qjs::JS_NewPromiseCapability(ctx.as_raw().as_ptr(), functions.as_mut_ptr());
            let promise = Held::new(super::value::fresh(ctx, raw)?);
            let [resolve, reject] = functions.map(|f| Held::new(Value::from_raw(ctx.clone(), f)));
            Ok(Settler { promise, resolve, reject })
        }
    }

    pub(super) fn promise<'js>(&self, ctx: &Ctx<'js>) -> Value<'js> {
        self.promise.get(ctx)
    }

    /// Reports what it holds to the cycle collector.
    pub(super) fn trace(&self, tracer: &Tracer) {
        [&self.promise, &self.resolve, &self.reject].into_iter().for_each(|held| tracer.mark(held));
    }

    /// What the promise looks like now.
    fn shape(&self) -> Shape {
        // SAFETY: a live object.
        unsafe { Shape::now(self.promise.raw()) }
    }

    fn data(&self) -> *mut PromiseData {
        opaque(&self.promise).cast()
    }

    fn function(&self) -> *mut FunctionData {
        opaque(&self.resolve).cast()
    }
}

fn opaque(value: &Held) -> *mut c_void {
    // SAFETY: reads the class and the pointer of a live object.
    unsafe { qjs::JS_GetOpaque(value.raw(), qjs::JS_GetClassID(value.raw())) }
}

impl Settler {
    /// What a promise looks like that no script has touched, if all that is read and reset here is where it is expected: each place is
    /// seen to change as it should, on a promise that is thrown away.
    fn untouched(ctx: &Ctx<'_>) -> Result<Option<Shape>> {
        let settler = Settler::new(ctx)?;
        let same = |value: qjs::JSValue| settler.promise.is(&borrowed(ctx, value));
        let fresh = settler.shape();
        let (data, function) = (settler.data(), settler.function());
        let object = ObjectFront::of(settler.promise.raw());
        let (other, class) = (opaque(&settler.reject).cast::<FunctionData>(), settler.promise.raw());
        // SAFETY: reads of live structures. The order matters: the addresses that the engine itself
        // gives out prove the layout before anything is followed.
        unsafe {
            let class = qjs::JS_GetClassID(class);
            if data.is_null() || function.is_null() || other.is_null() || fresh.references != 3 {
                return Ok(None);
            }
            let more = settler.promise(ctx);
            let counted = settler.shape().references == 4;
            drop(more);
            let lists = (*data).reactions.iter_mut().all(|list| {
                let head = list.as_mut_ptr().cast::<c_void>();
                list[0] == head && list[1] == head
            });
            let object = (*object).opaque == data.cast() && fresh.class() == class;
            let functions = same((*function).promise) && same((*other).promise);
            let functions = functions && (*function).resolved == (*other).resolved;
            if !(counted && lists && object && functions && fresh.has_no_weak_reference()) {
                return Ok(None);
            }
            let resolved = (*function).resolved;
            let open = (*data).state == qjs::JSPromiseStateEnum_JS_PROMISE_PENDING && !(*data).is_handled;
            let open = open && !(*resolved).already && (*resolved).ref_count == 2;
            qjs::JS_PromiseMarkAsHandled(ctx.as_raw().as_ptr(), settler.promise.raw());
            let seven = Value::new_int(ctx.clone(), 7);
            held::call(ctx, &settler.resolve, None, std::slice::from_ref(&seven))?;
            let shut = (*data).state == qjs::JSPromiseStateEnum_JS_PROMISE_FULFILLED && (*data).is_handled;
            let shut = shut && (*resolved).already && borrowed(ctx, (*data).result) == seven;
            Ok((open && shut).then_some(fresh))
        }
    }
}

fn borrowed<'js>(ctx: &Ctx<'js>, raw: qjs::JSValue) -> Value<'js> {
    // SAFETY: a live value; the reference made here belongs to the `Value`.
    unsafe { Value::from_raw(ctx.clone(), qjs::JS_DupValue(ctx.as_raw().as_ptr(), raw)) }
}

/// The store of an engine.
#[derive(Default)]
pub(super) struct Resting {
    settlers: RefCell<Vec<Settler>>,
    /// Looked for when first needed; a settler is kept with it, so that its shape stays alive.
    shape: RefCell<Option<Option<(Shape, Settler)>>>,
}

impl Resting {
    /// Lets go of all of them: before the engine ends.
    pub(super) fn clear(&self) {
        drop((self.settlers.take(), self.shape.take()));
    }

    /// A pending promise, new or as new.
    ///
    /// # Errors
    /// Out of memory.
    pub(super) fn take(&self, ctx: &Ctx<'_>) -> Result<Settler> {
        let Some(shape) = self.shape(ctx)? else { return Settler::new(ctx) };
        let found = free(&mut self.settlers.borrow_mut(), &shape);
        let Some(settler) = found else { return Settler::new(ctx) };
        // SAFETY: `Settler::untouched` has proved the layout. Only the settler refers to the promise, which is fulfilled
        // with a value that is no object and has no reactions: nothing can tell it from a new one after this.
        unsafe {
            let data = settler.data();
            (*data).result = qjs::JS_UNDEFINED;
            (*data).state = qjs::JSPromiseStateEnum_JS_PROMISE_PENDING;
            (*data).is_handled = false;
            (*(*settler.function()).resolved).already = false;
        }
        Ok(settler)
    }

    /// A promise that is fulfilled with a plain value (see [`Resting::keep`]), new or as new.
    ///
    /// # Errors
    /// Out of memory.
    pub(super) fn fulfilled<'js>(&self, ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Value<'js>> {
        let settler = self.take(ctx)?;
        if self.shape(ctx)?.is_none() {
            held::call(ctx, &settler.resolve, None, std::slice::from_ref(value))?;
            return Ok(settler.promise(ctx));
        }
        // SAFETY: as in `take`. A promise that nothing has seen has no reactions, and no hook of the engine is
        // set: this is all that its resolving function would do. The value has no reference to count.
        unsafe {
            let data = settler.data();
            (*data).state = qjs::JSPromiseStateEnum_JS_PROMISE_FULFILLED;
            (*data).result = value.as_raw();
            (*(*settler.function()).resolved).already = true;
        }
        let promise = settler.promise(ctx);
        self.keep(settler);
        Ok(promise)
    }

    fn shape(&self, ctx: &Ctx<'_>) -> Result<Option<Shape>> {
        if self.shape.borrow().is_none() {
            let found = match Settler::untouched(ctx)? {
                Some(shape) => Some((shape, Settler::new(ctx)?)),
                None => None,
            };
            *self.shape.borrow_mut() = Some(found);
        }
        Ok(self.shape.borrow().as_ref().and_then(Option::as_ref).map(|(shape, _)| *shape))
    }

    /// Keeps the settler of a promise that was fulfilled with a number, a boolean, null or undefined: what no
    /// reference counting concerns. An object would be kept with it, and what it holds open.
    pub(super) fn keep(&self, settler: Settler) {
        if let Some(Some(_)) = &*self.shape.borrow() {
            let mut settlers = self.settlers.borrow_mut();
            if settlers.len() < RESTING_MAX {
                settlers.push(settler);
            }
        }
    }
}

/// Takes one of the latest that nobody has any more. One that follows a promise which never settles is pending.
fn free(settlers: &mut Vec<Settler>, shape: &Shape) -> Option<Settler> {
    let from = settlers.len().saturating_sub(LOOKS_MAX);
    let is_free = |settler: &Settler| {
        // SAFETY: `Settler::untouched` has proved the layout.
        let fulfilled = unsafe { (*settler.data()).state } == qjs::JSPromiseStateEnum_JS_PROMISE_FULFILLED;
        fulfilled && settler.shape() == *shape
    };
    let at = (from..settlers.len()).rev().find(|at| is_free(&settlers[*at]))?;
    Some(settlers.swap_remove(at))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::builtins::Table;
    use super::super::code::Code;
    use super::super::engine::{Engine, EngineLimits, Pulse};
    use super::super::promise;
    use super::super::reflect::identity;
    use super::*;

    fn with_engine(f: impl FnOnce(&Ctx<'_>)) {
        let limits = EngineLimits {
            heap_bytes_max: 16 << 20,
            stack_bytes_max: 256 << 10,
            turn_cpu_max: Duration::from_secs(10),
        };
        let code = Arc::new(Code::new("/app.js".into()));
        let engine = Engine::new(&limits, &Table::EMPTY, code, Pulse::default(), Box::new(|_, _| {}));
        engine.expect("an engine").turn(|ctx| {
            // New objects lie where others have lain.
            let used = "for (let i = 0; i < 5000; i++) [new Map([[i, 'x'.repeat(i % 90)]]), /a/.exec('a'), new Date()]";
            ctx.eval::<(), _>(used).expect("it runs");
            f(ctx);
        });
    }

    fn settled<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> Value<'js> {
        let (promise, capability) = promise::pending(ctx).expect("a promise");
        capability.settle(ctx, Ok(value));
        promise
    }

    /// The engine that Cargo.toml pins has the layout that is expected here: else all goes well, but slower.
    #[test]
    fn a_settled_promise_is_taken_again_once_nothing_refers_to_it() {
        with_engine(|ctx| {
            let settled = || settled(ctx, Value::new_int(ctx.clone(), 1));
            let kept = settled();
            let first = identity(&settled());
            let second = settled();
            assert_eq!(identity(&second), first, "nothing refers to the first");
            assert_ne!(identity(&kept), first, "what is referred to stays as it is");
            assert!(
                matches!(promise::state(&kept), Some(promise::State::Fulfilled(one)) if one.as_int() == Some(1))
            );
        });
    }

    #[test]
    fn the_object_of_a_promise_goes_with_the_promise() {
        with_engine(|ctx| {
            let make = "(() => { const made = {}; globalThis.weak = new WeakRef(made); return made; })()";
            let value = ctx.eval::<Value, _>(make).expect("an object");
            drop(settled(ctx, value));
            assert!(ctx.eval::<bool, _>("weak.deref() === undefined").expect("it runs"), "the value is gone");
        });
    }

    #[test]
    fn a_promise_that_follows_one_which_never_settles_is_not_taken_again() {
        with_engine(|ctx| {
            let never = ctx.eval::<Value, _>("new Promise(() => {})").expect("a promise");
            let first = identity(&settled(ctx, never));
            let (promise, _capability) = promise::pending(ctx).expect("a promise");
            assert_ne!(identity(&promise), first);
        });
    }

    #[test]
    fn a_promise_is_fulfilled_without_a_call() {
        with_engine(|ctx| {
            let one = promise::settled(ctx, Ok(Value::new_int(ctx.clone(), 1))).expect("a promise");
            let two = promise::settled(ctx, Ok(Value::new_int(ctx.clone(), 2))).expect("a promise");
            let is = |promise: &Value<'_>, n| matches!(promise::state(promise), Some(promise::State::Fulfilled(v)) if v.as_int() == Some(n));
            assert!(is(&one, 1) && is(&two, 2));
            let first = identity(&one);
            drop(one);
            let (again, capability) = promise::pending(ctx).expect("a promise");
            assert_eq!(identity(&again), first);
            capability.settle(ctx, Ok(Value::new_undefined(ctx.clone())));
            assert!(matches!(promise::state(&again), Some(promise::State::Fulfilled(v)) if v.is_undefined()));
        });
    }
}
