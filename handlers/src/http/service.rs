//! Who answers the requests of a connection.
//!
//! Owns: the choice between the app and an answer of our own for all of them. Must not know: connections.

use std::rc::Rc;

use runtime::worker::Worker;

use super::timeouts::Timeouts;
use super::wire::{Ending, Wire};
use super::{access, exchange, redirect};

/// Who answers the requests of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpService {
    /// The app.
    App,
    /// Nobody: clients are to come over HTTPS, on this port.
    HttpsOn(u16),
}

impl HttpService {
    /// Serves one request: how it ended.
    pub async fn run<W: Wire>(self, wire: &mut W, worker: &Rc<Worker>, timeouts: &Timeouts) -> Ending {
        let begun = access::begin(worker);
        let ending = match self {
            HttpService::App => exchange::run(wire, worker, timeouts).await,
            HttpService::HttpsOn(port) => redirect::run(wire, worker, port),
        };
        if let Some(begun) = begun {
            access::end(wire, worker, begun, ending);
        }
        ending
    }
}
