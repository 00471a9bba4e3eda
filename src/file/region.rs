//! Which parts of the file are locked for a box of the array, where processes write to it together.

use std::ops::Range;

use super::NpyFile;
use crate::access::Access;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::storage::{LockState, RangeLock};
use crate::transfer;

/// How many parts of a file are locked for one box at most: the kernel goes through all of them
/// each time.
const MAX_RANGES: usize = 4096;

impl<T: Element, A: Access> NpyFile<T, A> {
    /// Locks the part of the file that starts at `start` and has `part` as layout, where other
    /// processes may be let in beside this one. `None` where that means to wait, which `wait`
    /// allows.
    pub(crate) fn lock_range(
        &self,
        start: isize,
        part: &Layout,
        write: bool,
        wait: bool,
    ) -> Result<Option<RangeLock>> {
        if !self.cooperative {
            return Ok(Some(RangeLock::none()));
        }
        if self.lock == LockState::Unsupported {
            let reason = "its file system, or the system, has no locks";
            return Err(Error::NoRegionLocks { path: self.path.clone(), reason });
        }
        let bytes = |run: Range<usize>| self.offset(run.start)..self.offset(run.end);
        let ranges = ranges(start, part, MAX_RANGES).map(bytes);
        RangeLock::acquire(&self.file, &self.path, ranges, write, wait)
    }
}

/// The runs of a file, in elements and ascending, that hold a selection: at most `most`. Where it
/// has more, what lies between the runs of its innermost axes belongs to them.
fn ranges(start: isize, part: &Layout, most: usize) -> impl Iterator<Item = Range<usize>> {
    let (_, ordered) = part.in_memory_order();
    let mut gap = 0;
    for &stride in ordered.strides().iter().rev() {
        if transfer::runs(start, part, gap).take(most + 1).count() <= most {
            break;
        }
        gap = stride as usize;
    }
    transfer::runs(start, part, gap)
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one run")]
mod tests {
    use super::*;
    use crate::layout::Order;
    use crate::window::Window;

    fn of(order: Order, shape: &[usize], window: Window, most: usize) -> Vec<Range<usize>> {
        let (start, part) = window.select(&Layout::new(shape, order).unwrap()).unwrap();
        ranges(start, &part, most).collect()
    }

    #[test]
    fn a_box_of_few_runs_is_exactly_those() {
        let tile = || Window::from([1..3, 2..4]);
        assert_eq!(of(Order::C, &[4, 6], tile(), 2), [8..10, 14..16]);
        assert_eq!(of(Order::Fortran, &[4, 6], tile(), 2), [9..11, 13..15]);
        assert_eq!(of(Order::C, &[4, 6], Window::from([1..3, 0..6]), 1), [6..18]);
        assert!(of(Order::C, &[4, 6], Window::from([1..1, 0..6]), 1).is_empty());
        assert_eq!(of(Order::C, &[], Window::new([], []).unwrap(), 1), [0..1]);
    }

    #[test]
    fn a_box_of_many_runs_takes_in_what_lies_between_those_of_its_inner_axes() {
        let window = || Window::from([0..2, 1..3, 1..2]);
        let shape = [2, 4, 6];
        assert_eq!(of(Order::C, &shape, window(), 4), [7..8, 13..14, 31..32, 37..38]);
        assert_eq!(of(Order::C, &shape, window(), 3), [7..14, 31..38]);
        assert_eq!(of(Order::C, &shape, window(), 1), [7..38]);
    }
}
