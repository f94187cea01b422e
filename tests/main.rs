//! The binary as a black box: one program of tests, a module for each subject.
//!
//! Owns: the list of subjects. Must not know: any crate of the server; what a subject tests.

#[macro_use]
mod support;

mod budgets;
mod cache;
mod check;
mod cli_commands;
mod cli_errors;
mod commonjs;
mod config;
mod connect;
mod connection_ends;
mod embedded;
mod engine_edges;
mod examples;
mod examples_http;
mod examples_pages;
mod examples_repl;
mod examples_tcp;
mod examples_udp;
mod fetch_client;
mod forms;
mod fuzz_exports;
mod hints;
mod hostile_calls;
mod http_dev;
mod http_early_reply;
mod http_framing;
mod http_limits;
mod http_log;
mod http_semantics;
mod imports;
mod io_fallback;
mod javascript;
mod large_bodies;
mod leaks;
mod listeners_proxy;
mod listeners_raw;
mod listeners_tls;
mod listeners_unix;
mod many_connections;
mod memory_back;
mod misbehaving_handlers;
mod modules;
mod npm;
mod npm_frameworks;
mod pipes;
mod portable;
mod program_streams;
mod quickjs_suite;
mod raw_accept;
mod repl;
mod script_end;
mod script_run;
mod script_system;
mod script_worker;
mod shared_state;
mod signals;
mod streaming;
mod tls;
mod types;
mod typescript;
mod typescript_emit;
mod udp;
