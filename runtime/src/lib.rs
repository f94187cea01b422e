//! Everything that serves and is no protocol. Owns: the rooms below; imports go downward only, which
//! `tests/tidy.rs` holds against this list. Must not know: protocols.
//!
//! 8 `board check listeners refused repl script server serving shutdown worker` over 7 `app cgi_engine`
//! 6 `modules`, what JavaScript imports, beside `acme`, certificates by RFC 8555, and `upstream`, servers behind this one
//! 5 `client`, HTTP without JavaScript, over 4 `cgi net`, scripts, and connections without HTTP, over 3 `tls`, `bus` and `files`, static files
//! 2 `js`, which knows no sockets, beside `io`, which knows no JavaScript, and `fence`, the kernel's side of permissions
//! 1 `accept_encoding access_log address causes config cron environment error fastcgi folders header_list log metrics permissions site source websocket`

pub mod accept_encoding;
pub mod access_log;
mod acme;
pub mod address;
pub mod app;
pub mod board;
pub mod bus;
mod causes;
pub mod cgi;
pub mod cgi_engine;
pub mod check;
pub mod client;
pub mod config;
pub mod cron;
mod environment;
pub mod error;
pub mod fastcgi;
mod fence;
pub mod files;
mod folders;
pub mod header_list;
pub mod io;
pub mod js;
mod listeners;
pub mod log;
pub mod metrics;
pub mod modules;
mod net;
pub mod permissions;
pub mod refused;
pub mod repl;
pub mod script;
pub mod server;
pub mod serving;
pub mod shutdown;
pub mod site;
pub mod source;
pub mod tls;
pub mod upstream;
pub mod websocket;
pub mod worker;
