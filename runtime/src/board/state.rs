//! What the dashboard reads, as JSON.
//!
//! Owns: the names in it. Must not know: how it is drawn.

use std::collections::HashMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::history::Point;
use super::{Board, WorkerState, lock};
use crate::log;
use crate::metrics::{FailedRequest, ProcessUse, RouteCount};

/// Routes and failures that are shown.
const ROUTES_SHOWN: usize = 20;
const FAILURES_SHOWN: usize = 20;

impl WorkerState {
    fn name(self) -> &'static str {
        match self {
            WorkerState::Starting => "starting",
            WorkerState::Serving => "serving",
            WorkerState::Stuck => "stuck",
            WorkerState::Leaving => "leaving",
            WorkerState::Ended => "ended",
        }
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// Failures of one request in the same words are one, the last of them.
fn distinct(failures: Vec<FailedRequest>) -> Vec<(FailedRequest, usize)> {
    let mut all: Vec<(FailedRequest, usize)> = Vec::new();
    for failed in failures {
        let is_same = |known: &FailedRequest| {
            (&known.request, known.status, &known.text) == (&failed.request, failed.status, &failed.text)
        };
        match all.iter_mut().find(|(known, _)| is_same(known)) {
            Some((_, times)) => *times += 1,
            None => all.push((failed, 1)),
        }
    }
    all.truncate(FAILURES_SHOWN);
    all
}

fn failure((failed, times): &(FailedRequest, usize)) -> Value {
    json!({
        "times": times,
        "time": milliseconds(failed.time),
        "request": failed.request,
        "status": failed.status,
        "text": failed.text,
        "stack": failed.stack,
    })
}

/// A point as a list: worker, requests, failures, three quantiles, heap, connections, thousandths of a second.
fn point(point: &Point) -> Value {
    let [p50, p90, p99] = point.quantiles;
    let Point { number, requests, failed, heap_bytes, connections, busy, .. } = *point;
    // That of all is called -1.
    let number = number.map_or(-1, |number| number as i64);
    json!([number, requests, failed, p50, p90, p99, heap_bytes, connections, busy])
}

impl Board {
    /// The app; where there is none the folders.
    fn served_name(&self) -> String {
        let (config, mut names) = (&self.config, Vec::new());
        if !config.app.as_os_str().is_empty() {
            names.push(&config.app);
        }
        names.extend(config.files.folders.iter().map(|folder| &folder.folder));
        names.extend(config.cgi.folders.iter().map(|folder| &folder.folder));
        names.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// All that there is to show, with the seconds that follow the one of number `since`.
    pub fn state(&self, since: u64) -> String {
        let view = self.metrics();
        let (mut workers, mut routes, mut failures) = (Vec::new(), HashMap::new(), Vec::new());
        for seat in &lock(&self.seats).all {
            workers.push(json!({
                "number": seat.number,
                "state": seat.state.name(),
                "connections": seat.serving.connections(),
                "heap": seat.metrics.heap_bytes.get(),
                "serving": if seat.state == WorkerState::Stuck { seat.serving.read() } else { String::new() },
            }));
            for RouteCount { name, requests, failed, micros } in seat.metrics.routes.all() {
                let sum: &mut RouteCount = routes.entry(name).or_default();
                sum.requests += requests;
                sum.failed += failed;
                sum.micros += micros;
            }
            failures.append(&mut seat.metrics.failures.all());
        }
        failures.sort_by_key(|failed| std::cmp::Reverse(failed.time));
        let failures = distinct(failures);
        let mut routes: Vec<(String, RouteCount)> = routes.into_iter().collect();
        routes.sort_by(|a, b| b.1.requests.cmp(&a.1.requests).then_with(|| a.0.cmp(&b.0)));
        routes.truncate(ROUTES_SHOWN);
        let routes: Vec<Value> =
            routes.iter().map(|(name, of)| json!([name, of.requests, of.failed, of.micros])).collect();
        let sum = |of: fn(&crate::metrics::WorkerMetrics) -> &crate::metrics::Counter| -> u64 {
            view.workers.iter().map(|worker| worker.sum(of)).sum()
        };
        let limits = log::counts().filter(|count| count.is_limit && count.times > 0);
        let limits: Vec<Value> = limits.map(|count| json!([count.label, count.times])).collect();
        let history = lock(&self.history);
        let fresh = usize::try_from(history.last.saturating_sub(since)).unwrap_or(usize::MAX);
        let skipped = history.seconds.len().saturating_sub(fresh);
        let seconds: Vec<Value> =
            history.seconds.iter().skip(skipped).map(|all| all.iter().map(point).collect()).collect();
        let last = history.last;
        drop(history);
        let process = ProcessUse::now();
        let served = self.served.get();
        json!({
            "version": view.version,
            "app": self.served_name(),
            "addresses": served.map(|served| &served.addresses),
            "backend": served.map(|served| &served.backend),
            "state": self.not_ready().unwrap_or("serving"),
            "started": milliseconds(self.started.1),
            "uptime": self.started.0.elapsed().as_secs(),
            "pid": std::process::id(),
            "resident": process.resident_bytes,
            "descriptors": process.descriptors,
            "cpu": process.cpu.as_millis() as u64,
            "heapMax": view.heap_bytes_max,
            "requests": sum(|of| &of.ended),
            "received": sum(|of| &of.received_bytes),
            "sent": sum(|of| &of.sent_bytes),
            "webSockets": sum(|of| &of.sockets_opened).saturating_sub(sum(|of| &of.sockets_ended)),
            "scripts": sum(|of| &of.scripts_started).saturating_sub(sum(|of| &of.scripts_ended)),
            "replaced": view.replaced,
            "workers": workers,
            "routes": routes,
            "failures": failures.iter().map(failure).collect::<Vec<_>>(),
            "limits": limits,
            "last": last,
            "seconds": seconds,
        })
        .to_string()
    }
}
