//! What browsers have, too: the globals of the web platform, and what they are made of.
//!
//! Owns: the rooms; `tests/tidy.rs` has their order. Must not know: QuickJS's modules, those of our own.

pub mod abort;
pub mod blob;
pub mod broadcast;
mod clock;
pub mod console;
pub mod crypto;
pub mod date;
pub mod embed;
pub mod encoding;
pub mod errors;
pub mod event_source;
pub mod events;
pub mod fetch;
pub mod form_data;
pub mod host;
pub mod iterate;
pub mod locale;
pub mod locks;
pub mod messaging;
pub mod navigator;
pub mod performance;
pub mod report;
pub mod streams;
pub mod structured_clone;
pub mod timers;
pub mod topics;
pub mod url;
pub mod url_pattern;
pub mod webidl;
pub mod websocket;
