//! The golden matrix: the files of `tests/data/golden`, by the rule in `tests/data/make_data.py`.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use mmap_array::{Bool, Bytes, Element, Order, Void};

/// The shape of a golden file is the first `rank` of these.
pub(crate) const SHAPE: [usize; 6] = [2, 3, 1, 2, 2, 2];
pub(crate) const RANKS: std::ops::RangeInclusive<usize> = 0..=6;
/// This machine's byte order in the names of files.
pub(crate) const NATIVE: &str = if cfg!(target_endian = "little") { "le" } else { "be" };

pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// One file of the matrix; its elements are `nth(k)`, k counted in row-major order.
#[derive(Debug, Clone)]
pub(crate) struct Golden<T> {
    pub(crate) kind: &'static str,
    /// `le`, `be` or `na`.
    pub(crate) end: &'static str,
    pub(crate) order: Order,
    pub(crate) rank: usize,
    pub(crate) nth: fn(usize) -> T,
}

impl<T: Element> Golden<T> {
    pub(crate) fn name(&self) -> String {
        let order = if self.order == Order::C { "c" } else { "f" };
        format!("{}_{}_{order}_r{}.npy", self.kind, self.end, self.rank)
    }

    pub(crate) fn descr(&self) -> String {
        let end = match self.end {
            "le" => '<',
            "be" => '>',
            _ => '|',
        };
        format!("{end}{}", self.kind)
    }

    pub(crate) fn shape(&self) -> &'static [usize] {
        &SHAPE[..self.rank]
    }

    /// The elements in row-major order.
    pub(crate) fn elements(&self) -> Vec<T> {
        (0..self.shape().iter().product()).map(self.nth).collect()
    }

    pub(crate) fn is_native(&self) -> bool {
        self.end == "na" || self.end == NATIVE
    }
}

/// Something to do with each file of the matrix.
pub(crate) trait Visitor {
    fn visit<T: Element + PartialEq + Debug>(&mut self, golden: &Golden<T>);
}

/// The integers of the matrix, before they are cut to their type.
fn unsigned(k: usize) -> u64 {
    ((k as u64 * 37 + 11) % 120).wrapping_mul(0x0807_0605_0403_0201)
}

fn signed(k: usize) -> u64 {
    if k % 2 == 1 { unsigned(k).wrapping_neg() } else { unsigned(k) }
}

/// Visits all files of the matrix.
pub(crate) fn visit_golden(visitor: &mut impl Visitor) {
    const ENDS: &[&str] = &["le", "be"];
    const NA: &[&str] = &["na"];
    visit(visitor, "i1", NA, |k| signed(k) as i8);
    visit(visitor, "i2", ENDS, |k| signed(k) as i16);
    visit(visitor, "i4", ENDS, |k| signed(k) as i32);
    visit(visitor, "i8", ENDS, |k| signed(k) as i64);
    visit(visitor, "u1", NA, |k| unsigned(k) as u8);
    visit(visitor, "u2", ENDS, |k| unsigned(k) as u16);
    visit(visitor, "u4", ENDS, |k| unsigned(k) as u32);
    visit(visitor, "u8", ENDS, unsigned);
    visit(visitor, "f4", ENDS, |k| k as f32 * 0.5 - 3.25);
    visit(visitor, "f8", ENDS, |k| k as f64 * 0.5 - 3.25);
    visit(visitor, "b1", NA, |k| Bool::from(k % 3 == 0));
    visit(visitor, "S3", NA, |k| Bytes::<3>::new(&b"abc"[..k % 4]).expect("at most three"));
    visit(visitor, "V5", NA, |k| Void([k, k + 1, k + 2, k + 3, k + 4].map(|byte| byte as u8)));
}

fn visit<T: Element + PartialEq + Debug>(
    visitor: &mut impl Visitor,
    kind: &'static str,
    ends: &[&'static str],
    nth: fn(usize) -> T,
) {
    for &end in ends {
        for rank in RANKS {
            visitor.visit(&Golden { kind, end, order: Order::C, rank, nth });
            if rank >= 2 {
                visitor.visit(&Golden { kind, end, order: Order::Fortran, rank, nth });
            }
        }
    }
}
