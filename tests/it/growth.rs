//! Random programs of growth, done to a file and to a naive twin: appended, reserved, cut, flushed,
//! closed, dropped and recovered, by position and mapped. After every step the handle has what the
//! twin has, who opens the file anew has what was committed, and every byte of the file is what it
//! should be.

use std::fs;
use std::path::{Path, PathBuf};

use mmap_array::{
    Array, Bytes, Element, Error, Lock, MmapArrayMut, NpyFile, OpenOptions, Order, ReadWrite,
    SliceItem, Tail, View, Window,
};
use proptest::prelude::*;

use crate::common::folder;
use crate::map;
use crate::twin::{Raw, Twin, bytes, config, nth, raws};
use crate::twin_file::{Form, Strided, open_unlocked};

/// Does a store to a mapping show in the file at once, for everybody?
const STORES_SHOW: bool = cfg!(target_os = "linux");

/// An open array, by position or mapped.
enum Handle<T> {
    File(NpyFile<T, ReadWrite>),
    Map(MmapArrayMut<T>),
}

/// The same call on either.
macro_rules! either {
    ($handle:expr, $array:ident => $call:expr) => {
        match $handle {
            Handle::File($array) => $call,
            Handle::Map($array) => $call,
        }
    };
}

impl<T: Element> Handle<T> {
    fn open(path: &Path, mapped: bool) -> Handle<T> {
        if mapped {
            Handle::Map(map::open_unlocked(path).unwrap())
        } else {
            Handle::File(open_unlocked(path))
        }
    }

    fn whole(&self) -> Array<T> {
        match self {
            Handle::File(file) => file.read().unwrap(),
            Handle::Map(map) => {
                let found = map.view().to_array().unwrap();
                if STORES_SHOW {
                    assert_eq!(bytes(map.file().read().unwrap().as_slice()), bytes_of(&found));
                }
                found
            }
        }
    }

    fn shape(&self) -> &[usize] {
        either!(self, array => array.shape())
    }
}

fn bytes_of<T: Element>(array: &Array<T>) -> &[u8] {
    bytes(array.as_slice())
}

/// An array on its way, and what it must be.
struct Trial<T> {
    path: PathBuf,
    form: Form,
    axis: usize,
    handle: Option<Handle<T>>,
    /// What the handle has, and how many rows of that are committed.
    twin: Twin<T>,
    committed: usize,
    /// Makes new elements different.
    seed: usize,
}

/// A step: what to do, and raw numbers that say where and with what.
type Step = (u8, u8, Raw);

fn programs() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..14_u8, any::<u8>(), raws()), 1..12)
}

/// Shapes that grow, in which the growing axis may be any; some lengths are zero.
fn growing() -> impl Strategy<Value = (Vec<usize>, Form)> {
    let len = prop_oneof![1 => Just(0_usize), 3 => Just(1), 10 => 2..=4_usize];
    let shapes = prop::collection::vec(len, 1..=4);
    let form = (any::<bool>(), any::<bool>(), 0..9_usize).prop_map(|(fortran, foreign, late)| {
        let order = if fortran { Order::Fortran } else { Order::C };
        Form { order, foreign, late, behind: 0 }
    });
    (shapes, form)
}

impl<T: Element> Trial<T> {
    fn new(folder: &Path, shape: &[usize], form: Form, mapped: bool) -> Trial<T> {
        let path = folder.join("a.npy");
        let twin = Twin::<T>::new(shape, 0);
        fs::write(&path, form.bytes(&twin)).unwrap();
        let axis = if form.order == Order::C { 0 } else { shape.len() - 1 };
        let handle = Some(Handle::open(&path, mapped));
        let committed = twin.shape[axis];
        Trial { path, form, axis, handle, twin, committed, seed: 0 }
    }

    fn handle(&mut self) -> &mut Handle<T> {
        self.handle.as_mut().expect("a handle between two steps")
    }

    fn rows(&self) -> usize {
        self.twin.shape[self.axis]
    }

    fn row_len(&self) -> usize {
        let others = self.twin.shape.iter().enumerate().filter(|&(axis, _)| axis != self.axis);
        others.map(|(_, len)| len).product()
    }

    fn shape_with(&self, rows: usize) -> Vec<usize> {
        let mut shape = self.twin.shape.clone();
        shape[self.axis] = rows;
        shape
    }

    fn rows_as_items(&self, rows: std::ops::Range<usize>) -> Vec<SliceItem> {
        let mut items: Vec<SliceItem> = self.twin.shape.iter().map(|_| (..).into()).collect();
        items[self.axis] = rows.into();
        items
    }

    /// The first rows of the twin.
    fn cut(&self, rows: usize) -> Twin<T> {
        self.twin.slice(&self.rows_as_items(0..rows)).expect("rows that it has")
    }

    fn extend(&mut self, rows: &Twin<T>) {
        let (old, added) = (self.twin.clone(), rows.shape[self.axis]);
        self.twin = Twin::new(&self.shape_with(old.shape[self.axis] + added), 0);
        let middle = old.shape[self.axis];
        self.twin.assign(&self.rows_as_items(0..middle), &old);
        self.twin.assign(&self.rows_as_items(middle..middle + added), rows);
    }

    fn take(&mut self, (kind, number, raw): &Step) {
        self.seed += 1;
        let count = usize::from(*number) % 5;
        match kind {
            0 | 1 => self.append(count),
            2 | 3 => {
                let new = Strided::<T>::new(&self.shape_with(count), raw);
                either!(self.handle(), array => array.append_view(new.view())).unwrap();
                self.extend(&new.twin());
            }
            4 => self.reserve(10 * count),
            5 => {
                let rows = usize::from(*number) % (self.rows() + 1);
                either!(self.handle(), array => array.truncate(rows)).unwrap();
                (self.twin, self.committed) = (self.cut(rows), rows);
            }
            6 => {
                either!(self.handle(), array => array.flush()).unwrap();
                self.committed = self.rows();
            }
            7 => self.flush_a_window(),
            8 => self.close_and_open(number % 2 == 0),
            9 => self.recover(Tail::Discard),
            10 => self.recover(Tail::Adopt),
            11 => self.change_door(),
            12 => self.write_a_window(count, *number),
            _ => self.store(usize::from(*number)),
        }
    }

    fn append(&mut self, rows: usize) {
        let row_len = self.row_len();
        // Elements that are not there tell of no rows.
        let rows = if row_len == 0 { 0 } else { rows };
        let new = Twin::<T>::new(&self.shape_with(rows), self.seed);
        either!(self.handle(), array => array.append(&new.elements)).unwrap();
        if row_len != 1 {
            let wrong = vec![T::zeroed(); row_len + 1];
            let error = either!(self.handle(), array => array.append(&wrong)).unwrap_err();
            assert!(matches!(error, Error::LenMismatch { .. }), "{error:?}");
        }
        self.extend(&new);
    }

    fn reserve(&mut self, rows: usize) {
        let reserved = either!(self.handle(), array => array.reserve(rows));
        if cfg!(target_os = "linux") {
            reserved.unwrap();
        } else if let Err(error) = reserved {
            assert!(matches!(error, Error::CannotReserve { .. }), "{error:?}");
        }
    }

    fn flush_a_window(&mut self) {
        let window = Window::new(vec![0; self.twin.shape.len()], &self.twin.shape).unwrap();
        match self.handle() {
            Handle::Map(map) => map.flush_window(window).unwrap(),
            Handle::File(_) => {}
        }
    }

    fn close_and_open(&mut self, mapped: bool) {
        either!(self.handle.take().unwrap(), array => array.close()).unwrap();
        self.committed = self.rows();
        assert!(fs::read(&self.path).unwrap() == self.form.bytes(&self.twin), "closed");
        self.handle = Some(Handle::open(&self.path, mapped && self.mappable()));
    }

    fn mappable(&self) -> bool {
        !self.form.dtype::<T>().is_foreign() && self.form.late.is_multiple_of(align_of::<T>())
    }

    /// As after a crash of the program.
    fn recover(&mut self, tail: Tail) {
        let mapped = matches!(self.handle(), Handle::Map(_));
        if mapped && !STORES_SHOW {
            either!(self.handle(), array => array.flush()).unwrap();
            self.committed = self.rows();
        }
        drop(self.handle.take());
        let expected = (self.rows() - self.committed) * self.row_len() * size_of::<T>();
        let mut found = open_unlocked::<T>(&self.path);
        assert_eq!(found.uncommitted_tail().unwrap(), expected as u64);
        if expected > 0 {
            let error = found.append(&vec![T::zeroed(); self.row_len()]).unwrap_err();
            let Error::UncommittedTail { byte_len, .. } = error else { panic!("{error:?}") };
            assert_eq!(byte_len, expected as u64);
        }
        drop(found);
        let options = OpenOptions::new().lock(Lock::Off);
        let found = options.recover_file::<T>(&self.path, tail).unwrap();
        // Rows without elements leave nothing behind to adopt.
        let kept = if tail == Tail::Adopt && expected > 0 { self.rows() } else { self.committed };
        (self.twin, self.committed) = (self.cut(kept), kept);
        assert!(fs::read(&self.path).unwrap() == self.form.bytes(&self.twin), "recovered");
        self.handle = Some(Handle::File(found));
        if mapped {
            self.handle = Some(Handle::open(&self.path, true));
        }
    }

    fn change_door(&mut self) {
        self.handle = Some(match self.handle.take().unwrap() {
            Handle::Map(map) if STORES_SHOW => Handle::File(map.into_file()),
            handle => handle,
        });
    }

    fn write_a_window(&mut self, count: usize, number: u8) {
        let start = usize::from(number) % (self.rows() + 1);
        let rows = start..(start + count).min(self.rows());
        let items = self.rows_as_items(rows.clone());
        let new = Twin::<T>::new(&self.shape_with(rows.len()), self.seed);
        let mut first = vec![0; self.twin.shape.len()];
        first[self.axis] = start;
        let window = Window::new(first, &new.shape).unwrap();
        either!(self.handle(), array => array.write_window(window, &new.elements)).unwrap();
        self.twin.assign(&items, &new);
    }

    fn store(&mut self, number: usize) {
        let element = nth(self.seed, 5);
        if let (Some(Handle::Map(map)), false) = (&mut self.handle, self.twin.elements.is_empty()) {
            let index: Vec<usize> = self.twin.shape.iter().map(|len| number % len).collect();
            map[&index] = element;
            let place = crate::common::number(&self.twin.shape, &index);
            self.twin.elements[place] = element;
        }
    }

    fn check(&mut self) {
        let handle = self.handle.as_ref().unwrap();
        assert_eq!(handle.shape(), self.twin.shape);
        let found = handle.whole();
        assert_eq!(found.shape(), self.twin.shape);
        assert_eq!(bytes_of(&found), bytes(&self.twin.elements));
        let committed = self.cut(self.committed);
        let fresh = NpyFile::<T>::open(&self.path).unwrap();
        assert_eq!(fresh.shape(), committed.shape);
        if matches!(handle, Handle::Map(_)) && !STORES_SHOW {
            return;
        }
        assert_eq!(bytes_of(&fresh.read().unwrap()), bytes(&committed.elements));
        // The header of what is committed, and the bytes of all.
        let (expected, mut all) = (self.form.bytes(&committed), self.form.bytes(&self.twin));
        let data_start = usize::try_from(fresh.header().data_start()).unwrap();
        all[..data_start].copy_from_slice(&expected[..data_start]);
        assert!(fs::read(&self.path).unwrap() == all, "the bytes of the file");
    }
}

fn check<T: Element>(shape: &[usize], form: Form, mapped: bool, program: &[Step]) {
    let folder = folder();
    let form = if mapped { Form { foreign: false, late: 8 * form.late, ..form } } else { form };
    let mut trial = Trial::<T>::new(folder.path(), shape, form, mapped);
    trial.check();
    for step in program {
        trial.take(step);
        trial.check();
    }
    trial.close_and_open(false);
    trial.check();
}

macro_rules! programs_agree {
    ($($name:ident, $mapped:ident: $type:ty;)*) => {
        proptest! {
            #![proptest_config(config())]
            $(
                #[test]
                fn $name((shape, form) in growing(), program in programs()) {
                    check::<$type>(&shape, form, false, &program);
                }

                #[test]
                fn $mapped((shape, form) in growing(), program in programs()) {
                    check::<$type>(&shape, form, true, &program);
                }
            )*
        }
    };
}

programs_agree! {
    growing_files_of_bytes_are_as_their_twin, growing_maps_of_bytes_are_as_their_twin: u8;
    growing_files_of_shorts_are_as_their_twin, growing_maps_of_shorts_are_as_their_twin: i16;
    growing_files_of_strings_are_as_their_twin, growing_maps_of_strings_are_as_their_twin: Bytes<3>;
    growing_files_of_doubles_are_as_their_twin, growing_maps_of_doubles_are_as_their_twin: f64;
}

#[test]
fn large_appends_of_every_order_arrive_whole() {
    for (order, foreign) in [(Order::C, false), (Order::C, true), (Order::Fortran, false)] {
        let form = Form { order, foreign, late: 0, behind: 0 };
        let shape = if order == Order::C { [2, 700] } else { [700, 2] };
        let folder = folder();
        let mut trial = Trial::<f64>::new(folder.path(), &shape, form, false);
        for turn in [0, 255] {
            let new = Strided::<f64>::new(&trial.shape_with(900), &vec![[0, turn, turn / 2, 0]; 2]);
            either!(trial.handle(), array => array.append_view(new.view())).unwrap();
            trial.extend(&new.twin());
            trial.check();
        }
        trial.close_and_open(false);
        trial.check();
    }
}

#[test]
fn an_array_without_axes_grows_in_no_way() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let one = [7_i32];
    let view = View::from_shape([], &one).unwrap();
    mmap_array::save(&path, &view).unwrap();
    let before = fs::read(&path).unwrap();
    let mut file = open_unlocked::<i32>(&path);
    let refused = |error| matches!(error, Error::InvalidAxis { axis: 0, .. });
    assert!(refused(file.append(&one).unwrap_err()));
    assert!(refused(file.append(&[]).unwrap_err()));
    assert!(refused(file.append_view(&view).unwrap_err()));
    assert!(refused(file.reserve(1).unwrap_err()));
    assert!(refused(file.truncate(0).unwrap_err()));
    drop(file);
    let mut array = map::open_unlocked::<i32>(&path).unwrap();
    assert!(refused(array.append(&one).unwrap_err()));
    assert!(refused(array.truncate(1).unwrap_err()));
    assert_eq!(array[[]], 7);
    drop(array);
    assert_eq!(fs::read(&path).unwrap(), before);

    // It has no rows to recover, but the bytes behind it can be cut off.
    for tail in [Tail::Discard, Tail::Adopt] {
        fs::write(&path, [&before[..], b"behind"].concat()).unwrap();
        let options = OpenOptions::new().lock(Lock::Off);
        options.recover_file::<i32>(&path, tail).unwrap().close().unwrap();
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    fs::write(&path, &before[..before.len() - 1]).unwrap();
    let error = NpyFile::<i32>::recover(&path).unwrap_err();
    assert!(matches!(error, Error::Truncated { .. }), "{error:?}");
}
