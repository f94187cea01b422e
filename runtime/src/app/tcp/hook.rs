//! The hooks of an app's `tcp`: `open`, `data`, `drain`, `end`, `close`.
//!
//! Owns: their names, how they are found. Must not know: when they are called.

use rquickjs::{Ctx, Object, Result, Value};

use crate::js::Held;
use crate::js::byte_arrays::ByteArrays;
use crate::js::exception;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// `open(conn, env, ctx)`: a client has connected.
    Open,
    /// `data(conn, bytes)`: bytes have come.
    Data,
    /// `drain(conn)`: what was written is gone, after a `write` that returned false.
    Drain,
    /// `end(conn)`: the client sends no more.
    End,
    /// `close(conn, error)`: it is over.
    Close,
}

/// How many there are.
const HOOKS: usize = 5;

const NAMES: [&str; HOOKS] = ["open", "data", "drain", "end", "close"];

impl Hook {
    /// What it is called.
    pub fn name(self) -> &'static str {
        NAMES[self as usize]
    }
}

/// The hooks of an app.
pub struct TcpHooks {
    functions: [Option<Held>; HOOKS],
    this: Held,
    env: Held,
    allow_half_open: bool,
    arrays: ByteArrays,
}

impl TcpHooks {
    /// Those of the property `tcp` of `app`, where it has one.
    ///
    /// # Errors
    /// What a getter throws; TypeError for what is no object with hooks.
    pub fn find<'js>(ctx: &Ctx<'js>, app: &Object<'js>, env: &Value<'js>) -> Result<Option<TcpHooks>> {
        let tcp: Value = app.get("tcp")?;
        if tcp.is_undefined() || tcp.is_null() {
            return Ok(None);
        }
        let refused = |what: &str| {
            exception::type_error(ctx, &format!("{what}; tcp: {{ open(conn) {{}}, data(conn, bytes) {{}} }}"))
        };
        let Some(object) = tcp.as_object() else { return Err(refused("`tcp` is not an object of hooks")) };
        let mut functions = [const { None }; HOOKS];
        for (function, name) in functions.iter_mut().zip(NAMES) {
            let hook: Value = object.get(name)?;
            if hook.is_function() {
                *function = Some(Held::new(hook));
            } else if !hook.is_undefined() {
                return Err(refused(&format!("`tcp.{name}` is not a function")));
            }
        }
        if functions[..2].iter().all(Option::is_none) {
            return Err(refused("`tcp` has neither `open` nor `data`"));
        }
        let allow: Value = object.get("allowHalfOpen")?;
        let allow_half_open = allow.as_bool().unwrap_or(false);
        let (this, env) = (Held::new(tcp), Held::new(env.clone()));
        Ok(Some(TcpHooks { functions, this, env, allow_half_open, arrays: ByteArrays::default() }))
    }

    pub(super) fn function(&self, hook: Hook) -> Option<&Held> {
        self.functions[hook as usize].as_ref()
    }

    pub(super) fn this(&self) -> &Held {
        &self.this
    }

    pub(super) fn env<'js>(&self, ctx: &Ctx<'js>) -> Value<'js> {
        self.env.get(ctx)
    }

    /// What `data` gets.
    pub(super) fn arrays(&self) -> &ByteArrays {
        &self.arrays
    }

    /// Whether our side stays open when the client's is ended.
    pub(super) fn allow_half_open(&self) -> bool {
        self.allow_half_open
    }
}
