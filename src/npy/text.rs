//! From meaning to text, as Python writes it: strings, tuples, and the descriptions of types.

use std::fmt::{self, Write};

use super::dtype::{DType, Field};
use super::kind::{ByteOrder, Kind, TimeUnit};

impl DType {
    /// NumPy's `dtype.name`: `float32`, `datetime64[ns]`, `bytes24` (sizes are in bits).
    #[must_use]
    pub fn name(&self) -> String {
        let word = match self.kind() {
            Kind::Bool => return "bool".to_owned(),
            Kind::Object => return "object".to_owned(),
            Kind::DateTime | Kind::TimeDelta => {
                let word = if self.kind() == Kind::DateTime { "datetime64" } else { "timedelta64" };
                return format!("{word}{}", UnitSuffix(self));
            }
            Kind::Int => "int",
            Kind::UInt => "uint",
            Kind::Float => "float",
            Kind::Complex => "complex",
            Kind::Bytes => "bytes",
            Kind::Unicode => "str",
            Kind::Void | Kind::Struct | Kind::SubArray => "void",
        };
        match self.item_size() {
            0 => word.to_owned(),
            bytes => format!("{word}{}", 8 * bytes as u64),
        }
    }

    /// The description as it stands in a header: `'<f4'`, or the list of fields.
    pub(crate) fn repr(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = self.write_repr(&mut text);
        text
    }

    fn write_repr(&self, out: &mut impl Write) -> fmt::Result {
        if let Some((base, shape)) = self.sub_array() {
            out.write_char('(')?;
            base.write_repr(out)?;
            out.write_str(", ")?;
            write_tuple(out, shape)?;
            return out.write_char(')');
        }
        if self.kind() == Kind::Struct {
            return self.write_fields(out);
        }
        out.write_char('\'')?;
        self.write_simple(out)?;
        out.write_char('\'')
    }

    fn write_fields(&self, out: &mut impl Write) -> fmt::Result {
        let mut end = 0;
        let mut gap = "";
        out.write_char('[')?;
        for field in self.fields() {
            if field.offset() > end {
                write!(out, "{gap}('', '|V{}')", field.offset() - end)?;
                gap = ", ";
            }
            out.write_str(gap)?;
            field.write(out)?;
            (end, gap) = (field.end(), ", ");
        }
        if self.item_size() > end {
            write!(out, "{gap}('', '|V{}')", self.item_size() - end)?;
        }
        out.write_char(']')
    }

    /// `<f4`, for types without parts.
    fn write_simple(&self, out: &mut impl Write) -> fmt::Result {
        out.write_char(match self.byte_order() {
            ByteOrder::Little => '<',
            ByteOrder::Big => '>',
            ByteOrder::NotApplicable | ByteOrder::Mixed => '|',
        })?;
        let size = self.item_size();
        match self.kind() {
            Kind::Bool => out.write_str("b1"),
            Kind::Int => write!(out, "i{size}"),
            Kind::UInt => write!(out, "u{size}"),
            Kind::Float => write!(out, "f{size}"),
            Kind::Complex => write!(out, "c{size}"),
            Kind::Bytes => write!(out, "S{size}"),
            Kind::Unicode => write!(out, "U{}", size / 4),
            Kind::DateTime => write!(out, "M8{}", UnitSuffix(self)),
            Kind::TimeDelta => write!(out, "m8{}", UnitSuffix(self)),
            Kind::Void | Kind::Struct | Kind::SubArray => write!(out, "V{size}"),
            Kind::Object => out.write_char('O'),
        }
    }
}

impl Field {
    /// `('name', '<f4')`, with a title and a shape where they are.
    fn write(&self, out: &mut impl Write) -> fmt::Result {
        out.write_char('(')?;
        match self.title() {
            None => write_str(out, self.name())?,
            Some(title) => {
                out.write_char('(')?;
                write_str(out, title)?;
                out.write_str(", ")?;
                write_str(out, self.name())?;
                out.write_char(')')?;
            }
        }
        out.write_str(", ")?;
        match self.dtype().sub_array() {
            None => self.dtype().write_repr(out)?,
            Some((base, shape)) => {
                base.write_repr(out)?;
                out.write_str(", ")?;
                write_tuple(out, shape)?;
            }
        }
        out.write_char(')')
    }
}

/// `[25s]`, or nothing where there is no unit.
struct UnitSuffix<'a>(&'a DType);

impl fmt::Display for UnitSuffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.time_unit() {
            None | Some((TimeUnit::Generic, _)) => Ok(()),
            Some((unit, 1)) => write!(f, "[{}]", unit.as_str()),
            Some((unit, count)) => write!(f, "[{count}{}]", unit.as_str()),
        }
    }
}

/// As `Display`, in a name: `DType(<f4)`.
impl fmt::Debug for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DType({self})")
    }
}

/// NumPy's description: `<f4`, or the list of fields.
impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::Struct | Kind::SubArray => self.write_repr(f),
            _ => self.write_simple(f),
        }
    }
}

/// Writes `text` as Python's `repr` does.
pub(super) fn write_str(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\\' => out.write_str("\\\\"),
            '\t' => out.write_str("\\t"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            _ if c == quote => write!(out, "\\{c}"),
            _ if is_printable(c) => out.write_char(c),
            '\0'..='\u{FF}' => write!(out, "\\x{:02x}", u32::from(c)),
            '\0'..='\u{FFFF}' => write!(out, "\\u{:04x}", u32::from(c)),
            _ => write!(out, "\\U{:08x}", u32::from(c)),
        }?;
    }
    out.write_char(quote)
}

/// Python's `str.isprintable`.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    // Rust's Debug escapes by the same categories, save that it also escapes a combining
    // character, but only at the start: so put something before it.
    let mut buffer = *b"_\0\0\0\0";
    let len = 1 + c.encode_utf8(&mut buffer[1..]).len();
    std::str::from_utf8(&buffer[..len]).is_ok_and(|text| text.escape_debug().nth(1) == Some(c))
}

/// Writes `items` as Python writes a tuple: `()`, `(3,)`, `(3, 4)`.
pub(super) fn write_tuple(out: &mut impl fmt::Write, items: &[usize]) -> fmt::Result {
    out.write_char('(')?;
    for (at, item) in items.iter().enumerate() {
        let gap = if at > 0 { ", " } else { "" };
        write!(out, "{gap}{item}")?;
    }
    out.write_str(if items.len() == 1 { ",)" } else { ")" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numpys() {
        let cases = "|b1 bool, |i1 int8, >u8 uint64, <f2 float16, <f16 float128, <c16 complex128, \
            |S3 bytes24, |S0 bytes, <U3 str96, |V3 void24, <M8[ns] datetime64[ns], |O object, \
            <m8[25s] timedelta64[25s], <M8 datetime64, |S2147483647 bytes17179869176";
        for case in cases.split(", ") {
            let (text, expected) = case.split_once(' ').unwrap();
            assert_eq!(text.parse::<DType>().unwrap().name(), expected);
        }
        assert_eq!("[('a', '<i4')]".parse::<DType>().unwrap().name(), "void32");
        assert_eq!("('<i4', (2,))".parse::<DType>().unwrap().name(), "void64");
    }

    #[test]
    fn strings_are_quoted_as_python_quotes_them() {
        for (text, expected) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("'\"", r#"'\'"'"#),
            ("\"", "'\"'"),
            ("\\\t\n\r", r"'\\\t\n\r'"),
            ("\0\x1b\x7f\u{85}\u{a0}\u{ad}", r"'\x00\x1b\x7f\x85\xa0\xad'"),
            ("é中a\u{301}", "'é中a\u{301}'"),
            ("\u{200b}\u{3000}\u{e000}", r"'\u200b\u3000\ue000'"),
            ("\u{1f600}\u{e0001}\u{10ffff}", "'\u{1f600}\\U000e0001\\U0010ffff'"),
        ] {
            let mut out = String::new();
            write_str(&mut out, text).unwrap();
            assert_eq!(out, expected);
        }
    }
}
