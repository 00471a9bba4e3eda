//! Arrays larger than memory, as plain `.npy` files.

mod error;
mod layout;

pub use error::{Error, Result};
pub use layout::Order;
