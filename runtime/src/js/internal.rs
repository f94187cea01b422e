//! The modules of JavaScript that are part of this program: compiled once per process, read and evaluated in an
//! engine when something first asks for them.
//!
//! Owns: their bytecode, which of them an engine has. Must not know: any of them. The bytecode carries no source:
//! functions print as native code. No import of theirs is part of a circle (tests/tidy.rs): what a module imports
//! is evaluated before the module itself is read, so that one which fails leaves nothing half done behind it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::ffi::c_char;
use std::ptr::NonNull;
use std::sync::{Arc, PoisonError, RwLock};

use rquickjs::context::intrinsic;
use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::{Declared, WriteOptions};
use rquickjs::{CatchResultExt, Context, Ctx, Error, FromJs, Module, Object, Result, Runtime, Value, qjs};

use super::builtins::{self, Builtin, Content, Table};
use super::held::{self, Held};
use super::state::State;
use super::{exception, native_call, promise, value};

/// Bytecode by the module's name.
static BYTECODE: RwLock<BTreeMap<&'static str, Arc<[u8]>>> = RwLock::new(BTreeMap::new());

/// The modules of one engine, by their own name.
#[derive(Default)]
struct Modules {
    /// Those that are evaluated, where they are JavaScript with their place: the engine frees a module only
    /// while it is read.
    evaluated: RefCell<HashMap<&'static str, Option<NonNull<qjs::JSModuleDef>>>>,
    /// The namespaces of those that Rust has asked for.
    namespaces: RefCell<HashMap<&'static str, Held>>,
    /// How often the evaluation of one has failed.
    failures: RefCell<HashMap<&'static str, u32>>,
    /// Those that are being loaded, each for the one before.
    loading: RefCell<Vec<&'static str>>,
    /// On its way to rquickjs.
    passed: Cell<Option<NonNull<qjs::JSModuleDef>>>,
}

/// The exports of the internal module `name`, which is loaded now where it was not before.
///
/// # Errors
/// What its evaluation throws: out of memory, out of stack, out of time. The next call tries again.
pub fn exports<'js>(ctx: &Ctx<'js>, name: &'static str) -> Result<Object<'js>> {
    let modules = State::of(ctx).extension::<Modules>();
    let known = modules.namespaces.borrow().get(name).map(|held| held.get(ctx));
    if let Some(namespace) = known {
        return Object::from_js(ctx, namespace);
    }
    let builtin = State::of(ctx).table.loaded_as(name).ok_or(Error::Unknown)?;
    if !is_loaded(ctx, name) {
        evaluate(ctx, builtin, &current(ctx, builtin))?;
    }
    let module = modules.evaluated.borrow().get(name).copied().flatten().ok_or(Error::Unknown)?;
    // SAFETY: a module of this very context, linked and evaluated.
    let namespace =
        unsafe { value::fresh(ctx, qjs::JS_GetModuleNamespace(ctx.as_raw().as_ptr(), module.as_ptr()))? };
    modules.namespaces.borrow_mut().insert(builtin.name(), Held::new(namespace.clone()));
    Object::from_js(ctx, namespace)
}

/// Calls the function `export` of the internal module `name`.
///
/// # Errors
/// What it throws, and those of [`exports`].
pub fn call<'js>(
    ctx: &Ctx<'js>,
    name: &'static str,
    export: &str,
    args: &[Value<'js>],
) -> Result<Value<'js>> {
    let function = Held::new(exports(ctx, name)?.get(export)?);
    held::call(ctx, &function, None, args)
}

/// Whether the engine has loaded the internal module `name`: before, nothing that it makes can exist.
pub fn is_loaded(ctx: &Ctx<'_>, name: &str) -> bool {
    State::of(ctx).extension::<Modules>().evaluated.borrow().contains_key(name)
}

/// The names of those that the engine has loaded.
pub fn loaded(state: &State) -> Vec<&'static str> {
    let mut names: Vec<_> = state.extension::<Modules>().evaluated.borrow().keys().copied().collect();
    names.sort_unstable();
    names
}

/// What the engine is to load the module `builtin` by.
pub(super) fn current(ctx: &Ctx<'_>, builtin: &'static Builtin) -> String {
    let modules = State::of(ctx).extension::<Modules>();
    let failures = modules.failures.borrow().get(builtin.name()).copied().unwrap_or(0);
    builtins::attempt(builtin.name(), failures)
}

/// Loads the built-in module that [`current`] has named. Those of Rust for apps are evaluated in their turn,
/// the others now.
pub(super) fn load<'js>(
    ctx: &Ctx<'js>,
    builtin: &'static Builtin,
    name: &str,
) -> Result<Module<'js, Declared>> {
    match &builtin.content {
        Content::Natives(declare) if !builtin.is_internal() => declare(ctx, name),
        _ => evaluate(ctx, builtin, name),
    }
}

fn evaluate<'js>(ctx: &Ctx<'js>, builtin: &'static Builtin, name: &str) -> Result<Module<'js, Declared>> {
    let modules = State::of(ctx).extension::<Modules>();
    if modules.loading.borrow().contains(&builtin.name()) {
        return Err(exception::internal_error(ctx, &format!("{name} needs itself")));
    }
    modules.loading.borrow_mut().push(builtin.name());
    let made = match &builtin.content {
        Content::Source(_) => read(ctx, name).map(|(module, place)| (module, Some(place))),
        Content::Natives(declare) => declare(ctx, name).map(|module| (module, None)),
    };
    let run = made.and_then(|(module, place)| match run(ctx, &module) {
        Ok(()) => Ok((module, place)),
        Err(error) => {
            *modules.failures.borrow_mut().entry(builtin.name()).or_default() += 1;
            Err(error)
        }
    });
    modules.loading.borrow_mut().pop();
    let (module, place) = run?;
    modules.evaluated.borrow_mut().insert(builtin.name(), place);
    Ok(module)
}

/// Reads the JavaScript module that is loaded by `name`; what it imports is loaded on the way.
fn read<'js>(ctx: &Ctx<'js>, name: &str) -> Result<(Module<'js, Declared>, NonNull<qjs::JSModuleDef>)> {
    let bytecode = bytecode(ctx, name)?;
    let flags = qjs::JS_READ_OBJ_BYTECODE as i32;
    // SAFETY: the bytes come from `JS_WriteObject` of this very program and are a module, whose reference stays
    // with the context; `pass` gives that very module.
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        let module = qjs::JS_ReadObject(raw, bytecode.as_ptr(), bytecode.len() as _, flags);
        if qjs::JS_IsException(module) {
            return Err(Error::Exception);
        }
        let place = NonNull::new(qjs::JS_VALUE_GET_PTR(module).cast()).ok_or(Error::Unknown)?;
        State::of(ctx).extension::<Modules>().passed.set(Some(place));
        Ok((Module::from_load_fn(ctx.clone(), name, pass)?, place))
    }
}

/// The module that [`read`] has just read.
unsafe extern "C" fn pass(ctx: *mut qjs::JSContext, _name: *const c_char) -> *mut qjs::JSModuleDef {
    // SAFETY: called by `read` alone, with a live context.
    let ctx = unsafe { native_call::context(ctx) };
    let passed = State::of(&ctx).extension::<Modules>().passed.take();
    passed.map_or(std::ptr::null_mut(), NonNull::as_ptr)
}

/// Links and evaluates `module`; it has no top-level await, so that it is done then.
fn run<'js>(ctx: &Ctx<'js>, module: &Module<'js, Declared>) -> Result<()> {
    let evaluated = module.clone().eval()?.1.into_value();
    match promise::state(&evaluated) {
        Some(promise::State::Fulfilled(_)) => Ok(()),
        Some(promise::State::Rejected(reason)) => {
            promise::mark_handled(&evaluated);
            Err(ctx.throw(reason))
        }
        _ => Err(exception::internal_error(ctx, "a built-in module waits for something")),
    }
}

/// The bytecode of the module that is loaded by `name`. With it that of all which it imports is made.
fn bytecode(ctx: &Ctx<'_>, name: &str) -> Result<Arc<[u8]>> {
    let known = BYTECODE.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
    match known {
        Some(bytecode) => Ok(bytecode),
        None => compile(State::of(ctx).table, name).map_err(|text| exception::internal_error(ctx, &text)),
    }
}

/// What the engine needs to compile and not to run.
type ParserIntrinsics = (intrinsic::Eval, intrinsic::RegExpCompiler);

/// Stack of the parser. It stands on that of whoever imports, which has NATIVE_STACK_BYTES left.
const STACK_BYTES: usize = 512 << 10;

/// Compiles in an engine of its own, where nothing of the source is left behind. In words, what is wrong with it.
fn compile(table: &'static Table, name: &str) -> std::result::Result<Arc<[u8]>, String> {
    let wrong = |error: Error| format!("{name} cannot be compiled: {error}");
    let runtime = Runtime::new().map_err(wrong)?;
    runtime.set_max_stack_size(STACK_BYTES);
    runtime.set_loader(PlainSpecifiers, Sources(table));
    let context = Context::custom::<ParserIntrinsics>(&runtime).map_err(wrong)?;
    context.with(|ctx| {
        let compiled = table.loaded_as(name).and_then(|row| compiled(&ctx, row, name).transpose());
        let compiled = compiled.unwrap_or(Err(Error::Unknown)).catch(&ctx);
        compiled.map(|(_, bytecode)| bytecode).map_err(|error| format!("{name} cannot be compiled: {error}"))
    })
}

/// A module of JavaScript with its bytecode.
type WithBytecode<'js> = (Module<'js, Declared>, Arc<[u8]>);

/// The module of the row as it is loaded by `name`; none for one of Rust.
fn compiled<'js>(ctx: &Ctx<'js>, row: &Builtin, name: &str) -> Result<Option<WithBytecode<'js>>> {
    let Content::Source(source) = &row.content else { return Ok(None) };
    let module = Module::declare(ctx.clone(), name, *source)?;
    let bytecode = module.write(WriteOptions { strip_source: true, ..WriteOptions::default() })?;
    let bytecode: Arc<[u8]> = bytecode.into();
    // What takes the place of one that has failed is for one engine.
    if name == row.name() {
        let mut all = BYTECODE.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(row.name(), bytecode.clone());
    }
    Ok(Some((module, bytecode)))
}

/// Specifiers stay as they are.
struct PlainSpecifiers;

impl Resolver for PlainSpecifiers {
    fn resolve<'js>(
        &mut self,
        _ctx: &Ctx<'js>,
        _base: &str,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        Ok(name.to_owned())
    }
}

/// Compiles what is imported, too; what is compiled already, or of Rust, is an empty module here.
struct Sources(&'static Table);

impl Loader for Sources {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        let is_known = BYTECODE.read().unwrap_or_else(PoisonError::into_inner).contains_key(name);
        let row = self.0.loaded_as(name).filter(|_| !is_known);
        match row.map(|row| compiled(ctx, row, name)).transpose()?.flatten() {
            Some((module, _)) => Ok(module),
            None => Module::declare(ctx.clone(), name, ""),
        }
    }
}
