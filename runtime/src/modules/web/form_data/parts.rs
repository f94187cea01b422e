//! Bytes as forms: the multipart/form-data parser (Fetch, section 5.1; RFC 7578).
//!
//! Owns: the parts of a body that comes in chunks, wherever they end. Must not know: JavaScript. It is
//! strict: a body whose end is missing is an error, not a shorter form. Its time is linear in the
//! body's length.

use memchr::memmem::Finder;
use memchr::{memchr, memrchr};

use super::part_head::Head;
use super::{ENTRIES_MAX, ENTRY_BYTES};

/// Headers of one part.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// One part.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Part {
    pub(super) head: Head,
    pub(super) body: Vec<u8>,
}

/// Why a body is refused.
#[derive(Debug, PartialEq)]
pub(super) enum Wrong {
    /// It breaks this rule.
    Malformed(&'static str),
    /// It has more than [`ENTRIES_MAX`] parts.
    TooMany,
}

impl From<&'static str> for Wrong {
    fn from(why: &'static str) -> Wrong {
        Wrong::Malformed(why)
    }
}

type Parsed<T> = Result<T, Wrong>;

/// What is expected next.
#[derive(Clone, Copy)]
enum State {
    /// The first boundary: so many bytes of the delimiter are here, if a line break before it counts.
    Start(usize),
    /// What follows a boundary: the end of its line, or of the body.
    After,
    /// The headers of a part.
    Head,
    /// The body of a part. So many bytes of the delimiter are here, perhaps; if it is `fresh`, the
    /// first two of them ended the headers.
    Body { matched: usize, fresh: bool },
    /// Nothing that anybody reads (RFC 2046, section 5.1.1).
    Epilogue,
}

/// The parser of one body.
pub(super) struct Parser {
    /// CRLF, two dashes, the boundary: what ends a part. It has no CR but its first byte, so of two
    /// places where it may begin only the later can be one.
    delimiter: Vec<u8>,
    finder: Finder<'static>,
    state: State,
    /// What is here of a line.
    line: Vec<u8>,
    head_bytes: usize,
    named: bool,
    part: Part,
    done: Vec<Part>,
    /// What parts own beside their bodies, and the bodies.
    owned_bytes: usize,
}

impl Parser {
    /// That of a body with this boundary: one byte a character, as in a header.
    pub(super) fn new(boundary: &str) -> Parser {
        let mut delimiter = b"\r\n--".to_vec();
        delimiter.extend(boundary.chars().map(|c| c as u8));
        debug_assert_eq!(memrchr(b'\r', &delimiter), Some(0), "no MIME type has one");
        let finder = Finder::new(&delimiter).into_owned();
        let (part, state) = (Part::default(), State::Start(2));
        let (line, done) = (Vec::new(), Vec::new());
        Parser { delimiter, finder, state, line, head_bytes: 0, named: false, part, done, owned_bytes: 0 }
    }

    /// What the parts own so far, in bytes.
    pub(super) fn owned_bytes(&self) -> usize {
        self.owned_bytes + self.line.len()
    }

    /// Takes the body's next bytes.
    pub(super) fn feed(&mut self, mut input: &[u8]) -> Parsed<()> {
        while !input.is_empty() {
            input = match self.state {
                State::Start(matched) => self.start(matched, input)?,
                State::After => self.after(input)?,
                State::Head => self.head(input)?,
                State::Body { matched: 0, .. } => self.body(input)?,
                State::Body { matched, fresh } => self.go_on(matched, fresh, input)?,
                State::Epilogue => &[],
            }
        }
        Ok(())
    }

    /// The parts, at the body's end.
    pub(super) fn finish(self) -> Parsed<Vec<Part>> {
        match self.state {
            State::Start(_) => Err(NO_START.into()),
            State::After if self.line == b"--" => Ok(self.done),
            State::After if self.line == b"--\r" => Err(NO_END.into()),
            State::After => Err(NO_LINE.into()),
            State::Head => Err("a part's headers do not end".into()),
            State::Body { .. } => Err("its last boundary is missing".into()),
            State::Epilogue => Ok(self.done),
        }
    }

    /// Empty lines, then the first boundary.
    fn start<'a>(&mut self, mut matched: usize, input: &'a [u8]) -> Parsed<&'a [u8]> {
        for (at, byte) in input.iter().enumerate() {
            matched = match (matched, byte) {
                (2, b'\r') => 1,
                _ if *byte == self.delimiter[matched] => matched + 1,
                _ => return Err(NO_START.into()),
            };
            if matched == self.delimiter.len() {
                self.state = State::After;
                return Ok(&input[at + 1..]);
            }
        }
        self.state = State::Start(matched);
        Ok(&[])
    }

    /// What follows a boundary: at most four bytes.
    fn after<'a>(&mut self, input: &'a [u8]) -> Parsed<&'a [u8]> {
        for (at, byte) in input.iter().enumerate() {
            self.line.push(*byte);
            self.state = match self.line.as_slice() {
                b"-" | b"\r" | b"--" | b"--\r" => continue,
                b"\r\n" => State::Head,
                b"--\r\n" => State::Epilogue,
                [b'-', b'-', ..] => return Err(NO_END.into()),
                _ => return Err(NO_LINE.into()),
            };
            self.line.clear();
            (self.head_bytes, self.named) = (0, false);
            return Ok(&input[at + 1..]);
        }
        Ok(&[])
    }

    /// A line of headers, or some of it.
    fn head<'a>(&mut self, input: &'a [u8]) -> Parsed<&'a [u8]> {
        let end = memchr(b'\n', input).map_or(input.len(), |at| at + 1);
        let (some, rest) = input.split_at(end);
        self.head_bytes += some.len();
        if self.head_bytes > HEAD_BYTES_MAX {
            return Err("a part's headers do not end within 16 KiB".into());
        }
        self.line.extend_from_slice(some);
        let Some(line) = self.line.strip_suffix(b"\r\n") else { return Ok(rest) };
        if !line.is_empty() {
            self.named |= self.part.head.read(line)?;
        } else if self.named {
            self.owned_bytes += self.part.head.owned_bytes() + ENTRY_BYTES;
            self.state = State::Body { matched: 2, fresh: true };
        } else {
            return Err("a part has no name".into());
        }
        self.line.clear();
        Ok(rest)
    }

    /// Some of a part's body, of which what came before is no delimiter's start.
    fn body<'a>(&mut self, input: &'a [u8]) -> Parsed<&'a [u8]> {
        if let Some(end) = self.finder.find(input) {
            self.add(&input[..end]);
            self.end_part()?;
            return Ok(&input[end + self.delimiter.len()..]);
        }
        let from = input.len().saturating_sub(self.delimiter.len() - 1);
        let last = memrchr(b'\r', &input[from..]).map(|at| from + at);
        let end = last.filter(|at| self.delimiter.starts_with(&input[*at..])).unwrap_or(input.len());
        self.add(&input[..end]);
        self.state = State::Body { matched: input.len() - end, fresh: false };
        Ok(&[])
    }

    /// What follows a part of a delimiter, or of what looks like one.
    fn go_on<'a>(&mut self, matched: usize, fresh: bool, input: &'a [u8]) -> Parsed<&'a [u8]> {
        let wanted = &self.delimiter[matched..];
        let both = wanted.len().min(input.len());
        if input[..both] != wanted[..both] {
            let bytes = &self.delimiter[if fresh { 2 } else { 0 }..matched];
            self.part.body.extend_from_slice(bytes);
            self.owned_bytes += bytes.len();
            self.state = State::Body { matched: 0, fresh: false };
            return Ok(input);
        }
        if both < wanted.len() {
            self.state = State::Body { matched: matched + both, fresh };
        } else if fresh {
            // An empty body whose line break is the one that ends the headers.
            return Err("a part has no body".into());
        } else {
            self.end_part()?;
        }
        Ok(&input[both..])
    }

    fn add(&mut self, bytes: &[u8]) {
        self.part.body.extend_from_slice(bytes);
        self.owned_bytes += bytes.len();
    }

    fn end_part(&mut self) -> Parsed<()> {
        if self.done.len() == ENTRIES_MAX {
            return Err(Wrong::TooMany);
        }
        self.part.body.shrink_to_fit();
        self.done.push(std::mem::take(&mut self.part));
        self.state = State::After;
        Ok(())
    }
}

const NO_START: &str = "it does not begin with the boundary";
const NO_LINE: &str = "a boundary ends no line";
const NO_END: &str = "something follows its end";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed<'a>(boundary: &str, chunks: impl IntoIterator<Item = &'a [u8]>) -> Parsed<Vec<Part>> {
        let mut parser = Parser::new(boundary);
        for chunk in chunks {
            parser.feed(chunk)?;
        }
        parser.finish()
    }

    /// What a body is whole: the same as byte by byte, and as cut in two anywhere.
    fn all(body: &str) -> Parsed<Vec<Part>> {
        let body = body.as_bytes();
        let whole = parsed("b", [body]);
        assert_eq!(parsed("b", body.chunks(1)), whole, "byte by byte");
        for at in 0..body.len() {
            assert_eq!(parsed("b", [&body[..at], &body[at..]]), whole, "cut at {at}");
        }
        whole
    }

    fn part(name: &str, filename: Option<&str>, kind: Option<&str>, body: &[u8]) -> Part {
        let head = Head { name: name.into(), filename: filename.map(Into::into), kind: kind.map(Into::into) };
        Part { head, body: body.to_vec() }
    }

    #[test]
    fn parts_have_names_types_and_any_bytes() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"x%22\"\r\n\r\n\r\n--c\r\n--b\r\n\
                    content-type : text/x \r\nX: y\r\ncontent-disposition:form-data;filename*=a;filename=\"\\\"; name=n\r\n\r\n\
                    \r\n--b--\r\nepilogue";
        let (one, two) = (part("x\"", None, None, b"\r\n--c"), part("n", Some("\\"), Some("text/x"), b""));
        assert_eq!(all(body), Ok(vec![one, two]));
        assert_eq!(all("--b--"), Ok(vec![]));
        assert_eq!(all("\r\n\r\n--b--\r\n"), Ok(vec![]));
    }

    /// RFC 7578, section 4.2: it must not be sent; undici makes a file of it.
    #[test]
    fn a_filename_in_extended_notation_alone_makes_a_file() {
        let head = |parameters: &str| {
            let body =
                format!("--b\r\nContent-Disposition: form-data; name=n; {parameters}\r\n\r\n\r\n--b--");
            all(&body).map(|parts| parts[0].head.filename.clone())
        };
        assert_eq!(head("filename*=utf-8''a%20%C3%A9.txt"), Ok(Some("a é.txt".into())));
        assert_eq!(head("filename*=UTF-8'en'x"), Ok(Some("x".into())));
        assert_eq!(head("filename*=UTF-8''%41; filename=b"), Ok(Some("b".into())), "not alone");
        for refused in ["filename*=a", "filename*=latin1''a", "filename*=utf-8''%ff"] {
            assert!(head(refused).is_err(), "{refused}");
        }
    }

    /// What looks like the delimiter is data, until it is one.
    #[test]
    fn near_delimiters_are_data() {
        for data in [
            "",
            "-",
            "--",
            "--a",
            "--ab",
            "x",
            "\r",
            "\n",
            "\r\r",
            "\r\n",
            "\r\n\r\n",
            "\r\n-",
            "\r\n--",
            "\r\r\n--",
            "\r\n-\r\n--",
            "\r\n--a",
            "\r\n--\r\n--\r",
            "\r\n--\r\n--\r\n",
            "\n--b",
            "\r--b",
            "\r\n-b",
            "x--b",
        ] {
            let body = format!(
                "--b\r\nContent-Disposition: form-data; name=n\r\n\r\n{data}\r\n--b\r\n\
                 Content-Disposition: form-data; name=m\r\n\r\n{data}\r\n--b--"
            );
            let wanted = ["n", "m"].map(|name| part(name, None, None, data.as_bytes()));
            assert_eq!(all(&body).as_deref(), Ok(&wanted[..]), "{data:?}");
        }
    }

    #[test]
    fn what_is_cut_or_malformed_is_refused() {
        let whole =
            "--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"y\"\r\nA: b\r\n\r\nz\r\n--b--";
        assert!(all(whole).is_ok());
        for end in 0..whole.len() {
            assert!(all(&whole[..end]).is_err(), "{}", &whole[..end]);
        }
        for (from, to) in [
            ("form-data", "attachment"),
            ("name=\"x\"", "nome=x"),
            ("A: b", "A b"),
            ("A:", "A(:"),
            ("\r\n--b--", "\r\n--b-x"),
        ] {
            assert!(all(&whole.replacen(from, to, 1)).is_err(), "{from} {to}");
        }
    }

    #[test]
    fn the_first_broken_rule_is_named_as_soon_as_it_is_seen() {
        let head = "--b\r\nContent-Disposition: form-data; name=n\r\n";
        for (body, why) in [
            ("\r", NO_START),
            ("\r\n--x", NO_START),
            ("x", NO_START),
            ("--b", NO_LINE),
            ("--b-", NO_LINE),
            ("--b\rx", NO_LINE),
            ("--b--x", NO_END),
            ("--b--\r", NO_END),
            ("--b\r\n\r\n", "a part has no name"),
            (&format!("{head}\r\n--b"), "a part has no body"),
            (&format!("{head}\r\n--"), "its last boundary is missing"),
            (&format!("{head}\r"), "a part's headers do not end"),
        ] {
            assert_eq!(all(body), Err(why.into()), "{body:?}");
        }
        // Nothing that follows changes it.
        let mut parser = Parser::new("b");
        assert_eq!(parser.feed(b"\r\n--c"), Err(NO_START.into()));
        let mut parser = Parser::new("b");
        assert_eq!(parser.feed(b"--b\r\nA\r\n"), Err("a header has no colon".into()));
    }

    #[test]
    fn headers_of_a_part_are_bounded() {
        let body = |length: usize| {
            let head = "Content-Disposition: form-data; name=n\r\n";
            let fill = "x".repeat(length - head.len() - "A: \r\n\r\n".len());
            format!("--b\r\n{head}A: {fill}\r\n\r\n\r\n--b--")
        };
        assert_eq!(parsed("b", [body(HEAD_BYTES_MAX).as_bytes()]).map(|parts| parts.len()), Ok(1));
        let longer = parsed("b", body(HEAD_BYTES_MAX + 1).as_bytes().chunks(7));
        assert_eq!(longer, Err("a part's headers do not end within 16 KiB".into()));
    }

    /// Ten million bytes of near-delimiters, of a boundary as long as a head allows.
    #[test]
    fn hostile_bodies_take_linear_time() {
        let boundary = "x".repeat(10_000);
        let near = format!("\r\n--{}", &boundary[1..]).into_bytes();
        let began = std::time::Instant::now();
        let mut parser = Parser::new(&boundary);
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=n\r\n\r\n");
        parser.feed(head.as_bytes()).expect("a head");
        for count in 0..1000 {
            let size = if count % 4 == 0 { 1 } else { 1 + count * 37 % near.len() };
            near.chunks(size).for_each(|chunk| parser.feed(chunk).expect("data"));
        }
        assert!(parser.owned_bytes() > 9_000_000);
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    }
}
