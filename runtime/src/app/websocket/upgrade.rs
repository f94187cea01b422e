//! How a request becomes a WebSocket: `ctx.upgrade`, and the answer 101.
//!
//! Owns: what the handshake agrees on, the fields of the answer. Must not know: how a head is written, connections.

use std::rc::Rc;

use rquickjs::{Ctx, Result, Value};

use super::hook::WebSocketHooks;
use crate::config::WebSocketCompression;
use crate::js::Held;
use crate::js::class;
use crate::js::engine::{Engine, State};
use crate::js::{exception, value};
use crate::modules::web::fetch::header_list::HeaderList;
use crate::modules::web::fetch::headers::{SharedHeaders, dictionary, member};
use crate::modules::web::fetch::incoming::Head;
use crate::modules::web::fetch::request::Request;
use crate::modules::web::fetch::response::Response;
use crate::modules::web::websocket::rules;
use crate::modules::web::websocket::server_socket::ServerWebSocket;
use crate::modules::web::websocket::state::WebSocketState;
use crate::modules::web::websocket::{self};
use crate::net::Ends;
use crate::websocket::extension::Agreed;
use crate::websocket::handshake::{self, Opening, Refusal};

/// What a request becomes: a socket, and who hears of it. What it holds of JavaScript goes before its engine.
pub struct Upgrading {
    pub(super) object: Held,
    pub(super) state: Rc<WebSocketState>,
    pub(super) hooks: Rc<WebSocketHooks>,
    pub(super) engine: Rc<Engine>,
}

/// The socket of an answer 101; the connection gets it once.
pub type Upgrade = Rc<Upgrading>;

fn checked(head: &dyn Head) -> std::result::Result<Opening, Refusal> {
    handshake::check(head.asked_protocol(), head.method(), |put| head.fields(put))
}

/// What a request is answered that asks for a WebSocket, but not as it has to: a status and fields.
pub fn refusal(refusal: Refusal) -> (u16, HeaderList) {
    let mut list = HeaderList::default();
    match refusal {
        Refusal::NotAsked | Refusal::Version => {
            list.append(b"Sec-WebSocket-Version", b"13");
            (426, list)
        }
        Refusal::Malformed(_) => (400, list),
    }
}

/// `ctx.upgrade(request, options)`: the Response that makes a WebSocket of the request, null for one that asks for none.
///
/// # Errors
/// TypeError where the app has no hooks, for what is no request of this server's, for wrong options.
pub fn upgrade<'js>(
    ctx: &Ctx<'js>,
    request: &Value<'js>,
    options: &Value<'js>,
    ends: &Rc<Ends>,
) -> Result<Value<'js>> {
    let Some(request) = class::get::<Request>(request) else {
        return Err(exception::type_error(ctx, "upgrade takes the request that the handler got"));
    };
    if WebSocketHooks::of_app(ctx).is_none() {
        let text = "the default export has no `websocket`, whose hooks would hear of the WebSocket";
        return Err(exception::type_error(ctx, text));
    }
    let Some(head) = request.incoming_head() else {
        return Err(exception::type_error(
            ctx,
            "upgrade takes the request that the handler got, no copy of it",
        ));
    };
    let opening = match checked(&**head) {
        Ok(opening) => opening,
        Err(Refusal::NotAsked) => return Ok(Value::new_null(ctx.clone())),
        Err(other) => {
            let (status, fields) = refusal(other);
            return class::instance(ctx, Response::bare(status, fields, None));
        }
    };
    let options = dictionary(ctx, options, "upgrade")?;
    let data = member(options.as_ref(), ctx, "data")?;
    let headers = member(options.as_ref(), ctx, "headers")?;
    let protocol = member(options.as_ref(), ctx, "protocol")?;
    let mut list = HeaderList::default();
    if !headers.is_undefined() {
        let shared = SharedHeaders::default();
        shared.fill(ctx, &headers)?;
        list = shared.list().clone();
    }
    if !protocol.is_undefined() && !protocol.is_null() {
        let protocol = value::to_string(&protocol)?;
        if !protocol.is_empty() {
            offered(ctx, &opening, &protocol)?;
            list.set(b"Sec-WebSocket-Protocol", protocol.as_bytes());
        }
    }
    websocket::register(ctx)?;
    let (object, state) = websocket::server_socket(ctx, Some(data))?;
    state.set_ends(ends.clone());
    class::instance(ctx, Response::bare(101, list, Some(object)))
}

fn offered(ctx: &Ctx<'_>, opening: &Opening, protocol: &str) -> Result<()> {
    match opening.protocols.iter().any(|one| one == protocol) {
        true => Ok(()),
        false => {
            Err(exception::type_error(ctx, &format!("the client does not offer the protocol {protocol:?}")))
        }
    }
}

/// What the answer to the request with `head` is, which `response` wants to be a WebSocket with `socket`: the socket
/// with the fields of the answer, or why there is none.
///
/// # Errors
/// TypeError where the socket has answered another request; out of memory.
pub fn answer<'js>(
    ctx: &Ctx<'js>,
    response: &Response,
    socket: &Value<'js>,
    head: &dyn Head,
    url: &str,
) -> Result<std::result::Result<(Upgrade, HeaderList), Refusal>> {
    let (object, state, hooks) = match class::get::<ServerWebSocket>(socket) {
        Some(own) => {
            let hooks = WebSocketHooks::of_app(ctx)
                .ok_or_else(|| exception::type_error(ctx, "the default export has no `websocket`"))?;
            (socket.clone(), own.state().clone(), hooks)
        }
        None => {
            let (object, state) = websocket::taken(ctx, socket)?;
            (object, state, WebSocketHooks::of_events(ctx)?)
        }
    };
    if state.is_answered() {
        return Err(exception::type_error(ctx, "the WebSocket has answered a request already"));
    }
    let engine = State::of(ctx).engine().upgrade().ok_or(rquickjs::Error::Unknown)?;
    let upgrading = Upgrading { object: Held::new(object), state, hooks, engine };
    let opening = match checked(head) {
        Ok(opening) => opening,
        Err(refusal) => {
            super::never_opened(ctx, &upgrading);
            return Ok(Err(refusal));
        }
    };
    let given = response.headers.get().map(SharedHeaders::list);
    let mut fields = given.as_deref().cloned().unwrap_or_default();
    for ours in
        [&b"sec-websocket-accept"[..], b"sec-websocket-extensions", b"content-type", b"content-length"]
    {
        fields.delete(ours);
    }
    let protocol = fields.get(b"sec-websocket-protocol").unwrap_or_default();
    let agreed = match rules::of(State::of(ctx)).compression {
        WebSocketCompression::Off => None,
        WebSocketCompression::Shared => Agreed::of_offers(&opening.extensions, false),
        WebSocketCompression::Takeover => Agreed::of_offers(&opening.extensions, true),
    };
    if let Some(agreed) = agreed {
        fields.append(b"Sec-WebSocket-Extensions", agreed.answer().as_bytes());
    }
    if let Some(accept) = &opening.accept {
        fields.append(b"Sec-WebSocket-Accept", accept.as_bytes());
    }
    upgrading.state.set_agreed(agreed, &String::from_utf8_lossy(&protocol), url);
    Ok(Ok((Rc::new(upgrading), fields)))
}
