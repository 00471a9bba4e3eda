//! Arrays larger than memory, as plain `.npy` files.

mod error;
mod layout;
mod slice;
mod transfer;
mod view;
mod window;

pub use error::{Error, Result};
pub use layout::Order;
pub use slice::{NewAxis, SliceItem, slice_items};
pub use view::{Array, Iter, Lanes, OuterIter, View};
pub use window::{Tiles, Window};
