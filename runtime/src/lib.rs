//! Everything that serves and is no protocol: configuration, the socket ring, the JavaScript
//! engine, the modules that JavaScript imports, workers and the server that runs them.
//!
//! The ladder (imports go downward only): `server worker connection handler` over `modules` over
//! `js` (no sockets) and `io` (no JavaScript) over `config error metrics`.

pub mod config;
pub mod error;
pub mod js;
pub mod modules;
