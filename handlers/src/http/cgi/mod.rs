//! Requests that programs answer, by CGI/1.1 (RFC 3875).
//!
//! Owns: which requests those are, redirects within the server, what a script that fails comes to. Must not know: how a
//! script's header is read or its process watched (`runtime::cgi` does), how bytes are written.

mod failure;
mod input;
mod output;
mod redirect;
pub mod waiting;

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use runtime::app::fetch::{Fields, HeaderList, Outgoing, Reply};
use runtime::cgi::{AskedOfScript, Cgi, CgiScript, Place, ScriptHead, ScriptResponse, ScriptSlot};
use runtime::io;
use runtime::worker::Worker;

use self::failure::ScriptFailure;
use self::input::ScriptBody;
use self::output::{HeadError, ScriptOutput};
use self::redirect::LocalRequest;
use self::waiting::{Stop, wait};
use super::answer::Written;
use super::peer::Peer;
use super::request_id;
use super::streamed::{self, Streaming};
use super::wire::{Ending, Wire};

/// How often a script may answer with a request in place of its own.
const REDIRECTS_MAX: usize = 10;
/// How long is waited for the end of a response that is short, so that it goes out whole.
const END: Duration = Duration::from_millis(2);

/// Where a script runs.
#[derive(Clone, Copy)]
enum Runs {
    /// In a process of its own.
    Process,
    /// In an engine of its own: it is JavaScript.
    Engine,
}

/// Why no answer was written by a script.
enum NoAnswer {
    /// An answer of ours has to be.
    With(ScriptFailure),
    /// The exchange ends so.
    Ended(Ending),
}

impl From<Ending> for NoAnswer {
    fn from(ending: Ending) -> NoAnswer {
        NoAnswer::Ended(ending)
    }
}

impl From<ScriptFailure> for NoAnswer {
    fn from(failure: ScriptFailure) -> NoAnswer {
        NoAnswer::With(failure)
    }
}

/// Has a script answer, where the request is for one: how that ended. `None`: it is for nobody here, though maybe no longer
/// for what its client has asked for; nothing is written.
pub async fn serve<W: Wire>(peer: &mut Peer<'_, W>, cgi: &Cgi) -> Option<Result<(), Ending>> {
    for _ in 0..=REDIRECTS_MAX {
        let head = peer.head();
        let path = head.path_and_query().split('?').next().unwrap_or_default();
        let (script, runs) = match cgi.find(path.as_bytes()).await {
            Ok(Place::Script(script)) => (script, Runs::Process),
            Ok(Place::JavaScript(script)) => (script, Runs::Engine),
            Ok(Place::NotExecutable(file)) => {
                return Some(failure::answer(peer, &ScriptFailure::not_executable(&file)).await);
            }
            Ok(place) => return nobody(peer, &place).await,
            Err(error) => return Some(failure::answer(peer, &ScriptFailure::not_found(&error)).await),
        };
        match run(peer, cgi, &script, runs).await {
            Ok(Some(target)) => peer.redirected = Some(Rc::new(LocalRequest::new(&*head, target))),
            Ok(None) => return Some(peer.receive_rest().await),
            Err(NoAnswer::With(failure)) => return Some(failure::answer(peer, &failure).await),
            Err(NoAnswer::Ended(ending)) => return Some(Err(ending)),
        }
    }
    Some(failure::answer(peer, &ScriptFailure::too_many_redirects(REDIRECTS_MAX)).await)
}

/// Answers where neither files nor an app could.
async fn nobody<W: Wire>(peer: &mut Peer<'_, W>, place: &Place) -> Option<Result<(), Ending>> {
    use runtime::app::methods::Method;
    let worker = peer.worker;
    if worker.site.is_some()
        || worker.directory.is_some()
        || worker.app.current().callee(Method::Fetch).is_some()
    {
        return None;
    }
    let status = if matches!(place, Place::Folder) { 403 } else { 404 };
    Some(failure::say(peer, status, None).await)
}

/// Runs `script`: its answer is written, or the target of the request is known that is to be answered in its place.
async fn run<W: Wire>(
    peer: &mut Peer<'_, W>,
    cgi: &Cgi,
    script: &CgiScript,
    runs: Runs,
) -> Result<Option<String>, NoAnswer> {
    peer.wire.flush().await.map_err(|_| Ending::Lost)?;
    let head_ms = peer.worker.config.limits.cgi_head_ms_max;
    peer.timeouts.request.set(head_ms);
    peer.is_watched = true;
    let body = match input::receive(peer, head_ms).await? {
        Ok(body) => body,
        Err(error) => return Err(ScriptFailure::no_room(script, &error).into()),
    };
    let slot = wait_for_slot(peer, cgi, script).await?;
    peer.timeouts.request.set(head_ms);
    let mut output = start(peer, cgi, script, runs, body, slot)?;
    let _counted = CountedScript::of(peer.worker);
    let head = read_head(peer, script, &mut output).await?;
    match head {
        Some(ScriptHead::LocalRedirect(target)) => {
            output.finish();
            Ok(Some(target))
        }
        Some(ScriptHead::Response(response)) => {
            send(peer, response, output).await?;
            Ok(None)
        }
        None => {
            let outgoing = Outgoing::Native(Rc::new(output));
            let streaming = Streaming { outgoing, caller: None, extras: None };
            streamed::send(peer, streaming, Written::default()).await?;
            Ok(None)
        }
    }
}

/// A script that answers, counted where somebody wants to know.
struct CountedScript(Rc<Worker>);

impl CountedScript {
    fn of(worker: &Rc<Worker>) -> Option<CountedScript> {
        worker.observer.as_ref()?.metrics.scripts_started.add(1);
        Some(CountedScript(worker.clone()))
    }
}

impl Drop for CountedScript {
    fn drop(&mut self) {
        if let Some(observer) = &self.0.observer {
            observer.metrics.scripts_ended.add(1);
        }
    }
}

async fn wait_for_slot<W: Wire>(
    peer: &mut Peer<'_, W>,
    cgi: &Cgi,
    script: &CgiScript,
) -> Result<ScriptSlot, NoAnswer> {
    let limits = &peer.worker.config.limits;
    let Some(slot) = cgi.slot() else {
        return Err(ScriptFailure::queue_full(script, limits.cgi_queue_max).into());
    };
    let mut slot = pin!(slot);
    match wait(peer, limits.cgi_head_ms_max, |cx| slot.as_mut().poll(cx)).await {
        Ok(Some(slot)) => Ok(slot),
        Ok(None) => Err(ScriptFailure::queue_full(script, 0).into()),
        Err(Stop::TimedOut) => Err(ScriptFailure::queue_slow(script, limits.cgi_head_ms_max).into()),
        Err(Stop::Ended(ending)) => Err(ending.into()),
    }
}

fn start<W: Wire>(
    peer: &mut Peer<'_, W>,
    cgi: &Cgi,
    script: &CgiScript,
    runs: Runs,
    body: ScriptBody,
    slot: ScriptSlot,
) -> Result<ScriptOutput, NoAnswer> {
    let (head, sent, ends) = (peer.head(), peer.wire.head(), peer.wire.ends());
    let id = peer.added.shared_request_id().unwrap_or_else(|| request_id::of(peer.wire));
    let (length, input, bytes) = body.split();
    let asked = AskedOfScript {
        method: head.method(),
        query: head.path_and_query().split_once('?').map_or("", |(_, query)| query),
        uri: sent.path_and_query(),
        authority: head.authority(),
        scheme: peer.wire.scheme(),
        version: peer.wire.version(),
        length,
        peer: &ends.peer,
        local: &ends.local,
        is_proxied: peer.wire.is_proxied(),
        id: &id,
        fields: &|f| head.fields(f),
    };
    let started = match runs {
        Runs::Process => cgi.start(script, &asked, input, slot),
        Runs::Engine => peer.worker.cgi_engines.start(cgi, script, &asked, input, slot),
    };
    let (process, pipe, writer) = started.map_err(|error| ScriptFailure::not_started(script, &error))?;
    let subject = (script.shown(), peer.worker.number, id.clone());
    let pump = input::pump(writer, bytes);
    Ok(ScriptOutput::new(process, pipe, pump, subject, &peer.worker.config))
}

/// Reads the header of the script's response; `None`: what it writes is one as it stands.
async fn read_head<W: Wire>(
    peer: &mut Peer<'_, W>,
    script: &CgiScript,
    output: &mut ScriptOutput,
) -> Result<Option<ScriptHead>, NoAnswer> {
    let limits = &peer.worker.config.limits;
    let head_ms = limits.cgi_head_ms_max;
    let begun = wait(peer, head_ms, |cx| output.poll_begun(cx)).await;
    let read = match begun {
        Ok(Ok(())) if script.is_nph() && peer.wire.begin_raw() => {
            peer.wire.tally().status = status_of(output.begun());
            return Ok(None);
        }
        Ok(Ok(())) => wait(peer, head_ms, |cx| output.poll_head(script.is_nph(), cx)).await,
        Ok(Err(error)) => Ok(Err(error)),
        Err(stop) => Err(stop),
    };
    match read {
        Ok(Ok(head)) => Ok(Some(head)),
        Ok(Err(HeadError::Ended)) => {
            // What became of it is known in a moment, unless it has only closed its output.
            peer.timeouts.request.set(1_000);
            let end = match wait(peer, 1_000, |cx| output.poll_end(cx)).await {
                Ok(end) => Some(end),
                Err(Stop::TimedOut) => None,
                Err(Stop::Ended(ending)) => return Err(ending.into()),
            };
            Err(ScriptFailure::ended(script, end.as_ref(), output.has_begun(), limits).into())
        }
        Ok(Err(HeadError::Bad(why))) => Err(ScriptFailure::bad_header(script, why).into()),
        Ok(Err(HeadError::TooLarge)) => {
            Err(ScriptFailure::large_header(script, limits.cgi_header_bytes_max).into())
        }
        Err(Stop::TimedOut) => Err(ScriptFailure::slow_header(script, head_ms).into()),
        Err(Stop::Ended(ending)) => Err(ending.into()),
    }
}

/// The status in the status line that an answer begins with, as it stands; 200 where that is not here yet.
fn status_of(begun: &[u8]) -> u16 {
    let digits = begun.split(|byte| *byte == b' ').nth(1).and_then(|word| word.get(..3));
    digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(200)
}

/// Sends a response: whole where all of it is there in a moment, else as it comes.
async fn send<W: Wire>(
    peer: &mut Peer<'_, W>,
    response: ScriptResponse,
    mut output: ScriptOutput,
) -> Result<(), Ending> {
    let ScriptResponse { status, reason, fields } = response;
    let has_body = peer.wire.head().method() != "HEAD" && !matches!(status, 204 | 304);
    let reply = Reply {
        status,
        reason: reason.as_deref(),
        headers: Fields::List(&fields),
        body: None,
        streamed: false,
        length: None,
        extras: None,
        upgrade: None,
    };
    if !has_body {
        // RFC 3875 section 4.3.3: what the script writes all the same is read, and dropped.
        peer.write_reply(&reply);
        io::spawn(output.drop_rest());
        return Ok(());
    }
    let mut moment = pin!(io::sleep(END));
    let is_whole = match wait(peer, u64::MAX, |cx| output.poll_whole(moment.as_mut(), cx)).await {
        Ok(is_whole) => is_whole,
        Err(Stop::TimedOut) => false,
        Err(Stop::Ended(ending)) => return Err(ending),
    };
    let mut written;
    let outgoing = if is_whole && is_right(&fields, output.begun().len()) {
        written = peer.write_reply(&Reply { body: Some(output.begun()), ..reply });
        output.finish();
        match written.take_whole() {
            Some(outgoing) => outgoing,
            None => return Ok(()),
        }
    } else {
        written = peer.write_reply(&Reply { streamed: true, ..reply });
        Outgoing::Native(Rc::new(output))
    };
    streamed::send(peer, Streaming { outgoing, caller: None, extras: None }, written).await
}

/// Whether a body of `length` bytes is what the script has announced, where it has announced any.
fn is_right(fields: &HeaderList, length: usize) -> bool {
    fields.get(b"content-length").is_none_or(|value| input::number(&value) == Some(length as u64))
}
