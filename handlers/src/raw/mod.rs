//! Raw TCP: gives each connection to the app, by what happens on it to the hooks of its `tcp` (`hooks.rs`), as a
//! socket to its `connect(socket, env, ctx)`, or as a descriptor to its `accept(fd, peer, env, ctx)`.
//!
//! Owns: the loan to the app, and its end. `accept` bounds itself; for `connect` the idle and the write
//! time-out apply while it waits for the client. A drain waits for both as long as the server lets it.
//! Must not know: the ring, what becomes of a value in JavaScript.

mod hooks;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use runtime::app::accept::{self, Lent};
use runtime::app::connect::{self, Patience};
use runtime::app::methods::Method;
use runtime::io::Socket;
use runtime::log::{self, Kind};
use runtime::worker::{Connection, Ends, Protocol, Transport, Worker};
use tracing::error;

pub use hooks::Tcp;

/// Raw TCP for the app's `connect`.
pub struct Connect;

/// Raw TCP for the app's `accept`.
pub struct Accept;

impl Protocol for Connect {
    fn serve(&self, connection: Connection) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(as_socket(connection))
    }
}

impl Protocol for Accept {
    fn serve(&self, connection: Connection) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(as_descriptor(connection))
    }
}

async fn as_socket(connection: Connection) {
    // The seat is held to the end: it is what counts the connection.
    let (transport, ends, worker, _seat) = connection.into_parts();
    let peer = &ends.peer;
    let app = worker.app.current();
    let Some(callee) = app.callee(Method::Connect) else { return };
    worker.serving.note(b"connect", peer.to_string().as_bytes());
    let limits = &worker.config.limits;
    let patience = Patience { idle_ms: limits.idle_ms_max, write_stall_ms: limits.write_stall_ms_max };
    if let Err(thrown) =
        connect::connect(app.engine(), callee, (transport, ends.clone()), worker.number, patience).await
        && log::admits(Kind::Raw)
    {
        error!(worker = worker.number, %peer, "connect failed: {thrown}");
    }
}

async fn as_descriptor(connection: Connection) {
    let (transport, ends, worker, _seat) = connection.into_parts();
    // Such an app is refused where a listener speaks TLS.
    let Transport::Plain(stream) = transport else { return };
    match stream.into_socket() {
        Ok(socket) => handle(&worker, socket, &ends).await,
        Err(error) if log::admits(Kind::Raw) => {
            error!(worker = worker.number, peer = %ends.peer, "cannot take over the connection: {error}");
        }
        Err(_) => {}
    }
}

/// Runs the app's handler on the connection, then closes it unless the handler did: with a reset if
/// the handler failed, so that the client does not take what it has for all there is.
async fn handle(worker: &Rc<Worker>, socket: Socket, ends: &Rc<Ends>) {
    let (app, peer) = (worker.app.current(), &ends.peer);
    let Some(callee) = app.callee(Method::Accept) else { return };
    let lent = match Lent::new(app.engine(), socket) {
        Ok(lent) => lent,
        Err(error) => {
            if log::admits(Kind::Raw) {
                error!(worker = worker.number, %peer, "cannot hand over the connection: {error}");
            }
            return;
        }
    };
    worker.serving.note(b"accept", peer.to_string().as_bytes());
    let outcome = accept::accept(app.engine(), callee, lent.fd(), ends, worker.number).await;
    match outcome {
        Ok(()) => {
            let limits = &worker.config.limits;
            lent.finish(&limits.linger, limits.write_stall_ms_max).await;
        }
        Err(thrown) => {
            // A client that goes away is no fault of the app's, and must not fill its log.
            if !lent.was_broken_by_client(&thrown) && log::admits(Kind::Raw) {
                error!(worker = worker.number, %peer, "accept failed: {thrown}");
            }
            lent.reset();
        }
    }
}
