//! What a connection speaks. Each room takes a connection by value, speaks its protocol and calls
//! the app; none of them sees the ring.
#![forbid(unsafe_code)]

use runtime::app::methods::Method;
use runtime::worker::Protocols;

pub mod http;
pub mod raw;

/// The protocols that a server speaks.
pub fn protocols() -> Protocols {
    Protocols::default()
        .with(Method::Fetch, http::Http)
        .with(Method::Connect, raw::Connect)
        .with(Method::Accept, raw::Accept)
}
