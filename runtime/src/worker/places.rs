//! Where a worker listens, and who serves what comes there.
//!
//! Owns: the accept loops, a task for each connection and each socket of datagrams; that they go on when settings are
//! read again, and end where nobody listens any more. Must not know: what is spoken, control messages.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use super::admission::Admission;
use super::protocol::{Protocol, Protocols};
use super::state::{Seat, Worker};
use crate::app::methods::Methods;
use crate::config::{HttpsPort, Listen, Scheme};
use crate::error::{Error, ErrorKind, Result};
use crate::io::{self, DatagramSocket, JoinHandle, Listener, Stream};
use crate::listeners::OpenedSocket;
use crate::log;
use crate::tls::{ServerTls, TlsAcceptor};

/// Where a worker listens from then on.
pub enum NewPlace {
    /// Where it does already: at the place of that index.
    Kept(Listen, usize),
    /// On this socket.
    Opened(OpenedSocket),
}

impl NewPlace {
    /// What is spoken there, and where that is.
    pub fn listen(&self) -> &Listen {
        match self {
            NewPlace::Kept(listen, _) | NewPlace::Opened(OpenedSocket { listen, .. }) => listen,
        }
    }
}

/// Who serves what comes from now on.
pub(super) struct NewService {
    pub(super) worker: Rc<Worker>,
    pub(super) methods: Methods,
    pub(super) protocols: Protocols,
    pub(super) tls: Option<Arc<ServerTls>>,
}

/// A place, as its accept loop sees it.
struct AcceptPlace {
    /// Who serves what comes next; of datagrams nobody but the worker, as long as they come.
    serving: RefCell<(Rc<Worker>, Option<Rc<Admission>>)>,
    closed: Cell<bool>,
}

/// All of a worker's.
#[derive(Default)]
pub(super) struct Places {
    all: Vec<Rc<AcceptPlace>>,
    accepting: Vec<JoinHandle<()>>,
}

impl Places {
    /// Has `service` serve at the places `new` from now on. Those that were there and are none of these end.
    ///
    /// # Errors
    /// A socket cannot be listened on.
    pub(super) fn change(&mut self, service: &NewService, new: Vec<NewPlace>) -> Result<()> {
        let https_port = port_for_https(&new);
        let before = std::mem::take(&mut self.all);
        let mut kept = vec![false; before.len()];
        for place in new {
            match place {
                NewPlace::Kept(listen, index) => {
                    let Some(place) = before.get(index) else { continue };
                    kept[index] = true;
                    if place.serving.borrow().1.is_some() {
                        let admission = admission(service, &listen, https_port)?;
                        place.serving.replace((service.worker.clone(), Some(admission)));
                    }
                    self.all.push(place.clone());
                }
                NewPlace::Opened(OpenedSocket { listen, socket, .. }) if listen.scheme == Scheme::Udp => {
                    // A worker of its own, so that it can end by itself.
                    let worker = service.worker.with_own_end();
                    self.accepting.push(take_datagrams(&worker, socket, &service.protocols)?);
                    let serving = RefCell::new((worker, None));
                    self.all.push(Rc::new(AcceptPlace { serving, closed: Cell::new(false) }));
                }
                NewPlace::Opened(OpenedSocket { listen, socket, is_shared, .. }) => {
                    let admission = admission(service, &listen, https_port)?;
                    let refused = |e| Error::system("listen", e);
                    socket2::SockRef::from(&socket).listen(BACKLOG).map_err(refused)?;
                    let listener = if is_shared { Listener::shared(socket) } else { Listener::new(socket) };
                    let listener = listener.map_err(|e| Error::system("listener", e))?;
                    let serving = RefCell::new((service.worker.clone(), Some(admission)));
                    let place = Rc::new(AcceptPlace { serving, closed: Cell::new(false) });
                    self.accepting.push(io::spawn(accept(place.clone(), listener)));
                    self.all.push(place);
                }
            }
        }
        for (place, _) in before.iter().zip(kept).filter(|(_, kept)| !kept) {
            place.close();
        }
        service.worker.changed();
        self.accepting.retain(|task| !task.is_finished());
        Ok(())
    }

    /// Serves connections as if the listener of that index had accepted them.
    pub(super) fn adopt(&self, index: usize, sockets: Vec<OwnedFd>) {
        let Some(place) = self.all.get(index) else { return };
        for stream in sockets.into_iter().filter_map(|socket| Stream::new(socket).ok()) {
            place.seat(stream);
        }
    }

    /// Ends all of them: another process listens there.
    pub(super) fn close(&self) {
        self.all.iter().for_each(|place| place.close());
    }

    /// The tasks that accept, for who waits for their end.
    pub(super) fn take_accepting(&mut self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut self.accepting)
    }
}

impl AcceptPlace {
    fn worker(&self) -> Rc<Worker> {
        self.serving.borrow().0.clone()
    }

    fn is_open(&self, worker: &Worker) -> bool {
        !worker.is_draining() && !self.closed.get()
    }

    fn close(&self) {
        self.closed.set(true);
        let serving = self.serving.borrow();
        if serving.1.is_none() {
            serving.0.stop();
        }
    }

    /// Gives a connection its task.
    fn seat(&self, stream: Stream) {
        let serving = self.serving.borrow();
        let (worker, Some(admission)) = &*serving else { return };
        let seat = Seat::take(worker);
        let (worker, key) = (worker.clone(), seat.key());
        let mut task = admission.serve(stream, worker.clone(), seat);
        drop(serving);
        io::spawn(poll_fn(move |cx| {
            let poll = task.as_mut().poll(cx);
            if poll.is_pending() {
                worker.keep_waker(key, cx);
            }
            poll
        }));
    }
}

/// What stands between the sockets of a listener and what is spoken there.
fn admission(service: &NewService, listen: &Listen, https_port: Option<u16>) -> Result<Rc<Admission>> {
    let protocol = match listen.https_port {
        Some(port) => redirect_for(port, https_port, &service.protocols)?,
        None => protocol_for(listen.scheme, service.methods, &service.protocols)?,
    };
    let tls = service.tls.as_ref().filter(|_| listen.tls);
    let limits = &service.worker.config.limits;
    let tls = tls.map(|tls| TlsAcceptor::new(tls.clone(), protocol.tls_protocols(), limits));
    Ok(Admission::new(protocol, listen, tls))
}

/// Completed connections that wait for `accept`: as many as Linux takes by default (listen(2), somaxconn). Beyond
/// that a client's SYN is dropped, and comes again after seconds; a worker may be stuck for as long.
const BACKLOG: i32 = 4096;

/// How long a worker that is ahead of the others leaves connections to them.
const LEFT_TO_OTHERS: std::time::Duration = std::time::Duration::from_millis(5);

/// What speaks on listeners of `scheme`.
///
/// # Errors
/// Nothing does: the server has refused such an app before.
fn protocol_for(scheme: Scheme, methods: Methods, protocols: &Protocols) -> Result<Arc<dyn Protocol>> {
    let found = methods.serving(scheme).and_then(|method| protocols.on(scheme, method));
    found.cloned().ok_or_else(|| Error::new(ErrorKind::Internal, "a listener without a protocol"))
}

/// The port of the first listener for HTTPS.
fn port_for_https(new: &[NewPlace]) -> Option<u16> {
    let is = |listen: &&Listen| listen.tls && matches!(listen.scheme, Scheme::Auto | Scheme::Http);
    new.iter().map(NewPlace::listen).filter(is).find_map(|listen| Some(listen.address.ip()?.port()))
}

/// What sends clients to HTTPS.
///
/// # Errors
/// There is no listener for it: such flags have been refused before.
fn redirect_for(
    port: HttpsPort,
    of_listener: Option<u16>,
    protocols: &Protocols,
) -> Result<Arc<dyn Protocol>> {
    let port = match port {
        HttpsPort::Given(port) => Some(port),
        HttpsPort::OfListener => of_listener,
    };
    let found = port.and_then(|port| protocols.https_redirect(port));
    found.ok_or_else(|| Error::new(ErrorKind::Internal, "a listener without a protocol"))
}

/// Gives a socket of datagrams its task, which ends with a drain.
fn take_datagrams(worker: &Rc<Worker>, socket: OwnedFd, protocols: &Protocols) -> Result<JoinHandle<()>> {
    let protocol = protocols.datagrams();
    let protocol = protocol.ok_or_else(|| Error::new(ErrorKind::Internal, "no protocol for datagrams"))?;
    let socket = DatagramSocket::new(socket, worker.config.limits.datagram_queue_bytes_max);
    let socket = socket.map_err(|e| Error::system("a socket of datagrams", e))?;
    Ok(io::spawn(protocol.serve(socket, worker.clone())))
}

/// Accepts until a drain, or until nobody is to listen here; a full worker accepts no more until a seat is free.
async fn accept(place: Rc<AcceptPlace>, mut listener: Listener) {
    loop {
        let worker = place.worker();
        if !place.is_open(&worker) {
            break;
        }
        if worker.is_full() {
            listener.pause();
            worker.until(|w| !w.is_full() || !place.is_open(w)).await;
            listener.resume();
            continue;
        }
        if listener.wakes_all() && worker.serving.is_ahead(worker.config.workers) {
            // The others were woken as well: who is awake already would get them all.
            io::sleep(LEFT_TO_OTHERS).await;
        }
        let mut next = std::pin::pin!(listener.accept());
        let accepted = poll_fn(|cx| match place.is_open(&worker) {
            false => Poll::Ready(None),
            true => match next.as_mut().poll(cx) {
                Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
                Poll::Pending => worker.wait(cx).map(|()| None),
            },
        });
        match accepted.await {
            Some(Ok(stream)) => place.seat(stream),
            // listen(2), accept(2): it no longer listens. A replacement of this worker has taken over,
            // and the order to drain is on its way.
            Some(Err(error)) if error.kind() == std::io::ErrorKind::InvalidInput => {
                worker.until(|w| !place.is_open(w)).await;
            }
            Some(Err(error)) => {
                if log::admits(log::Kind::Accept) {
                    tracing::error!(worker = worker.number, "accept: {error}");
                }
                io::sleep(std::time::Duration::from_millis(100)).await;
            }
            None => {}
        }
    }
    if place.worker().has_left() {
        listener.set_shared();
    }
    for stream in listener.close().await {
        place.seat(stream);
    }
}
