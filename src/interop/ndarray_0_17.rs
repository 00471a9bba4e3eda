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
mod tests;
