//! From a header's `descr` to a [`DType`]: the canonical form, and what else NumPy takes.
//!
//! ```text
//! value   = text | [field, ...] | (value, shape)
//! field   = (name, value) | (name, value, shape)      name = 'name' | ('title', 'name')
//! shape   = number | (number, ...) | [number, ...]
//! text    = simple | item, item, ...                   (fields f0, f1, ...)
//! item    = [order] [number | (number, ...)] [order] simple
//! simple  = [order] letter [size] [unit] | name        order = < > = |
//! ```

use std::collections::HashSet;
use std::str::FromStr;

use super::code::{Problem, TOO_LARGE, UNKNOWN, order, ordered, simple};
use super::dtype::{DType, Field, MAX_ITEM_SIZE, invalid};
use super::kind::Kind;
use super::literal::{self, Node, Source, Value};
use crate::error::{Error, Result};

const BAD_SHAPE: &str = "the shape of a sub-array is a whole number, or a tuple or list of them";
const BAD_FIELD: &str = "a field is (name, type) or (name, type, shape)";
const BAD_NAME: &str = "a field's name is a string, or the pair (title, name)";

impl FromStr for DType {
    type Err = Error;

    fn from_str(text: &str) -> Result<DType> {
        parse(text)
    }
}

/// Reads a description: bare, or as Python writes it.
fn parse(text: &str) -> Result<DType> {
    let python = text.starts_with('[')
        || text.trim_start_matches('(').starts_with('[')
        || text.contains(['\'', '"']);
    if !python {
        return from_text(text);
    }
    let source = Source { bytes: text.as_bytes(), start: 0, version_3: true };
    // One bracket counts as open, so that what is read here can stand in a header.
    let node = literal::parse(source, 1).map_err(|error| match error {
        Error::HeaderSyntax { at, found, expected, .. } => {
            invalid(format!("{}, at byte {at}: {found}", source.excerpt(0)), expected)
        }
        other => other,
    })?;
    from_node(&node, &source)
}

/// The type that the value of `descr` describes.
pub(super) fn from_node(node: &Node<'_>, source: &Source<'_>) -> Result<DType> {
    let dtype = read(node, source)?;
    // Written out, '2i4' becomes a tuple and 'i4,f8' a list of them; it must stay readable.
    if dtype.depth() >= literal::MAX_DEPTH {
        return Err(invalid(source.excerpt(node.at), "it nests too deep"));
    }
    Ok(dtype)
}

fn read(node: &Node<'_>, source: &Source<'_>) -> Result<DType> {
    let wrong = |problem| invalid(source.excerpt(node.at), problem);
    match &node.value {
        Value::Str(text) => from_text(text),
        Value::List(items) => structure(items, source),
        Value::Tuple(items) => match &items[..] {
            [base, shape] => sub_array(read(base, source)?, shape).map_err(wrong),
            _ => Err(wrong("a tuple is (type, shape)")),
        },
        _ => Err(wrong("a type is a string, a list of fields, or (type, shape)")),
    }
}

fn sub_array(base: DType, shape: &Node<'_>) -> Problem<DType> {
    let number = |node: &Node<'_>| match node.value {
        Value::Int(number) => usize::try_from(number).map_err(|_| TOO_LARGE),
        _ => Err(BAD_SHAPE),
    };
    let shape = match &shape.value {
        Value::Int(_) => vec![number(shape)?],
        Value::Tuple(items) | Value::List(items) => {
            items.iter().map(number).collect::<Problem<_>>()?
        }
        _ => return Err(BAD_SHAPE),
    };
    array_of(base, shape)
}

fn array_of(base: DType, shape: Vec<usize>) -> Problem<DType> {
    let sizeless = matches!(base.kind(), Kind::Bytes | Kind::Unicode | Kind::Void | Kind::SubArray);
    // NumPy refuses these too, save that it reads ('S', 3) as 'S3'.
    if base.item_size() == 0 && sizeless {
        return Err("a type of no size has no sub-arrays: write 'S3', not ('S', 3)");
    }
    base.array_of(shape)
}

fn structure(items: &[Node<'_>], source: &Source<'_>) -> Result<DType> {
    let mut fields = Vec::new();
    let mut names = HashSet::new();
    let mut offset = 0_usize;
    for item in items {
        let wrong = |problem| invalid(source.excerpt(item.at), problem);
        let (Value::Tuple(parts) | Value::List(parts)) = &item.value else {
            return Err(wrong(BAD_FIELD));
        };
        let (name, dtype) = match &parts[..] {
            [name, dtype] => (name, read(dtype, source)?),
            [name, dtype, shape] => (name, sub_array(read(dtype, source)?, shape).map_err(wrong)?),
            _ => return Err(wrong(BAD_FIELD)),
        };
        let (title, name) = match &name.value {
            Value::Str(name) => (None, &**name),
            Value::Tuple(pair) => match &pair[..] {
                [Node { value: Value::Str(title), .. }, Node { value: Value::Str(name), .. }] => {
                    (Some(&**title), &**name)
                }
                _ => return Err(wrong(BAD_NAME)),
            },
            _ => return Err(wrong(BAD_NAME)),
        };
        let start = offset;
        offset += dtype.item_size();
        if offset > MAX_ITEM_SIZE {
            return Err(wrong(TOO_LARGE));
        }
        // Sub-arrays are void to NumPy, whatever they are made of.
        let is_void = matches!(dtype.kind(), Kind::Void | Kind::SubArray);
        if title.is_none() && name.is_empty() && is_void {
            continue;
        }
        if !names.insert(name) || title.is_some_and(|title| !names.insert(title)) {
            return Err(wrong("each name and title stands only once"));
        }
        let title = title.map(str::to_owned);
        fields.push(Field { name: name.to_owned(), title, offset: start, dtype });
    }
    Ok(DType::structure(fields, offset))
}

/// The type that a string describes.
pub(super) fn from_text(text: &str) -> Result<DType> {
    let dtype = if has_items(text) { items(text) } else { simple(text) };
    dtype.map_err(|problem| invalid(format!("'{}'", literal::escape(text.as_bytes())), problem))
}

/// Does NumPy read the text as a list of items? Commas inside `[..]` do not count.
fn has_items(text: &str) -> bool {
    let plain = text.strip_prefix(['<', '>', '=', '|']).unwrap_or(text);
    let mut brackets = 0_i32;
    let mut outer_comma = |byte| {
        brackets += i32::from(byte == b'[') - i32::from(byte == b']');
        byte == b',' && brackets == 0
    };
    plain.starts_with(|c: char| c.is_ascii_digit())
        || plain.starts_with("()")
        || text.bytes().any(&mut outer_comma)
}

/// `2i4`, `(2,3)i4`, `i4,f8`: one item, or a struct of fields `f0`, `f1`, ...
fn items(text: &str) -> Problem<DType> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c');
    let mut rest = text;
    let mut fields: Vec<Field> = Vec::new();
    let mut offset = 0_usize;
    loop {
        let (dtype, after) = item(rest)?;
        let after = after.trim_start_matches(is_space);
        let comma = after.strip_prefix(',');
        if comma.is_none() && !after.is_empty() {
            return Err(UNKNOWN);
        }
        if comma.is_none() && fields.is_empty() {
            return Ok(dtype);
        }
        let name = format!("f{}", fields.len());
        let end = offset + dtype.item_size();
        if end > MAX_ITEM_SIZE {
            return Err(TOO_LARGE);
        }
        fields.push(Field { name, title: None, offset, dtype });
        offset = end;
        rest = comma.unwrap_or("").trim_start_matches(is_space);
        if rest.is_empty() {
            return Ok(DType::structure(fields, offset));
        }
    }
}

/// One item, and what stands after it.
fn item(text: &str) -> Problem<(DType, &str)> {
    let (first, rest) = order(text);
    let (shape, rest) = repeats(rest)?;
    let (second, rest) = if shape.is_some() { order(rest) } else { (None, rest) };
    if first.is_some() && second.is_some() && first != second {
        return Err("it names two byte orders");
    }
    let len = rest.bytes().take_while(|&b| b.is_ascii_alphanumeric() || b == b'?').count();
    let has_unit = rest[len..].starts_with('[');
    let unit = if has_unit { rest[len..].find(']').map_or(0, |end| end + 1) } else { 0 };
    let (code, rest) = rest.split_at(len + unit);
    let base = ordered(first.or(second), code)?;
    let dtype = match shape {
        None => base,
        Some(shape) => array_of(base, shape)?,
    };
    Ok((dtype, rest))
}

/// `2` or `(2, 3)` before a type, and what stands after it and after blanks.
fn repeats(text: &str) -> Problem<(Option<Vec<usize>>, &str)> {
    if let Some(inner) = text.strip_prefix('(') {
        let (list, rest) = inner.split_once(')').ok_or(BAD_SHAPE)?;
        let mut parts: Vec<&str> = list.split(',').map(|part| part.trim_matches(' ')).collect();
        // `(2,)` and `()` end in an empty part, which says nothing; `(2)` is no tuple.
        if parts.pop_if(|last| last.is_empty()).is_none() && parts.len() == 1 {
            return Err(BAD_SHAPE);
        }
        let shape = parts.into_iter().map(number).collect::<Problem<_>>()?;
        return Ok((Some(shape), rest.trim_start_matches(' ')));
    }
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(len);
    if digits.is_empty() {
        return Ok((None, text));
    }
    Ok((Some(vec![number(digits)?]), rest.trim_start_matches(' ')))
}

/// A Python number: no leading zeros.
fn number(digits: &str) -> Problem<usize> {
    let plain = digits == "0" || !digits.starts_with('0');
    if !plain || digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BAD_SHAPE);
    }
    digits.parse().map_err(|_| TOO_LARGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The type, written canonically; else the problem.
    fn canonical(text: &str) -> Result<String, &'static str> {
        match parse(text) {
            Ok(dtype) => {
                assert_eq!(parse(&dtype.to_string()).unwrap(), dtype, "{text} does not come back");
                Ok(dtype.to_string())
            }
            Err(Error::InvalidDType { problem, .. }) => Err(problem),
            Err(other) => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_description_that_numpy_takes_means_what_numpy_means() {
        for (text, expected) in [
            ("'<f4'", "<f4"),
            ("[('a', '<i4'), ('b', '>f8', (2,))]", "[('a', '<i4'), ('b', '>f8', (2,))]"),
            ("[['a', '<i4'], (('t', 'b'), '|S3')]", "[('a', '<i4'), (('t', 'b'), '|S3')]"),
            ("[('', '|V1'), ('', '|V2'), ('a', '|b1')]", "[('', '|V3'), ('a', '|b1')]"),
            ("[('a', '|b1'), ('', '|V4')]", "[('a', '|b1'), ('', '|V4')]"),
            ("[('', '<i4', (2,))]", "[('', '|V8')]"),
            ("[('', '<i4')]", "[('', '<i4')]"),
            ("[(('t', ''), '|V4')]", "[(('t', ''), '|V4')]"),
            ("[('', '|V0')]", "[]"),
            ("[]", "[]"),
            ("[('a', []), ('b', [], (3,))]", "[('a', []), ('b', [], (3,))]"),
            ("[('a', '<i4', 2), ('b', '<i4', [3])]", "[('a', '<i4', (2,)), ('b', '<i4', (3,))]"),
            ("[('a', '<i4', ()), ('b', '<i4', (0,))]", "[('a', '<i4'), ('b', '<i4', (0,))]"),
            ("[('a', ('<i4', (2,)), (3,))]", "[('a', ('<i4', (2,)), (3,))]"),
            ("[('a', '2<i4', 3)]", "[('a', ('<i4', (2,)), (3,))]"),
            ("[('a', '<i4,>f8')]", "[('a', [('f0', '<i4'), ('f1', '>f8')])]"),
            ("[('a', [('y', [('z', '>U2')])])]", "[('a', [('y', [('z', '>U2')])])]"),
            ("('<i4', (2,))", "('<i4', (2,))"),
            ("('<i4', ())", "<i4"),
            ("(('<i4', (2,)), (3,))", "(('<i4', (2,)), (3,))"),
            ("([('a', '<i4')], 2)", "([('a', '<i4')], (2,))"),
            ("([], 2)", "([], (2,))"),
            ("2<i4", "('<i4', (2,))"),
            ("<(2,3)i4,<f8", "[('f0', '<i4', (2, 3)), ('f1', '<f8')]"),
            ("( 2 , 3 ) >i4, >M8[s] ", "[('f0', '>i4', (2, 3)), ('f1', '>M8[s]')]"),
            ("()<i4", "<i4"),
            ("<2<i4", "('<i4', (2,))"),
            ("0<i4", "('<i4', (0,))"),
            ("|b1 ,2V4", "[('f0', '|b1'), ('f1', '|V4', (2,))]"),
            ("|b1,", "[('f0', '|b1')]"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn every_description_that_numpy_refuses_is_refused() {
        const TWICE: &str = "each name and title stands only once";
        const NO_TYPE: &str = "there is no type in it";
        const NO_PAIR: &str = "a tuple is (type, shape)";
        for (text, problem) in [
            ("['a', 'b']", BAD_FIELD),
            ("[()]", BAD_FIELD),
            ("[('a',)]", BAD_FIELD),
            ("[('a', '<i4', (2,), 3)]", BAD_FIELD),
            ("[{'a': 1}]", BAD_FIELD),
            ("[(1, '<i4')]", BAD_NAME),
            ("[(('t', 1), '<i4')]", BAD_NAME),
            ("[(('t', 'a', 'b'), '<i4')]", BAD_NAME),
            ("[('a', '<i4'), ('a', '<i4')]", TWICE),
            ("[(('a', 'a'), '<i4')]", TWICE),
            ("[(('b', 'a'), '<i4'), ('b', '<i4')]", TWICE),
            ("[('', '<i4'), ('', '<i4')]", TWICE),
            ("[('a', '<i4', True)]", BAD_SHAPE),
            ("[('a', '<i4', (True,))]", BAD_SHAPE),
            ("[('a', '<i4', 'x')]", BAD_SHAPE),
            ("[('a', '<i4', (2147483647,))]", TOO_LARGE),
            ("[('a', '|i1', (2147483648, 0))]", TOO_LARGE),
            ("[('a', '|V2147483647'), ('b', '|i1')]", TOO_LARGE),
            ("|V2147483647,i1", TOO_LARGE),
            ("99999999999999999999i4", TOO_LARGE),
            ("[('a', None)]", "a type is a string, a list of fields, or (type, shape)"),
            ("('<i4', 2, 3)", NO_PAIR),
            ("('<i4',)", NO_PAIR),
            ("('|S0', 3)", "a type of no size has no sub-arrays: write 'S3', not ('S', 3)"),
            ("(2)i4", UNKNOWN),
            ("(2)i4,f8", BAD_SHAPE),
            ("02i4", BAD_SHAPE),
            ("(2,3", BAD_SHAPE),
            ("i4,,f8", NO_TYPE),
            (",i4", NO_TYPE),
            (" i4,f8", NO_TYPE),
            ("2", NO_TYPE),
            ("<2>i4", "it names two byte orders"),
            ("-2i4", UNKNOWN),
            ("2i4 x", UNKNOWN),
            ("i4,M8[s", UNKNOWN),
            ("[('a', '<i4')", "a comma or the closing bracket"),
        ] {
            assert_eq!(canonical(text), Err(problem), "{text}");
        }
        assert!(canonical("[('a', '<i4', -1)]").is_err());
        assert!(canonical("[('a', '<i4', 2.0)]").is_err());
    }

    #[test]
    fn what_can_be_read_can_be_read_again_in_a_header() {
        let nested = |levels: usize, inner: &str| {
            format!("{}{inner}{}", "[('a', ".repeat(levels), ")]".repeat(levels))
        };
        assert!(canonical(&nested(15, "'<i4'")).is_ok());
        assert!(canonical(&nested(15, "'2i4'")).is_ok());
        assert_eq!(canonical(&nested(15, "'i4,i4'")), Err("it nests too deep"));
        assert_eq!(canonical(&nested(16, "'<i4'")), Err("at most 32 nested brackets"));
    }

    #[test]
    fn a_sub_array_has_at_most_64_axes() {
        let axes = |count: usize| canonical(&format!("('|b1', ({}))", "1,".repeat(count)));
        assert!(axes(64).is_ok());
        assert_eq!(axes(65), Err("a sub-array has at most 64 axes"));
    }
}
