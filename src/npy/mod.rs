//! What the bytes at the start of an `.npy` file mean, and how to write them. Pure functions: no
//! files, no `unsafe`.
//!
//! ```text
//! byte 0        6       8                    10 (1.0) or 12 (2.0, 3.0)          data_start
//!      +--------+-------+--------------------+-----------------------------------+---------
//!      | \x93   | major | length of the text | {'descr': '<f4',                  | elements
//!      | NUMPY  | minor | u16 LE in 1.0,     |  'fortran_order': False,          | without
//!      |        |       | u32 LE in 2.0, 3.0 |  'shape': (3, 4), }  blanks  \n   | gaps
//!      +--------+-------+--------------------+-----------------------------------+---------
//!       header.rs                             literal.rs: text to Python values
//!                                             descr.rs:   the value of 'descr' to a DType
//!                                             code.rs:    '<f4' and its like to a DType
//!                                             dtype.rs, kind.rs: what a DType is
//!                                             text.rs:    a DType to text
//! ```
//!
//! The text is latin-1 in versions 1.0 and 2.0, UTF-8 in 3.0. NumPy pads it with blanks so that
//! the data starts at a multiple of 64; a reader may rely on no alignment at all.

mod code;
mod descr;
mod dtype;
mod header;
mod kind;
mod literal;
mod text;

pub use dtype::{DType, Field};
pub use header::Header;
pub(crate) use header::prefix;
pub use kind::{ByteOrder, Kind, TimeUnit};
