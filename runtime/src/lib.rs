//! Everything that serves and is no protocol: configuration, the socket ring, the JavaScript
//! engine, the modules that JavaScript imports, workers and the server that runs them.
//!
//! The ladder (imports go downward only): `server worker script connection handler` over `modules` over
//! `client` (HTTP, no JavaScript) over `js` (no sockets) and `io` (no JavaScript) over `config error
//! metrics`.

pub mod app;
pub mod check;
pub mod client;
pub mod config;
pub mod connection;
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
