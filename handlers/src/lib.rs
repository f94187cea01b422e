//! What a connection speaks. Each room takes a connection by value (`udp` a socket), speaks its protocol and calls
//! the app; none of them sees the ring. `admin` is for operators, on threads of its own.
#![forbid(unsafe_code)]

use runtime::app::methods::Method;
use runtime::worker::Protocols;

pub mod admin;
pub mod http;
pub mod raw;
mod tunnel;
pub mod udp;
pub mod websocket;

/// The protocols that a server speaks; HTTP/2 among them where `http2` says so.
pub fn protocols(http2: bool) -> Protocols {
    Protocols::default()
        .with(Method::Fetch, http::Http { http2 })
        .with(Method::Tcp, raw::Tcp)
        .with(Method::Connect, raw::Connect)
        .with(Method::Accept, raw::Accept)
        .with_datagrams(udp::Udp)
        .with_gateways(http::gateway::FastCgi, http::gateway::Scgi)
        .with_https_redirect(http::redirect_to_https)
        .with_admin(admin::serve)
}
