//! Files by RFC 9110, on the wire: conditions, ranges, codings, caches. The tables of each are in `runtime/src/files/http/`.
//!
//! Owns: what a client gets for each rule, by its section. Must not know: which files are served.

use std::time::{Duration, UNIX_EPOCH};

use crate::static_files::{alone, ask, folder, root};
use crate::support::{App, Connection, Response, Server, Way, pattern};

/// Sun, 06 Nov 1994 08:49:37 GMT.
const MODIFIED_S: u64 = 784_111_777;
const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// A server of a small file, a large one and one with siblings, last changed long ago.
fn start(way: Way) -> (App, Server) {
    let files = folder(&[
        ("small.txt", "0123456789"),
        ("page.html", "<p>page</p>"),
        ("app.3f2a9c1b.js", "js"),
        ("plain.js", "js"),
    ]);
    std::fs::write(root(&files).join("large.bin"), pattern(200_000)).expect("write");
    for (name, text) in [("page.html.br", "as br"), ("page.html.zst", "as zstd"), ("page.html.gz", "as gzip")]
    {
        std::fs::write(root(&files).join(name), text).expect("write");
    }
    for entry in std::fs::read_dir(root(&files)).expect("folder") {
        let file = std::fs::File::options().write(true).open(entry.expect("entry").path()).expect("open");
        file.set_modified(UNIX_EPOCH + Duration::from_secs(MODIFIED_S)).expect("set the time");
    }
    // The time of the last change is now; only after a while it cannot be that of another one.
    std::thread::sleep(Duration::from_millis(60));
    let server = alone(way, &[], root(&files));
    (files, server)
}

fn etag(client: &mut Connection, target: &str) -> String {
    let etag = client.get(target).field("etag").expect("ETag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 10, "{etag} is strong");
    etag
}

fn names(answer: &Response) -> Vec<&str> {
    answer.fields.iter().map(|(name, _)| name.as_str()).collect()
}

every_way! {
    // RFC 9110 sections 8.8.2, 8.8.3, 14.3.
    fn an_answer_has_validators_and_says_that_it_takes_ranges(way) {
        let (_files, server) = start(way);
        let mut client = Connection::open(server.place());
        for target in ["/small.txt", "/large.bin"] {
            let answer = client.get(target);
            assert_eq!(answer.field("last-modified"), Some(MODIFIED));
            assert_eq!(answer.field("accept-ranges"), Some("bytes"));
            assert_eq!(answer.field("etag"), Some(&*etag(&mut client, target)), "the same each time");
        }
        assert_ne!(etag(&mut client, "/small.txt"), etag(&mut client, "/large.bin"));
    }

    // Sections 13.1.1 to 13.1.4, 13.2.2, 15.4.5 and 15.5.13.
    fn conditions_are_evaluated_in_their_order(way) {
        let (_files, server) = start(way);
        let mut client = Connection::open(server.place());
        for target in ["/small.txt", "/large.bin"] {
            let tag = etag(&mut client, target);
            let weak = format!("W/{tag}");
            for (fields, status) in [
                (format!("If-None-Match: {tag}\r\n"), 304),
                (format!("If-None-Match: {weak}\r\n"), 304),
                (format!("If-None-Match: \"a\", {weak}, \"b\"\r\n"), 304),
                (format!("If-None-Match: \"a\"\r\nIf-None-Match: {tag}\r\n"), 304),
                ("If-None-Match: *\r\n".into(), 304),
                ("If-None-Match: \"a\"\r\n".into(), 200),
                (format!("If-None-Match: \"a\"\r\nIf-Modified-Since: {MODIFIED}\r\n"), 200),
                (format!("If-Modified-Since: {MODIFIED}\r\n"), 304),
                ("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n".into(), 304),
                ("If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n".into(), 304),
                ("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n".into(), 200),
                ("If-Modified-Since: never\r\n".into(), 200),
                (format!("If-Match: {tag}\r\n"), 200),
                ("If-Match: *\r\n".into(), 200),
                (format!("If-Match: {weak}\r\n"), 412),
                ("If-Match: \"a\"\r\n".into(), 412),
                (format!("If-Match: {tag}\r\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n"), 200),
                (format!("If-Match: {tag}\r\nIf-None-Match: {tag}\r\n"), 304),
                (format!("If-Unmodified-Since: {MODIFIED}\r\n"), 200),
                ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n".into(), 412),
                ("If-Match: \"a\"\r\nRange: bytes=0-1\r\n".to_owned(), 412),
                (format!("If-None-Match: {tag}\r\nRange: bytes=0-1\r\n"), 304),
            ] {
                let answer = ask(&mut client, "GET", target, &fields);
                assert_eq!(answer.status, status, "{target} {fields}");
                if status == 304 {
                    assert_eq!(answer.field("etag"), Some(&*tag));
                    assert_eq!(answer.field("cache-control"), Some("no-cache"));
                    for name in ["content-length", "content-type", "last-modified", "content-range"] {
                        assert_eq!(answer.field(name), None, "304 has no {name}");
                    }
                }
                let head = ask(&mut client, "HEAD", target, &fields);
                assert_eq!(head.status, status, "HEAD {target} {fields}");
            }
        }
    }

    // Sections 14.1.2, 14.2, 14.4, 15.3.7.1.
    fn a_single_range_is_a_part_of_the_file(way) {
        let (_files, server) = start(way);
        let mut client = Connection::open(server.place());
        for (target, length) in [("/small.txt", 10), ("/large.bin", 200_000)] {
            let all = client.get(target).body;
            let full = client.get(target);
            for (range, part) in [
                ("bytes=0-0", 0..1),
                ("bytes=2-5", 2..6),
                ("bytes=5-", 5..length),
                ("bytes=-3", length - 3..length),
                ("bytes=0-", 0..length),
                ("bytes=-999999999", 0..length),
                ("bytes=3-999999999999999999999999", 3..length),
                ("bytes=0-3,2-5", 0..6),
                ("bytes=999999999-,1-1", 1..2),
            ] {
                let answer = ask(&mut client, "GET", target, &format!("Range: {range}\r\n"));
                assert_eq!((answer.status, &answer.body[..]), (206, &all[part.clone()]), "{target} {range}");
                let expected = format!("bytes {}-{}/{length}", part.start, part.end - 1);
                assert_eq!(answer.field("content-range"), Some(&*expected), "{range}");
                for name in ["etag", "last-modified", "cache-control", "content-type", "accept-ranges"] {
                    assert_eq!(answer.field(name), full.field(name), "{name}");
                }
            }
            for range in ["bytes=5-2", "bytes=", "bytes=a-b", "lines=0-1", "bytes=0-1,x", "bytes 0-1", ""] {
                let answer = ask(&mut client, "GET", target, &format!("Range: {range}\r\n"));
                assert_eq!((answer.status, answer.body.len()), (200, length), "{target} {range}");
            }
            for range in [format!("bytes={length}-"), "bytes=-0".into(), "bytes=999999999-,9999999999-".into()] {
                let answer = ask(&mut client, "GET", target, &format!("Range: {range}\r\n"));
                let expected = format!("bytes */{length}");
                assert_eq!((answer.status, answer.field("content-range")), (416, Some(&*expected)), "{range}");
            }
            let head = ask(&mut client, "HEAD", target, "Range: bytes=0-1\r\n");
            let expected = length.to_string();
            assert_eq!((head.status, head.field("content-length"), head.field("content-range")), (200, Some(&*expected), None));
        }
    }

    // Section 15.3.7.2 and 14.6.
    fn several_ranges_are_a_multipart_body(way) {
        let (_files, server) = start(way);
        let mut client = Connection::open(server.place());
        for (target, kind, length) in [
            ("/small.txt", "text/plain; charset=utf-8", 10), ("/large.bin", "application/octet-stream", 200_000),
        ] {
            let all = client.get(target).body;
            let answer = ask(&mut client, "GET", target, "Range: bytes=8-8, 0-2,-1\r\n");
            assert_eq!((answer.status, answer.field("content-range")), (206, None));
            let boundary = answer.field("content-type").and_then(|kind| kind.strip_prefix("multipart/byteranges; boundary="));
            let boundary = boundary.expect("multipart").to_owned();
            assert!(!all.windows(boundary.len()).any(|part| part == boundary.as_bytes()));
            let mut expected = Vec::new();
            for (number, part) in [8..9, 0..3, length - 1..length].into_iter().enumerate() {
                // What touches is one: in the small file the last two bytes are.
                let part = if length == 10 && number == 0 { 8..10 } else { part };
                if length == 10 && number == 2 {
                    continue;
                }
                let start = if number == 0 { "" } else { "\r\n" };
                let line = format!("bytes {}-{}/{length}", part.start, part.end - 1);
                expected.extend(format!("{start}--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {line}\r\n\r\n").bytes());
                expected.extend(&all[part]);
            }
            expected.extend(format!("\r\n--{boundary}--\r\n").bytes());
            assert_eq!(String::from_utf8_lossy(&answer.body), String::from_utf8_lossy(&expected));
            let other = ask(&mut client, "GET", target, "Range: bytes=8-8, 0-2\r\n");
            assert_ne!(other.field("content-type"), answer.field("content-type"), "nobody can know the boundary beforehand");
            let many: Vec<String> = (0..17).map(|n| format!("{}-{}", n * 3, n * 3)).collect();
            let answer = ask(&mut client, "GET", target, &format!("Range: bytes={}\r\n", many.join(",")));
            assert_eq!(answer.status, 200, "more than 16 are ignored (section 14.2)");
        }
    }

    // Section 13.1.5.
    fn if_range_is_a_range_of_the_same_file_or_all_of_it(way) {
        let (_files, server) = start(way);
        let mut client = Connection::open(server.place());
        for target in ["/small.txt", "/large.bin"] {
            let tag = etag(&mut client, target);
            for (condition, status) in [
                (tag.clone(), 206), (format!("W/{tag}"), 200), ("\"a\"".into(), 200), (MODIFIED.into(), 206),
                ("Sun, 06 Nov 1994 08:49:38 GMT".into(), 200), ("Sun, 06 Nov 1994 08:49:36 GMT".into(), 200), ("x".into(), 200),
            ] {
                let answer = ask(&mut client, "GET", target, &format!("Range: bytes=0-1\r\nIf-Range: {condition}\r\n"));
                assert_eq!(answer.status, status, "{condition}");
            }
            assert_eq!(ask(&mut client, "GET", target, &format!("If-Range: {tag}\r\n")).status, 200);
        }
    }
}

both_backends! {
    // Sections 12.5.3, 12.5.5 and 8.8.3.3.
    fn a_sibling_is_the_same_file_in_a_coding(io) {
        let (_files, server) = start(Way::tcp(io));
        let mut client = Connection::open(server.addr());
        let mut tags = Vec::new();
        for (accepted, coding, body) in [
            ("gzip, br, zstd", Some("br"), "as br"),
            ("gzip, zstd", Some("zstd"), "as zstd"),
            ("gzip", Some("gzip"), "as gzip"),
            ("br;q=0.1, gzip;q=0.2", Some("gzip"), "as gzip"),
            ("*", Some("br"), "as br"),
            ("identity, gzip;q=0", None, "<p>page</p>"),
            ("deflate", None, "<p>page</p>"),
        ] {
            let answer = ask(&mut client, "GET", "/page.html", &format!("Accept-Encoding: {accepted}\r\n"));
            assert_eq!((answer.field("content-encoding"), answer.text()), (coding, body), "{accepted}");
            assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
            assert_eq!(answer.field("vary"), Some("Accept-Encoding"));
            let tag = answer.field("etag").expect("ETag").to_owned();
            let again = format!("Accept-Encoding: {accepted}\r\nIf-None-Match: {tag}\r\n");
            let again = ask(&mut client, "GET", "/page.html", &again);
            assert_eq!((again.status, again.field("vary")), (304, Some("Accept-Encoding")));
            tags.push((coding, tag));
        }
        for (coding, tag) in &tags {
            let same = tags.iter().filter(|(other, known)| (other == coding) != (known == tag)).count();
            assert_eq!(same, 0, "each coding has a tag of its own: {tags:?}");
        }
        let part = ask(&mut client, "GET", "/page.html", "Accept-Encoding: br\r\nRange: bytes=3-\r\n");
        assert_eq!((part.status, part.text(), part.field("content-range")), (206, "br", Some("bytes 3-4/5")));
        // A multipart body would not have the coding that its head names (section 8.4).
        let parts = ask(&mut client, "GET", "/page.html", "Accept-Encoding: br\r\nRange: bytes=0-0,3-3\r\n");
        assert_eq!((parts.status, parts.text(), parts.field("content-encoding")), (200, "as br", Some("br")));
        let parts = ask(&mut client, "GET", "/page.html", "Range: bytes=0-0,3-3\r\n");
        assert_eq!((parts.status, parts.field("content-encoding")), (206, None));
        let plain = ask(&mut client, "GET", "/small.txt", "Accept-Encoding: br\r\n");
        assert_eq!((plain.field("vary"), plain.field("content-encoding")), (None, None));
        let itself = client.get("/page.html.gz");
        assert_eq!((itself.field("content-type"), itself.field("content-encoding")), (Some("application/gzip"), None));
    }

    // RFC 9111 section 5.2.2, RFC 8246.
    fn names_with_a_hash_are_immutable(io) {
        let (files, server) = start(Way::tcp(io));
        let mut client = Connection::open(server.addr());
        assert_eq!(client.get("/app.3f2a9c1b.js").field("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(client.get("/plain.js").field("cache-control"), Some("no-cache"));
        let server = alone(Way::tcp(io), &["--static-max-age", "600"], root(&files));
        let mut client = Connection::open(server.addr());
        assert_eq!(client.get("/plain.js").field("cache-control"), Some("public, max-age=600"));
        assert_eq!(client.get("/page.html").field("cache-control"), Some("no-cache"));
    }

    // Section 8.8.1: a tag is strong only where any change shows in it.
    fn a_file_that_has_just_changed_has_a_weak_tag_at_most_for_a_moment(io) {
        let files = folder(&[("a.txt", "1")]);
        let server = alone(Way::tcp(io), &[], root(&files));
        let mut client = Connection::open(server.addr());
        let mut seen = Vec::new();
        for text in ["2", "3", "4"] {
            std::fs::write(root(&files).join("a.txt"), text).expect("write");
            std::thread::sleep(Duration::from_millis(1300));
            let answer = client.get("/a.txt");
            assert_eq!(answer.text(), text);
            let tag = answer.field("etag").expect("ETag").to_owned();
            assert!(tag.starts_with('"') && !seen.contains(&tag), "{tag} of {seen:?}");
            seen.push(tag);
        }
    }

    fn an_answer_of_each_status_has_the_fields_of_that_status(io) {
        let (_files, server) = start(Way::tcp(io));
        let mut client = Connection::open(server.addr());
        let answer = ask(&mut client, "GET", "/small.txt", "Range: bytes=1-2\r\n");
        let expected = ["Date", "Content-Type", "Accept-Ranges", "X-Content-Type-Options", "Last-Modified", "ETag",
            "Cache-Control", "Content-Range", "Content-Length"];
        assert_eq!(names(&answer), expected);
        let answer = ask(&mut client, "GET", "/small.txt", "If-None-Match: *\r\n");
        assert_eq!(names(&answer), ["Date", "ETag", "Cache-Control"]);
        let answer = ask(&mut client, "GET", "/small.txt", "Range: bytes=10-\r\n");
        assert_eq!(answer.text(), "416 Range Not Satisfiable\n");
        assert_eq!(ask(&mut client, "GET", "/small.txt", "If-Match: \"x\"\r\n").text(), "412 Precondition Failed\n");
    }
}
