//! A TLS session over buffers of ours, of either side: rustls's unbuffered interface.
//!
//! Owns: what rustls knows of the connection, a record that is not whole yet, and what is decrypted and not taken
//! yet. Records are decrypted where they were received, and encrypted behind each other in one vector. Must not
//! know: sockets, which certificates are good.

use std::ops::Deref;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus, WriteTraffic,
};
use rustls::{CommonState, Error, InvalidMessage, PeerIncompatible};

use crate::io::Chunk;

/// Bytes of plaintext in one record at most (RFC 8446 section 5.1).
const RECORD_BYTES_MAX: usize = 16 << 10;
/// Bytes that a record adds at most: header, explicit nonce or type, tag; AES-GCM in TLS 1.2 has 29.
const RECORD_OVERHEAD: usize = 32;
/// Room for an alert or a key update that goes out first.
const ALERT_ROOM: usize = 64;

/// rustls's connection.
enum Side {
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
}

/// The part of rustls's connections that each side has under its own type.
trait Records {
    type Data;

    fn process<'c, 'i>(&'c mut self, records: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;

    fn has_output(&self) -> bool;
}

impl Records for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, records: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(records)
    }

    fn has_output(&self) -> bool {
        self.wants_write()
    }
}

impl Records for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, records: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(records)
    }

    fn has_output(&self) -> bool {
        self.wants_write()
    }
}

/// What is to go out, once the handshake is far enough.
#[derive(Clone, Copy)]
enum TlsOutput<'a> {
    Nothing,
    Data(&'a [u8]),
    CloseNotify,
}

/// What a session has to say and to give.
#[derive(Default)]
struct TlsInput {
    /// Decrypted, and not taken yet.
    received: Chunk,
    /// The peer's close_notify has come: what is behind it does not count.
    ended: bool,
    /// What ended the session.
    failure: Option<Error>,
}

/// A session of either side.
pub(super) struct TlsSession {
    side: Side,
    /// Received, and not used yet: the beginning of a record, or records with the beginning of a message.
    rest: Chunk,
    input: TlsInput,
}

impl From<UnbufferedClientConnection> for TlsSession {
    fn from(client: UnbufferedClientConnection) -> Self {
        TlsSession::new(Side::Client(Box::new(client)))
    }
}

impl From<UnbufferedServerConnection> for TlsSession {
    fn from(server: UnbufferedServerConnection) -> Self {
        TlsSession::new(Side::Server(Box::new(server)))
    }
}

impl TlsSession {
    fn new(side: Side) -> Self {
        TlsSession { side, rest: Chunk::default(), input: TlsInput::default() }
    }

    /// What both sides agreed on.
    pub(super) fn state(&self) -> &CommonState {
        match &self.side {
            Side::Client(client) => client.deref(),
            Side::Server(server) => server.deref(),
        }
    }

    /// Begins: a client has something to say first. What goes out is added to `out`, here and below.
    pub(super) fn begin(&mut self, out: &mut Vec<u8>) {
        self.advance(&mut [], TlsOutput::Nothing, out);
    }

    /// Takes received bytes; what they lead to is asked for with [`take`](Self::take).
    pub(super) fn receive(&mut self, mut chunk: Chunk, out: &mut Vec<u8>) {
        if self.has_ended() {
            return;
        }
        if !self.rest.is_empty() {
            self.rest.append(&chunk);
            // The kernel's buffer goes back to it.
            chunk = std::mem::take(&mut self.rest);
        }
        let used = self.advance(chunk.bytes_mut(), TlsOutput::Nothing, out);
        if self.has_ended() {
            return;
        }
        chunk.drop_front(used);
        self.rest = chunk;
    }

    /// Neither the peer nor an error lets anything more come in.
    fn has_ended(&self) -> bool {
        self.input.ended || self.input.failure.is_some()
    }

    /// Whether something is there to be taken: bytes, the end, an error.
    pub(super) fn has_news(&self) -> bool {
        !self.input.received.is_empty() || self.has_ended()
    }

    /// The decrypted bytes that are there; then the end, which is empty, or the error, again and again.
    pub(super) fn take(&mut self) -> Option<Result<Chunk, Error>> {
        let input = &mut self.input;
        if !input.received.is_empty() {
            return Some(Ok(std::mem::take(&mut input.received)));
        }
        if let Some(failure) = &input.failure {
            return Some(Err(failure.clone()));
        }
        input.ended.then(|| Ok(Chunk::default()))
    }

    /// What ended the session.
    pub(super) fn failure(&self) -> Option<&Error> {
        self.input.failure.as_ref()
    }

    /// Encrypts all of `data`. The handshake is over.
    pub(super) fn seal(&mut self, data: &[u8], out: &mut Vec<u8>) {
        self.send(TlsOutput::Data(data), out);
    }

    /// Says that nothing more follows (RFC 8446 section 6.1).
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.send(TlsOutput::CloseNotify, out);
    }

    fn send(&mut self, output: TlsOutput<'_>, out: &mut Vec<u8>) {
        if self.input.failure.is_some() {
            return;
        }
        // rustls remembers places in the bytes that it has not used.
        let mut rest = std::mem::take(&mut self.rest);
        let used = self.advance(rest.bytes_mut(), output, out);
        rest.drop_front(used);
        self.rest = rest;
    }

    fn advance(&mut self, records: &mut [u8], output: TlsOutput<'_>, out: &mut Vec<u8>) -> usize {
        match &mut self.side {
            Side::Client(client) => advance(&mut **client, records, output, out, &mut self.input),
            Side::Server(server) => advance(&mut **server, records, output, out, &mut self.input),
        }
    }
}

/// Processes `records` as far as they go, and sends `output` where that is possible; how many bytes are used.
fn advance<S: Records>(
    side: &mut S,
    records: &mut [u8],
    output: TlsOutput<'_>,
    out: &mut Vec<u8>,
    input: &mut TlsInput,
) -> usize {
    let mut used = 0;
    loop {
        let UnbufferedStatus { mut discard, state, .. } = side.process(&mut records[used..]);
        let mut waits = false;
        match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(Ok(record)) = traffic.next_record() {
                    discard += record.discard;
                    input.received.append(record.payload);
                }
            }
            Ok(ConnectionState::EncodeTlsData(mut message)) => {
                input.failure = add(out, 0, |room| message.encode(room)).err();
            }
            // The caller sends what `out` has.
            Ok(ConnectionState::TransmitTlsData(transmit)) => transmit.done(),
            Ok(ConnectionState::WriteTraffic(traffic)) => {
                input.failure = write(traffic, output, out).err();
                waits = true;
            }
            Ok(ConnectionState::PeerClosed) => input.ended = true,
            // More has to come; or both sides have closed. Early data is not offered.
            Ok(_) => waits = true,
            Err(error) => input.failure = Some(error),
        }
        used += discard;
        if let Some(failure) = &input.failure {
            let begin = out.len();
            last_words(side, &mut records[used..], out);
            correct(&mut out[begin..], failure, records);
            return used;
        }
        if waits {
            return used;
        }
    }
}

/// After an error: the alert that tells the peer why, and no byte of what is received is looked at.
fn last_words<S: Records>(side: &mut S, records: &mut [u8], out: &mut Vec<u8>) {
    while side.has_output() {
        match side.process(records).state {
            Ok(ConnectionState::EncodeTlsData(mut message)) => {
                if add(out, 0, |room| message.encode(room)).is_err() {
                    return;
                }
            }
            // What was received before the error and does not count any more.
            Ok(ConnectionState::ReadTraffic(mut traffic)) => while traffic.next_record().is_some() {},
            _ => return,
        }
    }
}

/// The alert that RFC 8446 has where rustls says another, as long as alerts are not encrypted: for some records
/// (sections 5 and 5.1), and for the hello of an old version, which lacks more than the version (appendix D.2).
fn correct(alert: &mut [u8], failure: &Error, received: &[u8]) {
    const DECODE_ERROR: u8 = 50;
    const HANDSHAKE_FAILURE: u8 = 40;
    let (wrong, right) = match failure {
        Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::InvalidEmptyPayload) => {
            (DECODE_ERROR, 10)
        }
        Error::InvalidMessage(InvalidMessage::MessageTooLarge) => (DECODE_ERROR, 22),
        Error::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired)
            if is_hello_of_old_version(received) =>
        {
            (HANDSHAKE_FAILURE, 70)
        }
        _ => return,
    };
    if let [21, 3, _, 0, 2, 2, description] = alert
        && *description == wrong
    {
        *description = right;
    }
}

/// Whether a record begins with a ClientHello whose legacy_version is below TLS 1.2 (RFC 8446 section 4.1.2).
fn is_hello_of_old_version(records: &[u8]) -> bool {
    matches!(records, [22, _, _, _, _, 1, _, _, _, 3, minor, ..] if *minor < 3)
}

fn write<D>(mut traffic: WriteTraffic<'_, D>, output: TlsOutput<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    match output {
        TlsOutput::Nothing => Ok(()),
        TlsOutput::Data(data) => {
            let records = data.len().div_ceil(RECORD_BYTES_MAX);
            let room = data.len() + records * RECORD_OVERHEAD + ALERT_ROOM;
            add(out, room, |room| traffic.encrypt(data, room))
        }
        TlsOutput::CloseNotify => add(out, ALERT_ROOM, |room| traffic.queue_close_notify(room)),
    }
}

/// Why rustls did not fill the room that it was given.
trait RoomRefused {
    /// The room that it needs, if that is all.
    fn needs(&self) -> Option<usize>;
}

impl RoomRefused for EncodeError {
    fn needs(&self) -> Option<usize> {
        match self {
            EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => Some(*required_size),
            EncodeError::AlreadyEncoded => None,
        }
    }
}

impl RoomRefused for EncryptError {
    fn needs(&self) -> Option<usize> {
        match self {
            EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => Some(*required_size),
            EncryptError::EncryptExhausted => None,
        }
    }
}

/// Lets `write` fill room behind `out`: as much as is guessed, or else as it asks for.
///
/// # Errors
/// The keys are worn out (RFC 8446 section 5.5).
fn add<E: RoomRefused>(
    out: &mut Vec<u8>,
    guess: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> Result<(), Error> {
    let (begin, mut room) = (out.len(), guess);
    loop {
        out.resize(begin + room, 0);
        match write(&mut out[begin..]) {
            Ok(written) => {
                out.truncate(begin + written);
                return Ok(());
            }
            Err(refused) => match refused.needs().filter(|needs| *needs > room) {
                Some(needs) => room = needs,
                None => {
                    out.truncate(begin);
                    return Err(Error::EncryptError);
                }
            },
        }
    }
}
