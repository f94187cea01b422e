//! Counts as Prometheus reads them: OpenMetrics 1.0, and the older text format 0.0.4.
//!
//! Owns: the names and texts of all families. Must not know: where the numbers come from, HTTP.
//! Sources: https://prometheus.io/docs/specs/om/open_metrics_spec/ and .../docs/instrumenting/exposition_formats/

use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::time::SystemTime;

use super::histogram::{BUCKETS, Histogram, at_most};
use super::process::{ProcessUse, unix_seconds};
use super::{Counter, WorkerMetrics};
use crate::log::{self, LineCount};

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// application/openmetrics-text; version=1.0.0
    OpenMetrics,
    /// text/plain; version=0.0.4
    Prometheus,
}

impl Exposition {
    /// Its content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Exposition::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Exposition::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// What there is of a worker, and of those before it with the same number.
pub struct WorkerView {
    /// The number.
    pub number: usize,
    /// The counts of all that had it, that of the last one last.
    pub lives: Vec<Arc<WorkerMetrics>>,
    /// Connections that are open.
    pub connections: usize,
    /// Whether it listens and turns.
    pub is_up: bool,
}

impl WorkerView {
    /// The sum of a counter over all that had the number.
    pub fn sum(&self, of: impl Fn(&WorkerMetrics) -> &Counter) -> u64 {
        self.lives.iter().map(|life| of(life).get()).sum()
    }

    /// The counts of the one that has it now.
    pub fn current(&self) -> Option<&WorkerMetrics> {
        self.lives.last().map(|life| &**life)
    }
}

/// All that is told.
pub struct MetricsView {
    /// The workers, by number.
    pub workers: Vec<WorkerView>,
    /// The version of jsserve.
    pub version: &'static str,
    /// The I/O backend.
    pub backend: String,
    /// When the server started.
    pub started: SystemTime,
    /// What a heap may have.
    pub heap_bytes_max: usize,
    /// Workers that took another's place.
    pub replaced: u64,
    /// Lines of the access log that were lost, where there is one.
    pub lines_lost: Option<u64>,
    /// Whether the server is ready.
    pub is_ready: bool,
}

/// Borders of the buckets of times, in microseconds and in seconds.
const BORDERS: [(u64, &str); 19] = [
    (10, "0.00001"),
    (25, "0.000025"),
    (50, "0.00005"),
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1.0"),
    (2_500_000, "2.5"),
    (10_000_000, "10.0"),
    (30_000_000, "30.0"),
];

struct Text {
    out: String,
    form: Exposition,
}

impl Text {
    /// Begins a family. Counters are called without `_total` here.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let (name, kind) = match (self.form, kind) {
            (Exposition::Prometheus, "counter") => (format!("{name}_total"), kind),
            (Exposition::Prometheus, "info") => (format!("{name}_info"), "gauge"),
            _ => (name.to_owned(), kind),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        if self.form == Exposition::OpenMetrics {
            for unit in ["seconds", "bytes"].into_iter().filter(|unit| name.ends_with(&format!("_{unit}"))) {
                let _ = writeln!(self.out, "# UNIT {name} {unit}");
            }
        }
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let (open, close) = if labels.is_empty() { ("", "") } else { ("{", "}") };
        let _ = writeln!(self.out, "{name}{open}{labels}{close} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        let suffix = if kind == "counter" { "_total" } else { "" };
        self.sample(&format!("{name}{suffix}"), "", value);
    }

    /// A number of each worker.
    fn each(
        &mut self,
        view: &MetricsView,
        name: &str,
        kind: &str,
        help: &str,
        of: impl Fn(&WorkerView) -> u64,
    ) {
        self.family(name, kind, help);
        let suffix = if kind == "counter" { "_total" } else { "" };
        for worker in &view.workers {
            self.sample(&format!("{name}{suffix}"), &format!("worker=\"{}\"", worker.number), of(worker));
        }
    }

    fn times(
        &mut self,
        view: &MetricsView,
        name: &str,
        help: &str,
        of: impl Fn(&WorkerMetrics) -> &Histogram,
    ) {
        self.family(name, "histogram", help);
        for worker in &view.workers {
            let mut counts = vec![0; BUCKETS];
            worker.lives.iter().for_each(|life| of(life).add_to(&mut counts));
            let sum_ns: u64 = worker.lives.iter().map(|life| of(life).sum_ns()).sum();
            let number = worker.number;
            for (micros, seconds) in BORDERS {
                let labels = format!("worker=\"{number}\",le=\"{seconds}\"");
                self.sample(&format!("{name}_bucket"), &labels, at_most(&counts, micros));
            }
            let all: u64 = counts.iter().sum();
            self.sample(&format!("{name}_bucket"), &format!("worker=\"{number}\",le=\"+Inf\""), all);
            self.sample(&format!("{name}_count"), &format!("worker=\"{number}\""), all);
            self.sample(&format!("{name}_sum"), &format!("worker=\"{number}\""), sum_ns as f64 / 1e9);
        }
    }
}

impl MetricsView {
    /// All of it as a text.
    pub fn text(&self, form: Exposition) -> String {
        let mut text = Text { out: String::with_capacity(16 << 10), form };
        self.server(&mut text);
        self.requests(&mut text);
        self.connections(&mut text);
        self.machine(&mut text);
        self.refusals(&mut text);
        if form == Exposition::OpenMetrics {
            text.out.push_str("# EOF\n");
        }
        text.out
    }

    fn server(&self, text: &mut Text) {
        text.family(
            "jsserve_build",
            "info",
            "Which jsserve this is, and how its workers do input and output.",
        );
        let backend = self.backend.split(' ').next().unwrap_or_default();
        text.sample("jsserve_build_info", &format!("version=\"{}\",io=\"{backend}\"", self.version), 1);
        text.one(
            "jsserve_ready",
            "gauge",
            "Whether the server takes requests (as /readyz has it).",
            u8::from(self.is_ready),
        );
        text.each(
            self,
            "jsserve_worker_up",
            "gauge",
            "Whether a worker listens and is not stuck.",
            |worker| u64::from(worker.is_up),
        );
        let help = "Workers that took the place of one that was stuck or had failed.";
        text.one("jsserve_workers_replaced", "counter", help, self.replaced);
    }

    fn requests(&self, text: &mut Text) {
        text.family("jsserve_http_requests", "counter", "HTTP requests that were answered, by status code.");
        for worker in &self.workers {
            let mut sums = std::collections::BTreeMap::<u16, u64>::new();
            for (status, count) in worker.lives.iter().flat_map(|life| life.statuses()) {
                *sums.entry(status).or_default() += count;
            }
            for (status, count) in sums {
                let labels = format!("worker=\"{}\",code=\"{status}\"", worker.number);
                text.sample("jsserve_http_requests_total", &labels, count);
            }
        }
        let help = "HTTP requests whose client was gone before there was an answer.";
        text.each(self, "jsserve_http_requests_unanswered", "counter", help, |worker| {
            worker.sum(|of| &of.unanswered)
        });
        text.each(
            self,
            "jsserve_http_requests_in_flight",
            "gauge",
            "HTTP requests that are being answered.",
            |worker| worker.sum(|of| &of.begun).saturating_sub(worker.sum(|of| &of.ended)),
        );
        let help = "From the head of a request to the last of its answer that was written.";
        text.times(self, "jsserve_http_request_duration_seconds", help, |of| &of.request_time);
        let help = "Turns of JavaScript: for how long each had its worker.";
        text.times(self, "jsserve_turn_duration_seconds", help, |of| &of.turn_time);
        let help = "Bytes of HTTP requests, heads of HTTP/2 left out.";
        text.each(self, "jsserve_http_received_bytes", "counter", help, |worker| {
            worker.sum(|of| &of.received_bytes)
        });
        let help = "Bytes of HTTP answers, heads of HTTP/2 left out.";
        text.each(self, "jsserve_http_sent_bytes", "counter", help, |worker| worker.sum(|of| &of.sent_bytes));
    }

    fn connections(&self, text: &mut Text) {
        text.each(self, "jsserve_connections", "gauge", "Connections that are open.", |worker| {
            worker.connections as u64
        });
        text.each(
            self,
            "jsserve_connections_accepted",
            "counter",
            "Connections that were accepted.",
            |worker| worker.sum(|of| &of.accepted),
        );
        text.each(
            self,
            "jsserve_tls_handshakes",
            "counter",
            "TLS handshakes that came to a connection.",
            |worker| worker.sum(|of| &of.handshakes),
        );
        text.each(self, "jsserve_websockets", "gauge", "WebSockets that are open.", |worker| {
            worker.sum(|of| &of.sockets_opened).saturating_sub(worker.sum(|of| &of.sockets_ended))
        });
        text.each(self, "jsserve_websockets_opened", "counter", "WebSockets that were opened.", |worker| {
            worker.sum(|of| &of.sockets_opened)
        });
        let help = "Messages that came on WebSockets.";
        text.each(self, "jsserve_websocket_messages_received", "counter", help, |worker| {
            worker.sum(|of| &of.messages)
        });
        text.each(self, "jsserve_cgi_scripts", "gauge", "CGI scripts that are answering.", |worker| {
            worker.sum(|of| &of.scripts_started).saturating_sub(worker.sum(|of| &of.scripts_ended))
        });
        text.each(
            self,
            "jsserve_cgi_scripts_started",
            "counter",
            "CGI scripts that were started.",
            |worker| worker.sum(|of| &of.scripts_started),
        );
    }

    fn machine(&self, text: &mut Text) {
        let current =
            |of: fn(&WorkerMetrics) -> u64| move |worker: &WorkerView| worker.current().map_or(0, of);
        let help = "The JavaScript heap, when its last turn ended.";
        text.each(self, "jsserve_heap_bytes", "gauge", help, current(|of| of.heap_bytes.get()));
        text.one(
            "jsserve_heap_max_bytes",
            "gauge",
            "What a heap may have (--heap-max).",
            self.heap_bytes_max,
        );
        let help = "Receive buffers of a worker's ring; 0 on epoll.";
        text.each(self, "jsserve_receive_buffers", "gauge", help, current(|of| of.buffers.get()));
        let help = "Receive buffers that the kernel may fill.";
        text.each(self, "jsserve_receive_buffers_free", "gauge", help, current(|of| of.buffers_free.get()));
        let process = ProcessUse::now();
        text.one(
            "process_start_time_seconds",
            "gauge",
            "When the server started.",
            unix_seconds(self.started),
        );
        text.one("process_cpu_seconds", "counter", "CPU time, user and system.", process.cpu.as_secs_f64());
        text.one("process_resident_memory_bytes", "gauge", "Resident memory.", process.resident_bytes);
        text.one("process_open_fds", "gauge", "Open descriptors.", process.descriptors);
        text.one("process_max_fds", "gauge", "Descriptors that may be open.", process.descriptors_max);
        text.one("process_threads", "gauge", "Threads.", process.threads);
    }

    fn refusals(&self, text: &mut Text) {
        let (limits, others): (Vec<LineCount>, Vec<LineCount>) =
            log::counts().partition(|count| count.is_limit);
        text.family(
            "jsserve_limit_reached",
            "counter",
            "How often a limit refused or ended something, by its flag.",
        );
        for limit in &limits {
            text.sample("jsserve_limit_reached_total", &format!("limit=\"{}\"", limit.label), limit.times);
        }
        text.family("jsserve_log_events", "counter", "What the log tells of, told or not.");
        for event in &others {
            text.sample("jsserve_log_events_total", &format!("kind=\"{}\"", event.label), event.times);
        }
        text.family(
            "jsserve_log_lines_suppressed",
            "counter",
            "Lines that the log left out, for there were too many.",
        );
        for event in limits.iter().chain(&others) {
            text.sample(
                "jsserve_log_lines_suppressed_total",
                &format!("kind=\"{}\"", event.label),
                event.left_out,
            );
        }
        if let Some(lost) = self.lines_lost {
            let help = "Lines of the access log that could not be written in time, or at all.";
            text.one("jsserve_access_log_lines_lost", "counter", help, lost);
        }
    }
}
