//! Messages as frames.
//!
//! Owns: how a message is written, compressed where that makes it smaller. Must not know: when it is sent.

use super::close;
use super::deflate::Deflater;
use super::head::{FrameHead, HEAD_BYTES_MAX, Opcode};
use super::mask::apply_mask;
use super::receiver::Kind;

/// A message as the frame that a server sends, for any number of receivers.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The frame.
    pub bytes: Box<[u8]>,
    /// The message in it is compressed.
    pub is_compressed: bool,
}

/// Appends a frame without a mask: what a server sends (RFC 6455 section 5.1).
pub fn frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    out.reserve(payload.len() + HEAD_BYTES_MAX);
    head(opcode, false, payload.len()).write(out);
    out.extend_from_slice(payload);
}

/// Masks the frame without a mask at `start` of `out`, its end: what a client sends.
pub fn mask_frame(out: &mut Vec<u8>, start: usize, key: [u8; 4]) {
    let Ok(Some((head, bytes))) = FrameHead::parse(&out[start..]) else { return };
    out.splice(start + bytes..start + bytes, key);
    out[start + 1] |= 0x80;
    apply_mask(&mut out[start + bytes + 4..], key, 0);
    debug_assert_eq!(out.len() - start - bytes - 4, head.length as usize);
}

fn head(opcode: Opcode, is_compressed: bool, length: usize) -> FrameHead {
    FrameHead { is_final: true, is_compressed, opcode, mask: None, length: length as u64 }
}

/// Appends a message as a frame without a mask, compressed where there is a `deflater`.
pub fn data_frame(out: &mut Vec<u8>, kind: Kind, message: &[u8], deflater: Option<&mut Deflater>) {
    let opcode = kind.opcode();
    let Some(deflater) = deflater else { return frame(out, opcode, message) };
    let start = out.len();
    // Its length is known afterwards: the longest head has its place before it.
    out.resize(start + HEAD_BYTES_MAX, 0);
    if !deflater.compress(message, out) {
        out.truncate(start);
        return frame(out, opcode, message);
    }
    let length = out.len() - start - HEAD_BYTES_MAX;
    let mut written = Vec::with_capacity(HEAD_BYTES_MAX);
    head(opcode, true, length).write(&mut written);
    out[start..start + written.len()].copy_from_slice(&written);
    out.copy_within(start + HEAD_BYTES_MAX.., start + written.len());
    out.truncate(start + written.len() + length);
}

/// A message as one frame for many; compressed where there is a `deflater`, which takes no context over.
pub fn shared_frame(kind: Kind, message: &[u8], deflater: Option<&mut Deflater>) -> Encoded {
    let (mut out, is_compressed) = (Vec::new(), deflater.is_some());
    data_frame(&mut out, kind, message, deflater);
    Encoded { is_compressed: is_compressed && out[0] & 0x40 != 0, bytes: out.into_boxed_slice() }
}

/// Appends a Close frame; with an empty body for the code 1005.
pub fn close_frame(out: &mut Vec<u8>, code: u16, reason: &str) {
    if code == close::NO_STATUS {
        return frame(out, Opcode::Close, b"");
    }
    let mut body = code.to_be_bytes().to_vec();
    body.extend_from_slice(close::fitting(reason).as_bytes());
    frame(out, Opcode::Close, &body);
}
