//! What a connection speaks. Each room takes a connection by value, speaks its protocol and calls
//! the app; none of them sees the ring.
#![forbid(unsafe_code)]

use std::sync::Arc;

use runtime::handler::Protocols;

pub mod http;
pub mod raw;

/// The protocols that a server speaks.
pub fn protocols() -> Protocols {
    Protocols { http: Arc::new(http::Http), tcp: Arc::new(raw::Raw) }
}
