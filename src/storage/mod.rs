//! Files as the operating system sees them: bytes and paths, no shapes and no element types.
//!
//! `open` finds out whether a path may be opened at all, `lock` keeps two writers apart, and
//! `range_lock` those who share a file; `io` moves bytes, `mapping` maps them, `reserve` gives a file
//! its length, `create` makes a file that has no name until it is whole, `naming` finds it a name.
//! Platforms differ in the directory handle (`dir_unix`, `dir_path`), in locks on parts of files
//! (`range_lock`, `range_lock_none`) and in small functions beside their use.

mod create;
#[cfg(any(not(unix), test, miri))]
mod dir_path;
#[cfg(all(unix, not(miri)))]
mod dir_unix;
mod io;
mod lock;
mod mapping;
mod naming;
mod open;
#[cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]
mod range_lock;
#[cfg(not(all(target_os = "linux", target_pointer_width = "64", not(miri))))]
mod range_lock_none;
mod reserve;

#[cfg(any(not(unix), miri))]
use dir_path::Dir;
#[cfg(all(unix, not(miri)))]
use dir_unix::Dir;
#[cfg(not(all(target_os = "linux", target_pointer_width = "64", not(miri))))]
use range_lock_none as range_lock;

pub use create::Publish;
pub use lock::{Lock, LockState};
pub use mapping::Advice;
pub use reserve::Allocation;

pub(crate) use create::{NewFile, NewName, sync_dir};
pub(crate) use io::{read_at, read_cached, sync_data, wait_for_write, will_read, write_at};
pub(crate) use lock::{open_locked, try_lock};
pub(crate) use mapping::{MapMode, Mapping, WRITES_SHOW_IN_MAPPINGS};
pub(crate) use open::{file_len, open_regular};
pub(crate) use range_lock::RangeLock;
pub(crate) use reserve::{allocate, reserve_beyond, set_len};
