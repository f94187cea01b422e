//! Native classes: Rust data behind a JavaScript object, with the shape that Web IDL prescribes.
//!
//! Owns: registration, the C entry points of members, brand checks, finalisers. Must not know: any class. It
//! stands in for rquickjs's class macro because an instance costs 0.4 us of a request instead of
//! 1.0 us: one fixed class id, no registry look-up, no borrow flag.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::mem::transmute;

use rquickjs::atom::PredefinedAtom;
use rquickjs::object::Property;
use rquickjs::{Ctx, Error, Object, Result, Value, qjs};

use super::class_id;
use super::display::{self, Display};
use super::function::{RawFunction, RawGetter, RawSetter};
use super::held::{Held, Tracer};
pub use super::native_call::{Scope, Static};
use super::native_call::{arguments, context, enter, leak, scope};
use super::state::State;
use super::{exception, function, promise, value};

/// A getter, or a method: the receiver, then the call.
pub type Native<T> = for<'a, 'js> fn(&T, &Scope<'a, 'js>) -> Result<Value<'js>>;

/// One member of a class, as its interface definition lists it.
pub enum Member<T: 'static> {
    /// A read-only attribute.
    Get(&'static CStr, Native<T>),
    /// An attribute; the setter's new value is argument 0.
    GetSet(&'static CStr, Native<T>, Native<T>),
    /// An operation and its length.
    Method(&'static CStr, u8, Native<T>),
    /// An operation that returns a promise: what it throws becomes a rejection.
    Async(&'static CStr, u8, Native<T>),
    /// A static operation.
    Static(&'static CStr, u8, Static),
    /// A second name, `@@iterator`, for the operation so called.
    IteratorIs(&'static CStr),
}

/// A class whose instances carry a `Self`.
pub trait Class: Sized + 'static {
    /// Its id, which no other class has.
    type Id: class_id::Of<Class = Self>;
    /// Its name in JavaScript.
    const NAME: &'static CStr;
    /// `length` of the constructor.
    const LENGTH: u8 = 0;
    /// Whether the constructor stands on `globalThis`.
    const GLOBAL: bool = true;
    /// Its interface.
    const MEMBERS: &'static [Member<Self>];
    /// What people see of an instance besides its own properties.
    const DISPLAY: Option<Display> = None;

    /// `new Class(...)`.
    ///
    /// # Errors
    /// What the constructor throws; by default it cannot be called.
    fn construct(scope: &Scope<'_, '_>) -> Result<Self> {
        Err(exception::type_error(scope.ctx, "Illegal constructor"))
    }

    /// Reports the values it owns to the cycle collector.
    fn trace(&self, _tracer: &Tracer) {}

    /// The prototype's prototype; `None` is `Object.prototype`.
    ///
    /// # Errors
    /// None of its own.
    fn parent<'js>(_ctx: &Ctx<'js>) -> Result<Option<Object<'js>>> {
        Ok(None)
    }

    /// The `Self` inside of an instance of a class that extends this one.
    fn inside<'a>(_instance: Instance<'a>) -> Option<&'a Self> {
        None
    }
}

/// Its number in the engine. No other class has it: `T::Id` says that its class is `T`, and can say so of one.
/// The unsafe code below rests on that.
pub(crate) const fn number<T: Class>() -> u32 {
    <T::Id as class_id::Id>::NUMBER
}

/// Some object, to be asked for the native data it carries.
#[derive(Clone, Copy)]
pub struct Instance<'a> {
    raw: qjs::JSValue,
    lent: std::marker::PhantomData<&'a ()>,
}

impl<'a> Instance<'a> {
    /// Its data, if it is an instance of `T` itself.
    pub fn data<T: Class>(self) -> Option<&'a T> {
        // SAFETY: an object of `T`'s number carries a Box<T> for its whole life, and the caller's
        // reference keeps the object alive for 'a.
        unsafe { qjs::JS_GetOpaque(self.raw, number::<T>()).cast::<T>().as_ref() }
    }
}

/// The native data of `value`, if it is an instance of `T` or of a class that extends it.
pub fn get<'a, T: Class>(value: &'a Value<'_>) -> Option<&'a T> {
    native::<T>(value.as_raw())
}

fn native<'a, T: Class>(raw: qjs::JSValue) -> Option<&'a T> {
    let instance = Instance { raw, lent: std::marker::PhantomData };
    instance.data::<T>().or_else(|| T::inside(instance))
}

/// What the attribute `name` of `value` is, by the class's own getter, whatever an app has made of the
/// prototype; none for what is no instance of `T` and for what is no attribute.
pub fn attribute<'js, T: Class>(value: &Value<'js>, name: &str) -> Option<Result<Value<'js>>> {
    let data = get::<T>(value)?;
    let scope = scope(value.ctx(), value.as_raw(), &[]);
    T::MEMBERS.iter().find_map(|member| match member {
        Member::Get(known, get) | Member::GetSet(known, get, _) if known.to_bytes() == name.as_bytes() => {
            Some(get(data, &scope))
        }
        _ => None,
    })
}

fn receiver<'a, T: Class>(ctx: &Ctx<'_>, this: qjs::JSValue) -> Result<&'a T> {
    native::<T>(this).ok_or_else(|| exception::type_error(ctx, "Illegal invocation"))
}

/// A new instance carrying `data`, without a call of the constructor.
///
/// # Errors
/// Out of memory.
pub fn instance<'js, T: Class>(ctx: &Ctx<'js>, data: T) -> Result<Value<'js>> {
    // SAFETY: the class is registered with every engine; see `adopt`.
    unsafe { adopt(ctx, qjs::JS_NewObjectClass(ctx.as_raw().as_ptr(), number::<T>()), data) }
}

/// # Safety
/// `object` is a fresh object of `T`'s number, or the exception mark.
unsafe fn adopt<'js, T: Class>(ctx: &Ctx<'js>, object: qjs::JSValue, data: T) -> Result<Value<'js>> {
    // SAFETY: by the caller; the Box goes back in `finalize`.
    unsafe {
        if qjs::JS_IsException(object) {
            return Err(Error::Exception);
        }
        qjs::JS_SetOpaque(object, Box::into_raw(Box::new(data)).cast());
        Ok(Value::from_raw(ctx.clone(), object))
    }
}

thread_local! {
    /// The constructor last registered for each class on this thread: `new` with exactly it needs
    /// no look-up of `new.target.prototype`. A stale entry only costs that look-up.
    static CONSTRUCTORS: [Cell<usize>; 64] = const { [const { Cell::new(0) }; 64] };
}

fn constructor_slot<R>(id: u32, f: impl FnOnce(&Cell<usize>) -> R) -> R {
    CONSTRUCTORS.with(|all| f(&all[(id as usize) % all.len()]))
}

unsafe extern "C" fn construct<T: Class>(
    ctx: *mut qjs::JSContext,
    target: qjs::JSValue,
    argc: i32,
    argv: *mut qjs::JSValue,
    _magic: i32,
) -> qjs::JSValue {
    // SAFETY: the engine calls with a live context, argc values and the new.target.
    unsafe {
        let cx = context(ctx);
        let args = arguments(argc, argv);
        enter(&cx, || {
            let data = T::construct(&scope(&cx, target, args))?;
            let object = if constructor_slot(number::<T>(), Cell::get)
                == qjs::JS_VALUE_GET_PTR(target) as usize
            {
                qjs::JS_NewObjectClass(ctx, number::<T>())
            } else {
                let proto =
                    Value::from_raw(cx.clone(), qjs::JS_GetPropertyStr(ctx, target, c"prototype".as_ptr()));
                match proto.is_object() {
                    true => qjs::JS_NewObjectProtoClass(ctx, proto.as_raw(), number::<T>()),
                    false if proto.is_exception() => return Err(Error::Exception),
                    false => qjs::JS_NewObjectClass(ctx, number::<T>()),
                }
            };
            adopt(&cx, object, data)
        })
    }
}

unsafe extern "C" fn method<T: Class>(
    ctx: *mut qjs::JSContext,
    this: qjs::JSValue,
    argc: i32,
    argv: *mut qjs::JSValue,
    magic: i32,
) -> qjs::JSValue {
    // SAFETY: as in `construct`.
    unsafe {
        let cx = context(ctx);
        let scope = scope(&cx, this, arguments(argc, argv));
        enter(&cx, || match &T::MEMBERS[magic as usize] {
            Member::Method(_, _, f) => f(receiver::<T>(&cx, this)?, &scope),
            Member::Async(_, _, f) => {
                let result = receiver::<T>(&cx, this).and_then(|data| f(data, &scope));
                promise::reject_on_error(&cx, result)
            }
            Member::Static(_, _, f) => f(&scope),
            _ => Err(Error::Unknown),
        })
    }
}

unsafe extern "C" fn getter<T: Class>(
    ctx: *mut qjs::JSContext,
    this: qjs::JSValue,
    magic: i32,
) -> qjs::JSValue {
    // SAFETY: as in `construct`.
    unsafe {
        let cx = context(ctx);
        let scope = scope(&cx, this, &[]);
        enter(&cx, || match &T::MEMBERS[magic as usize] {
            Member::Get(_, f) | Member::GetSet(_, f, _) => f(receiver::<T>(&cx, this)?, &scope),
            _ => Err(Error::Unknown),
        })
    }
}

unsafe extern "C" fn setter<T: Class>(
    ctx: *mut qjs::JSContext,
    this: qjs::JSValue,
    value: qjs::JSValue,
    magic: i32,
) -> qjs::JSValue {
    // SAFETY: as in `construct`.
    unsafe {
        let cx = context(ctx);
        let args = [value];
        let scope = scope(&cx, this, &args);
        enter(&cx, || match &T::MEMBERS[magic as usize] {
            Member::GetSet(_, _, f) => f(receiver::<T>(&cx, this)?, &scope),
            _ => Err(Error::Unknown),
        })
    }
}

unsafe extern "C" fn finalize<T: Class>(_rt: *mut qjs::JSRuntime, value: qjs::JSValue) {
    // SAFETY: the opaque pointer of an object of `T`'s number is null or the Box from `adopt`, freed once here.
    unsafe {
        let data = qjs::JS_GetOpaque(value, number::<T>()).cast::<T>();
        if !data.is_null() {
            drop(Box::from_raw(data));
        }
    }
}

unsafe extern "C" fn mark<T: Class>(rt: *mut qjs::JSRuntime, value: qjs::JSValue, mark: qjs::JS_MarkFunc) {
    if let Some(data) = native::<T>(value) {
        data.trace(&Tracer { rt, mark });
    }
}

/// An instance without data for each class: it keeps the class's hidden shape alive, which the engine
/// would else build again for each object that is the only one of its class, as requests are.
#[derive(Default)]
struct Shapes(RefCell<Vec<Held>>);

/// Registers `T` with the context's runtime, makes prototype and constructor.
///
/// # Errors
/// Out of memory.
pub fn register<T: Class>(ctx: &Ctx<'_>) -> Result<()> {
    register_unlisted::<T>(ctx).map(drop)
}

/// As [`register`]; the constructor, for a class that a module exports.
///
/// # Errors
/// Out of memory.
pub fn register_unlisted<'js, T: Class>(ctx: &Ctx<'js>) -> Result<Value<'js>> {
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: plain registration calls on a live context; references are handed over as each
    // function documents (JS_SetClassProto takes one, JS_SetConstructor none).
    unsafe {
        let def = qjs::JSClassDef {
            class_name: T::NAME.as_ptr(),
            finalizer: Some(finalize::<T>),
            gc_mark: Some(mark::<T>),
            call: None,
            exotic: std::ptr::null_mut(),
        };
        let rt = qjs::JS_GetRuntime(raw);
        // What follows may have failed before: then the engine knows the class.
        let is_known = qjs::JS_IsRegisteredClass(rt, number::<T>());
        if !is_known && qjs::JS_NewClass(rt, number::<T>(), &def) != 0 {
            return Err(Error::Allocation);
        }
        let proto = match T::parent(ctx)? {
            Some(parent) => qjs::JS_NewObjectProto(raw, parent.as_value().as_raw()),
            None => qjs::JS_NewObject(raw),
        };
        let proto = Object::from_value(Value::from_raw(ctx.clone(), proto))?;
        let make = transmute::<
            unsafe extern "C" fn(
                *mut qjs::JSContext,
                qjs::JSValue,
                i32,
                *mut qjs::JSValue,
                i32,
            ) -> qjs::JSValue,
            unsafe extern "C" fn(*mut qjs::JSContext, qjs::JSValue, i32, *mut qjs::JSValue) -> qjs::JSValue,
        >(construct::<T>);
        let kind = qjs::JSCFunctionEnum_JS_CFUNC_constructor_magic;
        let ctor = qjs::JS_NewCFunction2(raw, Some(make), T::NAME.as_ptr(), T::LENGTH.into(), kind, 0);
        let ctor = Object::from_value(Value::from_raw(ctx.clone(), ctor))?;
        qjs::JS_SetConstructor(raw, ctor.as_value().as_raw(), proto.as_value().as_raw());
        constructor_slot(number::<T>(), |slot| {
            slot.set(qjs::JS_VALUE_GET_PTR(ctor.as_value().as_raw()) as usize)
        });
        members::<T>(ctx, &proto, &ctor)?;
        if let Some(display) = const { &T::DISPLAY } {
            display::register(ctx, number::<T>(), display);
        }
        qjs::JS_SetClassProto(raw, number::<T>(), leak(proto.into_value()));
        let empty = value::fresh(ctx, qjs::JS_NewObjectClass(raw, number::<T>()))?;
        State::of(ctx).extension::<Shapes>().0.borrow_mut().push(Held::new(empty));
        if T::GLOBAL {
            function::define(ctx, &ctx.globals(), T::NAME, ctor.clone().into_value(), false)?;
        }
        Ok(ctor.into_value())
    }
}

/// Puts the members of `T` where Web IDL has them.
fn members<'js, T: Class>(ctx: &Ctx<'js>, proto: &Object<'js>, ctor: &Object<'js>) -> Result<()> {
    // SAFETY: the engine calls getter_magic and setter_magic functions with the arguments of
    // RawGetter and RawSetter.
    let (get, set) = unsafe {
        (transmute::<RawGetter, RawFunction>(getter::<T>), transmute::<RawSetter, RawFunction>(setter::<T>))
    };
    for (index, member) in T::MEMBERS.iter().enumerate() {
        let reader = |name: &CStr| {
            let label = [b"get ", name.to_bytes_with_nul()].concat();
            let label = CStr::from_bytes_with_nul(&label).map_err(|_| Error::Unknown)?;
            function::raw(ctx, get, label, 0, qjs::JSCFunctionEnum_JS_CFUNC_getter_magic, index)
        };
        match member {
            Member::Get(name, _) => {
                function::accessor(ctx, proto, name, reader(name)?, None, function::CHANGEABLE)?
            }
            Member::GetSet(name, _, _) => {
                let label = [b"set ", name.to_bytes_with_nul()].concat();
                let label = CStr::from_bytes_with_nul(&label).map_err(|_| Error::Unknown)?;
                let writer =
                    function::raw(ctx, set, label, 1, qjs::JSCFunctionEnum_JS_CFUNC_setter_magic, index)?;
                function::accessor(ctx, proto, name, reader(name)?, Some(writer), function::CHANGEABLE)?;
            }
            Member::Method(name, length, _) | Member::Async(name, length, _) => {
                function::define(
                    ctx,
                    proto,
                    name,
                    function::magic(ctx, method::<T>, name, *length, index)?,
                    true,
                )?;
            }
            Member::Static(name, length, _) => {
                function::define(
                    ctx,
                    ctor,
                    name,
                    function::magic(ctx, method::<T>, name, *length, index)?,
                    true,
                )?;
            }
            Member::IteratorIs(name) => {
                let name = name.to_str().map_err(|_| Error::Unknown)?;
                let f: Value = proto.get(name)?;
                proto.prop(PredefinedAtom::SymbolIterator, Property::from(f).writable().configurable())?;
            }
        }
    }
    let tag = T::NAME.to_str().map_err(|_| Error::Unknown)?;
    proto.prop(PredefinedAtom::SymbolToStringTag, Property::from(tag).configurable())
}
