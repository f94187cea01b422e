//! Bytes to messages: frames, fragments, masks, UTF-8 and compression, in whatever pieces they come.
//!
//! Owns: the state of one direction of a connection (RFC 6455 section 5). A message that is whole in what was received is
//! lent from there, unmasked in place; others are collected. What is wrong is seen at its first byte. Must not know: who
//! reads, what is answered.

use super::close;
use super::head::{FrameHead, HEAD_BYTES_MAX, Opcode};
use super::inflate::{Inflater, Unfit};
use super::mask::apply_mask;
use super::utf8::Utf8;

/// Bytes of a frame that memory is taken for before they have come.
const RESERVED_BYTES_MAX: usize = 64 << 10;
/// Bytes of a control frame's payload.
const CONTROL_BYTES_MAX: usize = 125;

/// Which side receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The server: what comes is masked (section 5.1).
    Server,
    /// The client: nothing is.
    Client,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
}

impl Kind {
    /// Of its first frame.
    pub fn opcode(self) -> Opcode {
        match self {
            Kind::Text => Opcode::Text,
            Kind::Binary => Opcode::Binary,
        }
    }
}

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub enum WebSocketEvent<'a> {
    /// A message. Text is UTF-8.
    Message(Kind, &'a [u8]),
    /// To be answered by a Pong with the same.
    Ping(&'a [u8]),
    /// The answer to a Ping, or none.
    Pong(&'a [u8]),
    /// The last frame: a code, 1005 where it says none, and a reason.
    Close(u16, &'a str),
}

/// What the peer has done wrong: nothing it sends means anything from then on (section 7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The close code that says so.
    pub code: u16,
    /// In words.
    pub reason: &'static str,
}

const fn protocol_error(reason: &'static str) -> Violation {
    Violation { code: close::PROTOCOL_ERROR, reason }
}

const NOT_UTF8: Violation = Violation { code: close::INVALID_DATA, reason: "the text is not UTF-8" };
const TOO_LARGE: Violation = Violation { code: close::TOO_LARGE, reason: "the message is too large" };

/// A frame whose payload comes.
#[derive(Clone, Copy, Debug)]
struct OpenFrame {
    head: FrameHead,
    /// How much of the payload has come.
    at: u64,
}

/// A message that is not whole yet.
#[derive(Debug)]
struct PartialMessage {
    kind: Kind,
    is_compressed: bool,
    utf8: Utf8,
    /// How much of it is known to be UTF-8.
    checked: usize,
}

/// One direction of a connection.
#[derive(Debug)]
pub struct Receiver {
    role: Role,
    message_bytes_max: usize,
    inflater: Option<Box<Inflater>>,
    /// The head of the next frame, as far as it has come.
    head: [u8; HEAD_BYTES_MAX],
    head_count: u8,
    open: Option<OpenFrame>,
    message: Option<PartialMessage>,
    /// What has come of the message, decompressed; of one that is done until the next call.
    data: Vec<u8>,
    is_done: bool,
    /// What has come of a control frame; of one that is done until the next call.
    control: Vec<u8>,
    is_control_done: bool,
}

impl Receiver {
    /// Messages have at most `message_bytes_max` bytes; they may be compressed where there is an `inflater`.
    pub fn new(role: Role, message_bytes_max: usize, inflater: Option<Inflater>) -> Receiver {
        Receiver {
            role,
            message_bytes_max,
            inflater: inflater.map(Box::new),
            head: [0; HEAD_BYTES_MAX],
            head_count: 0,
            open: None,
            message: None,
            data: Vec::new(),
            is_done: false,
            control: Vec::new(),
            is_control_done: false,
        }
    }

    /// Takes bytes of `input`: how many, and what has come with them. To be called until all are taken.
    ///
    /// # Errors
    /// The peer breaks a rule; not to be called again.
    pub fn receive<'a>(
        &'a mut self,
        input: &'a mut [u8],
    ) -> Result<(usize, Option<WebSocketEvent<'a>>), Violation> {
        self.clear_done();
        let mut taken = 0;
        let mut open = match self.open.take() {
            Some(open) => open,
            None => match self.next_head(input)? {
                (used, Some(head)) => {
                    taken = used;
                    OpenFrame { head, at: 0 }
                }
                (used, None) => return Ok((used, None)),
            },
        };
        let left = open.head.length - open.at;
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len() - taken);
        let payload = &mut input[taken..taken + here];
        if let Some(key) = open.head.mask {
            apply_mask(payload, key, (open.at % 4) as usize);
        }
        let is_whole = open.at == 0 && here as u64 == left;
        open.at += here as u64;
        let taken = taken + here;
        let is_over = open.at == open.head.length;
        if !is_over {
            self.open = Some(open);
        }
        if open.head.opcode.is_control() {
            return Ok((taken, self.control(&open.head, payload, is_whole, is_over)?));
        }
        let is_plain = self.message.as_ref().is_some_and(|message| !message.is_compressed);
        if is_whole && open.head.is_final && is_plain && open.head.opcode != Opcode::Continuation {
            let kind = self.message.take().map_or(Kind::Binary, |message| message.kind);
            if kind == Kind::Text && std::str::from_utf8(payload).is_err() {
                return Err(NOT_UTF8);
            }
            return Ok((taken, Some(WebSocketEvent::Message(kind, payload))));
        }
        let left = left - here as u64;
        self.add(payload, left)?;
        if !is_over || !open.head.is_final {
            return Ok((taken, None));
        }
        let kind = self.finish()?;
        Ok((taken, Some(WebSocketEvent::Message(kind, &self.data))))
    }

    /// Lets memory go: nothing more has come for now.
    pub fn rest(&mut self) {
        self.clear_done();
        if self.message.is_none() {
            self.data = Vec::new();
            if let Some(inflater) = &mut self.inflater {
                inflater.rest();
            }
        }
    }

    fn clear_done(&mut self) {
        if std::mem::take(&mut self.is_done) {
            self.data.clear();
        }
        if std::mem::take(&mut self.is_control_done) {
            self.control = Vec::new();
        }
    }

    /// The head at the beginning of `input`, behind what has come of it before; how much of it was used.
    fn next_head(&mut self, input: &[u8]) -> Result<(usize, Option<FrameHead>), Violation> {
        let before = usize::from(self.head_count);
        let (head, used) = if before == 0 {
            match FrameHead::parse(input).map_err(protocol_error)? {
                Some((head, used)) => (head, used),
                None => {
                    self.head[..input.len()].copy_from_slice(input);
                    self.head_count = input.len() as u8;
                    self.check_begun()?;
                    return Ok((input.len(), None));
                }
            }
        } else {
            let more = input.len().min(HEAD_BYTES_MAX - before);
            self.head[before..before + more].copy_from_slice(&input[..more]);
            match FrameHead::parse(&self.head[..before + more]).map_err(protocol_error)? {
                Some((head, used)) => {
                    self.head_count = 0;
                    (head, used - before)
                }
                None => {
                    self.head_count += more as u8;
                    self.check_begun()?;
                    return Ok((more, None));
                }
            }
        };
        self.begin(&head)?;
        Ok((used, Some(head)))
    }

    /// What can be told of a head before it is whole: a length that cannot be is not waited for.
    fn check_begun(&self) -> Result<(), Violation> {
        let [first, second, ..] = self.head;
        if self.head_count >= 1 && first & 0x40 != 0 && (self.inflater.is_none() || first & 0x08 != 0) {
            return Err(protocol_error("a reserved bit is set"));
        }
        if self.head_count >= 2 && (second & 0x80 != 0) != (self.role == Role::Server) {
            return Err(self.wrong_mask());
        }
        Ok(())
    }

    fn wrong_mask(&self) -> Violation {
        protocol_error(match self.role {
            Role::Server => "a frame is not masked",
            Role::Client => "a frame is masked",
        })
    }

    /// Whether a frame with `head` may come now; the message that it begins.
    fn begin(&mut self, head: &FrameHead) -> Result<(), Violation> {
        if head.mask.is_some() != (self.role == Role::Server) {
            return Err(self.wrong_mask());
        }
        if head.is_compressed
            && (self.inflater.is_none() || head.opcode.is_control() || head.opcode == Opcode::Continuation)
        {
            return Err(protocol_error("a reserved bit is set"));
        }
        let kind = match head.opcode {
            Opcode::Text => Kind::Text,
            Opcode::Binary => Kind::Binary,
            Opcode::Continuation if self.message.is_none() => {
                return Err(protocol_error("a continuation without a message"));
            }
            Opcode::Continuation => return self.check_length(head.length),
            Opcode::Close | Opcode::Ping | Opcode::Pong => return Ok(()),
        };
        if self.message.is_some() {
            return Err(protocol_error("a message within a message"));
        }
        let is_compressed = head.is_compressed;
        self.message = Some(PartialMessage { kind, is_compressed, utf8: Utf8::default(), checked: 0 });
        self.check_length(head.length)
    }

    /// A message that says to be too large is not received. What cannot be compressed becomes a little larger.
    fn check_length(&self, length: u64) -> Result<(), Violation> {
        let max = self.message_bytes_max as u64;
        let is_compressed = self.message.as_ref().is_some_and(|message| message.is_compressed);
        let max = if is_compressed { max + max / 64 + 64 } else { max };
        if length > max.saturating_sub(self.data.len() as u64) { Err(TOO_LARGE) } else { Ok(()) }
    }

    /// A control frame, or a part of one.
    fn control<'a>(
        &'a mut self,
        head: &FrameHead,
        payload: &'a [u8],
        is_whole: bool,
        is_over: bool,
    ) -> Result<Option<WebSocketEvent<'a>>, Violation> {
        let payload = if is_whole {
            payload
        } else {
            self.control.reserve_exact(CONTROL_BYTES_MAX - self.control.len());
            self.control.extend_from_slice(payload);
            if !is_over {
                return Ok(None);
            }
            self.is_control_done = true;
            &self.control
        };
        Ok(Some(match head.opcode {
            Opcode::Ping => WebSocketEvent::Ping(payload),
            Opcode::Pong => WebSocketEvent::Pong(payload),
            _ => match close::parse(payload) {
                Ok((code, reason)) => WebSocketEvent::Close(code, reason),
                Err(close::INVALID_DATA) => return Err(NOT_UTF8),
                Err(_) => return Err(protocol_error("a Close frame that says no code, or a wrong one")),
            },
        }))
    }

    /// Adds to the message that is not whole; `left` bytes of its frame are to come.
    fn add(&mut self, payload: &[u8], left: u64) -> Result<(), Violation> {
        let Some(message) = &mut self.message else { return Ok(()) };
        match self.inflater.as_mut().filter(|_| message.is_compressed) {
            Some(inflater) => inflater.add(payload, &mut self.data, self.message_bytes_max).map_err(unfit)?,
            // Whoever only says that much comes gets no memory for it.
            None if payload.is_empty() => {}
            None => {
                let left = usize::try_from(left).unwrap_or(usize::MAX).min(RESERVED_BYTES_MAX);
                self.data.reserve(payload.len() + left);
                self.data.extend_from_slice(payload);
            }
        }
        self.check_text()
    }

    fn check_text(&mut self) -> Result<(), Violation> {
        let Some(message) = &mut self.message else { return Ok(()) };
        if message.kind == Kind::Text && !message.utf8.accepts(&self.data[message.checked..]) {
            return Err(NOT_UTF8);
        }
        message.checked = self.data.len();
        Ok(())
    }

    /// The message is at its end.
    fn finish(&mut self) -> Result<Kind, Violation> {
        let is_compressed = self.message.as_ref().is_some_and(|message| message.is_compressed);
        if let Some(inflater) = self.inflater.as_mut().filter(|_| is_compressed) {
            inflater.finish(&mut self.data, self.message_bytes_max).map_err(unfit)?;
            self.check_text()?;
        }
        let Some(message) = self.message.take() else { return Ok(Kind::Binary) };
        self.is_done = true;
        if message.kind == Kind::Text && !message.utf8.is_whole() {
            return Err(NOT_UTF8);
        }
        Ok(message.kind)
    }
}

fn unfit(why: Unfit) -> Violation {
    match why {
        Unfit::TooLarge => TOO_LARGE,
        Unfit::Broken => Violation { code: close::INVALID_DATA, reason: "the message is no DEFLATE" },
    }
}

#[cfg(test)]
#[path = "receiver_tests.rs"]
mod tests;
