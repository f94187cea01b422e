//! Lines of the access log, form by form.
//!
//! Owns: what each value is. Must not know: where lines go.

use std::time::{Duration, SystemTime};

use super::*;

fn line(format: &Format, change: impl FnOnce(&mut Record<'_>)) -> String {
    let peer = Address::Ip(([192, 0, 2, 1], 4711).into());
    let local = Address::Ip(([127, 0, 0, 1], 8080).into());
    let fields = |f: &mut dyn FnMut(&[u8], &[u8])| {
        f(b"Authorization", b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        f(b"User-Agent", b"a \"client\"\x1b[2J");
    };
    let mut record = Record {
        time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_958_880_123),
        worker: 1,
        peer: &peer,
        local: &local,
        request: RequestLine::Parsed { method: b"GET", target: b"/a/b?c=d", version: "1.1" },
        scheme: "http",
        host: "a.test:8080",
        status: 200,
        body_bytes: 5,
        sent_bytes: 123,
        received_bytes: 77,
        duration: Duration::from_micros(1_234),
        javascript: Some(Duration::from_micros(800)),
        request_id: None,
        cause: None,
        fields: &fields,
    };
    change(&mut record);
    let mut out = Vec::new();
    format.write(&mut out, &record, &mut Stamp::default());
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn combined_is_what_nginx_writes() {
    assert_eq!(
        line(&Format::combined(), |_| {}),
        "192.0.2.1 - Aladdin [29/Nov/2026:13:28:00 +0000] \"GET /a/b?c=d HTTP/1.1\" 200 5 \"-\" \"a \\x22client\\x22\\x1B[2J\"\n"
    );
    let broken = line(&Format::combined(), |record| {
        record.request = RequestLine::Broken(b"\x16\x03\x01\nGET / HTTP/1.1\" 200");
        record.status = 400;
    });
    assert!(broken.contains("] \"\\x16\\x03\\x01\" 400 5 "), "{broken}");
}

#[test]
fn json_is_an_object_that_parses() {
    let text = line(&Format::Json, |record| record.cause = Some("Error: \"x\"\n\u{202e}"));
    let parsed: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(parsed["time"], "2026-11-29T13:28:00.123Z");
    assert_eq!((&parsed["status"], &parsed["target"]), (&200.into(), &"/a/b?c=d".into()));
    assert_eq!((&parsed["duration_ms"], &parsed["javascript_ms"]), (&1.234.into(), &0.8.into()));
    assert_eq!(parsed["user_agent"], "a \"client\"\u{1b}[2J");
    assert_eq!(parsed["cause"], "Error: \"x\"\n\u{202e}");
    assert_eq!(text.matches('\n').count(), 1);
}

#[test]
fn the_short_form_is_for_people() {
    let short = |colour, status, cause| {
        line(&Format::Short { colour }, |record| (record.status, record.cause) = (status, cause))
    };
    assert_eq!(short(false, 200, None), "GET /a/b?c=d 200 1.2ms\n");
    assert_eq!(
        short(false, 413, Some("the body is larger than 1 MiB (--body-max)\nmore")),
        "GET /a/b?c=d 413 1.2ms the body is larger than 1 MiB (--body-max)\n"
    );
    assert_eq!(short(true, 200, None), "GET /a/b?c=d \x1b[32m200\x1b[0m \x1b[2m1.2ms\x1b[0m\n");
    assert!(short(true, 502, None).contains("\x1b[31m502"));
    for (micros, text) in [(7, "0.01ms"), (99_940, "99.9ms"), (123_456, "123ms"), (12_345_678, "12.3s")] {
        assert_eq!(ShownTime(Duration::from_micros(micros)).to_string(), text);
    }
}

#[test]
fn every_variable_has_its_value() {
    let format = "$remote_addr $remote_port $server_addr $server_port $time_iso8601 $msec $request_method $request_uri $uri \
         $args $server_protocol $scheme $host $status $body_bytes_sent $bytes_sent $request_length $request_time \
         $javascript_time $request_id $cause $worker $http_user_agent $http_nothing";
    assert_eq!(
        line(&Format::parse(format).expect("a format"), |record| record.request_id = Some("id")),
        "192.0.2.1 4711 127.0.0.1 8080 2026-11-29T13:28:00+00:00 1795958880.123 GET /a/b?c=d /a/b c=d HTTP/1.1 http \
         a.test:8080 200 5 123 77 0.001 0.000800 id - 1 a \\x22client\\x22\\x1B[2J -\n"
    );
    let http2 = line(&Format::parse("$request|$server_protocol").expect("a format"), |record| {
        record.request = RequestLine::Parsed { method: b"GET", target: b"/", version: "2" };
    });
    assert_eq!(http2, "GET / HTTP/2.0|HTTP/2.0\n");
}
