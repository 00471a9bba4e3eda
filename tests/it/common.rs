//! What several of these tests share: indices, and a place for files.

/// Calls `call` with each index of an array of this shape, the last axis fastest.
pub(crate) fn for_each_index(shape: &[usize], mut call: impl FnMut(&[usize])) {
    let mut index = vec![0; shape.len()];
    for _ in 0..shape.iter().product() {
        call(&index);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// The number of an index, counted in row-major order.
pub(crate) fn number(shape: &[usize], index: &[usize]) -> usize {
    assert_eq!(shape.len(), index.len());
    let mut number = 0;
    for axis in 0..shape.len() {
        number = number * shape[axis] + index[axis];
    }
    number
}

/// A new folder, in memory where the system has such: most tests are not about disks, and every
/// file that is closed is synced.
pub(crate) fn folder() -> tempfile::TempDir {
    let in_memory = tempfile::tempdir_in("/dev/shm");
    in_memory.or_else(|_| tempfile::tempdir()).expect("a folder")
}

/// Numbers that look random, and are the same in every run.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }
}
