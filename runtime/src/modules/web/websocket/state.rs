//! One WebSocket between the app and its connection: what the app asked for and was not done yet.
//!
//! Owns: the frames that wait to be sent and their bounds, the closing handshake (RFC 6455 section 7). Must not know: the
//! socket, who moves the bytes, hooks and events.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::bus::{Subscriber, Subscriptions};
use crate::js::charge::Charge;
use crate::js::engine::State as EngineState;
use crate::net::Ends;
use crate::websocket::extension::Agreed;
use crate::websocket::handshake::OpeningAnswer;
use crate::websocket::{Deflater, Kind, Opcode, Role, close, close_frame, data_frame, frame, mask_frame};

use super::rules::{SharedDeflaters, SocketRules};

/// Waiting bytes from which they count as memory of the engine's.
const CHARGED_BYTES: usize = 64 << 10;
/// Waiting bytes from which a Ping is answered later, and only the last (section 5.5.3).
const PONG_BYTES_MAX: usize = 16 << 10;
/// Bytes of a text from which it is compressed, unless the app says otherwise.
const COMPRESSED_BYTES_MIN: usize = 1 << 10;

/// How far it has come, with the numbers of `readyState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadyState {
    /// Its request is not answered yet.
    Connecting = 0,
    /// Messages go both ways.
    Open = 1,
    /// A Close frame is sent, or is to be.
    Closing = 2,
    /// It is over.
    Closed = 3,
}

/// How it is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// It is not.
    No,
    /// The peer's Close frame is waited for.
    Asked,
    /// Both have sent one, or the peer is not listened to any more: once ours is sent, it is over.
    Agreed,
    /// At once, whatever waits: `terminate()`.
    Terminated,
}

/// Why a Close frame of ours was sent without the app's wish, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForcedClose {
    /// More waits to be sent than may.
    QueueFull(usize),
    /// The engine has no memory for what waits.
    NoMemory(usize),
}

/// The subscriptions of a socket, and who the bus knows it by, weakly.
pub struct SocketTopics {
    /// They end with the socket.
    pub subscriptions: Subscriptions,
    /// Takes what is published.
    pub subscriber: Rc<dyn Subscriber>,
}

/// What a client's has beside a server's.
#[derive(Default)]
struct ClientSide {
    /// Bytes of messages that `send` was given and the socket has not taken; those that never went stay.
    unsent: Cell<usize>,
    /// How many of them wait, and how many the socket was given.
    waiting: Cell<usize>,
    in_flight: Cell<usize>,
    /// The server's Sec-WebSocket-Extensions.
    extensions: RefCell<Box<str>>,
}

impl ClientSide {
    /// Counts a message.
    fn add(&self, bytes: usize, is_sent: bool) {
        self.unsent.set(self.unsent.get() + bytes);
        if is_sent {
            self.waiting.set(self.waiting.get() + bytes);
        }
    }

    /// What waits goes to the socket.
    fn hand_over(&self) {
        self.in_flight.set(self.in_flight.get() + self.waiting.take());
    }

    /// The socket has taken it.
    fn taken(&self) {
        self.unsent.set(self.unsent.get() - self.in_flight.take());
    }
}

/// One WebSocket.
pub struct WebSocketState {
    rules: SocketRules,
    role: Role,
    client: Option<Box<ClientSide>>,
    ready: Cell<ReadyState>,
    parting: Cell<Parting>,
    out: RefCell<Vec<u8>>,
    /// Bytes that the socket was given and has not taken yet.
    in_flight: Cell<usize>,
    /// `send` said that much waits: `drain` follows.
    full: Cell<bool>,
    /// The payload of the last Ping that is not answered yet.
    pong_due: RefCell<Option<Box<[u8]>>>,
    is_answered: Cell<bool>,
    agreed: Cell<Option<Agreed>>,
    /// Of a connection that takes the context over.
    deflater: RefCell<Option<Box<Deflater>>>,
    /// What the peer's Close frame said, or what ours says where the peer's is not waited for.
    said: RefCell<Option<(u16, Box<str>)>>,
    forced: Cell<Option<ForcedClose>>,
    protocol: RefCell<Box<str>>,
    url: RefCell<Box<str>>,
    ends: RefCell<Option<Rc<Ends>>>,
    /// A hook runs: whoever called it looks afterwards.
    dispatching: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    charge: Charge,
    is_charged: Cell<bool>,
    /// Made with the first subscription.
    topics: OnceCell<Box<SocketTopics>>,
}

impl WebSocketState {
    /// Of a new one; messages that are sent before it is open wait.
    pub fn new(rules: SocketRules, role: Role) -> WebSocketState {
        WebSocketState {
            rules,
            role,
            client: (role == Role::Client).then(Box::default),
            ready: Cell::new(ReadyState::Connecting),
            parting: Cell::new(Parting::No),
            out: RefCell::default(),
            in_flight: Cell::new(0),
            full: Cell::new(false),
            pong_due: RefCell::default(),
            is_answered: Cell::new(false),
            agreed: Cell::new(None),
            deflater: RefCell::default(),
            said: RefCell::default(),
            forced: Cell::new(None),
            protocol: RefCell::default(),
            url: RefCell::default(),
            ends: RefCell::default(),
            dispatching: Cell::new(false),
            waker: RefCell::default(),
            charge: Charge::default(),
            is_charged: Cell::new(false),
            topics: OnceCell::new(),
        }
    }

    /// What it subscribes to.
    pub fn topics(&self) -> &OnceCell<Box<SocketTopics>> {
        &self.topics
    }

    /// Whether nothing is sent on it any more.
    pub fn is_over(&self) -> bool {
        matches!(self.ready.get(), ReadyState::Closing | ReadyState::Closed)
    }

    /// What it may take.
    pub fn rules(&self) -> &SocketRules {
        &self.rules
    }

    /// How far it has come.
    pub fn ready(&self) -> ReadyState {
        self.ready.get()
    }

    /// How it is ending.
    pub fn parting(&self) -> Parting {
        self.parting.get()
    }

    /// Sets what the handshake agreed on.
    pub fn set_agreed(&self, agreed: Option<Agreed>, protocol: &str, url: &str) {
        self.is_answered.set(true);
        self.agreed.set(agreed);
        *self.protocol.borrow_mut() = protocol.into();
        *self.url.borrow_mut() = url.into();
    }

    /// Whether it is the answer to a request.
    pub fn is_answered(&self) -> bool {
        self.is_answered.get()
    }

    /// Which side it is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Of a client's: what the server has answered; it is open from now on.
    pub fn set_opened(&self, answer: &OpeningAnswer, takes_over: bool) {
        // Whether its own messages refer to earlier ones is the client's choice (RFC 7692 section 7.1.1.2).
        let agreed = answer
            .agreed
            .map(|agreed| Agreed { client_takes_over: agreed.client_takes_over && takes_over, ..agreed });
        self.agreed.set(agreed);
        *self.protocol.borrow_mut() = answer.protocol.as_str().into();
        if let Some(client) = &self.client {
            *client.extensions.borrow_mut() = answer.extensions.as_str().into();
        }
        self.set_open();
    }

    /// What the handshake has agreed on, as the field says it.
    pub fn extensions(&self) -> Box<str> {
        match &self.client {
            Some(client) => client.extensions.borrow().clone(),
            None => self.agreed.get().map(|agreed| agreed.answer()).unwrap_or_default().into(),
        }
    }

    /// What both sides agreed on for compression.
    pub fn agreed(&self) -> Option<Agreed> {
        self.agreed.get()
    }

    /// The sub-protocol; empty where there is none.
    pub fn protocol(&self) -> Box<str> {
        self.protocol.borrow().clone()
    }

    /// The URL of its request.
    pub fn url(&self) -> Box<str> {
        self.url.borrow().clone()
    }

    /// Who is at its ends.
    pub fn ends(&self) -> Option<Rc<Ends>> {
        self.ends.borrow().clone()
    }

    /// Sets that.
    pub fn set_ends(&self, ends: Rc<Ends>) {
        *self.ends.borrow_mut() = Some(ends);
    }

    /// It is open from now on, unless the app has closed it already.
    pub fn set_open(&self) {
        if self.ready.get() == ReadyState::Connecting {
            self.ready.set(ReadyState::Open);
        }
    }

    /// It is over, whatever waits.
    pub fn set_closed(&self) {
        self.ready.set(ReadyState::Closed);
        if let Some(topics) = self.topics.get() {
            topics.subscriptions.clear();
        }
        drop((self.out.take(), self.deflater.take(), self.pong_due.take(), self.waker.take()));
        self.in_flight.set(0);
    }

    /// The task of `cx` is woken when the app asks for something outside of this socket's hooks.
    pub fn keep_waker(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// Says whether a hook of it runs.
    pub fn set_dispatching(&self, dispatching: bool) {
        self.dispatching.set(dispatching);
    }

    fn changed(&self) {
        if !self.dispatching.get()
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }

    /// What `bufferedAmount` of the class says: of a client's the bytes of messages, as the WebSockets Standard counts
    /// them.
    pub fn amount(&self) -> usize {
        self.client.as_ref().map_or_else(|| self.buffered(), |client| client.unsent.get())
    }

    /// Bytes that wait to be sent, their frames' heads included.
    pub fn buffered(&self) -> usize {
        self.out.borrow().len() + self.in_flight.get()
    }

    /// Whether bytes wait that the socket was not given.
    pub fn has_output(&self) -> bool {
        !self.out.borrow().is_empty()
    }

    /// The bytes that wait, for the socket; none where there are none.
    pub fn take_output(&self) -> Option<Vec<u8>> {
        let mut out = self.out.borrow_mut();
        if out.is_empty() {
            return None;
        }
        self.in_flight.set(out.len());
        if let Some(client) = &self.client {
            client.hand_over();
        }
        Some(std::mem::take(&mut *out))
    }

    /// The socket has taken what it was given, `buffer`.
    pub fn sent(&self, engine: &EngineState, buffer: Vec<u8>) {
        self.in_flight.set(0);
        if let Some(client) = &self.client {
            client.taken();
        }
        let due = self.pong_due.take();
        if let Some(payload) = due
            && self.parting.get() == Parting::No
        {
            self.write(|out| frame(out, Opcode::Pong, &payload));
        }
        // No memory waits for a message that may never be sent.
        drop(buffer);
        let out = self.out.borrow();
        if self.is_charged.replace(out.len() > CHARGED_BYTES) {
            self.charge.try_set(engine, out.len());
        }
    }

    /// Whether `drain` is due, once.
    pub fn take_drained(&self) -> bool {
        self.full.get() && self.buffered() == 0 && self.full.replace(false)
    }

    /// Whether somebody waits for the socket to take what it was given.
    pub fn awaits_sent(&self) -> bool {
        self.full.get()
            || self.parting.get() != Parting::No
            || self.has_output()
            || self.pong_due.borrow().is_some()
    }

    /// Writes frames behind those that wait; a client's are masked.
    fn write(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut out = self.out.borrow_mut();
        let start = out.len();
        write(&mut out);
        if self.role == Role::Client {
            let mut key = [0; 4];
            // Without randomness it is a mask all the same.
            let _ = getrandom::fill(&mut key);
            mask_frame(&mut out, start, key);
        }
    }

    /// Sends a message; whether little waits. None goes out of one that is closing.
    pub fn send(&self, engine: &EngineState, kind: Kind, message: &[u8], compress: Option<bool>) -> bool {
        let may_send = self.may_send();
        if let Some(client) = &self.client {
            client.add(message.len(), may_send);
        }
        if !may_send {
            return false;
        }
        let is_wanted = compress.unwrap_or(kind == Kind::Text && message.len() >= COMPRESSED_BYTES_MIN);
        match self.agreed.get().filter(|_| is_wanted) {
            None => self.write(|out| data_frame(out, kind, message, None)),
            Some(agreed) => self.compressed(engine, &agreed, kind, message),
        }
        self.look(engine)
    }

    /// Sends a message whose frame is made; as [`send`](Self::send).
    pub fn send_frame(&self, engine: &EngineState, bytes: &[u8], is_compressed: bool) -> bool {
        if !self.may_send() {
            return false;
        }
        self.write(|out| out.extend_from_slice(bytes));
        if is_compressed && let Some(own) = &mut *self.deflater.borrow_mut() {
            own.forget();
        }
        self.look(engine)
    }

    fn compressed(&self, engine: &EngineState, agreed: &Agreed, kind: Kind, message: &[u8]) {
        let (takes_over, bits) = match self.role {
            Role::Server => (agreed.server_takes_over, agreed.server_bits),
            Role::Client => (agreed.client_takes_over, agreed.client_bits),
        };
        if bits < 9 {
            return self.write(|out| data_frame(out, kind, message, None));
        }
        if takes_over {
            let mut own = self.deflater.borrow_mut();
            let own = own.get_or_insert_with(|| Box::new(Deflater::new(bits, true)));
            return self.write(|out| data_frame(out, kind, message, Some(own)));
        }
        engine.extension::<SharedDeflaters>().with(bits, |deflater| {
            self.write(|out| data_frame(out, kind, message, Some(deflater)));
        });
    }

    /// Whether a message may be sent; closes where too much waits already.
    fn may_send(&self) -> bool {
        if !matches!(self.ready.get(), ReadyState::Open | ReadyState::Connecting) {
            return false;
        }
        let waiting = self.buffered();
        if waiting > self.rules.queue_bytes_max {
            self.force(ForcedClose::QueueFull(waiting));
            return false;
        }
        true
    }

    /// What follows from a message that was added: whether little waits.
    fn look(&self, engine: &EngineState) -> bool {
        let waiting = self.buffered();
        if waiting > CHARGED_BYTES {
            self.is_charged.set(true);
            if !self.charge.try_set(engine, waiting) {
                self.force(ForcedClose::NoMemory(waiting));
                return false;
            }
        }
        let is_full = waiting >= self.rules.full_bytes();
        if is_full {
            self.full.set(true);
        }
        self.changed();
        !is_full
    }

    fn force(&self, why: ForcedClose) {
        self.forced.set(self.forced.get().or(Some(why)));
        self.close(close::TRY_LATER, "too much waits to be sent");
    }

    /// Why it was closed without the app's wish, once.
    pub fn take_forced(&self) -> Option<ForcedClose> {
        self.forced.take()
    }

    /// Sends a Ping, or a Pong that nobody asked for, of at most 125 bytes.
    pub fn control(&self, opcode: Opcode, payload: &[u8]) -> bool {
        if !self.may_send() {
            return false;
        }
        self.write(|out| frame(out, opcode, payload));
        self.changed();
        self.buffered() < self.rules.full_bytes()
    }

    /// Answers a Ping: at once, or, where much waits, the last of them later.
    pub fn answer_ping(&self, payload: &[u8]) {
        if self.parting.get() != Parting::No {
            return;
        }
        if self.buffered() >= PONG_BYTES_MAX {
            *self.pong_due.borrow_mut() = Some(payload.into());
        } else {
            self.write(|out| frame(out, Opcode::Pong, payload));
        }
    }

    /// Begins the closing handshake; does nothing where it has begun.
    pub fn close(&self, code: u16, reason: &str) {
        if self.parting.get() != Parting::No || self.ready.get() == ReadyState::Closed {
            return;
        }
        if self.role == Role::Client && self.ready.get() == ReadyState::Connecting {
            // There is nobody yet who could be told ("fail the WebSocket connection").
            return self.terminate();
        }
        self.write(|out| close_frame(out, code, reason));
        self.ready.set(ReadyState::Closing);
        self.parting.set(Parting::Asked);
        self.changed();
    }

    /// The peer's Close frame has come: it is answered with the same code (section 5.5.1).
    pub fn peer_closes(&self, code: u16, reason: &str) {
        *self.said.borrow_mut() = Some((code, reason.into()));
        if self.parting.get() == Parting::No {
            self.write(|out| close_frame(out, code, ""));
        }
        self.part();
    }

    /// Fails the connection (section 7.1.7): our Close frame goes out, and what the peer sends means nothing any more. A
    /// client's app hears 1006 then, as of all that ends without the server's Close frame (section 7.1.5).
    pub fn fail(&self, code: u16, reason: &str) {
        if self.role == Role::Server {
            self.said.borrow_mut().get_or_insert_with(|| (code, reason.into()));
        }
        if self.parting.get() == Parting::No {
            self.write(|out| close_frame(out, code, reason));
        }
        self.part();
    }

    fn part(&self) {
        if self.parting.get() != Parting::Terminated {
            self.parting.set(Parting::Agreed);
        }
        if self.ready.get() != ReadyState::Closed {
            self.ready.set(ReadyState::Closing);
        }
        self.changed();
    }

    /// Ends it at once: nothing more is sent, and the client gets a reset.
    pub fn terminate(&self) {
        if self.ready.get() != ReadyState::Closed {
            self.ready.set(ReadyState::Closing);
            self.parting.set(Parting::Terminated);
            self.changed();
        }
    }

    /// Code and reason of its end; 1006 where nobody has said one.
    pub fn end(&self) -> (u16, Box<str>) {
        self.said.borrow().clone().unwrap_or((close::ABNORMAL, "".into()))
    }
}
