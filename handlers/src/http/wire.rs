//! What carries an exchange: a message of HTTP/1.1 on its connection, a stream of HTTP/2, a test's memory.
//!
//! Owns: the words between an exchange and its wire. Must not know: any of them.

use std::future::Future;
use std::io::{ErrorKind, Result as IoResult};
use std::rc::Rc;
use std::task::{Context, Poll};

use runtime::address::Address;
use runtime::app::fetch::{BodyError, Head, HeaderList, Reply, Takes};
use runtime::app::websocket::Upgrade;
use runtime::files::FileWindow;
use runtime::worker::{Ends, Stopped};

use super::limit::Limit;
use super::rejection::Rejection;
use super::tally::{Tally, Transferred};
use crate::tunnel::ClientTunnel;

/// One request, received to the end of its head, and the way to its client. How the exchange ends is its last
/// word ([`Ending`]); what becomes of the connection is the wire's own matter.
pub trait Wire {
    /// The head of the request.
    fn head(&self) -> Rc<dyn Head>;

    /// What is noted of the exchange.
    fn tally(&mut self) -> &mut Tally;

    /// Bytes of request and answer so far.
    fn transferred(&self) -> Transferred;

    /// Method and target as they were sent.
    fn method_and_target(&self) -> (&[u8], &[u8]);

    /// The version of HTTP that it is: `1.0`, `1.1` or `2`.
    fn version(&self) -> &'static str;

    /// The scheme of the request's URL, `http` or `https`.
    fn scheme(&self) -> &'static str;

    /// Whether the connection is for another host than the request (RFC 9110 section 15.5.20).
    fn is_misdirected(&self) -> bool;

    /// The client's address and ours, and what TLS agreed on.
    fn ends(&self) -> Rc<Ends>;

    /// Whether the connection is a trusted proxy's, whose word on the request is taken.
    fn is_proxied(&self) -> bool;

    /// Who is at the other end of the connection, whoever has asked there.
    fn nearest(&self) -> Address {
        self.ends().peer.clone()
    }

    /// What of an answer the client takes beside its head and its body.
    fn takes(&self) -> Takes;

    /// Whether a body follows the head.
    fn has_body(&self) -> bool;

    /// Whether the client waits for 100 Continue before it sends the body (RFC 9110 section 10.1.1).
    fn expects_continue(&self) -> bool;

    /// Begins to receive the body, of at most `bytes_max`: gives `sink` what has come with the head. The bytes
    /// that it counts are those.
    ///
    /// # Errors
    /// The request is refused.
    fn begin_body(&mut self, bytes_max: u64, sink: &mut impl FnMut(&[u8])) -> Result<Received, Rejection>;

    /// Gives `sink` the next bytes of the body.
    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut impl FnMut(&[u8]),
    ) -> Poll<Result<Received, BodyFailure>>;

    /// Ready when the client leaves. Not before the body has been received to its end.
    fn poll_departure(&mut self, cx: &mut Context<'_>) -> Poll<Departure>;

    /// Ready when the client takes back the request while its body is still to come; never where only the body itself
    /// can tell.
    fn poll_taken_back(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    /// The task of `cx` is woken when a drain begins, where that does not wake it anyway.
    fn keep_drain_waker(&self, _cx: &Context<'_>) {}

    /// Whether the rest of the body has to be received though nobody reads it, so that the client can send its
    /// next request. Known once the head of the answer is written.
    fn needs_rest(&self) -> bool;

    /// Writes 100 Continue.
    fn write_continue(&mut self);

    /// Writes an informational response other than 101 (RFC 9110 section 15.2), which is not the answer: before the
    /// head of that, and only where the client takes it ([`Takes::informational`]).
    fn write_informational(&mut self, status: u16, fields: &HeaderList);

    /// Writes the head of the answer, and its body where that is whole.
    fn write_head(&mut self, reply: &Reply<'_>, rest: RequestRest) -> AnswerBody;

    /// Has the pieces that follow be the answer as it stands, its head and the end of the connection included, where the
    /// wire has such answers: whether it has.
    fn begin_raw(&mut self) -> bool {
        false
    }

    /// Writes the answer that stands for 101, after which the client's bytes are the tunnel's. Then the exchange has ended:
    /// [`Ending::Upgraded`].
    fn open_tunnel(&mut self, reply: &Reply<'_>, tunnel: ClientTunnel);

    /// Writes the next piece of a body.
    fn write_piece(&mut self, piece: &[u8]);

    /// Where the bytes of a body in pieces may be put as they are, behind what is written; `None`: each piece needs
    /// something around it, as [`write_piece`](Self::write_piece) knows.
    fn piece_buffer(&mut self) -> Option<&mut Vec<u8>> {
        None
    }

    /// Whether [`send_file`](Self::send_file) can be asked at all. Known once the head of the answer is written.
    fn sends_files(&self) -> bool {
        false
    }

    /// Sends what is written, and what the client takes at once of a file's bytes behind it, without their passing
    /// through our memory: how many. They count as a piece. Not while [`Wire::is_sending`].
    ///
    /// # Errors
    /// `WouldBlock`: it takes none for now. Else the client is gone.
    fn send_file(&mut self, _window: &FileWindow<'_>) -> IoResult<usize> {
        Err(ErrorKind::Unsupported.into())
    }

    /// Writes the end of a body in pieces, and behind it `trailers`, where there are some and the client takes them
    /// ([`Takes::trailers`]); else they are left out.
    fn write_end(&mut self, trailers: Option<&HeaderList>);

    /// Has all that is written on its way to the client.
    ///
    /// # Errors
    /// The client does not read, or is gone.
    fn flush(&mut self) -> impl Future<Output = Result<(), Stopped>>;

    /// Bytes that are written, and not being sent yet.
    fn unsent_bytes(&self) -> usize;

    /// Begins to send what is written. Not while [`Wire::is_sending`].
    fn start_send(&mut self);

    /// Whether a send is in flight.
    fn is_sending(&self) -> bool;

    /// The end of the send in flight.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<IoResult<()>>;

    /// A number that grows while the client takes what is sent.
    fn send_progress(&self) -> u64;
}

/// What carries an exchange from its end on.
pub enum NextProtocol {
    /// A WebSocket of the app's.
    WebSocket(Upgrade),
    /// One of another server's.
    Tunnel(ClientTunnel),
}

/// What came of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes received, framing included.
    pub bytes: u64,
    /// All of the body is here.
    pub end: bool,
}

/// Why the rest of a body cannot come.
#[derive(Debug)]
pub struct BodyFailure {
    /// What the app hears.
    pub why: BodyError,
    /// What it is answered with, if anything can be.
    pub rejection: Option<Rejection>,
}

impl BodyFailure {
    /// It pauses for too long.
    pub const TIMED_OUT: BodyFailure = BodyFailure {
        why: BodyError::TimedOut,
        rejection: Some(Rejection::limit(408, "body: too slow", Limit::BodyTime)),
    };

    /// Whether the client went away in the middle of it.
    pub fn is_by_client(&self) -> bool {
        self.why == BodyError::Aborted
    }
}

/// How a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It sends nothing more. It may still wait for the answer, or be gone.
    Finished,
    /// It wants no answer, or cannot get one.
    Gone,
}

/// What is to become of the request's body once the answer is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestRest {
    /// Nothing: it is received, or the app reads it to its end.
    Taken,
    /// Nobody reads what is left.
    Unread,
    /// Nothing more is received of this client, neither the rest nor another request where that comes after it.
    Refused,
}

/// What follows the head of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerBody {
    /// The answer ends with its head, whatever the app gave (HEAD, 204, 304).
    pub is_omitted: bool,
    /// The Content-Length that a body in pieces must keep to.
    pub length: Option<u64>,
    /// No body follows, but another protocol.
    pub is_upgraded: bool,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The answer is written, and the request received to its end.
    Complete,
    /// The answer is written. What is left of the request is not received.
    Unread,
    /// Only a part of the answer is written, and the client is to see that it is not all.
    CutShort,
    /// The client left, and there is nothing to say.
    Left,
    /// The client is gone, or takes nothing any more: what is written may be lost.
    Lost,
    /// The answer is written, and what carried the exchange speaks another protocol from then on: that of the reply's
    /// `upgrade`.
    Upgraded,
}
