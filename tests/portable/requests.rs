//! Requests that a browser, a script or a careless client may send, the same in every run.
//!
//! Owns: the generator and its tables. Must not know: what is answered.

/// xorshift64*: the same requests in every run.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.next(of.len())]
    }

    /// Up to `max` pieces, one after the other.
    fn join(&mut self, of: &[&str], max: usize) -> String {
        (0..self.next(max + 1)).map(|_| self.pick(of)).collect()
    }
}

/// Parts of a path or a query, as they stand in a request line.
const PIECES: &[&str] = &[
    "a",
    "b1",
    "%20",
    "+",
    "%2B",
    "%C3%A4",
    "%F0%9F%8E%89",
    "%E4",
    "%FF%FE",
    "%00",
    "%0A",
    "%25",
    "%",
    "%zz",
    "~",
    "-",
    "_",
    ".",
    "'",
    "(",
    ")",
    "*",
    "!",
    "$",
    ",",
    ";",
    ":",
    "@",
    "%2F",
    "%5C",
    "%26",
    "%3D",
    "%3F",
    "%23",
    "e%CC%81",
    "%ED%A0%80",
    "12.50",
    "7",
];
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "12.5",
    "1e3",
    "0x1f",
    "1e-7",
    "123456789012345678901234567890",
    ".5",
    "5.",
    "Infinity",
    "-1.005",
    "%205%20",
    "0b11",
    "1_000",
    "NaN",
    "2024-02-29",
    "2024-02-30",
    "2024-02-29T12:00:00Z",
    "2024-02-29T12:00:00%2B02:00",
    "[1,2,{\"a\":null}]",
    "%7B%22a%22:%5B1,2%5D%7D",
    "%22%5Cu00e4%22",
    "%22%5Cud800%22",
];
const URLS: &[&str] = &[
    "http://a.example/",
    "HTTP://EXAMPLE.com:80/a/../b/./c?x=1%232",
    "https://%C3%BC.example:443/",
    "http://a:b@h:8080/p;q?r%23s",
    "//host/x",
    "/abs?q",
    "../up",
    "?only",
    "%23frag",
    "",
    "http://",
    "http://a b/",
    "http://1.2.3/",
    "http://0x7f.1/",
    "http://[::1]:80/",
    "http://[1::2::3]/",
    "http://256.1.1.1/",
    "file:///C:/a/../..",
    "file://host/x",
    "data:text/plain,hi%2520there",
    "javascript:alert(1)",
    "mailto:a@b",
    "http://h:99999/",
    "http://h:0/",
    "ws://h:80/",
    "http:%5C%5Ch%5Ca",
    "http:///three",
    "blob:https://a.example/id",
    "http://a.example/%25zz%7C%5E%60",
    "x:y:z",
    "http://faß.de/",
    "http://a%252Eb/",
    "http://xn--a/",
    "%20http://trim.example/%0A",
    "http://a.example/?q='%22<>%60&ä",
    "non-special://h:80/a/../b",
    "http://-a-.b_c/",
];
const BODIES: &[&[u8]] = &[
    b"",
    b"plain",
    "ä€🎉".as_bytes(),
    b"\xef\xbb\xbfbom",
    b"\xff\xfea\x00",
    b"\xc3",
    b"a\xffb\xf0\x9f\x8e",
    b"\x00\x01\x7f\x80\x9f\xa0",
    b"\x93\xfa\x96\x7b",
    b"\xed\xa0\x80",
    b"{}",
    b"[1, 2.50, -0, 1e400, \"\\ud800\"]",
    b"{\"a\":{\"b\":[true,null]},\"a\":2,\"__proto__\":1,\"10\":1,\"9\":2}",
    b"{bad",
    b" \"text\" ",
    b"\xef\xbb\xbf{\"bom\":1}",
    b"01",
    b"\"\x01\"",
    b"nul",
    b"a=1&b=2&a=3",
    b"a=%C3%A4+%2B&=&&b&c==d&%zz=%",
    b"x=\xff&y=\xc3\xa4",
];
const ORDERS: &[&str] = &[
    r#"{"name":"mug","count":2}"#,
    r#"{"name":"  x ","count":"3","tags":["a","b"]}"#,
    r#"{"name":"","count":0,"tags":["c"]}"#,
    r#"{"count":1.5}"#,
    "null",
    "[",
    r#"{"name":"longer than eight","count":"x"}"#,
];
const LABELS: &[&str] = &[
    "utf-8",
    "latin1",
    "utf-16le",
    "utf-16be",
    "shift_jis",
    "gbk",
    "euc-kr",
    "big5",
    "windows-1252",
    "koi8-r",
    "x-user-defined",
    "iso-2022-jp",
    "gb18030",
    "UTF8",
    "nonsense",
    "macintosh",
    "ibm866",
];
const KINDS: &[&str] = &[
    "string", "bytes", "blob", "params", "json", "empty", "typed", "stream", "gzip", "form", "clone",
    "clone2",
];
const DATES: &[&str] =
    &["2024-01-20", "2023-12-31T23:59:59", "1999-W01", "2024-060", "", "x", "%2B012345-01-01"];
/// What may follow a request's line; Content-Length comes by itself.
const FIELDS: &[&str] = &[
    "Accept: text/html, */*;q=0.1\r\n",
    "Cookie: a=1; b=\"2\"\r\n",
    "Cookie: c=3\r\n",
    "X-List: 1\r\nX-List: 2\r\n",
    "X-Blank:   \t\r\n",
    "User-Agent:  me \r\n",
    "x-list: \u{e4}\r\n",
    "Content-Type: text/plain\r\n",
];

const KIND_COUNT: usize = 16;
const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"];
const PATHS: &[&str] =
    &["a/../b", "a/./b//c", "%2e%2e/x", "a/b/..", "?", "?a?b", "x?", "a%2Fb?c=d%2Fe&&=", "a;b=c,d"];
const BASES: &[&str] = &["http://base.example/d/e?f%23g", "http://base.example/d/e?f", "", "x"];
const VALUES: &[&str] = &["a", "%20", "%09", "%0A", "%C3%BC", "%E2%82%AC", "%00", ",", "%7F"];
const ODD: &[&str] = &[
    "/response/status?t=410",
    "/response/status?t=404",
    "/response/status?t=299",
    "/redirect?to=/x",
    "/redirect?to=http://a.example/%25C3",
    "/html/%C3%A4",
    "/nowhere",
    "//",
    "/api",
];
const FORMS: &[&str] = &[
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "application/x-www-form-urlencoded;charset=utf-8",
    "text/plain",
];
const PARTS: &[u8] = b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b\r\n\
    content-disposition: form-data; name=\"f\"; filename=\"\xc3\xa4.bin\"\r\nContent-Type: image/png\r\n\r\n\x00\xff\r\n\r\n--b--\r\n";

/// What a query may have.
fn query(random: &mut Random) -> String {
    let pair = |random: &mut Random| {
        format!("{}={}", random.pick(&["a", "b", "t", "%61", "q[]"]), random.join(PIECES, 3))
    };
    let pairs: Vec<String> = (0..random.next(5)).map(|_| pair(random)).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// Method and target; each route comes up every [`KIND_COUNT`] requests or oftener.
fn line(random: &mut Random, number: usize) -> (&'static str, String) {
    let text = random.join(PIECES, 5);
    let get = |target: String| ("GET", target);
    let post = |target: &str| ("POST", target.to_owned());
    match number % KIND_COUNT {
        0 => (random.pick(METHODS), format!("/request/{}{}", random.join(PIECES, 4), query(random))),
        1 => get(format!("/request/{}", random.pick(PATHS))),
        2 => {
            let kind = random.pick(&["x", "%C3%A4", "a%20b", "%E4"]);
            let id = random.pick(&["", "/1", "/%2F", "/"]);
            (
                random.pick(&["GET", "POST", "DELETE", "HEAD", "PUT"]),
                format!("/api/{kind}{id}{}", query(random)),
            )
        }
        3 | 4 => get(format!("/url?u={}&b={}", random.pick(URLS), random.pick(BASES))),
        5 => get(format!("/params{}", query(random))),
        6 => get(format!("/text?t={text}")),
        7 => get(format!("/text?t={}", random.pick(NUMBERS))),
        8 => get(format!("/headers?v={}", random.join(VALUES, 3))),
        9 | 10 => {
            (random.pick(&["GET", "GET", "HEAD"]), format!("/response/{}?t={text}", random.pick(KINDS)))
        }
        11 => get(random.pick(ODD).to_owned()),
        12 => post("/json"),
        13 => post("/form"),
        14 => ("POST", format!("/text/{}", random.pick(LABELS))),
        _ => match random.next(3) {
            0 => post("/digest"),
            1 => post("/order"),
            _ => get(format!("/date?d={}", random.pick(DATES))),
        },
    }
}

/// A body and its type, as the target wants it.
fn body(random: &mut Random, target: &str) -> (&'static str, &'static [u8]) {
    let any = BODIES[random.next(BODIES.len())];
    match target {
        "/order" => ("", random.pick(ORDERS).as_bytes()),
        "/form" => match random.pick(FORMS) {
            kind if kind.starts_with("multipart") && random.next(3) > 0 => (kind, PARTS),
            kind => (kind, any),
        },
        _ => ("", any),
    }
}

/// What is no ASCII, or has no place in a target, stands there as a browser writes it.
fn encoded(target: &str) -> String {
    let encode = |byte: u8| match byte.is_ascii() && !b" \"<>`{}|^#".contains(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    target.bytes().map(encode).collect()
}

/// Request `number`: its method and its bytes.
pub fn request(random: &mut Random, number: usize) -> (&'static str, Vec<u8>) {
    let (method, target) = line(random, number);
    let (kind, body) = if matches!(method, "GET" | "HEAD") { ("", &b""[..]) } else { body(random, &target) };
    let target = encoded(&target);
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n");
    if number.is_multiple_of(KIND_COUNT) {
        (0..random.next(4)).for_each(|_| head.push_str(random.pick(FIELDS)));
    }
    if !kind.is_empty() {
        head.push_str(&format!("Content-Type: {kind}\r\n"));
    }
    if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    // One byte a character: fields are no UTF-8.
    let head: Vec<u8> = head.chars().map(|c| c as u8).collect();
    (method, [&head, b"\r\n".as_slice(), body].concat())
}
