//! Files before the app, behind it, or without one.
//!
//! Owns: when a request is one for a file, and that its answer is sent. Must not know: what RFC 9110 says of files
//! (`runtime::files` does), how bytes are written.

use runtime::app::fetch::{Fields, Outgoing, Reply};
use runtime::files::{FileAnswer, FileAnswerBody, FileRequest, Method, Site, Stage, answer};
use runtime::log::{self, Kind};
use runtime::site::FieldChange;

use super::failure;
use super::peer::Peer;
use super::streamed::{self, Streaming};
use super::wire::{Ending, Wire};

/// Serves the file that is asked for: how that ended. `None`: there is none, or none that may be asked for at this
/// stage; nothing is written.
pub async fn serve<W: Wire>(peer: &mut Peer<'_, W>, site: &Site, stage: Stage) -> Option<Result<(), Ending>> {
    let head = peer.head();
    let method = Method::of(head.method().as_bytes());
    // What else there is to be done with a path is the app's matter.
    if stage != Stage::Alone && !method.is_read() {
        return None;
    }
    let mut asked = FileRequest::default();
    head.fields(&mut |name, value| asked.add(name, value));
    asked.wants_page &= method.is_read();
    let target = head.path_and_query();
    let path = target.split('?').next().unwrap_or_default();
    let answer = match site.find(path.as_bytes(), &asked, stage).await {
        Ok(found) => answer(&found, &asked, method, target.as_bytes(), 200),
        Err(error) => {
            if log::admits(Kind::Failed) {
                let (method, target) = failure::request_line(peer.wire);
                tracing::error!(worker = peer.worker.number, "{method} {target}: {error}");
            }
            Some(FileAnswer::status(500))
        }
    };
    match answer {
        Some(answer) => Some(send(peer, &answer, &[]).await),
        None if stage == Stage::Alone => Some(send(peer, &FileAnswer::status(404), &[]).await),
        None => None,
    }
}

/// Sends an answer with `changes` made in its fields.
///
/// # Errors
/// How the exchange ends, where that is not its completion.
pub async fn send<W: Wire>(
    peer: &mut Peer<'_, W>,
    answer: &FileAnswer,
    changes: &[FieldChange],
) -> Result<(), Ending> {
    let changed = (!changes.is_empty()).then(|| {
        let mut list = answer.fields().clone();
        FieldChange::apply(changes, &mut list);
        list
    });
    let (body, file) = match &answer.body {
        FileAnswerBody::Null => (None, None),
        FileAnswerBody::Memory(bytes) => (Some(&bytes[..]), None),
        FileAnswerBody::File(file) => (None, Some(file)),
    };
    let mut written = peer.write_reply(&Reply {
        status: answer.status,
        reason: None,
        headers: Fields::List(changed.as_ref().unwrap_or_else(|| answer.fields())),
        body,
        streamed: file.is_some(),
        length: file.map(|file| file.length()),
        extras: None,
        upgrade: None,
    });
    let outgoing = file.map(|file| Outgoing::File(file.clone())).or_else(|| written.take_whole());
    if let Some(outgoing) = outgoing {
        streamed::send(peer, Streaming { outgoing, caller: None, extras: None }, written).await?;
    }
    peer.receive_rest().await
}
