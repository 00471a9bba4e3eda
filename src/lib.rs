//! Arrays larger than memory, as plain `.npy` files.

mod access;
mod element;
mod error;
mod file;
mod layout;
mod npy;
mod options;
mod slice;
mod storage;
mod transfer;
mod view;
mod window;

pub use bytemuck;

pub use access::{Access, ReadOnly, ReadWrite};
pub use element::{Bool, Bytes, Element, Void};
pub use error::{Error, Result};
pub use file::NpyFile;
pub use layout::Order;
pub use npy::{ByteOrder, DType, Field, Header, Kind, TimeUnit};
pub use options::{OpenOptions, load, save};
pub use slice::{NewAxis, SliceItem, slice_items};
pub use storage::{Allocation, Lock, LockState, Publish};
pub use view::{Array, Iter, Lanes, OuterIter, View};
pub use window::{Tiles, Window};
