//! WebSocket without I/O (RFC 6455), both sides: the handshake, frames to messages and back, permessage-deflate
//! (RFC 7692). Owns: what is right on the wire. Must not know: sockets, JavaScript.
//!
//! Of our own: fastwebsockets is bound to tokio's streams and has no compression; tungstenite and soketto copy each payload,
//! and check UTF-8 at a message's end; websocket-sans-io unmasks byte by byte and leaves messages, UTF-8 and compression to
//! its user. None checks text as it comes, which is what lets a connection fail at the first wrong byte.

pub mod close;
mod deflate;
mod encode;
pub mod extension;
pub mod handshake;
mod head;
mod inflate;
mod mask;
mod receiver;
mod utf8;

pub use self::deflate::Deflater;
pub use self::encode::{Encoded, close_frame, data_frame, frame, mask_frame, shared_frame};
pub use self::head::{FrameHead, HEAD_BYTES_MAX, Opcode};
pub use self::inflate::Inflater;
pub use self::mask::apply_mask;
pub use self::receiver::{Kind, Receiver, Role, Violation, WebSocketEvent};
