//! Everything that serves and is no protocol. Owns: the rooms below; imports go downward only, which
//! `tests/tidy.rs` holds against this list. Must not know: protocols.
//!
//! 5 `app check connection handler listeners repl script server serving shutdown worker`
//! 4 `modules`, what JavaScript imports
//! 3 `client`, HTTP without JavaScript
//! 2 `js`, which knows no sockets, beside `io`, which knows no JavaScript
//! 1 `config environment error source`

pub mod app;
pub mod check;
pub mod client;
pub mod config;
pub mod connection;
mod environment;
pub mod error;
pub mod handler;
pub mod io;
pub mod js;
mod listeners;
pub mod modules;
pub mod repl;
pub mod script;
pub mod server;
pub mod serving;
pub mod shutdown;
pub mod source;
pub mod worker;
