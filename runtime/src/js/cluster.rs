//! What the engines of one app share, whatever thread they are on: its agent cluster (ECMA-262, section 9.7).
//!
//! Owns: the app's sources, environment and permissions, one value of each type that modules keep for it. Must not know:
//! those types, engines.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::environment::Environment;
use crate::permissions::Permissions;
use crate::source::Sources;

type AnyShared = Arc<dyn Any + Send + Sync>;

/// The value of one app: its workers and the threads that it starts have it, another app has another.
#[derive(Default)]
pub struct Cluster {
    sources: Sources,
    environment: Environment,
    permissions: Option<Arc<Permissions>>,
    /// Goes on when the app is read again.
    shared: Arc<RwLock<HashMap<TypeId, AnyShared>>>,
}

impl Cluster {
    /// The cluster of an app with these sources, in this environment.
    pub fn new(sources: Sources, environment: Environment) -> Cluster {
        Cluster { sources, environment, ..Cluster::default() }
    }

    /// The cluster of the same app, read again: with what this one shares, which is one and the same from now on.
    pub fn read_again(&self, sources: Sources, environment: Environment) -> Cluster {
        Cluster { sources, environment, shared: self.shared.clone(), ..Cluster::default() }
    }

    /// The same with these permissions; with none it may do everything.
    #[must_use]
    pub fn with_permissions(self, permissions: Option<Arc<Permissions>>) -> Cluster {
        Cluster { permissions, ..self }
    }

    /// What its code may reach; none: everything.
    pub fn permissions(&self) -> Option<&Arc<Permissions>> {
        self.permissions.as_ref()
    }

    /// Where its modules come from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Its variables.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The app's one `T`, made when first asked for: to be kept by who needs it often.
    pub fn shared<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let known = |all: &HashMap<TypeId, AnyShared>| {
            all.get(&TypeId::of::<T>()).and_then(|any| any.clone().downcast::<T>().ok())
        };
        if let Some(found) = known(&self.shared.read().unwrap_or_else(PoisonError::into_inner)) {
            return found;
        }
        let mut all = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        known(&all).unwrap_or_else(|| {
            let made = Arc::new(T::default());
            all.insert(TypeId::of::<T>(), made.clone());
            made
        })
    }
}
