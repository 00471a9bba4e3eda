//! The few pickle opcodes that the `info` of an npy-stack is written in, in protocols 0 to 5.
//!
//! A pickle is a program. This reader knows the opcodes that CPython writes for a dictionary of
//! tuples, lists, whole numbers, strings and a NumPy dtype, and refuses all others; nothing is
//! imported and nothing is called. One pass, no recursion, and memory of some 100 bytes for each
//! byte read at most.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::error::{Error, Result};

const OPCODE: &str = "an opcode of tuples, lists, whole numbers, strings or a dtype";
const GLOBAL: &str = "no global but numpy.dtype";
const MORE: &str = "more bytes";
const NUMBER: &str = "a whole number that fits 64 bits";
const MARK: &str = "a mark below the items";
const ITEM: &str = "an item to work on";
const SEQUENCE: &str = "a list to append to";
const DICT: &str = "a dictionary, and pairs of key and value";
const CALL: &str = "numpy.dtype and a tuple of its arguments";
const STATE: &str = "a dtype and a tuple of its state";
const MEMO: &str = "the number of something that was remembered";

/// A value; what is in a container stands in [`Pickle::containers`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Item {
    /// Where a container's items begin.
    Mark,
    /// `None`, `True` and `False`, which have no say here.
    Other,
    Int(i64),
    /// From and to which byte of the pickle.
    Str(usize, usize),
    /// The function `numpy.dtype`.
    DTypeFunction,
    /// What it returned; whatever that is.
    DType,
    /// A tuple or list.
    Sequence(usize),
    /// Keys and values in turn.
    Dict(usize),
}

/// What a pickle says.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    bytes: &'a [u8],
    /// The next byte to read.
    at: usize,
    /// Where the opcode that is being worked on stands.
    opcode_at: usize,
    stack: Vec<Item>,
    containers: Vec<Vec<Item>>,
    memo: HashMap<u64, Item>,
}

impl<'a> Pickle<'a> {
    /// Reads a whole pickle, and returns it with its one value.
    pub(super) fn read(bytes: &'a [u8]) -> Result<(Pickle<'a>, Item)> {
        let (stack, containers, memo) = (Vec::new(), Vec::new(), HashMap::new());
        let mut pickle = Pickle { bytes, at: 0, opcode_at: 0, stack, containers, memo };
        loop {
            pickle.opcode_at = pickle.at;
            match pickle.take(1)?[0] {
                b'.' => break,
                opcode => pickle.step(opcode)?,
            }
        }
        match pickle.stack[..] {
            [item] => Ok((pickle, item)),
            _ => Err(pickle.broken("one item at the end")),
        }
    }

    /// The items of a tuple or list, or the keys and values of a dictionary in turn.
    pub(super) fn items(&self, container: usize) -> &[Item] {
        &self.containers[container]
    }

    pub(super) fn text(&self, start: usize, end: usize) -> &'a [u8] {
        &self.bytes[start..end]
    }

    /// The opcode last read is not what is expected.
    #[cold]
    pub(super) fn broken(&self, expected: &'static str) -> Error {
        let found = match self.bytes.get(self.opcode_at) {
            Some(&opcode) => name(opcode),
            None => "the end".to_owned(),
        };
        self.unexpected(found, expected)
    }

    #[cold]
    pub(super) fn unexpected(&self, found: String, expected: &'static str) -> Error {
        Error::StackInfo { path: PathBuf::new(), at: self.opcode_at as u64, found, expected }
    }

    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            0x80 => match self.take(1)?[0] {
                0..=5 => {}
                other => return Err(self.unexpected(format!("protocol {other}"), "0 to 5")),
            },
            // How long what follows is: it is all here anyway.
            0x95 => drop(self.take(8)?),
            b'(' => self.stack.push(Item::Mark),
            b'N' | 0x88 | 0x89 => self.stack.push(Item::Other),
            b'I' | b'L' | b'J' | b'K' | b'M' | 0x8a => self.number(opcode)?,
            b'V' | b'X' | 0x8c => self.string(opcode)?,
            b'c' | 0x93 | b'R' | b'b' => self.dtype(opcode)?,
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.remember(opcode)?,
            b')' | b']' => self.push_sequence(Vec::new()),
            b't' | b'l' => {
                let items = self.pop_to_mark()?;
                self.push_sequence(items);
            }
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
                self.push_sequence(items.into_iter().rev().collect());
            }
            b'a' | b'e' => {
                let items = if opcode == b'a' { vec![self.pop()?] } else { self.pop_to_mark()? };
                match self.stack.last() {
                    Some(&Item::Sequence(list)) => self.containers[list].extend(items),
                    _ => return Err(self.broken(SEQUENCE)),
                }
            }
            b'}' | b'd' | b's' | b'u' => self.dict(opcode)?,
            _ => return Err(self.broken(OPCODE)),
        }
        Ok(())
    }

    fn dict(&mut self, opcode: u8) -> Result<()> {
        let pairs = match opcode {
            b'}' => Vec::new(),
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_to_mark()?,
        };
        if pairs.len() % 2 == 1 {
            return Err(self.broken(DICT));
        }
        if matches!(opcode, b'}' | b'd') {
            self.stack.push(Item::Dict(self.containers.len()));
            self.containers.push(pairs);
            return Ok(());
        }
        match self.stack.last() {
            Some(&Item::Dict(dict)) => self.containers[dict].extend(pairs),
            _ => return Err(self.broken(DICT)),
        }
        Ok(())
    }

    fn number(&mut self, opcode: u8) -> Result<()> {
        let number = match opcode {
            b'K' => i64::from(self.take(1)?[0]),
            b'M' => self.little_endian(2)? as i64,
            b'J' => i64::from(self.little_endian(4)? as u32 as i32),
            0x8a => match self.take(1)?[0] {
                0 => 0,
                len @ 1..=8 => {
                    // The sign stands in the highest bit of the last byte.
                    let unused = 64 - 8 * u32::from(len);
                    (self.little_endian(usize::from(len))? as i64) << unused >> unused
                }
                _ => return Err(self.broken(NUMBER)),
            },
            _ => {
                let (start, end) = self.line()?;
                let line = self.text(start, end);
                if opcode == b'I' && matches!(line, b"00" | b"01") {
                    self.stack.push(Item::Other);
                    return Ok(());
                }
                let digits = if opcode == b'L' { line.strip_suffix(b"L") } else { Some(line) };
                let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
                let number = digits.and_then(|digits| digits.parse().ok());
                number.ok_or_else(|| self.broken(NUMBER))?
            }
        };
        self.stack.push(Item::Int(number));
        Ok(())
    }

    fn string(&mut self, opcode: u8) -> Result<()> {
        let (start, end) = match opcode {
            b'V' => self.line()?,
            _ => {
                let len = self.little_endian(if opcode == b'X' { 4 } else { 1 })?;
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                self.take(len)?;
                (self.at - len, self.at)
            }
        };
        self.stack.push(Item::Str(start, end));
        Ok(())
    }

    /// What makes a dtype: a name, a call, and a state. None of it is done.
    fn dtype(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Item::Str(start, end), Item::Str(from, to)) => {
                    self.global((from, to), (start, end))
                }
                _ => Err(self.broken(GLOBAL)),
            },
            b'R' => match (self.pop()?, self.pop()?) {
                (Item::Sequence(_), Item::DTypeFunction) => {
                    self.stack.push(Item::DType);
                    Ok(())
                }
                _ => Err(self.broken(CALL)),
            },
            _ => match (self.pop()?, self.stack.last()) {
                (Item::Sequence(_), Some(Item::DType)) => Ok(()),
                _ => Err(self.broken(STATE)),
            },
        }
    }

    fn global(&mut self, module: (usize, usize), name: (usize, usize)) -> Result<()> {
        let [module, name] = [module, name].map(|(start, end)| self.text(start, end));
        if (module, name) != (b"numpy", b"dtype") {
            let [module, name] = [module, name].map(excerpt);
            return Err(self.unexpected(format!("the global {module}.{name}"), GLOBAL));
        }
        self.stack.push(Item::DTypeFunction);
        Ok(())
    }

    /// Remembers the last item, or brings one back.
    fn remember(&mut self, opcode: u8) -> Result<()> {
        let number = match opcode {
            0x94 => self.memo.len() as u64,
            b'q' | b'h' => self.little_endian(1)?,
            b'r' | b'j' => self.little_endian(4)?,
            _ => {
                let (start, end) = self.line()?;
                let digits = std::str::from_utf8(self.text(start, end)).ok();
                let number = digits.and_then(|digits| digits.parse().ok());
                number.ok_or_else(|| self.broken(MEMO))?
            }
        };
        if matches!(opcode, b'g' | b'h' | b'j') {
            let item = self.memo.get(&number).copied();
            self.stack.push(item.ok_or_else(|| self.broken(MEMO))?);
            return Ok(());
        }
        match self.stack.last() {
            Some(&item) if item != Item::Mark => drop(self.memo.insert(number, item)),
            _ => return Err(self.broken(ITEM)),
        }
        Ok(())
    }

    fn push_sequence(&mut self, items: Vec<Item>) {
        self.stack.push(Item::Sequence(self.containers.len()));
        self.containers.push(items);
    }

    fn pop(&mut self) -> Result<Item> {
        match self.stack.pop() {
            Some(item) if item != Item::Mark => Ok(item),
            _ => Err(self.broken(ITEM)),
        }
    }

    /// The items above the last mark, which goes too.
    fn pop_to_mark(&mut self) -> Result<Vec<Item>> {
        let mark = self.stack.iter().rposition(|&item| item == Item::Mark);
        let mark = mark.ok_or_else(|| self.broken(MARK))?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        match self.bytes[self.at..].get(..len) {
            Some(bytes) => {
                self.at += len;
                Ok(bytes)
            }
            None => Err(self.broken(MORE)),
        }
    }

    fn little_endian(&mut self, len: usize) -> Result<u64> {
        let bytes = self.take(len)?;
        Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// From and to where the rest of the line goes, without its end.
    fn line(&mut self) -> Result<(usize, usize)> {
        let start = self.at;
        let len = self.bytes[start..].iter().position(|&byte| byte == b'\n');
        let end = start + len.ok_or_else(|| self.broken(MORE))?;
        self.at = end + 1;
        Ok((start, end))
    }
}

/// An opcode as messages show it.
fn name(opcode: u8) -> String {
    let name = match opcode {
        b'i' => "INST",
        b'o' => "OBJ",
        b'c' => "GLOBAL",
        0x93 => "STACK_GLOBAL",
        b'R' => "REDUCE",
        b'b' => "BUILD",
        0x81 => "NEWOBJ",
        0x92 => "NEWOBJ_EX",
        b'P' => "PERSID",
        b'Q' => "BINPERSID",
        0x82..=0x84 => "EXT",
        b'F' | b'G' => "FLOAT",
        b'S' | b'T' | b'U' => "STRING",
        b'B' | b'C' | 0x8e => "BINBYTES",
        b'.' => "STOP",
        _ => "opcode",
    };
    format!("{name} '{}'", [opcode].escape_ascii())
}

/// Bytes as messages show them.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    const MAX: usize = 40;
    let more = if bytes.len() > MAX { "..." } else { "" };
    format!("{}{more}", bytes[..bytes.len().min(MAX)].escape_ascii())
}
