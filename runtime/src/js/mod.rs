//! The JavaScript engine: runtime and context of one thread, the job pump, limits, native classes,
//! compiled apps.
//!
//! Owns: every raw call into QuickJS. Must not know: sockets, protocols, which modules exist (the
//! table of modules is handed in).
#![allow(unsafe_code)]

pub mod alive;
pub mod block;
pub mod bounded;
pub mod buffer;
pub mod buffer_source;
pub mod builtins;
pub mod byte_arrays;
pub mod c_format;
mod callable;
pub mod charge;
pub mod class;
pub mod class_id;
mod clock;
pub mod clone;
pub mod cluster;
pub mod code;
mod commonjs;
pub mod compile;
pub mod compiled;
pub mod convert;
mod data_module;
pub mod deferred;
pub mod display;
pub mod engine;
pub mod eval;
pub mod exception;
mod extensions;
pub mod frames;
pub mod function;
pub mod goal;
pub mod held;
mod hints;
mod import_meta;
pub mod internal;
mod intrinsics;
mod isolated;
pub mod job;
pub mod json;
mod layout;
mod loader;
mod native_call;
pub mod natives;
pub mod observe;
mod observed;
pub mod permit;
pub mod promise;
pub mod pump;
pub mod reach;
pub mod reflect;
pub mod reg_exp;
mod rejections;
pub mod require;
mod reuse;
mod sample;
pub mod script;
pub mod stack;
mod state;
pub mod thrown;
pub mod value;
pub mod words;

pub use class::{Class, Member, Scope};
pub use engine::Engine;
pub use held::Held;
pub use rquickjs::{Ctx, Result, Value};
