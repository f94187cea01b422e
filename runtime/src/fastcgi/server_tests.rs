//! What a web server may send, as literal bytes. Owns: the table. Must not know: sockets.

use super::*;

/// What comes of `input`: events by name, and what is answered at once; or what is wrong.
fn read(input: &[u8]) -> Result<(Vec<String>, Vec<u8>), FastCgiError> {
    let (mut reader, mut out, mut events) = (RequestReader::new(64), Vec::new(), Vec::new());
    let mut rest = input;
    loop {
        let step = reader.next(rest, &mut out)?;
        rest = &rest[step.consumed..];
        match step.event {
            None => return Ok((events, out)),
            Some(RequestEvent::Params) => {
                events.push(format!("params {}", String::from_utf8_lossy(reader.params())));
            }
            Some(RequestEvent::Stdin(bytes)) => events.push(format!("in {}", String::from_utf8_lossy(bytes))),
            Some(event) => events.push(format!("{event:?}")),
        }
    }
}

const BEGIN: &[u8] = b"\x01\x01\0\x01\0\x08\0\0\0\x01\0\0\0\0\0\0";
const NO_PARAMS: &[u8] = b"\x01\x04\0\x01\0\0\0\0";

#[test]
fn records_in_their_order_are_events() {
    for (more, events, answered) in [
        (&b""[..], vec!["params "], &b""[..]),
        (b"\x01\x05\0\x01\0\x02\x03\0hixxx\x01\x05\0\x01\0\0\0\0", vec!["params ", "in hi", "StdinEnd"], b""),
        (b"\x01\x02\0\x01\0\0\0\0", vec!["params ", "Aborted"], b""),
        // Of another request: it cannot be multiplexed, and what follows of it is nothing.
        (
            b"\x01\x01\0\x02\0\x08\0\0\0\x01\0\0\0\0\0\0\x01\x04\0\x02\0\x01\0\0x\x01\x02\0\x02\0\0\0\0",
            vec!["params "],
            b"\x01\x03\0\x02\0\x08\0\0\0\0\0\0\x01\0\0\0",
        ),
        // FCGI_DATA is for another role.
        (b"\x01\x08\0\x01\0\x01\0\0x", vec!["params "], b""),
        (
            b"\x01\x09\0\0\0\x12\0\0\x0f\0FCGI_MPXS_CONNS\x01",
            vec!["params "],
            b"\x01\x0a\0\0\0\x12\x06\0\x0f\x01FCGI_MPXS_CONNS0\0\0\0\0\0\0",
        ),
        (b"\x01\x63\0\0\0\0\0\0", vec!["params "], b"\x01\x0b\0\0\0\x08\0\0\x63\0\0\0\0\0\0\0"),
    ] {
        let (found, out) = read(&[BEGIN, NO_PARAMS, more].concat()).expect("FastCGI");
        assert_eq!(
            (found, &out[..]),
            (events.iter().map(|it| it.to_string()).collect(), answered),
            "{more:?}"
        );
    }
    let authorizer = b"\x01\x01\0\x05\0\x08\0\0\0\x02\0\0\0\0\0\0";
    assert_eq!(read(authorizer), Ok((vec![], b"\x01\x03\0\x05\0\x08\0\0\0\0\0\0\x03\0\0\0".to_vec())));
}

#[test]
fn what_is_no_fastcgi_is_told() {
    for (bytes, error) in [
        (b"GET / HTTP/1.1".to_vec(), FastCgiError::Version(b'G')),
        (b"\x00".to_vec(), FastCgiError::Version(0)),
        (b"\x01\x01\0\0\0\x08\0\0".to_vec(), FastCgiError::Broken("a request with the number 0")),
        (b"\x01\x01\0\x01\0\x01\0\0\0".to_vec(), FastCgiError::Broken("a request begins without a role")),
        ([BEGIN, BEGIN].concat(), FastCgiError::Broken("a request that has begun begins again")),
        ([BEGIN, NO_PARAMS, NO_PARAMS].concat(), FastCgiError::Broken("parameters behind their end")),
        (
            [BEGIN, b"\x01\x05\0\x01\0\0\0\0"].concat(),
            FastCgiError::Broken("standard input before the end of the parameters"),
        ),
        (
            [BEGIN, NO_PARAMS, &b"\x01\x05\0\x01\0\0\0\0".repeat(2)].concat(),
            FastCgiError::Broken("standard input behind its end"),
        ),
        ([BEGIN, b"\x01\x04\0\x01\0\x41\0\0", &[b'x'; 65]].concat(), FastCgiError::TooLarge),
    ] {
        assert_eq!(read(&bytes), Err(error), "{bytes:?}");
    }
}
