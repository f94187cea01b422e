//! What JavaScript can import, and the globals: a room per module, one table of all.
//!
//! Owns: [`TABLE`]. Must not know: workers, protocols.
#![forbid(unsafe_code)]

pub mod encoding;
pub mod fetch;
pub mod iterate;
pub mod os;
pub mod url;

use crate::js::loader::Table;

/// Every module and global there is.
pub static TABLE: Table = Table {
    modules: &[(&["os", "qjs:os"], os::declare)],
    globals: &[url::install, encoding::install, fetch::install],
};
