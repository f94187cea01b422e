//! What pages ask for in development: the script that has them come anew, what feeds it, and why the app cannot be served.
//!
//! Owns: these answers. Must not know: who reloads the app, which answers get the script (`live.rs`).

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use runtime::app::fetch::{Fields, HeaderList, Reply};
use runtime::worker::LivePages;

use super::dev;
use super::failure;
use super::live::{SCRIPT_PATH, wants_page};
use super::peer::{Peer, PeerEvent};
use super::wire::{Ending, RequestRest, Wire};

/// What tells the script of news: a path that no app has.
const EVENTS_PATH: &str = "/.jsserve/reload";

/// It comes anew once for each version, so that a page which is kept somewhere cannot do it for ever. A page that is not
/// seen has no connection: browsers have few for each host.
const SCRIPT: &str = r#"(() => {
  const shown = Number(document.currentScript?.dataset.version ?? 0);
  const done = () => { try { return Number(sessionStorage.getItem("jsserve-reload") ?? 0); } catch { return 0; } };
  let source;
  const open = () => {
    source?.close();
    source = new EventSource("/.jsserve/reload");
    source.addEventListener("version", ({ data }) => {
      if (Number(data) <= Math.max(shown, done())) return;
      try { sessionStorage.setItem("jsserve-reload", data); } catch {}
      source.close();
      location.reload();
    });
  };
  const follow = () => document.visibilityState === "hidden" ? source?.close() : open();
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", ({ persisted }) => persisted && follow());
  follow();
})();
"#;

/// Serves what is for pages in development: how that ended. `None`: it is for the app, and nothing is written.
pub async fn serve<W: Wire>(peer: &mut Peer<'_, W>) -> Option<Result<(), Ending>> {
    let live = peer.worker.live()?.clone();
    let head = peer.head();
    if head.method() != "GET" || peer.body.is_some() {
        return None;
    }
    match head.path_and_query().split('?').next() {
        Some(SCRIPT_PATH) => Some(say(peer, 200, "text/javascript;charset=utf-8", SCRIPT).await),
        Some(EVENTS_PATH) => Some(tell(peer, &live).await),
        _ => {
            let failure = live.failure().filter(|_| wants_page(&*head))?;
            let (method, target) = failure::request_line(peer.wire);
            let page = dev::load_failure(&failure, format!("{method} {target}"));
            Some(say(peer, 500, "text/html;charset=utf-8", &page).await)
        }
    }
}

async fn say<W: Wire>(peer: &mut Peer<'_, W>, status: u16, kind: &str, text: &str) -> Result<(), Ending> {
    let mut list = HeaderList::default();
    list.append(b"Content-Type", kind.as_bytes());
    list.append(b"Cache-Control", b"no-store");
    let (headers, body) = (Fields::List(&list), Some(text.as_bytes()));
    let (reason, streamed, length, extras, upgrade) = (None, false, None, None, None);
    peer.write_reply(&Reply { status, reason, headers, body, streamed, length, extras, upgrade });
    peer.receive_rest().await
}

/// Tells a page of each version from now on.
async fn tell<W: Wire>(peer: &mut Peer<'_, W>, live: &Rc<LivePages>) -> Result<(), Ending> {
    let mut list = HeaderList::default();
    list.append(b"Content-Type", b"text/event-stream");
    list.append(b"Cache-Control", b"no-store");
    let (status, headers, body) = (200, Fields::List(&list), None);
    let (reason, streamed, length, extras, upgrade) = (None, true, None, None, None);
    let reply = Reply { status, reason, headers, body, streamed, length, extras, upgrade };
    peer.wire.write_head(&reply, RequestRest::Taken);
    peer.wire.write_piece(b"retry: 250\n");
    peer.is_watched = true;
    let mut version = live.version();
    loop {
        peer.wire.write_piece(format!("event: version\ndata: {version}\n\n").as_bytes());
        peer.wire.flush().await.map_err(|_| Ending::Lost)?;
        let next = poll_fn(|cx| {
            if let Poll::Ready(PeerEvent::Left(_)) = peer.poll_event(cx) {
                return Poll::Ready(Err(Ending::Lost));
            }
            // Its client connects anew.
            if peer.worker.is_leaving() {
                return Poll::Ready(Ok(None));
            }
            peer.wire.keep_drain_waker(cx);
            live.poll_version(version, cx).map(|version| Ok(Some(version)))
        });
        match next.await? {
            Some(next) => version = next,
            None => {
                peer.wire.write_end(None);
                return Ok(());
            }
        }
    }
}
