//! `BroadcastChannel` (HTML, section 9.5): a class written in JavaScript (`broadcast_channel.js`), loaded when an app
//! first names it.
//!
//! Owns: an engine's part of its app's channels, a bus of their own; the task in which a message is read and heard. Must
//! not know: how messages get to other threads.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use rquickjs::{Ctx, Result, Value};

use crate::bus::{Bus, BusFull, Cargo, Delivery, Member, Subscriber, Subscriptions};
use crate::js::class::{self, Class, Scope, Static};
use crate::js::clone::{self, Packed};
use crate::js::cluster::Cluster;
use crate::js::engine::{Engine, State};
use crate::js::function::Functions;
use crate::js::held::{Slot, Tracer};
use crate::js::natives::Natives;
use crate::js::{class_id, exception, internal, value};
use crate::log;

use super::{embed, host, messaging, report};

const MODULE: &str = "jsserve:internal/broadcast/broadcast_channel";

/// A message, packed once for all who get it.
#[derive(Clone)]
struct Parcel(Arc<Packed>);

impl Cargo for Parcel {
    fn len(&self) -> usize {
        self.0.len()
    }
}

/// The engine's part of the channels, once it has one.
#[derive(Default)]
struct OurChannels {
    member: RefCell<Option<Rc<Member<Parcel>>>>,
    /// Bytes of messages that have come and are not heard yet.
    waiting: Cell<usize>,
}

/// What a message costs beside its bytes.
const MESSAGE_BYTES: usize = 64;

/// A message that has come and is not heard yet.
struct Unheard {
    parcel: Parcel,
    ours: Rc<OurChannels>,
}

impl Unheard {
    /// `None` where too many bytes wait.
    fn new(parcel: &Parcel, ours: Rc<OurChannels>, bytes_max: usize) -> Option<Unheard> {
        let (waiting, cost) = (ours.waiting.get(), MESSAGE_BYTES + parcel.len());
        if waiting > 0 && waiting.saturating_add(cost) > bytes_max {
            return None;
        }
        ours.waiting.set(waiting.saturating_add(cost));
        Some(Unheard { parcel: parcel.clone(), ours })
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        self.ours.waiting.set(self.ours.waiting.get().saturating_sub(MESSAGE_BYTES + self.parcel.len()));
    }
}

fn member(state: &State) -> Rc<Member<Parcel>> {
    let make = || {
        let bus = state.cluster().shared::<Bus<Parcel>>();
        // Channels have the bounds of topics.
        bus.set_limits(state.cluster().shared::<Bus>().limits());
        Member::new(bus, host::generation(state))
    };
    state.extension::<OurChannels>().member.borrow_mut().get_or_insert_with(make).clone()
}

/// Takes the channels' mailbox of the worker of this generation away: another has taken its place.
pub fn give_up(cluster: &Cluster, generation: u64) {
    cluster.shared::<Bus<Parcel>>().give_up(generation);
}

/// What a channel hears by.
struct Ear {
    engine: Weak<Engine>,
    bytes_max: usize,
    /// The reference to the object.
    target: Slot,
    closed: Cell<bool>,
}

impl Subscriber<Parcel> for Rc<Ear> {
    fn deliver(&self, delivery: &Delivery<'_, Parcel>) {
        let Some(engine) = self.engine.upgrade() else { return };
        let ours = engine.state().extension::<OurChannels>();
        let Some(waiting) = Unheard::new(delivery.message(), ours, self.bytes_max) else {
            if log::admits(log::Kind::Mailbox) {
                let name = delivery.topic();
                tracing::warn!(
                    "a BroadcastChannel {name:?} does not take its messages: one is dropped (--mailbox-max)"
                );
            }
            return;
        };
        let ear = Rc::downgrade(self);
        messaging::later(engine.state(), move |ctx| {
            if let Some(ear) = ear.upgrade().filter(|ear| !ear.closed.get()) {
                hear(ctx, &ear, &waiting.parcel);
            }
        });
    }
}

fn hear(ctx: &Ctx<'_>, ear: &Ear, parcel: &Parcel) {
    let Some(target) = ear.target.get(ctx) else { return };
    let heard = match clone::unpack(ctx, &parcel.0) {
        Ok(data) => internal::call(ctx, MODULE, "deliver", &[target, data]),
        Err(error) => {
            exception::raise(ctx, &error);
            drop(ctx.catch());
            internal::call(ctx, MODULE, "fail", &[target])
        }
    };
    if let Err(error) = heard {
        exception::raise(ctx, &error);
        report::value(ctx, &ctx.catch(), "in a message");
    }
}

/// A channel as the script holds it.
pub struct Channel {
    ear: Rc<Ear>,
    subscriptions: Subscriptions<Parcel>,
    /// What the subscriptions refer to.
    _subscriber: Rc<dyn Subscriber<Parcel>>,
}

impl class_id::Of for class_id::BroadcastChannel {
    type Class = Channel;
}

impl Class for Channel {
    type Id = class_id::BroadcastChannel;
    const NAME: &'static CStr = c"Channel";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [class::Member<Self>] = &[];

    fn trace(&self, tracer: &Tracer) {
        self.ear.target.trace(tracer);
    }
}

/// Puts the lazy global in place.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    embed::lazy_exports(ctx, MODULE, &["BroadcastChannel"])
}

/// `jsserve:internal/broadcast/natives`.
pub struct ChannelFunctions;

impl Natives for ChannelFunctions {
    fn prepare(ctx: &Ctx<'_>) -> Result<()> {
        class::register_unlisted::<Channel>(ctx).map(drop)
    }
}

impl Functions for ChannelFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"open", 2, open),
        (c"post", 3, post),
        (c"close", 1, |s| {
            if let Some(channel) = class::get::<Channel>(&s.arg(0)) {
                channel.ear.closed.set(true);
                channel.subscriptions.clear();
            }
            Ok(s.undefined())
        }),
    ];
}

fn open<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let state = State::of(ctx);
    let target = Slot::default();
    target.set(Some(scope.arg(1)));
    let bytes_max = state.cluster().shared::<Bus>().limits().mailbox_bytes_max;
    let ear = Rc::new(Ear { engine: state.engine(), bytes_max, target, closed: Cell::new(false) });
    let subscriber: Rc<dyn Subscriber<Parcel>> = Rc::new(ear.clone());
    let subscriptions = Subscriptions::new(member(state), Rc::downgrade(&subscriber));
    let opened = subscriptions.subscribe(&value::to_string(&scope.arg(0))?);
    opened.map_err(|full| refused(ctx, full))?;
    class::instance(ctx, Channel { ear, subscriptions, _subscriber: subscriber })
}

fn refused(ctx: &Ctx<'_>, full: BusFull) -> rquickjs::Error {
    exception::dom_exception(ctx, "QuotaExceededError", &full.to_string())
}

fn post<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let object = scope.arg(0);
    let Some(packed) = clone::pack(ctx, &scope.arg(2), clone::CLONE_BYTES_MAX)? else {
        return Err(exception::dom_exception(ctx, "DataCloneError", "The message is too large to be cloned"));
    };
    if let Some(channel) = class::get::<Channel>(&object) {
        let name = value::to_string(&scope.arg(1))?;
        channel.subscriptions.publish(&name, &Parcel(Arc::new(packed)));
    }
    Ok(scope.undefined())
}
