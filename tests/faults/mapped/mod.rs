//! Mapped arrays: where a signal ends the process, and that nothing else does.

mod coherent;
mod cow;
mod create;
pub(crate) mod doors;
mod evict;
pub(crate) mod flush;
mod kill;
mod locks;
mod shrink;
mod sigbus;

use std::path::Path;

/// The roles of children here; see `child.rs`.
pub(crate) fn play(role: &str, path: &Path) {
    match role {
        "look_read" | "look_write" | "look_copy" | "store_write" | "store_copy" => {
            sigbus::past_the_end(role, path);
        }
        "hole" => sigbus::hole(path),
        "read_hole" => sigbus::read_hole(path),
        "reserved" => sigbus::reserved(path),
        "unreadable" => sigbus::unreadable(path),
        "beside" => coherent::beside(path),
        "flushes" => flush::flushes(path, false),
        "flushes_window_first" => flush::flushes(path, true),
        "calls" => flush::calls(path),
        "hold_read" | "hold_write" | "hold_copy" => locks::hold(role, path),
        "no_room_to_map" => create::no_room_to_map(path),
        "no_room_to_create" => create::no_room_to_create(path),
        "no_data_segment" => create::no_data_segment(path),
        "whole_mapped" => create::whole(path),
        "open_mapped" => create::open_mapped(path),
        "half_done_mapped" => create::half_done(path),
        "mapped_rows" => kill::rows(path),
        "huge_mapped" => cow::huge(path),
        _ => panic!("nobody plays {role}"),
    }
}
