//! A worker's change to an app and settings that were read again.
//!
//! Owns: what is prepared and not in use yet, the order of the change. Must not know: who read them, other workers.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::places::{NewPlace, NewService, Places};
use super::protocol::Protocols;
use super::state::{SharedByWorkers, Worker};
use super::{Event, methods_of};
use crate::app::{Blueprint, ChangeRules, Instance};
use crate::cgi::Scripts;
use crate::config::Config;
use crate::io;
use crate::tls::ServerTls;

/// What a worker is made of anew.
pub struct Renewal {
    /// Tells it from those before and after.
    pub version: u64,
    /// The configuration.
    pub config: Arc<Config>,
    /// The compiled app.
    pub blueprint: Arc<Blueprint>,
    /// The protocols.
    pub protocols: Protocols,
    /// The server's side of TLS.
    pub tls: Option<Arc<ServerTls>>,
    /// The scripts of all workers, where there are some.
    pub scripts: Option<Arc<Scripts>>,
}

/// What a worker was told of, and has evaluated.
#[derive(Default)]
enum Readiness {
    #[default]
    None,
    /// It is being evaluated.
    Begun(u64),
    Done(Box<Renewal>, Rc<Instance>),
}

/// The reloads of one worker.
pub(super) struct Reloads {
    life: u64,
    events: Sender<Event>,
    prepared: Rc<RefCell<Readiness>>,
}

impl Reloads {
    pub(super) fn new(life: u64, events: Sender<Event>) -> Reloads {
        Reloads { life, events, prepared: Rc::default() }
    }

    /// Evaluates the app in an engine of its own, and reports.
    pub(super) fn prepare(&self, worker: &Rc<Worker>, renewal: Box<Renewal>) {
        let (app, prepared) = (worker.app.clone(), self.prepared.clone());
        let (life, events, version) = (self.life, self.events.clone(), renewal.version);
        let known = match &*prepared.borrow() {
            Readiness::Done(known, instance) if known.version == version => {
                Some(methods_of(instance, &known.config, known.scripts.is_some()))
            }
            Readiness::Begun(begun) if *begun == version => return,
            _ => None,
        };
        if let Some(methods) = known {
            let _ = events.send(Event::Prepared(life, version, Ok(methods)));
            return;
        }
        prepared.replace(Readiness::Begun(version));
        drop(io::spawn(async move {
            let loaded = app.prepare(&renewal.blueprint).await;
            let is_wanted = matches!(*prepared.borrow(), Readiness::Begun(begun) if begun == version);
            let outcome = loaded.map(|instance| {
                let methods = methods_of(&instance, &renewal.config, renewal.scripts.is_some());
                if is_wanted {
                    prepared.replace(Readiness::Done(renewal, instance));
                }
                methods
            });
            // The receiver is gone only when the server is.
            let _ = events.send(Event::Prepared(life, version, outcome));
        }));
    }

    /// Lets go of what was prepared.
    pub(super) fn forget(&self, version: u64) {
        let is_meant = match &*self.prepared.borrow() {
            Readiness::None => false,
            Readiness::Begun(begun) => *begun == version,
            Readiness::Done(renewal, _) => renewal.version == version,
        };
        if is_meant {
            self.prepared.replace(Readiness::None);
        }
    }

    /// Changes to what was prepared: the worker of connections that come from now on. Those that are there get the new
    /// app, and go where the settings are others.
    pub(super) fn change(
        &self,
        version: u64,
        new: Vec<NewPlace>,
        worker: &Rc<Worker>,
        places: &mut Places,
    ) -> Rc<Worker> {
        let (renewal, instance) = match self.prepared.take() {
            Readiness::Done(renewal, instance) if renewal.version == version => (renewal, instance),
            _ => {
                tracing::error!(worker = worker.number, "reload: version {version} was not prepared");
                return worker.clone();
            }
        };
        let Renewal { config, blueprint, protocols, tls, scripts, .. } = *renewal;
        let methods = methods_of(&instance, &config, scripts.is_some());
        let rules = ChangeRules {
            closes_websockets: config.reload.closes_websockets,
            contexts_max: config.limits.reload_contexts_max,
            background_ms_max: config.limits.drain_ms_max,
        };
        worker.app.change(blueprint, instance, &rules);
        let challenges = tls.as_ref().and_then(|tls| tls.challenges().cloned());
        let (refused, observer) = (worker.refused.clone(), worker.observer.clone());
        let shared = SharedByWorkers { refused, challenges, scripts, observer, pages: None };
        let is_other = config.serves_otherwise(&worker.config);
        let fresh = worker.renewed(config, shared);
        let service = NewService { worker: fresh.clone(), methods, protocols, tls };
        if let Err(error) = places.change(&service, new) {
            // The server has opened them, and they are of kinds that it has seen to.
            tracing::error!(worker = worker.number, "reload: {error}");
        }
        if is_other {
            worker.leave();
        }
        let _ = self.events.send(Event::Changed(self.life, version));
        fresh
    }
}
