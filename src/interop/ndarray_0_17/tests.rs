//! Conversions over random shapes and strides, odd ones, and the words of the table.

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
        let shape = if chance.below(2) == 0 { shape.f() } else { shape.into_shape_with_order() };
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
    let source = include_str!("../ndarray_0_17.rs");
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
