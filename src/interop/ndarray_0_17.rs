//! All of ndarray 0.17, and conversions between its arrays and ours, which copy nothing: they say
//! where the same elements lie, whatever the strides.
//!
//! | from | to | copies |
//! |---|---|---|
//! | [`View`], `&View` | [`ArrayView`] | nothing |
//! | [`ViewMut`] | [`ArrayViewMut`] | nothing |
//! | [`&MmapArray`](crate::MmapArray) | [`ArrayView`] | nothing |
//! | [`&mut MmapArrayMut`](crate::MmapArrayMut), [`&mut MmapArrayCow`](crate::MmapArrayCow) | [`ArrayViewMut`] | nothing |
//! | [`ArrayView`], `&ArrayBase` | [`View`] | nothing |
//! | [`ArrayViewMut`], `&mut ArrayBase` | [`ViewMut`] | nothing |
//! | [`crate::Array`] | [`Array`] | nothing |
//! | [`Array`] | [`crate::Array`] | nothing in standard layout, else all elements |
//!
//! All of them are `TryFrom`, and none panics: an array of another rank than asked for is
//! [`Error::RankMismatch`] (`ArrayViewD` takes any rank), one of more than 64 axes is
//! [`Error::TooManyAxes`].
//!
//! There are two macros `s!`: [ours](crate::s) slices our arrays and views, [ndarray's](s!) its own.
//! They read the same, and where both are needed one of them goes by its path.
//!
//! ```
//! use mmap_array::ndarray_0_17::{ArrayView3, ArrayViewMut3, Axis};
//! use mmap_array::{MmapArray, View, s};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("t2m.npy");
//!
//! // SAFETY: nobody else knows of this file.
//! let mut array = unsafe { MmapArray::<f32>::create(&path, [365, 2, 3])? };
//! let mut all = ArrayViewMut3::try_from(&mut array)?;
//! all += 15.0;
//!
//! let january = ArrayView3::try_from(array.slice(s![..31])?)?;
//! let mean = january.mean_axis(Axis(0)).ok_or("a month without days")?;
//! assert_eq!(View::try_from(&mean)?.to_string(), "[[15.0 15.0 15.0]\n [15.0 15.0 15.0]]");
//! assert_eq!(ArrayView3::try_from(&array)?.sum(), 15.0 * 365.0 * 6.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # NumPy's words and ndarray's
//!
//! `a` and `b` are `ArrayView`s of shapes (2, 3) and (3,), `m` is an `ArrayViewMut` of shape
//! (2, 3), all of `f64`; `out` is an array of the crate itself, of shape (2, 3, 2), mapped to write.
//! The program below runs every word of the table.
//!
//! | NumPy | ndarray |
//! |---|---|
//! | `a.shape` | `a.shape()` |
//! | `a[1, 2]` | `a[[1, 2]]` |
//! | `a[1, ::2]` | `a.slice(s![1, ..;2])` |
//! | `a[::-1]` | `a.slice(s![..;-1, ..])` |
//! | `a[:, np.newaxis]` | `a.slice(s![.., NewAxis, ..])` |
//! | `a.T` | `a.t()` |
//! | `a.reshape(3, 2)` | `a.to_shape((3, 2))` |
//! | `a.copy()` | `a.to_owned()` |
//! | `a.astype(np.float32)` | `a.mapv(\|x\| x as f32)` |
//! | `a * 2` | `&a * 2.0` |
//! | `a + b` | `&a + &b`: of these shapes too |
//! | `np.sqrt(a)` | `a.mapv(f64::sqrt)` |
//! | `a @ b` | `a.dot(&b)` |
//! | `a.sum()` | `a.sum()` |
//! | `a.sum(axis=0)` | `a.sum_axis(Axis(0))` |
//! | `a.mean()` | `a.mean()`: `None` without elements |
//! | `a.mean(axis=0)` | `a.mean_axis(Axis(0))`: likewise |
//! | `a.std()` | `a.std(0.0)` |
//! | `a.std(axis=0, ddof=1)` | `a.std_axis(Axis(0), 1.0)` |
//! | `np.nanmax(a)` | `a.fold(f64::NAN, \|max, &x\| x.max(max))` |
//! | `np.nanmax(a, axis=1)` | `a.fold_axis(Axis(1), f64::NAN, \|max, &x\| x.max(*max))` |
//! | `a[a > 0]` | `a.iter().copied().filter(\|&x\| x > 0.0)` |
//! | `(a > 0).sum()` | `a.iter().filter(\|&&x\| x > 0.0).count()` |
//! | `np.where(a > 0, a, 0)` | `a.mapv(\|x\| if x > 0.0 { x } else { 0.0 })` |
//! | `np.where(a > b, a, b)` | `Zip::from(&a).and_broadcast(&b).map_collect(\|&x, &y\| if x > y { x } else { y })` |
//! | `np.concatenate([a, a])` | `concatenate(Axis(0), &[a, a])` |
//! | `np.stack([a, a])` | `stack(Axis(0), &[a, a])` |
//! | `for row in a:` | `for row in a.outer_iter()` |
//! | `m[...] = a` | `m.assign(&a)` |
//! | `m += b` | `m += &b` |
//! | `m[m < 0] = 0` | `m.mapv_inplace(\|x\| if x < 0.0 { 0.0 } else { x })` |
//! | `np.multiply(a, b, out=m)` | `Zip::from(&mut m).and(&a).and_broadcast(&b).for_each(\|m, &x, &y\| *m = x * y)` |
//! | `np.save(path, r)` | `save(path, View::try_from(&r)?)` |
//! | `out[0] = r` | `out.write_slice(mmap_array::s![0], View::try_from(&r)?)`, by position on Linux |
//! | `out[0] = r` | `out.slice_mut(mmap_array::s![0])?.copy_from(View::try_from(&r)?)`, through the mapping |
//! | `out[0] = r` | `ArrayViewMut2::try_from(out.slice_mut(mmap_array::s![0])?)?.assign(&r)`, likewise |
//!
//! Of the three ways to write a result into a mapped array, the last two, which store through the
//! mapping, are the cheapest where its pages are in memory: 1 KiB takes 0.25 us instead of 4, 256 KiB
//! two thirds of the time. The first one goes by position on Linux, touches no page of the mapping
//! and dirties no more than it writes, so small pieces here and there are cheaper to flush; and
//! where stores raise [`SIGBUS`](crate::MmapArray#signals), it returns an error.
//!
//! What makes a new array, as `&a * 2.0` does, makes all of it in memory. Of an array larger than
//! that, go through the blocks of [`View::outer_blocks`], or reduce it or change it in place: `fold`,
//! `sum_axis`, `mapv_inplace` and `Zip::for_each` make nothing but their result. Where shapes do not
//! fit, ndarray's operators panic.
//!
//! ```
//! use mmap_array::ndarray_0_17::{
//!     ArrayView1, ArrayView2, ArrayViewMut2, Axis, NewAxis, Zip, array, concatenate, s, stack,
//! };
//! use mmap_array::{MmapArray, View, ViewMut, save};
//!
//! let (elements, factors) = ([1.0, -2.0, 3.0, 4.0, 9.0, -6.0], [1.0, 10.0, 100.0]);
//! let a = ArrayView2::try_from(View::from_shape([2, 3], &elements)?)?;
//! let b = ArrayView1::try_from(View::from(&factors))?;
//!
//! assert_eq!(a.shape(), [2, 3]);
//! assert_eq!(a[[1, 2]], -6.0);
//! assert_eq!(a.slice(s![1, ..;2]), array![4.0, -6.0]);
//! assert_eq!(a.slice(s![..;-1, ..]), array![[4.0, 9.0, -6.0], [1.0, -2.0, 3.0]]);
//! assert_eq!(a.slice(s![.., NewAxis, ..]).shape(), [2, 1, 3]);
//! assert_eq!(a.t(), array![[1.0, 4.0], [-2.0, 9.0], [3.0, -6.0]]);
//! assert_eq!(a.to_shape((3, 2))?, array![[1.0, -2.0], [3.0, 4.0], [9.0, -6.0]]);
//! assert_eq!(a.to_owned(), a);
//! assert_eq!(a.mapv(|x| x as f32)[[0, 1]], -2.0_f32);
//!
//! assert_eq!(&a * 2.0, array![[2.0, -4.0, 6.0], [8.0, 18.0, -12.0]]);
//! assert_eq!(&a + &b, array![[2.0, 8.0, 103.0], [5.0, 19.0, 94.0]]);
//! assert_eq!(a.mapv(f64::sqrt)[[1, 1]], 3.0);
//! assert_eq!(a.dot(&b), array![281.0, -506.0]);
//!
//! assert_eq!(a.sum(), 9.0);
//! assert_eq!(a.sum_axis(Axis(0)), array![5.0, 7.0, -3.0]);
//! assert_eq!(a.mean(), Some(1.5));
//! assert_eq!(a.mean_axis(Axis(0)), Some(array![2.5, 3.5, -1.5]));
//! assert!((a.std(0.0) - 4.7170).abs() < 1e-4);
//! assert!((a.std_axis(Axis(0), 1.0)[0] - 2.1213).abs() < 1e-4);
//! assert_eq!(a.fold(f64::NAN, |max, &x| x.max(max)), 9.0);
//! assert_eq!(a.fold_axis(Axis(1), f64::NAN, |max, &x| x.max(*max)), array![3.0, 9.0]);
//!
//! let above: Vec<f64> = a.iter().copied().filter(|&x| x > 0.0).collect();
//! assert_eq!(above, [1.0, 3.0, 4.0, 9.0]);
//! assert_eq!(a.iter().filter(|&&x| x > 0.0).count(), 4);
//! assert_eq!(a.mapv(|x| if x > 0.0 { x } else { 0.0 }).sum(), 17.0);
//! let larger =
//!     Zip::from(&a).and_broadcast(&b).map_collect(|&x, &y| if x > y { x } else { y });
//! assert_eq!(larger, array![[1.0, 10.0, 100.0], [4.0, 10.0, 100.0]]);
//! assert_eq!(concatenate(Axis(0), &[a, a])?.shape(), [4, 3]);
//! assert_eq!(stack(Axis(0), &[a, a])?.shape(), [2, 2, 3]);
//! for row in a.outer_iter() {
//!     assert_eq!(row.len(), 3);
//! }
//!
//! let mut changed = [0.0; 6];
//! let mut m = ArrayViewMut2::try_from(ViewMut::from_shape([2, 3], &mut changed)?)?;
//! m.assign(&a);
//! m += &b;
//! assert_eq!(m, array![[2.0, 8.0, 103.0], [5.0, 19.0, 94.0]]);
//! m -= 8.0;
//! m.mapv_inplace(|x| if x < 0.0 { 0.0 } else { x });
//! assert_eq!(m, array![[0.0, 0.0, 95.0], [0.0, 11.0, 86.0]]);
//! Zip::from(&mut m).and(&a).and_broadcast(&b).for_each(|m, &x, &y| *m = x * y);
//! assert_eq!(changed, [1.0, -20.0, 300.0, 4.0, 90.0, -600.0]);
//!
//! let r = &a.t() * 2.0;
//! # let folder = tempfile::tempdir()?;
//! # let path = &folder.path().join("r.npy");
//! save(path, View::try_from(&r)?)?;
//! # assert_eq!(mmap_array::load::<f64>(path)?.to_string(), View::try_from(&r)?.to_string());
//!
//! # let path = folder.path().join("out.npy");
//! // SAFETY: nobody else knows of this file.
//! let mut out = unsafe { MmapArray::<f64>::create(&path, [2, 3, 2])? };
//! out.write_slice(mmap_array::s![0], View::try_from(&r)?)?;
//! assert_eq!(out.slice(mmap_array::s![0])?, View::try_from(&r)?);
//! # out.view_mut().fill(0.0);
//! out.slice_mut(mmap_array::s![0])?.copy_from(View::try_from(&r)?)?;
//! # assert_eq!(out.slice(mmap_array::s![0])?, View::try_from(&r)?);
//! # out.view_mut().fill(0.0);
//! ArrayViewMut2::try_from(out.slice_mut(mmap_array::s![0])?)?.assign(&r);
//! # assert_eq!(out.slice(mmap_array::s![0])?, View::try_from(&r)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![allow(unsafe_code)]

#[doc(no_inline)]
pub use ::ndarray_0_17::*;

// Our `Array` and `Layout` keep their paths here: imports would hide ndarray's from our users.
use crate::access::{Access, Writable};
use crate::array::MmapArray;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::layout;
use crate::view::{View, ViewMut};

/// Copies nothing.
impl<'a, T, D: Dimension> TryFrom<View<'a, T>> for ArrayView<'a, T, D> {
    type Error = Error;

    fn try_from(view: View<'a, T>) -> Result<Self> {
        ArrayView::try_from(&view)
    }
}

/// Copies nothing, and may outlive the view.
impl<'a, T, D: Dimension> TryFrom<&View<'a, T>> for ArrayView<'a, T, D> {
    type Error = Error;

    fn try_from(view: &View<'a, T>) -> Result<Self> {
        let layout = view.layout();
        let (shape, lowest) = upwards(view.first(), layout)?;
        // SAFETY: by the view's invariant the elements that its layout reaches are initialised, lie
        // in one allocation, and are not changed during 'a; hence by the word of `upwards` all that
        // ndarray demands holds.
        let mut array = unsafe { ArrayView::from_shape_ptr(shape, lowest) };
        backwards(layout).for_each(|axis| array.invert_axis(axis));
        Ok(array)
    }
}

/// Copies nothing.
impl<'a, T, D: Dimension> TryFrom<ViewMut<'a, T>> for ArrayViewMut<'a, T, D> {
    type Error = Error;

    fn try_from(mut view: ViewMut<'a, T>) -> Result<Self> {
        let first = view.first();
        let layout = view.layout();
        let (shape, lowest) = upwards(first, layout)?;
        // SAFETY: by the view's invariant the elements that its layout reaches are initialised, lie
        // in one allocation, are one for each index, and ours alone during 'a, and the view is used
        // up here; hence by the word of `upwards` all that ndarray demands holds. (Its debug check
        // for overlap wants each stride to step over the axes below it, as slices leave them.)
        let mut array = unsafe { ArrayViewMut::from_shape_ptr(shape, lowest.cast_mut()) };
        backwards(layout).for_each(|axis| array.invert_axis(axis));
        Ok(array)
    }
}

/// Copies nothing, and touches no page.
impl<'a, T: Element, A: Access, D: Dimension> TryFrom<&'a MmapArray<T, A>> for ArrayView<'a, T, D> {
    type Error = Error;

    fn try_from(array: &'a MmapArray<T, A>) -> Result<Self> {
        array.view().try_into()
    }
}

/// Copies nothing, and touches no page.
impl<'a, T: Element, A: Writable, D: Dimension> TryFrom<&'a mut MmapArray<T, A>>
    for ArrayViewMut<'a, T, D>
{
    type Error = Error;

    fn try_from(array: &'a mut MmapArray<T, A>) -> Result<Self> {
        array.view_mut().try_into()
    }
}

/// Copies nothing.
impl<'a, T, D: Dimension> TryFrom<ArrayView<'a, T, D>> for View<'a, T> {
    type Error = Error;

    fn try_from(array: ArrayView<'a, T, D>) -> Result<Self> {
        let layout = layout::Layout::from_strides::<T>(array.shape(), array.strides())?;
        // SAFETY: an `ArrayView<'a>` lends the elements that its shape and strides reach, exactly
        // as a view does; `layout` has the same ones where there are any.
        Ok(unsafe { View::from_raw(array.as_ptr(), layout) })
    }
}

/// Copies nothing.
impl<'a, T, S: Data<Elem = T>, D: Dimension> TryFrom<&'a ArrayBase<S, D>> for View<'a, T> {
    type Error = Error;

    fn try_from(array: &'a ArrayBase<S, D>) -> Result<Self> {
        array.view().try_into()
    }
}

/// Copies nothing.
impl<'a, T, D: Dimension> TryFrom<ArrayViewMut<'a, T, D>> for ViewMut<'a, T> {
    type Error = Error;

    fn try_from(mut array: ArrayViewMut<'a, T, D>) -> Result<Self> {
        let layout = layout::Layout::from_strides::<T>(array.shape(), array.strides())?;
        // SAFETY: an `ArrayViewMut<'a>` has the elements that its shape and strides reach alone,
        // one for each index, exactly as a mutable view does; `layout` has the same shape and
        // strides where there are any elements; the array is used up here.
        Ok(unsafe { ViewMut::from_raw(array.as_mut_ptr(), layout) })
    }
}

/// Copies nothing, but where the array shares its memory, as an `ArcArray` may: then ndarray makes
/// it a copy of its own.
impl<'a, T, S: DataMut<Elem = T>, D: Dimension> TryFrom<&'a mut ArrayBase<S, D>>
    for ViewMut<'a, T>
{
    type Error = Error;

    fn try_from(array: &'a mut ArrayBase<S, D>) -> Result<Self> {
        array.view_mut().try_into()
    }
}

/// Copies nothing.
impl<T, D: Dimension> TryFrom<crate::Array<T>> for Array<T, D> {
    type Error = Error;

    fn try_from(array: crate::Array<T>) -> Result<Self> {
        let shape: D = dimension(array.shape())?;
        let Ok(array) = Array::from_shape_vec(shape, array.into_vec()) else {
            unreachable!("an array has the elements of its shape")
        };
        Ok(array)
    }
}

/// Copies nothing where the array is in standard layout, but moves the elements up where their
/// memory starts with others; else copies all, into row-major order.
impl<T, D: Dimension> TryFrom<Array<T, D>> for crate::Array<T> {
    type Error = Error;

    fn try_from(array: Array<T, D>) -> Result<Self> {
        let (shape, len) = (array.shape().to_vec(), array.len());
        let mut elements = Vec::new();
        if array.is_standard_layout() {
            let start;
            (elements, start) = array.into_raw_vec_and_offset();
            // The elements may be a part of those of the array that it was cut from.
            let start = start.unwrap_or(0);
            elements.truncate(start + len);
            elements.drain(..start);
        } else {
            elements.try_reserve_exact(len).map_err(|_| Error::OutOfMemory {
                byte_len: (len as u64).saturating_mul(size_of::<T>() as u64),
            })?;
            elements.extend(array);
        }
        crate::Array::from_vec(shape, elements)
    }
}

/// One number for each axis, as ndarray holds them.
fn dimension<D: Dimension>(numbers: &[usize]) -> Result<D> {
    if let Some(found) = D::NDIM.filter(|&ndim| ndim != numbers.len()) {
        return Err(Error::RankMismatch { expected: numbers.len(), found });
    }
    let mut dimension = D::zeros(numbers.len());
    for (axis, &number) in numbers.iter().enumerate() {
        dimension[axis] = number;
    }
    Ok(dimension)
}

/// What ndarray's constructors take: shape, strides and a pointer, for an array with the axes
/// turned around that run backwards, since ndarray demands non-negative strides at first.
///
/// Where every index inside `layout` leads from `first` to a `T`, all in one allocation, what they
/// demand of numbers holds: the pointer is aligned and not null, every way along the axes stays
/// among the elements, and the product of the non-zero lengths and all distances fit `isize`.
fn upwards<T, D: Dimension>(
    first: *const T,
    layout: &layout::Layout,
) -> Result<(StrideShape<D>, *const T)> {
    let shape: D = dimension(layout.shape())?;
    if layout.is_empty() {
        // Our pointer may lie anywhere then, and our strides may lead anywhere; ndarray's own are
        // all 0. The product of the lengths is the layout's condition 2.
        return Ok((shape.into(), std::ptr::dangling()));
    }
    // The lowest element is one of the elements, and so is the end of every way up from there, no
    // further than the layout's condition 3 allows; nor do bytes of one allocation lie further
    // apart. The stride of an axis of length one leads nowhere, so it may saturate.
    let (mut lowest, mut strides) = (first, shape.clone());
    for (axis, (&len, &stride)) in layout.shape().iter().zip(layout.strides()).enumerate() {
        strides[axis] = stride.saturating_abs() as usize;
        if stride < 0 {
            lowest = lowest.wrapping_offset((len - 1) as isize * stride);
        }
    }
    Ok((shape.strides(strides), lowest))
}

/// The axes to turn around after [`upwards`].
fn backwards(layout: &layout::Layout) -> impl Iterator<Item = Axis> {
    let strides = layout.strides().iter().enumerate();
    strides.filter(|&(_, &stride)| !layout.is_empty() && stride < 0).map(|(axis, _)| Axis(axis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SliceItem;
    use crate::dims::Dims;

    /// Small numbers that look like chance and are the same every time.
    struct Chance(u64);

    impl Chance {
        /// A number below `bound`.
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            (self.0 >> 33) as usize % bound
        }

        /// Up to six axes, and rarely one without indices.
        fn shape(&mut self) -> Vec<usize> {
            (0..self.below(7)).map(|_| [1, 2, 3, 4, 3, 2, 1, 2, 3, 0][self.below(10)]).collect()
        }

        fn axes(&mut self, ndim: usize) -> Vec<usize> {
            let mut axes: Vec<usize> = (0..ndim).collect();
            for axis in 1..ndim {
                axes.swap(axis, self.below(axis + 1));
            }
            axes
        }

        /// A range of an axis, and a step in either direction.
        fn range(&mut self, len: usize) -> (usize, usize, isize) {
            let start = self.below(len + 1);
            let end = start + self.below(len - start + 1);
            (start, end, [1, 1, 2, 3, -1, -2][self.below(6)])
        }

        fn items(&mut self, shape: &[usize]) -> Vec<SliceItem> {
            let mut items = Vec::new();
            for &len in shape {
                items.push(match self.below(8) {
                    0 if len > 0 => SliceItem::Index(self.below(len) as isize),
                    1..=3 => SliceItem::Range { start: 0, end: None, step: 1 },
                    _ => {
                        let (start, end, step) = self.range(len);
                        SliceItem::Range { start: start as isize, end: Some(end as isize), step }
                    }
                });
                if self.below(6) == 0 {
                    items.push(SliceItem::NewAxis);
                }
            }
            items
        }
    }

    const ROUNDS: u64 = if cfg!(miri) { 12 } else { 2000 };

    fn numbers(shape: &[usize]) -> Vec<u16> {
        (0..shape.iter().product::<usize>() as u16).collect()
    }

    /// The same elements in the same places, seen from both sides.
    fn assert_same<T: PartialEq + std::fmt::Debug>(view: &View<'_, T>, array: &ArrayViewD<'_, T>) {
        assert_eq!(view.shape(), array.shape());
        assert!(view.iter().eq(array.iter()), "{view:?} {array:?}");
        if !view.is_empty() {
            assert_eq!((view.strides(), view.first()), (array.strides(), array.as_ptr()));
        }
    }

    /// There and back with the fixed rank that the view has; with another one, an error.
    fn check_rank<D: Dimension>(view: &View<'_, u16>) {
        let found = D::NDIM.expect("a fixed rank");
        match ArrayView::<_, D>::try_from(view) {
            Ok(array) => {
                assert_same(view, &array.view().into_dyn());
                assert_same(&View::try_from(array).unwrap(), &view.try_into().unwrap());
            }
            Err(Error::RankMismatch { expected, found: other }) => {
                assert_eq!((expected, found), (view.ndim(), other));
                assert_ne!(expected, found);
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn any_view_is_the_same_array() {
        for round in 0..ROUNDS {
            let chance = &mut Chance(round);
            let shape = chance.shape();
            let numbers = numbers(&shape);
            let mut view = View::from_shape(&shape, &numbers).unwrap();
            for _ in 0..chance.below(3) {
                view = view.slice(chance.items(view.shape())).unwrap();
                view = view.permute(chance.axes(view.ndim())).unwrap();
            }
            let array = ArrayViewD::try_from(&view).unwrap();
            assert_same(&view, &array);
            assert_same(&View::try_from(&array).unwrap(), &array);
            check_rank::<Ix0>(&view);
            check_rank::<Ix1>(&view);
            check_rank::<Ix2>(&view);
            check_rank::<Ix3>(&view);
            check_rank::<Ix4>(&view);
            check_rank::<Ix5>(&view);
            check_rank::<Ix6>(&view);
        }
    }

    #[test]
    fn any_array_is_the_same_view() {
        for round in 0..ROUNDS {
            let chance = &mut Chance(round);
            let shape = chance.shape();
            let shape =
                if chance.below(2) == 0 { shape.f() } else { shape.into_shape_with_order() };
            let numbers = numbers(shape.raw_dim().slice());
            let owner = ArrayD::from_shape_vec(shape, numbers).unwrap();
            let mut array = owner.view();
            for _ in 0..chance.below(3) {
                let axes = chance.axes(array.ndim());
                array = array.permuted_axes(axes);
                array.slice_each_axis_inplace(|axis| {
                    let (start, end, step) = chance.range(axis.len);
                    Slice::new(start as isize, Some(end as isize), step)
                });
                if chance.below(3) == 0 {
                    let axis = chance.below(array.ndim() + 1);
                    array = array.insert_axis(Axis(axis));
                }
            }
            let mut shape = array.shape().to_vec();
            shape.iter_mut().filter(|len| **len == 1).for_each(|len| *len += chance.below(3));
            shape.insert(0, 1 + chance.below(2));
            let repeated = array.broadcast(shape).unwrap();
            for array in [array.view(), repeated] {
                let view = View::try_from(&array).unwrap();
                assert_same(&view, &array);
                assert_same(&view, &(&view).try_into().unwrap());
                // Our own operations bear any strides of ndarray's.
                let total = view.fold(0, |sum, &number| sum + u64::from(number));
                assert_eq!(total, array.iter().map(|&number| u64::from(number)).sum());
                assert_eq!(view.to_vec(), array.iter().copied().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn what_either_side_writes_the_other_reads() {
        for round in 0..ROUNDS {
            let chance = &mut Chance(round);
            let shape = chance.shape();
            let mut array = crate::Array::from_vec(&shape, numbers(&shape)).unwrap();
            let items = chance.items(&shape);
            let mut view = array.view_mut().slice(&items).unwrap();
            let axes = chance.axes(view.ndim());
            view = view.permute(&axes).unwrap();
            let mut theirs = ArrayViewMutD::try_from(view.reborrow()).unwrap();
            theirs.iter_mut().enumerate().for_each(|(k, number)| *number = 10_000 + k as u16);
            let mut ours = ViewMut::try_from(&mut theirs).unwrap();
            ours.map_inplace(|number| *number *= 2);
            let mut ours = ViewMut::try_from(theirs).unwrap();
            ours.map_inplace(|number| *number += 1);

            let expected: Vec<u16> = (0..view.len() as u16).map(|k| 20_001 + 2 * k).collect();
            assert_eq!(view.view().to_vec(), expected);
            let part = array.slice(&items).unwrap().permute(&axes).unwrap();
            assert_eq!(part.to_vec(), expected);
            let untouched = array.iter().filter(|&&number| number < 10_000).count();
            assert_eq!(untouched + expected.len(), array.len());
        }
    }

    #[test]
    fn threads_share_arrays_of_interleaved_tiles() {
        let mut array = crate::Array::from_vec([4, 4], vec![0; 16]).unwrap();
        let tiles = array.view_mut().tiles([2, 2]).unwrap();
        std::thread::scope(|scope| {
            for (window, tile) in tiles {
                let mut tile = ArrayViewMut2::try_from(tile).unwrap();
                scope.spawn(move || tile += 1 + window.start()[1]);
            }
        });
        assert_eq!(array.as_slice()[12..], [1, 1, 3, 3]);
    }

    #[test]
    fn axes_of_length_one_may_have_any_stride() {
        let numbers = [1, 2, 3];
        let layout = |strides: [isize; 3]| {
            layout::Layout::from_parts(Dims::from(&[1, 3, 1][..]), Dims::from(&strides[..]))
        };
        let view = View::from_layout(&numbers, 2, layout([isize::MIN, -1, isize::MAX])).unwrap();
        let array = ArrayView3::try_from(&view).unwrap();
        assert_eq!(array, array![[[3], [2], [1]]]);
        assert_eq!(array.strides()[1..], [-1, isize::MAX]);
        assert_eq!(array.slice(s![..;-1, ..;-2, ..;3]), array![[[1], [3]]]);
        assert_eq!(array.sum_axis(Axis(1)), array![[6]]);
        assert_eq!(&array + &array![[[1]], [[2]]], array![[[4], [3], [2]], [[5], [4], [3]]]);

        let odd = [isize::MIN as usize, 1, usize::MAX];
        let array = ArrayView3::from_shape((1, 3, 1).strides(odd.into()), &numbers).unwrap();
        let view = View::try_from(&array).unwrap();
        assert_eq!(view.strides(), [isize::MIN, 1, -1]);
        assert_eq!(view.slice(crate::s![..;-1, ..;-1, ..;-1]).unwrap().to_vec(), [3, 2, 1]);
        assert_eq!(ArrayViewD::try_from(view).unwrap(), array.into_dyn());
    }

    #[test]
    fn without_elements_pointers_and_strides_may_be_anything() {
        let view = View::<u64>::from_shape([3, 0, 5], &[]).unwrap();
        let far = view.slice(crate::s![2, .., ..;-4]).unwrap().transpose();
        let array = ArrayView2::try_from(&far).unwrap();
        assert_eq!((array.shape(), array.sum()), (&[2, 0][..], 0));
        assert_eq!(array.slice(s![..;-1, ..]).iter().count(), 0);
        assert_eq!(View::try_from(array).unwrap(), far);
        let mut array = Array3::<u64>::zeros((2, 0, 3));
        array.invert_axis(Axis(2));
        assert_eq!(ViewMut::try_from(&mut array).unwrap().shape(), [2, 0, 3]);
    }

    #[test]
    fn elements_of_no_size_are_counted_all_the_same() {
        let elements = [(); isize::MAX as usize];
        let view = View::from(&elements).slice(crate::s![..;-1]).unwrap();
        let array = ArrayView1::try_from(&view).unwrap();
        assert_eq!((array.len(), array.strides()), (elements.len(), &[-1][..]));
        assert_eq!(View::try_from(array).unwrap().strides(), [-1]);
        let array = Array2::try_from(crate::Array::from_vec([2, 3], vec![(); 6]).unwrap()).unwrap();
        assert_eq!(crate::Array::try_from(array.reversed_axes()).unwrap().shape(), [3, 2]);
    }

    #[test]
    fn more_axes_than_ours_are_refused() {
        let mut array = ArrayD::<u8>::zeros(vec![1; 65]);
        let too_many = |error: Error| matches!(error, Error::TooManyAxes { found: 65, .. });
        assert!(View::try_from(&array).is_err_and(too_many));
        assert!(View::try_from(array.view()).is_err_and(too_many));
        assert!(ViewMut::try_from(&mut array).is_err_and(too_many));
        assert!(crate::Array::try_from(array).is_err_and(too_many));
        let array = ArrayD::<u8>::zeros(vec![1; 64]);
        assert_eq!(ArrayViewD::try_from(View::try_from(&array).unwrap()).unwrap(), array);
    }

    #[test]
    fn another_rank_is_refused() {
        let mut array = crate::Array::from_vec([2, 3], vec![0; 6]).unwrap();
        let refused = |error: Error| matches!(error, Error::RankMismatch { expected: 2, found: 1 });
        assert!(ArrayView1::try_from(array.view()).is_err_and(refused));
        assert!(ArrayViewMut1::try_from(array.view_mut()).is_err_and(refused));
        assert!(Array1::try_from(array).is_err_and(refused));
    }

    #[test]
    fn owned_arrays_in_row_major_order_change_hands_without_a_copy() {
        let array = crate::Array::from_vec([2, 3], vec![1, 2, 3, 4, 5, 6]).unwrap();
        let first = array.as_slice().as_ptr();
        let array = Array2::try_from(array).unwrap();
        assert_eq!((array.as_ptr(), array[[1, 0]]), (first, 4));
        let array = crate::Array::try_from(array).unwrap();
        assert_eq!((array.as_slice().as_ptr(), array.shape()), (first, &[2, 3][..]));
        let none = crate::Array::<u8>::from_vec([2, 0], vec![]).unwrap();
        assert_eq!(Array2::try_from(none.clone()).unwrap().shape(), [2, 0]);
        assert_eq!(crate::Array::try_from(Array2::<u8>::zeros((2, 0))).unwrap(), none);
    }

    #[test]
    fn owned_arrays_of_any_layout_keep_their_elements() {
        for round in 0..ROUNDS {
            let chance = &mut Chance(round);
            let shape = chance.shape();
            // Elements that neither are `Copy` nor may be dropped twice or forgotten.
            let elements = numbers(&shape).into_iter().map(|number| number.to_string()).collect();
            let mut array = ArrayD::from_shape_vec(shape, elements).unwrap();
            array.slice_each_axis_inplace(|axis| {
                let (start, end, step) = chance.range(axis.len);
                Slice::new(start as isize, Some(end as isize), step)
            });
            if chance.below(2) == 0 {
                let axes = chance.axes(array.ndim());
                array = array.permuted_axes(axes);
            }
            let copy = array.clone();
            let ours = crate::Array::try_from(array).unwrap();
            assert_eq!(ours.shape(), copy.shape());
            assert!(ours.iter().eq(copy.iter()));
            assert_eq!(ArrayD::try_from(ours).unwrap(), copy);
        }
    }

    #[test]
    fn a_shared_array_is_copied_before_it_is_changed() {
        let shared = ArcArray1::from(vec![1, 2, 3]);
        let mut other = shared.clone();
        assert_eq!(View::try_from(&shared).unwrap().first(), other.as_ptr());
        ViewMut::try_from(&mut other).unwrap().fill(7);
        assert_eq!((shared, other), (array![1, 2, 3].into(), array![7, 7, 7].into()));
    }

    #[cfg_attr(miri, ignore = "makes a file")]
    #[test]
    fn mapped_arrays_are_arrays_as_their_views_are() {
        for order in [crate::Order::C, crate::Order::Fortran] {
            let folder = tempfile::tempdir().unwrap();
            let options = crate::OpenOptions::new().order(order);
            let path = folder.path().join("a.npy");
            // SAFETY: nobody else knows of this file.
            let mut mapped = unsafe { options.create::<i32>(path, [2, 3]) }.unwrap();
            let mut array = ArrayViewMut2::try_from(&mut mapped).unwrap();
            array.assign(&array![[1, 2, 3], [4, 5, 6]]);
            let array = ArrayView2::try_from(&mapped).unwrap();
            assert_same(&mapped.view(), &array.view().into_dyn());
            assert_eq!(array, array![[1, 2, 3], [4, 5, 6]]);
            let error = ArrayView3::try_from(&mapped).unwrap_err();
            assert_eq!(error.to_string(), "the array has 2 axes, not 3");
        }
    }

    #[cfg_attr(miri, ignore = "compares text")]
    #[test]
    fn the_program_runs_every_word_of_the_table() {
        let source = include_str!("ndarray_0_17.rs");
        let (table, program): (Vec<_>, Vec<_>) = source
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .skip_while(|line| !line.contains("NumPy | ndarray"))
            .skip(2)
            .partition(|line| line.starts_with(" | "));
        // However its lines are broken.
        let program = program.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(table.len() > 30);
        for row in table {
            let row = row.replace("\\|", "|");
            let (_, word) = row.split_once("` | `").expect("two columns");
            let (word, _) = word.split_once('`').expect("code");
            assert!(program.contains(word), "{word}");
        }
    }
}
