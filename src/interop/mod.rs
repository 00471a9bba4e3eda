//! Conversions from and to the arrays of other crates, each behind a feature of its own.

#[cfg(feature = "ndarray-0_17")]
pub mod ndarray_0_17;
