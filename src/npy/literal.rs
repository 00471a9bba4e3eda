//! The part of Python's literals that headers are written in: from bytes to values.
//!
//! Works on bytes, so that every position in an error is a byte of the file. One pass, and
//! brackets nest [`MAX_DEPTH`] deep at most. Left out on purpose, though NumPy reads them: signs,
//! hexadecimal and the like, `1_0`, floats, comments, `'a' 'b'`, `\N{..}`, continued lines.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// How deep brackets may nest.
pub(super) const MAX_DEPTH: usize = 32;

const VALUE: &str = "a string, a plain number, True, False, None or an opening bracket";
const NUMBER: &str = "a number of decimal digits that fits 64 bits, without leading zero";
const DEPTH: &str = "at most 32 nested brackets";
const END: &str = "nothing but white space after the dictionary";
const NEXT: &str = "a comma or the closing bracket";
const ESCAPE: &str =
    "one of the escapes \\\\ \\' \\\" \\n \\r \\t \\a \\b \\f \\v \\ooo \\xhh \\uhhhh \\Uhhhhhhhh";

/// A value and the place in the text where it starts.
#[derive(Debug, PartialEq)]
pub(super) struct Node<'a> {
    pub(super) at: usize,
    pub(super) value: Value<'a>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Str(Cow<'a, str>),
    Int(u64),
    Bool(bool),
    None,
    Tuple(Vec<Node<'a>>),
    List(Vec<Node<'a>>),
    Dict(Vec<(Node<'a>, Node<'a>)>),
}

/// A text and what is needed to read it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) bytes: &'a [u8],
    /// Where the text starts in its file.
    pub(super) start: u64,
    /// Version 3: strings are UTF-8, and Python 2's `3L` is gone. Else strings are latin-1.
    pub(super) version_3: bool,
}

impl Source<'_> {
    /// The text at `at` is not what the format allows.
    #[cold]
    pub(super) fn broken(&self, at: usize, expected: &'static str) -> Error {
        let at_file = self.start.saturating_add(at as u64);
        Error::HeaderSyntax { path: PathBuf::new(), at: at_file, found: self.excerpt(at), expected }
    }

    /// The text from `at` on, escaped and cut, for messages.
    pub(super) fn excerpt(&self, at: usize) -> String {
        match self.bytes.get(at..) {
            None | Some([]) => "the end of the text".to_owned(),
            Some(rest) => format!("`{}`", escape(rest)),
        }
    }
}

/// At most some 32 characters of `bytes`, printable.
pub(super) fn escape(bytes: &[u8]) -> String {
    const MAX: usize = 32;
    let mut text = String::new();
    for &byte in bytes {
        if text.len() >= MAX {
            return text + "...";
        }
        match byte {
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.extend(byte.escape_ascii().map(char::from)),
        }
    }
    text
}

/// Reads the one value that `source` holds; `depth` brackets count as open already.
pub(super) fn parse(source: Source<'_>, depth: usize) -> Result<Node<'_>> {
    let mut parser = Parser { source, at: 0, depth };
    let node = parser.value()?;
    parser.skip_space();
    if parser.peek().is_some() {
        return Err(source.broken(parser.at, END));
    }
    Ok(node)
}

struct Parser<'a> {
    source: Source<'a>,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.source.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r' | b'\x0c') = self.peek() {
            self.at += 1;
        }
    }

    fn broken(&self, expected: &'static str) -> Error {
        self.source.broken(self.at, expected)
    }

    fn value(&mut self) -> Result<Node<'a>> {
        self.skip_space();
        let at = self.at;
        let value = match self.peek() {
            Some(b'\'' | b'"') => Value::Str(self.string(false)?),
            Some(b'0'..=b'9') => Value::Int(self.number()?),
            Some(b'[') => Value::List(self.items(b']')?.0),
            Some(b'{') => self.dict()?,
            Some(b'(') => {
                let (mut items, comma) = self.items(b')')?;
                match items.pop() {
                    // Parentheses without a comma only group.
                    Some(only) if items.is_empty() && !comma => return Ok(only),
                    last => items.extend(last),
                }
                Value::Tuple(items)
            }
            _ => self.word()?,
        };
        Ok(Node { at, value })
    }

    /// Steps over an opening bracket.
    fn open(&mut self) -> Result<()> {
        if self.depth >= MAX_DEPTH {
            return Err(self.broken(DEPTH));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Steps over a closing bracket, if it is there; else something must be allowed to follow.
    fn close(&mut self, close: u8, may_follow: bool) -> Result<bool> {
        self.skip_space();
        if self.eat(close) {
            self.depth -= 1;
            return Ok(true);
        }
        if may_follow { Ok(false) } else { Err(self.broken(NEXT)) }
    }

    /// The values up to `close`, and whether a comma stands after the last one.
    fn items(&mut self, close: u8) -> Result<(Vec<Node<'a>>, bool)> {
        self.open()?;
        let (mut items, mut comma) = (Vec::new(), false);
        while !self.close(close, comma || items.is_empty())? {
            items.push(self.value()?);
            self.skip_space();
            comma = self.eat(b',');
        }
        Ok((items, comma))
    }

    fn dict(&mut self) -> Result<Value<'a>> {
        self.open()?;
        let (mut pairs, mut comma) = (Vec::new(), false);
        while !self.close(b'}', comma || pairs.is_empty())? {
            let key = self.value()?;
            self.skip_space();
            if !self.eat(b':') {
                return Err(self.broken("a colon"));
            }
            pairs.push((key, self.value()?));
            self.skip_space();
            comma = self.eat(b',');
        }
        Ok(Value::Dict(pairs))
    }

    /// `True`, `False`, `None`, or a string with a prefix.
    fn word(&mut self) -> Result<Value<'a>> {
        let rest = &self.source.bytes[self.at..];
        if let [prefix @ (b'u' | b'U' | b'r' | b'R'), b'\'' | b'"', ..] = rest {
            self.at += 1;
            return Ok(Value::Str(self.string(matches!(prefix, b'r' | b'R'))?));
        }
        let len = rest.iter().take_while(|&&byte| is_word(byte)).count();
        let value = match &rest[..len] {
            b"True" => Value::Bool(true),
            b"False" => Value::Bool(false),
            b"None" => Value::None,
            _ => return Err(self.broken(VALUE)),
        };
        self.at += len;
        Ok(value)
    }

    fn number(&mut self) -> Result<u64> {
        let start = self.at;
        let mut number = 0_u64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            let more = number.checked_mul(10).and_then(|n| n.checked_add(u64::from(digit - b'0')));
            number = more.ok_or_else(|| self.source.broken(start, NUMBER))?;
            self.at += 1;
        }
        let digits = self.at - start;
        if !self.source.version_3 {
            self.skip_long_mark();
        }
        let goes_on = self.peek().is_some_and(|byte| is_word(byte) || byte == b'.');
        if goes_on || (digits > 1 && self.source.bytes[start] == b'0') {
            return Err(self.source.broken(start, NUMBER));
        }
        Ok(number)
    }

    /// Python 2 wrote `3L`; NumPy drops the `L` even after blanks.
    fn skip_long_mark(&mut self) {
        let rest = &self.source.bytes[self.at..];
        let blanks =
            rest.iter().take_while(|&&byte| matches!(byte, b' ' | b'\t' | b'\x0c')).count();
        if rest.get(blanks) == Some(&b'L') {
            self.at += blanks + 1;
        }
    }

    /// A string from its opening quote on.
    fn string(&mut self, raw: bool) -> Result<Cow<'a, str>> {
        let bytes = self.source.bytes;
        let open = self.at;
        let quote = bytes[open];
        let triple = bytes[open..].starts_with(&[quote; 3]);
        let quotes = if triple { 3 } else { 1 };
        self.at += quotes;
        let mut text = Cow::Borrowed("");
        // What is between `plain` and `self.at` is to be taken as it stands.
        let mut plain = self.at;
        loop {
            let rest = &bytes[self.at..];
            let special = |byte: &u8| matches!(byte, b'\'' | b'"' | b'\\' | b'\r' | b'\n' | b'\0');
            self.at += rest.iter().position(special).unwrap_or(rest.len());
            match self.peek() {
                Some(byte) if byte == quote => {
                    if !triple || bytes[self.at..].starts_with(&[quote; 3]) {
                        text += self.decode(plain)?;
                        self.at += quotes;
                        return Ok(text);
                    }
                    self.at += 1;
                }
                Some(b'\\') if raw => {
                    self.at += 1;
                    // A backslash keeps a quote from closing, and stays in the string.
                    if let Some(b'\\' | b'\'' | b'"') = self.peek() {
                        self.at += 1;
                    }
                }
                Some(b'\\') => {
                    text += self.decode(plain)?;
                    text.to_mut().push(self.escape()?);
                    plain = self.at;
                }
                Some(b'\r') if triple => {
                    // Python reads every kind of line end as \n.
                    text += self.decode(plain)?;
                    text.to_mut().push('\n');
                    self.at += 1;
                    self.eat(b'\n');
                    plain = self.at;
                }
                Some(b'\0') => return Err(self.broken("no NUL byte")),
                None => return Err(self.source.broken(open, "a string that is closed")),
                Some(b'\r' | b'\n') if !triple => {
                    return Err(self.source.broken(open, "a string that is closed on its line"));
                }
                Some(_) => self.at += 1,
            }
        }
    }

    /// The characters of the bytes from `start` to here.
    fn decode(&self, start: usize) -> Result<Cow<'a, str>> {
        let bytes = &self.source.bytes[start..self.at];
        match std::str::from_utf8(bytes) {
            Ok(text) if self.source.version_3 || bytes.is_ascii() => Ok(Cow::Borrowed(text)),
            Err(error) if self.source.version_3 => {
                Err(self.source.broken(start + error.valid_up_to(), "UTF-8"))
            }
            // The characters of latin-1 have the numbers of their bytes.
            _ => Ok(bytes.iter().map(|&byte| char::from(byte)).collect()),
        }
    }

    /// The character that an escape stands for; steps over it.
    fn escape(&mut self) -> Result<char> {
        let (source, start) = (self.source, self.at);
        let letter = source.bytes.get(start + 1).copied();
        self.at += 2;
        let number = match letter {
            Some(byte @ (b'\\' | b'\'' | b'"')) => Some(u32::from(byte)),
            Some(b'n') => Some(0x0A),
            Some(b'r') => Some(0x0D),
            Some(b't') => Some(0x09),
            Some(b'a') => Some(0x07),
            Some(b'b') => Some(0x08),
            Some(b'f') => Some(0x0C),
            Some(b'v') => Some(0x0B),
            Some(b'x') => self.digits(16, 2, 2),
            Some(b'u') => self.digits(16, 4, 4),
            Some(b'U') => self.digits(16, 8, 8),
            Some(b'0'..=b'7') => {
                self.at -= 1;
                self.digits(8, 1, 3).filter(|&number| number <= 0xFF)
            }
            _ => None,
        };
        // `from_u32` refuses lone surrogates.
        number.and_then(char::from_u32).ok_or_else(|| source.broken(start, ESCAPE))
    }

    /// A number of `min` to `max` digits, if it is there; steps over it.
    fn digits(&mut self, radix: u32, min: usize, max: usize) -> Option<u32> {
        let start = self.at;
        let mut number = 0_u32;
        while self.at - start < max {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(radix)) else {
                break;
            };
            number = number.checked_mul(radix)? + digit;
            self.at += 1;
        }
        (self.at - start >= min).then_some(number)
    }
}

/// Can `byte` be part of a Python name? Bytes past ASCII count, to be refused with it.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], version_3: bool) -> Result<Value<'_>> {
        parse(Source { bytes: text, start: 10, version_3 }, 0).map(|node| node.value)
    }

    /// The string that `text` holds.
    fn string(text: &[u8], version_3: bool) -> Option<String> {
        match read(text, version_3) {
            Ok(Value::Str(text)) => Some(text.into_owned()),
            _ => None,
        }
    }

    #[test]
    fn strings_are_read_as_python_reads_them() {
        let cases: [(&[u8], &str); 16] = [
            (b"'ab'", "ab"),
            (b"\"a'b\"", "a'b"),
            (b"''", ""),
            (b"''''''", ""),
            (b"'''a'b''c\n'''", "a'b''c\n"),
            (b"\"\"\"a\r\nb\rc\"\"\"", "a\nb\nc"),
            (b"u'a'", "a"),
            (b"U\"a\"", "a"),
            (br"r'a\n\''", r"a\n\'"),
            (br"R'\\'", r"\\"),
            (br#"'\\\'\"\n\r\t'"#, "\\'\"\n\r\t"),
            (br"'\a\b\f\v'", "\x07\x08\x0c\x0b"),
            (br"'\0\12\1012\3777'", "\0\nA2\u{ff}7"),
            (br"'\x41\u00e9\U0001F600'", "A\u{e9}\u{1f600}"),
            (b"'\t\x01\x7f'", "\t\x01\x7f"),
            (b"(('a'))", "a"),
        ];
        for (text, expected) in cases {
            for version_3 in [false, true] {
                assert_eq!(string(text, version_3).as_deref(), Some(expected), "{text:?}");
            }
        }
        assert!(matches!(read(b"'plain'", true), Ok(Value::Str(Cow::Borrowed("plain")))));
    }

    #[test]
    fn strings_are_latin_1_before_version_3_and_utf_8_then() {
        assert_eq!(string(b"'\xe9\xff'", false).as_deref(), Some("\u{e9}\u{ff}"));
        assert_eq!(string("'é'".as_bytes(), false).as_deref(), Some("Ã©"));
        assert_eq!(string("'é中'".as_bytes(), true).as_deref(), Some("é中"));
        match read(b"'ab\xffc'", true) {
            Err(Error::HeaderSyntax { at: 13, expected: "UTF-8", .. }) => {}
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_words_and_brackets_are_read() {
        let int = |at, number| Node { at, value: Value::Int(number) };
        assert_eq!(read(b" 18446744073709551615\r\n", true).unwrap(), Value::Int(u64::MAX));
        assert_eq!(read(b"0", true).unwrap(), Value::Int(0));
        assert_eq!(read(b"True", true).unwrap(), Value::Bool(true));
        assert_eq!(read(b"\x0cFalse\t", true).unwrap(), Value::Bool(false));
        assert_eq!(read(b"None", true).unwrap(), Value::None);
        for text in [&b"()"[..], b"( )", b"(())"] {
            assert_eq!(read(text, true).unwrap(), Value::Tuple(vec![]));
        }
        assert_eq!(read(b"(3)", true).unwrap(), Value::Int(3));
        assert_eq!(read(b"((3),)", true).unwrap(), Value::Tuple(vec![int(2, 3)]));
        assert_eq!(read(b"( 3 ,\n4, )", true).unwrap(), Value::Tuple(vec![int(2, 3), int(6, 4)]));
        assert_eq!(read(b"[3,4]", true).unwrap(), Value::List(vec![int(1, 3), int(3, 4)]));
        let Value::Dict(pairs) = read(b"({'a' : 1, 'b':2,})", true).unwrap() else { panic!() };
        assert_eq!((pairs.len(), pairs[1].0.at, &pairs[1].1), (2, 11, &int(15, 2)));
    }

    #[test]
    fn the_mark_of_python_2_is_read_before_version_3() {
        for text in [&b"(3L, 4 L)"[..], b"(3\tL,4L,)"] {
            assert!(matches!(read(text, false), Ok(Value::Tuple(items)) if items.len() == 2));
            assert!(read(text, true).is_err());
        }
    }

    #[test]
    fn each_thing_that_is_refused_is_named_with_its_place() {
        let cases: [(&str, u64, &[&[u8]]); 19] = [
            (VALUE, 0, &[b"", b"-1", b"+1", b".5", b"#\n1", b"b'a'", b"f'a'", b"ur'a'", b"true"]),
            (VALUE, 0, &[b"Truex", b"Tru\xe9", b"\xef\xbb\xbf{}", b"\x0b1", b"}"]),
            (VALUE, 1, &[b"(", b"(,)"]),
            (VALUE, 3, &[b"(1,,)", b"(1,\\\n2)"]),
            (VALUE, 5, &[b"{'a':}"]),
            (NEXT, 2, &[b"[1)", b"(1", b"(1+0j)"]),
            (NEXT, 3, &[b"[1 2]"]),
            (NEXT, 5, &[b"('a' 'b')"]),
            (NEXT, 6, &[b"{'a':1"]),
            ("a colon", 2, &[b"{1}"]),
            ("a colon", 4, &[b"{'a'"]),
            (NUMBER, 0, &[b"0x3", b"0b1", b"0o3", b"1_0", b"03", b"00", b"1.5", b"1.", b"1e5"]),
            (NUMBER, 0, &[b"3l", b"3LL", b"3Lx", b"18446744073709551616"]),
            (END, 1, &[b"1#", b"1\0", b"1,"]),
            (END, 2, &[b"1 +2", b"1 ;"]),
            (END, 3, &[b"{} {}"]),
            ("no NUL byte", 3, &[b"('a\0')"]),
            ("a string that is closed", 0, &[b"'a", b"'''a''", b"'"]),
            ("a string that is closed on its line", 0, &[b"'a\n'", b"'a\r'"]),
        ];
        for (what, place, texts) in cases {
            for text in texts {
                match read(text, false) {
                    Err(Error::HeaderSyntax { at, expected, .. }) => {
                        assert_eq!((at, expected), (10 + place, what), "{}", text.escape_ascii());
                    }
                    other => panic!("{}: {other:?}", text.escape_ascii()),
                }
            }
        }
    }

    #[test]
    fn broken_escapes_are_refused_at_the_backslash() {
        let cases = r"\N{DASH} \x4 \xg0 \u123 \ud800 \U0000dfff \U00110000 \400 \8 \d \é";
        for escape in cases.split(' ').chain(["\\\n", "\\"]) {
            let text = format!("'ab{escape}");
            match read(text.as_bytes(), true) {
                Err(Error::HeaderSyntax { at: 13, expected: ESCAPE, .. }) => {}
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(read(br"r'\", true).is_err() && read(br"r'\'", true).is_err());
    }

    #[test]
    fn what_was_found_is_shown_escaped_and_cut() {
        let found = |text: &[u8]| match read(text, false) {
            Err(Error::HeaderSyntax { found, .. }) => found,
            other => panic!("{other:?}"),
        };
        assert_eq!(found(b"(1, \n\xff\0"), r"`\xff\x00`");
        assert_eq!(found(b"("), "the end of the text");
        assert!(found(&b"-".repeat(1000)).len() < 48);
    }

    #[test]
    fn thirty_two_brackets_are_the_limit_and_a_megabyte_of_them_is_quick() {
        let nested = |depth| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(read(nested(32).as_bytes(), false).is_ok());
        let many = if cfg!(miri) { 1 << 10 } else { 1 << 20 }; // a megabyte takes Miri minutes
        for deep in [nested(33), "(".repeat(many), "[".repeat(many), "[(".repeat(many)] {
            match read(deep.as_bytes(), false) {
                Err(Error::HeaderSyntax { at: 42, expected: DEPTH, .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        let wide = format!("[{}]", "(),".repeat(many));
        let Ok(Value::List(items)) = read(wide.as_bytes(), false) else { panic!() };
        assert_eq!(items.len(), many);
    }
}
