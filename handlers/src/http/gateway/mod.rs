//! HTTP as a web server in front passes it on: FastCGI and SCGI, whose requests are variables as those of CGI.
//!
//! Owns: the life of such a connection: variables in, answers out, one request after the other. Must not know: the app,
//! how the records of either protocol look (`carrier`).

mod carrier;
mod head;
mod message;
mod reply;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use runtime::log::{self, Kind};
use runtime::worker::{Connection, Protocol, Stopped};

use self::carrier::{Carrier, CarrierError, FastCgiCarrier, ScgiCarrier};
use self::head::GatewayHead;
use self::message::{GatewayClosing, GatewayMessage};
use super::access;
use super::failure;
use super::h1::BufferedConnection;
use super::limit::Limit;
use super::rejection::Rejection;
use super::service::HttpService;
use super::timeouts::Timeouts;

/// What variables have beside the fields of a request: as many bytes, and so many of them.
const EXTRA_BYTES: usize = 8 << 10;
const EXTRA_VARIABLES: usize = 64;

/// The variables take too long.
const TOO_SLOW: Rejection = Rejection::limit(408, "variables: too slow", Limit::HeaderTime);
/// They are too large.
const TOO_LARGE: Rejection = Rejection::limit(431, "variables: too large", Limit::HeaderBytes);

/// FastCGI for the app's `fetch`.
pub struct FastCgi;

impl Protocol for FastCgi {
    fn serve(&self, connection: Connection) -> Pin<Box<dyn Future<Output = ()>>> {
        let bytes_max = connection.worker().config.limits.header_bytes_max + EXTRA_BYTES;
        Box::pin(serve(connection, FastCgiCarrier::new(bytes_max)))
    }
}

/// SCGI for the app's `fetch`.
pub struct Scgi;

impl Protocol for Scgi {
    fn serve(&self, connection: Connection) -> Pin<Box<dyn Future<Output = ()>>> {
        let bytes_max = connection.worker().config.limits.header_bytes_max + EXTRA_BYTES;
        Box::pin(serve(connection, ScgiCarrier::new(bytes_max)))
    }
}

async fn serve<C: Carrier>(connection: Connection, carrier: C) {
    let mut session = GatewaySession {
        buffered: BufferedConnection::new(connection),
        carrier,
        timeouts: Timeouts::default(),
        has_begun: false,
    };
    let mut closing = session.exchanges().await;
    if closing == GatewayClosing::Gently && session.buffered.flush().await.is_err() {
        closing = GatewayClosing::Reset;
    }
    let connection = session.buffered.connection;
    match closing {
        GatewayClosing::Gently => connection.close_gently().await,
        GatewayClosing::AtOnce => connection.close().await,
        GatewayClosing::Reset => connection.abort().await,
    }
}

struct GatewaySession<C> {
    buffered: BufferedConnection,
    carrier: C,
    timeouts: Timeouts,
    /// Something of a request has come.
    has_begun: bool,
}

impl<C: Carrier> GatewaySession<C> {
    async fn exchanges(&mut self) -> GatewayClosing {
        let worker = self.buffered.connection.worker().clone();
        loop {
            if let Err(closing) = self.receive().await {
                return closing;
            }
            let ends = self.buffered.connection.ends().clone();
            let head = match GatewayHead::of(&self.carrier.variables(), &worker.config.limits, &ends) {
                Ok(head) => Rc::new(head),
                Err(rejection) => return self.refuse(&rejection),
            };
            self.buffered.connection.set_busy(true);
            let mut message = GatewayMessage::new(&mut self.buffered, &mut self.carrier, head);
            let ending = HttpService::App.run(&mut message, &worker, &self.timeouts).await;
            if let Err(closing) = message.conclude(ending) {
                return closing;
            }
            self.carrier.finish();
            self.has_begun = false;
        }
    }

    /// Receives the next request's variables.
    async fn receive(&mut self) -> Result<(), GatewayClosing> {
        let limits = &self.buffered.connection.worker().config.limits;
        let (idle_ms, header_ms) = (limits.idle_ms_max, limits.header_ms_max);
        self.buffered.connection.set_busy(false);
        self.buffered.connection.set_deadline(idle_ms);
        loop {
            let input = self.buffered.input.unused();
            let some = !input.is_empty();
            let taken = self.carrier.take_head(input, &mut self.buffered.out);
            let (used, is_complete) = match taken {
                Ok(taken) => taken,
                Err(CarrierError::TooLarge) => return Err(self.refuse(&TOO_LARGE)),
                Err(error) => return Err(self.close(&error)),
            };
            self.buffered.input.consume(used);
            if is_complete {
                return Ok(());
            }
            if some && !self.has_begun && !self.carrier.is_idle() {
                self.has_begun = true;
                self.buffered.connection.set_busy(true);
                self.buffered.connection.set_deadline(header_ms);
            }
            self.buffered.flush().await.map_err(|_| GatewayClosing::Reset)?;
            if !self.has_begun {
                // The flush has used it.
                self.buffered.connection.set_busy(false);
                self.buffered.connection.set_deadline(idle_ms);
            }
            let chunk = match self.buffered.connection.recv_in_time().await {
                Ok(chunk) => chunk,
                Err(Stopped::TimedOut) if self.has_begun => return Err(self.refuse(&TOO_SLOW)),
                Err(Stopped::TimedOut | Stopped::Draining) => return Err(GatewayClosing::AtOnce),
                Err(Stopped::Failed(_)) => return Err(GatewayClosing::Reset),
            };
            if chunk.is_empty() {
                return Err(match self.has_begun {
                    true => self.close(&CarrierError::Broken("the connection ended in a request")),
                    false => GatewayClosing::AtOnce,
                });
            }
            self.buffered.input.keep(&chunk);
        }
    }

    /// Answers a request that breaks the rules, and ends the connection.
    #[cold]
    fn refuse(&mut self, rejection: &Rejection) -> GatewayClosing {
        let connection = &self.buffered.connection;
        failure::log_limit(rejection, connection.worker(), None, || connection.peer().clone());
        if rejection.limit.is_none() {
            self.say(&rejection.why);
        }
        let mut answer = Vec::new();
        reply::status(&mut answer, rejection.status);
        self.carrier.write(&mut self.buffered.out, &answer);
        self.carrier.write_end(&mut self.buffered.out);
        // What came is in the web server's own words: its log has the request.
        access::refused(&self.buffered.connection, b"", rejection, answer.len());
        GatewayClosing::Gently
    }

    /// Ends a connection that does not speak the protocol.
    #[cold]
    fn close(&self, error: &CarrierError) -> GatewayClosing {
        self.say(error);
        GatewayClosing::Reset
    }

    fn say(&self, what: &dyn std::fmt::Display) {
        if log::admits(Kind::Proxy) {
            let (connection, name) = (&self.buffered.connection, C::NAME);
            let (worker, peer) = (connection.worker().number, connection.peer());
            tracing::warn!(worker, %peer, "{name}: {what}: the connection is closed");
        }
    }
}
