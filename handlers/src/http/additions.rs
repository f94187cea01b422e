//! What the server adds to the answers of one exchange, the app's and its own.
//!
//! Owns: X-Request-Id, Strict-Transport-Security (RFC 6797), Server-Timing in development mode. Must not know: the
//! rest of a head, how it is written.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use runtime::app::fetch::HeaderList;
use runtime::worker::Worker;

use super::request_id;
use super::wire::Wire;

/// What is added to the answers of one exchange.
#[derive(Default)]
pub struct Additions {
    /// Boxed: an exchange that has none pays nothing for it.
    own: Option<Box<Own>>,
}

/// What is this exchange's alone.
struct Own {
    request_id: Option<Rc<str>>,
    timing: Option<Timing>,
}

/// The time that an answer takes, of which the client is told in development mode.
struct Timing {
    begun: Instant,
    /// The turn of JavaScript that the app was called in, once it is over.
    turn: Cell<Option<Duration>>,
}

impl Additions {
    /// Those of the exchange on `wire`, which begins.
    pub fn begin(wire: &impl Wire, worker: &Worker) -> Additions {
        let config = &worker.config;
        if !config.answers.request_id && !config.dev {
            return Additions::default();
        }
        let request_id = config.answers.request_id.then(|| request_id::of(wire));
        let timing = config.dev.then(|| Timing { begun: Instant::now(), turn: Cell::new(None) });
        Additions { own: Some(Box::new(Own { request_id, timing })) }
    }

    /// The request's identifier, where it has one.
    pub fn request_id(&self) -> Option<&str> {
        self.own.as_ref()?.request_id.as_deref()
    }

    /// The same, for who keeps it.
    pub fn shared_request_id(&self) -> Option<Rc<str>> {
        self.own.as_ref()?.request_id.clone()
    }

    /// The turn that the app was called in is over.
    pub fn turn_is_over(&self) {
        if let Some(timing) = self.own.as_ref().and_then(|own| own.timing.as_ref()) {
            timing.turn.set(Some(timing.begun.elapsed()));
        }
    }

    /// Whether there is something to add.
    pub fn is_any(&self, worker: &Worker) -> bool {
        self.own.is_some() || worker.config.answers.hsts.is_some()
    }

    /// Adds all to the fields of an answer to a request by `scheme`.
    pub fn add_to(&self, list: &mut HeaderList, worker: &Worker, scheme: &str) {
        if let Some(id) = self.request_id() {
            list.set(request_id::FIELD, id.as_bytes());
        }
        // Over plain HTTP it must not stand, and an app may have its own (RFC 6797 sections 7.1 and 7.2).
        if let Some(hsts) = worker.config.answers.hsts.as_ref().filter(|_| scheme == "https")
            && !list.has(b"strict-transport-security")
        {
            list.append(b"Strict-Transport-Security", hsts.as_bytes());
        }
        if let Some(timing) = self.own.as_ref().and_then(|own| own.timing.as_ref()) {
            let total = timing.begun.elapsed();
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            let turn = timing.turn.get().unwrap_or(total);
            let text = format!(
                "turn;desc=\"JavaScript, first turn\";dur={:.3}, total;dur={:.3}",
                ms(turn),
                ms(total)
            );
            list.append(b"Server-Timing", text.as_bytes());
        }
    }
}
