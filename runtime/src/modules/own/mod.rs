//! Modules of our own, and those that servers share: `jsserve:events`, `jsserve:files`, `jsserve:shared`, `jsserve:websocket`, `sockets`.
//!
//! Owns: the rooms. Must not know: workers, protocols.

pub mod events;
pub mod files;
pub mod shared;
pub mod site;
pub mod sockets;
pub mod websocket;
