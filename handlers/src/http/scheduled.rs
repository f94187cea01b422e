//! `/__scheduled?cron=...` of development mode: a run of the app's `scheduled` by hand.
//!
//! Owns: which request is one for it, what it answers. Must not know: what a run is.

use std::time::SystemTime;

use runtime::app::fetch::{Fields, Reply};
use runtime::app::methods::Method;
use runtime::app::scheduled::ScheduledEvent;
use runtime::worker::run_scheduled;

use super::failure::STATUS_TYPE;
use super::peer::Peer;
use super::wire::{Ending, Wire};

/// Where it is, as others have it.
const PATH: &[u8] = b"/__scheduled";

/// Does a run and says how it ended, where the request is for that and the app has the method: how the exchange ended.
pub async fn serve<W: Wire>(peer: &mut Peer<'_, W>) -> Option<Result<(), Ending>> {
    let (_, target) = peer.wire.method_and_target();
    let rest = target.strip_prefix(PATH)?;
    let has = peer.worker.app.current().methods().has(Method::Scheduled);
    if !has || !matches!(rest.first(), None | Some(b'?')) {
        return None;
    }
    let query = String::from_utf8_lossy(rest.get(1..).unwrap_or_default()).into_owned();
    let pairs = || query.split('&').filter_map(|pair| pair.split_once('='));
    let asked = |name: &str| pairs().find(|pair| pair.0 == name).map(|pair| decoded(pair.1));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let event = ScheduledEvent {
        cron: asked("cron").unwrap_or_default().into(),
        time_ms: asked("time").and_then(|ms| ms.parse().ok()).unwrap_or(now.as_millis() as i64),
    };
    let (status, text) = match run_scheduled(peer.worker, &event).await {
        Ok(()) => (200, "Ran scheduled event\n".to_owned()),
        Err(why) => (500, format!("scheduled {}: {why}\n", event.cron)),
    };
    peer.write_reply(&Reply {
        status,
        reason: None,
        headers: Fields::ContentType(Some(STATUS_TYPE)),
        body: Some(text.as_bytes()),
        streamed: false,
        length: None,
        extras: None,
        upgrade: None,
    });
    Some(peer.receive_rest().await)
}

/// A value of a query: a plus sign is a space, as forms have it.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        rest = if byte.is_some() { &behind[2..] } else { behind };
        bytes.push(byte.unwrap_or(if *first == b'+' { b' ' } else { *first }));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn a_line_of_cron_stands_in_a_query() {
        assert_eq!(decoded("*/5+*+*%20*%2B*"), "*/5 * * *+*");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%C3%A4"), "%zz\u{e4}");
    }
}
