//! What a connection speaks. Each room takes a connection by value, speaks its protocol and calls
//! the app; none of them sees the ring.
#![forbid(unsafe_code)]

pub mod http;
