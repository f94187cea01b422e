//! One connection served on a thread of its own, without a server.
//!
//! Owns: the app's start and end around it. Must not know: where the connection comes from, what is spoken on it.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::{Connection, Protocol, Seat, SharedByWorkers, Transport, Worker, a_few_rounds};
use crate::app::methods::{self, Method};
use crate::app::{App, Blueprint, Engines};
use crate::config::{Config, NATIVE_STACK_BYTES};
use crate::error::{Error, ErrorKind, Result};
use crate::io::{self, IoOptions, Stream};

/// Submission entries of the ring: there is one connection, and what the app opens.
const IO: IoOptions =
    IoOptions { ring_entries: 64, recv_buffer_bytes: 256 << 10, backlog_bytes_max: 16 << 10 };

/// Loads the app, has `protocol` serve `socket` with it, and waits for what the app does beyond its answer
/// (`ctx.waitUntil`).
///
/// # Errors
/// The app does not load, or has no `fetch`; the machine.
pub fn serve_one(config: Config, socket: OwnedFd, protocol: Arc<dyn Protocol>) -> Result<()> {
    let config = Arc::new(config);
    let blueprint = Arc::new(Blueprint::compile(config.clone())?);
    let (backend, _) = io::choose(config.io, IO.ring_entries)?;
    let stack_bytes = NATIVE_STACK_BYTES + config.limits.stack_bytes_max;
    let serve = move || io::run(backend, &IO, move || serve(config, blueprint, socket, protocol))?;
    let thread = std::thread::Builder::new().name("worker-0".into()).stack_size(stack_bytes).spawn(serve);
    let thread = thread.map_err(|error| Error::system("cannot start a thread", error))?;
    thread.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a panic, reported above")))
}

async fn serve(
    config: Arc<Config>,
    blueprint: Arc<Blueprint>,
    socket: OwnedFd,
    protocol: Arc<dyn Protocol>,
) -> Result<()> {
    let app = App::load(blueprint, 0, Engines::default()).await?;
    if app.current().callee(Method::Fetch).is_none() && config.files.folders.is_empty() {
        let text = format!("{} has no handler for HTTP", config.app.display());
        let remedy =
            format!("Its default export needs a method {}.", methods::wanted(crate::config::Scheme::Http));
        return Err(Error::new(ErrorKind::App, text).remedy(remedy));
    }
    let worker = Worker::new(0, config, app, Arc::default(), SharedByWorkers::default(), 1);
    let stream = Stream::new(socket).map_err(|error| Error::system("a connection", error))?;
    let seat = Seat::take(&worker);
    let connection = Connection::new(Transport::Plain(stream), None, Rc::clone(&worker), seat);
    protocol.serve(connection).await;
    while worker.app.background() > 0 {
        io::sleep(Duration::from_millis(5)).await;
    }
    worker.app.shut_down();
    a_few_rounds().await;
    Ok(())
}
