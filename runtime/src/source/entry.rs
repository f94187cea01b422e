//! A prepared source as bytes, for the cache.
//!
//! Owns: their form. Must not know: where they are kept.

use super::positions::Positions;
use super::prepared::{Exports, ModuleFormat, Prepared};

/// The prepared source that [`write`] wrote; none where the bytes are not of that form.
pub fn read(bytes: &[u8]) -> Option<Prepared> {
    let mut reader = Reader(bytes);
    let kind = reader.number()?;
    let positions = match reader.number()? {
        1 => Some(Positions::Tokens(reader.bytes()?.into())),
        2 => Some(Positions::Before(reader.number()?)),
        _ => None,
    };
    let (names, from) = (reader.list()?, reader.list()?);
    let format = match kind {
        0 => ModuleFormat::Module,
        _ => ModuleFormat::CommonJs(Exports { names, from, serves: kind == 2 }),
    };
    Some(Prepared { text: reader.0.to_vec(), format, positions })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*bytes))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()? as usize;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn list(&mut self) -> Option<Vec<String>> {
        let count = self.number()?;
        (0..count).map(|_| String::from_utf8(self.bytes()?.to_vec()).ok()).collect()
    }
}

/// The bytes of `prepared`.
pub fn write(prepared: &Prepared) -> Vec<u8> {
    let mut body = Vec::with_capacity(prepared.text.len() + 256);
    let number = |body: &mut Vec<u8>, n: usize| body.extend_from_slice(&(n as u32).to_le_bytes());
    let bytes = |body: &mut Vec<u8>, bytes: &[u8]| {
        number(body, bytes.len());
        body.extend_from_slice(bytes);
    };
    let none = Exports::default();
    let (kind, exports) = match &prepared.format {
        ModuleFormat::Module => (0, &none),
        ModuleFormat::CommonJs(exports) => (1 + usize::from(exports.serves), exports),
    };
    number(&mut body, kind);
    match &prepared.positions {
        None => number(&mut body, 0),
        Some(Positions::Tokens(tokens)) => {
            number(&mut body, 1);
            bytes(&mut body, tokens);
        }
        Some(Positions::Before(before)) => {
            number(&mut body, 2);
            number(&mut body, *before as usize);
        }
    }
    for list in [&exports.names, &exports.from] {
        number(&mut body, list.len());
        for text in list {
            bytes(&mut body, text.as_bytes());
        }
    }
    body.extend_from_slice(&prepared.text);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let exports =
            Exports { names: vec!["a".into(), "\u{e9}-b".into()], from: vec!["./c".into()], serves: true };
        let commonjs = ModuleFormat::CommonJs(exports);
        let tokens = Some(Positions::of([[0, 0, 3, 1]].into_iter()));
        for prepared in [
            Prepared { text: b"exports.a = 1".to_vec(), format: commonjs, positions: tokens },
            Prepared { positions: Some(Positions::Before(7)), ..Prepared::default() },
            Prepared::default(),
        ] {
            let bytes = write(&prepared);
            let end = bytes.len() - prepared.text.len();
            assert_eq!(read(&bytes), Some(prepared));
            for at in 0..end {
                assert_eq!(read(&bytes[..at]), None, "{at} bytes");
            }
        }
    }
}
