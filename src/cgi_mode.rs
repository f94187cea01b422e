//! One request answered as a CGI program (RFC 3875): variables and standard input in, standard output out.
//!
//! Owns: the way between these and a connection that speaks SCGI, which has the same variables and the same answer. Must
//! not know: requests, answers.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use runtime::config::Config;
use runtime::error::{Error, ErrorKind, Result};
use runtime::worker::serve_one;

use crate::failure;

/// The variables that say something of a request; others are the machine's, or the web server's own.
const PREFIXES: [&str; 9] = [
    "HTTP_",
    "REQUEST_",
    "SERVER_",
    "REMOTE_",
    "CONTENT_",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "HTTPS",
];
/// What a client gets where the app cannot answer at all.
const FAILED: &[u8] = b"Status: 500 Internal Server Error\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\n\
    500 Internal Server Error\n";
/// Bytes that are copied at a time.
const BLOCK_BYTES: usize = 64 << 10;

/// Answers the request that the environment describes.
///
/// # Errors
/// It describes none. An app that does not load is told on standard error, and answered for with 500.
pub fn answer(config: Config) -> Result<ExitCode> {
    let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    if !variables.iter().any(|(name, _)| name == "REQUEST_METHOD") {
        let text = "--cgi-mode: the environment describes no request: there is no REQUEST_METHOD";
        return Err(Error::new(ErrorKind::Usage, text).remedy(
            "A web server starts it so; to try: REQUEST_METHOD=GET SCRIPT_NAME=/ jsserve --cgi-mode app.js",
        ));
    }
    let system = |error| Error::system("a pair of sockets", error);
    let (ours, theirs) = UnixStream::pair().map_err(system)?;
    let (mut sending, mut receiving) = (ours.try_clone().map_err(system)?, ours);
    let (head, length) = head(&variables);
    let answered = thread::Builder::new().name("output".into()).spawn(move || {
        let copied = copy(&mut receiving, &mut io::stdout());
        // Nobody takes the answer any more.
        let _ = receiving.shutdown(Shutdown::Both);
        copied
    });
    let answered = answered.map_err(|error| Error::system("cannot start a thread", error))?;
    let sent = thread::Builder::new().name("input".into()).spawn(move || {
        let sent = sending.write_all(&head).and_then(|()| copy(&mut io::stdin().take(length), &mut sending));
        if sent.ok() != Some(length) {
            // The request is not all of it.
            let _ = sending.shutdown(Shutdown::Write);
        }
    });
    sent.map_err(|error| Error::system("cannot start a thread", error))?;
    let served = serve_one(config, theirs.into(), Arc::new(handlers::http::gateway::Scgi));
    let written = answered.join().ok().and_then(io::Result::ok).unwrap_or(0);
    if let Err(error) = served {
        if written == 0 {
            let mut out = io::stdout();
            // Who does not listen misses it.
            let _ = out.write_all(FAILED).and_then(|()| out.flush());
        }
        return Ok(failure::report(&error));
    }
    Ok(ExitCode::SUCCESS)
}

/// The variables of a request as SCGI has them, and the length of its body.
fn head(variables: &[(OsString, OsString)]) -> (Vec<u8>, u64) {
    let value =
        |name: &str| variables.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.to_str());
    let given = value("CONTENT_LENGTH").filter(|text| !text.is_empty()).unwrap_or("0");
    let mut all = Vec::with_capacity(2 << 10);
    let mut add = |name: &[u8], value: &[u8]| {
        all.extend_from_slice(name);
        all.push(0);
        all.extend_from_slice(value);
        all.push(0);
    };
    add(b"CONTENT_LENGTH", given.as_bytes());
    add(b"SCGI", b"1");
    for (name, value) in variables {
        let is_of_request = PREFIXES.iter().any(|prefix| name.as_bytes().starts_with(prefix.as_bytes()));
        if is_of_request && name != "CONTENT_LENGTH" {
            add(name.as_bytes(), value.as_bytes());
        }
    }
    let head = [format!("{}:", all.len()).as_bytes(), &all, b","].concat();
    (head, given.parse().unwrap_or(0))
}

/// Copies up to the end, each piece as it comes; how many bytes.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<u64> {
    let (mut block, mut all) = (vec![0; BLOCK_BYTES], 0);
    loop {
        match from.read(&mut block) {
            Ok(0) => return Ok(all),
            Ok(length) => {
                to.write_all(&block[..length])?;
                to.flush()?;
                all += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
