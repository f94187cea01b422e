//! UDP: gives each datagram of a socket to the app's `datagram(message, from, socket, env, ctx)`.
//!
//! Owns: the order of a poll (receive, call, send), what is logged, the end by a drain. Between the datagrams of a
//! batch the worker's other tasks have their turn when it has been long. Must not know: the ring, what becomes of a
//! value in JavaScript.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use runtime::app::Instance;
use runtime::app::datagram::{Bounds, Called, DatagramCalls};
use runtime::io::{self, DatagramSocket, Deadline, budget};
use runtime::log::{self, Kind};
use runtime::worker::{DatagramProtocol, Worker};
use tracing::error;

/// UDP for the app's `datagram`.
pub struct Udp;

/// How long receiving rests after an error of the socket.
const REST_MS: u64 = 100;
/// Datagrams that are still taken once a drain has begun: those that had come before it.
const LAST_MAX: usize = 1_024;

impl DatagramProtocol for Udp {
    fn serve(&self, socket: DatagramSocket, worker: Rc<Worker>) -> Pin<Box<dyn Future<Output = ()>>> {
        let mut service = Service::new(Rc::new(socket), worker);
        Box::pin(async move {
            poll_fn(|cx| service.poll(cx)).await;
            service.socket.close();
        })
    }
}

/// One socket and its calls.
struct Service {
    socket: Rc<DatagramSocket>,
    worker: Rc<Worker>,
    calls: Rc<DatagramCalls>,
    /// What serves now, and what served before and is kept for the handlers that run in it, with its end.
    app: Rc<Instance>,
    replaced: Vec<(Instant, Rc<Instance>)>,
    note: Box<str>,
    rest: Deadline,
    rests: bool,
    /// Datagrams taken since the drain began, and whether those that had come before it are.
    last: usize,
    all_taken: bool,
    /// Of these kinds nothing was told yet.
    untold_dropped: u64,
    untold_refused: u64,
}

impl Service {
    fn new(socket: Rc<DatagramSocket>, worker: Rc<Worker>) -> Service {
        let (number, limits) = (worker.number, &worker.config.limits);
        let bounds = Bounds { pending_max: limits.datagrams_max, wait_ms_max: limits.request_ms_max };
        let calls = DatagramCalls::new(socket.clone(), number, bounds, move |peer, thrown| {
            if log::admits(Kind::Datagram) {
                error!(worker = number, %peer, "datagram failed: {thrown}");
            }
        });
        Service {
            note: socket.local_addr().to_string().into(),
            app: worker.app.current(),
            socket,
            worker,
            calls,
            replaced: Vec::new(),
            rest: Deadline::new(),
            rests: false,
            last: 0,
            all_taken: false,
            untold_dropped: 0,
            untold_refused: 0,
        }
    }

    /// Ready when a drain has come and nothing is left to do.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.socket.attend();
        let draining = self.worker.poll_draining(cx).is_ready();
        self.all_taken = self.all_taken || self.receive(draining, cx).is_ready();
        let given_up = self.calls.give_up(cx);
        self.forget();
        self.tell(given_up);
        let flushed = self.socket.poll_flush(cx).is_ready();
        self.tell_lost();
        if !self.all_taken || !flushed {
            return Poll::Pending;
        }
        self.calls.poll_idle(cx)
    }

    /// Takes what has come. Ready where nothing more is taken: in a drain, once what had come is.
    fn receive(&mut self, draining: bool, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if draining && self.last >= LAST_MAX {
                return Poll::Ready(());
            }
            if self.rests {
                if self.rest.poll_expired(cx).is_pending() {
                    return if draining { Poll::Ready(()) } else { Poll::Pending };
                }
                self.rests = false;
            }
            match self.socket.poll_recv(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    if log::admits(Kind::Datagram) {
                        error!(worker = self.worker.number, "udp://{}: {error}", self.note);
                    }
                    self.rest.set(REST_MS);
                    self.rests = true;
                    continue;
                }
                // The budget may be what is waited for: then it was woken, and goes on.
                Poll::Pending if draining && budget::is_left() => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
            self.worker.serving.note(b"datagram", self.note.as_bytes());
            while let Some(called) = self.call_next() {
                self.last += usize::from(draining);
                if called == Called::Dropped {
                    self.tell_dropped();
                }
                // Each may have been a long turn; a flood takes no more than its share.
                if budget::poll_left(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        }
    }

    /// Calls the app with the next datagram of the batch.
    fn call_next(&mut self) -> Option<Called> {
        let Service { socket, calls, app, worker, replaced, .. } = self;
        socket.take(|bytes, route| {
            let current = worker.app.current();
            if !Rc::ptr_eq(&current, app) {
                replaced.push((io::now(), std::mem::replace(app, current)));
            }
            calls.call(app, bytes, route)
        })
    }

    /// Lets go of engines in which no handler can be waited for any more.
    fn forget(&mut self) {
        if self.replaced.is_empty() {
            return;
        }
        let (idle, now, ms) = (self.calls.is_idle(), io::now(), self.worker.config.limits.request_ms_max);
        let is_over =
            |since: &Instant| now.saturating_duration_since(*since).as_millis() > u128::from(ms) * 2;
        self.replaced.retain(|(since, _)| !idle && !is_over(since));
    }

    fn tell_dropped(&self) {
        if let Some(more) = log::admits_limit(Kind::Datagrams) {
            let max = self.worker.config.limits.datagrams_max;
            let worker = self.worker.number;
            error!(worker, "a datagram is dropped: {max} handlers are waited for (--datagrams-max){more}");
        }
    }

    fn tell(&self, given_up: usize) {
        if given_up > 0
            && let Some(more) = log::admits_limit(Kind::RequestTime)
        {
            let ms = self.worker.config.limits.request_ms_max;
            let worker = self.worker.number;
            error!(
                worker,
                "{given_up} handlers of datagrams took longer than {ms} ms (--request-timeout): they get no reply{more}"
            );
        }
    }

    /// What was lost on its way out.
    fn tell_lost(&mut self) {
        let Some(lost) = self.socket.take_lost() else { return };
        let worker = self.worker.number;
        self.untold_dropped += lost.dropped;
        self.untold_refused += lost.refused;
        if self.untold_dropped > 0 && log::admits_limit(Kind::DatagramQueue).is_some() {
            let count = std::mem::take(&mut self.untold_dropped);
            error!(worker, "{count} datagrams dropped: too many wait to be sent (--datagram-queue)");
        }
        if let Some((errno, to)) = lost.reason
            && log::admits(Kind::DatagramRefused)
        {
            let count = std::mem::take(&mut self.untold_refused);
            let reason = std::io::Error::from_raw_os_error(errno);
            error!(worker, %to, "{count} datagrams could not be sent, the last one for: {reason}");
        }
    }
}
