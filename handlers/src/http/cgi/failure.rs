//! What the client and the log are told when a script gives no answer.
//!
//! Owns: the words, and the status for each. Must not know: how it was found out.

use std::io::{Error as IoError, ErrorKind};
use std::path::Path;

use runtime::app::fetch::{Failure, Fields, HeaderList, Reply};
use runtime::cgi::{CgiScript, ScriptEnd};
use runtime::config::Limits;
use runtime::log::{self, Kind};

use super::super::access;
use super::super::body::BodyReceiver;
use super::super::failure::{self, STATUS_TYPE};
use super::super::peer::Peer;
use super::super::status::reason_phrase;
use super::super::wire::{Ending, RequestRest, Wire};

/// Why a script gives no answer.
pub struct ScriptFailure {
    status: u16,
    text: String,
    kind: Kind,
}

impl ScriptFailure {
    fn new(status: u16, text: String) -> ScriptFailure {
        ScriptFailure { status, text, kind: Kind::Failed }
    }

    fn of(status: u16, script: &CgiScript, text: &str) -> ScriptFailure {
        ScriptFailure::new(status, format!("{}: {text}", script.shown()))
    }

    fn limit(self, kind: Kind) -> ScriptFailure {
        ScriptFailure { kind, ..self }
    }

    /// A file that no one may execute.
    pub fn not_executable(file: &Path) -> ScriptFailure {
        let file = file.display();
        ScriptFailure::new(403, format!("{file}: it is not executable: chmod +x {file}"))
    }

    /// The machine does not say what there is.
    pub fn not_found(error: &IoError) -> ScriptFailure {
        ScriptFailure::new(500, format!("no script can be looked for: {error}"))
    }

    /// Each redirect of a script led to another.
    pub fn too_many_redirects(max: usize) -> ScriptFailure {
        ScriptFailure::new(502, format!("scripts have redirected the request more than {max} times"))
    }

    /// A body has no place.
    pub fn no_room(script: &CgiScript, error: &IoError) -> ScriptFailure {
        ScriptFailure::of(500, script, &format!("there is no place for the request's body: {error}"))
    }

    /// As many wait as may.
    pub fn queue_full(script: &CgiScript, max: usize) -> ScriptFailure {
        let text = format!("{max} requests wait for scripts to end already (--cgi-queue-max)");
        ScriptFailure::of(503, script, &text).limit(Kind::CgiQueue)
    }

    /// None of those that run has ended in time.
    pub fn queue_slow(script: &CgiScript, ms: u64) -> ScriptFailure {
        let text = format!(
            "as many scripts run as may (--cgi-scripts-max), and none ended within {ms} ms (--cgi-head-timeout)"
        );
        ScriptFailure::of(503, script, &text).limit(Kind::CgiQueue)
    }

    /// Its header did not come.
    pub fn slow_header(script: &CgiScript, ms: u64) -> ScriptFailure {
        let text = format!("no header of a response within {ms} ms (--cgi-head-timeout)");
        ScriptFailure::of(504, script, &text).limit(Kind::CgiHead)
    }

    /// Its header is too large.
    pub fn large_header(script: &CgiScript, bytes_max: usize) -> ScriptFailure {
        let text = format!("the header of its response is larger than {bytes_max} bytes (--cgi-header-max)");
        ScriptFailure::of(502, script, &text)
    }

    /// Its header is none.
    pub fn bad_header(script: &CgiScript, why: &str) -> ScriptFailure {
        ScriptFailure::of(502, script, &format!("what it writes is no header of a response: {why}"))
    }

    /// There is no process of it.
    pub fn not_started(script: &CgiScript, error: &IoError) -> ScriptFailure {
        let (status, why) = match error.kind() {
            ErrorKind::PermissionDenied => {
                (403, "neither its mode, nor that of its folders, lets jsserve's user execute it".to_owned())
            }
            ErrorKind::NotFound => (
                502,
                "what its first line names to run it (#!) is not there, or that line ends in a carriage return"
                    .to_owned(),
            ),
            // ENOEXEC has no name there.
            _ if error.raw_os_error() == Some(8) => {
                (502, "it is no program, and its first line does not say what runs it (as #!/bin/sh does)".to_owned())
            }
            ErrorKind::WouldBlock | ErrorKind::OutOfMemory => (503, "the machine is at a limit".to_owned()),
            // EMFILE, ENFILE.
            _ if matches!(error.raw_os_error(), Some(23 | 24)) => (503, "there are no descriptors left".to_owned()),
            _ => (502, "it does not start".to_owned()),
        };
        ScriptFailure::of(status, script, &format!("it cannot be started: {why} ({error})"))
    }

    /// Its output ended before its header did; `end` where it has ended itself.
    pub fn ended(
        script: &CgiScript,
        end: Option<&ScriptEnd>,
        has_begun: bool,
        limits: &Limits,
    ) -> ScriptFailure {
        let missing =
            if has_begun { "the header of its response was complete" } else { "it had written anything" };
        let text = match end {
            Some(ScriptEnd::NotStarted(error)) => return ScriptFailure::not_started(script, error),
            Some(ScriptEnd::TimedOut) => {
                let run_ms = limits.cgi_run_ms_max;
                let text = format!("it ran for {run_ms} ms (--cgi-timeout) without an answer");
                return ScriptFailure::of(504, script, &text).limit(Kind::CgiRun);
            }
            Some(end @ ScriptEnd::CpuUsed) => {
                let text = format!("{} before {missing}", beyond(end, limits));
                return ScriptFailure::of(504, script, &text).limit(Kind::Cpu);
            }
            Some(end @ ScriptEnd::HeapFull) => {
                let text = format!("{} before {missing}", beyond(end, limits));
                return ScriptFailure::of(502, script, &text).limit(Kind::Heap);
            }
            Some(ScriptEnd::Exited(status)) => format!("it ended with status {status} before {missing}"),
            Some(ScriptEnd::Killed(signal)) => format!("signal {signal} ended it before {missing}"),
            None => format!("it closed its output before {missing}"),
        };
        ScriptFailure::of(502, script, &text)
    }
}

/// Which limit of its JavaScript a script has reached.
pub fn beyond(end: &ScriptEnd, limits: &Limits) -> String {
    match end {
        ScriptEnd::HeapFull => {
            format!("it filled its heap of {} bytes (--heap-max)", limits.heap_bytes_max)
        }
        _ => format!("it used {} ms of CPU time in one turn (--cpu-max)", limits.turn_cpu_ms_max),
    }
}

/// Answers for a script that gives no answer.
///
/// # Errors
/// How the exchange ends, where that is not its completion.
pub async fn answer<W: Wire>(peer: &mut Peer<'_, W>, failed: &ScriptFailure) -> Result<(), Ending> {
    let ScriptFailure { status, text, kind } = failed;
    if *status == 503 && !peer.worker.config.dev {
        if let Some(more) = log::admits_limit(*kind) {
            let ((method, target), request_id) = (failure::request_line(peer.wire), peer.added.request_id());
            let worker = peer.worker.number;
            tracing::error!(worker, request_id, status, "{method} {target}: {text}{more}");
        }
        access::note_failure(peer.wire, peer.worker, *status, (text, ""));
        return say(peer, 503, Some((b"Retry-After", b"1"))).await;
    }
    let rest = match peer.body.as_mut().map_or(RequestRest::Taken, BodyReceiver::take_rest) {
        RequestRest::Unread if *status == 504 => RequestRest::Refused,
        rest => rest,
    };
    let failed = Failure { status: *status, text: text.clone(), stack: String::new(), kind: *kind };
    failure::answer(peer.wire, peer.worker, &peer.added, &failed, rest);
    peer.receive_rest().await
}

/// Answers with a status, and one more field where there is one.
///
/// # Errors
/// How the exchange ends, where that is not its completion.
pub async fn say<W: Wire>(
    peer: &mut Peer<'_, W>,
    status: u16,
    field: Option<(&[u8], &[u8])>,
) -> Result<(), Ending> {
    let text = format!("{status} {}\n", reason_phrase(status));
    let mut fields = HeaderList::default();
    fields.append(b"Content-Type", STATUS_TYPE.as_bytes());
    if let Some((name, value)) = field {
        fields.append(name, value);
    }
    peer.write_reply(&Reply {
        status,
        reason: None,
        headers: Fields::List(&fields),
        body: Some(text.as_bytes()),
        streamed: false,
        length: None,
        extras: None,
        upgrade: None,
    });
    peer.receive_rest().await
}
