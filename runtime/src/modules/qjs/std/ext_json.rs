//! `parseExtJSON`: JSON with what people write by hand.
//!
//! Owns: the grammar of QuickJS's extended JSON (comments, unquoted and single-quoted keys, trailing
//! commas, signs, radix prefixes, NaN, Infinity, `\v`, continued lines). Must not know: files. It
//! keeps its own stack: nesting costs no stack of the thread.

use rquickjs::object::Property;
use rquickjs::{Array, Atom, Ctx, Error, Exception, Object, Result, Value};

use crate::js::{convert, exception};

/// How deep arrays and objects may nest.
const DEPTH_MAX: usize = 10_000;

enum Token {
    Mark(u8),
    Text(Vec<u8>),
    Word(Vec<u8>),
    Number(f64),
    End,
}

/// A container that is being filled.
enum Open<'js> {
    Array(Array<'js>, u32),
    Object(Object<'js>, Atom<'js>),
}

struct Parser<'a, 'js> {
    ctx: &'a Ctx<'js>,
    text: &'a [u8],
    at: usize,
}

/// What `text` says.
///
/// # Errors
/// SyntaxError; RangeError for what nests deeper than 10,000.
pub fn parse<'js>(ctx: &Ctx<'js>, text: &str) -> Result<Value<'js>> {
    let mut parser = Parser { ctx, text: text.as_bytes(), at: 0 };
    let mut open: Vec<Open<'js>> = Vec::new();
    let mut token = parser.token()?;
    loop {
        let mut value = match token {
            Token::Mark(mark @ (b'[' | b'{')) => match parser.begin(mark)? {
                Begun::Open(container) => {
                    if open.len() >= DEPTH_MAX {
                        return Err(exception::range_error(ctx, "the JSON text nests too deep"));
                    }
                    open.push(container.0);
                    token = container.1;
                    continue;
                }
                Begun::Empty(value) => value,
            },
            other => parser.scalar(other)?,
        };
        // The value goes into its container, which may end with it, and so be the next value.
        loop {
            let next = parser.token()?;
            let Some(container) = open.last_mut() else {
                return match next {
                    Token::End => Ok(value),
                    _ => Err(parser.unexpected("data after the value")),
                };
            };
            match parser.add(container, value, next)? {
                Some(next) => {
                    token = next;
                    break;
                }
                None => match open.pop() {
                    Some(Open::Array(array, _)) => value = array.into_value(),
                    Some(Open::Object(object, _)) => value = object.into_value(),
                    None => return Err(Error::Unknown),
                },
            }
        }
    }
}

enum Begun<'js> {
    /// The container, and the first token of its first value.
    Open((Open<'js>, Token)),
    Empty(Value<'js>),
}

fn entry(value: Value<'_>) -> Property<Value<'_>> {
    Property::from(value).writable().configurable().enumerable()
}

impl<'js> Parser<'_, 'js> {
    fn begin(&mut self, mark: u8) -> Result<Begun<'js>> {
        let first = self.token()?;
        if mark == b'[' {
            let array = Array::new(self.ctx.clone())?;
            return Ok(match first {
                Token::Mark(b']') => Begun::Empty(array.into_value()),
                first => Begun::Open((Open::Array(array, 0), first)),
            });
        }
        let object = Object::new(self.ctx.clone())?;
        if let Token::Mark(b'}') = first {
            return Ok(Begun::Empty(object.into_value()));
        }
        let key = self.key(first)?;
        let first = self.token()?;
        Ok(Begun::Open((Open::Object(object, key), first)))
    }

    /// A key and its colon.
    fn key(&mut self, token: Token) -> Result<Atom<'js>> {
        let (Token::Text(name) | Token::Word(name)) = token else {
            return Err(self.unexpected("where a property name should be"));
        };
        let key = Atom::from_value(self.ctx.clone(), &convert::text(self.ctx, &name)?)?;
        match self.token()? {
            Token::Mark(b':') => Ok(key),
            _ => Err(self.unexpected("where ':' should be")),
        }
    }

    /// Adds `value`, which `next` follows; the first token of the container's next value, or nothing
    /// when it has ended.
    fn add(&mut self, open: &mut Open<'js>, value: Value<'js>, next: Token) -> Result<Option<Token>> {
        let end = match open {
            Open::Array(array, length) => {
                array.as_object().prop(*length, entry(value))?;
                *length += 1;
                b']'
            }
            Open::Object(object, key) => {
                object.prop(key.clone(), entry(value))?;
                b'}'
            }
        };
        match next {
            Token::Mark(mark) if mark == end => return Ok(None),
            Token::Mark(b',') => {}
            _ => return Err(self.unexpected(&format!("where ',' or '{}' should be", char::from(end)))),
        }
        let first = self.token()?;
        if matches!(first, Token::Mark(mark) if mark == end) {
            return Ok(None);
        }
        match open {
            Open::Array(..) => Ok(Some(first)),
            Open::Object(_, key) => {
                *key = self.key(first)?;
                self.token().map(Some)
            }
        }
    }

    fn scalar(&self, token: Token) -> Result<Value<'js>> {
        let ctx = self.ctx.clone();
        match token {
            Token::Text(text) => convert::text(self.ctx, &text),
            Token::Number(number) => Ok(convert::number(self.ctx, number)),
            Token::Word(word) => match word.as_slice() {
                b"true" => Ok(Value::new_bool(ctx, true)),
                b"false" => Ok(Value::new_bool(ctx, false)),
                b"null" => Ok(Value::new_null(ctx)),
                b"NaN" => Ok(Value::new_float(ctx, f64::NAN)),
                b"Infinity" => Ok(Value::new_float(ctx, f64::INFINITY)),
                _ => Err(self.unexpected(&format!("'{}'", String::from_utf8_lossy(&word)))),
            },
            Token::Mark(mark) => Err(self.unexpected(&format!("token '{}'", char::from(mark)))),
            Token::End => Err(self.error("Unexpected end of JSON input")),
        }
    }

    fn unexpected(&self, what: &str) -> Error {
        self.error(&format!("Unexpected {what}"))
    }

    fn error(&self, message: &str) -> Error {
        let before = &self.text[..self.at.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
        Exception::throw_syntax(self.ctx, &format!("{message} (line {line}, column {column})"))
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        self.at += self.rest().iter().take_while(|byte| wanted(**byte)).count();
    }

    fn skip_blanks(&mut self) -> Result<()> {
        loop {
            self.skip_while(|byte| b" \t\r\n\x0b\x0c".contains(&byte));
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    let end = self.rest()[2..].windows(2).position(|pair| pair == b"*/");
                    let Some(end) = end else { return Err(self.error("Unexpected end of comment")) };
                    self.at += end + 4;
                }
                (b'/', b'/') => {
                    let ends = |rest: &[u8]| {
                        matches!(rest, [b'\r' | b'\n', ..])
                            || rest.starts_with(b"\xe2\x80\xa8")
                            || rest.starts_with(b"\xe2\x80\xa9")
                    };
                    while self.at < self.text.len() && !ends(self.rest()) {
                        self.at += 1;
                    }
                    // Line and paragraph separators end a comment, but are no blanks themselves.
                }
                _ => return Ok(()),
            }
        }
    }

    fn token(&mut self) -> Result<Token> {
        self.skip_blanks()?;
        if self.at >= self.text.len() {
            return Ok(Token::End);
        }
        match self.peek(0) {
            quote @ (b'"' | b'\'') => {
                self.at += 1;
                self.string(quote)
            }
            b'+' | b'-' | b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_ascii_digit() => self.number(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' => {
                let start = self.at;
                self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$');
                Ok(Token::Word(self.text[start..self.at].to_vec()))
            }
            0x80.. => Err(self.unexpected("character")),
            mark => {
                self.at += 1;
                Ok(Token::Mark(mark))
            }
        }
    }

    fn string(&mut self, quote: u8) -> Result<Token> {
        let mut out = Vec::new();
        loop {
            let start = self.at;
            self.skip_while(|byte| byte != quote && byte != b'\\' && byte >= 0x20);
            out.extend_from_slice(&self.text[start..self.at]);
            if self.at >= self.text.len() {
                return Err(self.error("Unexpected end of JSON input"));
            }
            match self.peek(0) {
                byte if byte == quote => {
                    self.at += 1;
                    return Ok(Token::Text(out));
                }
                b'\\' => {
                    self.at += 1;
                    self.escape(quote, &mut out)?;
                }
                _ => return Err(self.error("Bad control character in string literal")),
            }
        }
    }

    fn escape(&mut self, quote: u8, out: &mut Vec<u8>) -> Result<()> {
        let letter = self.peek(0);
        self.at += 1;
        out.push(match letter {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'\\' | b'/' => letter,
            // The line goes on.
            b'\n' => return Ok(()),
            b'u' => {
                let mut code = self.hex4()?;
                let low = self.rest().starts_with(b"\\u").then(|| self.low_surrogate()).flatten();
                if let (0xD800..=0xDBFF, Some(low)) = (code, low) {
                    self.at += 6;
                    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                }
                encode(code, out);
                return Ok(());
            }
            _ if letter == quote => letter,
            _ => return Err(self.error("Bad escaped character")),
        });
        Ok(())
    }

    fn low_surrogate(&self) -> Option<u32> {
        let digits = std::str::from_utf8(self.rest().get(2..6)?).ok()?;
        let strict = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16).ok().filter(|code| strict && (0xDC00..=0xDFFF).contains(code))
    }

    fn hex4(&mut self) -> Result<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = char::from(self.peek(0)).to_digit(16) else {
                return Err(self.error("Bad Unicode escape"));
            };
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn number(&mut self) -> Result<Token> {
        let start = self.at;
        let negative = self.peek(0) == b'-';
        if matches!(self.peek(0), b'+' | b'-') {
            self.at += 1;
        }
        let signed = |value: f64| Token::Number(if negative { -value } else { value });
        for (word, value) in [(&b"Infinity"[..], f64::INFINITY), (b"NaN", f64::NAN)] {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(signed(value));
            }
        }
        if !self.peek(0).is_ascii_digit() && self.peek(0) != b'.' {
            return Err(self.unexpected(&format!("token '{}'", char::from(self.peek(0)))));
        }
        if self.peek(0) == b'0' {
            let bits = match self.peek(1) {
                b'x' | b'X' => 4,
                b'o' | b'O' => 3,
                b'b' | b'B' => 1,
                digit if digit.is_ascii_digit() => return Err(self.unexpected("number")),
                _ => 0,
            };
            if bits > 0 {
                self.at += 2;
                return self.radix(bits).map(signed);
            }
        }
        self.skip_while(|byte| byte.is_ascii_digit());
        if self.peek(0) == b'.' {
            self.at += 1;
            self.digits("Unterminated fractional number")?;
        }
        if matches!(self.peek(0), b'e' | b'E') {
            self.at += 1 + usize::from(matches!(self.peek(1), b'+' | b'-'));
            self.digits("Exponent part is missing a number")?;
        }
        let text = std::str::from_utf8(&self.text[start..self.at]).unwrap_or_default();
        text.parse().map(Token::Number).map_err(|_| self.unexpected("number"))
    }

    fn digits(&mut self, missing: &str) -> Result<()> {
        if !self.peek(0).is_ascii_digit() {
            return Err(self.error(missing));
        }
        self.skip_while(|byte| byte.is_ascii_digit());
        Ok(())
    }

    /// Digits of `bits` bits each, rounded once: what goes beyond 128 bits is but an exponent, and
    /// one bit that says whether something was lost.
    fn radix(&mut self, bits: u32) -> Result<f64> {
        let digit = |byte: u8| char::from(byte).to_digit(1 << bits);
        if digit(self.peek(0)).is_none() {
            return Err(self.unexpected(&format!("token '{}'", char::from(self.peek(0)))));
        }
        let (mut value, mut lost, mut exponent) = (0_u128, false, 0_i32);
        while let Some(digit) = digit(self.peek(0)) {
            self.at += 1;
            if value >> (128 - bits) == 0 {
                value = value << bits | u128::from(digit);
            } else {
                lost |= digit != 0;
                exponent = exponent.saturating_add(bits as i32);
            }
        }
        Ok((value | u128::from(lost)) as f64 * 2_f64.powi(exponent))
    }
}

/// UTF-8; a lone surrogate in three bytes, which the engine takes for what it is.
fn encode(code: u32, out: &mut Vec<u8>) {
    match char::from_u32(code) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            let tail = |bits: u32| 0x80 | (bits & 0x3F) as u8;
            out.extend_from_slice(&[0xE0 | (code >> 12) as u8, tail(code >> 6), tail(code)]);
        }
    }
}
