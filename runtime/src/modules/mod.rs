//! What JavaScript can import, and the globals: a room per module, one table of all.
//!
//! Owns: [`TABLE`]. Must not know: workers, protocols.

use crate::js::loader::Table;

pub mod shared;
pub mod structured_clone;

/// Every module and global there is.
pub static TABLE: Table =
    Table { modules: &[(&["jsserve:shared"], shared::declare)], globals: &[structured_clone::install] };
