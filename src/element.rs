//! Which Rust types may be the elements of an array, and what NumPy calls them.

use std::fmt;
use std::path::Path;

use bytemuck::{Pod, Zeroable};

use crate::error::{Error, Result};
use crate::npy::DType;

/// A type that can be the element of an array: plain bytes with a NumPy name.
///
/// Implemented for `i8` to `i64`, `u8` to `u64`, `f32`, `f64`, [`Bool`], [`Bytes`] and [`Void`].
/// The trait is open: a `#[repr(transparent)]` newtype that is [`Pod`] can have it too. Nothing
/// unsafe rests on it; a wrong `dtype` gives wrong numbers, not undefined behaviour.
///
/// # Example
///
/// ```
/// use mmap_array::{DType, Element, bytemuck};
///
/// #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
/// #[bytemuck(crate = "bytemuck")]
/// #[repr(transparent)]
/// struct Kelvin(f32);
///
/// impl Element for Kelvin {
///     fn dtype() -> DType {
///         f32::dtype()
///     }
///     fn swap_bytes(&mut self) {
///         Element::swap_bytes(&mut self.0);
///     }
/// }
/// assert_eq!(DType::of::<Kelvin>().name(), "float32");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no element type of an array",
    note = "elements are i8 to i64, u8 to u64, f32 and f64; take `Bool` for NumPy's bool, `Bytes<N>` \
            for S, `Void<N>` for V"
)]
pub trait Element: Pod + Send + Sync {
    /// The element type that files of this type are created with: in native byte order.
    fn dtype() -> DType;

    /// Can a file with elements of type `found`, in either byte order, be read as this type?
    #[must_use]
    fn accepts(found: &DType) -> bool {
        found.same_but_order(&Self::dtype())
    }

    /// Turns the element from the other byte order into the native one, or back.
    fn swap_bytes(&mut self);
}

impl DType {
    /// The element type that files of `T` are created with.
    ///
    /// # Example
    ///
    /// ```
    /// assert_eq!(mmap_array::DType::of::<u8>().to_string(), "|u1");
    /// ```
    #[must_use]
    pub fn of<T: Element>() -> DType {
        T::dtype()
    }
}

/// Can elements of type `dtype` be read and written as `T`? All of them must have one byte order,
/// and `T`, which anybody may implement, must have their size.
pub(crate) fn check_dtype<T: Element>(dtype: &DType, path: &Path) -> Result<()> {
    let one_byte_order = dtype.is_native() || dtype.is_foreign();
    if T::accepts(dtype) && dtype.item_size() == size_of::<T>() && one_byte_order {
        return Ok(());
    }
    Err(mismatch::<T>(dtype, path))
}

/// The elements are of type `dtype`, and not `T`.
#[cold]
pub(crate) fn mismatch<T: Element>(dtype: &DType, path: &Path) -> Error {
    let (found, mut expected) = (describe(dtype), describe(&T::dtype()));
    if found == expected {
        expected = format!("the Rust type `{}`", std::any::type_name::<T>());
    }
    Error::DTypeMismatch { path: path.to_path_buf(), found, expected, hint: dtype.hint() }
}

/// An element type as messages show it: `float32 ('<f4')`.
pub(crate) fn describe(dtype: &DType) -> String {
    const MAX: usize = 256;
    let mut text = format!("{} ({})", dtype.name(), dtype.repr());
    if let Some((end, _)) = text.char_indices().nth(MAX) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

macro_rules! impl_element_for_numbers {
    ($($number:ty: $kind:ident),*) => {$(
        impl Element for $number {
            fn dtype() -> DType {
                DType::$kind(size_of::<$number>())
            }
            #[inline]
            fn swap_bytes(&mut self) {
                let mut bytes = self.to_ne_bytes();
                bytes.reverse();
                *self = <$number>::from_ne_bytes(bytes);
            }
        }
    )*};
}
impl_element_for_numbers!(i8: int, i16: int, i32: int, i64: int);
impl_element_for_numbers!(u8: uint, u16: uint, u32: uint, u64: uint);
impl_element_for_numbers!(f32: float, f64: float);

/// A NumPy `bool`: one byte, of which any value but 0 is true.
///
/// NumPy opens files whose booleans are other bytes than 0 and 1, and a Rust `bool` of such a byte
/// is undefined behaviour: hence a type of its own. It compares as NumPy does, by truth.
///
/// # Example
///
/// ```
/// use mmap_array::Bool;
///
/// let land = [true, false].map(Bool::new);
/// assert!(land[0].get() && !bool::from(land[1]));
/// ```
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Bool(u8);

impl Bool {
    /// The byte 1 for true, 0 for false.
    #[must_use]
    pub const fn new(truth: bool) -> Bool {
        Bool(truth as u8)
    }

    /// The truth of the byte.
    #[must_use]
    pub const fn get(self) -> bool {
        self.0 != 0
    }
}

impl From<bool> for Bool {
    fn from(truth: bool) -> Bool {
        Bool::new(truth)
    }
}

impl From<Bool> for bool {
    fn from(truth: Bool) -> bool {
        truth.get()
    }
}

impl PartialEq for Bool {
    fn eq(&self, other: &Bool) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Bool {}

impl fmt::Debug for Bool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl fmt::Display for Bool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl Element for Bool {
    fn dtype() -> DType {
        DType::bool()
    }
    fn swap_bytes(&mut self) {}
}

/// A NumPy byte string of `N` bytes (`|S3` is `Bytes<3>`), padded with zero bytes.
///
/// # Example
///
/// ```
/// use mmap_array::Bytes;
///
/// let name = Bytes::<5>::new(b"wind").expect("four bytes fit five");
/// assert_eq!(name.trimmed(), b"wind");
/// assert_eq!(name.0, *b"wind\0");
/// assert_eq!(Bytes::<3>::new(b"wind"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Pod, Zeroable)]
#[repr(transparent)]
pub struct Bytes<const N: usize>(pub [u8; N]);

impl<const N: usize> Bytes<N> {
    /// The string with zero bytes behind it, or `None` where it is too long.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Bytes<N>> {
        let mut padded = [0; N];
        padded.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Bytes(padded))
    }

    /// The string without the zero bytes at its end, as NumPy shows it.
    #[must_use]
    pub fn trimmed(&self) -> &[u8] {
        let len = self.0.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        &self.0[..len]
    }
}

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.trimmed().escape_ascii())
    }
}

impl<const N: usize> Element for Bytes<N> {
    fn dtype() -> DType {
        DType::bytes(N)
    }
    fn swap_bytes(&mut self) {}
}

/// `N` bytes without a meaning of their own: NumPy's `|V5` is `Void<5>`.
///
/// # Example
///
/// ```
/// use mmap_array::Void;
///
/// assert_eq!(format!("{:?}", Void([1, 255])), r"\x01\xff");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct Void<const N: usize>(pub [u8; N]);

impl<const N: usize> fmt::Debug for Void<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))
    }
}

impl<const N: usize> Element for Void<N> {
    fn dtype() -> DType {
        DType::void(N)
    }
    fn swap_bytes(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapping_twice_changes_nothing_and_once_reverses_the_bytes() {
        let mut number = 0x0102_0304_u32;
        Element::swap_bytes(&mut number);
        assert_eq!(number, 0x0403_0201);
        let mut number = -2.5_f64;
        Element::swap_bytes(&mut number);
        assert_eq!(number.to_bits(), (-2.5_f64).to_bits().swap_bytes());
        Element::swap_bytes(&mut number);
        assert_eq!(number, -2.5);
    }

    #[test]
    fn any_byte_is_a_boolean() {
        let truths: [Bool; 4] = bytemuck::cast([0_u8, 1, 2, 255]);
        assert_eq!(truths.map(Bool::get), [false, true, true, true]);
        assert_eq!(truths[1], truths[3]);
        assert_eq!(bytemuck::cast::<Bool, u8>(Bool::from(true)), 1);
    }

    #[test]
    fn either_byte_order_is_accepted_and_another_size_is_not() {
        for (descr, accepted) in [("<f4", true), (">f4", true), ("<f8", false), ("<i4", false)] {
            assert_eq!(f32::accepts(&descr.parse().unwrap()), accepted, "{descr}");
        }
        assert!(Bytes::<3>::accepts(&"|S3".parse().unwrap()));
        assert!(!Bytes::<3>::accepts(&"|V3".parse().unwrap()));
    }

    #[test]
    fn strings_and_voids_show_their_bytes() {
        assert_eq!(format!("{:?}", Bytes(*b"a\"\0b\0")), r#"b"a\"\x00b""#);
        assert_eq!(format!("{:?}", Void([0, 255])), r"\x00\xff");
    }
}
