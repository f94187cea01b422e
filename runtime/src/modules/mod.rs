//! What JavaScript can import, and the globals: a room per module, one table of all.
//!
//! Owns: [`TABLE`]. Must not know: workers, protocols.
#![forbid(unsafe_code)]

pub mod own;
pub mod qjs;
pub mod types;
pub mod web;

use crate::js::builtins::{Builtin, BuiltinGlobal, Content, Install, Table};
use crate::js::{bounded, json, natives, require, stack};

/// A module of ours in JavaScript: its file is called as it is.
macro_rules! script {
    ($name:literal, $source:expr) => {
        Builtin::internal(&[concat!("jsserve:internal/", $name)], Content::Source($source))
    };
    ($folder:literal / $name:literal) => {
        script!($name, include_str!(concat!($folder, "/", $name, ".js")))
    };
}

/// A module of ours in Rust.
macro_rules! natives {
    ($name:literal, $functions:ty) => {
        Builtin::internal(
            &[concat!("jsserve:internal/", $name)],
            Content::Natives(natives::declare::<$functions>),
        )
    };
}

const fn global(install: Install, types: &'static [&'static str]) -> BuiltinGlobal {
    BuiltinGlobal { install, types }
}

/// Every module and global there is.
pub static TABLE: Table = Table {
    modules: &[
        // For apps.
        Builtin::natives(
            &["os", "qjs:os"],
            qjs::os::declare,
            &[
                include_str!("qjs/os/os.d.ts"),
                include_str!("qjs/os/system.d.ts"),
                include_str!("qjs/os/constants.d.ts"),
            ],
        ),
        Builtin::natives(
            &["sockets", "cloudflare:sockets"],
            own::sockets::declare,
            &[include_str!("own/sockets/sockets.d.ts")],
        ),
        Builtin::natives(&["std", "qjs:std"], qjs::std::declare, &[include_str!("qjs/std/std.d.ts")]),
        Builtin::natives(&["jsserve:files"], own::files::declare, &[include_str!("own/files/files.d.ts")]),
        Builtin::natives(
            &["jsserve:events"],
            own::events::declare,
            &[include_str!("own/events/events.d.ts")],
        ),
        Builtin::natives(
            &["jsserve:shared"],
            own::shared::declare,
            &[include_str!("own/shared/shared.d.ts")],
        ),
        Builtin::natives(
            &["jsserve:websocket"],
            own::websocket::declare,
            &[include_str!("own/websocket/websocket.d.ts")],
        ),
        // For each other.
        natives!("abort/natives", web::abort::AbortFunctions),
        script!("web" / "abort/abort_signal"),
        script!("web" / "abort/event"),
        script!("web" / "abort/event_target"),
        natives!("broadcast/natives", web::broadcast::ChannelFunctions),
        script!("web" / "broadcast/broadcast_channel"),
        natives!("errors/natives", web::errors::ErrorFunctions),
        script!("web" / "errors/quota_exceeded_error"),
        natives!("event_source/natives", web::event_source::EventSourceFunctions),
        script!("web" / "event_source/event_source"),
        natives!("events/natives", web::events::EventFunctions),
        script!("web" / "events/global_events"),
        natives!("js/commonjs_natives", require::CommonJsFunctions),
        script!("js/commonjs", require::SOURCE),
        natives!("locks/natives", web::locks::LockFunctions),
        script!("web" / "locks/lock_manager"),
        natives!("messaging/natives", web::messaging::PortFunctions),
        natives!("messaging/tasks", web::messaging::TaskFunctions),
        script!("web" / "messaging/message_port"),
        natives!("performance/natives", web::performance::timeline::TimelineFunctions),
        script!("web" / "performance/entry"),
        script!("web" / "performance/entry_buffer"),
        script!("web" / "performance/observer"),
        script!("web" / "performance/timeline"),
        natives!("site/natives", own::site::SiteFunctions),
        script!("own" / "site/site"),
        natives!("sockets/natives", own::sockets::SocketFunctions),
        script!("own" / "sockets/socket"),
        natives!("streams/natives", web::streams::StreamFunctions),
        natives!("streams/passages", web::streams::PassageFunctions),
        natives!("streams/sources", web::streams::SourceFunctions),
        script!("web" / "streams/body"),
        script!("web" / "streams/coding_streams"),
        script!("web" / "streams/conversions"),
        script!("web" / "streams/index"),
        script!("web" / "streams/pipe"),
        script!("web" / "streams/queue"),
        script!("web" / "streams/queuing_strategy"),
        script!("web" / "streams/readable"),
        script!("web" / "streams/readable_byob"),
        script!("web" / "streams/readable_byte"),
        script!("web" / "streams/readable_default"),
        script!("web" / "streams/readable_from"),
        script!("web" / "streams/readable_iterator"),
        script!("web" / "streams/readable_state"),
        script!("web" / "streams/readable_tee"),
        script!("web" / "streams/transfer"),
        script!("web" / "streams/transform"),
        script!("web" / "streams/writable"),
        script!("web" / "streams/writable_state"),
        script!("web" / "streams/writable_writer"),
        natives!("webidl/natives", web::webidl::WebIdlFunctions),
        script!("web" / "webidl/list"),
        script!("web" / "webidl/webidl"),
        natives!("websocket/natives", web::websocket::WebSocketFunctions),
        script!("web" / "websocket/websocket"),
    ],
    globals: &[
        global(web::date::install, &[]),
        global(web::errors::install, &[include_str!("web/errors/errors.d.ts")]),
        global(json::install, &[]),
        global(web::structured_clone::install, &[include_str!("web/structured_clone/structured_clone.d.ts")]),
        global(web::url::install, &[include_str!("web/url/url.d.ts")]),
        global(web::url_pattern::install, &[include_str!("web/url_pattern/url_pattern.d.ts")]),
        global(web::encoding::install, &[include_str!("web/encoding/encoding.d.ts")]),
        global(web::fetch::install, &[include_str!("web/fetch/fetch.d.ts")]),
        global(web::performance::install, &[include_str!("web/performance/performance.d.ts")]),
        global(web::timers::install, &[include_str!("web/timers/timers.d.ts")]),
        global(
            web::crypto::install,
            &[include_str!("web/crypto/crypto.d.ts"), include_str!("web/crypto/subtle.d.ts")],
        ),
        global(web::navigator::install, &[]),
        global(web::locks::install, &[include_str!("web/locks/locks.d.ts")]),
        global(web::report::install, &[]),
        global(web::abort::install, &[include_str!("web/abort/abort.d.ts")]),
        global(web::events::install, &[include_str!("web/events/events.d.ts")]),
        global(web::messaging::install, &[include_str!("web/messaging/messaging.d.ts")]),
        global(web::broadcast::install, &[include_str!("web/broadcast/broadcast.d.ts")]),
        global(web::event_source::install, &[include_str!("web/event_source/event_source.d.ts")]),
        global(web::streams::install, &[include_str!("web/streams/streams.d.ts")]),
        global(web::blob::install, &[include_str!("web/blob/blob.d.ts")]),
        global(web::form_data::install, &[include_str!("web/form_data/form_data.d.ts")]),
        global(web::websocket::install, &[include_str!("web/websocket/websocket.d.ts")]),
        global(web::console::install, &[include_str!("web/console/console.d.ts")]),
        global(stack::install, &[]),
        global(bounded::install, &[]),
    ],
    thread_of_script: qjs::print::thread_of_script,
};
