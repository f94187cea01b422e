//! What JavaScript can import, and the globals: a room per module, one table of all.
//!
//! Owns: [`TABLE`]. Must not know: workers, protocols.
#![forbid(unsafe_code)]

pub mod own;
pub mod qjs;
pub mod types;
pub mod web;

use crate::js::loader::Table;

/// Every module and global there is.
pub static TABLE: Table = Table {
    modules: &[
        (&["jsserve:shared"], own::shared::declare),
        (&["os", "qjs:os"], qjs::os::declare),
        (&["sockets", "cloudflare:sockets"], own::sockets::declare),
        (&["std", "qjs:std"], qjs::std::declare),
    ],
    globals: &[
        web::date::install,
        web::errors::install,
        crate::js::json::install,
        web::structured_clone::install,
        web::url::install,
        web::url_pattern::install,
        web::encoding::install,
        web::fetch::install,
        web::performance::install,
        web::timers::install,
        web::crypto::install,
        web::navigator::install,
        web::locks::install,
        web::report::install,
        web::abort::install,
        web::events::install,
        web::messaging::install,
        web::streams::install,
        web::blob::install,
        web::form_data::install,
        web::console::install,
        crate::js::stack::install,
    ],
    thread_of_script: qjs::print::thread_of_script,
};
