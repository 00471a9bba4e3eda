//! [`DType`]: what one element of a file is, and NumPy's text for it. Reading that text is
//! `descr.rs`.

use std::path::PathBuf;

use super::kind::{ByteOrder, Kind, TimeUnit};
use crate::error::{Error, Result};

/// NumPy counts the bytes of an element in a C `int`.
pub(super) const MAX_ITEM_SIZE: usize = i32::MAX as usize;

/// What one element of an array is: NumPy's dtype.
///
/// `Display` writes NumPy's text for it, and `parse` reads that text back, along with the other
/// ways in which NumPy lets one write it.
///
/// # Example
///
/// ```
/// use mmap_array::{DType, Kind};
///
/// assert_eq!(DType::int(1).to_string(), "|i1");
///
/// let wind: DType = "[('speed', '<f4'), ('from', '<i2', (2,))]".parse()?;
/// assert_eq!((wind.kind(), wind.item_size()), (Kind::Struct, 8));
/// assert_eq!(wind.fields()[1].offset(), 4);
/// # Ok::<(), mmap_array::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DType {
    kind: Kind,
    order: ByteOrder,
    /// At most [`MAX_ITEM_SIZE`].
    item_size: usize,
    parts: Parts,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Parts {
    None,
    Time(TimeUnit, u32),
    Fields(Box<[Field]>),
    SubArray(Box<(DType, Box<[usize]>)>),
}

/// A named part of a struct.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    pub(super) name: String,
    pub(super) title: Option<String>,
    pub(super) offset: usize,
    pub(super) dtype: DType,
}

impl Field {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The second, longer name that NumPy allows.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// Bytes from the start of the struct.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The type.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        &self.dtype
    }

    /// The byte after the field's last one.
    pub(super) fn end(&self) -> usize {
        self.offset + self.dtype.item_size
    }
}

/// Types in native byte order.
impl DType {
    /// A type without parts; single bytes and byte strings drop the order.
    pub(super) const fn simple(kind: Kind, order: ByteOrder, item_size: usize) -> DType {
        let ordered = match kind {
            Kind::Int | Kind::UInt => item_size > 1,
            Kind::Bool | Kind::Bytes | Kind::Void | Kind::Object => false,
            _ => true,
        };
        let order = if ordered { order } else { ByteOrder::NotApplicable };
        DType { kind, order, item_size, parts: Parts::None }
    }

    /// `|b1`: one byte, which should be 0 or 1.
    #[must_use]
    pub const fn bool() -> DType {
        DType::simple(Kind::Bool, ByteOrder::NATIVE, 1)
    }

    /// Signed integers of `item_size` bytes.
    ///
    /// # Panics
    ///
    /// If that is not 1, 2, 4 or 8.
    #[must_use]
    pub const fn int(item_size: usize) -> DType {
        assert!(matches!(item_size, 1 | 2 | 4 | 8), "integers have 1, 2, 4 or 8 bytes");
        DType::simple(Kind::Int, ByteOrder::NATIVE, item_size)
    }

    /// Unsigned integers of `item_size` bytes.
    ///
    /// # Panics
    ///
    /// If that is not 1, 2, 4 or 8.
    #[must_use]
    pub const fn uint(item_size: usize) -> DType {
        assert!(matches!(item_size, 1 | 2 | 4 | 8), "integers have 1, 2, 4 or 8 bytes");
        DType::simple(Kind::UInt, ByteOrder::NATIVE, item_size)
    }

    /// Floats of `item_size` bytes.
    ///
    /// # Panics
    ///
    /// If that is not 2, 4 or 8, or 12 or 16 for the long doubles of some machines.
    #[must_use]
    pub const fn float(item_size: usize) -> DType {
        assert!(matches!(item_size, 2 | 4 | 8 | 12 | 16), "floats have 2, 4, 8, 12 or 16 bytes");
        DType::simple(Kind::Float, ByteOrder::NATIVE, item_size)
    }

    /// Complex numbers of `item_size` bytes, both parts together.
    ///
    /// # Panics
    ///
    /// If that is not 8 or 16, or 24 or 32 for the long doubles of some machines.
    #[must_use]
    pub const fn complex(item_size: usize) -> DType {
        assert!(
            matches!(item_size, 8 | 16 | 24 | 32),
            "complex numbers have 8, 16, 24 or 32 bytes"
        );
        DType::simple(Kind::Complex, ByteOrder::NATIVE, item_size)
    }

    /// Byte strings of `len` bytes.
    ///
    /// # Panics
    ///
    /// If that is over `i32::MAX`, NumPy's limit.
    #[must_use]
    pub const fn bytes(len: usize) -> DType {
        assert!(len <= MAX_ITEM_SIZE, "NumPy's elements have at most i32::MAX bytes");
        DType::simple(Kind::Bytes, ByteOrder::NATIVE, len)
    }

    /// Text of `len` characters, four bytes each.
    ///
    /// # Panics
    ///
    /// If that makes more bytes than `i32::MAX`, NumPy's limit.
    #[must_use]
    pub const fn unicode(len: usize) -> DType {
        assert!(len <= MAX_ITEM_SIZE / 4, "NumPy's elements have at most i32::MAX bytes");
        DType::simple(Kind::Unicode, ByteOrder::NATIVE, 4 * len)
    }

    /// `len` bytes without a meaning.
    ///
    /// # Panics
    ///
    /// If that is over `i32::MAX`, NumPy's limit.
    #[must_use]
    pub const fn void(len: usize) -> DType {
        assert!(len <= MAX_ITEM_SIZE, "NumPy's elements have at most i32::MAX bytes");
        DType::simple(Kind::Void, ByteOrder::NATIVE, len)
    }

    /// Points in time, counted in `count` units.
    ///
    /// # Panics
    ///
    /// If `count` is over `i32::MAX`, NumPy's limit.
    #[must_use]
    pub const fn datetime(unit: TimeUnit, count: u32) -> DType {
        assert!(count <= i32::MAX as u32, "NumPy counts at most i32::MAX units");
        DType::time(Kind::DateTime, ByteOrder::NATIVE, unit, count)
    }

    /// Spans of time, counted in `count` units.
    ///
    /// # Panics
    ///
    /// If `count` is over `i32::MAX`, NumPy's limit.
    #[must_use]
    pub const fn timedelta(unit: TimeUnit, count: u32) -> DType {
        assert!(count <= i32::MAX as u32, "NumPy counts at most i32::MAX units");
        DType::time(Kind::TimeDelta, ByteOrder::NATIVE, unit, count)
    }
}

/// Types with parts, from descriptions that were read.
impl DType {
    pub(super) const fn time(kind: Kind, order: ByteOrder, unit: TimeUnit, count: u32) -> DType {
        // Without a unit there is nothing to count.
        let count = if matches!(unit, TimeUnit::Generic) { 1 } else { count };
        DType { kind, order, item_size: 8, parts: Parts::Time(unit, count) }
    }

    /// A struct; the fields stand in order and end before `item_size`.
    pub(super) fn structure(fields: Vec<Field>, item_size: usize) -> DType {
        debug_assert!(fields.windows(2).all(|pair| pair[0].end() <= pair[1].offset));
        debug_assert!(fields.last().is_none_or(|last| last.end() <= item_size));
        let order =
            fields.iter().fold(ByteOrder::NotApplicable, |order, f| order.and(f.dtype.order));
        DType { kind: Kind::Struct, order, item_size, parts: Parts::Fields(fields.into()) }
    }

    /// A small array; no axes at all mean the type itself.
    pub(super) fn array_of(self, shape: Vec<usize>) -> Result<DType, &'static str> {
        if shape.is_empty() {
            return Ok(self);
        }
        if shape.len() > crate::layout::MAX_NDIM {
            return Err("a sub-array has at most 64 axes");
        }
        // Zero lengths count as one here, so that they excuse no overflow.
        let size = |size: usize, &len: &usize| {
            size.checked_mul(len.max(1)).filter(|&size| size <= MAX_ITEM_SIZE)
        };
        shape
            .iter()
            .try_fold(self.item_size.max(1), size)
            .ok_or("an element has at most 2147483647 bytes")?;
        Ok(DType {
            kind: Kind::SubArray,
            order: self.order,
            item_size: shape.iter().fold(self.item_size, |size, len| size * len),
            parts: Parts::SubArray(Box::new((self, shape.into()))),
        })
    }
}

impl DType {
    /// The family.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes of one element.
    #[must_use]
    pub fn item_size(&self) -> usize {
        self.item_size
    }

    /// The byte order of all parts together.
    #[must_use]
    pub fn byte_order(&self) -> ByteOrder {
        self.order
    }

    /// Can this machine use the bytes as they stand?
    #[must_use]
    pub fn is_native(&self) -> bool {
        matches!(self.order, ByteOrder::NATIVE | ByteOrder::NotApplicable)
    }

    /// Are all numbers in it in the byte order of another machine, and is there at least one?
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        matches!(self.order, ByteOrder::Little | ByteOrder::Big) && self.order != ByteOrder::NATIVE
    }

    /// The alignment, in bytes, of the Rust type with this layout.
    ///
    /// Structs are packed, so theirs is 1.
    #[must_use]
    pub fn alignment(&self) -> usize {
        let number = |size: usize| match size {
            12 => 4, // the long double of 32-bit x86
            size => size,
        };
        match (self.kind, &self.parts) {
            (_, Parts::SubArray(sub)) => sub.0.alignment(),
            (Kind::Int | Kind::UInt | Kind::Float, _) => number(self.item_size),
            (Kind::Complex, _) => number(self.item_size / 2),
            (Kind::DateTime | Kind::TimeDelta | Kind::Object, _) => 8,
            (Kind::Unicode, _) => 4,
            _ => 1,
        }
    }

    /// The fields of a struct, in the order of the file; padding is not listed.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        match &self.parts {
            Parts::Fields(fields) => fields,
            _ => &[],
        }
    }

    /// The type and the shape that a sub-array is made of.
    #[must_use]
    pub fn sub_array(&self) -> Option<(&DType, &[usize])> {
        match &self.parts {
            Parts::SubArray(sub) => Some((&sub.0, &sub.1)),
            _ => None,
        }
    }

    /// What dates and spans of time are counted in: `<M8[25s]` counts 25 seconds.
    #[must_use]
    pub fn time_unit(&self) -> Option<(TimeUnit, u32)> {
        match self.parts {
            Parts::Time(unit, count) => Some((unit, count)),
            _ => None,
        }
    }

    /// Are the two the same, save for the byte order?
    #[must_use]
    pub fn same_but_order(&self, other: &DType) -> bool {
        let same_parts = match (&self.parts, &other.parts) {
            (Parts::Fields(ours), Parts::Fields(theirs)) => {
                let same = |(a, b): (&Field, &Field)| {
                    (&a.name, &a.title, a.offset) == (&b.name, &b.title, b.offset)
                        && a.dtype.same_but_order(&b.dtype)
                };
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(same)
            }
            (Parts::SubArray(ours), Parts::SubArray(theirs)) => {
                ours.1 == theirs.1 && ours.0.same_but_order(&theirs.0)
            }
            (ours, theirs) => ours == theirs,
        };
        (self.kind, self.item_size) == (other.kind, other.item_size) && same_parts
    }

    /// Are there Python objects in it, at any depth?
    #[must_use]
    pub fn has_objects(&self) -> bool {
        match &self.parts {
            Parts::Fields(fields) => fields.iter().any(|field| field.dtype.has_objects()),
            Parts::SubArray(sub) => sub.0.has_objects(),
            _ => self.kind == Kind::Object,
        }
    }

    /// What to do with a file of such elements, as messages say it: the type to take for it, or what
    /// Python makes of it that there is a type for.
    #[cold]
    pub(crate) fn hint(&self) -> String {
        let order = if self.order == ByteOrder::Big { '>' } else { '<' };
        let python = match (self.kind, self.item_size) {
            (Kind::Bool, _) => return "open it as `Bool`".to_owned(),
            (Kind::Int, size) => return format!("open it as `i{}`", 8 * size),
            (Kind::UInt, size) => return format!("open it as `u{}`", 8 * size),
            (Kind::Float, size @ (4 | 8)) => return format!("open it as `f{}`", 8 * size),
            (Kind::Bytes, len) => return format!("open it as `Bytes<{len}>`"),
            (Kind::Void, len) => return format!("open it as `Void<{len}>`"),
            (Kind::Float, 2) => "a.astype('f4')".to_owned(),
            (Kind::Float, _) => "a.astype('f8')".to_owned(),
            // Pairs of floats along the last axis, in the byte order that they have.
            (Kind::Complex, size @ (8 | 16)) => format!("a.view('{order}f{}')", size / 2),
            (Kind::Complex, _) => "a.astype('c16').view('f8')".to_owned(),
            (Kind::DateTime | Kind::TimeDelta, _) => format!("a.view('{order}i8')"),
            (Kind::Unicode, size) => format!("a.astype('S{}')", size / 4),
            (Kind::Struct, _) => {
                return "save each of its fields as a file of its own, in Python, with \
                        `np.save(path, a['field'])`"
                    .to_owned();
            }
            (Kind::SubArray | Kind::Object, _) => "a.astype(...)".to_owned(),
        };
        format!("no type here has such elements, so convert them in Python, with `{python}`")
    }

    /// How deep the brackets of the description nest.
    pub(super) fn depth(&self) -> usize {
        let field = |field: &Field| {
            // A field's shape stands beside its type, in the same brackets.
            let base = field.dtype.sub_array().map_or(&field.dtype, |(base, _)| base);
            let beside = field.title.is_some() || field.dtype.kind == Kind::SubArray;
            2 + base.depth().max(usize::from(beside))
        };
        match &self.parts {
            Parts::Fields(fields) => fields.iter().map(field).max().unwrap_or(2),
            Parts::SubArray(sub) => 1 + sub.0.depth().max(1),
            _ => 0,
        }
    }
}

/// Reads what `Display` writes, and every other spelling that a header may hold.
/// `descr` describes no type.
#[cold]
pub(super) fn invalid(descr: String, problem: &'static str) -> Error {
    Error::InvalidDType { path: PathBuf::new(), descr, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> DType {
        text.parse().unwrap()
    }

    #[test]
    fn byte_orders_combine() {
        for (text, expected) in [
            ("|i1", ByteOrder::NotApplicable),
            ("|S7", ByteOrder::NotApplicable),
            ("<i2", ByteOrder::Little),
            (">U1", ByteOrder::Big),
            (">M8[s]", ByteOrder::Big),
            ("[('a', '|b1'), ('b', '>f4', (2,))]", ByteOrder::Big),
            ("[('a', '<i2'), ('b', [('c', '>f4')])]", ByteOrder::Mixed),
            ("[]", ByteOrder::NotApplicable),
        ] {
            let dtype = read(text);
            let none = expected == ByteOrder::NotApplicable;
            let own = expected == ByteOrder::NATIVE;
            assert_eq!(dtype.byte_order(), expected, "{text}");
            assert_eq!(dtype.is_native(), own || none, "{text}");
            let foreign = !own && !none && expected != ByteOrder::Mixed;
            assert_eq!(dtype.is_foreign(), foreign, "{text}");
        }
    }

    #[test]
    fn the_own_types_are_native_and_written_so() {
        let float = DType::float(4);
        for dtype in [DType::bool(), DType::int(2), DType::uint(8), float, DType::complex(16)] {
            assert!(dtype.is_native() && read(&dtype.to_string()) == dtype, "{dtype}");
        }
        assert_eq!(DType::bytes(3).to_string(), "|S3");
        assert_eq!((DType::unicode(3).item_size(), DType::void(0).item_size()), (12, 0));
        assert_eq!(read("<M8[25s]").time_unit(), Some((TimeUnit::Second, 25)));
        let without_unit = DType::datetime(TimeUnit::Generic, 1);
        assert_eq!(DType::datetime(TimeUnit::Generic, 9), without_unit);
    }

    #[test]
    fn alignment_is_that_of_the_rust_type() {
        let cases = "|b1 1, <i2 2, >i8 8, <f2 2, <f12 4, <f16 16, <c8 4, <c16 8, <c24 4, <c32 16, \
            <U3 4, |S4 1, |V8 1, <m8 8, |O 8";
        for case in cases.split(", ") {
            let (text, expected) = case.split_once(' ').unwrap();
            assert_eq!(read(text).alignment().to_string(), expected, "{text}");
        }
        assert_eq!(read("[('a', '<f8')]").alignment(), 1);
        assert_eq!(read("('<i4', (2,))").alignment(), 4);
    }

    #[test]
    fn a_hint_names_the_type_to_take_or_what_helps_in_python() {
        for (text, expected) in [
            ("|b1", "`Bool`"),
            ("|i1", "`i8`"),
            (">i8", "`i64`"),
            ("<u2", "`u16`"),
            ("<f4", "`f32`"),
            (">f8", "`f64`"),
            ("|S3", "`Bytes<3>`"),
            ("|V5", "`Void<5>`"),
            ("<f2", "`a.astype('f4')`"),
            ("<f16", "`a.astype('f8')`"),
            ("<c8", "`a.view('<f4')`"),
            (">c16", "`a.view('>f8')`"),
            ("<c32", "`a.astype('c16').view('f8')`"),
            ("<M8[ns]", "`a.view('<i8')`"),
            (">m8[D]", "`a.view('>i8')`"),
            ("<U7", "`a.astype('S7')`"),
            ("[('a', '<f4'), ('b', '>i2')]", "`np.save(path, a['field'])`"),
            ("('<i4', (2,))", "`a.astype(...)`"),
        ] {
            let hint = read(text).hint();
            assert!(hint.ends_with(expected), "{text}: {hint}");
        }
    }

    #[test]
    fn a_struct_lists_its_fields_but_not_its_padding() {
        let text = "[('a', '|i1'), ('', '|V3'), (('long', 'b'), '<i4', (2, 3)), ('', '|V4')]";
        let dtype = read(text);
        assert_eq!((dtype.kind(), dtype.item_size(), dtype.fields().len()), (Kind::Struct, 32, 2));
        let b = &dtype.fields()[1];
        assert_eq!((b.name(), b.title(), b.offset()), ("b", Some("long"), 4));
        assert_eq!(b.dtype().sub_array(), Some((&read("<i4"), &[2, 3][..])));
        assert_eq!(dtype.sub_array(), None);
        assert!(b.dtype().fields().is_empty());
        assert_eq!(dtype.to_string(), text);
    }

    #[test]
    fn byte_order_alone_can_be_ignored() {
        let little = read("[('a', '<i2'), ('b', '<M8[s]', (2,))]");
        assert!(little.same_but_order(&read("[('a', '>i2'), ('b', '>M8[s]', (2,))]")));
        for other in [
            "[('a', '<i2'), ('b', '<M8[s]', (1,))]",
            "[('a', '<i2'), ('b', '<M8[ms]', (2,))]",
            "[('a', '<u2'), ('b', '<M8[s]', (2,))]",
            "[('a', '<i2'), ('c', '<M8[s]', (2,))]",
            "[('a', '<i2'), ('', '|V1'), ('b', '<M8[s]', (2,))]",
            "[('a', '<i2'), ('b', '<M8[s]', (2,)), ('', '|V1')]",
            "<i2",
        ] {
            assert!(!little.same_but_order(&read(other)), "{other}");
        }
    }

    #[test]
    fn objects_are_found_at_any_depth() {
        assert!(read("[('a', '<i4'), ('b', [('c', ('|O', (2,)))])]").has_objects());
        assert!(!read("[('O', '<i4')]").has_objects());
    }
}
