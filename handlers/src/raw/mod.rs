//! Raw TCP: gives each connection to the app, as a socket to its `connect(socket, env, ctx)`, or as a
//! descriptor to its `accept(fd, peer, env, ctx)`; no app has both.
//!
//! Owns: the loan to the app, and its end. `accept` bounds itself; for `connect` the idle and the write
//! time-out apply while it waits for the client. A drain waits for both as long as the server lets it.
//! Must not know: the ring, what becomes of a value in JavaScript.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

use runtime::connection::Connection;
use runtime::handler::Protocol;
use runtime::io::Socket;
use runtime::modules::os::handler;
use runtime::modules::os::lent::Lent;
use runtime::modules::sockets::inbound::{self, Patience};
use runtime::worker::Worker;
use tracing::error;

/// Raw TCP.
pub struct Raw;

impl Protocol for Raw {
    fn serve(&self, connection: Connection) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(serve(connection))
    }
}

async fn serve(connection: Connection) {
    let (peer, local) = (connection.peer(), connection.local());
    // The seat is held to the end: it is what counts the connection.
    let (stream, worker, _seat) = connection.into_parts();
    let app = worker.app.current();
    if let Some(handler) = app.connect() {
        worker.serving.note(b"connect", peer.to_string().as_bytes());
        let limits = &worker.config.limits;
        let patience = Patience { idle_ms: limits.idle_ms_max, write_stall_ms: limits.write_stall_ms_max };
        if let Err(thrown) = inbound::serve(app.engine(), handler, stream, worker.number, patience).await {
            error!(worker = worker.number, %peer, "connect failed: {thrown}");
        }
        return;
    }
    match stream.into_socket() {
        Ok(socket) => handle(&worker, socket, peer, local).await,
        Err(error) => error!(worker = worker.number, %peer, "cannot take over the connection: {error}"),
    }
}

/// Runs the app's handler on the connection, then closes it unless the handler did: with a reset if
/// the handler failed, so that the client does not take what it has for all there is.
async fn handle(worker: &Rc<Worker>, socket: Socket, peer: SocketAddr, local: SocketAddr) {
    let app = worker.app.current();
    let Some(accept) = app.accept() else {
        error!(worker = worker.number, %peer, "the app has no `connect` and no `accept`; the connection is closed");
        return;
    };
    let lent = match Lent::new(app.engine(), socket) {
        Ok(lent) => lent,
        Err(error) => {
            error!(worker = worker.number, %peer, "cannot hand over the connection: {error}");
            return;
        }
    };
    worker.serving.note(b"accept", peer.to_string().as_bytes());
    let outcome = handler::accept(app.engine(), accept, lent.fd(), peer, local, worker.number).await;
    match outcome {
        Ok(()) => lent.finish().await,
        Err(thrown) => {
            error!(worker = worker.number, %peer, "accept failed: {thrown}");
            lent.reset();
        }
    }
}
