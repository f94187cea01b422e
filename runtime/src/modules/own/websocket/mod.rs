//! `jsserve:websocket`: `upgradeWebSocket`, as Deno has it, and the classes.
//!
//! Owns: the module, its function's arguments. Must not know: connections. The interface is described in
//! `websocket.d.ts`.
#![forbid(unsafe_code)]

use std::ffi::CStr;

use rquickjs::module::{Declarations, Declared, Exports, ModuleDef};
use rquickjs::{Ctx, Module, Object, Result, Value};

use crate::js::class::{self, Scope, Static};
use crate::js::function::{self, Functions};
use crate::js::{exception, internal, value};
use crate::modules::web::fetch::header_list::HeaderList;
use crate::modules::web::fetch::headers::{dictionary, member};
use crate::modules::web::fetch::request::Request;
use crate::modules::web::fetch::response::Response;
use crate::modules::web::websocket::CLASSES;

/// Makes the native module.
///
/// # Errors
/// Out of memory.
pub fn declare<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    Module::declare_def::<WebSocketModule, _>(ctx.clone(), name)
}

struct WebSocketModule;

const EXPORTS: [&str; 3] = ["CloseEvent", "WebSocket", "WebSocketPair"];

impl ModuleDef for WebSocketModule {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declarations.declare("default")?;
        declarations.declare("upgradeWebSocket")?;
        EXPORTS.iter().try_for_each(|name| declarations.declare(*name).map(drop))
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let (classes, all) = (internal::exports(ctx, CLASSES)?, Object::new(ctx.clone())?);
        function::install::<WebSocketModule>(ctx, &all)?;
        exports.export("upgradeWebSocket", all.get::<_, Value>("upgradeWebSocket")?)?;
        for name in EXPORTS {
            let export: Value = classes.get(name)?;
            exports.export(name, export.clone())?;
            all.set(name, export)?;
        }
        exports.export("default", all)?;
        Ok(())
    }
}

impl Functions for WebSocketModule {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[(c"upgradeWebSocket", 1, upgrade)];
}

fn upgrade<'js>(s: &Scope<'_, 'js>) -> Result<Value<'js>> {
    s.require(1, "upgradeWebSocket")?;
    let (ctx, request) = (s.ctx, s.arg(0));
    let head = class::get::<Request>(&request).and_then(Request::incoming_head);
    let Some(head) = head else {
        return Err(exception::type_error(ctx, "upgradeWebSocket takes the request that the handler got"));
    };
    if !head.asked_protocol().is_some_and(|asked| asked.is_websocket()) {
        return Err(exception::type_error(
            ctx,
            "the request asks for no WebSocket: its Upgrade does not say so",
        ));
    }
    let options = dictionary(ctx, &s.arg(1), "upgradeWebSocket")?;
    let protocol = member(options.as_ref(), ctx, "protocol")?;
    let mut list = HeaderList::default();
    if !protocol.is_undefined() {
        let protocol = value::to_string(&protocol)?;
        let mut is_offered = false;
        head.fields(&mut |name, field| {
            let is_list = name.eq_ignore_ascii_case(b"sec-websocket-protocol");
            let mut words = field.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            is_offered |= is_list && words.any(|word| word == protocol.as_bytes());
        });
        if !is_offered {
            let text = format!("the client does not offer the protocol {protocol:?}");
            return Err(exception::type_error(ctx, &text));
        }
        list.append(b"Sec-WebSocket-Protocol", protocol.as_bytes());
    }
    let socket = internal::call(ctx, CLASSES, "serverSocket", &[])?;
    let response = class::instance(ctx, Response::bare(101, list, Some(socket.clone())))?;
    let both = Object::new(ctx.clone())?;
    function::define(ctx, &both, c"socket", socket, true)?;
    function::define(ctx, &both, c"response", response, true)?;
    Ok(both.into_value())
}
