//! A strict HTTP/1.1 response parser for tests: what is off on the wire fails the test.
//!
//! Owns: status line, fields, and the three body framings of RFC 9112 section 6.3. Must not know:
//! sockets.

/// One response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub reason: String,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether only the end of the connection told the end of the body.
    pub close_delimited: bool,
}

/// What the bytes so far are.
pub enum Parsed {
    /// A whole response, and how many bytes it took.
    Whole(Box<Response>, usize),
    /// The beginning of one.
    Partial,
}

impl Response {
    /// The value of a field that must not be repeated.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is repeated: {:?}", self.fields);
        value
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// Whether the server says that it closes the connection after this.
    pub fn says_close(&self) -> bool {
        self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Reads one response to a `method` request from `bytes`; `ended` when no more bytes come.
pub fn parse(bytes: &[u8], method: &str, ended: bool) -> Result<Parsed, String> {
    let Some(head_end) = find(bytes, b"\r\n\r\n") else {
        return Ok(Parsed::Partial);
    };
    let head = std::str::from_utf8(&bytes[..head_end]).map_err(|_| "the header is not ASCII".to_string())?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let (status, reason) = status_of(status_line)?;
    let fields = lines.map(field_of).collect::<Result<Vec<_>, _>>()?;
    let mut response = Response { status, reason, fields, body: Vec::new(), close_delimited: false };
    let rest = &bytes[head_end + 4..];
    let length = response.field("content-length").map(str::to_string);
    let coding = response.field("transfer-encoding").map(str::to_string);
    if length.is_some() && coding.is_some() {
        return Err("both Content-Length and Transfer-Encoding".into());
    }
    let bodiless = method == "HEAD" || status < 200 || status == 204 || status == 304;
    if (status < 200 || status == 204) && (length.is_some() || coding.is_some()) {
        return Err(format!("a {status} response with a body's framing: {:?}", response.fields));
    }
    let body_length = if bodiless {
        0
    } else if let Some(coding) = coding {
        if coding != "chunked" {
            return Err(format!("Transfer-Encoding: {coding}"));
        }
        let Some((body, length)) = chunked(rest)? else {
            return if ended { Err("the chunked body is cut".into()) } else { Ok(Parsed::Partial) };
        };
        response.body = body;
        length
    } else if let Some(length) = length {
        let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
        let length: usize =
            if digits { length.parse().ok() } else { None }.ok_or(format!("Content-Length: {length}"))?;
        if rest.len() < length {
            return if ended { Err("the body is cut".into()) } else { Ok(Parsed::Partial) };
        }
        response.body = rest[..length].to_vec();
        length
    } else if ended {
        response.body = rest.to_vec();
        response.close_delimited = true;
        rest.len()
    } else {
        return Ok(Parsed::Partial);
    };
    Ok(Parsed::Whole(Box::new(response), head_end + 4 + body_length))
}

fn status_of(line: &str) -> Result<(u16, String), String> {
    let wrong = || format!("not a status line: {line:?}");
    let rest = line.strip_prefix("HTTP/1.1 ").ok_or_else(wrong)?;
    let (status, reason) = rest.split_once(' ').ok_or_else(wrong)?;
    let status = status.parse().ok().filter(|status| (100..600).contains(status)).ok_or_else(wrong)?;
    Ok((status, reason.to_string()))
}

fn field_of(line: &str) -> Result<(String, String), String> {
    let wrong = || format!("not a field: {line:?}");
    let (name, value) = line.split_once(':').ok_or_else(wrong)?;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let clean = !name.is_empty() && name.bytes().all(token) && !value.bytes().any(|b| b"\r\n\0".contains(&b));
    if clean { Ok((name.to_string(), value.trim().to_string())) } else { Err(wrong()) }
}

/// The decoded body and its length on the wire, or `None` while it is not whole.
fn chunked(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = find(&bytes[at..], b"\r\n") else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes[at..at + line]).into_owned();
        let digits = text.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(digits, 16).map_err(|_| format!("not a chunk size: {text:?}"))?;
        at += line + 2;
        if bytes.len() < at + size + 2 {
            return Ok(None);
        }
        if &bytes[at + size..at + size + 2] != b"\r\n" {
            return Err("a chunk does not end in CRLF".into());
        }
        body.extend_from_slice(&bytes[at..at + size]);
        at += size + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
