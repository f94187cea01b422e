//! Bytes in both directions between a client and a server that have left HTTP: a WebSocket that is passed on.
//!
//! Owns: both directions, no faster than each end takes them; the time without a byte; the end of both with the end of one.
//! Must not know: what the bytes say.

use std::future::poll_fn;
use std::io::Result as IoResult;
use std::task::{Context, Poll};

use runtime::io::{Chunk, Deadline};
use runtime::worker::Transport;

use crate::websocket::Duplex;

/// The server's end of a tunnel, until the client's is known.
pub struct ClientTunnel {
    transport: Transport,
    /// Came behind the server's head, and is for the client.
    early: Vec<u8>,
    idle_ms: u64,
}

/// One direction.
#[derive(Default)]
struct TunnelHalf {
    /// Received, and not given to a send yet.
    waiting: Option<Vec<u8>>,
    is_sending: bool,
    has_ended: bool,
}

/// How a tunnel ended.
enum TunnelEnd {
    /// One side has ended it.
    Finished,
    /// A connection failed, or nothing came for too long.
    Cut,
}

impl ClientTunnel {
    /// Of a connection to a server; `early` has come of it already. Cut where nothing comes for `idle_ms`.
    pub fn new(transport: Transport, early: Vec<u8>, idle_ms: u64) -> ClientTunnel {
        ClientTunnel { transport, early, idle_ms }
    }

    /// Passes bytes between `client`, of which `early` has come already, and the server.
    pub async fn serve<D: Duplex>(self, client: D, early: Vec<u8>) {
        let ClientTunnel { transport, early: from_server, idle_ms } = self;
        let full = |bytes: Vec<u8>| (!bytes.is_empty()).then_some(bytes);
        // The head of the answer may still be on its way to the client.
        let mut down = TunnelHalf { waiting: full(from_server), is_sending: true, has_ended: false };
        let mut up = TunnelHalf { waiting: full(early), ..TunnelHalf::default() };
        let idle = Deadline::new();
        idle.set(idle_ms);
        let end = poll_fn(|cx| {
            client.keep_waker(cx);
            loop {
                if client.worker().is_draining() {
                    return Poll::Ready(TunnelEnd::Finished);
                }
                let passed = down
                    .poll(cx, &mut |cx| transport.poll_recv(cx), &mut |cx| client.poll_sent(cx), |buffer| {
                        client.start_send(buffer);
                    })
                    .and_then(|down| {
                        let sent = &mut |cx: &mut Context<'_>| {
                            transport.poll_sent(cx).map(|(result, buffer)| result.map(|()| buffer))
                        };
                        let recv = &mut |cx: &mut Context<'_>| client.poll_recv(cx);
                        Ok(up.poll(cx, recv, sent, |buffer| transport.start_send(buffer))? || down)
                    });
                match passed {
                    Err(_) => return Poll::Ready(TunnelEnd::Cut),
                    Ok(_) if down.is_over() || up.is_over() => return Poll::Ready(TunnelEnd::Finished),
                    Ok(true) => idle.set(idle_ms),
                    Ok(false) => return idle.poll_expired(cx).map(|()| TunnelEnd::Cut),
                }
            }
        })
        .await;
        let in_order = matches!(end, TunnelEnd::Finished);
        if in_order {
            // Where it does not get out there is nobody to hear it.
            let _ = poll_fn(|cx| transport.poll_shutdown(cx)).await;
        }
        transport.close().await;
        client.end(in_order).await;
    }
}

impl TunnelHalf {
    /// Passes on what there is: whether anything moved.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        recv: &mut dyn FnMut(&mut Context<'_>) -> Poll<IoResult<Chunk>>,
        sent: &mut dyn FnMut(&mut Context<'_>) -> Poll<IoResult<Vec<u8>>>,
        start: impl FnOnce(Vec<u8>),
    ) -> IoResult<bool> {
        let mut has_moved = false;
        if self.is_sending {
            match sent(cx) {
                Poll::Ready(result) => {
                    result?;
                    (self.is_sending, has_moved) = (false, true);
                }
                // What comes meanwhile waits with the kernel.
                Poll::Pending => return Ok(false),
            }
        }
        if self.waiting.is_none() && !self.has_ended {
            match recv(cx) {
                Poll::Ready(chunk) => {
                    let chunk = chunk?;
                    match chunk.is_empty() {
                        true => self.has_ended = true,
                        false => self.waiting = Some(chunk.to_vec()),
                    }
                    has_moved = true;
                }
                Poll::Pending => {}
            }
        }
        if let Some(bytes) = self.waiting.take() {
            self.is_sending = true;
            start(bytes);
            has_moved = true;
        }
        Ok(has_moved)
    }

    /// Whether its sender has ended, and all has been passed on.
    fn is_over(&self) -> bool {
        self.has_ended && !self.is_sending && self.waiting.is_none()
    }
}
