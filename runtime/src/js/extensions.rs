//! What modules keep per engine: one value of each type.
//!
//! Owns: the map. Must not know: the types.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

/// One value of each type that was asked for.
#[derive(Default)]
pub(super) struct Extensions(RefCell<HashMap<TypeId, Rc<dyn Any>, BuildHasherDefault<TypeHash>>>);

impl Extensions {
    /// The one `T`, made when first asked for.
    pub(super) fn get<T: Default + 'static>(&self) -> Rc<T> {
        let known = self.0.borrow().get(&TypeId::of::<T>()).cloned();
        let any = known.unwrap_or_else(|| {
            let made: Rc<dyn Any> = Rc::new(T::default());
            self.0.borrow_mut().insert(TypeId::of::<T>(), made.clone());
            made
        });
        any.downcast::<T>().unwrap_or_else(|_| unreachable!("stored under its own TypeId"))
    }

    /// Drops them all, outside of a borrow: they may ask for others.
    pub(super) fn clear(&self) {
        drop(self.0.take());
    }
}

/// A `TypeId` is a hash already: it needs no second one on the way of each native call.
#[derive(Default)]
struct TypeHash(u64);

impl Hasher for TypeHash {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}
