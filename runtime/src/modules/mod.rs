//! What JavaScript can import, and the globals: a room per module, one table of all.
//!
//! Owns: [`TABLE`]. Must not know: workers, protocols.
#![forbid(unsafe_code)]

pub mod abort;
pub mod blob;
mod clock;
pub mod console;
pub mod crypto;
pub mod date;
pub mod embed;
pub mod encoding;
pub mod errors;
pub mod events;
pub mod fetch;
pub mod form_data;
pub mod host;
pub mod iterate;
pub mod locale;
pub mod locks;
pub mod messaging;
pub mod navigator;
pub mod os;
pub mod performance;
pub mod print;
pub mod report;
pub mod shared;
pub mod sockets;
pub mod std;
pub mod streams;
pub mod structured_clone;
pub mod timers;
pub mod types;
pub mod url;
pub mod url_pattern;

use crate::js::loader::Table;

/// Every module and global there is.
pub static TABLE: Table = Table {
    modules: &[
        (&["jsserve:shared"], shared::declare),
        (&["os", "qjs:os"], os::declare),
        (&["sockets", "cloudflare:sockets"], sockets::declare),
        (&["std", "qjs:std"], self::std::declare),
    ],
    globals: &[
        date::install,
        errors::install,
        crate::js::json::install,
        structured_clone::install,
        url::install,
        url_pattern::install,
        encoding::install,
        fetch::install,
        performance::install,
        timers::install,
        crypto::install,
        navigator::install,
        locks::install,
        report::install,
        abort::install,
        events::install,
        messaging::install,
        streams::install,
        blob::install,
        form_data::install,
        console::install,
        crate::js::stack::install,
    ],
    thread_of_script: print::thread_of_script,
};
