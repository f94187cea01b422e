//! The environment as the scripts of one app see and change it.
//!
//! Owns: a copy of the process's environment, one for all engines of the app; in a server only what the app is
//! given. setenv(3) itself is not called: other threads read the environment while it would change. What
//! a script changes is seen by scripts of the app and by the processes that they start. Must not know: JavaScript.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Mutex, MutexGuard};

type Variables = Vec<(OsString, OsString)>;

/// The variables of one app; the process's, where nobody gave it others.
#[derive(Default)]
pub struct Environment(Mutex<Option<Variables>>);

impl Environment {
    /// These variables and no others.
    pub fn of(variables: &[(String, String)]) -> Environment {
        let pair = |(name, value): &(String, String)| (name.into(), value.into());
        Environment(Mutex::new(Some(variables.iter().map(pair).collect())))
    }

    /// From now on these variables and no others.
    pub fn replace(&self, variables: Vec<(OsString, OsString)>) {
        *self.lock() = Some(variables);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Variables>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The variables now, for a process to be started.
    pub fn snapshot(&self) -> Vec<(OsString, OsString)> {
        self.lock().clone().unwrap_or_else(|| std::env::vars_os().collect())
    }

    /// A variable's value.
    pub fn get(&self, name: &OsStr) -> Option<OsString> {
        match &*self.lock() {
            Some(all) => all.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()),
            // `var_os` panics on none of these, it finds nothing.
            None => std::env::var_os(name),
        }
    }

    /// Sets a variable, or removes it. A name that is none (empty, with `=` or NUL) changes nothing, as
    /// in setenv(3).
    pub fn set(&self, name: &OsStr, value: Option<&OsStr>) {
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes.contains(&b'=') || bytes.contains(&0) {
            return;
        }
        if value.is_some_and(|value| value.as_bytes().contains(&0)) {
            return;
        }
        let mut changed = self.lock();
        let all = changed.get_or_insert_with(|| std::env::vars_os().collect());
        let place = all.iter().position(|(known, _)| known == name);
        match (place, value) {
            (Some(place), Some(value)) => all[place].1 = value.to_owned(),
            (None, Some(value)) => all.push((name.to_owned(), value.to_owned())),
            (Some(place), None) => drop(all.remove(place)),
            (None, None) => {}
        }
    }
}
