//! An event stream as a client reads it (HTML, sections 9.2.5 and 9.2.6): bytes in, events out.
//!
//! Owns: lines over the borders of chunks, the buffers of the event that is being read. Must not know: connections.

/// Bytes of one event, and of one line.
pub(super) const EVENT_BYTES_MAX: usize = 16 << 20;

/// An event of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParsedEvent {
    /// `message` where the stream says nothing.
    pub(super) kind: String,
    pub(super) data: String,
    pub(super) last_event_id: String,
}

/// An event, or a line, is longer than there is room for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Reads one stream.
pub(super) struct EventParser {
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// The last byte was a CR: a LF behind it ends no second line.
    after_cr: bool,
    /// Nothing of the first line is read: it may begin with a byte order mark.
    is_first: bool,
    data: String,
    kind: String,
    id: String,
    /// That of the last event that was dispatched, or that came to nothing.
    pub(super) last_event_id: String,
    /// What the stream says of the time before a new connection, in milliseconds.
    pub(super) retry_ms: Option<u64>,
}

impl EventParser {
    /// One for a new stream of a source whose last event had this id.
    pub(super) fn new(last_event_id: String) -> EventParser {
        EventParser {
            line: Vec::new(),
            after_cr: false,
            is_first: true,
            data: String::new(),
            kind: String::new(),
            id: last_event_id.clone(),
            last_event_id,
            retry_ms: None,
        }
    }

    /// Reads the next bytes: gives the events that they end. What is not ended by an empty line never is one.
    ///
    /// # Errors
    /// More is held than there may be.
    pub(super) fn read(&mut self, bytes: &[u8], event: &mut impl FnMut(ParsedEvent)) -> Result<(), TooLong> {
        let mut rest = bytes;
        if std::mem::take(&mut self.after_cr) && rest.first() == Some(&b'\n') {
            rest = &rest[1..];
        } else if rest.is_empty() {
            return Ok(());
        }
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            self.line.extend_from_slice(&rest[..end]);
            let is_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            match rest.first() {
                Some(b'\n') if is_cr => rest = &rest[1..],
                None if is_cr => self.after_cr = true,
                _ => {}
            }
            let line = std::mem::take(&mut self.line);
            self.end_line(&line, event)?;
        }
        self.line.extend_from_slice(rest);
        if self.line.len() > EVENT_BYTES_MAX { Err(TooLong) } else { Ok(()) }
    }

    fn end_line(&mut self, line: &[u8], event: &mut impl FnMut(ParsedEvent)) -> Result<(), TooLong> {
        let mut line = line;
        if std::mem::take(&mut self.is_first) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        let line = String::from_utf8_lossy(line);
        if line.is_empty() {
            self.dispatch(event);
            return Ok(());
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                if self.data.len() + value.len() >= EVENT_BYTES_MAX {
                    return Err(TooLong);
                }
                self.data.push_str(value);
                self.data.push('\n');
            }
            "event" => value.clone_into(&mut self.kind),
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry_ms = Some(value.parse().unwrap_or(u64::MAX));
            }
            // Comments have an empty name.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, event: &mut impl FnMut(ParsedEvent)) {
        self.last_event_id.clone_from(&self.id);
        let (mut data, kind) = (std::mem::take(&mut self.data), std::mem::take(&mut self.kind));
        if data.pop().is_none() {
            return;
        }
        let kind = if kind.is_empty() { "message".to_owned() } else { kind };
        event(ParsedEvent { kind, data, last_event_id: self.id.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind, data and id of each event of the stream, cut into pieces of `piece` bytes.
    fn events(stream: &[u8], piece: usize) -> Vec<String> {
        let (mut parser, mut found) = (EventParser::new("old".into()), Vec::new());
        for bytes in stream.chunks(piece) {
            let all = &mut |event: ParsedEvent| {
                found.push(format!("{}|{}|{}", event.kind, event.data, event.last_event_id));
            };
            parser.read(bytes, all).expect("room");
        }
        found
    }

    #[test]
    fn streams_are_read_as_html_9_2_6_says_wherever_they_are_cut() {
        let table: &[(&str, &[&str])] = &[
            ("data:a\n\n", &["message|a|old"]),
            ("data: a\r\rdata:  b\r\n\r\n", &["message|a|old", "message| b|old"]),
            ("data\n\ndata\ndata\n\ndata:", &["message||old", "message|\n|old"]),
            ("\u{feff}data:1\n\n\u{feff}data:2\n\ndata:3\n\n", &["message|1|old", "message|3|old"]),
            ("\u{feff}\u{feff}data:1\n\ndata:2\n\n", &["message|2|old"]),
            ("data:1\n:comment\ndata: :2\n: \n:\n\n", &["message|1\n:2|old"]),
            (
                "event: a\ndata:1\n\ndata:2\n\nevent:b\n\ndata:3\n\n",
                &["a|1|old", "message|2|old", "message|3|old"],
            ),
            ("id: 1\ndata:a\n\ndata:b\n\nid\ndata:c\n\n", &["message|a|1", "message|b|1", "message|c|"]),
            ("id:1\0\ndata:a\n\nid: \n\ndata:b\n\n", &["message|a|old", "message|b|"]),
            ("data:test\n\nDATA:x\n data:x\ndata :x\ndatax:x\n\n", &["message|test|old"]),
            (
                "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
                &["message|\0\n 2\n1\n3\n\n4|old"],
            ),
            ("data:ok…é\u{1f600}\n\n", &["message|ok…é\u{1f600}|old"]),
            ("retry:10\ndata:a\r\n\r\n", &["message|a|old"]),
            ("\n\n\r\r\n\ndata:a\n\n\n\n", &["message|a|old"]),
            ("data:never", &[]),
            ("data:never\n", &[]),
        ];
        for (stream, expected) in table {
            for piece in [1, 2, 3, 5, 1_000] {
                assert_eq!(events(stream.as_bytes(), piece), *expected, "{stream:?} in pieces of {piece}");
            }
        }
        assert_eq!(events(b"data:a\xffb\xf0\x9f\n\n", 1), ["message|a\u{fffd}b\u{fffd}|old"]);
    }

    #[test]
    fn retry_takes_digits_only() {
        let retry = |field: &str| {
            let mut parser = EventParser::new(String::new());
            parser.read(format!("{field}\n").as_bytes(), &mut |_| ()).expect("room");
            parser.retry_ms
        };
        for (field, ms) in [
            ("retry:3000", Some(3_000)),
            ("retry: 007", Some(7)),
            ("retry:", None),
            ("retry:1000x", None),
            ("retry:-1", None),
            ("retry:1.5", None),
            ("retry:  5", None),
            ("retry", None),
            ("retry:99999999999999999999999", Some(u64::MAX)),
        ] {
            assert_eq!(retry(field), ms, "{field:?}");
        }
    }

    #[test]
    fn an_event_without_an_end_has_a_bound() {
        let mut parser = EventParser::new(String::new());
        let line = vec![b'x'; EVENT_BYTES_MAX];
        assert_eq!(parser.read(&line, &mut |_| ()), Ok(()));
        assert_eq!(parser.read(b"x", &mut |_| ()), Err(TooLong));
        let mut parser = EventParser::new(String::new());
        let line = [b"data:".as_slice(), &[b'x'; 1 << 20], b"\n"].concat();
        let read = (0..20).map(|_| parser.read(&line, &mut |_| ())).find(Result::is_err);
        assert_eq!(read, Some(Err(TooLong)));
    }
}
