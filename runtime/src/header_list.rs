//! A header list (Fetch section 2.2.2) in one buffer, with the checks that keep a handler from
//! writing anything but a field into a response.
//!
//! Owns: [`HeaderList`], name and value rules. Must not know: JavaScript, the wire.

#[derive(Clone, Copy, Debug)]
struct Field {
    start: u32,
    name: u32,
    value: u32,
}

/// Names and values in order; names keep the case they were given in and compare without it.
#[derive(Clone, Debug, Default)]
pub struct HeaderList {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    /// Which of [`OF_CODED`] speak of a body as it came, before it was decoded.
    of_coded: [bool; 2],
}

/// The fields of a response that speak of a body's bytes as they came.
const OF_CODED: [&[u8]; 2] = [b"content-encoding", b"content-length"];

/// Whether `name` is a field name: an RFC 9110 section 5.6.2 token.
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// A value without the white space around it (Fetch, "normalize").
pub fn normalise(value: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let start = value.iter().position(|b| !blank(b)).unwrap_or(value.len());
    let end = value.iter().rposition(|b| !blank(b)).map_or(start, |i| i + 1);
    &value[start..end]
}

/// Whether a normalised value may stand in a field: no NUL, CR or LF (Fetch, "header value").
pub fn is_value(value: &[u8]) -> bool {
    !value.iter().any(|b| matches!(b, 0 | b'\r' | b'\n'))
}

impl HeaderList {
    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Bytes of all names and values.
    pub fn bytes(&self) -> usize {
        self.fields.iter().map(|f| f.name as usize + f.value as usize).sum()
    }

    /// Forgets the bytes of fields that are gone, once they are the most.
    fn compact(&mut self) {
        if self.bytes.len() < 1024 || self.bytes.len() < 2 * self.bytes() {
            return;
        }
        let mut fresh = HeaderList::default();
        self.iter().for_each(|(name, value)| fresh.append(name, value));
        fresh.of_coded = self.of_coded;
        *self = fresh;
    }

    /// Name and value of field `index`.
    pub fn at(&self, index: usize) -> Option<(&[u8], &[u8])> {
        self.fields.get(index).map(|field| self.split(*field))
    }

    fn split(&self, field: Field) -> (&[u8], &[u8]) {
        let (start, name, value) = (field.start as usize, field.name as usize, field.value as usize);
        self.bytes[start..start + name + value].split_at(name)
    }

    /// All fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| self.split(*field))
    }

    /// Says that Content-Encoding and Content-Length are those of a body that is decoded now. A script sees
    /// them; a message that is made of the list has them only while the body goes on as it came.
    pub fn set_of_coded(&mut self) {
        self.of_coded = OF_CODED.map(|name| self.has(name));
    }

    /// The list without what speaks of a body as it came; `None` where nothing does.
    pub fn of_decoded(&self) -> Option<HeaderList> {
        if self.of_coded == [false; 2] {
            return None;
        }
        let mut list = self.clone();
        list.of_coded = [false; 2];
        OF_CODED.iter().zip(self.of_coded).filter(|(_, is)| *is).for_each(|(name, _)| list.delete(name));
        Some(list)
    }

    /// The script says itself what `name` is from now on.
    fn restate(&mut self, name: &[u8]) {
        if self.of_coded != [false; 2] {
            for (known, is) in OF_CODED.iter().zip(&mut self.of_coded) {
                *is &= !known.eq_ignore_ascii_case(name);
            }
        }
    }

    /// Adds a field; the caller has checked name and value.
    pub fn append(&mut self, name: &[u8], value: &[u8]) {
        self.restate(name);
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.fields.push(Field { start, name: name.len() as u32, value: value.len() as u32 });
    }

    /// Whether a field is called `name`.
    pub fn has(&self, name: &[u8]) -> bool {
        self.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// The values of all fields called `name`, joined.
    pub fn get(&self, name: &[u8]) -> Option<Vec<u8>> {
        let mut values = self.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v);
        let mut joined = values.next()?.to_vec();
        for value in values {
            joined.extend_from_slice(separator(name));
            joined.extend_from_slice(value);
        }
        Some(joined)
    }

    /// Removes the fields called `name`.
    pub fn delete(&mut self, name: &[u8]) {
        self.restate(name);
        let bytes = &self.bytes;
        self.fields.retain(|f| {
            let known = &bytes[f.start as usize..][..f.name as usize];
            !known.eq_ignore_ascii_case(name)
        });
        self.compact();
    }

    /// Replaces the first field called `name` and removes the others, or adds one.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        let position = self.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
        let Some(position) = position else { return self.append(name, value) };
        let kept = self.split(self.fields[position]).0.to_vec();
        self.append(&kept, value);
        let Some(fresh) = self.fields.pop() else { return };
        self.fields[position] = fresh;
        let mut index = 0;
        let bytes = &self.bytes;
        self.fields.retain(|f| {
            let known = &bytes[f.start as usize..][..f.name as usize];
            let keep = index <= position || !known.eq_ignore_ascii_case(name);
            index += 1;
            keep
        });
        self.compact();
    }

    /// Lower-case names in order with their joined values, `set-cookie` one by one (Fetch, "sort
    /// and combine").
    pub fn sorted(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all: Vec<(Vec<u8>, Vec<u8>)> =
            self.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let mut out: Vec<(Vec<u8>, Vec<u8>)> = Vec::with_capacity(all.len());
        for (name, value) in all {
            match out.last_mut() {
                Some((last, joined)) if *last == name && name != b"set-cookie" => {
                    joined.extend_from_slice(separator(&name));
                    joined.extend_from_slice(&value);
                }
                _ => out.push((name, value)),
            }
        }
        out
    }
}

/// What stands between the values of several fields: a comma (Fetch, "get"), for cookies a semicolon,
/// as in one field of them (RFC 6265 section 4.2.1, RFC 9113 section 8.2.3; so do Deno, Bun and Node).
fn separator(name: &[u8]) -> &'static [u8] {
    if name.eq_ignore_ascii_case(b"cookie") { b"; " } else { b", " }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case_and_values_combine() {
        let mut list = HeaderList::default();
        list.append(b"Accept", b"a");
        list.append(b"x", b"1");
        list.append(b"ACCEPT", b"b");
        assert_eq!(list.get(b"accept").unwrap(), b"a, b");
        list.set(b"accept", b"c");
        assert_eq!(list.len(), 2);
        assert_eq!(list.at(0).unwrap(), (&b"Accept"[..], &b"c"[..]));
        list.delete(b"ACCEPT");
        assert_eq!(list.iter().collect::<Vec<_>>(), [(&b"x"[..], &b"1"[..])]);
        list.append(b"Cookie", b"a=1");
        list.append(b"cookie", b"b=2");
        assert_eq!(list.get(b"COOKIE").unwrap(), b"a=1; b=2");
        assert_eq!(list.sorted()[0], (b"cookie".to_vec(), b"a=1; b=2".to_vec()));
    }

    #[test]
    fn fields_of_a_coded_body_are_shown_and_stay_behind() {
        let mut list = HeaderList::default();
        for (name, value) in [("Content-Encoding", "gzip"), ("content-length", "20"), ("x", "1")] {
            list.append(name.as_bytes(), value.as_bytes());
        }
        assert!(list.of_decoded().is_none());
        list.set_of_coded();
        assert!(list.has(b"content-encoding"));
        let left = |list: &HeaderList| {
            let left = list.of_decoded().unwrap_or_default();
            left.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(left(&list), ["x"]);
        // What a script says afterwards is meant.
        list.set(b"content-length", b"7");
        assert_eq!(left(&list), ["content-length", "x"]);
        list.append(b"content-encoding", b"br");
        assert!(list.of_decoded().is_none());
    }

    #[test]
    fn set_cookie_is_never_combined() {
        let mut list = HeaderList::default();
        for (name, value) in [("Set-Cookie", "a=1"), ("b", "1"), ("set-cookie", "c=2"), ("B", "2")] {
            list.append(name.as_bytes(), value.as_bytes());
        }
        let sorted: Vec<String> = list
            .sorted()
            .iter()
            .map(|(n, v)| format!("{}:{}", String::from_utf8_lossy(n), String::from_utf8_lossy(v)))
            .collect();
        assert_eq!(sorted, ["b:1, 2", "set-cookie:a=1", "set-cookie:c=2"]);
    }

    #[test]
    fn a_value_with_a_line_break_is_no_value() {
        assert!(is_value(normalise(b" ok\r\n")));
        assert!(!is_value(normalise(b"a\r\nSet-Cookie: b")) && !is_value(b"a\0b"));
        assert!(is_name(b"x-a_b") && !is_name(b"x y") && !is_name(b"") && !is_name("h\u{e9}".as_bytes()));
    }
}
