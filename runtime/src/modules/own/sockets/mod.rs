//! `sockets`, alias `cloudflare:sockets`: TCP connections as streams, TLS included (WinterTC Sockets
//! API draft), both those that `connect(address)` opens and those that an app's `connect(socket)` is
//! given.
//!
//! Owns: the module, the handles by which `socket.js` holds its connections. Must not know: how bytes
//! move (`link`), how connections are accepted. The interface is described in `sockets.d.ts`.
#![forbid(unsafe_code)]

mod address;
mod calls;
mod failure;
mod fast;
pub mod inbound;
mod open;
mod pipe;
mod reads;

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::rc::{Rc, Weak};

use rquickjs::module::{Declarations, Declared, Exports, ModuleDef};
use rquickjs::{Ctx, Module, Object, Result, Value};

pub use open::Trust;

use crate::io::budget;
use crate::js::class::{Class, Member};
use crate::js::class_id;
use crate::js::engine::{Engine, State};
use crate::js::held::Tracer;
use crate::js::internal;
use crate::net::link::Link;

use failure::ConnectionError;
use fast::{Directions, Tried};
use open::{Plan, Terms};
use reads::Reads;

pub use calls::SocketFunctions;

/// What the module's exports come from.
const SOCKET: &str = "jsserve:internal/sockets/socket";

/// Operations in a row that may end inside of their calls: then the others have their turns.
const QUICK_MAX: u8 = 16;

/// Makes the native module.
///
/// # Errors
/// Out of memory.
pub fn declare<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    Module::declare_def::<Sockets, _>(ctx.clone(), name)
}

struct Sockets;

const EXPORTS: [&str; 3] = ["Socket", "SocketError", "connect"];

impl ModuleDef for Sockets {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declarations.declare("default")?;
        EXPORTS.iter().try_for_each(|name| declarations.declare(*name).map(drop))
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let (socket, all) = (internal::exports(ctx, SOCKET)?, Object::new(ctx.clone())?);
        for name in EXPORTS {
            let export: Value = socket.get(name)?;
            exports.export(name, export.clone())?;
            all.set(name, export)?;
        }
        exports.export("default", all)?;
        Ok(())
    }
}

/// A link as `socket.js` holds it.
pub struct Handle {
    link: Rc<Link>,
    /// How to open it; taken by that.
    plan: RefCell<Option<Plan>>,
    /// The name and the protocols for TLS that begins later.
    later: RefCell<Option<Terms>>,
    quick: Cell<u8>,
    reads: Reads,
    fast: Directions,
}

/// The links of an engine: for the end of its worker.
#[derive(Default)]
struct Links(RefCell<Vec<Weak<Link>>>);

impl Links {
    fn add(&self, link: &Rc<Link>) {
        let mut all = self.0.borrow_mut();
        // Those that are gone leave in bulk, before the list would grow.
        if all.len() == all.capacity() {
            all.retain(|link| link.strong_count() > 0);
        }
        all.push(Rc::downgrade(link));
    }
}

/// Ends all sockets of an engine whose worker ends: what waits on them fails.
pub fn shut_down(engine: &Engine) {
    let all = engine.state().extension::<Links>().0.take();
    for link in all.iter().filter_map(Weak::upgrade) {
        link.lose(ConnectionError::new("ECONNABORTED", "the worker ends"));
    }
}

impl Handle {
    fn new(ctx: &Ctx<'_>, link: Rc<Link>, plan: Option<Plan>, later: Option<Terms>) -> Handle {
        State::of(ctx).extension::<Links>().add(&link);
        Handle {
            link,
            plan: RefCell::new(plan),
            later: RefCell::new(later),
            quick: Cell::new(0),
            reads: Reads::default(),
            fast: Directions::default(),
        }
    }

    /// Sends what goes at once; what is left.
    fn send(&self, bytes: &[u8]) -> Tried {
        let sent = if self.may_try() { self.link.write_now(bytes)? } else { 0 };
        Ok(bytes[sent..].to_vec())
    }

    /// Whether the next operation may be tried inside of its call.
    fn may_try(&self) -> bool {
        let count = self.quick.get();
        self.quick.set(if count < QUICK_MAX { count + 1 } else { 0 });
        if count == QUICK_MAX {
            budget::give_way();
        }
        count < QUICK_MAX
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.link.forget();
    }
}

impl class_id::Of for class_id::SocketHandle {
    type Class = Handle;
}

impl Class for Handle {
    type Id = class_id::SocketHandle;
    const NAME: &'static CStr = c"SocketHandle";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[];

    fn trace(&self, tracer: &Tracer) {
        self.reads.trace(tracer);
        self.fast.trace(tracer);
    }
}
