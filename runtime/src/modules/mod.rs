//! What JavaScript can import, and the globals: a room per module, one table of all.
//!
//! Owns: [`TABLE`]. Must not know: workers, protocols.

pub mod fetch;
pub mod iterate;

use crate::js::loader::Table;

/// Every module and global there is.
pub static TABLE: Table = Table { modules: &[], globals: &[fetch::install] };
